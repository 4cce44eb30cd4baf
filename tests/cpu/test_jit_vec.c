/* SPDX-License-Identifier: MIT
 * Lockstep for the vector and x87 units: random programs of every legacy, VEX and EVEX row of the decoder's vector tables in two
 * machines (tests/cpu/lockstep.h), with units switched off and exceptions unmasked, and as if this host had no AVX-512. What the interpreter does is compared with a
 * processor elsewhere (test_vec, test_exec_fp). */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/operands.h"
#include "cpu/jit/jit.h"
#include "tests/cpu/lockstep.h"

#define PROGRAMS    1500u
#define LINES       20u             /* instructions in a program's loop */

static uint64_t seed = 1;
/* Rows by kind, and how many of 16 instructions a program takes from each but the first. */
enum kind { VECTOR, X87, EVEX, OPMASK, KINDS };
static struct {
    const struct insn_row *rows[4096];
    unsigned count, share;
} kinds[KINDS];
static bool with_avx512;

static uint64_t any64(void)
{
    uint64_t v = 0;

    for (unsigned n = 0; n < 3; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        v = v << 24 ^ seed >> 33;
    }
    return v;
}

static unsigned any(unsigned below)
{
    return (unsigned)(any64() % below);
}

/* ---- rows ---- */

static bool vector_op(unsigned op)
{
    return (op >= OP_EMMS && op <= OP_FMSUBADDPD) || op == OP_LDMXCSR || op == OP_STMXCSR;
}

static bool x87_op(unsigned op)
{
    return (op >= OP_FADD && op <= OP_FPREM1) || (op >= OP_FWAIT && op <= OP_FNSTSW);
}

static bool has(const struct insn_row *row, unsigned place)
{
    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[row->o[n]].place) == place)
            return true;
    return false;
}

static enum kind kind_of(const struct insn_row *r)
{
    if (has(r, IN_VSIB) || r->op == OP_MASKMOVDQU || r->op == OP_MASKMOVQ || r->needs == F_SSE4A || (r->attrs & I64))
        return KINDS;
    if (r->map >= E0F)
        return EVEX;
    if (r->op >= OP_KMOV && r->op <= OP_KTEST)
        return OPMASK;
    if (r->map == M1)
        return x87_op(r->op) ? X87 : KINDS;
    return vector_op(r->op) ? VECTOR : KINDS;
}

static void find_rows(void)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    for (size_t n = 0; n < count; n++) {
        enum kind k = kind_of(&rows[n]);

        if (k != KINDS && kinds[k].count < COUNT_OF(kinds[k].rows))
            kinds[k].rows[kinds[k].count++] = &rows[n];
    }
    assert_true(kinds[VECTOR].count > 500 && kinds[X87].count > 50 && kinds[EVEX].count > 500 && kinds[OPMASK].count > 50);
}

/* ---- programs ---- */

static void put(struct program *p, unsigned byte)
{
    program_put(p, byte);
}

/* Few registers, so that results meet; RSP, RSI, RDI, R14, R15 are no destination. */
static unsigned number(const struct insn_row *row, unsigned place)
{
    static const uint8_t general[] = { 0, 1, 2, 3, 5, 8, 9, 11, 13 };

    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[row->o[n]].place) == place && operands[row->o[n]].file == GPR)
            return general[any(sizeof general)];
        else if (PLACE(operands[row->o[n]].place) == place && operands[row->o[n]].file == MASK)
            return any(8);
    if (row->map >= E0F && any(2))
        return any(3) ? 16 + any(4) * 3 : any(32);
    return any(3) ? any(4) * 3 : any(16);
}

