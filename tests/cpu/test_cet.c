/* SPDX-License-Identifier: MIT
 * Shadow stacks: the switches and their checks, shadow-stack pages, near calls and returns, and the instructions that manage
 * them (SDM 1 "Shadow Stacks", SDM 2 under each name, SDM 3A "Determination of Access Rights"). */
#include "cpu/cpuid.h"
#include "tests/cpu/cet_rig.h"

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_PK = 32, PF_SS = 64 };

/* ---- switches ---- */

/* SDM 4 "IA-32 Architectural MSRs". */
static void msrs_refuse_reserved_values(void **state)
{
    static const uint32_t control[] = { 0x6a0, 0x6a2 };

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        write_msr(control[k], 0x43f | 0x7ffffffff000);
        assert_int_equal(read_msr(control[k]), 0x43f | 0x7ffffffff000);
        write_msr(control[k], 0x800);
        for (unsigned bit = 6; bit < 10; bit++)
            assert_false(msr_accepts(control[k], BIT64(bit)));
        assert_false(msr_accepts(control[k], 0xc00));                       /* SUPPRESS and TRACKER */
        assert_false(msr_accepts(control[k], 0x800000000000));              /* bitmap base not canonical */
        assert_int_equal(read_msr(control[k]), 0x800);
    }
    for (uint32_t msr = 0x6a4; msr <= 0x6a7; msr++) {
        write_msr(msr, 0xffff800000000004);
        assert_int_equal(read_msr(msr), 0xffff800000000004);
        assert_false(msr_accepts(msr, 0x1001));
        assert_false(msr_accepts(msr, 0x1002));
        assert_false(msr_accepts(msr, 0x800000000000));
    }
    write_msr(0x6a8, 0x1234567);
    assert_int_equal(read_msr(0x6a8), 0x1234567);
    assert_false(msr_accepts(0x6a8, 0x800000000000));
}

static void model(const char *spec)
{
    struct err e = cpu_config_parse(&f->cpu->config, spec);

    assert_false(failed(&e));
}

static void each_feature_brings_its_bits(void **state)
{
    uint64_t value;

    (void)state;
    model("max,-shstk");
    assert_false(msr_accepts(0x6a0, 1));
    assert_false(msr_accepts(0x6a0, 2));
    write_msr(0x6a0, 4);
    assert_false(cpu_read_msr(f->cpu, 0x6a4, &value));
    assert_false(cpu_read_msr(f->cpu, 0x6a8, &value));
    assert_int_equal(FRESH("\xf3\x48\x0f\x01\xe8"), VEC_UD);                /* SETSSBSY */
    model("max,-ibt");
    write_msr(0x6a0, 3);
    for (unsigned bit = 2; bit < 6; bit++)
        assert_false(msr_accepts(0x6a0, BIT64(bit)));
    assert_false(msr_accepts(0x6a2, 0x400));
    assert_false(msr_accepts(0x6a2, 0x800));
    assert_false(msr_accepts(0x6a2, 0x1000));
    model("max,-ibt,-shstk");
    assert_false(cpu_read_msr(f->cpu, 0x6a0, &value));
    assert_false(msr_accepts(0x6a2, 0));
}

/* SDM 2A "CPUID": 7.0 ECX[7], EDX[20]; leaf 0Dh, sub-leaves 1, 11 and 12. */
static void cpuid_shows_it(void **state)
{
    struct cpuid_regs r;

    (void)state;
    assert_true(cpuid_leaf(f->cpu, 7, 0).ecx & BIT(7));
    assert_true(cpuid_leaf(f->cpu, 7, 0).edx & BIT(20));
    assert_int_equal(cpuid_leaf(f->cpu, 0xd, 1).ecx, 0x1800);
    r = cpuid_leaf(f->cpu, 0xd, 11);
    assert_int_equal(r.eax, 16);
    assert_int_equal(r.ebx, 0);
    assert_int_equal(r.ecx, 1);
    assert_int_equal(cpuid_leaf(f->cpu, 0xd, 12).eax, 24);
    model("max,-xsaves");
    assert_int_equal(cpuid_leaf(f->cpu, 0xd, 1).ecx, 0);
    assert_int_equal(cpuid_leaf(f->cpu, 0xd, 11).eax, 0);
}

