/* SPDX-License-Identifier: MIT
 * Far returns and IRET in every mode (SDM 2B "RET", SDM 2A "IRET/IRETD/IRETQ"). */
#include "cpu/cet.h"
#include "cpu/exec.h"
#include "cpu/exec_far.h"
#include "cpu/task.h"

#define FLAGS_ALWAYS (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT)
#define FLAGS_WIDE   (FLAG_RF | FLAG_AC | FLAG_ID)

/* What was popped, and what it leads to. */
struct frame {
    struct stack st;
    uint64_t ip, cs, flags, sp, ss;
    struct descriptor cs_desc, ss_desc;
    struct shadow_change shadow;
    unsigned rpl;
    bool null_ss;
};

/* ---- checks common to both ---- */

static bool read_code(struct cpu *cpu, struct frame *f)
{
    uint16_t selector = (uint16_t)f->cs;
    struct descriptor *d = &f->cs_desc;
    unsigned dpl;

    if (selector_null(selector))
        return fault_gp(cpu, 0);
    if (!desc_read(cpu, selector, VEC_GP, d))
        return false;
    f->rpl = selector_rpl(selector);
    dpl = attr_dpl(d->attr);
    if (!attr_code(d->attr) || f->rpl < cpu->p.cpl || (attr_conforming(d->attr) ? dpl > f->rpl : dpl != f->rpl))
        return fault_gp(cpu, selector_error(selector));
    if (cpu_in_long_mode(cpu) && (d->attr & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB))
        return fault_gp(cpu, selector_error(selector));
    return (d->attr & SEG_P) || fault_raise_error(cpu, VEC_NP, selector_error(selector));
}

/* A null SS may go back to 64-bit code below level 3. */
static bool read_stack(struct cpu *cpu, struct frame *f)
{
    f->null_ss = selector_null((uint16_t)f->ss);
    if (!f->null_ss)
        return seg_read_stack(cpu, (uint16_t)f->ss, f->rpl, VEC_GP, &f->ss_desc);
    if (cpu_in_long_mode(cpu) && (f->cs_desc.attr & SEG_L) && f->rpl != 3 && selector_rpl((uint16_t)f->ss) == f->rpl)
        return true;
    return fault_gp(cpu, 0);
}

/* Of the slots of a frame those of selectors are read first, and only their two bytes (seen on Emerald Rapids). */
static void stack_skip(struct stack *st, unsigned bytes)
{
    st->sp = (st->sp + bytes) & st->mask;
}

static bool pop_stack(struct cpu *cpu, struct frame *f, unsigned bytes)
{
    if (!stack_peek(cpu, &f->st, bytes, 2, &f->ss) || !stack_pop(cpu, &f->st, bytes, &f->sp))
        return false;
    stack_skip(&f->st, bytes);
    return true;
}

static void set_stack_pointer(struct cpu *cpu, uint64_t sp)
{
    if (cpu_in_64bit(cpu))
        cpu->s.gpr[RSP] = sp;
    else
        reg_set(cpu, REG_AT(RSP), cpu->p.seg_attr[SEG_SS] & SEG_DB ? 4 : 2, sp);
}

/* The last of the checks: what the shadow stack says. Its token is given back here. */
static bool check_shadow(struct cpu *cpu, struct frame *f, bool iret)
{
    bool to64 = cpu_in_long_mode(cpu) && (f->cs_desc.attr & SEG_L);
    struct shadow_frame to = { .cs = (uint16_t)f->cs, .lip = to64 ? f->ip : (uint32_t)(f->cs_desc.base + f->ip) };

    return shadow_return(cpu, f->rpl, to64, iret, &to, &f->shadow);
}

/* The new level, code and stack; release: bytes RET adds to both stacks. */
static void take_frame(struct cpu *cpu, const struct frame *f, bool with_stack, unsigned release)
{
    unsigned old = cpu->p.cpl;

    cpu->p.cpl = (uint8_t)f->rpl;
    shadow_commit(cpu, &f->shadow);
    seg_install(cpu, SEG_CS, (uint16_t)f->cs, &f->cs_desc);
    if (!with_stack) {
        stack_commit(cpu, &f->st);
        return;
    }
    if (f->null_ss)
        seg_install_null(cpu, SEG_SS, (uint16_t)f->ss);
    else
        seg_install(cpu, SEG_SS, (uint16_t)f->ss, &f->ss_desc);
    set_stack_pointer(cpu, f->sp + release);
    if (f->rpl > old)
        seg_drop_inner(cpu);
}

