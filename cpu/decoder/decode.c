/* SPDX-License-Identifier: MIT
 * Bytes to struct insn: prefixes, opcode, row, ModRM, operands, in the order they stand. SDM 2A 2 "Instruction Format". */
#include "cpu/decoder/decode.h"

#include <string.h>

#include "base/bytes.h"
#include "cpu/decoder/decoding.h"
#include "cpu/decoder/operands.h"

static uint64_t take_unsigned(struct decoding *d, unsigned bytes)
{
    uint64_t v = load_bytes(d->bytes + d->at, bytes);

    d->at += bytes;
    return v;
}

static int64_t take_signed(struct decoding *d, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(take_unsigned(d, bytes) << shift) >> shift;
}

/* ---- prefixes and opcode ---- */

/* In 64-bit mode only FS and GS overrides mean anything; the others leave an earlier one in place (SDM 1 3.3.4). */
static void take_override(struct decoding *d, uint8_t seg)
{
    if (d->mode != DECODE_64 || seg >= SEG_FS)
        d->seg = seg;
}

/* A legacy prefix; false: the byte is none. */
static bool take_legacy(struct decoding *d, uint8_t byte)
{
    switch (byte) {
    case 0x26: take_override(d, SEG_ES); return true;
    case 0x2e: take_override(d, SEG_CS); return true;
    case 0x36: take_override(d, SEG_SS); return true;
    case 0x3e: take_override(d, SEG_DS); d->ds = 1; return true;
    case 0x64: take_override(d, SEG_FS); return true;
    case 0x65: take_override(d, SEG_GS); return true;
    case 0x66: d->opsize = 1; return true;
    case 0x67: d->asize = 1; return true;
    case 0xf0: d->lock = 1; return true;
    case 0xf2: case 0xf3: d->rep = byte; return true;
    default: return false;
    }
}

/* Legacy prefixes in any order; a REX counts only right before the opcode (SDM 2A 2.2.1). Returns the first byte after. */
static uint8_t take_prefixes(struct decoding *d)
{
    for (;;) {
        uint8_t byte = d->bytes[d->at++];

        if (d->mode == DECODE_64 && (byte & 0xf0) == 0x40)
            d->rex = byte;
        else if (take_legacy(d, byte))
            d->rex = 0;
        else
            return byte;
        if (d->at > INSN_MAX_BYTES)
            return 0;
    }
}

static void apply_rex(struct decoding *d, struct insn *out)
{
    d->key.w = d->rex >> 3 & 1;
    d->reg = (d->rex & 4) << 1;
    d->index = (d->rex & 2) << 2;
    d->rm = (d->rex & 1) << 3;
    out->flags |= INSN_REX;
}

bool decoding_vex(const struct decoding *d, unsigned at)
{
    uint8_t byte = d->bytes[at];

    return (byte == 0xc4 || byte == 0xc5 || byte == 0x62) && (d->mode == DECODE_64 || d->bytes[at + 1] >= 0xc0);
}

static bool take_opcode(struct decoding *d, struct insn *out)
{
    uint8_t byte = take_prefixes(d);

    d->key.mode64 = d->mode == DECODE_64;
    d->opcode_at = (uint8_t)(d->at - 1);
    if (decoding_vex(d, d->opcode_at)) {
        if (!vex_prefix(d, out, byte))
            return false;
        byte = d->bytes[d->at++];
    } else {
        d->key.prefix = d->rep == 0xf3 ? PF3 : d->rep == 0xf2 ? PF2 : d->opsize ? P66 : NP;
        if (d->rex)
            apply_rex(d, out);
        if (byte == 0x0f) {
            byte = d->bytes[d->at++];
            d->key.map = byte == 0x38 ? M0F38 : byte == 0x3a ? M0F3A : M0F;
            if (d->key.map != M0F)
                byte = d->bytes[d->at++];
        }
    }
    d->key.opcode = out->opcode = byte;
    return true;
}

/* ---- sizes ---- */

static uint8_t address_size(const struct decoding *d)
{
    static const uint8_t sizes[3][2] = { [DECODE_16] = { 2, 4 }, [DECODE_32] = { 4, 2 }, [DECODE_64] = { 8, 4 } };

    return sizes[d->mode][d->asize];
}

