/* SPDX-License-Identifier: MIT
 * FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, and the legacy area they share with XSAVE (SDM 2A "FXSAVE", table "Layout of the FXSAVE
 * Area"). */
#include "cpu/exec_xsave.h"
#include "cpu/mem_area.h"
#include "cpu/vec.h"
#include "cpu/xsave.h"

#define EFER_FFXSR 0x4000u      /* APM 2 "Fast FXSAVE/FXRSTOR": CPL 0 in 64-bit mode leaves XMM out */

static unsigned st_physical(const struct cpu *cpu, unsigned st) { return ((cpu->s.fsw >> FSW_TOP_SHIFT) + st) & 7; }

/* APM 2 "FXSAVE and FXRSTOR Instructions": AMD saves and restores the pointers with an exception pending only, zeros else,
 * unless CPUID 80000008h.EBX[2] (RstrFpErrPtrs) says otherwise. */
static bool pointers_count(const struct cpu *cpu)
{
    return cpu_vendor(cpu) == VENDOR_INTEL || cpu_has(cpu, F_XSAVEERPTR) || (cpu->s.fsw & FSW_ES);
}

void legacy_save_x87(const struct cpu *cpu, bool wide, uint8_t *to)
{
    const struct cpu_shared *s = &cpu->s;

    store16(to, s->fcw);
    store16(to + 2, s->fsw);
    store16(to + 4, s->ftag);
    if (pointers_count(cpu)) {
        store16(to + 6, s->fop);
        store64(to + 8, wide ? s->fpu_ip : (uint32_t)s->fpu_ip | (uint64_t)s->fpu_cs << 32);
        store64(to + 16, wide ? s->fpu_dp : (uint32_t)s->fpu_dp | (uint64_t)s->fpu_ds << 32);
    } else {
        memset(to + 6, 0, 18);
    }
    for (unsigned st = 0; st < 8; st++) {
        unsigned r = st_physical(cpu, st);

        store64(to + LEGACY_ST + 16 * st, s->fpr_mant[r]);
        store64(to + LEGACY_ST + 16 * st + 8, s->fpr_se[r]);
    }
}

/* The instruction pointer is kept as wide as linear addresses can be on this processor, and comes back sign-extended; the
 * data pointer has 64 bits (seen on Emerald Rapids). */
static uint64_t linear_extended(const struct cpu *cpu, uint64_t v)
{
    unsigned shift = cpu_has(cpu, F_LA57) ? 7 : 16;

    return (uint64_t)((int64_t)(v << shift) >> shift);
}

void legacy_load_x87(struct cpu *cpu, bool wide, const uint8_t *from)
{
    struct cpu_shared *s = &cpu->s;

    s->fcw = (uint16_t)((load16(from) & 0x1f3f) | 0x40);
    s->fsw = (uint16_t)((load16(from + 2) & ~(FSW_ES | FSW_B)) | (s->fsw & (FSW_ES | FSW_B)));
    s->ftag = load8(from + 4);
    for (unsigned st = 0; st < 8; st++) {
        unsigned r = st_physical(cpu, st);

        s->fpr_mant[r] = load64(from + LEGACY_ST + 16 * st);
        s->fpr_se[r] = load16(from + LEGACY_ST + 16 * st + 8);
    }
    x87_update_es(cpu);
    if (!pointers_count(cpu))
        return;
    s->fop = load16(from + 6) & 0x7ff;
    s->fpu_ip = wide ? linear_extended(cpu, load64(from + 8)) : load32(from + 8);
    s->fpu_dp = wide ? load64(from + 16) : load32(from + 16);
    s->fpu_cs = wide ? 0 : x87_selector(cpu, load16(from + 12));
    s->fpu_ds = wide ? 0 : x87_selector(cpu, load16(from + 20));
}

void legacy_save_mxcsr(const struct cpu *cpu, uint8_t *to)
{
    store32(to, cpu->s.mxcsr);
    store32(to + 4, MXCSR_VALID);
}

unsigned legacy_xmm_bytes(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64 ? 256 : 128;
}

void legacy_save_xmm(const struct cpu *cpu, uint8_t *to)
{
    for (unsigned n = 0; n < legacy_xmm_bytes(cpu) / 16; n++)
        memcpy(to + 16 * n, &cpu->s.zmm[8 * n], 16);
}

