/* SPDX-License-Identifier: MIT
 * What the run loop and the places where events are delivered tell a watcher, and how much it lets run in one step. */
#include "cpu/watcher.h"

#include "cpu/exec.h"

void cpu_set_watcher(struct cpu *cpu, const struct cpu_watcher *w)
{
    cpu->watcher = w;
    cpu->stepped = w != NULL && (w->grain == WATCH_INSNS || w->grain == WATCH_BLOCKS);
}

void cpu_part_system(struct cpu *cpu, bool parted)
{
    if (cpu->parted != parted)
        block_cache_flush(cpu);
    cpu->parted = parted;
}

uint64_t cpu_behind_step(const struct cpu *cpu)
{
    return rip_next(cpu, cpu->insn);
}

bool cpu_runs_instruction(const struct cpu *cpu)
{
    return cpu->block != NULL;
}

/* ---- events ---- */

/* Count what retired before the running instruction, or so far. The RIP may be another's already. */
static void count(struct cpu *cpu)
{
    const uint64_t rip = cpu->p.rip;

    cpu_sync(cpu, cpu->block != NULL ? cpu->insn : NULL);
    cpu->p.rip = rip;
}

static void tell(struct cpu *cpu, struct cpu_happened *h)
{
    h->insns = cpu->ports.clock->state.insns + 1;
    if (cpu->block != NULL)
        h->rip = rip_of(cpu, cpu->insn);
    if (cpu->watcher->happened != NULL)
        cpu->watcher->happened(cpu->watcher->arg, cpu, h);
}

void watcher_event(struct cpu *cpu, enum cpu_happening what, unsigned vector, const uint32_t *error, uint64_t rip)
{
    struct cpu_happened h = { .what = what, .vector = (uint8_t)vector, .has_error = error != NULL, .rip = rip };

    if (error != NULL)
        h.error = *error;
    if (what == CPU_EXCEPTION && vector == VEC_PF)
        h.now = cpu->s.cr2;
    count(cpu);
    tell(cpu, &h);
}

void watcher_cr3(struct cpu *cpu, uint64_t old)
{
    struct cpu_happened h = { .what = CPU_CR3_LOAD, .rip = cpu->p.rip, .old = old, .now = cpu->p.cr3 };

    if (cpu->block != NULL)             /* else another processor set it, by the hypervisor, and it counts */
        count(cpu);
    tell(cpu, &h);
}

/* ---- steps ---- */

/* Operations that may change a register of the system: segments, control and debug registers, MSRs. */
static const uint8_t is_system[OP_COUNT] = {
    [OP_MOV_TO_SEG] = 1, [OP_POP_SEG] = 1, [OP_LES] = 1, [OP_LDS] = 1, [OP_LSS] = 1, [OP_LFS] = 1, [OP_LGS] = 1, [OP_LGDT] = 1,
    [OP_LIDT] = 1, [OP_LLDT] = 1, [OP_LTR] = 1, [OP_WRFSBASE] = 1, [OP_WRGSBASE] = 1, [OP_SWAPGS] = 1, [OP_JMP_FAR] = 1,
    [OP_JMP_FAR_IND] = 1, [OP_CALL_FAR] = 1, [OP_CALL_FAR_IND] = 1, [OP_RET_FAR] = 1, [OP_IRET] = 1, [OP_INT] = 1, [OP_INT3] = 1,
    [OP_INTO] = 1, [OP_INT1] = 1, [OP_SYSCALL] = 1, [OP_SYSRET] = 1, [OP_SYSENTER] = 1, [OP_SYSEXIT] = 1, [OP_RSM] = 1,
    [OP_INCSSP] = 1, [OP_SAVEPREVSSP] = 1, [OP_RSTORSSP] = 1, [OP_SETSSBSY] = 1, [OP_CLRSSBSY] = 1, [OP_MOV_TO_CR] = 1,
    [OP_MOV_TO_DR] = 1, [OP_LMSW] = 1, [OP_CLTS] = 1, [OP_WRMSR] = 1, [OP_XSETBV] = 1,
    [OP_WRPKRU] = 1, [OP_VMCALL] = 1, [OP_VMMCALL] = 1, [OP_FXRSTOR] = 1, [OP_XRSTOR] = 1, [OP_XRSTORS] = 1,
};

bool watcher_parts(const struct cpu *cpu, const struct insn *i)
{
    return cpu->parted && is_system[i->op];
}

unsigned watcher_span(const struct cpu *cpu, const struct block *b)
{
    return cpu->watcher != NULL && cpu->watcher->grain == WATCH_BLOCKS ? b->count : 1;
}

static enum cpu_step kind_of(const struct insn *i)
{
    switch (i->op) {
    case OP_CALL: case OP_CALL_IND: case OP_CALL_FAR: case OP_CALL_FAR_IND:
        return STEP_CALL;
    case OP_RET: case OP_RET_FAR:
        return STEP_RETURN;
    case OP_IRET: case OP_SYSRET: case OP_SYSEXIT:
        return STEP_LEAVE;
    case OP_SYSCALL: case OP_SYSENTER:
        return STEP_SYSCALL;
    default:
        return STEP_DONE;
    }
}

void watcher_begins(struct cpu *cpu)
{
    cpu_sync(cpu, NULL);
    if (cpu->watcher != NULL && cpu->watcher->step != NULL)
        cpu->watcher->step(cpu->watcher->arg, cpu, STEP_BEGINS);
}

void watcher_stepped(struct cpu *cpu, unsigned result)
{
    cpu_sync(cpu, NULL);
    if (cpu->watcher != NULL && cpu->watcher->step != NULL)
        cpu->watcher->step(cpu->watcher->arg, cpu, result == EXEC_STOP ? kind_of(cpu->insn) : STEP_DONE);
}
