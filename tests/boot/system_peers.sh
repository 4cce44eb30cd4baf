# SPDX-License-Identifier: MIT
# Segments, gates, privilege, tasks and virtual-8086 mode against QEMU: random cases of tests/guest/system.c must come to the
# same, or the difference stands in tests/oracle/system_triage.txt with who is right.
. "$top/tests/boot/lib.sh"
setup install_debian qemu-system-x86 python3
guest system
python3 "$top/tests/oracle/system_peers.py" --partita "$PARTITA" --guest "$work/system.elf" --count 1200 || fail "unexplained differences"
finish