/* EVEX: masks where the row has them, zeroing but of memory, broadcast or rounding. */
static void evex_prefix(struct program *p, const struct insn_row *row, unsigned reg, unsigned rm, bool memory)
{
    const unsigned w = row->attrs & W0 ? 0 : row->attrs & W1 ? 1 : any(2);
    const unsigned l = row->attrs & L0 ? 0 : row->attrs & L1 ? 1 : row->attrs & L2 ? 2 : any(3);
    const unsigned first = has(row, IN_VVVV) ? number(row, IN_VVVV) : 0;
    const bool may = row->attrs & (MK | MKM | MKR), stores = memory && PLACE(operands[row->o[0]].place) != IN_REG;
    const unsigned mask = may && ((row->attrs & MKR) || any(2)) ? 1 + any(7) : 0;
    const bool zero = mask && (row->attrs & MK) && !stores && any(2);
    const bool b = any(3) == 0 && (row->attrs & (memory ? BC : ER | SAE));

    put(p, 0x62);
    put(p, (~reg >> 3 & 1) << 7 | (memory || !(rm >> 4 & 1)) << 6 | (~rm >> 3 & 1) << 5 | (~reg >> 4 & 1) << 4 |
           (unsigned)(row->map - E0F + 1));
    put(p, w << 7 | (~first & 15) << 3 | 4 | (unsigned)(row->prefix - NP));
    put(p, (unsigned)zero << 7 | (b && !memory ? any(4) : l) << 5 | (unsigned)b << 4 | (~first >> 4 & 1) << 3 | mask);
}

static void prefixes(struct program *p, const struct insn_row *row, unsigned reg, unsigned rm)
{
    static const uint8_t mandatory[] = { [P66] = 0x66, [PF3] = 0xf3, [PF2] = 0xf2 };
    const unsigned w = row->attrs & W0 ? 0 : row->attrs & W1 ? 1 : any(2);
    const unsigned l = row->attrs & (L0 | LIG) ? 0 : row->attrs & L1 ? 1 : any(2);
    unsigned rex = w << 3 | (reg >> 3) << 2 | rm >> 3;

    if (row->map >= V0F) {
        put(p, 0xc4);
        put(p, (~rex & 5) << 5 | 0x40 | (unsigned)(row->map - V0F + 1));
        put(p, w << 7 | (has(row, IN_VVVV) ? ~number(row, IN_VVVV) & 15 : 15) << 3 | l << 2 | (unsigned)(row->prefix - NP));
        return;
    }
    if (row->prefix > NP)
        put(p, mandatory[row->prefix]);
    if (rex || any(4) == 0)
        put(p, 0x40 | rex);
    if (row->map != M1)
        put(p, 0x0f);
    if (row->map == M0F38 || row->map == M0F3A)
        put(p, row->map == M0F38 ? 0x38 : 0x3a);
}

static const struct insn_row *some_row(void)
{
    unsigned n = any(16), k = KINDS - 1;

    while (k > 0 && n >= kinds[k].share)
        n -= kinds[k--].share;
    return kinds[k].rows[any(kinds[k].count)];
}

static void vector(struct program *p)
{
    const struct insn_row *row = some_row();
    const unsigned kind = row->modrm & 0x700;
    const bool group = kind == N(0) || kind == NM(0) || kind == NR(0);
    bool memory = any(2);
    unsigned reg = group ? row->modrm & 7 : number(row, IN_REG), rm = number(row, IN_RM);

    if (kind == MEM || kind == NM(0) || has(row, IN_MEM))
        memory = true;
    if (kind == REG || kind == NR(0) || kind == X(0, 0) || has(row, IN_RMREG) || row->modrm == NONE)
        memory = false;
    if (memory)
        rm = any(8) ? 14 : 6 + any(2);
    if (kind == X(0, 0))
        reg = row->modrm >> 3 & 7, rm = row->modrm & 7;
    if (row->map == M1)
        rm &= 15, reg &= 7;
    if (row->map >= E0F)
        evex_prefix(p, row, reg, rm, memory);
    else
        prefixes(p, row, reg, rm);
    put(p, row->opcode);
    if (row->modrm != NONE)
        put(p, (memory ? row->map >= E0F ? 0x80 : 0x40 : 0xc0) | (reg & 7) << 3 | (rm & 7));
    if (memory)
        put(p, any(16) ? any(8) * 16 : any(256));
    if (memory && row->map >= E0F)                  /* eight bits would count in operands */
        put(p, 0), put(p, 0), put(p, 0);
    if (has(row, IMM_U8) || has(row, IN_IS4))
        put(p, any(4) ? any(256) : any(32));
    if (has(row, IMM_2ND8))
        put(p, any(256));
}

