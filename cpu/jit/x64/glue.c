/* SPDX-License-Identifier: MIT
 * Between C and translated code: one frame, made on entering and taken away on leaving. */
#include "cpu/jit/x64/lift.h"

/* ---- flags ---- */

void jit_flags_to_raw(struct cpu *cpu)
{
    uint32_t f = flags_get(&cpu->flags);

    cpu->jit_szapc = (uint8_t)f;
    cpu->jit_of = f >> 11 & 1;
}

uint32_t jit_flags_get(const struct cpu *cpu)
{
    return (cpu->jit_szapc | (uint32_t)cpu->jit_of << 11) & FLAGS_ARITH;
}

void jit_flags_from_raw(struct cpu *cpu)
{
    flags_put(&cpu->flags, jit_flags_get(cpu));
}

/* ---- ways in and out ---- */

static const uint8_t saved[6] = { HOST_BP, HOST_BX, HOST_12, HOST_13, HOST_14, HOST_15 };

static void registers(struct asm_buf *a, bool load)
{
    for (unsigned n = 0; n < 16; n++)
        if (pinned_always[n] != HOST_NONE && load)
            asm_mov(a, 8, pinned_always[n], rm_at(HOST_CPU, (int32_t)(8 * n)));
        else if (pinned_always[n] != HOST_NONE)
            asm_store(a, 8, rm_at(HOST_CPU, (int32_t)(8 * n)), pinned_always[n]);
}

static void c_call(struct asm_buf *a, uintptr_t function)
{
    asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
    asm_mov_imm(a, HOST_AX, function);
    asm_call_rm(a, rm_reg(HOST_AX));
}

/* From within a call the stack is 8 bytes off. */
static void x87_off(struct asm_buf *a, bool called)
{
    static const uint8_t args[][2] = { { HOST_BX, HOST_AX }, { HOST_12, HOST_DX }, { HOST_13, HOST_SI } };
    uint8_t *off;

    asm_alu_imm(a, ALU_CMP, 1, CPU_AT(jit_x87), 0);
    off = asm_jcc(a, CC_E);
    asm_op(a, 0xdd, 4, 6, CPU_AT(jit_x87_image));       /* FNSAVE */
    asm_store_imm(a, 1, CPU_AT(jit_x87), 0);
    for (unsigned n = 0; n < COUNT_OF(args); n++)
        asm_mov(a, 8, args[n][0], rm_reg(args[n][1]));
    if (called)
        asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    c_call(a, (uintptr_t)jit_x87_take);
    if (called)
        asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    for (unsigned n = 0; n < COUNT_OF(args); n++)
        asm_mov(a, 8, args[n][1], rm_reg(args[n][0]));
    asm_aim(off, a->at);
}

/* After the guest's registers were stored. C code has its own MXCSR, its own x87 unit, and SSE code that would wait for the
 * upper halves of the host's registers. */
static void vectors_off(struct asm_buf *a, bool called)
{
    uint8_t *off;

    asm_alu_imm(a, ALU_CMP, 1, CPU_AT(jit_mxcsr), 0);
    off = asm_jcc(a, CC_E);
    asm_op(a, 0x0fae, 4, 3, CPU_AT(s.mxcsr));
    asm_op(a, 0x0fae, 4, 2, CPU_AT(jit_mxcsr_c));
    asm_store_imm(a, 1, CPU_AT(jit_mxcsr), 0);
    asm_aim(off, a->at);
    if (lift_vec_possible()) {
        asm_byte(a, 0xc5);
        asm_byte(a, 0xf8);
        asm_byte(a, 0x77);      /* VZEROUPPER */
    }
    x87_off(a, called);
}

static void load_state(struct asm_buf *a)
{
    registers(a, true);
    asm_mov(a, 8, HOST_BUDGET, CPU_AT(budget));
}

static void store_state(struct asm_buf *a)
{
    registers(a, false);
    asm_store(a, 8, CPU_AT(budget), HOST_BUDGET);
    vectors_off(a, false);
}

