/* SPDX-License-Identifier: MIT
 * AVX-512's floating point by the manual's words, for hosts that have none to compare with (test_vec.c does): masks, embedded
 * rounding, SAE, results in opmasks, and the tables of the new operations. Through the run loop. */
#include <string.h>

#include "cpu/fp.h"
#include "cpu/fpu.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

enum { PP_NONE, PP_66, PP_F3, PP_F2 };
enum { L128, L256, L512 };

/* An instruction on zmm0 (or k3), zmm1, zmm2, or with memory [rsi] in place of zmm2. */
struct form {
    uint8_t map, pp, w, opcode;
    bool    unary, to_mask;     /* no first source; ModRM.reg is k3 */
    int     imm;                /* -1: none */
};
struct how { uint8_t l, mask; bool z, b, memory; };

static const struct form vaddps = { 1, PP_NONE, 0, 0x58, false, false, -1 }, vaddss = { 1, PP_F3, 0, 0x58, false, false, -1 },
    vdivps = { 1, PP_NONE, 0, 0x5e, false, false, -1 }, vcvttps2dq = { 1, PP_F3, 0, 0x5b, true, false, -1 },
    vcvtps2udq = { 1, PP_NONE, 0, 0x79, true, false, -1 }, vcvtpd2uqq = { 1, PP_66, 1, 0x79, true, false, -1 },
    vcvtpd2ps = { 1, PP_66, 1, 0x5a, true, false, -1 }, vfmadd231ps = { 2, PP_66, 0, 0xb8, false, false, -1 },
    vdpbf16ps = { 2, PP_F3, 0, 0x52, false, false, -1 };

static int run(const struct form *form, struct how how, unsigned imm)
{
    const uint8_t vvvv = form->unary ? 0x78 : 0x70;
    uint8_t code[16] = {
        0x62, 0xf0 | form->map, (uint8_t)(form->w << 7 | vvvv | 4 | form->pp),
        (uint8_t)(how.z << 7 | how.l << 5 | how.b << 4 | 8 | how.mask), form->opcode,
        (uint8_t)((form->to_mask ? 3 << 3 : 0) | (how.memory ? 6 : 0xc2))
    };
    size_t len = 6;

    if (form->imm >= 0)
        code[len++] = (uint8_t)imm;
    code[len++] = 0xf4;
    fixture_code(f, code, len);
    f->cpu->p.rip = FIXTURE_CODE;
    f->cpu->p.activity = CPU_RUNNING;
    return fixture_run(f, 100);
}

static uint32_t *singles(unsigned n) { return (uint32_t *)&f->cpu->s.zmm[8 * n]; }
static uint64_t *doubles(unsigned n) { return &f->cpu->s.zmm[8 * n]; }

static void fill(unsigned n, uint32_t v)
{
    for (unsigned k = 0; k < 16; k++)
        singles(n)[k] = v;
}

#define ONE32   0x3f800000u
#define TWO32   0x40000000u
#define QNAN32  0x7fc00000u
#define SNAN32  0x7fa00000u
#define INF32   0x7f800000u
#define SIGN32  0x80000000u

static int setup(void **state)
{
    static const uint8_t features[] = { F_AVX, F_AVX512F, F_AVX512VL, F_AVX512DQ, F_AVX512BW, F_AVX512BF16 };

    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    f->cpu->p.cr4 |= CR4_OSXSAVE | CR4_OSXMMEXCPT;
    f->cpu->s.xcr0 = 0xe7;
    f->cpu->s.mxcsr = 0x1f80;
    for (unsigned n = 0; n < sizeof features; n++)
        f->cpu->config.features[features[n] / 64] |= BIT64(features[n] % 64);
    cpu_mode_changed(f->cpu);
    fill(0, 0x11111111);
    fill(1, ONE32);
    fill(2, TWO32);
    return 0;
}

/* SDM 1 "Opmask Registers": predicated elements neither change nor raise; zeroing clears them. */
static void masked_off_elements_take_no_part(void **state)
{
    (void)state;
    f->cpu->s.mxcsr = 0x1f80 & ~(FP_ZE << 7u);
    singles(2)[5] = 0;
    f->cpu->s.k[1] = 0xffdf;
    assert_int_equal(run(&vdivps, (struct how){ L512, 1, false, false, false }, 0), -1);
    assert_int_equal(singles(0)[0], 0x3f000000);
    assert_int_equal(singles(0)[5], 0x11111111);
    assert_int_equal(run(&vdivps, (struct how){ L512, 1, true, false, false }, 0), -1);
    assert_int_equal(singles(0)[5], 0);
    assert_int_equal(f->cpu->s.mxcsr & FP_ALL, 0);
    f->cpu->s.k[1] = 0x20;
    assert_int_equal(run(&vdivps, (struct how){ L512, 1, false, false, false }, 0), VEC_XM);
    assert_int_equal(singles(0)[0], 0x3f000000);
    assert_int_equal(f->cpu->s.mxcsr & FP_ALL, FP_ZE);
}

