/* SPDX-License-Identifier: MIT
 * A debugger's break- and watchpoints (cpu/points.h): where exactly they stop, what they report, and that a run with them is
 * the run without them, instruction by instruction, interpreted and translated. */
#include "tests/check.h"

#include <stdlib.h>

#include "cpu/points.h"
#include "tests/cpu/fixture.h"

static struct fixture plain, f;         /* the same machine without and with points */
static struct points *points;

static void open_both(unsigned threshold)
{
    fixture_translate(0);
    fixture_open(&plain);
    fixture_translate(threshold);
    fixture_open(&f);
    fixture_translate(0);
    fixture_mode(&plain, FIXTURE_LONG);
    fixture_mode(&f, FIXTURE_LONG);
    points = points_create();
    points_attach(points, f.cpu);
}

static int open_interpreter(void **state)
{
    (void)state;
    open_both(0);
    return 0;
}

static int open_translator(void **state)
{
    (void)state;
    open_both(cpu_jit_available() ? 1 : 0);
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    points_free(points);
    fixture_close(&plain);
    fixture_close(&f);
    return 0;
}

#define CODE(...) do { const uint8_t code_[] = { __VA_ARGS__ }; put_code(code_, sizeof code_); } while (0)

static void put_code(const uint8_t *code, size_t len)
{
    fixture_code(&plain, code, len);
    fixture_code(&f, code, len);
}

static void set_gpr(unsigned reg, uint64_t v)
{
    plain.cpu->s.gpr[reg] = f.cpu->s.gpr[reg] = v;
}

static void add(enum point_kind kind, bool physical, uint64_t at, uint64_t len)
{
    const struct point p = { .kind = kind, .physical = physical, .at = at, .len = len };

    points_add(points, &p);
}

static uint64_t hash_of(struct fixture *m)
{
    return ram_hash(m->ram, device_hash(&m->cpu->dev, m->clock.state.insns));
}

/* The undebugged machine, after as many instructions, is in the same state to the bit. */
static void same_as_undebugged(void)
{
    uint64_t behind = f.clock.state.insns - plain.clock.state.insns;

    if (behind != 0)
        cpu_run(plain.cpu, behind);
    assert_int_equal(plain.clock.state.insns, f.clock.state.insns);
    assert_int_equal(hash_of(&plain), hash_of(&f));
}

/* Run until something is hit; false: `most` instructions passed, or it halted. As a machine does: attention of no account to
 * the debugger only makes it look again. */
static bool run(uint64_t most)
{
    const uint64_t end = f.clock.state.insns + most;

    points_forget_hit(points);
    points_commit(points);
    while (f.clock.state.insns < end && !points_hit(points)->any)
        if (cpu_run(f.cpu, end - f.clock.state.insns) == CPU_STOP_IDLE)
            break;
    return points_hit(points)->any;
}

static bool go_on(uint64_t most)
{
    points_pass(points, f.cpu);
    return run(most);
}

static const struct point_hit *hit(void) { return points_hit(points); }

static uint64_t value(const uint8_t *bytes, unsigned n)
{
    uint64_t v = 0;

    memcpy(&v, bytes, n < 8 ? n : 8);
    return v;
}

/* ---- breakpoints ---- */

/* inc rax; inc rbx; add rcx, rax; jmp to the start */
#define LOOP 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc3, 0x48, 0x01, 0xc1, 0xeb, 0xf5

static void a_breakpoint_stops_before_its_instruction_each_time(void **state)
{
    (void)state;
    CODE(LOOP);
    run(1000);                          /* decoded and translated without it */
    add(POINT_BREAK, false, FIXTURE_CODE + 6, 0);
    for (unsigned n = 1; n <= 50; n++) {
        assert_true(go_on(100));
        assert_int_equal(f.clock.state.insns, 1000 + 4 * n - 2);
        assert_int_equal(f.cpu->p.rip, FIXTURE_CODE + 6);
        assert_int_equal(hit()->rip, FIXTURE_CODE + 6);
        assert_int_equal(hit()->point.kind, POINT_BREAK);
        assert_int_equal(hit()->vp, 0);
        same_as_undebugged();
    }
    assert_true(points_remove(points, &(struct point){ .kind = POINT_BREAK, .at = FIXTURE_CODE + 6 }));
    assert_false(points_remove(points, &(struct point){ .kind = POINT_BREAK, .at = FIXTURE_CODE + 6 }));
    assert_false(go_on(5000));
    same_as_undebugged();
}

