/* SPDX-License-Identifier: MIT
 * Hardware task switches (SDM 3A "Task Switching"). All that can fail in the old task is checked and probed first; then the
 * registers change hands at once; what fails after that (selectors of the new task) is the new task's fault. */
#include "cpu/task.h"

#include "cpu/cet.h"
#include "cpu/mem.h"

#define DR7_LOCAL   0x155u          /* L0-L3 and LE */
#define DB_TASK     BIT64(15)       /* DR6.BT */

/* Where things lie in a TSS (SDM 3A figures "32-Bit Task-State Segment", "16-Bit TSS Format"). */
struct layout {
    uint8_t width;              /* of most fields */
    uint8_t cr3, ip, flags, regs, segs, nsegs, ldt, trap, ssp; /* 0: not there */
    uint8_t min_limit;
    uint8_t save_from, save_to; /* the part a switch away writes */
};

static const struct layout layouts[2] = {
    { .width = 2, .ip = 0x0e, .flags = 0x10, .regs = 0x12, .segs = 0x22, .nsegs = 4, .ldt = 0x2a, .min_limit = 0x2b,
      .save_from = 0x0e, .save_to = 0x29 },
    { .width = 4, .cr3 = 0x1c, .ip = 0x20, .flags = 0x24, .regs = 0x28, .segs = 0x48, .nsegs = 6, .ldt = 0x60, .trap = 0x64,
      .ssp = 0x68, .min_limit = 0x67, .save_from = 0x20, .save_to = 0x5f },
};

static const struct layout *layout_of(uint32_t attr)
{
    return &layouts[(attr_type(attr) >> 3) & 1];
}

/* A task's registers as its TSS holds them. */
struct image {
    uint64_t cr3, ip, flags, trap, ldt, ssp;
    uint64_t regs[8], segs[6];
};

/* What a switch carries from the old task's shadow stack to the new one's. */
struct task_shadow {
    struct shadow_saved frame;
    bool push;              /* the frame goes onto the new shadow stack */
    bool verify;            /* the frame came from the old one and must name where the new task goes on */
};

static bool read_image(struct cpu *cpu, gva_t tss, const struct layout *l, struct image *im)
{
    bool ok;

    *im = (struct image){ 0 };
    ok = mem_load_system(cpu, tss + l->ip, l->width, &im->ip) &&
         mem_load_system(cpu, tss + l->flags, l->width, &im->flags) && mem_load_system(cpu, tss + l->ldt, 2, &im->ldt);
    if (ok && l->cr3)
        ok = mem_load_system(cpu, tss + l->cr3, 4, &im->cr3) && mem_load_system(cpu, tss + l->trap, 2, &im->trap);
    if (ok && l->ssp && (cpu->p.cr4 & CR4_CET))
        ok = mem_load_system(cpu, tss + l->ssp, 4, &im->ssp);
    for (unsigned k = 0; ok && k < 8; k++)
        ok = mem_load_system(cpu, tss + l->regs + k * l->width, l->width, &im->regs[k]);
    for (unsigned k = 0; ok && k < l->nsegs; k++)
        ok = mem_load_system(cpu, tss + l->segs + k * l->width, 2, &im->segs[k]);
    return ok;
}

static bool write_image(struct cpu *cpu, gva_t tss, const struct layout *l, uint64_t ip, uint32_t flags)
{
    bool ok = mem_store_system(cpu, tss + l->ip, l->width, ip) && mem_store_system(cpu, tss + l->flags, l->width, flags);

    for (unsigned k = 0; ok && k < 8; k++)
        ok = mem_store_system(cpu, tss + l->regs + k * l->width, l->width, cpu->s.gpr[k]);
    for (unsigned k = 0; ok && k < l->nsegs; k++)
        ok = mem_store_system(cpu, tss + l->segs + k * l->width, 2, cpu->p.seg_sel[k]);
    return ok;
}

