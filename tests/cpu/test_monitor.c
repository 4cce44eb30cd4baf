/* SPDX-License-Identifier: MIT
 * Address monitoring (SDM 2B "MONITOR", "MWAIT", "UMONITOR", "UMWAIT", "TPAUSE", APM 3 "MWAITX"): which stores end a wait,
 * whoever makes them, which interrupts do, deadlines on the TSC, and that watching costs a page nothing once it is over. */
#include <stdlib.h>

#include "cpu/cpuid.h"
#include "cpu/monitor.h"
#include "tests/cpu/steps.h"

#define LINE    (FIXTURE_DATA + 0x100)

static struct fixture *const f = &steps_fixture;
static struct fake_apic apic;

static int setup(void **state)
{
    uint8_t nops[64];

    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    apic = (struct fake_apic){ .vector = APIC_NONE };
    give_apic(f, &apic);
    memset(nops, 0x90, sizeof nops);                    /* what runs when a wait is over */
    fixture_code(f, nops, sizeof nops);
    return 0;
}

static void monitor_at(uint64_t at)
{
    f->cpu->s.gpr[RAX] = at;
    f->cpu->s.gpr[RCX] = 0;
    assert_int_equal(FRESH("\x0f\x01\xc8"), -1);
}

static void mwait(uint64_t extensions)
{
    f->cpu->s.gpr[RCX] = extensions;
    assert_int_equal(STEP("\x0f\x01\xc9"), -1);
}

/* Does it wait now? Attention is looked at first. */
static bool waits(void)
{
    (void)cpu_run(f->cpu, 0);
    return cpu_run(f->cpu, 1) == CPU_STOP_IDLE && f->cpu->p.activity == CPU_MWAITING;
}

static void deadline(uint64_t tsc)
{
    f->cpu->s.gpr[RAX] = (uint32_t)tsc;
    f->cpu->s.gpr[RDX] = tsc >> 32;
}

/* ---- stores ---- */

static void a_store_to_the_line_ends_the_wait(void **state)
{
    (void)state;
    monitor_at(LINE + 8);
    mwait(0);
    assert_true(cpu_idle(f->cpu));
    space_write(f->memory, LINE - 1, 1, 1);             /* the lines beside it do not count */
    space_write(f->memory, LINE + 64, 8, 1);
    assert_true(cpu_idle(f->cpu));
    assert_true(waits());
    space_write(f->memory, LINE - 4, 8, 1);             /* a store that reaches into it does */
    assert_false(cpu_idle(f->cpu));
    fixture_code(f, "\x0f\x01\xc8\x0f\x01\xc9\x90", 7);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.activity, CPU_RUNNING);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 7);
}

static void dma_ends_the_wait(void **state)
{
    uint8_t block[4096] = { 0 };

    (void)state;
    monitor_at(LINE);
    mwait(0);
    space_write_bytes(f->memory, FIXTURE_DATA, block, sizeof block);
    assert_false(waits());
}

/* Another processor whose TLB already grants it fast stores to the page. */
static void another_processors_store_ends_the_wait(void **state)
{
    static const uint8_t loop[] = { 0x48, 0x89, 0x43, 0x40, 0x48, 0x89, 0x03, 0xeb, 0xf7 };  /* [RBX+64], [RBX] = RAX; again */

    (void)state;
    fixture_put(f, 0x50000, loop, sizeof loop);
    f->other->p = f->cpu->p;
    f->other->p.rip = 0x50000;
    f->other->s.gpr[RBX] = LINE;
    cpu_mode_changed(f->other);
    (void)cpu_run(f->other, 300);
    monitor_at(LINE);
    mwait(0);
    (void)cpu_run(f->other, 1);
    assert_true(waits());
    (void)cpu_run(f->other, 1);
    assert_false(waits());
    (void)cpu_run(f->other, 300);                       /* and the page is as fast as before */
    assert_false(f->other->banks[BANK_SUPERVISOR][(LINE >> PAGE_SHIFT) & (TLB_ENTRIES - 1)].write & (TLB_CODE | TLB_INVALID));
}

