/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) of programs under which memory changes while their code runs: a device that any access of any
 * instruction may reach exchanges the page of data and stack, another writes into the code, stores land beside code on its line and
 * in it, and the code lies on two pages. */
#include "tests/check.h"

#include <string.h>

#include "tests/cpu/random_code.h"

#define PROGRAMS    3000u
#define DEVICE      0xf1000000u     /* an access, or every so many, exchanges the page of data */
#define DMA         0xf1001000u     /* a write of place << 8 | byte: that byte of the code becomes this one */
#define PATCHES     8u
#define BODY        64u             /* the loop's place on its page, or, now and then, around the page's end */

static struct board {
    struct fixture *f;
    struct ram *over;
    unsigned accesses, every;
    bool there;
} boards[2];

static unsigned patch_at[PATCHES], npatches, every;

/* ---- programs: RDI and RSP point to the page, RSI to the device, R13 to the other one ---- */

#define PUT PROGRAM_PUT

static void put32(struct program *p, uint32_t v)
{
    PUT(p, v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24 & 0xff);
}

/* Instructions with a memory operand: what stands before ModRM, its reg field (8: any), whether it moves the stack. */
static const struct shape {
    uint8_t len, bytes[5], reg;
    int8_t stack;
} shapes[] = {
    { 2, { 0x48, 0x8b }, 8, 0 }, { 2, { 0x48, 0x8b }, 8, 0 }, { 2, { 0x48, 0x89 }, 8, 0 }, { 2, { 0x48, 0x89 }, 8, 0 },
    { 2, { 0x48, 0x03 }, 8, 0 }, { 2, { 0x48, 0x01 }, 8, 0 }, { 1, { 0x89 }, 8, 0 }, { 1, { 0x8a }, 8, 0 },
    { 1, { 0x88 }, 8, 0 },
    { 2, { 0x0f, 0xb6 }, 8, 0 }, { 2, { 0x48, 0x39 }, 8, 0 }, { 2, { 0x48, 0xff }, 0, 0 },
    { 1, { 0xff }, 6, -8 }, { 1, { 0xff }, 6, -8 }, { 1, { 0x8f }, 0, 8 },                              /* push, pop */
    { 3, { 0x48, 0x0f, 0xc1 }, 8, 0 }, { 3, { 0x48, 0x0f, 0xab }, 8, 0 },                               /* xadd, bts */
    { 1, { 0xdd }, 0, 0 }, { 1, { 0xdd }, 3, 0 }, { 1, { 0xdc }, 0, 0 }, { 1, { 0xd9 }, 3, 0 },         /* fld, fstp, fadd */
    { 2, { 0x0f, 0x10 }, 8, 0 }, { 2, { 0x0f, 0x11 }, 8, 0 }, { 3, { 0x66, 0x0f, 0xd4 }, 8, 0 },        /* movups, paddq */
    { 3, { 0xf2, 0x0f, 0x10 }, 8, 0 }, { 3, { 0xf2, 0x0f, 0x58 }, 8, 0 },                               /* movsd, addsd */
    { 4, { 0xf2, 0x48, 0x0f, 0x2a }, 8, 0 },                                                            /* cvtsi2sd */
    { 5, { 0x62, 0xf1, 0xfe, 0x48, 0x6f }, 8, 0 }, { 5, { 0x62, 0xf1, 0xfe, 0x48, 0x7f }, 8, 0 },       /* vmovdqu64 */
};

/* [rdi + d8], [rsp + d8] or [rsi]; registers are AX, CX, DX, BX, BP. Returns how it moves the stack. */
static int access_memory(struct program *p, unsigned base)
{
    static const uint8_t regs[] = { 0, 1, 2, 3, 5 };
    const struct shape *s = &shapes[any(COUNT_OF(shapes))];
    const unsigned reg = s->reg == 8 ? regs[any(sizeof regs)] : s->reg;
    const bool whole = s->bytes[0] == 0x62;

    program_puts(p, s->bytes, s->len);
    program_put(p, (base == RSI ? 0 : 0x40) | reg << 3 | base);
    if (base == RSP)
        program_put(p, 0x24);
    if (base != RSI)
        program_put(p, whole ? any(2) : any(4) ? any(6) * 8 : any(60));
    return s->stack;
}

static int on_stack(struct program *p)
{
    if (any(2)) {
        program_put(p, 0x50 + any(4));
        return -8;
    }
    program_put(p, 0x58 + any(4));
    return 8;
}

/* add ebx, n, where n may be written. */
static void may_change(struct program *p)
{
    PUT(p, 0x81, 0xc3);
    if (npatches < PATCHES)
        patch_at[npatches++] = p->len;
    put32(p, any(1000));
}

/* By the device, or by a store of the program's own. */
static void change(struct program *p)
{
    const unsigned at = patch_at[any(npatches)] + any(4);

    if (any(2)) {
        program_put(p, 0xb8);                       /* mov eax, n; mov [r13], eax */
        put32(p, at << 8 | any(256));
        PUT(p, 0x41, 0x89, 0x45, 0x00);
    } else {
        PUT(p, 0xc6, 0x04, 0x25);                   /* mov byte [at], n */
        put32(p, FIXTURE_CODE + at);
        program_put(p, any(256));
    }
}

/* The eight bytes before the loop. */
static void beside(struct program *p, unsigned body)
{
    PUT(p, 0x48, any(2) ? 0x01 : 0x03, 0x14 | any(4) << 3, 0x25);     /* add [at], or add from it */
    put32(p, FIXTURE_CODE + body - 8);
}

