/* SPDX-License-Identifier: MIT
 * Floating point of SSE, AVX and FMA on NEON, where that cannot differ: MXCSR has its usual settings and the precision flag is
 * set already, operands are normal numbers or zeros, results neither overflow nor come near a denormal. Then both
 * architectures round alike and no flag can change. Exponents are looked at with integers; all else is the handlers'.
 *
 * Operands are in V0 and V1 (FMA: V5, too), the result in V4, of the upper 128 bits in V6. V7 collects what is out of bounds. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

enum { FIRST = 0, SECOND = 1, EXPONENT = 2, SCRATCH = 3, RESULT = 4, THIRD = 5, UPPER = 6, BAD = 7, ONE = 16, ZEROS = 17 };

#define MXCSR_LOOKED_AT 0xffe0u     /* all but the other flags */
#define MXCSR_EXPECTED  0x1fa0u     /* all masked, to nearest, denormals as they are; PE */

#define DOUBLE (1u << 22)           /* of NEON's floating-point instructions */

static void put(struct lift *l, uint32_t op, unsigned d, unsigned n, unsigned m)
{
    a64_put(&l->a, op | m << 16 | n << 5 | d);
}

/* ---- how wide ---- */

struct shape {
    bool scalar;
    uint8_t size;       /* of an element: 4 or 8 */
};

static uint32_t lanes(const struct shape *s) { return s->size == 8 ? 3u << 22 : 2u << 22; }         /* of integers */
static uint32_t format(const struct shape *s) { return s->size == 8 ? DOUBLE : 0; }
static unsigned top_bit(const struct shape *s) { return s->size == 8 ? 11 : 8; }                     /* above an exponent */

/* ---- guards ---- */

/* What may have changed MXCSR since it was looked at. */
static bool changes_mxcsr(unsigned op)
{
    return op == OP_LDMXCSR || op == OP_FXRSTOR || op == OP_XRSTOR || op == OP_XRSTORS;
}

static void fp_ready(struct lift *l)
{
    vec_ready(l);
    if (l->fp_ready)
        return;
    a64_mem(&l->a, A64_LDRW, T2, HOST_CPU, CPU_AT(s.mxcsr));
    a64_mov_imm(&l->a, T3, MXCSR_EXPECTED);
    a64_rrr(&l->a, A64_EOR, 4, T2, T2, T3);
    a64_logic_imm(&l->a, A64_AND, 4, T2, T2, MXCSR_LOOKED_AT);
    lift_bail(l, a64_cbz(&l->a, 4, true, T2));
    l->fp_ready = true;
}

static void guard_begin(struct lift *l, const struct shape *s)
{
    a64_put(&l->a, 0x4f000420 | ONE);               /* MOVI V.4S, #1 */
    if (s->size == 8)
        put(l, 0x6f000400, ONE, ONE, 128 - 32);     /* USHR V.2D, #32 */
    a64_put(&l->a, V_ZERO | BAD);
}

enum zeros { REFUSED, PASSED, NOTED };

/* The exponents of v; of a zero 1 where zeros may be. */
static void exponents(struct lift *l, const struct shape *s, unsigned v, enum zeros zeros)
{
    const unsigned bits = 8u * s->size;

    put(l, 0x4f005400, EXPONENT, v, bits + 1);                                      /* SHL #1 */
    if (zeros != REFUSED)
        put(l, 0x4e209800 | lanes(s), SCRATCH, EXPONENT, 0);                        /* CMEQ #0 */
    put(l, 0x6f000400, EXPONENT, EXPONENT, 2 * bits - (bits - top_bit(s)));         /* USHR */
    if (zeros == NOTED)
        put(l, 0x4ea01c00, ZEROS, ZEROS, SCRATCH);                                  /* ORR */
    if (zeros != REFUSED)
        put(l, 0x6e208400 | lanes(s), EXPONENT, EXPONENT, SCRATCH);                     /* SUB */
}