/* The descriptor of the TSS to go to. */
static bool read_tss(struct cpu *cpu, uint16_t selector, enum task_cause cause, struct descriptor *d)
{
    unsigned vector = cause == TASK_RETURN ? VEC_TS : VEC_GP, type;
    bool busy = cause == TASK_RETURN;

    if ((selector & 4) || selector_null(selector))
        return fault_raise_error(cpu, vector, selector_error(selector));
    if (!desc_read(cpu, selector, vector, d))
        return false;
    type = attr_type(d->attr);
    if (!attr_system(d->attr) || (type & ~(8u | TYPE_BUSY)) != TYPE_TSS16 || !!(type & TYPE_BUSY) != busy)
        return fault_raise_error(cpu, vector, selector_error(selector));
    if (!(d->attr & SEG_P))
        return fault_raise_error(cpu, VEC_NP, selector_error(selector));
    if (d->limit < layout_of(d->attr)->min_limit + (cpu->p.cr4 & CR4_CET ? 4u : 0))     /* the SSP */
        return fault_raise_error(cpu, VEC_TS, selector_error(selector));
    if ((cpu->p.cr4 & CR4_CET) && !layout_of(d->attr)->ssp)
        return fault_raise_error(cpu, VEC_TS, selector_error(selector));
    return true;
}

/* Everything the switch will write must be there before anything changes. */
static bool probe(struct cpu *cpu, const struct descriptor *next, bool nested)
{
    const struct layout *old = layout_of(cpu->p.seg_attr[SEG_TR]);
    gva_t old_tss = cpu->p.seg_base[SEG_TR];

    if (cpu->p.seg_limit[SEG_TR] < old->save_to)
        return fault_raise_error(cpu, VEC_TS, selector_error(cpu->p.seg_sel[SEG_TR]));
    if (!mem_probe_system(cpu, old_tss + old->save_from, old->save_to + 1u - old->save_from, ACCESS_WRITE))
        return false;
    return !nested || mem_probe_system(cpu, next->base, 2, ACCESS_WRITE);
}

/* Busy bits, the saved image, the back link; nothing here faults after probe() but a descriptor table that is read-only. */
static bool leave_old(struct cpu *cpu, struct descriptor *next, enum task_cause cause, uint64_t rip, uint32_t rflags)
{
    bool nested = cause == TASK_CALL || cause == TASK_EVENT;
    struct descriptor old;

    if (cause == TASK_JUMP || cause == TASK_RETURN) {
        if (!desc_read(cpu, cpu->p.seg_sel[SEG_TR], VEC_TS, &old) || !desc_set_busy(cpu, &old, false))
            return false;
    }
    if (!write_image(cpu, cpu->p.seg_base[SEG_TR], layout_of(cpu->p.seg_attr[SEG_TR]), rip, rflags))
        return false;
    if (nested && !mem_store_system(cpu, next->base, 2, cpu->p.seg_sel[SEG_TR]))
        return false;
    return cause == TASK_RETURN || desc_set_busy(cpu, next, true);
}

/* ---- shadow stacks (SDM 1 "Shadow Stack Usage on Task Switch", APM 2 "Task Switches") ---- */

static bool shadow_leave(struct cpu *cpu, enum task_cause cause, const struct image *im, uint64_t rip, struct task_shadow *t)
{
    unsigned cpl = cpu->p.cpl, next = im->flags & FLAG_VM ? 3 : im->segs[SEG_CS] & 3;
    uint64_t ssp = cpu->p.ssp;
    bool released;

    *t = (struct task_shadow){ 0 };
    if (!(cpu->mode & MODE_SHSTK) || cause == TASK_JUMP)
        return true;
    if (cause != TASK_RETURN) {
        t->push = cpl != 3 || next == 3;
        t->frame = (struct shadow_saved){ .ssp = ssp, .lip = (uint32_t)(cpu->p.seg_base[SEG_CS] + rip),
                                          .cs = cpu->p.seg_sel[SEG_CS] };
        return true;
    }
    if (ssp & 7)
        return fault_raise_error(cpu, VEC_TS, selector_error(cpu->p.seg_sel[SEG_TR]));
    t->verify = next == cpl || next < 3;
    if (t->verify && !shadow_read_frame(cpu, ssp, &t->frame))
        return false;
    return shadow_token(cpu, t->verify ? ssp + sizeof t->frame : ssp, false, cpl == 3, false, &released);
}

