/* SPDX-License-Identifier: MIT
 * FXSAVE and the XSAVE family: layouts, headers, what is written and what is left, and every reason to refuse. */
#include "tests/check.h"

#include <string.h>

#include "cpu/fpu.h"
#include "cpu/xsave.h"
#include "tests/cpu/fixture.h"

#define AREA    FIXTURE_DATA
#define HEADER  (AREA + 512)
#define COMPACT (1ull << 63)

static struct fixture f;

static void set_mask(uint64_t mask)
{
    f.cpu->s.gpr[RAX] = (uint32_t)mask;
    f.cpu->s.gpr[RDX] = mask >> 32;
}

/* A state in which every register differs from its neighbours and from its initial value. */
static void fill(void)
{
    struct cpu_shared *s = &f.cpu->s;

    s->fcw = 0x0c7f;
    s->fsw = 0x3000 | FSW_C1;
    s->ftag = 0xa5;
    s->fop = 0x1de;
    s->fpu_ip = 0x123456789abcdef0;
    s->fpu_dp = 0x0fedcba987654321;
    s->fpu_cs = 0x33;
    s->fpu_ds = 0x2b;
    s->mxcsr = 0x7fa0;
    s->pkru = 0x55555554;
    for (unsigned n = 0; n < 8; n++) {
        s->fpr_mant[n] = 0x8000000000000000 + n;
        s->fpr_se[n] = (uint16_t)(0x4000 + n);
    }
    for (unsigned n = 0; n < 16; n++)
        s->zmm[8 * n] = 0x1111111111111111 * (uint64_t)n + 1, s->zmm[8 * n + 1] = ~s->zmm[8 * n];
}

static void fill_area(uint8_t byte)
{
    uint8_t bytes[4096];

    memset(bytes, byte, sizeof bytes);
    fixture_put(&f, AREA, bytes, sizeof bytes);
}

