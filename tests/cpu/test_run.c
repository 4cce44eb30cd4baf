/* SPDX-License-Identifier: MIT
 * The run loop counts exactly: what is retired, what the clock shows to devices, where a turn ends (docs/determinism.md). */
#include "tests/check.h"

#include "tests/cpu/fixture.h"

static struct fixture f;

static int open_long(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

#define CODE(...) do { const uint8_t code_[] = { __VA_ARGS__ }; fixture_code(&f, code_, sizeof code_); } while (0)

static void restart(void)
{
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
}

/* inc rax; inc rbx; add rcx, rax; jmp to the start: the state after n instructions does not depend on how turns cut them. */
static void a_budget_ends_after_exactly_that_many(void **state)
{
    (void)state;
    CODE(0x48, 0xff, 0xc0, 0x48, 0xff, 0xc3, 0x48, 0x01, 0xc1, 0xeb, 0xf5);
    for (uint64_t n = 0; n < 40; n++) {
        uint64_t before = f.clock.state.insns;

        restart();
        memset(f.cpu->s.gpr, 0, sizeof f.cpu->s.gpr);
        assert_int_equal(cpu_run(f.cpu, n), CPU_STOP_BUDGET);
        assert_int_equal(f.clock.state.insns - before, n);
        assert_int_equal(f.cpu->s.gpr[RAX], (n + 3) / 4);
        assert_int_equal(f.cpu->s.gpr[RBX], (n + 2) / 4);
        assert_int_equal(f.cpu->p.rip - FIXTURE_CODE, n % 4 * 3);
        if (n % 3 == 0)
            cpu_drop_caches(f.cpu);
    }
    assert_int_equal(f.cpu->s.retired, f.clock.state.insns);
}

/* nop x 3; mov eax, [MMIO]; nop; mov [MMIO], eax; hlt: the clock shows what was retired before. */
static void a_device_sees_the_exact_clock(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0x90, 0x90, 0x90, 0x8b, 0x07, 0x90, 0x89, 0x07, 0xf4);
    f.cpu->s.gpr[RDI] = FIXTURE_MMIO;
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(f.cpu->s.gpr[RAX], start + 3);
    assert_int_equal(fixture_probe(&f)->seen_insns, start + 5);
    assert_int_equal(fixture_probe(&f)->seen_rip, FIXTURE_CODE + 6);
    assert_int_equal(f.clock.state.insns, start + 7);
}

/* nop; rep movsd from the device: the k-th iteration sees k more instructions. */
static void a_device_inside_a_repeated_instruction_sees_each_iteration(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0x90, 0xf3, 0xa5, 0xf4);
    f.cpu->s.gpr[RSI] = FIXTURE_MMIO;
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    f.cpu->s.gpr[RCX] = 5;
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    for (unsigned k = 0; k < 5; k++)
        assert_int_equal(fixture_read(&f, FIXTURE_DATA + 4 * k, 4), start + 1 + k);
    assert_int_equal(f.clock.state.insns, start + 7);
}

/* mov eax, 1; ud2: the fault retires nothing, its delivery counts one, the handler's HLT one. */
static void a_fault_counts_its_delivery_only(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0xb8, 1, 0, 0, 0, 0x90, 0x0f, 0x0b);
    assert_int_equal(fixture_run(&f, 100), VEC_UD);
    assert_int_equal(f.clock.state.insns - start, 2 + 1 + 1);
    assert_int_equal(fixture_read(&f, f.cpu->s.gpr[RSP], 8), FIXTURE_CODE + 6);
}

/* rep movsb of 10000 bytes then hlt, in turns of every size: each iteration is an instruction and any may be the last. */
static void repeated_iterations_are_instructions(void **state)
{
    static const uint64_t turns[] = { 1, 7, 64, 1000, 4095, 20000 };

    (void)state;
    CODE(0xf3, 0xa4, 0x90, 0xf4);
    for (unsigned n = 0; n < COUNT_OF(turns); n++) {
        uint64_t start = f.clock.state.insns, used = 0;
        enum cpu_stop stop = CPU_STOP_BUDGET;

        restart();
        f.cpu->s.gpr[RSI] = FIXTURE_DATA + 5;
        f.cpu->s.gpr[RDI] = FIXTURE_DATA + 0x8003;
        f.cpu->s.gpr[RCX] = 10000;
        fixture_put(&f, FIXTURE_DATA + 5, "first", 5);
        fixture_put(&f, FIXTURE_DATA + 5 + 9990, "last.bytes", 10);
        while (stop == CPU_STOP_BUDGET) {
            stop = cpu_run(f.cpu, turns[n]);
            if (stop == CPU_STOP_BUDGET) {
                used += turns[n];
                assert_int_equal(f.clock.state.insns - start, used);
                if (used <= 10000)
                    assert_int_equal(f.cpu->s.gpr[RCX], 10000 - used);
            }
        }
        assert_int_equal(stop, CPU_STOP_IDLE);
        assert_int_equal(f.clock.state.insns - start, 10002);
        assert_memory_equal(f.ram->bytes + FIXTURE_DATA + 0x8003, "first", 5);
        assert_memory_equal(f.ram->bytes + FIXTURE_DATA + 0x8003 + 9990, "last.bytes", 10);
    }
}

/* A count of zero is one instruction, and the flags of a comparison stay. */
/* rep movsb; nop; hlt, resumed with RF as after an interrupt within: the count, the place and what is left do not depend on
 * where turns end, RF holds until the last iteration and no longer (SDM 3A "Instruction-Breakpoint Exception Condition"). */
