/* SPDX-License-Identifier: MIT
 * Shifts and rotates, with what Intel's processors do to the flags that are undefined (docs/vendors.md): OF is that of a
 * first step by one, AF is clear. */
#include "cpu/jit/a64/lift.h"

static bool to_the_left(unsigned op)
{
    return op == OP_SHL || op == OP_SHLD || op == OP_ROL;
}

/* One bit of `from` into that of `nzcv`, which is clear, or C, which is set and inverted. T2 is lost. */
static void put_bit(struct lift *l, unsigned from, unsigned bit, uint32_t nzcv)
{
    const unsigned to = (unsigned)__builtin_ctz(nzcv);

    a64_ubfx(&l->a, 8, T2, from, bit, 1);
    a64_rrr_by(&l->a, A64_EOR, 4, HOST_NZCV, HOST_NZCV, T2, A64_LSL, to);
}

/* OF: whether the two top bits of the operand differ; its top bit, after SHRD against the one that comes in; zero. */
static void overflow(struct lift *l, unsigned a)
{
    const unsigned top = 8u * l->i->width - 1;

    switch (l->i->op) {
    case OP_SHL: case OP_SHLD:
        a64_rrr_by(&l->a, A64_EOR, 8, T2, a, a, A64_LSL, 1);
        put_bit(l, T2, top, NZCV_V);
        break;
    case OP_SHRD:
        put_bit(l, pinned(guest_number(l->i->o[1])), 0, NZCV_V);
        put_bit(l, a, top, NZCV_V);
        break;
    case OP_SHR:
        put_bit(l, a, top, NZCV_V);
        break;
    default:
        break;
    }
}

/* Of operand `a` and the result in T4; n: the count, which is not zero, or T5 when that holds it. */
static void shift_flags(struct lift *l, unsigned a, unsigned n)
{
    const unsigned bytes = l->i->width;

    lift_flags_of_result(l, bytes, T4);
    l->flags = (struct flag_state){ .host = FLAG_ZF | FLAG_SF };
    if (!lift_flags_wanted(l, FLAGS_NZCV))
        return;
    a64_read_nzcv(&l->a, HOST_NZCV);
    if (n != 0) {
        put_bit(l, a, to_the_left(l->i->op) ? 8 * bytes - n : n - 1, NZCV_C);
    } else {
        if (to_the_left(l->i->op))
            a64_rrr(&l->a, A64_SUB, 4, T2, A64_ZR, T5);
        else
            a64_sum_imm(&l->a, A64_SUB, 4, T2, T5, 1);
        a64_rrr(&l->a, A64_LSRV, bytes, T2, a, T2);
        put_bit(l, T2, 0, NZCV_C);
    }
    overflow(l, a);
}

static enum a64_shift kind(unsigned op)
{
    return op == OP_SHL ? A64_LSL : op == OP_SHR ? A64_LSR : A64_ASR;
}

/* 8 and 16 bits become 32, by zeros or the sign. */
static unsigned widened(struct lift *l, unsigned a, unsigned to)
{
    const unsigned bytes = l->i->width;

    if (bytes >= 4)
        return a;
    if (l->i->op == OP_SAR)
        a64_sbfx(&l->a, 4, to, a, 0, 8 * bytes);
    else
        a64_ubfx(&l->a, 4, to, a, 0, 8 * bytes);
    return to;
}

static bool shift_constant(struct lift *l, unsigned n)
{
    const struct insn *i = l->i;
    unsigned address, a = lift_rmw(l, &address);
    const unsigned b = pinned(guest_number(i->o[1]));

    if (a == HOST_NONE)
        return false;
    a = widened(l, a, T3);
    lift_flags_save(l, a, HOST_NONE);
    if (i->op == OP_SHLD)
        a64_extract(&l->a, i->width, T4, a, b, 8u * i->width - n);
    else if (i->op == OP_SHRD)
        a64_extract(&l->a, i->width, T4, b, a, n);
    else
        a64_shift(&l->a, kind(i->op), i->width, T4, a, n);
    if (lift_flags_wanted(l, FLAGS_ARITH)) {
        shift_flags(l, a, n);
    } else if (l->owes && l->read[l->k] != 0) {
        lift_flags_of_result(l, i->width, T4);
        l->flags = (struct flag_state){ .host = FLAG_ZF | FLAG_SF };
    }
    lift_rmw_end(l, address, T4);
    return true;
}

/* Once more: the operand is in HOST_RESULT. */
void lift_shift_flags(struct lift *l)
{
    const unsigned n = (unsigned)l->i->imm & (l->i->width == 8 ? 63 : 31);

    a64_mov(&l->a, 8, T5, HOST_RESULT);
    a64_shift(&l->a, kind(l->i->op), l->i->width, T4, T5, n);
    shift_flags(l, T5, n);
}

