# SPDX-License-Identifier: MIT
# A bounded run of the coverage-guided fuzzers (builds with --enable-fuzzers): decoder, and loader seeded with images that pass.
# PARTITA_FUZZ_RUNS=n makes it as long as you like.
here=${top_builddir:-.}/tests/oracle
[ -x "$here/fuzz_decoder" ] && [ -x "$here/fuzz_loader" ] || { echo "configured without --enable-fuzzers"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs=${PARTITA_FUZZ_RUNS:-20000}

zeros() { head -c "$1" /dev/zero; }
mkdir "$work/seeds"
{ printf '\377\177\002\260\255\033\003\000\000\000\373\117\122\344'; zeros 400; } >"$work/seeds/multiboot"
{ printf '\377\377\002\260\255\033\000\000\001\000\376\117\121\344\000\000\020\000\000\000\020\000'; zeros 400; } >"$work/seeds/flat"
{ printf '\000\300'; zeros 497; printf '\004\000\000\000\001\000\000\000\000\000\000\000\000\125\252\353\152HdrS\017\002'; zeros 4000; } >"$work/seeds/bzimage"
{ printf '\377\377\177ELF\001\001\001\000\000\000\000\000\000\000\000\000\002\000\003\000\001\000\000\000\000\000\020\000\064\000\000\000'
  zeros 12; printf '\064\000\040\000\001\000'; zeros 200; printf '\002\260\255\033\000\000\000\000\376\117\122\344'; zeros 500; } >"$work/seeds/elf"
bad=0
for which in decoder loader; do
    "$here/fuzz_$which" -seed=1 -runs="$runs" -max_len=8192 -timeout=60 -artifact_prefix="$work/" -print_final_stats=1 "$work/seeds" >"$work/log" 2>&1 || {
        bad=1; tail -n 40 "$work/log"; for f in "$work"/crash-* "$work"/timeout-*; do [ -e "$f" ] && { echo "$f:"; od -An -tx1 "$f" | head -n 40; }; done; }
    sed -n 's/^stat::/'"$which"':/p' "$work/log"
done
exit $bad