/* Those below `low`, and that of infinities and NaNs, have a bit above the field in what is collected. */
static void bounds(struct lift *l, const struct shape *s, unsigned low)
{
    put(l, 0x4e208400 | lanes(s), SCRATCH, EXPONENT, ONE);                          /* ADD */
    put(l, 0x4ea01c00, BAD, BAD, SCRATCH);
    for (unsigned n = 0; n < low; n++)
        put(l, 0x6e208400 | lanes(s), EXPONENT, EXPONENT, ONE);
    if (low != 0)
        put(l, 0x4ea01c00, BAD, BAD, EXPONENT);
}

static void operand(struct lift *l, const struct shape *s, unsigned v, enum zeros zeros)
{
    exponents(l, s, v, zeros);
    bounds(l, s, 1);
}

/* One that may have been rounded up to the least normal number would be an underflow. Zero comes of a zero only. */
static void result(struct lift *l, const struct shape *s, unsigned v)
{
    exponents(l, s, v, REFUSED);
    put(l, 0x6e208400 | lanes(s), EXPONENT, EXPONENT, ZEROS);
    put(l, 0x6e208400 | lanes(s), EXPONENT, EXPONENT, ZEROS);
    bounds(l, s, 2);
}

/* A sum is exact where it is small; it can only overflow. */
static void sum(struct lift *l, const struct shape *s, unsigned v)
{
    exponents(l, s, v, REFUSED);
    bounds(l, s, 0);
}

/* The handler does it when any, or the only, element is out of bounds. */
static void guard_end(struct lift *l, const struct shape *s)
{
    if (!s->scalar) {
        put(l, 0x6eb0a800, BAD, BAD, 0);            /* UMAXV of words: the upper one of eight bytes is zero, or all is bad */
        put(l, 0x1e260000, T2, BAD, 0);             /* FMOV W, S */
        a64_shift(&l->a, A64_LSR, 4, T2, T2, top_bit(s));
        lift_cold(l, a64_cbz(&l->a, 4, true, T2));
        return;
    }
    put(l, s->size == 8 ? 0x9e660000 : 0x1e260000, T2, BAD, 0);
    a64_shift(&l->a, A64_LSR, s->size, T2, T2, top_bit(s));
    lift_cold(l, a64_cbz(&l->a, s->size, true, T2));
}

/* ---- operands and results ---- */

static uint32_t load_op(unsigned bytes) { return bytes == 16 ? A64_LDRQ : bytes == 8 ? A64_LDRD : A64_LDRS; }

/* What lies above a scalar is loaded as zero. T2: a memory operand's address. */
static void load(struct lift *l, unsigned bytes, unsigned v, unsigned slot, unsigned at)
{
    if (in_memory(l->i, slot))
        a64_mem(&l->a, load_op(bytes), v, T2, (int32_t)at);
    else
        a64_mem(&l->a, load_op(bytes), v, HOST_CPU, vec_at(l->i->o[slot], at));
}

static unsigned piece(const struct shape *s) { return s->scalar ? s->size : 16; }

static unsigned total(const struct lift *l, const struct shape *s) { return s->scalar ? s->size : l->i->width; }

static bool memory(struct lift *l, unsigned slot, unsigned bytes, bool aligned)
{
    return !in_memory(l->i, slot) || vec_memory(l, false, bytes, aligned && !l->i->vl ? bytes : 1);
}

/* VEX takes what lies above a scalar from the first source, legacy encodings leave it. */
static void store(struct lift *l, const struct shape *s)
{
    const struct insn *i = l->i;

    if (s->scalar && !i->vl) {
        a64_mem(&l->a, s->size == 8 ? A64_STRD : A64_STRS, RESULT, HOST_CPU, vec_at(i->o[0], 0));
        return;
    }
    if (s->scalar) {
        a64_mem(&l->a, A64_LDRQ, FIRST, HOST_CPU, vec_at(i->o[1], 0));
        put(l, s->size == 8 ? 0x6e080400 : 0x6e040400, FIRST, RESULT, 0);           /* INS V0.[0], V4.[0] */
    }
    a64_mem(&l->a, A64_STRQ, s->scalar ? FIRST : RESULT, HOST_CPU, vec_at(i->o[0], 0));
    if (total(l, s) == 32)
        a64_mem(&l->a, A64_STRQ, UPPER, HOST_CPU, vec_at(i->o[0], 16));
    vec_zero_above(l, i->o[0], total(l, s) == 32 ? 32 : 16);
}

