/* SPDX-License-Identifier: MIT
 * From a row to bytes: prefixes, opcode, ModRM and SIB in all forms, displacements, immediates; now and then something that
 * the row does not allow, so that #UD is compared as well. */
#include "tests/oracle/host/gen.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "cpu/decoder/decode.h"
#include "cpu/decoder/operands.h"
#include "tests/oracle/host/rules.h"

struct build {
    struct gen *g;
    struct host_case *c;
    const struct insn_row *row;
    uint8_t bytes[32];
    unsigned len;
    int rip_at;                 /* where a RIP-relative displacement stands, or -1 */
    uint64_t rip_target;
    bool fixed_address;         /* memory operands may use no register: later instructions of a sequence */
    bool opsize, asize, rexw, vex, locks;
    unsigned evex_vl;
};

static unsigned below(struct build *b, unsigned n) { return host_below(&b->g->r, n); }
static bool one_in(struct build *b, unsigned n) { return host_one_in(&b->g->r, n); }

static void put(struct build *b, uint64_t v, unsigned bytes)
{
    for (; bytes-- > 0 && b->len < sizeof b->bytes; v >>= 8)
        b->bytes[b->len++] = (uint8_t)v;
}

static bool row_has(const struct insn_row *row, unsigned place)
{
    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[row->o[n]].place) == place)
            return true;
    return false;
}

/* ---- prefixes ---- */

static void put_segment(struct build *b)
{
    static const uint8_t all[] = { 0x2e, 0x26, 0x36, 0x3e, 0x64, 0x65 };
    unsigned first = b->fixed_address && b->c->mode == CASE_16;     /* no CS: rules.c looks at the first instruction only */

    if (one_in(b, 12))
        put(b, all[first + below(b, COUNT_OF(all) - first)], 1);
}

/* Legacy prefixes for a row without VEX. */
static void put_prefixes(struct build *b)
{
    static const uint8_t mandatory[] = { [NP] = 0, [P66] = 0x66, [PF3] = 0xf3, [PF2] = 0xf2 };
    const struct insn_row *row = b->row;
    bool string = row->attrs & (REPS | REPZ);

    put_segment(b);
    if (one_in(b, 12)) {
        put(b, 0x67, 1);
        b->asize = true;
    }
    if (row->prefix == ANY ? one_in(b, 4) : row->prefix != NP && row->prefix != P66 && one_in(b, 24)) {
        put(b, 0x66, 1);
        b->opsize = true;
    }
    if ((row->attrs & LOCK) ? one_in(b, 4) : one_in(b, 100)) {
        put(b, 0xf0, 1);
        b->locks = true;
    }
    if (row->prefix == ANY && one_in(b, string ? 2 : 24))
        put(b, one_in(b, 2) ? 0xf2 : 0xf3, 1);
    if (row->prefix != ANY && mandatory[row->prefix])
        put(b, mandatory[row->prefix], 1);
    b->opsize |= row->prefix == P66;
    put_segment(b);
}

static void put_rex(struct build *b)
{
    unsigned rex = 0x40 | below(b, 16);

    if (b->row->attrs & W1)
        rex |= 8;
    if ((b->row->attrs & W0) && !one_in(b, 20))
        rex &= ~8u;
    if (b->c->mode != CASE_64 || (!(b->row->attrs & W1) && one_in(b, 3)))
        return;
    b->rexw = rex & 8;
    put(b, rex, 1);
}

static unsigned choose_w(struct build *b)
{
    if (b->row->attrs & W1)
        return !one_in(b, 64);
    if (b->row->attrs & W0)
        return one_in(b, 64);
    return below(b, 2);
}

static unsigned choose_l(struct build *b, unsigned most)
{
    if (b->row->attrs & L0)
        return one_in(b, 64);
    if (b->row->attrs & L1)
        return !one_in(b, 64);
    return below(b, most);
}

