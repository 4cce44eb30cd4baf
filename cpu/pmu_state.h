/* SPDX-License-Identifier: MIT
 * Between pmu.c, which counts, and pmu_regs.c, which is asked: bits of the registers, sources of events. */
#ifndef CPU_PMU_STATE_H
#define CPU_PMU_STATE_H

#include "cpu/pmu.h"

/* IA32_PERFEVTSELx */
#define SELECT_USR          BIT64(16)
#define SELECT_OS           BIT64(17)
#define SELECT_EDGE         BIT64(18)
#define SELECT_PC           BIT64(19)
#define SELECT_INT          BIT64(20)
#define SELECT_EN           BIT64(22)
#define SELECT_INV          BIT64(23)
#define SELECT_CMASK_SHIFT  24

/* IA32_PERF_GLOBAL_STATUS */
#define STATUS_LBR_FRZ      BIT64(58)
#define STATUS_CTR_FRZ      BIT64(59)

#define DEBUGCTL_LBR            BIT64(0)
#define DEBUGCTL_FREEZE_LBRS    BIT64(11)
#define DEBUGCTL_FREEZE_PERFMON BIT64(12)

enum pmu_source { PMU_NOTHING, PMU_INSNS, PMU_TAKEN_OR_NOT, PMU_CORE, PMU_CRYSTAL, PMU_SOURCES };

enum { PMU_ASLEEP = 1, PMU_SLEPT = 2 };     /* s.pmc_asleep: since the last look; before it, with no cycle counted since */

void pmu_account(struct cpu *cpu);          /* bring all counters up to date; before any register is read or written.
                                             * pmu_configured() follows a write */

#endif
