/* SPDX-License-Identifier: MIT
 * Vector instructions where memory says no: nothing is half done, or exactly the half that the manuals describe. Through the
 * run loop and real page tables. */
#include "cpu/fpu.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

#define EDGE    (FIXTURE_DATA + 0x2000)     /* the page from here on is the one that tests take away */

enum { ABSENT = 0, READ_ONLY = 1, WRITABLE = 3 };

static void edge_is(uint64_t rights)
{
    const uint64_t entry = rights ? EDGE | rights : 0;

    fixture_put(f, fixture_entry_at(f, EDGE, 1), &entry, sizeof entry);
    tlb_flush_all(f->cpu);
}

static int setup(void **state)
{
    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    fixture_small_pages(f, FIXTURE_DATA);
    f->cpu->p.cr4 |= CR4_OSXSAVE;
    f->cpu->s.xcr0 = 7;
    for (unsigned n = 0; n < 2; n++) {          /* whatever the model offers to guests */
        const unsigned feature = n ? F_AVX2 : F_AVX;

        f->cpu->config.features[feature / 64] |= BIT64(feature % 64);
    }
    cpu_mode_changed(f->cpu);
    for (unsigned n = 0; n < 32; n++)
        f->cpu->s.zmm[8 * n] = f->cpu->s.zmm[8 * n + 1] = 0x1111111111111111ull * (n & 15);
    return 0;
}

static void a_load_across_pages_faults_whole(void **state)
{
    (void)state;
    edge_is(ABSENT);
    f->cpu->s.gpr[RSI] = EDGE - 8;
    f->cpu->s.zmm[0] = f->cpu->s.zmm[1] = 0x7777;
    assert_int_equal(FRESH("\xf3\x0f\x6f\x06"), VEC_PF);            /* movdqu xmm0, [rsi] */
    assert_int_equal(f->cpu->s.cr2, EDGE);
    assert_int_equal(f->cpu->s.zmm[0], 0x7777);
    edge_is(WRITABLE);
    fixture_put(f, EDGE - 8, "0123456789abcdef", 16);
    assert_int_equal(FRESH("\xf3\x0f\x6f\x06"), -1);
    assert_memory_equal(f->cpu->s.zmm, "0123456789abcdef", 16);
}

static void a_store_across_pages_writes_nothing(void **state)
{
    (void)state;
    edge_is(READ_ONLY);
    f->cpu->s.gpr[RSI] = EDGE - 8;
    f->cpu->s.zmm[0] = f->cpu->s.zmm[1] = ~0ull;
    assert_int_equal(FRESH("\xf3\x0f\x7f\x06"), VEC_PF);            /* movdqu [rsi], xmm0 */
    assert_int_equal(f->cpu->s.cr2, EDGE);
    assert_int_equal(fixture_read(f, EDGE - 8, 8), 0);
}

/* A load that faults leaves the x87 state as it was; a store has cleared TOP by then (seen on Emerald Rapids). */
static void an_mmx_fault_keeps_the_x87_stack(void **state)
{
    (void)state;
    edge_is(ABSENT);
    f->cpu->s.gpr[RSI] = EDGE;
    f->cpu->s.fsw = 3 << FSW_TOP_SHIFT;
    f->cpu->s.ftag = 0x18;
    f->cpu->s.fpr_mant[1] = 5;
    f->cpu->s.fpr_se[1] = 0x3fff;
    assert_int_equal(FRESH("\x0f\xfc\x0e"), VEC_PF);                /* paddb mm1, [rsi] */
    assert_int_equal(f->cpu->s.fsw, 3 << FSW_TOP_SHIFT);
    assert_int_equal(FRESH("\x0f\x7f\x0e"), VEC_PF);                /* movq [rsi], mm1 */
    assert_int_equal(f->cpu->s.fsw, 0);
    assert_int_equal(f->cpu->s.ftag, 0x18);
    assert_int_equal(f->cpu->s.fpr_se[1], 0x3fff);
    assert_int_equal(FRESH("\x0f\xfc\xc9"), -1);                    /* paddb mm1, mm1 */
    assert_int_equal(f->cpu->s.fsw, 0);
    assert_int_equal(f->cpu->s.ftag, 0xff);
    assert_int_equal(f->cpu->s.fpr_mant[1], 10);
    assert_int_equal(f->cpu->s.fpr_se[1], 0xffff);
    assert_int_equal(FRESH("\x0f\x77"), -1);                        /* emms */
    assert_int_equal(f->cpu->s.ftag, 0);
}