/* SDM 2A "Static Rounding Support in EVEX": L'L chooses, whatever MXCSR says, on all of 512 bits. */
static void rounding_is_embedded(void **state)
{
    static const uint32_t sums[4] = { 0x3f800001, ONE32, 0x3f800001, ONE32 };   /* nearest, down, up, zero */

    (void)state;
    fill(2, 0x33c00000);        /* 1.5 * 2^-24 */
    for (unsigned rounding = 0; rounding < 4; rounding++) {
        f->cpu->s.mxcsr = 0x1f80 & ~(FP_PE << 7u);
        assert_int_equal(run(&vaddps, (struct how){ (uint8_t)rounding, 0, false, true, false }, 0), -1);
        assert_int_equal(singles(0)[0], sums[rounding]);
        assert_int_equal(singles(0)[15], sums[rounding]);
        assert_int_equal(f->cpu->s.mxcsr & FP_ALL, 0);
    }
}

static void sae_neither_records_nor_raises(void **state)
{
    (void)state;
    fill(2, QNAN32);
    f->cpu->s.mxcsr = 0;
    assert_int_equal(run(&vcvttps2dq, (struct how){ L128, 0, false, true, false }, 0), -1);
    assert_int_equal(singles(0)[15], 0x80000000);
    assert_int_equal(f->cpu->s.mxcsr, 0);
    assert_int_equal(run(&vcvttps2dq, (struct how){ L128, 0, false, false, false }, 0), VEC_XM);
}

/* SDM 2B "ADDSS": the low element by the mask, the rest from the first source, nothing read when masked off. */
static void scalars_merge_or_zero_the_low_element(void **state)
{
    const struct how merge = { L128, 1, false, false, true }, zero = { L128, 1, true, false, true };

    (void)state;
    f->cpu->s.gpr[RSI] = 0x8000000000000000ull;     /* #GP when looked at */
    f->cpu->s.k[1] = ~1ull;
    assert_int_equal(run(&vaddss, merge, 0), -1);
    assert_int_equal(singles(0)[0], 0x11111111);
    assert_int_equal(singles(0)[1], ONE32);
    assert_int_equal(singles(0)[4], 0);
    assert_int_equal(run(&vaddss, zero, 0), -1);
    assert_int_equal(singles(0)[0], 0);
    f->cpu->s.k[1] = 1;
    assert_int_equal(run(&vaddss, zero, 0), VEC_GP);
}

/* A broadcast element is read once, and not at all for an empty mask. */
static void broadcast_reads_one_element(void **state)
{
    const uint32_t three = 0x40400000;

    (void)state;
    fixture_put(f, FIXTURE_DATA, &three, 4);
    f->cpu->s.gpr[RSI] = FIXTURE_DATA;
    f->cpu->s.k[1] = 0x8001;
    assert_int_equal(run(&vaddps, (struct how){ L512, 1, true, true, true }, 0), -1);
    assert_int_equal(singles(0)[0], 0x40800000);
    assert_int_equal(singles(0)[1], 0);
    assert_int_equal(singles(0)[15], 0x40800000);
    f->cpu->s.gpr[RSI] = 0x8000000000000000ull;
    assert_int_equal(run(&vaddps, (struct how){ L512, 1, true, true, true }, 0), VEC_GP);
    f->cpu->s.k[1] = 0;
    assert_int_equal(run(&vaddps, (struct how){ L512, 1, true, true, true }, 0), -1);
}

/* Of fused operations all three operands are left alone; the destination is one of them. */
static void fused_operations_merge(void **state)
{
    (void)state;
    fill(0, INF32);
    singles(0)[1] = ONE32;
    singles(2)[0] = SIGN32 | INF32;     /* would be invalid */
    f->cpu->s.mxcsr = 0;
    f->cpu->s.k[1] = 2;
    assert_int_equal(run(&vfmadd231ps, (struct how){ L512, 1, false, false, false }, 0), -1);
    assert_int_equal(singles(0)[0], INF32);
    assert_int_equal(singles(0)[1], 0x40400000);
}

