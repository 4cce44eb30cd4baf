/* SPDX-License-Identifier: MIT
 * Lockstep: the same random programs in two machines, one interpreted, one translated from the first run on. Turns of random
 * length cut them; after each turn all of the processor's state must be equal, at the end the memory too. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cpu/fixture.h"

#define PROGRAMS    3000u
#define LINES       24u             /* instructions in a program's loop */

static struct fixture plain, fast;
static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

/* ---- programs ---- */

struct program {
    uint8_t bytes[LINES * 16 + 16];
    unsigned len;
};

static void put(struct program *p, unsigned byte)
{
    p->bytes[p->len++] = (uint8_t)byte;
}

/* SI, DI and 14 point to data and stay; SP is the stack; 15 counts the rounds. */
static unsigned some_register(void)
{
    static const uint8_t numbers[] = { 0, 0, 1, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13 };

    return numbers[any(sizeof numbers)];
}

/* REX and ModRM, in memory or not; `group`: the reg field is no register. Returns REX, the ModRM bytes go to tail. */
static unsigned operands(unsigned rex, bool memory, int group, uint8_t *tail, unsigned *len)
{
    unsigned reg = group >= 0 ? (unsigned)group : some_register();
    unsigned rm = memory ? 6 + any(2) : some_register();

    if (memory && any(4) == 0)
        rm = 14;
    rex |= (reg >> 3) << 2 | rm >> 3;
    tail[0] = (uint8_t)((memory ? 0x40 : 0xc0) | (reg & 7) << 3 | (rm & 7));
    tail[1] = (uint8_t)any(256);
    *len = memory ? 2 : 1;
    if (memory && any(64) == 0)
        tail[1] = 0x7e;             /* now and then into the next page, as the data ends there */
    return rex;
}

enum { NO_GROUP = -1 };

static void emit(struct program *p, unsigned map, unsigned opcode, int group, unsigned imm, bool register_only)
{
    uint8_t tail[2];
    unsigned len, wide = any(3), rex = wide == 0 ? 8 : 0;
    bool narrow = wide == 1 && any(3) == 0;

    rex = operands(rex, !register_only && any(5) < 2, group, tail, &len);
    if (narrow)
        put(p, 0x66);
    if (any(24) == 0)
        put(p, 0x64 + any(2));
    if (rex != 0 || any(4) == 0)
        put(p, 0x40 | rex);
    if (map != 0)
        put(p, 0x0f);
    put(p, opcode);
    for (unsigned n = 0; n < len; n++)
        put(p, tail[n]);
    if (imm == 4)
        imm = narrow ? 2 : 4;
    for (unsigned n = 0; n < imm; n++)
        put(p, any(2) ? any(256) : any(2) ? 0 : 0xff);
}

static void arithmetic(struct program *p)
{
    static const uint8_t groups[] = { 0x80, 0x81, 0x83, 0x83 };
    unsigned n;

    switch (any(8)) {
    case 0: case 1: case 2:
        emit(p, 0, any(8) << 3 | any(4), NO_GROUP, 0, false);
        break;
    case 3:
        n = any(4);
        emit(p, 0, groups[n], (int)any(8), groups[n] == 0x81 ? 4 : 1, false);
        break;
    case 4:
        emit(p, 0, 0x84 + any(2), NO_GROUP, 0, false);
        break;
    case 5:
        emit(p, 0, 0xfe + any(2), (int)any(2), 0, false);
        break;
    case 6:
        emit(p, 0, 0xf6 + any(2), 2 + (int)any(6), 0, false);
        break;
    default:
        emit(p, 1, 0xaf, NO_GROUP, 0, false);
    }
}

static void multiply(struct program *p)
{
    if (any(2))
        emit(p, 0, 0x6b, NO_GROUP, 1, false);
    else
        emit(p, 0, 0x69, NO_GROUP, 4, false);
}

