/* SPDX-License-Identifier: MIT
 * AVX-512 where the host cannot be asked or only page tables tell: VP2INTERSECT, gathers and scatters that stop half way and
 * go on, stores that touch what their mask selects and no more. */
#include "cpu/xsave.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

#define EDGE    (FIXTURE_DATA + 0x2000)     /* the page from here on is absent unless a test says otherwise */

static void edge_is_present(bool present)
{
    const uint64_t entry = present ? EDGE | 3 : 0;

    fixture_put(f, fixture_entry_at(f, EDGE, 1), &entry, sizeof entry);
    tlb_flush_all(f->cpu);
}

static int setup(void **state)
{
    static const uint8_t features[] = {
        F_AVX, F_AVX2, F_AVX512F, F_AVX512BW, F_AVX512DQ, F_AVX512VL, F_AVX512VBMI2, F_AVX512VP2INTERSECT
    };

    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    fixture_small_pages(f, FIXTURE_DATA);
    edge_is_present(false);
    f->cpu->p.cr4 |= CR4_OSXSAVE;
    f->cpu->s.xcr0 = XSAVE_X87 | XSAVE_SSE | XSAVE_AVX | XSAVE_OPMASK | XSAVE_ZMM_HI256 | XSAVE_HI16_ZMM;
    for (unsigned n = 0; n < sizeof features; n++)
        f->cpu->config.features[features[n] / 64] |= BIT64(features[n] % 64);
    cpu_mode_changed(f->cpu);
    return 0;
}

static uint32_t *dwords(unsigned n) { return (uint32_t *)&f->cpu->s.zmm[8 * n]; }
static uint64_t *qwords(unsigned n) { return &f->cpu->s.zmm[8 * n]; }

/* SDM 2C "VP2INTERSECTD/VP2INTERSECTQ": bit j of the even register when element j of the first source is anywhere in the
 * second; bit j of the odd one the other way round. The lowest bit of the register's number does not count. */
static void vp2intersect_marks_both_sides(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 16; n++) {
        dwords(1)[n] = 100 + n;
        dwords(2)[n] = 200 + n;
    }
    dwords(2)[3] = 115;
    dwords(2)[9] = 100;
    dwords(1)[5] = 100;
    f->cpu->s.k[2] = f->cpu->s.k[3] = ~0ull;
    assert_int_equal(FRESH("\x62\xf2\x77\x48\x68\xd2"), -1);       /* vp2intersectd k2, zmm1, zmm2 */
    assert_int_equal(f->cpu->s.k[2], 0x8021);
    assert_int_equal(f->cpu->s.k[3], 0x0208);
    f->cpu->s.k[2] = f->cpu->s.k[3] = ~0ull;
    assert_int_equal(FRESH("\x62\xf2\x77\x48\x68\xda"), -1);       /* k3: the same pair */
    assert_int_equal(f->cpu->s.k[2], 0x8021);
    assert_int_equal(f->cpu->s.k[3], 0x0208);
    assert_int_equal(FRESH("\x62\xf2\x77\x28\x68\xd2"), -1);       /* 256 bits: only dword 3, which is above, met 15 */
    assert_int_equal(f->cpu->s.k[2], 0);
    assert_int_equal(f->cpu->s.k[3], 0);
    assert_int_equal(FRESH("\x62\xf2\x77\x49\x68\xd2"), VEC_UD);   /* no mask */
}

static void vp2intersectq_compares_with_a_broadcast(void **state)
{
    const uint64_t wanted = 0x1234567800000007;

    (void)state;
    for (unsigned n = 0; n < 8; n++)
        qwords(1)[n] = 7;                                               /* equal in the low half alone */
    qwords(1)[6] = wanted;
    fixture_put(f, FIXTURE_DATA, &wanted, 8);
    f->cpu->s.gpr[RSI] = FIXTURE_DATA;
    assert_int_equal(FRESH("\x62\xf2\xf7\x58\x68\x06"), -1);       /* vp2intersectq k0, zmm1, [rsi]{1to8} */
    assert_int_equal(f->cpu->s.k[0], 0x40);
    assert_int_equal(f->cpu->s.k[1], 0xff);
}