static int open_it(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->p.cr4 |= CR4_OSXSAVE;
    f.cpu->s.xcr0 = XSAVE_X87 | XSAVE_SSE | (xsave_supported(f.cpu, false) & XSAVE_PKRU);
    f.cpu->s.gpr[RDI] = AREA;
    set_mask(~0ull);
    fill();
    fill_area(0xcc);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* ModRM of [RDI] with /n. */
static int run(uint8_t opcode, unsigned n, bool wide)
{
    const uint8_t code[] = { wide ? 0x48 : 0x40, 0x0f, opcode, (uint8_t)(n << 3 | 7), 0xf4 };

    fixture_code(&f, code, sizeof code);
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    return fixture_run(&f, 10);
}

static int fxsave(bool wide) { return run(0xae, 0, wide); }
static int fxrstor(bool wide) { return run(0xae, 1, wide); }
static int xsave(void) { return run(0xae, 4, true); }
static int xrstor(void) { return run(0xae, 5, true); }
static int xsaveopt(void) { return run(0xae, 6, true); }
static int xrstors(void) { return run(0xc7, 3, true); }
static int xsavec(void) { return run(0xc7, 4, true); }
static int xsaves(void) { return run(0xc7, 5, true); }

static uint64_t at(unsigned offset, unsigned bytes) { return fixture_read(&f, AREA + offset, bytes); }
static void put_header(uint64_t bv, uint64_t map)
{
    uint64_t header[8] = { bv, map };

    fixture_put(&f, HEADER, header, sizeof header);
}

/* SDM 2A "FXSAVE": the 64-bit layout; bytes 416-511 are the program's. */
static void fxsave64_layout(void **state)
{
    (void)state;
    assert_int_equal(fxsave(true), -1);
    assert_int_equal(at(0, 2), 0x0c7f);
    assert_int_equal(at(2, 2), 0x3200);
    assert_int_equal(at(4, 1), 0xa5);
    assert_int_equal(at(6, 2), 0x1de);
    assert_int_equal(at(8, 8), 0x123456789abcdef0);
    assert_int_equal(at(16, 8), 0x0fedcba987654321);
    assert_int_equal(at(24, 4), 0x7fa0);
    assert_int_equal(at(28, 4), 0xffff);
    for (unsigned st = 0; st < 8; st++) {       /* by distance from TOP, which is 6 */
        assert_int_equal(at(32 + 16 * st, 8), 0x8000000000000000 + ((st + 6) & 7));
        assert_int_equal(at(40 + 16 * st, 2), 0x4000 + ((st + 6) & 7));
    }
    for (unsigned n = 0; n < 16; n++)
        assert_int_equal(at(160 + 16 * n, 8), f.cpu->s.zmm[8 * n]);
    for (unsigned n = 416; n < 512; n += 8)
        assert_int_equal(at(n, 8), 0xcccccccccccccccc);
}

static void fxsave_without_rexw_keeps_selectors(void **state)
{
    (void)state;
    assert_int_equal(fxsave(false), -1);
    assert_int_equal(at(8, 8), 0x339abcdef0);
    assert_int_equal(at(16, 8), 0x2b87654321);
}

static void fxrstor_brings_everything_back(void **state)
{
    struct cpu_shared before;

    (void)state;
    assert_int_equal(fxsave(true), -1);
    before = f.cpu->s;
    memset(f.cpu->s.zmm, 0, sizeof f.cpu->s.zmm);
    memset(f.cpu->s.fpr_mant, 0, sizeof f.cpu->s.fpr_mant);
    f.cpu->s.fsw = f.cpu->s.fcw = f.cpu->s.ftag = 0;
    f.cpu->s.mxcsr = MXCSR_INIT;
    assert_int_equal(fxrstor(true), -1);
    assert_memory_equal(f.cpu->s.zmm, before.zmm, sizeof before.zmm);
    assert_memory_equal(f.cpu->s.fpr_mant, before.fpr_mant, sizeof before.fpr_mant);
    assert_int_equal(f.cpu->s.fsw, before.fsw);
    assert_int_equal(f.cpu->s.fcw, before.fcw);
    assert_int_equal(f.cpu->s.ftag, before.ftag);
    assert_int_equal(f.cpu->s.mxcsr, before.mxcsr);
}

/* A reserved MXCSR bit is #GP, and nothing was loaded. */
static void fxrstor_refuses_reserved_mxcsr(void **state)
{
    uint32_t bad = 0x10000;

    (void)state;
    fixture_put(&f, AREA + 24, &bad, 4);
    assert_int_equal(fxrstor(true), VEC_GP);
    assert_int_equal(f.cpu->s.fcw, 0x0c7f);
    assert_int_equal(f.cpu->s.zmm[0], 1);
}

static void misaligned_areas_are_refused(void **state)
{
    (void)state;
    f.cpu->s.gpr[RDI] = AREA + 8;
    assert_int_equal(fxsave(true), VEC_GP);
    assert_int_equal(fxrstor(true), VEC_GP);
    f.cpu->s.gpr[RDI] = AREA + 16;
    assert_int_equal(fxsave(true), -1);
    assert_int_equal(xsave(), VEC_GP);
    assert_int_equal(xrstor(), VEC_GP);
    assert_int_equal(xsavec(), VEC_GP);
}

/* SDM 1 "Operation of XSAVE": bits of XSTATE_BV outside the request stay, the rest of the header is not written. */
static void xsave_updates_only_what_is_asked(void **state)
{
    (void)state;
    put_header(~0ull, 0);
    set_mask(XSAVE_SSE);
    assert_int_equal(xsave(), -1);
    assert_int_equal(at(512, 8), ~0ull);
    assert_int_equal(at(520, 8), 0);
    assert_int_equal(at(0, 8), 0xcccccccccccccccc);     /* no x87 */
    assert_int_equal(at(24, 8), 0xffff00007fa0);        /* MXCSR goes with SSE */
    assert_int_equal(at(160, 8), 1);
    set_mask(XSAVE_X87);
    fill_area(0xcc);
    put_header(0, 0);
    assert_int_equal(xsave(), -1);
    assert_int_equal(at(512, 8), XSAVE_X87);
    assert_int_equal(at(24, 8), 0xcccccccccccccccc);
    assert_int_equal(at(160, 8), 0xcccccccccccccccc);
}

/* A component in its initial configuration is marked so, and XSAVEOPT does not write it. */
static void initial_components_are_marked(void **state)
{
    (void)state;
    memset(f.cpu->s.zmm, 0, sizeof f.cpu->s.zmm);
    f.cpu->s.mxcsr = MXCSR_INIT;
    put_header(0, 0);
    set_mask(XSAVE_X87 | XSAVE_SSE);
    assert_int_equal(xsaveopt(), -1);
    assert_int_equal(at(512, 8), XSAVE_X87);
    assert_int_equal(at(160, 8), 0xcccccccccccccccc);
    assert_int_equal(at(24, 4), MXCSR_INIT);
    f.cpu->s.mxcsr = 0x1f81;                            /* MXCSR alone keeps SSE in use */
    assert_int_equal(xsaveopt(), -1);
    assert_int_equal(at(512, 8), XSAVE_X87 | XSAVE_SSE);
}

/* SDM 1 "Operation of XSAVEC": both maps written, components not in use skipped, their place kept. */
static void xsavec_compacts(void **state)
{
    (void)state;
    if (!(f.cpu->s.xcr0 & XSAVE_PKRU))
        skip();
    assert_int_equal(xsavec(), -1);
    assert_int_equal(at(512, 8), f.cpu->s.xcr0);
    assert_int_equal(at(520, 8), f.cpu->s.xcr0 | COMPACT);
    assert_int_equal(at(528, 8), 0xcccccccccccccccc);   /* the rest of the header is not written */
    assert_int_equal(at(576, 4), 0x55555554);           /* PKRU follows the header */
    f.cpu->s.pkru = 0;
    fill_area(0xcc);
    assert_int_equal(xsavec(), -1);
    assert_int_equal(at(512, 8), XSAVE_X87 | XSAVE_SSE);
    assert_int_equal(at(520, 8), f.cpu->s.xcr0 | COMPACT);
    assert_int_equal(at(576, 4), 0xcccccccc);
}

static void standard_pkru_lies_where_cpuid_says(void **state)
{
    (void)state;
    if (!(f.cpu->s.xcr0 & XSAVE_PKRU))
        skip();
    put_header(0, 0);
    assert_int_equal(xsave(), -1);
    assert_int_equal(at(xsave_offset(f.cpu, 9), 4), 0x55555554);
    f.cpu->s.pkru = 0;
    assert_int_equal(xrstor(), -1);
    assert_int_equal(f.cpu->s.pkru, 0x55555554);
}

/* SDM 1 "Standard Form of XRSTOR": a clear bit of XSTATE_BV initialises; MXCSR comes from memory all the same. */
static void xrstor_initialises_what_is_absent(void **state)
{
    uint32_t mxcsr = 0x1fa0;

    (void)state;
    put_header(0, 0);
    fixture_put(&f, AREA + 24, &mxcsr, 4);
    assert_int_equal(xrstor(), -1);
    assert_int_equal(f.cpu->s.fcw, FCW_INIT);
    assert_int_equal(f.cpu->s.fsw, 0);
    assert_int_equal(f.cpu->s.ftag, 0);
    assert_int_equal(f.cpu->s.fpr_mant[3], 0);
    assert_int_equal(f.cpu->s.zmm[8 * 15 + 1], 0);
    assert_int_equal(f.cpu->s.pkru, 0);
    assert_int_equal(f.cpu->s.mxcsr, 0x1fa0);
    fill();
    put_header(0, f.cpu->s.xcr0 | COMPACT);             /* compacted: MXCSR is part of SSE */
    assert_int_equal(xrstor(), -1);
    assert_int_equal(f.cpu->s.mxcsr, MXCSR_INIT);
    assert_int_equal(f.cpu->s.zmm[0], 0);
}

static void xrstor_leaves_what_is_not_asked(void **state)
{
    (void)state;
    put_header(0, 0);
    set_mask(XSAVE_X87);
    assert_int_equal(xrstor(), -1);
    assert_int_equal(f.cpu->s.fcw, FCW_INIT);
    assert_int_equal(f.cpu->s.zmm[0], 1);
    assert_int_equal(f.cpu->s.mxcsr, 0x7fa0);
}

static void compacted_images_come_back(void **state)
{
    struct cpu_shared before;

    (void)state;
    assert_int_equal(xsavec(), -1);
    before = f.cpu->s;
    memset(f.cpu->s.zmm, 0xff, sizeof f.cpu->s.zmm);
    x87_init(f.cpu);
    f.cpu->s.mxcsr = MXCSR_INIT;
    f.cpu->s.pkru = 1;
    fixture_put(&f, HEADER + 16, &(uint64_t[6]){ 0 }, 48);
    assert_int_equal(xrstor(), -1);
    for (unsigned n = 0; n < 16; n++)
        assert_int_equal(f.cpu->s.zmm[8 * n], before.zmm[8 * n]);
    assert_int_equal(f.cpu->s.fsw, before.fsw);
    assert_int_equal(f.cpu->s.fpr_mant[7], before.fpr_mant[7]);
    assert_int_equal(f.cpu->s.mxcsr, before.mxcsr);
    assert_int_equal(f.cpu->s.pkru, before.pkru);
}

/* SDM 1 "Operation of XRSTOR", each reason for #GP; and then nothing was loaded. */
static void bad_headers_are_refused(void **state)
{
    static const struct { uint64_t bv, map; unsigned at; } rows[] = {
        { 1ull << 40, 0, 0 },                    /* XSTATE_BV beyond XCR0 */
        { 0, 1, 0 },                             /* XCOMP_BV without bit 63 */
        { 0, 0, 16 },                            /* reserved bytes 16-23 */
        { 0, COMPACT | 1ull << 40, 0 },          /* XCOMP_BV beyond XCR0 */
        { XSAVE_SSE, COMPACT | XSAVE_X87, 0 },   /* XSTATE_BV beyond XCOMP_BV */
        { COMPACT | XSAVE_X87, COMPACT | XSAVE_X87, 0 },    /* bit 63 is no component (seen on Emerald Rapids) */
        { 0, COMPACT, 24 },                      /* compacted: reserved bytes up to 63 */
        { 0, COMPACT, 63 },
    };
    uint8_t one = 1;

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        put_header(rows[n].bv, rows[n].map);
        if (rows[n].at)
            fixture_put(&f, HEADER + rows[n].at, &one, 1);
        assert_int_equal(xrstor(), VEC_GP);
        assert_int_equal(f.cpu->s.fcw, 0x0c7f);
    }
    put_header(0, 0);
    fixture_put(&f, HEADER + 24, &one, 1);              /* standard form: bytes 24-63 are ignored */
    fixture_put(&f, AREA + 24, &(uint32_t){ MXCSR_INIT }, 4);
    assert_int_equal(xrstor(), -1);
    put_header(0, 0);
    assert_int_equal(xrstors(), VEC_GP);                /* XRSTORS knows only the compacted form */
}

