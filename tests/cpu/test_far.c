/* SPDX-License-Identifier: MIT
 * Far jumps, calls and returns, call gates, IRET, and the fast system calls. */
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

static void put32(uint64_t at, uint32_t v) { fixture_put(f, at, &v, 4); }
static void put64(uint64_t at, uint64_t v) { fixture_put(f, at, &v, 8); }

/* ---- jumps ---- */

static void real_mode_jumps_by_paragraphs(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\xea\x34\x12\x00\x20"), -1);
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0x20000);
    assert_int_equal(f->cpu->p.rip, 0x1234);
}

static int jump32(uint32_t offset, uint16_t selector)
{
    uint8_t code[7] = { 0xea };

    store32(code + 1, offset);
    store16(code + 5, selector);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    return step_fresh(f, code, 7);
}

static void code_segments_are_checked(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x40000, 0xfff, 0x401a | PRESENT));
    put_descriptor(f, 0x88, make_descriptor(0, 0xfffff, 0xc01a));                              /* not present */
    put_descriptor(f, 0x90, make_descriptor(0, 0xfffff, 0xc01a | PRESENT | DPL(3)));
    put_descriptor(f, 0x98, make_descriptor(0, 0xfffff, 0xc01e | PRESENT));                    /* conforming */
    assert_int_equal(jump32(0, 0), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(jump32(0, 0x10), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0x10);
    assert_int_equal(jump32(0, 0x88), VEC_NP);
    assert_int_equal(jump32(0, 0x90), VEC_GP);
    assert_int_equal(jump32(0, 0x1b), VEC_GP);              /* RPL 3 > CPL 0 */
    assert_int_equal(jump32(0x1000, 0x80), VEC_GP);         /* beyond the limit */
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(jump32(0xfff, 0x80), -1);
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0x40000);
    assert_int_equal(f->cpu->p.rip, 0xfff);
    fixture_mode(f, FIXTURE_FLAT32);
    put_descriptor(f, 0x98, make_descriptor(0, 0xfffff, 0xc01e | PRESENT));
    assert_int_equal(jump32(0x5000, 0x9b), -1);             /* conforming: CS keeps CPL as RPL */
    assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x98);
}

/* ---- calls and returns ---- */

static void call_and_return_at_one_level(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\x9a\x00\x00\x04\x00\x18\x00"), -1);
    assert_int_equal(f->cpu->p.rip, 0x40000);
    assert_int_equal(stacked(f, 0, 4), FIXTURE_CODE + 7);
    assert_int_equal(stacked(f, 1, 4), 0x18);
    assert_int_equal(STEP("\xca\x08\x00"), -1);             /* retf 8 */
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 7);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK + 8);
}

/* SDM 2A "CALL", MORE-PRIVILEGE, and SDM 2B "RET", RETURN-TO-OUTER-PRIVILEGE-LEVEL. */
static void call_gates_switch_stacks_and_copy_parameters(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    put_descriptor(f, 0x80, make_gate(0x18, 0x40000, TYPE_CALL32 | PRESENT | DPL(3), 2));
    put_descriptor(f, 0x88, make_descriptor(0, 0xfffff, 0xc012 | PRESENT));
    put32(FIXTURE_STACK, 0x11111111);
    put32(FIXTURE_STACK + 4, 0x22222222);
    assert_int_equal(FRESH("\x9a\xff\xff\xff\xff\x83\x00"), -1);
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_int_equal(f->cpu->p.rip, 0x40000);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x10);
    assert_int_equal(stacked(f, 0, 4), FIXTURE_CODE + 7);
    assert_int_equal(stacked(f, 1, 4), 0x33);
    assert_int_equal(stacked(f, 2, 4), 0x11111111);
    assert_int_equal(stacked(f, 3, 4), 0x22222222);
    assert_int_equal(stacked(f, 4, 4), FIXTURE_STACK);
    assert_int_equal(stacked(f, 5, 4), 0x2b);
    f->cpu->s.gpr[RAX] = 0x88;
    assert_int_equal(STEP("\x8e\xd8"), -1);                 /* DS of level 0 */
    assert_int_equal(STEP("\xca\x08\x00"), -1);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK + 8);
    assert_int_equal(f->cpu->p.seg_sel[SEG_DS], 0);         /* may not stay */
    assert_true(f->cpu->p.seg_attr[SEG_DS] & SEG_UNUSABLE);
    assert_int_equal(f->cpu->p.seg_sel[SEG_ES], 0x2b);
}