static int one(struct program *p, unsigned body)
{
    switch (any(12)) {
    case 0: case 1: return access_memory(p, RSI);
    case 2: may_change(p); return 0;
    case 3:
        if (npatches > 0)
            change(p);
        return 0;
    case 4: beside(p, body); return 0;
    case 5: return on_stack(p);
    default: return access_memory(p, any(2) ? RDI : RSP);
    }
}

static void make(struct program *p)
{
    const unsigned body = any(3) ? BODY : PAGE_SIZE - 1 - any(120), count = 2 + any(14);
    int stack = 0;

    npatches = 0;
    every = 1 + any(6);
    program_put(p, 0xe9);
    put32(p, body - 5);
    while (p->len < body)
        program_put(p, 0);
    if (any(2))
        may_change(p);
    for (unsigned n = 0; n < count; n++) {
        if (PAGE_SIZE - 1 - p->len % PAGE_SIZE < 5)
            may_change(p);                          /* on both pages */
        stack += one(p, body);
    }
    if (stack != 0)
        PUT(p, 0x48, 0x83, 0xec, (uint8_t)stack);           /* sub rsp, n */
    PUT(p, 0x49, 0x83, 0xef, 0x01, 0x0f, 0x85);             /* sub r15, 1; jnz body */
    put32(p, body - (p->len + 4));
    program_put(p, 0xf4);
}

/* ---- the devices ---- */

static struct board *board_of(struct device *dev)
{
    const struct fixture *f = ((struct probe *)dev)->fixture;

    return &boards[boards[0].f == f ? 0 : 1];
}

static void set_page(struct board *b, bool there)
{
    if (there && !b->there)
        space_add_ram(b->f->memory, FIXTURE_DATA, b->over, 0, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, LAYER_OVERLAY);
    else if (b->there && !there)
        space_remove(b->f->memory, FIXTURE_DATA, LAYER_OVERLAY);
    b->there = there;
}

/* Not always: what missed the TLB is the interpreter's to the end of its block. */
static void exchange(struct board *b)
{
    if (++b->accesses % b->every == 0)
        set_page(b, !b->there);
}

static uint64_t exchange_read(struct device *dev, uint32_t at, unsigned bytes)
{
    struct board *b = board_of(dev);

    (void)bytes;
    exchange(b);
    return at + 1 + b->there;
}

static void exchange_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)at, (void)bytes, (void)value;
    exchange(board_of(dev));
}

static void dma_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    const uint8_t byte = (uint8_t)value;

    (void)at, (void)bytes;
    fixture_put(board_of(dev)->f, FIXTURE_CODE + (value >> 8 & 0x1fff), &byte, 1);
}

static void attach(struct board *b, struct fixture *f)
{
    static const struct reg exchange[] = { { 0, 8, "exchange", exchange_read, exchange_write, PAGE_SIZE } };
    static const struct reg dma[] = { { 0, 4, "dma", reg_open_bus, dma_write, 0 } };
    struct err e = ram_create(&b->over, "overlay", PAGE_SIZE);

    assert_false(failed(&e));
    b->f = f;
    b->there = false;
    space_add_device(f->memory, DEVICE, f->probe, exchange, 1, LAYER_DEVICE);
    space_add_device(f->memory, DMA, f->probe, dma, 1, LAYER_DEVICE);
}

/* Before each program, first in the one machine, then in the other. */
static void extend(struct fixture *f)
{
    struct board *b = &boards[boards[0].f == NULL || boards[0].f == f ? 0 : 1];

    if (b->f == NULL)
        attach(b, f);
    if (b == &boards[0] && boards[1].f != NULL)
        assert_memory_equal(boards[0].over->bytes, boards[1].over->bytes, PAGE_SIZE);
    set_page(b, false);
    b->accesses = 0;
    b->every = every;
    for (unsigned n = 0; n < PAGE_SIZE; n++)
        b->over->bytes[n] = (uint8_t)(n * 89 % 241);
}

static void prepare(struct cpu *cpu)
{
    uint8_t noise[PAGE_SIZE];

    for (unsigned n = 0; n < sizeof noise; n++)
        noise[n] = (uint8_t)(n * 167 % 251);
    lockstep_data(cpu, noise, sizeof noise);
    for (unsigned n = 0; n < 16; n++)
        cpu->s.gpr[n] = random_value();
    for (unsigned n = 0; n < COUNT_OF(cpu->s.zmm); n++)
        cpu->s.zmm[n] = UINT64_C(0x3ff0000000000000) + any(1u << 30);
    cpu->s.gpr[RDI] = FIXTURE_DATA + (any(8) ? 256 : PAGE_SIZE - 100);
    cpu->s.gpr[RSP] = FIXTURE_DATA + 1024;
    cpu->s.gpr[RSI] = DEVICE;
    cpu->s.gpr[R13] = DMA;
    cpu->s.gpr[R15] = 1 + any(12);
    cpu->s.mxcsr = 0x1fa0;
    cpu->s.fcw = 0x37f;
    cpu->p.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->s.xcr0 = 0xe7;
    cpu_mode_changed(cpu);
}

static void memory_changes_in_lockstep(void **state)
{
    const struct lockstep l = {
        .programs = PROGRAMS, .turns = 400, .below = any, .seed = &random_seed, .make = make, .prepare = prepare,
        .extend = extend,
    };

    (void)state;
    lockstep_run(&l);
}

static int close_boards(void **state)
{
    lockstep_close_both(state);
    for (unsigned n = 0; n < COUNT_OF(boards); n++)
        if (boards[n].f != NULL)
            ram_free(boards[n].over);
    memset(boards, 0, sizeof boards);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_changes_in_lockstep, lockstep_open_max, close_boards),
    };

    return cpu_jit_available() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
