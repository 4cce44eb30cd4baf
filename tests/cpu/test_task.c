/* SPDX-License-Identifier: MIT
 * Hardware task switches: JMP, CALL, IRET and task gates, 32-bit and 16-bit, and faults on either side of the switch. */
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

#define OLD_TSS 0x50000u        /* selector 80h, the running task's */
#define NEW_TSS 0x51000u        /* selector 88h */
#define OLD     0x80
#define NEW     0x88
#define NEW_EIP   0x40000u
#define NEW_STACK 0x96000u

static void put32(uint64_t at, uint32_t v) { fixture_put(f, at, &v, 4); }
static void put16(uint64_t at, uint16_t v) { fixture_put(f, at, &v, 2); }

static void build_task(void)
{
    static const uint16_t segments[6] = { 0x10, 0x18, 0x10, 0x10, 0, 0x10 };

    put32(NEW_TSS + 0x20, NEW_EIP);
    put32(NEW_TSS + 0x24, FLAG_CF | 2);
    for (unsigned k = 0; k < 8; k++)
        put32(NEW_TSS + 0x28 + 4 * k, k == RSP ? NEW_STACK : 0x1000 + k);
    for (unsigned k = 0; k < 6; k++)
        put16(NEW_TSS + 0x48 + 4 * k, segments[k]);
    put16(NEW_TSS + 0x60, 0);
    put16(NEW_TSS + 0x64, 0);
}

static int setup(void **state)
{
    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_FLAT32);
    put_descriptor(f, OLD, make_descriptor(OLD_TSS, 0x67, TYPE_TSS32_BUSY | PRESENT));
    put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x67, TYPE_TSS32 | PRESENT));
    f->cpu->p.seg_sel[SEG_TR] = OLD;
    f->cpu->p.seg_base[SEG_TR] = OLD_TSS;
    f->cpu->p.seg_limit[SEG_TR] = 0x67;
    f->cpu->p.seg_attr[SEG_TR] = TYPE_TSS32_BUSY | PRESENT;
    f->cpu->s.gpr[RBX] = 0xb0b0b0b0;
    build_task();
    return 0;
}

static unsigned type_of(unsigned selector)
{
    return fixture_read(f, FIXTURE_GDT + selector + 5, 1) & 15;
}

#define JMP_NEW  "\xea\0\0\0\0\x88\x00"
#define CALL_NEW "\x9a\0\0\0\0\x88\x00"

static void jmp_saves_one_and_loads_the_other(void **state)
{
    (void)state;
    f->cpu->p.dr7 = 0x455;
    assert_int_equal(FRESH(JMP_NEW), -1);
    assert_int_equal(f->cpu->p.rip, NEW_EIP);
    assert_int_equal(f->cpu->s.gpr[RSP], NEW_STACK);
    assert_int_equal(f->cpu->s.gpr[RBX], 0x1003);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_CF | 2);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], NEW);
    assert_true(f->cpu->p.cr0 & CR0_TS);
    assert_int_equal(f->cpu->p.dr7, 0x400);                         /* local breakpoints are the old task's */
    assert_true(f->cpu->p.seg_attr[SEG_FS] & SEG_UNUSABLE);
    assert_int_equal(type_of(OLD), TYPE_TSS32);
    assert_int_equal(type_of(NEW), TYPE_TSS32_BUSY);
    assert_int_equal(fixture_read(f, OLD_TSS + 0x20, 4), FIXTURE_CODE + 7);
    assert_int_equal(fixture_read(f, OLD_TSS + 0x34, 4), 0xb0b0b0b0);
    assert_int_equal(fixture_read(f, OLD_TSS + 0x4c, 2), 0x18);
}