static void frame_off(struct asm_buf *a)
{
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    for (unsigned n = COUNT_OF(saved); n-- > 0;)
        asm_pop(a, saved[n]);
}

/* As an insn_fn for the first instruction of a translated block: DI cpu, SI instruction. */
static void make_enter(struct asm_buf *a)
{
    for (unsigned n = 0; n < COUNT_OF(saved); n++)
        asm_push(a, saved[n]);
    asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    asm_lea(a, 8, HOST_CPU, rm_at(HOST_DI, CPU_BASE));
    asm_mov(a, 8, HOST_BX, rm_at(HOST_SI, (int32_t)offsetof(struct block, jit) - (int32_t)offsetof(struct block, insns)));
    c_call(a, (uintptr_t)jit_flags_to_raw);
    asm_mov(a, 8, HOST_AX, rm_at(HOST_BX, (int32_t)offsetof(struct jit_block, code)));
    load_state(a);
    asm_jmp_rm(a, rm_reg(HOST_AX));
}

/* SI instruction, CX the guest register that lives in SI, AX handler, DX block: the handler may look at everything. */
static void to_interpreter(struct asm_buf *a, bool called)
{
    asm_store(a, 8, rm_at(HOST_CPU, 8 * RSI), HOST_CX);
    for (unsigned n = 0; n < 16; n++)
        if (pinned_always[n] != HOST_NONE && n != RSI)
            asm_store(a, 8, rm_at(HOST_CPU, (int32_t)(8 * n)), pinned_always[n]);
    asm_store(a, 8, CPU_AT(budget), HOST_BUDGET);
    asm_store(a, 8, CPU_AT(block), HOST_DX);
    asm_mov(a, 8, HOST_CX, rm_at(HOST_DX, (int32_t)offsetof(struct block, rip)));
    asm_store(a, 8, CPU_AT(block_rip), HOST_CX);
    vectors_off(a, called);
}

static void to_interpreter_later(struct asm_buf *a, bool called)
{
    to_interpreter(a, called);
    asm_mov(a, 8, HOST_BX, rm_reg(HOST_SI));
    asm_mov(a, 8, HOST_12, rm_reg(HOST_AX));
}

/* cpu->flags are made of jit_of and jit_szapc only when somebody asks. */
static void make_call_plain(struct asm_buf *a, const uint8_t *leave)
{
    uint8_t *left;

    to_interpreter(a, true);
    asm_store_imm(a, 1, CPU_AT(jit_has_flags), 1);
    asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
    asm_call_rm(a, rm_reg(HOST_AX));
    asm_store_imm(a, 1, CPU_AT(jit_has_flags), 0);
    asm_test(a, 4, rm_reg(HOST_AX), HOST_AX);
    left = asm_jcc(a, CC_NE);
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    load_state(a);
    asm_ret(a);
    asm_aim(left, a->at);
    asm_mov(a, 4, HOST_BX, rm_reg(HOST_AX));
    c_call(a, (uintptr_t)jit_flags_from_raw);
    asm_mov(a, 4, HOST_AX, rm_reg(HOST_BX));
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    asm_aim(asm_jmp(a), leave);
}

static void make_x87_on(struct asm_buf *a)
{
    uint8_t *no;

    registers(a, false);
    asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    c_call(a, (uintptr_t)jit_x87_give);
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    registers(a, true);
    asm_alu_imm(a, ALU_CMP, 1, rm_reg(HOST_AX), 1);     /* CF: 0 */
    no = asm_jcc(a, CC_B);
    asm_op(a, 0xdd, 4, 4, CPU_AT(jit_x87_image));       /* FRSTOR */
    asm_aim(no, a->at);
    asm_ret(a);
}