static void gates_and_their_targets_are_checked(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    put_descriptor(f, 0x80, make_gate(0x18, 0x40000, TYPE_CALL32 | PRESENT, 0));               /* DPL 0 */
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0x80);
    fixture_privilege(f, 3);
    put_descriptor(f, 0x80, make_gate(0x18, 0x40000, TYPE_CALL32 | DPL(3), 0));
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_NP);
    fixture_privilege(f, 3);
    put_descriptor(f, 0x80, make_gate(0x10, 0x40000, TYPE_CALL32 | PRESENT | DPL(3), 0));
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0x10);
    fixture_privilege(f, 3);
    put_descriptor(f, 0x80, make_gate(0x18, 0x40000, TYPE_CALL32 | PRESENT | DPL(3), 0));
    assert_int_equal(jump32(0, 0x80), VEC_GP);                                                  /* JMP never goes inward */
    assert_int_equal(stacked(f, 0, 4), 0x18);
}

/* The stack of an inner level comes from the TSS: a bad one is #TS with its selector. */
static void bad_inner_stacks_are_ts(void **state)
{
    uint16_t ss = 0x2b;

    (void)state;
    put_descriptor(f, 0x80, make_gate(0x98, 0x40000, TYPE_CALL32 | PRESENT | DPL(3), 0));
    put_descriptor(f, 0x98, make_descriptor(0, 0xfffff, 0xc01a | PRESENT | DPL(1)));
    fixture_privilege(f, 3);
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x10, &ss, 2);                                         /* SS1 of DPL 3 */
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_TS);
    assert_int_equal(stacked(f, 0, 4), 0x28);
    fixture_privilege(f, 3);
    f->cpu->p.seg_limit[SEG_TR] = 0x10;
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_TS);
    assert_int_equal(stacked(f, 0, 4), 0x40);
}

/* SDM 2A "CALL", MORE-PRIVILEGE: the new stack is judged before the gate's offset, the offset before anything is pushed. */
static void bad_stacks_come_before_bad_offsets(void **state)
{
    uint16_t ss = 0x2b, none = 0;

    (void)state;
    put_descriptor(f, 0x80, make_gate(0x98, 0x40000, TYPE_CALL32 | PRESENT | DPL(3), 0));
    put_descriptor(f, 0x98, make_descriptor(0, 0xfff, 0x401a | PRESENT | DPL(1)));
    put_descriptor(f, 0xa0, make_descriptor(0, 0xfffff, 0xc012 | PRESENT | DPL(1)));
    fixture_privilege(f, 3);
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x10, &ss, 2);                 /* SS1 of DPL 3 */
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_TS);
    fixture_privilege(f, 3);
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x10, &none, 2);
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_TS);
    assert_int_equal(stacked(f, 0, 4), 0);
    fixture_privilege(f, 3);
    ss = 0xa1;
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x10, &ss, 2);
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_GP);        /* ESP1 is 0: nothing could be pushed either */
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(stacked(f, 1, 4), FIXTURE_CODE);
}

static void long_call_gates_push_quadwords(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    put_descriptor(f, 0x80, make_gate(0x08, 0x40000, TYPE_CALL32 | PRESENT | DPL(3), 0));
    put_descriptor(f, 0x88, 0);
    put32(FIXTURE_DATA, 0);
    put32(FIXTURE_DATA + 4, 0x83);
    assert_int_equal(FRESH("\xff\x1c\x25\x00\x00\x20\x00"), -1);            /* call far [200000h] */
    assert_int_equal(f->cpu->p.rip, 0x40000);
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 7);
    assert_int_equal(stacked(f, 1, 8), 0x23);
    assert_int_equal(stacked(f, 2, 8), FIXTURE_STACK);
    assert_int_equal(stacked(f, 3, 8), 0x2b);
    assert_int_equal(STEP("\x48\xcb"), -1);                                 /* retfq */
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK);
}

/* ---- IRET ---- */

static void iret_goes_to_compatibility_mode_and_back(void **state)
{
    (void)state;
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 40;
    put64(FIXTURE_STACK - 40, 0x40000);
    put64(FIXTURE_STACK - 32, 0x33);
    put64(FIXTURE_STACK - 24, FLAG_IF | FLAG_IOPL | FLAG_CF | 2);
    put64(FIXTURE_STACK - 16, 0x12345678);
    put64(FIXTURE_STACK - 8, 0x2b);
    assert_int_equal(FRESH("\x48\xcf"), -1);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_32);
    assert_true(f->cpu->mode & MODE_LONG);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->s.gpr[RSP], 0x12345678);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_IF | FLAG_IOPL | FLAG_CF | 2);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    assert_int_equal(jump32(0x50000, 0x23), -1);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_64);
}

