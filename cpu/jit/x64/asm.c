/* SPDX-License-Identifier: MIT
 * SDM 2A "Instruction Format": prefixes, REX, opcode, ModRM, SIB, displacement, immediate. */
#include "cpu/jit/x64/asm.h"

#include <string.h>

void asm_byte(struct asm_buf *a, unsigned v)
{
    if (a->at == a->end) {
        a->full = true;
        return;
    }
    *a->at++ = (uint8_t)v;
}

void asm_32(struct asm_buf *a, uint32_t v)
{
    for (unsigned n = 0; n < 32; n += 8)
        asm_byte(a, v >> n);
}

void asm_64(struct asm_buf *a, uint64_t v)
{
    asm_32(a, (uint32_t)v);
    asm_32(a, (uint32_t)(v >> 32));
}

static bool fits8(int32_t v)
{
    return v == (int8_t)v;
}

/* ---- the general form ---- */

static void rex(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm, bool byte_regs)
{
    unsigned v = 0x40 | (bytes == 8) << 3 | (reg >> 3 & 1) << 2;

    if (rm.reg != HOST_NONE)
        v |= rm.reg >> 3 & 1;
    if (rm.memory && rm.index != HOST_NONE)
        v |= (rm.index >> 3 & 1u) << 1;
    if (v != 0x40 || (byte_regs && (reg >= 4 || (!rm.memory && rm.reg >= 4))))
        asm_byte(a, v);
}

static void sib(struct asm_buf *a, struct rm rm)
{
    unsigned index = rm.index == HOST_NONE ? 4 : rm.index & 7u, base = rm.reg == HOST_NONE ? 5 : rm.reg & 7u;

    asm_byte(a, (unsigned)rm.scale << 6 | index << 3 | base);
}

static void modrm(struct asm_buf *a, unsigned reg, struct rm rm)
{
    const unsigned middle = (reg & 7) << 3;
    bool with_sib = rm.index != HOST_NONE || rm.reg == HOST_NONE || (rm.reg & 7) == HOST_SP;
    unsigned mod;

    if (!rm.memory) {
        asm_byte(a, 0xc0 | middle | (rm.reg & 7));
        return;
    }
    mod = rm.reg == HOST_NONE || (rm.disp == 0 && (rm.reg & 7) != HOST_BP) ? 0 : fits8(rm.disp) ? 1 : 2;
    asm_byte(a, mod << 6 | middle | (with_sib ? 4 : rm.reg & 7));
    if (with_sib)
        sib(a, rm);
    if (mod == 1)
        asm_byte(a, (uint8_t)rm.disp);
    else if (mod == 2 || rm.reg == HOST_NONE)
        asm_32(a, (uint32_t)rm.disp);
}

static void op_as(struct asm_buf *a, uint32_t opcode, unsigned bytes, unsigned reg, struct rm rm, bool byte_regs)
{
    if (bytes == 2)
        asm_byte(a, 0x66);
    rex(a, bytes, reg, rm, byte_regs);
    if (opcode >> 16)
        asm_byte(a, opcode >> 16 & 0xff);
    if (opcode >> 8)
        asm_byte(a, opcode >> 8 & 0xff);
    asm_byte(a, opcode & 0xff);
    modrm(a, reg, rm);
}

void asm_op(struct asm_buf *a, uint32_t opcode, unsigned bytes, unsigned reg, struct rm rm)
{
    op_as(a, opcode, bytes, reg, rm, bytes == 1);
}

static void imm(struct asm_buf *a, unsigned bytes, int32_t v)
{
    if (bytes == 1) {
        asm_byte(a, (uint8_t)v);
    } else if (bytes == 2) {
        asm_byte(a, (uint8_t)v);
        asm_byte(a, (uint8_t)(v >> 8));
    } else {
        asm_32(a, (uint32_t)v);
    }
}

/* ---- moves ---- */

void asm_mov_imm(struct asm_buf *a, unsigned reg, uint64_t v)
{
    if (v == (uint32_t)v) {
        rex(a, 4, 0, rm_reg(reg), false);
        asm_byte(a, 0xb8 | (reg & 7));
        asm_32(a, (uint32_t)v);
    } else if (v == (uint64_t)(int32_t)v) {
        asm_op(a, 0xc7, 8, 0, rm_reg(reg));
        asm_32(a, (uint32_t)v);
    } else {
        rex(a, 8, 0, rm_reg(reg), false);
        asm_byte(a, 0xb8 | (reg & 7));
        asm_64(a, v);
    }
}

void asm_mov(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm)
{
    if (bytes != 8 || rm.memory || rm.reg != reg)       /* to itself, of 8 bytes, is nothing */
        asm_op(a, bytes == 1 ? 0x8a : 0x8b, bytes, reg, rm);
}