static void a_store_before_the_wait_ends_it_too(void **state)
{
    (void)state;
    monitor_at(LINE);
    space_write(f->memory, LINE, 1, 1);
    mwait(0);
    assert_false(cpu_idle(f->cpu));
    assert_false(waits());
    mwait(0);                                           /* nothing armed */
    assert_false(waits());
    monitor_at(FIXTURE_MMIO);                           /* not memory */
    mwait(0);
    assert_false(waits());
}

static void code_on_the_line_stays_right(void **state)
{
    (void)state;
    fixture_code(f, "\x0f\x01\xc8\x0f\x01\xc9\xb0\x01\xf4", 9);
    f->cpu->s.gpr[RAX] = FIXTURE_CODE;
    f->cpu->s.gpr[RCX] = 0;
    (void)cpu_run(f->cpu, 2);
    assert_true(waits());
    space_write(f->memory, FIXTURE_CODE + 7, 1, 5);
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->s.gpr[RAX] & 0xff, 5);
}

static void the_line_follows_the_map(void **state)
{
    (void)state;
    monitor_at(LINE);
    mwait(0);
    space_add_ram(f->memory, FIXTURE_DATA, f->ram, 0x300000, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, LAYER_OVERLAY);
    space_write(f->memory, FIXTURE_DATA, 1, 1);
    assert_true(waits());
    space_write(f->memory, LINE, 1, 1);
    assert_false(waits());
}

/* ---- events ---- */

static void interrupts_end_the_wait(void **state)
{
    (void)state;
    monitor_at(LINE);
    mwait(0);
    apic.vector = 0x41;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    assert_true(waits());                               /* masked */
    apic.vector = APIC_NONE;
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    assert_false(cpu_idle(f->cpu));
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_NMI);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 6);
    f->cpu->p.nmi_blocked = 0;
    monitor_at(LINE);
    mwait(1);
    assert_true(waits());
    apic.vector = 0x41;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    assert_false(waits());                              /* masked, but asked for */
    assert_int_equal(apic.accepted, 0);
}

static void a_taken_interrupt_returns_behind_mwait(void **state)
{
    (void)state;
    cpu_set_rflags(f->cpu, FLAG_IF | 2);
    monitor_at(LINE);
    mwait(0);
    apic.vector = 0x1d;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * 0x1d);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 6);
    apic.vector = APIC_NONE;
    f->cpu->p.rip = FIXTURE_CODE + 3;
    mwait(0);                                           /* the monitor is used up */
    assert_false(waits());
}

/* ---- faults ---- */

static void who_may_use_monitor(void **state)
{
    (void)state;
    f->cpu->s.gpr[RAX] = LINE;
    f->cpu->s.gpr[RCX] = 1;
    assert_int_equal(FRESH("\x0f\x01\xc8"), VEC_GP);
    f->cpu->s.gpr[RCX] = 2;
    assert_int_equal(FRESH("\x0f\x01\xc9"), VEC_GP);
    f->cpu->s.gpr[RCX] = 0;
    fixture_small_pages(f, FIXTURE_DATA);
    space_write(f->memory, fixture_entry_at(f, LINE, 1), 8, 0);
    assert_int_equal(FRESH("\x0f\x01\xc8"), VEC_PF);
    f->cpu->s.gpr[RAX] = 0x8000000000000000;
    assert_int_equal(FRESH("\x0f\x01\xc8"), VEC_GP);
    assert_true(cpu_write_msr(f->cpu, 0x1a0, 1));       /* IA32_MISC_ENABLE without bit 18 */
    assert_int_equal(FRESH("\x0f\x01\xc8"), VEC_UD);
    assert_int_equal(FRESH("\x0f\x01\xc9"), VEC_UD);
    assert_int_equal(cpuid_leaf(f->cpu, 1, 0).ecx & BIT(3), 0);
    assert_true(cpu_write_msr(f->cpu, 0x1a0, BIT(18)));
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x0f\x01\xc8"), VEC_UD);
}