/* ---- ADDPS to SQRTSD ---- */

enum arith { ADD, MUL, SUB, MIN, DIV, MAX, SQRT };

static const struct { uint32_t vector, scalar; } arith_ops[] = {
    [ADD] = { 0x4e20d400, 0x1e202800 }, [MUL] = { 0x6e20dc00, 0x1e200800 }, [SUB] = { 0x4ea0d400, 0x1e203800 },
    [DIV] = { 0x6e20fc00, 0x1e201800 }, [SQRT] = { 0x6ea1f800, 0x1e21c000 },
};

/* SDM 2A "MINPS": the second operand where both are zero, too; so it is a comparison and a choice. */
static void choose(struct lift *l, const struct shape *s, enum arith op, unsigned to)
{
    put(l, 0x6ea0e400 | format(s), to, op == MIN ? SECOND : FIRST, op == MIN ? FIRST : SECOND);      /* FCMGT */
    put(l, 0x6e601c00, to, FIRST, SECOND);                                                            /* BSL */
}

static void root_guard(struct lift *l, const struct shape *s)
{
    const unsigned bits = 8u * s->size;

    operand(l, s, SECOND, PASSED);
    put(l, 0x6f000400, SCRATCH, SECOND, 2 * bits - (bits - 1));                     /* the sign */
    put(l, 0x4f005400, SCRATCH, SCRATCH, bits + top_bit(s));
    put(l, 0x4ea01c00, BAD, BAD, SCRATCH);
}

static void calculate(struct lift *l, const struct shape *s, enum arith op, unsigned to)
{
    if (op == MIN || op == MAX)
        choose(l, s, op, to);
    else if (op == SQRT)
        put(l, (s->scalar ? arith_ops[op].scalar : arith_ops[op].vector) | format(s), to, SECOND, 0);
    else
        put(l, (s->scalar ? arith_ops[op].scalar : arith_ops[op].vector) | format(s), to, FIRST, SECOND);
}

/* One piece of 16 bytes, or the scalar: guarded, and calculated into `to`. */
static void arith_piece(struct lift *l, const struct shape *s, enum arith op, unsigned to)
{
    const bool product = op == MUL || op == DIV;

    if (op == SQRT) {
        root_guard(l, s);
    } else {
        if (product)
            a64_put(&l->a, V_ZERO | ZEROS);
        operand(l, s, FIRST, product ? NOTED : PASSED);
        operand(l, s, SECOND, op == MUL ? NOTED : op == DIV ? REFUSED : PASSED);
    }
    calculate(l, s, op, to);
    if (product)
        result(l, s, to);
    else if (op == ADD || op == SUB)
        sum(l, s, to);
}

static bool arithmetic(struct lift *l)
{
    const struct insn *i = l->i;
    const enum arith op = (enum arith)((i->op - OP_ADDPS) / 4);
    const struct shape s = { (i->op - OP_ADDPS) & 2, (i->op - OP_ADDPS) & 1 ? 8 : 4 };
    const unsigned first = i->vl ? 1 : 0, second = op == SQRT && !s.scalar ? 1 : first + 1;

    _Static_assert(OP_SQRTSD - OP_ADDPS == 27 && OP_MULPS == OP_ADDPS + 4 && OP_MAXSD == OP_ADDPS + 23, "rows of four");
    fp_ready(l);
    if (!memory(l, second, total(l, &s), !s.scalar))
        return false;
    guard_begin(l, &s);
    for (unsigned at = 0; at < total(l, &s); at += 16) {
        if (op != SQRT)
            load(l, piece(&s), FIRST, first, at);
        load(l, piece(&s), SECOND, second, at);
        arith_piece(l, &s, op, at == 0 ? RESULT : UPPER);
    }
    guard_end(l, &s);
    store(l, &s);
    return true;
}

