/* SPDX-License-Identifier: MIT
 * Performance counters: SDM 3B "Architectural Performance Monitoring", SDM 2B "RDPMC"; APM 2 "Performance Counter MSRs". */
#include <string.h>

#include "cpu/cpuid.h"
#include "cpu/pmu.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

enum { PMC0 = 0xc1, SELECT0 = 0x186, FIXED0 = 0x309, CAPABILITIES = 0x345, FIXED_CTRL = 0x38d, STATUS = 0x38e,
       GLOBAL = 0x38f,
       STATUS_RESET = 0x390, STATUS_SET = 0x391, IN_USE = 0x392, A_PMC0 = 0x4c1, DEBUGCTL = 0x1d9, AMD_CTL0 = 0xc0010000,
       AMD_CTR0 = 0xc0010004 };

#define USR         BIT64(16)
#define OS          BIT64(17)
#define EDGE        BIT64(18)
#define INT         BIT64(20)
#define EN          BIT64(22)
#define INV         BIT64(23)
#define CMASK(n)    ((uint64_t)(n) << 24)
#define CORE        0x003cu
#define CRYSTAL     0x013cu
#define INSNS       0x00c0u
#define BRANCHES    0x00c4u
#define TOP         BIT64(48)

/* An APIC that counts performance interrupts and notes when they came. */
static struct { unsigned count; uint64_t insns; } pmi;

static void performance(void *self)
{
    (void)self;
    pmi.count++;
    pmi.insns = f->clock.state.insns;
}
static int nothing_pending(void *self)
{
    (void)self;
    return APIC_NONE;
}
static uint64_t base(void *self)
{
    (void)self;
    return 0xfee00900;
}
static const struct apic_ops apic = { .performance = performance, .pending = nothing_pending, .base = base };

static int setup(void **state)
{
    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    cpu_set_apic(f->cpu, &apic, NULL);
    f->cpu->config.apic_hz = 250000000;                     /* a quarter of the TSC's 1 GHz; an instruction takes 1 ns */
    memset(&pmi, 0, sizeof pmi);
    return 0;
}

static uint64_t get(uint32_t msr)
{
    uint64_t value = 0;

    cpu_sync(f->cpu, NULL);
    assert_true(cpu_read_msr(f->cpu, msr, &value));
    return value;
}

static bool set(uint32_t msr, uint64_t value)
{
    return cpu_write_msr(f->cpu, msr, value);
}

static void start(unsigned n, uint64_t select)
{
    assert_true(set(SELECT0 + n, select | EN));
    assert_true(set(GLOBAL, get(GLOBAL) | BIT64(n)));
}

/* Run `most` instructions of a program at FIXTURE_CODE. */
static void run(const char *code, size_t len, uint64_t most)
{
    fixture_code(f, code, len);
    f->cpu->p.rip = FIXTURE_CODE;
    f->cpu->p.activity = CPU_RUNNING;
    (void)cpu_run(f->cpu, most);
}
#define RUN(text, most) run(text, sizeof text - 1, most)

#define NOPS10 "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"

/* ---- what is there ---- */

static void the_leaf_says_what_there_is(void **state)
{
    struct cpuid_regs r = cpuid_leaf(f->cpu, 0xa, 0);

    (void)state;
    assert_int_equal(r.eax, 0x08300805);
    assert_int_equal(r.ebx, 0xd8);                          /* no cache events, no mispredictions, no slots */
    assert_int_equal(r.ecx, 7);
    assert_int_equal(r.edx, 0x8603);
    assert_true(cpuid_leaf(f->cpu, 1, 0).ecx & BIT(15));
    assert_int_equal(get(CAPABILITIES) & 0x2000, 0x2000);
    assert_int_equal(get(GLOBAL), 0xff);                    /* after a reset */
    f->cpu->config.features[F_ARCH_PERFMON / 64] &= ~BIT64(F_ARCH_PERFMON % 64);
    assert_int_equal(cpuid_leaf(f->cpu, 0xa, 0).eax, 0);
    assert_false(set(PMC0, 0));
    f->cpu->s.gpr[RCX] = 0;
    assert_int_equal(FRESH("\x0f\x33"), VEC_GP);
}

