/* SPDX-License-Identifier: MIT
 * SDM 2B "MONITOR", "MWAIT", SDM 2B "TPAUSE", "UMONITOR", "UMWAIT", APM 3 "MONITORX", "MWAITX". The monitored line is marked as
 * code lines are, so that no store to it takes the fast path, whoever makes it. */
#include "cpu/monitor.h"

#include "cpu/block.h"
#include "cpu/exec.h"
#include "cpu/msr.h"
#include "cpu/smm.h"
#include "cpu/tlb.h"

#define LINE            64u
#define MWAIT_EXTENSIONS 1u     /* ECX bit 0: interrupts end the wait also when they are masked */
#define MWAITX_TIMER    2u
#define UMWAIT_LIMIT    0xfffffffcu

/* ---- watching a line ---- */

static void unwatch(struct cpu *cpu)
{
    const uint8_t *line = cpu->monitor_line;

    cpu->monitor_line = NULL;
    if (line != NULL)
        block_refresh_code(cpu, line);
}

void monitor_refresh(struct cpu *cpu)
{
    uint64_t in_page = cpu->s.monitor_gpa & ~PAGE_MASK & ~(uint64_t)(LINE - 1);
    struct space_page at;

    unwatch(cpu);
    if (cpu->s.monitor_gpa == MONITOR_NONE)
        return;
    at = space_page(cpu->memory, cpu->s.monitor_gpa & PAGE_MASK);
    if (at.host == NULL)
        return;
    block_watch_ram(cpu, at.ram);
    cpu->monitor_line = at.host + in_page;
    ram_mark_code(at.ram, (at.ram_page << PAGE_SHIFT) + in_page, LINE);
}

/* Only plain memory can be watched (SDM: it must be write-back); a wait for anything else ends at once. */
static void arm(struct cpu *cpu, gpa_t gpa)
{
    cpu->s.monitor_gpa = gpa;
    monitor_refresh(cpu);
    if (cpu->monitor_line == NULL)
        cpu->s.monitor_gpa = MONITOR_NONE;
}

void monitor_disarm(struct cpu *cpu)
{
    cpu->s.monitor_gpa = MONITOR_NONE;
    unwatch(cpu);
    timer_cancel(cpu->ports.clock, &cpu->wait_timer);
}

static uint64_t watched_bit(const struct cpu *cpu, const uint8_t *host_page)
{
    uintptr_t at = (uintptr_t)cpu->monitor_line;

    return (at & PAGE_MASK) == (uintptr_t)host_page ? BIT64((at & ~PAGE_MASK) / LINE) : 0;
}

uint64_t monitor_lines(const struct cpu *cpu, const uint8_t *host_page)
{
    return cpu->monitor_line == NULL ? 0 : watched_bit(cpu, host_page);
}

void monitor_written(struct cpu *cpu, const uint8_t *host_page, uint64_t lines)
{
    if (!(monitor_lines(cpu, host_page) & lines))
        return;
    cpu->monitor_line = NULL;
    cpu->s.monitor_gpa = MONITOR_NONE;
    cpu->attention |= ATTEND_INTR;
}

/* ---- waiting ---- */

static bool deadline_passed(const struct cpu *cpu)
{
    return cpu_tsc(cpu) >= cpu->p.wait_tsc;
}

bool cpu_sleep_over(const struct cpu *cpu)
{
    const struct apic_ops *apic = cpu->ports.apic;
    unsigned wait = cpu->p.wait;

    if (cpu->s.mce_pending || cpu->p.pending_db != 0 || (cpu->p.nmi_pending && !cpu->p.nmi_blocked) || smm_wanted(cpu))
        return true;
    if (((wait & WAIT_MONITOR) && cpu->s.monitor_gpa == MONITOR_NONE) || ((wait & WAIT_DEADLINE) && deadline_passed(cpu)))
        return true;
    return apic != NULL && ((wait & WAIT_MASKED) || (cpu->p.rflags & FLAG_IF)) &&
           apic->pending(cpu->ports.apic_self) != APIC_NONE;
}

void monitor_wake(struct cpu *cpu)
{
    if ((cpu->p.wait & WAIT_LIMITED) && deadline_passed(cpu))
        flags_put(&cpu->flags, FLAG_CF);
    cpu->p.activity = CPU_RUNNING;
    monitor_disarm(cpu);
}

/* When the TSC reaches the deadline, which it has not yet. */
static void set_timer(struct cpu *cpu)
{
    uint64_t elapsed = cpu_tsc(cpu) - cpu->p.tsc_offset, left = cpu->p.wait_tsc - cpu_tsc(cpu), hz = cpu->config.tsc_hz;
    unsigned __int128 ns = (((unsigned __int128)elapsed + left) * 1000000000u + hz - 1) / hz;

    timer_set(cpu->ports.clock, &cpu->wait_timer, ns >> 63 ? TIMER_OFF : (uint64_t)ns);
}