/* vvvv as it stands in the prefix, inverted: 1111b where no operand is there. */
static unsigned choose_vvvv(struct build *b)
{
    if (!row_has(b->row, IN_VVVV) && !one_in(b, 50))
        return 15;
    return b->c->mode == CASE_64 || one_in(b, 8) ? below(b, 16) : below(b, 16) | 8;
}

static unsigned pp_of(const struct insn_row *row)
{
    static const uint8_t pp[] = { [ANY] = 0, [NP] = 0, [P66] = 1, [PF3] = 2, [PF2] = 3 };

    return pp[row->prefix];
}

static void put_vex(struct build *b)
{
    unsigned map = b->row->map - V0F + 1, w = choose_w(b), l = choose_l(b, 2), vvvv = choose_vvvv(b);
    unsigned rxb = b->c->mode == CASE_64 ? below(b, 8) : 7, pp = pp_of(b->row);

    b->rexw = w;
    b->vex = true;
    if (map == 1 && w == 0 && one_in(b, 2)) {
        put(b, 0xc5, 1);
        put(b, (rxb & 4) << 5 | vvvv << 3 | l << 2 | pp, 1);
        return;
    }
    put(b, 0xc4, 1);
    put(b, rxb << 5 | map, 1);
    put(b, w << 7 | vvvv << 3 | l << 2 | pp, 1);
}

/* SDM 2A "AVX-512 Encoding": P0 R X B R' 0 mmm, P1 W vvvv 1 pp, P2 z L'L b V' aaa. */
static void put_evex(struct build *b, bool memory)
{
    unsigned map = b->row->map - E0F + 1, w = choose_w(b), l = one_in(b, 60) ? 3 : choose_l(b, 3), vvvv = choose_vvvv(b);
    unsigned rxb = b->c->mode == CASE_64 ? below(b, 16) : 15 ^ (one_in(b, 64) ? below(b, 4) : 0);
    unsigned mask = one_in(b, 3) ? 0 : below(b, 8), z = one_in(b, 4), broadcast = one_in(b, memory ? 5 : 8);
    unsigned v4 = row_has(b->row, IN_VVVV) || row_has(b->row, IN_VSIB) ? below(b, 2) : !one_in(b, 50);

    if (b->c->mode != CASE_64 && !one_in(b, 20))
        v4 = 1;
    b->rexw = w;
    b->vex = true;
    put(b, 0x62, 1);
    put(b, rxb << 4 | map | (one_in(b, 400) ? 8 : 0), 1);
    put(b, w << 7 | vvvv << 3 | (one_in(b, 400) ? 0 : 4) | pp_of(b->row), 1);
    put(b, z << 7 | l << 5 | broadcast << 4 | v4 << 3 | mask, 1);
}

/* ---- ModRM ---- */

static bool wants_memory(struct build *b)
{
    unsigned kind = b->row->modrm & 0x700;

    if (kind == NONE)
        return false;
    if (kind == MEM || kind == NM(0) || row_has(b->row, IN_MEM) || row_has(b->row, IN_VSIB))
        return true;
    if (kind == REG || kind == NR(0) || kind == X(0, 0) || row_has(b->row, IN_RMREG))
        return false;
    return one_in(b, 2);
}

static unsigned choose_reg(struct build *b)
{
    switch (b->row->modrm & 0x700) {
    case N(0): case NM(0): case NR(0):
        return b->row->modrm & 7;
    case X(0, 0):
        return b->row->modrm >> 3 & 7;
    default:
        return below(b, 8);
    }
}

static void put_disp(struct build *b, unsigned mod)
{
    if (mod == 1)
        put(b, below(b, 256), 1);
    else if (mod == 2)
        put(b, one_in(b, 2) ? host_random(&b->g->r) : (uint64_t)(int64_t)((int)below(b, 8192) - 4096), 4);
}

