#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which sections of the TLFS have a test: clauses of docs/tlfs/clauses.tsv against tests named tlfs_<section>_<what>.
# Prints one line a chapter; with -v also the sections without a test. Fails when a test names a section that has no clause.
set -u
cd "$(dirname "$0")/.." || exit 2
verbose=${1:-}

# tlfs_12_5_1_count is of section 12.5.1; the words of a name begin with a letter.
grep -rhoE 'static void tlfs_[A-C0-9_]*[A-C0-9]_[a-z]' tests --include='test_*.c' 2>/dev/null |
    sed -E 's/static void tlfs_(.*)_[a-z]$/\1/; s/_/./g' | sort -u >"${TMPDIR:-/tmp}/partita-sections.$$"
trap 'rm -f "${TMPDIR:-/tmp}/partita-sections.$$"' EXIT

awk -F'\t' -v verbose="$verbose" '
    NR == FNR { tested[$1] = 1; next }
    /^#/ || $1 == "id" { next }
    {
        count = split($2, part, "."); name = ""
        for (n = 1; n <= count; n++) { name = name (n > 1 ? "." : "") part[n]; seen[name] = 1 }
        if ($3 != "must" || $4 == "no") next
        chapter = part[1]
        if (!(chapter in clauses)) order[++chapters] = chapter
        clauses[chapter]++
        if ($2 in tested) covered[chapter]++
        else if (!($2 in missing)) { missing[$2] = 1; list[chapter] = list[chapter] " " $2 }
    }
    END {
        for (n = 1; n <= chapters; n++) {
            c = order[n]; total += clauses[c]; done += covered[c]
            printf "chapter %-3s %4d of %4d testable clauses lie in sections with a test\n", c, covered[c], clauses[c]
            if (verbose == "-v" && list[c] != "") printf "    without:%s\n", list[c]
        }
        printf "%d of %d\n", done, total
        for (s in tested) if (!(s in seen)) { printf "a test names section %s, which has no clause\n", s; bad = 1 }
        exit bad
    }' "${TMPDIR:-/tmp}/partita-sections.$$" docs/tlfs/clauses.tsv
