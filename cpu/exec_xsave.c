/* SPDX-License-Identifier: MIT
 * XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS (SDM 1 "Managing State Using the XSAVE Feature Set"). Of the permitted
 * optimisations only the init optimisation is made: what an area holds never depends on history. */
#include "cpu/exec_xsave.h"
#include "cpu/mem_area.h"
#include "cpu/xsave.h"

#define HEADER    XSAVE_LEGACY
#define COMPACTED BIT64(63)
#define IMAGE_MAX 2752u

_Static_assert(XSAVE_COMPONENTS == 13, "IMAGE_MAX holds every component in either form");

/* Where each component lies in an area whose compacted map is `map`, or in a standard one (map without bit 63). */
struct layout { uint16_t at[XSAVE_COMPONENTS]; };

static struct layout layout_of(const struct cpu *cpu, uint64_t map)
{
    unsigned end = XSAVE_LEGACY + XSAVE_HEADER;
    struct layout l = { { 0 } };

    for (unsigned n = 2; n < XSAVE_COMPONENTS; n++) {
        const struct xsave_component *c = &xsave_components[n];

        if (!(map & COMPACTED)) {
            l.at[n] = (uint16_t)xsave_offset(cpu, n);
        } else if ((map & BIT64(n)) && c->size) {
            l.at[n] = (uint16_t)align_up(end, c->align ? 64 : 1);
            end = l.at[n] + c->size;
        }
    }
    return l;
}

static unsigned area_bytes(const struct cpu *cpu, uint64_t rfbm, uint64_t map)
{
    return xsave_size(cpu, map & COMPACTED ? map : rfbm, map & COMPACTED);
}

static bool component_wanted(uint64_t mask, unsigned n) { return (mask & BIT64(n)) && xsave_components[n].size; }

/* Checks common to all, then the linear address of a 64-byte aligned area. Its first word comes before #AC, that before #GP for
 * alignment, and the rest last (seen on Emerald Rapids). */
static bool begin(struct cpu *cpu, const struct insn *i, bool supervisor, gva_t *lin)
{
    if (!(cpu->p.cr4 & CR4_OSXSAVE))
        return fault_ud(cpu);
    if (cpu->p.cr0 & CR0_TS)
        return fault_raise(cpu, VEC_NM);
    if (supervisor && cpu->p.cpl != 0)
        return fault_gp(cpu, 0);
    if (!ea_linear(cpu, i, 4, ACCESS_READ, lin) || !mem_canonical(cpu, i, *lin, 1) || !mem_aligned(cpu, i, *lin, 4))
        return false;
    return *lin & 63 ? fault_gp(cpu, 0) : mem_canonical(cpu, i, *lin, XSAVE_LEGACY + XSAVE_HEADER);
}

static uint64_t requested(const struct cpu *cpu, bool supervisor)
{
    uint64_t rdx_rax = (uint32_t)cpu->s.gpr[RAX] | cpu->s.gpr[RDX] << 32;

    return rdx_rax & (cpu->s.xcr0 | (supervisor ? cpu->p.xss : 0));
}

/* XSTATE_BV counts SSE in use also when only MXCSR differs from its initial value. */
static uint64_t state_in_use(const struct cpu *cpu)
{
    return xsave_in_use(cpu) | (cpu->s.mxcsr != MXCSR_INIT ? XSAVE_SSE : 0);
}

/* ---- saving ---- */

static bool save_legacy(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t which, bool mxcsr)
{
    uint8_t image[XSAVE_LEGACY];

    legacy_save_x87(cpu, i->flags & INSN_REXW, image);
    legacy_save_mxcsr(cpu, image + LEGACY_MXCSR);
    legacy_save_xmm(cpu, image + LEGACY_XMM);
    if ((which & XSAVE_X87) &&
        (!mem_store_block(cpu, i, lin, image, LEGACY_MXCSR) ||
         !mem_store_area(cpu, i, lin + LEGACY_ST, image + LEGACY_ST, LEGACY_XMM - LEGACY_ST)))
        return false;
    if (mxcsr && !mem_store_block(cpu, i, lin + LEGACY_MXCSR, image + LEGACY_MXCSR, 8))
        return false;
    return !(which & XSAVE_SSE) ||
           mem_store_area(cpu, i, lin + LEGACY_XMM, image + LEGACY_XMM, legacy_xmm_bytes(cpu));
}