static void registers_have_reserved_bits(void **state)
{
    (void)state;
    assert_false(set(SELECT0, BIT64(21)));                  /* AnyThread is gone */
    assert_false(set(SELECT0, BIT64(32)));
    assert_true(set(SELECT0 + 7, 0xffdfffff));
    assert_false(set(FIXED_CTRL, 4));
    assert_false(set(FIXED_CTRL, BIT64(12)));
    assert_true(set(FIXED_CTRL, 0xbbb));
    assert_false(set(GLOBAL, BIT64(8)));
    assert_false(set(GLOBAL, BIT64(35)));
    assert_true(set(GLOBAL, 0x7000000ff));
    assert_false(set(STATUS, 0));
    assert_false(set(IN_USE, 0));
    assert_false(set(STATUS_RESET, BIT64(8)));
    assert_false(set(FIXED0, TOP));
    assert_false(set(A_PMC0, TOP));
    assert_false(set(CAPABILITIES, 0));
    assert_false(set(DEBUGCTL, BIT64(13)));
    assert_true(set(DEBUGCTL, BIT64(11) | BIT64(12)));
}

/* SDM 3B "Full-Width Writes to Performance Counter Registers". */
static void old_writes_are_32_bits_wide(void **state)
{
    (void)state;
    assert_true(set(PMC0, 0x1234580000000));
    assert_int_equal(get(PMC0), 0xffff80000000);
    assert_true(set(PMC0, 0x7fffffff));
    assert_int_equal(get(A_PMC0), 0x7fffffff);
    assert_true(set(A_PMC0, 0xabcd12345678));
    assert_int_equal(get(PMC0), 0xabcd12345678);
    assert_true(set(A_PMC0 + 7, 5));
    assert_int_equal(get(PMC0 + 7), 5);
}

static void status_can_be_set_and_cleared(void **state)
{
    (void)state;
    assert_true(set(STATUS_SET, 0x100000003));
    assert_int_equal(get(STATUS), 0x100000003);
    assert_int_equal(pmi.count, 0);
    assert_true(set(STATUS_RESET, 0x100000001));
    assert_int_equal(get(STATUS), 2);
    assert_int_equal(get(STATUS_RESET), 0);
}

static void in_use_follows_the_selects(void **state)
{
    (void)state;
    assert_int_equal(get(IN_USE), 0);
    assert_true(set(SELECT0 + 2, INSNS));
    assert_true(set(FIXED_CTRL, 0x20));
    assert_int_equal(get(IN_USE), BIT64(2) | BIT64(33));
    assert_true(set(SELECT0 + 3, INT));
    assert_int_equal(get(IN_USE), BIT64(2) | BIT64(33) | BIT64(63));
}

/* ---- what is counted ---- */

static void instructions_are_exact(void **state)
{
    (void)state;
    start(0, INSNS | OS | USR);
    assert_true(set(FIXED_CTRL, 3));
    assert_true(set(GLOBAL, 1 | BIT64(32)));
    RUN(NOPS10 NOPS10, 13);
    assert_int_equal(get(PMC0), 13);
    assert_int_equal(get(FIXED0), 13);
}

/* Iterations of a repeated instruction, deliveries and faulting instructions take time, but are none. */
static void only_what_retires_is_counted(void **state)
{
    uint64_t before;

    (void)state;
    start(0, INSNS | OS);
    start(1, CORE | OS);
    f->cpu->s.gpr[RCX] = 100;
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    before = f->clock.state.insns;
    RUN("\xf3\xaa\x90\x0f\x0b", 60);                        /* rep stosb; nop; ud2 */
    assert_int_equal(get(PMC0), 0);                         /* it has not retired yet */
    (void)cpu_run(f->cpu, 43);
    assert_int_equal(f->clock.state.insns - before, 103);
    assert_int_equal(get(PMC0), 3);                         /* REP STOSB, NOP, and the HLT of the #UD handler */
    assert_int_equal(get(PMC0 + 1), 103);
}