/* ---- FMA ---- */

/* SDM 2A "VFMADD132PD": which of destination, first and second source are multiplied, by the opcode's digits. The third is
 * in V5 and then has the result. */
static bool fused(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned kind = (i->op - OP_FMADDPS) / 4, order = i->opcode >> 4;      /* 9: 132, A: 213, B: 231 */
    const struct shape s = { (i->op - OP_FMADDPS) & 2, (i->op - OP_FMADDPS) & 1 ? 8 : 4 };
    const unsigned a = order == 9 ? 0 : 1, b = order == 0xa ? 0 : 2, c = 3 - a - b;

    _Static_assert(OP_FMSUBPS == OP_FMADDPS + 4 && OP_FNMADDPS == OP_FMADDPS + 8 && OP_FNMSUBPS == OP_FMADDPS + 12, "rows of four");
    fp_ready(l);
    if (!memory(l, 2, total(l, &s), false))
        return false;
    guard_begin(l, &s);
    for (unsigned at = 0; at < total(l, &s); at += 16) {
        const unsigned to = at == 0 ? RESULT : UPPER;

        load(l, piece(&s), FIRST, a, at);
        load(l, piece(&s), SECOND, b, at);
        load(l, piece(&s), THIRD, c, at);
        operand(l, &s, FIRST, PASSED);
        operand(l, &s, SECOND, PASSED);
        operand(l, &s, THIRD, PASSED);
        a64_put(&l->a, V_ZERO | ZEROS);             /* a result of zero is the handler's */
        if (kind & 1)
            put(l, 0x6ea0f800 | format(&s), to, THIRD, 0);                          /* FNEG */
        else
            put(l, 0x4ea01c00, to, THIRD, THIRD);
        put(l, (kind & 2 ? 0x4ea0cc00 : 0x4e20cc00) | format(&s), to, FIRST, SECOND);      /* FMLS, FMLA */
        result(l, &s, to);
    }
    guard_end(l, &s);
    if (s.scalar) {             /* above it the destination stays */
        a64_mem(&l->a, s.size == 8 ? A64_STRD : A64_STRS, RESULT, HOST_CPU, vec_at(i->o[0], 0));
        vec_zero_above(l, i->o[0], 16);
    } else {
        store(l, &s);
    }
    return true;
}

/* ---- comparison ---- */

/* SDM 2A "UCOMISD": equal, less and greater are ZF, CF and neither; NZCV has N besides. */
static bool compare(struct lift *l)
{
    const struct shape s = { true, l->i->op == OP_UCOMISD || l->i->op == OP_COMISD ? 8 : 4 };

    fp_ready(l);
    if (!memory(l, 1, s.size, false))
        return false;
    guard_begin(l, &s);
    load(l, s.size, FIRST, 0, 0);
    load(l, s.size, SECOND, 1, 0);
    operand(l, &s, FIRST, PASSED);
    operand(l, &s, SECOND, PASSED);
    guard_end(l, &s);
    put(l, 0x1e202000 | format(&s), 0, FIRST, SECOND);      /* FCMP */
    a64_read_nzcv(&l->a, T2);
    a64_logic_imm(&l->a, A64_AND, 4, T2, T2, NZCV_Z | NZCV_C);
    a64_write_nzcv(&l->a, T2);
    lift_flags_made(l, FLAGS_ARITH, false);
    lift_flags_no_parity(l);
    return true;
}

