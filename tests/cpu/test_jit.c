/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) of integer code: arithmetic, shifts, moves, conditions, stack and branches at random. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cpu/lockstep.h"

#define PROGRAMS    4000u
#define TAIL        6u              /* most bytes of ModRM, SIB and displacement */
#define LINES       24u             /* instructions in a program's loop */

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
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

static enum intercept host_call(void *self, struct cpu *cpu)
{
    const uint64_t rcx = cpu_reg(cpu, CPU_REG_RCX), rflags = cpu_reg(cpu, CPU_REG_RFLAGS);

    (void)self;
    cpu_set_reg(cpu, CPU_REG_RAX, rflags);
    if (rcx & 3)
        cpu_set_reg(cpu, CPU_REG_RFLAGS, (rflags & ~(uint64_t)FLAGS_ARITH) | (cpu_reg(cpu, CPU_REG_RBX) & FLAGS_ARITH));
    return rcx & 16 ? PASS : DONE;
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
    switch (any(19)) {
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

/* A third is short: one block that jumps to its own beginning, when it is simple. */
static void make(struct program *p)
{
    const unsigned lines = any(3) ? LINES : 1 + any(6);
    const bool simple = lines < LINES && any(4);

    for (unsigned n = 0; n < lines && p->len < LINES * 14; n++) {
        if (simple)
            (any(2) ? arithmetic : move)(p);
        else if (any(8) == 0 && p->len < LINES * 12)
            jump_over(p);
        else
            instruction(p);
    }
    for (unsigned n = any(3); n > 0; n--) {                 /* add rsi, rdi or r14, n: from page to page */
        const unsigned reg = any(3);

        put(p, reg == 2 ? 0x49 : 0x48), put(p, 0x83), put(p, 0xc6 + (reg & 1)), put(p, any(2) ? any(256) : any(9));
    }
    if (any(2)) {
        put(p, 0x49), put(p, 0x83), put(p, 0xef), put(p, 1);            /* sub r15, 1 */
    } else {
        put(p, 0x49), put(p, 0xff), put(p, 0xcf);                       /* dec r15 */
        if (any(2))
            put(p, 0x4d), put(p, 0x85), put(p, 0xff);                   /* test r15, r15 */
    }
    put(p, 0x0f), put(p, 0x85);                             /* jnz to the start */
    for (unsigned n = 0, back = 0u - (p->len + 4); n < 32; n += 8)
        put(p, back >> n & 0xff);
    put(p, 0xf4);
}

/* ---- running both ---- */

static uint64_t some_value(void)
{
    switch (any(6)) {
    case 0:  return any(3) - (uint64_t)1;
    case 1:  return any(64);
    default: return (uint64_t)any(~0u) << 32 ^ any(~0u) << 7 ^ any(200);
    }
}

static void prepare(struct cpu *cpu)
{
    static const struct cpu_host host = { .hypercall = host_call };
    static uint8_t noise[4 * PAGE_SIZE];

    for (unsigned n = 0; noise[0] == 0; n++)
        noise[COUNT_OF(noise) - 1 - n] = (uint8_t)(1 + n * 167 % 251);
    lockstep_data(cpu, noise, sizeof noise);
    cpu_set_host(cpu, &host, NULL);
    for (unsigned n = 0; n < 16; n++)
        cpu->s.gpr[n] = some_value();
    cpu->s.gpr[RSI] = FIXTURE_DATA + 128 + any(64);
    cpu->s.gpr[RDI] = (any(2) ? FIXTURE_DATA : LOCKSTEP_APART) + 0x1000 - any(160);
    cpu->s.gpr[R14] = any(16) == 0 ? FIXTURE_CODE + 200 : FIXTURE_DATA + 0x800 + (any(4) ? 0 : TLB_ENTRIES << PAGE_SHIFT);
    cpu->s.gpr[R15] = 1 + any(12);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu->p.kernel_gs_base = any(2) * 16;
    cpu->p.cr4 = any(3) == 0 ? cpu->p.cr4 | CR4_SMAP : cpu->p.cr4 & ~(uint64_t)CR4_SMAP;
    cpu->p.cpl = any(24) == 0 ? 3 : 0;
    cpu_set_rflags(cpu, (any(4096) & FLAGS_ARITH) | (any(4) ? FLAG_AC : 0) | (any(2) ? FLAG_IF : 0));
    cpu_mode_changed(cpu);
}

static void in_lockstep(void **state)
{
    const struct lockstep l = { .programs = PROGRAMS, .turns = 400, .below = any, .seed = &seed, .make = make, .prepare = prepare };

    (void)state;
    lockstep_run(&l);
}

/* A loop that reads and writes through pages that do not lie side by side in memory, byte by byte: each access that meets the
 * page's end is on both. */
static void make_walk(struct program *p)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x04, 0x0f,                     /* mov rax, [rdi + rcx] */
        0x48, 0x01, 0xc3,                           /* add rbx, rax */
        0x48, 0x31, 0x5c, 0x0e, 0x03,               /* xor [rsi + rcx + 3], rbx */
        0x48, 0x83, 0xc1, 0x01,                     /* add rcx, 1 */
        0x4c, 0x39, 0xf9,                           /* cmp rcx, r15 */
        0x75, 0xeb, 0xf4,
    };

    for (unsigned n = 0; n < sizeof code; n++)
        put(p, code[n]);
}

static void prepare_walk(struct cpu *cpu)
{
    prepare(cpu);
    cpu->p.cpl = 0;
    cpu->s.gpr[RCX] = 0;
    cpu->s.gpr[R15] = 100;
    cpu->s.gpr[RDI] = LOCKSTEP_APART + PAGE_SIZE - 20 - any(40);
    cpu->s.gpr[RSI] = LOCKSTEP_APART + PAGE_SIZE - 20 - any(40);
    cpu_mode_changed(cpu);
}

static void a_loop_walks_from_page_to_page(void **state)
{
    const struct lockstep l = { .programs = 50, .turns = 2000, .below = any, .seed = &seed, .make = make_walk, .prepare = prepare_walk };

    (void)state;
    lockstep_run(&l);
}

static int open_max(void **state)
{
    (void)state;
    lockstep_open("max");
    return 0;
}

static int open_amd(void **state)
{
    (void)state;
    lockstep_open("EPYC-Milan");
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    lockstep_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loop_walks_from_page_to_page, open_max, close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, open_max, close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, open_amd, close_both),
    };

    if (!cpu_jit_available()) {
        print_message("this host has no translator\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
