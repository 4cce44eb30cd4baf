/* SPDX-License-Identifier: MIT
 * Vector moves, what goes between vector and general registers, and what makes flags of vectors. */
#include "cpu/jit/x64/lift.h"

static bool in_memory(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_MEM;
}

/* As vec_general_bytes(). */
static unsigned general_bytes(const struct insn *i)
{
    return i->flags & INSN_REXW ? 8 : 4;
}

/* ---- whole registers ---- */

static void move(struct lift *l, bool wide, unsigned to, struct rm from)
{
    asm_vex(&l->a, (struct vex){ 1, 2, 0, wide, 0x6f }, to, 0, from);      /* VMOVDQU */
}

static bool move_whole(struct lift *l, bool aligned)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    const bool legacy = !i->vl;
    struct rm from;

    if (bytes > 32)
        return false;
    vec_ready(l, false);
    if (in_memory(i, 0)) {
        if (!vec_memory(l, true, bytes, aligned ? bytes : 1))
            return false;
        asm_vex(&l->a, (struct vex){ 1, 2, 0, bytes == 32, 0x7f }, vec_use(l, i->o[1], bytes), 0, l->mem);
        return true;
    }
    if (!in_memory(i, 1))
        from = rm_reg(vec_use(l, i->o[1], bytes));
    else if (vec_memory(l, false, bytes, aligned ? bytes : 1))
        from = l->mem;
    else
        return false;
    move(l, bytes == 32, vec_make(l, i->o[0], legacy), from);
    vec_made(l, i->o[0], legacy);
    return true;
}

/* ---- stores of a part ---- */

static bool store_part(struct lift *l, unsigned bytes, struct vex v)
{
    const struct insn *i = l->i;

    vec_ready(l, false);
    if (!vec_memory(l, true, bytes, 1))
        return false;
    asm_vex(&l->a, v, vec_use(l, i->o[1], 16), 0, l->mem);
    return true;
}

/* The low quadword, to memory or zero-extended to a register. */
static bool move_low(struct lift *l)
{
    const struct insn *i = l->i;
    const bool legacy = !i->vl;
    unsigned from;

    if (in_memory(i, 0))
        return store_part(l, 8, (struct vex){ 1, 1, 0, 0, 0xd6 });
    vec_ready(l, false);
    from = vec_use(l, i->o[1], 16);
    asm_vex(&l->a, (struct vex){ 1, 2, 0, 0, 0x7e }, vec_make(l, i->o[0], legacy), 0, rm_reg(from));
    vec_made(l, i->o[0], legacy);
    return true;
}

static bool extract_half(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned from;
    struct rm to;

    vec_ready(l, false);
    if (in_memory(i, 0) && !vec_memory(l, true, 16, 1))
        return false;
    from = vec_use(l, i->o[1], 32);
    to = in_memory(i, 0) ? l->mem : rm_reg(vec_make(l, i->o[0], false));
    asm_vex(&l->a, (struct vex){ 3, 1, 0, 1, 0x19 }, from, 0, to);
    asm_byte(&l->a, (unsigned)i->imm & 0xff);
    if (!in_memory(i, 0))
        vec_made(l, i->o[0], false);
    return true;
}

/* ---- from and to general registers ---- */

/* Source n, a general register or memory, as an operand of `bytes`; 1 and 2 are taken from 4 of a register. */
static bool general_source(struct lift *l, unsigned n, unsigned bytes, struct rm *rm)
{
    const struct insn *i = l->i;

    if (in_memory(i, n)) {
        if (!vec_memory(l, false, i->mem_bytes, 1))
            return false;
        *rm = l->mem;
        return true;
    }
    *rm = rm_reg(lift_read(l, i->o[n], bytes < 4 ? 4 : bytes, HOST_AX));
    return true;
}

static bool from_general(struct lift *l)
{
    const struct insn *i = l->i;
    const bool legacy = !i->vl;
    struct rm rm;

    vec_ready(l, false);
    if (!general_source(l, 1, general_bytes(i), &rm))
        return false;
    asm_vex(&l->a, (struct vex){ 1, 1, general_bytes(i) == 8, 0, 0x6e }, vec_make(l, i->o[0], legacy), 0, rm);
    vec_made(l, i->o[0], legacy);
    return true;
}

/* `v` puts an element of operand 1 into a general register or memory. */
static bool to_general(struct lift *l, unsigned bytes, struct vex v, bool imm)
{
    const struct insn *i = l->i;

    vec_ready(l, false);
    if (in_memory(i, 0) && !vec_memory(l, true, bytes, 1))
        return false;
    asm_vex(&l->a, v, vec_use(l, i->o[1], 16), 0, in_memory(i, 0) ? l->mem : rm_reg(HOST_AX));
    if (imm)
        asm_byte(&l->a, (unsigned)i->imm & 0xff);
    if (!in_memory(i, 0))
        lift_write(l, i->o[0], bytes < 4 ? 4 : bytes, HOST_AX);
    return true;
}