/* disp32 without a base: where it points, all by itself. */
static void put_absolute(struct build *b, bool rip)
{
    uint64_t target = gen_target(b->g, b->c, 16);

    if (rip && b->c->mode == CASE_64) {
        b->rip_at = (int)b->len;
        b->rip_target = target;
    }
    put(b, target, 4);
}

static void put_memory16(struct build *b, unsigned reg)
{
    unsigned mod = below(b, 3), rm = below(b, 8);

    put(b, mod << 6 | reg << 3 | rm, 1);
    if (mod == 0 && rm == 6)
        put(b, below(b, 0x5000) + 0x1000, 2);
    else if (mod != 0)
        put(b, below(b, 256), mod);
}

static void put_memory(struct build *b, unsigned reg)
{
    bool sib_only = row_has(b->row, IN_VSIB) && !one_in(b, 50), wide = b->c->mode == CASE_64 || (b->c->mode == CASE_16) == b->asize;
    unsigned mod = b->fixed_address ? 0 : below(b, 3), rm = b->fixed_address ? 5 : sib_only ? 4 : below(b, 8);

    if (!wide) {
        put_memory16(b, reg);
        return;
    }
    put(b, mod << 6 | reg << 3 | rm, 1);
    if (rm == 4) {
        unsigned sib = below(b, 256);

        put(b, sib, 1);
        if (mod == 0 && (sib & 7) == 5) {
            put_absolute(b, false);
            return;
        }
    }
    if (mod == 0 && rm == 5)
        put_absolute(b, true);
    else
        put_disp(b, mod);
}

static void put_modrm(struct build *b, bool memory)
{
    unsigned reg = choose_reg(b), rm = (b->row->modrm & 0x700) == X(0, 0) ? b->row->modrm & 7 : below(b, 8);

    if (memory)
        put_memory(b, reg);
    else
        put(b, 0xc0 | reg << 3 | rm, 1);
}

/* ---- immediates ---- */

static unsigned operand_bytes(const struct build *b)
{
    if (b->c->mode == CASE_16)
        return b->opsize ? 4 : 2;
    if (b->rexw && b->c->mode == CASE_64)
        return 8;
    return b->opsize && !(b->row->attrs & F64 && b->c->mode == CASE_64) ? 2 : 4;
}

static void put_far(struct build *b, unsigned z)
{
    static const uint16_t selectors[] = { 0x23, 0x07, 0x37, 0x2b, 0, 0x33, 0x10, 0x27 };

    put(b, one_in(b, 4) ? host_random(&b->g->r) : gen_landing(b->g, b->c), z);
    put(b, one_in(b, 6) ? below(b, 65536) & ~4u : selectors[below(b, COUNT_OF(selectors))], 2);
}

/* Branch displacements lead to landing places, or anywhere. */
static void put_branch(struct build *b, unsigned bytes)
{
    int64_t d = bytes == 1 ? (int64_t)below(b, 256) - 128 : (int64_t)(gen_landing(b->g, b->c) - (b->c->at + b->len + bytes));

    if (bytes != 1 && one_in(b, 6))
        d = (int64_t)host_random(&b->g->r);
    if (d > -20 && d < 12)
        d = 64;
    put(b, (uint64_t)d, bytes);
}

static void put_immediate(struct build *b, unsigned place)
{
    unsigned osize = operand_bytes(b), z = osize == 2 ? 2 : 4;
    uint64_t v = one_in(b, 3) ? below(b, 16) : host_random(&b->g->r);

    switch (place) {
    case IMM_U8: case IMM_S8: case IMM_2ND8: case IN_IS4: put(b, v, 1); break;
    case IMM_U16: put(b, one_in(b, 3) ? v : v & 31, 2); break;
    case IMM_Z: put(b, v, z); break;
    case IMM_V: put(b, v, osize); break;
    case IMM_FAR: put_far(b, z); break;
    case REL_8: put_branch(b, 1); break;
    case REL_Z: put_branch(b, z); break;
    case IN_MOFFS:
        put(b, gen_target(b->g, b->c, 8), b->c->mode == CASE_64 ? (b->asize ? 4 : 8) : (b->c->mode == CASE_16) == b->asize ? 4 : 2);
        break;
    }
}

