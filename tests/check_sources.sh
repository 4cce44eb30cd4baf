#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every source file of the tree is built: named in Makefile.am.
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0 seen=0
for source in base/*.[ch] core/*.[ch] cpu/*.[ch] cpu/decoder/*.[ch] cpu/jit/*.[ch] cpu/jit/*/*.[ch] devices/*.[ch] devices/block/*.[ch] hv/*.[ch] hv/synic/*.[ch] \
              machine/*.[ch] conform/*.[ch] conform/*/*.[ch] gui/*.[ch] tests/test_*.c tests/*/test_*.c tests/*/*/test_*.c; do
    [ -e "$source" ] || continue
    seen=$((seen + 1))
    if ! grep -qE "(^|[[:space:]])$source([[:space:]]|\$)" Makefile.am; then
        echo "$source is not in Makefile.am"
        bad=$((bad + 1))
    fi
done
echo "$seen sources checked, $bad missing"
[ "$seen" -gt 0 ] && [ "$bad" -eq 0 ]
