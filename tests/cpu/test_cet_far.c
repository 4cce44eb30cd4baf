/* SPDX-License-Identifier: MIT
 * Shadow stacks in far calls and returns, events, fast system calls and task switches (SDM 1 "Supervisor Shadow Stack
 * Token", "Shadow Stack Usage on Task Switch", SDM 2 "CALL", "RET", "INT n", "IRET", "SYSCALL" and kin). */
#include "cpu/task.h"
#include "tests/cpu/cet_rig.h"

#define IST_SHADOW   (SHADOW_PAGE + 0x7f8)      /* another supervisor token */
#define SSP_TABLE    (FIXTURE_DATA + 0x1000)

/* The three values below `top`, as a far call or event pushed them. */
static void expect_frame(uint64_t top, uint64_t cs, uint64_t lip, uint64_t ssp)
{
    assert_int_equal(get64(top - 8), cs);
    assert_int_equal(get64(top - 16), lip);
    assert_int_equal(get64(top - 24), ssp);
    assert_int_equal(f->cpu->p.ssp, top - 24);
}

static void put_frame(uint64_t at, uint64_t cs, uint64_t lip, uint64_t ssp)
{
    put64(at + 16, cs);
    put64(at + 8, lip);
    put64(at, ssp);
}

static void put_far_pointer(uint16_t selector, uint32_t offset)
{
    uint8_t bytes[6] = { (uint8_t)offset, (uint8_t)(offset >> 8), (uint8_t)(offset >> 16), (uint8_t)(offset >> 24),
                         (uint8_t)selector, (uint8_t)(selector >> 8) };

    fixture_put(f, FIXTURE_DATA, bytes, 6);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
}
#define CALL_FAR_RDI "\xff\x1f"
#define JMP_FAR_RDI  "\xff\x2f"

/* ---- far calls and returns at one level ---- */

static void far_call_keeps_cs_lip_and_ssp(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    put_far_pointer(8, ELSEWHERE);
    assert_int_equal(FRESH(CALL_FAR_RDI), -1);
    assert_int_equal(f->cpu->p.rip, ELSEWHERE);
    expect_frame(SHADOW, 8, FIXTURE_CODE + 2, SHADOW);
    assert_int_equal(STEP("\xcb"), -1);                     /* width 4: pushed by a 32-bit call */
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK);
}

static void an_odd_ssp_gets_a_hole(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW + 4);
    put64(SHADOW, ~0ull);
    put_far_pointer(8, ELSEWHERE);
    assert_int_equal(FRESH(CALL_FAR_RDI), -1);
    expect_frame(SHADOW, 8, FIXTURE_CODE + 2, SHADOW + 4);
    assert_int_equal(fixture_read(f, SHADOW, 4), 0);
    assert_int_equal(STEP("\xcb"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW + 4);
}

/* To compatibility mode the SSP has to be below 4 GiB. */
static void far_transfers_to_narrow_code_need_a_low_ssp(void **state)
{
    (void)state;
    for (int jump = 0; jump < 2; jump++) {
        fixture_privilege(f, 3);
        put_far_pointer(0x33, ELSEWHERE);
        cet_on(3, CET_SH_STK_EN, 0x123456789abc0);
        assert_int_equal(jump ? FRESH(JMP_FAR_RDI) : FRESH(CALL_FAR_RDI), VEC_GP);
        assert_int_equal(error_code(), 0);
        fixture_privilege(f, 3);
        cet_on(3, CET_SH_STK_EN, USER_SHADOW);
        assert_int_equal(jump ? FRESH(JMP_FAR_RDI) : FRESH(CALL_FAR_RDI), -1);
        assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x33);
        fixture_mode(f, FIXTURE_LONG);
        fixture_small_pages(f, SHADOW_PAGE);
        put_pte(USER_PAGE, PTE_SHADOW | 4);
        f->cpu->p.cr4 |= CR4_CET;
    }
}