/* SDM 1 tables 3-3, 3-4; D64 and F64 by SDM 2D appendix A. Intel ignores 66 where the size is forced, which are the near
 * branches; AMD takes it (APM 3 "Near Branches in 64-Bit Mode"). */
static uint8_t operand_size(const struct decoding *d, unsigned attrs)
{
    if (d->mode == DECODE_16)
        return d->opsize ? 4 : 2;
    if (d->mode == DECODE_32)
        return d->opsize ? 2 : 4;
    if (d->key.w || ((attrs & F64) && !d->amd))
        return 8;
    if (d->opsize)
        return 2;
    return attrs & (D64 | F64) ? 8 : 4;
}

static uint8_t bytes_of(const struct decoding *d, const struct insn *out, unsigned size)
{
    static const uint8_t fixed[] = {
        [S0] = 0, [S1] = 1, [S2] = 2, [S4] = 4, [S8] = 8, [S10] = 10, [S16] = 16, [S32] = 32, [S64] = 64
    };
    bool mode64 = d->mode == DECODE_64;
    uint8_t vl = out->vl ? out->vl : 16;

    switch (size) {
    case SV: return d->bytes_osize;
    case SZ: return d->bytes_osize == 2 ? 2 : 4;
    case SY: return mode64 && d->key.w ? 8 : 4;
    case SM: return mode64 ? 8 : 4;
    case SVL: return vl;
    case SVL2: return vl / 2;
    case SVL4: return vl / 4;
    case SVL8: return vl / 8;
    case SFAR: return d->bytes_osize + 2;
    case SPAIR: return d->bytes_osize * 2;
    case STABLE: return mode64 ? 10 : 6;
    default: return fixed[size];
    }
}

/* ---- memory operands ---- */

/* 16-bit forms: SDM 2A table 2-1. */
static void take_memory16(struct decoding *d, struct insn *out)
{
    static const struct { uint8_t base, index; } forms[8] = {
        { RBX, RSI }, { RBX, RDI }, { RBP, RSI }, { RBP, RDI }, { RSI, 16 }, { RDI, 16 }, { RBP, 16 }, { RBX, 16 }
    };
    unsigned mod = out->modrm >> 6, rm = out->modrm & 7;

    if (mod == 0 && rm == 6) {
        out->disp = take_signed(d, 2);
        return;
    }
    out->base = REG_AT(forms[rm].base);
    out->index = REG_AT(forms[rm].index);
    out->disp = mod == 1 ? take_signed(d, 1) : mod == 2 ? take_signed(d, 2) : 0;
}

/* Base and index of a SIB byte (SDM 2A table 2-3); returns whether a disp32 stands for the base. */
static bool take_sib(struct decoding *d, struct insn *out)
{
    uint8_t sib = (uint8_t)take_unsigned(d, 1);
    unsigned index = (sib >> 3 & 7) | d->index;

    if (index != RSP || d->vsib) {
        out->index = d->vsib ? (uint8_t)(index | d->vprime) : REG_AT(index);
        out->scale = sib >> 6;
    }
    if ((sib & 7) == RBP && out->modrm < 0x40)
        return true;
    out->base = REG_AT((sib & 7) | (d->rm & 8));
    return false;
}

static void take_memory32(struct decoding *d, struct insn *out)
{
    unsigned mod = out->modrm >> 6, rm = out->modrm & 7;
    bool disp32 = mod == 2;

    if (rm == RSP) {
        disp32 |= take_sib(d, out);
    } else if (mod == 0 && rm == RBP) {
        disp32 = true;
        if (d->mode == DECODE_64)
            out->flags |= INSN_RIPREL;
    } else {
        out->base = REG_AT(rm | (d->rm & 8));
    }
    if (disp32)
        out->disp = take_signed(d, 4);
    else if (mod == 1)
        out->disp = take_signed(d, 1);
}