/* SDM 2C "VPGATHERDD": done elements are in the destination and out of the mask; run again, it goes on. */
static void a_gather_goes_on_after_a_fault(void **state)
{
    static const uint32_t values[4] = { 0x11, 0x22, 0x33, 0x44 };

    (void)state;
    fixture_put(f, EDGE - 16, values, sizeof values);
    for (unsigned n = 0; n < 16; n++) {
        dwords(0)[n] = 0xdddddddd;
        dwords(1)[n] = n - 4;                                           /* from element 4 on beyond the edge */
    }
    f->cpu->s.k[1] = 0x1b | 1ull << 40;                                 /* elements 0, 1, 3, 4 */
    f->cpu->s.gpr[RSI] = EDGE;
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\x90\x04\x8e"), VEC_PF);       /* vpgatherdd zmm0{k1}, [rsi+zmm1*4] */
    assert_int_equal(f->cpu->s.cr2, EDGE);
    assert_int_equal(f->cpu->s.k[1], 0x10 | 1ull << 40);
    assert_int_equal(dwords(0)[0], 0x11);
    assert_int_equal(dwords(0)[1], 0x22);
    assert_int_equal(dwords(0)[2], 0xdddddddd);
    assert_int_equal(dwords(0)[3], 0x44);
    assert_int_equal(dwords(0)[4], 0xdddddddd);
    edge_is_present(true);
    fixture_put(f, EDGE, "\x55\0\0\0", 4);
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\x90\x04\x8e"), -1);
    assert_int_equal(f->cpu->s.k[1], 0);
    assert_int_equal(dwords(0)[3], 0x44);
    assert_int_equal(dwords(0)[4], 0x55);
    assert_int_equal(dwords(0)[5], 0xdddddddd);
}

static void a_gather_into_its_index_is_undefined(void **state)
{
    (void)state;
    f->cpu->s.k[1] = 0;
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\x90\x0c\x8e"), VEC_UD);       /* zmm1{k1}, [rsi+zmm1*4] */
    assert_int_equal(FRESH("\x62\xf2\x7d\x48\x90\x04\x8e"), VEC_UD);       /* k0 */
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\x90\x04\x8e"), -1);           /* all masked off: no address is looked at */
}

/* SDM 2C "VPSCATTERDD": stores go from the lowest element up, so what two elements share has the higher one's value. */
static void a_scatter_stores_in_order(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 16; n++) {
        dwords(0)[n] = 0xa0 + n;
        dwords(1)[n] = n < 4 ? -1u : n < 8 ? -2u : 0;                   /* the rest beyond the edge */
    }
    f->cpu->s.k[1] = 0xffff;
    f->cpu->s.gpr[RSI] = EDGE;
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\xa0\x04\x8e"), VEC_PF);       /* vpscatterdd [rsi+zmm1*4]{k1}, zmm0 */
    assert_int_equal(f->cpu->s.k[1], 0xff00);
    assert_int_equal(fixture_read(f, EDGE - 4, 4), 0xa3);
    assert_int_equal(fixture_read(f, EDGE - 8, 4), 0xa7);
    edge_is_present(true);
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\xa0\x04\x8e"), -1);
    assert_int_equal(f->cpu->s.k[1], 0);
    assert_int_equal(fixture_read(f, EDGE, 4), 0xaf);
}

/* A store whose mask leaves the absent page out does not fault; one that reaches it stores nothing at all. */
static void masked_stores_are_all_or_nothing(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 16; n++)
        dwords(0)[n] = 0xb0 + n;
    fixture_put(f, EDGE - 32, "0123456789abcdefghijklmnopqrstuv", 32);
    f->cpu->s.gpr[RSI] = EDGE - 32;
    f->cpu->s.k[1] = 0x0105;                                            /* element 8 is the first beyond */
    assert_int_equal(FRESH("\x62\xf1\x7e\x49\x7f\x06"), VEC_PF);           /* vmovdqu32 [rsi]{k1}, zmm0 */
    assert_int_equal(f->cpu->s.cr2, EDGE + 3);                          /* the last byte of the last element */
    assert_int_equal(fixture_read(f, EDGE - 32, 4), 0x33323130);
    f->cpu->s.k[1] = 0x0005;
    assert_int_equal(FRESH("\x62\xf1\x7e\x49\x7f\x06"), -1);
    assert_int_equal(fixture_read(f, EDGE - 32, 4), 0xb0);
    assert_int_equal(fixture_read(f, EDGE - 28, 4), 0x37363534);
    assert_int_equal(fixture_read(f, EDGE - 24, 4), 0xb2);
}

/* Type E4NF against E4: VPERMD reads all of its source, VPADDD what the mask selects. */
static void masks_suppress_faults_by_type(void **state)
{
    (void)state;
    f->cpu->s.gpr[RSI] = EDGE - 32;
    f->cpu->s.k[1] = 0x00ff;
    assert_int_equal(FRESH("\x62\xf1\x75\x49\xfe\x06"), -1);               /* vpaddd zmm0{k1}, zmm1, [rsi] */
    assert_int_equal(FRESH("\x62\xf2\x75\x49\x36\x06"), VEC_PF);           /* vpermd zmm0{k1}, zmm1, [rsi] */
    f->cpu->s.k[1] = 0x8000;
    assert_int_equal(FRESH("\x62\xf1\x75\x49\xfe\x06"), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, EDGE + 28);
}

