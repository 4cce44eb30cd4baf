/* SPDX-License-Identifier: MIT
 * Exceptions and interrupts: what is due and in which order, the way through the tables of every mode, and what becomes of a
 * fault inside a delivery. Who raised the event is none of its business. */
#include "cpu/event.h"

#include "base/log.h"
#include "cpu/cet.h"
#include "cpu/mca.h"
#include "cpu/mem.h"
#include "cpu/monitor.h"
#include "cpu/pmu.h"
#include "cpu/seg.h"
#include "cpu/smm.h"
#include "cpu/task.h"

#define DR6_BD BIT(13)
#define DR7_GD BIT(13)
#define DEBUGCTL_LBR BIT(0)
#define DEBUGCTL_BTF BIT(1)

/* One delivery. */
struct delivery {
    uint64_t rip;           /* where the handler returns to */
    uint32_t rflags;        /* the image it sees */
    uint32_t error;
    uint8_t  vector;
    bool     has_error;
    bool     software;      /* INT n, INT3, INTO: the gate's DPL counts */
    uint8_t  what;          /* enum cpu_happening, for a watcher */
    bool     external;      /* EXT in error codes of nested faults: the program did not ask for this event */
    bool     switched;      /* a task gate left the old task */
};

/* What a gate leads to. */
struct entry {
    struct descriptor gate, cs;
    uint16_t cs_sel;
    uint8_t  cpl;
    bool     inner;         /* to a more privileged level, or from virtual-8086 mode: stack switch */
};

/* ---- real-address mode and redirected software interrupts ---- */

static bool vector_table_entry(struct cpu *cpu, gva_t base, unsigned vector, uint16_t *cs, uint16_t *ip)
{
    uint64_t entry;

    if (!mem_load_system(cpu, base + vector * 4, 4, &entry))
        return false;
    *ip = (uint16_t)entry;
    *cs = (uint16_t)(entry >> 16);
    return true;
}

static bool push_real_frame(struct cpu *cpu, uint16_t flags, uint64_t rip)
{
    struct stack st;

    stack_current(cpu, &st);
    if (!stack_push(cpu, &st, 2, flags) || !stack_push(cpu, &st, 2, cpu->p.seg_sel[SEG_CS]) ||
        !stack_push(cpu, &st, 2, (uint16_t)rip))
        return false;
    stack_commit(cpu, &st);
    return true;
}

/* SDM 3B "Interrupt and Exception Handling" in real-address mode; error codes are not pushed. */
static bool deliver_real(struct cpu *cpu, const struct delivery *d)
{
    uint16_t cs, ip;

    if (d->vector * 4u + 3 > cpu->p.idtr_limit)
        return fault_gp(cpu, 0);
    if (!vector_table_entry(cpu, cpu->p.idtr_base, d->vector, &cs, &ip) ||
        !push_real_frame(cpu, (uint16_t)d->rflags, d->rip))
        return false;
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF));
    seg_load_real(cpu, SEG_CS, cs);
    cpu->p.rip = ip;
    return true;
}

/* SDM 3B "Method 5: Software Interrupt Handling", "Method 6". */
bool event_redirect(struct cpu *cpu, unsigned vector, uint64_t rip)
{
    uint32_t rflags = cpu_rflags(cpu), image = rflags;
    bool virtual_if = (rflags & FLAG_IOPL) != FLAG_IOPL;
    uint16_t cs, ip;

    if (virtual_if) {       /* the handler sees VIF in IF's place and IOPL 3 */
        image = (rflags & ~FLAG_IF) | FLAG_IOPL;
        if (rflags & FLAG_VIF)
            image |= FLAG_IF;
    }
    if (!vector_table_entry(cpu, 0, vector, &cs, &ip) || !push_real_frame(cpu, (uint16_t)image, rip))
        return false;
    cpu_set_rflags(cpu, rflags & ~(FLAG_TF | FLAG_RF | (virtual_if ? FLAG_VIF : FLAG_IF)));
    seg_load_real(cpu, SEG_CS, cs);
    cpu->p.rip = ip;
    return true;
}

