/* SPDX-License-Identifier: MIT
 * -trace hv: its rows against the tables, and a line for each kind of thing; and the counters of -stats. */
#include "tests/hv/fake_cpu.h"

#include "hv/trace.h"
#include "tests/hv/tables.h"

#define IN  0x10000u
#define OUT 0x11000u

static const struct { unsigned code; const char *section, *layouts[4]; } calls[] = {
#define CALL(code, section, ...) { code, section, { __VA_ARGS__ } },
#define MSR(number, section)
#define FIELD(first, last, hi, lo, name)
#include "hv/trace.def"
#undef CALL
#undef MSR
#undef FIELD
};

static const struct { uint32_t number; const char *section; } msrs[] = {
#define CALL(code, section, ...)
#define MSR(number, section) { number, section },
#define FIELD(first, last, hi, lo, name)
#include "hv/trace.def"
#undef CALL
#undef MSR
#undef FIELD
};

/* The first of the sections "2.6;19". */
static void same_section(const char *section, const char *column)
{
    assert_int_equal(strcspn(column, ";"), strlen(section));
    assert_memory_equal(section, column, strlen(section));
}

static void layouts_are_those_of_the_table(void **state)
{
    unsigned found = 0, provided = 0;
    struct table t;

    (void)state;
    table_open(&t, "hypercalls");
    while (table_row(&t))
        for (unsigned k = 0; k < COUNT_OF(calls); k++) {
            if (calls[k].code != strtoul(t.column[0], NULL, 16) || strchr(t.column[0], '-') != NULL)
                continue;
            found++;
            same_section(calls[k].section, t.column[12]);
            for (unsigned n = 0; n < 4; n++)
                assert_string_equal(calls[k].layouts[n], strcmp(t.column[7 + n], "-") == 0 ? "" : t.column[7 + n]);
        }
    table_close(&t);
    for (unsigned n = 0; n < hc_nrows; n++)
        provided += hc_rows[n].handler != NULL;
    assert_int_equal(found, COUNT_OF(calls));
    assert_int_equal(provided, COUNT_OF(calls));
}

static void sections_of_registers_are_those_of_the_table(void **state)
{
    unsigned found = 0;
    struct table t;

    (void)state;
    table_open(&t, "msrs");
    while (table_row(&t))
        for (unsigned k = 0; k < COUNT_OF(msrs); k++)
            if (msrs[k].number == strtoul(t.column[0], NULL, 16)) {
                same_section(msrs[k].section, t.column[7]);
                found++;
            }
    table_close(&t);
    assert_int_equal(found, COUNT_OF(msrs));
    assert_int_equal(found, msr_nrows);
}

/* ---- lines ---- */

static int setup(void **state)
{
    *state = fixture_tracing();
    hello(*state);
    return 0;
}

static void has(const struct fixture *f, const char *text)
{
    if (strstr(f->trace, text) == NULL)
        fail_msg("no '%s' in:\n%s", text, f->trace);
}

static void hypercalls_are_decoded(void **state)
{
    struct fixture *f = *state;

    put64(f, IN, 0x1000);
    put64(f, IN + 8, 1);
    put64(f, IN + 16, 0);
    for (unsigned n = 0; n < 100; n++)
        put64(f, IN + 24 + 8 * n, 0x5000 + 0x1000 * n);
    hypercall(f, 0, 0x0003 | HC_REP_COUNT(100), IN, 0);
    has(f, "vp0  HvCallFlushVirtualAddressList(memory, AddressSpace=0x1000, Flags=0x1, ProcessorMask=0) "
           "[{GvaRange=0x5000} {GvaRange=0x6000} {GvaRange=0x7000} {GvaRange=0x8000} ..64] = continues at 64   [TLFS 9.4.4]");
    has(f, "{GvaRange=0x48000} ..36] = SUCCESS, 100 of 100   [TLFS 9.4.4]");
    hypercall(f, 2, 0x000B | HC_FAST, 0x51, 2);
    has(f, "vp2  HvCallSendSyntheticClusterIpi(fast, Vector=0x51, TargetVtl=0, Rsvd=0, ProcessorMask=0x2) = SUCCESS   [TLFS 10.5.2]");
    hypercall(f, 0, 0x8001, 0, OUT);
    has(f, "HvExtCallQueryCapabilities(memory) = SUCCESS, Capabilities=0   [TLFS 3.14.1]");
    hypercall(f, 0, 0x0040, IN, OUT);
    has(f, "HvCallCreatePartition(memory) = ACCESS_DENIED   [TLFS A]");
    hypercall(f, 0, 0x0005, IN, OUT);
    has(f, "hypercall 0005(memory) = INVALID_HYPERCALL_CODE   [TLFS A]");
    put64(f, IN, 0x1000);
    put64(f, IN + 8, 0);
    put64(f, IN + 16, 0);
    put64(f, IN + 24, 1);
    put64(f, IN + 32, 6);
    hypercall(f, 0, 0x0013 | HC_VARIABLE(1), IN, 0);
    has(f, "ProcessorSet.ValidBanksMask=0x1, ProcessorSet.BankContents=1*8 bytes) = SUCCESS   [TLFS 9.4.3]");
}

