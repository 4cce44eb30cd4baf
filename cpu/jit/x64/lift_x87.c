/* SPDX-License-Identifier: MIT
 * x87 instructions as the host's own, with the guest's whole state in the host's unit: registers, tags, FCW and FSW are
 * there from the first such instruction until C code runs, across blocks. All exceptions are masked meanwhile, so only the
 * instruction pointer must be told apart. Functions that approximate
 * are in lift_x87_func.c. */
#include "cpu/jit/x64/lift.h"

#include <string.h>

#include "cpu/exec_x87.h"

#define ENOUGH 4u           /* instructions that are worth the way into the host's unit */

/* ---- the way there and back ---- */

/* SDM 1 "x87 FPU State Image": protected mode, 32 bits, which 64-bit code has too. */
enum { IMAGE_FCW = 0, IMAGE_FSW = 4, IMAGE_TAGS = 8, IMAGE_ST = 28 };

bool jit_x87_give(struct cpu *cpu)
{
    uint8_t *to = cpu->jit_x87_image;
    unsigned tags = 0;

    memset(to, 0, sizeof cpu->jit_x87_image);
    for (unsigned n = 0; n < 8; n++) {
        struct fp80 v = x87_get(cpu, n);

        tags |= cpu->s.ftag >> n & 1 ? 0 : 3u << 2 * n;
        store64(to + IMAGE_ST + 10 * n, v.mant);
        store16(to + IMAGE_ST + 10 * n + 8, v.se);
    }
    store16(to + IMAGE_FCW, cpu->s.fcw);
    store16(to + IMAGE_FSW, cpu->s.fsw);
    store16(to + IMAGE_TAGS, (uint16_t)tags);
    cpu->jit_x87 = !(cpu->p.cr0 & (CR0_EM | CR0_TS)) && !(cpu->s.fsw & FSW_ES) &&
                   (cpu->s.fcw & FSW_EXCEPTIONS) == FSW_EXCEPTIONS && !(cpu->p.misc_enable & MISC_FOPCODE_COMPATIBLE);
    return cpu->jit_x87;
}

void jit_x87_take(struct cpu *cpu)
{
    const uint8_t *from = cpu->jit_x87_image;
    const unsigned tags = load16(from + IMAGE_TAGS);

    cpu->s.fcw = load16(from + IMAGE_FCW);
    cpu->s.fsw = load16(from + IMAGE_FSW);
    cpu->s.ftag = 0;
    for (unsigned n = 0; n < 8; n++) {
        unsigned r = x87_phys(cpu, n);

        cpu->s.ftag |= (uint8_t)((tags >> 2 * n & 3) != 3) << n;
        cpu->s.fpr_mant[r] = load64(from + IMAGE_ST + 10 * n);
        cpu->s.fpr_se[r] = load16(from + IMAGE_ST + 10 * n + 8);
    }
}

/* ---- what is known while a block is made ---- */

void lift_x87_note(struct lift *l, const struct vec_state *v)
{
    if (v->x87_last == 0)
        return;
    asm_mov_imm(&l->a, HOST_AX, lift_rip_after(l, v->x87_last - 1u) - l->c->insns[v->x87_last - 1]->len);
    asm_store(&l->a, 8, CPU_AT(s.fpu_ip), HOST_AX);
    asm_store_imm(&l->a, 2, CPU_AT(s.fpu_cs), 0);
}

void lift_x87_on(struct lift *l)
{
    asm_aim(asm_call(&l->a), codebuf_writable(&l->jit->code, l->jit->glue.x87_on));
}

static bool stores(const struct insn *i)
{
    return i->op == OP_FST || i->op == OP_FSTP || i->op == OP_FIST || i->op == OP_FISTP || i->op == OP_FISTTP ||
           i->op == OP_FNSTCW || i->op == OP_FNSTSW;
}

static bool controls(const struct insn *i)
{
    return i->op == OP_FNSTCW || i->op == OP_FNSTSW || i->op == OP_FLDCW;
}

static bool native(const struct insn *i)
{
    switch (i->op) {
    case OP_FADD: case OP_FMUL: case OP_FSUB: case OP_FSUBR: case OP_FDIV: case OP_FDIVR: case OP_FCOM: case OP_FCOMP:
    case OP_FCOMPP: case OP_FUCOM: case OP_FUCOMP: case OP_FUCOMPP: case OP_FCOMI: case OP_FUCOMI: case OP_FCOMIP:
    case OP_FUCOMIP: case OP_FTST: case OP_FXAM: case OP_FLD: case OP_FLDCONST: case OP_FST: case OP_FSTP: case OP_FILD:
    case OP_FIST: case OP_FISTP: case OP_FISTTP: case OP_FXCH: case OP_FCMOV: case OP_FFREE: case OP_FINCSTP:
    case OP_FDECSTP: case OP_FCHS: case OP_FABS: case OP_FSQRT: case OP_FRNDINT: case OP_FLDCW: case OP_FNSTCW:
    case OP_FNSTSW:
        return true;
    default:
        return false;
    }
}