/* One far return to `cs:ip` from the shadow stack's frame; what becomes of it. */
static int far_return(uint64_t cs, uint64_t lip, uint64_t ssp, uint64_t at)
{
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    put64(FIXTURE_STACK, ELSEWHERE);
    put64(FIXTURE_STACK + 8, 0x23);
    put_frame(at & ~(uint64_t)7, cs, lip, ssp);
    cet_on(3, CET_SH_STK_EN, at);
    return FRESH("\x48\xcb");
}

static void far_return_compares_and_checks(void **state)
{
    uint64_t at = USER_PAGE + 0x700;

    (void)state;
    assert_int_equal(far_return(0x23, ELSEWHERE, USER_SHADOW + 4, at), -1);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW + 4);
    assert_int_equal(far_return(0x10023, ELSEWHERE, USER_SHADOW, at), VEC_CP);      /* all 64 bits count */
    assert_int_equal(error_code(), CP_FAR_RET);
    assert_int_equal(f->cpu->p.pl_ssp[3], at);
    assert_int_equal(stacked(f, 4, 8), FIXTURE_STACK);
    assert_int_equal(far_return(0x23, ELSEWHERE + 1, USER_SHADOW, at), VEC_CP);
    assert_int_equal(far_return(0x23, ELSEWHERE, USER_SHADOW + 2, at), VEC_CP);
    assert_int_equal(error_code(), CP_FAR_RET);
    assert_int_equal(far_return(0x23, ELSEWHERE, USER_SHADOW, at + 4), VEC_CP);
    assert_int_equal(far_return(0x23, ELSEWHERE, 0x800000000000, at), VEC_GP);      /* not canonical */
    assert_int_equal(error_code(), 0);
}

/* ---- to an inner level and back ---- */

/* A call gate at 90h to level 1 or 0; the TSS gives every level a stack. */
static void open_gate(unsigned level)
{
    uint64_t stack = 0x98000;
    uint64_t gate[2] = { make_gate((uint16_t)(0xa0 | level), ELSEWHERE, TYPE_CALL32 | PRESENT | DPL(3), 0), 0 };

    put_descriptor(f, 0x90, gate[0]);
    put_descriptor(f, 0x98, gate[1]);
    put_descriptor(f, 0xa0, make_descriptor(0, 0xfffff, 0xa09b | DPL(level)));
    fixture_put(f, FIXTURE_GDT + 0x804 + 8 * level, &stack, 8);
}

static void call_gates_acquire_the_inner_shadow_stack(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    open_gate(0);
    put_far_pointer(0x93, 0);
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH(CALL_FAR_RDI), -1);
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_int_equal(f->cpu->p.ssp, KERNEL_TOKEN);          /* from level 3 no frame is pushed */
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN | 1);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
    assert_int_equal(STEP("\x48\xcb"), -1);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
}

/* From level 1 to 0 and back: the frame goes along. */
static void between_supervisor_levels_there_is_a_frame(void **state)
{
    uint64_t level1 = SHADOW_PAGE + 0x400;

    (void)state;
    fixture_privilege(f, 3);
    open_gate(0);
    put_descriptor(f, 0xb0, make_descriptor(0, 0xfffff, 0xa09b | DPL(1)));
    put_descriptor(f, 0xb8, make_descriptor(0, 0xfffff, 0xc093 | DPL(1)));
    f->cpu->p.seg_sel[SEG_CS] = 0xb1;
    f->cpu->p.seg_attr[SEG_CS] = 0xa09b | DPL(1);
    f->cpu->p.seg_sel[SEG_SS] = 0xb9;
    f->cpu->p.seg_attr[SEG_SS] = 0xc093 | DPL(1);
    f->cpu->p.cpl = 1;
    put_far_pointer(0x91, 0);
    f->cpu->p.pl_ssp[0] = IST_SHADOW + 0x20;                /* ends in 18h: token and frame in 32 bytes */
    put64(IST_SHADOW + 0x20, IST_SHADOW + 0x20);
    cet_on(1, CET_SH_STK_EN, level1);
    assert_int_equal(FRESH(CALL_FAR_RDI), -1);
    assert_int_equal(f->cpu->p.cpl, 0);
    expect_frame(IST_SHADOW + 0x20, 0xb1, FIXTURE_CODE + 2, level1);
    assert_int_equal(get64(IST_SHADOW + 0x20), (IST_SHADOW + 0x20) | 1);
    assert_int_equal(f->cpu->p.pl_ssp[3], 0);
    assert_int_equal(STEP("\x48\xcb"), -1);
    assert_int_equal(f->cpu->p.cpl, 1);
    assert_int_equal(f->cpu->p.ssp, level1);
    assert_int_equal(get64(IST_SHADOW + 0x20), IST_SHADOW + 0x20);
}