/* ---- RET ---- */

static unsigned ret_real(struct cpu *cpu, const struct insn *i, struct frame *f)
{
    if (f->ip > cpu->p.seg_limit[SEG_CS])
        RAISE_GP(0);
    f->st.sp = (f->st.sp + i->imm) & f->st.mask;
    stack_commit(cpu, &f->st);
    seg_load_real(cpu, SEG_CS, (uint16_t)f->cs);
    STOP_AT(f->ip);
}

EXEC(RET_FAR)
{
    unsigned bytes = i->width;
    struct frame f = { 0 };
    bool outer, late;

    cpu->insn = i;
    stack_current(cpu, &f.st);
    if (!stack_peek(cpu, &f.st, bytes, 2, &f.cs) || !stack_pop(cpu, &f.st, bytes, &f.ip))
        FAULT();
    stack_skip(&f.st, bytes);
    if (cpu_in_real_mode(cpu) || cpu_in_v86(cpu))
        return ret_real(cpu, i, &f);
    if (!read_code(cpu, &f))
        FAULT();
    outer = f.rpl > cpu->p.cpl;
    late = !outer && cpu_in_long_mode(cpu) && (f.cs_desc.attr & SEG_L);
    if (!late)
        f.st.sp = (f.st.sp + i->imm) & f.st.mask;
    if (outer && (!pop_stack(cpu, &f, bytes) || !read_stack(cpu, &f)))
        FAULT();
    if (!far_target_ok(cpu, &f.cs_desc, &f.ip) || !desc_set_accessed(cpu, &f.cs_desc) || !check_shadow(cpu, &f, false))
        FAULT();
    take_frame(cpu, &f, outer, (unsigned)i->imm);
    if (late)                   /* the pointer is that of 64-bit mode by now (seen on Emerald Rapids) */
        cpu->s.gpr[RSP] += i->imm;
    cpu_mode_changed(cpu);
    STOP_AT(f.ip);
}

/* ---- IRET ---- */

/* Bits of RFLAGS that IRET may change here. */
static uint32_t flags_mask(const struct cpu *cpu, unsigned bytes)
{
    unsigned iopl = (cpu->p.rflags & FLAG_IOPL) >> 12;
    uint32_t mask = FLAGS_ALWAYS;

    if (bytes >= 4)
        mask |= FLAGS_WIDE;
    if (cpu->p.cpl <= iopl)
        mask |= FLAG_IF;
    if (cpu->p.cpl == 0)
        mask |= FLAG_IOPL | (bytes >= 4 ? FLAG_VIF | FLAG_VIP : 0);
    return mask;
}

static void merge_flags(struct cpu *cpu, uint32_t mask, uint64_t value)
{
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~mask) | ((uint32_t)value & mask));
}

static unsigned iret_real(struct cpu *cpu, const struct insn *i, const struct frame *f, uint32_t mask)
{
    if (f->ip > cpu->p.seg_limit[SEG_CS])
        RAISE_GP(0);
    stack_commit(cpu, &f->st);
    seg_load_real(cpu, SEG_CS, (uint16_t)f->cs);
    merge_flags(cpu, mask, f->flags);
    STOP_AT(f->ip);
}

/* SDM 3B "Virtual Interrupt Flag": IRET with VME and IOPL below 3 moves IF to VIF. */
static unsigned iret_vme(struct cpu *cpu, const struct insn *i, struct frame *f)
{
    bool wants_if = f->flags & FLAG_IF;

    if ((f->flags & FLAG_TF) || (wants_if && (cpu->p.rflags & FLAG_VIP)))
        RAISE_GP(0);
    f->flags = (f->flags & ~(uint64_t)FLAG_VIF) | (wants_if ? FLAG_VIF : 0);
    return iret_real(cpu, i, f, FLAGS_ALWAYS | FLAG_VIF);
}

static unsigned iret_v86(struct cpu *cpu, const struct insn *i, struct frame *f)
{
    if ((cpu->p.rflags & FLAG_IOPL) != FLAG_IOPL)
        return iret_vme(cpu, i, f);
    return iret_real(cpu, i, f, FLAGS_ALWAYS | FLAG_IF | (i->width >= 4 ? FLAGS_WIDE : 0));
}