static void availability(void **state)
{
    (void)state;
    f.cpu->p.cr4 &= ~(uint64_t)CR4_OSXSAVE;
    assert_int_equal(xsave(), VEC_UD);
    f.cpu->p.cr0 |= CR0_TS;
    assert_int_equal(xsave(), VEC_UD);
    f.cpu->p.cr4 |= CR4_OSXSAVE;
    assert_int_equal(xsave(), VEC_NM);
    assert_int_equal(fxsave(true), VEC_NM);
    f.cpu->p.cr0 = (f.cpu->p.cr0 & ~(uint64_t)CR0_TS) | CR0_EM;
    assert_int_equal(fxsave(true), VEC_NM);
    put_header(0, 0);
    assert_int_equal(xsave(), -1);                      /* CR0.EM does not concern XSAVE */
}

static void supervisor_forms_need_level_0(void **state)
{
    (void)state;
    assert_int_equal(xsaves(), -1);
    fixture_privilege(&f, 3);
    assert_int_equal(xsaves(), VEC_GP);
    assert_int_equal(xrstors(), VEC_GP);
}

/* A fault in the last page of an area leaves memory before it as it was. */
static void a_fault_writes_nothing(void **state)
{
    (void)state;
    fixture_small_pages(&f, AREA);
    fixture_put(&f, fixture_entry_at(&f, AREA + 0x1000, 1), &(uint64_t){ 0 }, 8);
    tlb_flush_all(f.cpu);
    f.cpu->s.gpr[RDI] = AREA + 0x1000 - 128;
    assert_int_equal(fxsave(true), VEC_PF);
    assert_int_equal(at(0x1000 - 128, 8), 0xcccccccccccccccc);
    assert_int_equal(xsavec(), VEC_PF);
    assert_int_equal(at(0x1000 - 128, 8), 0xcccccccccccccccc);
}