static void int_n_is_one_instruction(void **state)
{
    (void)state;
    start(0, INSNS | OS);
    RUN("\xcd\x03\x90", 1);
    assert_int_equal(get(PMC0), 1);
}

/* The iterations may also be cut by the end of a turn. */
static void a_repeat_that_is_cut_counts_once(void **state)
{
    (void)state;
    start(0, INSNS | OS);
    f->cpu->s.gpr[RCX] = 10;
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    RUN("\xf3\xaa\x90", 3);
    for (unsigned k = 0; k < 7; k++) {
        assert_int_equal(get(PMC0), 0);
        (void)cpu_run(f->cpu, 1);
    }
    assert_int_equal(get(PMC0), 1);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(get(PMC0), 2);
}

static void cycles_are_virtual_time(void **state)
{
    (void)state;
    start(0, CORE | OS);
    start(1, CRYSTAL | OS);
    assert_true(set(FIXED_CTRL, 0x330));
    assert_true(set(GLOBAL, 3 | BIT64(33) | BIT64(34)));
    clock_set_speed(&f->clock, 4000);                       /* 4 ns each */
    RUN(NOPS10, 10);
    assert_int_equal(get(PMC0), 40);
    assert_int_equal(get(PMC0 + 1), 10);
    assert_int_equal(get(FIXED0 + 1), 40);
    assert_int_equal(get(FIXED0 + 2), 40);
}

/* "Unhalted": time asleep is not counted, time in which other processors run is. */
static void cycles_stop_while_halted(void **state)
{
    (void)state;
    start(0, CORE | OS);
    RUN("\x90\x90", 2);
    clock_skip_to(&f->clock, clock_ns(&f->clock) + 100);
    assert_int_equal(get(PMC0), 102);
    RUN("\x90\xf4", 5);
    assert_int_equal(get(PMC0), 104);
    clock_skip_to(&f->clock, clock_ns(&f->clock) + 1000);
    assert_int_equal(get(PMC0), 104);
    RUN("\x90\x90", 2);
    assert_int_equal(get(PMC0), 106);
}

static void branches_taken_or_not(void **state)
{
    (void)state;
    start(0, BRANCHES | OS);
    f->cpu->s.gpr[RCX] = 10;
    RUN("\x90\xe2\xfd" "\x31\xc0\x75\x00\x74\x00" "\xe8\x00\x00\x00\x00" "\x90\xf4", 1000);
    assert_int_equal(get(PMC0), 10 + 2 + 1);                /* loop; jnz, jz; call */
    f->cpu->s.gpr[RCX] = 1000;
    assert_true(set(PMC0, 0));
    RUN("\xe2\xfe\xf4", 600);                               /* cut in the middle */
    assert_int_equal(get(PMC0), 600);
}

static void far_branches_count_events_do_not(void **state)
{
    (void)state;
    start(0, BRANCHES | OS);
    RUN("\xcd\x03", 2);                                     /* INT3's handler halts */
    assert_int_equal(get(PMC0), 1);
    RUN("\x0f\x0b", 3);                                     /* a fault is no branch */
    assert_int_equal(get(PMC0), 1);
}

static void unknown_events_count_nothing(void **state)
{
    (void)state;
    start(0, 0x412e | OS | USR);                            /* LLC misses: absent in CPUID */
    start(1, 0x01c0 | OS | USR);
    RUN(NOPS10, 10);
    assert_int_equal(get(PMC0), 0);
    assert_int_equal(get(PMC0 + 1), 0);
}