/* From level 0 into a virtual-8086 task. */
static unsigned iret_to_v86(struct cpu *cpu, const struct insn *i, struct frame *f)
{
    static const uint8_t order[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    bool released;
    uint64_t sel[4];

    if (cet_mode(cpu, 3) != 0)          /* there is no CET in virtual-8086 mode */
        RAISE_GP(0);
    if (!stack_pop(cpu, &f->st, 4, &f->sp) || !stack_pop(cpu, &f->st, 4, &f->ss))
        FAULT();
    for (unsigned k = 0; k < 4; k++)
        if (!stack_pop(cpu, &f->st, 4, &sel[k]))
            FAULT();
    if (f->ip > 0xffff)
        RAISE_GP(0);
    if ((cpu->mode & MODE_SHSTK) && (cpu->p.ssp & 7)) {
        fault_cp(cpu, CP_FAR_RET);
        FAULT();
    }
    if ((cpu->mode & MODE_SHSTK) && !shadow_token(cpu, cpu->p.ssp, false, false, false, &released))
        FAULT();
    cpu->p.cpl = 3;
    for (unsigned k = 0; k < 4; k++)
        seg_install_v86(cpu, order[k], (uint16_t)sel[k]);
    seg_install_v86(cpu, SEG_CS, (uint16_t)f->cs);
    seg_install_v86(cpu, SEG_SS, (uint16_t)f->ss);
    cpu->s.gpr[RSP] = f->sp;
    merge_flags(cpu, FLAGS_DEFINED, f->flags);
    cpu_mode_changed(cpu);
    STOP_AT(f->ip);
}

static unsigned iret_protected(struct cpu *cpu, const struct insn *i, struct frame *f)
{
    uint32_t mask = flags_mask(cpu, i->width);
    bool with_stack;

    if (!read_code(cpu, f))
        FAULT();
    with_stack = cpu_in_64bit(cpu) || f->rpl > cpu->p.cpl;
    if (with_stack && (!pop_stack(cpu, f, i->width) || !read_stack(cpu, f)))
        FAULT();
    if (!far_target_ok(cpu, &f->cs_desc, &f->ip) || !desc_set_accessed(cpu, &f->cs_desc) || !check_shadow(cpu, f, true))
        FAULT();
    take_frame(cpu, f, with_stack, 0);
    merge_flags(cpu, mask, f->flags);
    cpu_mode_changed(cpu);
    STOP_AT(f->ip);
}

/* Any IRET, also one that faults, lets NMIs in again (SDM 3A "Handling Multiple NMIs"). */
static void unblock_nmi(struct cpu *cpu)
{
    cpu->p.nmi_blocked = 0;
    if (cpu->p.nmi_pending)
        cpu->attention |= ATTEND_NMI;
}

EXEC(IRET)
{
    unsigned bytes = i->width;
    struct frame f = { 0 };
    bool switched, done;

    cpu->insn = i;
    unblock_nmi(cpu);
    if (!cpu_in_real_mode(cpu) && !cpu_in_v86(cpu) && (cpu->p.rflags & FLAG_NT)) {
        if (cpu_in_long_mode(cpu))
            RAISE_GP(0);
        done = task_return(cpu, rip_next(cpu, i), &switched);
        return far_task_done(cpu, i, done, switched);
    }
    if (cpu_in_v86(cpu) && (cpu->p.rflags & FLAG_IOPL) != FLAG_IOPL && (!(cpu->p.cr4 & CR4_VME) || bytes != 2))
        RAISE_GP(0);
    stack_current(cpu, &f.st);
    if (!stack_peek(cpu, &f.st, 2 * bytes, bytes, &f.flags) || !stack_peek(cpu, &f.st, bytes, 2, &f.cs) ||
        !stack_pop(cpu, &f.st, bytes, &f.ip))
        FAULT();
    stack_skip(&f.st, 2 * bytes);
    if (cpu_in_real_mode(cpu))
        return iret_real(cpu, i, &f, flags_mask(cpu, bytes) & ~(FLAG_VIF | FLAG_VIP));
    if (cpu_in_v86(cpu))
        return iret_v86(cpu, i, &f);
    if ((f.flags & FLAG_VM) && cpu->p.cpl == 0 && bytes == 4 && !cpu_in_long_mode(cpu))
        return iret_to_v86(cpu, i, &f);
    return iret_protected(cpu, i, &f);
}
