/* SPDX-License-Identifier: MIT
 * What a named processor is: identification, caches and features. Inside cpu/ only, and for tests. */
#ifndef CPU_MODEL_H
#define CPU_MODEL_H

#include "cpu/internal.h"

enum cpuid_output { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

struct cpu_feature {
    const char *name;
    uint32_t leaf;
    uint8_t  subleaf, output, bit;      /* output: enum cpuid_output */
};
extern const struct cpu_feature cpu_features[F_COUNT];

struct cpu_cache {
    uint8_t  type, level, ways;         /* type 0: no more */
    uint32_t kib;                       /* lines are 64 bytes */
};

struct cpu_caches {
    uint32_t leaf2[4];
    struct cpu_cache list[5];
};

struct cpu_model {
    const char *name, *brand, *about;
    const uint8_t *features;            /* ended by F_BASE; NULL: everything that works */
    const struct cpu_caches *caches;
    uint32_t max_basic, max_extended;
    uint16_t family;
    uint8_t  model, stepping, physical_bits;
    uint8_t  vendor;                    /* enum vendor */
};

bool cpu_feature_works(enum feature f);                  /* may be shown; the others are known only */
const struct cpu_model *cpu_model_at(unsigned n);       /* in the order of models.def; NULL: no more */

#endif