static void without_passing_it_stops_at_once_again(void **state)
{
    (void)state;
    CODE(LOOP);
    add(POINT_BREAK, false, FIXTURE_CODE, 0);
    assert_true(run(100));
    assert_int_equal(f.clock.state.insns, 0);
    assert_true(run(100));
    assert_int_equal(f.clock.state.insns, 0);
    assert_true(go_on(100));
    assert_int_equal(f.clock.state.insns, 4);
    points_pass(points, f.cpu);         /* only for where it stood: elsewhere it stops */
    f.cpu->p.rip = FIXTURE_CODE + 6;
    assert_true(run(100));
    assert_int_equal(f.clock.state.insns, 6);
}

static void a_budget_may_end_between_the_breakpoints(void **state)
{
    (void)state;
    CODE(LOOP);
    add(POINT_BREAK, false, FIXTURE_CODE + 9, 0);
    for (unsigned n = 0; n < 60; n++) {
        uint64_t before = f.clock.state.insns;
        bool stopped = go_on(n % 5 + 1);

        assert_true(f.clock.state.insns - before <= n % 5 + 1);
        assert_int_equal(stopped, f.cpu->p.rip == FIXTURE_CODE + 9 && f.clock.state.insns - before < n % 5 + 1);
        same_as_undebugged();
    }
}

static void breakpoints_hold_by_physical_address(void **state)
{
    (void)state;
    fixture_map(&plain, 0x7000000000, FIXTURE_CODE);
    fixture_map(&f, 0x7000000000, FIXTURE_CODE);
    CODE(LOOP);
    plain.cpu->p.rip = f.cpu->p.rip = 0x7000000000 + (FIXTURE_CODE & 0xfff);
    run(100);
    add(POINT_BREAK, true, FIXTURE_CODE + 3, 0);
    for (unsigned n = 0; n < 10; n++) {
        assert_true(go_on(100));
        assert_int_equal(f.clock.state.insns, 101 + 4 * n);
        same_as_undebugged();
    }
    points_clear(points);
    add(POINT_BREAK, false, FIXTURE_CODE + 3, 0);       /* another linear address of the same code: never reached */
    assert_false(go_on(100));
    same_as_undebugged();
}

static void thousands_of_breakpoints(void **state)
{
    (void)state;
    CODE(LOOP);
    for (unsigned n = 0; n < 5000; n++)
        add(POINT_BREAK, n & 1, 0x100000 + 16 * n, 0);
    add(POINT_BREAK, false, FIXTURE_CODE + 3, 0);
    assert_int_equal(points_count(points), 5001);
    assert_true(run(100));
    assert_int_equal(f.clock.state.insns, 1);
}

static void without_points_nothing_is_asked(void **state)
{
    (void)state;
    CODE(LOOP);
    add(POINT_BREAK, false, FIXTURE_CODE + 3, 0);
    add(POINT_WRITE, false, FIXTURE_DATA, 8);
    run(10);
    assert_non_null(f.cpu->points);
    points_clear(points);
    run(10);
    assert_null(f.cpu->points);
}

/* Real mode: the address is base plus IP, and the same code under another base is another address. */
static void breakpoints_of_real_mode_are_linear(void **state)
{
    (void)state;
    fixture_mode(&plain, FIXTURE_REAL);
    fixture_mode(&f, FIXTURE_REAL);
    CODE(0x40, 0x43, 0xeb, 0xfc);       /* inc ax; inc bx; jmp */
    for (unsigned k = 0; k < 2; k++) {
        struct cpu *cpu = k == 0 ? plain.cpu : f.cpu;

        cpu->p.seg_base[SEG_CS] = FIXTURE_CODE - 0x100;
        cpu->p.rip = 0x100;
        cpu_mode_changed(cpu);
    }
    add(POINT_BREAK, false, FIXTURE_CODE + 1, 0);
    add(POINT_BREAK, false, 0x101, 0);
    for (unsigned n = 0; n < 5; n++) {
        assert_true(go_on(100));
        assert_int_equal(f.clock.state.insns, 1 + 3 * n);
        assert_int_equal(hit()->rip, 0x101);
        same_as_undebugged();
    }
}

