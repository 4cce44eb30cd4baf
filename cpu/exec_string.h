/* SPDX-License-Identifier: MIT
 * What string instructions share: where their operands are, and how they repeat. INS and OUTS use it too. */
#ifndef CPU_EXEC_STRING_H
#define CPU_EXEC_STRING_H

#include "cpu/exec.h"

/* One instruction's repetition. */
struct repeat {
    uint64_t left;          /* iterations the program still asks for (1 without a prefix) */
    uint64_t allowed;       /* iterations the turn has room for */
    bool stop;              /* set by the step: the comparison ended it */
    bool compared;          /* and `flags` are what it leaves */
    struct flags flags;
};

/* One iteration at the present registers, at the end of which the index registers move (string_advance); false: fault,
 * nothing changed. */
typedef bool string_step(struct cpu *cpu, const struct insn *i, struct repeat *r);
/* As many iterations as can be done at once, at most r->left and r->allowed; moves the index registers; 0: use the step. */
typedef uint64_t string_run(struct cpu *cpu, const struct insn *i, const struct repeat *r);

/* Run the instruction: every iteration counts as one instruction, is a point where it may be interrupted, and leaves rCX and
 * the index registers such that it goes on from there. `run` may be NULL. */
unsigned string_repeat(struct cpu *cpu, const struct insn *i, string_step *step, string_run *run);

/* Linear address of `bytes` at seg:rSI or ES:rDI, checked; false: fault. */
bool string_source(struct cpu *cpu, const struct insn *i, unsigned bytes, gva_t *lin);
bool string_destination(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access, gva_t *lin);

/* Move rSI or rDI by `elements` of the width, in the direction of DF. */
void string_advance(struct cpu *cpu, const struct insn *i, unsigned reg, uint64_t elements);

bool string_load(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t *v);
bool string_store(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t v);

#endif
