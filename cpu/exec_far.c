/* SPDX-License-Identifier: MIT
 * Far jumps and calls, through call gates and to tasks, and software interrupts (SDM 2A "JMP", "CALL", "INT n"). Every check
 * and every push comes before the first register changes. */
#include "cpu/cet.h"
#include "cpu/exec.h"
#include "cpu/exec_far.h"
#include "cpu/event.h"
#include "cpu/task.h"

struct far_pointer { uint64_t offset; uint16_t selector; };

static bool load_far_pointer(struct cpu *cpu, const struct insn *i, struct far_pointer *to)
{
    uint64_t selector;
    gva_t lin;

    if (!ea_piece(cpu, i, 0, i->width, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, i->width, &to->offset) ||
        !ea_piece(cpu, i, i->width, 2, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, 2, &selector))
        return false;
    to->selector = (uint16_t)selector;
    return true;
}

static struct far_pointer immediate_pointer(const struct insn *i)
{
    return (struct far_pointer){ .offset = mask_size(i->imm, i->width), .selector = i->imm2 };
}

/* Of a 64-bit offset to compatibility mode only the low half counts (seen on Emerald Rapids). */
bool far_target_ok(struct cpu *cpu, const struct descriptor *cs, uint64_t *offset)
{
    bool to_64 = cpu_in_long_mode(cpu) && (cs->attr & SEG_L);

    if (!to_64)
        *offset = (uint32_t)*offset;
    return (to_64 ? cpu_canonical(cpu, *offset) : *offset <= cs->limit) || fault_gp(cpu, 0);
}

unsigned far_task_done(struct cpu *cpu, const struct insn *i, bool done, bool switched)
{
    if (!done && !switched)
        FAULT();
    if (!done)
        event_redeliver(cpu);
    STOP_AT(cpu->p.rip);
}

/* What JMP and CALL ask of a code segment, directly (rpl: the selector's) or behind a gate (rpl 0). */
static bool code_allowed(struct cpu *cpu, const struct descriptor *d, uint16_t selector, unsigned rpl, bool inward)
{
    unsigned dpl = attr_dpl(d->attr), cpl = cpu->p.cpl;
    bool ok = attr_code(d->attr);

    if (ok && (attr_conforming(d->attr) || inward))
        ok = dpl <= cpl;
    else if (ok)
        ok = dpl == cpl && rpl <= cpl;
    if (ok && cpu_in_long_mode(cpu))
        ok = (d->attr & (SEG_L | SEG_DB)) != (SEG_L | SEG_DB);
    if (!ok)
        return fault_gp(cpu, selector_error(selector));
    return (d->attr & SEG_P) || fault_raise_error(cpu, VEC_NP, selector_error(selector));
}

static void enter_code(struct cpu *cpu, uint16_t selector, const struct descriptor *cs)
{
    seg_install(cpu, SEG_CS, (uint16_t)((selector & ~3u) | cpu->p.cpl), cs);
    cet_track_far(cpu, cpu->p.cpl);
    cpu_mode_changed(cpu);
}

static bool to_64bit(const struct cpu *cpu, const struct descriptor *cs)
{
    return cpu_in_long_mode(cpu) && (cs->attr & SEG_L);
}

/* CS and RIP again, as the shadow stack keeps them. */
static struct shadow_frame shadow_return_to(const struct cpu *cpu, const struct insn *i)
{
    uint64_t next = rip_next(cpu, i);

    return (struct shadow_frame){ .cs = cpu->p.seg_sel[SEG_CS],
                                  .lip = cpu_in_64bit(cpu) ? next : (uint32_t)(cpu->p.seg_base[SEG_CS] + next) };
}

/* A call that stays at this level. */
static bool shadow_call(struct cpu *cpu, const struct insn *i, const struct descriptor *cs, struct shadow_change *shadow)
{
    struct shadow_frame from = shadow_return_to(cpu, i);

    return shadow_enter_same(cpu, cpu->p.ssp, false, to_64bit(cpu, cs), &from, shadow);
}

