# SPDX-License-Identifier: MIT
# Memtest86+ finds no fault in one full pass over 8 MiB. Its bit-fade test waits ten minutes, so a slow processor is set.
. "$top/tests/boot/lib.sh"
setup fetch_foreign amd64 "$build/guest/memtest" memtest86+
timeout 500 "$PARTITA" run -m 8M -clock ips=2000000 -kernel "$build/guest/memtest/boot/memtest86+x64.bin" \
    -append "console=ttyS0,115200 nobench nosm" -serial "file:$work/serial" -screen "$work/screen" -stop-at 7600000000 </dev/null 2>"$work/err"
[ $? -eq 8 ] || { fail "exit status"; cat "$work/err"; }
expect "$work/screen" 'Memory  : *8MB'
expect "$work/screen" 'Pass: *[1-9].*Errors: 0 '
refuse "$work/screen" 'FAIL'
expect "$work/serial" 'Pass: *[1-9]'
finish