static bool enter(uint64_t ssp, bool to64)
{
    const struct shadow_frame from = { .cs = 0x23, .lip = 0x1000 };
    struct shadow_change c;

    return shadow_enter_inner(f->cpu, 0, ssp, to64, &from, &c);
}

static void inner_tokens_are_checked(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(0, CET_SH_STK_EN, USER_SHADOW);
    put64(KERNEL_TOKEN, KERNEL_TOKEN | 1);                  /* busy */
    assert_false(enter(KERNEL_TOKEN, true));
    assert_int_equal(f->cpu->fault.vector, VEC_GP);
    assert_int_equal(f->cpu->fault.error, 0);
    put64(KERNEL_TOKEN, KERNEL_TOKEN | 2);                  /* reserved bit */
    assert_false(enter(KERNEL_TOKEN, true));
    put64(KERNEL_TOKEN, KERNEL_TOKEN + 8);                  /* another's address */
    assert_false(enter(KERNEL_TOKEN, true));
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN + 8);
    put64(KERNEL_TOKEN, KERNEL_TOKEN);
    assert_true(enter(KERNEL_TOKEN, true));
    put64(KERNEL_TOKEN, KERNEL_TOKEN);
    assert_true(enter(KERNEL_TOKEN, false));
    for (unsigned low = 0; low < 32; low += 4) {            /* 8-byte aligned, with its frame in 32 aligned bytes */
        uint64_t at = SHADOW + low;

        put64(at & ~(uint64_t)7, at);
        assert_int_equal(enter(at, true), low == 24);
    }
    put64(USER_SHADOW + 24, USER_SHADOW + 24);              /* a user page */
    assert_false(enter(USER_SHADOW + 24, true));
    assert_int_equal(f->cpu->fault.vector, VEC_PF);
    assert_int_equal(f->cpu->fault.error, 0x43);
    assert_false(enter(0x100000000 + KERNEL_TOKEN, false));
    assert_int_equal(f->cpu->fault.vector, VEC_GP);
}

/* ---- events ---- */

static void events_from_user_mode_switch_shadow_stacks(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->p.ssp, KERNEL_TOKEN);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN | 1);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
    assert_int_equal(STEP("\x48\xcf"), -1);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
}

static void user_ssp_is_kept_without_a_supervisor_shadow_stack(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
    write_msr(0x6a7, USER_SHADOW + 0x20);                   /* the system switches tasks */
    assert_int_equal(STEP("\x48\xcf"), -1);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW + 0x20);
}

static void events_at_one_level_push_a_frame(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH("\xcd\x05"), 5);
    expect_frame(SHADOW, 8, FIXTURE_CODE + 2, SHADOW);
    assert_int_equal(STEP("\x48\xcf"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
    assert_int_equal(FRESH("\xcd\x05"), 5);
    put64(SHADOW - 16, FIXTURE_CODE + 3);                   /* the kernel was told another way back */
    assert_int_equal(STEP("\x48\xcf"), VEC_CP);
    assert_int_equal(error_code(), CP_FAR_RET);
}

static void legacy_events_push_frames_too(void **state)
{
    (void)state;
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH("\xcd\x05"), 5);
    expect_frame(SHADOW, 0x18, FIXTURE_CODE + 2, SHADOW);
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW);
    fixture_privilege(f, 3);
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->p.ssp, KERNEL_TOKEN);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
}

