/* SPDX-License-Identifier: MIT
 * Single bits, in registers and in strings of bits in memory, and what BMI1 and BMI2 brought. Flags that the manuals leave
 * undefined are as in docs/vendors.md, never as this host happens to make them. */
#include "cpu/jit/x64/lift.h"

static bool in_memory(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_MEM;
}

static bool immediate(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_IMM;
}

/* ---- bit tests: CF alone changes ---- */

static void carry_made(struct lift *l)
{
    if (lift_flags_wanted(l, FLAG_CF)) {
        asm_setcc(&l->a, CC_B, rm_reg(HOST_AX));
        asm_alu_imm(&l->a, ALU_AND, 1, CPU_AT(jit_szapc), -2);
        asm_alu_to(&l->a, ALU_OR, 1, CPU_AT(jit_szapc), HOST_AX);
    }
    l->host_flags = 0;
}

static void by_imm(struct lift *l, unsigned which, struct rm to)
{
    const struct insn *i = l->i;

    asm_op(&l->a, 0x0fba, i->width, 4 + which, to);
    asm_byte(&l->a, (unsigned)i->imm & (8u * i->width - 1));
}

static void by_register(struct lift *l, unsigned which, unsigned index, unsigned to)
{
    asm_op(&l->a, 0x0fa3u | which << 3, l->i->width, index, rm_reg(to));
}

/* The index reaches beyond the operand: SDM 2A "Bit(BitBase, BitOffset)". AX is the operand's address. */
static void add_index(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned log = i->width == 8 ? 3 : i->width == 4 ? 2 : 1;

    if (i->width == 8)
        asm_mov(&l->a, 8, HOST_DX, guest(i->o[1]));
    else
        asm_movsx(&l->a, i->width, 8, HOST_DX, guest(i->o[1]));
    asm_shift(&l->a, SHIFT_SAR, 8, rm_reg(HOST_DX), log + 3);
    asm_lea(&l->a, 8, HOST_AX, rm_sum(HOST_AX, HOST_DX, log, 0));
    l->host_flags = 0;
}

static bool bit_in_memory(struct lift *l, unsigned which)
{
    const struct insn *i = l->i;

    if (!lift_address(l))
        return false;
    if (!immediate(i, 1))
        add_index(l);
    lift_probe(l, which != 0, i->width);
    if (immediate(i, 1)) {
        by_imm(l, which, l->mem);
    } else {
        asm_mov(&l->a, i->width, HOST_DX, l->mem);
        by_register(l, which, lift_read(l, i->o[1], i->width, HOST_CX), HOST_DX);
        if (which != 0)
            asm_store(&l->a, i->width, l->mem, HOST_DX);
    }
    carry_made(l);
    return true;
}

static bool bit_test(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned bytes = i->width, which = i->op - OP_BT;
    struct rm to = guest(i->o[0]);

    _Static_assert(OP_BTS == OP_BT + 1 && OP_BTR == OP_BT + 2 && OP_BTC == OP_BT + 3, "in the order of their opcodes");
    if (in_memory(i, 0))
        return bit_in_memory(l, which);
    if (bytes < 4 || (to.memory && bytes == 4 && which != 0))
        return false;
    if (immediate(i, 1)) {
        by_imm(l, which, to);
    } else {
        unsigned index = lift_read(l, i->o[1], bytes, HOST_DX);

        if (to.memory) {        /* in memory the index would reach further */
            asm_mov(&l->a, bytes, HOST_AX, to);
            by_register(l, which, index, HOST_AX);
            if (which != 0)
                asm_store(&l->a, bytes, to, HOST_AX);
        } else {
            by_register(l, which, index, to.reg);
        }
    }
    carry_made(l);
    return true;
}

/* ---- BMI1, BMI2: the host's own, into DX ---- */

#define RAW_CF 0x0100u
#define RAW_ZF 0x4000u
#define RAW_SF 0x8000u

struct bmi {
    struct vex vex;
    uint8_t group;              /* ModRM.reg; the destination is in VEX.vvvv */
    uint8_t rm, vvvv;           /* slots of the sources; 0: none in VEX.vvvv */
    uint16_t flags;             /* those that the manual defines, as LAHF has them; 0: none changes */
    uint8_t needs;
};

