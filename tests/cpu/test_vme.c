/* SPDX-License-Identifier: MIT
 * Virtual-8086 mode extensions and protected-mode virtual interrupts: SDM 3B "Interrupt and Exception Handling in
 * Virtual-8086 Mode", "Protected-Mode Virtual Interrupts"; SDM 2 "CLI", "STI", "PUSHF", "POPF", "IRET", "INT n". */
#include <string.h>

#include "cpu/seg.h"
#include "cpu/task.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

#define BITMAP      (FIXTURE_GDT + 0x868u)      /* redirection bitmap, one bit a vector */
#define SERVICE     5u                          /* the software interrupt of these tests */
#define STARTED     0x1000u                     /* SP */

/* A virtual-8086 task at 1000h:0100h; vector SERVICE has a gate for level 3 and an entry 1200h:0300h at address 0. */
static void enter_v86(bool vme, unsigned iopl, uint32_t flags)
{
    static const uint8_t entry[4] = { 0x00, 0x03, 0x00, 0x12 };
    uint16_t map = 0x88;
    uint8_t ones[33];

    fixture_mode(f, FIXTURE_FLAT32);
    memset(ones, 0xff, sizeof ones);
    put_idt32(f, SERVICE, make_gate(0x18, FIXTURE_HANDLER + 16 * SERVICE, TYPE_INT32 | PRESENT | DPL(3), 0));
    fixture_put(f, SERVICE * 4, entry, 4);
    fixture_privilege(f, 3);
    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++)
        seg_install_v86(f->cpu, seg, (uint16_t)(seg == SEG_SS ? 0x8000 : 0x1000));
    f->cpu->p.seg_limit[SEG_TR] = 0x200;
    fixture_put(f, FIXTURE_GDT + 0x866, &map, 2);
    fixture_put(f, BITMAP, ones, 33);
    f->cpu->s.gpr[RSP] = STARTED;
    f->cpu->p.rip = 0x100;
    f->cpu->p.cr4 = vme ? CR4_VME : 0;
    cpu_set_rflags(f->cpu, FLAG_VM | iopl << 12 | flags | 2);
    cpu_mode_changed(f->cpu);
}

static void redirect(bool on)
{
    uint8_t byte = on ? (uint8_t)~BIT(SERVICE) : 0xff;

    fixture_put(f, BITMAP, &byte, 1);
}

static void push16(uint16_t v)
{
    f->cpu->s.gpr[RSP] -= 2;
    fixture_put(f, 0x80000 + f->cpu->s.gpr[RSP], &v, 2);
}

static uint32_t flags_now(void)
{
    return cpu_rflags(f->cpu);
}

/* ---- SDM 3B table "Software Interrupt Handling Methods While in Virtual-8086 Mode" ---- */

enum method { TO_HANDLER, TO_GP, TO_PROGRAM };

static const struct { bool vme; unsigned iopl; bool bit; enum method what; } methods[] = {
    { false, 3, false, TO_HANDLER }, { false, 3, true, TO_HANDLER },                                /* 1 */
    { false, 0, false, TO_GP }, { false, 2, true, TO_GP },                                          /* 2 */
    { true, 0, true, TO_GP }, { true, 2, true, TO_GP },                                             /* 3 */
    { true, 3, true, TO_HANDLER },                                                                  /* 4 */
    { true, 3, false, TO_PROGRAM }, { true, 0, false, TO_PROGRAM }, { true, 2, false, TO_PROGRAM }, /* 5, 6 */
};

static void check_handler(uint32_t before, uint64_t ip)
{
    assert_false(flags_now() & (FLAG_VM | FLAG_RF | FLAG_NT | FLAG_TF | FLAG_IF));
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_int_equal(stacked(f, 0, 4), ip);
    assert_int_equal(stacked(f, 2, 4) & ~FLAG_RF, before);
    assert_true(f->cpu->p.seg_attr[SEG_GS] & SEG_UNUSABLE);
}

