/* SPDX-License-Identifier: MIT
 * Bit tests, scans and counts, BMI1, BMI2 and ADX. What the manuals leave undefined: a bit test changes CF only; a scan of
 * zero leaves its destination whole and otherwise PF tells of the result, the other flags are clear (both vendors); BMI1 and
 * BZHI clear PF on Intel (docs/vendors.md). */
#include "cpu/exec.h"

/* ---- bit tests ---- */

enum bit_action { TEST_ONLY, SET, RESET, COMPLEMENT };

static ALWAYS_INLINE uint64_t bit_changed(uint64_t v, uint64_t bit, enum bit_action action)
{
    return action == SET ? v | bit : action == RESET ? v & ~bit : action == COMPLEMENT ? v ^ bit : v;
}

/* A register index counts from the operand's address in both directions: the operand moves by whole units of the width
 * (SDM 2A "BT"). The moved offset wraps at the address size. */
static bool bit_string_address(struct cpu *cpu, const struct insn *i, unsigned access, gva_t *lin, unsigned *bit)
{
    unsigned bits = 8u * i->width;
    uint64_t offset = ea_offset(cpu, i);
    int64_t index;

    if (FORM_KIND(i->form, 1) == KIND_REG) {
        index = flags_extend(reg_get(cpu, i->o[1], i->width), i->width);
        offset = mask_size(offset + (uint64_t)((index >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * i->width), i->asize);
        *bit = (unsigned)index & (bits - 1);
    } else {
        *bit = (unsigned)i->imm & (bits - 1);
    }
    if (i->flags & INSN_SEGMENT)
        return ea_segment(cpu, i, offset, i->width, access, lin);
    *lin = offset;
    return true;
}

static bool load_width(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t *out)
{
    return i->width == 8 ? mem_load(cpu, i, lin, 8, out) : i->width == 4 ? mem_load(cpu, i, lin, 4, out)
                                                                         : mem_load(cpu, i, lin, 2, out);
}

static ALWAYS_INLINE unsigned bit_memory(struct cpu *cpu, const struct insn *i, enum bit_action action)
{
    struct rmw at;
    uint64_t v;
    gva_t lin;
    unsigned bit;

    if (action == TEST_ONLY) {
        if (!bit_string_address(cpu, i, ACCESS_READ, &lin, &bit) || !load_width(cpu, i, lin, &v))
            FAULT();
    } else {
        if (!bit_string_address(cpu, i, ACCESS_READ | ACCESS_WRITE, &lin, &bit) ||
            !rmw_load_at(cpu, i, lin, i->width, &at, &v) ||
            !rmw_store(cpu, i, i->width, &at, bit_changed(v, BIT64(bit), action)))
            FAULT();
    }
    flags_set_cf(&cpu->flags, (v >> bit) & 1);
    NEXT();
}

static ALWAYS_INLINE unsigned bit_test(struct cpu *cpu, const struct insn *i, enum bit_action action)
{
    uint64_t v, index;
    unsigned bit;

    if (FORM_KIND(i->form, 0) == KIND_MEM)
        return bit_memory(cpu, i, action);
    index = FORM_KIND(i->form, 1) == KIND_IMM ? i->imm : reg_get(cpu, i->o[1], i->width);
    bit = (unsigned)index & (8u * i->width - 1);
    v = reg_get(cpu, i->o[0], i->width);
    flags_set_cf(&cpu->flags, (v >> bit) & 1);
    if (action != TEST_ONLY)
        reg_set(cpu, i->o[0], i->width, bit_changed(v, BIT64(bit), action));
    NEXT_PURE();
}

EXEC(BT)
{
    return bit_test(cpu, i, TEST_ONLY);
}

EXEC(BTS)
{
    return bit_test(cpu, i, SET);
}

EXEC(BTR)
{
    return bit_test(cpu, i, RESET);
}

EXEC(BTC)
{
    return bit_test(cpu, i, COMPLEMENT);
}

/* ---- scans and counts ---- */

static unsigned scan(struct cpu *cpu, const struct insn *i, bool forward)
{
    uint64_t v, at;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    if (v == 0) {
        flags_put(&cpu->flags, FLAG_ZF | FLAG_PF);
        NEXT();
    }
    at = forward ? bits_lowest(v) : bits_highest(v);
    reg_set(cpu, i->o[0], i->width, at);
    flags_put(&cpu->flags, __builtin_parity((unsigned)at) ? 0 : FLAG_PF);
    NEXT();
}

EXEC(BSF)
{
    return scan(cpu, i, true);
}

EXEC(BSR)
{
    return scan(cpu, i, false);
}

/* CF tells of a zero source, ZF of a zero count. */
static unsigned count_zeros(struct cpu *cpu, const struct insn *i, bool trailing)
{
    unsigned bits = 8u * i->width;
    uint64_t v, n;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    n = v == 0 ? bits : trailing ? bits_lowest(v) : bits - 1 - bits_highest(v);
    reg_set(cpu, i->o[0], i->width, n);
    flags_put(&cpu->flags, (v == 0 ? FLAG_CF : 0) | (n == 0 ? FLAG_ZF : 0));
    NEXT();
}

/* Without the feature the prefix is ignored and the old operation remains. */
EXEC(TZCNT)
{
    return cpu_has(cpu, F_BMI1) ? count_zeros(cpu, i, true) : scan(cpu, i, true);
}

EXEC(LZCNT)
{
    return cpu_has(cpu, F_LZCNT) ? count_zeros(cpu, i, false) : scan(cpu, i, false);
}

EXEC(POPCNT)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    reg_set(cpu, i->o[0], i->width, bits_count(v));
    flags_put(&cpu->flags, v == 0 ? FLAG_ZF : 0);
    NEXT();
}