/* EVEX scales disp8 by what is accessed: the operand, or one element when it is broadcast (SDM 2A "Compressed Displacement"). */
static void scale_disp8(struct insn *out)
{
    if ((out->flags & INSN_EVEX) && out->modrm >= 0x40 && out->modrm < 0x80)
        out->disp *= out->mem_bytes;
}

static void take_memory(struct decoding *d, struct insn *out, uint8_t bytes)
{
    out->mem_bytes = out->evex & EVEX_BCAST ? (d->key.w ? 8 : 4) : bytes;
    if (out->asize == 2)
        take_memory16(d, out);
    else
        take_memory32(d, out);
    scale_disp8(out);
    if (d->seg == SEG_COUNT && (out->base == REG_AT(RSP) || out->base == REG_AT(RBP)))
        out->seg = SEG_SS;
}

/* ---- operands ---- */

/* Registers that do not exist are #UD: CR1, CR5-7, CR9-15 ("MOV - Move to/from Control Registers"), DR8-15, segments 6
 * and 7, and CS as a destination. LOCK with CR0 is CR8 on AMD (APM 3 "MOV CRn"). */
static bool put_register(const struct decoding *d, struct insn *out, unsigned slot, const struct operand *operand,
                         unsigned n)
{
    switch (operand->file) {
    case GPR:
        if (n >= 16 && PLACE(operand->place) == IN_REG)     /* EVEX.R'; X in ModRM.rm is ignored */
            return false;
        n &= 15;
        out->o[slot] = REG_AT(n);
        if (operand->size == S1 && n >= 4 && n < 8 && !(out->flags & (INSN_REX | INSN_VEX | INSN_EVEX)))
            out->o[slot] = REG_AT(n - 4) + 1;
        return true;
    case CR:
        if (d->lock) {
            n |= 8;
            out->needs = F_CR8_LEGACY;
        }
        out->o[slot] = (uint8_t)n;
        return n == 0 || (n >= 2 && n <= 4) || n == 8;
    case DR:
        out->o[slot] = (uint8_t)n;
        return n < 8;
    case SEG:
        n &= 7;
        out->o[slot] = (uint8_t)n;
        return n <= SEG_GS && !(out->op == OP_MOV_TO_SEG && n == SEG_CS);
    case VEC:
        out->o[slot] = (uint8_t)n;
        return true;
    case MASK:
        out->o[slot] = n & 7;
        return n < 8 || PLACE(operand->place) == IN_RM || PLACE(operand->place) == IN_RMREG;
    default:
        out->o[slot] = n & 7;
        return true;
    }
}

static void take_immediate(struct decoding *d, struct insn *out, unsigned place)
{
    unsigned z = d->bytes_osize == 2 ? 2 : 4;

    switch (place) {
    case IMM_U8:   out->imm = take_unsigned(d, 1); break;
    case IMM_S8:   out->imm = (uint64_t)take_signed(d, 1); break;
    case IMM_U16:  out->imm = take_unsigned(d, 2); break;
    case IMM_Z:    out->imm = (uint64_t)take_signed(d, z); break;
    case IMM_V:    out->imm = (uint64_t)take_signed(d, d->bytes_osize); break;
    case IMM_ONE:  out->imm = 1; break;
    case IMM_2ND8: out->imm2 = (uint16_t)take_unsigned(d, 1); break;
    case IMM_FAR:
        out->imm = take_unsigned(d, z);
        out->imm2 = (uint16_t)take_unsigned(d, 2);
        break;
    case REL_8:    out->imm = (uint64_t)take_signed(d, 1); break;
    case REL_Z:    out->imm = (uint64_t)take_signed(d, z); break;
    }
}

