/* SPDX-License-Identifier: MIT
 * Between C and translated code: one frame, made on entering and taken away on leaving (AAPCS64). */
#include "cpu/jit/a64/lift.h"

/* ---- flags, as lift.h has them ---- */

uint32_t jit_flags_get(const struct cpu *cpu)
{
    const uint64_t f = cpu->jit_nzcv, af = cpu->jit_result ^ cpu->jit_operands;
    uint32_t flags = 0;

    flags |= f & NZCV_N ? FLAG_SF : 0;
    flags |= f & NZCV_Z ? FLAG_ZF : 0;
    flags |= f & NZCV_C ? 0 : FLAG_CF;
    flags |= f & NZCV_V ? FLAG_OF : 0;
    flags |= __builtin_parity((uint8_t)cpu->jit_result) ? 0 : FLAG_PF;
    return flags | (af & FLAG_AF);
}

void jit_flags_to_raw(struct cpu *cpu)
{
    const struct flags *f = &cpu->flags;

    cpu->jit_nzcv = (flags_sf(f) ? NZCV_N : 0) | (flags_zf(f) ? NZCV_Z : 0) | (flags_cf(f) ? 0 : NZCV_C);
    cpu->jit_nzcv |= flags_of(f) ? NZCV_V : 0;
    cpu->jit_result = !flags_pf(f);
    cpu->jit_operands = cpu->jit_result ^ (flags_af(f) ? FLAG_AF : 0);
}

void jit_flags_from_raw(struct cpu *cpu)
{
    flags_put(&cpu->flags, jit_flags_get(cpu));
}

/* ---- the frame: X29 and X30, X19 to X28, where translated code goes on after a handler ---- */

#define FRAME_RETURN 96
#define FRAME_VECTORS 128       /* V8 to V15, of which calls preserve 8 bytes each */
#define FRAME_BYTES  192

_Static_assert(GLUE_FRAME_SAVED == FRAME_RETURN + 16 && GLUE_FRAME_SAVED + 16 <= FRAME_VECTORS, "two registers");

static void frame_on(struct a64_buf *a)
{
    a64_pair(a, A64_STP_PRE, 29, A64_LR, A64_SP, -FRAME_BYTES);
    a64_sum_imm(a, A64_ADD, 8, 29, A64_SP, 0);
    for (unsigned n = 19; n < 29; n += 2)
        a64_pair(a, A64_STP, n, n + 1, A64_SP, (int32_t)(8 * (n - 17)));
    for (unsigned n = 8; n < 16; n += 2)
        a64_pair(a, A64_STP_D, n, n + 1, A64_SP, (int32_t)(FRAME_VECTORS + 8 * (n - 8)));
}

static void frame_off(struct a64_buf *a)
{
    for (unsigned n = 19; n < 29; n += 2)
        a64_pair(a, A64_LDP, n, n + 1, A64_SP, (int32_t)(8 * (n - 17)));
    for (unsigned n = 8; n < 16; n += 2)
        a64_pair(a, A64_LDP_D, n, n + 1, A64_SP, (int32_t)(FRAME_VECTORS + 8 * (n - 8)));
    a64_pair(a, A64_LDP_POST, 29, A64_LR, A64_SP, FRAME_BYTES);
}

/* ---- state ---- */

/* T5 is lost. */
static void registers(struct a64_buf *a, uint32_t op)
{
    invariant(a64_sum_imm(a, A64_ADD, 8, T5, HOST_CPU, (uint64_t)CPU_AT(s.gpr)), "the registers lie far away");
    for (unsigned n = 0; n < 16; n += 2)
        a64_pair(a, op, pinned(n), pinned(n + 1), T5, (int32_t)(8 * n));
}

static void store_flags(struct a64_buf *a)
{
    a64_mem(a, A64_STRX, HOST_NZCV, HOST_CPU, CPU_AT(jit_nzcv));
    a64_mem(a, A64_STRX, HOST_RESULT, HOST_CPU, CPU_AT(jit_result));
    a64_mem(a, A64_STRX, HOST_OPERANDS, HOST_CPU, CPU_AT(jit_operands));
}