static void shift(struct program *p)
{
    static const uint8_t opcodes[] = { 0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3 };
    unsigned n = any(sizeof opcodes);

    emit(p, 0, opcodes[n], (int)any(8), n < 2, false);
}

static void move(struct program *p)
{
    switch (any(8)) {
    case 0: case 1: emit(p, 0, 0x88 + any(4), NO_GROUP, 0, false); break;
    case 2: emit(p, 1, 0xb6 + any(2) + 8 * any(2), NO_GROUP, 0, false); break;
    case 3: emit(p, 0, 0x63, NO_GROUP, 0, false); break;
    case 4: emit(p, 0, 0xc6, 0, 1, false); break;
    case 5: emit(p, 0, 0xc7, 0, 4, false); break;
    case 6: emit(p, 0, 0x86 + any(2), NO_GROUP, 0, false); break;
    default:
        if (any(2)) {           /* lea */
            uint8_t tail[2];
            unsigned len, rex = operands(8, true, NO_GROUP, tail, &len);

            put(p, 0x40 | rex);
            put(p, 0x8d);
            put(p, tail[0]);
            put(p, tail[1]);
        } else {
            put(p, 0x48);
            put(p, 0xc8 - 0x30 + any(2));       /* cdqe, cqo */
        }
    }
}

static void condition(struct program *p)
{
    unsigned n = any(4);

    if (n == 0)
        emit(p, 1, 0x90 + any(16), 0, 0, false);
    else if (n < 3)
        emit(p, 1, 0x40 + any(16), NO_GROUP, 0, false);
    else
        emit(p, 1, 0xa3 + 8 * any(4), NO_GROUP, 0, true);
}

static void odd(struct program *p)
{
    static const uint8_t flags[] = { 0xf5, 0xf8, 0xf9, 0x9e, 0x9f, 0x9c, 0xfc };

    switch (any(9)) {
    case 8: put(p, 0xf3), emit(p, 1, 0xb8, NO_GROUP, 0, false); break;
    case 0: put(p, flags[any(sizeof flags)]); break;
    case 1: emit(p, 1, 0xb0 + any(2), NO_GROUP, 0, false); break;
    case 2: emit(p, 1, 0xc0 + any(2), NO_GROUP, 0, false); break;
    case 3:
        if (any(2))
            put(p, 0xf3);           /* tzcnt, lzcnt */
        emit(p, 1, 0xbc + any(2), NO_GROUP, 0, false);
        break;
    case 4: emit(p, 1, 0xba, 4 + (int)any(4), 1, false); break;
    case 5: emit(p, 1, 0xa4 + 8 * any(2), NO_GROUP, 1, false); break;
    case 6: put(p, 0x50 + any(4)); break;
    default: put(p, 0x58 + any(4)); break;
    }
}

/* Over the next instruction, if the condition says so. */
static void instruction(struct program *p);
static void jump_over(struct program *p)
{
    unsigned at;

    put(p, 0x70 + any(16));
    at = p->len;
    put(p, 0);
    instruction(p);
    p->bytes[at] = (uint8_t)(p->len - at - 1);
}

static void instruction(struct program *p)
{
    switch (any(12)) {
    case 0: case 1: case 2: case 3: arithmetic(p); break;
    case 4: multiply(p); break;
    case 5: shift(p); break;
    case 6: case 7: case 8: move(p); break;
    case 9: condition(p); break;
    default: odd(p); break;
    }
}

static void make(struct program *p)
{
    p->len = 0;
    for (unsigned n = 0; n < LINES && p->len < LINES * 14; n++) {
        if (any(8) == 0 && p->len < LINES * 12)
            jump_over(p);
        else
            instruction(p);
    }
    put(p, 0x49), put(p, 0xff), put(p, 0xcf);               /* dec r15 */
    put(p, 0x0f), put(p, 0x85);                             /* jnz to the start */
    for (unsigned n = 0, back = 0u - (p->len + 4); n < 32; n += 8)
        put(p, back >> n & 0xff);
    put(p, 0xf4);
}

