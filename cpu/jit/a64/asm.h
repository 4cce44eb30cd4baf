/* SPDX-License-Identifier: MIT
 * The AArch64 encoder: appends instructions to a buffer. An operation is named by its encoding with all fields zero; sizes
 * are in bytes, 8 makes it the 64-bit form. A buffer that is full, or a jump that does not reach, is told at the end. */
#ifndef CPU_JIT_A64_ASM_H
#define CPU_JIT_A64_ASM_H

#include <stdbool.h>
#include <stdint.h>

#define A64_ZR 31u      /* or SP, as the operation has it */
#define A64_SP 31u
#define A64_LR 30u

enum a64_cond {
    A64_EQ, A64_NE, A64_CS, A64_CC, A64_MI, A64_PL, A64_VS, A64_VC, A64_HI, A64_LS, A64_GE, A64_LT, A64_GT, A64_LE
};
enum a64_shift { A64_LSL, A64_LSR, A64_ASR, A64_ROR };

/* Two sources, or one: a64_rrr(), a64_rr(). The first group also takes a shifted register and an immediate. */
enum {
    A64_AND = 0x0a000000, A64_BIC = 0x0a200000, A64_ORR = 0x2a000000, A64_ORN = 0x2a200000,
    A64_EOR = 0x4a000000, A64_EON = 0x4a200000, A64_ANDS = 0x6a000000,
    A64_ADD = 0x0b000000, A64_ADDS = 0x2b000000, A64_SUB = 0x4b000000, A64_SUBS = 0x6b000000,

    A64_ADC = 0x1a000000, A64_ADCS = 0x3a000000, A64_SBC = 0x5a000000, A64_SBCS = 0x7a000000,
    A64_UDIV = 0x1ac00800, A64_SDIV = 0x1ac00c00,
    A64_LSLV = 0x1ac02000, A64_LSRV = 0x1ac02400, A64_ASRV = 0x1ac02800, A64_RORV = 0x1ac02c00,
    A64_MUL = 0x1b007c00, A64_SMULL = 0x1b207c00, A64_UMULL = 0x1ba07c00, A64_SMULH = 0x1b407c00, A64_UMULH = 0x1bc07c00,

    A64_RBIT = 0x5ac00000, A64_REV16 = 0x5ac00400, A64_REV32 = 0x5ac00800, A64_REV64 = 0x5ac00c00, A64_CLZ = 0x5ac01000,
};

enum { A64_SBFM = 0x13000000, A64_BFM = 0x33000000, A64_UBFM = 0x53000000 };
enum { A64_CSEL = 0x1a800000, A64_CSINC = 0x1a800400, A64_CSINV = 0x5a800000, A64_CSNEG = 0x5a800400 };

/* Memory: a64_mem() with an offset, a64_mem_x() with a register. */
#define A64_STRB  0x39000000u
#define A64_LDRB  0x39400000u
#define A64_LDRSB 0x39800000u       /* to 64 bits; to 32 with A64_TO_W */
#define A64_STRH  0x79000000u
#define A64_LDRH  0x79400000u
#define A64_LDRSH 0x79800000u
#define A64_STRW  0xb9000000u
#define A64_LDRW  0xb9400000u
#define A64_LDRSW 0xb9800000u
#define A64_STRX  0xf9000000u
#define A64_LDRX  0xf9400000u
#define A64_STRS  0xbd000000u       /* vector registers: 4, 8 and 16 bytes */
#define A64_LDRS  0xbd400000u
#define A64_STRD  0xfd000000u
#define A64_LDRD  0xfd400000u
#define A64_STRQ  0x3d800000u
#define A64_LDRQ  0x3dc00000u
#define A64_TO_W  0x00400000u
/* Pairs of 8 bytes. */
#define A64_STP      0xa9000000u
#define A64_LDP      0xa9400000u
#define A64_STP_D    0x6d000000u
#define A64_LDP_D    0x6d400000u
#define A64_STP_PRE  0xa9800000u    /* the base becomes base + offset first */
#define A64_LDP_POST 0xa8c00000u    /* and afterwards */

struct a64_buf {
    uint32_t *at, *end;
    bool full;
};

void a64_put(struct a64_buf *a, uint32_t insn);

void a64_rrr(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned rm);
void a64_rrr_by(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned rm,
                enum a64_shift by, unsigned n);
void a64_rr(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn);
void a64_mov(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn);
void a64_mov_imm(struct a64_buf *a, unsigned rd, uint64_t v);

/* With an immediate; false: it has no such form, nothing was written. Sums take 12 bits, or those shifted by 12; logic takes
 * repeated runs of ones. */
bool a64_sum_imm(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, uint64_t v);
bool a64_logic_imm(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, uint64_t v);
bool a64_bitmask(uint64_t v, unsigned bytes, uint32_t *fields);     /* N, immr, imms in their places */

/* Bit fields: `width` bits from bit `lsb` of rn to the low end, or from the low end to bit `lsb` of rd. */
void a64_bitfield(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned immr, unsigned imms);
void a64_ubfx(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned lsb, unsigned width);
void a64_sbfx(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned lsb, unsigned width);
void a64_bfi(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned lsb, unsigned width);
void a64_extract(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned high, unsigned low, unsigned lsb);   /* EXTR */
void a64_msub(struct a64_buf *a, unsigned bytes, unsigned rd, unsigned rn, unsigned rm, unsigned from);  /* from - rn * rm */
void a64_compare_extended(struct a64_buf *a, unsigned rn, unsigned rm);         /* with rm's low 32 bits, signed */
void a64_shift(struct a64_buf *a, enum a64_shift by, unsigned bytes, unsigned rd, unsigned rn, unsigned n);

void a64_select(struct a64_buf *a, uint32_t op, unsigned bytes, unsigned rd, unsigned rn, unsigned rm, enum a64_cond cc);
void a64_cset(struct a64_buf *a, unsigned rd, enum a64_cond cc);

void a64_mem(struct a64_buf *a, uint32_t op, unsigned rt, unsigned rn, int32_t offset);
void a64_mem_x(struct a64_buf *a, uint32_t op, unsigned rt, unsigned rn, unsigned rm);
void a64_pair(struct a64_buf *a, uint32_t op, unsigned rt, unsigned rt2, unsigned rn, int32_t offset);

void a64_read_nzcv(struct a64_buf *a, unsigned rt);
void a64_write_nzcv(struct a64_buf *a, unsigned rt);

/* Jumps. Those that return a place are aimed later; both addresses are in the written view. */
uint32_t *a64_b(struct a64_buf *a);
uint32_t *a64_bl(struct a64_buf *a);
uint32_t *a64_b_if(struct a64_buf *a, enum a64_cond cc);
uint32_t *a64_cbz(struct a64_buf *a, unsigned bytes, bool nonzero, unsigned rt);
uint32_t *a64_tbz(struct a64_buf *a, bool nonzero, unsigned rt, unsigned bit);
bool a64_reaim(uint32_t *site, const uint32_t *target);                        /* false: too far, nothing was written */
void a64_aim(struct a64_buf *a, uint32_t *site, const uint32_t *target);
void a64_br(struct a64_buf *a, unsigned rn);
void a64_blr(struct a64_buf *a, unsigned rn);
void a64_ret(struct a64_buf *a);

#endif
