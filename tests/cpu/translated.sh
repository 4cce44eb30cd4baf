#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The processor's tests once more, with every block translated at its first run: self-modifying code, writes by devices, turns
# and counts, faults, debugging. Those that call handlers directly say nothing here and are left out.
set -u
runner=${PARTITA_RUNNER:-}         # programs of another architecture
PARTITA_JIT_PROGRAMS=1 $runner tests/cpu/test_jit >/dev/null 2>&1
[ $? -ne 77 ] || { echo "this host has no translator"; exit 77; }
tests='test_block test_run test_int test_insn test_debug test_event test_exec_system test_far test_lam test_mca test_mmu test_monitor
       test_msr test_pmu test_seg test_smm test_space test_task test_cet test_ibt test_vme test_extensions test_exec_xsave test_vec_faults'
pages=1500
[ -z "$runner" ] || pages=300
bad=0 seen=0
for name in $tests; do
    [ -x "tests/cpu/$name" ] || { echo "tests/cpu/$name is not built"; bad=$((bad + 1)); continue; }
    seen=$((seen + 1))
    PARTITA_TEST_JIT=1 $runner "tests/cpu/$name" >"tests/cpu/$name.translated" 2>&1 && continue
    echo "$name fails when translated:"
    tail -n 20 "tests/cpu/$name.translated"
    bad=$((bad + 1))
done
PARTITA_TEST_JIT=1 $runner tests/oracle/random_pages -n "$pages" -s 999000 >tests/oracle/random_pages.translated 2>&1 ||
    { echo "random pages fail when translated:"; tail -n 5 tests/oracle/random_pages.translated; bad=$((bad + 1)); }
echo "$seen programs, $bad failed"
[ "$seen" -gt 0 ] && [ "$bad" -eq 0 ]