/* CS and RIP, for a return. */
static bool push_return(struct cpu *cpu, const struct insn *i, struct stack *st, unsigned bytes)
{
    return stack_push(cpu, st, bytes, cpu->p.seg_sel[SEG_CS]) && stack_push(cpu, st, bytes, rip_next(cpu, i));
}

/* ---- real-address and virtual-8086 mode ---- */

static unsigned far_real(struct cpu *cpu, const struct insn *i, const struct far_pointer *to, bool call)
{
    struct stack st;

    if (to->offset > cpu->p.seg_limit[SEG_CS])
        RAISE_GP(0);
    if (call) {
        stack_current(cpu, &st);
        if (!push_return(cpu, i, &st, i->width))
            FAULT();
        stack_commit(cpu, &st);
    }
    seg_load_real(cpu, SEG_CS, to->selector);
    STOP_AT(to->offset);
}

/* ---- call gates ---- */

struct gate_target {
    struct descriptor gate, cs;
    unsigned bytes;             /* of a push */
};

static bool read_gate_target(struct cpu *cpu, uint16_t selector, bool call, struct gate_target *t)
{
    bool long_mode = cpu_in_long_mode(cpu);
    uint16_t target;

    if (long_mode && !desc_read_long(cpu, selector, VEC_GP, &t->gate))
        return false;
    target = t->gate.selector;
    t->bytes = long_mode ? 8 : attr_type(t->gate.attr) == TYPE_CALL32 ? 4 : 2;
    if (t->bytes == 2)
        t->gate.offset &= 0xffff;
    if (selector_null(target))
        return fault_gp(cpu, 0);
    if (!desc_read(cpu, target, VEC_GP, &t->cs))
        return false;
    if (long_mode && (t->cs.attr & (SEG_L | SEG_DB)) != SEG_L)
        return fault_gp(cpu, selector_error(target));
    return code_allowed(cpu, &t->cs, target, 0, call) && desc_set_accessed(cpu, &t->cs);
}

/* Copy the caller's parameters in their order. */
static bool push_parameters(struct cpu *cpu, struct stack *to, unsigned count, unsigned bytes)
{
    uint64_t values[31];
    struct stack from;

    stack_current(cpu, &from);
    for (unsigned k = 0; k < count; k++)
        if (!stack_pop(cpu, &from, bytes, &values[k]))
            return false;
    while (count-- > 0)
        if (!stack_push(cpu, to, bytes, values[count]))
            return false;
    return true;
}

/* CALL to a more privileged level: SDM 2A "CALL", MORE-PRIVILEGE. The new stack is judged before the gate's offset. */
static unsigned call_inner(struct cpu *cpu, const struct insn *i, struct gate_target *t)
{
    unsigned cpl = attr_dpl(t->cs.attr), count = t->bytes == 8 ? 0 : t->gate.params;
    struct shadow_frame from = shadow_return_to(cpu, i);
    bool long_mode = cpu_in_long_mode(cpu);
    struct shadow_change shadow;
    struct descriptor ss;
    uint16_t ss_sel = 0;
    struct stack st;

    if (!(long_mode ? stack_inner_long(cpu, cpl, 0, &st) : stack_inner(cpu, cpl, &st, &ss_sel, &ss)))
        FAULT();
    if (!far_target_ok(cpu, &t->cs, &t->gate.offset) || !stack_push(cpu, &st, t->bytes, cpu->p.seg_sel[SEG_SS]) ||
        !stack_push(cpu, &st, t->bytes, cpu->s.gpr[RSP]) || !push_parameters(cpu, &st, count, t->bytes) ||
        !push_return(cpu, i, &st, t->bytes) ||
        !shadow_enter_inner(cpu, cpl, cpu->p.pl_ssp[cpl], long_mode, &from, &shadow))
        FAULT();
    cpu->p.cpl = (uint8_t)cpl;
    if (long_mode)
        seg_install_null(cpu, SEG_SS, (uint16_t)cpl);
    else
        seg_install(cpu, SEG_SS, ss_sel, &ss);
    stack_commit(cpu, &st);
    shadow_commit(cpu, &shadow);
    enter_code(cpu, t->gate.selector, &t->cs);
    STOP_AT(t->gate.offset);
}

