/* SPDX-License-Identifier: MIT
 * What the files that lift vector instructions share. */
#ifndef CPU_JIT_A64_LIFT_VEC_H
#define CPU_JIT_A64_LIFT_VEC_H

#include "cpu/jit/a64/lift.h"

#define V_ZERO 0x6f00e400u          /* MOVI V.2D, #0 */
#define V_ONES 0x6f07e7e0u          /* MOVI V.2D, #-1 */
#define V_MOV  0x4ea01c00u          /* ORR */
#define V_INS64 0x6e080400u         /* element 0 of 8 bytes */
#define DOUBLE (1u << 22)           /* of NEON's floating-point instructions */

/* V0 to V7 are free within an instruction, but for the guards' constants. */
enum { FIRST = 0, SECOND = 1, SCRATCH = 2, THIRD = 3, RESULT = 4, UPPER = 5, MASK_4 = 6, MASK_8 = 7 };

static inline void vvv(struct lift *l, uint32_t op, unsigned d, unsigned n, unsigned m)
{
    a64_put(&l->a, op | m << 16 | n << 5 | d);
}

/* ---- registers; `half`: 0 for bytes 0 to 15, 1 for bytes 16 to 31 ---- */

void vec_ready(struct lift *l);     /* the unit is on, else the interpreter goes on; before the operands; T2 is lost */
/* Where a half of register n is, mostly not in the scratch; where it may be written whole; that this was done. */
unsigned vec_use(struct lift *l, unsigned n, unsigned half, unsigned scratch);
unsigned vec_dest(struct lift *l, unsigned n, unsigned half);
void vec_made(struct lift *l, unsigned n, unsigned half, unsigned host);
void vec_zero_above(struct lift *l, unsigned n, unsigned bytes);        /* VEX: the rest of the register; V2 is lost */

/* ---- memory ---- */

/* The operand is there, for vec_access(); T1 to T3 are lost. False: only the handler can. */
bool vec_memory(struct lift *l, bool write, unsigned bytes, unsigned align);
/* A load or store at byte `at` of an operand of that many bytes. */
void vec_access(struct lift *l, uint32_t op, unsigned v, unsigned bytes, unsigned at);
/* A half of a source: in a register, or loaded into the scratch. */
unsigned vec_source(struct lift *l, unsigned slot, unsigned half, unsigned scratch);

/* ---- floating point ---- */

struct shape {
    bool scalar;
    uint8_t size;       /* of an element: 4 or 8 */
};

static inline uint32_t vec_lanes(unsigned size) { return size == 8 ? 3u << 22 : 2u << 22; }         /* of integers */
static inline uint32_t vec_format(unsigned size) { return size == 8 ? DOUBLE : 0; }

enum look { LOOK_OPERAND, LOOK_SUM, LOOK_PRODUCT, LOOK_QUOTIENT, LOOK_FUSED, LOOK_NARROWED, LOOKS };

/* The value in v, an operand or what became of operands a, b and c, is tame; else the interpreter goes on. T2 and V2 are lost. */
void vec_check(struct lift *l, const struct shape *s, enum look look, unsigned v, unsigned a, unsigned b, unsigned c);
bool vec_tame(const struct lift *l, const struct shape *s, unsigned n, unsigned half);
void vec_masks(struct a64_buf *a, unsigned which);      /* the constants: 1 for 4 bytes, 2 for 8 */
void vec_tamed(struct lift *l, const struct shape *s, unsigned n, unsigned half);

#endif