/* Of numbers the sixteen predicates are eight twice: SDM 2A "CMPPD", table of the immediate. */
static void predicate(struct lift *l, const struct shape *s, unsigned to)
{
    enum { FCMEQ = 0x4e20e400, FCMGE = 0x6e20e400, FCMGT = 0x6ea0e400, NOT = 0x6e205800, ONES = 0x6f07e7e0 };

    switch (l->i->imm & 7) {
    case 0: case 4: put(l, FCMEQ | format(s), to, FIRST, SECOND); break;
    case 1:         put(l, FCMGT | format(s), to, SECOND, FIRST); break;
    case 2:         put(l, FCMGE | format(s), to, SECOND, FIRST); break;
    case 3:         a64_put(&l->a, V_ZERO | to); break;
    case 5:         put(l, FCMGE | format(s), to, FIRST, SECOND); break;
    case 6:         put(l, FCMGT | format(s), to, FIRST, SECOND); break;
    default:        a64_put(&l->a, ONES | to); break;
    }
    if ((l->i->imm & 7) == 4)
        put(l, NOT, to, to, 0);
}

static bool compare_lanes(struct lift *l)
{
    const struct insn *i = l->i;
    const struct shape s = { (i->op - OP_CMPPS) & 2, (i->op - OP_CMPPS) & 1 ? 8 : 4 };
    const unsigned first = i->vl ? 1 : 0;

    _Static_assert(OP_CMPPD == OP_CMPPS + 1 && OP_CMPSS == OP_CMPPS + 2 && OP_CMPSD == OP_CMPPS + 3, "a row of four");
    fp_ready(l);
    if (!memory(l, first + 1, total(l, &s), !s.scalar))
        return false;
    guard_begin(l, &s);
    for (unsigned at = 0; at < total(l, &s); at += 16) {
        load(l, piece(&s), FIRST, first, at);
        load(l, piece(&s), SECOND, first + 1, at);
        operand(l, &s, FIRST, PASSED);
        operand(l, &s, SECOND, PASSED);
        predicate(l, &s, at == 0 ? RESULT : UPPER);
    }
    guard_end(l, &s);
    store(l, &s);
    return true;
}

/* ---- conversion ---- */

#define WIDE (1u << 31)             /* of a general register */

static bool from_integer(struct lift *l)
{
    const struct insn *i = l->i;
    const struct shape s = { true, i->op == OP_CVTSI2SD ? 8 : 4 };
    const unsigned bytes = i->flags & INSN_REXW ? 8 : 4;
    unsigned from;

    if (bytes == 4 && s.size == 8)
        vec_ready(l);               /* exact */
    else
        fp_ready(l);
    from = lift_operand(l, i->vl ? 2 : 1, bytes, T3);
    if (from == HOST_NONE)
        return false;
    put(l, 0x1e220000 | format(&s) | (bytes == 8 ? WIDE : 0), RESULT, from, 0);      /* SCVTF */
    store(l, &s);
    return true;
}

/* Well below what would not fit. */
static bool to_integer(struct lift *l, bool truncate)
{
    const struct insn *i = l->i;
    const struct shape s = { true, i->op == OP_CVTTSD2SI || i->op == OP_CVTSD2SI ? 8 : 4 };
    const unsigned bytes = i->flags & INSN_REXW ? 8 : 4, bias = s.size == 8 ? 1023 : 127;

    fp_ready(l);
    if (!memory(l, 1, s.size, false))
        return false;
    load(l, s.size, SECOND, 1, 0);
    put(l, s.size == 8 ? 0x9e660000 : 0x1e260000, T2, SECOND, 0);
    a64_ubfx(&l->a, s.size, T2, T2, 8u * s.size - 1 - top_bit(&s), top_bit(&s));
    a64_sum_imm(&l->a, A64_SUB, 4, T2, T2, bias + 8 * bytes - 2);
    lift_cold(l, a64_tbz(&l->a, false, T2, 31));
    put(l, (truncate ? 0x1e380000 : 0x1e200000) | format(&s) | (bytes == 8 ? WIDE : 0), pinned(guest_number(i->o[0])), SECOND, 0);
    return true;
}