static void software_interrupts_take_their_method(void **state)
{
    (void)state;
    for (unsigned k = 0; k < COUNT_OF(methods); k++) {
        uint32_t before;

        enter_v86(methods[k].vme, methods[k].iopl, FLAG_IF | FLAG_NT | FLAG_CF);
        redirect(!methods[k].bit);
        before = flags_now();
        switch (methods[k].what) {
        case TO_HANDLER:
            assert_int_equal(STEP("\xcd\x05"), SERVICE);
            check_handler(before, 0x102);
            break;
        case TO_GP:
            assert_int_equal(STEP("\xcd\x05"), VEC_GP);
            assert_int_equal(stacked(f, 0, 4), 0);
            assert_int_equal(stacked(f, 1, 4), 0x100);
            break;
        default:
            assert_int_equal(STEP("\xcd\x05"), -1);
            assert_true(flags_now() & FLAG_VM);
            assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x1200);
            assert_int_equal(f->cpu->p.rip, 0x300);
            assert_int_equal(f->cpu->s.gpr[RSP], STARTED - 6);
            assert_int_equal(stacked(f, 0, 2), 0x102);
            assert_int_equal(stacked(f, 1, 2), 0x1000);
            break;
        }
    }
}

/* Method 5 is as in real-address mode; NT is no business of it. */
static void method_5_clears_if(void **state)
{
    (void)state;
    enter_v86(true, 3, FLAG_IF | FLAG_NT | FLAG_VIF | FLAG_CF);
    redirect(true);
    (void)STEP("\xcd\x05");
    assert_int_equal(stacked(f, 2, 2), FLAG_IF | FLAG_NT | FLAG_IOPL | FLAG_CF | 2);
    assert_int_equal(flags_now(), FLAG_VM | FLAG_NT | FLAG_IOPL | FLAG_VIF | FLAG_CF | 2);
}

/* Method 6 shows VIF as IF and IOPL 3, and clears VIF; the true IF stays. */
static void method_6_clears_vif(void **state)
{
    (void)state;
    for (unsigned vif = 0; vif < 2; vif++) {
        enter_v86(true, 1, FLAG_IF | (vif ? FLAG_VIF : 0));
        redirect(true);
        (void)STEP("\xcd\x05");
        assert_int_equal(stacked(f, 2, 2), FLAG_IOPL | (vif ? FLAG_IF : 0) | 2);
        assert_int_equal(flags_now(), FLAG_VM | FLAG_IF | 1u << 12 | 2);
    }
}

/* The bitmap is for INT n only: exceptions, INT3, INTO and INT1 go through the IDT, whatever IOPL is. */
static void only_int_n_is_redirected(void **state)
{
    static const struct { const char *text; unsigned vector; } cases[] = {
        { "\xcc", VEC_BP }, { "\xce", VEC_OF }, { "\xf1", VEC_DB }, { "\x0f\x0b", VEC_UD },
    };
    static const uint8_t zeros[32];

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        enter_v86(true, 0, FLAG_OF);
        put_idt32(f, cases[k].vector,
                  make_gate(0x18, FIXTURE_HANDLER + 16 * cases[k].vector, TYPE_INT32 | PRESENT | DPL(3), 0));
        fixture_put(f, BITMAP, zeros, 32);
        assert_int_equal(step(f, cases[k].text, 2), cases[k].vector);
    }
    enter_v86(true, 0, 0);
    fixture_put(f, BITMAP, zeros, 32);
    assert_int_equal(STEP("\xcd\x03"), -1);                             /* CD 03 is an INT n */
    assert_true(flags_now() & FLAG_VM);
}

static void a_bitmap_beyond_the_tss_is_gp(void **state)
{
    uint16_t map;

    (void)state;
    enter_v86(true, 3, 0);
    redirect(true);
    f->cpu->p.seg_limit[SEG_TR] = 0x67;
    assert_int_equal(STEP("\xcd\x05"), VEC_GP);
    enter_v86(true, 3, 0);
    map = 16;                                                           /* the bitmap would begin before the TSS */
    fixture_put(f, FIXTURE_GDT + 0x866, &map, 2);
    assert_int_equal(STEP("\xcd\x05"), VEC_GP);
    enter_v86(true, 3, 0);
    f->cpu->p.seg_attr[SEG_TR] = TYPE_TSS16_BUSY | PRESENT;             /* has no bitmaps; SP0, SS0 for the fault */
    fixture_put(f, FIXTURE_GDT + 0x802, "\x00\x70\x10\x00", 4);
    assert_int_equal(STEP("\xcd\x05"), VEC_GP);
}

