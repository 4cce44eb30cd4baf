/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) of programs that change page tables without the flushes that the manual demands, clear accessed
 * and dirty bits behind the TLB's back, switch between PCIDs and push one another's pages out. What such a guest sees depends on
 * what the TLB holds; both engines must hold the same (docs/determinism.md). Caches are not dropped here. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/tlb.h"
#include "tests/cpu/lockstep.h"

#define PROGRAMS    1500u
#define LINES       30u
#define FAR_PAGES   6u          /* of one slot and one victim */
#define CODE_PAGES  4u          /* behind FIXTURE_CODE, one function on each */

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

static void put(struct program *p, const void *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++)
        program_put(p, ((const uint8_t *)bytes)[n]);
}

static void put32(struct program *p, uint32_t v)
{
    put(p, &v, 4);
}

#define PUT(p, ...) do { const uint8_t bytes_[] = { __VA_ARGS__ }; put(p, bytes_, sizeof bytes_); } while (0)

static gva_t far_page(unsigned n)
{
    return FIXTURE_DATA + ((uint64_t)(n + 4) << 30);
}

/* ---- programs: SI points to eight pages of data, BX to their entries, BP to those of the code; 8 to 13 hold values of CR3 ---- */

static uint32_t place(void)
{
    return any(8) * PAGE_SIZE + (any(8) ? any(4000) & ~7u : 4092);
}

static void load(struct program *p)             /* mov rax, [rsi + disp]; add rdx, rax */
{
    PUT(p, 0x48, 0x8b, 0x86);
    put32(p, place());
    PUT(p, 0x48, 0x01, 0xc2);
}

static void store(struct program *p)            /* mov [rsi + disp], rdx, or add */
{
    PUT(p, 0x48, any(2) ? 0x89 : 0x01, 0x96);
    put32(p, place());
}

static void far_access(struct program *p)       /* mov rdi, page; mov or add [rdi], dl, or add dl, [rdi]; all push one another out */
{
    static const uint8_t ops[] = { 0x88, 0x00, 0x02 };
    gva_t at = far_page(any(FAR_PAGES)) + any(4096);

    PUT(p, 0x48, 0xbf);
    put(p, &at, 8);
    PUT(p, ops[any(3)], 0x17);
}

static void forget_use(struct program *p)       /* and qword [rbx + 8 * page], ~A, ~D or ~(A | D) */
{
    static const uint8_t masks[] = { 0xdf, 0xbf, 0x9f };

    PUT(p, 0x48, 0x83, any(3) ? 0x63 : 0x65, (uint8_t)(8 * any(8)), masks[any(3)]);
}

static void remap(struct program *p)            /* xor dword [rbx + 8 * page], frame */
{
    PUT(p, 0x81, 0x73, (uint8_t)(8 * any(8)));
    put32(p, (1 + any(7)) << PAGE_SHIFT);
}

static void global(struct program *p)           /* xor dword [rbx + 8 * page], G */
{
    PUT(p, 0x81, 0x73, (uint8_t)(8 * any(8)));
    put32(p, 0x100);
}

static void flush_page(struct program *p)       /* invlpg [rsi + disp], or of code: [rbp's pages] */
{
    if (any(2)) {
        PUT(p, 0x0f, 0x01, 0xbe);
        put32(p, place());
        return;
    }
    PUT(p, 0x0f, 0x01, 0x3c, 0x25);
    put32(p, FIXTURE_CODE + any(1 + CODE_PAGES) * PAGE_SIZE);
}

static void change_space(struct program *p)     /* mov cr3, r8 to r13 */
{
    PUT(p, 0x41, 0x0f, 0x22, (uint8_t)(0xd8 | any(6)));
}

