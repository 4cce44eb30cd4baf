#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Refuses an include arrow that docs/layers.txt does not allow, and a host call outside its door.
set -u
cd "$(dirname "$0")/.." || exit 2
folders=$(sed -n 's|^\([a-z/]*\):.*|\1|p' docs/layers.txt)
sources=$(for folder in $folders; do ls "$folder"/*.c "$folder"/*.h "$folder"/*.def 2>/dev/null; done)

# shellcheck disable=SC2086
awk '
function folder_of(path) { sub("/[^/]*$", "", path); return path }

# "folder: allowed ..." and "ban what: where ..."
FILENAME == "docs/layers.txt" {
    if ($0 ~ /^#/ || NF == 0) next
    if ($1 == "ban") {
        what[++bans] = $2; sub(/:$/, "", what[bans])
        for (k = 3; k <= NF; k++) where[bans, $k] = 1
        next
    }
    folder = $1; sub(/:$/, "", folder)
    for (k = 2; k <= NF; k++) allowed[folder, $k] = 1
    next
}

function refuse(text) { print FILENAME ":" FNR ": " text; bad++ }

/^ *# *include *"/ {
    split($0, part, "\""); seen++
    here = folder_of(FILENAME)
    if (!((here, folder_of(part[2])) in allowed) && !((here, part[2]) in allowed)) refuse(here " may not include " part[2])
}

{
    for (k = 1; k <= bans; k++) {
        if ((k, FILENAME) in where || (k, folder_of(FILENAME)) in where) continue
        at = index($0, what[k])
        if (at == 0) continue
        # a call of exactly this name; a header or setjmp only where it is included
        if (what[k] ~ /\($/ ? substr(" " $0, at, 1) !~ /[a-z_>.]/ : $0 ~ /# *include/) refuse(what[k] " has no place here")
    }
}

END { print seen + 0 " include arrows checked, " bad + 0 " refused"; exit !(seen > 0 && bad == 0) }
' docs/layers.txt $sources
