/* SPDX-License-Identifier: MIT
 * Floating point of SSE, AVX and FMA on NEON, where that cannot differ: MXCSR has its usual settings and the precision flag is
 * set already, operands and results are tame (lift_vec_guard.c). Then both architectures round alike and no flag can change. All
 * else is the interpreter's, to the end of the block.
 *
 * Operands that are in memory are in V0, V1 and V3, the result is in V4, of the upper 128 bits in V5. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

#define MXCSR_LOOKED_AT 0xffe0u     /* all but the other flags */
#define MXCSR_EXPECTED  0x1fa0u     /* all masked, to nearest, denormals as they are; PE */

/* ---- the guest's settings ---- */

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

/* ---- operands and results ---- */

static unsigned halves(const struct lift *l, const struct shape *s) { return s->scalar ? 1 : l->i->width / 16u; }

static unsigned total(const struct lift *l, const struct shape *s) { return s->scalar ? s->size : l->i->width; }

static bool memory(struct lift *l, unsigned slot, unsigned bytes, bool aligned)
{
    return !in_memory(l->i, slot) || vec_memory(l, false, bytes, aligned && !l->i->vl ? bytes : 1);
}

/* Where it is. A scalar that is loaded has zero above. */
static unsigned load(struct lift *l, const struct shape *s, unsigned slot, unsigned half, unsigned scratch)
{
    if (!in_memory(l->i, slot))
        return vec_use(l, l->i->o[slot], half, scratch);
    vec_access(l, s->scalar ? (s->size == 8 ? A64_LDRD : A64_LDRS) : A64_LDRQ, scratch, total(l, s), 16 * half);
    return scratch;
}

/* The same, and it is tame. */
static unsigned operand(struct lift *l, const struct shape *s, unsigned slot, unsigned half, unsigned scratch)
{
    const unsigned v = load(l, s, slot, half, scratch);

    if (in_memory(l->i, slot)) {
        vec_check(l, s, LOOK_OPERAND, v, FIRST, SECOND, THIRD);
    } else if (!vec_tame(l, s, l->i->o[slot], half)) {
        vec_check(l, s, LOOK_OPERAND, v, FIRST, SECOND, THIRD);
        vec_tamed(l, s, l->i->o[slot], half);
    }
    return v;
}

static void put_scalar(struct lift *l, const struct shape *s, unsigned d, unsigned v)
{
    vvv(l, s->size == 8 ? V_INS64 : 0x6e040400, d, v, 0);
}

/* Only the first element changes: those above it stay as they are known to be. */
static void scalar_made(struct lift *l, const struct shape *s, bool tame)
{
    const unsigned n = l->i->o[0];
    const struct shape all = { false, s->size };
    const bool rest = vec_tame(l, &all, n, 0);

    vec_made(l, n, 0, vec_dest(l, n, 0));
    if (tame)
        vec_tamed(l, rest ? &all : s, n, 0);
}

/* VEX takes what lies above a scalar from the first source, legacy encodings leave it. */
static void store_scalar(struct lift *l, const struct shape *s, bool tame)
{
    const struct insn *i = l->i;
    const unsigned to = vec_dest(l, i->o[0], 0);

    if (!i->vl || i->o[1] == i->o[0]) {
        put_scalar(l, s, vec_use(l, i->o[0], 0, FIRST), RESULT);
        scalar_made(l, s, tame);
    } else {
        const unsigned above = vec_use(l, i->o[1], 0, FIRST);

        vvv(l, V_MOV, to, above, above);
        put_scalar(l, s, to, RESULT);
        vec_made(l, i->o[0], 0, to);
        if (tame)
            vec_tamed(l, s, i->o[0], 0);
    }
    vec_zero_above(l, i->o[0], 16);
}

static void store(struct lift *l, const struct shape *s, bool tame)
{
    if (s->scalar) {
        store_scalar(l, s, tame);
        return;
    }
    for (unsigned half = 0; half < halves(l, s); half++) {
        vec_made(l, l->i->o[0], half, half ? UPPER : RESULT);
        if (tame)
            vec_tamed(l, s, l->i->o[0], half);
    }
    vec_zero_above(l, l->i->o[0], l->i->width);
}

/* ---- ADDPS to SQRTSD ---- */

