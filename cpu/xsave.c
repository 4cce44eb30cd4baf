/* SPDX-License-Identifier: MIT
 * The table of XSAVE state components and what moves each (SDM 1 "XSAVE-Supported Features and State-Component Bitmaps").
 * The legacy area (x87, SSE) is exec_fxsave.c's. */
#include "cpu/xsave.h"

#include "cpu/cet.h"
#include "cpu/exec_xsave.h"

/* Registers 8 and up exist in 64-bit mode only; elsewhere they are neither saved nor touched. */
static unsigned vector_count(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64 ? 16 : 8;
}

static bool any(const uint64_t *q, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned k = 0; k < n; k++)
        sum |= q[k];
    return sum != 0;
}

/* A slice of each vector register: `n` quadwords from quadword `at` of registers first .. first + count - 1. */
static void slice_save(const struct cpu *cpu, uint8_t *to, unsigned first, unsigned count, unsigned at, unsigned n)
{
    for (unsigned r = 0; r < count; r++)
        memcpy(to + 8 * n * r, &cpu->s.zmm[8 * (first + r) + at], 8 * n);
}

static void slice_load(struct cpu *cpu, const uint8_t *from, unsigned first, unsigned count, unsigned at, unsigned n)
{
    for (unsigned r = 0; r < count; r++)
        memcpy(&cpu->s.zmm[8 * (first + r) + at], from + 8 * n * r, 8 * n);
}

static void slice_init(struct cpu *cpu, unsigned first, unsigned count, unsigned at, unsigned n)
{
    for (unsigned r = 0; r < count; r++)
        memset(&cpu->s.zmm[8 * (first + r) + at], 0, 8 * n);
}

static bool slice_in_use(const struct cpu *cpu, unsigned first, unsigned count, unsigned at, unsigned n)
{
    for (unsigned r = 0; r < count; r++)
        if (any(&cpu->s.zmm[8 * (first + r) + at], n))
            return true;
    return false;
}

static void avx_save(const struct cpu *cpu, uint8_t *to) { slice_save(cpu, to, 0, vector_count(cpu), 2, 2); }
static void avx_load(struct cpu *cpu, const uint8_t *from) { slice_load(cpu, from, 0, vector_count(cpu), 2, 2); }
static void avx_init(struct cpu *cpu) { slice_init(cpu, 0, vector_count(cpu), 2, 2); }
static bool avx_in_use(const struct cpu *cpu) { return slice_in_use(cpu, 0, vector_count(cpu), 2, 2); }

static void opmask_save(const struct cpu *cpu, uint8_t *to) { memcpy(to, cpu->s.k, sizeof cpu->s.k); }
static void opmask_load(struct cpu *cpu, const uint8_t *from) { memcpy(cpu->s.k, from, sizeof cpu->s.k); }
static void opmask_init(struct cpu *cpu) { memset(cpu->s.k, 0, sizeof cpu->s.k); }
static bool opmask_in_use(const struct cpu *cpu) { return any(cpu->s.k, 8); }

static void zmm_high_save(const struct cpu *cpu, uint8_t *to) { slice_save(cpu, to, 0, vector_count(cpu), 4, 4); }
static void zmm_high_load(struct cpu *cpu, const uint8_t *from) { slice_load(cpu, from, 0, vector_count(cpu), 4, 4); }
static void zmm_high_init(struct cpu *cpu) { slice_init(cpu, 0, vector_count(cpu), 4, 4); }
static bool zmm_high_in_use(const struct cpu *cpu) { return slice_in_use(cpu, 0, vector_count(cpu), 4, 4); }

static unsigned high_count(const struct cpu *cpu) { return vector_count(cpu) == 16 ? 16 : 0; }
static void zmm16_save(const struct cpu *cpu, uint8_t *to) { slice_save(cpu, to, 16, high_count(cpu), 0, 8); }
static void zmm16_load(struct cpu *cpu, const uint8_t *from) { slice_load(cpu, from, 16, high_count(cpu), 0, 8); }
static void zmm16_init(struct cpu *cpu) { slice_init(cpu, 16, high_count(cpu), 0, 8); }
static bool zmm16_in_use(const struct cpu *cpu) { return slice_in_use(cpu, 16, high_count(cpu), 0, 8); }

static void pkru_set(struct cpu *cpu, uint32_t pkru)
{
    if (pkru == cpu->s.pkru)
        return;
    cpu->s.pkru = pkru;
    tlb_flush_all(cpu);         /* rights in TLB entries are PKRU's */
}

static void pkru_save(const struct cpu *cpu, uint8_t *to) { store64(to, cpu->s.pkru); }
static void pkru_load(struct cpu *cpu, const uint8_t *from) { pkru_set(cpu, load32(from)); }
static void pkru_init(struct cpu *cpu) { pkru_set(cpu, 0); }
static bool pkru_in_use(const struct cpu *cpu) { return cpu->s.pkru != 0; }

/* SDM 1 "CET State". XRSTORS is a thing of level 0, which neither of the two concerns, so no mode changes. */
static void cet_u_save(const struct cpu *cpu, uint8_t *to)
{
    store64(to, cpu->p.u_cet);
    store64(to + 8, cpu->p.pl_ssp[3]);
}

