# SPDX-License-Identifier: MIT
# Segments, gates, privilege, tasks, virtual-8086 mode and paging against QEMU, and Bochs 3 where it can be fetched: random
# cases of tests/guest/system.c must come to the same, or the difference stands in tests/oracle/system_triage.txt with who is
# right.
# long: it is started first.
. "$top/tests/boot/lib.sh"
setup install_debian qemu-system-x86 python3
guest system
peers() { python3 "$top/tests/oracle/system_peers.py" --partita "$PARTITA" --guest "$work/system.elf" "$@" || fail "unexplained differences"; }
peers --count 1200 --peer qemu
peers --count 1200 --peer qemu --paging
if bochs=$(bash "$top/bench/fetch-bochs" trixie "$build/bench/bochs-trixie" 2>"$work/log"); then
    peers --count 800 --seed 100000 --stall 120 --peer "bochs=$bochs"
    peers --count 800 --seed 100000 --stall 120 --peer "bochs=$bochs" --paging
else
    echo "without Bochs: $(tail -n 1 "$work/log")"
fi
finish