static void begin(struct cpu *cpu, unsigned wait, uint64_t tsc)
{
    cpu->p.wait = (uint8_t)wait;
    cpu->p.wait_tsc = tsc;
    cpu->p.activity = CPU_MWAITING;
    cpu->attention |= ATTEND_INTR;
    if ((wait & WAIT_DEADLINE) && !deadline_passed(cpu))
        set_timer(cpu);
}

static void fire(void *self)
{
    ((struct cpu *)self)->attention |= ATTEND_INTR;
}

void monitor_create(struct cpu *cpu)
{
    timer_init(cpu->ports.clock, &cpu->wait_timer, "cpu wait", fire, cpu);
}

void monitor_loaded(struct cpu *cpu)
{
    timer_cancel(cpu->ports.clock, &cpu->wait_timer);
    if (cpu->p.activity == CPU_MWAITING && (cpu->p.wait & WAIT_DEADLINE) && !deadline_passed(cpu))
        set_timer(cpu);
}

void cpu_sleep(struct cpu *cpu)
{
    begin(cpu, WAIT_MASKED, 0);
}

/* ---- MONITOR and its relatives ---- */

/* Checked as a load of one byte. */
static unsigned monitor(struct cpu *cpu, const struct insn *i, uint64_t offset)
{
    uint64_t byte;
    gpa_t gpa;
    gva_t lin;

    cpu->insn = i;
    if (!seg_check(cpu, (enum seg)i->seg, mask_size(offset, i->asize), 1, ACCESS_READ, &lin) ||
        !mem_load(cpu, i, lin, 1, &byte))
        FAULT();
    if (cpu_translate(cpu, lin, ACCESS_READ, cpu->p.cpl == 3, false, &gpa))
        arm(cpu, gpa);
    NEXT();
}

static bool available(const struct cpu *cpu)
{
    return cpu->p.cpl == 0 && (cpu->p.misc_enable & MISC_MONITOR);
}

EXEC(MONITOR)
{
    if (!available(cpu))
        RAISE_UD();
    if ((uint32_t)cpu->s.gpr[RCX] != 0)
        RAISE_GP(0);
    return monitor(cpu, i, cpu->s.gpr[RAX]);
}

EXEC(MONITORX)
{
    if ((uint32_t)cpu->s.gpr[RCX] != 0)
        RAISE_GP(0);
    return monitor(cpu, i, cpu->s.gpr[RAX]);
}

EXEC(UMONITOR) { return monitor(cpu, i, reg_get(cpu, i->o[0], 8)); }

EXEC(MWAIT)
{
    uint32_t extensions = (uint32_t)cpu->s.gpr[RCX];

    if (!available(cpu))
        RAISE_UD();
    if (extensions & ~MWAIT_EXTENSIONS)
        RAISE_GP(0);
    cpu_sync(cpu, i);
    begin(cpu, WAIT_MONITOR | (extensions & MWAIT_EXTENSIONS ? WAIT_MASKED : 0), 0);
    STOP();
}

EXEC(MWAITX)
{
    uint32_t extensions = (uint32_t)cpu->s.gpr[RCX];
    unsigned wait = WAIT_MONITOR | (extensions & MWAIT_EXTENSIONS ? WAIT_MASKED : 0);

    if (extensions & ~(MWAIT_EXTENSIONS | MWAITX_TIMER))
        RAISE_GP(0);
    cpu_sync(cpu, i);
    if (extensions & MWAITX_TIMER)
        wait |= WAIT_DEADLINE;
    begin(cpu, wait, cpu_tsc(cpu) + (uint32_t)cpu->s.gpr[RBX]);
    STOP();
}

/* SDM 2B "TPAUSE" and "UMWAIT": until EDX:EAX, or as long as IA32_UMWAIT_CONTROL allows. */
static unsigned wait_for(struct cpu *cpu, const struct insn *i, unsigned wait)
{
    uint64_t deadline = (uint64_t)(uint32_t)cpu->s.gpr[RDX] << 32 | (uint32_t)cpu->s.gpr[RAX], limit;

    if ((cpu->p.cpl != 0 && (cpu->p.cr4 & CR4_TSD)) || reg_get(cpu, i->o[0], 4) >> 1)
        RAISE_GP(0);
    cpu_sync(cpu, i);
    limit = cpu->s.umwait_control & UMWAIT_LIMIT;
    wait |= WAIT_MASKED | WAIT_DEADLINE;
    if (limit != 0 && cpu_tsc(cpu) + limit < deadline) {
        deadline = cpu_tsc(cpu) + limit;
        wait |= WAIT_LIMITED;
    }
    flags_put(&cpu->flags, 0);
    begin(cpu, wait, deadline);
    STOP();
}

EXEC(TPAUSE) { return wait_for(cpu, i, 0); }
EXEC(UMWAIT) { return wait_for(cpu, i, WAIT_MONITOR); }