/* SDM 3A "Control Registers", CR4.CET. */
static void cet_needs_write_protection(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    cpu->s.gpr[RAX] = cpu->p.cr0 & ~(uint64_t)CR0_WP;
    assert_int_equal(FRESH("\x0f\x22\xc0"), VEC_GP);
    cpu->s.gpr[RAX] = cpu->p.cr4 & ~(uint64_t)CR4_CET;
    assert_int_equal(FRESH("\x0f\x22\xe0"), -1);
    cpu->s.gpr[RAX] = cpu->p.cr0 & ~(uint64_t)CR0_WP;
    assert_int_equal(FRESH("\x0f\x22\xc0"), -1);
    cpu->s.gpr[RAX] = cpu->p.cr4 | CR4_CET;
    assert_int_equal(FRESH("\x0f\x22\xe0"), VEC_GP);
    model("max,-ibt,-shstk");
    cpu->p.cr0 |= CR0_WP;
    assert_int_equal(FRESH("\x0f\x22\xe0"), VEC_GP);
}

/* SDM 3A table "Processor States Following Power-up, Reset, or INIT". */
static void reset_and_init_clear_it(void **state)
{
    (void)state;
    for (int init = 0; init < 2; init++) {
        cet_on(0, CET_SH_STK_EN, SHADOW);
        write_msr(0x6a0, 1);
        write_msr(0x6a7, 0x1000);
        write_msr(0x6a8, 0x1000);
        cpu_reset(f->cpu, init);
        assert_int_equal(f->cpu->p.ssp | f->cpu->p.u_cet | f->cpu->p.s_cet | f->cpu->p.ssp_table, 0);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(f->cpu->p.pl_ssp[n], 0);
    }
}

static void the_ssp_has_a_name(void **state)
{
    (void)state;
    assert_true(cpu_set_reg(f->cpu, CPU_REG_SSP, SHADOW + 4));
    assert_int_equal(cpu_reg(f->cpu, CPU_REG_SSP), SHADOW + 4);
    assert_int_equal(f->cpu->p.ssp, SHADOW + 4);
    assert_false(cpu_set_reg(f->cpu, CPU_REG_SSP, SHADOW + 1));
    assert_false(cpu_set_reg(f->cpu, CPU_REG_SSP, 0x800000000000));
}

/* ---- shadow-stack pages ---- */

static bool shadow_store(uint64_t lin, bool user) { return mem_store_shadow(f->cpu, lin, 8, user, 1); }
static bool shadow_load(uint64_t lin, bool user)
{
    uint64_t v;

    return mem_load_shadow(f->cpu, lin, 8, user, &v);
}

/* SDM 3A "Determination of Access Rights" and "Page-Fault Exceptions", for all combinations of entry bits at two levels. */
static void only_shadow_stack_pages_serve(void **state)
{
    uint64_t lin = SHADOW_PAGE + 0x5000, table = get64(fixture_entry_at(f, lin, 2)) & PAGE_MASK;

    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        bool user_page = (n & 3) == 3, shadow = (n & 4) && !(n & 8) && (n & 16), user = n & 32, write = n & 64, ok;
        uint64_t pde = table | 1 | (n & 1 ? 4 : 0) | (n & 4 ? 2 : 0) | (n & 128 ? 0x40 : 0);
        uint64_t pte = lin | 1 | (n & 2 ? 4 : 0) | (n & 8 ? 2 : 0) | (n & 16 ? 0x40 : 0);

        put64(fixture_entry_at(f, lin, 2), pde);
        put64(fixture_entry_at(f, lin, 1), pte);
        tlb_flush_all(f->cpu);
        ok = write ? shadow_store(lin + 8, user) : shadow_load(lin + 8, user);
        assert_int_equal(ok, shadow && user_page == user);
        assert_int_equal(get64(fixture_entry_at(f, lin, 1)), ok ? pte | 0x20 : pte);
        if (ok)
            continue;
        assert_int_equal(f->cpu->fault.vector, VEC_PF);
        assert_int_equal(f->cpu->fault.error, PF_SS | PF_P | (write ? PF_W : 0) | (user ? PF_U : 0));
        assert_int_equal(f->cpu->fault.cr2, lin + 8);
    }
}