/* A fault of the pushes leaves everything as it was. */
static void a_redirection_that_faults_changes_nothing(void **state)
{
    uint64_t sp;

    (void)state;
    enter_v86(true, 0, FLAG_VIF);
    redirect(true);
    f->cpu->s.gpr[RSP] = sp = 1;                                        /* the first word would cross the limit: #SS */
    assert_int_equal(STEP("\xcd\x05"), VEC_SS);
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(stacked(f, 1, 4), 0x100);
    assert_int_equal(stacked(f, 3, 4) & ~FLAG_RF, FLAG_VM | FLAG_VIF | 2);
    assert_int_equal(stacked(f, 4, 4), sp);
}

/* ---- IF and VIF ---- */

enum flag { NONE_GP, REAL, VIRTUAL };

static void cli_and_sti_choose_their_flag(void **state)
{
    static const struct { bool vme; unsigned iopl; enum flag which; } cases[] = {
        { false, 0, NONE_GP }, { false, 2, NONE_GP }, { false, 3, REAL }, { true, 0, VIRTUAL }, { true, 2, VIRTUAL },
        { true, 3, REAL },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        uint32_t flag = cases[k].which == VIRTUAL ? FLAG_VIF : FLAG_IF;
        int expected = cases[k].which == NONE_GP ? VEC_GP : -1;

        enter_v86(cases[k].vme, cases[k].iopl, 0);
        assert_int_equal(STEP("\xfb"), expected);
        if (expected != -1)
            continue;
        assert_int_equal(flags_now() & (FLAG_IF | FLAG_VIF), flag);
        enter_v86(cases[k].vme, cases[k].iopl, FLAG_IF | FLAG_VIF);
        assert_int_equal(STEP("\xfa"), -1);
        assert_int_equal(flags_now() & (FLAG_IF | FLAG_VIF), (FLAG_IF | FLAG_VIF) & ~flag);
    }
    enter_v86(true, 2, FLAG_VIP);
    assert_int_equal(STEP("\xfb"), VEC_GP);                             /* an interrupt waits for it */
    enter_v86(true, 3, FLAG_VIP);
    assert_int_equal(STEP("\xfb"), -1);                                 /* IOPL 3: VIP means nothing */
}

static void pushf_shows_vif(void **state)
{
    (void)state;
    enter_v86(false, 2, FLAG_IF);
    assert_int_equal(STEP("\x9c"), VEC_GP);
    enter_v86(true, 2, FLAG_IF | FLAG_CF);
    assert_int_equal(STEP("\x66\x9c"), VEC_GP);                         /* the 32-bit form has no virtual version */
    enter_v86(true, 2, FLAG_IF | FLAG_CF);
    assert_int_equal(STEP("\x9c"), -1);
    assert_int_equal(stacked(f, 0, 2), FLAG_IOPL | FLAG_CF | 2);
    enter_v86(true, 2, FLAG_VIF | FLAG_NT);
    assert_int_equal(STEP("\x9c"), -1);
    assert_int_equal(stacked(f, 0, 2), FLAG_IOPL | FLAG_IF | FLAG_NT | 2);
    enter_v86(true, 3, FLAG_VIF | FLAG_VIP);
    assert_int_equal(STEP("\x66\x9c"), -1);
    assert_int_equal(stacked(f, 0, 4), FLAG_IOPL | FLAG_VIF | FLAG_VIP | 2);     /* VM and RF read as 0 */
}

static int popf16(bool vme, unsigned iopl, uint32_t before, uint16_t image)
{
    enter_v86(vme, iopl, before);
    push16(image);
    return STEP("\x9d");
}

