/* SPDX-License-Identifier: MIT
 * Control and debug registers, ports, flags, time, waiting: which values and which levels are allowed, and what follows. */
#include "cpu/control.h"
#include "cpu/random.h"
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;
static struct fake_apic apic;

static int setup(void **state, enum fixture_mode mode)
{
    (void)state;
    fixture_open(f);
    fixture_mode(f, mode);
    give_apic(f, &apic);
    return 0;
}
static int setup32(void **state) { return setup(state, FIXTURE_FLAT32); }
static int setup64(void **state) { return setup(state, FIXTURE_LONG); }

static int with_rax(uint64_t value, const char *bytes, size_t len)
{
    f->cpu->s.gpr[RAX] = value;
    return step_fresh(f, bytes, len);
}
#define WITH_RAX(value, text) with_rax(value, text, sizeof text - 1)

#define TO_CR0 "\x0f\x22\xc0"
#define TO_CR3 "\x0f\x22\xd8"
#define TO_CR4 "\x0f\x22\xe0"
#define TO_DR6 "\x0f\x23\xf0"
#define TO_DR7 "\x0f\x23\xf8"

/* ---- SDM 2B "MOV-Move to/from Control Registers", exceptions ---- */

static void cr0_refuses_contradictions(void **state)
{
    uint64_t cr0 = f->cpu->p.cr0;

    (void)state;
    assert_int_equal(WITH_RAX(cr0 & ~(uint64_t)CR0_PE, TO_CR0), VEC_GP);            /* PG without PE */
    assert_int_equal(WITH_RAX(cr0 | CR0_NW, TO_CR0), VEC_GP);                       /* NW without CD */
    assert_int_equal(WITH_RAX(cr0 | BIT64(40), TO_CR0), VEC_GP);
    assert_int_equal(WITH_RAX(cr0 & ~(uint64_t)CR0_PG, TO_CR0), VEC_GP);            /* paging off in 64-bit code */
    assert_int_equal(f->cpu->p.cr0, cr0);
    assert_int_equal(WITH_RAX((cr0 | 0x40) & ~(uint64_t)CR0_ET, TO_CR0), -1);       /* undefined bits vanish, ET stays */
    assert_int_equal(f->cpu->p.cr0, cr0);
}

static void entering_long_mode_needs_pae(void **state)
{
    (void)state;
    f->cpu->p.efer = EFER_LME;
    assert_int_equal(WITH_RAX(CR0_PG | CR0_PE, TO_CR0), VEC_GP);
    assert_false(f->cpu->p.efer & EFER_LMA);
}

static void cr4_takes_what_the_features_define(void **state)
{
    uint64_t cr4 = f->cpu->p.cr4;

    (void)state;
    assert_int_equal(WITH_RAX(cr4 | BIT64(13), TO_CR4), VEC_GP);                    /* VMXE */
    assert_int_equal(WITH_RAX(cr4 & ~(uint64_t)CR4_PAE, TO_CR4), VEC_GP);           /* in IA-32e mode */
    assert_int_equal(WITH_RAX(cr4 | CR4_UMIP, TO_CR4), -1);
    f->cpu->p.cr3 |= 8;
    assert_int_equal(WITH_RAX(cr4 | CR4_PCIDE, TO_CR4), VEC_GP);                    /* CR3[11:0] must be zero */
    f->cpu->p.cr3 &= ~(uint64_t)8;
    assert_int_equal(WITH_RAX(cr4 | CR4_PCIDE, TO_CR4), -1);
    assert_int_equal(WITH_RAX(f->cpu->p.cr0 & ~(uint64_t)CR0_PG, TO_CR0), VEC_GP);
}

static void cr3_has_reserved_bits(void **state)
{
    uint64_t cr3 = f->cpu->p.cr3;

    (void)state;
    assert_int_equal(WITH_RAX(cr3 | BIT64(63), TO_CR3), VEC_GP);
    assert_int_equal(WITH_RAX(cr3 | BIT64(cpu_physical_bits(f->cpu)), TO_CR3), VEC_GP);
    f->cpu->p.cr4 |= CR4_PCIDE;
    assert_int_equal(WITH_RAX(cr3 | BIT64(63) | 5, TO_CR3), -1);
    assert_int_equal(f->cpu->p.cr3, cr3 | 5);
}