/* A repeated instruction begins once, however turns cut it. */
static void a_repeated_instruction_is_met_once(void **state)
{
    (void)state;
    CODE(0x90, 0xf3, 0xaa, 0x90, 0xf4);         /* nop; rep stosb; nop; hlt */
    set_gpr(RDI, FIXTURE_DATA);
    set_gpr(RCX, 100);
    add(POINT_BREAK, false, FIXTURE_CODE + 1, 0);
    assert_true(run(1000));
    for (unsigned n = 0; n < 30; n++) {
        assert_false(go_on(3));
        same_as_undebugged();
    }
    assert_int_equal(f.cpu->s.gpr[RCX], 10);
}

/* ---- watchpoints ---- */

/* mov [rdi], rax; inc rax; jmp */
#define STORES 0x48, 0x89, 0x07, 0x48, 0xff, 0xc0, 0xeb, 0xf8

static void a_written_value_stops_after_the_store(void **state)
{
    (void)state;
    CODE(STORES);
    set_gpr(RDI, FIXTURE_DATA + 0x7f8);
    run(999);
    add(POINT_WRITE, false, FIXTURE_DATA + 0x7fc, 2);
    for (unsigned n = 0; n < 20; n++) {
        assert_true(go_on(100));
        assert_int_equal(f.clock.state.insns, 1000 + 3 * n);
        assert_int_equal(f.cpu->p.rip, FIXTURE_CODE + 3);
        assert_int_equal(hit()->rip, FIXTURE_CODE);
        assert_int_equal(hit()->at, FIXTURE_DATA + 0x7fc);
        assert_int_equal(hit()->bytes, 2);
        assert_true(hit()->wrote);
        same_as_undebugged();
    }
    points_clear(points);
    add(POINT_WRITE, false, FIXTURE_DATA + 0x800, 8);   /* beside it, and on the same page */
    add(POINT_READ, false, FIXTURE_DATA + 0x7f8, 8);    /* stores are no reads */
    assert_false(go_on(1000));
    same_as_undebugged();
}

static void old_and_new_values_are_reported(void **state)
{
    static const bool ways[] = { false, true };

    (void)state;
    CODE(STORES);
    set_gpr(RDI, FIXTURE_DATA);
    set_gpr(RAX, 0x1234567800);
    run(30);
    for (unsigned k = 0; k < 2; k++) {
        uint64_t old = fixture_read(&f, FIXTURE_DATA, 8);

        points_clear(points);
        add(POINT_WRITE, ways[k], FIXTURE_DATA, 8);
        assert_true(go_on(100));
        assert_true(hit()->has_old);
        assert_int_equal(value(hit()->old, 8), old);
        assert_int_equal(value(hit()->now, 8), old + 1);
        assert_true(go_on(100));
        assert_int_equal(value(hit()->old, 8), old + 1);
        assert_int_equal(value(hit()->now, 8), old + 2);
        assert_int_equal(hit()->point.physical, ways[k]);
    }
    same_as_undebugged();
}

/* mov rax, [rdi]; add [rdi], rbx; push rax; pop rcx; lea rsi, [rsi]; jmp */
#define MIXED 0x48, 0x8b, 0x07, 0x48, 0x01, 0x1f, 0x50, 0x59, 0x48, 0x8d, 0x36, 0xeb, 0xf3

static void reads_writes_and_both(void **state)
{
    static const struct { enum point_kind kind; uint64_t at; unsigned first, second; } rows[] = {
        { POINT_READ, FIXTURE_DATA, 1, 2 }, { POINT_WRITE, FIXTURE_DATA, 2, 8 }, { POINT_ACCESS, FIXTURE_DATA, 1, 2 },
        { POINT_WRITE, FIXTURE_STACK - 8, 3, 9 }, { POINT_READ, FIXTURE_STACK - 8, 4, 10 },
        { POINT_ACCESS, FIXTURE_STACK - 8, 3, 4 },
    };

    (void)state;
    CODE(MIXED);
    set_gpr(RDI, FIXTURE_DATA);
    set_gpr(RBX, 1);
    run(600);
    for (unsigned k = 0; k < 2 * COUNT_OF(rows); k++) {
        uint64_t start = f.clock.state.insns;

        points_clear(points);
        add(rows[k / 2].kind, k & 1, rows[k / 2].at, 1);
        assert_true(go_on(100));
        assert_int_equal(f.clock.state.insns - start, rows[k / 2].first);
        assert_int_equal(hit()->point.physical, k & 1);
        same_as_undebugged();
        assert_true(go_on(100));
        assert_int_equal(f.clock.state.insns - start, rows[k / 2].second);
        same_as_undebugged();
        points_clear(points);
        go_on(6 - (f.clock.state.insns - start) % 6);
    }
}