static void absent_pages_and_keys_fault_too(void **state)
{
    uint64_t lin = USER_PAGE;

    (void)state;
    put_pte(lin, 0);
    assert_false(shadow_store(lin, true));
    assert_int_equal(f->cpu->fault.error, PF_SS | PF_W | PF_U);
    put_pte(lin, PTE_SHADOW | 4 | (uint64_t)5 << 59);
    f->cpu->p.cr4 |= CR4_PKE;
    f->cpu->s.pkru = 2u << 10;                      /* key 5: no writes */
    tlb_flush_all(f->cpu);
    assert_true(shadow_load(lin, true));
    assert_false(shadow_store(lin, true));
    assert_int_equal(f->cpu->fault.error, PF_SS | PF_W | PF_U | PF_P | PF_PK);
    f->cpu->s.pkru = 1u << 10;
    tlb_flush_all(f->cpu);
    assert_false(shadow_load(lin, true));
}

/* The mapping may be by a large page and in every paging mode; R/W and D are then of the entry with PS. */
static void large_pages_can_be_shadow_stacks(void **state)
{
    uint64_t lin = 0x400000, at = fixture_entry_at(f, lin, 2), entry = get64(at);

    (void)state;
    assert_false(shadow_store(lin, true));
    put64(at, (entry & ~(uint64_t)2) | 0x40);
    tlb_flush_all(f->cpu);
    assert_true(shadow_store(lin, true));
    assert_false(shadow_store(lin, false));
}

static void without_paging_all_memory_serves(void **state)
{
    (void)state;
    assert_true(shadow_store(SHADOW, false));
    assert_true(shadow_store(SHADOW, true));
    assert_int_equal(get64(SHADOW), 1);
}

static void ordinary_stores_to_them_fault(void **state)
{
    (void)state;
    put64(SHADOW, 0x1234);
    assert_true(shadow_store(SHADOW + 8, false));           /* what is remembered of this must not serve a MOV */
    f->cpu->s.gpr[RDI] = SHADOW;
    assert_int_equal(FRESH("\x48\x8b\x07"), -1);            /* mov rax, [rdi] */
    assert_int_equal(f->cpu->s.gpr[RAX], 0x1234);
    assert_int_equal(FRESH("\x48\x89\x07"), VEC_PF);        /* mov [rdi], rax */
    assert_int_equal(error_code(), PF_P | PF_W);
}

static void addresses_must_be_canonical(void **state)
{
    (void)state;
    assert_false(shadow_store(0x800000000000, false));
    assert_int_equal(f->cpu->fault.vector, VEC_GP);
    assert_false(shadow_load(0x7ffffffffffc, true));
    assert_int_equal(f->cpu->fault.vector, VEC_GP);
}

/* What was remembered of a page goes with INVLPG, and when code is decoded from it. */
static void remembered_pages_are_forgotten(void **state)
{
    (void)state;
    assert_true(shadow_store(SHADOW, false));
    put64(fixture_entry_at(f, SHADOW_PAGE, 1), (SHADOW_PAGE + 0x3000) | PTE_SHADOW);
    tlb_flush_page(f->cpu, SHADOW_PAGE);
    assert_true(mem_store_shadow(f->cpu, SHADOW, 8, false, 77));
    assert_int_equal(get64(SHADOW + 0x3000), 77);
    put_pte(SHADOW_PAGE, PTE_SHADOW);
    put64(SHADOW_PAGE + 0x10, 0x9090909090909090);
    assert_true(shadow_store(SHADOW, false));
    f->cpu->p.rip = SHADOW_PAGE + 0x10;
    f->cpu->p.activity = CPU_RUNNING;
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->p.rip, SHADOW_PAGE + 0x12);
    assert_true(mem_store_shadow(f->cpu, SHADOW_PAGE + 0x10, 8, false, 0xf4f4f4f4f4f4f4f4));     /* HLT over the NOPs */
    f->cpu->p.rip = SHADOW_PAGE + 0x10;
    assert_int_equal(cpu_run(f->cpu, 9), CPU_STOP_IDLE);
    assert_int_equal(f->cpu->p.rip, SHADOW_PAGE + 0x11);
}