/* SDM 3A "PDPTE Registers": reserved bits of a present entry are #GP of the MOV. */
static void pae_loads_its_four_pointers(void **state)
{
    uint64_t pdpt[4] = { 0x801001, 0, 0x802001, 0 };

    (void)state;
    fixture_put(f, 0x800000, pdpt, 32);
    f->cpu->p.cr4 = CR4_PAE;
    f->cpu->p.cr0 |= CR0_PG;
    assert_true(control_set_cr3(f->cpu, 0x800000));
    assert_int_equal(f->cpu->p.pdpte[2], 0x802001);
    pdpt[1] = 0x803003;
    fixture_put(f, 0x800000, pdpt, 32);
    assert_false(control_set_cr3(f->cpu, 0x800000));
    assert_int_equal(f->cpu->fault.vector, VEC_GP);
    assert_int_equal(f->cpu->p.pdpte[1], 0);
}

static void cr8_is_the_task_priority(void **state)
{
    (void)state;
    assert_int_equal(WITH_RAX(16, "\x44\x0f\x22\xc0"), VEC_GP);
    assert_int_equal(WITH_RAX(9, "\x44\x0f\x22\xc0"), -1);
    assert_int_equal(apic.tpr, 0x90);
    assert_int_equal(WITH_RAX(0, "\x44\x0f\x20\xc0"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 9);
    assert_int_equal(WITH_RAX(0, "\x0f\x22\xc8"), VEC_UD);                          /* CR1 */
}

static void lmsw_sets_pe_but_never_clears_it(void **state)
{
    uint64_t cr0 = f->cpu->p.cr0;

    (void)state;
    assert_int_equal(WITH_RAX(CR0_TS, "\x0f\x01\xf0"), -1);
    assert_int_equal(f->cpu->p.cr0, (cr0 & ~(uint64_t)15) | CR0_TS | CR0_PE);
    assert_int_equal(WITH_RAX(0, "\x0f\x01\xe0"), -1);                              /* smsw eax */
    assert_int_equal(f->cpu->s.gpr[RAX], f->cpu->p.cr0);
    assert_int_equal(FRESH("\x0f\x06"), -1);                                        /* clts */
    assert_false(f->cpu->p.cr0 & CR0_TS);
}

static void level_3_may_do_none_of_it(void **state)
{
    static const struct { const char *text; size_t len; } cases[] = {
        { TO_CR0, 3 }, { "\x0f\x20\xc0", 3 }, { TO_DR7, 3 }, { "\x0f\x01\xf0", 3 }, { "\x0f\x06", 2 }, { "\xf4", 1 },
        { "\x0f\x09", 2 }, { "\x0f\x08", 2 }, { "\x0f\x01\x3c\x25\0\0\x20\0", 8 }, { "\x0f\x01\x14\x25\0\0\x20\0", 8 },
        { "\x0f\x00\xd8", 3 }, { "\x0f\x00\xd0", 3 }, { "\x0f\x01\xf8", 3 }, { "\xfa", 1 }, { "\xfb", 1 }, { "\x0f\x33", 2 },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        fixture_mode(f, FIXTURE_LONG);
        fixture_privilege(f, 3);
        assert_int_equal(step_fresh(f, cases[k].text, cases[k].len), VEC_GP);
    }
}

/* ---- debug registers: SDM 3B "Debug Registers" ---- */

static void debug_registers_keep_fixed_bits(void **state)
{
    (void)state;
    assert_int_equal(WITH_RAX(0, TO_DR6), -1);
    assert_int_equal(f->cpu->s.dr6, 0xffff0ff0);
    assert_int_equal(WITH_RAX(0xffffffff, TO_DR6), -1);
    assert_int_equal(f->cpu->s.dr6, 0xffffefff);
    assert_int_equal(WITH_RAX(0x100000000u, TO_DR6), VEC_GP);
    assert_int_equal(WITH_RAX(0x0000d400, TO_DR7), -1);
    assert_int_equal(f->cpu->p.dr7, 0x400);
}

static void dr4_and_dr5_are_aliases_without_de(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\x0f\x21\xe0"), -1);                                    /* mov rax, dr4 */
    assert_int_equal(f->cpu->s.gpr[RAX], 0xffff0ff0);
    f->cpu->p.cr4 |= CR4_DE;
    assert_int_equal(FRESH("\x0f\x21\xe0"), VEC_UD);
}

static void general_detect_guards_the_registers(void **state)
{
    (void)state;
    f->cpu->p.dr7 |= BIT(13);
    assert_int_equal(FRESH("\x0f\x21\xc0"), VEC_DB);
    assert_true(f->cpu->s.dr6 & BIT(13));
    assert_false(f->cpu->p.dr7 & BIT(13));
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE);                               /* a fault */
}

