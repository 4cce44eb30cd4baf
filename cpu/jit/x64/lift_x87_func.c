/* SPDX-License-Identifier: MIT
 * Functions of the x87 (FSIN to FYL2XP1) while the guest's state is in the host's unit: operands go to memory, C code that
 * knows integers only finds the result, and an addition of two numbers leaves it on the stack, with the precision exception
 * and C1 as they must be. The host's own functions are never asked: processors differ there. */
#include "cpu/jit/x64/lift.h"

#include "cpu/exec_x87.h"
#include "cpu/fp_num.h"
#include "cpu/fp_quick.h"

#define FCW_RC_PC 0x0f00u       /* rounding and precision control */
#define FCW_USUAL 0x0300u       /* to nearest, 64 bits */
#define EXP_BIAS  16383
#define EXP_MOST  900           /* so that what is added is a double that is not denormal */

/* ---- the calculation ---- */

/* Two numbers whose sum rounds to r, is inexact as `flags` say, and sets C1 as `up` does. */
static bool split(struct cpu *cpu, struct fp80 r, unsigned flags, bool up)
{
    const uint64_t sign = (uint64_t)(r.se >> 15) << 63;
    int exp = (r.se & 0x7fff) - EXP_BIAS;

    cpu->jit_x87_last = r;
    cpu->jit_x87_rest = sign;
    if ((flags & ~(unsigned)FP_PE) != 0)
        return false;
    if (r.mant == 0 && (r.se & 0x7fff) == 0)
        return flags == 0;
    if (exp < -EXP_MOST || exp > EXP_MOST)
        return false;
    if (flags == 0)
        return true;
    if (up) {
        exp -= r.mant << 1 == 0;
        cpu->jit_x87_last = (struct fp80){ r.mant << 1 == 0 ? ~0ull : r.mant - 1, (uint16_t)(r.se - (r.mant << 1 == 0)) };
    }
    /* three quarters of a unit in the last place, or one */
    cpu->jit_x87_rest = sign | (up ? (uint64_t)(1023 + exp - 64) << 52 | 1ull << 51 : (uint64_t)(1023 + exp - 65) << 52);
    return true;
}

/* As fp_to80() to nearest, of what the quick functions have answered: normal, and never exact or half between two. */
static struct fp80 nearest(struct fp_num n, bool *up)
{
    uint64_t mant = fp_high(n) + ((uint64_t)n.sig >> 63);
    int exp = n.exp + EXP_BIAS;

    *up = (uint64_t)n.sig >> 63;
    if (mant == 0) {
        mant = 1ull << 63;
        exp++;
    }
    return (struct fp80){ mant, (uint16_t)(n.sign << 15 | exp) };
}

static bool ask_quick(uint32_t op, const struct fp_num v[2], struct fp_num r[2])
{
    switch (op) {
    case OP_FSIN:    return fp_quick_sincos(v[0], &r[0], &r[1]);
    case OP_FCOS:    return fp_quick_sincos(v[0], &r[1], &r[0]);
    case OP_FSINCOS: return fp_quick_sincos(v[0], &r[0], &r[1]);
    case OP_FPTAN:   return fp_quick_tan(v[0], &r[0]);
    case OP_F2XM1:   return fp_quick_2xm1(v[0], &r[0]);
    case OP_FYL2X:   return !v[0].sign && fp_quick_yl2x(v[1], v[0], &r[0]);
    case OP_FYL2XP1: return fp_quick_yl2xp1(v[1], v[0], &r[0]);
    default:         return fp_quick_atan2(v[1], v[0], &r[0]);
    }
}

/* What is usual. *last: the result that the stack's top will be. */
static bool quickly(struct cpu *cpu, uint32_t op, const struct fp_num v[2], struct fp80 *last, bool *up)
{
    const bool two = op == OP_FYL2X || op == OP_FYL2XP1 || op == OP_FPATAN;
    struct fp_num r[2];
    bool first;

    if (v[0].kind != FP_KIND_FINITE || v[0].denormal || (two && (v[1].kind != FP_KIND_FINITE || v[1].denormal)) ||
        !ask_quick(op, v, r))
        return false;
    *last = cpu->jit_x87_out = nearest(r[0], up);
    first = *up;
    if (op == OP_FSINCOS) {
        *last = nearest(r[1], up);
        *up |= first;
    } else if (op == OP_FPTAN) {
        *last = (struct fp80){ 1ull << 63, EXP_BIAS };
    }
    return true;
}

/* One result in r[0], or two. False: out of range, or for another reason. */
static bool calculate(uint32_t op, struct fp_env *e, const struct fp_num v[2], struct fp_num r[2])
{
    switch (op) {
    case OP_FSIN:    return fp_sincos(e, v[0], &r[0], &r[1]);
    case OP_FCOS:    return fp_sincos(e, v[0], &r[1], &r[0]);
    case OP_FSINCOS: return fp_sincos(e, v[0], &r[0], &r[1]);
    case OP_FPTAN:   r[1] = fp_from_int(1); return fp_tan(e, v[0], &r[0]) && !fp_is_nan(r[0]);
    case OP_F2XM1:   r[0] = fp_2xm1(e, v[0]); return true;
    case OP_FYL2X:   r[0] = fp_yl2x(e, v[1], v[0]); return true;
    case OP_FYL2XP1: r[0] = fp_yl2xp1(e, v[1], v[0]); return true;
    default:         r[0] = fp_atan2(e, v[1], v[0]); return true;
    }
}

