#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The conformance suite in Partita: every test comes out as conform/expected.txt says, on both engines alike; each id is a
# clause and has one test, or a reason why not; the three reports are there.
set -u
top=$(cd "${top_srcdir:-.}" && pwd) build=$(cd "${top_builddir:-.}" && pwd)
partita="${PARTITA_RUNNER:-} $build/partita"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() { echo "FAIL: $*"; bad=1; }

$partita conform -write-image "$work/guest.elf" 2>/dev/null || { echo "SKIP: this build has no guest image"; exit 77; }

# ids
grep -hoE '^CLAUSE(_IS|_LAST)?\("[^"]+"' "$top"/conform/tests/*.c | sed 's/.*("//; s/"//' | sort >"$work/ids"
uniq -d "$work/ids" | grep . && fail "a clause has two tests"
cut -f1 "$top/docs/tlfs/clauses.tsv" "$top/docs/tlfs/requirements.tsv" | sort >"$work/clauses"
comm -23 "$work/ids" "$work/clauses" | grep . && fail "a test names no clause"
cut -f1 "$top/conform/untested.tsv" | grep -v '[#*]' | grep . | sort >"$work/reasons"
comm -12 "$work/ids" "$work/reasons" | grep . && fail "a clause has a test, and a reason why not"
comm -13 "$work/clauses" "$work/reasons" | grep . && fail "a reason names no clause"
cut -f1 "$top/conform/choices.tsv" | grep -v '#' | grep . | sort -u >"$work/choices"
comm -13 "$work/clauses" "$work/choices" | grep . && fail "a choice names no clause"

# results
$partita conform -o "$work/report" -expect "$top/conform/expected.txt" >"$work/out" 2>&1 ||
    fail "the results are not as expected"
cat "$work/out"
for file in conform.tap conform.xml conform.html; do [ -s "$work/report/$file" ] || fail "no $file"; done
[ "$(grep -cE '^(not )?ok ' "$work/report/conform.tap")" -eq "$(wc -l <"$work/ids")" ] || fail "not every test has a result"
if [ -z "${PARTITA_RUNNER:-}" ]; then
    for engine in interp jit; do
        $partita conform -o "$work/$engine" -accel $engine -only 3,9,13 >/dev/null 2>&1
    done
    [ ! -e "$work/jit" ] || cmp "$work/interp/conform.tap" "$work/jit/conform.tap" || fail "the two engines differ"
fi

# a test that hangs and one that brings the machine down: both fail, the others run
$partita conform -o "$work/bad" -only 2.2,2.3,2.4.1 -append "stop=2.2-02 crash=2.3-01" >/dev/null 2>&1
[ $? -eq 1 ] || fail "failing tests must exit with 1"
[ "$(grep '^not ok' "$work/bad/conform.tap" | grep -oE '[0-9.]+-[0-9]+' | xargs)" = "2.2-02 2.3-01" ] || fail "2.2-02 and 2.3-01 must fail"
[ "$(grep -c '^ok' "$work/bad/conform.tap")" -eq 8 ] || fail "eight tests must pass beside one that hangs and one that crashes"

# a log as reference, and bad input
$partita conform -o "$work/again" -log "$work/report/conform.tap" -reference "$work/report/conform.tap" \
    -expect "$top/conform/expected.txt" >/dev/null || fail "a log does not give the results it came from"
grep -q 'class="both"' "$work/again/conform.html" || fail "the reference is not in the page"
$partita conform -frobnicate x >/dev/null 2>&1; [ $? -eq 2 ] || fail "an unknown option must exit with 2"
$partita conform -o "$work/none" -only 99.9 >/dev/null 2>&1; [ $? -eq 2 ] || fail "no test must exit with 2"
exit $bad
