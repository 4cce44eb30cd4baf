/* SPDX-License-Identifier: MIT
 * VEX and EVEX prefixes: SDM 2A "Intel Advanced Vector Extensions" 2.3 and "Intel AVX-512 Encoding" 2.7. Registers come
 * inverted; a legacy 66, F2, F3, F0 or REX before the prefix is #UD (2.3.2, 2.3.3). */
#include "cpu/decoder/decoding.h"

/* pp field to the mandatory prefix it stands for. */
static const uint8_t prefix_of[4] = { NP, P66, PF3, PF2 };

/* R, X, B as the high bits of ModRM.reg, SIB.index and ModRM.rm; outside 64-bit mode there are eight registers. */
static void take_rxb(struct decoding *d, uint8_t byte)
{
    if (d->mode != DECODE_64)
        return;
    d->reg = byte & 0x80 ? 0 : 8;
    d->index = byte & 0x40 ? 0 : 8;
    d->rm = byte & 0x20 ? 0 : 8;
}

/* vvvv and pp are in the same place in all three. */
static void take_vvvv_pp(struct decoding *d, uint8_t byte)
{
    d->vvvv = (byte >> 3 & 15) ^ 15;
    d->key.prefix = prefix_of[byte & 3];
}

static bool take_map(struct decoding *d, unsigned map, unsigned base)
{
    if (map < 1 || map > 3)
        return false;
    d->key.map = (uint8_t)(base + map - 1);
    return true;
}

static bool take_evex(struct decoding *d, struct insn *out)
{
    uint8_t p0 = d->bytes[d->at], p1 = d->bytes[d->at + 1], p2 = d->bytes[d->at + 2];

    d->at += 3;
    if ((p0 & 0x08) || !(p1 & 0x04) || !take_map(d, p0 & 7, E0F))
        return false;
    take_rxb(d, p0);
    take_vvvv_pp(d, p1);
    if (d->mode == DECODE_64) {
        d->reg |= p0 & 0x10 ? 0 : 16;
        d->rm |= d->index << 1;                 /* X extends a vector register in ModRM.rm */
        d->vprime = p2 & 0x08 ? 0 : 16;
    } else if (!(p2 & 0x08)) {                  /* the others are ignored there (seen on an Emerald Rapids) */
        return false;
    }
    d->key.w = p1 >> 7;
    d->key.l = p2 >> 5 & 3;
    out->flags |= INSN_EVEX | (p2 & 0x80 ? INSN_EVEX_Z : 0) | (p2 & 0x10 ? INSN_EVEX_B : 0);
    out->mask = p2 & 7;
    return true;
}

bool evex_length(struct decoding *d, struct insn *out)
{
    if ((out->flags & INSN_EVEX_B) && out->modrm >= 0xc0) {
        out->evex |= (uint8_t)(d->key.l << EVEX_RC_SHIFT);
        d->key.l = 2;
    }
    return d->key.l != 3;
}

/* What b means: broadcast for memory, else rounding or SAE. */
static bool evex_b(struct insn *out, uint32_t attrs)
{
    if (!(out->flags & INSN_EVEX_B))
        return true;
    if (out->modrm < 0xc0) {
        out->evex |= EVEX_BCAST;
        return attrs & BC;
    }
    out->evex |= EVEX_SAE | (attrs & ER ? EVEX_ROUND : 0);
    return attrs & (ER | SAE);
}

/* A mask only where the row allows one; zeroing needs a mask, and no memory as destination (SDM 2A 2.7.11 "#UD Equations"). */
static bool evex_mask(const struct insn *out, uint32_t attrs)
{
    if (out->mask == 0)
        return !(attrs & MKR) && !(out->flags & INSN_EVEX_Z);
    if (out->flags & INSN_EVEX_Z)
        return attrs & MK;
    return attrs & (MK | MKM | MKR);
}

static uint8_t evex_element(const struct decoding *d, uint32_t attrs)
{
    return attrs & EB ? 1 : attrs & EW ? 2 : attrs & ED ? 4 : (attrs & EQ) || d->key.w ? 8 : 4;
}

bool evex_fields(struct decoding *d, struct insn *out, const struct insn_row *row)
{
    out->esize = evex_element(d, row->attrs);
    if (row->attrs & NFS)
        out->evex |= EVEX_WHOLE;
    if (out->vl < 64 && !(row->attrs & (LIG | NOVL)))
        out->flags |= INSN_AVX512VL;
    return evex_b(out, row->attrs) && evex_mask(out, row->attrs);
}

bool vex_prefix(struct decoding *d, struct insn *out, uint8_t escape)
{
    uint8_t byte = d->bytes[d->at];

    if (d->rex || d->opsize || d->rep || d->lock)
        return false;
    if (escape == 0x62)
        return take_evex(d, out);
    out->flags |= INSN_VEX;
    d->at++;
    if (escape == 0xc5) {
        take_rxb(d, byte | 0x60);
        d->key.map = V0F;
    } else {
        take_rxb(d, byte);
        if (!take_map(d, byte & 0x1f, V0F))
            return false;
        byte = d->bytes[d->at++];
        d->key.w = byte >> 7;
    }
    take_vvvv_pp(d, byte);
    d->key.l = byte >> 2 & 1;
    return true;
}