static void single_steps_trap_after_each_instruction(void **state)
{
    (void)state;
    fixture_code(f, "\x90\x90", 2);
    cpu_set_rflags(f->cpu, FLAG_TF | 2);
    (void)cpu_run(f->cpu, 2);                                                       /* one, and the delivery */
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x10);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 1);
    assert_int_equal(stacked(f, 2, 8), FLAG_TF | 2);
    assert_true(f->cpu->s.dr6 & BIT(14));
    assert_false(f->cpu->p.rflags & FLAG_TF);
}

static void popf_starts_stepping_one_instruction_later(void **state)
{
    uint64_t image = FLAG_TF | 2;

    (void)state;
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 8;
    fixture_put(f, FIXTURE_STACK - 8, &image, 8);
    fixture_code(f, "\x9d\x90\x90", 3);
    (void)cpu_run(f->cpu, 3);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 2);
}

static void instruction_breakpoints_fault_and_rf_passes_them(void **state)
{
    (void)state;
    fixture_code(f, "\x90\x90", 2);
    f->cpu->s.dr[1] = FIXTURE_CODE;
    f->cpu->p.dr7 = 0x400 | BIT(2);
    cpu_mode_changed(f->cpu);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x10);
    assert_int_equal(f->cpu->s.dr6 & 15, 2);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE);
    assert_int_equal(stacked(f, 2, 8), 2);                                          /* RF is for the debugger to set */
    f->cpu->p.rip = FIXTURE_CODE;
    cpu_set_rflags(f->cpu, FLAG_RF | 2);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 1);
    assert_false(f->cpu->p.rflags & FLAG_RF);
}

/* SDM 3A "Masking Exceptions and Interrupts When Switching Stacks": the step of MOV SS is lost, its watchpoint is not. */
static void mov_ss_loses_its_step_and_keeps_its_watchpoint(void **state)
{
    uint16_t ss = 0x10;

    (void)state;
    f->cpu->s.gpr[RAX] = ss;
    fixture_code(f, "\x8e\xd0\x90\x90", 4);
    cpu_set_rflags(f->cpu, FLAG_TF | 2);
    (void)cpu_run(f->cpu, 3);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 3);
    fixture_mode(f, FIXTURE_LONG);
    fixture_put(f, FIXTURE_DATA, &ss, 2);
    f->cpu->s.dr6 = 0xffff0ff0;
    f->cpu->s.dr[3] = FIXTURE_DATA;
    f->cpu->p.dr7 = 0x400 | BIT(6) | 3u << 28;
    cpu_mode_changed(f->cpu);
    fixture_code(f, "\x8e\x14\x25\x00\x00\x20\x00\xf1\x90", 9);                  /* mov ss, [200000h]; int1 */
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x10);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 8);
    assert_int_equal(f->cpu->s.dr6, 0xffff0ff8);
    assert_int_equal(f->cpu->p.pending_db, 0);                                      /* one exception for both */
}

static void data_breakpoints_trap_after_the_access(void **state)
{
    (void)state;
    f->cpu->s.dr[0] = FIXTURE_DATA + 4;
    f->cpu->p.dr7 = 0x400 | BIT(0) | 1u << 16 | 3u << 18;                           /* writes to four bytes */
    cpu_mode_changed(f->cpu);
    fixture_code(f, "\x8b\x04\x25\x04\x00\x20\x00" "\x88\x04\x25\x07\x00\x20\x00" "\x90", 15);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 7);                              /* a read */
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x10);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 14);
    assert_int_equal(f->cpu->s.dr6 & 15, 1);
}

