#!/bin/bash
# SPDX-License-Identifier: MIT
# Records a Linux that somebody logs in to and works with for a minute of its time (compresses, hashes, makes and removes file trees, talks
# over its own network, reads what is typed at moments the host chooses) and powers off; with one processor and with four, by each build;
# and replays each recording by each build under both engines: every hash and every byte of output must be equal.
# usage: tests/replay/sweep.sh [ROUNDS [BUSY]], after ./check has built. BUILDS="DIR...": which builds; a round is four replays for each pair
# of them. BUSY: for how many of the 60 seconds it works (12), the others it sleeps. LOG=FILE: a line for each replay.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${build:-$top/build} rounds=${1:-7} busy=${2:-12} log=${LOG:-/dev/null}
builds=${BUILDS:-$build $([ ! -x "$build-clang/partita" ] || echo "$build-clang")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$top/tools/setup.sh"
cat >"$work/script" <<SCRIPT
#!/bin/sh
exec </dev/console; printf 'login: '; read name
printf 'password: '; read word
[ "\$word" = secret ] || exit 1
echo "welcome, \$name"
now() { cut -d. -f1 /proc/uptime; }
ip link set lo up
mkdir /tmp/w; cd /tmp/w
for round in 1 2 3 4 5 6; do
    end=\$((\$(now) + $busy / 6))
    while :; do
        dd if=/dev/urandom bs=1k count=100 2>/dev/null | gzip -c >z.\$round
        cat /bin/busybox | head -c 300000 | gzip -1 -c >b.\$round
        sha256sum b.* z.* | md5sum
        mkdir -p t/\$round/a/b/c; for f in 1 2 3 4 5 6 7 8 9; do echo \$f >t/\$round/a/b/c/\$f; done
        find t | wc -l; rm -rf t
        [ \$(now) -lt \$end ] || break
    done
    ping -c 1 -q 127.0.0.1 | grep received
    echo "round \$round"; read line; echo "typed \$line"
    sleep $(((60 - busy) / 6))
done
echo "goodbye at \$(now)"
SCRIPT
{ cat "$build/guest/initramfs"; script_archive "$work/script"; } >"$work/initrd"
# says OUT TEXT: until the guest has said it; typing OUT: what somebody types who reads
says() { until grep -q "$2" "$1" 2>/dev/null; do sleep 0.05; done; }
typing() {
    says "$1" login; sleep 0.$((RANDOM % 9 + 1)); echo somebody
    says "$1" password; sleep 0.$((RANDOM % 9 + 1)); echo secret
    for n in 1 2 3 4 5 6; do says "$1" "round $n"; sleep 0.$((RANDOM % 5 + 1)); echo "line $n"; done
    says "$1" goodbye
}
# session NAME PARTITA SMP: records one
session() {
    : >"$work/$1.out"
    typing "$work/$1.out" | timeout 600 "$2" record -o "$work/$1.ptr" -m 256M -smp "$3" -kernel "$build/guest/vmlinuz" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' -serial stdio -serial null -no-reboot >"$work/$1.out" 2>"$work/err"
    [ "${PIPESTATUS[1]}" -eq 0 ] && tr -d '\r' <"$work/$1.out" | grep -q 'typed line 6' && grep -q goodbye "$work/$1.out" ||
        { echo "$1: the session did not come to its end"; cat "$work/$1.out" "$work/err"; exit 1; }
}
# replay NAME PARTITA ENGINE
replay() {
    local start=$SECONDS
    replays=$((replays + 1))
    if timeout 1200 "$2" replay "$work/$1.ptr" -accel "$3" >"$work/again" 2>"$work/err" && cmp -s "$work/again" "$work/$1.out" &&
       grep -q 'replayed .* hashes equal' "$work/err"; then
        echo "$1 by $2 $3, $((SECONDS - start)) s: $(tail -n 1 "$work/err")" >>"$log"
    else
        bad=$((bad + 1))
        cp "$work/$1.ptr" "${TMPDIR:-/tmp}/differs.$replays.ptr"
        { echo "DIFFERS: $1 by $2 $3; the recording is differs.$replays.ptr"; cat "$work/err"; } | tee -a "$log"
    fi
}
replays=0 bad=0
for round in $(seq "$rounds"); do
    for smp in 1 4; do
        n=0
        for recorder in $builds; do
            n=$((n + 1)) name=round-$round-smp-$smp-build-$n
            session "$name" "$recorder/partita" "$smp"
            for replayer in $builds; do
                for engine in jit interp; do replay "$name" "$replayer/partita" "$engine"; done
            done
            rm -f "$work/$name".*
        done
    done
    echo "$replays replays, $bad differ; $(tail -n 1 "$work/err")"
done
exit $((bad > 0))
