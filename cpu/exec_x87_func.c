/* SPDX-License-Identifier: MIT
 * x87 instructions on ST0 alone or ST0 and ST1: sign, root, rounding, scaling, remainders and the transcendental functions.
 * */
#include "cpu/exec_x87.h"

/* ---- no arithmetic ---- */

static bool set_sign(struct cpu *cpu, const struct insn *i, unsigned keep, unsigned flip)
{
    struct fp80 v;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0)) {
        if (x87_stack_fault(cpu, i, false))
            x87_put(cpu, 0, x87_indefinite);
        return true;
    }
    v = x87_get(cpu, 0);
    v.se = (uint16_t)((v.se & keep) ^ flip);
    x87_put(cpu, 0, v);
    return true;
}

EXEC(FCHS) { X87_RUN(set_sign(cpu, i, 0xffff, 0x8000)); }
EXEC(FABS) { X87_RUN(set_sign(cpu, i, 0x7fff, 0)); }

/* SDM 2A "FXAM", table of classes; C1 is the sign, of an empty register too. */
static bool examine(struct cpu *cpu, const struct insn *i)
{
    static const uint16_t classes[] = {
        [FP_KIND_ZERO] = FSW_C3, [FP_KIND_FINITE] = FSW_C2, [FP_KIND_INF] = FSW_C2 | FSW_C0, [FP_KIND_QNAN] = FSW_C0,
        [FP_KIND_SNAN] = FSW_C0, [FP_KIND_BAD] = 0
    };
    struct fp_num n;
    unsigned cc;

    if (!x87_begin(cpu, i))
        return false;
    n = x87_num(cpu, 0);
    cc = n.denormal ? FSW_C3 | FSW_C2 : classes[n.kind];
    if (x87_empty(cpu, 0))
        cc = FSW_C3 | FSW_C0;
    x87_cc(cpu, FSW_CC, cc | (n.sign ? FSW_C1 : 0));
    return true;
}
EXEC(FXAM) { X87_RUN(examine(cpu, i)); }

/* ---- one operand, one result ---- */

typedef struct fp_num unary_fn(struct fp_env *e, struct fp_num a);

static bool unary(struct cpu *cpu, const struct insn *i, unary_fn *fn, struct fp_env e)
{
    struct fp80 r;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0)) {
        if (x87_stack_fault(cpu, i, false))
            x87_put(cpu, 0, x87_indefinite);
        return true;
    }
    r = fp_to80(&e, fn(&e, x87_num(cpu, 0)));
    if (x87_finish(cpu, i, &e))
        x87_put(cpu, 0, r);
    return true;
}

/* FRNDINT's own rounding decides C1; packing the integral result rounds nothing. */
static bool round_to_int(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);
    struct fp_num n;
    struct fp80 r;
    bool up;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0)) {
        if (x87_stack_fault(cpu, i, false))
            x87_put(cpu, 0, x87_indefinite);
        return true;
    }
    n = fp_rint(&e, x87_num(cpu, 0), true);
    up = e.up;
    r = fp_to80(&e, n);
    e.up = up;
    if (x87_finish(cpu, i, &e))
        x87_put(cpu, 0, r);
    return true;
}

EXEC(FSQRT)   { X87_RUN(unary(cpu, i, fp_sqrt, x87_env(cpu))); }
EXEC(F2XM1)   { X87_RUN(unary(cpu, i, fp_2xm1, x87_env64(cpu))); }
EXEC(FRNDINT) { X87_RUN(round_to_int(cpu, i)); }

/* ---- two operands, the result replaces ST0 (FSCALE) or ST1 with a pop ---- */

typedef struct fp_num binary_fn(struct fp_env *e, struct fp_num st1, struct fp_num st0);

static struct fp_num scale(struct fp_env *e, struct fp_num st1, struct fp_num st0) { return fp_scale(e, st0, st1); }

static bool binary(struct cpu *cpu, const struct insn *i, binary_fn *fn, unsigned dst)
{
    struct fp_env e = x87_env64(cpu);
    struct fp80 r = x87_indefinite;
    bool done;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0) || x87_empty(cpu, 1))
        done = x87_stack_fault(cpu, i, false);
    else {
        r = fp_to80(&e, fn(&e, x87_num(cpu, 1), x87_num(cpu, 0)));
        done = x87_finish(cpu, i, &e);
    }
    if (!done)
        return true;
    x87_put(cpu, dst, r);
    if (dst == 1)
        x87_pop(cpu);
    return true;
}

EXEC(FSCALE)  { X87_RUN(binary(cpu, i, scale, 0)); }
EXEC(FYL2X)   { X87_RUN(binary(cpu, i, fp_yl2x, 1)); }
EXEC(FYL2XP1) { X87_RUN(binary(cpu, i, fp_yl2xp1, 1)); }
EXEC(FPATAN)  { X87_RUN(binary(cpu, i, fp_atan2, 1)); }

/* ---- remainders: C2 incomplete, else the quotient's low bits in C0 C3 C1 ---- */

