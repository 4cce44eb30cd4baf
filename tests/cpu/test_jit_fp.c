/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) for floating point as guests mostly use it: MXCSR as usual with the precision flag set, operands that
 * are ordinary, or just where results begin to overflow, to be denormal or to be rounded up to the least normal number, and now and
 * then a zero, an infinity, a denormal or a NaN. So translations that only guard against these meet them one at a time. */
#include "tests/check.h"

#include "cpu/jit/jit.h"
#include "tests/cpu/lockstep.h"

#define PROGRAMS 1500u

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static uint64_t any64(void)
{
    const uint64_t high = any(1u << 31), low = any(1u << 31);

    return high << 33 ^ low << 13 ^ any(1u << 13);
}

static void two(struct program *p, unsigned a, unsigned b)
{
    program_put(p, a);
    program_put(p, b);
}

/* Few, so that they meet often. */
static unsigned a_register(void)
{
    return any(2) ? any(16) : 8 * any(2) + any(2);
}

/* ---- instructions; their last operand is a register or [rsi + 16n] ---- */

static void last_operand(struct program *p, unsigned reg, unsigned rm, bool memory)
{
    if (memory)
        two(p, 0x46 | (reg & 7) << 3, 16 * any(4));
    else
        program_put(p, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void legacy(struct program *p, unsigned prefix, unsigned opcode)
{
    static const uint8_t bytes[] = { 0, 0x66, 0xf3, 0xf2 };
    const unsigned reg = a_register(), rm = a_register();
    const bool memory = any(4) == 0;

    if (prefix != 0)
        program_put(p, bytes[prefix]);
    program_put(p, 0x40 | reg >> 3 << 2 | (memory ? 0 : rm >> 3));
    two(p, 0x0f, opcode);
    last_operand(p, reg, rm, memory);
}

static void vex(struct program *p, unsigned map, unsigned prefix, unsigned opcode, bool w, bool has_first)
{
    const unsigned reg = a_register(), first = has_first ? a_register() : 0, rm = a_register();
    const bool memory = any(4) == 0;

    two(p, 0xc4, (~reg >> 3 & 1) << 7 | 0x40 | (memory ? 1 : ~rm >> 3 & 1) << 5 | map);
    two(p, w << 7 | (~first & 15) << 3 | any(2) << 2 | prefix, opcode);
    last_operand(p, reg, rm, memory);
}

/* ROUNDPS to ROUNDSD. */
static void rounding(struct program *p, unsigned opcode)
{
    vex(p, 3, 1, opcode, false, opcode >= 10);
    program_put(p, any(16));
}

static void instruction(struct program *p)
{
    static const uint8_t arithmetic[] = { 0x51, 0x58, 0x58, 0x59, 0x59, 0x5c, 0x5d, 0x5e, 0x5f };
    static const uint8_t fused[] = { 8, 9, 10, 11, 12, 13, 14, 15 };
    const unsigned opcode = arithmetic[any(COUNT_OF(arithmetic))], prefix = any(4);

    switch (any(14)) {
    case 0: case 1: case 2: case 3:
        legacy(p, prefix, opcode);
        break;
    case 4: case 5: case 6:
        vex(p, 1, prefix, opcode, false, opcode != 0x51 || prefix >= 2);
        break;
    case 7:
        vex(p, 2, 1, (9 + any(3)) << 4 | fused[any(COUNT_OF(fused))], any(2), true);
        break;
    case 8:
        legacy(p, any(2) ? prefix : 2 + any(2), 0x5a);
        break;
    case 9:
        legacy(p, prefix, 0xc2);
        program_put(p, any(8));
        break;
    case 10:
        legacy(p, any(2), 0x2e + any(2));
        two(p, 0x70 | any(16), 0);              /* a jump to what follows, as conditions have it */
        break;
    case 11:
        vex(p, 1, any(2) ? 1 : 3, 0x7c + any(2), false, true);          /* HADDPD to HSUBPS */
        break;
    case 12:
        rounding(p, 8 + any(4));
        break;
    default:
        legacy(p, any(2), 0x28);                /* a move: what is known of a register is known of another */
        break;
    }
}

static void make(struct program *p)
{
    const unsigned begin = p->len, lines = 1 + any(any(2) ? 3 : 11);

    for (unsigned n = 0; n < lines; n++)
        instruction(p);
    program_put(p, 0x49), two(p, 0xff, 0xcf);               /* dec r15 */
    two(p, 0x0f, 0x85);                                     /* jnz to the start */
    for (unsigned n = 0, back = begin - (p->len + 4); n < 32; n += 8)
        program_put(p, back >> n & 0xff);
    program_put(p, 0xf4);
}

/* ---- numbers ---- */

struct format { unsigned fraction, most; };     /* bits, the exponent of infinities */

/* `around`: the exponent that most have. */
static uint64_t number(const struct format *f, unsigned around, unsigned odd)
{
    uint64_t fraction = any(2) ? any64() : any(2) ? 0 : ~0ull - any(2);
    unsigned exponent = around + any(2);

    if (any(odd) == 0) {
        exponent = any(4) ? (any(2) ? 0 : f->most) : any(f->most + 1);
        fraction = any(4) ? 0 : fraction;
    }
    exponent = exponent > f->most ? 1 : exponent;
    return (uint64_t)any(2) << 63 >> (52 - f->fraction ? 32 : 0) | (uint64_t)exponent << f->fraction | (fraction & (BIT64(f->fraction) - 1));
}

static uint64_t element(bool singles, unsigned around, unsigned odd)
{
    static const struct format single = { 23, 255 }, full = { 52, 2047 };

    if (!singles)
        return number(&full, around, odd);
    return number(&single, around >> 3, odd) << 32 | number(&single, around >> 3, odd);
}

/* Where products and quotients of two such leave the normal numbers, or all is well. */
static unsigned any_exponent(void)
{
    static const uint16_t where[] = { 1023, 1000, 511, 511, 511, 1534, 1535, 2, 40, 2045 };

    return where[any(COUNT_OF(where))];
}

static void prepare(struct cpu *cpu)
{
    const unsigned around = any_exponent(), odd = any(3) ? 40 : any(2) ? 8 : 1000;
    const bool singles = any(2);
    uint64_t data[8];

    for (unsigned n = 0; n < 32 * 8; n++)
        cpu->s.zmm[n] = element(any(16) ? singles : !singles, any(4) ? around : 1023, odd);
    for (unsigned n = 0; n < COUNT_OF(data); n++)
        data[n] = element(singles, any(4) ? around : 1023, odd);
    lockstep_data(cpu, data, sizeof data);
    cpu->s.gpr[RSI] = FIXTURE_DATA;
    cpu->s.gpr[R15] = 1 + any(4);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu->s.mxcsr = 0x1fa0;
    cpu->p.cr0 &= ~(uint64_t)(CR0_TS | CR0_EM);
    cpu->p.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->s.xcr0 = 7;
    cpu_mode_changed(cpu);
    cpu_set_rflags(cpu, any(4096) & FLAGS_ARITH);
}

static void in_lockstep(void **unused)
{
    const struct lockstep l = {
        .programs = PROGRAMS, .turns = 40, .below = any, .seed = &seed, .make = make, .prepare = prepare
    };

    (void)unused;
    lockstep_run(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_lockstep, lockstep_open_max, lockstep_close_both),
    };

    if (!cpu_jit_available()) {
        print_message("this host has no translator\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
