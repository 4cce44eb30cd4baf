/* SPDX-License-Identifier: MIT
 * Approximations against the host: RCPSS and RSQRTSS as an Intel processor has them, VRCP14SS/SD and VRSQRT14SS/SD. A slice
 * of all operands; PARTITA_APPROX_ALL=1 takes all 2^32 singles and 10^8 doubles. On every host: checksums of the results. */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu/fp.h"
#include "tests/oracle/fp_host.h"
#include "tests/oracle/host_has.h"
#include "tests/oracle/vec_host.h"

static const struct fp_env modes[4] = { { 0 }, { .daz = true }, { .ftz = true }, { .daz = true, .ftz = true } };

typedef uint64_t approx_fn(const struct fp_env *e, uint64_t v);

static uint64_t rcp(const struct fp_env *e, uint64_t v) { (void)e; return fp_rcp12((uint32_t)v, 13); }
static uint64_t rsqrt(const struct fp_env *e, uint64_t v) { (void)e; return fp_rsqrt12((uint32_t)v, 13); }
static uint64_t amd_rcp(const struct fp_env *e, uint64_t v) { (void)e; return fp_rcp12((uint32_t)v, 12); }
static uint64_t amd_rsqrt(const struct fp_env *e, uint64_t v) { (void)e; return fp_rsqrt12((uint32_t)v, 12); }
static uint64_t rcp14_32(const struct fp_env *e, uint64_t v) { return fp_rcp14_32(e, (uint32_t)v); }
static uint64_t rsqrt14_32(const struct fp_env *e, uint64_t v) { return fp_rsqrt14_32(e, (uint32_t)v); }

/* ---- on every host ---- */

/* FNV-1a of the results for 2^16 leading patterns with few and with all trailing bits. */
static uint64_t checksum(approx_fn *fn, unsigned bits)
{
    uint64_t hash = 14695981039346656037ull, step = 1ull << (bits - 16);

    for (unsigned m = 0; m < 4; m++)
        for (uint64_t n = 0; n < 65536; n++)
            for (unsigned k = 0; k < 3; k++) {
                uint64_t r = fn(&modes[m], n * step + (k == 0 ? 0 : k == 1 ? 1 : step - 1));

                for (unsigned at = 0; at < bits; at += 8)
                    hash = (hash ^ (r >> at & 0xff)) * 1099511628211ull;
            }
    return hash;
}

