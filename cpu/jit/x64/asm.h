/* SPDX-License-Identifier: MIT
 * The x86-64 encoder: appends instructions to a buffer. Sizes are in bytes; registers are numbers as in ModRM. A buffer that
 * is full swallows the rest and says so at the end. */
#ifndef CPU_JIT_X64_ASM_H
#define CPU_JIT_X64_ASM_H

#include <stdbool.h>
#include <stdint.h>

enum host_reg {
    HOST_AX, HOST_CX, HOST_DX, HOST_BX, HOST_SP, HOST_BP, HOST_SI, HOST_DI,
    HOST_8, HOST_9, HOST_10, HOST_11, HOST_12, HOST_13, HOST_14, HOST_15,
    HOST_NONE = 0xff
};

/* The two-operand group: /n of opcode 81, and bits 5:3 of the opcodes 00-3D. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum shift { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAR = 7 };
enum unary { UNARY_TEST, UNARY_NOT = 2, UNARY_NEG, UNARY_MUL, UNARY_IMUL, UNARY_DIV, UNARY_IDIV };
enum condition { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

struct asm_buf {
    uint8_t *at, *end;
    bool full;
};

/* r/m: a register, or memory at base + index << scale + disp. */
struct rm {
    uint8_t memory, reg, index, scale;      /* reg: the register, or the base (HOST_NONE: none) */
    int32_t disp;
};

static inline struct rm rm_reg(unsigned reg)
{
    return (struct rm){ .reg = (uint8_t)reg, .index = HOST_NONE };
}

static inline struct rm rm_at(unsigned base, int32_t disp)
{
    return (struct rm){ .memory = 1, .reg = (uint8_t)base, .index = HOST_NONE, .disp = disp };
}

static inline struct rm rm_sum(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (struct rm){ .memory = 1, .reg = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)scale, .disp = disp };
}

void asm_byte(struct asm_buf *a, unsigned v);
void asm_32(struct asm_buf *a, uint32_t v);
void asm_64(struct asm_buf *a, uint64_t v);

/* [prefix 66] [REX] opcode ModRM: opcode has up to three bytes, the first in the highest. `bytes`: 1 marks byte registers,
 * 2 the prefix, 8 REX.W. */
void asm_op(struct asm_buf *a, uint32_t opcode, unsigned bytes, unsigned reg, struct rm rm);

void asm_mov_imm(struct asm_buf *a, unsigned reg, uint64_t v);                                  /* the shortest form */
void asm_mov(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm);                    /* reg = rm */
void asm_store(struct asm_buf *a, unsigned bytes, struct rm rm, unsigned reg);                  /* rm = reg */
void asm_store_imm(struct asm_buf *a, unsigned bytes, struct rm rm, int32_t v);
void asm_lea(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm);
void asm_movzx(struct asm_buf *a, unsigned from, unsigned reg, struct rm rm);                   /* to 32 bits, and so to 64 */
void asm_movsx(struct asm_buf *a, unsigned from, unsigned to, unsigned reg, struct rm rm);
void asm_alu(struct asm_buf *a, enum alu op, unsigned bytes, unsigned reg, struct rm rm);       /* reg op= rm */
void asm_alu_to(struct asm_buf *a, enum alu op, unsigned bytes, struct rm rm, unsigned reg);    /* rm op= reg */
void asm_alu_imm(struct asm_buf *a, enum alu op, unsigned bytes, struct rm rm, int32_t v);
void asm_test(struct asm_buf *a, unsigned bytes, struct rm rm, unsigned reg);
void asm_test_imm(struct asm_buf *a, unsigned bytes, struct rm rm, int32_t v);
void asm_unary(struct asm_buf *a, enum unary op, unsigned bytes, struct rm rm);
void asm_step(struct asm_buf *a, bool down, unsigned bytes, struct rm rm);                      /* INC, DEC */
void asm_shift(struct asm_buf *a, enum shift op, unsigned bytes, struct rm rm, unsigned count);
void asm_shift_cl(struct asm_buf *a, enum shift op, unsigned bytes, struct rm rm);
void asm_imul(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm);
void asm_imul_imm(struct asm_buf *a, unsigned bytes, unsigned reg, struct rm rm, int32_t v);
void asm_setcc(struct asm_buf *a, enum condition cc, struct rm rm);
void asm_cmov(struct asm_buf *a, enum condition cc, unsigned bytes, unsigned reg, struct rm rm);
/* VEX prefix: opcode map 1 to 3, prefix none 66 F3 F2 as 0 to 3; `l`: 256 bits. */
struct vex {
    uint8_t map, prefix, w, l, opcode;
};
void asm_vex(struct asm_buf *a, struct vex v, unsigned reg, unsigned first, struct rm rm);     /* without a first source: 0 */
/* EVEX prefix; `l`: 128, 256, 512 bits as 0 to 2, or the rounding mode with `b`; `mask`: the opmask register. */
struct evex {
    uint8_t map, prefix, w, l, opcode, mask, zero, b;
};
void asm_evex(struct asm_buf *a, struct evex v, unsigned reg, unsigned first, struct rm rm);
void asm_push(struct asm_buf *a, unsigned reg);
void asm_pop(struct asm_buf *a, unsigned reg);
void asm_ret(struct asm_buf *a);
void asm_lahf(struct asm_buf *a);
void asm_sahf(struct asm_buf *a);
void asm_store_ah(struct asm_buf *a, struct rm rm);             /* rm without registers 8 to 15 */
void asm_jmp_rm(struct asm_buf *a, struct rm rm);
void asm_call_rm(struct asm_buf *a, struct rm rm);

/* Jumps: the address of the 32-bit distance, to be set by asm_aim() once the target is known. */
uint8_t *asm_jmp(struct asm_buf *a);
uint8_t *asm_jcc(struct asm_buf *a, enum condition cc);
uint8_t *asm_call(struct asm_buf *a);
void asm_aim(uint8_t *distance, const uint8_t *target);      /* both in the same view */

#endif
