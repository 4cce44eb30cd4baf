/* SPDX-License-Identifier: MIT
 * Performance counters: SDM 3B "Architectural Performance Monitoring" version 5, and the four legacy counters of AMD. They are
 * not counted while instructions run: a counter is brought up to date when somebody looks, when the privilege level changes that
 * it watches, or when its overflow is due. docs/determinism.md says what each event counts. */
#ifndef CPU_PMU_H
#define CPU_PMU_H

#include "cpu/internal.h"

struct block;

/* cpu->pmu: why the run loop must take care. */
enum {
    PMU_COUNTS   = 1,       /* some counter is enabled */
    PMU_LEVELS   = 2,       /* one that counts at some privilege levels only */
    PMU_BRANCHES = 4,       /* one that counts branches: the run loop must see each block */
    PMU_RECORDS  = 8,       /* the last branches are recorded: likewise */
};

#define PMU_COUNTERS        8u      /* general; AMD has the first four */
#define PMU_FIXED           3u
#define PMU_WIDTH           48u

void pmu_reset(struct cpu *cpu, bool init);
void pmu_loaded(struct cpu *cpu);

/* Registers, without the general ones of msr.c's table; false: #GP. The processor is synchronised to the instruction. */
bool pmu_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool pmu_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value);
bool pmu_read_amd(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool pmu_write_amd(struct cpu *cpu, uint32_t msr, uint64_t value);
bool pmu_rdpmc(struct cpu *cpu, uint32_t index, uint64_t *value);
struct cpuid_regs pmu_leaf(const struct cpu *cpu);

/* For the run loop, while cpu->pmu is not 0. */
void pmu_turn(struct cpu *cpu, bool begins);            /* around cpu_run(): outside it a processor may be asleep */
void pmu_round(struct cpu *cpu);                        /* between instructions, before each look for what is due */
uint64_t pmu_slice(const struct cpu *cpu, const struct block *b, uint64_t most);   /* instructions until it must look again */
void pmu_retired(struct cpu *cpu, const struct insn *i);        /* the last instruction of a slice */

void pmu_configured(struct cpu *cpu);                   /* after a change of DEBUGCTL, too */

/* ---- lbr.c: records of the last branches ---- */

bool lbr_exists(const struct cpu *cpu);
bool lbr_on(const struct cpu *cpu);
void lbr_branch(struct cpu *cpu, const struct insn *i);         /* taken; p.rip is where it went */
void lbr_event(struct cpu *cpu, uint64_t from);                 /* delivered */
uint64_t lbr_linear_ip(const struct cpu *cpu);
bool lbr_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool lbr_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value);
void lbr_loaded(struct cpu *cpu);

/* Was the branch that i is, and that has just retired, taken? */
bool pmu_branch_taken(const struct cpu *cpu, const struct insn *i);

#endif