void legacy_load_xmm(struct cpu *cpu, const uint8_t *from)
{
    for (unsigned n = 0; n < legacy_xmm_bytes(cpu) / 16; n++)
        memcpy(&cpu->s.zmm[8 * n], from + 16 * n, 16);
}

bool x87_in_use(const struct cpu *cpu)
{
    const struct cpu_shared *s = &cpu->s;

    if (s->fcw != FCW_INIT || s->fsw || s->ftag || s->fop || s->fpu_ip || s->fpu_dp || s->fpu_cs || s->fpu_ds)
        return true;
    for (unsigned r = 0; r < 8; r++)
        if (s->fpr_mant[r] || s->fpr_se[r])
            return true;
    return false;
}

void sse_init(struct cpu *cpu)
{
    static const uint8_t zero[256];

    legacy_load_xmm(cpu, zero);
}

bool sse_in_use(const struct cpu *cpu)
{
    for (unsigned n = 0; n < legacy_xmm_bytes(cpu) / 16; n++)
        if (cpu->s.zmm[8 * n] | cpu->s.zmm[8 * n + 1])
            return true;
    return false;
}

/* Shared start of FXSAVE and FXRSTOR: availability, then a 16-byte aligned area, in the order of exec_xsave.c. */
static bool area(struct cpu *cpu, const struct insn *i, unsigned access, gva_t *lin)
{
    if (cpu->p.cr0 & (CR0_EM | CR0_TS))
        return fault_raise(cpu, VEC_NM);
    if (!ea_linear(cpu, i, 4, ACCESS_READ, lin) || !mem_canonical(cpu, i, *lin, 1) || !mem_aligned(cpu, i, *lin, 4))
        return false;
    if (*lin & 15)
        return fault_gp(cpu, 0);
    return mem_canonical(cpu, i, *lin, XSAVE_LEGACY) && mem_probe_last(cpu, i, XSAVE_LEGACY, access);
}

static bool skips_xmm(const struct cpu *cpu)
{
    return (cpu->p.efer & EFER_FFXSR) && cpu->p.cpl == 0 && (cpu->mode & MODE_DECODE) == DECODE_64;
}

/* Bytes 416-511 stay as they are, and XMM8-15 outside 64-bit mode. */
EXEC(FXSAVE)
{
    uint8_t image[XSAVE_LEGACY];
    unsigned bytes = LEGACY_XMM;
    gva_t lin;

    if (!area(cpu, i, ACCESS_WRITE, &lin))
        FAULT();
    legacy_save_x87(cpu, i->flags & INSN_REXW, image);
    legacy_save_mxcsr(cpu, image + LEGACY_MXCSR);
    if (!skips_xmm(cpu)) {
        legacy_save_xmm(cpu, image + LEGACY_XMM);
        bytes += legacy_xmm_bytes(cpu);
    }
    if (!mem_store_area(cpu, i, lin, image, bytes))
        FAULT();
    NEXT();
}

EXEC(FXRSTOR)
{
    uint8_t image[XSAVE_LEGACY];
    gva_t lin;

    if (!area(cpu, i, ACCESS_READ, &lin) || !mem_load_area(cpu, i, lin, image, LEGACY_XMM + legacy_xmm_bytes(cpu)))
        FAULT();
    if (load32(image + LEGACY_MXCSR) & ~MXCSR_VALID)
        RAISE_GP(0);
    legacy_load_x87(cpu, i->flags & INSN_REXW, image);
    cpu->s.mxcsr = load32(image + LEGACY_MXCSR);
    if (!skips_xmm(cpu))
        legacy_load_xmm(cpu, image + LEGACY_XMM);
    NEXT();
}

EXEC(LDMXCSR)
{
    uint64_t v;

    if (!vec_check(cpu, i) || !ea_load(cpu, i, 4, &v))
        FAULT();
    if (v & ~(uint64_t)MXCSR_VALID)
        RAISE_GP(0);
    cpu->s.mxcsr = (uint32_t)v;
    NEXT();
}

EXEC(STMXCSR)
{
    if (!vec_check(cpu, i) || !ea_store(cpu, i, 4, cpu->s.mxcsr))
        FAULT();
    NEXT();
}