static void load_flags(struct a64_buf *a)
{
    a64_mem(a, A64_LDRX, HOST_NZCV, HOST_CPU, CPU_AT(jit_nzcv));
    a64_mem(a, A64_LDRX, HOST_RESULT, HOST_CPU, CPU_AT(jit_result));
    a64_mem(a, A64_LDRX, HOST_OPERANDS, HOST_CPU, CPU_AT(jit_operands));
}

/* All but the flags, which a call leaves where they are. */
static void load_state(struct a64_buf *a)
{
    registers(a, A64_LDP);
    a64_mem(a, A64_LDRX, HOST_BUDGET, HOST_CPU, CPU_AT(budget));
    a64_mem(a, A64_LDRX, HOST_TLB, HOST_CPU, CPU_AT(tlb));
}

static void store_state(struct a64_buf *a)
{
    registers(a, A64_STP);
    a64_mem(a, A64_STRX, HOST_BUDGET, HOST_CPU, CPU_AT(budget));
    store_flags(a);
}

static void cpu_argument(struct a64_buf *a)
{
    a64_sum_imm(a, A64_SUB, 8, 0, HOST_CPU, (uint64_t)CPU_BASE);
}

static void c_call(struct a64_buf *a, uintptr_t function)
{
    cpu_argument(a);
    a64_mov_imm(a, T4, function);
    a64_blr(a, T4);
}

/* X1 instruction, T4 handler, X2 block: the handler may look at everything. */
static void to_interpreter(struct a64_buf *a)
{
    store_state(a);
    a64_mem(a, A64_STRX, 2, HOST_CPU, CPU_AT(block));
    a64_mem(a, A64_LDRX, T5, 2, (int32_t)offsetof(struct block, rip));
    a64_mem(a, A64_STRX, T5, HOST_CPU, CPU_AT(block_rip));
}

/* The same when cpu->flags must be right: X25 instruction, X26 handler. */
static void to_interpreter_by(struct a64_buf *a, uintptr_t flags)
{
    to_interpreter(a);
    a64_mov(a, 8, 25, 1);
    a64_mov(a, 8, 26, T4);
    c_call(a, flags);
    cpu_argument(a);
    a64_mov(a, 8, 1, 25);
}

static void to_interpreter_with_flags(struct a64_buf *a)
{
    to_interpreter_by(a, (uintptr_t)jit_flags_from_raw);
}

/* ---- ways in and out ---- */

/* As an insn_fn for the first instruction of a translated block: X0 cpu, X1 instruction. */
static void make_enter(struct a64_buf *a)
{
    frame_on(a);
    a64_sum_imm(a, A64_ADD, 8, HOST_CPU, 0, (uint64_t)CPU_BASE);
    a64_mem(a, A64_LDRX, 25, 1, (int32_t)offsetof(struct block, jit) - (int32_t)offsetof(struct block, insns));
    c_call(a, (uintptr_t)jit_flags_to_raw);
    load_flags(a);
    a64_mem(a, A64_LDRX, T4, 25, (int32_t)offsetof(struct jit_block, code));
    load_state(a);
    a64_br(a, T4);
}

static void back_to_code(struct a64_buf *a)
{
    load_state(a);
    a64_mem(a, A64_LDRX, A64_LR, A64_SP, FRAME_RETURN);
    a64_ret(a);
}

static void make_call(struct a64_buf *a, bool flags, const uint32_t *leave)
{
    a64_mem(a, A64_STRX, A64_LR, A64_SP, FRAME_RETURN);
    to_interpreter_with_flags(a);
    a64_blr(a, 26);
    a64_aim(a, a64_cbz(a, 4, true, 0), leave);
    if (flags) {
        c_call(a, (uintptr_t)jit_flags_to_raw);
        load_flags(a);
    }
    back_to_code(a);
}