static const struct bmi *bmi_of(unsigned op)
{
#define ROW(name, map, prefix, opcode, group, rm, vvvv, flags, needs) \
    case OP_##name: { static const struct bmi b = { { map, prefix, 0, 0, opcode }, group, rm, vvvv, flags, needs }; return &b; }
    switch (op) {
    ROW(ANDN,   2, 0, 0xf2, 0, 2, 1, RAW_SF | RAW_ZF | RAW_CF, F_BMI1)
    ROW(BLSR,   2, 0, 0xf3, 1, 1, 0, RAW_SF | RAW_ZF | RAW_CF, F_BMI1)
    ROW(BLSMSK, 2, 0, 0xf3, 2, 1, 0, RAW_SF | RAW_ZF | RAW_CF, F_BMI1)
    ROW(BLSI,   2, 0, 0xf3, 3, 1, 0, RAW_SF | RAW_ZF | RAW_CF, F_BMI1)
    ROW(BEXTR,  2, 0, 0xf7, 0, 1, 2, RAW_ZF, F_BMI1)
    ROW(BZHI,   2, 0, 0xf5, 0, 1, 2, RAW_SF | RAW_ZF | RAW_CF, F_BMI2)
    ROW(PEXT,   2, 2, 0xf5, 0, 2, 1, 0, F_BMI2)
    ROW(PDEP,   2, 3, 0xf5, 0, 2, 1, 0, F_BMI2)
    ROW(MULX,   2, 3, 0xf6, 0, 2, 0, 0, F_BMI2)
    ROW(SHLX,   2, 1, 0xf7, 0, 1, 2, 0, F_BMI2)
    ROW(SARX,   2, 2, 0xf7, 0, 1, 2, 0, F_BMI2)
    ROW(SHRX,   2, 3, 0xf7, 0, 1, 2, 0, F_BMI2)
    ROW(RORX,   3, 3, 0xf0, 0, 1, 0, 0, F_BMI2)
    default: return NULL;
    }
#undef ROW
}

/* PF and AF are clear, as is OF; BEXTR clears SF, too. */
static void bmi_flags(struct lift *l, unsigned which)
{
    l->host_flags = 0;
    if (!lift_flags_wanted(l, FLAGS_ARITH))
        return;
    asm_lahf(&l->a);
    asm_alu_imm(&l->a, ALU_AND, 4, rm_reg(HOST_AX), (int32_t)which);
    lift_flags_store(l);
    asm_sahf(&l->a);            /* OF is clear after AND */
    l->host_flags = FLAGS_ARITH;
}

/* The source in ModRM.rm: AX is its address, or lost. */
static bool bmi_source(struct lift *l, unsigned slot, struct rm *rm)
{
    const struct insn *i = l->i;

    if (!in_memory(i, slot)) {
        *rm = guest(i->o[slot]);
        return true;
    }
    if (!lift_address(l))
        return false;
    lift_probe(l, false, i->width);
    *rm = l->mem;
    return true;
}

/* The low half goes first: both may be one register. */
static void multiply(struct lift *l, struct vex v, struct rm rm)
{
    const struct insn *i = l->i;

    asm_mov(&l->a, i->width, HOST_DX, guest(REG_AT(RDX)));
    asm_vex(&l->a, v, HOST_CX, HOST_DX, rm);
    lift_write(l, i->o[1], i->width, HOST_DX);
    lift_write(l, i->o[0], i->width, HOST_CX);
}

static bool bmi(struct lift *l)
{
    const struct insn *i = l->i;
    const struct bmi *b = bmi_of(i->op);
    struct vex v;
    struct rm rm;

    if (b == NULL || !lift_host_has(b->needs) || (b->flags && cpu_vendor(l->jit->cpu) != VENDOR_INTEL))
        return false;
    if (!bmi_source(l, b->rm, &rm))
        return false;
    v = b->vex;
    v.w = i->width == 8;
    if (i->op == OP_MULX) {
        multiply(l, v, rm);
        return true;
    }
    if (b->group)
        asm_vex(&l->a, v, b->group, HOST_DX, rm);
    else
        asm_vex(&l->a, v, HOST_DX, b->vvvv ? lift_read(l, i->o[b->vvvv], i->width, HOST_CX) : 0, rm);
    if (i->op == OP_RORX)
        asm_byte(&l->a, (unsigned)i->imm & 0xff);
    lift_write(l, i->o[0], i->width, HOST_DX);
    if (b->flags)
        bmi_flags(l, b->flags);
    return true;
}

bool lift_bits(struct lift *l)
{
    switch (l->i->op) {
    case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC:
        return bit_test(l);
    default:
        return bmi(l);
    }
}
