/* SPDX-License-Identifier: MIT
 * A processor as a device: creation, reset, what the APIC tells it, and what is derived from its state (mode, privilege,
 * flags). Registers by name are reg.c's; running is run.c's. */
#include "cpu/cpu.h"

#include <stddef.h>
#include <stdio.h>

#include "base/log.h"
#include "cpu/cet.h"
#include "cpu/control.h"
#include "cpu/cpuid.h"
#include "cpu/fpu.h"
#include "cpu/internal.h"
#include "cpu/jit/jit.h"
#include "cpu/mca.h"
#include "cpu/monitor.h"
#include "cpu/msr.h"
#include "cpu/pmu.h"
#include "cpu/random.h"
#include "cpu/seg.h"
#include "cpu/smm.h"
#include "cpu/tlb.h"
#include "cpu/vec_fast.h"
#include "cpu/xsave.h"

STATE_SCHEMA(cpu_private, CPU_PRIVATE_STATE);
STATE_SCHEMA(cpu_shared, CPU_SHARED_STATE);

/* The saved form is both lists, one behind the other as they lie in struct cpu. */
#define CPU_STATE(ONE, MANY) CPU_PRIVATE_STATE(ONE, MANY) CPU_SHARED_STATE(ONE, MANY)
_Static_assert(offsetof(struct cpu, s) == offsetof(struct cpu, p) + sizeof(struct cpu_private),
               "one schema describes p and s, so nothing may lie between them");
static const struct state_field state_fields[] = { CPU_STATE(STATE_ROW_ONE, STATE_ROW_MANY) };
static const struct state_schema state_schema = {
    "cpu", state_fields, COUNT_OF(state_fields), sizeof(struct cpu_private) + sizeof(struct cpu_shared)
};

#define ATTEND_ALL (ATTEND_INTR | ATTEND_NMI | ATTEND_SMI | ATTEND_INIT | ATTEND_SIPI | ATTEND_HOST | ATTEND_DEBUG | \
                    ATTEND_MODE | ATTEND_MCE)

/* ---- faults ---- */

/* Which exceptions have error codes: SDM 3A table "Protected-Mode Exceptions and Interrupts". */
static bool has_error_code(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC || vector == VEC_CP;
}

void cpu_raise(struct cpu *cpu, unsigned vector, uint32_t error)
{
    if (has_error_code(vector))
        fault_raise_error(cpu, vector, error);
    else
        fault_raise(cpu, vector);
}

/* ---- derived state ---- */

static unsigned decode_mode(const struct cpu *cpu)
{
    uint32_t attr = cpu->p.seg_attr[SEG_CS];

    if (cpu_in_long_mode(cpu) && (attr & SEG_L))
        return DECODE_64;
    return attr & SEG_DB ? DECODE_32 : DECODE_16;
}

/* Base 0, all of 4 GiB, and every kind of access the instruction set makes through it. */
static bool flat(const struct cpu *cpu, enum seg seg)
{
    uint32_t attr = cpu->p.seg_attr[seg];

    if (cpu->p.seg_base[seg] != 0 || cpu->p.seg_limit[seg] != 0xffffffff || (attr & SEG_UNUSABLE) || attr_expand_down(attr))
        return false;
    return seg == SEG_CS ? attr_readable(attr) : attr_writable(attr);
}

static bool alignment_checked(const struct cpu *cpu)
{
    return cpu->p.cpl == 3 && (cpu->p.cr0 & CR0_AM) && (cpu->p.rflags & FLAG_AC);
}

static enum tlb_bank data_bank(const struct cpu *cpu)
{
    if (alignment_checked(cpu) || debug_watches_data(cpu))
        return BANK_SLOW;
    if (cpu->p.cpl == 3)
        return BANK_USER;
    return (cpu->p.cr4 & CR4_SMAP) && (cpu->p.rflags & FLAG_AC) ? BANK_SUPERVISOR_AC : BANK_SUPERVISOR;
}

void cpu_mode_changed(struct cpu *cpu)
{
    uint32_t mode = decode_mode(cpu);
    const enum tlb_bank bank = data_bank(cpu);

    if (mode != DECODE_64) {
        if (cpu->p.seg_attr[SEG_SS] & SEG_DB)
            mode |= MODE_STACK32;
        if (flat(cpu, SEG_DS) && flat(cpu, SEG_ES) && flat(cpu, SEG_SS) && flat(cpu, SEG_CS))
            mode |= MODE_FLAT;
    }
    if (cpu->p.cpl == 3)
        mode |= MODE_USER;
    if (cpu->p.cr0 & CR0_PE)
        mode |= MODE_PE;
    if (cpu_in_v86(cpu))
        mode |= MODE_VM86;
    else
        mode |= cet_mode(cpu, cpu->p.cpl);
    if (cpu_in_long_mode(cpu))
        mode |= MODE_LONG;
    cpu->mode = mode;
    cpu->tlb = cpu->banks[bank];
    if (bank == BANK_SLOW)
        tlb_forget_sites(cpu);
    cpu->vec_ready = (uint8_t)((fast_sse(cpu) ? VEC_READY_SSE : 0) | (fast_avx(cpu) ? VEC_READY_AVX : 0) |
                               (fast_avx(cpu) && (cpu->s.xcr0 & XCR0_AVX512) == XCR0_AVX512 ? VEC_READY_AVX512 : 0));
}