/* False: no such function. A sine needs C2, a stack fault SF to be seen by. */
static bool function(unsigned op, enum x87_shape *shape, uint32_t *busy)
{
    *busy = FSW_SF;
    switch (op) {
    case OP_FSIN: case OP_FCOS:                     *shape = X87_ONE; *busy |= FSW_C2; return true;
    case OP_FSINCOS: case OP_FPTAN:                 *shape = X87_PAIR; *busy |= FSW_C2; return true;
    case OP_F2XM1:                                  *shape = X87_ONE; return true;
    case OP_FYL2X: case OP_FYL2XP1: case OP_FPATAN: *shape = X87_TWO; return true;
    default:                                        return false;
    }
}

static bool is_function(unsigned op)
{
    enum x87_shape shape;
    uint32_t busy;

    return function(op, &shape, &busy);
}

/* How many follow from here on before one that is its handler's; a function counts as three. */
static unsigned ahead(const struct lift *l)
{
    unsigned count = 0;

    for (unsigned k = l->k; k < l->c->count; k++) {
        const struct insn *i = l->c->insns[k];

        if (native(i))
            count++;
        else if (is_function(i->op))
            count += 3;
        else if ((i->op >= OP_FADD && i->op <= OP_XRSTORS) || i->op == OP_EMMS)
            break;
    }
    return count;
}

/* Into the unit when that is worth it; else only where it is there by chance, or the handler. */
static void enter(struct lift *l)
{
    uint8_t *on;

    if (l->vec.x87)
        return;
    if (ahead(l) < ENOUGH) {
        asm_alu_imm(&l->a, ALU_CMP, 1, CPU_AT(jit_x87), 0);
        lift_cold(l, asm_jcc(&l->a, CC_E));
        l->host_flags = 0;
        return;
    }
    lift_vec_flush(l);
    asm_alu_imm(&l->a, ALU_CMP, 1, CPU_AT(jit_x87), 0);
    on = asm_jcc(&l->a, CC_NE);
    lift_x87_on(l);
    lift_bail(l, asm_jcc(&l->a, CC_B));
    asm_aim(on, l->a.at);
    l->vec.x87 = 1;
    l->host_flags = 0;
}

/* ---- instructions ---- */

/* All exceptions stay masked, or the handler must see to it. */
static void check_masks(struct lift *l)
{
    asm_movzx(&l->a, 2, HOST_CX, l->mem);
    asm_unary(&l->a, UNARY_NOT, 4, rm_reg(HOST_CX));
    asm_test_imm(&l->a, 1, rm_reg(HOST_CX), FSW_EXCEPTIONS);
    lift_cold(l, asm_jcc(&l->a, CC_NE));
}

static bool with_memory(struct lift *l)
{
    const struct insn *i = l->i;

    if (!vec_memory(l, stores(i), i->mem_bytes, 1))
        return false;
    if (i->op == OP_FLDCW)
        check_masks(l);
    asm_op(&l->a, i->opcode, 4, i->modrm >> 3 & 7, l->mem);
    if (i->op == OP_FLDCW)
        asm_op(&l->a, 0xd9, 4, 7, CPU_AT(s.fcw));       /* FNSTCW: jit_x87_function() looks there */
    return true;
}

static void with_registers(struct lift *l)
{
    const struct insn *i = l->i;

    if (i->op == OP_FCMOV)
        lift_flags_need(l, FLAG_CF | FLAG_ZF | FLAG_PF);
    asm_byte(&l->a, i->opcode);
    asm_byte(&l->a, i->modrm);
    if (i->op == OP_FNSTSW)
        lift_write(l, REG_AT(RAX), 2, HOST_AX);
    if (op_flags_written[i->op])
        lift_flags_made(l, FLAGS_ARITH);
}

/* C code may use the host's vector registers, but not MXCSR. */
static void spill(struct lift *l)
{
    const struct vec_state was = l->vec;

    l->vec.x87_last = 0;
    lift_vec_flush(l);
    l->vec.fp = was.fp;
    l->vec.x87 = was.x87;
    l->vec.x87_last = was.x87_last;
}

static void call_function(struct lift *l, enum x87_shape shape, uint32_t busy)
{
    spill(l);
    asm_mov_imm(&l->a, HOST_CX, l->i->op);
    asm_mov_imm(&l->a, HOST_DX, busy);
    asm_aim(asm_call(&l->a), codebuf_writable(&l->jit->code, l->jit->glue.x87_function[shape]));
    lift_cold(l, asm_jcc(&l->a, CC_NE));
    l->host_flags = 0;
}

/* Selectors and data pointers are kept by none of the processors whose instructions come here. */
static bool plain_pointers(const struct cpu *cpu)
{
    return cpu_vendor(cpu) == VENDOR_INTEL && cpu_has(cpu, F_ZERO_FCS_FDS) && cpu_has(cpu, F_FDP_EXCPTN_ONLY);
}

bool lift_x87(struct lift *l)
{
    const struct insn *i = l->i;
    enum x87_shape shape;
    uint32_t busy;

    if ((!native(i) && !is_function(i->op)) || !plain_pointers(l->jit->cpu))
        return false;
    enter(l);
    if (function(i->op, &shape, &busy))
        call_function(l, shape, busy);
    else if (!x87_is_memory(i))
        with_registers(l);
    else if (!with_memory(l))
        return false;
    if (i->op == OP_FLDCW)
        l->vec.x87 = 0;         /* its handler may have unmasked something */
    if (!controls(i))
        l->vec.x87_last = (uint8_t)(l->k + 1);
    return true;
}
