#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Refuses an include arrow that docs/layers.txt does not allow, and a host call outside its door.
set -u
cd "$(dirname "$0")/.." || exit 2
table=docs/layers.txt
bad=0 seen=0

allowed() {     # folder included-file
    local folder=$1 file=$2 item
    for item in $(sed -n "s|^$folder: *||p" "$table"); do
        case $item in
            *.h|*.def) [ "$file" = "$item" ] && return 0 ;;
            *) [ "$(dirname "$file")" = "$item" ] && return 0 ;;
        esac
        [ "$file" = "$item" ] && return 0
    done
    return 1
}

folders=$(sed -n 's|^\([a-z/]*\):.*|\1|p' "$table")
for folder in $folders; do
    for source in "$folder"/*.c "$folder"/*.h "$folder"/*.def; do
        [ -e "$source" ] || continue
        while IFS=: read -r line text; do
            included=$(printf '%s' "$text" | sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p')
            [ -n "$included" ] || continue
            seen=$((seen + 1))
            if ! allowed "$folder" "$included"; then
                echo "$source:$line: $folder may not include $included"
                bad=$((bad + 1))
            fi
        done < <(grep -n '^ *# *include *"' "$source")
    done
done

while IFS= read -r row; do
    what=$(printf '%s' "$row" | sed 's/^ban \(.*\): .*/\1/; s/ *$//')
    where=$(printf '%s' "$row" | sed 's/^ban .*: *//')
    for source in base/*.[ch] core/*.[ch] cpu/*.[ch] cpu/decoder/*.[ch] devices/*.[ch] devices/block/*.[ch] hv/*.[ch] \
                  hv/synic/*.[ch] machine/*.[ch] gui/*.[ch]; do
        [ -e "$source" ] || continue
        case " $where " in *" $source "*|*" $(dirname "$source") "*) continue ;; esac
        case $what in
            *"(") hits=$(grep -nE "(^|[^a-z_>.])${what%(}\(" "$source") ;;
            *)    hits=$(grep -nF -- "$what" "$source" | grep -E '# *include|setjmp|longjmp') ;;
        esac
        [ -z "$hits" ] && continue
        echo "$source: $what is for $where only: $hits"
        bad=$((bad + 1))
    done
done < <(grep '^ban ' "$table")

echo "$seen include arrows checked, $bad refused"
[ "$seen" -gt 0 ] && [ "$bad" -eq 0 ]
