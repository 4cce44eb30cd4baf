#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs a folder of bare-metal test guests (DIR/*.flat, Multiboot, reporting by isa-debug-exit) and prints one line for each
# and the totals. A unittests.cfg in DIR, as kvm-unit-tests has one, gives names, arguments, processors and features; without
# it every file runs once.
set -u
here=$(cd "$(dirname "$0")" && pwd)
usage() {
    cat <<END
usage: ${0##*/} [-p PARTITA] [-t SECONDS] [-o LOGDIR] [-g GROUPS] [-x NAMES] [-e VAR=VALUE] [-l] DIR [NAME...] [-- OPTION...]
  -p  the emulator (default: build/partita at the top)
  -t  seconds of host time a guest may take (default 300)
  -o  keep each guest's output as LOGDIR/NAME.log
  -g  leave out these groups of unittests.cfg, separated by commas (default: vmx,svm,pmu)
  -x  leave out these tests, separated by commas
  -e  a line of the environment that the guests get as their only module (kvm-unit-tests: TEST_DEVICE=0 means bare metal)
  -l  list the tests and the command lines instead of running them
  NAMEs choose tests by name, as shell patterns; OPTIONs go to the emulator as they are.
END
    exit "$1"
}

partita=$here/../../build/partita limit=300 logs='' leave=vmx,svm,pmu except='' environment='' list=''
while getopts p:t:o:g:x:e:lh flag; do
    case $flag in
        p) partita=$OPTARG ;; t) limit=$OPTARG ;; o) logs=$OPTARG ;; g) leave=$OPTARG ;;
        x) except=,$OPTARG, ;; e) environment+=$OPTARG$'\n' ;; l) list=yes ;; h) usage 0 ;; *) usage 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage 2
dir=$1
shift
names=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do names+=("$1"); shift; done
[ $# -gt 0 ] && shift
extra=("$@")
[ -x "$partita" ] || { echo "${0##*/}: no emulator at $partita; build it or give -p" >&2; exit 2; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ -n "$logs" ] || logs=$scratch
mkdir -p "$logs"
printf '%s' "$environment" >"$logs/environment"
features=" $("$partita" run -cpu help | sed -n '/^features/,$p' | tail -n +2 | tr -s ' \n' ' ') "
pass=0 fail=0 skip=0

wanted() {      # NAME GROUPS
    local pattern group
    case $except in *",$1,"*) return 1 ;; esac
    if [ ${#names[@]} -gt 0 ]; then
        for pattern in "${names[@]}"; do
            # shellcheck disable=SC2053
            [[ $1 == $pattern ]] && return 0
        done
        return 1
    fi
    for group in ${leave//,/ }; do
        case " $2 " in *" $group "*) return 1 ;; esac
    done
    return 0
}

# QEMU's model and features in ours: the suite says what a test needs, "max" has all else. Features we do not have are left
# out, and the test then says so itself. qemu64 stays "max" unless a feature is asked away: tests adapt to what CPUID shows.
processor() {   # QEMU's -cpu
    local word model=max out='' name
    for word in ${1//,/ }; do
        case $word in
            [+-]*) name=${word#?}; name=${name//-/_}
                   [ "$name" = tsc_deadline ] && name=tsc_deadline_timer
                   case $features in *" $name "*) out+=",${word:0:1}$name" ;; esac ;;
            vendor=*) case $features in *" vendor= "*) out+=",$word" ;; esac ;;
        esac
    done
    echo "$model$out"
}

# Many of these guests wait for the TSC to reach some value, so a virtual second is made few instructions.
run_one() {     # NAME FILE ARGS SMP QEMU_PARAMS
    local name=$1 file=$2 args=$3 smp=$4 memory=128M status took verdict words word
    local line=(run -kernel "$file" -serial stdio -display none -vga none -no-reboot -clock virtual -clock ips=50000000
                -device "isa-debug-exit,iobase=0xf4,iosize=4" -device pc-testdev -smp "$smp")
    read -ra words <<<"$5"
    set -- "${words[@]}"
    while [ $# -gt 0 ]; do
        word=$1
        shift
        case $word in
            -cpu) line+=(-cpu "$(processor "$1")"); shift ;;
            -m) memory=$1; shift ;;
            -device)
                case $1 in
                    hyperv-testdev*) [[ " ${extra[*]-} " == *' -hv off '* ]] && { left_out "$name" "needs -hv on"; return; } ;;
                    *) left_out "$name" "no device ${1%%,*}"; return ;;
                esac
                line+=(-device "$1")
                shift ;;
        esac
    done
    line+=(-m "$memory")
    [ -n "$args" ] && line+=(-append "$args")
    [ -n "$environment" ] && line+=(-initrd "$logs/environment")
    line+=(${extra[@]+"${extra[@]}"})
    if [ -n "$list" ]; then
        printf '%-28s' "$name"
        printf ' %q' "$partita" "${line[@]}"
        echo
        return
    fi
    SECONDS=0
    timeout "$limit" "$partita" "${line[@]}" </dev/null >"$logs/$name.log" 2>&1
    status=$?
    took=$SECONDS
    case $status in
        1) verdict=PASS; pass=$((pass + 1)) ;;
        77) verdict=SKIP; skip=$((skip + 1)) ;;
        *) verdict=FAIL; fail=$((fail + 1)) ;;
    esac
    printf '%s %-28s %4ss' "$verdict" "$name" "$took"
    case $status in
        1|3|77) grep -a '^SUMMARY' "$logs/$name.log" | tail -1 | sed 's/^SUMMARY:/ /' | tr -d '\r\n' ;;
        124) printf '  no end within %s s' "$limit" ;;
        *) printf '  exit status %s' "$status" ;;
    esac
    echo
}

left_out() {    # NAME WHY
    printf 'SKIP %-28s        %s\n' "$1" "$2"
    skip=$((skip + 1))
}

name='' file='' args='' smp=1 params='' groups='' host=''
flush() {
    if [ -n "$file" ] && wanted "$name" "$groups"; then
        if [ -n "$host" ]; then
            left_out "$name" "asks for KVM on the host"
        elif [ -e "$dir/$file" ]; then
            run_one "$name" "$dir/$file" "$args" "$smp" "$params"
        else
            left_out "$name" "no $file here"
        fi
    fi
    file='' args='' smp=1 params='' groups='' host=''
}

if [ -e "$dir/unittests.cfg" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        value=${line#*=}
        value=${value# }
        case $line in
            '#'*) ;;
            '['*']') flush; name=${line#[}; name=${name%]} ;;
            file*=*) file=$value ;;
            smp*=*) smp=$value ;;
            test_args*=*) args=${value#[\"\']}; args=${args%[\"\']} ;;
            qemu_params*=*|extra_params*=*) params=$value ;;
            groups*=*) groups=$value ;;
            accel*=*kvm*|check*=*/sys/module/kvm*) host=kvm ;;
        esac
    done <"$dir/unittests.cfg"
    flush
else
    for path in "$dir"/*.flat; do
        name=$(basename "$path" .flat)
        if [ -e "$path" ] && wanted "$name" ''; then
            run_one "$name" "$path" '' 1 ''
        fi
    done
fi
[ -n "$list" ] || echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