/* Between them: flags that must live, general registers that must not be lost. */
static void general(struct program *p)
{
    static const uint8_t some[][4] = {
        { 0x48, 0x01, 0xc8 }, { 0x48, 0x29, 0xd3 }, { 0x49, 0xff, 0xc0 }, { 0x48, 0x11, 0xd1 }, { 0x0f, 0x92, 0xc0 },
        { 0x0f, 0x4c, 0xcb }, { 0x4c, 0x8b, 0x0e }, { 0x48, 0x89, 0x07 }, { 0x48, 0x39, 0xc1 }, { 0x0f, 0xa2 /* cpuid ends a block */ },
    };
    unsigned n = any(64) ? any(9) : 9;

    for (unsigned k = 0; k < (n == 9 ? 2 : 3); k++)
        put(p, some[n][k]);
}

static void make(struct program *p)
{
    static const uint8_t shares[][KINDS] = { { 0, 1, 0, 0 }, { 0, 15, 0, 0 }, { 0, 0, 10, 3 }, { 0, 1, 6, 2 }, { 0, 0, 8, 8 } };
    const unsigned how = any(with_avx512 ? COUNT_OF(shares) : 2);

    for (unsigned k = 0; k < KINDS; k++)
        kinds[k].share = shares[how][k];
    for (unsigned n = 0; n < LINES; n++)
        (any(5) ? vector : general)(p);
    put(p, 0x49), put(p, 0xff), put(p, 0xcf);               /* dec r15 */
    put(p, 0x0f), put(p, 0x85);                             /* jnz to the start */
    for (unsigned n = 0, back = 0u - (p->len + 4); n < 32; n += 8)
        put(p, back >> n & 0xff);
    put(p, 0xf4);
}

/* ---- data ---- */

static uint64_t element(void)
{
    static const uint64_t specials[] = {
        0, 1, 0x3f800000, 0x3f8000003f800000, 0x7f800000, 0x7f8000017fc00000, 0x00800000007fffff, 0x4f0000005f000000,
        0x3ff0000000000000, 0x000fffffffffffff, 0x7ff0000000000000, 0x7ff0000000000001, 0xfff8000000000000, 0x43e0000000000000,
        0x0010000000000000, 0xbff0000000000001, 0x8000000000000000, 0x7fefffffffffffff, 0x4008000000000000, 0x4040000041200000,
        0x41dfffffffe00000, 0x41e0000000000000, 0x43dfffffffffffff, 0xc1f0000000000000, 0x4effffff4f7fffff, 0x43f00000df000000,
    };

    switch (any(5)) {
    case 0:  return any64();
    case 1:  return 0x3fe0000000000000 + (any64() >> 11);
    case 2:  return (0x3f000000 + (any64() & 0x1ffffff)) << 32 | (0x3f000000 + (any64() & 0x1ffffff));
    case 3:  return specials[any(COUNT_OF(specials))] + any(3) - 1;
    default: return specials[any(COUNT_OF(specials))];
    }
}

static void prepare(struct cpu *cpu)
{
    uint64_t data[128];

    for (unsigned n = 0; n < 16; n++)
        cpu->s.gpr[n] = any(2) ? any64() : any(64);
    for (unsigned n = 0; n < 32 * 8; n++)
        cpu->s.zmm[n] = any(8) ? element() : 0;
    for (unsigned n = 0; n < 8; n++)
        cpu->s.k[n] = any(4) ? any64() : any(3) ? BIT64(any(64)) - 1 : ~0ull;
    for (unsigned n = 0; n < COUNT_OF(data); n++)
        data[n] = element();
    lockstep_data(cpu, data, sizeof data);
    cpu->s.gpr[RSI] = FIXTURE_DATA + 128 + any(64);
    cpu->s.gpr[RDI] = FIXTURE_DATA + 0x1000 - any(160);
    cpu->s.gpr[R14] = any(16) ? FIXTURE_DATA + 0x100 : FIXTURE_CODE + 192;
    cpu->s.gpr[R15] = 1 + any(6);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu->s.mxcsr = 0x1f80 | (any(2) ? any(0x10000) & 0xe07f : 0);
    if (any(16) == 0)
        cpu->s.mxcsr &= ~(0x80u << any(6));
    cpu->s.fcw = (uint16_t)(any(8) ? 0x37f : 0x7f | any(16) << 8);
    if (any(16) == 0)
        cpu->s.fcw &= (uint16_t)~(1u << any(6));
    cpu->s.fsw = (uint16_t)(any(0x80) << 8);
    cpu->s.ftag = (uint8_t)any64();
    cpu->s.fpu_cs = (uint16_t)any(2);
    for (unsigned n = 0; n < 8; n++) {
        cpu->s.fpr_mant[n] = any(8) ? element() | BIT64(63) : element();
        cpu->s.fpr_se[n] = (uint16_t)(any(8) ? 0x3fff + any(80) - 40 + (any(2) << 15) : any64());
    }
    cpu->p.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->s.xcr0 = any(32) ? 0xe7 : 3;
    cpu->p.cr0 = any(32) ? cpu->p.cr0 & ~(uint64_t)(CR0_TS | CR0_EM) : cpu->p.cr0 | CR0_TS;
    cpu_mode_changed(cpu);
    cpu_set_rflags(cpu, any(4096) & FLAGS_ARITH);
}