uint32_t cpu_rflags(const struct cpu *cpu)
{
    if (cpu->jit_has_flags)
        return ((uint32_t)cpu->p.rflags & ~FLAGS_ARITH) | jit_flags_get(cpu);
    return ((uint32_t)cpu->p.rflags & ~FLAGS_ARITH) | flags_get(&cpu->flags);
}

void cpu_set_rflags(struct cpu *cpu, uint32_t value)
{
    uint32_t change = (uint32_t)cpu->p.rflags ^ value;

    cpu->p.rflags = value | 2;
    flags_put(&cpu->flags, value);
    if (cpu->jit_has_flags) {
        jit_flags_to_raw(cpu);
        cpu->attention |= ATTEND_MODE;      /* translated code may still hold the old ones: leave it */
    }
    if (change & value & FLAG_IF)
        cpu_interrupts_on(cpu);
    if (value & (FLAG_TF | FLAG_RF))
        cpu->attention |= ATTEND_DEBUG;     /* leave the block: single steps */
    if (change & (FLAG_VM | FLAG_AC))
        cpu_mode_changed(cpu);
}

/* ---- reset ---- */

static void reset_segments(struct cpu *cpu)
{
    static const uint16_t data_attr = 0x93, code_attr = 0x9b, ldt_attr = 0x82, tss_attr = 0x8b;

    for (unsigned seg = 0; seg < SEG_COUNT; seg++) {
        cpu->p.seg_sel[seg] = 0;
        cpu->p.seg_base[seg] = 0;
        cpu->p.seg_limit[seg] = 0xffff;
        cpu->p.seg_attr[seg] = data_attr;
    }
    cpu->p.seg_sel[SEG_CS] = 0xf000;
    cpu->p.seg_base[SEG_CS] = 0xffff0000;
    cpu->p.seg_attr[SEG_CS] = code_attr;
    cpu->p.seg_attr[SEG_LDTR] = ldt_attr;
    cpu->p.seg_attr[SEG_TR] = tss_attr;
    cpu->p.gdtr_base = cpu->p.idtr_base = 0;
    cpu->p.gdtr_limit = cpu->p.idtr_limit = 0xffff;
}

/* What RESET and INIT both do: SDM 3A table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
static void reset_common(struct cpu *cpu, bool init)
{
    uint64_t kept = init ? cpu->p.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;

    memset(cpu->s.gpr, 0, sizeof cpu->s.gpr);
    cpu->s.gpr[RDX] = cpuid_signature(cpu);
    cpu->p.rip = 0xfff0;
    cpu->p.rflags = 0;
    cpu->p.cpl = 0;
    reset_segments(cpu);
    cpu->p.cr0 = kept | CR0_ET;
    cpu->s.cr2 = cpu->p.cr3 = cpu->p.cr4 = cpu->p.efer = 0;
    memset(cpu->s.dr, 0, sizeof cpu->s.dr);
    cpu->s.dr6 = 0xffff0ff0;
    cpu->p.dr7 = 0x400;
    cpu->p.ssp = cpu->p.u_cet = cpu->p.s_cet = cpu->p.ssp_table = 0;
    memset(cpu->p.pl_ssp, 0, sizeof cpu->p.pl_ssp);
    cpu->p.inhibit = cpu->p.nmi_blocked = cpu->p.rep_resume = 0;
    cpu->p.pending_db = 0;
    monitor_disarm(cpu);
    cpu->p.activity = cpu->config.index == 0 ? CPU_RUNNING : CPU_WAIT_SIPI;     /* SDM 3A "MP Initialization Protocol" */
}

static void reset_power_on(struct cpu *cpu)
{
    uint64_t banks[COUNT_OF(cpu->s.mc_bank)], rdrand = cpu->s.rdrand;

    memcpy(banks, cpu->s.mc_bank, sizeof banks);
    memset(&cpu->p, 0, sizeof cpu->p);
    memset(&cpu->s, 0, sizeof cpu->s);
    memcpy(cpu->s.mc_bank, banks, sizeof banks);
    mca_reset(cpu);
    cpu->s.fcw = 0x0040;        /* as the table has it; FNINIT gives 037Fh */
    cpu->s.ftag = 0xff;
    cpu->s.mxcsr = MXCSR_INIT;
    cpu->s.xcr0 = 1;
    cpu->s.rdrand = rdrand;     /* a restarted guest does not meet the same numbers again */
    cpu->s.smbase = 0x30000;
    cpu->p.tsc_offset = 0 - cpu_tsc(cpu);
    msr_reset(cpu);
}