/* IA32_INTERRUPT_SSP_TABLE_ADDR, entry 2, at either level. */
static void an_ist_has_a_shadow_stack(void **state)
{
    uint64_t stack = 0x95000;

    (void)state;
    fixture_privilege(f, 3);
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x24 + 8, &stack, 8);
    put_idt64(f, 5, 8, FIXTURE_HANDLER + 0x50, TYPE_INT32 | PRESENT | DPL(3), 2);
    put64(SSP_TABLE + 16, IST_SHADOW);
    put64(IST_SHADOW, IST_SHADOW);
    write_msr(0x6a8, SSP_TABLE);
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH("\xcd\x05"), 5);                 /* from level 3 */
    assert_int_equal(f->cpu->p.ssp, IST_SHADOW);
    assert_int_equal(get64(IST_SHADOW), IST_SHADOW | 1);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
    assert_int_equal(STEP("\x48\xcf"), -1);
    assert_int_equal(get64(IST_SHADOW), IST_SHADOW);
    fixture_mode(f, FIXTURE_LONG);                          /* and from level 0 */
    fixture_small_pages(f, SHADOW_PAGE);
    put_pte(SHADOW_PAGE, PTE_SHADOW);
    put_idt64(f, 5, 8, FIXTURE_HANDLER + 0x50, TYPE_INT32 | PRESENT, 2);
    f->cpu->p.cr4 |= CR4_CET;
    cet_on(0, CET_SH_STK_EN, SHADOW + 0x100);
    assert_int_equal(FRESH("\xcd\x05"), 5);
    expect_frame(IST_SHADOW, 8, FIXTURE_CODE + 2, SHADOW + 0x100);
    assert_int_equal(get64(IST_SHADOW), IST_SHADOW | 1);
    assert_int_equal(STEP("\x48\xcf"), -1);
    assert_int_equal(f->cpu->p.ssp, SHADOW + 0x100);
    assert_int_equal(get64(IST_SHADOW), IST_SHADOW);        /* another shadow stack is left: its token is freed */
}

/* SDM 3A table "Interrupt and Exception Classes": #CP is contributory. */
static void cp_is_contributory(void **state)
{
    (void)state;
    put_idt64(f, VEC_CP, 8, FIXTURE_HANDLER, 0, 0);         /* not present: #NP while #CP is delivered */
    cet_on(0, CET_SH_STK_EN, SHADOW);
    put64(FIXTURE_STACK, ELSEWHERE);
    assert_int_equal(FRESH("\xc3"), VEC_DF);
}

static void iret_to_virtual_8086_mode_needs_no_user_cet(void **state)
{
    static const uint32_t frame[] = { 0x100, 0x2000, FLAG_VM | 2, 0x8000, 0x3000, 0, 0, 0, 0 };

    (void)state;
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    fixture_put(f, FIXTURE_STACK, frame, sizeof frame);
    f->cpu->p.u_cet = CET_ENDBR_EN;
    assert_int_equal(FRESH("\xcf"), VEC_GP);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    fixture_put(f, FIXTURE_STACK, frame, sizeof frame);
    f->cpu->p.u_cet = 0;
    put64(KERNEL_TOKEN, KERNEL_TOKEN | 1);
    cet_on(0, CET_SH_STK_EN, KERNEL_TOKEN);
    assert_int_equal(FRESH("\xcf"), -1);
    assert_true(f->cpu->p.rflags & FLAG_VM);
    assert_int_equal(get64(KERNEL_TOKEN), KERNEL_TOKEN);
    f->cpu->p.u_cet = CET_SH_STK_EN | CET_ENDBR_EN;         /* means nothing there */
    cpu_mode_changed(f->cpu);
    assert_int_equal(f->cpu->mode & (MODE_SHSTK | MODE_IBT), 0);
}

/* ---- fast system calls ---- */