/* ---- one instruction ---- */

static void put_opcode(struct build *b)
{
    static const uint8_t escapes[][2] = { [M0F] = { 0x0f, 0 }, [M0F38] = { 0x0f, 0x38 }, [M0F3A] = { 0x0f, 0x3a } };
    unsigned opcode = b->row->opcode;

    if (b->row->map > M1 && b->row->map <= M0F3A) {
        put(b, escapes[b->row->map][0], 1);
        if (escapes[b->row->map][1])
            put(b, escapes[b->row->map][1], 1);
    }
    if (b->row->attrs & CC)
        opcode += below(b, 16);
    if (row_has(b->row, IN_OPCODE))
        opcode += below(b, 8);
    put(b, opcode, 1);
}

static void build_insn(struct build *b)
{
    bool memory = wants_memory(b);

    b->len = 0;
    b->rip_at = -1;
    b->opsize = b->asize = b->rexw = b->vex = false;
    b->locks = b->row->op == OP_XCHG;
    if (b->row->map >= V0F) {
        put_segment(b);
        if (one_in(b, 16)) {
            put(b, 0x67, 1);
            b->asize = true;
        }
        if (one_in(b, 300))
            put(b, one_in(b, 2) ? 0x66 : 0xf3, 1);
        if (b->row->map >= E0F)
            put_evex(b, memory);
        else
            put_vex(b);
    } else {
        put_prefixes(b);
        put_rex(b);
    }
    put_opcode(b);
    if (b->row->modrm != NONE)
        put_modrm(b, memory);
    for (unsigned n = 0; n < 4; n++)
        put_immediate(b, PLACE(operands[b->row->o[n]].place));
}

/* Outside 64-bit mode some of VEX and EVEX are LDS, LES or BOUND, which may want fewer bytes, or more. */
static void other_length(struct build *b)
{
    static const enum decode_mode modes[] = { [CASE_64] = DECODE_64, [CASE_32] = DECODE_32, [CASE_16] = DECODE_16 };
    struct insn insn;

    memset(b->bytes + b->len, 0xcc, sizeof b->bytes - b->len);
    if (b->c->mode != CASE_64 && decode(&insn, b->bytes, sizeof b->bytes, modes[b->c->mode]) == DECODED)
        b->len = insn.len;
}

/* Append to the case's code, now that its length is known. */
static bool finish(struct build *b)
{
    other_length(b);
    if (b->len > 15 || b->c->code_len + b->len > CODE_MAX)
        return false;
    if (b->rip_at >= 0) {
        uint32_t disp = (uint32_t)(b->rip_target - (b->c->at + b->c->code_len + b->len));

        store32(b->bytes + b->rip_at, disp);
    }
    memcpy(b->c->code + b->c->code_len, b->bytes, b->len);
    b->c->code_len += (uint8_t)b->len;
    return true;
}

static const struct insn_row *choose_row(struct gen *g, int *index)
{
    size_t count;

    *index = g->rows[host_below(&g->r, g->nrows)];
    return &index_rows(&count)[*index];
}

static bool row_in_mode(const struct insn_row *row, unsigned mode)
{
    return !(row->attrs & (mode == CASE_64 ? I64 : O64));
}

static void from_row(struct gen *g, struct host_case *c)
{
    struct build b = { .g = g, .c = c };

    do {
        b.row = choose_row(g, &c->row);
        if (!row_in_mode(b.row, c->mode))
            continue;
        build_insn(&b);
        c->code_len = 0;
    } while (!row_in_mode(b.row, c->mode) || !finish(&b));
}

/* Short and straight: nothing that jumps, and memory only at fixed addresses after the first, without locks there: whether those
 * were over two lines is asked only of the first (rules.c). */
