/* SPDX-License-Identifier: MIT
 * Arm Architecture Reference Manual for A-profile, "A64 Base Instruction Descriptions": one function per class of
 * encodings. */
#include "cpu/jit/a64/asm.h"

#include "base/invariant.h"

void a64_put(struct a64_buf *a, uint32_t insn)
{
    if (a->at == a->end) {
        a->full = true;
        return;
    }
    *a->at++ = insn;
}

static uint32_t sf(unsigned bytes)
{
    return (uint32_t)(bytes == 8) << 31;
}

/* ---- registers ---- */

/* The long products exist in 64 bits only. */
static bool always_wide(uint32_t op)
{
    return op == A64_SMULL || op == A64_UMULL || op == A64_SMULH || op == A64_UMULH || op == A64_REV64;
}

void a64_rrr(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned rm)
{
    a64_put(a, op | sf(always_wide(op) ? 8 : bytes) | rm << 16 | rn << 5 | rd);
}

void a64_rrr_by(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned rm,
                enum a64_shift by, unsigned n)
{
    a64_rrr(a, op | (uint32_t)by << 22 | n << 10, bytes, rd, rn, rm);
}

void a64_rr(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn)
{
    a64_rrr(a, op, bytes, rd, rn, 0);
}

void a64_mov(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn)
{
    a64_rrr(a, A64_ORR, bytes, rd, A64_ZR, rn);
}

void a64_msub(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned rm, unsigned from)
{
    a64_rrr(a, 0x1b008000 | from << 10, bytes, rd, rn, rm);
}

void a64_compare_extended(struct a64_buf *a, unsigned rn, unsigned rm)
{
    a64_rrr(a, 0x6b20c000, 8, A64_ZR, rn, rm);      /* SUBS, SXTW */
}

/* ---- constants ---- */

static void move_wide(struct a64_buf *a, uint32_t op, unsigned rd, unsigned part, uint64_t v)
{
    a64_put(a, op | part << 21 | (uint32_t)(v >> (16 * part) & 0xffff) << 5 | rd);
}

/* MOVZ or MOVN, whichever leaves fewer sixteenths to MOVK; or one run of ones. */
void a64_mov_imm(struct a64_buf *a, unsigned rd, uint64_t v)
{
    unsigned zeros = 0, ones = 0;
    uint64_t rest;
    bool first = true;

    for (unsigned n = 0; n < 4; n++) {
        zeros += (v >> (16 * n) & 0xffff) == 0;
        ones += (v >> (16 * n) & 0xffff) == 0xffff;
    }
    if (zeros < 3 && ones < 3 && a64_logic_imm(a, A64_ORR, 8, rd, A64_ZR, v))
        return;
    rest = ones > zeros ? ~v : v;
    for (unsigned n = 0; n < 4; n++) {
        if ((rest >> (16 * n) & 0xffff) == 0 && !(rest == 0 && n == 0))
            continue;
        if (first)
            move_wide(a, ones > zeros ? 0x92800000 : 0xd2800000, rd, n, rest);
        else
            move_wide(a, 0xf2800000, rd, n, v);
        first = false;
    }
}

bool a64_sum_imm(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, uint64_t v)
{
    const uint32_t imm = (op & 0x60000000) | 0x11000000 | sf(bytes) | rn << 5 | rd;

    if (v < 4096)
        a64_put(a, imm | (uint32_t)v << 10);
    else if ((v & 4095) == 0 && v >> 12 < 4096)
        a64_put(a, imm | 1u << 22 | (uint32_t)(v >> 12) << 10);
    else
        return false;
    return true;
}

static bool is_run(uint64_t v)          /* ones, then zeros above and below */
{
    return v != 0 && ((v | (v - 1)) & ((v | (v - 1)) + 1)) == 0;
}