static bool other_format(struct lift *l)
{
    const struct insn *i = l->i;
    const bool wider = i->op == OP_CVTSS2SD;
    const struct shape from = { true, wider ? 4 : 8 }, to = { true, wider ? 8 : 4 };
    const unsigned slot = i->vl ? 2 : 1;

    fp_ready(l);
    if (!memory(l, slot, from.size, false))
        return false;
    guard_begin(l, &from);
    a64_put(&l->a, V_ZERO | ZEROS);
    load(l, from.size, SECOND, slot, 0);
    operand(l, &from, SECOND, NOTED);
    guard_end(l, &from);
    put(l, wider ? 0x1e22c000 : 0x1e624000, RESULT, SECOND, 0);         /* FCVT */
    if (!wider) {
        a64_put(&l->a, V_ZERO | BAD);
        result(l, &to, RESULT);
        guard_end(l, &to);
    }
    store(l, &to);
    return true;
}

static bool packed_integers(struct lift *l)
{
    const struct shape s = { false, 4 };

    fp_ready(l);
    if (!memory(l, 1, l->i->width, true))
        return false;
    for (unsigned at = 0; at < l->i->width; at += 16) {
        load(l, 16, SECOND, 1, at);
        put(l, 0x4e21d800, at == 0 ? RESULT : UPPER, SECOND, 0);        /* SCVTF */
    }
    store(l, &s);
    return true;
}

/* Two elements of 4 bytes become 16: the lower two of the source, then the upper. */
static bool to_doubles(struct lift *l)
{
    const struct shape singles = { false, 4 }, doubles = { false, 8 };
    const bool integers = l->i->op == OP_CVTDQ2PD;
    const unsigned bytes = l->i->width / 2;

    if (integers)
        vec_ready(l);               /* exact */
    else
        fp_ready(l);
    if (!memory(l, 1, bytes, false))
        return false;
    load(l, bytes, SECOND, 1, 0);
    if (!integers) {
        guard_begin(l, &singles);
        operand(l, &singles, SECOND, PASSED);
        guard_end(l, &singles);
    }
    for (unsigned n = 0; n < bytes / 8; n++) {
        const unsigned to = n == 0 ? RESULT : UPPER;

        put(l, (integers ? 0x0f20a400 : 0x0e617800) | n << 30, to, SECOND, 0);       /* SSHLL, FCVTL */
        if (integers)
            put(l, 0x4e61d800, to, to, 0);                                           /* SCVTF */
    }
    store(l, &doubles);
    return true;
}

bool lift_vec_fp(struct lift *l)
{
    const struct insn *i = l->i;

    if (changes_mxcsr(i->op))
        l->fp_ready = false;
    if (i->flags & INSN_EVEX)
        return false;
    if (i->op >= OP_ADDPS && i->op <= OP_SQRTSD)
        return arithmetic(l);
    if (i->op >= OP_FMADDPS && i->op < OP_FMADDSUBPS)
        return fused(l);
    switch (i->op) {
    case OP_UCOMISS: case OP_UCOMISD: case OP_COMISS: case OP_COMISD: return compare(l);
    case OP_CVTSI2SS: case OP_CVTSI2SD:   return from_integer(l);
    case OP_CVTTSS2SI: case OP_CVTTSD2SI: return to_integer(l, true);
    case OP_CVTSS2SI: case OP_CVTSD2SI:   return to_integer(l, false);
    case OP_CVTSS2SD: case OP_CVTSD2SS:   return other_format(l);
    case OP_CMPPS: case OP_CMPPD: case OP_CMPSS: case OP_CMPSD: return compare_lanes(l);
    case OP_CVTDQ2PS:                     return packed_integers(l);
    case OP_CVTPS2PD: case OP_CVTDQ2PD:   return to_doubles(l);
    default:                              return false;
    }
}