static void a_resumed_repeat_counts_alike_and_keeps_rf(void **state)
{
    (void)state;
    CODE(0xf3, 0xa4, 0x90, 0xf4);
    for (uint64_t turn = 1; turn < 6000; turn += turn < 8 ? 1 : turn / 3) {
        uint64_t before = f.clock.state.insns, done = 0;

        restart();
        f.cpu->s.gpr[RCX] = 5000;
        f.cpu->s.gpr[RSI] = FIXTURE_DATA + 7;
        f.cpu->s.gpr[RDI] = FIXTURE_DATA + 0x10000;
        f.cpu->p.rflags |= FLAG_RF;
        for (unsigned k = 0; k < 3 && done + turn < 5000; k++) {
            assert_int_equal(cpu_run(f.cpu, turn), CPU_STOP_BUDGET);
            done += turn;
            assert_int_equal(f.clock.state.insns - before, done);
            assert_int_equal(f.cpu->s.gpr[RCX], 5000 - done);
            assert_int_equal(f.cpu->p.rip, FIXTURE_CODE);
            assert_true(f.cpu->p.rflags & FLAG_RF);
        }
        assert_int_equal(cpu_run(f.cpu, 10000), CPU_STOP_IDLE);
        assert_int_equal(f.clock.state.insns - before, 5000 + 2);
        assert_int_equal(f.cpu->s.gpr[RCX], 0);
        assert_false(f.cpu->p.rflags & FLAG_RF);
    }
}

static void a_repeat_of_nothing_is_one_instruction(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0x31, 0xc0, 0xf3, 0xa6, 0xf4);         /* xor eax, eax; repe cmpsb; hlt */
    f.cpu->s.gpr[RCX] = 0;
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(f.clock.state.insns - start, 3);
    assert_true(cpu_rflags(f.cpu) & FLAG_ZF);
}

/* rep stosb runs into a page that is not there: the iterations before it are retired, the registers are at the fault. */
static void a_fault_inside_a_repeat_keeps_what_was_done(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    fixture_small_pages(&f, FIXTURE_DATA);
    fixture_put(&f, fixture_entry_at(&f, FIXTURE_DATA + 0x1000, 1), "\0", 1);
    CODE(0xf3, 0xaa, 0xf4);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA + 0xff0;
    f.cpu->s.gpr[RCX] = 100;
    assert_int_equal(fixture_run(&f, 1000), VEC_PF);
    assert_int_equal(f.cpu->s.gpr[RCX], 84);
    assert_int_equal(f.cpu->s.gpr[RDI], FIXTURE_DATA + 0x1000);
    assert_int_equal(f.cpu->s.cr2, FIXTURE_DATA + 0x1000);
    assert_int_equal(f.clock.state.insns - start, 16 + 1 + 1);
}

/* The machine wants to act: the turn ends right behind the instruction that made it so. */
static void a_deadline_ends_the_turn_at_the_next_instruction(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0x90, 0x89, 0x07, 0xff, 0xc1, 0xff, 0xc1, 0xf4);       /* nop; mov [rdi], eax; inc ecx; inc ecx; hlt */
    f.cpu->s.gpr[RDI] = FIXTURE_MMIO;
    f.cpu->s.gpr[RCX] = 0;
    fixture_probe(&f)->attention = ATTEND_DEADLINE;
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_DEADLINE);
    assert_int_equal(f.cpu->s.gpr[RCX], 0);
    assert_int_equal(f.cpu->p.rip, FIXTURE_CODE + 3);
    assert_int_equal(f.clock.state.insns - start, 2);
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(f.cpu->s.gpr[RCX], 2);
}

static void pause_yields_the_turn(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0x90, 0xf3, 0x90, 0xf4);
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_YIELD);
    assert_int_equal(f.clock.state.insns - start, 2);
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
}

/* A debugged program and a plain one retire the same: with RF set the first instruction is stepped. */
static void steps_count_like_any_instruction(void **state)
{
    uint64_t start = f.clock.state.insns;

    (void)state;
    CODE(0xf3, 0xaa, 0x90, 0x90, 0xf4);         /* rep stosb; nop; nop; hlt */
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    f.cpu->s.gpr[RCX] = 6;
    cpu_set_rflags(f.cpu, FLAG_RF | 2);
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(f.clock.state.insns - start, 9);
    assert_int_equal(f.cpu->s.gpr[RCX], 0);
    assert_false(f.cpu->p.rflags & FLAG_RF);
}

/* Calls far deeper than any stack: handlers that cannot tail-call must not nest without end. */
static void long_turns_do_not_grow_the_stack(void **state)
{
    (void)state;
    /* bsf eax, [rdi]; xchg eax, ecx; jmp to the start */
    CODE(0x0f, 0xbc, 0x07, 0x91, 0xeb, 0xfa);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(cpu_run(f.cpu, 3000000), CPU_STOP_BUDGET);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_long, close_it)
    const struct CMUnitTest tests[] = {
        TEST(a_budget_ends_after_exactly_that_many),
        TEST(a_device_sees_the_exact_clock),
        TEST(a_device_inside_a_repeated_instruction_sees_each_iteration),
        TEST(a_fault_counts_its_delivery_only),
        TEST(repeated_iterations_are_instructions),
        TEST(a_repeat_of_nothing_is_one_instruction),
        TEST(a_resumed_repeat_counts_alike_and_keeps_rf),
        TEST(a_fault_inside_a_repeat_keeps_what_was_done),
        TEST(a_deadline_ends_the_turn_at_the_next_instruction),
        TEST(pause_yields_the_turn),
        TEST(steps_count_like_any_instruction),
        TEST(long_turns_do_not_grow_the_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