/* SDM 1 "CET State": components 11 and 12 hold IA32_U_CET and IA32_PL3_SSP, and IA32_PL0_SSP to IA32_PL2_SSP, compacted
 * only. Neither is aligned, so they follow each other. */
static void set_cet(uint64_t base)
{
    f.cpu->p.u_cet = base ? 5 : 0;
    for (unsigned n = 0; n < 4; n++)
        f.cpu->p.pl_ssp[n] = base ? base + 8 * n : 0;
}

static void cet_states_are_saved_and_restored(void **state)
{
    (void)state;
    assert_true(cpu_write_msr(f.cpu, 0xda0, XSAVE_CET_U | XSAVE_CET_S));
    assert_false(cpu_write_msr(f.cpu, 0xda0, XSAVE_PKRU));
    set_mask(XSAVE_CET_U | XSAVE_CET_S);
    set_cet(0x10000);
    assert_int_equal(xsave(), -1);                      /* they are not XCR0's: nothing of them is written */
    assert_int_equal(at(576, 8), 0xcccccccccccccccc);
    put_header(0, 0);
    assert_int_equal(xsaves(), -1);
    assert_int_equal(fixture_read(&f, HEADER, 8), XSAVE_CET_U | XSAVE_CET_S);
    assert_int_equal(fixture_read(&f, HEADER + 8, 8), COMPACT | XSAVE_CET_U | XSAVE_CET_S);
    assert_int_equal(at(576, 8), 5);
    assert_int_equal(at(584, 8), 0x10018);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(at(592 + 8 * n, 8), 0x10000 + 8 * n);
    set_cet(0x20000);
    assert_int_equal(xrstors(), -1);
    assert_int_equal(f.cpu->p.u_cet, 5);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(f.cpu->p.pl_ssp[n], 0x10000 + 8 * n);
    put_header(XSAVE_CET_U, COMPACT | XSAVE_CET_U | XSAVE_CET_S);
    assert_int_equal(xrstors(), -1);                    /* what is absent from XSTATE_BV becomes zero */
    assert_int_equal(f.cpu->p.pl_ssp[1], 0);
    assert_int_equal(f.cpu->p.pl_ssp[3], 0x10018);
    set_cet(0);
    assert_int_equal(xsaves(), -1);
    assert_int_equal(fixture_read(&f, HEADER, 8), 0);
}