static void call(struct program *p)             /* call to a function on another page, directly or through rax */
{
    const uint32_t to = FIXTURE_CODE + (1 + any(CODE_PAGES)) * PAGE_SIZE;

    if (any(2)) {
        PUT(p, 0xb8);
        put32(p, to);
        PUT(p, 0xff, 0xd0);
        return;
    }
    PUT(p, 0xe8);
    put32(p, to - (FIXTURE_CODE + p->len + 4));
}

static void make(struct program *p)
{
    static void (*const lines[])(struct program *p) = {
        load, load, store, store, store, far_access, far_access, forget_use, forget_use, remap, global, flush_page, change_space,
        call, call,
    };
    uint32_t top;

    for (unsigned n = 0; n < LINES; n++)
        lines[any(COUNT_OF(lines))](p);
    PUT(p, 0x49, 0xff, 0xce, 0x0f, 0x85);       /* dec r14; jnz top; hlt */
    top = 0u - (p->len + 4);
    put32(p, top);
    PUT(p, 0xf4);
}

static void write64(struct cpu *cpu, uint64_t at, uint64_t v)
{
    space_write_bytes(cpu->ports.memory, at, &v, 8);
}

/* Under one root all spaces see the same tables: what differs is what the TLB has of them. */
static void prepare(struct cpu *cpu)
{
    static const uint8_t function[] = { 0x48, 0x83, 0xc2, 0x07, 0x48, 0x01, 0x16, 0xc3 };   /* add rdx, 7; add [rsi], rdx; ret */
    const uint64_t data = fixture_entry_at(NULL, FIXTURE_DATA, 1), code = fixture_entry_at(NULL, FIXTURE_CODE, 1);

    for (uint64_t n = 0; n < 512; n++) {
        write64(cpu, fixture_entry_at(NULL, n << PAGE_SHIFT, 1), n << PAGE_SHIFT | 7);
        write64(cpu, fixture_entry_at(NULL, FIXTURE_DATA + (n << PAGE_SHIFT), 1), (FIXTURE_DATA + (n << PAGE_SHIFT)) | 7);
    }
    write64(cpu, fixture_entry_at(NULL, FIXTURE_DATA, 2), (data & PAGE_MASK) | 7);
    write64(cpu, fixture_entry_at(NULL, 0, 2), (code & PAGE_MASK) | 7);
    for (unsigned n = 1; n <= CODE_PAGES; n++)
        space_write_bytes(cpu->ports.memory, FIXTURE_CODE + n * PAGE_SIZE, function, sizeof function);
    cpu->p.cr4 |= CR4_PGE | CR4_PCIDE;
    memset(cpu->s.gpr, 0, sizeof cpu->s.gpr);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu->s.gpr[RSI] = FIXTURE_DATA;
    cpu->s.gpr[RBX] = data;
    cpu->s.gpr[RBP] = code;
    for (unsigned n = 0; n < 6; n++)
        cpu->s.gpr[R8 + n] = FIXTURE_TABLES | (1 + n / 2) | (n & 1 ? BIT64(63) : 0);
    cpu->s.gpr[R14] = 3 + any(12);
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
}

static void extend(struct fixture *f)
{
    for (unsigned n = 0; n < FAR_PAGES; n++)
        fixture_map(f, far_page(n), FIXTURE_DATA + (8 + n) * PAGE_SIZE);
}

static void lawless_programs_in_lockstep(void **state)
{
    const struct lockstep l = {
        .programs = PROGRAMS, .turns = 400, .below = any, .seed = &seed, .make = make, .prepare = prepare, .extend = extend,
        .keeps_caches = true,
    };

    (void)state;
    lockstep_run(&l);
}

/* ---- cpu_show_code() ---- */

struct shown {
    unsigned blocks, translated;
    uint64_t rip, runs, link;
};

static void note(void *arg, const struct cpu_translation *t)
{
    struct shown *s = arg;

    s->blocks++;
    s->translated += t->host != NULL;
    s->rip = t->rip;
    s->runs = t->runs;
    s->link = t->nlinks > 0 ? t->links[0] : 0;
    assert_int_equal(t->bits, 64);
    assert_int_equal(t->guest[0], 0xff);
    assert_int_equal(t->ends[0], 2);
    assert_int_equal(t->ends[1], 4);
}

