/* SPDX-License-Identifier: MIT */
/* Packed work in vector registers: matrix products in SSE2 and AVX2+FMA, ChaCha20, AES-NI, AVX2 integer. */
#include <immintrin.h>

#include "workload.h"

#define N 64        /* order of the matrices */

#define A (scratch)
#define B (scratch + 65536)
#define C (scratch + 131072)

static float (*const fa)[N] = (void *)A, (*const fb)[N] = (void *)B, (*const fc)[N] = (void *)C;
static double (*const da)[N] = (void *)A, (*const db)[N] = (void *)B, (*const dc)[N] = (void *)C;

static const char *needs_avx2(void) { return __builtin_cpu_supports("avx2") ? NULL : "needs avx2"; }
static const char *needs_fma(void) { return __builtin_cpu_supports("fma") ? needs_avx2() : "needs fma"; }
static const char *needs_aes(void) { return __builtin_cpu_supports("aes") ? NULL : "needs aes"; }

static void prepare_float(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            fa[i][j] = (float)(i + j % 7) * 0.125f, fb[i][j] = (float)(i - j) * 0.0625f;
}

static void prepare_double(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            da[i][j] = (i + j % 7) * 0.125, db[i][j] = (i - j) * 0.0625;
}

static OPAQUE void product_sse2(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j += 4) {
            __m128 sum = _mm_setzero_ps();

            for (int k = 0; k < N; k++)
                sum = _mm_add_ps(sum, _mm_mul_ps(_mm_set1_ps(fa[i][k]), _mm_load_ps(&fb[k][j])));
            _mm_store_ps(&fc[i][j], sum);
        }
    }
}

static uint64_t run_sse2mat(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        product_sse2();
        fa[units % N][3] = fc[5][units % N] * 0.0001f;
        sum = mix(sum, (uint64_t)(int64_t)(fc[units % N][9] * 16.0f));
    }
    return sum;
}

static OPAQUE __attribute__((target("avx2,fma"))) void product_avx2(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j += 4) {
            __m256d sum = _mm256_setzero_pd();

            for (int k = 0; k < N; k++)
                sum = _mm256_fmadd_pd(_mm256_broadcast_sd(&da[i][k]), _mm256_load_pd(&db[k][j]), sum);
            _mm256_store_pd(&dc[i][j], sum);
        }
    }
}

static uint64_t run_avx2mat(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        product_avx2();
        da[units % N][3] = dc[5][units % N] * 0.0001;
        sum = mix(sum, (uint64_t)(int64_t)(dc[units % N][9] * 16.0));
    }
    return sum;
}

/* ---- ChaCha20 (RFC 8439), one block's rows in four registers ---- */

static inline __m128i rotate_left(__m128i x, int by)
{
    return _mm_or_si128(_mm_slli_epi32(x, by), _mm_srli_epi32(x, 32 - by));
}

#define QUARTERS(a, b, c, d) do {                                               \
        a = _mm_add_epi32(a, b); d = rotate_left(_mm_xor_si128(d, a), 16);      \
        c = _mm_add_epi32(c, d); b = rotate_left(_mm_xor_si128(b, c), 12);      \
        a = _mm_add_epi32(a, b); d = rotate_left(_mm_xor_si128(d, a), 8);       \
        c = _mm_add_epi32(c, d); b = rotate_left(_mm_xor_si128(b, c), 7);       \
    } while (0)

static OPAQUE __m128i chacha_block(__m128i counter, __m128i key)
{
    const __m128i row0 = _mm_set_epi32(0x6b206574, 0x79622d32, 0x3320646e, 0x61707865);
    __m128i a = row0, b = key, c = _mm_add_epi32(key, row0), d = counter;

    for (int k = 0; k < 10; k++) {
        QUARTERS(a, b, c, d);
        b = _mm_shuffle_epi32(b, 0x39), c = _mm_shuffle_epi32(c, 0x4e), d = _mm_shuffle_epi32(d, 0x93);
        QUARTERS(a, b, c, d);
        b = _mm_shuffle_epi32(b, 0x93), c = _mm_shuffle_epi32(c, 0x4e), d = _mm_shuffle_epi32(d, 0x39);
    }
    return _mm_xor_si128(_mm_xor_si128(_mm_add_epi32(a, row0), b), _mm_xor_si128(c, _mm_add_epi32(d, counter)));
}

static uint64_t run_chacha(uint64_t units)
{
    __m128i key = _mm_set_epi32(1, 2, 3, 4), sum = _mm_setzero_si128();

    for (; units != 0; units--)
        sum = _mm_xor_si128(sum, chacha_block(_mm_cvtsi64_si128((long long)units), key));
    return (uint64_t)_mm_cvtsi128_si64(sum);
}

/* ---- AES rounds as in counter mode, four blocks at a time ---- */

static OPAQUE __attribute__((target("aes"))) __m128i aes_stream(uint64_t blocks)
{
    __m128i key = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203), sum = key;

    for (; blocks != 0; blocks--) {
        __m128i a = _mm_xor_si128(key, _mm_cvtsi64_si128((long long)blocks)), b = _mm_add_epi32(a, key);
        __m128i c = _mm_add_epi32(b, key), d = _mm_add_epi32(c, key);

        for (int round = 0; round < 10; round++) {
            a = _mm_aesenc_si128(a, key), b = _mm_aesenc_si128(b, key);
            c = _mm_aesenc_si128(c, key), d = _mm_aesenc_si128(d, key);
        }
        sum = _mm_xor_si128(_mm_xor_si128(sum, a), _mm_xor_si128(_mm_xor_si128(b, c), d));
        key = _mm_xor_si128(key, _mm_aeskeygenassist_si128(key, 0x1b));
    }
    return sum;
}

static uint64_t run_aes(uint64_t units)
{
    return (uint64_t)_mm_cvtsi128_si64(aes_stream(units));
}

/* ---- bytes in 256-bit registers: compare, count, absolute differences, shuffle ---- */

static OPAQUE __attribute__((target("avx2"))) uint64_t bytes_avx2(const uint8_t *in, size_t len)
{
    const __m256i order = _mm256_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
                                           3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    __m256i sum = _mm256_setzero_si256(), last = sum;
    uint64_t lines = 0;

    for (size_t k = 0; k < len; k += 32) {
        __m256i v = _mm256_load_si256((const __m256i *)(in + k));

        lines += (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('e'))));
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_shuffle_epi8(v, order), last));
        last = _mm256_permute4x64_epi64(_mm256_max_epu8(v, last), 0x39);
    }
    return lines + (uint64_t)_mm256_extract_epi64(sum, 0) * 3 + (uint64_t)_mm256_extract_epi64(sum, 3);
}

static void prepare_bytes(void)
{
    text_fill(scratch, 65536, 77);
}

static uint64_t run_avx2int(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--)
        sum = mix(sum, bytes_avx2(scratch, 65536));
    return sum;
}

const struct workload packed_workloads[] = {
    { "sse2mat", "packed", 2200,    run_sse2mat, prepare_float,  NULL },
    { "avx2mat", "packed", 1500,    run_avx2mat, prepare_double, needs_fma },
    { "chacha",  "packed", 1000000,  run_chacha,  NULL,           NULL },
    { "aesni",   "packed", 12000000, run_aes,     NULL,           needs_aes },
    { "avx2int", "packed", 30000,   run_avx2int, prepare_bytes,  needs_avx2 },
    { 0 },
};