/* ---- near calls and returns ---- */

#define CALL_FAR_AHEAD "\xe8\xfb\xff\x02\x00"       /* to FIXTURE_CODE + 30000h */

static void call_pushes_on_both_stacks(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH(CALL_FAR_AHEAD), -1);
    assert_int_equal(f->cpu->p.rip, ELSEWHERE);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 5);
    assert_int_equal(f->cpu->p.ssp, SHADOW - 8);
    assert_int_equal(get64(SHADOW - 8), FIXTURE_CODE + 5);
    assert_int_equal(STEP("\xc3"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 5);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK);
    f->cpu->s.gpr[RAX] = ELSEWHERE;
    assert_int_equal(FRESH("\xff\xd0"), -1);                /* call rax */
    assert_int_equal(get64(SHADOW - 8), FIXTURE_CODE + 2);
    assert_int_equal(STEP("\xc2\x10\x00"), -1);             /* ret 16 */
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK + 16);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
}

static void user_mode_has_its_own_switch_and_pages(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(0, CET_SH_STK_EN, USER_SHADOW);
    f->cpu->p.s_cet = 0;
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH(CALL_FAR_AHEAD), -1);
    assert_int_equal(get64(USER_SHADOW - 8), FIXTURE_CODE + 5);
    cet_on(3, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH(CALL_FAR_AHEAD), VEC_PF);
    assert_int_equal(error_code(), PF_SS | PF_P | PF_W | PF_U);
    fixture_privilege(f, 3);
    cet_on(3, 0, USER_SHADOW);
    assert_int_equal(FRESH(CALL_FAR_AHEAD), -1);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW);
}

/* SDM 3A "Control Protection Exception (#CP)": a fault, error code 1. */
static void a_return_that_differs_is_cp(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    put64(USER_SHADOW, ELSEWHERE);
    put64(FIXTURE_STACK, ELSEWHERE + 1);
    assert_int_equal(FRESH("\xc3"), VEC_CP);
    assert_int_equal(error_code(), CP_NEAR_RET);
    assert_int_equal(stacked(f, 1, 8), FIXTURE_CODE);
    assert_int_equal(stacked(f, 4, 8), FIXTURE_STACK);      /* RSP and SSP are where they were */
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    put64(FIXTURE_STACK, 0x800000000000);                   /* not a place to go to at all */
    put64(USER_SHADOW, 0x800000000000);
    assert_int_equal(FRESH("\xc3"), VEC_GP);
}

/* SDM 2A "CALL": DEST != 0. */
static void a_call_of_what_follows_is_not_kept(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH("\xe8\x00\x00\x00\x00"), -1);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 5);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
}