/* SDM 2B table "Effect of POPF/POPFD on the EFLAGS Register". */
static void popf_writes_vif(void **state)
{
    (void)state;
    assert_int_equal(popf16(false, 2, 0, 0), VEC_GP);
    assert_int_equal(popf16(true, 2, FLAG_IF, FLAG_IOPL | FLAG_NT | FLAG_DF | FLAG_CF), -1);
    assert_int_equal(flags_now(), FLAG_VM | 2u << 12 | FLAG_IF | FLAG_NT | FLAG_DF | FLAG_CF | 2);
    assert_int_equal(f->cpu->s.gpr[RSP], STARTED);
    assert_int_equal(popf16(true, 2, 0, FLAG_IF), -1);
    assert_int_equal(flags_now(), FLAG_VM | 2u << 12 | FLAG_VIF | 2);
    assert_int_equal(popf16(true, 2, FLAG_VIF, 0), -1);
    assert_false(flags_now() & FLAG_VIF);
    assert_int_equal(popf16(true, 2, FLAG_VIP, FLAG_IF), VEC_GP);
    assert_int_equal(stacked(f, 4, 4), STARTED - 2);                    /* SP is where it was */
    assert_int_equal(popf16(true, 2, FLAG_VIP, 0), -1);
    assert_int_equal(popf16(true, 2, 0, FLAG_TF), VEC_GP);
    assert_int_equal(popf16(true, 3, FLAG_VIP, FLAG_IF), -1);
    assert_true(flags_now() & FLAG_IF);
    assert_false(flags_now() & FLAG_VIF);
    enter_v86(true, 2, 0);
    assert_int_equal(STEP("\x66\x9d"), VEC_GP);
}

static int iret16(bool vme, unsigned iopl, uint32_t before, uint16_t image)
{
    enter_v86(vme, iopl, before);
    push16(image);
    push16(0x2000);
    push16(0x345);
    return STEP("\xcf");
}

/* SDM 2A "IRET/IRETD/IRETQ", RETURN-FROM-VIRTUAL-8086-MODE. */
static void iret_writes_vif(void **state)
{
    (void)state;
    assert_int_equal(iret16(false, 2, 0, 0), VEC_GP);
    assert_int_equal(iret16(true, 2, FLAG_IF, FLAG_NT | FLAG_CF), -1);
    assert_int_equal(flags_now(), FLAG_VM | 2u << 12 | FLAG_IF | FLAG_NT | FLAG_CF | 2);
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0x20000);
    assert_int_equal(f->cpu->p.rip, 0x345);
    assert_int_equal(iret16(true, 2, 0, FLAG_IF | FLAG_IOPL), -1);
    assert_int_equal(flags_now(), FLAG_VM | 2u << 12 | FLAG_VIF | 2);
    assert_int_equal(iret16(true, 2, FLAG_VIP, FLAG_IF), VEC_GP);
    assert_int_equal(stacked(f, 4, 4), STARTED - 6);
    assert_int_equal(iret16(true, 2, 0, FLAG_TF), VEC_GP);
    assert_int_equal(iret16(true, 3, FLAG_VIP, FLAG_IF), -1);
    assert_int_equal(flags_now(), FLAG_VM | FLAG_IOPL | FLAG_VIP | FLAG_IF | 2);
    enter_v86(true, 2, 0);
    f->cpu->s.gpr[RSP] = 0xfffe;                                        /* IRETD is refused before the stack is read */
    assert_int_equal(STEP("\x66\xcf"), VEC_GP);
}

/* ---- VIF with VIP ---- */

/* A task that has both flags set faults before its first instruction. */
static void both_flags_fault_at_the_next_instruction(void **state)
{
    static const struct { bool vme; unsigned iopl; int vector; } cases[] = {
        { true, 0, VEC_GP }, { true, 2, VEC_GP }, { true, 3, -1 }, { false, 0, -1 },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        enter_v86(cases[k].vme, cases[k].iopl, FLAG_VIF | FLAG_VIP);
        f->cpu->s.gpr[RAX] = 0;
        assert_int_equal(STEP("\x40"), cases[k].vector);                /* inc ax */
        assert_int_equal(f->cpu->s.gpr[RAX], cases[k].vector == -1 ? 1 : 0);
        if (cases[k].vector == -1)
            continue;
        assert_int_equal(stacked(f, 0, 4), 0);
        assert_int_equal(stacked(f, 1, 4), 0x100);
        assert_int_equal(stacked(f, 3, 4) & ~FLAG_RF, FLAG_VM | cases[k].iopl << 12 | FLAG_VIF | FLAG_VIP | 2);
    }
}