/* ---- running both ---- */

static void in_lockstep(void **state UNUSED)
{
    const struct lockstep l = { .programs = PROGRAMS, .turns = 100, .below = any, .seed = &seed, .make = make, .prepare = prepare };

    lockstep_run(&l);
}

/* As many instructions as a block takes, all with the most ways out of line, in a loop, which is made twice. */
static void make_crowded(struct program *p)
{
    static const struct { uint8_t len, bytes[5]; } code[] = {
        { 4, { 0x41, 0xdc, 0x46, 0x10 } },              /* fadd qword [r14+16] */
        { 4, { 0x49, 0xf7, 0x7e, 0x10 } },              /* idiv qword [r14+16] */
        { 5, { 0x41, 0x0f, 0x58, 0x46, 0x10 } },        /* addps xmm0, [r14+16] */
    };
    const unsigned kind = any(4);                       /* 3: all of them in turn */

    for (unsigned n = 0; n < 60; n++)
        for (unsigned at = kind < 3 ? kind : n % 3, k = 0; k < code[at].len; k++)
            put(p, code[at].bytes[k]);
    put(p, 0x49), put(p, 0xff), put(p, 0xcf);           /* dec r15 */
    put(p, 0x0f), put(p, 0x85);                         /* jnz to the start */
    for (unsigned n = 0, back = 0u - (p->len + 4); n < 32; n += 8)
        put(p, back >> n & 0xff);
    put(p, 0xf4);
}

static void crowded_blocks(void **state UNUSED)
{
    const struct lockstep l = { .programs = 60, .turns = 100, .below = any, .seed = &seed, .make = make_crowded, .prepare = prepare };

    lockstep_run(&l);
}

/* ---- functions of the x87, mostly with operands and room ---- */

static void two(struct program *p, unsigned first, unsigned second) { put(p, first), put(p, second); }

static void load_operand(struct program *p)
{
    if (any(4)) {
        two(p, 0xdb, 0x6e);                             /* fld tbyte [rsi+d8] */
        put(p, any(8) * 16);
    } else if (any(2)) {
        two(p, 0xdd, 0x46);                             /* fld qword [rsi+d8] */
        put(p, any(16) * 8);
    } else {
        two(p, 0xd9, 0xe8 + any(7));                    /* a constant */
    }
}

static void make_functions(struct program *p)
{
    static const struct { uint8_t code, takes, gives; } functions[] = {
        { 0xf0, 1, 1 }, { 0xf1, 2, 1 }, { 0xf2, 1, 2 }, { 0xf3, 2, 1 }, { 0xf9, 2, 1 }, { 0xfb, 1, 2 }, { 0xfe, 1, 1 }, { 0xff, 1, 1 },
    };
    static const uint8_t others[][2] = {
        { 0xd9, 0xe5 }, { 0xdd, 0xc3 }, { 0xd9, 0xf6 }, { 0xd9, 0xf7 }, { 0xdb, 0xe2 }, { 0xd8, 0xd9 }, { 0xdf, 0xe0 }, { 0xd9, 0xfd },
    };
    unsigned depth = 0;

    for (unsigned n = 0; n < 24; n++) {
        const unsigned k = any(COUNT_OF(functions)), other = any(COUNT_OF(others));
        const bool careless = any(24) == 0;

        while (!careless && depth < functions[k].takes) {
            load_operand(p);
            depth++;
        }
        two(p, 0xd9, functions[k].code);
        depth += functions[k].gives - (careless ? functions[k].gives : functions[k].takes);
        while (!careless && depth > 4) {
            two(p, 0xdb, 0x7f), put(p, any(8) * 16);    /* fstp tbyte [rdi+d8] */
            depth--;
        }
        if (any(6) == 0)
            two(p, others[other][0], others[other][1]);
        if (any(4) == 0)
            general(p);
    }
    put(p, 0xf4);
}