static void results_have_their_checksums(void **state)
{
    static const struct { const char *name; approx_fn *fn; unsigned bits; uint64_t sum; } rows[] = {
        { "RCPSS", rcp, 32, 0xb0c0bd275500db85ull },
        { "RSQRTSS", rsqrt, 32, 0xc450e5be78ca4efdull },
        { "RCPSS of AMD", amd_rcp, 32, 0xb9486772375cb305ull },
        { "RSQRTSS of AMD", amd_rsqrt, 32, 0x281e0a004fbc468dull },
        { "VRCP14SS", rcp14_32, 32, 0x5db222f9422ea859ull },
        { "VRSQRT14SS", rsqrt14_32, 32, 0xdbacc9184f6da839ull },
        { "VRCP14SD", fp_rcp14_64, 64, 0x908abe6d6f41ee19ull },
        { "VRSQRT14SD", fp_rsqrt14_64, 64, 0x9ced0b9ca766ba1dull },
    };
    unsigned wrong = 0;

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(rows); k++) {
        uint64_t sum = checksum(rows[k].fn, rows[k].bits);

        if (sum != rows[k].sum) {
            printf("%s: 0x%016llx\n", rows[k].name, (unsigned long long)sum);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* ---- against the host ---- */

#if defined(__x86_64__)

#define HOST(name, insn)                                                                        \
    static uint64_t name(uint64_t v)                                                            \
    {                                                                                           \
        uint64_t r;                                                                             \
                                                                                                \
        __asm__ volatile("vmovq %1, %%xmm0\n " insn "\n vmovq %%xmm0, %0" : "=r"(r) : "r"(v) : "xmm0"); \
        return r;                                                                               \
    }
HOST(h_rcp, "rcpss %%xmm0, %%xmm0")
HOST(h_rsqrt, "rsqrtss %%xmm0, %%xmm0")
HOST(h_rcp14_32, "vrcp14ss %%xmm0, %%xmm0, %%xmm0")
HOST(h_rsqrt14_32, "vrsqrt14ss %%xmm0, %%xmm0, %%xmm0")
HOST(h_rcp14_64, "vrcp14sd %%xmm0, %%xmm0, %%xmm0")
HOST(h_rsqrt14_64, "vrsqrt14sd %%xmm0, %%xmm0, %%xmm0")

static const struct { const char *name; approx_fn *ours; uint64_t (*host)(uint64_t v); unsigned bits; bool avx512; } pairs[] = {
    { "RCPSS", rcp, h_rcp, 32, false },
    { "RSQRTSS", rsqrt, h_rsqrt, 32, false },
    { "VRCP14SS", rcp14_32, h_rcp14_32, 32, true },
    { "VRSQRT14SS", rsqrt14_32, h_rsqrt14_32, 32, true },
    { "VRCP14SD", fp_rcp14_64, h_rcp14_64, 64, true },
    { "VRSQRT14SD", fp_rsqrt14_64, h_rsqrt14_64, 64, true },
};

static void set_mode(const struct fp_env *e)
{
    uint32_t csr = 0x1f80 | (e->daz ? 0x40 : 0) | (e->ftz ? 0x8000 : 0);

    __asm__ volatile("ldmxcsr %0" : : "m"(csr));
}

/* One operand of those taken: singles by counting up, doubles random ones and near the edges. */
static uint64_t operand(unsigned bits, uint64_t n, uint64_t stride, struct fp_random *r)
{
    if (bits == 32)
        return n * stride;
    return n & 1 ? fp_random64(r) : fp_random_next(r);
}

static bool agrees(unsigned k, unsigned mode, uint64_t v)
{
    uint64_t mask = pairs[k].bits == 32 ? 0xffffffff : ~0ull;
    uint64_t host = pairs[k].host(v) & mask, ours = pairs[k].ours(&modes[mode], v);

    if (host == ours)
        return true;
    printf("%s %llx mode %u: host %llx ours %llx\n", pairs[k].name, (unsigned long long)v, mode, (unsigned long long)host,
           (unsigned long long)ours);
    return false;
}

static unsigned long compare(unsigned k, unsigned mode, bool all)
{
    uint64_t stride = all ? 1 : 4099, cases = pairs[k].bits == 64 ? (all ? 100000000 : 200000) : (1ull << 32) / stride;
    struct fp_random r = { mode + 1 };
    unsigned long wrong = 0;

    set_mode(&modes[mode]);
    for (uint64_t n = 0; n < cases && wrong < 5; n++)
        wrong += !agrees(k, mode, operand(pairs[k].bits, n, stride, &r));
    set_mode(&modes[0]);
    return wrong;
}

static void results_agree_with_the_host(void **state)
{
    bool all = getenv("PARTITA_APPROX_ALL") != NULL;
    unsigned long wrong = 0;

    (void)state;
    if (!vec_host_open() || vec_host_vendor() != VENDOR_INTEL)
        skip();
    for (unsigned k = 0; k < COUNT_OF(pairs); k++)
        for (unsigned mode = 0; mode < 4; mode++)
            if (pairs[k].avx512 ? host_has(F_AVX512F) : mode == 0 || !all)
                wrong += compare(k, mode, all);
    assert_int_equal(wrong, 0);
}

#else

static void results_agree_with_the_host(void **state) { (void)state; skip(); }

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_have_their_checksums),
        cmocka_unit_test(results_agree_with_the_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
