/* SPDX-License-Identifier: MIT
 * The rows of hv/ against the specification's tables in docs/tlfs: numbers, names, privileges, layouts; every row of
 * the one is found in the other. */
#include "tests/hv/fake_cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/hypercall.h"
#include "hv/internal.h"
#include "tests/hv/tables.h"

/* ---- MSRs ---- */

/* The name of a privilege; nothing for what needs a feature, which the tables say in many ways. */
static const char *privilege_name(unsigned bit)
{
#define PRIVILEGE(number, name, state) if (bit == (number)) return #name;
#include "hv/privileges.def"
#undef PRIVILEGE
    return bit >= HV_GATE_FEATURES ? "" : "?";
}

/* "CPUID 3 EDX[10]", perhaps after a privilege: that feature. */
static bool feature_named(unsigned gate, const char *text)
{
    unsigned bit;
    const char *at = strstr(text, "CPUID 3 EDX[");

    return at != NULL && sscanf(at, "CPUID 3 EDX[%u]", &bit) == 1 && bit + HV_GATE_FEATURES == gate;
}

static const struct msr_row *msr_row(uint32_t number)
{
    for (unsigned n = 0; n < msr_nrows; n++)
        if (msr_rows[n].number == number)
            return &msr_rows[n];
    return NULL;
}

static void tlfs_C_msr_rows_match_the_table(void **state)
{
    unsigned found = 0;
    struct table t;

    (void)state;
    table_open(&t, "msrs");
    while (table_row(&t)) {
        const struct msr_row *row = msr_row((uint32_t)strtoul(t.column[0], NULL, 16));
        bool reads = strchr(t.column[2], 'R') != NULL, writes = strchr(t.column[2], 'W') != NULL;

        if (row == NULL)
            continue;
        found++;
        assert_string_equal(row->name, t.column[1]);
        if (row->gate >= HV_GATE_FEATURES)
            assert_true(feature_named(row->gate, t.column[4]));
        else
            assert_string_equal(privilege_name(row->gate), t.column[4]);
        assert_int_equal(row->read != NULL, reads || strcmp(row->name, "HV_X64_MSR_EOM") == 0);     /* reads zero: 11.8.6 */
        assert_int_equal(row->write != NULL, writes);
    }
    assert_int_equal(found, msr_nrows);
    table_close(&t);
}

static void msr_rows_are_in_order(void **state)
{
    (void)state;
    for (unsigned n = 1; n < msr_nrows; n++)
        assert_true(msr_rows[n - 1].number < msr_rows[n].number);
}

/* ---- hypercalls ---- */

static const struct hc_row *hc_row(unsigned code)
{
    for (unsigned n = 0; n < hc_nrows; n++)
        if (hc_rows[n].code == code)
            return &hc_rows[n];
    return NULL;
}

static const char *plain_name(const char *name)
{
    static const char *const prefixes[] = { "HvExtCall", "HvCall", "Hv" };

    for (unsigned n = 0; n < COUNT_OF(prefixes); n++)
        if (strncmp(name, prefixes[n], strlen(prefixes[n])) == 0)
            return name + strlen(prefixes[n]);
    return name;
}

/* Bytes of a layout column such as "0:AddressSpace:8;8:Flags:8"; a variable part counts nothing. */
static unsigned layout_bytes(const char *layout)
{
    unsigned end = 0, at, size;
    const char *item = layout;

    if (strcmp(layout, "-") == 0)
        return 0;
    for (; item != NULL; item = strchr(item, ';')) {
        item += *item == ';';
        if (sscanf(item, "%u:%*[^:]:%u", &at, &size) == 2)
            end = at + size;
    }
    return end;
}

static void check_provided_call(const struct hc_row *row, char *const *column)
{
    /* Appendix A names a privilege for RetargetDeviceInterrupt that its own section does not: decision 11. */
    bool has_privilege = strstr(column[6], "UseHypercallFor") == NULL && strcmp(column[6], "-") != 0 && row->code != 0x007E;

    assert_int_equal((row->class & REP) != 0, column[2][0] == '1');
    assert_int_equal((row->class & VAR) != 0, column[4][0] == '1');
    assert_int_equal(row->form, column[3][0] == '1' ? REG : column[3][0] == 'x' ? XMM : MEM);
    assert_int_equal(row->header, layout_bytes(column[7]));
    assert_int_equal(row->element, layout_bytes(column[8]));
    assert_int_equal(row->out_header, layout_bytes(column[9]));
    assert_int_equal(row->out_element, layout_bytes(column[10]));
    assert_string_equal(privilege_name(row->gate), has_privilege ? column[6] : "");
}

static void tlfs_A_hypercall_rows_match_the_table(void **state)
{
    unsigned found = 0;
    struct table t;

    (void)state;
    table_open(&t, "hypercalls");
    while (table_row(&t)) {
        const struct hc_row *row = hc_row((unsigned)strtoul(t.column[0], NULL, 16));

        if (strcmp(t.column[1], "Reserved") == 0) {
            assert_null(row);
            continue;
        }
        if (row == NULL) {
            assert_string_equal(t.column[12], "3.14");    /* not in A */
            continue;
        }
        found++;
        assert_string_equal(row->name, plain_name(t.column[1]));
        if (row->handler != NULL)
            check_provided_call(row, t.column);
    }
    assert_int_equal(found, hc_nrows);
    table_close(&t);
}

