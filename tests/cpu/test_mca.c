/* SPDX-License-Identifier: MIT
 * Machine checks (SDM 3B "Machine-Check Architecture"): what software may write to the registers, how errors are logged over
 * each other, thresholds and their interrupt, delivery of #MC, and when it is a shutdown instead. */
#include "cpu/mca.h"
#include "tests/cpu/steps.h"

#define VAL     BIT64(63)
#define OVER    BIT64(62)
#define UC      BIT64(61)
#define EN      BIT64(60)
#define PCC     BIT64(57)
#define S       BIT64(56)
#define COUNT(n) ((uint64_t)(n) << 38)

enum { MCG_CAP = 0x179, MCG_STATUS, MCG_CTL, CTL2 = 0x280, CTL = 0x400, STATUS, ADDR, MISC };

static struct fixture *const f = &steps_fixture;
static struct fake_apic apic;
static struct apic_ops ops;
static unsigned corrected;

static void on_corrected(void *self)
{
    (void)self;
    corrected++;
}

static uint64_t rdmsr(uint32_t msr)
{
    uint64_t value;

    assert_true(cpu_read_msr(f->cpu, msr, &value));
    return value;
}

static bool wrmsr(uint32_t msr, uint64_t value) { return cpu_write_msr(f->cpu, msr, value); }

static int setup(void **state)
{
    static const uint8_t code[] = { 0x90, 0x90, 0xf4 };

    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    fixture_code(f, code, sizeof code);
    apic = (struct fake_apic){ .vector = APIC_NONE };
    ops = fake_apic_ops;
    ops.corrected_error = on_corrected;
    corrected = 0;
    cpu_set_apic(f->cpu, &ops, &apic);
    f->cpu->p.cr4 |= CR4_MCE;
    assert_true(wrmsr(MCG_CTL, ~0ull));
    for (unsigned bank = 0; bank < 10; bank++)
        assert_true(wrmsr(CTL + 4 * bank, ~0ull));
    return 0;
}

static enum mce_result error(unsigned bank, uint64_t status, uint64_t mcg)
{
    return cpu_machine_check(f->cpu, &(struct cpu_mce){ .bank = bank, .status = status, .addr = 0xadd0 + bank, .misc = 0x33,
                                                        .mcg_status = mcg });
}

/* ---- registers ---- */

static void registers_take_what_the_manual_says(void **state)
{
    (void)state;
    assert_int_equal(rdmsr(MCG_CAP), 10 | BIT(8) | BIT(10) | BIT(11) | BIT(24));
    assert_false(wrmsr(MCG_CAP, 0));
    assert_true(wrmsr(MCG_STATUS, 0));
    assert_false(wrmsr(MCG_STATUS, 4));
    assert_false(wrmsr(MCG_CTL, 1));
    assert_true(wrmsr(MCG_CTL, 0));
    assert_true(wrmsr(CTL + 4 * 9, 0x123));
    assert_int_equal(rdmsr(CTL + 4 * 9), 0x123);
    for (unsigned which = 1; which < 4; which++) {
        assert_true(wrmsr(CTL + which, 0));
        assert_false(wrmsr(CTL + which, 1));
    }
    assert_false(wrmsr(CTL + 4 * 10, 0));
    assert_true(wrmsr(CTL2, BIT64(30) | 0x7fff));
    assert_int_equal(rdmsr(CTL2), BIT64(30) | 0x7fff);
    assert_false(wrmsr(CTL2, BIT64(31)));
    assert_false(wrmsr(CTL2, BIT64(15)));
    assert_false(wrmsr(CTL2 + 10, 0));
}

static void old_processors_have_less(void **state)
{
    struct err e = cpu_config_parse(&f->cpu->config, "pentium3");
    uint64_t value;

    (void)state;
    assert_false(failed(&e));
    assert_int_equal(rdmsr(MCG_CAP), 5 | BIT(8));
    assert_false(cpu_read_msr(f->cpu, CTL2, &value));
    assert_false(wrmsr(CTL2, 0));
    assert_true(wrmsr(CTL + 4 * 4, 0));
    assert_false(cpu_read_msr(f->cpu, CTL + 4 * 5, &value));
    assert_int_equal(error(5, VAL, 0), MCE_NO_BANK);
    e = cpu_config_parse(&f->cpu->config, "486");
    assert_false(cpu_read_msr(f->cpu, MCG_CAP, &value));
    assert_int_equal(error(0, VAL, 0), MCE_NO_BANK);
}

static void errors_outlive_a_reset(void **state)
{
    (void)state;
    error(2, 0x135, 0);
    assert_true(wrmsr(CTL2, 7));
    cpu_reset(f->cpu, false);
    assert_int_equal(rdmsr(STATUS + 8) & (VAL | 0xffff), VAL | 0x135);
    assert_int_equal(rdmsr(ADDR + 8), 0xadd2);
    assert_int_equal(rdmsr(CTL + 8) | rdmsr(CTL2) | rdmsr(MCG_CTL), 0);
}

/* ---- logging ---- */