/* SDM 3B "Performance Event Select Registers". */
static void edge_invert_and_mask(void **state)
{
    static const struct { uint64_t select; uint64_t expected; } cases[] = {
        { INSNS, 10 }, { INSNS | CMASK(1), 10 }, { INSNS | CMASK(2), 0 }, { INSNS | INV, 10 },      /* INV needs a mask */
        { INSNS | INV | CMASK(1), 30 }, { INSNS | INV | CMASK(2), 40 }, { INSNS | EDGE, 10 }, { CORE | CMASK(1), 40 },
        { CORE | CMASK(2), 0 }, { CORE | INV | CMASK(1), 0 }, { CORE | INV | CMASK(9), 40 }, { CORE | EDGE | CMASK(1), 0 },
    };

    (void)state;
    clock_set_speed(&f->clock, 4000);
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        assert_true(set(PMC0, 0));
        start(0, cases[k].select | OS);
        RUN(NOPS10, 10);
        assert_int_equal(get(PMC0), cases[k].expected);
    }
}

static void edges_of_cycles_are_wakes(void **state)
{
    (void)state;
    start(0, CORE | EDGE | CMASK(1) | OS);
    for (unsigned k = 0; k < 3; k++) {
        RUN("\x90\xf4", 5);
        clock_skip_to(&f->clock, clock_ns(&f->clock) + 50);
    }
    assert_int_equal(get(PMC0), 2);                         /* it was awake at first */
}

/* ---- who is counted ---- */

static void levels_are_told_apart(void **state)
{
    (void)state;
    put_idt64(f, 0x1e, 0x08, 0x40000, 0x8e | DPL(3), 0);
    fixture_put(f, 0x40000, "\x90\x90\x48\xcf", 4);         /* nop; nop; iretq */
    fixture_privilege(f, 3);
    start(0, INSNS | USR);
    start(1, INSNS | OS);
    start(2, INSNS | OS | USR);
    start(3, CORE | USR);
    RUN("\x90\x90\xcd\x1e\x90\x90\x90\xcd\x1e\x90", 14);
    assert_int_equal(get(PMC0), 8);                         /* INT n begins at level 3, IRETQ at level 0 */
    assert_int_equal(get(PMC0 + 1), 6);
    assert_int_equal(get(PMC0 + 2), 14);
    assert_int_equal(get(PMC0 + 3), 8);
}

static void both_enables_must_be_on(void **state)
{
    (void)state;
    assert_true(set(GLOBAL, 0));
    assert_true(set(SELECT0, INSNS | OS | EN));
    assert_true(set(SELECT0 + 1, INSNS | OS));
    RUN(NOPS10, 4);
    assert_true(set(GLOBAL, 3));
    RUN(NOPS10, 5);
    assert_int_equal(get(PMC0), 5);
    assert_int_equal(get(PMC0 + 1), 0);
    assert_true(set(SELECT0, INSNS | EN));                  /* neither USR nor OS */
    RUN(NOPS10, 5);
    assert_int_equal(get(PMC0), 5);
}

/* ---- overflow ---- */

static void an_overflow_is_met_exactly(void **state)
{
    static const uint32_t events[] = { INSNS, BRANCHES, CORE };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(events); k++) {
        uint64_t before;

        memset(&pmi, 0, sizeof pmi);
        assert_true(set(STATUS_RESET, 1));
        assert_true(set(A_PMC0, TOP - 777));
        start(0, events[k] | OS | INT);
        before = f->clock.state.insns;
        RUN("\xeb\xfe", 3000);                              /* each a branch of 1 ns */
        assert_int_equal(pmi.count, 1);
        assert_int_equal(pmi.insns - before, 777);
        assert_int_equal(get(PMC0), 3000 - 777);
        assert_int_equal(get(STATUS), 1);
    }
}

/* In the middle of straight code, and at the last instruction of a turn. */
static void an_overflow_ends_a_block(void **state)
{
    uint64_t before = f->clock.state.insns;

    (void)state;
    assert_true(set(FIXED0, TOP - 7));
    assert_true(set(FIXED_CTRL, 9));
    assert_true(set(GLOBAL, BIT64(32)));
    RUN(NOPS10, 7);
    assert_int_equal(pmi.count, 1);
    assert_int_equal(pmi.insns - before, 7);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 7);
    assert_int_equal(get(STATUS), BIT64(32));
}

