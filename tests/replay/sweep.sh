#!/bin/bash
# SPDX-License-Identifier: MIT
# Records a Linux that somebody logs in to and works with for a minute of its time (compresses, hashes, makes and removes file trees, sleeps,
# reads what is typed at moments the host chooses), with one processor and with four, and replays each again and again under both engines: every
# hash must be equal. usage: tests/replay/sweep.sh [ROUNDS], after ./check has built; BUILD=DIR: where. A round is four replays.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build} rounds=${1:-25}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$top/tools/setup.sh"
cat >"$work/script" <<'SCRIPT'
#!/bin/sh
exec </dev/console; printf 'login: '; read name
printf 'password: '; read word
[ "$word" = secret ] || exit 1
echo "welcome, $name"
mkdir /tmp/w; cd /tmp/w
for round in 1 2 3 4 5 6; do
    dd if=/dev/zero bs=1k count=200 2>/dev/null | gzip -c >z.$round
    cat /bin/busybox | head -c 300000 | gzip -1 -c >b.$round
    sha256sum b.* z.* | md5sum
    mkdir -p t/$round/a/b/c; for f in 1 2 3 4 5 6 7 8 9; do echo $f >t/$round/a/b/c/$f; done
    find t | wc -l; rm -rf t
    echo "round $round"; read line; echo "typed $line"
    sleep 10
done
exit 7
SCRIPT
{ cat "$build/guest/initramfs"; script_archive "$work/script"; } >"$work/initrd"
# says OUT TEXT: until the guest has said it; typing OUT: what somebody types who reads
says() { until grep -q "$2" "$1" 2>/dev/null; do sleep 0.05; done; }
typing() {
    says "$1" login; sleep 0.$((RANDOM % 9 + 1)); echo somebody
    says "$1" password; sleep 0.$((RANDOM % 9 + 1)); echo secret
    for n in 1 2 3 4 5 6; do says "$1" "round $n"; sleep 0.$((RANDOM % 5 + 1)); echo "line $n"; done
    says "$1" 'line 6'; sleep 20
}
replays=0 bad=0
for smp in 1 4; do
    typing "$work/$smp.out" | timeout 300 "$build/partita" record -o "$work/$smp.ptr" -m 256M -smp $smp -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' -serial stdio -no-reboot >"$work/$smp.out" 2>"$work/err"
    tr -d '\r' <"$work/$smp.out" | grep -q 'typed line 6' || { echo "smp $smp: the session did not come to its end"; cat "$work/$smp.out" "$work/err"; exit 1; }
done
for round in $(seq "$rounds"); do
    for smp in 1 4; do
        for engine in jit interp; do
            replays=$((replays + 1))
            timeout 600 "$build/partita" replay "$work/$smp.ptr" -accel $engine >"$work/again" 2>"$work/err"
            cmp -s "$work/again" "$work/$smp.out" && grep -q 'replayed .* hashes equal' "$work/err" ||
                { bad=$((bad + 1)); echo "round $round, smp $smp, $engine:"; cat "$work/err"; }
        done
    done
    echo "$replays replays, $bad differ; $(tail -n 1 "$work/err")"
done
exit $((bad > 0))
