/* SPDX-License-Identifier: MIT
 * Debugging: SDM 3B "Debug Registers", "Debug Exceptions", "Single-Stepping on Branches", "Last Branch, Interrupt, and
 * Exception Recording". What test_exec_system.c has of it is not repeated here. */
#include <string.h>

#include "cpu/cpuid.h"
#include "cpu/pmu.h"
#include "cpu/tlb.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

#define ON(n)           ((uint64_t)1 << 2 * (n))
#define KIND(n, kind)   ((uint64_t)(kind) << (16 + 4 * (n)))
#define LEN(n, len)     ((uint64_t)(len) << (18 + 4 * (n)))
enum { EXECUTE, WRITE, IO, ACCESS };
enum { ONE, TWO, EIGHT, FOUR };
#define DB_HANDLER      (FIXTURE_HANDLER + 16 * VEC_DB)

static void watch(unsigned n, uint64_t at, unsigned kind, unsigned len)
{
    f->cpu->s.dr[n] = at;
    f->cpu->p.dr7 |= ON(n) | KIND(n, kind) | LEN(n, len);
    cpu_mode_changed(f->cpu);
}

static void clean(uint64_t rflags)
{
    fixture_mode(f, FIXTURE_LONG);
    f->cpu->p.dr7 = 0x400;
    f->cpu->s.dr6 = 0xffff0ff0;
    f->cpu->p.pending_db = 0;
    f->cpu->p.debugctl = 0;
    pmu_configured(f->cpu);
    cpu_set_rflags(f->cpu, (uint32_t)rflags | 2);
    cpu_mode_changed(f->cpu);
}

static void run(const char *code, size_t len, uint64_t most)
{
    fixture_code(f, code, len);
    f->cpu->p.activity = CPU_RUNNING;
    (void)cpu_run(f->cpu, most);
}
#define RUN(text, most) run(text, sizeof text - 1, most)

static bool in_handler(void)
{
    return f->cpu->p.rip == DB_HANDLER;
}

/* ---- data ---- */

/* SDM 3B table "Breakpoint Examples": LEN aligns the address; any byte in common counts. */
static void lengths_cover_their_bytes(void **state)
{
    static const struct { uint64_t at; unsigned len, access, bytes; bool hit; } cases[] = {
        { 1, ONE, 1, 1, true }, { 1, ONE, 0, 1, false }, { 1, ONE, 2, 1, false }, { 1, ONE, 0, 4, true },
        { 2, TWO, 3, 1, true }, { 3, TWO, 2, 1, true }, { 2, TWO, 4, 1, false }, { 6, FOUR, 4, 1, true },
        { 4, FOUR, 3, 2, true }, { 4, FOUR, 8, 1, false }, { 8, EIGHT, 15, 1, true }, { 12, EIGHT, 8, 1, true },
        { 8, EIGHT, 16, 1, false }, { 8, EIGHT, 7, 1, false }, { 8, EIGHT, 4, 8, true },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        clean(0);
        watch(2, FIXTURE_DATA + cases[k].at, ACCESS, cases[k].len);
        f->cpu->s.gpr[RSI] = FIXTURE_DATA + cases[k].access;
        if (cases[k].bytes == 1)
            RUN("\x8a\x06\x90", 2);                                     /* mov al, [rsi] */
        else if (cases[k].bytes == 2)
            RUN("\x66\x8b\x06\x90", 2);
        else if (cases[k].bytes == 4)
            RUN("\x8b\x06\x90", 2);
        else
            RUN("\x48\x8b\x06\x90", 2);
        assert_int_equal(in_handler(), cases[k].hit);
        assert_int_equal(f->cpu->s.dr6, cases[k].hit ? 0xffff0ff4 : 0xffff0ff0);
    }
}

/* A match that is not enabled shows beside one that is, but raises nothing alone. */
static void matches_show_even_when_off(void **state)
{
    (void)state;
    clean(0);
    watch(0, FIXTURE_DATA, WRITE, ONE);
    f->cpu->s.dr[1] = FIXTURE_DATA;
    f->cpu->p.dr7 |= KIND(1, ACCESS);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    RUN("\x88\x07\x90", 2);
    assert_true(in_handler());
    assert_int_equal(f->cpu->s.dr6 & 15, 3);
    clean(0);
    f->cpu->p.dr7 &= ~ON(0);
    cpu_mode_changed(f->cpu);
    RUN("\x88\x07\x90", 2);
    assert_false(in_handler());
}