static void without_int_the_status_alone_tells(void **state)
{
    (void)state;
    assert_true(set(A_PMC0, TOP - 5));
    start(0, INSNS | OS);
    RUN(NOPS10, 9);
    assert_int_equal(get(STATUS), 1);
    assert_int_equal(get(PMC0), 4);
    assert_int_equal(pmi.count, 0);
}

/* SDM 3B "Freezing LBR and Performance Counters on PMI". */
static void a_frozen_counter_stands(void **state)
{
    (void)state;
    assert_true(set(DEBUGCTL, BIT64(12)));
    assert_true(set(A_PMC0, TOP - 3));
    start(0, INSNS | OS | INT);
    start(1, INSNS | OS);
    RUN(NOPS10, 9);
    assert_int_equal(get(STATUS), BIT64(59) | 1);
    assert_int_equal(get(PMC0), 0);
    assert_int_equal(get(PMC0 + 1), 3);
    assert_true(set(STATUS_RESET, BIT64(59) | 1));
    RUN(NOPS10, 2);
    assert_int_equal(get(PMC0), 2);
    assert_int_equal(pmi.count, 1);
}

/* Time alone may bring an overflow, found when the processor's turn comes. */
static void cycles_overflow_while_others_run(void **state)
{
    (void)state;
    assert_true(set(A_PMC0, TOP - 500));
    start(0, CORE | OS | INT);
    RUN(NOPS10, 5);
    clock_skip_to(&f->clock, clock_ns(&f->clock) + 1000);
    assert_int_equal(pmi.count, 0);
    RUN(NOPS10, 1);
    assert_int_equal(pmi.count, 1);
}

/* ---- RDPMC ---- */

static int rdpmc(uint32_t ecx)
{
    f->cpu->s.gpr[RCX] = 0xabc00000000 | ecx;
    f->cpu->s.gpr[RAX] = f->cpu->s.gpr[RDX] = ~(uint64_t)0;
    return FRESH("\x0f\x33");
}

static void rdpmc_reads_both_kinds(void **state)
{
    (void)state;
    assert_true(set(A_PMC0 + 3, 0xabcd12345678));
    assert_true(set(FIXED0 + 2, 0x123456789abc));
    assert_int_equal(rdpmc(3), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x12345678);
    assert_int_equal(f->cpu->s.gpr[RDX], 0xabcd);
    assert_int_equal(rdpmc(0x40000002), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x56789abc);
    assert_int_equal(f->cpu->s.gpr[RDX], 0x1234);
    assert_int_equal(rdpmc(8), VEC_GP);
    assert_int_equal(rdpmc(0x40000003), VEC_GP);
    assert_int_equal(rdpmc(0x80000000), VEC_GP);            /* "fast" was the Pentium 4's */
    assert_int_equal(rdpmc(0x20000000), VEC_GP);            /* no performance metrics */
    start(0, INSNS | OS);
    fixture_code(f, "\x90\x90\x0f\x33", 4);
    f->cpu->p.rip = FIXTURE_CODE;
    f->cpu->s.gpr[RCX] = 0;
    (void)cpu_run(f->cpu, 3);
    assert_int_equal(f->cpu->s.gpr[RAX], 2);                /* what retired before it */
}

static void rdpmc_needs_pce_below_level_0(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    assert_int_equal(rdpmc(0), VEC_GP);
    fixture_privilege(f, 3);
    f->cpu->p.cr4 |= CR4_PCE;
    assert_int_equal(rdpmc(0), -1);
    fixture_mode(f, FIXTURE_REAL);
    f->cpu->s.gpr[RCX] = 0;
    assert_int_equal(FRESH("\x0f\x33"), -1);
}

/* ---- AMD: APM 2 "Performance Counters" ---- */