/* What the load may reach can be watched: a user page through SMAP with RFLAGS.AC, and an address with metadata. */
static void whatever_can_be_loaded_can_be_watched(void **state)
{
    (void)state;
    f->cpu->p.cr4 |= CR4_SMAP;
    f->cpu->p.cr3 |= CR3_LAM_U48;
    tlb_flush_all(f->cpu);
    cpu_set_rflags(f->cpu, FLAG_AC | 2);
    monitor_at(LINE | 0x1234ull << 48);
    mwait(0);
    assert_true(waits());
    space_write(f->memory, LINE, 1, 1);
    assert_false(waits());
}

static void cpuid_tells_of_lines_and_extensions(void **state)
{
    struct cpuid_regs r = cpuid_leaf(f->cpu, 5, 0);

    (void)state;
    assert_int_equal(cpuid_leaf(f->cpu, 1, 0).ecx & BIT(3), BIT(3));
    assert_int_equal(r.eax, 64);
    assert_int_equal(r.ebx, 64);
    assert_int_equal(r.ecx, 3);
    assert_int_equal(r.edx, 0x10);
    assert_int_equal(cpuid_leaf(f->cpu, 7, 0).ecx & BIT(5), BIT(5));
}

/* ---- WAITPKG ---- */

static void tpause_ends_at_its_deadline(void **state)
{
    uint64_t due;

    (void)state;
    fixture_privilege(f, 3);
    cpu_set_rflags(f->cpu, cpu_rflags(f->cpu) | FLAGS_ARITH);
    due = cpu_tsc(f->cpu) + 5000;
    deadline(due);
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), -1);    /* TPAUSE EBX */
    assert_true(waits());
    assert_int_equal(cpu_rflags(f->cpu) & FLAGS_ARITH, 0);
    assert_true(clock_next_deadline(&f->clock) != TIMER_OFF);
    clock_skip_to(&f->clock, clock_next_deadline(&f->clock) - 1);
    assert_true(waits());
    clock_skip_to(&f->clock, clock_next_deadline(&f->clock));
    clock_fire_due(&f->clock);
    assert_true(cpu_tsc(f->cpu) == due);
    assert_false(waits());
    assert_int_equal(cpu_rflags(f->cpu) & FLAGS_ARITH, 0);
    assert_true(clock_next_deadline(&f->clock) == TIMER_OFF);
    deadline(0);                                        /* past */
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), -1);
    assert_false(waits());
}

static void umwait_control_limits_the_wait(void **state)
{
    (void)state;
    assert_true(cpu_write_msr(f->cpu, 0xe1, 1000 | 1));
    assert_false(cpu_write_msr(f->cpu, 0xe1, 2));
    deadline(~(uint64_t)0);
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), -1);
    assert_true(waits());
    clock_skip_to(&f->clock, clock_next_deadline(&f->clock));
    clock_fire_due(&f->clock);
    assert_false(waits());
    assert_int_equal(cpu_rflags(f->cpu) & FLAGS_ARITH, FLAG_CF);
    deadline(cpu_tsc(f->cpu) + 500);                    /* its own comes first */
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), -1);
    clock_skip_to(&f->clock, clock_next_deadline(&f->clock));
    clock_fire_due(&f->clock);
    assert_false(waits());
    assert_int_equal(cpu_rflags(f->cpu) & FLAGS_ARITH, 0);
    deadline(~(uint64_t)0);
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), -1);
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);             /* before the limit: CF stays clear */
    assert_false(waits());
    assert_int_equal(cpu_rflags(f->cpu) & FLAGS_ARITH, 0);
}

static void umwait_waits_for_the_line(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RDI] = LINE + 3;
    deadline(~(uint64_t)0);
    assert_int_equal(FRESH("\xf3\x0f\xae\xf7"), -1);    /* UMONITOR RDI */
    f->cpu->s.gpr[RBX] = 1;
    assert_int_equal(STEP("\xf2\x0f\xae\xf3"), -1);     /* UMWAIT EBX */
    assert_true(waits());
    space_write(f->memory, LINE, 1, 1);
    assert_false(waits());
    assert_int_equal(STEP("\xf2\x0f\xae\xf3"), -1);
    assert_false(waits());                              /* not armed */
    apic.vector = 0x41;
    assert_int_equal(FRESH("\xf3\x0f\xae\xf7"), -1);
    assert_int_equal(STEP("\xf2\x0f\xae\xf3"), -1);
    assert_false(waits());                              /* an interrupt, masked or not */
    f->cpu->s.gpr[RDI] = LINE | (uint64_t)5 << 32;      /* the address size counts */
    apic.vector = APIC_NONE;
    assert_int_equal(FRESH("\x67\xf3\x0f\xae\xf7"), -1);
    assert_int_equal(STEP("\xf2\x0f\xae\xf3"), -1);
    assert_true(waits());
}