/* SDM 1 "Shadow Stack Pointer and its Operand and Address Size Attributes". */
static void narrow_modes_push_four_bytes(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    put64(SHADOW - 8, ~0ull);
    assert_int_equal(FRESH(CALL_FAR_AHEAD), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW - 4);
    assert_int_equal(get64(SHADOW - 8), (uint64_t)(FIXTURE_CODE + 5) << 32 | 0xffffffff);
    assert_int_equal(STEP("\xc3"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
    f->cpu->p.rip = 0x8000;
    assert_int_equal(STEP("\x66\xe8\x10\x00"), -1);         /* 16-bit operand: IP, zero-extended */
    assert_int_equal(f->cpu->p.rip, 0x8014);
    assert_int_equal(stacked(f, 0, 2), 0x8004);
    assert_int_equal(fixture_read(f, SHADOW - 4, 4), 0x8004);
    assert_int_equal(STEP("\x66\xc3"), -1);
    assert_int_equal(f->cpu->p.rip, 0x8004);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
}

static void a_faulting_push_changes_no_register(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_PAGE + 0x1000 + 4);       /* half of it on the next page, which is none */
    assert_int_equal(FRESH(CALL_FAR_AHEAD), VEC_PF);
    assert_int_equal(stacked(f, 1, 8), FIXTURE_CODE);
    assert_int_equal(stacked(f, 4, 8), FIXTURE_STACK);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_PAGE + 0x1000 + 4);
    assert_int_equal(f->cpu->s.cr2, USER_PAGE + 0x1000);
}

/* ---- the instructions ---- */

static void rdssp_reads_or_does_nothing(void **state)
{
    (void)state;
    f->cpu->s.gpr[RAX] = ~0ull;
    f->cpu->p.ssp = 0xffff800000001000;
    assert_int_equal(FRESH("\xf3\x48\x0f\x1e\xc8"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], ~0ull);
    cet_on(0, CET_SH_STK_EN, 0xffff800000001000);
    assert_int_equal(FRESH("\xf3\x0f\x1e\xc8"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x1000);
    assert_int_equal(FRESH("\xf3\x48\x0f\x1e\xc8"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0xffff800000001000);
    fixture_privilege(f, 3);                                /* user shadow stacks are off */
    f->cpu->s.gpr[RAX] = 5;
    assert_int_equal(FRESH("\xf3\x48\x0f\x1e\xc8"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 5);
}

static void incssp_moves_and_touches(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xe8"), VEC_UD);
    cet_on(0, CET_SH_STK_EN, SHADOW);
    f->cpu->s.gpr[RAX] = 0xff02;                            /* eight bits count */
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xe8"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW + 16);
    assert_int_equal(FRESH("\xf3\x0f\xae\xe8"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW + 24);
    f->cpu->s.gpr[RAX] = 0;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xe8"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW + 24);
    cet_on(0, 0, 0);
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_PAGE + 0xff0);
    f->cpu->s.gpr[RAX] = 2;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xe8"), -1);    /* the end of the page is not touched */
    cet_on(3, CET_SH_STK_EN, USER_PAGE + 0xff0);
    f->cpu->s.gpr[RAX] = 3;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xe8"), VEC_PF);
    assert_int_equal(error_code(), PF_SS | PF_P | PF_U);
    assert_int_equal(f->cpu->s.cr2, USER_PAGE + 0x1000);
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_PAGE + 0x1000);           /* a count of 0 looks at the top all the same */
    f->cpu->s.gpr[RAX] = 0;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xe8"), VEC_PF);
}

static void wrss_needs_its_own_switch(void **state)
{
    (void)state;
    f->cpu->s.gpr[RDI] = SHADOW;
    f->cpu->s.gpr[RCX] = 0x1122334455667788;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH("\x48\x0f\x38\xf6\x0f"), VEC_UD);
    cet_on(0, CET_WR_SHSTK_EN, SHADOW);
    assert_int_equal(FRESH("\x48\x0f\x38\xf6\x0f"), VEC_UD);
    cet_on(0, CET_SH_STK_EN | CET_WR_SHSTK_EN, SHADOW);
    assert_int_equal(FRESH("\x48\x0f\x38\xf6\x0f"), -1);
    assert_int_equal(get64(SHADOW), 0x1122334455667788);
    assert_int_equal(FRESH("\x0f\x38\xf6\x4f\x04"), -1);    /* wrssd [rdi+4], ecx */
    assert_int_equal(get64(SHADOW), 0x5566778855667788);
    cet_on(0, 0, 0);
}

static void written_addresses_are_aligned_shadow_stack(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN | CET_WR_SHSTK_EN, USER_SHADOW);
    f->cpu->s.gpr[RDI] = USER_SHADOW + 4;
    assert_int_equal(FRESH("\x48\x0f\x38\xf6\x0f"), VEC_GP);
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RDI] = USER_SHADOW + 2;
    assert_int_equal(FRESH("\x0f\x38\xf6\x0f"), VEC_GP);
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(FRESH("\x0f\x38\xf6\x0f"), VEC_PF);
    assert_int_equal(error_code(), PF_SS | PF_P | PF_W | PF_U);
}