static void become_amd(void)
{
    struct cpu_config config = { 0 };
    struct err e = cpu_config_parse(&config, "max,vendor=AuthenticAMD");

    assert_false(failed(&e));
    memcpy(f->cpu->config.features, config.features, sizeof config.features);
    f->cpu->config.vendor = config.vendor;
}

static void amd_has_four_counters_of_its_own(void **state)
{
    (void)state;
    assert_false(set(AMD_CTL0, 0));                         /* Intel does not */
    become_amd();
    assert_false(set(PMC0, 0));
    assert_int_equal(cpuid_leaf(f->cpu, 0xa, 0).eax, 0);
    assert_int_equal(cpuid_leaf(f->cpu, 1, 0).ecx & BIT(15), 0);
    assert_true(set(AMD_CTL0, 0x76 | OS | EN) && set(AMD_CTL0 + 1, 0xffc0 | OS | USR | EN));
    assert_true(set(AMD_CTL0 + 2, 0xc2 | OS | EN) && set(AMD_CTL0 + 3, 0xc0 | USR | EN));
    RUN("\xeb\x00\x90\x90\x90\xf4", 20);
    assert_int_equal(get(AMD_CTR0), 5);
    assert_int_equal(get(AMD_CTR0 + 1), 5);
    assert_int_equal(get(AMD_CTR0 + 2), 1);
    assert_int_equal(get(AMD_CTR0 + 3), 0);
    assert_true(set(AMD_CTL0, 0));
    assert_true(set(AMD_CTR0, 0xabcd12345678));
    assert_int_equal(rdpmc(0), -1);
    assert_int_equal(f->cpu->s.gpr[RDX], 0xabcd);
    assert_int_equal(rdpmc(4), VEC_GP);
    assert_int_equal(rdpmc(0x40000000), VEC_GP);
}

static void amd_counters_interrupt_too(void **state)
{
    uint64_t before;

    (void)state;
    become_amd();
    assert_true(set(AMD_CTR0 + 2, TOP - 6) && set(AMD_CTL0 + 2, 0xc0 | OS | INT | EN));
    before = f->clock.state.insns;
    RUN(NOPS10, 9);
    assert_int_equal(pmi.count, 1);
    assert_int_equal(pmi.insns - before, 6);
    assert_int_equal(get(AMD_CTR0 + 2), 3);
}

/* APM 2 "Control-Transfer Recording MSRs": one pair of addresses. */
static void amd_records_one_branch(void **state)
{
    (void)state;
    become_amd();
    assert_true(set(DEBUGCTL, 1));
    RUN("\xeb\x02\x90\x90\xeb\x01\x90\x0f\x0b", 3);
    assert_int_equal(get(0x1db), FIXTURE_CODE + 7);         /* the #UD */
    assert_int_equal(get(0x1dc), FIXTURE_HANDLER + 16 * VEC_UD);
    assert_int_equal(get(0x1dd), FIXTURE_CODE + 4);         /* the branch before it */
    assert_int_equal(get(0x1de), FIXTURE_CODE + 7);
    assert_false(set(0x680, 0));
    assert_false(set(DEBUGCTL, BIT64(11)));
}

/* ---- how it is built ---- */

/* The same counts and the same instant whatever the turns and the caches. */
static void turns_do_not_show(void **state)
{
    uint64_t insns[2], branches[2], at[2];

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        memset(&pmi, 0, sizeof pmi);
        fixture_mode(f, FIXTURE_LONG);
        assert_true(set(A_PMC0, TOP - 321) && set(A_PMC0 + 1, 0));
        start(0, INSNS | OS | INT);
        start(1, BRANCHES | OS);
        at[k] = f->clock.state.insns;
        f->cpu->s.gpr[RCX] = 1000;
        fixture_code(f, "\x90\x90\xe2\xfc\xf4", 5);
        for (uint64_t left = 900; left > 0;) {
            uint64_t turn = k == 0 ? 900 : left < 7 ? left : 7;

            (void)cpu_run(f->cpu, turn);
            if (k == 1)
                cpu_drop_caches(f->cpu);
            left -= turn;
        }
        insns[k] = get(PMC0);
        branches[k] = get(PMC0 + 1);
        at[k] = pmi.insns - at[k];
    }
    assert_int_equal(insns[0], 900 - 321);
    assert_int_equal(insns[1], insns[0]);
    assert_int_equal(branches[0], 300);
    assert_int_equal(branches[1], 300);
    assert_int_equal(at[0], 321);
    assert_int_equal(at[1], 321);
}