static void port_breakpoints_need_de(void **state)
{
    (void)state;
    f->cpu->s.dr[2] = 0x80;
    f->cpu->p.dr7 = 0x400 | BIT(4) | 2u << 24;
    f->cpu->p.cr4 |= CR4_DE;
    cpu_mode_changed(f->cpu);
    fixture_code(f, "\xe6\x80\x90", 3);
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x10);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 2);
    assert_int_equal(f->cpu->s.dr6 & 15, 4);
}

/* ---- ports: SDM 1 "I/O Permission Bit Map" ---- */

static void the_bitmap_decides_beyond_iopl(void **state)
{
    uint16_t map = 0x68;
    uint8_t bits[34];

    (void)state;
    memset(bits, 0xff, sizeof bits);
    bits[0x80 / 8] = 0xf0;                                                          /* 80h-83h allowed */
    for (unsigned round = 0; round < 3; round++) {
        fixture_mode(f, FIXTURE_FLAT32);
        fixture_privilege(f, 3);
        f->cpu->p.seg_limit[SEG_TR] = round == 2 ? 0x67 : 0x68 + 33;
        fixture_put(f, FIXTURE_GDT + 0x866, &map, 2);
        fixture_put(f, FIXTURE_GDT + 0x868, bits, sizeof bits);
        if (round == 0)
            assert_int_equal(FRESH("\xe5\x80"), -1);                                /* in eax, 80h */
        else if (round == 1)
            assert_int_equal(FRESH("\xe5\x81"), VEC_GP);                            /* 84h is not */
        else
            assert_int_equal(FRESH("\xe5\x80"), VEC_GP);                            /* beyond the limit */
    }
    fixture_privilege(f, 3);
    cpu_set_rflags(f->cpu, FLAG_IOPL | 2);
    assert_int_equal(FRESH("\xe5\x84"), -1);
}

static void ins_proves_its_destination_first(void **state)
{
    uint64_t none = 0;

    (void)state;
    fixture_small_pages(f, FIXTURE_DATA);
    fixture_put(f, fixture_entry_at(f, FIXTURE_DATA + 0x1000, 1), &none, 8);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0xffc;
    f->cpu->s.gpr[RCX] = 4;
    f->cpu->s.gpr[RDX] = 0x80;
    fixture_code(f, "\xf3\x6d", 2);                                                 /* rep insd */
    (void)cpu_run(f->cpu, 10);
    assert_int_equal(f->cpu->s.gpr[RCX], 3);
    assert_int_equal(f->cpu->s.gpr[RDI], FIXTURE_DATA + 0x1000);
    assert_int_equal(f->cpu->s.cr2, FIXTURE_DATA + 0x1000);
    assert_int_equal(fixture_probe(f)->reads, 1);                                   /* nothing was lost */
}

static void rep_outs_counts_every_iteration(void **state)
{
    uint64_t before = f->clock.state.insns;

    (void)state;
    f->cpu->s.gpr[RSI] = FIXTURE_DATA;
    f->cpu->s.gpr[RCX] = 100;
    f->cpu->s.gpr[RDX] = 0x80;
    fixture_code(f, "\xf3\x6e\xf4", 3);
    (void)cpu_run(f->cpu, 40);
    assert_int_equal(f->cpu->s.gpr[RCX], 60);
    assert_int_equal(f->clock.state.insns - before, 40);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE);
    (void)cpu_run(f->cpu, 1000);
    assert_int_equal(f->cpu->s.gpr[RCX], 0);
    assert_int_equal(f->clock.state.insns - before, 101);
    assert_int_equal(fixture_probe(f)->writes, 100);
}

/* ---- flags, time, identification, waiting ---- */

static void pvi_gives_level_3_a_virtual_flag(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->p.cr4 |= CR4_PVI;
    assert_int_equal(FRESH("\xfb"), -1);
    assert_true(f->cpu->p.rflags & FLAG_VIF);
    assert_false(f->cpu->p.rflags & FLAG_IF);
    assert_int_equal(FRESH("\xfa"), -1);
    assert_false(f->cpu->p.rflags & FLAG_VIF);
    cpu_set_rflags(f->cpu, cpu_rflags(f->cpu) | FLAG_VIP);
    assert_int_equal(FRESH("\xfb"), VEC_GP);
}