/* `v` adds a general register or memory to the first source: an element, or a number in its format. */
static bool insert(struct lift *l, unsigned bytes, struct vex v, bool imm, bool fp)
{
    const struct insn *i = l->i;
    const bool legacy = !i->vl;
    unsigned first;
    struct rm rm;

    if (legacy && i->width == 8)        /* MMX */
        return false;
    vec_ready(l, fp);
    if (!general_source(l, legacy ? 1 : 2, bytes, &rm))
        return false;
    first = vec_use(l, i->o[legacy ? 0 : 1], 16);
    asm_vex(&l->a, v, vec_make(l, i->o[0], legacy), first, rm);
    if (imm)
        asm_byte(&l->a, (unsigned)i->imm & 0xff);
    vec_made(l, i->o[0], legacy);
    return true;
}

static bool signs(struct lift *l, struct vex v)
{
    const struct insn *i = l->i;

    vec_ready(l, false);
    v.l = i->vl == 32;
    asm_vex(&l->a, v, HOST_AX, 0, rm_reg(vec_use(l, i->o[1], i->vl == 32 ? 32 : 16)));
    lift_write(l, i->o[0], 4, HOST_AX);
    return true;
}

/* ---- numbers ---- */

static bool to_integer(struct lift *l, struct vex v)
{
    const struct insn *i = l->i;
    const unsigned bytes = general_bytes(i);

    vec_ready(l, true);
    if (in_memory(i, 1) && !vec_memory(l, false, i->mem_bytes, 1))
        return false;
    v.w = bytes == 8;
    asm_vex(&l->a, v, HOST_AX, 0, in_memory(i, 1) ? l->mem : rm_reg(vec_use(l, i->o[1], 16)));
    lift_write(l, i->o[0], bytes, HOST_AX);
    return true;
}

/* Compares and tests: all six flags are made. */
static bool flags_made_of(struct lift *l, struct vex v, bool fp)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->vl == 32 && !fp ? 32 : 16;
    unsigned first;

    vec_ready(l, fp);
    if (in_memory(i, 1) && !vec_memory(l, false, i->mem_bytes, !i->vl && i->mem_bytes == 16 ? 16 : 1))
        return false;
    v.l = bytes == 32;
    first = vec_use(l, i->o[0], bytes);
    asm_vex(&l->a, v, first, 0, in_memory(i, 1) ? l->mem : rm_reg(vec_use(l, i->o[1], bytes)));
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

static bool extract_word(struct lift *l)        /* of either opcode */
{
    return to_general(l, 2, (struct vex){ 3, 1, 0, 0, 0x15 }, true);
}

static bool extract_element(struct lift *l)     /* EXTRACTPS too, whose W is ignored */
{
    const unsigned bytes = l->i->opcode == 0x16 ? general_bytes(l->i) : 4;

    return to_general(l, bytes, (struct vex){ 3, 1, bytes == 8, 0, 0x16 }, true);
}

/* Without VEX encodings, so the destination is a source, too; SHA256RNDS2 has another in XMM0. */
static bool sha(struct lift *l, uint32_t opcode)
{
    const struct insn *i = l->i;
    unsigned from = 1, to;

    if (!lift_host_has(F_SHA))
        return false;
    vec_ready(l, false);
    if (in_memory(i, 1) && !vec_memory(l, false, 16, 16))
        return false;
    if (!in_memory(i, 1))
        from = vec_use(l, i->o[1], 16);
    if (i->op == OP_SHA256RNDS2)
        move(l, false, 0, rm_reg(vec_use(l, 0, 16)));
    vec_use(l, i->o[0], 16);
    to = vec_make(l, i->o[0], true);
    if (in_memory(i, 1))
        move(l, false, from, l->mem);      /* last, as to find registers may take XMM1 */
    asm_op(&l->a, opcode, 4, to, rm_reg(from));
    if (i->op == OP_SHA1RNDS4)
        asm_byte(&l->a, (unsigned)i->imm & 0xff);
    vec_made(l, i->o[0], true);
    return true;
}