/* ---- gates ---- */

static uint32_t idt_error(unsigned vector)
{
    return vector << 3 | 2;
}

/* SDM 2A "INT n", INTERRUPT-OR-TRAP-GATE and before: read and judge the gate. */
static bool read_gate(struct cpu *cpu, const struct delivery *d, struct descriptor *gate)
{
    bool long_mode = cpu_in_long_mode(cpu);
    unsigned bytes = long_mode ? 16 : 8, type;
    gva_t at = cpu->p.idtr_base + d->vector * bytes;
    uint64_t raw, high = 0;

    if (d->vector * bytes + bytes - 1 > cpu->p.idtr_limit)
        return fault_gp(cpu, idt_error(d->vector));
    if (!mem_load_system(cpu, long_mode ? at : (uint32_t)at, 8, &raw) ||
        (long_mode && !mem_load_system(cpu, at + 8, 8, &high)))
        return false;
    desc_unpack(raw, gate);
    gate->offset |= high << 32;
    type = attr_type(gate->attr);
    if (!attr_system(gate->attr) || !(type == TYPE_INT32 || type == TYPE_TRAP32 ||
        (!long_mode && (type == TYPE_INT16 || type == TYPE_TRAP16 || type == TYPE_TASK))))
        return fault_gp(cpu, idt_error(d->vector));
    if (d->software && attr_dpl(gate->attr) < cpu->p.cpl)
        return fault_gp(cpu, idt_error(d->vector));
    if (!(gate->attr & SEG_P))
        return fault_raise_error(cpu, VEC_NP, idt_error(d->vector));
    if (!(type & 8))
        gate->offset &= 0xffff;
    return true;
}

/* The gate's code segment. */
static bool read_target(struct cpu *cpu, struct entry *e)
{
    uint16_t selector = e->gate.selector;
    unsigned dpl;

    if (selector_null(selector))
        return fault_gp(cpu, 0);
    if (!desc_read(cpu, selector, VEC_GP, &e->cs))
        return false;
    dpl = attr_dpl(e->cs.attr);
    if (!attr_code(e->cs.attr) || dpl > cpu->p.cpl)
        return fault_gp(cpu, selector_error(selector));
    if (cpu_in_long_mode(cpu) && (e->cs.attr & (SEG_L | SEG_DB)) != SEG_L)
        return fault_gp(cpu, selector_error(selector));
    if (!(e->cs.attr & SEG_P))
        return fault_raise_error(cpu, VEC_NP, selector_error(selector));
    e->inner = !attr_conforming(e->cs.attr) && dpl < cpu->p.cpl;
    if (cpu_in_v86(cpu) && (!e->inner || dpl != 0))
        return fault_gp(cpu, selector_error(selector));
    e->cpl = (uint8_t)(e->inner ? dpl : cpu->p.cpl);
    e->cs_sel = (uint16_t)((selector & ~3u) | e->cpl);
    return desc_set_accessed(cpu, &e->cs);
}

static void enter_handler(struct cpu *cpu, const struct entry *e, const struct stack *st, const struct shadow_change *shadow)
{
    uint32_t clear = FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT;

    if (!(attr_type(e->gate.attr) & 1))     /* interrupt gates */
        clear |= FLAG_IF;
    stack_commit(cpu, st);
    shadow_commit(cpu, shadow);
    cpu->p.cpl = e->cpl;
    seg_install(cpu, SEG_CS, e->cs_sel, &e->cs);
    cpu->p.rip = e->gate.offset;
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~clear);
    cet_track_far(cpu, e->cpl);
    cpu_mode_changed(cpu);
}

/* What the shadow stack keeps of the interrupted program. */
static struct shadow_frame interrupted(const struct cpu *cpu, const struct delivery *d)
{
    bool wide = cpu_in_64bit(cpu);