/* SDM 2D "WRUSSD/WRUSSQ": a user access by a supervisor, also where SMAP forbids other ones. */
static void wruss_writes_as_a_user(void **state)
{
    (void)state;
    f->cpu->p.cr4 |= CR4_SMAP;
    tlb_flush_all(f->cpu);
    f->cpu->s.gpr[RDI] = USER_SHADOW;
    f->cpu->s.gpr[RCX] = 0x1122334455667788;
    assert_int_equal(FRESH("\x66\x48\x0f\x38\xf5\x0f"), -1);        /* shadow stacks need not be on */
    assert_int_equal(get64(USER_SHADOW), 0x1122334455667788);
    f->cpu->p.cr4 &= ~(uint64_t)CR4_SMAP;
    tlb_flush_all(f->cpu);
    f->cpu->s.gpr[RDI] = SHADOW;
    assert_int_equal(FRESH("\x66\x48\x0f\x38\xf5\x0f"), VEC_PF);
    assert_int_equal(error_code(), PF_SS | PF_P | PF_W | PF_U);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x66\x48\x0f\x38\xf5\x0f"), VEC_GP);
    fixture_privilege(f, 3);
    f->cpu->p.cr4 &= ~(uint64_t)CR4_CET;
    assert_int_equal(FRESH("\x66\x48\x0f\x38\xf5\x0f"), VEC_UD);
}

/* SDM 1 "Switching Shadow Stacks", with the numbers of its figures. */
static void rstorssp_and_saveprevssp_switch(void **state)
{
    uint64_t old = SHADOW_PAGE + 0x400, new_top = SHADOW_PAGE + 0xc00;

    (void)state;
    cet_on(0, CET_SH_STK_EN, old);
    put64(new_top - 8, new_top | 1);                                /* made in 64-bit mode */
    f->cpu->s.gpr[RDI] = new_top - 8;
    cpu_set_rflags(f->cpu, FLAGS_ARITH | 2);
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), -1);
    assert_int_equal(f->cpu->p.ssp, new_top - 8);
    assert_int_equal(get64(new_top - 8), old | 3);
    assert_int_equal(cpu_rflags(f->cpu), 2);
    assert_int_equal(FRESH("\xf3\x0f\x01\xea"), -1);
    assert_int_equal(f->cpu->p.ssp, new_top);
    assert_int_equal(get64(old - 8), old | 1);
    f->cpu->s.gpr[RDI] = old - 8;                                   /* and back */
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), -1);
    assert_int_equal(f->cpu->p.ssp, old - 8);
}

static void rstorssp_checks_the_token(void **state)
{
    static const struct { uint64_t token; const char *why; } bad[] = {
        { USER_SHADOW + 8, "made in legacy mode" }, { (USER_SHADOW + 8) | 3, "a previous-ssp token" },
        { (USER_SHADOW + 16) | 1, "of another place" }, { USER_SHADOW | 1, "of itself" },
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(bad); n++) {
        fixture_privilege(f, 3);
        cet_on(3, CET_SH_STK_EN, USER_PAGE + 0x100);
        put64(USER_SHADOW, bad[n].token);
        f->cpu->s.gpr[RDI] = USER_SHADOW;
        assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), VEC_CP);
        assert_int_equal(error_code(), CP_RSTORSSP);
        assert_int_equal(get64(USER_SHADOW), bad[n].token);
        assert_int_equal(f->cpu->p.pl_ssp[3], USER_PAGE + 0x100);
    }
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RDI] = USER_SHADOW + 4;
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), VEC_GP);
    fixture_privilege(f, 3);
    put64(FIXTURE_DATA, (FIXTURE_DATA + 8) | 1);                    /* not shadow-stack memory; the access is a write */
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), VEC_PF);
    assert_int_equal(error_code(), PF_SS | PF_P | PF_W | PF_U);
    fixture_privilege(f, 3);
    cet_on(3, 0, 0);
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), VEC_UD);
}