/* Only with all exceptions masked, and no bit this host may not have. */
static void make_fp_on(struct asm_buf *a)
{
    uint8_t *no;

    asm_mov(a, 4, HOST_AX, CPU_AT(s.mxcsr));
    asm_alu_imm(a, ALU_AND, 4, rm_reg(HOST_AX), (int32_t)0xffff1f80);
    asm_alu_imm(a, ALU_CMP, 4, rm_reg(HOST_AX), 0x1f80);
    no = asm_jcc(a, CC_NE);
    lift_vec_fp_on(a);
    asm_test(a, 4, rm_reg(HOST_AX), HOST_AX);       /* CF = 0 */
    asm_ret(a);
    asm_aim(no, a->at);
    asm_byte(a, 0xf9);      /* STC */
    asm_ret(a);
}

static void make_call(struct asm_buf *a, bool flags, const uint8_t *leave)
{
    to_interpreter_later(a, true);
    asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    c_call(a, (uintptr_t)jit_flags_from_raw);
    asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
    asm_mov(a, 8, HOST_SI, rm_reg(HOST_BX));
    asm_call_rm(a, rm_reg(HOST_12));
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    asm_test(a, 4, rm_reg(HOST_AX), HOST_AX);
    asm_aim(asm_jcc(a, CC_NE), leave);
    if (flags) {
        asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
        c_call(a, (uintptr_t)jit_flags_to_raw);
        asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    }
    load_state(a);
    asm_ret(a);
}

#define VICTIMS ((int32_t)(TLB_ENTRIES * sizeof(struct tlb_entry)))

/* The address in AX has its place there at CX + VICTIMS: as in tlb.c, victim_of(). */
static void victim_slot(struct asm_buf *a)
{
    asm_mov(a, 8, HOST_CX, rm_reg(HOST_AX));
    asm_shift(a, SHIFT_SHR, 8, rm_reg(HOST_CX), PAGE_SHIFT + TLB_BITS);
    asm_shift(a, SHIFT_SHL, 8, rm_reg(HOST_CX), PAGE_SHIFT + 1);
    asm_alu(a, ALU_XOR, 8, HOST_CX, rm_reg(HOST_AX));
    asm_shift(a, SHIFT_SHR, 8, rm_reg(HOST_CX), PAGE_SHIFT - 5);
    asm_alu_imm(a, ALU_AND, 4, rm_reg(HOST_CX), (TLB_VICTIMS - 1) << 5);
    asm_alu(a, ALU_ADD, 8, HOST_CX, CPU_AT(tlb));
}

/* AX: a linear address, DX: the page of its last byte, as the probe has left them. Found: equal, and AX is the host's. */
static void make_reprobe(struct asm_buf *a, int32_t tag)
{
    uint8_t *none;

    victim_slot(a);
    asm_alu(a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, VICTIMS + tag));
    none = asm_jcc(a, CC_NE);
    asm_mov(a, 8, HOST_CX, rm_at(HOST_CX, VICTIMS + (int32_t)offsetof(struct tlb_entry, addend)));
    asm_lea(a, 8, HOST_AX, rm_sum(HOST_AX, HOST_CX, 0, 0));
    asm_aim(none, a->at);
    asm_ret(a);
}

/* As make_reprobe(), but among all entries; found: CX turns the address into the host's. */
static void make_near(struct asm_buf *a, int32_t tag, const uint8_t *reprobe)
{
    lift_slot(a, HOST_AX);
    asm_alu(a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, tag));
    asm_aim(asm_jcc(a, CC_NE), reprobe);
    asm_mov(a, 8, HOST_CX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    asm_lea(a, 8, HOST_AX, rm_sum(HOST_AX, HOST_CX, 0, 0));
    asm_ret(a);
}

static struct rm of_site(size_t at, unsigned index, unsigned scale)
{
    return rm_sum(HOST_CPU, index, scale, (int32_t)at - CPU_BASE);
}

