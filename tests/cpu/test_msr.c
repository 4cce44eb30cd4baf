/* SPDX-License-Identifier: MIT
 * Model-specific registers: which exist, which values they take, and who is asked. */
#include "cpu/cpuid.h"
#include "cpu/msr.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

static bool takes(uint32_t msr, uint64_t value)
{
    uint64_t back;

    return cpu_write_msr(f->cpu, msr, value) && cpu_read_msr(f->cpu, msr, &back) && back == value;
}

static void rows_are_in_order(void **state)
{
    static const struct { uint32_t first, last; } rows[] = {
#define MSR(first, last, name, needs, kind) { first, last },
#include "cpu/msrs.def"
#undef MSR
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(rows); k++) {
        assert_true(rows[k].first <= rows[k].last);
        assert_true(k == 0 || rows[k - 1].last < rows[k].first);
    }
}

static void reserved_bits_are_refused(void **state)
{
    static const struct { uint32_t msr; uint64_t good, bad; } cases[] = {
        { 0x277, 0x0007040600070406, 0x0007040600070402 },     /* PAT: type 2 is reserved */
        { 0x277, 0x0606060606060606, 0x0806060606060606 },
        { 0x2ff, 0xc06, 0x1006 }, { 0x2ff, 0xc00, 0xc02 },      /* MTRR_DEF_TYPE */
        { 0x200, 0x10000006, 0x10000106 }, { 0x200, 0x80000000, 0x80000007 },
        { 0x201, 0x3ff0000800, 0x3ff0000801 },
        { 0x201, 0x3ff0000800, 0x8000000000000800 },
        { 0x250, 0x0606060606060606, 0x0606060606060603 },
        { 0x26f, 0x0505050505050505, 0x0505050505050502 },
        { 0x17b, ~0ull, 1 },                                    /* MCG_CTL */
        { 0x1a0, 0x400c51809, 0x400c51811 },                    /* MISC_ENABLE */
        { 0x401, 0, 1 },                                        /* MC0_STATUS */
        { 0xc0000082, 0xffff800000000000, 0x0000800000000000 }, /* LSTAR */
        { 0xc0000100, 0x00007fffffffffff, 0x8000000000000000 }, /* FS_BASE */
        { 0xc0000102, 0, 0xfffe000000000000 },
        { 0xc0000084, 0xffffffff, 0x100000000 },                /* SFMASK */
        { 0xc0000103, 0xffffffff, 0x100000000 },                /* TSC_AUX */
        { 0x176, 0xffffffff80000000, 0x0100000000000000 },      /* SYSENTER_EIP */
        { 0x1d9, 2, 0x8000 },                                   /* DEBUGCTL */
        { 0xda0, 0, 1 },                                        /* XSS: nothing supervisor-only here */
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        assert_true(takes(cases[k].msr, cases[k].good));
        assert_false(cpu_write_msr(f->cpu, cases[k].msr, cases[k].bad));
    }
}

static void constants_cannot_be_written(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(cpu_read_msr(f->cpu, 0xfe, &value));
    assert_int_equal(value, 0x508);
    assert_false(cpu_write_msr(f->cpu, 0xfe, 0x508));
    assert_false(cpu_write_msr(f->cpu, 0x179, 0));
}

static void unknown_registers_are_gp(void **state)
{
    static const uint32_t unknown[] = { 0x2, 0xce, 0xc9, 0x18e, 0x210, 0x251, 0x267, 0x270, 0x428, 0x480, 0x40000000,
                                        0xc0000104, 0xc0010015, 0xffffffff };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(unknown); k++) {
        f->cpu->s.gpr[RCX] = unknown[k];
        f->cpu->s.gpr[RSP] = FIXTURE_STACK;
        assert_int_equal(FRESH("\x0f\x32"), VEC_GP);
        assert_int_equal(stacked(f, 0, 8), 0);
        assert_int_equal(FRESH("\x0f\x30"), VEC_GP);
    }
}

static void features_bring_their_registers(void **state)
{
    uint64_t value;

    (void)state;
    f->cpu->config.features[F_RDTSCP / 64] &= ~BIT64(F_RDTSCP % 64);
    assert_false(cpu_read_msr(f->cpu, 0xc0000103, &value));
    f->cpu->config.features[F_MTRR / 64] &= ~BIT64(F_MTRR % 64);
    assert_false(cpu_read_msr(f->cpu, 0x2ff, &value));
}

/* SDM 3B "IA32_TSC_ADJUST MSR". */
static void tsc_and_adjust_move_together(void **state)
{
    uint64_t adjust, tsc;

    (void)state;
    f->clock.state.insns = 5000;                    /* 5000 ns at 1000 ps each: 5000 ticks of 1 GHz */
    assert_int_equal(cpu_tsc(f->cpu), 5000);
    assert_true(cpu_write_msr(f->cpu, 0x10, 1000000));
    assert_int_equal(cpu_tsc(f->cpu), 1000000);
    assert_true(cpu_read_msr(f->cpu, 0x3b, &adjust));
    assert_int_equal(adjust, 995000);
    assert_true(cpu_write_msr(f->cpu, 0x3b, 0));
    assert_true(cpu_read_msr(f->cpu, 0x10, &tsc));
    assert_int_equal(tsc, 5000);
}