static void sequence(struct gen *g, struct host_case *c)
{
    unsigned wanted = 2 + host_below(&g->r, 7);
    struct build b = { .g = g, .c = c };
    int index;

    c->code_len = 0;
    for (unsigned tries = 0; c->insns < wanted && tries < 200; tries++) {
        b.row = choose_row(g, &index);
        if (!row_in_mode(b.row, c->mode) || op_then[b.row->op] != FALLS || rules_unsteady(b.row->op))
            continue;
        build_insn(&b);
        if ((c->insns > 0 && b.locks) || !finish(&b))
            continue;
        if (c->insns == 0)
            c->row = index;
        c->insns++;
        b.fixed_address = true;
    }
}

/* ---- bytes at random ---- */

static void random_bytes(struct gen *g, struct host_case *c)
{
    static const uint8_t likely[] = { 0x66, 0xf2, 0xf3, 0x67, 0xf0, 0x0f, 0x0f, 0x0f, 0xc4, 0xc5, 0x62, 0x48, 0x41, 0x64, 0x38, 0x3a };
    unsigned at = 0, len = 15;

    if (host_one_in(&g->r, 2)) {            /* a valid one with one or two bytes changed */
        from_row(g, c);
        for (unsigned n = host_below(&g->r, 2) + 1; n-- > 0;)
            c->code[host_below(&g->r, c->code_len)] = (uint8_t)host_random(&g->r);
        at = c->code_len;
    }
    for (; at < len; at++)
        c->code[at] = host_one_in(&g->r, at < 4 ? 2 : 16) ? likely[host_below(&g->r, COUNT_OF(likely))]
                                                         : (uint8_t)host_random(&g->r);
    c->row = -1;
    c->code_len = (uint8_t)len;
    case_decode(c);
    if (c->op != OP_COUNT)                  /* what stands behind a valid one is another matter */
        c->code_len = c->first_len;
}

/* ---- the case ---- */

static void choose_mode(struct gen *g, struct host_case *c)
{
    do
        c->mode = (uint8_t)(host_one_in(&g->r, 4) ? CASE_32 + host_below(&g->r, 2) : CASE_64);
    while (!(g->modes >> c->mode & 1) && g->modes);
}

/* Somewhere on the first page; now and then over the border of the two, or right up to the hole behind them. */
static void choose_place(struct gen *g, struct host_case *c)
{
    unsigned kind = host_below(&g->r, 40);

    if (kind == 0)
        c->at = ARENA_CODE + ARENA_PAGE - 1 - host_below(&g->r, 14);
    else
        c->at = ARENA_CODE + 256 + 64 * host_below(&g->r, 48);
}

/* The instruction ends where the page does, or is cut off by it. */
static void move_to_edge(struct gen *g, struct host_case *c)
{
    unsigned cut = host_one_in(&g->r, 3) ? host_below(&g->r, c->code_len) : 0;

    if (c->insn.flags & INSN_RIPREL || !host_one_in(&g->r, c->op == OP_COUNT ? 10 : 50))
        return;
    c->code_len = (uint8_t)(c->code_len - cut);
    c->at = ARENA_CODE + ARENA_CODE_LEN - c->code_len;
}

void gen_case(struct gen *g, struct host_case *c, uint64_t seed, uint64_t number)
{
    g->r.s = seed * 0xd1342543de82ef95u + number * 0x2545f4914f6cdd1du;
    host_random(&g->r);
    c->number = number;
    c->row = -1;
    c->insns = 0;
    c->patches = 0;
    c->patch_used = 0;
    choose_mode(g, c);
    choose_place(g, c);
    if (g->bytes_in && host_one_in(&g->r, g->bytes_in))
        random_bytes(g, c);
    else if (g->sequences_in && host_one_in(&g->r, g->sequences_in))
        sequence(g, c);
    else
        from_row(g, c);
    if (c->insns == 0)
        c->insns = 1;
    case_decode(c);
    if (c->insns == 1)
        move_to_edge(g, c);
    gen_state(g, c);
}