static void syscall_keeps_and_sysret_restores_the_ssp(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->p.star = 0x001b000800000000u;
    f->cpu->p.lstar = ELSEWHERE;
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cet_on(3, CET_SH_STK_EN, 0x800012345678);               /* LA_adjust: bits 63:48 follow bit 47 */
    assert_int_equal(FRESH("\x0f\x05"), -1);
    assert_int_equal(f->cpu->p.ssp, 0);
    assert_int_equal(f->cpu->p.pl_ssp[3], 0xffff800012345678);
    write_msr(0x6a7, USER_SHADOW);
    assert_int_equal(STEP("\x48\x0f\x07"), -1);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW);
    cet_on(3, 0, 0x1000);
    f->cpu->p.s_cet = 0;
    f->cpu->p.cpl = 3;
    cpu_mode_changed(f->cpu);
    assert_int_equal(FRESH("\x0f\x05"), -1);                /* off: nothing happens to either */
    assert_int_equal(f->cpu->p.ssp, 0x1000);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
}

static void sysenter_and_sysexit_do_the_same(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->p.sysenter_cs = 0x18;
    f->cpu->p.sysenter_eip = ELSEWHERE;
    f->cpu->p.sysenter_esp = 0x98000;
    f->cpu->p.s_cet = CET_SH_STK_EN;
    cet_on(3, CET_SH_STK_EN, USER_SHADOW);
    assert_int_equal(FRESH("\x0f\x34"), -1);
    assert_int_equal(f->cpu->p.ssp, 0);
    assert_int_equal(f->cpu->p.pl_ssp[3], USER_SHADOW);
    f->cpu->s.gpr[RDX] = FIXTURE_CODE;
    f->cpu->s.gpr[RCX] = FIXTURE_STACK;
    assert_int_equal(STEP("\x0f\x35"), -1);
    assert_int_equal(f->cpu->p.ssp, USER_SHADOW);
}

/* ---- tasks ---- */

#define OLD_TSS 0x50000u
#define NEW_TSS 0x51000u
#define OLD     0x80
#define NEW     0x88
#define NEW_SHADOW (SHADOW_PAGE + 0x3f8)
#define CALL_NEW "\x9a\0\0\0\0\x88\x00"
#define JMP_NEW  "\xea\0\0\0\0\x88\x00"

static void put32(uint64_t at, uint32_t v) { fixture_put(f, at, &v, 4); }

static void two_tasks(uint32_t limit)
{
    static const uint16_t segments[6] = { 0x10, 0x18, 0x10, 0x10, 0, 0x10 };

    put_descriptor(f, OLD, make_descriptor(OLD_TSS, 0x6b, TYPE_TSS32_BUSY | PRESENT));
    put_descriptor(f, NEW, make_descriptor(NEW_TSS, limit, TYPE_TSS32 | PRESENT));
    f->cpu->p.seg_sel[SEG_TR] = OLD;
    f->cpu->p.seg_base[SEG_TR] = OLD_TSS;
    f->cpu->p.seg_limit[SEG_TR] = 0x6b;
    f->cpu->p.seg_attr[SEG_TR] = TYPE_TSS32_BUSY | PRESENT;
    put32(NEW_TSS + 0x20, ELSEWHERE);
    put32(NEW_TSS + 0x24, 2);
    put32(NEW_TSS + 0x28 + 4 * RSP, 0x96000);
    for (unsigned k = 0; k < 6; k++)
        put32(NEW_TSS + 0x48 + 4 * k, segments[k]);
    put32(NEW_TSS + 0x68, NEW_SHADOW);
    put64(NEW_SHADOW, NEW_SHADOW);
}

