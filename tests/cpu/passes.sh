#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The lockstep tests once more without each thing that the translator may leave out (cpu/jit/passes.def), and without any of them:
# what one pass covers up must be right by itself.
set -u
runner=${PARTITA_RUNNER:-}         # programs of another architecture
PARTITA_JIT_PROGRAMS=1 $runner tests/cpu/test_jit >/dev/null 2>&1
[ $? -ne 77 ] || { echo "this host has no translator"; exit 77; }
letters=$(sed -n "s/^PASS([A-Z0-9_]*, *'\(.\)'.*/\1/p" "${srcdir:-.}/cpu/jit/passes.def" | tr -d '\n')
[ "${#letters}" -ge 10 ] || { echo "no letters in passes.def"; exit 1; }
bad=0
# without LETTERS TEST PROGRAMS
without() {
    PARTITA_JIT_OFF=$1 PARTITA_JIT_PROGRAMS=$3 $runner "tests/cpu/$2" >tests/cpu/passes.out 2>&1 && return
    echo "tests/cpu/$2 fails without '$1':"
    tail -n 20 tests/cpu/passes.out
    bad=$((bad + 1))
}
for off in $(echo "$letters" | sed 's/./& /g') "$letters" ln lnp fs; do
    without "$off" test_jit 150
    case $off in *p*) ;; *) without "$off" test_jit_path 40 ;; esac
    without "$off" test_jit_space 60
    without "$off" test_jit_change 60
    case $off in *[vxfli]*) without "$off" test_jit_vec 60 ;; esac
done
echo "without each of $letters: $bad failed"
[ "$bad" -eq 0 ]