    return (struct shadow_frame){ .cs = cpu->p.seg_sel[SEG_CS],
                                  .lip = wide ? d->rip : (uint32_t)(cpu->p.seg_base[SEG_CS] + d->rip) };
}

static bool push_return(struct cpu *cpu, struct stack *st, unsigned bytes, const struct delivery *d)
{
    return stack_push(cpu, st, bytes, d->rflags) && stack_push(cpu, st, bytes, cpu->p.seg_sel[SEG_CS]) &&
           stack_push(cpu, st, bytes, d->rip) && (!d->has_error || stack_push(cpu, st, bytes, d->error));
}

static bool push_v86_segments(struct cpu *cpu, struct stack *st, unsigned bytes)
{
    return stack_push(cpu, st, bytes, cpu->p.seg_sel[SEG_GS]) && stack_push(cpu, st, bytes, cpu->p.seg_sel[SEG_FS]) &&
           stack_push(cpu, st, bytes, cpu->p.seg_sel[SEG_DS]) && stack_push(cpu, st, bytes, cpu->p.seg_sel[SEG_ES]);
}

static void null_v86_segments(struct cpu *cpu)
{
    seg_install_null(cpu, SEG_GS, 0);
    seg_install_null(cpu, SEG_FS, 0);
    seg_install_null(cpu, SEG_DS, 0);
    seg_install_null(cpu, SEG_ES, 0);
}

/* INTER-PRIVILEGE-LEVEL-INTERRUPT and INTERRUPT-FROM-VIRTUAL-8086-MODE. */
static bool enter_inner(struct cpu *cpu, const struct delivery *d, const struct entry *e, unsigned bytes)
{
    struct shadow_frame from = interrupted(cpu, d);
    bool v86 = cpu_in_v86(cpu);
    struct shadow_change shadow;
    struct descriptor ss;
    struct stack st;
    uint16_t ss_sel;

    if (!stack_inner(cpu, e->cpl, &st, &ss_sel, &ss))
        return false;
    if (e->gate.offset > e->cs.limit)
        return fault_gp(cpu, 0);
    if ((v86 && !push_v86_segments(cpu, &st, bytes)) || !stack_push(cpu, &st, bytes, cpu->p.seg_sel[SEG_SS]) ||
        !stack_push(cpu, &st, bytes, cpu->s.gpr[RSP]) || !push_return(cpu, &st, bytes, d) ||
        !shadow_enter_inner(cpu, e->cpl, cpu->p.pl_ssp[e->cpl], false, &from, &shadow))
        return false;
    if (v86)
        null_v86_segments(cpu);
    seg_install(cpu, SEG_SS, ss_sel, &ss);
    enter_handler(cpu, e, &st, &shadow);
    return true;
}

static bool enter_same(struct cpu *cpu, const struct delivery *d, const struct entry *e, unsigned bytes)
{
    struct shadow_frame from = interrupted(cpu, d);
    struct shadow_change shadow;
    struct stack st;

    stack_current(cpu, &st);
    if (e->gate.offset > e->cs.limit)
        return fault_gp(cpu, 0);
    if (!push_return(cpu, &st, bytes, d) || !shadow_enter_same(cpu, cpu->p.ssp, false, false, &from, &shadow))
        return false;
    enter_handler(cpu, e, &st, &shadow);
    return true;
}

/* SDM 2A "INT n", IA-32e mode: an IST has a shadow stack of its own. */
static bool enter_shadow_long(struct cpu *cpu, const struct delivery *d, const struct entry *e, unsigned ist,
                              struct shadow_change *shadow)
{
    uint64_t ssp = e->inner ? cpu->p.pl_ssp[e->cpl] : cpu->p.ssp;
    struct shadow_frame from = interrupted(cpu, d);

    if (ist != 0 && cet_shadow_stack(cpu, e->cpl) && !shadow_table_entry(cpu, ist, &ssp))
        return false;
    return e->inner ? shadow_enter_inner(cpu, e->cpl, ssp, true, &from, shadow)
                    : shadow_enter_same(cpu, ssp, ist != 0, true, &from, shadow);
}