/* One operand into its slot; returns its kind, or -1 for #UD. Memory was read before, right after ModRM. */
static int take_operand(struct decoding *d, struct insn *out, unsigned slot, const struct operand *operand)
{
    unsigned n;

    switch (PLACE(operand->place)) {
    case IN_NOWHERE: case STRING:
        return KIND_NONE;
    case IN_REG:
        n = (out->modrm >> 3 & 7) | d->reg;
        break;
    case IN_RM:
        if (out->modrm < 0xc0)
            return KIND_MEM;
        /* fallthrough */
    case IN_RMREG: case IN_RMANY:
        n = (out->modrm & 7) | d->rm;
        break;
    case IN_MEM:
        return KIND_MEM;
    case IN_VSIB:               /* SDM 2A "Vector SIB (VSIB) Memory Addressing" */
        return (out->modrm & 7) == RSP && out->asize != 2 ? KIND_MEM : -1;
    case IN_OPCODE:
        n = (out->opcode & 7) | d->rm;
        break;
    case IN_VVVV:
        n = d->mode == DECODE_64 ? d->vvvv | d->vprime : d->vvvv & 7;
        break;
    case IN_IS4:
        out->imm = take_unsigned(d, 1);
        n = (unsigned)out->imm >> 4 & (d->mode == DECODE_64 ? 15 : 7);
        out->imm &= 15;
        break;
    case IN_MOFFS:
        out->mem_bytes = bytes_of(d, out, operand->mem);
        out->disp = (int64_t)take_unsigned(d, out->asize);
        return KIND_MEM;
    case FIXED:
        n = PLACE_FIXED(operand->place);
        break;
    default:
        take_immediate(d, out, PLACE(operand->place));
        return KIND_IMM;
    }
    return put_register(d, out, slot, operand, n) ? KIND_REG : -1;
}

/* The ModRM memory operand: its letter says how many bytes. MOV CR and MOV DR ignore mod, so have none. */
static void take_modrm_memory(struct decoding *d, struct insn *out, const struct insn_row *row)
{
    uint8_t bytes = 0;

    if (row->modrm == NONE || out->modrm >= 0xc0)
        return;
    for (unsigned n = 0; n < 4; n++) {
        const struct operand *operand = &operands[row->o[n]];

        if (operand->place == IN_RMANY)
            return;
        d->vsib |= operand->place == IN_VSIB;
        if (operand->place == IN_RM || operand->place == IN_MEM || operand->place == IN_VSIB)
            bytes = bytes_of(d, out, operand->mem);
    }
    take_memory(d, out, bytes);
}

/* An unused vvvv must be 1111b, in all four bits even where only eight registers exist: a used one ignores bit 3 there
 * (seen on an AMD EPYC in 32-bit mode: C4 E3 3B F0 /r RORX is #UD, C4 E2 30 F2 /r ANDN is not). */
static bool take_operands(struct decoding *d, struct insn *out, const struct insn_row *row)
{
    bool vvvv_used = false;

    out->width = 0;
    for (unsigned n = 0; n < 4; n++) {
        const struct operand *operand = &operands[row->o[n]];
        int kind = take_operand(d, out, n, operand);

        if (kind < 0)
            return false;
        out->form |= kind << (2 * n);
        if (out->width == 0)
            out->width = bytes_of(d, out, operand->size);
        vvvv_used |= operand->place == IN_VVVV;
    }
    if (out->width == 0)
        out->width = d->bytes_osize;
    return vvvv_used || (d->vvvv == 0 && (d->vprime == 0 || d->vsib));
}

/* ---- the whole ---- */

/* 90 is the one opcode that REX.B turns into another instruction: XCHG R8, rAX; else NOP or PAUSE ("NOP", "PAUSE"). REX.B
 * wins over F3 (seen on an AMD EPYC: F3 41 90 exchanges). */
static bool take_nop(const struct decoding *d, struct insn *out)
{
    if (out->op != OP_XCHG || out->opcode != 0x90 || d->rm)
        return false;
    out->op = d->rep == 0xf3 ? OP_PAUSE : OP_NOP;
    out->flags &= (uint16_t)~INSN_REP;
    out->width = d->bytes_osize;
    return true;
}

static void set_flags(const struct decoding *d, struct insn *out, const struct insn_row *row)
{
    if (row->prefix == ANY && d->rep)
        out->flags |= d->rep == 0xf3 ? INSN_REP : INSN_REPNE;
    if (d->lock)
        out->flags |= INSN_LOCK;
    if (d->opsize)
        out->flags |= INSN_OPSIZE;
    if (d->asize)
        out->flags |= INSN_ASIZE;
    if (d->seg != SEG_COUNT)
        out->flags |= INSN_SEGOVR;
    if (d->key.w)
        out->flags |= INSN_REXW;
    if (d->mode == DECODE_64 ? d->ds && d->seg == SEG_COUNT : d->seg == SEG_DS)
        out->flags |= INSN_NOTRACK;
}