enum arith { ADD, MUL, SUB, MIN, DIV, MAX, SQRT };

static const struct { uint32_t vector, scalar; uint8_t look; } arith_ops[] = {
    [ADD] = { 0x4e20d400, 0x1e202800, LOOK_SUM }, [MUL] = { 0x6e20dc00, 0x1e200800, LOOK_PRODUCT },
    [SUB] = { 0x4ea0d400, 0x1e203800, LOOK_SUM }, [DIV] = { 0x6e20fc00, 0x1e201800, LOOK_QUOTIENT },
    [SQRT] = { 0x6ea1f800, 0x1e21c000, LOOK_OPERAND },
};

/* SDM 2A "MINPS": the second operand where both are zero, too; so it is a comparison and a choice. */
static void choose(struct lift *l, const struct shape *s, enum arith op, unsigned to, unsigned x, unsigned y)
{
    vvv(l, 0x6ea0e400 | vec_format(s->size), to, op == MIN ? y : x, op == MIN ? x : y);       /* FCMGT */
    vvv(l, 0x6e601c00, to, x, y);                                                             /* BSL */
}

static void calculate(struct lift *l, const struct shape *s, enum arith op, unsigned to, unsigned x, unsigned y)
{
    const uint32_t insn = (s->scalar ? arith_ops[op].scalar : arith_ops[op].vector) | vec_format(s->size);

    if (op == MIN || op == MAX) {
        choose(l, s, op, to, x, y);
        return;
    }
    vvv(l, insn, to, op == SQRT ? y : x, op == SQRT ? 0 : y);
    vec_check(l, s, (enum look)arith_ops[op].look, to, x, y, THIRD);
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
    for (unsigned half = 0; half < halves(l, &s); half++) {
        const unsigned x = op == SQRT ? FIRST : operand(l, &s, first, half, FIRST), y = operand(l, &s, second, half, SECOND);

        calculate(l, &s, op, half ? UPPER : RESULT, x, y);
    }
    store(l, &s, true);
    return true;
}

/* ---- sums of neighbours ---- */

static bool horizontal(struct lift *l, bool difference, unsigned size)
{
    const struct insn *i = l->i;
    const struct shape s = { false, (uint8_t)size };
    const unsigned first = i->vl ? 1 : 0;
    const uint32_t lanes = vec_lanes(size);

    fp_ready(l);
    if (!memory(l, first + 1, i->width, true))
        return false;
    for (unsigned half = 0; half < halves(l, &s); half++) {
        const unsigned x = operand(l, &s, first, half, FIRST), y = operand(l, &s, first + 1, half, SECOND), to = half ? UPPER : RESULT;

        vvv(l, 0x4e001800 | lanes, SCRATCH, x, y);          /* UZP1, UZP2 */
        vvv(l, 0x4e005800 | lanes, SECOND, x, y);
        vvv(l, V_MOV, FIRST, SCRATCH, SCRATCH);
        vvv(l, arith_ops[difference ? SUB : ADD].vector | vec_format(size), to, FIRST, SECOND);
        vec_check(l, &s, LOOK_SUM, to, FIRST, SECOND, THIRD);
    }
    store(l, &s, true);
    return true;
}

/* ---- to integers of the same format ---- */

/* SDM 2B "ROUNDPD", figure of the immediate: MXCSR's rounding is to nearest. What becomes of a tame value is tame. */
static bool rounding(struct lift *l)
{
    static const uint32_t ops[4] = { 0x4e218800, 0x4e219800, 0x4ea18800, 0x4ea19800 };      /* FRINTN, FRINTM, FRINTP, FRINTZ */
    const struct insn *i = l->i;
    const bool scalar = i->op == OP_ROUNDSS || i->op == OP_ROUNDSD;
    const struct shape s = { scalar, i->op == OP_ROUNDPD || i->op == OP_ROUNDSD ? 8 : 4 };
    const unsigned slot = scalar && i->vl ? 2 : 1;

    fp_ready(l);
    if (!memory(l, slot, total(l, &s), !scalar))
        return false;
    for (unsigned half = 0; half < halves(l, &s); half++)
        vvv(l, ops[i->imm & 4 ? 0 : i->imm & 3] | vec_format(s.size), half ? UPPER : RESULT, operand(l, &s, slot, half, SECOND), 0);
    store(l, &s, true);
    return true;
}