/* SDM 3A "64-Bit Mode Stack Frame": SS:RSP is always pushed, the new stack is aligned, SS becomes null on a change of
 * level. */
static bool enter_long(struct cpu *cpu, const struct delivery *d, const struct entry *e)
{
    unsigned ist = e->gate.params & 7;
    struct shadow_change shadow;
    struct stack st;

    if (e->inner || ist != 0) {
        if (!stack_inner_long(cpu, e->cpl, ist, &st))
            return false;
    } else {
        stack_long(&st, cpu->s.gpr[RSP], e->cpl);
    }
    if (!cpu_canonical(cpu, e->gate.offset))
        return fault_gp(cpu, 0);
    st.sp &= ~(uint64_t)15;
    if (!stack_push(cpu, &st, 8, cpu->p.seg_sel[SEG_SS]) || !stack_push(cpu, &st, 8, cpu->s.gpr[RSP]) ||
        !push_return(cpu, &st, 8, d) || !enter_shadow_long(cpu, d, e, ist, &shadow))
        return false;
    if (e->inner) {
        cpu->p.cpl = e->cpl;        /* the null selector carries the new level */
        seg_install_null(cpu, SEG_SS, e->cpl);
    }
    enter_handler(cpu, e, &st, &shadow);
    return true;
}

/* SDM 3A "Interrupt Tasks": the error code goes to the new task's stack. */
static bool enter_task(struct cpu *cpu, struct delivery *d, uint16_t selector)
{
    struct stack st;

    if (!task_switch(cpu, selector, TASK_EVENT, d->rip, d->rflags, &d->switched))
        return false;
    if (!d->has_error)
        return true;
    stack_current(cpu, &st);
    if (!stack_push(cpu, &st, attr_type(cpu->p.seg_attr[SEG_TR]) & 8 ? 4 : 2, d->error))
        return false;
    stack_commit(cpu, &st);
    return true;
}

static bool deliver_protected(struct cpu *cpu, struct delivery *d)
{
    struct entry e;
    unsigned bytes;

    if (!read_gate(cpu, d, &e.gate))
        return false;
    if (attr_type(e.gate.attr) == TYPE_TASK)
        return enter_task(cpu, d, e.gate.selector);
    if (!read_target(cpu, &e))
        return false;
    if (cpu_in_long_mode(cpu))
        return enter_long(cpu, d, &e);
    bytes = attr_type(e.gate.attr) & 8 ? 4 : 2;
    return e.inner ? enter_inner(cpu, d, &e, bytes) : enter_same(cpu, d, &e, bytes);
}

static void tell_watcher(struct cpu *cpu, const struct delivery *d)
{
    watcher_event(cpu, (enum cpu_happening)d->what, d->vector, d->has_error ? &d->error : NULL, d->rip);
}

/* EXT belongs to the faults that have a selector error code (SDM 3A "Error Code"). */
static bool deliver(struct cpu *cpu, struct delivery *d)
{
    uint64_t from = lbr_linear_ip(cpu);

    if (cpu_in_real_mode(cpu) ? deliver_real(cpu, d) : deliver_protected(cpu, d)) {
        cpu->p.activity = CPU_RUNNING;
        cpu->p.inhibit = 0;
        cpu->p.rep_resume = 0;
        if (UNLIKELY(cpu->pmu & PMU_RECORDS) && !d->software)
            lbr_event(cpu, from);
        if (UNLIKELY(cpu->watcher != NULL))
            tell_watcher(cpu, d);
        return true;
    }
    if (d->external && cpu->fault.vector >= VEC_TS && cpu->fault.vector <= VEC_GP)
        cpu->fault.error |= 1;
    return false;
}