void cpu_memory_changed(struct cpu *cpu)
{
    cpu->memory = cpu->s.smm && cpu->ports.smm_memory != NULL ? cpu->ports.smm_memory : cpu->ports.memory;
    tlb_map_changed(cpu);
}

void cpu_reset(struct cpu *cpu, bool init)
{
    if (!init)
        reset_power_on(cpu);
    reset_common(cpu, init);
    cpu_set_rflags(cpu, 2);
    pmu_reset(cpu, init);
    cpu->attention |= init ? ATTEND_MODE : ATTEND_ALL;
    cpu_memory_changed(cpu);
    cpu_mode_changed(cpu);
    cpu_drop_caches(cpu);
}

/* SDM 3A "MP Initialization Protocol": a start-up IPI's vector is the page where execution begins in real mode. */
void cpu_start(struct cpu *cpu, uint8_t vector)
{
    cpu->p.seg_sel[SEG_CS] = (uint16_t)(vector << 8);
    cpu->p.seg_base[SEG_CS] = (uint32_t)vector << 12;
    cpu->p.rip = 0;
    cpu->p.activity = CPU_RUNNING;
    cpu->attention |= ATTEND_SMI;       /* held back while it waited */
    cpu_mode_changed(cpu);
}

bool cpu_handler_calls(const struct cpu *cpu, unsigned n, const char **name, uint64_t *calls)
{
    const uint64_t *counted = jit_handler_calls(cpu->jit);

    if (n >= OP_COUNT)
        return false;
    *name = op_names[n];
    *calls = counted != NULL ? counted[n] : 0;
    return true;
}

bool cpu_jit_available(void)
{
    return jit_host_has_backend();
}

/* ---- attention ---- */

void cpu_attention(struct cpu *cpu, unsigned reasons)
{
    cpu->attention |= reasons;
}

void cpu_signal(void *self, enum apic_signal what, unsigned vector)
{
    struct cpu *cpu = self;

    switch (what) {
    case APIC_SIGNAL_INTR:
        cpu->attention |= ATTEND_INTR;
        break;
    case APIC_SIGNAL_NMI:
        cpu->p.nmi_pending = 1;
        cpu->attention |= ATTEND_NMI;
        break;
    case APIC_SIGNAL_SMI:
        cpu->s.smi_pending = 1;
        cpu->attention |= ATTEND_SMI;
        break;
    case APIC_SIGNAL_INIT:
        cpu->p.init_pending = 1;
        cpu->p.sipi_pending = 0;
        cpu->attention |= ATTEND_INIT;
        break;
    case APIC_SIGNAL_SIPI:      /* nobody waits for it: lost */
        if (cpu->p.activity == CPU_WAIT_SIPI || cpu->p.init_pending) {
            cpu->p.sipi_pending = 1;
            cpu->p.sipi_vector = (uint8_t)vector;
            cpu->attention |= ATTEND_SIPI;
        }
        break;
    }
}

static bool interrupt_deliverable(const struct cpu *cpu)
{
    const struct apic_ops *apic = cpu->ports.apic;

    return apic != NULL && (cpu->attention & ATTEND_INTR) && (cpu->p.rflags & FLAG_IF) &&
           apic->pending(cpu->ports.apic_self) != APIC_NONE;
}

bool cpu_idle(const struct cpu *cpu)
{
    if ((cpu->attention & ATTEND_HOST) || (cpu->p.init_pending && !cpu->s.smm))
        return false;
    switch (cpu->p.activity) {
    case CPU_RUNNING:
        return false;
    case CPU_WAIT_SIPI:
        return !cpu->p.sipi_pending;
    case CPU_SHUTDOWN:
    case CPU_SUSPENDED:
        return true;
    case CPU_MWAITING:
        return !cpu_sleep_over(cpu);
    default:
        return !cpu->s.mce_pending && cpu->p.pending_db == 0 && !smm_wanted(cpu) &&
               !(cpu->p.nmi_pending && !cpu->p.nmi_blocked) && !interrupt_deliverable(cpu);
    }
}

bool cpu_deaf(const struct cpu *cpu)
{
    if (!cpu_idle(cpu))
        return false;
    switch (cpu->p.activity) {
    case CPU_WAIT_SIPI: return true;
    case CPU_HALTED:    return !(cpu->p.rflags & FLAG_IF);
    case CPU_MWAITING:  return !(cpu->p.rflags & FLAG_IF) && !(cpu->p.wait & (WAIT_MASKED | WAIT_DEADLINE));
    default:            return false;
    }
}

