/* SPDX-License-Identifier: MIT */
#include "tests/cpu/random_code.h"

#include <string.h>

#define TAIL        6u              /* most bytes of ModRM, SIB and displacement */

uint64_t random_seed = 1;

uint32_t any(uint32_t below)
{
    random_seed = random_seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_seed >> 33) % below);
}

/* ---- programs ---- */

static void put(struct program *p, unsigned byte)
{
    program_put(p, byte);
}

/* SI, DI and 14 point to data and stay; SP is the stack; 15 counts the rounds. */
static unsigned some_register(void)
{
    static const uint8_t numbers[] = { 0, 0, 1, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13 };

    return numbers[any(sizeof numbers)];
}

/* A constant address: on the page of the data, or on one that wants the same slot of the TLB. */
static unsigned constant_place(unsigned rex, unsigned reg, uint8_t *tail, unsigned *len)
{
    const uint32_t at = FIXTURE_DATA + any(0x1000) + (any(2) ? TLB_ENTRIES << PAGE_SHIFT : 0);

    tail[0] = (uint8_t)((reg & 7) << 3 | 4);
    tail[1] = 0x25;
    memcpy(tail + 2, &at, sizeof at);
    *len = TAIL;
    return rex | (reg >> 3) << 2;
}

/* REX and ModRM, in memory or not; `group`: the reg field is no register. Returns REX, the ModRM bytes go to tail. */
static unsigned operands(unsigned rex, bool memory, int group, uint8_t *tail, unsigned *len)
{
    unsigned reg = group >= 0 ? (unsigned)group : some_register();
    unsigned rm = memory ? 6 + any(2) : some_register();

    if (memory && any(6) == 0)
        return constant_place(rex, reg, tail, len);
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

static void emit_in(struct program *p, unsigned map, unsigned opcode, int group, unsigned imm, bool memory)
{
    uint8_t tail[TAIL];
    unsigned len, wide = any(3), rex = wide == 0 ? 8 : 0;
    bool narrow = wide == 1 && any(3) == 0;

    rex = operands(rex, memory, group, tail, &len);
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

static void emit(struct program *p, unsigned map, unsigned opcode, int group, unsigned imm, bool register_only)
{
    emit_in(p, map, opcode, group, imm, !register_only && any(5) < 2);
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
            uint8_t tail[TAIL];
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

/* CMPXCHG16B at r14, aligned or not; now and then RDX:RAX is what is there. */
static void exchange_pair(struct program *p)
{
    const unsigned at = any(8) ? any(4) * 16 : any(64);

    if (any(2))
        put(p, 0x49), put(p, 0x8b), put(p, 0x46), put(p, at);               /* mov rax, [r14 + at] */
    if (any(4))
        put(p, 0x49), put(p, 0x8b), put(p, 0x56), put(p, at + 8);           /* mov rdx, [r14 + at + 8] */
    if (any(2))
        put(p, 0xf0);
    put(p, 0x49), put(p, 0x0f), put(p, 0xc7), put(p, 0x4e), put(p, at);
}

/* What kernels lock, with and without the prefix: exchanges, bits, read-modify-writes. */
static void locked(struct program *p)
{
    static const uint8_t of_two[] = { 0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31 };
    const bool memory = any(8) != 0;

    const unsigned n = memory ? any(8) : 2 + any(4);

    if (memory && n < 7 && any(2))
        put(p, 0xf0);
    switch (n) {
    case 0: emit_in(p, 0, of_two[any(sizeof of_two)], NO_GROUP, 0, memory); break;
    case 1: emit_in(p, 0, 0xfe + any(2), (int)any(2), 0, memory); break;
    case 2: emit_in(p, 0, 0x86 + any(2), NO_GROUP, 0, memory); break;
    case 3: emit_in(p, 1, 0xb0 + any(2), NO_GROUP, 0, memory); break;
    case 4: emit_in(p, 1, 0xc0 + any(2), NO_GROUP, 0, memory); break;
    case 5: emit_in(p, 1, 0xab + 8 * any(3), NO_GROUP, 0, memory); break;
    case 6: emit_in(p, 1, 0xba, 5 + (int)any(3), 1, memory); break;
    default:
        exchange_pair(p);
    }
}

/* BT to BTC whose index reaches far out of the operand: of a register that holds anything, or not much (r13). */
static void bit_string(struct program *p)
{
    static const uint8_t opcodes[] = { 0xa3, 0xab, 0xb3, 0xbb };
    const unsigned rex = any(2) ? 8 : 0, index = any(4) ? 13 : some_register();

    put(p, 0x41), put(p, 0x81), put(p, 0xe5);               /* and r13d, 0-7ffh */
    put(p, any(256)), put(p, any(8)), put(p, 0), put(p, 0);
    if (any(3) == 0)
        put(p, 0x4d), put(p, 0xf7), put(p, 0xdd);           /* neg r13 */
    if (any(6) == 0)
        put(p, 0x66);
    put(p, 0x40 | rex | (index >> 3) << 2);
    put(p, 0x0f), put(p, opcodes[any(4)]);
    put(p, 0x40 | (index & 7) << 3 | (6 + any(2)));
    put(p, any(256));
}

/* BMI1 and BMI2. */
static void bmi(struct program *p)
{
    static const struct { uint8_t map, prefix, opcode, group; } rows[] = {
        { 2, 0, 0xf2, 0 }, { 2, 0, 0xf3, 1 }, { 2, 0, 0xf3, 2 }, { 2, 0, 0xf3, 3 }, { 2, 0, 0xf5, 0 }, { 2, 2, 0xf5, 0 },
        { 2, 3, 0xf5, 0 }, { 2, 3, 0xf6, 0 }, { 2, 0, 0xf7, 0 }, { 2, 1, 0xf7, 0 }, { 2, 2, 0xf7, 0 }, { 2, 3, 0xf7, 0 },
        { 3, 3, 0xf0, 0 },
    };
    const unsigned n = any(COUNT_OF(rows));
    uint8_t tail[TAIL];
    unsigned len, rex = operands(0, any(3) == 0, rows[n].group ? rows[n].group : NO_GROUP, tail, &len);

    put(p, 0xc4);
    put(p, (~rex & 5) << 5 | 0x40 | rows[n].map);
    put(p, any(2) << 7 | (rows[n].map == 3 ? 15 : ~some_register() & 15) << 3 | rows[n].prefix);
    put(p, rows[n].opcode);
    for (unsigned k = 0; k < len; k++)
        put(p, tail[k]);
    if (rows[n].map == 3)
        put(p, any(256));
}

/* AH to DH, which need encodings without REX. */
static void high_byte(struct program *p)
{
    const unsigned reg = any(8), rm = any(8);

    switch (any(4)) {
    case 0: put(p, 0x80), put(p, 0xc0 | reg << 3 | rm), put(p, any(256)); break;
    case 1: put(p, 0xf6), put(p, 0xc0 | rm), put(p, any(256)); break;
    case 2: put(p, 0x84), put(p, 0xc0 | reg << 3 | rm); break;
    default: put(p, any(8) << 3 | any(2) << 1), put(p, 0xc0 | reg << 3 | rm);
    }
}

/* What kernels do at level 0: CLI, CLAC, STAC, SWAPGS, PUSHF and POP, PUSH of memory; string instructions. */
static void of_kernels(struct program *p)
{
    static const uint8_t code[][4] = {
        { 1, 0xfa }, { 1, 0xfb }, { 3, 0x0f, 0x01, 0xca }, { 3, 0x0f, 0x01, 0xcb }, { 3, 0x0f, 0x01, 0xcb }, { 3, 0x0f, 0x01, 0xf8 },
        { 2, 0x9c, 0x58 }, { 3, 0xff, 0x76, 0x10 }, { 3, 0xff, 0x77, 0x68 }, { 1, 0xaa }, { 2, 0x48, 0xab }, { 1, 0xa4 },
    };
    const unsigned n = any(COUNT_OF(code));

    for (unsigned k = 1; k <= code[n][0]; k++)
        put(p, code[n][k]);
}

static void base(struct program *p, unsigned rex, unsigned modrm)
{
    put(p, 0xf3), put(p, rex), put(p, 0x0f), put(p, 0xae), put(p, modrm);
}

/* What kernels keep for their threads: selectors, bases of FS and GS (mostly such as are canonical), PKRU, control registers, DF. */
static void of_threads(struct program *p)
{
    static const uint8_t control[] = { 0, 2, 3, 4 };
    const unsigned reg = any(5) == 0 ? 9 : any(4), wide = any(2);

    switch (any(6)) {
    case 0:
        if (any(2))
            emit(p, 0, 0x8c, (int)any(6), 0, false);        /* mov r/m, sreg */
        else
            put(p, 0x66), put(p, 0x40), put(p, 0x8c), put(p, 0xc0 | any(6) << 3 | (reg & 7));
        break;
    case 1: base(p, 0x40 | wide << 3 | reg >> 3, 0xc0 | any(2) << 3 | (reg & 7)); break;
    case 2: base(p, 0x40 | (any(8) == 0) << 3 | reg >> 3, 0xd0 | any(2) << 3 | (reg & 7)); break;
    case 3:
        if (any(6))
            put(p, 0x31), put(p, 0xc9);                     /* xor ecx, ecx */
        put(p, 0x0f), put(p, 0x01), put(p, 0xee);
        break;
    case 4: put(p, 0x40 | reg >> 3), put(p, 0x0f), put(p, 0x20), put(p, 0xc0 | control[any(4)] << 3 | (reg & 7)); break;
    default: put(p, 0xfd), put(p, 0xfc);
    }
}

/* What ends a block and is followed by another one at once: CPUID, RDTSC and RDTSCP, RDMSR and WRMSR of KERNEL_GS_BASE, and
 * hypercalls, which may change the flags. */
static void asks(struct program *p)
{
    static const uint8_t code[][4] = {
        { 2, 0x0f, 0xa2 }, { 2, 0x0f, 0x31 }, { 3, 0x0f, 0x01, 0xf9 }, { 2, 0x0f, 0x32 }, { 2, 0x0f, 0x30 }, { 3, 0x0f, 0x01, 0xc1 },
        { 3, 0x0f, 0x01, 0xd9 },
    };
    const unsigned n = any(COUNT_OF(code));

    if (any(4)) {
        put(p, 0xb9), put(p, 0x02), put(p, 0x01), put(p, 0x00), put(p, 0xc0);       /* mov ecx, C0000102h */
        put(p, 0x31), put(p, 0xd2);                                                 /* xor edx, edx */
    }
    for (unsigned k = 1; k <= code[n][0]; k++)
        put(p, code[n][k]);
}

/* STOS and MOVS, repeated or not, often close to a page's end or over areas that meet; the pointers come back. */
static void strings(struct program *p)
{
    const bool down = any(8) == 0, both = any(4) == 0;

    put(p, 0x56), put(p, 0x57);                             /* push rsi, rdi */
    if (both)
        put(p, 0x48), put(p, 0x8d), put(p, 0x7e), put(p, any(24));          /* lea rdi, [rsi + n] */
    put(p, 0xb9), put(p, any(any(4) ? 12 : 160)), put(p, any(24) == 0), put(p, 0), put(p, 0);      /* mov ecx, n */
    if (down)
        put(p, 0xfd);
    if (any(4))
        put(p, 0xf2 + any(2));
    if (any(2))
        put(p, any(2) ? 0x48 : 0x66);
    put(p, (any(2) ? 0xaa : 0xa4) + any(2));
    if (down)
        put(p, 0xfc);
    put(p, 0x5f), put(p, 0x5e);
}

static void swapped_move(struct program *p)
{
    uint8_t tail[TAIL];
    unsigned len, rex = operands(any(2) ? 8 : 0, true, NO_GROUP, tail, &len);

    if (any(4) == 0)
        put(p, 0x66);
    put(p, 0x40 | rex);
    put(p, 0x0f), put(p, 0x38), put(p, 0xf0 + any(2));
    put(p, tail[0]), put(p, tail[1]);
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
void random_jump_over(struct program *p)
{
    unsigned at;

    put(p, 0x70 + any(16));
    at = p->len;
    put(p, 0);
    random_insn(p);
    p->bytes[at] = (uint8_t)(p->len - at - 1);
}

void random_insn(struct program *p)
{
    switch (any(20)) {
    case 19: of_threads(p); break;
    case 18: asks(p); break;
    case 16: high_byte(p); break;
    case 17: (any(2) ? of_kernels : strings)(p); break;
    case 12: locked(p); break;
    case 13: (any(3) ? bmi : swapped_move)(p); break;
    case 14: bit_string(p); break;
    case 0: case 1: case 2: case 3: arithmetic(p); break;
    case 4: multiply(p); break;
    case 5: shift(p); break;
    case 6: case 7: case 8: move(p); break;
    case 9: condition(p); break;
    default: odd(p); break;
    }
}

void random_simple(struct program *p)
{
    (any(2) ? arithmetic : move)(p);
}

void random_plain(struct program *p)
{
    switch (any(12)) {
    case 0: shift(p); break;
    case 1: condition(p); break;
    case 2: multiply(p); break;
    case 3: (any(2) ? bmi : high_byte)(p); break;
    case 4: locked(p); break;
    default: random_simple(p);
    }
}

uint64_t random_value(void)
{
    switch (any(6)) {
    case 0:  return any(3) - (uint64_t)1;
    case 1:  return any(64);
    default: return (uint64_t)any(~0u) << 32 ^ any(~0u) << 7 ^ any(200);
    }
}
