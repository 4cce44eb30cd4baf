#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The host oracle in `make check`: every case of the corpus again, then a bounded run of new ones. Where the host is no oracle
# the corpus is compared with what it recorded, and the run is skipped. What the manuals leave open is as on the processors that
# have AVX512-FP16 (Sapphire Rapids, Emerald Rapids); on others the run is a small one. PARTITA_FUZZ_CASES=n runs n cases instead.
set -u
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
fuzz=${top_builddir:-$top/build}/tests/oracle/fuzz_host
slice=(--skip AVX512 --bytes 0 --sequences 0)
cases=200000            # of 64-bit mode; a fifth of that in each of the other two
if grep -qsw GenuineIntel /proc/cpuinfo && grep -qsw avx512_fp16 /proc/cpuinfo; then
    slice=(--bytes 4 --sequences 4)
    cases=1500000
fi
cases=${PARTITA_FUZZ_CASES:-$cases}
runner=${PARTITA_RUNNER:-}              # what runs programs of another architecture

$runner "$fuzz" --quiet --repeat "$top"/tests/oracle/corpus/*.txt || { echo "the corpus differs"; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
$runner "$fuzz" --quiet --cases "$cases" --mode 64 "${slice[@]}" --corpus "$out" || status=$?
for mode in 32 16; do
    [ $status = 0 ] && { $runner "$fuzz" --quiet --cases $((cases / 5)) --mode $mode "${slice[@]}" --corpus "$out" || status=$?; }
done
for f in "$out"/*.txt; do
    [ -e "$f" ] && cat "$f"
done
exit $status