/* A byte so far away has no offset of its own. T3 and T5 are lost. */
static void has_flags(struct a64_buf *a, bool yes)
{
    a64_mov_imm(a, T3, (uint64_t)CPU_AT(jit_has_flags));
    if (yes)
        a64_mov_imm(a, T5, 1);
    a64_mem_x(a, A64_STRB, yes ? T5 : A64_ZR, HOST_CPU, T3);
}

/* cpu->flags are made only when somebody asks. */
static void make_call_plain(struct a64_buf *a, const uint32_t *leave)
{
    uint32_t *left;

    a64_mem(a, A64_STRX, A64_LR, A64_SP, FRAME_RETURN);
    to_interpreter(a);
    has_flags(a, true);
    cpu_argument(a);
    a64_blr(a, T4);
    has_flags(a, false);
    left = a64_cbz(a, 4, true, 0);
    back_to_code(a);
    a64_aim(a, left, a->at);
    a64_mov(a, 4, 25, 0);
    c_call(a, (uintptr_t)jit_flags_from_raw);
    a64_mov(a, 4, 0, 25);
    a64_aim(a, a64_b(a), leave);
}

static void make_tail(struct a64_buf *a, uintptr_t flags)
{
    to_interpreter_by(a, flags);
    a64_mov(a, 8, T4, 26);
    frame_off(a);
    a64_br(a, T4);
}

/* A handler that ends its block and returns. Where nothing asks for the run loop, and the block that follows is translated,
 * it is entered from here. */
static void make_last(struct a64_buf *a, bool plain, const uint32_t *leave)
{
    uint32_t *other, *none;

    if (plain) {
        to_interpreter(a);
        has_flags(a, true);
        cpu_argument(a);
    } else {
        to_interpreter_with_flags(a);
        a64_mov(a, 8, T4, 26);
    }
    a64_blr(a, T4);
    if (plain)
        has_flags(a, false);
    a64_mov(a, 4, 25, 0);
    a64_sum_imm(a, A64_SUB, 4, 0, 0, EXEC_STOP);
    other = a64_cbz(a, 4, true, 0);
    c_call(a, (uintptr_t)jit_go_on);
    none = a64_cbz(a, 8, false, 0);
    a64_mov(a, 8, 26, 0);
    if (!plain) {
        c_call(a, (uintptr_t)jit_flags_to_raw);
        load_flags(a);
    }
    a64_mov(a, 8, T4, 26);
    load_state(a);
    a64_br(a, T4);
    a64_aim(a, other, a->at);
    a64_aim(a, none, a->at);
    if (plain)
        c_call(a, (uintptr_t)jit_flags_from_raw);
    a64_mov(a, 4, 0, 25);
    a64_aim(a, a64_b(a), leave);
}

/* X0: the link. */
static void make_follow(struct a64_buf *a, const uint32_t *stop)
{
    store_state(a);
    a64_mov(a, 8, 1, 0);
    c_call(a, (uintptr_t)jit_follow);
    a64_aim(a, a64_cbz(a, 8, false, 0), stop);
    a64_mov(a, 8, T4, 0);
    registers(a, A64_LDP);
    a64_br(a, T4);
}

/* X0: the block. */
static void make_dry(struct a64_buf *a, const uint32_t *stop)
{
    store_state(a);
    a64_mov(a, 8, 1, 0);
    c_call(a, (uintptr_t)jit_dry);
    a64_aim(a, a64_b(a), stop);
}

/* T0: a linear address, T2: the page of its last byte. Found: T2 is zero, and T1 is the addend. T3 is lost. The slot as in
 * tlb.c, victim_of(). */
