/* SPDX-License-Identifier: MIT
 * The decoded instruction: what decode() fills, what handlers and the JIT read. Pure data, no processor. */
#ifndef CPU_DECODER_INSN_H
#define CPU_DECODER_INSN_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/decoder/features.h"

/* Every operation, in the order of ops.def. */
enum op {
#define OP(name, mnemonic, reads, writes, then, jit) OP_##name,
#include "cpu/decoder/ops.def"
#undef OP
    OP_COUNT
};

/* What follows an operation (column `then` of ops.def). */
enum op_then {
    FALLS,          /* the next instruction runs next, always (or a fault) */
    ENDS,           /* leaves the block: changes control flow, mode, privilege, or what interrupts may do */
};

/* General registers are named by their byte offset in the register array: 8 * number, + 1 for AH CH DH BH. */
#define REG_AT(number)  ((uint8_t)(8 * (number)))
#define REG_ZERO        128         /* a 17th slot that always reads zero: no base, no index */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* What an operand slot holds; two bits each in insn.form. */
enum operand_kind { KIND_NONE, KIND_REG, KIND_MEM, KIND_IMM };
#define FORM(a, b, c, d)    ((a) | (b) << 2 | (c) << 4 | (d) << 6)
#define FORM_KIND(form, n)  (((form) >> (2 * (n))) & 3)
enum {
    FORM_NONE = 0,
    FORM_R  = FORM(KIND_REG, 0, 0, 0),              FORM_M  = FORM(KIND_MEM, 0, 0, 0),      FORM_I = FORM(KIND_IMM, 0, 0, 0),
    FORM_RR = FORM(KIND_REG, KIND_REG, 0, 0),       FORM_RM = FORM(KIND_REG, KIND_MEM, 0, 0),
    FORM_MR = FORM(KIND_MEM, KIND_REG, 0, 0),       FORM_RI = FORM(KIND_REG, KIND_IMM, 0, 0),
    FORM_MI = FORM(KIND_MEM, KIND_IMM, 0, 0),
};

/* insn.flags */
enum {
    INSN_LOCK    = 1 << 0,      /* F0 present (and allowed: others decode as INVALID) */
    INSN_REP     = 1 << 1,      /* F3 present and not part of the opcode */
    INSN_REPNE   = 1 << 2,      /* F2 present and not part of the opcode */
    INSN_OPSIZE  = 1 << 3,      /* 66 present */
    INSN_SEGOVR  = 1 << 4,      /* an explicit segment override is in `seg` */
    INSN_SEGMENT = 1 << 5,      /* set by cpu/block: address needs base, limit and rights of `seg` (else linear = offset) */
    INSN_RIPREL  = 1 << 6,      /* disp counts from the next instruction; cpu/block makes it absolute and clears this */
    INSN_VEX     = 1 << 7,      /* VEX encoded: zero the upper part of the destination vector register */
    INSN_EVEX    = 1 << 8,
    INSN_EVEX_Z  = 1 << 9,      /* zeroing masking */
    INSN_EVEX_B  = 1 << 10,     /* broadcast, rounding or SAE: `evex` says which */
    INSN_REXW    = 1 << 11,
    INSN_ASIZE   = 1 << 12,     /* 67 present */
    INSN_REX     = 1 << 13,     /* any REX */
    INSN_AVX512VL = 1 << 14,    /* an EVEX form of 128 or 256 bits, which needs AVX512VL beside `needs` */
    INSN_NOTRACK = 1 << 15,     /* 3E where SDM 1 "No-track Prefix for Near Indirect CALL/JMP" counts it */
};

/* insn.evex */
enum {
    EVEX_BCAST = 1 << 0,        /* one element of memory stands for all */
    EVEX_SAE   = 1 << 1,        /* no floating-point exception is reported; set with EVEX_ROUND too */
    EVEX_ROUND = 1 << 2,        /* rounding control is in bits 5:4 and not in MXCSR */
    EVEX_WHOLE = 1 << 3,        /* memory is read, or must be writable, whole, whatever the mask leaves out */
    EVEX_UNCHECKED = 1 << 6,    /* VEX too: memory is not alignment-checked */
};
#define EVEX_RC_SHIFT 4

struct cpu;
struct insn;
typedef unsigned insn_fn(struct cpu *cpu, const struct insn *i);

struct insn {
    insn_fn *fn;            /* bound by cpu/exec; the decoder leaves it NULL */
    int64_t  disp;          /* displacement, sign-extended; moffs; branch displacement is in imm */
    uint64_t imm;           /* immediate, sign-extended to 64 bits as the operand says; branch displacement; far offset */
    uint16_t op;            /* enum op */
    uint16_t flags;         /* INSN_* */
    uint16_t imm2;          /* second immediate: far selector, ENTER's level, EXTRQ/INSERTQ's second byte */
    uint16_t end;           /* offset of the following instruction from the start of the block (cpu/block) */
    uint8_t  len;           /* bytes, 1..15 */
    uint8_t  width;         /* operand size in bytes: 1, 2, 4, 8; vectors: 8, 16, 32, 64 */
    uint8_t  asize;         /* address size: 2, 4, 8 */
    uint8_t  form;          /* FORM_* */
    uint8_t  o[4];          /* per slot of KIND_REG: the register. General: REG_AT(n) (+1); others: plain number.
                             * is4 register of VEX goes to its slot like any other */
    uint8_t  base, index;   /* memory operand: REG_AT(n) or REG_ZERO */
    uint8_t  scale;         /* shift count 0..3 */
    uint8_t  seg;           /* enum seg of the memory operand: default or override */
    uint8_t  mem_bytes;     /* size of the memory operand in bytes; 0: none, or the handler knows (FXSAVE, strings) */
    uint8_t  vl;            /* vector length in bytes for VEX/EVEX: 16, 32, 64; 0 otherwise */
    uint8_t  mask;          /* EVEX aaa; 0: all elements */
    uint8_t  esize;         /* EVEX: the mask has a bit for every `esize` bytes of `vl`; scalars have bit 0 alone */
    uint8_t  evex;          /* EVEX_* */
    uint8_t  needs;         /* enum feature; cpu/block gives #UD when the processor lacks it */
    uint8_t  opcode;        /* last opcode byte: condition codes (opcode & 15), x87 */
    uint8_t  modrm;         /* raw ModRM byte */
};

/* The lookups of ops.def. */
extern const char *const op_names[OP_COUNT];        /* "ADD" */
extern const uint8_t op_then[OP_COUNT];             /* enum op_then */
extern const uint16_t op_flags_read[OP_COUNT], op_flags_written[OP_COUNT];   /* CF, PF, AF, ZF, SF, OF, DF bits as in RFLAGS */

#endif