/* Compressed elements stand side by side: eight bytes end at the edge, nine would not. */
static void compression_stores_what_the_mask_counts(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 64; n++)
        ((uint8_t *)dwords(0))[n] = (uint8_t)n;
    f->cpu->s.gpr[RSI] = EDGE - 8;
    f->cpu->s.k[1] = 0x8040201008040201;
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\x63\x06"), -1);               /* vpcompressb [rsi]{k1}, zmm0 */
    assert_int_equal(fixture_read(f, EDGE - 8, 8), 0x3f362d241b120900);
    f->cpu->s.k[1] |= 2;
    assert_int_equal(FRESH("\x62\xf2\x7d\x49\x63\x06"), VEC_PF);
    assert_int_equal(fixture_read(f, EDGE - 8, 8), 0x3f362d241b120900);
    assert_int_equal(FRESH("\x62\xf2\x7d\xc9\x62\x0e"), VEC_PF);           /* vpexpandb zmm1{k1}{z}, [rsi] */
    f->cpu->s.k[1] &= ~2ull;
    assert_int_equal(FRESH("\x62\xf2\x7d\xc9\x62\x0e"), -1);
    assert_int_equal(qwords(1)[7], 0x3f00000000000000);
    assert_int_equal(qwords(1)[1], 0x0900);
}

/* SDM 3A "Alignment-Check Exception (#AC)": operands of 2, 4 and 8 bytes are checked, elements of larger ones and of gathers,
 * scatters, compression are not. As an Emerald Rapids does. */
static void alignment_is_checked_by_operand(void **state)
{
    static const struct { const char *bytes; uint8_t len; int8_t vector; } rows[] = {
        { "\x62\xf1\x7e\x08\x10\x06", 6, VEC_AC },              /* vmovss xmm0, [rsi] */
        { "\x62\xf1\x75\x58\xfe\x06", 6, VEC_AC },              /* vpaddd zmm0, zmm1, [rsi]{1to16} */
        { "\x62\xf2\x7d\x08\x31\x06", 6, VEC_AC },              /* vpmovzxbd xmm0, [rsi] */
        { "\x62\xf1\x75\x49\xfe\x06", 6, -1 },              /* vpaddd zmm0{k1}, zmm1, [rsi] */
        { "\x62\xf1\x7e\x49\x7f\x06", 6, -1 },              /* vmovdqu32 [rsi]{k1}, zmm0 */
        { "\x62\xf2\x7d\x49\x90\x14\x0e", 7, -1 },         /* vpgatherdd zmm2{k1}, [rsi+zmm1] */
        { "\x62\xf2\x7d\x49\xa0\x14\x0e", 7, -1 },         /* vpscatterdd [rsi+zmm1]{k1}, zmm2 */
        { "\xc4\xe2\x79\x90\x14\x0e", 6, -1 },              /* vpgatherdd xmm2, [rsi+xmm1], xmm0 */
        { "\xc4\xe2\x79\x8c\x06", 5, -1 },                   /* vpmaskmovd xmm0, xmm0, [rsi] */
        { "\x62\xf2\x7d\x49\x8b\x06", 6, -1 },              /* vpcompressd [rsi]{k1}, zmm0 */
        { "\xc4\xe3\x79\x1d\x06\x00", 6, -1 },              /* vcvtps2ph [rsi], xmm0, 0 */
    };

    (void)state;
    f->cpu->p.cr0 |= CR0_AM;
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        fixture_privilege(f, 3);
        cpu_set_rflags(f->cpu, 2 | FLAG_AC);
        memset(f->cpu->s.zmm, 0, sizeof f->cpu->s.zmm);
        memset(f->cpu->s.zmm, 0xff, 16);
        f->cpu->s.k[1] = 1;
        f->cpu->s.gpr[RSI] = FIXTURE_DATA + 1;
        if (step_fresh(f, rows[n].bytes, rows[n].len) != rows[n].vector)
            fail_msg("row %u", n);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, steps_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vp2intersect_marks_both_sides), TEST(vp2intersectq_compares_with_a_broadcast),
        TEST(a_gather_goes_on_after_a_fault), TEST(a_gather_into_its_index_is_undefined), TEST(a_scatter_stores_in_order),
        TEST(masked_stores_are_all_or_nothing), TEST(masks_suppress_faults_by_type),
        TEST(compression_stores_what_the_mask_counts), TEST(alignment_is_checked_by_operand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