static void a_repeated_store_stops_after_its_iteration(void **state)
{
    (void)state;
    CODE(0x90, 0xf3, 0xab, 0x90, 0xf4);         /* nop; rep stosd; nop; hlt */
    set_gpr(RDI, FIXTURE_DATA);
    set_gpr(RCX, 1000);
    set_gpr(RAX, 0xdeadbeef);
    add(POINT_WRITE, false, FIXTURE_DATA + 4 * 500 + 3, 1);
    assert_true(run(10000));
    assert_int_equal(f.clock.state.insns, 1 + 501);
    assert_int_equal(f.cpu->s.gpr[RCX], 499);
    same_as_undebugged();
    assert_false(go_on(10000));
    same_as_undebugged();
}

/* mov [rdi], rax over a page's end: both sides are watched. */
static void accesses_over_a_page_end(void **state)
{
    (void)state;
    CODE(STORES);
    set_gpr(RDI, FIXTURE_DATA + 0xffd);
    for (unsigned k = 0; k < 4; k++) {
        points_clear(points);
        add(POINT_WRITE, k & 1, FIXTURE_DATA + (k < 2 ? 0xfff : 0x1000), 1);
        assert_true(go_on(100));
        assert_int_equal(f.cpu->p.rip, FIXTURE_CODE + 3);
        same_as_undebugged();
    }
    points_clear(points);
    add(POINT_WRITE, false, FIXTURE_DATA + 0x1005, 1);
    assert_false(go_on(100));
}

static void devices_write_to_physical_watchpoints(void **state)
{
    (void)state;
    CODE(LOOP);
    add(POINT_WRITE, true, FIXTURE_DATA + 0xffe, 4);
    assert_false(run(50));
    space_write_bytes(f.memory, FIXTURE_DATA + 0x1000, "ab", 2);
    assert_true(hit()->any);
    assert_int_equal(hit()->vp, POINT_NOBODY);
    assert_int_equal(hit()->at, FIXTURE_DATA + 0x1000);
    assert_int_equal(hit()->bytes, 2);
    assert_int_equal(value(hit()->old, 2), 0);
    assert_int_equal(value(hit()->now, 2), 0x6261);
}

/* The bits that the processor sets in page tables are writes too; the linear address of the data is not written. */
static void page_tables_are_written_by_walks(void **state)
{
    uint64_t entry;

    (void)state;
    CODE(0x48, 0x8b, 0x07, 0x90, 0xeb, 0xfe);           /* mov rax, [rdi]; nop; jmp $ */
    fixture_small_pages(&plain, FIXTURE_DATA);
    fixture_small_pages(&f, FIXTURE_DATA);
    set_gpr(RDI, FIXTURE_DATA);
    entry = fixture_entry_at(&f, FIXTURE_DATA, 1);
    add(POINT_WRITE, true, entry, 8);
    assert_true(run(100));
    assert_int_equal(f.clock.state.insns, 1);
    assert_int_equal(value(hit()->old, 8) ^ value(hit()->now, 8), 0x20);
    same_as_undebugged();
}

/* A load that faults has not read: the hit comes when it does. div by the zero beside it, for one that reads and then faults. */
static void a_faulting_instruction_did_not_read(void **state)
{
    (void)state;
    fixture_tables(&plain);
    fixture_tables(&f);
    CODE(0x48, 0xf7, 0x37);                             /* div qword [rdi] */
    set_gpr(RDI, FIXTURE_DATA);
    add(POINT_READ, false, FIXTURE_DATA, 8);
    assert_false(run(100));
    assert_int_equal(f.cpu->p.activity, CPU_HALTED);
    same_as_undebugged();
}

static void devices_registers_can_be_watched(void **state)
{
    (void)state;
    CODE(0x90, 0x89, 0x07, 0x8b, 0x07, 0x90, 0xf4);     /* nop; mov [rdi], eax; mov eax, [rdi]; nop; hlt */
    set_gpr(RDI, FIXTURE_MMIO);
    add(POINT_ACCESS, true, FIXTURE_MMIO, 4);
    assert_true(run(100));
    assert_int_equal(f.clock.state.insns, 2);
    assert_true(hit()->wrote);
    assert_true(go_on(100));
    assert_int_equal(f.clock.state.insns, 3);
    assert_false(hit()->wrote);
    assert_false(go_on(100));
    same_as_undebugged();
}

