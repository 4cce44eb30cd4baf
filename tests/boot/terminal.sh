# SPDX-License-Identifier: MIT
# The terminal: what is typed reaches the guest's shell, a guest second is a host second while the guest idles, Ctrl-A p presses
# the power button, Ctrl-A x quits.
. "$top/tests/boot/lib.sh"
command -v script >/dev/null || { echo "script(1) is not here"; exit 77; }
setup fetch_kernel linux-image-amd64 "$build/guest/full" amd64
cp "$build/guest/initramfs" "$work/initrd"
add_modules full button evdev
mkfifo "$work/keys"

start() {
    : >"$work/screen"
    script -qfec "'$PARTITA' run -m 512M -kernel '$build/guest/full/vmlinuz' -initrd '$work/initrd' -nographic \
        -append 'console=ttyS0 panic=-1 quiet cryptomgr.notests'" "$work/screen" <"$work/keys" >/dev/null &
    pid=$!
    exec 3>"$work/keys"
    see '/root #'
}
see() { for _ in $(seq 1200); do sleep 0.1; grep -q -- "$1" "$work/screen" && return; done; fail "no '$1' on the screen"; tail -n 20 "$work/screen"; }
keys() { printf '%b' "$1" >&3; }
ends() { wait $pid; [ $? -eq "$1" ] || fail "exit status is not $1"; exec 3>&-; }

start
keys 'expr 41000 + 234; date +first=%%s=\r'
see '41234'
see 'first=[0-9]'
host=$(date +%s)
sleep 10
keys 'date +second=%%s=\r'
see 'second=[0-9]'
host=$(($(date +%s) - host))
guest=$(sed -n 's/^first=\([0-9]*\)=.*/-\1/p; s/^second=\([0-9]*\)=.*/\1/p' "$work/screen" | paste -sd+ | bc)
[ "$guest" -ge $((host - 2)) ] && [ "$guest" -le $((host + 2)) ] || fail "$guest s passed in the guest, $host s on the host"
keys '. /modules/load; mkdir -p /etc/acpi/PWRF /var/run /var/log; cd /etc/acpi/PWRF\r'
keys 'echo "#!/bin/sh\\npoweroff -f" >00000080; chmod 755 00000080; acpid; echo list""ening\r'
see 'listening'
sleep 1
keys '\001p'
ends 0
start
keys '\001x'
ends 10
finish