static void prepare_functions(struct cpu *cpu)
{
    uint64_t data[128];

    prepare(cpu);
    for (unsigned n = 0; n < COUNT_OF(data); n += 2) {
        data[n] = any64() >> (any(4) ? 0 : any(64)) | BIT64(63);
        data[n + 1] = (any(4) ? 0x3fff - any(12) : any(4) ? 0x3fff + any(120) - 60 : any(0x8000)) | any(2) << 15;
        if (any(32) == 0)
            data[n] = any(2) ? 0 : any64();
    }
    lockstep_data(cpu, data, sizeof data);
    cpu->s.gpr[RSI] = FIXTURE_DATA + 128;
    cpu->s.fcw = (uint16_t)(any(8) ? 0x37f : 0x7f | any(16) << 8);
    cpu->s.fsw = (uint16_t)(any(8) << 11 | (any(4) ? 0 : any(8) << 8 | any(2) << 14 | any(2) << 6) | (any(2) ? any(64) : 0));
    cpu->s.ftag = (uint8_t)(any(4) ? 0 : any64());
}

static void functions_in_lockstep(void **state UNUSED)
{
    const struct lockstep l = {
        .programs = PROGRAMS, .turns = 100, .below = any, .seed = &seed, .make = make_functions, .prepare = prepare_functions
    };

    lockstep_run(&l);
}

/* ---- numbers that are often equal, as MXCSR mostly is: every predicate, sums and products that are exact ---- */

static void make_comparisons(struct program *p)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf2, 0xf3 }, others[] = { 0x58, 0x59, 0x5c, 0x5d, 0x5f };

    for (unsigned n = 0; n < LINES; n++) {
        const unsigned a = any(8), b = any(8), size = prefix[any(4)];
        const bool compares = any(4) != 0;

        put(p, 0x44), two(p, 0x0f, 0x28), put(p, 0xc0 | a << 3 | a);            /* movaps xmm8 + a, xmm a */
        if (size != 0)
            put(p, size);
        put(p, 0x44), two(p, 0x0f, compares ? 0xc2 : others[any(COUNT_OF(others))]), put(p, 0xc0 | a << 3 | b);
        if (compares)
            put(p, any(8));
    }
    put(p, 0xf4);
}

static void prepare_comparisons(struct cpu *cpu)
{
    static const uint64_t numbers[] = { 0x3ff000003ff00000, 0x4000000040000000, 0xbff00000bff00000, 0 };

    prepare(cpu);
    for (unsigned n = 0; n < 8 * 8; n++)
        cpu->s.zmm[n] = numbers[any(any(4) ? 3 : 4)];
    cpu->s.mxcsr = 0x1fa0;
    cpu->p.cr0 &= ~(uint64_t)(CR0_TS | CR0_EM);
    cpu_mode_changed(cpu);
}

static void comparisons_in_lockstep(void **state UNUSED)
{
    const struct lockstep l = {
        .programs = PROGRAMS, .turns = 100, .below = any, .seed = &seed, .make = make_comparisons, .prepare = prepare_comparisons
    };

    lockstep_run(&l);
}

static int open_both(const char *model, bool avx512)
{
    for (unsigned k = 0; k < KINDS; k++)
        kinds[k].count = 0;
    with_avx512 = avx512;
    find_rows();
    lockstep_open(model);
    return 0;
}

static int open_max(void **state UNUSED) { return open_both("max", true); }
static int open_amd(void **state UNUSED) { return open_both("EPYC-Milan", false); }
static int open_old(void **state UNUSED) { return open_both("core2duo", false); }

static int open_lesser_host(void **state UNUSED)
{
    jit_without_avx512 = true;
    return open_both("max", true);
}

static int close_both(void **state)
{
    (void)state;
    jit_without_avx512 = false;
    lockstep_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_lockstep, open_max, close_both),
        cmocka_unit_test_setup_teardown(crowded_blocks, open_max, close_both),
        cmocka_unit_test_setup_teardown(functions_in_lockstep, open_max, close_both),
        cmocka_unit_test_setup_teardown(comparisons_in_lockstep, open_max, close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, open_lesser_host, close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, open_amd, close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, open_old, close_both),
    };

    if (!cpu_jit_available()) {
        print_message("this host has no translator\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
