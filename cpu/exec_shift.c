/* SPDX-License-Identifier: MIT
 * Shifts, rotates and double shifts. What the manuals leave undefined (docs/vendors.md): AF is clear after a shift; OF for
 * counts above one is that of a first step by one on Intel, that of the last step on AMD. Each vendor has its own handlers,
 * chosen when an instruction is bound. */
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

/* OF of a step to the left: the two top bits differ. To the right: the top bit and the one that comes in differ. */
static ALWAYS_INLINE bool left_of(uint64_t a, unsigned bytes)
{
    return top_bit(a << 1 ^ a, bytes);
}

static ALWAYS_INLINE bool right_of(uint64_t result, unsigned bytes)
{
    return top_bit(result << 1 ^ result, bytes);
}

/* What is undefined, by vendor; Intel's rotates of a register leave OF when an immediate byte says a count
 * above one. */
enum rules { AMD, AMD_IMM = AMD, INTEL, INTEL_IMM };

/* A count beyond the width (8 and 16 bits) shifts everything out; CF is then the last bit that came by. */
static ALWAYS_INLINE uint64_t do_SHL(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    uint64_t r;
    bool cf;

    if (n == 0)
        return a;
    r = mask_size(a << n, bytes);
    cf = n <= 8 * bytes && ((a >> (8 * bytes - n)) & 1);
    set_shifted(f, bytes, r, cf, rules != AMD ? left_of(a, bytes) : top_bit(r, bytes) ^ cf);
    return r;
}

static ALWAYS_INLINE uint64_t do_SHR(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    uint64_t r;

    if (n == 0)
        return a;
    r = a >> n;
    set_shifted(f, bytes, r, (a >> (n - 1)) & 1, rules != AMD ? top_bit(a, bytes) : right_of(r, bytes));
    return r;
}

static ALWAYS_INLINE uint64_t do_SAR(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    int64_t wide = flags_extend(a, bytes);
    uint64_t r;

    (void)rules;
    if (n == 0)
        return a;
    r = mask_size((uint64_t)(wide >> n), bytes);
    set_shifted(f, bytes, r, (wide >> (n - 1)) & 1, false);
    return r;
}

static ALWAYS_INLINE uint64_t do_ROL(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes, by = n & (bits - 1);
    uint64_t r = by == 0 ? a : mask_size(a << by | a >> (bits - by), bytes);

    if (n == 0)
        return a;
    if (rules == INTEL_IMM && n != 1)
        flags_set_cf(f, r & 1);
    else
        flags_set_cf_of(f, r & 1, rules != AMD ? left_of(a, bytes) : top_bit(r, bytes) ^ (r & 1));
    return r;
}

static ALWAYS_INLINE uint64_t do_ROR(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes, by = n & (bits - 1);
    uint64_t r = by == 0 ? a : mask_size(a >> by | a << (bits - by), bytes);

    if (n == 0)
        return a;
    if (rules == INTEL_IMM && n != 1)
        flags_set_cf(f, top_bit(r, bytes));
    else
        flags_set_cf_of(f, top_bit(r, bytes), rules != AMD ? top_bit(a, bytes) ^ (a & 1) : right_of(r, bytes));
    return r;
}

/* Rotates through carry turn 9, 17, 33 or 65 bits. A full turn changes nothing, but AMD sets OF. */
static ALWAYS_INLINE uint64_t do_RCL(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes, by = n % (bits + 1);
    uint64_t r = a, cf = flags_cf(f);
    bool out = cf;

    if (n == 0)
        return a;
    if (by != 0) {
        r = (by == bits ? 0 : a << by) | cf << (by - 1) | (by == 1 ? 0 : a >> (bits + 1 - by));
        r = mask_size(r, bytes);
        out = (a >> (bits - by)) & 1;
    }
    if (by == 0 && rules != AMD)
        return a;
    flags_set_cf_of(f, out, rules != AMD ? left_of(a, bytes) : top_bit(r, bytes) ^ out);
    return r;
}

static ALWAYS_INLINE uint64_t do_RCR(enum rules rules, struct flags *f, unsigned bytes, uint64_t a, unsigned n)
{
    unsigned bits = 8 * bytes, by = n % (bits + 1);
    uint64_t r = a, cf = flags_cf(f);
    bool out = cf;

    if (n == 0)
        return a;
    if (by != 0) {
        r = (by == bits ? 0 : a >> by) | cf << (bits - by) | (by == 1 ? 0 : a << (bits + 1 - by));
        r = mask_size(r, bytes);
        out = (a >> (by - 1)) & 1;
    }
    if (by == 0 && rules != AMD)
        return a;
    flags_set_cf_of(f, out, rules != AMD ? top_bit(a, bytes) ^ cf : right_of(r, bytes));
    return r;
}

#define IMM_COUNT   i->imm
#define CL_COUNT    cpu->s.gpr[RCX]