bool jit_x87_function(struct cpu *cpu, uint32_t op)
{
    const bool pair = op == OP_FSINCOS || op == OP_FPTAN;
    const struct fp_num v[2] = { fp_from80(cpu->jit_x87_in[0]), fp_from80(cpu->jit_x87_in[1]) };
    struct fp_env e = x87_env64(cpu);
    struct fp_num r[2];
    struct fp80 last;
    bool up;

    if ((cpu->s.fcw & FCW_RC_PC) != FCW_USUAL)
        return false;
    if (quickly(cpu, op, v, &last, &up))
        return split(cpu, last, FP_PE, up);
    if (!calculate(op, &e, v, r))
        return false;
    last = cpu->jit_x87_out = fp_to80(&e, r[0]);
    up = e.up;
    if (pair) {                     /* as put_pair() */
        last = fp_to80(&e, r[1]);
        up |= e.up;
    }
    return split(cpu, last, e.flags, up);
}

/* ---- between the stack and that ---- */

static void load80(struct asm_buf *a, struct rm rm) { asm_op(a, 0xdb, 4, 5, rm); }
static void pop80(struct asm_buf *a, struct rm rm) { asm_op(a, 0xdb, 4, 7, rm); }

static void plain(struct asm_buf *a, unsigned opcode, unsigned modrm)
{
    asm_byte(a, opcode);
    asm_byte(a, modrm);
}

/* FNSTSW AX; a jump that is taken where a register was empty, or was not. */
static uint8_t *stack_fault(struct asm_buf *a)
{
    plain(a, 0xdf, 0xe0);
    asm_test_imm(a, 1, rm_reg(HOST_AX), FSW_SF);
    return asm_jcc(a, CC_NE);
}

static void indefinite(struct asm_buf *a)
{
    asm_mov_imm(a, HOST_AX, (uintptr_t)&x87_indefinite);
    load80(a, rm_at(HOST_AX, 0));
}

/* Those of the pinned registers that C code does not keep, to struct cpu or from there. */
static void volatile_registers(struct asm_buf *a, bool load)
{
    for (unsigned n = 0; n < 16; n++) {
        const unsigned host = pinned_always[n];

        if (host == HOST_NONE || host == HOST_BX || host == HOST_BP || (host >= HOST_12 && host <= HOST_15))
            continue;
        if (load)
            asm_mov(a, 8, host, rm_at(HOST_CPU, (int32_t)(8 * n)));
        else
            asm_store(a, 8, rm_at(HOST_CPU, (int32_t)(8 * n)), host);
    }
}

static void call(struct asm_buf *a)
{
    volatile_registers(a, false);
    asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
    asm_mov(a, 4, HOST_SI, rm_reg(HOST_CX));
    asm_mov_imm(a, HOST_AX, (uintptr_t)jit_x87_function);
    asm_call_rm(a, rm_reg(HOST_AX));
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    volatile_registers(a, true);
}

static void done(struct asm_buf *a)
{
    asm_alu(a, ALU_CMP, 4, HOST_AX, rm_reg(HOST_AX));
    asm_ret(a);
}

/* Where no stack fault is recorded yet, one that the operands cause can be seen; its result is the indefinite value, with
 * what the host's unit has then raised. Two results are pushed for trial, with that value: where there is no room, it stays. */
void jit_x87_glue(struct asm_buf *a, enum x87_shape shape)
{
    uint8_t *not_now, *empty, *full = NULL, *not;

    plain(a, 0xdf, 0xe0);
    asm_test(a, 4, rm_reg(HOST_AX), HOST_DX);
    not_now = asm_jcc(a, CC_NE);
    pop80(a, CPU_AT(jit_x87_in[0]));
    if (shape == X87_TWO)
        pop80(a, CPU_AT(jit_x87_in[1]));
    empty = stack_fault(a);
    call(a);
    asm_test(a, 1, rm_reg(HOST_AX), HOST_AX);
    not = asm_jcc(a, CC_E);
    if (shape == X87_PAIR) {
        indefinite(a);
        indefinite(a);
        full = stack_fault(a);
        plain(a, 0xdd, 0xd8);       /* FSTP ST0 */
        plain(a, 0xdd, 0xd8);
        load80(a, CPU_AT(jit_x87_out));
    }
    load80(a, CPU_AT(jit_x87_last));
    asm_op(a, 0xdc, 4, 0, CPU_AT(jit_x87_rest));        /* FADD m64 */
    if (full != NULL)
        asm_aim(full, a->at);
    done(a);
    asm_aim(empty, a->at);
    indefinite(a);
    if (shape == X87_PAIR) {
        indefinite(a);
        plain(a, 0xd9, 0xf6);       /* FDECSTP and FINCSTP: C1 is for the empty register, not for the full one */
        plain(a, 0xd9, 0xf7);
    }
    done(a);
    asm_aim(not, a->at);
    if (shape == X87_TWO)
        load80(a, CPU_AT(jit_x87_in[1]));
    load80(a, CPU_AT(jit_x87_in[0]));
    asm_test(a, 8, rm_reg(HOST_SP), HOST_SP);
    asm_aim(not_now, a->at);
    asm_ret(a);
}
