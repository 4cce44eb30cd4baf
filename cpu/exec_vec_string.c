/* SPDX-License-Identifier: MIT
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM 2B "Imm8 Control Byte Operation for PCMPESTRI..."). One comparison makes a
 * bit per element of the second operand; the four differ in where lengths come from and how the bits are returned. */
#include "cpu/vec.h"

/* imm8 */
enum { WORDS = 1, SIGNED = 2, AGGREGATE = 0x0c, POLARITY = 0x30, MOST_OR_MASK = 0x40 };
enum { EQUAL_ANY = 0x00, RANGES = 0x04, EQUAL_EACH = 0x08, EQUAL_ORDERED = 0x0c };
enum { NEGATIVE = 0x10, MASKED_NEGATIVE = 0x30 };

struct strings {
    union vec first, second;        /* set, ranges or needle; and what is searched */
    unsigned len1, len2;            /* valid elements */
    unsigned count;                 /* elements of a register: 16 or 8 */
    unsigned imm;
};

static int element(const union vec *v, unsigned imm, unsigned k)
{
    switch (imm & (WORDS | SIGNED)) {
    case 0:     return v->u8[k];
    case WORDS: return v->u16[k];
    case SIGNED: return v->s8[k];
    default:    return v->s16[k];
    }
}

/* Is element k of the second operand in the set, or in one of the ranges, of the first? */
static bool in_set(const struct strings *s, unsigned k)
{
    const int y = element(&s->second, s->imm, k);

    for (unsigned n = 0; n < s->len1; n++) {
        if (element(&s->first, s->imm, n) == y)
            return true;
    }
    return false;
}

static bool in_ranges(const struct strings *s, unsigned k)
{
    const int y = element(&s->second, s->imm, k);

    for (unsigned n = 0; n + 1 < s->len1; n += 2) {
        if (element(&s->first, s->imm, n) <= y && y <= element(&s->first, s->imm, n + 1))
            return true;
    }
    return false;
}

/* Does the needle, as far as the register shows it, begin at element k? What is beyond the haystack never matches, what is
 * beyond the register is not compared. */
static bool begins_at(const struct strings *s, unsigned k)
{
    for (unsigned n = 0; n < s->len1 && k + n < s->count; n++) {
        if (k + n >= s->len2 || element(&s->first, s->imm, n) != element(&s->second, s->imm, k + n))
            return false;
    }
    return true;
}

/* Both ended counts as equal, one ended as different. */
static bool same(const struct strings *s, unsigned k)
{
    if (k >= s->len1 || k >= s->len2)
        return k >= s->len1 && k >= s->len2;
    return element(&s->first, s->imm, k) == element(&s->second, s->imm, k);
}

static bool compare(const struct strings *s, unsigned k)
{
    switch (s->imm & AGGREGATE) {
    case EQUAL_ANY:  return k < s->len2 && in_set(s, k);
    case RANGES:     return k < s->len2 && in_ranges(s, k);
    case EQUAL_EACH: return same(s, k);
    default:         return begins_at(s, k);
    }
}

/* IntRes2: one bit per element, after polarity. */
static unsigned compare_all(const struct strings *s)
{
    unsigned bits = 0;

    for (unsigned k = 0; k < s->count; k++)
        bits |= (unsigned)compare(s, k) << k;
    switch (s->imm & POLARITY) {
    case NEGATIVE:        return bits ^ (BIT(s->count) - 1);
    case MASKED_NEGATIVE: return bits ^ (BIT(s->len2) - 1);
    default:              return bits;
    }
}

/* Length by the first zero element. */
static unsigned implicit_length(const union vec *v, unsigned imm, unsigned count)
{
    unsigned n = 0;

    while (n < count && element(v, imm, n) != 0)
        n++;
    return n;
}

/* Absolute value of EAX or EDX (RAX, RDX with REX.W), at most a registerful. */
static unsigned explicit_length(const struct cpu *cpu, const struct insn *i, unsigned at, unsigned count)
{
    const int64_t v = vec_general_bytes(cpu, i) == 8 ? (int64_t)reg_get(cpu, at, 8) : (int32_t)reg_get(cpu, at, 4);
    const uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    return size > count ? count : (unsigned)size;
}

static bool strings_load(struct cpu *cpu, const struct insn *i, bool explicit_lengths, struct strings *s)
{
    gva_t lin;

    if (!vec_check(cpu, i))
        return false;
    vec_get(cpu, i->o[0], &s->first, 16);
    if (FORM_KIND(i->form, 1) == KIND_REG)
        vec_get(cpu, i->o[1], &s->second, 16);
    else if (!ea_linear(cpu, i, 16, ACCESS_READ, &lin) || !mem_load_block(cpu, i, lin, &s->second, 16))
        return false;       /* no alignment is asked */
    s->imm = (uint8_t)i->imm;
    s->count = s->imm & WORDS ? 8 : 16;
    if (explicit_lengths) {
        s->len1 = explicit_length(cpu, i, REG_AT(RAX), s->count);
        s->len2 = explicit_length(cpu, i, REG_AT(RDX), s->count);
    } else {
        s->len1 = implicit_length(&s->first, s->imm, s->count);
        s->len2 = implicit_length(&s->second, s->imm, s->count);
    }
    return true;
}

/* CF: any bit; ZF, SF: the second, first string ends here; OF: bit 0; AF, PF: 0. */
static void set_flags(struct cpu *cpu, const struct strings *s, unsigned bits)
{
    flags_put(&cpu->flags, (bits ? FLAG_CF : 0) | (s->len2 < s->count ? FLAG_ZF : 0) | (s->len1 < s->count ? FLAG_SF : 0) |
                           (bits & 1 ? FLAG_OF : 0));
}

/* To ECX: the least or most significant set bit, or the number of elements. */
static bool string_index(struct cpu *cpu, const struct insn *i, bool explicit_lengths)
{
    struct strings s;
    unsigned bits;

    if (!strings_load(cpu, i, explicit_lengths, &s))
        return false;
    bits = compare_all(&s);
    reg_set(cpu, REG_AT(RCX), 4, !bits ? s.count : s.imm & MOST_OR_MASK ? bits_highest(bits) : bits_lowest(bits));
    set_flags(cpu, &s, bits);
    return true;
}

/* To XMM0: the bits, or a mask of elements. */
static bool string_mask(struct cpu *cpu, const struct insn *i, bool explicit_lengths)
{
    struct strings s;
    union vec d = { .u64 = { 0 } };
    unsigned bits;

    if (!strings_load(cpu, i, explicit_lengths, &s))
        return false;
    bits = compare_all(&s);
    if (s.imm & MOST_OR_MASK) {
        const unsigned size = 16 / s.count;

        for (unsigned k = 0; k < s.count; k++)
            memset(d.u8 + k * size, bits & BIT(k) ? 0xff : 0, size);
    } else {
        d.u64[0] = bits;
    }
    vec_put(cpu, i, 0, &d, 16);
    set_flags(cpu, &s, bits);
    return true;
}

EXEC(PCMPESTRI) { RUN(string_index(cpu, i, true)); }
EXEC(PCMPISTRI) { RUN(string_index(cpu, i, false)); }
EXEC(PCMPESTRM) { RUN(string_mask(cpu, i, true)); }
EXEC(PCMPISTRM) { RUN(string_mask(cpu, i, false)); }
