/* SPDX-License-Identifier: MIT
 * How long an instruction is that does not exist. A processor finds the end before it knows the opcode, so a page that cannot be
 * fetched and the limit of fifteen bytes come before #UD. The manuals do not say what is asked of an undefined opcode; this is
 * as seen on Emerald Rapids, whose VEX and EVEX maps count by their two low bits. */
#include "cpu/decoder/decoding.h"

enum modrm { NO_MODRM, WITH_MODRM, REGISTERS };     /* REGISTERS: whatever mod says */

struct shape {
    enum modrm modrm;
    unsigned immediate;         /* bytes */
};

static bool in_set(const uint32_t set[8], unsigned opcode)
{
    return set[opcode / 32] >> (opcode % 32) & 1;
}

static unsigned size_z(const struct decoding *d)
{
    bool two = d->mode == DECODE_16 ? !d->opsize : d->opsize && !(d->rex & 8);

    return two ? 2 : 4;
}

static struct shape one_byte(const struct decoding *d, unsigned opcode)
{
    struct shape s = { .modrm = index_has_modrm(M1, opcode) ? WITH_MODRM : NO_MODRM };

    switch (opcode) {
    case 0x82: case 0xc6: case 0xd4: case 0xd5: s.immediate = 1; break;
    case 0xc7: s.immediate = size_z(d); break;
    case 0x9a: case 0xea: s.immediate = size_z(d) + 2; break;
    }
    return s;
}

static struct shape map_0f(const struct decoding *d, unsigned opcode)
{
    static const uint32_t alone[8] = { 0x0000dff0, 0xffff00f0, 0, 0x00800000, 0x0000ffff, 0x00000707, 0x0000ff00, 0 };
    static const uint32_t byte[8] = { [3] = 0x000f0000, [5] = 0x04001010, [6] = 0x00000074 };
    struct shape s = { .modrm = in_set(alone, opcode) ? NO_MODRM : WITH_MODRM, .immediate = in_set(byte, opcode) };

    if ((opcode & 0xfc) == 0x20)
        s.modrm = REGISTERS;
    if ((opcode & 0xf0) == 0x80)
        s.immediate = d->mode == DECODE_64 ? 4 : size_z(d);
    return s;
}

/* map: 0F, 0F 38 and 0F 3A are 1 to 3. */
static struct shape shape_of(const struct decoding *d, unsigned map, unsigned opcode)
{
    if (map == 1)
        return map_0f(d, opcode);
    return (struct shape){ .modrm = WITH_MODRM, .immediate = map == 3 };
}

/* SDM 2A tables 2-1, 2-2, 2-3: behind ModRM, SIB and displacement. */
static unsigned behind_modrm(const struct decoding *d, unsigned at, enum modrm kind)
{
    unsigned modrm, mod, rm;

    if (kind == NO_MODRM)
        return at;
    modrm = d->bytes[at++];
    mod = modrm >> 6;
    rm = modrm & 7;
    if (kind == REGISTERS || mod == 3)
        return at;
    if (d->mode != DECODE_64 && (d->mode == DECODE_16) != d->asize)
        return at + (mod == 0 ? (rm == 6 ? 2 : 0) : mod);
    if (rm == 4)
        rm = d->bytes[at++] & 7;
    return at + (mod == 0 ? (rm == 5 ? 4 : 0) : mod == 1 ? 1 : 4);
}

/* Behind an opcode at `at`. */
static unsigned behind(const struct decoding *d, unsigned at, unsigned map)
{
    struct shape s = shape_of(d, map, d->bytes[at]);

    return behind_modrm(d, at + 1, s.modrm) + s.immediate;
}

/* A prefix 66 before VEX or EVEX does not count. */
static unsigned vex_end(const struct decoding *with_prefixes, unsigned at)
{
    struct decoding d = *with_prefixes;
    const uint8_t *b = d.bytes + at;

    d.opsize = false;
    if (b[0] != 0xc5 && (b[1] & 3) == 0)            /* no map: as long as LES or BOUND */
        return behind_modrm(&d, at + 1, WITH_MODRM);
    return b[0] == 0xc5 ? behind(&d, at + 2, 1) : behind(&d, at + (b[0] == 0xc4 ? 3 : 4), b[1] & 3);
}

unsigned invalid_end(const struct decoding *d)
{
    const uint8_t *b = d->bytes + d->opcode_at;
    unsigned at = d->opcode_at, end;
    struct shape s;

    if (at >= INSN_MAX_BYTES)
        return d->at;
    if (decoding_vex(d, at))
        return vex_end(d, at);
    if (b[0] == 0x0f && (b[1] & 0xf8) == 0x38) {        /* all eight lead to another opcode, two of them to known ones */
        end = behind(d, at + 2, b[1] & 2 ? 3 : 2);
    } else if (b[0] == 0x0f) {
        end = behind(d, at + 1, 1);
    } else {
        s = one_byte(d, b[0]);
        end = behind_modrm(d, at + 1, s.modrm) + s.immediate;
    }
    return end > d->at ? end : d->at;
}