static void call_links_and_iret_returns(void **state)
{
    (void)state;
    assert_int_equal(FRESH(CALL_NEW), -1);
    assert_int_equal(type_of(OLD), TYPE_TSS32_BUSY);                /* stays busy while it waits */
    assert_int_equal(fixture_read(f, NEW_TSS, 2), OLD);
    assert_true(f->cpu->p.rflags & FLAG_NT);
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 7);
    assert_int_equal(f->cpu->s.gpr[RBX], 0xb0b0b0b0);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], OLD);
    assert_int_equal(type_of(NEW), TYPE_TSS32);
    assert_int_equal(type_of(OLD), TYPE_TSS32_BUSY);
    assert_false(fixture_read(f, NEW_TSS + 0x24, 4) & FLAG_NT);     /* saved without NT */
    assert_int_equal(fixture_read(f, NEW_TSS + 0x20, 4), NEW_EIP + 1);
}

static void a_busy_task_cannot_be_called(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\x9a\0\0\0\0\x80\x00"), VEC_GP);        /* itself */
    assert_int_equal(stacked(f, 0, 4), OLD);
}

static void faults_before_the_switch_stay_in_the_old_task(void **state)
{
    (void)state;
    put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x66, TYPE_TSS32 | PRESENT));
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);
    assert_int_equal(stacked(f, 0, 4), NEW);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], OLD);
    assert_int_equal(f->cpu->s.gpr[RBX], 0xb0b0b0b0);
    assert_int_equal(stacked(f, 1, 4), FIXTURE_CODE);
    put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x67, TYPE_TSS32));
    assert_int_equal(FRESH(JMP_NEW), VEC_NP);
}

/* SDM 3A table "Exception Conditions Checked During a Task Switch". */
static void faults_after_the_switch_are_the_new_tasks(void **state)
{
    (void)state;
    put16(NEW_TSS + 0x54, 0x18);                                    /* DS: fine, readable code */
    put16(NEW_TSS + 0x58, 0x100);                                   /* FS beyond the table */
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], NEW);
    assert_int_equal(stacked(f, 0, 4), 0x100);
    assert_int_equal(stacked(f, 1, 4), NEW_EIP);                    /* on the new task's stack */
    assert_int_equal(f->cpu->s.gpr[RSP], NEW_STACK - 16);
}

static void task_gates_take_events_with_their_error_code(void **state)
{
    (void)state;
    put_idt32(f, VEC_GP, make_gate(NEW, 0, TYPE_TASK | PRESENT, 0));
    f->cpu->s.gpr[RAX] = 0x100;
    assert_int_equal(FRESH("\x8e\xd8"), -1);                        /* not one of the plain handlers */
    assert_int_equal(f->cpu->p.rip, NEW_EIP);
    assert_int_equal(f->cpu->s.gpr[RSP], NEW_STACK - 4);
    assert_int_equal(stacked(f, 0, 4), 0x100);
    assert_int_equal(fixture_read(f, OLD_TSS + 0x20, 4), FIXTURE_CODE);
    assert_true(f->cpu->p.rflags & FLAG_NT);
}

/* A task of the 80286 in NEW: registers k * 100h but SP, at 4000h with CF. */
static void put_task16(uint16_t sp)
{
    static const uint16_t segments[4] = { 0x10, 0x18, 0x10, 0x10 };

    put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x2b, TYPE_TSS16 | PRESENT));
    put16(NEW_TSS + 0x0e, 0x4000);
    put16(NEW_TSS + 0x10, FLAG_CF | 2);
    for (unsigned k = 0; k < 8; k++)
        put16(NEW_TSS + 0x12 + 2 * k, k == RSP ? sp : (uint16_t)(0x100 * k));
    for (unsigned k = 0; k < 4; k++)
        put16(NEW_TSS + 0x22 + 2 * k, segments[k]);
    put16(NEW_TSS + 0x2a, 0);
}