/* "DecodeBitMasks": an element of 2 to 64 bits, repeated, is a run of ones rotated right by immr. */
bool a64_bitmask(uint64_t v, unsigned bytes, uint32_t *fields)
{
    unsigned size = 64, low, ones;
    uint64_t element, mask;

    if (bytes < 8)
        v = (uint32_t)v | v << 32;
    if (v == 0 || v == ~(uint64_t)0)
        return false;
    while (size > 2 && (v >> (size / 2) & (((uint64_t)1 << (size / 2)) - 1)) == (v & (((uint64_t)1 << (size / 2)) - 1)))
        size /= 2;
    mask = ~(uint64_t)0 >> (64 - size);
    element = v & mask;
    ones = (unsigned)__builtin_popcountll(element);
    if (is_run(element))
        low = (unsigned)__builtin_ctzll(element);
    else if (is_run(~element & mask))
        low = (unsigned)__builtin_ctzll(~element & mask) + (size - ones);
    else
        return false;
    *fields = (uint32_t)(size == 64) << 22 | ((size - low) & (size - 1)) << 16;
    *fields |= ((~(2 * size - 1) & 0x3f) | (ones - 1)) << 10;
    return true;
}

bool a64_logic_imm(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, uint64_t v)
{
    uint32_t fields;

    if (!a64_bitmask(v, bytes, &fields))
        return false;
    a64_put(a, (op & 0x60000000) | 0x12000000 | sf(bytes) | fields | rn << 5 | rd);
    return true;
}

/* ---- bit fields and shifts ---- */

void a64_bitfield(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned immr, unsigned imms)
{
    a64_put(a, op | sf(bytes) | (uint32_t)(bytes == 8) << 22 | immr << 16 | imms << 10 | rn << 5 | rd);
}

void a64_ubfx(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned lsb, unsigned width)
{
    a64_bitfield(a, A64_UBFM, bytes, rd, rn, lsb, lsb + width - 1);
}

void a64_sbfx(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned lsb, unsigned width)
{
    a64_bitfield(a, A64_SBFM, bytes, rd, rn, lsb, lsb + width - 1);
}

void a64_bfi(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned lsb, unsigned width)
{
    const unsigned bits = bytes == 8 ? 64 : 32;

    a64_bitfield(a, A64_BFM, bytes, rd, rn, (bits - lsb) & (bits - 1), width - 1);
}

void a64_extract(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned high, unsigned low, unsigned lsb)
{
    a64_put(a, 0x13800000 | sf(bytes) | (uint32_t)(bytes == 8) << 22 | low << 16 | lsb << 10 | high << 5 | rd);
}

void a64_shift(struct a64_buf *a, enum a64_shift by, unsigned bytes, unsigned rd, unsigned rn, unsigned n)
{
    const unsigned bits = bytes == 8 ? 64 : 32;

    switch (by) {
    case A64_LSL: a64_bitfield(a, A64_UBFM, bytes, rd, rn, (bits - n) & (bits - 1), bits - 1 - n); break;
    case A64_LSR: a64_bitfield(a, A64_UBFM, bytes, rd, rn, n, bits - 1); break;
    case A64_ASR: a64_bitfield(a, A64_SBFM, bytes, rd, rn, n, bits - 1); break;
    default:      a64_extract(a, bytes, rd, rn, rn, n); break;
    }
}

/* ---- conditions ---- */

void a64_select(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned rm, enum a64_cond cc)
{
    a64_rrr(a, op | (uint32_t)cc << 12, bytes, rd, rn, rm);
}

void a64_cset(struct a64_buf *a, unsigned rd, enum a64_cond cc)
{
    a64_select(a, A64_CSINC, 4, rd, A64_ZR, A64_ZR, (enum a64_cond)(cc ^ 1));
}

void a64_read_nzcv(struct a64_buf *a, unsigned rt)
{
    a64_put(a, 0xd53b4200 | rt);
}

void a64_write_nzcv(struct a64_buf *a, unsigned rt)
{
    a64_put(a, 0xd51b4200 | rt);
}

/* ---- memory ---- */