static unsigned through_gate(struct cpu *cpu, const struct insn *i, uint16_t selector, const struct descriptor *gate,
                             bool call)
{
    struct gate_target t = { .gate = *gate };
    struct shadow_change shadow;
    struct stack st;

    if (!read_gate_target(cpu, selector, call, &t))
        FAULT();
    if (call && !attr_conforming(t.cs.attr) && attr_dpl(t.cs.attr) < cpu->p.cpl)
        return call_inner(cpu, i, &t);
    if (!far_target_ok(cpu, &t.cs, &t.gate.offset))
        FAULT();
    if (call) {
        stack_current(cpu, &st);
        if (t.bytes == 8)
            stack_long(&st, cpu->s.gpr[RSP], cpu->p.cpl);
        if (!push_return(cpu, i, &st, t.bytes) || !shadow_call(cpu, i, &t.cs, &shadow))
            FAULT();
        stack_commit(cpu, &st);
        shadow_commit(cpu, &shadow);
    }
    enter_code(cpu, t.gate.selector, &t.cs);
    STOP_AT(t.gate.offset);
}

static unsigned to_task(struct cpu *cpu, const struct insn *i, uint16_t selector, bool call)
{
    enum task_cause cause = call ? TASK_CALL : TASK_JUMP;
    bool switched, done;

    cpu->insn = i;
    done = task_switch(cpu, selector, cause, rip_next(cpu, i), cpu_rflags(cpu), &switched);

    return far_task_done(cpu, i, done, switched);
}

static bool system_type_ok(const struct cpu *cpu, unsigned type)
{
    if (type == TYPE_CALL32)
        return true;
    return !cpu_in_long_mode(cpu) &&
           (type == TYPE_CALL16 || type == TYPE_TASK || type == TYPE_TSS16 || type == TYPE_TSS32);
}

static unsigned far_system(struct cpu *cpu, const struct insn *i, uint16_t selector, const struct descriptor *d, bool call)
{
    unsigned type = attr_type(d->attr), dpl = attr_dpl(d->attr);

    if (!system_type_ok(cpu, type) || dpl < cpu->p.cpl || dpl < selector_rpl(selector))
        RAISE_GP(selector_error(selector));
    if (!(d->attr & SEG_P)) {
        fault_raise_error(cpu, VEC_NP, selector_error(selector));
        FAULT();
    }
    if (type == TYPE_CALL16 || type == TYPE_CALL32)
        return through_gate(cpu, i, selector, d, call);
    return to_task(cpu, i, type == TYPE_TASK ? d->selector : selector, call);
}

static unsigned far_protected(struct cpu *cpu, const struct insn *i, struct far_pointer *to, bool call)
{
    uint16_t selector = to->selector;
    struct shadow_change shadow;
    struct descriptor d;
    struct stack st;

    if (selector_null(selector))
        RAISE_GP(0);
    if (!desc_read(cpu, selector, VEC_GP, &d))
        FAULT();
    if (attr_system(d.attr))
        return far_system(cpu, i, selector, &d, call);
    if (!code_allowed(cpu, &d, selector, selector_rpl(selector), false))
        FAULT();
    if (call) {
        if (to_64bit(cpu, &d))              /* the pushes are those of the mode that is entered (seen on Emerald Rapids) */
            stack_long(&st, cpu->s.gpr[RSP], cpu->p.cpl);
        else
            stack_compat(cpu, &st);
        if (!push_return(cpu, i, &st, i->width))
            FAULT();
    }
    if (!far_target_ok(cpu, &d, &to->offset) || !shadow_narrow_ok(cpu, to_64bit(cpu, &d)) || !desc_set_accessed(cpu, &d))
        FAULT();
    if (call) {
        if (!shadow_call(cpu, i, &d, &shadow))
            FAULT();
        stack_commit(cpu, &st);
        shadow_commit(cpu, &shadow);
    }
    enter_code(cpu, selector, &d);
    STOP_AT(to->offset);
}