/* Another page than it was: AX and CX are lost, DX is which site's. */
static void count_miss(struct asm_buf *a)
{
    const struct rm left = of_site(offsetof(struct cpu, jit_site_left), HOST_DX, 2);
    uint8_t *some, *busy, *done;

    asm_alu_imm(a, ALU_SUB, 4, left, 1);
    some = asm_jcc(a, CC_NE);
    asm_alu_imm(a, ALU_CMP, 4, CPU_AT(jit_site_missed), 0);
    busy = asm_jcc(a, CC_NE);
    asm_store(a, 4, CPU_AT(jit_site_missed), HOST_DX);
    done = asm_jmp(a);
    asm_aim(busy, a->at);
    asm_store_imm(a, 4, left, 1);
    asm_aim(done, a->at);
    asm_aim(some, a->at);
}

/* As tlb_page_bit() has it, of the page in DX. AX is lost. */
static void mark_page(struct asm_buf *a)
{
    asm_mov(a, 8, HOST_AX, rm_reg(HOST_DX));
    asm_shift(a, SHIFT_SHR, 8, rm_reg(HOST_AX), 9);
    asm_alu(a, ALU_XOR, 8, HOST_AX, rm_reg(HOST_DX));
    asm_shift(a, SHIFT_SHR, 8, rm_reg(HOST_AX), PAGE_SHIFT);
    asm_alu_imm(a, ALU_AND, 4, rm_reg(HOST_AX), JIT_PAGES - 1);
    asm_op(a, 0x0fab, 8, HOST_AX, CPU_AT(jit_pages));      /* BTS, among all words */
}

/* The site whose number is at SP + 8 keeps the page in DX and what is in entry CX, and CX is its addend. AX and DX are lost. */
static void keep_page(struct asm_buf *a)
{
    const size_t sites = offsetof(struct cpu, jit_sites);
    uint8_t *kept, *done;

    _Static_assert(sizeof(struct jit_site_kept) == 24, "three times eight");
    asm_mov(a, 8, HOST_CX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    mark_page(a);
    asm_mov(a, 8, HOST_AX, rm_at(HOST_SP, 8));
    asm_lea(a, 8, HOST_AX, rm_sum(HOST_AX, HOST_AX, 1, 0));
    asm_store(a, 8, of_site(sites + offsetof(struct jit_site_kept, page), HOST_AX, 3), HOST_DX);
    asm_store(a, 8, of_site(sites + offsetof(struct jit_site_kept, addend), HOST_AX, 3), HOST_CX);
    asm_mov(a, 8, HOST_DX, rm_at(HOST_SP, 8));
    asm_alu_imm(a, ALU_CMP, 8, of_site(sites + offsetof(struct jit_site_kept, limit), HOST_AX, 3), 0);
    kept = asm_jcc(a, CC_NE);
    asm_push(a, HOST_CX);
    asm_movzx(a, 2, HOST_CX, of_site(offsetof(struct cpu, jit_site_limit), HOST_DX, 1));
    asm_store(a, 8, of_site(sites + offsetof(struct jit_site_kept, limit), HOST_AX, 3), HOST_CX);
    asm_mov(a, 4, HOST_CX, CPU_AT(jit_nfilled));
    asm_store(a, 2, of_site(offsetof(struct cpu, jit_filled), HOST_CX, 1), HOST_DX);
    asm_alu_imm(a, ALU_ADD, 4, CPU_AT(jit_nfilled), 1);
    asm_pop(a, HOST_CX);
    done = asm_jmp(a);
    asm_aim(kept, a->at);
    count_miss(a);
    asm_aim(done, a->at);
}

/* The site whose number is at SP + 8 keeps the place of entry CX, and CX is its addend. AX and DX are lost. */
static void keep_place(struct asm_buf *a)
{
    asm_mov(a, 8, HOST_DX, rm_at(HOST_SP, 8));
    asm_mov(a, 8, HOST_AX, rm_reg(HOST_CX));
    asm_alu(a, ALU_SUB, 8, HOST_AX, CPU_AT(tlb));
    asm_store(a, 4, of_site(offsetof(struct cpu, jit_site_at), HOST_DX, 2), HOST_AX);
    asm_mov(a, 8, HOST_CX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    count_miss(a);
}

/* CX: which site's. As make_near(), and the site keeps what was found. */
static void make_site(struct asm_buf *a, int32_t tag, bool page)
{
    uint8_t *found, *none;

    asm_push(a, HOST_CX);
    lift_slot(a, HOST_AX);
    asm_alu(a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, tag));
    found = asm_jcc(a, CC_E);
    victim_slot(a);
    asm_lea(a, 8, HOST_CX, rm_at(HOST_CX, VICTIMS));
    asm_alu(a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, tag));
    none = asm_jcc(a, CC_NE);
    asm_aim(found, a->at);
    asm_push(a, HOST_AX);
    if (page)
        keep_page(a);
    else
        keep_place(a);
    asm_pop(a, HOST_AX);
    asm_alu(a, ALU_CMP, 4, HOST_AX, rm_reg(HOST_AX));
    asm_aim(none, a->at);
    asm_lea(a, 8, HOST_SP, rm_at(HOST_SP, 8));
    asm_ret(a);
}