/* A trap after the iteration that touched it; RF in the image, so that the rest runs past a breakpoint on it. */
static void strings_stop_at_their_iteration(void **state)
{
    (void)state;
    clean(0);
    watch(0, FIXTURE_DATA + 5, WRITE, ONE);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    f->cpu->s.gpr[RCX] = 10;
    RUN("\xf3\xaa\x90", 7);                                             /* rep stosb; six iterations and the delivery */
    assert_true(in_handler());
    assert_int_equal(f->cpu->s.gpr[RCX], 4);
    assert_int_equal(f->cpu->s.gpr[RDI], FIXTURE_DATA + 6);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE);
    assert_int_equal(stacked(f, 2, 8), FLAG_RF | 2);
    watch(1, FIXTURE_CODE, EXECUTE, ONE);
    assert_int_equal(STEP("\x48\xcf"), -1);                             /* iretq: on it goes */
    (void)cpu_run(f->cpu, 4);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    clean(0);
    watch(0, FIXTURE_DATA + 9, WRITE, ONE);                             /* the last one is an ordinary trap */
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    f->cpu->s.gpr[RCX] = 10;
    RUN("\xf3\xaa\x90", 11);
    assert_true(in_handler());
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 2);
    assert_int_equal(stacked(f, 2, 8), 2);
}

/* What faults has not completed: its data breakpoint comes when it is run again. */
static void a_faulting_instruction_does_not_trap(void **state)
{
    uint64_t none = 0;

    (void)state;
    clean(0);
    fixture_small_pages(f, FIXTURE_DATA);
    fixture_put(f, fixture_entry_at(f, FIXTURE_DATA + 0x1000, 1), &none, 8);
    tlb_flush_all(f->cpu);
    watch(0, FIXTURE_DATA, ACCESS, ONE);
    f->cpu->s.gpr[RSI] = FIXTURE_DATA;
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0x1000;
    RUN("\xa4\x90", 1);                                                 /* movsb: reads, then cannot write */
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_PF);
    (void)cpu_run(f->cpu, 1);
    assert_false(in_handler());
    assert_int_equal(f->cpu->s.dr6, 0xffff0ff0);
}

/* ---- code ---- */

/* The address is that of the first prefix. */
static void prefixes_belong_to_their_instruction(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 3; at++) {
        clean(0);
        watch(3, FIXTURE_CODE + at, EXECUTE, ONE);
        RUN("\x66\x2e\x90\xf4", 1);
        assert_int_equal(in_handler(), at == 0);
    }
}

/* A repeated instruction meets its breakpoint once; an instruction that is interrupted by a turn's end too. */
static void a_repeat_meets_its_breakpoint_once(void **state)
{
    (void)state;
    clean(0);
    watch(0, FIXTURE_CODE, EXECUTE, ONE);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    f->cpu->s.gpr[RCX] = 6;
    RUN("\xf3\xaa\x90", 1);
    assert_true(in_handler());
    assert_int_equal(f->cpu->s.gpr[RCX], 6);
    f->cpu->p.rip = FIXTURE_CODE;
    cpu_set_rflags(f->cpu, FLAG_RF | 2);
    for (unsigned k = 0; k < 6; k++)
        (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    assert_false(f->cpu->p.rflags & FLAG_RF);
}

/* SDM 3A "Priority Among Concurrent Events": the trap of the last instruction before the breakpoint of the next. */
static void traps_come_before_breakpoints(void **state)
{
    (void)state;
    clean(FLAG_TF);
    watch(0, FIXTURE_DATA, WRITE, ONE);
    watch(1, FIXTURE_CODE + 2, EXECUTE, ONE);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    RUN("\x88\x07\x90", 2);
    assert_true(in_handler());
    assert_int_equal(f->cpu->s.dr6, 0xffff0ff0 | BIT(14) | 1);         /* step and watchpoint are one exception */
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 2);
    assert_int_equal(STEP("\x48\xcf"), -1);
    (void)cpu_run(f->cpu, 1);
    assert_true(in_handler());
    assert_int_equal(f->cpu->s.dr6 & 15, 2);                            /* BS stays until software clears it */
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 2);
}