static void sixteen_bit_tasks_have_no_fs_and_cr3(void **state)
{
    (void)state;
    put_task16(0x400);
    assert_int_equal(FRESH(JMP_NEW), -1);
    assert_int_equal(f->cpu->p.rip, 0x4000);
    assert_int_equal(f->cpu->s.gpr[RCX], 0xffff0100);
    assert_int_equal(f->cpu->p.seg_sel[SEG_GS], 0);
    assert_int_equal(f->cpu->p.seg_attr[SEG_TR] & 15, TYPE_TSS16_BUSY);
}

static void the_trap_bit_raises_a_debug_exception(void **state)
{
    (void)state;
    put16(NEW_TSS + 0x64, 1);
    assert_int_equal(FRESH(JMP_NEW), -1);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x10);
    assert_true(f->cpu->s.dr6 & BIT(15));
    assert_int_equal(stacked(f, 0, 4), NEW_EIP);
}

/* ---- SDM 3A "Task Linking": chains of nested tasks ---- */

#define THIRD_TSS 0x52000u      /* selector 90h */
#define THIRD     0x90

static void copy_task(uint64_t to, uint64_t from, uint32_t eip)
{
    for (unsigned k = 0; k < 0x68; k += 4)
        put32(to + k, (uint32_t)fixture_read(f, from + k, 4));
    put32(to + 0x20, eip);
}

static void nested_tasks_return_one_by_one(void **state)
{
    (void)state;
    put_descriptor(f, THIRD, make_descriptor(THIRD_TSS, 0x67, TYPE_TSS32 | PRESENT));
    copy_task(THIRD_TSS, NEW_TSS, 0x41000);
    assert_int_equal(FRESH(CALL_NEW), -1);
    assert_int_equal(STEP("\x9a\0\0\0\0\x90\x00"), -1);
    assert_int_equal(f->cpu->p.rip, 0x41000);
    assert_int_equal(type_of(OLD), TYPE_TSS32_BUSY);
    assert_int_equal(type_of(NEW), TYPE_TSS32_BUSY);
    assert_int_equal(type_of(THIRD), TYPE_TSS32_BUSY);
    assert_int_equal(fixture_read(f, THIRD_TSS, 2), NEW);
    assert_true(fixture_read(f, NEW_TSS + 0x24, 4) & FLAG_NT);          /* a CALL saves NT as it was */
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.rip, NEW_EIP + 7);
    assert_true(f->cpu->p.rflags & FLAG_NT);
    assert_int_equal(type_of(THIRD), TYPE_TSS32);
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], OLD);
    assert_false(f->cpu->p.rflags & FLAG_NT);
    assert_int_equal(type_of(NEW), TYPE_TSS32);
    assert_int_equal(type_of(OLD), TYPE_TSS32_BUSY);
}

/* A chain cannot be entered again in the middle; a JMP leaves no link behind. */
static void waiting_tasks_are_busy(void **state)
{
    (void)state;
    assert_int_equal(FRESH(CALL_NEW), -1);
    assert_int_equal(STEP("\xea\0\0\0\0\x80\x00"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), OLD);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], NEW);
}

/* SDM 2A "IRET", TASK-RETURN: the link must name a busy TSS in the GDT; all of it is #TS or #NP in the task that returns. */
static void a_bad_link_is_ts(void **state)
{
    static const struct { uint16_t link; uint32_t attr; int vector; } cases[] = {
        { NEW | 4, TYPE_TSS32_BUSY | PRESENT, VEC_TS },                 /* in an LDT */
        { 0, TYPE_TSS32_BUSY | PRESENT, VEC_TS }, { 0x7f8, TYPE_TSS32_BUSY | PRESENT, VEC_TS },
        { NEW, TYPE_TSS32 | PRESENT, VEC_TS },                          /* not busy */
        { NEW, TYPE_LDT | PRESENT, VEC_TS }, { NEW, TYPE_TSS32_BUSY, VEC_NP },
    };

    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        if (k != 0) {
            (void)steps_close(state);
            (void)setup(state);
        }
        put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x67, cases[k].attr));
        put16(OLD_TSS, cases[k].link);
        cpu_set_rflags(f->cpu, FLAG_NT | 2);
        assert_int_equal(FRESH("\xcf"), cases[k].vector);
        assert_int_equal(stacked(f, 0, 4), cases[k].link & ~3u);
        assert_int_equal(stacked(f, 1, 4), FIXTURE_CODE);
        assert_int_equal(f->cpu->p.seg_sel[SEG_TR], OLD);
        assert_true(stacked(f, 3, 4) & FLAG_NT);
    }
}