/* LOCK asks for an instruction that may carry it and a memory destination ("LOCK"), or MOV CR0 for CR8. */
static bool lock_legal(const struct insn *out, const struct insn_row *row)
{
    return (row->attrs & LOCK) && (FORM_KIND(out->form, 0) == KIND_MEM || out->needs == F_CR8_LEGACY);
}

/* Far pointers have no 64-bit offsets on AMD: REX.W is ignored (APM 3 "CALL (Far)", "JMP (Far)", "LDS, LES..."). And the
 * prefetches of 0F 0D are of memory only: with a register they are no NOP (APM 3 "PREFETCHlevel"). False: #UD. */
static bool take_as_amd(struct decoding *d, const struct insn *out)
{
    switch (out->op) {
    case OP_CALL_FAR_IND: case OP_JMP_FAR_IND: case OP_LSS: case OP_LFS: case OP_LGS:
        d->key.w = 0;
        return true;
    case OP_NOP:
        return !(d->key.map == M0F && d->key.opcode == 0x0d && out->modrm >= 0xc0);
    default:
        return true;
    }
}

static bool take_insn(struct decoding *d, struct insn *out)
{
    const struct insn_row *row;

    if (!take_opcode(d, out))
        return false;
    if (index_has_modrm(d->key.map, d->key.opcode))
        out->modrm = d->key.modrm = d->bytes[d->at++];
    if ((out->flags & INSN_EVEX) && !evex_length(d, out))
        return false;
    row = index_find(&d->key);
    if (!row)
        return false;
    out->op = row->op;
    out->needs = row->needs;
    out->asize = address_size(d);
    out->base = out->index = REG_ZERO;
    out->seg = d->seg == SEG_COUNT ? SEG_DS : d->seg;
    if (out->flags & (INSN_VEX | INSN_EVEX))
        out->vl = row->attrs & LIG ? 16 : (uint8_t)(16 << (d->key.l & 3));
    if ((out->flags & INSN_EVEX) && !evex_fields(d, out, row))
        return false;
    if (d->amd && !take_as_amd(d, out))
        return false;
    if (row->attrs & NAC)
        out->evex |= EVEX_UNCHECKED;
    d->bytes_osize = operand_size(d, row->attrs);
    set_flags(d, out, row);
    if (take_nop(d, out))
        return !d->lock;
    take_modrm_memory(d, out, row);
    if (!take_operands(d, out, row) || (d->lock && !lock_legal(out, row)))
        return false;
    return !(out->flags & INSN_EVEX_Z) || FORM_KIND(out->form, 0) != KIND_MEM;
}

enum decoded decode(struct insn *out, const uint8_t *bytes, size_t len, enum decode_mode mode)
{
    uint8_t padded[INSN_MAX_BYTES + 25] = { 0 };    /* after fifteen bytes at most opcode, ModRM, SIB, two times eight */
    size_t have = len < INSN_MAX_BYTES ? len : INSN_MAX_BYTES;
    struct decoding d = { .bytes = padded, .mode = mode & ~DECODE_AMD, .amd = mode & DECODE_AMD, .seg = SEG_COUNT };
    enum decoded result;

    memset(out, 0, sizeof *out);
    memcpy(padded, bytes, have);
    result = take_insn(&d, out) ? DECODED : INVALID;
    if (d.at > have && out->needs == F_SSE4A && !d.amd) {      /* Intel knows nothing of the immediates of EXTRQ and INSERTQ */
        result = INVALID;
        d.at = 0;
    }
    if (result == INVALID)
        d.at = invalid_end(&d);
    if (d.at > have)
        result = len < INSN_MAX_BYTES ? TRUNCATED : TOO_LONG;
    if (result != DECODED)
        memset(out, 0, sizeof *out);
    out->len = (uint8_t)(d.at < have ? d.at : have);
    return result;
}