/* What an exception pushes is written by no instruction; it stops when the handler is about to run. */
static void deliveries_write_the_stack(void **state)
{
    (void)state;
    fixture_tables(&plain);
    fixture_tables(&f);
    CODE(0x90, 0x0f, 0x0b);                             /* nop; ud2 */
    add(POINT_WRITE, false, FIXTURE_STACK - 24, 8);
    assert_true(run(100));
    assert_int_equal(hit()->vp, POINT_NOBODY);
    assert_int_equal(f.cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_UD);
    assert_int_equal(f.clock.state.insns, 2);
    same_as_undebugged();
}

/* ---- all of it at once ---- */

static uint32_t below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % n);
}

/* Loads, stores and calls over two pages under random points: whatever stops, the machine is where the plain one is, and no
 * stop is without reason. */
static void random_points_change_nothing(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x69, 0xc0, 0xfd, 0x43, 0x03, 0x00,       /* imul rax, rax, 343fdh */
        0x48, 0x05, 0xc3, 0x9e, 0x26, 0x00,             /* add rax, 269ec3h */
        0x48, 0x89, 0xc1,                               /* mov rcx, rax */
        0x48, 0xc1, 0xe9, 0x10,                         /* shr rcx, 16 */
        0x81, 0xe1, 0xff, 0x1f, 0x00, 0x00,             /* and ecx, 1fffh */
        0x48, 0x8b, 0x14, 0x0f,                         /* mov rdx, [rdi + rcx] */
        0x48, 0x01, 0x04, 0x0f,                         /* add [rdi + rcx], rax */
        0xe8, 0x02, 0x00, 0x00, 0x00,                   /* call +2 */
        0xeb, 0xd7,                                     /* jmp to the start */
        0x48, 0x31, 0x57, 0x10,                         /* xor [rdi + 16], rdx */
        0xc3,                                           /* ret */
    };
    uint64_t seed = 1;

    (void)state;
    put_code(code, sizeof code);
    set_gpr(RDI, FIXTURE_DATA);
    for (unsigned round = 0; round < 60; round++) {
        points_clear(points);
        for (unsigned n = below(&seed, 4); n > 0; n--) {
            enum point_kind kind = (enum point_kind)below(&seed, POINT_KINDS);

            add(kind, below(&seed, 2), kind == POINT_BREAK ? FIXTURE_CODE + below(&seed, sizeof code)
                                                           : FIXTURE_DATA + below(&seed, 0x2000), 1 + below(&seed, 16));
        }
        for (unsigned n = 0; n < 20; n++) {
            go_on(1 + below(&seed, 5000));
            same_as_undebugged();
        }
    }
    assert_true(f.cpu->jit == NULL || cpu_stats(f.cpu)->jit_blocks > 20);
    assert_int_equal(f.cpu->p.activity, CPU_RUNNING);
}

#define BOTH(test)                                                              \
    { #test " (interpreted)", test, open_interpreter, close_both, NULL },       \
    { #test " (translated)", test, open_translator, close_both, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_breakpoint_stops_before_its_instruction_each_time),
        BOTH(without_passing_it_stops_at_once_again),
        BOTH(a_budget_may_end_between_the_breakpoints),
        BOTH(breakpoints_hold_by_physical_address),
        BOTH(thousands_of_breakpoints),
        BOTH(without_points_nothing_is_asked),
        BOTH(breakpoints_of_real_mode_are_linear),
        BOTH(a_repeated_instruction_is_met_once),
        BOTH(a_written_value_stops_after_the_store),
        BOTH(old_and_new_values_are_reported),
        BOTH(reads_writes_and_both),
        BOTH(a_repeated_store_stops_after_its_iteration),
        BOTH(accesses_over_a_page_end),
        BOTH(devices_write_to_physical_watchpoints),
        BOTH(page_tables_are_written_by_walks),
        BOTH(a_faulting_instruction_did_not_read),
        BOTH(devices_registers_can_be_watched),
        BOTH(deliveries_write_the_stack),
        BOTH(random_points_change_nothing),
    };

    return cmocka_run_group_tests_name("points", tests, NULL, NULL);
}
