/* SPDX-License-Identifier: MIT
 * Control and debug registers, MSRs, time, identification, translation caches, waiting, and the layer above (SDM 2, each
 * under its name). Most are privileged; what a register's new value entails is control.c's. */
#include "cpu/control.h"
#include "cpu/cpuid.h"
#include "cpu/exec.h"
#include "cpu/msr.h"
#include "cpu/pmu.h"
#include "cpu/random.h"
#include "cpu/seg.h"
#include "cpu/tlb.h"
#include "cpu/xsave.h"

#define DR6_FIXED   0xffff0ff0u
#define DR6_WRITABLE 0xe00fu
#define DR6_BD      BIT64(13)
#define DR7_FIXED   0x400u
#define DR7_WRITABLE 0xffff23ffu
#define DR7_GD      BIT64(13)

#define PRIVILEGED()                \
    do {                            \
        if (cpu->p.cpl != 0)        \
            RAISE_GP(0);            \
    } while (0)

/* What the host or a register row said, as the end of an instruction. Trying again takes time, or a turn would never end. */
#define ANSWER(answer)                              \
    do {                                            \
        switch (answer) {                           \
        case RETRY:                                 \
            (void)exec_iterated(cpu, 1, false);     \
            AGAIN();                                \
        case RAISED:                                \
            FAULT();                                \
        default:                                    \
            break;                                  \
        }                                           \
    } while (0)

static uint64_t edx_eax(const struct cpu *cpu)
{
    return (uint64_t)(uint32_t)cpu->s.gpr[RDX] << 32 | (uint32_t)cpu->s.gpr[RAX];
}

static void set_edx_eax(struct cpu *cpu, uint64_t value)
{
    cpu->s.gpr[RAX] = (uint32_t)value;
    cpu->s.gpr[RDX] = value >> 32;
}

/* ---- control registers ---- */

/* The decoder has made CR8 of CR0 with F0 before it (APM 3 "MOV CRn"). 99: there is no such register. */
static unsigned cr_number(const struct insn *i, unsigned slot)
{
    static const uint8_t exists[16] = { [0] = 1, [2] = 1, [3] = 1, [4] = 1, [8] = 1 };
    unsigned n = i->o[slot] & 15;

    return exists[n] ? n : 99;
}

EXEC(MOV_FROM_CR)
{
    unsigned n = cr_number(i, 1);
    uint64_t value;

    if (n == 99)
        RAISE_UD();
    PRIVILEGED();
    switch (n) {
    case 0:  value = cpu->p.cr0; break;
    case 2:  value = cpu->s.cr2; break;
    case 3:  value = cpu->p.cr3; break;
    case 4:  value = cpu->p.cr4; break;
    default:
        cpu_sync(cpu, i);
        value = control_cr8(cpu);
        break;
    }
    reg_set(cpu, i->o[0], i->width, value);
    NEXT();
}

EXEC(MOV_TO_CR)
{
    unsigned n = cr_number(i, 0);
    uint64_t value = reg_get(cpu, i->o[1], i->width);
    bool ok = true;

    if (n == 99)
        RAISE_UD();
    PRIVILEGED();
    cpu->insn = i;                      /* a watcher wants to know */
    switch (n) {
    case 0:  ok = control_set_cr0(cpu, value); break;
    case 2:  cpu->s.cr2 = value; break;
    case 3:  ok = control_set_cr3(cpu, value); break;
    case 4:  ok = control_set_cr4(cpu, value); break;
    default:
        cpu_sync(cpu, i);
        ok = control_set_cr8(cpu, value);
        break;
    }
    if (!ok)
        FAULT();
    STOP();
}