static void stac_opens_user_pages_to_the_supervisor(void **state)
{
    (void)state;
    f->cpu->p.cr4 |= CR4_SMAP;
    cpu_mode_changed(f->cpu);
    tlb_flush_all(f->cpu);
    /* every page of the fixture is a user page: code may be fetched (no SMEP), data not */
    fixture_small_pages(f, FIXTURE_STACK & ~(uint64_t)0x1fffff);
    assert_true(f->cpu->tlb == f->cpu->banks[BANK_SUPERVISOR]);
    assert_int_equal(STEP("\x0f\x01\xcb"), -1);
    assert_true(f->cpu->tlb == f->cpu->banks[BANK_SUPERVISOR_AC]);
    assert_int_equal(STEP("\x8b\x04\x25\x00\x00\x20\x00"), -1);
    assert_int_equal(STEP("\x0f\x01\xca"), -1);
    assert_false(f->cpu->p.rflags & FLAG_AC);
    assert_true(f->cpu->tlb == f->cpu->banks[BANK_SUPERVISOR]);
}

static void rdtsc_reads_the_clock_at_the_instruction(void **state)
{
    uint64_t now;

    (void)state;
    f->cpu->p.tsc_offset = 0;
    fixture_code(f, "\x90\x90\x0f\x31\xf4", 5);
    now = f->clock.state.insns;
    (void)cpu_run(f->cpu, 10);
    assert_int_equal(f->cpu->s.gpr[RAX], now + 2);                                  /* 1 ns each at 1 GHz */
    f->cpu->p.cr4 |= CR4_TSD;
    assert_int_equal(FRESH("\x0f\x31"), -1);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x0f\x31"), VEC_GP);
}

static void random_numbers_repeat_with_the_seed(void **state)
{
    uint64_t first;

    (void)state;
    f->cpu->s.rdrand = 42;
    assert_int_equal(FRESH("\x48\x0f\xc7\xf0"), -1);
    first = f->cpu->s.gpr[RAX];
    assert_true(cpu_rflags(f->cpu) & FLAG_CF);
    assert_int_equal(FRESH("\x48\x0f\xc7\xf8"), -1);
    assert_true(f->cpu->s.gpr[RAX] != first);
    f->cpu->s.rdrand = 42;
    assert_int_equal(FRESH("\x48\x0f\xc7\xf8"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], first);
}

/* SDM 2B "RDRAND": CF says that a number came, the other arithmetic flags are cleared; widths as everywhere. */
static void random_numbers_have_every_width(void **state)
{
    uint64_t whole;

    (void)state;
    f->cpu->s.rdrand = 42;
    (void)FRESH("\x48\x0f\xc7\xf0");
    whole = f->cpu->s.gpr[RAX];
    for (unsigned seed = 0; seed < 2; seed++) {
        cpu_set_rflags(f->cpu, FLAGS_ARITH | 2);
        f->cpu->s.rdrand = 42;
        f->cpu->s.gpr[RAX] = ~(uint64_t)0;
        (void)(seed ? FRESH("\x0f\xc7\xf8") : FRESH("\x0f\xc7\xf0"));
        assert_true(f->cpu->s.gpr[RAX] == (uint32_t)whole);
        assert_int_equal(cpu_rflags(f->cpu) & FLAGS_ARITH, FLAG_CF);
        f->cpu->s.rdrand = 42;
        f->cpu->s.gpr[RAX] = ~(uint64_t)0;
        (void)(seed ? FRESH("\x66\x0f\xc7\xf8") : FRESH("\x66\x0f\xc7\xf0"));
        assert_true(f->cpu->s.gpr[RAX] == (~(uint64_t)0xffff | (uint16_t)whole));
    }
    assert_int_equal(FRESH("\xf0\x0f\xc7\xf0"), VEC_UD);
    f->cpu->config.features[F_RDRAND / 64] &= ~BIT64(F_RDRAND % 64);
    f->cpu->config.features[F_RDSEED / 64] &= ~BIT64(F_RDSEED % 64);
    cpu_drop_caches(f->cpu);
    assert_int_equal(FRESH("\x0f\xc7\xf0"), VEC_UD);
    assert_int_equal(FRESH("\x0f\xc7\xf8"), VEC_UD);
}

