#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: embed.sh NAME=FILE... : C arrays of the files, each with a zero after its end, and their lengths. NAME=- is empty.
# NAME=DIR/: its *.c files one after another, each after a line "=== file".
set -eu
echo '/* Made by conform/embed.sh. */'
echo '#include "conform/embedded.h"'
for pair in "$@"; do
    name=${pair%%=*} file=${pair#*=}
    echo "const unsigned char conform_$name[] = {"
    case $file in
        -)  : ;;
        */) for c in "$file"*.c; do echo "=== ${c##*/}"; cat "$c"; done | od -An -v -tu1 ;;
        *)  od -An -v -tu1 <"$file" ;;
    esac | sed 's/^ *//; s/  */,/g; s/$/,/'
    echo '0 };'
    echo "const unsigned long conform_${name}_len = sizeof conform_$name - 1;"
done