void asm_store(struct asm_buf *a, unsigned bytes, struct rm rm, unsigned reg)
{
    asm_op(a, bytes == 1 ? 0x88 : 0x89, bytes, reg, rm);
}

void asm_store_imm(struct asm_buf *a, unsigned bytes, struct rm rm, int32_t v)
{
    asm_op(a, bytes == 1 ? 0xc6 : 0xc7, bytes, 0, rm);
    imm(a, bytes, v);
}

void asm_lea(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm)
{
    asm_op(a, 0x8d, bytes, reg, rm);
}

void asm_movzx(struct asm_buf *a, unsigned from, unsigned reg, struct rm rm)
{
    if (from == 4)
        asm_mov(a, 4, reg, rm);
    else
        op_as(a, from == 1 ? 0x0fb6 : 0x0fb7, 4, reg, rm, from == 1);
}

void asm_movsx(struct asm_buf *a, unsigned from, unsigned to, unsigned reg, struct rm rm)
{
    if (from == 4)
        asm_op(a, 0x63, to, reg, rm);
    else
        op_as(a, from == 1 ? 0x0fbe : 0x0fbf, to, reg, rm, from == 1);
}

/* ---- arithmetic ---- */

void asm_alu(struct asm_buf *a, enum alu op, unsigned bytes, unsigned reg, struct rm rm)
{
    asm_op(a, (unsigned)op << 3 | (bytes == 1 ? 2 : 3), bytes, reg, rm);
}

void asm_alu_to(struct asm_buf *a, enum alu op, unsigned bytes, struct rm rm, unsigned reg)
{
    asm_op(a, (unsigned)op << 3 | (bytes == 1 ? 0 : 1), bytes, reg, rm);
}

void asm_alu_imm(struct asm_buf *a, enum alu op, unsigned bytes, struct rm rm, int32_t v)
{
    if (bytes != 1 && fits8(v)) {
        asm_op(a, 0x83, bytes, op, rm);
        asm_byte(a, (uint8_t)v);
        return;
    }
    asm_op(a, bytes == 1 ? 0x80 : 0x81, bytes, op, rm);
    imm(a, bytes, v);
}

void asm_test(struct asm_buf *a, unsigned bytes, struct rm rm, unsigned reg)
{
    asm_op(a, bytes == 1 ? 0x84 : 0x85, bytes, reg, rm);
}

void asm_test_imm(struct asm_buf *a, unsigned bytes, struct rm rm, int32_t v)
{
    asm_op(a, bytes == 1 ? 0xf6 : 0xf7, bytes, UNARY_TEST, rm);
    imm(a, bytes, v);
}

void asm_unary(struct asm_buf *a, enum unary op, unsigned bytes, struct rm rm)
{
    asm_op(a, bytes == 1 ? 0xf6 : 0xf7, bytes, op, rm);
}

void asm_step(struct asm_buf *a, bool down, unsigned bytes, struct rm rm)
{
    asm_op(a, bytes == 1 ? 0xfe : 0xff, bytes, down, rm);
}

void asm_shift(struct asm_buf *a, enum shift op, unsigned bytes, struct rm rm, unsigned count)
{
    if (count == 1) {
        asm_op(a, bytes == 1 ? 0xd0 : 0xd1, bytes, op, rm);
        return;
    }
    asm_op(a, bytes == 1 ? 0xc0 : 0xc1, bytes, op, rm);
    asm_byte(a, count);
}

void asm_shift_cl(struct asm_buf *a, enum shift op, unsigned bytes, struct rm rm)
{
    asm_op(a, bytes == 1 ? 0xd2 : 0xd3, bytes, op, rm);
}

void asm_imul(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm)
{
    asm_op(a, 0x0faf, bytes, reg, rm);
}

void asm_imul_imm(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm, int32_t v)
{
    asm_op(a, 0x69, bytes, reg, rm);
    imm(a, bytes, v);
}

void asm_setcc(struct asm_buf *a, enum condition cc, struct rm rm)
{
    op_as(a, 0x0f90u | cc, 1, 0, rm, true);
}

void asm_cmov(struct asm_buf *a, enum condition cc, unsigned bytes, unsigned reg, struct rm rm)
{
    asm_op(a, 0x0f40u | cc, bytes, reg, rm);
}

/* ---- vectors ---- */