#define SHIFT_REGISTER(NAME, V, RULES, SUFFIX, W, COUNT)                                                    \
    static unsigned NAME##_##V##_##SUFFIX##W(struct cpu *cpu, const struct insn *i)                         \
    {                                                                                                       \
        uint64_t a = reg_get(cpu, i->o[0], W);                                                              \
                                                                                                            \
        reg_set(cpu, i->o[0], W, do_##NAME(RULES, &cpu->flags, W, a, count_of(COUNT, W)));                \
        NEXT_PURE();                                                                                        \
    }

#define SHIFT_MEMORY(NAME, V, W)                                                                            \
    static unsigned NAME##_##V##_m_##W(struct cpu *cpu, const struct insn *i)                               \
    {                                                                                                       \
        unsigned n = count_of(FORM_KIND(i->form, 1) == KIND_IMM ? IMM_COUNT : CL_COUNT, W);                 \
        struct rmw at;                                                                                      \
        uint64_t a;                                                                                         \
                                                                                                            \
        if (!rmw_load(cpu, i, W, &at, &a) ||                                                                \
            !rmw_store(cpu, i, W, &at, do_##NAME(V, &cpu->flags, W, a, n)))                                 \
            FAULT();                                                                                        \
        NEXT();                                                                                             \
    }

#define SHIFT_WIDTH(NAME, V, W)                                                                             \
    SHIFT_REGISTER(NAME, V, V##_IMM, ri_, W, IMM_COUNT) SHIFT_REGISTER(NAME, V, V, rc_, W, CL_COUNT)            \
    SHIFT_MEMORY(NAME, V, W)
#define SHIFT_WIDTHS(NAME, V)                                                                               \
    SHIFT_WIDTH(NAME, V, 1) SHIFT_WIDTH(NAME, V, 2) SHIFT_WIDTH(NAME, V, 4) SHIFT_WIDTH(NAME, V, 8)
#define WIDTHS(NAME, FORM)  { NAME##_##FORM##_1, NAME##_##FORM##_2, NAME##_##FORM##_4, NAME##_##FORM##_8 }
#define FORMS(NAME, V)      { WIDTHS(NAME##_##V, ri), WIDTHS(NAME##_##V, rc), WIDTHS(NAME##_##V, m) }

#define SHIFT(NAME)                                                                                         \
    SHIFT_WIDTHS(NAME, INTEL)                                                                               \
    SHIFT_WIDTHS(NAME, AMD)                                                                                 \
    static insn_fn *const NAME##_variants[2][3][4] = {                                                      \
        [VENDOR_INTEL] = FORMS(NAME, INTEL), [VENDOR_AMD] = FORMS(NAME, AMD),                               \
    };                                                                                                      \
    EXEC(NAME)                                                                                              \
    {                                                                                                       \
        return NAME##_variants[cpu_vendor(cpu)][form_of(i)][exec_width_index(i->width)](cpu, i);            \
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

static uint64_t shift_left_double(enum vendor v, struct flags *f, unsigned bytes, uint64_t a, uint64_t b, unsigned n)
{
    unsigned bits = 8 * bytes;
    uint64_t r;
    bool cf, of;

    if (n == 0)
        return a;
    if (n > bits) {
        r = mask_size(b << (n - bits) | (v == VENDOR_INTEL ? a : b) >> (2 * bits - n), bytes);
        cf = v == VENDOR_INTEL && ((b >> (2 * bits - n)) & 1);
        of = false;
    } else {
        r = n == bits ? b : mask_size(a << n | b >> (bits - n), bytes);
        cf = (a >> (bits - n)) & 1;
        of = top_bit(r, bytes) ^ cf;
    }
    set_shifted(f, bytes, r, cf, v == VENDOR_INTEL ? left_of(a, bytes) : of);
    return r;
}

static uint64_t shift_right_double(enum vendor v, struct flags *f, unsigned bytes, uint64_t a, uint64_t b, unsigned n)
{
    unsigned bits = 8 * bytes;
    uint64_t r;
    bool cf;

    if (n == 0)
        return a;
    if (n > bits) {
        r = mask_size(b >> (n - bits) | (v == VENDOR_INTEL ? a : b) << (2 * bits - n), bytes);
        cf = v == VENDOR_INTEL && ((b >> (n - bits - 1)) & 1);
    } else {
        r = n == bits ? b : mask_size(a >> n | b << (bits - n), bytes);
        cf = (a >> (n - 1)) & 1;
    }
    set_shifted(f, bytes, r, cf, v == VENDOR_INTEL ? top_bit(a, bytes) ^ (b & 1) : right_of(r, bytes));
    return r;
}

static unsigned shift_double(struct cpu *cpu, const struct insn *i,
                             uint64_t (*shift)(enum vendor v, struct flags *f, unsigned bytes, uint64_t a, uint64_t b,
                                               unsigned n))
{
    enum vendor v = cpu_vendor(cpu);
    unsigned n = count_of(FORM_KIND(i->form, 2) == KIND_IMM ? IMM_COUNT : CL_COUNT, i->width);
    uint64_t a, b = reg_get(cpu, i->o[1], i->width);
    struct rmw at;

    if (FORM_KIND(i->form, 0) == KIND_REG) {
        reg_set(cpu, i->o[0], i->width, shift(v, &cpu->flags, i->width, reg_get(cpu, i->o[0], i->width), b, n));
        NEXT_PURE();
    }
    if (!rmw_load(cpu, i, i->width, &at, &a) || !rmw_store(cpu, i, i->width, &at, shift(v, &cpu->flags, i->width, a, b, n)))
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
    case OP_##NAME: return NAME##_variants[cpu_vendor(cpu)][form_of(i)][exec_width_index(i->width)]

insn_fn *exec_bind_shift(const struct cpu *cpu, const struct insn *i)
{
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
