/* SPDX-License-Identifier: MIT
 * Multiplication, division and the decimal adjusts. Flags the manuals leave undefined (docs/vendors.md): after a multiplication
 * SF and PF tell of the low half, ZF and AF are clear (Golden Cove); a division leaves all (Golden Cove) or sets AF and clears
 * the others (Zen 4, as far as it does not leave them). */
#include "cpu/exec.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

/* Both halves of a product or dividend: rDX:rAX, or AX for bytes. */
static ALWAYS_INLINE void set_halves(struct cpu *cpu, unsigned bytes, uint64_t low, uint64_t high)
{
    if (bytes == 1) {
        reg_set(cpu, REG_AT(RAX), 2, (low & 0xff) | (high & 0xff) << 8);
        return;
    }
    reg_set(cpu, REG_AT(RAX), bytes, low);
    reg_set(cpu, REG_AT(RDX), bytes, high);
}

/* result cannot say both "not zero" and the parity and sign of a zero: those go into carries (cpu/flags.h). */
static ALWAYS_INLINE void set_product_flags(struct flags *f, unsigned bytes, uint64_t low, bool overflow)
{
    f->result = flags_extend(low, bytes);
    f->carries = overflow ? 1u << 31 : 0;
    if (f->result == 0) {
        f->result = 1;
        f->carries |= 0x100;
    }
}

static ALWAYS_INLINE void multiply_halves(struct cpu *cpu, unsigned bytes, uint64_t b)
{
    u128 product = (u128)reg_get(cpu, REG_AT(RAX), bytes) * b;
    uint64_t low = mask_size((uint64_t)product, bytes), high = mask_size((uint64_t)(product >> (8 * bytes)), bytes);

    set_halves(cpu, bytes, low, high);
    set_product_flags(&cpu->flags, bytes, low, high != 0);
}

EXEC(MUL)
{
    uint64_t b;

    if (!operand_load(cpu, i, 0, i->width, &b))
        FAULT();
    multiply_halves(cpu, i->width, b);
    NEXT();
}

static unsigned MUL_r8(struct cpu *cpu, const struct insn *i)
{
    multiply_halves(cpu, 8, reg_get(cpu, i->o[0], 8));
    NEXT_PURE();
}

static unsigned MUL_r4(struct cpu *cpu, const struct insn *i)
{
    multiply_halves(cpu, 4, reg_get(cpu, i->o[0], 4));
    NEXT_PURE();
}

static unsigned MUL_m8(struct cpu *cpu, const struct insn *i)
{
    uint64_t b;

    if (!ea_load(cpu, i, 8, &b))
        FAULT();
    multiply_halves(cpu, 8, b);
    NEXT();
}

EXEC(IMUL1)
{
    unsigned bits = 8u * i->width;
    uint64_t b, low;
    s128 product;

    if (!operand_load(cpu, i, 0, i->width, &b))
        FAULT();
    product = (s128)flags_extend(reg_get(cpu, REG_AT(RAX), i->width), i->width) * flags_extend(b, i->width);
    low = mask_size((uint64_t)product, i->width);
    set_halves(cpu, i->width, low, (uint64_t)(product >> bits));
    set_product_flags(&cpu->flags, i->width, low, product != flags_extend(low, i->width));
    NEXT();
}

/* ---- two and three operands ---- */

static ALWAYS_INLINE uint64_t multiply(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    int64_t product;
    bool overflow = __builtin_mul_overflow(flags_extend(a, bytes), flags_extend(b, bytes), &product);

    set_product_flags(f, bytes, (uint64_t)product, overflow || product != flags_extend((uint64_t)product, bytes));
    return (uint64_t)product;
}