/* Before, one processor's numbers were the other's, one step later; and a reset began them again. */
static void processors_have_numbers_of_their_own(void **state)
{
    uint64_t own = f->cpu->s.rdrand, other = f->other->s.rdrand;
    uint64_t first = random_next(&own), numbers[64];

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(numbers); n++)
        numbers[n] = random_next(&other);
    for (unsigned n = 0; n < COUNT_OF(numbers); n++)
        assert_true(numbers[n] != first);
    (void)FRESH("\x48\x0f\xc7\xf0");
    assert_true(f->cpu->s.gpr[RAX] == first);
    cpu_reset(f->cpu, false);
    assert_true(f->cpu->s.rdrand == own);
}

static void xsetbv_checks_dependencies(void **state)
{
    (void)state;
    f->cpu->s.gpr[RCX] = f->cpu->s.gpr[RDX] = 0;
    assert_int_equal(WITH_RAX(3, "\x0f\x01\xd1"), VEC_UD);                          /* without CR4.OSXSAVE */
    f->cpu->p.cr4 |= CR4_OSXSAVE;
    assert_int_equal(WITH_RAX(3, "\x0f\x01\xd1"), -1);
    assert_int_equal(f->cpu->s.xcr0, 3);
    assert_int_equal(WITH_RAX(2, "\x0f\x01\xd1"), VEC_GP);                          /* x87 must stay */
    assert_int_equal(WITH_RAX(5, "\x0f\x01\xd1"), VEC_GP);                          /* AVX without SSE */
    f->cpu->s.gpr[RCX] = 1;
    assert_int_equal(WITH_RAX(3, "\x0f\x01\xd1"), VEC_GP);
}

static void pause_ends_the_turn_of_one_of_many(void **state)
{
    (void)state;
    fixture_code(f, "\xf3\x90\x90", 3);
    assert_int_equal(cpu_run(f->cpu, 10), CPU_STOP_YIELD);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    f->cpu->config.count = 1;
    f->cpu->p.rip = FIXTURE_CODE;
    assert_int_equal(cpu_run(f->cpu, 2), CPU_STOP_BUDGET);
}

static enum intercept answer;

static enum intercept host_hypercall(void *self, struct cpu *cpu)
{
    (void)self;
    if (answer == RAISED)
        cpu_raise(cpu, VEC_GP, 0);
    return answer;
}