static void nothing_is_watched_when_all_is_off(void **state)
{
    (void)state;
    assert_int_equal(f->cpu->pmu, 0);
    start(0, INSNS | OS | USR);
    assert_int_equal(f->cpu->pmu, PMU_COUNTS);
    start(0, BRANCHES | USR);
    assert_int_equal(f->cpu->pmu, PMU_COUNTS | PMU_LEVELS | PMU_BRANCHES);
    assert_true(set(GLOBAL, 0));
    assert_int_equal(f->cpu->pmu, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_leaf_says_what_there_is, setup, steps_close),
        cmocka_unit_test_setup_teardown(registers_have_reserved_bits, setup, steps_close),
        cmocka_unit_test_setup_teardown(old_writes_are_32_bits_wide, setup, steps_close),
        cmocka_unit_test_setup_teardown(status_can_be_set_and_cleared, setup, steps_close),
        cmocka_unit_test_setup_teardown(in_use_follows_the_selects, setup, steps_close),
        cmocka_unit_test_setup_teardown(instructions_are_exact, setup, steps_close),
        cmocka_unit_test_setup_teardown(only_what_retires_is_counted, setup, steps_close),
        cmocka_unit_test_setup_teardown(int_n_is_one_instruction, setup, steps_close),
        cmocka_unit_test_setup_teardown(a_repeat_that_is_cut_counts_once, setup, steps_close),
        cmocka_unit_test_setup_teardown(cycles_are_virtual_time, setup, steps_close),
        cmocka_unit_test_setup_teardown(cycles_stop_while_halted, setup, steps_close),
        cmocka_unit_test_setup_teardown(branches_taken_or_not, setup, steps_close),
        cmocka_unit_test_setup_teardown(far_branches_count_events_do_not, setup, steps_close),
        cmocka_unit_test_setup_teardown(unknown_events_count_nothing, setup, steps_close),
        cmocka_unit_test_setup_teardown(edge_invert_and_mask, setup, steps_close),
        cmocka_unit_test_setup_teardown(edges_of_cycles_are_wakes, setup, steps_close),
        cmocka_unit_test_setup_teardown(levels_are_told_apart, setup, steps_close),
        cmocka_unit_test_setup_teardown(both_enables_must_be_on, setup, steps_close),
        cmocka_unit_test_setup_teardown(an_overflow_is_met_exactly, setup, steps_close),
        cmocka_unit_test_setup_teardown(an_overflow_ends_a_block, setup, steps_close),
        cmocka_unit_test_setup_teardown(without_int_the_status_alone_tells, setup, steps_close),
        cmocka_unit_test_setup_teardown(a_frozen_counter_stands, setup, steps_close),
        cmocka_unit_test_setup_teardown(cycles_overflow_while_others_run, setup, steps_close),
        cmocka_unit_test_setup_teardown(rdpmc_reads_both_kinds, setup, steps_close),
        cmocka_unit_test_setup_teardown(rdpmc_needs_pce_below_level_0, setup, steps_close),
        cmocka_unit_test_setup_teardown(amd_has_four_counters_of_its_own, setup, steps_close),
        cmocka_unit_test_setup_teardown(amd_counters_interrupt_too, setup, steps_close),
        cmocka_unit_test_setup_teardown(amd_records_one_branch, setup, steps_close),
        cmocka_unit_test_setup_teardown(turns_do_not_show, setup, steps_close),
        cmocka_unit_test_setup_teardown(nothing_is_watched_when_all_is_off, setup, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