/* ---- FMA ---- */

/* SDM 2A "VFMADD132PD": which of destination, first and second source are multiplied, by the opcode's digits. */
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
    for (unsigned half = 0; half < halves(l, &s); half++) {
        const unsigned x = operand(l, &s, a, half, FIRST), y = operand(l, &s, b, half, SECOND), z = operand(l, &s, c, half, THIRD);
        const unsigned to = half ? UPPER : RESULT;

        if (kind & 1)
            vvv(l, 0x6ea0f800 | vec_format(s.size), to, z, 0);                              /* FNEG */
        else
            vvv(l, V_MOV, to, z, z);
        vvv(l, (kind & 2 ? 0x4ea0cc00 : 0x4e20cc00) | vec_format(s.size), to, x, y);        /* FMLS, FMLA */
        vec_check(l, &s, LOOK_FUSED, to, x, y, z);
    }
    if (s.scalar) {             /* above it the destination stays */
        put_scalar(l, &s, vec_use(l, i->o[0], 0, FIRST), RESULT);
        scalar_made(l, &s, true);
        vec_zero_above(l, i->o[0], 16);
    } else {
        store(l, &s, true);
    }
    return true;
}

/* ---- comparison ---- */

/* SDM 2A "UCOMISD": equal, less and greater are ZF, CF and neither; NZCV has N besides. */
static bool compare(struct lift *l)
{
    const struct shape s = { true, l->i->op == OP_UCOMISD || l->i->op == OP_COMISD ? 8 : 4 };
    unsigned x, y;

    fp_ready(l);
    if (!memory(l, 1, s.size, false))
        return false;
    x = operand(l, &s, 0, 0, FIRST);
    y = operand(l, &s, 1, 0, SECOND);
    vvv(l, 0x1e202000 | vec_format(s.size), 0, x, y);       /* FCMP */
    l->flags = (struct flag_state){ .host = FLAG_ZF | FLAG_CF, .sum = false };
    if (lift_flags_wanted(l, FLAGS_NZCV)) {
        a64_read_nzcv(&l->a, HOST_NZCV);
        a64_logic_imm(&l->a, A64_AND, 4, HOST_NZCV, HOST_NZCV, NZCV_Z | NZCV_C);
    }
    lift_flags_no_parity(l);
    return true;
}

/* Of numbers the sixteen predicates are eight twice: SDM 2A "CMPPD", table of the immediate. */
static void predicate(struct lift *l, const struct shape *s, unsigned to, unsigned x, unsigned y)
{
    enum { FCMEQ = 0x4e20e400, FCMGE = 0x6e20e400, FCMGT = 0x6ea0e400, NOT = 0x6e205800, ONES = 0x6f07e7e0 };

    switch (l->i->imm & 7) {
    case 0: case 4: vvv(l, FCMEQ | vec_format(s->size), to, x, y); break;
    case 1:         vvv(l, FCMGT | vec_format(s->size), to, y, x); break;
    case 2:         vvv(l, FCMGE | vec_format(s->size), to, y, x); break;
    case 3:         a64_put(&l->a, V_ZERO | to); break;
    case 5:         vvv(l, FCMGE | vec_format(s->size), to, x, y); break;
    case 6:         vvv(l, FCMGT | vec_format(s->size), to, x, y); break;
    default:        a64_put(&l->a, ONES | to); break;
    }
    if ((l->i->imm & 7) == 4)
        vvv(l, NOT, to, to, 0);
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
    for (unsigned half = 0; half < halves(l, &s); half++) {
        const unsigned x = operand(l, &s, first, half, FIRST), y = operand(l, &s, first + 1, half, SECOND);

        predicate(l, &s, half ? UPPER : RESULT, x, y);
    }
    store(l, &s, false);
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
    vvv(l, 0x1e220000 | vec_format(s.size) | (bytes == 8 ? WIDE : 0), RESULT, from, 0);      /* SCVTF */
    store(l, &s, true);
    return true;
}

