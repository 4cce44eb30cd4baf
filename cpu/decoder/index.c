/* SPDX-License-Identifier: MIT
 * The rows of insns.def sorted by map and opcode. A lookup scans the few rows of one opcode. */
#include "cpu/decoder/index.h"

#include <string.h>

#include "cpu/decoder/insn.h"
#include "cpu/decoder/operands.h"

static const struct insn_row rows[] = {
#define INSN(map, opcode, prefix, modrm, op, o1, o2, o3, o4, needs, attributes) \
    { attributes, OP_##op, modrm, map, opcode, prefix, F_##needs, { LETTER_##o1, LETTER_##o2, LETTER_##o3, LETTER_##o4 } },
#include "cpu/decoder/insns.def"
#undef INSN
};
#define ROWS    (sizeof rows / sizeof rows[0])

/* Rows of one opcode stand side by side in slots[]: from first[map][opcode] up to the next opcode's first. */
static struct slot {
    uint16_t row;
    uint8_t  mods;      /* bit 0: a memory form exists, bit 1: a register form */
} slots[16 * ROWS];
static uint16_t first[MAP_COUNT * 256 + 1];

enum { MODS_MEM = 1, MODS_REG = 2 };

/* How many opcodes a row stands for: 16 by condition, 8 by register, else 1. */
static unsigned row_span(const struct insn_row *row)
{
    if (row->attrs & CC)
        return 16;
    for (unsigned n = 0; n < 4; n++)
        if (operands[row->o[n]].place == IN_OPCODE)
            return 8;
    return 1;
}

/* The mods a row allows: its own column and what its operand letters demand. */
static uint8_t row_mods(const struct insn_row *row)
{
    uint8_t mods = MODS_MEM | MODS_REG;
    unsigned kind = row->modrm & 0x700;

    if (kind == MEM || kind == NM(0))
        mods = MODS_MEM;
    if (kind == REG || kind == NR(0) || kind == X(0, 0))
        mods = MODS_REG;
    for (unsigned n = 0; n < 4; n++) {
        if (operands[row->o[n]].place == IN_MEM || operands[row->o[n]].place == IN_VSIB)
            mods &= MODS_MEM;
        if (operands[row->o[n]].place == IN_RMREG)
            mods &= MODS_REG;
    }
    return mods;
}

/* Count, sum up, place: a counting sort that keeps the order of insns.def. */
__attribute__((constructor)) static void index_build(void)
{
    uint16_t next[MAP_COUNT * 256];

    for (size_t r = 0; r < ROWS; r++)
        for (unsigned n = 0; n < row_span(&rows[r]); n++)
            first[rows[r].map * 256 + rows[r].opcode + n + 1]++;
    for (unsigned n = 0; n < MAP_COUNT * 256; n++)
        first[n + 1] += first[n];
    memcpy(next, first, sizeof next);
    for (size_t r = 0; r < ROWS; r++)
        for (unsigned n = 0; n < row_span(&rows[r]); n++)
            slots[next[rows[r].map * 256 + rows[r].opcode + n]++] = (struct slot){ (uint16_t)r, row_mods(&rows[r]) };
}

static bool modrm_matches(const struct slot *slot, uint8_t modrm)
{
    unsigned want = rows[slot->row].modrm, n = modrm >> 3 & 7;

    if (want == NONE)
        return true;
    if (!(slot->mods & (modrm >= 0xc0 ? MODS_REG : MODS_MEM)))
        return false;
    switch (want & 0x700) {
    case N(0): case NM(0): case NR(0):
        return n == (want & 7);
    case X(0, 0):
        return (modrm & 0x3f) == (want & 0x3f);
    default:
        return true;
    }
}

bool index_has_modrm(unsigned map, unsigned opcode)
{
    unsigned at = first[map * 256 + opcode];

    return at != first[map * 256 + opcode + 1] && rows[slots[at].row].modrm != NONE;
}

const struct insn_row *index_find(const struct row_key *key)
{
    const uint16_t *range = &first[key->map * 256 + key->opcode];
    unsigned wrong = (key->mode64 ? I64 : O64) | (key->w ? W0 : W1) | (key->l != 0 ? L0 : 0) | (key->l != 1 ? L1 : 0) |
                     (key->l != 2 ? L2 : 0);

    for (unsigned at = range[0]; at < range[1]; at++) {
        const struct insn_row *row = &rows[slots[at].row];

        if (!(row->attrs & wrong) && (row->prefix == ANY || row->prefix == key->prefix) &&
            modrm_matches(&slots[at], key->modrm))
            return row;
    }
    return NULL;
}

const struct insn_row *index_rows(size_t *count)
{
    *count = ROWS;
    return rows;
}

/* Two rows overlap when some prefix, ModRM, mode, W and L lets both in. */
static bool slots_overlap(const struct slot *a, const struct slot *b)
{
    const struct insn_row *ra = &rows[a->row], *rb = &rows[b->row];
    unsigned attrs = ra->attrs | rb->attrs;
    static const unsigned apart[] = { I64 | O64, W0 | W1, L0 | L1, L0 | L2, L1 | L2 };

    if (ra->prefix != rb->prefix && ra->prefix != ANY && rb->prefix != ANY)
        return false;
    if ((ra->modrm == NONE) != (rb->modrm == NONE))
        return true;
    for (unsigned n = 0; n < sizeof apart / sizeof apart[0]; n++)
        if ((attrs & apart[n]) == apart[n])
            return false;
    for (unsigned modrm = 0; modrm < 256; modrm++)
        if (modrm_matches(a, (uint8_t)modrm) && modrm_matches(b, (uint8_t)modrm))
            return true;
    return false;
}

bool index_check(const struct insn_row **a, const struct insn_row **b)
{
    for (unsigned opcode = 0; opcode < MAP_COUNT * 256; opcode++)
        for (unsigned i = first[opcode]; i < first[opcode + 1]; i++)
            for (unsigned j = i + 1; j < first[opcode + 1]; j++)
                if (slots_overlap(&slots[i], &slots[j])) {
                    *a = &rows[slots[i].row];
                    *b = &rows[slots[j].row];
                    return true;
                }
    return false;
}