static void what_waitpkg_refuses(void **state)
{
    (void)state;
    f->cpu->s.gpr[RBX] = 2;
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), VEC_GP);
    assert_int_equal(FRESH("\xf2\x0f\xae\xf3"), VEC_GP);
    f->cpu->s.gpr[RBX] = 0;
    deadline(0);
    f->cpu->p.cr4 |= CR4_TSD;
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), -1);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), VEC_GP);
    fixture_mode(f, FIXTURE_LONG);
    f->cpu->config.features[F_WAITPKG / 64] &= ~BIT64(F_WAITPKG % 64);
    cpu_drop_caches(f->cpu);
    assert_int_equal(FRESH("\x66\x0f\xae\xf3"), VEC_UD);
    assert_int_equal(FRESH("\xf3\x0f\xae\xf7"), VEC_UD);
    assert_false(cpu_write_msr(f->cpu, 0xe1, 0));
}

static void mwaitx_has_a_timer(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\x0f\x01\xfa"), VEC_UD);
    f->cpu->config.features[F_MONITORX / 64] |= BIT64(F_MONITORX % 64);
    cpu_drop_caches(f->cpu);
    fixture_mode(f, FIXTURE_LONG);
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RAX] = LINE;
    f->cpu->s.gpr[RCX] = 0;
    f->cpu->s.gpr[RBX] = 700;
    assert_int_equal(FRESH("\x0f\x01\xfa"), -1);
    f->cpu->s.gpr[RCX] = 2;
    assert_int_equal(STEP("\x0f\x01\xfb"), -1);
    assert_true(waits());
    clock_skip_to(&f->clock, clock_next_deadline(&f->clock));
    clock_fire_due(&f->clock);
    assert_false(waits());
    f->cpu->s.gpr[RCX] = 4;
    assert_int_equal(FRESH("\x0f\x01\xfb"), VEC_GP);
}

/* ---- state ---- */

static void a_loaded_state_waits_on(void **state)
{
    size_t len = f->cpu->dev.class->state->size;
    uint8_t *saved = malloc(len);
    uint64_t due;

    (void)state;
    f->cpu->s.gpr[RDI] = LINE;
    f->cpu->s.gpr[RBX] = 0;
    deadline(cpu_tsc(f->cpu) + 9000);
    assert_int_equal(FRESH("\xf3\x0f\xae\xf7"), -1);
    assert_int_equal(STEP("\xf2\x0f\xae\xf3"), -1);
    due = clock_next_deadline(&f->clock);
    memcpy(saved, &f->cpu->p, len);
    cpu_reset(f->cpu, false);
    assert_true(clock_next_deadline(&f->clock) == TIMER_OFF);
    memcpy(&f->cpu->p, saved, len);
    f->cpu->dev.class->loaded(&f->cpu->dev);
    free(saved);
    assert_true(clock_next_deadline(&f->clock) == due);
    assert_true(waits());
    space_write(f->memory, LINE, 1, 1);
    assert_false(waits());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, steps_close)
    const struct CMUnitTest tests[] = {
        T(a_store_to_the_line_ends_the_wait), T(dma_ends_the_wait), T(another_processors_store_ends_the_wait),
        T(a_store_before_the_wait_ends_it_too), T(code_on_the_line_stays_right), T(the_line_follows_the_map),
        T(interrupts_end_the_wait), T(a_taken_interrupt_returns_behind_mwait), T(who_may_use_monitor),
        T(whatever_can_be_loaded_can_be_watched), T(cpuid_tells_of_lines_and_extensions),
        T(tpause_ends_at_its_deadline), T(umwait_control_limits_the_wait),
        T(umwait_waits_for_the_line), T(what_waitpkg_refuses), T(mwaitx_has_a_timer), T(a_loaded_state_waits_on),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