/* PCMPESTRI and its like: lengths in RAX and RDX, the result in RCX or XMM0. */
static bool strings(struct lift *l, unsigned opcode, bool lengths, bool mask)
{
    const struct insn *i = l->i;
    const bool legacy = !i->vl;
    unsigned first, second = 1, to = 0;

    vec_ready(l, false);
    if (in_memory(i, 1) && !vec_memory(l, false, 16, 1))
        return false;
    first = vec_use(l, i->o[0], 16);
    if (!in_memory(i, 1))
        second = vec_use(l, i->o[1], 16);
    if (mask)
        to = vec_make(l, 0, legacy);
    if (in_memory(i, 1))
        move(l, false, second, l->mem);
    if (lengths) {
        asm_mov(&l->a, 8, HOST_AX, guest(REG_AT(RAX)));
        asm_mov(&l->a, 8, HOST_DX, guest(REG_AT(RDX)));
    }
    asm_vex(&l->a, (struct vex){ 3, 1, lengths && general_bytes(i) == 8, 0, (uint8_t)opcode }, first, 0, rm_reg(second));
    asm_byte(&l->a, (unsigned)i->imm & 0xff);
    if (mask) {
        move(l, false, to, rm_reg(0));
        vec_made(l, 0, legacy);
    } else {
        lift_write(l, REG_AT(RCX), 4, HOST_CX);
    }
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

static bool zero_upper(struct lift *l)
{
    vec_ready(l, false);
    lift_vec_zero_upper(l);
    return true;
}

bool lift_vec_move(struct lift *l)
{
    const unsigned bytes = general_bytes(l->i), w = bytes == 8;

#define VEX(map, prefix, w, opcode) ((struct vex){ map, prefix, (uint8_t)(w), 0, opcode })
    switch (l->i->op) {
    case OP_MOV_ALIGNED:    return move_whole(l, true);
    case OP_MOV_UNALIGNED:  return move_whole(l, false);
    case OP_MOV_STORE32:    return store_part(l, 4, VEX(1, 1, 0, 0x7e));
    case OP_MOV_STORE64:    return store_part(l, 8, VEX(1, 1, 0, 0xd6));
    case OP_MOV_STOREHIGH:  return store_part(l, 8, VEX(1, 0, 0, 0x17));
    case OP_MOVQ_WV:        return move_low(l);
    case OP_VEXTRACT128:    return extract_half(l);
    case OP_MOVD_VE:        return from_general(l);
    case OP_MOVD_EV:        return to_general(l, bytes, VEX(1, 1, w, 0x7e), false);
    case OP_PEXTRB:         return to_general(l, 1, VEX(3, 1, 0, 0x14), true);
    case OP_PEXTRW:         return extract_word(l);
    case OP_PEXTRD:         return extract_element(l);
    case OP_PINSRB:         return insert(l, 1, VEX(3, 1, 0, 0x20), true, false);
    case OP_PINSRW:         return insert(l, 2, VEX(1, 1, 0, 0xc4), true, false);
    case OP_PINSRD:         return insert(l, bytes, VEX(3, 1, w, 0x22), true, false);
    case OP_CVTSI2SS:       return insert(l, bytes, VEX(1, 2, w, 0x2a), false, true);
    case OP_CVTSI2SD:       return insert(l, bytes, VEX(1, 3, w, 0x2a), false, true);
    case OP_CVTTSS2SI:      return to_integer(l, VEX(1, 2, w, 0x2c));
    case OP_CVTTSD2SI:      return to_integer(l, VEX(1, 3, w, 0x2c));
    case OP_CVTSS2SI:       return to_integer(l, VEX(1, 2, w, 0x2d));
    case OP_CVTSD2SI:       return to_integer(l, VEX(1, 3, w, 0x2d));
    case OP_MOVMSKPS:       return signs(l, VEX(1, 0, 0, 0x50));
    case OP_MOVMSKPD:       return signs(l, VEX(1, 1, 0, 0x50));
    case OP_PMOVMSKB:       return signs(l, VEX(1, 1, 0, 0xd7));
    case OP_UCOMISS:        return flags_made_of(l, VEX(1, 0, 0, 0x2e), true);
    case OP_UCOMISD:        return flags_made_of(l, VEX(1, 1, 0, 0x2e), true);
    case OP_COMISS:         return flags_made_of(l, VEX(1, 0, 0, 0x2f), true);
    case OP_COMISD:         return flags_made_of(l, VEX(1, 1, 0, 0x2f), true);
    case OP_PTEST:          return flags_made_of(l, VEX(2, 1, 0, 0x17), false);
    case OP_VTESTPS:        return flags_made_of(l, VEX(2, 1, 0, 0x0e), false);
    case OP_VTESTPD:        return flags_made_of(l, VEX(2, 1, 0, 0x0f), false);
    case OP_VZEROUPPER:     return zero_upper(l);
    case OP_PCMPESTRM:      return strings(l, 0x60, true, true);
    case OP_PCMPESTRI:      return strings(l, 0x61, true, false);
    case OP_PCMPISTRM:      return strings(l, 0x62, false, true);
    case OP_PCMPISTRI:      return strings(l, 0x63, false, false);
    case OP_SHA1NEXTE:      return sha(l, 0x0f38c8);
    case OP_SHA1MSG1:       return sha(l, 0x0f38c9);
    case OP_SHA1MSG2:       return sha(l, 0x0f38ca);
    case OP_SHA256RNDS2:    return sha(l, 0x0f38cb);
    case OP_SHA256MSG1:     return sha(l, 0x0f38cc);
    case OP_SHA256MSG2:     return sha(l, 0x0f38cd);
    case OP_SHA1RNDS4:      return sha(l, 0x0f3acc);
    default:                return false;
    }
#undef VEX
}
