/* SPDX-License-Identifier: MIT
 * From decoded instructions to the functions that do them, and how those hand on to one another. */
#ifndef CPU_EXEC_H
#define CPU_EXEC_H

#include "cpu/block.h"
#include "cpu/internal.h"
#include "cpu/mem.h"

/* The handler of every operation, right for all forms and widths. */
#define OP(name, mnemonic, reads, writes, then, jit) EXEC(name);
#include "cpu/decoder/ops.def"
#undef OP

/* Choose i->fn: a variant made for i's form and width where it pays, else the operation's handler. Near branches get their
 * target into i->disp. i->end is set. */
void exec_bind(const struct cpu *cpu, struct insn *i, uint64_t block_rip);

/* Each family's variants: NULL when the general handler must do. */
insn_fn *exec_bind_int(const struct cpu *cpu, const struct insn *i);
insn_fn *exec_bind_muldiv(const struct insn *i);
insn_fn *exec_bind_shift(const struct cpu *cpu, const struct insn *i);
insn_fn *exec_bind_move(const struct cpu *cpu, const struct insn *i);
insn_fn *exec_bind_branch(const struct cpu *cpu, const struct insn *i);
insn_fn *exec_bind_cet(const struct cpu *cpu, const struct insn *i);       /* while MODE_SHSTK or MODE_IBT is set */
insn_fn *exec_bind_vec(const struct cpu *cpu, const struct insn *i);
insn_fn *exec_bind_vec_move(const struct insn *i);
insn_fn *exec_bind_x87(const struct insn *i);
insn_fn *exec_bind_stack(const struct cpu *cpu, const struct insn *i);

/* What stands in a block where no instruction could be. */
unsigned exec_undefined(struct cpu *cpu, const struct insn *i);     /* #UD */
unsigned exec_too_long(struct cpu *cpu, const struct insn *i);      /* #GP(0) */
unsigned exec_block_end(struct cpu *cpu, const struct insn *i);     /* the sentinel: go on at the next address */

/* Memory operands have two kinds of handler: _any does everything; _flat knows that addresses need neither segment nor
 * wrapping, serves the TLB hit and leaves all else to _any by a tail call: it calls nothing and saves no registers. */
static inline unsigned exec_flat64(const struct insn *i)
{
    return i->asize == 8 && !(i->flags & INSN_SEGMENT);
}

/* Handler for widths 1, 2, 4, 8 out of a row of four. */
static inline unsigned exec_width_index(unsigned width)
{
    return width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3;
}

/* Enter a block whose shortcut is known to hold. */
static ALWAYS_INLINE unsigned exec_enter(struct cpu *cpu, struct block *b, uint64_t rip, insn_fn *fn)
{
    cpu->budget -= b->count;
    cpu->block = b;
    cpu->block_rip = rip;
    return fn(cpu, b->insns);
}

/* i completed and execution goes on at rip: straight into the next block when a shortcut leads there, nothing wants
 * attention and the turn has room for all of it; else back to the run loop. */
static ALWAYS_INLINE unsigned exec_jump(struct cpu *cpu, const struct insn *i, uint64_t rip)
{
    const struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(rip)];

    if (LIKELY(block_shortcut_leads(cpu, s, rip) && !cpu->attention)) {
        struct block *b = s->block;

        if (LIKELY(b->count <= cpu->budget && rip + b->bytes - 1 <= cpu->code_limit))
            return exec_enter(cpu, b, rip, b->insns[0].fn);
    }
    return exec_stop(cpu, i, rip);
}

#endif
