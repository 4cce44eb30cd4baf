/* SPDX-License-Identifier: MIT
 * Exchanges with memory. One processor runs at a time, so what is locked for a guest needs no lock here: these are like any
 * other instruction that reads and writes memory. */
#include "cpu/jit/x64/lift.h"

static bool writable(struct lift *l, unsigned bytes)
{
    if (!lift_address(l))
        return false;
    lift_probe(l, true, bytes);
    return true;
}

static bool exchange(struct lift *l)
{
    const struct insn *i = l->i;

    if (awkward(i->o[1], i->width) || !writable(l, i->width))
        return false;
    asm_mov(&l->a, i->width, HOST_DX, guest(i->o[1]));
    asm_mov(&l->a, i->width, HOST_CX, l->mem);
    asm_store(&l->a, i->width, l->mem, HOST_DX);
    lift_write(l, i->o[1], i->width, HOST_CX);
    return true;
}

static bool exchange_add(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;

    if (awkward(i->o[1], bytes) || !writable(l, bytes))
        return false;
    asm_mov(&l->a, bytes, HOST_DX, guest(i->o[1]));
    asm_op(&l->a, bytes == 1 ? 0x0fc0 : 0x0fc1, bytes, HOST_DX, l->mem);
    lift_write(l, i->o[1], bytes, HOST_DX);
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

/* RAX stays as it is, all of it, when it is equal. */
static bool compare_exchange(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width;
    unsigned source;

    if (!writable(l, bytes))
        return false;
    source = lift_read(l, i->o[1], bytes, HOST_DX);
    asm_lea(&l->a, 8, HOST_CX, l->mem);
    asm_mov(&l->a, 8, HOST_AX, rm_reg(pinned[RAX]));
    asm_op(&l->a, bytes == 1 ? 0x0fb0 : 0x0fb1, bytes, source, rm_at(HOST_CX, 0));
    asm_cmov(&l->a, CC_NE, 8, pinned[RAX], rm_reg(HOST_AX));
    lift_flags_made(l, FLAGS_ARITH);
    return true;
}

static void zero_flag(struct lift *l, bool set)
{
    if (lift_flags_wanted(l, FLAG_ZF))
        asm_alu_imm(&l->a, set ? ALU_OR : ALU_AND, 1, CPU_AT(jit_szapc), set ? FLAG_ZF : ~FLAG_ZF);
}

/* 16 bytes, by halves: the host's own would take the host's BX. An address that is not aligned is a #GP. */
static bool compare_exchange_pair(struct lift *l)
{
    uint8_t *differs, *done;
    struct rm high;

    if (!vec_memory(l, true, 16, 16))
        return false;
    high = l->mem;
    high.disp += 8;
    asm_mov(&l->a, 8, HOST_CX, l->mem);
    asm_mov(&l->a, 8, HOST_DX, high);
    asm_alu(&l->a, ALU_XOR, 8, HOST_CX, rm_reg(pinned[RAX]));
    asm_alu(&l->a, ALU_XOR, 8, HOST_DX, rm_reg(pinned[RDX]));
    asm_alu(&l->a, ALU_OR, 8, HOST_CX, rm_reg(HOST_DX));
    differs = asm_jcc(&l->a, CC_NE);
    asm_store(&l->a, 8, l->mem, pinned[RBX]);
    asm_store(&l->a, 8, high, pinned[RCX]);
    zero_flag(l, true);
    done = asm_jmp(&l->a);
    asm_aim(differs, l->a.at);
    asm_mov(&l->a, 8, pinned[RAX], l->mem);
    asm_mov(&l->a, 8, pinned[RDX], high);
    zero_flag(l, false);
    asm_aim(done, l->a.at);
    l->host_flags = 0;
    return true;
}

bool lift_exchange(struct lift *l)
{
    if (FORM_KIND(l->i->form, 0) != KIND_MEM)
        return false;
    switch (l->i->op) {
    case OP_XCHG:       return exchange(l);
    case OP_XADD:       return exchange_add(l);
    case OP_CMPXCHG:    return compare_exchange(l);
    case OP_CMPXCHG16B: return compare_exchange_pair(l);
    default:            return false;
    }
}