/* The user's SSP is kept where a return to it will look. */
static void shadow_left(struct cpu *cpu, enum task_cause cause, const struct task_shadow *t)
{
    if (!(cpu->mode & MODE_SHSTK) || cause == TASK_JUMP)
        return;
    if (cause == TASK_RETURN)
        cpu->p.ssp = 0;
    else if (!t->push)
        cpu->p.pl_ssp[3] = cpu->p.ssp;
}

static bool bad_task(struct cpu *cpu)
{
    return fault_raise_error(cpu, VEC_TS, selector_error(cpu->p.seg_sel[SEG_TR]));
}

static bool shadow_take(struct cpu *cpu, uint64_t ssp, const struct task_shadow *t)
{
    bool user = cpu->p.cpl == 3, ok;

    if (ssp & 7)
        return bad_task(cpu);
    if (!shadow_token(cpu, ssp, false, user, true, &ok))
        return false;
    if (!ok)
        return bad_task(cpu);
    cpu->p.ssp = ssp;
    if (!t->push)
        return true;
    if (!shadow_push_frame(cpu, ssp, false, user, &t->frame))
        return false;
    cpu->p.ssp -= sizeof t->frame;
    return true;
}

static bool shadow_go_back(struct cpu *cpu, const struct task_shadow *t)
{
    struct shadow_frame here = { .cs = cpu->p.seg_sel[SEG_CS], .lip = (uint32_t)(cpu->p.seg_base[SEG_CS] + cpu->p.rip) };
    uint64_t ssp = t->verify ? t->frame.ssp : cpu->p.pl_ssp[3];

    if (t->verify && !shadow_same(&t->frame, &here))
        return fault_cp(cpu, CP_FAR_RET);
    if (!cet_shadow_stack(cpu, cpu->p.cpl))
        return true;
    if ((ssp & 3) || ssp >> 32)
        return fault_cp(cpu, CP_FAR_RET);
    cpu->p.ssp = ssp;
    return true;
}

static bool shadow_arrive(struct cpu *cpu, enum task_cause cause, const struct image *im, const struct task_shadow *t)
{
    if (im->flags & FLAG_VM)
        return cet_mode(cpu, 3) == 0 || bad_task(cpu);
    if (cause == TASK_RETURN)
        return shadow_go_back(cpu, t);
    if (cet_shadow_stack(cpu, cpu->p.cpl) && !shadow_take(cpu, im->ssp, t))
        return false;
    cet_track_far(cpu, cpu->p.cpl);
    return true;
}

/* ---- in the new task ---- */

static bool load_cs(struct cpu *cpu, uint16_t selector)
{
    unsigned rpl = selector_rpl(selector), dpl;
    struct descriptor d;

    if (selector_null(selector))
        return fault_raise_error(cpu, VEC_TS, 0);
    if (!desc_read(cpu, selector, VEC_TS, &d))
        return false;
    dpl = attr_dpl(d.attr);
    if (!attr_code(d.attr) || (attr_conforming(d.attr) ? dpl > rpl : dpl != rpl))
        return fault_raise_error(cpu, VEC_TS, selector_error(selector));
    if (!(d.attr & SEG_P))
        return fault_raise_error(cpu, VEC_NP, selector_error(selector));
    if (!desc_set_accessed(cpu, &d))
        return false;
    seg_install(cpu, SEG_CS, selector, &d);
    return true;
}

static bool load_protected_segments(struct cpu *cpu, const struct image *im)
{
    static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    struct descriptor ss;

    if (!load_cs(cpu, (uint16_t)im->segs[SEG_CS]) ||
        !seg_read_stack(cpu, (uint16_t)im->segs[SEG_SS], cpu->p.cpl, VEC_TS, &ss))
        return false;
    seg_install(cpu, SEG_SS, (uint16_t)im->segs[SEG_SS], &ss);
    for (unsigned k = 0; k < sizeof data; k++)
        if (!seg_load_data(cpu, data[k], (uint16_t)im->segs[data[k]], VEC_TS))
            return false;
    return true;
}