/* XRSTORS loads what WRMSR would, or nothing at all. */
static void cet_states_are_checked(void **state)
{
    static const struct { unsigned at; uint64_t bad; } cases[] = {
        { 576, 0x40 }, { 576, 0xc00 }, { 584, 2 }, { 592, 0x800000000000 }, { 600, 1 }, { 608, 2 },
    };

    (void)state;
    assert_true(cpu_write_msr(f.cpu, 0xda0, XSAVE_CET_U | XSAVE_CET_S));
    set_mask(XSAVE_CET_U | XSAVE_CET_S);
    for (unsigned n = 0; n < COUNT_OF(cases); n++) {
        set_cet(0x10000);
        put_header(0, 0);
        assert_int_equal(xsaves(), -1);
        assert_int_equal(xrstors(), -1);
        fixture_put(&f, AREA + cases[n].at, &cases[n].bad, 8);
        set_cet(0x20000);
        assert_int_equal(xrstors(), VEC_GP);
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(f.cpu->p.pl_ssp[k], 0x20000 + 8 * k);
    }
    assert_true(cpu_write_msr(f.cpu, 0xda0, XSAVE_CET_S));
    put_header(XSAVE_CET_U, COMPACT | XSAVE_CET_U);
    assert_int_equal(xrstors(), VEC_GP);                /* not enabled in IA32_XSS */
    put_header(0, 0);
    assert_int_equal(xrstor(), -1);
}