/* SDM 3B "Debug Status Register": bits 3:0 show this exception's breakpoints only, the others stay until software clears
 * them. Traps that waited for the end of a MOV SS shadow become part of it; INT1 by itself sets nothing. */
static void note_debug(struct cpu *cpu, uint64_t hit)
{
    hit |= cpu->p.pending_db;
    cpu->p.pending_db = 0;
    if (hit)
        cpu->s.dr6 = (cpu->s.dr6 & ~(uint64_t)15) | hit;
    cpu->p.dr7 &= ~(uint64_t)DR7_GD;
    cpu->p.debugctl &= ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF);
    if (UNLIKELY(cpu->pmu & PMU_RECORDS))
        pmu_configured(cpu);
}

bool event_software(struct cpu *cpu, unsigned vector, enum software_event kind, uint64_t rip, bool *switched)
{
    struct delivery d = {
        .vector = (uint8_t)vector, .rip = rip, .rflags = cpu_rflags(cpu),
        .software = kind == SOFTWARE_INT, .external = kind == SOFTWARE_ICEBP, .what = CPU_SOFTWARE_INT,
    };
    bool done = deliver(cpu, &d);

    *switched = d.switched;
    if (done && kind == SOFTWARE_ICEBP)
        note_debug(cpu, 0);
    return done;
}

/* ---- faults, and faults while delivering them ---- */

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum fault_class classify(unsigned vector)
{
    switch (vector) {
    case VEC_DE: case VEC_TS: case VEC_NP: case VEC_SS: case VEC_GP: case VEC_CP:
        return CONTRIBUTORY;
    case VEC_PF: case VEC_VE:
        return PAGE_FAULT;
    case VEC_DF:
        return DOUBLE_FAULT;
    default:
        return BENIGN;
    }
}

/* SDM 3A table "Conditions for Generating a Double Fault". */
static bool makes_double_fault(unsigned first, unsigned second)
{
    enum fault_class a = classify(first), b = classify(second);

    if (a == CONTRIBUTORY)
        return b == CONTRIBUTORY;
    return a == PAGE_FAULT && (b == CONTRIBUTORY || b == PAGE_FAULT);
}

/* Of the exceptions all but traps and the instruction breakpoint want RF in the image, so that IRET gets past a breakpoint
 * there (SDM 3B "Instruction-Breakpoint Exception Condition"); traps too between two iterations of a repeated instruction. */
static bool sets_rf(const struct cpu *cpu, const struct fault *f)
{
    if (cpu->p.rep_resume)
        return true;
    if (f->soft || f->icebp || f->vector == VEC_DF || f->vector == VEC_MC)
        return false;
    return f->vector != VEC_DB || (f->dr6 & DR6_BD);
}

static bool deliver_exception(struct cpu *cpu, const struct fault *f)
{
    struct delivery d = {
        .vector = f->vector, .has_error = f->has_error, .error = f->error, .software = f->soft, .external = !f->soft,
        .rip = cpu->p.rip, .what = f->soft ? CPU_SOFTWARE_INT : CPU_EXCEPTION,
    };

    if (f->vector == VEC_PF)
        cpu->s.cr2 = f->cr2;
    if (f->vector == VEC_DB)
        note_debug(cpu, f->icebp ? 0 : f->dr6);
    d.rflags = cpu_rflags(cpu) | (sets_rf(cpu, f) ? FLAG_RF : 0);
    return deliver(cpu, &d);
}

void event_shut_down(struct cpu *cpu, const char *why)
{
    const struct cpu_event triple = { .kind = CPU_EVENT_TRIPLE_FAULT };

    cpu->p.activity = CPU_SHUTDOWN;
    log_at(LOG_CPU, LOG_INFO, "%s: %s at %04x:%llx", cpu->dev.name, why, cpu->p.seg_sel[SEG_CS],
           (unsigned long long)cpu->p.rip);
    if (cpu->ports.host != NULL && cpu->ports.host->event != NULL)
        cpu->ports.host->event(cpu->ports.host_self, cpu, &triple);
}

