/* SPDX-License-Identifier: MIT
 * Registers of the performance counters: SDM 4 "IA-32 Architectural MSRs", SDM 3B "Architectural Performance Monitoring";
 * APM 2 "Performance Counter MSRs" for the legacy counters of AMD; RDPMC and CPUID leaf 0Ah. */
#include "cpu/pmu_state.h"

#define GLOBAL_BITS     (bits_mask(PMU_COUNTERS) | bits_mask(PMU_FIXED) << 32)
/* Overflow bits, freezes, the (never set) uncore, buffer and condition bits. */
#define STATUS_CLEARS   (GLOBAL_BITS | STATUS_LBR_FRZ | STATUS_CTR_FRZ | BIT64(61) | BIT64(62) | BIT64(63))
#define STATUS_SETS     (GLOBAL_BITS | STATUS_LBR_FRZ | STATUS_CTR_FRZ | BIT64(61) | BIT64(62))
#define SELECT_BITS     (0xffffffffull & ~BIT64(21))            /* without AnyThread, gone with version 5 */
#define AMD_SELECT_BITS (0x30fffffffffull & ~BIT64(21))         /* event bits 11:8, GuestOnly and HostOnly among them */
#define FIXED_BITS      0xbbbull                                /* EN, PMI; without AnyThread */
#define COUNTER_BITS    bits_mask(PMU_WIDTH)

/* SDM 3A table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT": all general counters are enabled
 * globally; counters and their controls survive INIT. */
void pmu_reset(struct cpu *cpu, bool init)
{
    if (!init) {
        cpu->s.pmc_seen_ns = clock_ns(cpu->ports.clock);
        cpu->pmu = 0;
    } else if (cpu->pmu) {
        pmu_account(cpu);
    }
    if (cpu_has(cpu, F_ARCH_PERFMON))
        cpu->s.pmc_global = bits_mask(PMU_COUNTERS);
    pmu_configured(cpu);
}

void pmu_loaded(struct cpu *cpu)
{
    for (unsigned n = 0; n < PMU_COUNTERS; n++)
        cpu->s.pmc[n] &= COUNTER_BITS;
    for (unsigned n = 0; n < PMU_FIXED; n++)
        cpu->s.pmc_fixed[n] &= COUNTER_BITS;
    lbr_loaded(cpu);
    pmu_configured(cpu);
}

/* ---- one register each ---- */

static uint64_t in_use(const struct cpu *cpu)
{
    uint64_t bits = 0;

    for (unsigned n = 0; n < PMU_COUNTERS; n++) {
        bits |= cpu->s.pmc_select[n] & 0xff ? BIT64(n) : 0;
        bits |= cpu->s.pmc_select[n] & SELECT_INT ? BIT64(63) : 0;
    }
    for (unsigned n = 0; n < PMU_FIXED; n++) {
        bits |= cpu->s.pmc_fixed_ctrl >> 4 * n & 3 ? BIT64(32 + n) : 0;
        bits |= cpu->s.pmc_fixed_ctrl >> 4 * n & 8 ? BIT64(63) : 0;
    }
    return bits;
}

static bool store(uint64_t *field, uint64_t value, uint64_t allowed)
{
    if (value & ~allowed)
        return false;
    *field = value;
    return true;
}

enum { PMC = 0xc1, PERFEVTSEL = 0x186, FIXED = 0x309, FIXED_CTRL = 0x38d, STATUS, GLOBAL_CTRL, STATUS_RESET, STATUS_SET,
       IN_USE, FULL_PMC = 0x4c1 };

static bool is_nth(uint32_t msr, uint32_t first, unsigned count, unsigned *n)
{
    *n = msr - first;
    return *n < count;
}

bool pmu_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    unsigned n;

    pmu_account(cpu);
    if (is_nth(msr, PMC, PMU_COUNTERS, &n) || is_nth(msr, FULL_PMC, PMU_COUNTERS, &n))
        *value = cpu->s.pmc[n];
    else if (is_nth(msr, PERFEVTSEL, PMU_COUNTERS, &n))
        *value = cpu->s.pmc_select[n];
    else if (is_nth(msr, FIXED, PMU_FIXED, &n))
        *value = cpu->s.pmc_fixed[n];
    else
        switch (msr) {
        case FIXED_CTRL:   *value = cpu->s.pmc_fixed_ctrl; break;
        case STATUS:       *value = cpu->s.pmc_status; break;
        case GLOBAL_CTRL:  *value = cpu->s.pmc_global; break;
        case IN_USE:       *value = in_use(cpu); break;
        default:           *value = 0; break;               /* STATUS_RESET, STATUS_SET */
        }
    return true;
}