/* DR7.GD: a fault before the move, whatever register; cleared for the handler. */
static void general_detect_guards_all_registers(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        char code[4] = { 0x0f, 0x21, (char)(0xc0 | n << 3), (char)0x90 };

        if (n == 4 || n == 5)
            continue;
        clean(0);
        f->cpu->p.dr7 |= BIT(13);
        run(code, 4, 1);
        assert_true(in_handler());
        assert_int_equal(f->cpu->s.dr6, 0xffff0ff0 | BIT(13));
        assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE);
        assert_int_equal(f->cpu->p.dr7, 0x400);
    }
    clean(0);
    f->cpu->p.dr7 |= BIT(13);
    fixture_privilege(f, 3);
    RUN("\x0f\x21\xc0", 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_GP);    /* privilege first */
    clean(0);
    f->cpu->p.dr7 |= BIT(13);
    f->cpu->p.cr4 |= CR4_DE;
    RUN("\x0f\x21\xe0", 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_UD);    /* DR4 does not exist */
}

/* ---- ports ---- */

static void ports_are_watched_by_range(void **state)
{
    static const struct { unsigned at, len; bool hit; } cases[] = {
        { 0x80, ONE, true }, { 0x81, ONE, false }, { 0x81, TWO, true }, { 0x83, FOUR, true }, { 0x7f, ONE, false },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++)
        for (unsigned de = 0; de < 2; de++) {
            clean(0);
            f->cpu->p.cr4 |= de ? CR4_DE : 0;
            watch(1, cases[k].at, IO, cases[k].len);
            RUN("\xe4\x80\x90", 2);
            assert_int_equal(in_handler(), de && cases[k].hit);
        }
}

/* ---- INT1 (F1) ---- */

/* SDM 2A "INT n/INTO/INT3/INT1": no check of the gate's level, DR6 as it was, a trap. */
static void int1_asks_no_level(void **state)
{
    (void)state;
    clean(0);
    fixture_privilege(f, 3);
    RUN("\xf1", 1);
    assert_true(in_handler());
    assert_int_equal(f->cpu->s.dr6, 0xffff0ff0);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 1);
    clean(0);
    fixture_privilege(f, 3);
    RUN("\xcd\x01", 1);                                                 /* INT 1 does */
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_GP);
    assert_int_equal(stacked(f, 0, 8), VEC_DB * 8 + 2);
    clean(0);
    put_idt64(f, VEC_DB, 0x08, DB_HANDLER, 0x0e, 0);                    /* not present */
    RUN("\xf1", 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_NP);
    assert_int_equal(stacked(f, 0, 8), VEC_DB * 8 + 3);                 /* EXT */
}

/* ---- DEBUGCTL.BTF ---- */

static void branch_steps_want_a_branch_taken(void **state)
{
    static const struct { const char *code; size_t len; uint64_t zf; bool traps; } cases[] = {
        { "\x90", 1, 0, false }, { "\xeb\x10", 2, 0, true }, { "\xeb\x00", 2, 0, true }, { "\x75\x10", 2, 0, true },
        { "\x75\x10", 2, FLAG_ZF, false }, { "\x75\x00", 2, 0, true }, { "\x75\x00", 2, FLAG_ZF, false },
        { "\xe8\x00\x00\x00\x00", 5, 0, true }, { "\xe2\x00", 2, 0, true },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        clean(FLAG_TF | cases[k].zf);
        f->cpu->s.gpr[RCX] = 5;
        f->cpu->p.debugctl = 2;
        run(cases[k].code, cases[k].len, 1);
        (void)cpu_run(f->cpu, 1);
        assert_int_equal(in_handler(), cases[k].traps);
        assert_int_equal(f->cpu->p.debugctl, cases[k].traps ? 0 : 2);  /* #DB clears it */
    }
}

/* ---- records of branches ---- */

static uint64_t get(uint32_t msr)
{
    uint64_t value = 0;

    assert_true(cpu_read_msr(f->cpu, msr, &value));
    return value;
}

static void branches_taken_are_recorded(void **state)
{
    (void)state;
    clean(FLAG_ZF);
    assert_true(cpu_write_msr(f->cpu, 0x1d9, 1));
    assert_int_equal(f->cpu->pmu, PMU_RECORDS);
    RUN("\x90\x75\x02\xeb\x03\x90\x90\x90\xe8\x00\x00\x00\x00\x90\xf4", 50);    /* jnz is not taken; jmp; call */
    assert_int_equal(get(0x1c9), 2);
    assert_int_equal(get(0x681), FIXTURE_CODE + 3);
    assert_int_equal(get(0x6c1), FIXTURE_CODE + 8);
    assert_int_equal(get(0x682), FIXTURE_CODE + 8);
    assert_int_equal(get(0x6c2), FIXTURE_CODE + 13);
    assert_int_equal(get(0xdc2), 1);                                    /* cycles since the jump */
    assert_int_equal(get(0x345) & 0x3f, 5);
}