static void cet_u_load(struct cpu *cpu, const uint8_t *from)
{
    cpu->p.u_cet = load64(from);
    cpu->p.pl_ssp[3] = load64(from + 8);
}

static void cet_u_init(struct cpu *cpu) { cpu->p.u_cet = cpu->p.pl_ssp[3] = 0; }
static bool cet_u_in_use(const struct cpu *cpu) { return (cpu->p.u_cet | cpu->p.pl_ssp[3]) != 0; }
static bool cet_u_valid(const struct cpu *cpu, const uint8_t *from)
{
    return cet_control_allowed(cpu, load64(from)) && cet_ssp_allowed(cpu, load64(from + 8));
}

static void cet_s_save(const struct cpu *cpu, uint8_t *to) { memcpy(to, cpu->p.pl_ssp, 24); }
static void cet_s_load(struct cpu *cpu, const uint8_t *from) { memcpy(cpu->p.pl_ssp, from, 24); }
static void cet_s_init(struct cpu *cpu) { memset(cpu->p.pl_ssp, 0, 24); }
static bool cet_s_in_use(const struct cpu *cpu) { return any(cpu->p.pl_ssp, 3); }
static bool cet_s_valid(const struct cpu *cpu, const uint8_t *from)
{
    return cet_ssp_allowed(cpu, load64(from)) && cet_ssp_allowed(cpu, load64(from + 8)) &&
           cet_ssp_allowed(cpu, load64(from + 16));
}

/* The standard form's offsets, Intel's and AMD's: Intel keeps the place of MPX (components 3 and 4, 3C0h to 43Fh) and aligns
 * opmasks behind it, AMD never had MPX. Seen in leaf 0Dh of Tiger Lake (opmasks 440h, PKRU A80h), Zen 3 (PKRU 980h) and
 * Zen 4 (opmasks 340h, ZMM_Hi256 380h). */
const struct xsave_component xsave_components[XSAVE_COMPONENTS] = {
    [0] = { { 0, 0 }, 160, F_FPU, false, false, NULL, NULL, x87_init, x87_in_use, NULL },
    [1] = { { 160, 160 }, 256, F_SSE, false, false, NULL, NULL, sse_init, sse_in_use, NULL },
    [2] = { { 576, 576 }, 256, F_AVX, false, false, avx_save, avx_load, avx_init, avx_in_use, NULL },
    [5] = { { 1088, 832 }, 64, F_AVX512F, false, false, opmask_save, opmask_load, opmask_init, opmask_in_use, NULL },
    [6] = { { 1152, 896 }, 512, F_AVX512F, false, false, zmm_high_save, zmm_high_load, zmm_high_init,
            zmm_high_in_use, NULL },
    [7] = { { 1664, 1408 }, 1024, F_AVX512F, false, false, zmm16_save, zmm16_load, zmm16_init, zmm16_in_use, NULL },
    [9] = { { 2688, 2432 }, 8, F_PKU, false, false, pkru_save, pkru_load, pkru_init, pkru_in_use, NULL },
    [11] = { { 0, 0 }, 16, F_CET_SS, true, false, cet_u_save, cet_u_load, cet_u_init, cet_u_in_use, cet_u_valid },
    [12] = { { 0, 0 }, 24, F_CET_SS, true, false, cet_s_save, cet_s_load, cet_s_init, cet_s_in_use, cet_s_valid },
};

uint64_t xsave_supported(const struct cpu *cpu, bool supervisor)
{
    uint64_t mask = 0;

    for (unsigned n = 0; n < XSAVE_COMPONENTS; n++) {
        const struct xsave_component *c = &xsave_components[n];

        if (c->size && c->supervisor == supervisor && cpu_has(cpu, (enum feature)c->feature))
            mask |= BIT64(n);
    }
    if (supervisor && cpu_has(cpu, F_CET_IBT))
        mask |= XSAVE_CET_U | XSAVE_CET_S;          /* either feature brings them */
    return !supervisor || cpu_has(cpu, F_XSAVES) ? mask : 0;
}

uint32_t xsave_offset(const struct cpu *cpu, unsigned n) { return xsave_components[n].offset[cpu_vendor(cpu)]; }

uint32_t xsave_size(const struct cpu *cpu, uint64_t mask, bool compacted)
{
    uint32_t size = XSAVE_LEGACY + XSAVE_HEADER;

    for (unsigned n = 2; n < XSAVE_COMPONENTS; n++) {
        const struct xsave_component *c = &xsave_components[n];

        if (!(mask & BIT64(n)) || !c->size)
            continue;
        if (compacted)
            size = (uint32_t)align_up(size, c->align ? 64 : 1) + c->size;
        else if (size < xsave_offset(cpu, n) + c->size)
            size = xsave_offset(cpu, n) + c->size;
    }
    return size;
}

uint64_t xsave_in_use(const struct cpu *cpu)
{
    uint64_t mask = 0;

    for (unsigned n = 0; n < XSAVE_COMPONENTS; n++)
        if (xsave_components[n].size && xsave_components[n].in_use(cpu))
            mask |= BIT64(n);
    return mask;
}