/* jmp $+2; back: dec ecx; jnz back; hlt: ten times, of which translated code is entered once, or each time. */
static void code_can_be_looked_at(void **state)
{
    static const uint8_t code[] = { 0xeb, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xf4 };
    struct shown s = { 0 };
    struct fixture f;

    (void)state;
    setenv("PARTITA_JIT_OFF", "lp", 1);
    fixture_translate(1);
    fixture_open(&f);
    unsetenv("PARTITA_JIT_OFF");
    fixture_mode(&f, FIXTURE_LONG);
    fixture_code(&f, code, sizeof code);
    f.cpu->s.gpr[RCX] = 10;
    assert_int_equal(fixture_run(&f, 100), -1);
    cpu_show_code(f.cpu, FIXTURE_CODE + 4, note, &s);
    assert_int_equal(s.blocks, 1);
    assert_int_equal(s.translated, 1);
    assert_int_equal(s.rip, FIXTURE_CODE + 2);
    assert_int_equal(s.runs, 10);
    assert_int_equal(s.link, FIXTURE_CODE + 6);
    cpu_show_code(f.cpu, FIXTURE_DATA, note, &s);
    cpu_show_code(f.cpu, UINT64_C(0x123456789000), note, &s);
    assert_int_equal(s.blocks, 1);
    fixture_close(&f);
}

/* ---- memory that changes in the middle of a block ---- */

static struct fixture board;
static struct ram *over;

static void exchange(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    static bool there;

    (void)dev, (void)at, (void)bytes, (void)value;
    if (there)
        space_remove(board.memory, FIXTURE_DATA, LAYER_OVERLAY);
    else
        space_add_ram(board.memory, FIXTURE_DATA, over, 0, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, LAYER_OVERLAY);
    there = !there;
}

/* back: mov rax, [rdi]; mov [rsi], eax; add rbx, [rdi + 8]; dec ecx; jnz back; hlt: between two accesses that share a probe a
 * device puts other memory there, or takes it away. */
static void a_device_exchanges_memory_between_accesses(void **state)
{
    static const struct reg rows[] = { { 0, 4, "exchange", reg_open_bus, exchange, 4 } };
    static const uint8_t code[] = { 0x48, 0x8b, 0x07, 0x89, 0x06, 0x48, 0x03, 0x5f, 0x08, 0xff, 0xc9, 0x75, 0xf3, 0xf4 };
    struct err e = ram_create(&over, "overlay", PAGE_SIZE);

    (void)state;
    assert_false(failed(&e));
    fixture_translate(1);
    fixture_open(&board);
    space_add_device(board.memory, 0xf1000000, board.probe, rows, 1, LAYER_DEVICE);
    fixture_mode(&board, FIXTURE_LONG);
    fixture_code(&board, code, sizeof code);
    board.ram->bytes[FIXTURE_DATA + 8] = 1;
    over->bytes[8] = 100;
    board.cpu->s.gpr[RSI] = 0xf1000000;
    board.cpu->s.gpr[RDI] = FIXTURE_DATA;
    board.cpu->s.gpr[RCX] = 20;
    assert_int_equal(fixture_run(&board, 200), -1);
    assert_int_equal(board.cpu->s.gpr[RBX], 10 * (1 + 100));
    assert_int_not_equal(cpu_stats(board.cpu)->jit_blocks, 0);
    fixture_close(&board);
    ram_free(over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_can_be_looked_at),
        cmocka_unit_test(a_device_exchanges_memory_between_accesses),
        cmocka_unit_test_setup_teardown(lawless_programs_in_lockstep, lockstep_open_max, lockstep_close_both),
    };

    if (!cpu_jit_available())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