static void hypercall_rows_are_in_order(void **state)
{
    (void)state;
    for (unsigned n = 1; n < hc_nrows; n++)
        assert_true(hc_rows[n - 1].code < hc_rows[n].code);
}

/* ---- privileges, status, CPUID ---- */

static void tlfs_4_2_2_privilege_rows_match_the_table(void **state)
{
    unsigned found = 0, rows = 0;
    struct table t;

    (void)state;
    table_open(&t, "privileges");
    while (table_row(&t)) {
        if (strncmp(t.column[1], "Reserved", 8) == 0)
            continue;
        found++;
        assert_string_equal(privilege_name((unsigned)atoi(t.column[0])), t.column[1]);
    }
#define PRIVILEGE(number, name, granted) rows++;
#include "hv/privileges.def"
#undef PRIVILEGE
    assert_int_equal(found, rows);
    table_close(&t);
}

static void tlfs_B_status_codes_match_the_table(void **state)
{
    static const struct { unsigned code; const char *name; } statuses[] = {
#define ROW(name, code) { code, "HV_STATUS_" #name },
        HV_STATUS_LIST(ROW)
#undef ROW
    };
    unsigned at = 0;
    struct table t;

    (void)state;
    table_open(&t, "status");
    while (table_row(&t)) {
        if (strcmp(t.column[1], "Reserved") == 0 || t.column[0][0] == '?')
            continue;
        assert_true(at < COUNT_OF(statuses));
        assert_int_equal(statuses[at].code, strtoul(t.column[0], NULL, 16));
        assert_string_equal(statuses[at].name, t.column[1]);
        at++;
    }
    assert_int_equal(at, COUNT_OF(statuses));
    table_close(&t);
}

static const struct { uint32_t leaf; const char *reg; unsigned high, low; const char *name; } cpuid_rows[] = {
#define CPUID_FIELD(leaf, reg, hi, lo, name, value) { leaf, #reg, hi, lo, #name },
#define CPUID_FEATURE(bit, name, state, needs) CPUID_FIELD(0x40000003, EDX, bit, bit, name, 0)
#define CPUID_ADVICE(bit, name, state, needs)  CPUID_FIELD(0x40000004, EAX, bit, bit, name, 0)
#include "hv/cpuid.def"
#undef CPUID_FIELD
#undef CPUID_FEATURE
#undef CPUID_ADVICE
};

static bool is_cpuid_row(char *const *column)
{
    unsigned high, low;

    if (sscanf(column[2], "%u:%u", &high, &low) == 1)
        low = high;
    for (unsigned n = 0; n < COUNT_OF(cpuid_rows); n++)
        if (cpuid_rows[n].leaf == strtoul(column[0], NULL, 16) && strcmp(cpuid_rows[n].reg, column[1]) == 0 &&
            cpuid_rows[n].high == high && cpuid_rows[n].low == low && strcmp(cpuid_rows[n].name, column[3]) == 0)
            return true;
    return false;
}

static const struct { uint32_t number; const char *name; } reg_rows[] = {
#define ROW(number, name, arg) { number, #name },
#define REG_CPU     ROW
#define REG_SEGMENT ROW
#define REG_TABLE   ROW
#define REG_MSR     ROW
#define REG_XMM     ROW
#define REG_YMM     ROW
#define REG_LEAF    ROW
#define REG_FP      ROW
#define REG_STATE   ROW
#define REG_APIC_ID ROW
#include "hv/regs.def"
};

static void tlfs_7_8_2_register_rows_match_the_table(void **state)
{
    unsigned at = 0;
    struct table t;

    (void)state;
    table_open(&t, "registers");
    while (table_row(&t) && at < COUNT_OF(reg_rows)) {
        if (reg_rows[at].number != strtoul(t.column[0], NULL, 16))
            continue;
        assert_string_equal(reg_rows[at].name, t.column[1]);
        at++;
    }
    assert_int_equal(at, COUNT_OF(reg_rows));           /* all found, in the table's order */
    table_close(&t);
}

/* Leaf 3 EAX and EBX are the privilege mask: one row each instead of one per bit. */
static void tlfs_2_4_cpuid_rows_match_the_table(void **state)
{
    unsigned found = 2;
    struct table t;

    (void)state;
    table_open(&t, "cpuid");
    while (table_row(&t)) {
        bool mask = strcmp(t.column[0], "0x40000003") == 0 && (t.column[1][1] == 'A' || t.column[1][1] == 'B');

        if (mask || strcmp(t.column[0], "0x00000001") == 0)
            continue;
        if (strncmp(t.column[3], "Reserved", 8) == 0 && strcmp(t.column[3], "ReservedIdentityBit") != 0)
            continue;
        if (!is_cpuid_row(t.column))
            fail_msg("no row for leaf %s %s %s %s", t.column[0], t.column[1], t.column[2], t.column[3]);
        found++;
    }
    assert_int_equal(found, COUNT_OF(cpuid_rows));
    table_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tlfs_C_msr_rows_match_the_table),
        cmocka_unit_test(msr_rows_are_in_order),
        cmocka_unit_test(tlfs_A_hypercall_rows_match_the_table),
        cmocka_unit_test(hypercall_rows_are_in_order),
        cmocka_unit_test(tlfs_4_2_2_privilege_rows_match_the_table),
        cmocka_unit_test(tlfs_B_status_codes_match_the_table),
        cmocka_unit_test(tlfs_2_4_cpuid_rows_match_the_table),
        cmocka_unit_test(tlfs_7_8_2_register_rows_match_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
