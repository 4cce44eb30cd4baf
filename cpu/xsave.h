/* SPDX-License-Identifier: MIT
 * The state components of XSAVE: one row each, read by XSAVE and XRSTOR and by CPUID leaf 0Dh. */
#ifndef CPU_XSAVE_H
#define CPU_XSAVE_H

#include "cpu/internal.h"

#define XSAVE_X87       BIT64(0)
#define XSAVE_SSE       BIT64(1)
#define XSAVE_AVX       BIT64(2)
#define XSAVE_OPMASK    BIT64(5)
#define XSAVE_ZMM_HI256 BIT64(6)
#define XSAVE_HI16_ZMM  BIT64(7)
#define XCR0_AVX512     (XSAVE_SSE | XSAVE_AVX | XSAVE_OPMASK | XSAVE_ZMM_HI256 | XSAVE_HI16_ZMM)
#define XSAVE_PKRU      BIT64(9)
#define XSAVE_CET_U     BIT64(11)
#define XSAVE_CET_S     BIT64(12)

#define XSAVE_COMPONENTS 13         /* numbers 0..12 */
#define XSAVE_LEGACY     512u
#define XSAVE_HEADER     64u

struct xsave_component {
    uint16_t offset[2], size;   /* in the standard form, by enum vendor; size 0: no such component */
    uint8_t  feature;           /* enum feature that brings it */
    bool     supervisor;        /* enabled in IA32_XSS, not XCR0 */
    bool     align;             /* 64-byte aligned in the compacted form */
    void (*save)(const struct cpu *cpu, uint8_t *to);           /* components 0 and 1 live in the legacy area: NULL */
    void (*load)(struct cpu *cpu, const uint8_t *from);
    void (*init)(struct cpu *cpu);
    bool (*in_use)(const struct cpu *cpu);                      /* XINUSE: not in its initial configuration */
    bool (*valid)(const struct cpu *cpu, const uint8_t *from);  /* else XRSTORS is #GP; NULL: anything is */
};
extern const struct xsave_component xsave_components[XSAVE_COMPONENTS];

/* The components this processor's features give: what XCR0 (supervisor false) or IA32_XSS may enable. */
uint64_t xsave_supported(const struct cpu *cpu, bool supervisor);
/* Where component n begins in the standard form. */
uint32_t xsave_offset(const struct cpu *cpu, unsigned n);
/* Bytes of an area for the components in `mask`, standard or compacted. */
uint32_t xsave_size(const struct cpu *cpu, uint64_t mask, bool compacted);
/* XINUSE as XGETBV(1) shows it (before the and with XCR0). */
uint64_t xsave_in_use(const struct cpu *cpu);

#endif