/* Where SDM 2B "MASKMOVDQU" leaves it open, as on Emerald Rapids: both quadwords must be writable, the upper one first, and
 * nothing is written before. */
static void maskmovdqu_asks_for_whole_quadwords(void **state)
{
    (void)state;
    edge_is(ABSENT);
    f->cpu->s.gpr[RDI] = EDGE - 4;
    memset(&f->cpu->s.zmm[0], 0x41, 16);
    f->cpu->s.zmm[8] = 0x0000000080008000ull;                           /* bytes 1 and 3, before the edge */
    f->cpu->s.zmm[9] = 0;
    assert_int_equal(FRESH("\x66\x0f\xf7\xc1"), VEC_PF);            /* maskmovdqu xmm0, xmm1 */
    assert_int_equal(f->cpu->s.cr2, EDGE + 4);
    assert_int_equal(fixture_read(f, EDGE - 4, 4), 0);
    f->cpu->s.gpr[RDI] = EDGE - 16;
    assert_int_equal(FRESH("\x66\x0f\xf7\xc1"), -1);
    assert_int_equal(fixture_read(f, EDGE - 16, 4), 0x41004100);
    f->cpu->p.seg_base[SEG_FS] = 16;
    assert_int_equal(FRESH("\x64\x66\x0f\xf7\xc1"), VEC_PF);        /* fs: */
}

/* SDM 2C "VPMASKMOV": faults only for elements whose mask is set. */
static void vpmaskmov_leaves_masked_elements_alone(void **state)
{
    (void)state;
    edge_is(ABSENT);
    f->cpu->s.gpr[RSI] = EDGE - 8;
    fixture_put(f, EDGE - 8, "abcdefgh", 8);
    f->cpu->s.zmm[8] = 0x8000000000000000ull;                           /* element 1 */
    f->cpu->s.zmm[9] = 0;
    assert_int_equal(FRESH("\xc4\xe2\x71\x8c\x06"), -1);            /* vpmaskmovd xmm0, xmm1, [rsi] */
    assert_int_equal(f->cpu->s.zmm[0], 0x6867666500000000ull);
    assert_int_equal(f->cpu->s.zmm[1], 0);
    f->cpu->s.zmm[9] = 0x80000000;                                      /* element 2: beyond the edge */
    f->cpu->s.zmm[0] = 7;
    assert_int_equal(FRESH("\xc4\xe2\x71\x8c\x06"), VEC_PF);
    assert_int_equal(f->cpu->s.zmm[0], 7);
    assert_int_equal(FRESH("\xc4\xe2\x71\x8e\x06"), VEC_PF);        /* vpmaskmovd [rsi], xmm1, xmm0 */
    assert_int_equal(fixture_read(f, EDGE - 8, 8), 0x6867666564636261ull);
}

/* SDM 2C "VPGATHERDD": what came before the fault stays and is masked off, so that the instruction goes on from there. */
static void a_gather_goes_on_where_it_faulted(void **state)
{
    (void)state;
    edge_is(ABSENT);
    fixture_put(f, EDGE - 8, "abcdefghijkl", 12);
    f->cpu->s.gpr[RSI] = EDGE - 8;
    f->cpu->s.zmm[8] = 1ull << 32;                                      /* xmm1: indices 0, 1, 2, 0 */
    f->cpu->s.zmm[9] = 2;
    f->cpu->s.zmm[16] = f->cpu->s.zmm[17] = 0x8000000080000000ull;      /* xmm2: all */
    assert_int_equal(FRESH("\xc4\xe2\x69\x90\x04\x8e"), VEC_PF);    /* vpgatherdd xmm0, [rsi + 4 * xmm1], xmm2 */
    assert_int_equal(f->cpu->s.cr2, EDGE);
    assert_memory_equal(&f->cpu->s.zmm[0], "abcdefgh", 8);
    assert_int_equal(f->cpu->s.zmm[16], 0);
    assert_int_equal(f->cpu->s.zmm[17], ~0ull);
    edge_is(WRITABLE);
    fixture_put(f, EDGE - 8, "ABCD", 4);                                /* not loaded again, but for element 3 */
    assert_int_equal(FRESH("\xc4\xe2\x69\x90\x04\x8e"), -1);
    assert_memory_equal(&f->cpu->s.zmm[0], "abcdefghijklABCD", 16);
    assert_int_equal(f->cpu->s.zmm[17], 0);
}