/* ---- AVX-512 state: opmasks, upper halves of ZMM0-15, all of ZMM16-31 ---- */

#define AVX512_STATE    (XSAVE_OPMASK | XSAVE_ZMM_HI256 | XSAVE_HI16_ZMM)

static void with_avx512(void)
{
    static const uint8_t features[] = { F_AVX, F_AVX2, F_AVX512F };

    for (unsigned n = 0; n < sizeof features; n++)
        f.cpu->config.features[features[n] / 64] |= BIT64(features[n] % 64);
    f.cpu->s.xcr0 |= XSAVE_AVX | AVX512_STATE;
    cpu_mode_changed(f.cpu);
    for (unsigned n = 0; n < 256; n++)
        f.cpu->s.zmm[n] = 0x0101010101010101ull * n ^ 0x8000000000000001ull;
    for (unsigned n = 0; n < 8; n++)
        f.cpu->s.k[n] = ~(uint64_t)n;
}

/* SDM 1 "AVX-512 State", at the offsets of Intel's processors; and back. */
static void avx512_state_lies_where_processors_put_it(void **state)
{
    uint64_t zmm[256], k[8];

    (void)state;
    with_avx512();
    memcpy(zmm, f.cpu->s.zmm, sizeof zmm);
    memcpy(k, f.cpu->s.k, sizeof k);
    put_header(0, 0);
    assert_int_equal(xsave(), -1);
    assert_int_equal(at(512, 8), f.cpu->s.xcr0);
    for (unsigned n = 0; n < 8; n++)
        assert_int_equal(at(1088 + 8 * n, 8), k[n]);
    for (unsigned n = 0; n < 64; n++)
        assert_int_equal(at(1152 + 8 * n, 8), zmm[8 * (n / 4) + 4 + n % 4]);
    for (unsigned n = 0; n < 128; n++)
        assert_int_equal(at(1664 + 8 * n, 8), zmm[128 + n]);
    memset(f.cpu->s.zmm, 0, sizeof zmm);
    memset(f.cpu->s.k, 0, sizeof k);
    assert_int_equal(xrstor(), -1);
    assert_memory_equal(f.cpu->s.zmm, zmm, sizeof zmm);
    assert_memory_equal(f.cpu->s.k, k, sizeof k);
}

/* FXSAVE knows XMM registers alone, and XRSTOR of one component leaves the others of a register. */
static void avx512_components_are_apart(void **state)
{
    static const struct { uint64_t mask; unsigned low, high; } parts[] = {
        { XSAVE_OPMASK, 0, 0 }, { XSAVE_ZMM_HI256, 4, 8 }, { XSAVE_HI16_ZMM, 128, 256 },
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(parts); n++) {
        with_avx512();
        put_header(0, 0);
        set_mask(parts[n].mask);
        assert_int_equal(xrstor(), -1);         /* all of it to its initial configuration */
        for (unsigned q = 0; q < 256; q++) {
            const bool part = parts[n].high == 8 ? q < 128 && q % 8 >= 4 : q >= parts[n].low && q < parts[n].high;

            assert_int_equal(f.cpu->s.zmm[q] == 0, part);
        }
        assert_int_equal(f.cpu->s.k[0] == 0, parts[n].mask == XSAVE_OPMASK);
    }
    with_avx512();
    memset(f.cpu->s.zmm, 0x77, sizeof f.cpu->s.zmm);
    assert_int_equal(fxsave(true), -1);
    with_avx512();
    assert_int_equal(fxrstor(true), -1);
    assert_int_equal(f.cpu->s.zmm[1], 0x7777777777777777);
    assert_int_equal(f.cpu->s.zmm[2], 0x0202020202020202ull ^ 0x8000000000000001ull);
}