/* ---- faults on the way ---- */

/* The old TSS must take what is saved; a gate's TSS must be one. */
static void the_old_tss_must_have_room(void **state)
{
    (void)state;
    f->cpu->p.seg_limit[SEG_TR] = 0x5e;
    assert_int_equal(FRESH(JMP_NEW), VEC_TS);
    assert_int_equal(stacked(f, 0, 4), OLD);
    assert_int_equal(type_of(NEW), TYPE_TSS32);
    put_descriptor(f, 0x98, make_gate(OLD, 0, TYPE_TASK | PRESENT, 0));
    assert_int_equal(FRESH("\xea\0\0\0\0\x98\x00"), VEC_GP);         /* busy, through a gate: the TSS's selector */
    assert_int_equal(stacked(f, 0, 4), OLD);
    put_descriptor(f, 0x98, make_gate(NEW | 4, 0, TYPE_TASK | PRESENT, 0));
    assert_int_equal(FRESH("\xea\0\0\0\0\x98\x00"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), NEW | 4);
    put_descriptor(f, 0x98, make_gate(NEW, 0, TYPE_TASK, 0));
    assert_int_equal(FRESH("\xea\0\0\0\0\x98\x00"), VEC_NP);
    assert_int_equal(stacked(f, 0, 4), 0x98);
}

/* SDM 3A table "Exception Conditions Checked During a Task Switch": each in the new task, which is entered all the same. */
static void the_new_tasks_segments_are_checked(void **state)
{
    static const struct { unsigned at; uint16_t selector; uint32_t attr; int vector; uint32_t error; } cases[] = {
        { 0x60, 0xa0, TYPE_LDT, VEC_TS, 0xa0 },                         /* LDT not present: #TS, not #NP */
        { 0x60, 0xa4, TYPE_LDT | PRESENT, VEC_TS, 0xa4 },               /* LDT in an LDT */
        { 0x60, 0xa0, 0x12 | PRESENT, VEC_TS, 0xa0 },
        { 0x4c, 0xa0, 0xc01a, VEC_NP, 0xa0 },                           /* CS not present */
        { 0x4c, 0xa0, 0xc01a | PRESENT | DPL(1), VEC_TS, 0xa0 },        /* its level is not the selector's */
        { 0x4c, 0xa0, 0xc012 | PRESENT, VEC_TS, 0xa0 },                 /* data */
        { 0x4c, 0x00, 0, VEC_TS, 0 },
        { 0x50, 0xa0, 0xc012, VEC_SS, 0xa0 },                           /* SS not present */
        { 0x50, 0xa0, 0xc012 | PRESENT | DPL(3), VEC_TS, 0xa0 },
        { 0x50, 0xa0, 0xc010 | PRESENT, VEC_TS, 0xa0 },                 /* not writable */
        { 0x50, 0x00, 0, VEC_TS, 0 },
        { 0x54, 0xa0, 0xc012, VEC_NP, 0xa0 },                           /* DS not present */
        { 0x48, 0xa0, 0xc018 | PRESENT, VEC_TS, 0xa0 },                 /* ES: execute only */
        { 0x5c, 0xf8, 0, VEC_TS, 0xf8 },                                /* GS beyond the table */
    };

    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        if (k != 0) {
            (void)steps_close(state);
            (void)setup(state);
        }
        put_descriptor(f, 0xa0, make_descriptor(0, 0xfffff, cases[k].attr));
        put16(NEW_TSS + cases[k].at, cases[k].selector);
        /* the handler is in another task, as the new one may have no stack; T is of no effect when the switch fails */
        put16(NEW_TSS + 0x64, 1);
        put_descriptor(f, THIRD, make_descriptor(THIRD_TSS, 0x67, TYPE_TSS32 | PRESENT));
        copy_task(THIRD_TSS, NEW_TSS, 0x41000);
        put16(THIRD_TSS + 0x64, 0);
        put16(THIRD_TSS + 0x60, 0);
        for (unsigned s = 0; s < 6; s++)
            put16(THIRD_TSS + 0x48 + 4 * s, s == 1 ? 0x18 : 0x10);
        put_idt32(f, (unsigned)cases[k].vector, make_gate(THIRD, 0, TYPE_TASK | PRESENT, 0));
        (void)FRESH(JMP_NEW);
        assert_int_equal(f->cpu->p.rip, 0x41000);
        assert_int_equal(fixture_read(f, THIRD_TSS, 2), NEW);           /* it happened in the new task */
        assert_int_equal(stacked(f, 0, 4), cases[k].error);
        assert_int_equal(fixture_read(f, NEW_TSS + 0x20, 4), NEW_EIP);
        assert_int_equal(fixture_read(f, NEW_TSS + cases[k].at, 2), cases[k].selector);
        assert_int_equal(f->cpu->p.pending_db, 0);
    }
}