#define MULTIPLY(W)                                                                                         \
    static unsigned IMUL_rr##W(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                                       \
        reg_set(cpu, i->o[0], W, multiply(&cpu->flags, W, reg_get(cpu, i->o[0], W), reg_get(cpu, i->o[1], W))); \
        NEXT_PURE();                                                                                        \
    }                                                                                                       \
    static unsigned IMUL_rri##W(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                                       \
        reg_set(cpu, i->o[0], W, multiply(&cpu->flags, W, reg_get(cpu, i->o[1], W), i->imm));               \
        NEXT_PURE();                                                                                        \
    }                                                                                                       \
    static unsigned IMUL_m##W(struct cpu *cpu, const struct insn *i)                                        \
    {                                                                                                       \
        uint64_t a, b = FORM_KIND(i->form, 2) == KIND_IMM ? i->imm : reg_get(cpu, i->o[0], W);              \
                                                                                                            \
        if (!ea_load(cpu, i, W, &a))                                                                        \
            FAULT();                                                                                        \
        reg_set(cpu, i->o[0], W, multiply(&cpu->flags, W, a, b));                                           \
        NEXT();                                                                                             \
    }
MULTIPLY(2)
MULTIPLY(4)
MULTIPLY(8)

static insn_fn *multiply_variant(const struct insn *i)
{
    static insn_fn *const variants[3][3] = {
        { IMUL_rr2, IMUL_rr4, IMUL_rr8 }, { IMUL_rri2, IMUL_rri4, IMUL_rri8 }, { IMUL_m2, IMUL_m4, IMUL_m8 },
    };
    unsigned form = FORM_KIND(i->form, 1) == KIND_MEM ? 2 : FORM_KIND(i->form, 2) == KIND_IMM ? 1 : 0;

    return variants[form][exec_width_index(i->width) - 1];
}

EXEC(IMUL)
{
    return multiply_variant(i)(cpu, i);
}

/* o0:o1 = rDX * o2; the high half wins when both name one register. */
EXEC(MULX)
{
    uint64_t b;
    u128 product;

    if (!operand_load(cpu, i, 2, i->width, &b))
        FAULT();
    product = (u128)reg_get(cpu, REG_AT(RDX), i->width) * b;
    reg_set(cpu, i->o[1], i->width, (uint64_t)product);
    reg_set(cpu, i->o[0], i->width, (uint64_t)(product >> (8 * i->width)));
    NEXT();
}

/* ---- division ---- */

static u128 dividend(const struct cpu *cpu, unsigned bytes)
{
    if (bytes == 1)
        return reg_get(cpu, REG_AT(RAX), 2);
    return (u128)reg_get(cpu, REG_AT(RDX), bytes) << (8 * bytes) | reg_get(cpu, REG_AT(RAX), bytes);
}

/* Intel leaves them. */
static void set_division_flags(struct cpu *cpu)
{
    if (cpu_vendor(cpu) == VENDOR_AMD)
        flags_put(&cpu->flags, FLAG_AF);
}

EXEC(DIV)
{
    uint64_t d;
    u128 n, q;

    if (!operand_load(cpu, i, 0, i->width, &d))
        FAULT();
    n = dividend(cpu, i->width);
    if (d == 0)
        RAISE(VEC_DE);
    q = n >> 64 == 0 ? (uint64_t)n / d : n / d;
    if (q > bits_mask(8u * i->width))
        RAISE(VEC_DE);
    set_halves(cpu, i->width, (uint64_t)q, (uint64_t)(n - q * d));
    set_division_flags(cpu);
    NEXT();
}

/* |n| / |d| in unsigned arithmetic, so that the most negative numbers need no case of their own. */
static bool divide_signed(u128 n, bool n_negative, int64_t d, unsigned bits, uint64_t *quotient, uint64_t *remainder)
{
    uint64_t divisor = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
    u128 magnitude = n_negative ? 0 - n : n, q;
    bool negative = n_negative != (d < 0);

    if (divisor == 0)
        return false;
    q = magnitude / divisor;
    if (q > bits_mask(bits - 1) + (negative ? 1 : 0))
        return false;
    *remainder = (uint64_t)(magnitude - q * divisor);
    if (n_negative)
        *remainder = 0 - *remainder;
    *quotient = negative ? 0 - (uint64_t)q : (uint64_t)q;
    return true;
}