/* A selector that may not stay goes; the base of GS does not, and 64-bit code lives on it. */
static void outer_returns_keep_the_base_of_gs(void **state)
{
    (void)state;
    f->cpu->p.seg_base[SEG_GS] = 0xffff888000000000u;
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 40;
    put64(FIXTURE_STACK - 40, 0x40000);
    put64(FIXTURE_STACK - 32, 0x23);
    put64(FIXTURE_STACK - 24, 2);
    put64(FIXTURE_STACK - 16, FIXTURE_STACK);
    put64(FIXTURE_STACK - 8, 0x2b);
    assert_int_equal(FRESH("\x48\xcf"), -1);
    assert_int_equal(f->cpu->p.seg_sel[SEG_GS], 0);
    assert_true(f->cpu->p.seg_attr[SEG_GS] & SEG_UNUSABLE);
    assert_int_equal(f->cpu->p.seg_base[SEG_GS], 0xffff888000000000u);
}

static int iret64(uint64_t ip, uint64_t cs, uint64_t ss)
{
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 40;
    put64(FIXTURE_STACK - 40, ip);
    put64(FIXTURE_STACK - 32, cs);
    put64(FIXTURE_STACK - 24, 2);
    put64(FIXTURE_STACK - 16, FIXTURE_STACK);
    put64(FIXTURE_STACK - 8, ss);
    return FRESH("\x48\xcf");
}

/* The pushes of a call to 64-bit code have 64-bit addresses: below 0 is the top of the kernel's half (seen on Emerald Rapids,
 * where Linux takes the fault of a 32-bit program up there for an erratum). */
static void a_call_to_64_bit_code_pushes_there(void **state)
{
    (void)state;
    fixture_privilege(f, 3);        /* a TSS with a stack for level 0 */
    fixture_mode(f, FIXTURE_LONG);
    assert_int_equal(iret64(0x40000, 0x33, 0x2b), -1);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_32);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    assert_int_equal(FRESH("\x9a\x00\x00\x05\x00\x23\x00"), -1);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_64);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 8);
    assert_int_equal(iret64(0x40000, 0x33, 0x2b), -1);
    f->cpu->s.gpr[RSP] = 0;
    assert_int_equal(FRESH("\x9a\x00\x00\x05\x00\x23\x00"), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, 0xfffffffffffffffcu);
}

static void iret_checks_before_it_changes(void **state)
{
    (void)state;
    assert_int_equal(iret64(0x40000, 0, 0), VEC_GP);
    assert_int_equal(iret64(0x40000, 0x08, 0x08), VEC_GP);          /* code is no stack */
    assert_int_equal(stacked(f, 0, 8), 0x08);
    assert_int_equal(iret64(0x0000800000000000u, 0x08, 0x10), VEC_GP);
    assert_int_equal(stacked(f, 0, 8), 0);
    assert_int_equal(stacked(f, 1, 8), FIXTURE_CODE);               /* the fault is IRET's own */
    assert_int_equal(iret64(0x40000, 0x33, 0), VEC_GP);             /* a null SS at level 3 */
    assert_int_equal(iret64(0x40000, 0x08, 0), -1);                 /* but not at level 0 */
    assert_true(f->cpu->p.seg_attr[SEG_SS] & SEG_UNUSABLE);
    cpu_set_rflags(f->cpu, FLAG_NT | 2);
    assert_int_equal(iret64(0x40000, 0x08, 0x10), VEC_GP);          /* no tasks in IA-32e mode */
}

static void iret_respects_privilege_of_flags(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    cpu_set_rflags(f->cpu, FLAG_IF | 2);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 12;
    put32(FIXTURE_STACK - 12, 0x40000);
    put32(FIXTURE_STACK - 8, 0x33);
    put32(FIXTURE_STACK - 4, FLAG_IOPL | FLAG_VIF | FLAG_VIP | FLAG_AC | FLAG_ID | FLAG_ZF);
    assert_int_equal(FRESH("\xcf"), -1);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_IF | FLAG_AC | FLAG_ID | FLAG_ZF | 2);
}

/* ---- SYSCALL and SYSENTER ---- */

static void syscall_and_sysret(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->p.star = 0x001b000800000000u;
    f->cpu->p.lstar = 0x40000;
    f->cpu->p.sfmask = FLAG_IF | FLAG_DF;
    cpu_set_rflags(f->cpu, FLAG_IF | FLAG_DF | FLAG_CF | 2);
    assert_int_equal(FRESH("\x0f\x05"), -1);
    assert_int_equal(f->cpu->p.rip, 0x40000);
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 8);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x10);
    assert_int_equal(f->cpu->s.gpr[RCX], FIXTURE_CODE + 2);
    assert_int_equal(f->cpu->s.gpr[R11], FLAG_IF | FLAG_DF | FLAG_CF | 2);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_CF | 2);
    assert_int_equal(STEP("\x48\x0f\x07"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x2b);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x23);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_IF | FLAG_DF | FLAG_CF | 2);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_64);
}

