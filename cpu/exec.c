/* SPDX-License-Identifier: MIT */
#include "cpu/exec.h"

static insn_fn *const general[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops.def"
#undef OP
};

static bool near_relative(unsigned op)
{
    switch (op) {
    case OP_JCC: case OP_JMP: case OP_CALL: case OP_LOOP: case OP_LOOPE: case OP_LOOPNE: case OP_JRCXZ:
        return true;
    default:
        return false;
    }
}

/* Targets of near branches wrap at the operand size (SDM 2A "Jcc", 2B "JMP"). */
static uint64_t branch_target(const struct insn *i, uint64_t block_rip)
{
    return mask_size(block_rip + i->end + i->imm, i->width);
}

void exec_bind(const struct cpu *cpu, struct insn *i, uint64_t block_rip)
{
    insn_fn *fn;

    if (near_relative(i->op))
        i->disp = (int64_t)branch_target(i, block_rip);
    fn = cpu->mode & (MODE_SHSTK | MODE_IBT) ? exec_bind_cet(cpu, i) : NULL;
    if (fn == NULL)
        fn = exec_bind_int(cpu, i);
    if (fn == NULL)
        fn = exec_bind_shift(cpu, i);
    if (fn == NULL)
        fn = exec_bind_muldiv(i);
    if (fn == NULL)
        fn = exec_bind_move(cpu, i);
    if (fn == NULL)
        fn = exec_bind_branch(cpu, i);
    if (fn == NULL)
        fn = exec_bind_vec(cpu, i);
    if (fn == NULL)
        fn = exec_bind_x87(i);
    i->fn = fn != NULL ? fn : general[i->op];
}