/* Bytes that registers of other modes own are not written. */
static unsigned save_bytes(const struct cpu *cpu, unsigned n)
{
    unsigned size = xsave_components[n].size;
    bool narrow = (cpu->mode & MODE_DECODE) != DECODE_64;

    if (narrow && n == 7)
        return 0;
    return narrow && (n == 2 || n == 6) ? size / 2 : size;
}

static bool save_extended(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t which, uint64_t map)
{
    const struct layout l = layout_of(cpu, map);
    uint8_t image[1024];

    for (unsigned n = 2; n < XSAVE_COMPONENTS; n++) {
        if (!component_wanted(which, n))
            continue;
        xsave_components[n].save(cpu, image);
        if (!mem_store_area(cpu, i, lin + l.at[n], image, save_bytes(cpu, n)))
            return false;
    }
    return true;
}

/* All that will be stored is known to be writable before the first byte is: the area's end, then the legacy region as far as
 * it takes part, then the rest. */
static bool probe_area(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t which, bool mxcsr, unsigned bytes)
{
    if (!mem_canonical(cpu, i, lin, bytes) || !mem_probe_last(cpu, i, bytes, ACCESS_WRITE) ||
        ((which & XSAVE_X87) && !mem_probe_write(cpu, i, lin, LEGACY_XMM)) ||
        (mxcsr && !mem_probe_write(cpu, i, lin + LEGACY_MXCSR, 8)) ||
        ((which & XSAVE_SSE) && !mem_probe_write(cpu, i, lin + LEGACY_XMM, legacy_xmm_bytes(cpu))))
        return false;
    return mem_probe_write(cpu, i, lin + HEADER, bytes - HEADER);
}

/* Standard form: XSAVE saves all it is asked for, XSAVEOPT (optimise) only what is in use; both update XSTATE_BV alone. */
static bool save_standard(struct cpu *cpu, const struct insn *i, bool optimise)
{
    uint64_t rfbm = requested(cpu, false), used = state_in_use(cpu), bv;
    gva_t lin;

    if (!begin(cpu, i, false, &lin) ||
        !probe_area(cpu, i, lin, optimise ? rfbm & used : rfbm, rfbm & (XSAVE_SSE | XSAVE_AVX), area_bytes(cpu, rfbm, 0)) ||
        !mem_load(cpu, i, lin + HEADER, 8, &bv))
        return false;
    bv = (bv & ~rfbm) | (rfbm & used);
    return save_legacy(cpu, i, lin, optimise ? rfbm & used : rfbm, rfbm & (XSAVE_SSE | XSAVE_AVX)) &&
           save_extended(cpu, i, lin, optimise ? rfbm & used : rfbm, 0) && mem_store(cpu, i, lin + HEADER, 8, bv);
}

/* Compacted form: only what is in use; XSTATE_BV and XCOMP_BV both written. */
static bool save_compacted(struct cpu *cpu, const struct insn *i, bool supervisor)
{
    uint64_t rfbm = requested(cpu, supervisor), which = rfbm & state_in_use(cpu), map = rfbm | COMPACTED;
    gva_t lin;

    return begin(cpu, i, supervisor, &lin) &&
           probe_area(cpu, i, lin, which, which & XSAVE_SSE, area_bytes(cpu, rfbm, map)) &&
           save_legacy(cpu, i, lin, which, which & XSAVE_SSE) && save_extended(cpu, i, lin, which, map) &&
           mem_store(cpu, i, lin + HEADER, 8, which) && mem_store(cpu, i, lin + HEADER + 8, 8, map);
}

EXEC(XSAVE)
{
    if (!save_standard(cpu, i, false))
        FAULT();
    NEXT();
}

EXEC(XSAVEOPT)
{
    if (!save_standard(cpu, i, true))
        FAULT();
    NEXT();
}

EXEC(XSAVEC)
{
    if (!save_compacted(cpu, i, false))
        FAULT();
    NEXT();
}

EXEC(XSAVES)
{
    if (!save_compacted(cpu, i, true))
        FAULT();
    NEXT();
}

/* ---- restoring ---- */

static bool all_zero(const uint8_t *bytes, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (bytes[k])
            return false;
    return true;
}

/* SDM 1 "Operation of XRSTOR", the conditions for #GP. `enabled`: XCR0, for XRSTORS with IA32_XSS. */
static bool header_valid(const struct cpu *cpu, const uint8_t *header, uint64_t enabled, bool supervisor)
{
    uint64_t bv = load64(header), map = load64(header + 8);

    if (!(map & COMPACTED))
        return !supervisor && !(bv & ~enabled) && all_zero(header + 8, 16);
    if (!supervisor && !cpu_has(cpu, F_XSAVEC))
        return false;
    return !(map & ~(enabled | COMPACTED)) && !(bv & ~(map ^ COMPACTED)) && all_zero(header + 16, 48);
}