EXEC(IDIV)
{
    unsigned bits = 8u * i->width;
    uint64_t d, q, r;
    s128 n;

    if (!operand_load(cpu, i, 0, i->width, &d))
        FAULT();
    n = (s128)(dividend(cpu, i->width) << (128 - 2 * bits)) >> (128 - 2 * bits);
    if (!divide_signed((u128)n, n < 0, flags_extend(d, i->width), bits, &q, &r))
        RAISE(VEC_DE);
    set_halves(cpu, i->width, q, r);
    set_division_flags(cpu);
    NEXT();
}

/* ---- decimal ---- */

static unsigned al_of(const struct cpu *cpu)
{
    return (unsigned)reg_get(cpu, REG_AT(RAX), 1);
}

/* SF, ZF and PF of AL; CF and AF as given; OF clear. */
static void set_decimal_flags(struct cpu *cpu, bool cf, bool af)
{
    flags_set_logic(&cpu->flags, 1, al_of(cpu));
    flags_set_cf_of(&cpu->flags, cf, false);
    if (af)
        cpu->flags.carries |= 8;
}

/* SDM 2A "DAA", "DAS": the two differ in the sign of the correction. */
static unsigned decimal_adjust(struct cpu *cpu, const struct insn *i, int sign)
{
    unsigned old = al_of(cpu), al = old;
    bool old_cf = flags_cf(&cpu->flags), af = (old & 15) > 9 || flags_af(&cpu->flags), cf = false;

    if (af) {
        al = old + (unsigned)(6 * sign);
        cf = old_cf || al > 0xff;
    }
    if (old > 0x99 || old_cf) {
        al += (unsigned)(0x60 * sign);
        cf = true;
    }
    reg_set(cpu, REG_AT(RAX), 1, al & 0xff);
    set_decimal_flags(cpu, cf, af);
    NEXT_PURE();
}

EXEC(DAA)
{
    return decimal_adjust(cpu, i, 1);
}

EXEC(DAS)
{
    return decimal_adjust(cpu, i, -1);
}

static unsigned ascii_adjust(struct cpu *cpu, const struct insn *i, unsigned correction)
{
    bool adjust = (al_of(cpu) & 15) > 9 || flags_af(&cpu->flags);

    if (adjust)
        reg_set(cpu, REG_AT(RAX), 2, reg_get(cpu, REG_AT(RAX), 2) + correction);
    reg_set(cpu, REG_AT(RAX), 1, al_of(cpu) & 15);
    set_decimal_flags(cpu, adjust, adjust);
    NEXT_PURE();
}

EXEC(AAA)
{
    return ascii_adjust(cpu, i, 0x106);
}

EXEC(AAS)
{
    return ascii_adjust(cpu, i, 0u - 0x106);
}

EXEC(AAM)
{
    unsigned base = (uint8_t)i->imm, al = al_of(cpu);

    if (base == 0)
        RAISE(VEC_DE);
    reg_set(cpu, REG_AT(RAX), 2, al / base << 8 | al % base);
    set_decimal_flags(cpu, false, false);
    NEXT_PURE();
}

/* All flags are those of the addition (Golden Cove). */
EXEC(AAD)
{
    unsigned al = al_of(cpu), tens = (unsigned)reg_get(cpu, REG_AT(RAX) + 1, 1) * (uint8_t)i->imm & 0xff;

    reg_set(cpu, REG_AT(RAX), 2, (al + tens) & 0xff);
    flags_set_add(&cpu->flags, 1, al, tens, al + tens);
    NEXT_PURE();
}

insn_fn *exec_bind_muldiv(const struct insn *i)
{
    bool reg = FORM_KIND(i->form, 0) == KIND_REG;

    if (i->op == OP_IMUL)
        return multiply_variant(i);
    if (i->op != OP_MUL || i->width < 4)
        return NULL;
    return i->width == 8 ? reg ? MUL_r8 : MUL_m8 : reg ? MUL_r4 : NULL;
}