static void hypercalls_are_the_hosts(void **state)
{
    static const struct cpu_host host = { .hypercall = host_hypercall };

    (void)state;
    assert_int_equal(FRESH("\x0f\x01\xc1"), VEC_UD);
    cpu_set_host(f->cpu, &host, NULL);
    answer = DONE;
    assert_int_equal(FRESH("\x0f\x01\xc1"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 3);
    answer = PASS;
    assert_int_equal(FRESH("\x0f\x01\xc1"), VEC_UD);
    answer = RETRY;
    assert_int_equal(FRESH("\x0f\x01\xc1"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE);
    answer = RAISED;
    assert_int_equal(FRESH("\x0f\x01\xc1"), VEC_GP);
}

static void clflush_touches_no_device(void **state)
{
    uint64_t none = 0;

    (void)state;
    assert_int_equal(FRESH("\x67\x0f\xae\x3c\x25\x00\x00\x00\xf0"), -1);            /* clflush [f0000000h] */
    assert_int_equal(fixture_probe(f)->reads, 0);
    fixture_small_pages(f, FIXTURE_DATA);
    fixture_put(f, fixture_entry_at(f, FIXTURE_DATA, 1), &none, 8);
    tlb_flush_all(f->cpu);
    assert_int_equal(FRESH("\x0f\xae\x3c\x25\x00\x00\x20\x00"), VEC_PF);
}

static void state_survives_save_and_load(void **state)
{
    struct writer out = { 0 };
    struct reader in;
    uint64_t hash;
    struct err e;

    (void)state;
    fixture_code(f, "\x83\xe8\x01\x90", 4);                                         /* sub eax, 1: lazy flags */
    f->cpu->s.gpr[RAX] = 0;
    (void)cpu_run(f->cpu, 2);
    hash = device_hash(&f->cpu->dev, 1);
    device_save(&f->cpu->dev, &out);
    cpu_reset(f->cpu, false);
    assert_true(device_hash(&f->cpu->dev, 1) != hash);
    in = reader_of(out.bytes, out.len);
    e = device_load(&f->cpu->dev, &in);
    assert_false(failed(&e));
    assert_true(reader_done(&in));
    assert_int_equal(device_hash(&f->cpu->dev, 1), hash);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_CF | FLAG_PF | FLAG_AF | FLAG_SF | 2);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_64);
    writer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cr0_refuses_contradictions, setup64, steps_close),
        cmocka_unit_test_setup_teardown(entering_long_mode_needs_pae, setup32, steps_close),
        cmocka_unit_test_setup_teardown(cr4_takes_what_the_features_define, setup64, steps_close),
        cmocka_unit_test_setup_teardown(cr3_has_reserved_bits, setup64, steps_close),
        cmocka_unit_test_setup_teardown(pae_loads_its_four_pointers, setup32, steps_close),
        cmocka_unit_test_setup_teardown(cr8_is_the_task_priority, setup64, steps_close),
        cmocka_unit_test_setup_teardown(lmsw_sets_pe_but_never_clears_it, setup32, steps_close),
        cmocka_unit_test_setup_teardown(level_3_may_do_none_of_it, setup64, steps_close),
        cmocka_unit_test_setup_teardown(debug_registers_keep_fixed_bits, setup64, steps_close),
        cmocka_unit_test_setup_teardown(dr4_and_dr5_are_aliases_without_de, setup64, steps_close),
        cmocka_unit_test_setup_teardown(general_detect_guards_the_registers, setup64, steps_close),
        cmocka_unit_test_setup_teardown(single_steps_trap_after_each_instruction, setup64, steps_close),
        cmocka_unit_test_setup_teardown(popf_starts_stepping_one_instruction_later, setup64, steps_close),
        cmocka_unit_test_setup_teardown(instruction_breakpoints_fault_and_rf_passes_them, setup64, steps_close),
        cmocka_unit_test_setup_teardown(mov_ss_loses_its_step_and_keeps_its_watchpoint, setup64, steps_close),
        cmocka_unit_test_setup_teardown(data_breakpoints_trap_after_the_access, setup64, steps_close),
        cmocka_unit_test_setup_teardown(port_breakpoints_need_de, setup64, steps_close),
        cmocka_unit_test_setup_teardown(the_bitmap_decides_beyond_iopl, setup32, steps_close),
        cmocka_unit_test_setup_teardown(ins_proves_its_destination_first, setup64, steps_close),
        cmocka_unit_test_setup_teardown(rep_outs_counts_every_iteration, setup64, steps_close),
        cmocka_unit_test_setup_teardown(pvi_gives_level_3_a_virtual_flag, setup32, steps_close),
        cmocka_unit_test_setup_teardown(stac_opens_user_pages_to_the_supervisor, setup64, steps_close),
        cmocka_unit_test_setup_teardown(rdtsc_reads_the_clock_at_the_instruction, setup64, steps_close),
        cmocka_unit_test_setup_teardown(random_numbers_repeat_with_the_seed, setup64, steps_close),
        cmocka_unit_test_setup_teardown(random_numbers_have_every_width, setup64, steps_close),
        cmocka_unit_test_setup_teardown(processors_have_numbers_of_their_own, setup64, steps_close),
        cmocka_unit_test_setup_teardown(xsetbv_checks_dependencies, setup64, steps_close),
        cmocka_unit_test_setup_teardown(pause_ends_the_turn_of_one_of_many, setup64, steps_close),
        cmocka_unit_test_setup_teardown(hypercalls_are_the_hosts, setup64, steps_close),
        cmocka_unit_test_setup_teardown(clflush_touches_no_device, setup64, steps_close),
        cmocka_unit_test_setup_teardown(state_survives_save_and_load, setup64, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