static unsigned scale_of(uint32_t op)
{
    return (op & 0x04800000) == 0x04800000 ? 4 : op >> 30;
}

void a64_mem(struct a64_buf *a, uint32_t op, unsigned rt, unsigned rn, int32_t offset)
{
    const unsigned scale = scale_of(op);

    if (offset >= 0 && (offset & ((1 << scale) - 1)) == 0 && offset >> scale < 4096) {
        a64_put(a, op | (uint32_t)(offset >> scale) << 10 | rn << 5 | rt);
        return;
    }
    invariant(offset >= -256 && offset < 256, "an offset of %d bytes has no encoding", (int)offset);
    a64_put(a, (op & ~0x01000000u) | ((uint32_t)offset & 0x1ff) << 12 | rn << 5 | rt);
}

void a64_mem_x(struct a64_buf *a, uint32_t op, unsigned rt, unsigned rn, unsigned rm)
{
    a64_put(a, (op & ~0x01000000u) | 0x00206800 | rm << 16 | rn << 5 | rt);
}

void a64_pair(struct a64_buf *a, uint32_t op, unsigned rt, unsigned rt2, unsigned rn, int32_t offset)
{
    invariant(offset >= -512 && offset < 512, "a pair's offset of %d bytes has no encoding", (int)offset);
    a64_put(a, op | ((uint32_t)(offset >> 3) & 0x7f) << 15 | rt2 << 10 | rn << 5 | rt);
}

/* ---- jumps ---- */

static uint32_t *jump(struct a64_buf *a, uint32_t insn)
{
    uint32_t *site = a->at;

    a64_put(a, insn);
    return site;
}

uint32_t *a64_b(struct a64_buf *a)
{
    return jump(a, 0x14000000);
}

uint32_t *a64_bl(struct a64_buf *a)
{
    return jump(a, 0x94000000);
}

uint32_t *a64_b_if(struct a64_buf *a, enum a64_cond cc)
{
    return jump(a, 0x54000000 | cc);
}

uint32_t *a64_cbz(struct a64_buf *a, unsigned bytes, bool nonzero, unsigned rt)
{
    return jump(a, 0x34000000 | sf(bytes) | (uint32_t)nonzero << 24 | rt);
}

uint32_t *a64_tbz(struct a64_buf *a, bool nonzero, unsigned rt, unsigned bit)
{
    return jump(a, 0x36000000 | (bit >> 5) << 31 | (uint32_t)nonzero << 24 | (bit & 31) << 19 | rt);
}

/* Where a jump's distance lies, by its opcode. */
static void distance_field(uint32_t insn, unsigned *lsb, unsigned *bits)
{
    if ((insn & 0x7c000000) == 0x14000000)          /* B, BL */
        *lsb = 0, *bits = 26;
    else if ((insn & 0x7e000000) == 0x36000000)     /* TBZ */
        *lsb = 5, *bits = 14;
    else                                            /* B.cond, CBZ */
        *lsb = 5, *bits = 19;
}

bool a64_reaim(uint32_t *site, const uint32_t *target)
{
    const int64_t by = target - site;
    unsigned lsb, bits;
    uint32_t mask;

    distance_field(*site, &lsb, &bits);
    if (by < -((int64_t)1 << (bits - 1)) || by >= (int64_t)1 << (bits - 1))
        return false;
    mask = ((1u << bits) - 1) << lsb;
    *site = (*site & ~mask) | ((uint32_t)by << lsb & mask);
    return true;
}

void a64_aim(struct a64_buf *a, uint32_t *site, const uint32_t *target)
{
    if (!a->full && !a64_reaim(site, target))
        a->full = true;
}

void a64_br(struct a64_buf *a, unsigned rn)
{
    a64_put(a, 0xd61f0000 | rn << 5);
}

void a64_blr(struct a64_buf *a, unsigned rn)
{
    a64_put(a, 0xd63f0000 | rn << 5);
}

void a64_ret(struct a64_buf *a)
{
    a64_put(a, 0xd65f03c0);
}
