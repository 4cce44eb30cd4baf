/* SPDX-License-Identifier: MIT
 * Scans, counts of bits, and CRC32. Flags that the manuals leave undefined are as in docs/vendors.md, never as this host
 * happens to make them. */
#include "cpu/jit/x64/lift.h"

/* In AX, as lift_flags_store() takes it. */
#define RAW_CF 0x0100
#define RAW_PF 0x0400
#define RAW_ZF 0x4000

/* The source, as an operand of i->width; AX, CX and DX are lost. */
static bool source(struct lift *l, struct rm *rm)
{
    const struct insn *i = l->i;

    if (FORM_KIND(i->form, 1) == KIND_MEM) {
        if (!vec_memory(l, false, i->width, 1))
            return false;
        *rm = l->mem;
        return true;
    }
    *rm = rm_reg(lift_read(l, i->o[1], i->width, HOST_CX));
    return true;
}

/* Of the host's flags only those of `which` are the guest's, all others are clear. */
static void keep(struct lift *l, unsigned which)
{
    l->host_flags = 0;
    if (!lift_flags_wanted(l, FLAGS_ARITH))
        return;
    asm_lahf(&l->a);
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_AX), (int32_t)which);
    lift_flags_store(l);
}

static bool count(struct lift *l, unsigned opcode)
{
    const struct insn *i = l->i;
    struct rm from;

    if (!source(l, &from))
        return false;
    asm_byte(&l->a, 0xf3);
    asm_op(&l->a, opcode, i->width, HOST_DX, from);
    lift_write(l, i->o[0], i->width, HOST_DX);
    if (i->op == OP_POPCNT)
        lift_flags_made(l, FLAGS_ARITH);
    else
        keep(l, RAW_CF | RAW_ZF);
    return true;
}

/* A source of zero leaves the destination. */
static bool scan(struct lift *l, unsigned opcode)
{
    const struct insn *i = l->i;
    bool wanted = lift_flags_wanted(l, FLAGS_ARITH);
    uint8_t *none, *done;
    struct rm from;

    if (!source(l, &from))
        return false;
    asm_op(&l->a, opcode, i->width, HOST_DX, from);
    none = asm_jcc(&l->a, CC_E);
    lift_write(l, i->o[0], i->width, HOST_DX);
    asm_test(&l->a, 1, rm_reg(HOST_DX), HOST_DX);
    keep(l, RAW_PF);
    if (wanted) {
        done = asm_jmp(&l->a);
        asm_aim(none, l->a.at);
        asm_mov_imm(&l->a, HOST_AX, RAW_ZF | RAW_PF);
        lift_flags_store(l);
        asm_aim(done, l->a.at);
    } else {
        asm_aim(none, l->a.at);
    }
    return true;
}

static unsigned crc_bytes(const struct insn *i)
{
    return i->op == OP_CRC32_B ? 1 : i->flags & INSN_REXW ? 8 : i->flags & INSN_OPSIZE ? 2 : 4;
}

static bool crc(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = crc_bytes(i);
    struct rm from;

    if (FORM_KIND(i->form, 1) != KIND_MEM) {
        from = rm_reg(lift_read(l, i->o[1], bytes, HOST_CX));
        asm_mov(&l->a, 8, HOST_CX, from);           /* its low byte needs no REX */
        from = rm_reg(HOST_CX);
    } else if (vec_memory(l, false, bytes, 1)) {
        from = l->mem;
    } else {
        return false;
    }
    asm_mov(&l->a, 4, HOST_DX, guest(i->o[0]));
    asm_byte(&l->a, 0xf2);
    if (bytes == 2)
        asm_byte(&l->a, 0x66);
    asm_op(&l->a, bytes == 1 ? 0x0f38f0 : 0x0f38f1, bytes == 8 ? 8 : 4, HOST_DX, from);
    lift_write(l, i->o[0], 4, HOST_DX);
    return true;
}

bool lift_count(struct lift *l)
{
    const struct cpu *cpu = l->jit->cpu;

    switch (l->i->op) {
    case OP_POPCNT:  return lift_host_has(F_POPCNT) && count(l, 0x0fb8);
    case OP_TZCNT:   return lift_host_has(F_BMI1) && cpu_has(cpu, F_BMI1) && count(l, 0x0fbc);
    case OP_LZCNT:   return lift_host_has(F_LZCNT) && cpu_has(cpu, F_LZCNT) && count(l, 0x0fbd);
    case OP_BSF:     return scan(l, 0x0fbc);
    case OP_BSR:     return scan(l, 0x0fbd);
    case OP_CRC32: case OP_CRC32_B: return lift_host_has(F_SSE42) && crc(l);
    default:         return false;
    }
}