static void make_reprobe(struct a64_buf *a, int32_t tag)
{
    _Static_assert(TLB_VICTIMS == 256 && sizeof(struct tlb_entry) == 32, "eight bits, times 32");
    a64_shift(a, A64_LSR, 8, T1, T0, PAGE_SHIFT + TLB_BITS);
    a64_rrr_by(a, A64_EOR, 8, T1, T0, T1, A64_LSL, PAGE_SHIFT + 1);
    a64_ubfx(a, 8, T1, T1, PAGE_SHIFT, 8);
    a64_rrr_by(a, A64_ADD, 8, T1, HOST_TLB, T1, A64_LSL, 5);
    a64_sum_imm(a, A64_ADD, 8, T1, T1, TLB_ENTRIES * sizeof(struct tlb_entry));
    a64_mem(a, A64_LDRX, T3, T1, tag);
    a64_rrr(a, A64_EOR, 8, T2, T2, T3);
    a64_mem(a, A64_LDRX, T1, T1, (int32_t)offsetof(struct tlb_entry, addend));
    a64_ret(a);
}

/* The same in all of the TLB. */
static void make_near(struct a64_buf *a, int32_t tag, const uint32_t *reprobe)
{
    uint32_t *other;

    a64_ubfx(a, 8, T1, T0, PAGE_SHIFT, 11);
    a64_rrr_by(a, A64_ADD, 8, T1, HOST_TLB, T1, A64_LSL, 5);
    a64_mem(a, A64_LDRX, T3, T1, tag);
    a64_rrr(a, A64_EOR, 8, T3, T2, T3);
    other = a64_cbz(a, 8, true, T3);
    a64_mov(a, 8, T2, T3);
    a64_mem(a, A64_LDRX, T1, T1, (int32_t)offsetof(struct tlb_entry, addend));
    a64_ret(a);
    a64_aim(a, other, reprobe);
}

/* T0: an address. Where its translation begins into T4; zero: not here. All else but the guest's state is lost. */
static void make_find(struct a64_buf *a)
{
    a64_mem(a, A64_STRX, A64_LR, A64_SP, FRAME_RETURN);
    registers(a, A64_STP);
    a64_mov(a, 8, 1, T0);
    c_call(a, (uintptr_t)jit_find);
    a64_mov(a, 8, T4, 0);
    registers(a, A64_LDP);
    a64_mem(a, A64_LDRX, A64_LR, A64_SP, FRAME_RETURN);
    a64_ret(a);
}

bool backend_glue(struct jit *j)
{
    struct a64_buf a = { (uint32_t *)j->code.write, (uint32_t *)codebuf_limit(&j->code), false };
    const uint32_t *leave, *stop;

#define GLUE(name, make) (j->glue.name = codebuf_runs_at(&j->code, (uint8_t *)a.at), make)
    GLUE(enter, make_enter(&a));
    leave = a.at;
    frame_off(&a);
    a64_ret(&a);
    stop = a.at;
    a64_mov_imm(&a, 0, EXEC_STOP);
    a64_aim(&a, a64_b(&a), leave);
    GLUE(call, make_call(&a, false, leave));
    GLUE(call_flags, make_call(&a, true, leave));
    GLUE(call_plain, make_call_plain(&a, leave));
    GLUE(reprobe[0], make_reprobe(&a, (int32_t)offsetof(struct tlb_entry, read)));
    GLUE(reprobe[1], make_reprobe(&a, (int32_t)offsetof(struct tlb_entry, write)));
    GLUE(near[0], make_near(&a, (int32_t)offsetof(struct tlb_entry, read), (uint32_t *)codebuf_writable(&j->code, j->glue.reprobe[0])));
    GLUE(near[1], make_near(&a, (int32_t)offsetof(struct tlb_entry, write), (uint32_t *)codebuf_writable(&j->code, j->glue.reprobe[1])));
    GLUE(find, make_find(&a));
    GLUE(tail, make_tail(&a, (uintptr_t)jit_flags_from_raw));
    GLUE(missed, make_tail(&a, (uintptr_t)jit_missed));
    GLUE(last, make_last(&a, false, leave));
    GLUE(last_plain, make_last(&a, true, leave));
    GLUE(follow, make_follow(&a, stop));
    GLUE(dry, make_dry(&a, stop));
#undef GLUE
    lift_vec_looks(j, &a);
    j->code.used = (size_t)((uint8_t *)a.at - j->code.write + 15) & ~(size_t)15;
    return !a.full;
}