struct restore {
    uint64_t load, init, map;   /* components from memory, components to initialise, XCOMP_BV */
    bool mxcsr;                 /* MXCSR comes from memory */
    struct layout layout;
    uint8_t image[IMAGE_MAX];
};

/* Everything is read and checked before any register changes. */
static bool restore_read(struct cpu *cpu, const struct insn *i, gva_t lin, struct restore *r)
{
    if (((r->load & (XSAVE_X87 | XSAVE_SSE)) || r->mxcsr) &&
        !mem_load_area(cpu, i, lin, r->image, LEGACY_XMM + legacy_xmm_bytes(cpu)))
        return false;
    if (r->mxcsr && (load32(r->image + LEGACY_MXCSR) & ~MXCSR_VALID))
        return fault_gp(cpu, 0);
    r->layout = layout_of(cpu, r->map);
    for (unsigned n = 2; n < XSAVE_COMPONENTS; n++) {
        unsigned at = r->layout.at[n];

        if (!component_wanted(r->load, n))
            continue;
        if (!ea_piece(cpu, i, at, xsave_components[n].size, ACCESS_READ, &lin) ||
            !mem_load_area(cpu, i, lin, r->image + at, xsave_components[n].size))
            return false;
        if (xsave_components[n].valid != NULL && !xsave_components[n].valid(cpu, r->image + at))
            return fault_gp(cpu, 0);
    }
    return true;
}

static void restore_apply(struct cpu *cpu, const struct insn *i, const struct restore *r)
{
    for (unsigned n = 0; n < XSAVE_COMPONENTS; n++)
        if (component_wanted(r->init, n))
            xsave_components[n].init(cpu);
    if (r->init & XSAVE_X87)
        for (unsigned st = 0; st < 8; st++)
            cpu->s.fpr_mant[st] = 0, cpu->s.fpr_se[st] = 0;
    if (r->load & XSAVE_X87)
        legacy_load_x87(cpu, i->flags & INSN_REXW, r->image);
    if (r->load & XSAVE_SSE)
        legacy_load_xmm(cpu, r->image + LEGACY_XMM);
    if (r->mxcsr)
        cpu->s.mxcsr = load32(r->image + LEGACY_MXCSR);
    else if ((r->map & COMPACTED) && (r->init & XSAVE_SSE))
        cpu->s.mxcsr = MXCSR_INIT;
    for (unsigned n = 2; n < XSAVE_COMPONENTS; n++)
        if (component_wanted(r->load, n))
            xsave_components[n].load(cpu, r->image + r->layout.at[n]);
}

static bool restore(struct cpu *cpu, const struct insn *i, bool supervisor)
{
    uint64_t rfbm = requested(cpu, supervisor), bv;
    uint8_t header[XSAVE_HEADER];
    struct restore r;
    gva_t lin;

    if (!begin(cpu, i, supervisor, &lin) || !ea_linear(cpu, i, XSAVE_LEGACY + XSAVE_HEADER, ACCESS_READ, &lin) ||
        !mem_load(cpu, i, lin + HEADER + 8, 8, &bv) ||
        !mem_load_area(cpu, i, lin + HEADER, header, XSAVE_HEADER))
        return false;
    if (!header_valid(cpu, header, cpu->s.xcr0 | (supervisor ? cpu->p.xss : 0), supervisor))
        return fault_gp(cpu, 0);
    bv = load64(header);
    r.map = load64(header + 8);
    r.load = rfbm & bv;
    r.init = rfbm & ~bv;
    /* standard form: MXCSR belongs to SSE and AVX alike and ignores XSTATE_BV; compacted: it is part of SSE */
    r.mxcsr = r.map & COMPACTED ? r.load & XSAVE_SSE : rfbm & (XSAVE_SSE | XSAVE_AVX);
    if (!restore_read(cpu, i, lin, &r))
        return false;
    restore_apply(cpu, i, &r);
    return true;
}

EXEC(XRSTOR)
{
    if (!restore(cpu, i, false))
        FAULT();
    NEXT();
}

EXEC(XRSTORS)
{
    if (!restore(cpu, i, true))
        FAULT();
    NEXT();
}