/* ---- BMI1, BMI2 ---- */

/* SF and ZF of the result, CF as given, OF clear; PF and AF undefined: clear, or of the result on AMD, and clear. */
static void set_result(struct cpu *cpu, const struct insn *i, uint64_t r, bool cf)
{
    reg_set(cpu, i->o[0], i->width, r);
    flags_set_logic(&cpu->flags, i->width, r);
    flags_set_cf_of(&cpu->flags, cf, false);
    if (cpu_vendor(cpu) == VENDOR_INTEL)
        flags_clear_pf(&cpu->flags);
}

EXEC(ANDN)
{
    uint64_t v;

    if (!operand_load(cpu, i, 2, i->width, &v))
        FAULT();
    set_result(cpu, i, ~reg_get(cpu, i->o[1], i->width) & v, false);
    NEXT();
}

EXEC(BLSI)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    set_result(cpu, i, v & (0 - v), v != 0);
    NEXT();
}

EXEC(BLSR)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    set_result(cpu, i, v & (v - 1), v == 0);
    NEXT();
}

EXEC(BLSMSK)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    set_result(cpu, i, mask_size(v ^ (v - 1), i->width), v == 0);
    NEXT();
}

EXEC(BZHI)
{
    unsigned bits = 8u * i->width, n = (uint8_t)reg_get(cpu, i->o[2], i->width);
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    set_result(cpu, i, v & bits_mask(n), n >= bits);
    NEXT();
}

EXEC(BEXTR)
{
    uint64_t control = reg_get(cpu, i->o[2], i->width), v;
    unsigned start = (uint8_t)control, len = (uint8_t)(control >> 8);

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    set_result(cpu, i, start >= 64 ? 0 : (v >> start) & bits_mask(len), false);
    if (cpu_vendor(cpu) == VENDOR_INTEL)
        flags_put(&cpu->flags, flags_zf(&cpu->flags) ? FLAG_ZF : 0);
    NEXT();
}

EXEC(PDEP)
{
    uint64_t from = reg_get(cpu, i->o[1], i->width), mask, r = 0;

    if (!operand_load(cpu, i, 2, i->width, &mask))
        FAULT();
    for (; mask != 0; mask &= mask - 1, from >>= 1)
        if (from & 1)
            r |= mask & (0 - mask);
    reg_set(cpu, i->o[0], i->width, r);
    NEXT();
}

EXEC(PEXT)
{
    uint64_t from = reg_get(cpu, i->o[1], i->width), mask, r = 0;
    unsigned n = 0;

    if (!operand_load(cpu, i, 2, i->width, &mask))
        FAULT();
    for (; mask != 0; mask &= mask - 1, n++)
        r |= ((from >> bits_lowest(mask)) & 1) << n;
    reg_set(cpu, i->o[0], i->width, r);
    NEXT();
}

/* ---- ADX ---- */

static bool add_carry(uint64_t a, uint64_t b, bool in, unsigned bytes, uint64_t *sum)
{
    unsigned __int128 wide = (unsigned __int128)a + b + in;

    *sum = (uint64_t)wide;
    return (wide >> (8 * bytes)) & 1;
}

EXEC(ADCX)
{
    uint64_t b, sum;

    if (!operand_load(cpu, i, 1, i->width, &b))
        FAULT();
    flags_set_cf(&cpu->flags, add_carry(reg_get(cpu, i->o[0], i->width), b, flags_cf(&cpu->flags), i->width, &sum));
    reg_set(cpu, i->o[0], i->width, sum);
    NEXT();
}

EXEC(ADOX)
{
    uint64_t b, sum;
    bool carry;

    if (!operand_load(cpu, i, 1, i->width, &b))
        FAULT();
    carry = add_carry(reg_get(cpu, i->o[0], i->width), b, flags_of(&cpu->flags), i->width, &sum);
    flags_set_cf_of(&cpu->flags, flags_cf(&cpu->flags), carry);
    reg_set(cpu, i->o[0], i->width, sum);
    NEXT();
}