static bool write_control(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case FIXED_CTRL:
        return store(&cpu->s.pmc_fixed_ctrl, value, FIXED_BITS);
    case GLOBAL_CTRL:
        return store(&cpu->s.pmc_global, value, GLOBAL_BITS);
    case STATUS_RESET:
        if (value & ~STATUS_CLEARS)
            return false;
        cpu->s.pmc_status &= ~value;
        return true;
    case STATUS_SET:
        return store(&cpu->s.pmc_status, cpu->s.pmc_status | value, STATUS_SETS);
    default:                            /* STATUS and IN_USE are read only */
        return false;
    }
}

static bool write_any(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    unsigned n;

    if (is_nth(msr, PMC, PMU_COUNTERS, &n))             /* bits 31:0, sign-extended */
        return store(&cpu->s.pmc[n], (uint64_t)(int64_t)(int32_t)value & COUNTER_BITS, COUNTER_BITS);
    if (is_nth(msr, FULL_PMC, PMU_COUNTERS, &n))
        return store(&cpu->s.pmc[n], value, COUNTER_BITS);
    if (is_nth(msr, PERFEVTSEL, PMU_COUNTERS, &n))
        return store(&cpu->s.pmc_select[n], value, SELECT_BITS);
    if (is_nth(msr, FIXED, PMU_FIXED, &n))
        return store(&cpu->s.pmc_fixed[n], value, COUNTER_BITS);
    return write_control(cpu, msr, value);
}

bool pmu_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    bool ok;

    pmu_account(cpu);
    ok = write_any(cpu, msr, value);
    pmu_configured(cpu);
    return ok;
}

/* ---- AMD: C001_0000h PERF_CTL0-3, C001_0004h PERF_CTR0-3 ---- */

bool pmu_read_amd(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    if (!cpu_is_amd(cpu))
        return false;
    pmu_account(cpu);
    *value = msr & 4 ? cpu->s.pmc[msr & 3] : cpu->s.pmc_select[msr & 3];
    return true;
}

/* What does not fit a counter is lost (APM 2 "Performance Counter MSRs": reserved, ignored). */
bool pmu_write_amd(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    if (!cpu_is_amd(cpu))
        return false;
    pmu_account(cpu);
    if (msr & 4)
        cpu->s.pmc[msr & 3] = value & COUNTER_BITS;
    else
        cpu->s.pmc_select[msr & 3] = value & AMD_SELECT_BITS;
    pmu_configured(cpu);
    return true;
}

/* ---- RDPMC, CPUID ---- */

/* SDM 2B "RDPMC": ECX[31:16] is the kind of counter, 4000h fixed; APM 3 "RDPMC": the number of one. */
bool pmu_rdpmc(struct cpu *cpu, uint32_t index, uint64_t *value)
{
    bool fixed = index >> 16 == 0x4000 && !cpu_is_amd(cpu);
    unsigned n = fixed ? index & 0xffff : index;

    if (!cpu_is_amd(cpu) && !cpu_has(cpu, F_ARCH_PERFMON))
        return false;
    if (n >= (fixed ? PMU_FIXED : cpu_is_amd(cpu) ? 4 : PMU_COUNTERS))
        return false;
    pmu_account(cpu);
    *value = fixed ? cpu->s.pmc_fixed[n] : cpu->s.pmc[n];
    return true;
}

/* Version 5; eight events, of which cache references and misses, mispredicted branches and slots do not exist here; three
 * fixed counters; AnyThread gone. */
struct cpuid_regs pmu_leaf(const struct cpu *cpu)
{
    if (!cpu_has(cpu, F_ARCH_PERFMON))
        return (struct cpuid_regs){ 0 };
    return (struct cpuid_regs){ .eax = 5 | PMU_COUNTERS << 8 | PMU_WIDTH << 16 | 8u << 24, .ebx = 0xd8,
                                .ecx = (uint32_t)bits_mask(PMU_FIXED), .edx = PMU_FIXED | PMU_WIDTH << 5 | BIT(15) };
}