/* Each part is in use by its own registers: XSAVEOPT writes it then, and XGETBV of 1 says so. */
static void avx512_parts_are_in_use_one_by_one(void **state)
{
    static const struct { uint64_t mask; unsigned at; } rows[] = {
        { XSAVE_AVX, 8 * 3 + 2 }, { XSAVE_ZMM_HI256, 8 * 15 + 7 }, { XSAVE_HI16_ZMM, 8 * 16 }, { XSAVE_OPMASK, 0 },
    };

    (void)state;
    with_avx512();
    set_mask(XSAVE_AVX | AVX512_STATE);
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        memset(f.cpu->s.zmm, 0, sizeof f.cpu->s.zmm);
        memset(f.cpu->s.k, 0, sizeof f.cpu->s.k);
        if (rows[n].mask == XSAVE_OPMASK)
            f.cpu->s.k[7] = 1;
        else
            f.cpu->s.zmm[rows[n].at] = 1;
        put_header(0, 0);
        assert_int_equal(xsaveopt(), -1);
        assert_int_equal(at(512, 8), rows[n].mask);
    }
}

/* SDM 1 "XCR0": the three parts come together, and with AVX. */
static void avx512_bits_of_xcr0_come_together(void **state)
{
    static const struct { uint64_t xcr0; bool ok; } rows[] = {
        { 0x07, true }, { 0xe7, true }, { 0x27, false }, { 0xc7, false }, { 0x67, false }, { 0xe3, false }, { 0xe1, false },
        { 0xe6, false }, { 0x03, true },
    };
    uint64_t before;

    (void)state;
    with_avx512();
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        const uint8_t xsetbv[] = { 0x0f, 0x01, 0xd1, 0xf4 };

        before = f.cpu->s.xcr0;
        set_mask(rows[n].xcr0);
        f.cpu->s.gpr[RCX] = 0;
        fixture_code(&f, xsetbv, sizeof xsetbv);
        f.cpu->p.rip = FIXTURE_CODE;
        f.cpu->p.activity = CPU_RUNNING;
        assert_int_equal(fixture_run(&f, 10), rows[n].ok ? -1 : VEC_GP);
        assert_int_equal(f.cpu->s.xcr0, rows[n].ok ? rows[n].xcr0 : before);
    }
}

/* EVEX and opmask instructions want all of it, also forms of 128 bits. */
static void avx512_needs_all_its_bits_of_xcr0(void **state)
{
    static const uint8_t vpaddd[] = { 0x62, 0xf1, 0x7d, 0x08, 0xfe, 0xc1, 0xf4 }, kandw[] = { 0xc5, 0xfc, 0x41, 0xc9, 0xf4 };

    (void)state;
    with_avx512();
    f.cpu->config.features[F_AVX512VL / 64] |= BIT64(F_AVX512VL % 64);
    for (unsigned off = 0; off < 8; off++) {
        f.cpu->s.xcr0 = 0xe7 & ~(off ? BIT64(off) : 0);
        cpu_mode_changed(f.cpu);
        for (unsigned n = 0; n < 2; n++) {
            fixture_code(&f, n ? kandw : vpaddd, n ? sizeof kandw : sizeof vpaddd);
            f.cpu->p.rip = FIXTURE_CODE;
            f.cpu->p.activity = CPU_RUNNING;
            assert_int_equal(fixture_run(&f, 10), off && (0xe7 >> off & 1) ? VEC_UD : -1);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fxsave64_layout), TEST(fxsave_without_rexw_keeps_selectors), TEST(fxrstor_brings_everything_back),
        TEST(fxrstor_refuses_reserved_mxcsr), TEST(misaligned_areas_are_refused), TEST(xsave_updates_only_what_is_asked),
        TEST(initial_components_are_marked), TEST(xsavec_compacts), TEST(standard_pkru_lies_where_cpuid_says),
        TEST(xrstor_initialises_what_is_absent), TEST(xrstor_leaves_what_is_not_asked), TEST(compacted_images_come_back),
        TEST(bad_headers_are_refused), TEST(availability), TEST(supervisor_forms_need_level_0), TEST(a_fault_writes_nothing),
        TEST(cet_states_are_saved_and_restored), TEST(cet_states_are_checked),
        TEST(avx512_state_lies_where_processors_put_it), TEST(avx512_components_are_apart),
        TEST(avx512_parts_are_in_use_one_by_one), TEST(avx512_bits_of_xcr0_come_together),
        TEST(avx512_needs_all_its_bits_of_xcr0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
