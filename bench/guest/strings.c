/* SPDX-License-Identifier: MIT */
/* String instructions, and the searching loops that string libraries are made of. Inline, so that no libc chooses for us. */
#include <emmintrin.h>

#include "workload.h"

#define BIG 65536

static inline void rep_movsb(void *to, const void *from, size_t len)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

static inline void rep_stosq(void *to, uint64_t value, size_t len)
{
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(len) : "a"(value) : "memory");
}

static void prepare_text(void)
{
    text_fill(scratch, 2 * BIG, 55);
}

static uint64_t run_movsb64k(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        rep_movsb(scratch + 4 * BIG, scratch + (units & 63), BIG);
        sum = mix(sum, scratch[4 * BIG + (units & 0xffff)]);
    }
    return sum;
}

static uint64_t run_stosq64k(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        rep_stosq(scratch + 4 * BIG, units * 0x0101010101010101u, BIG / 8);
        sum = mix(sum, scratch[4 * BIG + (units & 0xffff)]);
    }
    return sum;
}

static uint64_t run_repsmall(uint64_t units)
{
    uint64_t sum = 0, seed = 1;

    for (; units != 0; units--) {
        uint32_t r = random_next(&seed);

        rep_movsb(scratch + 4 * BIG + (r & 0xfff), scratch + (r >> 20), r >> 8 & 63);
        rep_stosq(scratch + 5 * BIG + (r & 0xfff), r, r >> 14 & 7);
        sum += scratch[4 * BIG + (r & 0xfff)];
    }
    return sum;
}

/* ---- SSE2 string library ---- */

static OPAQUE size_t find_byte(const uint8_t *in, uint8_t what, size_t len)
{
    const __m128i pattern = _mm_set1_epi8((char)what);

    for (size_t k = 0; k < len; k += 16) {
        unsigned hits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(in + k)), pattern));

        if (hits != 0)
            return k + (unsigned)__builtin_ctz(hits);
    }
    return len;
}

static OPAQUE void copy(uint8_t *to, const uint8_t *from, size_t len)
{
    size_t k = 0;

    for (; k + 16 <= len; k += 16)
        _mm_storeu_si128((__m128i *)(to + k), _mm_loadu_si128((const __m128i *)(from + k)));
    for (; k < len; k++)
        to[k] = from[k];
}

static OPAQUE size_t same_length(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t k = 0; k < len; k += 16) {
        unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(a + k)),
                                                                   _mm_loadu_si128((const __m128i *)(b + k))));

        if (same != 0xffff)
            return k + (unsigned)__builtin_ctz(~same);
    }
    return len;
}

static uint64_t run_sselib(uint64_t units)
{
    uint64_t sum = 0;
    size_t at = 0;

    for (; units != 0; units--) {
        size_t line = find_byte(scratch + at, '\n', 4096);

        copy(scratch + 4 * BIG, scratch + at, line);
        sum += same_length(scratch + 4 * BIG, scratch + at, line) * 31 + line;
        at = (at + line + 1) % BIG;
    }
    return sum;
}

const struct workload strings_workloads[] = {
    { "movsb64k", "strings", 50000,   run_movsb64k, prepare_text, NULL },
    { "stosq64k", "strings", 130000,   run_stosq64k, prepare_text, NULL },
    { "repsmall", "strings", 9000000, run_repsmall, prepare_text, NULL },
    { "sselib",   "strings", 4500000, run_sselib,   prepare_text, NULL },
    { 0 },
};
