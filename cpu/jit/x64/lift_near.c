/* SPDX-License-Identifier: MIT
 * A loop (lift_loop.c) that walks through memory by constant steps, or stays where it is: each such access remembers
 * the page it was on last. As long as it is there no TLB is asked, and what makes the host's address does not wait for the
 * guest's. Nothing changes the TLB while no C code runs, so what is remembered is right from round to round; it is forgotten
 * before the first round, which remembers what its probes find, and behind every handler. */
#include "cpu/jit/x64/lift.h"

#define NEAR_AT(n, field) CPU_AT(jit_near[n].field)

static bool steps(const struct insn *i, unsigned n)
{
    const bool here = FORM_KIND(i->form, 0) == KIND_REG && guest_number(i->o[0]) == n;

    switch (i->op) {
    case OP_INC: case OP_DEC:
        return true;
    case OP_ADD: case OP_SUB:
        return !here || FORM_KIND(i->form, 1) == KIND_IMM;
    case OP_LEA:
        return !here || (i->base == REG_AT(n) && i->index == REG_ZERO);
    default:
        return jit_leaves(i, n);
    }
}

/* Does the address of i change by constant steps? Where it does not, a page remembered would be of no use: no more than that. */
static bool walks(const struct jit_code *c, const struct insn *i)
{
    const uint8_t parts[2] = { i->base, i->index };

    for (unsigned n = 0; n < 2; n++)
        for (unsigned k = 0; parts[n] != REG_ZERO && k < c->count; k++)
            if (!steps(c->insns[k], guest_number(parts[n])))
                return false;
    return i->base != REG_ZERO || i->index != REG_ZERO;
}

static bool in_memory(const struct insn *i)
{
    for (unsigned n = 0; n < 3; n++)
        if (FORM_KIND(i->form, n) == KIND_MEM)
            return i->op != OP_LEA && i->op != OP_NOP && i->asize == 8 && !(i->flags & INSN_SEGMENT);
    return false;
}

/* Before the block is lifted: which instructions get one of the places. */
void lift_near_plan(struct lift *l)
{
    const struct jit_code *c = l->c;

    for (unsigned k = 0; c->loops && jit_does(l->jit, PASS_NEAR) && k < c->count && l->nnear < JIT_NEAR; k++)
        if (in_memory(c->insns[k]) && walks(c, c->insns[k]))
            l->near_of[k] = (uint8_t)++l->nnear;
}

/* AX: the linear address, and then the host's. The jump that is taken when it is not on the page; NULL: this access has none. */
uint8_t *lift_near(struct lift *l, unsigned bytes)
{
    struct asm_buf *a = &l->a;
    const unsigned n = l->near_of[l->k];
    uint8_t *miss;

    if (!l->in_loop || n == 0 || bytes == 0 || l->near_taken & 1u << n)
        return NULL;
    l->near_taken |= 1u << n;           /* an instruction that probes twice has it for the first */
    asm_mov(a, 8, HOST_DX, rm_reg(HOST_AX));
    asm_alu(a, ALU_SUB, 8, HOST_DX, NEAR_AT(n - 1, page));
    asm_alu(a, ALU_CMP, 8, HOST_DX, NEAR_AT(n - 1, limit));
    miss = asm_jcc(a, CC_AE);
    asm_alu(a, ALU_ADD, 8, HOST_AX, NEAR_AT(n - 1, addend));
    return miss;
}

/* The first round asks the TLB, and what it has found is remembered. AX: the linear address, and then the host's; CX: the entry,
 * DX: the page. False: nothing was done. */
bool lift_near_first(struct lift *l, unsigned bytes)
{
    struct asm_buf *a = &l->a;
    const unsigned n = l->near_of[l->k];

    if (l->in_loop || n == 0 || bytes == 0 || l->near_found & 1u << n)
        return false;
    l->near_found |= 1u << n;
    asm_mov(a, 8, HOST_CX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    asm_store(a, 8, NEAR_AT(n - 1, page), HOST_DX);
    asm_store(a, 8, NEAR_AT(n - 1, addend), HOST_CX);
    asm_store_imm(a, 8, NEAR_AT(n - 1, limit), (int32_t)PAGE_SIZE - (int32_t)bytes + 1);
    asm_alu(a, ALU_ADD, 8, HOST_AX, rm_reg(HOST_CX));
    return true;
}

/* Out of line: the TLB as always, and what it says is remembered. */
void lift_near_again(struct lift *l, const struct cold *c)
{
    struct asm_buf *a = &l->a;
    uint8_t *none;

    asm_lea(a, 8, HOST_DX, rm_at(HOST_AX, c->bytes - 1));
    asm_alu_imm(a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
    asm_aim(asm_call(a), codebuf_writable(&l->jit->code, c->again));
    none = asm_jcc(a, CC_NE);
    asm_store(a, 8, NEAR_AT(c->near - 1, page), HOST_DX);
    asm_store(a, 8, NEAR_AT(c->near - 1, addend), HOST_CX);
    asm_store_imm(a, 8, NEAR_AT(c->near - 1, limit), (int32_t)PAGE_SIZE - c->bytes + 1);
    asm_aim(asm_jmp(a), c->found);
    asm_aim(none, a->at);
}

void lift_near_forget(struct lift *l)
{
    for (unsigned n = 0; n < l->nnear; n++)
        asm_store_imm(&l->a, 8, NEAR_AT(n, limit), 0);
}
