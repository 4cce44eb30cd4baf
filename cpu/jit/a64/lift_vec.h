/* SPDX-License-Identifier: MIT
 * What the files that lift vector instructions share. */
#ifndef CPU_JIT_A64_LIFT_VEC_H
#define CPU_JIT_A64_LIFT_VEC_H

#include "cpu/jit/a64/lift.h"

#define V_ZERO 0x6f00e400u          /* MOVI V.2D, #0 */

void vec_ready(struct lift *l);     /* the unit is on, else the interpreter goes on; before the operands; T2 is lost */
int32_t vec_at(unsigned n, unsigned byte);      /* of register n, from HOST_CPU */
/* The operand's host address into T2; T1 and T3 are lost. False: only the handler can. */
bool vec_memory(struct lift *l, bool write, unsigned bytes, unsigned align);
void vec_zero_above(struct lift *l, unsigned n, unsigned bytes);        /* VEX: the rest of the register; V2 is lost */

#endif
