/* SPDX-License-Identifier: MIT
 * Flags that are kept nowhere: those that nobody reads, though a fault, a handler or another way out may look at them, are made again
 * of the operands of the instruction that made them. Here is which can be, whatever the host; how is the backend's. */
#ifndef CPU_JIT_OWED_H
#define CPU_JIT_OWED_H

#include "cpu/jit/live.h"

struct owed {
    const struct insn *i;       /* NULL: there are none */
    uint8_t saved;              /* SAVED_*: what of them is where the backend saves operands, the others being in their registers */
    const struct insn *step;    /* NULL, or an INC or DEC of a register behind it: only CF still is that of `i` */
};
enum { SAVED_FIRST = 1, SAVED_SECOND = 2 };

static inline bool same_owed(struct owed a, struct owed b) { return a.i == b.i && (a.i == NULL || (a.saved == b.saved && a.step == b.step)); }

/* Is operand o of instruction `at` what it is now whenever anybody may look at the flags, until others take their place? */
bool owed_stays(const struct jit_code *c, unsigned at, uint8_t o);
bool owed_remakable(const struct jit_code *c, unsigned k);      /* with no operand saved */
bool owed_of_operands(const struct insn *i);
bool owed_shifts(const struct insn *i);                         /* by a constant, of a register */
unsigned owed_in_memory(const struct insn *i);
bool owed_compares(const struct insn *i);
bool owed_alike(const struct insn *i);                          /* both operands are one register */
bool owed_from_register(const struct insn *i);                  /* the second one is */

#endif
