# SPDX-License-Identifier: MIT
# A bounded run of the coverage-guided fuzzers (builds with --enable-fuzzers): decoder, loader, recordings, their manifests, snapshots and
# symbols, each seeded with what passes.
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
# a recording and a snapshot of a machine as those fuzzers have it
mkdir "$work/recording" "$work/snapshot" "$work/symbols" "$work/manifest"
small=(-m 4M -serial null -kernel "$work/kernel" -no-reboot -accel interp)
{ printf '\002\260\255\033\000\000\001\000\376\117\121\344\000\000\020\000\000\000\020\000\000\000\000\000\000\000\000\000\040\000\020\000'
  printf '\271\000\020\000\000\001\010\211\004\215\000\000\040\000\342\367\353\360'; zeros 100; } >"$work/kernel"
"$here/../../partita" record -o "$work/recording/a" "${small[@]}" -checkpoints every=20000 -stop-at 70000 >/dev/null 2>&1
"$here/../../partita" run "${small[@]}" -stop-at 70000 -snapshot-save "$work/snapshot/a" >/dev/null 2>&1
[ -s "$work/recording/a" ] && [ -s "$work/snapshot/a" ] || { echo "no seeds"; exit 1; }
grep -aoE '^(partita|[a-z_]+) .*' "$work/recording/a" >"$work/manifest/a"
printf '0000000000001000 T main\n0000000000002000 d other\n' >"$work/symbols/text"
printf '\177ELF\002\001\001' >"$work/symbols/elf"; zeros 57 >>"$work/symbols/elf"
{ printf '\177ELF\002\001\001'; zeros 33; printf '\100\000\000\000\000\000\000\000'; zeros 10; printf '\100\000\002\000\000\000'
  printf '\000\000\000\000\002'; zeros 19; printf '\300'; zeros 7; printf '\100'; zeros 7; printf '\001\000\000\000'; zeros 12; printf '\030'; zeros 7
  printf '\000\000\000\000\003'; zeros 19; printf '\000\001'; zeros 6; printf '\020'; zeros 31
  zeros 24; printf '\001\000\000\000\022\000\001\000\000\020'; zeros 6; printf '\040'; zeros 7; zeros 16; printf '\000main\000'; zeros 10; } >"$work/symbols/elf64"
bad=0
# fuzz NAME SEEDS RUNS MAX_LEN
fuzz() {
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}allocator_may_return_null=1 "$here/fuzz_$1" -seed=1 -runs="$3" -max_len="$4" -timeout=60 \
        -malloc_limit_mb=100000 -artifact_prefix="$work/" -print_final_stats=1 "$2" >"$work/log" 2>&1 || {
        bad=1; tail -n 40 "$work/log"; for f in "$work"/crash-* "$work"/timeout-*; do [ -e "$f" ] && { echo "$f:"; od -An -tx1 "$f" | head -n 40; }; done; }
    sed -n 's/^stat::/'"$1"':/p' "$work/log"
}
fuzz decoder "$work/seeds" "$runs" 8192
fuzz loader "$work/seeds" "$runs" 8192
fuzz symbols "$work/symbols" "$runs" 8192
fuzz manifest "$work/manifest" $((runs / 20)) 8192
fuzz recording "$work/recording" $((runs / 20)) 1000000
fuzz snapshot "$work/snapshot" $((runs / 20)) 4000000
exit $bad