static void tsc_has_no_rounding_drift(void **state)
{
    (void)state;
    f->cpu->config.tsc_hz = 2400000003u;
    f->clock.state.insns = 1ull << 50;              /* that many ns: the product needs 82 bits */
    assert_int_equal(cpu_tsc(f->cpu), (uint64_t)((unsigned __int128)(1ull << 50) * 2400000003u / 1000000000u));
}

/* SDM 3A "Extended Feature Enable Register". */
static void efer_keeps_its_rules(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(cpu_read_msr(f->cpu, 0xc0000080, &value));
    assert_int_equal(value, EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    assert_false(cpu_write_msr(f->cpu, 0xc0000080, value & ~(uint64_t)EFER_LME));       /* paging is on */
    assert_false(cpu_write_msr(f->cpu, 0xc0000080, value | 2));
    assert_true(cpu_write_msr(f->cpu, 0xc0000080, EFER_LME | EFER_NXE));                 /* LMA is not software's */
    assert_true(cpu_read_msr(f->cpu, 0xc0000080, &value));
    assert_int_equal(value, EFER_LME | EFER_LMA | EFER_NXE);
}

static void x2apic_registers_need_its_mode(void **state)
{
    struct fake_apic apic;
    uint64_t value;

    (void)state;
    assert_false(cpu_read_msr(f->cpu, 0x802, &value));
    give_apic(f, &apic);
    assert_false(cpu_read_msr(f->cpu, 0x802, &value));
    assert_true(cpu_write_msr(f->cpu, 0x1b, 0xfee00d00));
    assert_true(cpu_read_msr(f->cpu, 0x802, &value));
    assert_int_equal(value, 2);
    assert_false(cpu_read_msr(f->cpu, 0x840, &value));
    assert_true(takes(0x6e0, 12345));
}

static uint64_t host_wrote;
static unsigned host_asked;

static enum intercept host_rdmsr(void *self, struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    (void)self;
    (void)cpu;
    host_asked++;
    *value = 0x1122334455667788u;
    return msr == 0x40000020 ? DONE : PASS;
}

static enum intercept host_wrmsr(void *self, struct cpu *cpu, uint32_t msr, uint64_t value)
{
    (void)self;
    host_asked++;
    host_wrote = value;
    if (msr == 0x40000021) {
        cpu_raise(cpu, VEC_GP, 0);
        return RAISED;
    }
    return msr == 0x40000020 ? DONE : PASS;
}

static void the_host_is_asked_for_what_is_not_ours(void **state)
{
    static const struct cpu_host host = { .rdmsr = host_rdmsr, .wrmsr = host_wrmsr };

    (void)state;
    cpu_set_host(f->cpu, &host, NULL);
    f->cpu->s.gpr[RCX] = 0x40000020;
    assert_int_equal(FRESH("\x0f\x32"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x55667788);
    assert_int_equal(f->cpu->s.gpr[RDX], 0x11223344);
    assert_int_equal(FRESH("\x0f\x30"), -1);
    assert_int_equal(host_wrote, 0x1122334455667788u);
    f->cpu->s.gpr[RCX] = 0x40000021;
    assert_int_equal(FRESH("\x0f\x30"), VEC_GP);
    host_asked = 0;
    f->cpu->s.gpr[RCX] = 0x277;                     /* ours: never asked, also when the value is refused */
    f->cpu->s.gpr[RAX] = f->cpu->s.gpr[RDX] = 2;
    assert_int_equal(FRESH("\x0f\x30"), VEC_GP);
    assert_int_equal(host_asked, 0);
}

static void level_three_may_not(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RCX] = 0x10;
    assert_int_equal(FRESH("\x0f\x32"), VEC_GP);
}

/* SDM 4 IA32_SPEC_CTRL, IA32_PRED_CMD. Systems with shadow stacks cannot use retpolines and ask for IBRS instead. */
static void speculation_switches_do_nothing(void **state)
{
    struct err e;
    uint64_t value;

    (void)state;
    assert_false(cpu_read_msr(f->cpu, 0x48, &value));
    e = cpu_config_parse(&f->cpu->config, "max,+spec_ctrl,+stibp");
    assert_false(failed(&e));
    assert_true(cpuid_leaf(f->cpu, 7, 0).edx & BIT(26));
    assert_true(cpu_write_msr(f->cpu, 0x48, 3));
    assert_true(cpu_read_msr(f->cpu, 0x48, &value));
    assert_int_equal(value, 3);
    assert_false(cpu_write_msr(f->cpu, 0x48, 4));
    assert_true(cpu_write_msr(f->cpu, 0x49, 1));
    assert_false(cpu_write_msr(f->cpu, 0x49, 2));
    assert_false(cpu_read_msr(f->cpu, 0x49, &value));
    assert_true(cpu_read_msr(f->cpu, 0x10a, &value));
    assert_true(value & BIT64(1));                      /* IBRS_ALL */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_in_order, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(reserved_bits_are_refused, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(constants_cannot_be_written, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(unknown_registers_are_gp, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(features_bring_their_registers, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(tsc_and_adjust_move_together, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(tsc_has_no_rounding_drift, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(efer_keeps_its_rules, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(speculation_switches_do_nothing, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(x2apic_registers_need_its_mode, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(the_host_is_asked_for_what_is_not_ours, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(level_three_may_not, steps_long, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
