/* SPDX-License-Identifier: MIT
 * Shifts, rotates and double shifts. What the manuals leave undefined: AF is clear after a shift; OF for counts above one
 * follows the same formula as for one (both makers do so); a 16-bit double shift by more than 16 takes the bits beyond from
 * the second operand again, CF and OF clear (Zen 4). */
#include "cpu/exec.h"

static ALWAYS_INLINE unsigned count_of(uint64_t count, unsigned bytes)
{
    return (unsigned)count & (bytes == 8 ? 63 : 31);
}

static ALWAYS_INLINE void set_shifted(struct flags *f, unsigned bytes, uint64_t result, bool cf, bool of)
{
    f->result = flags_extend(result, bytes);
    f->carries = (uint32_t)cf << 31 | (uint32_t)(cf ^ of) << 30;
}

static ALWAYS_INLINE bool top_bit(uint64_t v, unsigned bytes)
{
    return (v >> (8 * bytes - 1)) & 1;
}

/* A count beyond the width (8 and 16 bits) shifts everything out; CF is then the last bit that came by. */
static ALWAYS_INLINE uint64_t do_SHL(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    uint64_t r;
    bool cf;

    if (n == 0)
        return a;
    r = mask_size(a << n, bytes);
    cf = n <= 8 * bytes && ((a >> (8 * bytes - n)) & 1);
    set_shifted(f, bytes, r, cf, top_bit(r, bytes) ^ cf);
    return r;
}

static ALWAYS_INLINE uint64_t do_SHR(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    uint64_t r;

    if (n == 0)
        return a;
    r = a >> n;
    set_shifted(f, bytes, r, (a >> (n - 1)) & 1, top_bit(r << 1 ^ r, bytes));
    return r;
}

static ALWAYS_INLINE uint64_t do_SAR(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    int64_t wide = flags_extend(a, bytes);
    uint64_t r;

    if (n == 0)
        return a;
    r = mask_size((uint64_t)(wide >> n), bytes);
    set_shifted(f, bytes, r, (wide >> (n - 1)) & 1, false);
    return r;
}

static ALWAYS_INLINE uint64_t do_ROL(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes, by = n & (bits - 1);
    uint64_t r = by == 0 ? a : mask_size(a << by | a >> (bits - by), bytes);

    if (n != 0)
        flags_set_cf_of(f, r & 1, top_bit(r, bytes) ^ (r & 1));
    return r;
}

static ALWAYS_INLINE uint64_t do_ROR(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes, by = n & (bits - 1);
    uint64_t r = by == 0 ? a : mask_size(a >> by | a << (bits - by), bytes);

    if (n != 0)
        flags_set_cf_of(f, top_bit(r, bytes), top_bit(r << 1 ^ r, bytes));
    return r;
}

/* Rotates through carry turn 9, 17, 33 or 65 bits. A full turn changes nothing but sets OF. */
static ALWAYS_INLINE uint64_t do_RCL(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes;
    uint64_t r, cf = flags_cf(f);
    bool out;

    if (n == 0)
        return a;
    n %= bits + 1;
    if (n == 0) {
        flags_set_cf_of(f, cf, top_bit(a, bytes) ^ cf);
        return a;
    }
    r = (n == bits ? 0 : a << n) | cf << (n - 1) | (n == 1 ? 0 : a >> (bits + 1 - n));
    r = mask_size(r, bytes);
    out = (a >> (bits - n)) & 1;
    flags_set_cf_of(f, out, top_bit(r, bytes) ^ out);
    return r;
}

static ALWAYS_INLINE uint64_t do_RCR(struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes;
    uint64_t r, cf = flags_cf(f);

    if (n == 0)
        return a;
    n %= bits + 1;
    if (n == 0) {
        flags_set_cf_of(f, cf, top_bit(a << 1 ^ a, bytes));
        return a;
    }
    r = (n == bits ? 0 : a >> n) | cf << (bits - n) | (n == 1 ? 0 : a << (bits + 1 - n));
    r = mask_size(r, bytes);
    flags_set_cf_of(f, (a >> (n - 1)) & 1, top_bit(r << 1 ^ r, bytes));
    return r;
}

#define IMM_COUNT   i->imm
#define CL_COUNT    cpu->s.gpr[RCX]