static void a_called_task_keeps_the_callers_frame(void **state)
{
    uint64_t old = SHADOW_PAGE + 0x9f8;

    (void)state;
    two_tasks(0x6b);
    put64(old, old | 1);
    cet_on(0, CET_SH_STK_EN, old);
    assert_int_equal(FRESH(CALL_NEW), -1);
    assert_int_equal(f->cpu->p.rip, ELSEWHERE);
    expect_frame(NEW_SHADOW, 0x18, FIXTURE_CODE + 7, old);
    assert_int_equal(get64(NEW_SHADOW), NEW_SHADOW | 1);
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 7);
    assert_int_equal(f->cpu->p.ssp, old);
    assert_int_equal(get64(NEW_SHADOW), NEW_SHADOW);
}

static void a_return_to_another_place_in_the_task_is_cp(void **state)
{
    (void)state;
    two_tasks(0x6b);
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH(CALL_NEW), -1);
    put32(OLD_TSS + 0x20, FIXTURE_CODE + 0x100);
    assert_int_equal(STEP("\xcf"), VEC_CP);
    assert_int_equal(stacked(f, 0, 4), CP_FAR_RET);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], OLD);       /* it happens in the task returned to */
}

static void jumps_to_tasks_push_nothing(void **state)
{
    (void)state;
    two_tasks(0x6b);
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH(JMP_NEW), -1);
    assert_int_equal(f->cpu->p.ssp, NEW_SHADOW);
    assert_int_equal(get64(NEW_SHADOW), NEW_SHADOW | 1);
}

static void tasks_need_an_ssp_and_its_token(void **state)
{
    (void)state;
    two_tasks(0x6a);
    f->cpu->p.s_cet = 0;
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);               /* CR4.CET alone asks for the longer TSS */
    assert_int_equal(error_code(), NEW);
    put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x6b, TYPE_TSS16 | PRESENT));
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);
    two_tasks(0x6b);
    put64(NEW_SHADOW, NEW_SHADOW | 1);
    cet_on(0, CET_SH_STK_EN, SHADOW);
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);
    assert_int_equal(error_code(), NEW);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], NEW);       /* past the point of no return */
    two_tasks(0x6b);
    put32(NEW_TSS + 0x68, NEW_SHADOW + 4);
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);
    two_tasks(0x6b);
    put32(NEW_TSS + 0x24, FLAG_VM | 2);
    put32(NEW_TSS + 4, FIXTURE_STACK);
    put32(NEW_TSS + 8, 0x10);
    cet_on(0, 0, 0);
    f->cpu->p.u_cet = CET_ENDBR_EN;
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);               /* a virtual-8086 task with user CET on */
    assert_int_equal(error_code(), NEW);
    assert_true(stacked(f, 3, 4) & FLAG_VM);
}

int main(void)
{
#define TEST64(name) cmocka_unit_test_setup_teardown(name, cet_setup64, cet_teardown)
#define TEST32(name) cmocka_unit_test_setup_teardown(name, cet_setup32, cet_teardown)
    const struct CMUnitTest tests[] = {
        TEST64(far_call_keeps_cs_lip_and_ssp), TEST64(an_odd_ssp_gets_a_hole),
        TEST64(far_transfers_to_narrow_code_need_a_low_ssp), TEST64(far_return_compares_and_checks),
        TEST64(call_gates_acquire_the_inner_shadow_stack), TEST64(between_supervisor_levels_there_is_a_frame),
        TEST64(inner_tokens_are_checked), TEST64(events_from_user_mode_switch_shadow_stacks),
        TEST64(user_ssp_is_kept_without_a_supervisor_shadow_stack), TEST64(events_at_one_level_push_a_frame),
        TEST32(legacy_events_push_frames_too), TEST64(an_ist_has_a_shadow_stack), TEST64(cp_is_contributory),
        TEST32(iret_to_virtual_8086_mode_needs_no_user_cet), TEST64(syscall_keeps_and_sysret_restores_the_ssp),
        TEST32(sysenter_and_sysexit_do_the_same), TEST32(a_called_task_keeps_the_callers_frame),
        TEST32(a_return_to_another_place_in_the_task_is_cp), TEST32(jumps_to_tasks_push_nothing),
        TEST32(tasks_need_an_ssp_and_its_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