/* Selectors are the new task's at once; their descriptors come one by one and each may fault. */
static void take_selectors(struct cpu *cpu, const struct image *im)
{
    bool v86 = im->flags & FLAG_VM;

    cpu->p.cpl = v86 ? 3 : im->segs[SEG_CS] & 3;
    for (unsigned k = 0; k < 6; k++) {
        if (v86)
            seg_install_v86(cpu, k, (uint16_t)im->segs[k]);
        else
            seg_install_null(cpu, k, (uint16_t)im->segs[k]);
    }
}

/* A 16-bit TSS fills the upper halves with ones: the SDM is silent, test386 observed it. */
static void take_registers(struct cpu *cpu, const struct image *im, unsigned width)
{
    for (unsigned k = 0; k < 8; k++)
        cpu->s.gpr[k] = width == 2 ? 0xffff0000u | im->regs[k] : im->regs[k];
    cpu->p.rip = im->ip;
    cpu->p.cr0 |= CR0_TS;
    cpu->p.dr7 &= ~(uint64_t)DR7_LOCAL;
    cpu_set_rflags(cpu, ((uint32_t)im->flags & FLAGS_DEFINED) | 2);
}

static bool take_cr3(struct cpu *cpu, uint64_t cr3)
{
    const uint64_t old = cpu->p.cr3;

    if (!(cpu->p.cr0 & CR0_PG))
        return true;
    if ((cpu->p.cr4 & CR4_PAE) && !mmu_load_pdptes(cpu, cr3))
        return fault_gp(cpu, 0);
    tlb_load_cr3(cpu, cr3, false);
    if (UNLIKELY(cpu->watcher != NULL))
        watcher_cr3(cpu, old);
    return true;
}

static bool enter_new(struct cpu *cpu, const struct image *im, const struct layout *l, enum task_cause cause,
                      const struct task_shadow *shadow)
{
    take_registers(cpu, im, l->width);
    take_selectors(cpu, im);
    seg_install_null(cpu, SEG_LDTR, (uint16_t)im->ldt);
    cpu_mode_changed(cpu);
    if (l->cr3 && !take_cr3(cpu, im->cr3))
        return false;
    if (!seg_load_ldt(cpu, (uint16_t)im->ldt, VEC_TS, VEC_TS))
        return false;
    if (!(im->flags & FLAG_VM) && !load_protected_segments(cpu, im))
        return false;
    cpu_mode_changed(cpu);
    if (!shadow_arrive(cpu, cause, im, shadow) || (cpu->p.rip > cpu->p.seg_limit[SEG_CS] && !fault_gp(cpu, 0)))
        return false;
    if (im->trap & 1) {         /* SDM 3B "Task-Switch Exception Condition": when the switch is complete */
        cpu->p.pending_db |= DB_TASK;
        cpu->attention |= ATTEND_DEBUG;
    }
    return true;
}

bool task_switch(struct cpu *cpu, uint16_t selector, enum task_cause cause, uint64_t rip, uint32_t rflags, bool *switched)
{
    bool nested = cause == TASK_CALL || cause == TASK_EVENT, done;
    struct task_shadow shadow;
    const struct layout *l;
    struct descriptor next;
    struct image im;

    *switched = false;
    if (!read_tss(cpu, selector, cause, &next))
        return false;
    l = layout_of(next.attr);
    if (!probe(cpu, &next, nested) || !read_image(cpu, next.base, l, &im) ||
        !shadow_leave(cpu, cause, &im, rip, &shadow) || !leave_old(cpu, &next, cause, rip, rflags))
        return false;
    *switched = true;
    shadow_left(cpu, cause, &shadow);
    next.attr |= TYPE_BUSY;
    seg_install(cpu, SEG_TR, selector, &next);
    if (nested)
        im.flags |= FLAG_NT;
    done = enter_new(cpu, &im, l, cause, &shadow);
    cpu_mode_changed(cpu);
    return done;
}

bool task_return(struct cpu *cpu, uint64_t rip, bool *switched)
{
    uint64_t link;

    *switched = false;
    return mem_load_system(cpu, cpu->p.seg_base[SEG_TR], 2, &link) &&
           task_switch(cpu, (uint16_t)link, TASK_RETURN, rip, cpu_rflags(cpu) & ~FLAG_NT, switched);
}