/* Well below what would not fit. */
static bool to_integer(struct lift *l, bool truncate)
{
    const struct insn *i = l->i;
    const struct shape s = { true, i->op == OP_CVTTSD2SI || i->op == OP_CVTSD2SI ? 8 : 4 };
    const unsigned bytes = i->flags & INSN_REXW ? 8 : 4, bias = s.size == 8 ? 1023 : 127, exponent = s.size == 8 ? 11 : 8;
    unsigned v;

    fp_ready(l);
    if (!memory(l, 1, s.size, false))
        return false;
    v = load(l, &s, 1, 0, SECOND);
    vvv(l, s.size == 8 ? 0x9e660000 : 0x1e260000, T2, v, 0);
    a64_ubfx(&l->a, s.size, T2, T2, 8u * s.size - 1 - exponent, exponent);
    a64_sum_imm(&l->a, A64_SUB, 4, T2, T2, bias + 8 * bytes - 2);
    a64_logic_imm(&l->a, A64_AND, 4, T2, T2, 0x80000000);
    lift_cold(l, a64_cbz(&l->a, 4, false, T2));
    vvv(l, (truncate ? 0x1e380000 : 0x1e200000) | vec_format(s.size) | (bytes == 8 ? WIDE : 0), pinned(guest_number(i->o[0])), v, 0);
    return true;
}

static bool other_format(struct lift *l)
{
    const bool wider = l->i->op == OP_CVTSS2SD;
    const struct shape from = { true, wider ? 4 : 8 }, to = { true, wider ? 8 : 4 };
    const unsigned slot = l->i->vl ? 2 : 1;
    unsigned v;

    fp_ready(l);
    if (!memory(l, slot, from.size, false))
        return false;
    v = operand(l, &from, slot, 0, FIRST);
    vvv(l, wider ? 0x1e22c000 : 0x1e624000, RESULT, v, 0);              /* FCVT */
    if (!wider)
        vec_check(l, &to, LOOK_NARROWED, RESULT, v, SECOND, THIRD);
    store(l, &to, true);
    return true;
}

static bool packed_integers(struct lift *l)
{
    const struct shape s = { false, 4 };

    fp_ready(l);
    if (!memory(l, 1, l->i->width, true))
        return false;
    for (unsigned half = 0; half < halves(l, &s); half++)
        vvv(l, 0x4e21d800, half ? UPPER : RESULT, load(l, &s, 1, half, SECOND), 0);       /* SCVTF */
    store(l, &s, true);
    return true;
}

/* The source's bytes 0 to 7, or 0 to 15. */
static unsigned half_width(struct lift *l, unsigned bytes)
{
    if (!in_memory(l->i, 1))
        return vec_use(l, l->i->o[1], 0, SECOND);
    vec_access(l, bytes == 16 ? A64_LDRQ : A64_LDRD, SECOND, bytes, 0);
    return SECOND;
}

/* Two elements of 4 bytes become 16: the lower two of the source, then the upper. */
static bool to_doubles(struct lift *l)
{
    const struct shape singles = { false, 4 }, doubles = { false, 8 };
    const bool integers = l->i->op == OP_CVTDQ2PD;
    const unsigned bytes = l->i->width / 2;
    unsigned v;

    if (integers)
        vec_ready(l);               /* exact */
    else
        fp_ready(l);
    if (!memory(l, 1, bytes, false))
        return false;
    v = half_width(l, bytes);
    if (!integers && bytes == 8) {
        vvv(l, 0x4e080400, SECOND, v, 0);                               /* DUP: those above are not looked at */
        v = SECOND;
    }
    if (!integers)
        vec_check(l, &singles, LOOK_OPERAND, v, FIRST, SECOND, THIRD);
    for (unsigned n = 0; n < bytes / 8; n++) {
        const unsigned to = n == 0 ? RESULT : UPPER;

        vvv(l, (integers ? 0x0f20a400 : 0x0e617800) | n << 30, to, v, 0);            /* SSHLL, FCVTL */
        if (integers)
            vvv(l, 0x4e61d800, to, to, 0);                                           /* SCVTF */
    }
    store(l, &doubles, true);
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
    case OP_HADDPD: case OP_HSUBPD:       return horizontal(l, i->op == OP_HSUBPD, 8);
    case OP_HADDPS: case OP_HSUBPS:       return horizontal(l, i->op == OP_HSUBPS, 4);
    case OP_ROUNDPS: case OP_ROUNDPD: case OP_ROUNDSS: case OP_ROUNDSD: return rounding(l);
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