/* SDM 2A "CMPPS": bits of elements that take no part are zero, and bits beyond the vector. */
static void comparisons_fill_a_mask(void **state)
{
    static const struct form vcmpps = { 1, PP_NONE, 0, 0xc2, false, true, 0 };
    enum { LT = 1, ORD = 7, TRUE = 15 };

    (void)state;
    singles(2)[1] = 0;
    singles(2)[2] = QNAN32;
    f->cpu->s.k[1] = 0x0e;
    f->cpu->s.k[3] = ~0ull;
    assert_int_equal(run(&vcmpps, (struct how){ L256, 1, false, false, false }, LT), -1);
    assert_int_equal(f->cpu->s.k[3], 0x08);
    assert_int_equal(run(&vcmpps, (struct how){ L256, 0, false, false, false }, LT), -1);
    assert_int_equal(f->cpu->s.k[3], 0xf9);
    assert_int_equal(run(&vcmpps, (struct how){ L512, 0, false, false, false }, ORD), -1);
    assert_int_equal(f->cpu->s.k[3], 0xfffb);
    assert_int_equal(run(&vcmpps, (struct how){ L128, 0, false, false, false }, TRUE), -1);
    assert_int_equal(f->cpu->s.k[3], 0xf);
}

/* SDM 2C "VFPCLASSPS": one element of each class, one bit of imm for each. */
static void classes_fill_a_mask(void **state)
{
    static const struct form vfpclassps = { 3, PP_66, 0, 0x66, true, true, 0 };
    static const uint32_t of[8] = { QNAN32, 0, SIGN32, INF32, SIGN32 | INF32, 1, SIGN32 | ONE32, SNAN32 };

    (void)state;
    memcpy(singles(2), of, sizeof of);
    for (unsigned bit = 0; bit < 8; bit++) {
        assert_int_equal(run(&vfpclassps, (struct how){ L256, 0, false, false, false }, 1u << bit), -1);
        assert_int_equal(f->cpu->s.k[3], 1u << bit);
    }
    assert_int_equal(f->cpu->s.mxcsr, 0x1f80);
    f->cpu->s.mxcsr |= MXCSR_DAZ;
    assert_int_equal(run(&vfpclassps, (struct how){ L256, 0, false, false, false }, 2), -1);
    assert_int_equal(f->cpu->s.k[3], 0x22);
}

/* SDM 2C "VFIXUPIMMPS": response n for every token is the n-th of the table; token 3 is exactly one. */
static void fixups_follow_the_table(void **state)
{
    static const struct form vfixupimmps = { 3, PP_66, 0, 0x54, false, false, 0 };
    static const uint32_t responses[16] = {
        0x11111111, ONE32, ONE32 | QNAN32, 0xffc00000, SIGN32 | INF32, INF32, INF32, SIGN32, 0, SIGN32 | ONE32, ONE32, 0x3f000000,
        0x42b40000, 0x3fc90fdb, 0x7f7fffff, 0xff7fffff
    };

    (void)state;
    for (unsigned n = 0; n < 16; n++)
        singles(2)[n] = n << 12;
    assert_int_equal(run(&vfixupimmps, (struct how){ L512, 0, false, false, false }, 0), -1);
    for (unsigned n = 0; n < 16; n++)
        assert_int_equal(singles(0)[n], responses[n]);
    assert_int_equal(f->cpu->s.mxcsr, 0x1f80);
    assert_int_equal(run(&vfixupimmps, (struct how){ L512, 0, false, false, false }, 0x0c), -1);     /* #ZE and #IE for one */
    assert_int_equal(f->cpu->s.mxcsr, 0x1f80 | FP_ZE | FP_IE);
    f->cpu->s.mxcsr = 0x1f80 & ~(FP_ZE << 7u);
    f->cpu->s.k[1] = 0;         /* elements left out ask for nothing */
    assert_int_equal(run(&vfixupimmps, (struct how){ L512, 1, false, false, false }, 0x0c), -1);
    assert_int_equal(f->cpu->s.mxcsr & FP_ALL, 0);
}

/* SDM 2C "VRANGEPS", "Comparison Result for Opposite-Signed Zero Cases": -0 is less than +0, by either operand. */
static void ranges_tell_zeros_apart(void **state)
{
    static const struct form vrangeps = { 3, PP_66, 0, 0x50, false, false, 0 };
    enum { MIN = 4, MAX = 5 };          /* the sign is the result's own */

    (void)state;
    singles(1)[0] = SIGN32, singles(2)[0] = 0;
    singles(1)[1] = 0, singles(2)[1] = SIGN32;
    singles(1)[2] = QNAN32, singles(2)[2] = TWO32;
    assert_int_equal(run(&vrangeps, (struct how){ L128, 0, false, false, false }, MIN), -1);
    assert_int_equal(singles(0)[0], SIGN32);
    assert_int_equal(singles(0)[1], SIGN32);
    assert_int_equal(singles(0)[2], TWO32);
    assert_int_equal(run(&vrangeps, (struct how){ L128, 0, false, false, false }, MAX), -1);
    assert_int_equal(singles(0)[0], 0);
    assert_int_equal(singles(0)[1], 0);
    assert_int_equal(f->cpu->s.mxcsr, 0x1f80);
}

