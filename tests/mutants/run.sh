#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes each deliberate defect of rows.tsv, one at a time, in a copy of its file, and expects a test of tests/hv to fail.
#   make mutants                     all rows
#   make mutants MUTANTS=stimer      rows whose file or clause match
# Run by make in the build directory, after the tests are built. Prints a line for each defect; 1 when one was not caught.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$PWD
wanted=${MUTANTS:-.}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
: "${CC:=cc}" "${LIBS:=-lcmocka -lz}"
export top_srcdir=$top srcdir=$top PARTITA_HV_FUZZ=3000

compile() {             # source object, includes of the mutated tree first
    $CC -std=gnu11 -O1 -w -I"$3" -I"$top" -I"$build" -c "$1" -o "$2" 2>"$3/compile.log"
}

# Mutates and compiles into directory $1: what must be compiled anew are the file itself or all that include it.
build_mutant() {        # directory file sed
    local dir=$1 file=$2 expr=$3 source
    mkdir -p "$dir/$(dirname "$file")" "$dir/objects"
    sed "$expr" "$top/$file" >"$dir/$file"
    [ "$(diff "$top/$file" "$dir/$file" | grep -c '^>')" -ge 1 ] || { echo "changes nothing"; return 2; }
    case $file in
        *.c) compile "$dir/$file" "$dir/objects/mutant.o" "$dir" || { echo "does not compile"; return 2; } ;;
        *)   grep -lE "\"$file\"" "$top"/hv/*.[ch] "$top"/hv/synic/*.[ch] | sed 's/\.h$/.c/' >"$dir/list"
             [ "$file" = hv/hypercalls.def ] && ls "$top"/hv/hypercall.c "$top"/hv/trace.c >>"$dir/list"
             sort -u "$dir/list" | while read -r source; do
                 [ -e "$source" ] || continue
                 compile "$source" "$dir/objects/$(basename "$source" .c).o" "$dir" || exit 1
             done || { echo "does not compile"; return 2; } ;;
    esac
}

# Name of the first test that fails with the mutant linked in; nothing when all pass.
catcher() {             # directory
    local dir=$1 test
    for test in "$top"/tests/hv/test_*.c; do
        test=$(basename "$test" .c)
        $CC -o "$dir/$test" "$build/tests/hv/$test.o" "$build/tests/hv/fake_cpu.o" "$dir"/objects/*.o "$build/tests/libtests.a" \
            "$build/libpartita.a" $LIBS 2>"$dir/link.log" || { cat "$dir/link.log" >&2; echo "does not link"; return 2; }
        timeout 60 "$dir/$test" >"$dir/log" 2>&1 || { echo "$test: $(grep -oE '^\[  FAILED  \] [a-z]\w+' "$dir/log" | head -n 1 | cut -c14-)"; return 0; }
        rm -f "$dir/$test"
    done
}

one_row() {             # number file clause sed
    local dir=$work/$1 why
    why=$(build_mutant "$dir" "$2" "$4") || { printf 'BAD     %-22s %-12s %s\n' "$2" "$3" "$why"; rm -rf "$dir"; return; }
    why=$(catcher "$dir")
    printf '%-7s %-22s %-12s %s\n' "$([ -n "$why" ] && echo caught || echo MISSED)" "$2" "$3" "${why:-$4}"
    rm -rf "$dir"
}

rows() { grep -vE '^(#|file	)' "$top/tests/mutants/rows.tsv" | grep -E -- "$wanted"; }

jobs=$(nproc) number=0
while IFS=$'\t' read -r file clause expr; do
    number=$((number + 1))
    one_row "$number" "$file" "$clause" "$expr" >>"$work/results.$((number % jobs))" &
    [ $((number % jobs)) = 0 ] && wait
done < <(rows)
wait
sort "$work"/results.* | tee "$work/all"
caught=$(grep -c '^caught' "$work/all") total=$(wc -l <"$work/all")
echo "$caught of $total deliberate defects caught"
[ "$caught" = "$total" ] && [ "$total" -gt 0 ]