static void sysret_checks_rcx_at_level_0(void **state)
{
    (void)state;
    f->cpu->s.gpr[RCX] = 0x0000800000000000u;
    assert_int_equal(FRESH("\x48\x0f\x07"), VEC_GP);
    f->cpu->p.efer &= ~(uint64_t)EFER_SCE;
    assert_int_equal(FRESH("\x0f\x05"), VEC_UD);
    fixture_mode(f, FIXTURE_LONG);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x48\x0f\x07"), VEC_GP);
}

static void sysenter_and_sysexit(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x0f\x34"), VEC_GP);            /* no code segment yet */
    fixture_privilege(f, 3);
    f->cpu->p.sysenter_cs = 0x18;
    f->cpu->p.sysenter_esp = 0x95000;
    f->cpu->p.sysenter_eip = 0x40000;
    cpu_set_rflags(f->cpu, FLAG_IF | 2);
    assert_int_equal(FRESH("\x0f\x34"), -1);
    assert_int_equal(f->cpu->p.rip, 0x40000);
    assert_int_equal(f->cpu->s.gpr[RSP], 0x95000);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x20);
    assert_false(f->cpu->p.rflags & FLAG_IF);
    f->cpu->s.gpr[RCX] = 0x96000;
    f->cpu->s.gpr[RDX] = 0x50000;
    assert_int_equal(STEP("\x0f\x35"), -1);
    assert_int_equal(f->cpu->p.rip, 0x50000);
    assert_int_equal(f->cpu->s.gpr[RSP], 0x96000);
    assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x2b);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x33);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(STEP("\x0f\x35"), VEC_GP);             /* level 0 only */
}

/* SDM 3A "IA-32e Mode System Data Structures and Initialization", the order that software follows. */
static void real_mode_climbs_to_64_bit_mode(void **state)
{
    static const uint8_t gdtr[6] = { 0x37, 0, 0x00, 0x10, 0x03, 0x00 };
    uint64_t cr3 = FIXTURE_TABLES;

    (void)state;
    fixture_mode(f, FIXTURE_LONG);          /* page tables and descriptors */
    fixture_mode(f, FIXTURE_REAL);
    f->cpu->p.cr3 = f->cpu->p.cr4 = f->cpu->p.efer = 0;
    cpu_mode_changed(f->cpu);
    fixture_put(f, 0x7000, gdtr, 6);
    assert_int_equal(FRESH("\x66\x0f\x01\x16\x00\x70"), -1);        /* lgdt [7000h] */
    assert_int_equal(f->cpu->p.gdtr_base, FIXTURE_GDT);
    f->cpu->s.gpr[RAX] = CR4_PAE;
    assert_int_equal(STEP("\x0f\x22\xe0"), -1);
    f->cpu->s.gpr[RAX] = cr3;
    assert_int_equal(STEP("\x0f\x22\xd8"), -1);
    f->cpu->s.gpr[RCX] = 0xc0000080;
    f->cpu->s.gpr[RAX] = EFER_LME;
    f->cpu->s.gpr[RDX] = 0;
    assert_int_equal(STEP("\x0f\x30"), -1);
    assert_false(f->cpu->p.efer & EFER_LMA);
    f->cpu->s.gpr[RAX] = CR0_PG | CR0_PE | CR0_ET;
    assert_int_equal(STEP("\x0f\x22\xc0"), -1);
    assert_true(f->cpu->p.efer & EFER_LMA);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_16);        /* compatibility mode until the jump */
    assert_int_equal(STEP("\x66\xea\x00\x00\x04\x00\x08\x00"), -1);
    assert_int_equal(f->cpu->mode & MODE_DECODE, DECODE_64);
    assert_int_equal(f->cpu->p.rip, 0x40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_mode_jumps_by_paragraphs, steps_real, steps_close),
        cmocka_unit_test_setup_teardown(code_segments_are_checked, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(call_and_return_at_one_level, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(call_gates_switch_stacks_and_copy_parameters, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(gates_and_their_targets_are_checked, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(bad_inner_stacks_are_ts, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(bad_stacks_come_before_bad_offsets, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(long_call_gates_push_quadwords, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(iret_goes_to_compatibility_mode_and_back, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(a_call_to_64_bit_code_pushes_there, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(outer_returns_keep_the_base_of_gs, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(iret_checks_before_it_changes, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(iret_respects_privilege_of_flags, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(syscall_and_sysret, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(sysret_checks_rcx_at_level_0, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(sysenter_and_sysexit, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(real_mode_climbs_to_64_bit_mode, steps_real, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