/* An SSP at an odd multiple of four leaves a hole, which CF announces. */
static void narrow_tokens_may_have_a_hole(void **state)
{
    uint64_t old = SHADOW_PAGE + 0x404, token = SHADOW_PAGE + 0xbf0;

    (void)state;
    cet_on(0, CET_SH_STK_EN, old);
    put64(token, token + 12);                                       /* of an SSP that ends in 4 */
    put64(token + 8, 0);
    put64(old - 12, ~0ull);
    f->cpu->s.gpr[RDI] = token;
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), -1);
    assert_true(cpu_rflags(f->cpu) & FLAG_CF);
    assert_int_equal(get64(token), old | 2);
    assert_int_equal(FRESH("\xf3\x0f\x01\xea"), -1);
    assert_int_equal(f->cpu->p.ssp, token + 12);
    assert_int_equal(get64(old - 12), old);                         /* at the next multiple of eight, over a hole of zeros */
    assert_int_equal(fixture_read(f, old - 4, 4), 0);
    put64(token, (uint64_t)1 << 32 | (token + 8));                  /* beyond 4 GiB */
    f->cpu->s.gpr[RDI] = token;
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cpu_mode_changed(f->cpu);
    put64(SHADOW_PAGE + 0x600, 0);
    f->cpu->p.ssp = SHADOW_PAGE + 0x640;
    assert_int_equal(FRESH("\xf3\x0f\x01\x2f"), VEC_CP);
    assert_int_equal(error_code(), CP_RSTORSSP);
}

static void saveprevssp_wants_its_token(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_SHADOW + 4);
    assert_int_equal(FRESH("\xf3\x0f\x01\xea"), VEC_GP);
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    put64(USER_SHADOW, (USER_PAGE + 0x400) | 1);                    /* bit 1 clear: a restore token */
    assert_int_equal(FRESH("\xf3\x0f\x01\xea"), VEC_GP);
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    put64(USER_SHADOW, (USER_PAGE + 0x400) | 3);
    cpu_set_rflags(f->cpu, FLAG_CF | 2);                            /* no holes in 64-bit mode */
    assert_int_equal(FRESH("\xf3\x0f\x01\xea"), VEC_GP);
    fixture_privilege(f, 3);
    cet_on(3, 0, USER_SHADOW);
    assert_int_equal(FRESH("\xf3\x0f\x01\xea"), VEC_UD);
}

/* SDM 2B "SETSSBSY", 2A "CLRSSBSY". */
static void busy_bits_are_set_and_cleared(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\xf3\x0f\x01\xe8"), VEC_UD);
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH("\xf3\x0f\x01\xe8"), -1);
    assert_int_equal(f->cpu->p.ssp, KERNEL_TOKEN);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN | 1);
    f->cpu->s.gpr[RDI] = KERNEL_TOKEN;
    cpu_set_rflags(f->cpu, FLAGS_ARITH | 2);
    assert_int_equal(FRESH("\xf3\x0f\xae\x37"), -1);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
    assert_int_equal(f->cpu->p.ssp, 0);
    assert_int_equal(cpu_rflags(f->cpu), 2);
    f->cpu->p.ssp = SHADOW;
    assert_int_equal(FRESH("\xf3\x0f\xae\x37"), -1);                /* it is not busy: CF */
    assert_int_equal(cpu_rflags(f->cpu), FLAG_CF | 2);
    assert_int_equal(f->cpu->p.ssp, 0);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
}