static void output_elements_are_shown(void **state)
{
    struct fixture *f = *state;

    put64(f, IN, UINT64_MAX);
    put64(f, IN + 8, 0);
    put64(f, IN + 16, 2);
    hypercall(f, 0, 0x009A | HC_REP_COUNT(1), IN, OUT);
    has(f, "TargetVtl=0) [{ApicId=0x2}] = SUCCESS, 1 of 1 [{VpIndex=0x2}]   [TLFS 7.10.4]");
}

static void registers_are_decoded(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    must_wrmsr(f, 1, 0x40000092, 0x20051);
    has(f, "vp1  wrmsr HV_X64_MSR_SINT2 <- 0x20051 (Vector 0x51, Masked 0, AutoEOI 0x1, Polling 0)   [TLFS 11.8.5]");
    must_rdmsr(f, 1, 0x40000002);
    has(f, "rdmsr HV_X64_MSR_VP_INDEX -> 0x1   [TLFS 7.8.1]");
    wrmsr(f, 0, 0x40000020, 5);
    has(f, "wrmsr HV_X64_MSR_TIME_REF_COUNT <- 0x5 = #GP   [TLFS 12.4]");
    rdmsr(f, 0, 0x40000070, &value);
    has(f, "rdmsr HV_X64_MSR_EOI = #GP   [TLFS 10.2.3.1]");
}

static void overlays_messages_events_and_timers_show(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 1, 0x40000080, 1);
    must_wrmsr(f, 1, 0x40000083, 0x20001);
    has(f, "vp1  SIM page shown at 0x20000   [TLFS 11.9]");
    must_wrmsr(f, 1, 0x40000082, 0x21001);
    must_wrmsr(f, 1, 0x40000001, 0x5001);
    must_wrmsr(f, 1, 0x40000001, 0x6001);
    has(f, "---- hypercall page no longer at 0x5000   [TLFS 3.13]");
    has(f, "---- hypercall page shown at 0x6000   [TLFS 3.13]");
    must_wrmsr(f, 1, 0x40000092, 0x51);
    must_wrmsr(f, 1, 0x400000B0, 0x20008);
    must_wrmsr(f, 1, 0x400000B1, 10);
    advance_ns(f, 2000);
    has(f, "timer 0 expires at 20, due at 10   [TLFS 12.5]");
    has(f, "message 0x80000010 (HvMessageTimerExpired) queued for SINT2   [TLFS 11.4]");
    has(f, "message 0x80000010 delivered to SINT2   [TLFS 11.4]");
    hv_connect_event(f->hv, 3, 1, 2, 8, 8);
    hv_signal(f->hv, 3, 1);
    has(f, "           2.000 vp1  event flag 9 of SINT2 set   [TLFS 11.5]");
}

static struct { char text[2048]; } counted;

static void count(void *arg, const char *name, uint64_t value)
{
    size_t len = strlen(counted.text);

    (void)arg;
    snprintf(counted.text + len, sizeof counted.text - len, "%s=%u;", name, (unsigned)value);
}

static void counters_by_code(void **state)
{
    struct fixture *f = *state;

    hypercall(f, 0, 0x0008 | HC_FAST, 0, 0);
    hypercall(f, 1, 0x0008 | HC_FAST, 0, 0);
    hypercall(f, 1, 0x0040, 0, 0);
    hypercall(f, 1, 0x0005, 0, 0);
    memset(&counted, 0, sizeof counted);
    hv_counters(f->hv, count, NULL);
    assert_string_equal(counted.text, "0008 NotifyLongSpinWait=2;0040 CreatePartition=1;refused hypercalls=2;msr writes=1;");
}

static void nothing_is_written_without_a_sink(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    hello(f);
    assert_string_equal(f->trace, "");
    fixture_teardown((void **)&f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_those_of_the_table),
        cmocka_unit_test(sections_of_registers_are_those_of_the_table),
        TEST(hypercalls_are_decoded),
        TEST(output_elements_are_shown),
        TEST(registers_are_decoded),
        TEST(overlays_messages_events_and_timers_show),
        TEST(counters_by_code),
        cmocka_unit_test(nothing_is_written_without_a_sink),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