/* By CL: a count of zero leaves the flags. */
static bool shift_by_cl(struct lift *l)
{
    static const uint32_t op[] = { A64_LSLV, A64_LSRV, A64_ASRV };
    const unsigned bytes = l->i->width;
    unsigned address, a = lift_rmw(l, &address);
    uint32_t *none;

    if (a == HOST_NONE)
        return false;
    a64_rrr(&l->a, op[kind(l->i->op)], bytes, T4, a, pinned(RCX));
    if (lift_flags_wanted(l, FLAGS_ARITH)) {
        a64_logic_imm(&l->a, A64_AND, 4, T5, pinned(RCX), bytes == 8 ? 63 : 31);
        none = a64_cbz(&l->a, 4, false, T5);
        shift_flags(l, a, 0);
        a64_aim(&l->a, none, l->a.at);
        l->flags.host = 0;
    }
    lift_rmw_end(l, address, T4);
    return true;
}

/* Rotates change CF, and OF when the count is one. */
static bool rotate_constant(struct lift *l, unsigned n)
{
    const struct insn *i = l->i;
    const unsigned bits = 8u * i->width;
    unsigned a = lift_read(l, i->o[0], i->width, T3);

    if (bits < 32) {            /* copies up to 32 bits */
        a = widened(l, a, T3);
        for (unsigned by = bits; by < 32; by *= 2)
            a64_rrr_by(&l->a, A64_ORR, 4, T3, T3, T3, A64_LSL, by);
    }
    a64_shift(&l->a, A64_ROR, i->width, T4, a, i->op == OP_ROL ? bits - n : n);
    if (lift_flags_wanted(l, FLAG_CF | FLAG_OF)) {
        a64_ubfx(&l->a, 8, T2, T4, i->op == OP_ROL ? 0 : bits - 1, 1);
        lift_flags_put_carry(l, T2);
        if (n == 1) {           /* the two top bits: of the operand, of the result */
            a64_logic_imm(&l->a, A64_AND, 4, HOST_NZCV, HOST_NZCV, ~NZCV_V);
            a = i->op == OP_ROL ? a : T4;
            a64_rrr_by(&l->a, A64_EOR, 8, T2, a, a, A64_LSL, 1);
            put_bit(l, T2, bits - 1, NZCV_V);
        }
    }
    lift_write(l, i->o[0], i->width, T4);
    return true;
}

static bool shift(struct lift *l)
{
    const struct insn *i = l->i;
    const bool rotates = i->op == OP_ROL || i->op == OP_ROR, doubled = i->op == OP_SHLD || i->op == OP_SHRD;
    const unsigned n = (unsigned)i->imm & (i->width == 8 ? 63 : 31);

    if (cpu_vendor(l->jit->cpu) != VENDOR_INTEL || (doubled && i->width < 4))
        return false;
    if (!immediate(i, doubled ? 2 : 1))
        return !rotates && !doubled && i->width >= 4 && shift_by_cl(l);
    if (n == 0 || n >= 8u * i->width)
        return false;
    if (rotates)
        return !in_memory(i, 0) && rotate_constant(l, n);
    return shift_constant(l, n);
}

/* ---- BMI2: no flags ---- */

static bool shift_plain(struct lift *l)
{
    static const uint32_t op[] = {
        [OP_RORX - OP_RORX] = A64_RORV, [OP_SARX - OP_RORX] = A64_ASRV,
        [OP_SHLX - OP_RORX] = A64_LSLV, [OP_SHRX - OP_RORX] = A64_LSRV,
    };
    const struct insn *i = l->i;
    const unsigned to = pinned(guest_number(i->o[0])), a = lift_operand(l, 1, i->width, T3);

    if (a == HOST_NONE)
        return false;
    if (i->op == OP_RORX)
        a64_shift(&l->a, A64_ROR, i->width, to, a, (unsigned)i->imm & (8u * i->width - 1));
    else
        a64_rrr(&l->a, op[i->op - OP_RORX], i->width, to, a, pinned(guest_number(i->o[2])));
    return true;
}

bool lift_shift(struct lift *l)
{
    switch (l->i->op) {
    case OP_SHL: case OP_SHR: case OP_SAR: case OP_ROL: case OP_ROR: case OP_SHLD: case OP_SHRD:
        return shift(l);
    case OP_RORX: case OP_SARX: case OP_SHLX: case OP_SHRX:
        return shift_plain(l);
    default:
        return false;
    }
}