static void eip_beyond_the_new_code_is_gp(void **state)
{
    (void)state;
    put_descriptor(f, 0xa0, make_descriptor(0, 0xfff, 0x401a | PRESENT));
    put16(NEW_TSS + 0x4c, 0xa0);
    assert_int_equal(FRESH(JMP_NEW), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(stacked(f, 1, 4), NEW_EIP);
    assert_int_equal(stacked(f, 2, 4), 0xa0);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], NEW);
}

/* From 32 bits to 16 and back: the 16-bit task's half of EFLAGS, and its error codes of two bytes. */
static void tasks_of_both_widths_call_each_other(void **state)
{
    (void)state;
    put_task16(0x6000);
    cpu_set_rflags(f->cpu, FLAG_AC | FLAG_ID | 2);
    put_descriptor(f, 0xa0, make_descriptor(0, 0xffff, 0x12 | PRESENT));
    put16(NEW_TSS + 0x24 + 2, 0xa0);                                    /* SS of 16 bits: SP, not ESP */
    assert_int_equal(FRESH(CALL_NEW), -1);
    assert_int_equal(f->cpu->p.rip, 0x4000);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_CF | FLAG_NT | 2);
    assert_int_equal(fixture_read(f, OLD_TSS + 0x24, 4), FLAG_AC | FLAG_ID | 2);
    f->cpu->s.gpr[RBX] = 0x12345678;
    assert_int_equal(STEP("\xcf"), -1);
    assert_int_equal(f->cpu->p.seg_sel[SEG_TR], OLD);
    assert_int_equal(cpu_rflags(f->cpu), FLAG_AC | FLAG_ID | 2);
    assert_int_equal(fixture_read(f, NEW_TSS + 0x18, 2), 0x5678);
    assert_int_equal(fixture_read(f, NEW_TSS + 0x0e, 2), 0x4001);
    put16(NEW_TSS + 0x0e, 0x4000);
    put_idt32(f, VEC_GP, make_gate(NEW, 0, TYPE_TASK | PRESENT, 0));
    f->cpu->s.gpr[RAX] = 0x100;
    (void)FRESH("\x8e\xd8");                                            /* mov ds, ax: beyond the table */
    assert_int_equal(f->cpu->s.gpr[RSP] & 0xffff, 0x5ffe);
    assert_int_equal(fixture_read(f, 0x5ffe, 2), 0x100);
    assert_true(fixture_read(f, OLD_TSS + 0x24, 4) & FLAG_RF);          /* a fault: RF in the saved image */
}