/* One step from a failed delivery of `now` to what is delivered next; false: nothing is. */
static bool escalate(struct cpu *cpu, struct fault *now)
{
    if (cpu->fault.vector == FAULT_SKIP)
        return false;
    if (cpu->fault.vector == FAULT_RETRY)   /* the host gave way: the same again */
        return true;
    if (cpu->fault.vector == VEC_PF)        /* also when it becomes a double fault */
        cpu->s.cr2 = cpu->fault.cr2;
    if (now->vector == VEC_DF && classify(cpu->fault.vector) != BENIGN) {
        event_shut_down(cpu, "triple fault");
        return false;
    }
    if (makes_double_fault(now->vector, cpu->fault.vector))
        fault_raise_error(cpu, VEC_DF, 0);
    *now = cpu->fault;
    return true;
}

void event_redeliver(struct cpu *cpu)
{
    struct fault now = cpu->fault;

    cpu->stats.exceptions++;
    log_at(LOG_CPU, LOG_DEBUG, "%s: exception %u error %x at %04x:%llx cr2 %llx", cpu->dev.name, now.vector, now.error,
           cpu->p.seg_sel[SEG_CS], (unsigned long long)cpu->p.rip, (unsigned long long)now.cr2);
    while (!deliver_exception(cpu, &now) && escalate(cpu, &now))
        ;
}

void event_deliver_fault(struct cpu *cpu)
{
    event_redeliver(cpu);
    cpu_charge(cpu, 1);
}

/* ---- interrupts ---- */

static void deliver_interrupt(struct cpu *cpu, unsigned vector, enum cpu_happening what)
{
    struct delivery d = { .vector = (uint8_t)vector, .external = true, .rip = cpu->p.rip, .what = what };
    bool done;

    d.rflags = cpu_rflags(cpu);
    if (cpu->p.rep_resume)      /* between two iterations: the instruction goes on without meeting its breakpoint again */
        d.rflags |= FLAG_RF;
    cpu->stats.interrupts++;
    do
        done = deliver(cpu, &d);
    while (!done && cpu->fault.vector == FAULT_RETRY);
    if (!done && cpu->fault.vector != FAULT_SKIP)
        event_redeliver(cpu);
    cpu_charge(cpu, 1);
}

void event_deliver_interrupt(struct cpu *cpu, unsigned vector)
{
    deliver_interrupt(cpu, vector, CPU_INTERRUPT);
}

void event_deliver_machine_check(struct cpu *cpu)
{
    deliver_interrupt(cpu, VEC_MC, CPU_EXCEPTION);
}

void event_deliver_nmi(struct cpu *cpu)
{
    cpu->p.nmi_pending = 0;
    cpu->p.nmi_blocked = 1;
    deliver_interrupt(cpu, VEC_NMI, CPU_NMI);
}

/* ---- what is due ---- */

static bool attend_host(struct cpu *cpu)
{
    cpu->attention &= ~(unsigned)ATTEND_HOST;
    if (cpu->ports.host == NULL || cpu->ports.host->attend == NULL)
        return false;
    cpu->ports.host->attend(cpu->ports.host_self, cpu);
    return true;
}

static bool attend_init(struct cpu *cpu)
{
    cpu->attention &= ~(unsigned)ATTEND_INIT;
    if (!cpu->p.init_pending || cpu->s.smm)     /* RSM asks again */
        return false;
    cpu->p.init_pending = 0;
    cpu_reset(cpu, true);
    return true;
}

/* A start-up IPI means something only to a processor that waits for it (SDM 3A "MP Initialization Protocol"). */
static bool attend_sipi(struct cpu *cpu)
{
    bool waiting = cpu->p.activity == CPU_WAIT_SIPI, pending = cpu->p.sipi_pending;

    cpu->attention &= ~(unsigned)ATTEND_SIPI;
    cpu->p.sipi_pending = 0;
    if (!waiting || !pending)
        return false;
    cpu_start(cpu, cpu->p.sipi_vector);
    return true;
}