/* ---- running both ---- */

static void prepare(struct fixture *f, const struct program *p, uint64_t start)
{
    uint64_t kept = seed;

    f->cpu->p.activity = CPU_RUNNING;
    fixture_mode(f, FIXTURE_LONG);
    fixture_tables(f);
    fixture_code(f, p->bytes, p->len);
    seed = start;
    for (unsigned n = 0; n < 16; n++)
        f->cpu->s.gpr[n] = any(3) ? (uint64_t)any(~0u) << 32 ^ any(~0u) << 7 ^ any(200) : any(2) ? any(3) - (uint64_t)1 : any(64);
    f->cpu->s.gpr[RSI] = FIXTURE_DATA + 128 + any(64);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0x1000 - any(160);
    f->cpu->s.gpr[R14] = any(16) ? FIXTURE_DATA + 0x800 : FIXTURE_CODE + 200;
    f->cpu->s.gpr[R15] = 1 + any(12);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu_set_rflags(f->cpu, any(4096) & FLAGS_ARITH);
    seed = kept;
}

static void same(const struct program *p, unsigned number)
{
    struct cpu_private a = plain.cpu->p, b = fast.cpu->p;

    a.rflags = cpu_rflags(plain.cpu);
    b.rflags = cpu_rflags(fast.cpu);
    if (memcmp(&a, &b, sizeof a) == 0 && memcmp(&plain.cpu->s, &fast.cpu->s, sizeof plain.cpu->s) == 0)
        return;
    print_message("program %u, rip %llx and %llx, rflags %llx and %llx:", number, (unsigned long long)a.rip,
                  (unsigned long long)b.rip, (unsigned long long)a.rflags, (unsigned long long)b.rflags);
    for (unsigned n = 0; n < 16; n++)
        if (plain.cpu->s.gpr[n] != fast.cpu->s.gpr[n])
            print_message(" gpr%u %llx and %llx", n, (unsigned long long)plain.cpu->s.gpr[n],
                          (unsigned long long)fast.cpu->s.gpr[n]);
    print_message("\n");
    for (unsigned n = 0; n < p->len; n++)
        print_message("%02x", p->bytes[n]);
    print_message("\n");
    fail();
}

static void same_memory(uint64_t at, size_t bytes)
{
    assert_memory_equal(plain.ram->bytes + at, fast.ram->bytes + at, bytes);
}

static void in_lockstep(void **state)
{
    struct program p;
    unsigned programs = getenv("PARTITA_JIT_PROGRAMS") != NULL ? (unsigned)atoi(getenv("PARTITA_JIT_PROGRAMS")) : PROGRAMS;

    (void)state;
    for (unsigned number = 0; number < programs; number++) {
        enum cpu_stop stop = CPU_STOP_BUDGET;

        make(&p);
        prepare(&plain, &p, seed);
        prepare(&fast, &p, seed);
        for (unsigned turns = 0; stop == CPU_STOP_BUDGET && turns < 400; turns++) {
            uint64_t budget = any(4) ? 1 + any(90) : 1 + any(5);

            if (any(40) == 0)
                cpu_drop_caches(fast.cpu);
            stop = cpu_run(plain.cpu, budget);
            assert_int_equal(cpu_run(fast.cpu, budget), stop);
            same(&p, number);
        }
        same_memory(FIXTURE_DATA, 0x2000);
        same_memory(FIXTURE_STACK - 0x1000, 0x2000);
        same_memory(FIXTURE_CODE, 0x1000);
    }
}

static int open_both(void **state)
{
    (void)state;
    fixture_translate(0);
    fixture_open(&plain);
    fixture_translate(1);
    fixture_open(&fast);
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    fixture_close(&plain);
    fixture_close(&fast);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_lockstep, open_both, close_both),
    };

    if (!cpu_jit_available()) {
        print_message("this host has no translator\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
