# SPDX-License-Identifier: MIT
# Makes conform/tables.h, the constants that tests use, of docs/tlfs/{privileges,msrs,hypercalls,status,registers}.tsv.
BEGIN { FS = "\t"; print "/* Made by conform/tables.awk of docs/tlfs. */" }
FNR == 1 { name = FILENAME; sub(/.*\//, "", name); next }
/^#/ { next }
name == "privileges.tsv" && $1 !~ /:/ && $2 !~ /^Reserved/ { printf "#define PRIV_%s %s\n", $2, $1; bit[$2] = $1 }
name == "msrs.tsv" && $1 ~ /^0x/ {
    printf "#define %s %s\n", $2, $1
    gate = 64                                           # anybody
    if ($5 in bit) gate = bit[$5]
    else if (match($5, /EDX\[[0-9]+\]/)) gate = 100 + substr($5, RSTART + 4, RLENGTH - 5)
    rows = rows sprintf("    M(%s, \"%s\", \"%s\", %s) \\\n", $1, $2, $3, gate)
}
name == "hypercalls.tsv" {
    n = split($1, code, "-"); last = n > 1 ? code[2] : code[1]
    if ($2 != "Reserved" && $2 != "Deprecated" && !($2 in seen)) { printf "#define %s %s\n", $2, $1; seen[$2] = 1 }
    gate = ($7 in bit) ? bit[$7] : 64
    row = "    H(%s, %s, \"%s\", %s, \"%s\", \"%s\", \"%s\", %s) \\\n"
    calls = calls sprintf(row, code[1], last, $2, $3, $4, $5, $6, gate)
}
name == "status.tsv" && $2 ~ /^HV_STATUS_/ && $1 ~ /^0x/ {
    if ($2 in taken) next
    taken[$2] = 1
    printf "#define %s %s\n", $2, $1
    statuses = statuses sprintf("    S(%s, %s) \\\n", $2, $1)
}
name == "registers.tsv" && $1 ~ /^0x/ && !($2 in taken) {
    taken[$2] = 1
    printf "#define %s %su\n", $2, $1
    registers = registers sprintf("    R(%su, \"%s\", \"%s\", %s) \\\n", $1, $2, $4, $3)
}
END {
    printf "#define MSR_LIST(M) \\\n%s\n", rows
    printf "#define HYPERCALL_LIST(H) \\\n%s\n", calls
    printf "#define STATUS_LIST(S) \\\n%s\n", statuses
    printf "#define REGISTER_LIST(R) \\\n%s\n", registers
}