/* SDM 2A "The VEX Prefix": R X B and vvvv are inverted; the two-byte form has neither X, B, W nor a map but 1. */
void asm_vex(struct asm_buf *a, struct vex v, unsigned reg, unsigned first, struct rm rm)
{
    const unsigned r = ~reg >> 3 & 1, x = rm.memory && rm.index != HOST_NONE ? ~rm.index >> 3 & 1u : 1;
    const unsigned b = rm.reg != HOST_NONE ? ~rm.reg >> 3 & 1u : 1, last = (~first & 15) << 3 | v.l << 2 | v.prefix;

    if (x && b && !v.w && v.map == 1) {
        asm_byte(a, 0xc5);
        asm_byte(a, r << 7 | last);
    } else {
        asm_byte(a, 0xc4);
        asm_byte(a, r << 7 | x << 6 | b << 5 | v.map);
        asm_byte(a, (unsigned)v.w << 7 | last);
    }
    asm_byte(a, v.opcode);
    modrm(a, reg, rm);
}

/* A displacement of 8 bits would count in operands: SDM 2A "Compressed Displacement (disp8*N) Support in EVEX". */
static void modrm_evex(struct asm_buf *a, unsigned reg, struct rm rm)
{
    const bool plain = !rm.memory || rm.disp == 0 || rm.reg == HOST_NONE || !fits8(rm.disp);

    if (plain) {
        modrm(a, reg, rm);
        return;
    }
    asm_byte(a, 0x80 | (reg & 7) << 3 | (rm.index != HOST_NONE || (rm.reg & 7) == HOST_SP ? 4 : rm.reg & 7u));
    if (rm.index != HOST_NONE || (rm.reg & 7) == HOST_SP)
        sib(a, rm);
    asm_32(a, (uint32_t)rm.disp);
}

/* SDM 2A "Instruction Format and EVEX": registers are inverted, X has bit 4 of one in ModRM.rm. */
void asm_evex(struct asm_buf *a, struct evex v, unsigned reg, unsigned first, struct rm rm)
{
    const unsigned high = rm.memory ? (rm.index != HOST_NONE ? rm.index >> 3 & 1u : 0) : rm.reg >> 4 & 1u;
    const unsigned base = rm.reg != HOST_NONE ? rm.reg >> 3 & 1u : 0;

    asm_byte(a, 0x62);
    asm_byte(a, (~reg >> 3 & 1) << 7 | (high ^ 1) << 6 | (base ^ 1) << 5 | (~reg >> 4 & 1) << 4 | v.map);
    asm_byte(a, (unsigned)v.w << 7 | (~first & 15) << 3 | 4 | v.prefix);
    asm_byte(a, (unsigned)v.zero << 7 | (unsigned)v.l << 5 | (unsigned)v.b << 4 | (~first >> 4 & 1) << 3 | v.mask);
    asm_byte(a, v.opcode);
    modrm_evex(a, reg, rm);
}

/* ---- stack, flags, transfers ---- */

void asm_push(struct asm_buf *a, unsigned reg)
{
    rex(a, 4, 0, rm_reg(reg), false);
    asm_byte(a, 0x50 | (reg & 7));
}

void asm_pop(struct asm_buf *a, unsigned reg)
{
    rex(a, 4, 0, rm_reg(reg), false);
    asm_byte(a, 0x58 | (reg & 7));
}

void asm_ret(struct asm_buf *a)
{
    asm_byte(a, 0xc3);
}

void asm_lahf(struct asm_buf *a)
{
    asm_byte(a, 0x9f);
}

void asm_sahf(struct asm_buf *a)
{
    asm_byte(a, 0x9e);
}

void asm_store_ah(struct asm_buf *a, struct rm rm)
{
    op_as(a, 0x88, 4, 4, rm, false);        /* without REX byte register 4 is AH */
}

void asm_jmp_rm(struct asm_buf *a, struct rm rm)
{
    asm_op(a, 0xff, 4, 4, rm);
}

void asm_call_rm(struct asm_buf *a, struct rm rm)
{
    asm_op(a, 0xff, 4, 2, rm);
}

static uint8_t *distance(struct asm_buf *a)
{
    uint8_t *at = a->at;

    asm_32(a, 0);
    return at;
}

uint8_t *asm_jmp(struct asm_buf *a)
{
    asm_byte(a, 0xe9);
    return distance(a);
}

uint8_t *asm_jcc(struct asm_buf *a, enum condition cc)
{
    asm_byte(a, 0x0f);
    asm_byte(a, 0x80u | cc);
    return distance(a);
}

uint8_t *asm_call(struct asm_buf *a)
{
    asm_byte(a, 0xe8);
    return distance(a);
}

void asm_aim(uint8_t *at, const uint8_t *target)
{
    int32_t by = (int32_t)(target - (at + 4));

    memcpy(at, &by, sizeof by);
}