/* Found: equal, as after make_reprobe(). AX and CX are lost. Nothing here calculates with the vector unit. */
static void make_find(struct asm_buf *a)
{
    registers(a, false);
    asm_alu_imm(a, ALU_SUB, 8, rm_reg(HOST_SP), 8);
    asm_mov(a, 8, HOST_SI, rm_reg(HOST_AX));
    c_call(a, (uintptr_t)jit_find);
    asm_alu_imm(a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    registers(a, true);
    asm_mov(a, 8, HOST_DX, rm_reg(HOST_AX));
    asm_test(a, 8, rm_reg(HOST_DX), HOST_DX);
    asm_setcc(a, CC_E, rm_reg(HOST_AX));
    asm_test(a, 1, rm_reg(HOST_AX), HOST_AX);
    asm_ret(a);
}

static void make_tail(struct asm_buf *a, uintptr_t ready)
{
    to_interpreter_later(a, false);
    c_call(a, ready);
    asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
    asm_mov(a, 8, HOST_SI, rm_reg(HOST_BX));
    asm_mov(a, 8, HOST_AX, rm_reg(HOST_12));
    frame_off(a);
    asm_jmp_rm(a, rm_reg(HOST_AX));
}

/* A handler that ends its block and returns. Where nothing asks for the run loop, and the block that follows is translated,
 * it is entered from here. */
static void make_last(struct asm_buf *a, bool plain, const uint8_t *leave, const uint8_t *stop)
{
    uint8_t *other, *none;

    if (plain) {
        to_interpreter(a, false);
        asm_store_imm(a, 1, CPU_AT(jit_has_flags), 1);
        asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
        asm_call_rm(a, rm_reg(HOST_AX));
        asm_store_imm(a, 1, CPU_AT(jit_has_flags), 0);
    } else {
        to_interpreter_later(a, false);
        c_call(a, (uintptr_t)jit_flags_from_raw);
        asm_lea(a, 8, HOST_DI, rm_at(HOST_CPU, -CPU_BASE));
        asm_mov(a, 8, HOST_SI, rm_reg(HOST_BX));
        asm_call_rm(a, rm_reg(HOST_12));
    }
    asm_mov(a, 4, HOST_BX, rm_reg(HOST_AX));
    asm_alu_imm(a, ALU_CMP, 4, rm_reg(HOST_AX), EXEC_STOP);
    other = asm_jcc(a, CC_NE);
    c_call(a, (uintptr_t)jit_go_on);
    asm_test(a, 8, rm_reg(HOST_AX), HOST_AX);
    none = asm_jcc(a, CC_E);
    if (!plain) {
        asm_mov(a, 8, HOST_BX, rm_reg(HOST_AX));
        c_call(a, (uintptr_t)jit_flags_to_raw);
        asm_mov(a, 8, HOST_AX, rm_reg(HOST_BX));
    }
    load_state(a);
    asm_jmp_rm(a, rm_reg(HOST_AX));
    asm_aim(none, a->at);
    if (!plain)
        asm_aim(asm_jmp(a), stop);
    asm_aim(other, a->at);
    if (plain)
        c_call(a, (uintptr_t)jit_flags_from_raw);
    asm_mov(a, 4, HOST_AX, rm_reg(HOST_BX));
    asm_aim(asm_jmp(a), leave);
}

static void make_follow(struct asm_buf *a, const uint8_t *stop)
{
    store_state(a);
    asm_mov(a, 8, HOST_SI, rm_reg(HOST_AX));
    c_call(a, (uintptr_t)jit_follow);
    asm_test(a, 8, rm_reg(HOST_AX), HOST_AX);
    asm_aim(asm_jcc(a, CC_E), stop);
    registers(a, true);
    asm_jmp_rm(a, rm_reg(HOST_AX));
}

static void make_dry(struct asm_buf *a, const uint8_t *stop)
{
    store_state(a);
    asm_mov(a, 8, HOST_SI, rm_reg(HOST_AX));
    c_call(a, (uintptr_t)jit_dry);
    asm_aim(asm_jmp(a), stop);
}

bool backend_glue(struct jit *j)
{
    struct asm_buf a = { j->code.write, j->code.write + j->code.bytes, false };
    const uint8_t *leave, *leave_call, *stop;

#define GLUE(name, make) (j->glue.name = codebuf_runs_at(&j->code, a.at), make)
    GLUE(enter, make_enter(&a));
    leave_call = a.at;                              /* from within make_call(): its return address goes too */
    asm_alu_imm(&a, ALU_ADD, 8, rm_reg(HOST_SP), 8);
    leave = a.at;
    frame_off(&a);
    asm_ret(&a);
    stop = a.at;
    asm_mov_imm(&a, HOST_AX, EXEC_STOP);
    asm_aim(asm_jmp(&a), leave);
    GLUE(call, make_call(&a, false, leave_call));
    GLUE(call_flags, make_call(&a, true, leave_call));
    GLUE(call_plain, make_call_plain(&a, leave_call));
    GLUE(fp_on, make_fp_on(&a));
    GLUE(x87_on, make_x87_on(&a));
    GLUE(x87_function[X87_ONE], jit_x87_glue(&a, X87_ONE));
    GLUE(x87_function[X87_TWO], jit_x87_glue(&a, X87_TWO));
    GLUE(x87_function[X87_PAIR], jit_x87_glue(&a, X87_PAIR));
    GLUE(reprobe[0], make_reprobe(&a, (int32_t)offsetof(struct tlb_entry, read)));
    GLUE(reprobe[1], make_reprobe(&a, (int32_t)offsetof(struct tlb_entry, write)));
    GLUE(find, make_find(&a));
    for (unsigned write = 0; write < 2; write++) {
        const int32_t tag = write ? (int32_t)offsetof(struct tlb_entry, write) : (int32_t)offsetof(struct tlb_entry, read);

        GLUE(site[write], make_site(&a, tag, true));
        GLUE(site_place[write], make_site(&a, tag, false));
    }
    GLUE(near[0], make_near(&a, (int32_t)offsetof(struct tlb_entry, read), codebuf_writable(&j->code, j->glue.reprobe[0])));
    GLUE(near[1], make_near(&a, (int32_t)offsetof(struct tlb_entry, write), codebuf_writable(&j->code, j->glue.reprobe[1])));
    GLUE(tail, make_tail(&a, (uintptr_t)jit_flags_from_raw));
    GLUE(missed, make_tail(&a, (uintptr_t)jit_missed));
    GLUE(last, make_last(&a, false, leave, stop));
    GLUE(last_plain, make_last(&a, true, leave, stop));
    GLUE(follow, make_follow(&a, stop));
    GLUE(dry, make_dry(&a, stop));
#undef GLUE
    j->code.used = (size_t)(a.at - j->code.write + 15) & ~(size_t)15;
    return !a.full;
}