EXEC(LMSW)
{
    uint64_t value;

    PRIVILEGED();
    if (!operand_load(cpu, i, 0, 2, &value))
        FAULT();
    value = (cpu->p.cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (value & 15);      /* PE can be set, not cleared */
    if (!control_set_cr0(cpu, value))
        FAULT();
    STOP();
}

EXEC(SMSW)
{
    if ((cpu->p.cr4 & CR4_UMIP) && cpu->p.cpl > 0)
        RAISE_GP(0);
    if (!operand_store(cpu, i, 0, FORM_KIND(i->form, 0) == KIND_REG ? i->width : 2, cpu->p.cr0))
        FAULT();
    NEXT();
}

EXEC(CLTS)
{
    PRIVILEGED();
    cpu->p.cr0 &= ~(uint64_t)CR0_TS;
    cpu_mode_changed(cpu);
    STOP();
}

EXEC(XGETBV)
{
    uint32_t n = (uint32_t)cpu->s.gpr[RCX];

    if (!(cpu->p.cr4 & CR4_OSXSAVE))
        RAISE_UD();
    if (n > 1 || (n == 1 && !cpu_has(cpu, F_XGETBV1)))
        RAISE_GP(0);
    set_edx_eax(cpu, n == 0 ? cpu->s.xcr0 : cpu->s.xcr0 & xsave_in_use(cpu));
    NEXT();
}

EXEC(XSETBV)
{
    if (!(cpu->p.cr4 & CR4_OSXSAVE))
        RAISE_UD();
    PRIVILEGED();
    if ((uint32_t)cpu->s.gpr[RCX] != 0)
        RAISE_GP(0);
    if (!control_set_xcr0(cpu, edx_eax(cpu)))
        FAULT();
    STOP();
}

EXEC(RDPKRU)
{
    if (!(cpu->p.cr4 & CR4_PKE))
        RAISE_UD();
    if ((uint32_t)cpu->s.gpr[RCX] != 0)
        RAISE_GP(0);
    set_edx_eax(cpu, cpu->s.pkru);
    NEXT();
}

EXEC(WRPKRU)
{
    uint32_t value = (uint32_t)cpu->s.gpr[RAX];

    if (!(cpu->p.cr4 & CR4_PKE))
        RAISE_UD();
    if ((uint32_t)cpu->s.gpr[RCX] != 0 || (uint32_t)cpu->s.gpr[RDX] != 0)
        RAISE_GP(0);
    if (value != cpu->s.pkru) {
        cpu->s.pkru = value;
        tlb_flush_all(cpu);
    }
    STOP();
}

/* ---- debug registers ---- */

/* SDM 3B "Debug Registers DR4 and DR5": other names of DR6 and DR7 unless CR4.DE forbids. False: fault. */
static bool dr_number(struct cpu *cpu, const struct insn *i, unsigned slot, unsigned *n)
{
    *n = i->o[slot] & 15;
    if (*n > 7 || ((*n & 6) == 4 && (cpu->p.cr4 & CR4_DE)))
        return fault_ud(cpu);
    if ((*n & 6) == 4)
        *n += 2;
    if (cpu->p.cpl != 0)
        return fault_gp(cpu, 0);
    if (cpu->p.dr7 & DR7_GD) {
        cpu->fault = (struct fault){ .vector = VEC_DB, .dr6 = DR6_BD };
        return false;
    }
    return true;
}

EXEC(MOV_FROM_DR)
{
    unsigned n;

    if (!dr_number(cpu, i, 1, &n))
        FAULT();
    reg_set(cpu, i->o[0], i->width, n < 4 ? cpu->s.dr[n] : n == 6 ? cpu->s.dr6 : cpu->p.dr7);
    NEXT();
}

EXEC(MOV_TO_DR)
{
    uint64_t value = reg_get(cpu, i->o[1], i->width);
    unsigned n;

    if (!dr_number(cpu, i, 0, &n))
        FAULT();
    if (n >= 6 && value >> 32)
        RAISE_GP(0);
    if (n < 4)
        cpu->s.dr[n] = value;
    else if (n == 6)
        cpu->s.dr6 = (value & DR6_WRITABLE) | DR6_FIXED;
    else
        cpu->p.dr7 = (value & DR7_WRITABLE) | DR7_FIXED;
    cpu_mode_changed(cpu);
    STOP();
}

/* ---- model-specific registers, time, identification ---- */

EXEC(RDMSR)
{
    uint64_t value;

    PRIVILEGED();
    cpu_sync(cpu, i);
    ANSWER(msr_read(cpu, (uint32_t)cpu->s.gpr[RCX], &value));
    set_edx_eax(cpu, value);
    NEXT();
}

EXEC(WRMSR)
{
    PRIVILEGED();
    cpu_sync(cpu, i);
    ANSWER(msr_write(cpu, (uint32_t)cpu->s.gpr[RCX], edx_eax(cpu)));
    STOP();
}

static bool tsc_allowed(const struct cpu *cpu)
{
    return cpu->p.cpl == 0 || !(cpu->p.cr4 & CR4_TSD);
}

EXEC(RDTSC)
{
    if (!tsc_allowed(cpu))
        RAISE_GP(0);
    cpu_sync(cpu, i);
    set_edx_eax(cpu, cpu_tsc(cpu));
    NEXT();
}

EXEC(RDTSCP)
{
    if (!tsc_allowed(cpu))
        RAISE_GP(0);
    cpu_sync(cpu, i);
    set_edx_eax(cpu, cpu_tsc(cpu));
    cpu->s.gpr[RCX] = (uint32_t)cpu->p.tsc_aux;
    NEXT();
}

EXEC(RDPMC)
{
    uint64_t value;

    if (cpu->p.cpl != 0 && !(cpu->p.cr4 & CR4_PCE))
        RAISE_GP(0);
    cpu_sync(cpu, i);
    if (!pmu_rdpmc(cpu, (uint32_t)cpu->s.gpr[RCX], &value))
        RAISE_GP(0);
    set_edx_eax(cpu, value);
    NEXT();
}

EXEC(RDPID)
{
    reg_set(cpu, i->o[0], i->width, (uint32_t)cpu->p.tsc_aux);
    NEXT();
}

EXEC(CPUID)
{
    uint32_t leaf = (uint32_t)cpu->s.gpr[RAX], subleaf = (uint32_t)cpu->s.gpr[RCX];
    const struct cpu_host *host = cpu->ports.host;
    struct cpuid_regs r;

    cpu_sync(cpu, i);
    r = cpuid_leaf(cpu, leaf, subleaf);
    if (host != NULL && host->cpuid != NULL)
        ANSWER(host->cpuid(cpu->ports.host_self, cpu, leaf, subleaf, &r));
    cpu->s.gpr[RAX] = r.eax;
    cpu->s.gpr[RBX] = r.ebx;
    cpu->s.gpr[RCX] = r.ecx;
    cpu->s.gpr[RDX] = r.edx;
    STOP();
}

static unsigned random_to_register(struct cpu *cpu, const struct insn *i)
{
    reg_set(cpu, i->o[0], i->width, random_next(&cpu->s.rdrand));
    flags_put(&cpu->flags, FLAG_CF);
    NEXT_PURE();
}

EXEC(RDRAND) { return random_to_register(cpu, i); }
EXEC(RDSEED) { return random_to_register(cpu, i); }

/* ---- translation caches ---- */

/* Linear address of the operand without any check: INVLPG of an address that cannot be mapped does nothing. */
EXEC(INVLPG)
{
    uint64_t lin = ea_offset(cpu, i);

    PRIVILEGED();
    if (!cpu_in_64bit(cpu))
        lin = (uint32_t)(cpu->p.seg_base[i->seg] + lin);
    else if (i->seg == SEG_FS || i->seg == SEG_GS)
        lin += cpu->p.seg_base[i->seg];
    if (cpu_canonical(cpu, lin))
        tlb_flush_page(cpu, lin);
    STOP();
}

enum { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL, INVPCID_ALL_NONGLOBAL };

/* SDM 2A "INVPCID". */
static bool invpcid(struct cpu *cpu, uint64_t type, uint64_t pcid, uint64_t lin)
{
    bool named = type <= INVPCID_CONTEXT;

    if (type > INVPCID_ALL_NONGLOBAL || pcid >> 12 || (named && pcid != 0 && !(cpu->p.cr4 & CR4_PCIDE)) ||
        (type == INVPCID_ADDRESS && !cpu_canonical(cpu, lin)))
        return fault_gp(cpu, 0);
    if (type == INVPCID_ADDRESS)
        tlb_flush_page_of(cpu, (unsigned)pcid, lin);
    else if (type == INVPCID_CONTEXT)
        tlb_flush_pcid(cpu, (unsigned)pcid);
    else if (type == INVPCID_ALL)
        tlb_flush_all(cpu);
    else
        tlb_flush_nonglobal(cpu);
    return true;
}

EXEC(INVPCID)
{
    uint64_t descriptor[2];
    gva_t lin;

    PRIVILEGED();
    if (!ea_linear(cpu, i, 16, ACCESS_READ, &lin) || !mem_load_block(cpu, i, lin, descriptor, 16) ||
        !invpcid(cpu, reg_get(cpu, i->o[0], i->width), descriptor[0], descriptor[1]))
        FAULT();
    STOP();
}

/* ---- waiting ---- */

EXEC(HLT)
{
    const struct cpu_event halt = { .kind = CPU_EVENT_HALT };
    const struct cpu_host *host = cpu->ports.host;
    enum intercept answer = PASS;

    PRIVILEGED();
    if (host != NULL && host->event != NULL) {
        cpu_sync(cpu, i);
        answer = host->event(cpu->ports.host_self, cpu, &halt);
        ANSWER(answer);
    }
    if (answer == PASS) {
        cpu->p.activity = CPU_HALTED;
        cpu->attention |= ATTEND_INTR;
    }
    STOP();
}

/* A spinning processor gives the others their turn. */
EXEC(PAUSE)
{
    if (cpu->config.count > 1)
        cpu->attention |= ATTEND_YIELD;
    STOP();
}

/* ---- the layer above ---- */

/* RIP is at the instruction while the host looks, and moves on when it is done. */
static unsigned hypercall(struct cpu *cpu, const struct insn *i)
{
    const struct cpu_host *host = cpu->ports.host;
    enum intercept answer = PASS;
    uint64_t next;

    cpu_sync(cpu, i);
    next = rip_next(cpu, i);
    if (host != NULL && host->hypercall != NULL)
        answer = host->hypercall(cpu->ports.host_self, cpu);
    if (answer == PASS)
        RAISE_UD();
    ANSWER(answer);
    STOP_AT(next);
}

/* Each vendor's own; the other's is undefined (SDM 3C "VMCALL", APM 3 "VMMCALL"). */
EXEC(VMCALL)
{
    if (cpu_vendor(cpu) != VENDOR_INTEL)
        RAISE_UD();
    return hypercall(cpu, i);
}

EXEC(VMMCALL)
{
    if (cpu_vendor(cpu) != VENDOR_AMD)
        RAISE_UD();
    return hypercall(cpu, i);
}

/* ---- BOUND ---- */

static bool bound_load(struct cpu *cpu, const struct insn *i, unsigned at, int64_t *bound)
{
    uint64_t v;
    gva_t lin;

    if (!ea_piece(cpu, i, at, i->width, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, i->width, &v))
        return false;
    *bound = flags_extend(v, i->width);
    return true;
}

/* An index below the lower bound faults before the upper one is read (seen on Emerald Rapids). */
EXEC(BOUND)
{
    int64_t index = flags_extend(reg_get(cpu, i->o[0], i->width), i->width), bound;

    if (!bound_load(cpu, i, 0, &bound))
        FAULT();
    if (index < bound)
        RAISE(VEC_BR);
    if (!bound_load(cpu, i, i->width, &bound))
        FAULT();
    if (index > bound)
        RAISE(VEC_BR);
    NEXT();
}