/* Events are branches from where they struck to their handler; #DB ends the recording before. */
static void events_are_recorded(void **state)
{
    (void)state;
    clean(0);
    assert_true(cpu_write_msr(f->cpu, 0x1d9, 1));
    RUN("\xeb\x00\x0f\x0b", 2);
    assert_int_equal(get(0x1c9), 2);
    assert_int_equal(get(0x682), FIXTURE_CODE + 2);
    assert_int_equal(get(0x6c2), FIXTURE_HANDLER + 16 * VEC_UD);
    assert_int_equal(get(0x1dd), FIXTURE_CODE);
    assert_int_equal(get(0x1de), FIXTURE_CODE + 2);
    clean(0);
    assert_true(cpu_write_msr(f->cpu, 0x1c9, 0) && cpu_write_msr(f->cpu, 0x1d9, 3));
    RUN("\xf1", 1);
    assert_int_equal(get(0x1d9), 0);
}

/* MSR_LBR_SELECT leaves out; bit 9 makes calls and returns a stack. */
static void what_is_selected_is_left_out(void **state)
{
    (void)state;
    clean(0);
    assert_true(cpu_write_msr(f->cpu, 0x1c8, BIT64(7)) && cpu_write_msr(f->cpu, 0x1d9, 1));
    RUN("\xeb\x00\xe8\x00\x00\x00\x00\xf4", 50);
    assert_int_equal(get(0x1c9), 1);
    assert_int_equal(get(0x681), FIXTURE_CODE + 2);
    clean(0);
    assert_true(cpu_write_msr(f->cpu, 0x1c9, 0) && cpu_write_msr(f->cpu, 0x1c8, 1) && cpu_write_msr(f->cpu, 0x1d9, 1));
    RUN("\xeb\x00\xf4", 50);
    assert_int_equal(get(0x1c9), 0);                                    /* ends at level 0 */
    clean(0);
    assert_true(cpu_write_msr(f->cpu, 0x1c8, BIT64(9)) && cpu_write_msr(f->cpu, 0x1d9, 1));
    RUN("\xe8\x01\x00\x00\x00\xf4\xe8\x01\x00\x00\x00\xc3\xc3", 50);
    assert_int_equal(get(0x1c9), 0);
    assert_false(cpu_write_msr(f->cpu, 0x1c8, BIT64(10)));
    assert_false(cpu_write_msr(f->cpu, 0x1c9, 32));
    assert_false(cpu_write_msr(f->cpu, 0x680, BIT64(63)));
    assert_false(cpu_write_msr(f->cpu, 0x1db, 0));                      /* the pair is older processors' */
}

static void a_frozen_record_stands(void **state)
{
    (void)state;
    clean(0);
    assert_true(cpu_write_msr(f->cpu, 0x1d9, 1) && cpu_write_msr(f->cpu, 0x391, BIT64(58)));
    RUN("\xeb\x00\xf4", 50);
    assert_int_equal(get(0x1c9), 0);
    assert_true(cpu_write_msr(f->cpu, 0x390, BIT64(58)));
    f->cpu->p.rip = FIXTURE_CODE;
    RUN("\xeb\x00\xf4", 50);
    assert_int_equal(get(0x1c9), 1);
}

/* SDM 4 IA32_MISC_ENABLE: branch trace store is not there, and DEBUGCTL's switches for it are reserved. */
static void there_is_no_branch_trace_store(void **state)
{
    (void)state;
    assert_true(get(0x1a0) & BIT64(11));
    assert_false(cpu_write_msr(f->cpu, 0x1d9, BIT64(6)));
    assert_false(cpu_write_msr(f->cpu, 0x1d9, BIT64(7)));
    assert_false(cpu_write_msr(f->cpu, 0x1d9, BIT64(8)));
    assert_false(cpuid_leaf(f->cpu, 1, 0).edx & BIT(21));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lengths_cover_their_bytes, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(matches_show_even_when_off, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(strings_stop_at_their_iteration, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(a_faulting_instruction_does_not_trap, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(prefixes_belong_to_their_instruction, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(a_repeat_meets_its_breakpoint_once, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(traps_come_before_breakpoints, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(general_detect_guards_all_registers, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(ports_are_watched_by_range, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(int1_asks_no_level, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(branch_steps_want_a_branch_taken, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(branches_taken_are_recorded, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(events_are_recorded, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(what_is_selected_is_left_out, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(a_frozen_record_stands, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(there_is_no_branch_trace_store, steps_long, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