static bool remainder_of(struct cpu *cpu, const struct insn *i, bool nearest)
{
    struct fp_env e = x87_env64(cpu);
    struct fp_num r;
    struct fp80 v;
    unsigned q;
    bool done;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0) || x87_empty(cpu, 1)) {
        x87_cc(cpu, FSW_C2, 0);
        if (x87_stack_fault(cpu, i, false))
            x87_put(cpu, 0, x87_indefinite);
        return true;
    }
    done = fp_rem(&e, x87_num(cpu, 0), x87_num(cpu, 1), nearest, &r, &q);
    v = fp_to80(&e, r);
    if (!x87_finish(cpu, i, &e)) {
        x87_cc(cpu, FSW_C2, 0);
        return true;
    }
    x87_put(cpu, 0, v);
    if (fp_is_nan(r)) {
        x87_cc(cpu, FSW_C2, 0);
        return true;
    }
    x87_cc(cpu, FSW_CC, (done ? 0 : FSW_C2) | (q & 4 ? FSW_C0 : 0) | (q & 2 ? FSW_C3 : 0) | (q & 1 ? FSW_C1 : 0));
    return true;
}

EXEC(FPREM)  { X87_RUN(remainder_of(cpu, i, false)); }
EXEC(FPREM1) { X87_RUN(remainder_of(cpu, i, true)); }

/* ---- results that push ---- */

/* ST0 empty, or no room for a second result. True: dealt with. */
static bool pair_stack_fault(struct cpu *cpu, const struct insn *i)
{
    bool empty = x87_empty(cpu, 0);

    if (!empty && x87_empty(cpu, 7))
        return false;
    if (x87_stack_fault(cpu, i, !empty)) {
        x87_put(cpu, 0, x87_indefinite);
        x87_push(cpu, x87_indefinite);
    }
    return true;
}

/* ST0 becomes `first`, then `second` is pushed. */
static void put_pair(struct cpu *cpu, const struct insn *i, struct fp_env *e, struct fp_num first, struct fp_num second)
{
    struct fp80 low = fp_to80(e, first), high;
    bool up = e->up;

    high = fp_to80(e, second);
    e->up |= up;
    if (!x87_finish(cpu, i, e))
        return;
    x87_put(cpu, 0, low);
    x87_push(cpu, high);
}

static bool extract(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);
    struct fp_num exponent, significand;

    if (!x87_begin(cpu, i))
        return false;
    if (pair_stack_fault(cpu, i))
        return true;
    fp_extract(&e, x87_num(cpu, 0), &exponent, &significand);
    put_pair(cpu, i, &e, exponent, significand);
    return true;
}
EXEC(FXTRACT) { X87_RUN(extract(cpu, i)); }

/* |ST0| >= 2^63: C2, nothing else changes. */
static bool out_of_range(struct cpu *cpu)
{
    x87_cc(cpu, FSW_C2, FSW_C2);
    return true;
}

/* FSINCOS: sine, then cosine pushed. FPTAN: tangent, then 1 pushed. */
static bool trigonometric(struct cpu *cpu, const struct insn *i, bool tangent)
{
    struct fp_env e = x87_env64(cpu);
    struct fp_num sin, cos;

    if (!x87_begin(cpu, i))
        return false;
    if (pair_stack_fault(cpu, i)) {
        x87_cc(cpu, FSW_C2, 0);
        return true;
    }
    if (tangent) {
        if (!fp_tan(&e, x87_num(cpu, 0), &sin))
            return out_of_range(cpu);
        cos = fp_is_nan(sin) ? sin : fp_from_int(1);
    } else if (!fp_sincos(&e, x87_num(cpu, 0), &sin, &cos))
        return out_of_range(cpu);
    x87_cc(cpu, FSW_C2, 0);
    put_pair(cpu, i, &e, sin, cos);
    return true;
}

/* FSIN and FCOS keep one of the two. */
static bool single_trigonometric(struct cpu *cpu, const struct insn *i, bool cosine)
{
    struct fp_env e = x87_env64(cpu);
    struct fp_num sin, cos;
    struct fp80 r = x87_indefinite;
    bool done;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0))
        done = x87_stack_fault(cpu, i, false);
    else {
        if (!fp_sincos(&e, x87_num(cpu, 0), &sin, &cos))
            return out_of_range(cpu);
        r = fp_to80(&e, cosine ? cos : sin);
        done = x87_finish(cpu, i, &e);
    }
    x87_cc(cpu, FSW_C2, 0);
    if (done)
        x87_put(cpu, 0, r);
    return true;
}

EXEC(FSIN)    { X87_RUN(single_trigonometric(cpu, i, false)); }
EXEC(FCOS)    { X87_RUN(single_trigonometric(cpu, i, true)); }
EXEC(FSINCOS) { X87_RUN(trigonometric(cpu, i, false)); }
EXEC(FPTAN)   { X87_RUN(trigonometric(cpu, i, true)); }