static void returning_with_both_flags_faults_in_the_task(void **state)
{
    (void)state;
    enter_v86(true, 0, FLAG_VIP);
    assert_int_equal(STEP("\xfb"), VEC_GP);                             /* sti */
    fixture_put(f, f->cpu->s.gpr[RSP] + 12, &(uint32_t){ FLAG_VM | FLAG_VIF | FLAG_VIP | 2 }, 4);
    f->cpu->s.gpr[RSP] += 4;
    assert_int_equal(STEP("\xcf"), -1);
    assert_true(flags_now() & FLAG_VM);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_GP);
    assert_int_equal(stacked(f, 1, 4), 0x100);
}

/* ---- SDM 3B "Protected-Mode Virtual Interrupts" ---- */

static void enter_pvi(enum fixture_mode mode, unsigned iopl, uint32_t flags)
{
    fixture_mode(f, mode);
    fixture_privilege(f, 3);
    f->cpu->p.cr4 |= CR4_PVI;
    cpu_set_rflags(f->cpu, iopl << 12 | flags | 2);
}

static void pvi(enum fixture_mode mode)
{
    enter_pvi(mode, 0, FLAG_IF);
    assert_int_equal(FRESH("\xfb"), -1);
    assert_int_equal(flags_now(), FLAG_IF | FLAG_VIF | 2);
    assert_int_equal(FRESH("\xfa"), -1);
    assert_int_equal(flags_now(), FLAG_IF | 2);
    assert_int_equal(FRESH("\x9c"), -1);
    assert_int_equal(fixture_read(f, f->cpu->s.gpr[RSP], 4), FLAG_IF | 2);       /* PUSHF and POPF know nothing of it */
    assert_int_equal(FRESH("\x9d"), -1);
    enter_pvi(mode, 0, FLAG_VIP);
    assert_int_equal(FRESH("\xfb"), VEC_GP);
    enter_pvi(mode, 2, FLAG_VIF | FLAG_VIP);
    assert_int_equal(FRESH("\x90"), VEC_GP);
    enter_pvi(mode, 3, FLAG_VIF | FLAG_VIP);
    assert_int_equal(FRESH("\xfa"), -1);
    assert_true(flags_now() & FLAG_VIF);
    fixture_mode(f, mode);                                              /* at level 0 the flags are never looked at */
    f->cpu->p.cr4 |= CR4_PVI | CR4_VME;
    cpu_set_rflags(f->cpu, FLAG_VIF | FLAG_VIP | 2);
    assert_int_equal(FRESH("\xfb"), -1);
    assert_true(flags_now() & FLAG_IF);
}

static void pvi_is_for_level_3(void **state)
{
    (void)state;
    pvi(FIXTURE_FLAT32);
}

static void pvi_is_there_in_64_bit_mode(void **state)
{
    (void)state;
    pvi(FIXTURE_LONG);
}

/* Levels 1 and 2 have no virtual flag: CLI faults. */
static void pvi_is_not_for_level_1(void **state)
{
    (void)state;
    fixture_mode(f, FIXTURE_FLAT32);
    put_descriptor(f, 0x80, make_descriptor(0, 0xfffff, 0xc09b | DPL(1)));
    put_descriptor(f, 0x88, make_descriptor(0, 0xfffff, 0xc093 | DPL(1)));
    fixture_privilege(f, 3);                                            /* for the TSS */
    f->cpu->p.seg_sel[SEG_CS] = 0x81;
    f->cpu->p.seg_sel[SEG_SS] = 0x89;
    f->cpu->p.seg_attr[SEG_CS] = 0xc09b | DPL(1);
    f->cpu->p.seg_attr[SEG_SS] = 0xc093 | DPL(1);
    f->cpu->p.cpl = 1;
    f->cpu->p.cr4 |= CR4_PVI;
    cpu_mode_changed(f->cpu);
    assert_int_equal(FRESH("\xfa"), VEC_GP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(software_interrupts_take_their_method, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(method_5_clears_if, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(method_6_clears_vif, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(only_int_n_is_redirected, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(a_bitmap_beyond_the_tss_is_gp, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(a_redirection_that_faults_changes_nothing, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(cli_and_sti_choose_their_flag, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(pushf_shows_vif, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(popf_writes_vif, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(iret_writes_vif, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(both_flags_fault_at_the_next_instruction, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(returning_with_both_flags_faults_in_the_task, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(pvi_is_for_level_3, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(pvi_is_there_in_64_bit_mode, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(pvi_is_not_for_level_1, steps_flat32, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