/* SDM 2C "VCVTPS2UDQ", "VCVTPD2UQQ": what does not fit gives 2^w - 1, and invalid. */
static void unsigned_indefinite_is_all_ones(void **state)
{
    (void)state;
    singles(2)[0] = SIGN32 | ONE32;
    singles(2)[1] = 0x4f7fffff;                 /* 2^32 - 256 */
    singles(2)[2] = SIGN32 | 0x3e800000;        /* -1/4: zero, inexact */
    assert_int_equal(run(&vcvtps2udq, (struct how){ L128, 0, false, false, false }, 0), -1);
    assert_int_equal(singles(0)[0], 0xffffffff);
    assert_int_equal(singles(0)[1], 0xffffff00);
    assert_int_equal(singles(0)[2], 0);
    assert_int_equal(f->cpu->s.mxcsr & FP_ALL, FP_IE | FP_PE);
    doubles(2)[0] = 0x43f0000000000000;         /* 2^64 */
    doubles(2)[1] = 0x43e0000000000000;
    assert_int_equal(run(&vcvtpd2uqq, (struct how){ L128, 0, false, false, false }, 0), -1);
    assert_true(doubles(0)[0] == ~0ull && doubles(0)[1] == 0x8000000000000000ull);
}

/* Eight mask bits for eight doubles; half a register is written, the rest is zero. */
static void narrowing_masks_by_the_larger_elements(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 8; k++)
        doubles(2)[k] = 0x3ff0000000000000;
    f->cpu->s.k[1] = 0x81;
    assert_int_equal(run(&vcvtpd2ps, (struct how){ L512, 1, false, false, false }, 0), -1);
    assert_int_equal(singles(0)[0], ONE32);
    assert_int_equal(singles(0)[1], 0x11111111);
    assert_int_equal(singles(0)[7], ONE32);
    assert_int_equal(singles(0)[8], 0);
}

/* SDM 2C "VCVTPS2PH": only halves that take part are stored. */
static void halves_are_stored_by_the_mask(void **state)
{
    static const struct form vcvtps2ph = { 3, PP_66, 0, 0x1d, true, false, 0 };

    (void)state;
    fixture_put(f, FIXTURE_DATA, "abcdefgh", 8);
    f->cpu->s.gpr[RSI] = FIXTURE_DATA;
    fill(0, ONE32);
    f->cpu->s.k[1] = 0x0a;
    assert_int_equal(run(&vcvtps2ph, (struct how){ L128, 1, false, false, true }, 0), -1);
    assert_true(fixture_read(f, FIXTURE_DATA, 8) == 0x3c0066653c006261ull);
}

/* SDM 2C "VDPBF16PS": pairs of products added to the destination, MXCSR neither asked nor told. */
static void dot_products_of_bfloat16(void **state)
{
    (void)state;
    fill(0, ONE32);
    fill(1, 0x40003f80);        /* 2, 1 */
    fill(2, 0x40403f80);        /* 3, 1 */
    singles(1)[3] = 0x00003f81; /* inexact with the next */
    singles(2)[3] = 0x00003f81;
    f->cpu->s.mxcsr = 0;
    assert_int_equal(run(&vdpbf16ps, (struct how){ L512, 0, false, false, false }, 0), -1);
    assert_int_equal(singles(0)[0], 0x41000000);
    assert_int_equal(singles(0)[15], 0x41000000);
    assert_int_equal(f->cpu->s.mxcsr, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, steps_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(broadcast_reads_one_element),
        TEST(classes_fill_a_mask),
        TEST(comparisons_fill_a_mask),
        TEST(dot_products_of_bfloat16),
        TEST(fixups_follow_the_table),
        TEST(fused_operations_merge),
        TEST(halves_are_stored_by_the_mask),
        TEST(masked_off_elements_take_no_part),
        TEST(narrowing_masks_by_the_larger_elements),
        TEST(ranges_tell_zeros_apart),
        TEST(rounding_is_embedded),
        TEST(sae_neither_records_nor_raises),
        TEST(scalars_merge_or_zero_the_low_element),
        TEST(unsigned_indefinite_is_all_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