/* ---- time and identity ---- */

/* ns * hz / 10^9 without loss, as long as 10^9 hz fit into 64 bits; the TSC wraps there. Guests ask all the time, and a division
 * of 128 bits is a slow call. */
uint64_t cpu_tsc(const struct cpu *cpu)
{
    const uint64_t second = 1000000000u, hz = cpu->config.tsc_hz, ns = clock_ns(cpu->ports.clock);
    uint64_t ticks;

    if (hz < UINT64_MAX / second)
        ticks = ns / second * hz + ns % second * hz / second;
    else
        ticks = (uint64_t)((unsigned __int128)ns * hz / second);
    return ticks + cpu->p.tsc_offset;
}

uint64_t cpu_tsc_offset(void *self)             { return ((const struct cpu *)self)->p.tsc_offset; }
uint64_t cpu_tsc_hz(const struct cpu *cpu)      { return cpu->config.tsc_hz; }
unsigned cpu_index(const struct cpu *cpu)       { return cpu->config.index; }
unsigned cpu_cpl(const struct cpu *cpu)         { return cpu->p.cpl; }
bool cpu_long_mode(const struct cpu *cpu)       { return cpu_in_long_mode(cpu); }
bool cpu_code64(const struct cpu *cpu)          { return cpu_in_64bit(cpu); }
const struct cpu_stats *cpu_stats(const struct cpu *cpu) { return &cpu->stats; }

bool cpu_has(const struct cpu *cpu, enum feature f)
{
    return f == F_BASE || (cpu->config.features[f / 64] & BIT64(f % 64));
}

void cpu_drop_caches(struct cpu *cpu)
{
    tlb_flush_all(cpu);
    block_cache_flush(cpu);
}

/* ---- the device ---- */

static void settle(struct device *dev)
{
    struct cpu *cpu = CONTAINER_OF(dev, struct cpu, dev);

    cpu->p.rflags = cpu_rflags(cpu);
}

static void reset(struct device *dev)
{
    cpu_reset(CONTAINER_OF(dev, struct cpu, dev), false);
}

/* The file may say anything: what indexes an array or picks a case is brought into range, the rest only hurts its guest. Decoded
 * code stays: it depends on memory, whose loader tells the RAM what it writes. */
static void loaded(struct device *dev)
{
    struct cpu *cpu = CONTAINER_OF(dev, struct cpu, dev);

    cpu->s.gpr[16] = 0;
    cpu->p.cpl &= 3;
    if (cpu->p.activity > CPU_SUSPENDED)
        cpu->p.activity = CPU_SHUTDOWN;
    cpu->p.cr4 &= control_cr4_bits(cpu);
    cpu->p.efer &= control_efer_bits(cpu);
    flags_put(&cpu->flags, (uint32_t)cpu->p.rflags);
    cpu->attention = ATTEND_ALL & ~(unsigned)ATTEND_HOST;       /* which counts as a reason to run */
    pmu_loaded(cpu);
    cpu_memory_changed(cpu);
    monitor_refresh(cpu);
    monitor_loaded(cpu);
    cpu_mode_changed(cpu);
}

static void destroy(struct device *dev)
{
    monitor_disarm(CONTAINER_OF(dev, struct cpu, dev));
    struct cpu *cpu = CONTAINER_OF(dev, struct cpu, dev);

    block_cache_free(cpu->blocks);
    tlb_destroy(cpu);
    jit_free(cpu->jit);
}

static const struct device_class cpu_class = {
    .name = "cpu", .size = sizeof(struct cpu), .state = &state_schema, .state_at = offsetof(struct cpu, p),
    .reset = reset, .loaded = loaded, .settle = settle, .destroy = destroy,
};

struct cpu *cpu_create(struct device_tree *tree, const struct cpu_config *cfg, const struct cpu_ports *ports)
{
    struct cpu *cpu;
    char name[32];

    snprintf(name, sizeof name, "cpu.%u", cfg->index);
    cpu = CONTAINER_OF(device_create(tree, &cpu_class, name), struct cpu, dev);
    cpu->config = *cfg;
    cpu->ports = *ports;
    cpu->s.monitor_gpa = MONITOR_NONE;
    cpu->s.rdrand = random_start(cfg->rdrand_seed, cfg->index);
    monitor_create(cpu);
    cpu->jit = cfg->jit != 0 ? jit_create(cpu, cfg) : NULL;
    cpu->blocks = block_cache_create(cpu);
    cpu_reset(cpu, false);
    return cpu;
}

void cpu_set_host(struct cpu *cpu, const struct cpu_host *host, void *self)
{
    cpu->ports.host = host;
    cpu->ports.host_self = self;
}

void cpu_set_apic(struct cpu *cpu, const struct apic_ops *apic, void *self)
{
    cpu->ports.apic = apic;
    cpu->ports.apic_self = self;
}