static void busy_bits_are_the_supervisors(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    put64(KERNEL_TOKEN, KERNEL_TOKEN | 1);                          /* busy already */
    assert_int_equal(FRESH("\xf3\x0f\x01\xe8"), VEC_CP);
    assert_int_equal(error_code(), CP_SETSSBSY);
    assert_int_equal(f->cpu->p.ssp, SHADOW - 24);                   /* the exception's frame, on this shadow stack */
    f->cpu->p.pl_ssp[0] = KERNEL_TOKEN - 4;
    assert_int_equal(FRESH("\xf3\x0f\x01\xe8"), VEC_GP);
    f->cpu->s.gpr[RDI] = KERNEL_TOKEN - 4;
    assert_int_equal(FRESH("\xf3\x0f\xae\x37"), VEC_GP);
    fixture_privilege(f, 3);
    f->cpu->p.pl_ssp[0] = KERNEL_TOKEN;
    put64(KERNEL_TOKEN, KERNEL_TOKEN);
    assert_int_equal(FRESH("\xf3\x0f\x01\xe8"), VEC_GP);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN | 1);        /* taken by the delivery */
}

/* SDM 2: in real-address mode none of them but the NOPs exists. */
static void real_mode_has_none(void **state)
{
    (void)state;
    fixture_mode(f, FIXTURE_REAL);
    f->cpu->p.cr4 = CR4_CET;
    f->cpu->p.idtr_base = 0;
    cet_on(0, CET_SH_STK_EN | CET_WR_SHSTK_EN, SHADOW);
    put64(6 * 4, 0x2000 + 6);
    for (unsigned n = 0; n < 5; n++) {
        static const char *const codes[] = {
            "\xf3\x0f\x01\xe8\xf4", "\xf3\x0f\x01\xea\xf4", "\x0f\x38\xf6\x0f\xf4", "\x66\x0f\x38\xf5\x0f",
            "\xf3\x0f\xae\xe8\xf4",
        };

        (void)step_fresh(f, codes[n], 5);
        assert_int_equal(f->cpu->p.rip, 0x2000 + 6);
    }
    assert_int_equal(f->cpu->mode & MODE_SHSTK, 0);
}

int main(void)
{
#define TEST64(name) cmocka_unit_test_setup_teardown(name, cet_setup64, cet_teardown)
#define TEST32(name) cmocka_unit_test_setup_teardown(name, cet_setup32, cet_teardown)
    const struct CMUnitTest tests[] = {
        TEST64(msrs_refuse_reserved_values), TEST64(each_feature_brings_its_bits), TEST64(cpuid_shows_it),
        TEST64(cet_needs_write_protection), TEST64(reset_and_init_clear_it), TEST64(the_ssp_has_a_name),
        TEST64(only_shadow_stack_pages_serve), TEST64(absent_pages_and_keys_fault_too),
        TEST64(large_pages_can_be_shadow_stacks), TEST32(without_paging_all_memory_serves),
        TEST64(ordinary_stores_to_them_fault), TEST64(addresses_must_be_canonical), TEST64(remembered_pages_are_forgotten),
        TEST64(call_pushes_on_both_stacks), TEST64(user_mode_has_its_own_switch_and_pages),
        TEST64(a_return_that_differs_is_cp), TEST64(a_call_of_what_follows_is_not_kept),
        TEST32(narrow_modes_push_four_bytes), TEST64(a_faulting_push_changes_no_register),
        TEST64(rdssp_reads_or_does_nothing), TEST64(incssp_moves_and_touches), TEST64(wrss_needs_its_own_switch),
        TEST64(written_addresses_are_aligned_shadow_stack), TEST64(wruss_writes_as_a_user),
        TEST64(rstorssp_and_saveprevssp_switch), TEST64(rstorssp_checks_the_token), TEST32(narrow_tokens_may_have_a_hole),
        TEST64(saveprevssp_wants_its_token), TEST64(busy_bits_are_set_and_cleared), TEST64(busy_bits_are_the_supervisors),
        TEST32(real_mode_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