static bool attend_machine_check(struct cpu *cpu)
{
    cpu->attention &= ~(unsigned)ATTEND_MCE;
    if (!cpu->s.mce_pending)
        return false;
    mca_deliver(cpu);
    return true;
}

/* A shadow holds SMIs back, so that none needs to be saved. */
static bool attend_smi(struct cpu *cpu)
{
    if (!smm_wanted(cpu)) {             /* RSM and the start of the processor ask again */
        cpu->attention &= ~(unsigned)ATTEND_SMI;
        return false;
    }
    if (cpu->p.inhibit)
        return false;
    cpu->attention &= ~(unsigned)ATTEND_SMI;
    if (UNLIKELY(cpu->watcher != NULL))
        watcher_event(cpu, CPU_SMI, 0, NULL, cpu->p.rip);
    smm_enter(cpu);
    return true;
}

static bool attend_debug(struct cpu *cpu)
{
    if (cpu->p.pending_db == 0) {
        cpu->attention &= ~(unsigned)ATTEND_DEBUG;
        return false;
    }
    if (cpu->p.inhibit & SHADOW_SS)     /* MOV SS holds debug traps back by one instruction */
        return false;
    cpu->attention &= ~(unsigned)ATTEND_DEBUG;
    cpu->fault = (struct fault){ .vector = VEC_DB, .dr6 = cpu->p.pending_db };
    cpu->p.pending_db = 0;
    event_deliver_fault(cpu);
    return true;
}

static bool attend_nmi(struct cpu *cpu)
{
    if (!cpu->p.nmi_pending || cpu->p.nmi_blocked) {    /* IRET asks again */
        cpu->attention &= ~(unsigned)ATTEND_NMI;
        return false;
    }
    if (cpu->p.inhibit & SHADOW_SS)
        return false;
    cpu->attention &= ~(unsigned)ATTEND_NMI;
    event_deliver_nmi(cpu);
    return true;
}

static bool attend_interrupt(struct cpu *cpu)
{
    const struct apic_ops *apic = cpu->ports.apic;

    if (apic == NULL || !(cpu->p.rflags & FLAG_IF) || apic->pending(cpu->ports.apic_self) == APIC_NONE) {
        cpu->attention &= ~(unsigned)ATTEND_INTR;       /* setting IF, TPR and the APIC ask again */
        return false;
    }
    if (cpu->p.inhibit)
        return false;
    event_deliver_interrupt(cpu, (unsigned)apic->accept(cpu->ports.apic_self));
    return true;
}

/* SDM 3A table "Priority Among Concurrent Events". */
bool event_attend(struct cpu *cpu)
{
    if ((cpu->attention & ATTEND_HOST) && attend_host(cpu))
        return true;
    if (cpu->attention & ATTEND_MODE) {
        cpu->attention &= ~(unsigned)ATTEND_MODE;
        cpu_mode_changed(cpu);
    }
    if (cpu->p.activity == CPU_MWAITING && cpu_sleep_over(cpu))
        monitor_wake(cpu);
    if ((cpu->attention & ATTEND_MCE) && attend_machine_check(cpu))
        return true;
    if ((cpu->attention & ATTEND_SMI) && attend_smi(cpu))
        return true;
    if ((cpu->attention & ATTEND_INIT) && attend_init(cpu))
        return true;
    if ((cpu->attention & ATTEND_SIPI) && attend_sipi(cpu))
        return true;
    if (cpu->p.activity == CPU_WAIT_SIPI || cpu->p.activity == CPU_SHUTDOWN || cpu->p.activity == CPU_SUSPENDED)
        return false;
    if ((cpu->attention & ATTEND_DEBUG) && attend_debug(cpu))
        return true;
    if ((cpu->attention & ATTEND_NMI) && attend_nmi(cpu))
        return true;
    return (cpu->attention & ATTEND_INTR) && attend_interrupt(cpu);
}