/* A task switch with PAE paging loads the four pointers; reserved bits in them are the new task's #GP(0). */
static void a_bad_cr3_is_the_new_tasks_fault(void **state)
{
    static const uint64_t good[4] = { 0x801001, 0, 0, 0x801001 }, bad[4] = { 0x801003, 0, 0, 0 };
    uint64_t large;

    (void)state;
    fixture_put(f, 0x800000, good, 32);
    fixture_put(f, 0x800020, bad, 32);
    for (uint64_t n = 0; n < 512; n++) {
        large = n << 21 | 0x83;
        fixture_put(f, 0x801000 + 8 * n, &large, 8);
    }
    f->cpu->p.cr4 |= CR4_PAE;
    f->cpu->p.cr3 = 0x800000;
    assert_true(mmu_load_pdptes(f->cpu, 0x800000));
    f->cpu->p.cr0 |= CR0_PG;
    cpu_mode_changed(f->cpu);
    cpu_drop_caches(f->cpu);
    put32(NEW_TSS + 0x1c, 0x800020);
    put_descriptor(f, THIRD, make_descriptor(THIRD_TSS, 0x67, TYPE_TSS32 | PRESENT));
    copy_task(THIRD_TSS, NEW_TSS, 0x41000);
    put32(THIRD_TSS + 0x1c, 0x800000);
    put_idt32(f, VEC_GP, make_gate(THIRD, 0, TYPE_TASK | PRESENT, 0));   /* the new task has no segments yet to push to */
    (void)FRESH(JMP_NEW);
    assert_int_equal(f->cpu->p.rip, 0x41000);
    assert_int_equal(fixture_read(f, THIRD_TSS, 2), NEW);
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(f->cpu->p.cr3, 0x800000);
}

static void a_task_may_be_virtual_8086(void **state)
{
    (void)state;
    put32(NEW_TSS + 0x24, FLAG_VM | 2);
    put32(NEW_TSS + 0x20, 0x123);
    put16(NEW_TSS + 0x4c, 0x4000);
    assert_int_equal(FRESH(JMP_NEW), -1);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0x40000);
    assert_true(f->cpu->mode & MODE_VM86);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jmp_saves_one_and_loads_the_other, setup, steps_close),
        cmocka_unit_test_setup_teardown(call_links_and_iret_returns, setup, steps_close),
        cmocka_unit_test_setup_teardown(a_busy_task_cannot_be_called, setup, steps_close),
        cmocka_unit_test_setup_teardown(faults_before_the_switch_stay_in_the_old_task, setup, steps_close),
        cmocka_unit_test_setup_teardown(faults_after_the_switch_are_the_new_tasks, setup, steps_close),
        cmocka_unit_test_setup_teardown(task_gates_take_events_with_their_error_code, setup, steps_close),
        cmocka_unit_test_setup_teardown(sixteen_bit_tasks_have_no_fs_and_cr3, setup, steps_close),
        cmocka_unit_test_setup_teardown(the_trap_bit_raises_a_debug_exception, setup, steps_close),
        cmocka_unit_test_setup_teardown(a_task_may_be_virtual_8086, setup, steps_close),
        cmocka_unit_test_setup_teardown(nested_tasks_return_one_by_one, setup, steps_close),
        cmocka_unit_test_setup_teardown(waiting_tasks_are_busy, setup, steps_close),
        cmocka_unit_test_setup_teardown(a_bad_link_is_ts, setup, steps_close),
        cmocka_unit_test_setup_teardown(the_old_tss_must_have_room, setup, steps_close),
        cmocka_unit_test_setup_teardown(the_new_tasks_segments_are_checked, setup, steps_close),
        cmocka_unit_test_setup_teardown(eip_beyond_the_new_code_is_gp, setup, steps_close),
        cmocka_unit_test_setup_teardown(tasks_of_both_widths_call_each_other, setup, steps_close),
        cmocka_unit_test_setup_teardown(a_bad_cr3_is_the_new_tasks_fault, setup, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
