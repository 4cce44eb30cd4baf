#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The host oracle in `make check`: every case of the corpus again, then a bounded run. Where the host is no oracle the corpus
# is compared with what it recorded, and the run is skipped. PARTITA_FUZZ_CASES=n runs n cases instead.
set -u
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
fuzz=${top_builddir:-$top/build}/tests/oracle/fuzz_host
cases=${PARTITA_FUZZ_CASES:-200000}
runner=${PARTITA_RUNNER:-}              # what runs programs of another architecture

$runner "$fuzz" --quiet --repeat "$top"/tests/oracle/corpus/*.txt || { echo "the corpus differs"; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
$runner "$fuzz" --quiet --cases "$cases" --mode 64 --sequences 0 --bytes 0 --skip AVX512 --corpus "$out"
status=$?
for f in "$out"/*.txt; do
    [ -e "$f" ] && cat "$f"
done
exit $status