#define SHIFT_REGISTER(NAME, SUFFIX, W, COUNT)                                                              \
    static unsigned NAME##_##SUFFIX##W(struct cpu *cpu, const struct insn *i)                               \
    {                                                                                                       \
        reg_set(cpu, i->o[0], W, do_##NAME(&cpu->flags, W, reg_get(cpu, i->o[0], W), count_of(COUNT, W)));  \
        NEXT_PURE();                                                                                        \
    }

#define SHIFT_MEMORY(NAME, W)                                                                               \
    static unsigned NAME##_m_##W(struct cpu *cpu, const struct insn *i)                                     \
    {                                                                                                       \
        unsigned n = count_of(FORM_KIND(i->form, 1) == KIND_IMM ? IMM_COUNT : CL_COUNT, W);                 \
        struct rmw at;                                                                                      \
        uint64_t a;                                                                                         \
                                                                                                            \
        if (!rmw_load(cpu, i, W, &at, &a) || !rmw_store(cpu, i, W, &at, do_##NAME(&cpu->flags, W, a, n)))   \
            FAULT();                                                                                        \
        NEXT();                                                                                             \
    }

#define SHIFT_WIDTH(NAME, W) \
    SHIFT_REGISTER(NAME, ri_, W, IMM_COUNT) SHIFT_REGISTER(NAME, rc_, W, CL_COUNT) SHIFT_MEMORY(NAME, W)
#define WIDTHS(NAME, FORM) { NAME##_##FORM##_1, NAME##_##FORM##_2, NAME##_##FORM##_4, NAME##_##FORM##_8 }

#define SHIFT(NAME)                                                                                         \
    SHIFT_WIDTH(NAME, 1) SHIFT_WIDTH(NAME, 2) SHIFT_WIDTH(NAME, 4) SHIFT_WIDTH(NAME, 8)                     \
    static insn_fn *const NAME##_variants[3][4] = { WIDTHS(NAME, ri), WIDTHS(NAME, rc), WIDTHS(NAME, m) };  \
    EXEC(NAME)                                                                                              \
    {                                                                                                       \
        return NAME##_variants[form_of(i)][exec_width_index(i->width)](cpu, i);                             \
    }

static unsigned form_of(const struct insn *i)
{
    return FORM_KIND(i->form, 0) == KIND_MEM ? 2 : FORM_KIND(i->form, 1) == KIND_IMM ? 0 : 1;
}

SHIFT(SHL)
SHIFT(SHR)
SHIFT(SAR)
SHIFT(ROL)
SHIFT(ROR)
SHIFT(RCL)
SHIFT(RCR)

/* ---- double shifts ---- */

static uint64_t shift_left_double(struct flags *f, unsigned bytes, uint64_t a, uint64_t b, unsigned n)
{
    unsigned bits = 8 * bytes;
    uint64_t r;
    bool cf;

    if (n == 0)
        return a;
    if (n > bits) {
        r = mask_size(b << (n - bits) | b >> (2 * bits - n), bytes);
        set_shifted(f, bytes, r, false, false);
        return r;
    }
    r = n == bits ? b : mask_size(a << n | b >> (bits - n), bytes);
    cf = (a >> (bits - n)) & 1;
    set_shifted(f, bytes, r, cf, top_bit(r, bytes) ^ cf);
    return r;
}

static uint64_t shift_right_double(struct flags *f, unsigned bytes, uint64_t a, uint64_t b, unsigned n)
{
    unsigned bits = 8 * bytes;
    uint64_t r;

    if (n == 0)
        return a;
    if (n > bits) {
        r = mask_size(b >> (n - bits) | b << (2 * bits - n), bytes);
        set_shifted(f, bytes, r, false, top_bit(r << 1 ^ r, bytes));
        return r;
    }
    r = n == bits ? b : mask_size(a >> n | b << (bits - n), bytes);
    set_shifted(f, bytes, r, (a >> (n - 1)) & 1, top_bit(r << 1 ^ r, bytes));
    return r;
}

static unsigned shift_double(struct cpu *cpu, const struct insn *i,
                             uint64_t (*shift)(struct flags *f, unsigned bytes, uint64_t a, uint64_t b, unsigned n))
{
    unsigned n = count_of(FORM_KIND(i->form, 2) == KIND_IMM ? IMM_COUNT : CL_COUNT, i->width);
    uint64_t a, b = reg_get(cpu, i->o[1], i->width);
    struct rmw at;

    if (FORM_KIND(i->form, 0) == KIND_REG) {
        reg_set(cpu, i->o[0], i->width, shift(&cpu->flags, i->width, reg_get(cpu, i->o[0], i->width), b, n));
        NEXT_PURE();
    }
    if (!rmw_load(cpu, i, i->width, &at, &a) || !rmw_store(cpu, i, i->width, &at, shift(&cpu->flags, i->width, a, b, n)))
        FAULT();
    NEXT();
}

EXEC(SHLD)
{
    return shift_double(cpu, i, shift_left_double);
}

EXEC(SHRD)
{
    return shift_double(cpu, i, shift_right_double);
}

/* ---- BMI2: no flags ---- */

static unsigned shift_plain(struct cpu *cpu, const struct insn *i, uint64_t (*shift)(uint64_t a, unsigned bytes, unsigned n))
{
    uint64_t a, count = FORM_KIND(i->form, 2) == KIND_IMM ? i->imm : reg_get(cpu, i->o[2], i->width);

    if (!operand_load(cpu, i, 1, i->width, &a))
        FAULT();
    reg_set(cpu, i->o[0], i->width, shift(a, i->width, count_of(count, i->width)));
    NEXT();
}

static uint64_t left(uint64_t a, unsigned bytes, unsigned n)
{
    (void)bytes;
    return a << n;
}

static uint64_t right(uint64_t a, unsigned bytes, unsigned n)
{
    (void)bytes;
    return a >> n;
}

static uint64_t right_signed(uint64_t a, unsigned bytes, unsigned n)
{
    return (uint64_t)(flags_extend(a, bytes) >> n);
}

static uint64_t rotate_right(uint64_t a, unsigned bytes, unsigned n)
{
    return n == 0 ? a : a >> n | a << (8 * bytes - n);
}

EXEC(SHLX)
{
    return shift_plain(cpu, i, left);
}

EXEC(SHRX)
{
    return shift_plain(cpu, i, right);
}

EXEC(SARX)
{
    return shift_plain(cpu, i, right_signed);
}

EXEC(RORX)
{
    return shift_plain(cpu, i, rotate_right);
}

#define BIND_CASE(NAME) \
    case OP_##NAME: return NAME##_variants[form_of(i)][exec_width_index(i->width)]

insn_fn *exec_bind_shift(const struct cpu *cpu, const struct insn *i)
{
    (void)cpu;
    switch (i->op) {
    BIND_CASE(SHL);
    BIND_CASE(SHR);
    BIND_CASE(SAR);
    BIND_CASE(ROL);
    BIND_CASE(ROR);
    BIND_CASE(RCL);
    BIND_CASE(RCR);
    default:
        return NULL;
    }
}