/* Segments and 16- and 32-bit addresses reach vector operands as any other. */
static void segments_apply_in_32_bit_code(void **state)
{
    (void)state;
    fixture_mode(f, FIXTURE_FLAT32);
    f->cpu->p.cr4 |= CR4_OSFXSR;
    f->cpu->p.seg_base[SEG_DS] = FIXTURE_DATA;
    f->cpu->p.seg_limit[SEG_DS] = 0x101f;
    cpu_mode_changed(f->cpu);
    cpu_drop_caches(f->cpu);
    fixture_put(f, FIXTURE_DATA + 0x1010, "segmented vector", 16);
    f->cpu->s.gpr[RSI] = 0x1010;
    assert_int_equal(FRESH("\x66\x0f\x6f\x06"), -1);                /* movdqa xmm0, [esi] */
    assert_memory_equal(&f->cpu->s.zmm[0], "segmented vector", 16);
    f->cpu->s.gpr[RSI] = 0x1011;
    assert_int_equal(FRESH("\xf3\x0f\x6f\x06"), VEC_GP);            /* movdqu: one byte beyond the limit */
}

/* SDM 2A "VEX Encoding Support in 32-bit Mode" and "Exception Condition Types": not in real mode. */
static void vex_needs_protected_mode(void **state)
{
    (void)state;
    fixture_mode(f, FIXTURE_FLAT32);
    f->cpu->p.cr4 |= CR4_OSFXSR | CR4_OSXSAVE;
    assert_int_equal(FRESH("\xc5\xf9\xfc\xc1"), -1);                /* vpaddb xmm0, xmm0, xmm1 */
    f->cpu->p.cr4 &= ~(uint64_t)CR4_OSXSAVE;
    assert_int_equal(FRESH("\xc5\xf9\xfc\xc1"), VEC_UD);
}

/* A vector load from a device is a run of its accesses, and the instruction after it sees the right time. */
static void a_device_answers_a_vector_load(void **state)
{
    (void)state;
    f->cpu->s.gpr[RSI] = FIXTURE_MMIO;
    assert_int_equal(FRESH("\xf3\x0f\x7e\x06"), -1);                /* movq xmm0, [rsi] */
    assert_int_equal(fixture_probe(f)->reads, 1);
    assert_int_equal(f->cpu->s.zmm[0], fixture_probe(f)->seen_insns);
    assert_int_equal(fixture_probe(f)->seen_rip, FIXTURE_CODE);
    f->cpu->s.zmm[0] = 0x0123456789abcdefull;
    assert_int_equal(FRESH("\x66\x0f\xd6\x06"), -1);                /* movq [rsi], xmm0 */
    assert_int_equal(fixture_probe(f)->last_value, 0x0123456789abcdefull);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, steps_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_device_answers_a_vector_load),
        TEST(a_gather_goes_on_where_it_faulted),
        TEST(a_load_across_pages_faults_whole),
        TEST(a_store_across_pages_writes_nothing),
        TEST(an_mmx_fault_keeps_the_x87_stack),
        TEST(maskmovdqu_asks_for_whole_quadwords),
        TEST(segments_apply_in_32_bit_code),
        TEST(vex_needs_protected_mode),
        TEST(vpmaskmov_leaves_masked_elements_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