static void corrected_errors_are_counted_and_interrupt(void **state)
{
    (void)state;
    assert_int_equal(error(3, 0x135, 0), MCE_LOGGED);
    assert_true(rdmsr(STATUS + 12) == (VAL | EN | COUNT(1) | 0x135));
    assert_int_equal(rdmsr(ADDR + 12), 0xadd3);
    assert_int_equal(rdmsr(MISC + 12), 0x33);
    assert_int_equal(corrected, 0);
    assert_true(wrmsr(CTL2 + 3, BIT64(30) | 3));
    error(3, 0x136, 0);
    assert_true(rdmsr(STATUS + 12) == (VAL | OVER | EN | COUNT(2) | 0x136));
    assert_int_equal(corrected, 0);
    error(3, 0x136 | COUNT(5), 0);
    assert_int_equal(corrected, 1);
    error(3, 0x136, 0);
    assert_int_equal(corrected, 1);                     /* not again until cleared */
    assert_true(wrmsr(STATUS + 12, 0));
    error(3, 0x136 | COUNT(3), 0);
    assert_int_equal(corrected, 2);
    error(3, 0x136 | COUNT(0x7fff), 0);
    assert_true(rdmsr(STATUS + 12) == (VAL | OVER | EN | COUNT(0x7fff) | 0x136));
    assert_int_equal(cpu_run(f->cpu, 1), CPU_STOP_BUDGET);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 1);
}

static void uncorrected_errors_stay(void **state)
{
    (void)state;
    error(1, 0x100, 0);
    error(1, UC | PCC | 0x200, 0);
    assert_true(rdmsr(STATUS + 4) == (VAL | OVER | UC | EN | PCC | 0x200));
    error(1, 0x300, 0);
    assert_true(rdmsr(STATUS + 4) == (VAL | OVER | UC | EN | PCC | 0x200));
    assert_true(wrmsr(STATUS + 4, 0));
    error(1, UC | PCC | 0x200, 0);
    error(1, UC | PCC | 0x400, 0);
    assert_true(rdmsr(STATUS + 4) == (VAL | OVER | UC | EN | PCC | 0x200));
}

static void disabled_and_unneeded_checks_are_only_logged(void **state)
{
    (void)state;
    assert_true(wrmsr(CTL2, BIT64(30) | 0x7fff));
    assert_int_equal(error(0, UC | 0x111, 1), MCE_LOGGED);          /* UCNA: by interrupt, whatever the threshold */
    assert_int_equal(corrected, 1);
    assert_true(wrmsr(CTL + 4, 0));
    assert_int_equal(error(1, UC | PCC | 0x111, 0), MCE_LOGGED);
    assert_true(rdmsr(STATUS + 4) == (VAL | UC | PCC | 0x111));
    assert_true(wrmsr(MCG_CTL, 0));
    assert_int_equal(error(2, UC | PCC | 0x111, 0), MCE_LOGGED);
    assert_int_equal(rdmsr(MCG_STATUS), 0);
    assert_int_equal(cpu_run(f->cpu, 1), CPU_STOP_BUDGET);
}

/* ---- delivery ---- */

static void a_machine_check_comes_before_all(void **state)
{
    (void)state;
    cpu_set_rflags(f->cpu, FLAG_IF | 2);
    apic.vector = 0x1e;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    assert_int_equal(error(4, UC | S | 0x135, 1), MCE_SIGNALLED);
    assert_int_equal(rdmsr(MCG_STATUS), 5);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_MC);
    assert_false(f->cpu->s.smm);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE);
    assert_int_equal(stacked(f, 2, 8), FLAG_IF | 2);
}

static void it_ends_halt_and_mwait(void **state)
{
    (void)state;
    (void)FRESH("\xf4");
    assert_true(cpu_idle(f->cpu));
    error(4, UC | PCC, 0);
    assert_false(cpu_idle(f->cpu));
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_MC);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 1);
    assert_true(wrmsr(MCG_STATUS, 0));
    f->cpu->s.gpr[RAX] = FIXTURE_DATA;
    f->cpu->s.gpr[RCX] = 0;
    (void)FRESH("\x0f\x01\xc8");
    (void)STEP("\x0f\x01\xc9");
    assert_true(cpu_idle(f->cpu));
    error(5, UC | PCC, 0);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_MC);
}

static void a_second_one_shuts_down(void **state)
{
    (void)state;
    error(4, UC | PCC, 0);
    (void)cpu_run(f->cpu, 1);
    error(5, UC | PCC, 0);
    assert_int_equal(cpu_run(f->cpu, 1), CPU_STOP_SHUTDOWN);
}

static void without_cr4_mce_it_shuts_down(void **state)
{
    (void)state;
    f->cpu->p.cr4 &= ~(uint64_t)CR4_MCE;
    error(4, UC | PCC, 0);
    assert_int_equal(cpu_run(f->cpu, 1), CPU_STOP_SHUTDOWN);
}

static void others_hear_of_it(void **state)
{
    (void)state;
    cpu_machine_check_elsewhere(f->cpu);
    assert_int_equal(rdmsr(MCG_STATUS), 5);
    assert_int_equal(rdmsr(STATUS), 0);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_MC);
    cpu_machine_check_elsewhere(f->other);              /* waits to be started */
    assert_int_equal(f->other->s.mcg_status, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, steps_close)
    const struct CMUnitTest tests[] = {
        T(registers_take_what_the_manual_says), T(old_processors_have_less), T(errors_outlive_a_reset),
        T(corrected_errors_are_counted_and_interrupt), T(uncorrected_errors_stay),
        T(disabled_and_unneeded_checks_are_only_logged), T(a_machine_check_comes_before_all), T(it_ends_halt_and_mwait),
        T(a_second_one_shuts_down), T(without_cr4_mce_it_shuts_down), T(others_hear_of_it),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
