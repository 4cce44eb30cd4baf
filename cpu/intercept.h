/* SPDX-License-Identifier: MIT
 * Everything the processor asks of whoever hosts it. hv fills it, tests fill it, NULL functions mean a plain PC. */
#ifndef CPU_INTERCEPT_H
#define CPU_INTERCEPT_H

#include <stdint.h>

#include "core/types.h"

struct cpu;

/* PASS: not mine, do what the processor does. DONE: handled, go to the next instruction. RETRY: state was changed, run the
 * same instruction again. RAISED: cpu_raise() was called. */
enum intercept { PASS, DONE, RETRY, RAISED };

struct cpuid_regs { uint32_t eax, ebx, ecx, edx; };        /* in: eax = leaf, ecx = subleaf; the processor's own answer is already in */

struct page_fault { gpa_t gpa; gva_t gva; unsigned access; uint8_t gva_valid; };

struct cpu_event { unsigned kind; uint64_t info; };        /* CPU_EVENT_* */
enum { CPU_EVENT_HALT = 1, CPU_EVENT_TRIPLE_FAULT };

struct cpu_host {
    unsigned       (*page_rights)(void *self, struct cpu *cpu, gpa_t page);            /* at TLB fill; ACCESS_* bits */
    enum intercept (*page_denied)(void *self, struct cpu *cpu, const struct page_fault *f);
    enum intercept (*hypercall)(void *self, struct cpu *cpu);                          /* VMCALL and VMMCALL; PASS: #UD */
    enum intercept (*cpuid)(void *self, struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *io);
    enum intercept (*rdmsr)(void *self, struct cpu *cpu, uint32_t msr, uint64_t *value);
    enum intercept (*wrmsr)(void *self, struct cpu *cpu, uint32_t msr, uint64_t value);
    enum intercept (*event)(void *self, struct cpu *cpu, const struct cpu_event *e);
    void           (*attend)(void *self, struct cpu *cpu);                             /* after ATTEND_HOST was raised */
};

#endif