static unsigned far_transfer(struct cpu *cpu, const struct insn *i, struct far_pointer *to, bool call)
{
    cpu->insn = i;
    if (cpu_in_real_mode(cpu) || cpu_in_v86(cpu))
        return far_real(cpu, i, to, call);
    return far_protected(cpu, i, to, call);
}

static unsigned far_indirect(struct cpu *cpu, const struct insn *i, bool call)
{
    struct far_pointer to;

    if (!load_far_pointer(cpu, i, &to))
        FAULT();
    return far_transfer(cpu, i, &to, call);
}

EXEC(JMP_FAR)
{
    struct far_pointer to = immediate_pointer(i);

    return far_transfer(cpu, i, &to, false);
}

EXEC(CALL_FAR)
{
    struct far_pointer to = immediate_pointer(i);

    return far_transfer(cpu, i, &to, true);
}

EXEC(JMP_FAR_IND)  { return far_indirect(cpu, i, false); }
EXEC(CALL_FAR_IND) { return far_indirect(cpu, i, true); }

/* ---- software interrupts ---- */

static unsigned software(struct cpu *cpu, const struct insn *i, unsigned vector, enum software_event kind)
{
    bool switched, done;

    cpu->insn = i;
    done = event_software(cpu, vector, kind, rip_next(cpu, i), &switched);
    return far_task_done(cpu, i, done, switched);
}

/* The software interrupt redirection bitmap: 32 bytes below the I/O permission bitmap of a 32-bit TSS. */
static bool redirection_bit(struct cpu *cpu, unsigned vector, bool *bit)
{
    gva_t tss = cpu->p.seg_base[SEG_TR];
    uint64_t map, byte;

    if (attr_type(cpu->p.seg_attr[SEG_TR]) != TYPE_TSS32_BUSY || cpu->p.seg_limit[SEG_TR] < 0x67)
        return fault_gp(cpu, 0);
    if (!mem_load_system(cpu, tss + 0x66, 2, &map))
        return false;
    map = map - 32 + vector / 8;
    if (map > cpu->p.seg_limit[SEG_TR])
        return fault_gp(cpu, 0);
    if (!mem_load_system(cpu, tss + map, 1, &byte))
        return false;
    *bit = (byte >> (vector & 7)) & 1;
    return true;
}

/* SDM 3B table "Software Interrupt Handling Methods While in Virtual-8086 Mode". */
static unsigned int_v86(struct cpu *cpu, const struct insn *i, unsigned vector)
{
    bool bit = true;

    if ((cpu->p.cr4 & CR4_VME) && !redirection_bit(cpu, vector, &bit))
        FAULT();
    if (!bit) {
        if (!event_redirect(cpu, vector, rip_next(cpu, i)))
            FAULT();
        STOP_AT(cpu->p.rip);
    }
    if ((cpu->p.rflags & FLAG_IOPL) != FLAG_IOPL)
        RAISE_GP(0);
    return software(cpu, i, vector, SOFTWARE_INT);
}

EXEC(INT)
{
    cpu->insn = i;
    if (cpu_in_v86(cpu))
        return int_v86(cpu, i, i->imm & 0xff);
    return software(cpu, i, i->imm & 0xff, SOFTWARE_INT);
}

EXEC(INT3)
{
    return software(cpu, i, VEC_BP, SOFTWARE_INT);
}

EXEC(INTO)
{
    if (!flags_of(&cpu->flags))
        STOP();
    return software(cpu, i, VEC_OF, SOFTWARE_INT);
}

EXEC(INT1)
{
    return software(cpu, i, VEC_DB, SOFTWARE_ICEBP);
}

EXEC(UD0) { RAISE_UD(); }
EXEC(UD1) { RAISE_UD(); }
EXEC(UD2) { RAISE_UD(); }
