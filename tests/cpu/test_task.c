/* SPDX-License-Identifier: MIT
 * Hardware task switches: JMP, CALL, IRET and task gates, 32-bit and 16-bit, and faults on either side of the switch. */
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

static struct fixture fixture;
static struct fixture *const f = &fixture;

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

static int teardown(void **state)
{
    (void)state;
    fixture_close(f);
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

static void sixteen_bit_tasks_have_no_fs_and_cr3(void **state)
{
    static const uint16_t segments[4] = { 0x10, 0x18, 0x10, 0x10 };

    (void)state;
    put_descriptor(f, NEW, make_descriptor(NEW_TSS, 0x2b, TYPE_TSS16 | PRESENT));
    put16(NEW_TSS + 0x0e, 0x4000);
    put16(NEW_TSS + 0x10, FLAG_CF | 2);
    for (unsigned k = 0; k < 8; k++)
        put16(NEW_TSS + 0x12 + 2 * k, (uint16_t)(0x100 * k));
    for (unsigned k = 0; k < 4; k++)
        put16(NEW_TSS + 0x22 + 2 * k, segments[k]);
    put16(NEW_TSS + 0x2a, 0);
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
        cmocka_unit_test_setup_teardown(jmp_saves_one_and_loads_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(call_links_and_iret_returns, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_task_cannot_be_called, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_before_the_switch_stay_in_the_old_task, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_after_the_switch_are_the_new_tasks, setup, teardown),
        cmocka_unit_test_setup_teardown(task_gates_take_events_with_their_error_code, setup, teardown),
        cmocka_unit_test_setup_teardown(sixteen_bit_tasks_have_no_fs_and_cr3, setup, teardown),
        cmocka_unit_test_setup_teardown(the_trap_bit_raises_a_debug_exception, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_may_be_virtual_8086, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
