/* SPDX-License-Identifier: MIT */
/* Integer work of programs: sorting, hashing, checksums, an interpreter, compression, long arithmetic. No libc in it. */
#include <string.h>

#include "workload.h"

/* ---- sort: quicksort with an indirect comparison, insertion sort below 12 ---- */

#define SORT_LEN 8192

static int compare_words(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void insertion_sort(uint32_t *v, int lo, int hi, int (*compare)(const void *, const void *))
{
    for (int i = lo + 1; i <= hi; i++) {
        uint32_t x = v[i];
        int j = i - 1;

        for (; j >= lo && compare(&v[j], &x) > 0; j--)
            v[j + 1] = v[j];
        v[j + 1] = x;
    }
}

static OPAQUE void quicksort(uint32_t *v, int lo, int hi, int (*compare)(const void *, const void *))
{
    while (hi - lo > 12) {
        uint32_t pivot = v[lo + (hi - lo) / 2], swap;
        int i = lo, j = hi;

        while (i <= j) {
            while (compare(&v[i], &pivot) < 0)
                i++;
            while (compare(&v[j], &pivot) > 0)
                j--;
            if (i <= j) {
                swap = v[i], v[i] = v[j], v[j] = swap;
                i++, j--;
            }
        }
        quicksort(v, lo, j, compare);
        lo = i;
    }
    insertion_sort(v, lo, hi, compare);
}

static uint64_t run_sort(uint64_t units)
{
    uint32_t *v = (uint32_t *)scratch;
    uint64_t seed = 1, sum = 0;

    for (; units != 0; units--) {
        for (int k = 0; k < SORT_LEN; k++)
            v[k] = random_next(&seed);
        quicksort(v, 0, SORT_LEN - 1, compare_words);
        sum = mix(sum, v[SORT_LEN / 3]);
    }
    return sum;
}

/* ---- hash: an open-addressed table of 64-bit keys, half full ---- */

#define HASH_SLOTS 65536u

static uint64_t run_hash(uint64_t units)
{
    struct { uint64_t key, count; } *slot = (void *)scratch;
    uint64_t seed = 7, sum = 0;

    for (; units != 0; units--) {
        uint64_t key = (random_next(&seed) & 0x7fff) * 0x1234567u + 1;
        uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 48) % HASH_SLOTS;

        while (slot[at].key != key && slot[at].key != 0)
            at = (at + 1) % HASH_SLOTS;
        slot[at].key = key;
        sum += ++slot[at].count;
    }
    return sum;
}

static void prepare_hash(void)
{
    memset(scratch, 0, sizeof(scratch));
}

/* ---- crc32: one table, a byte at a time ---- */

static uint32_t crc_table[256];

static void prepare_crc(void)
{
    for (uint32_t k = 0; k < 256; k++) {
        uint32_t c = k;

        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        crc_table[k] = c;
    }
    text_fill(scratch, 65536, 3);
}

static uint64_t run_crc(uint64_t units)
{
    uint32_t crc = ~0u;

    for (; units != 0; units--)
        for (int k = 0; k < 65536; k++)
            crc = crc >> 8 ^ crc_table[(crc ^ scratch[k]) & 255];
    return crc;
}

/* ---- bytecode: a register machine behind one switch, running the Collatz steps of small numbers ---- */

enum { B_LOAD, B_ADD, B_MUL, B_HALF, B_ODD, B_JZ, B_JNZ, B_INC, B_LESS, B_JMP, B_END };
struct bytecode { uint8_t op, a, b; int8_t to; };

/* r0 number, r1 current, r2 steps, r3 scratch, r4 limit, r5 one, r6 three */
static const struct bytecode collatz[] = {
    { B_LOAD, 1, 0, 0 }, { B_ODD, 3, 1, 0 }, { B_JNZ, 3, 0, 5 }, { B_HALF, 1, 1, 0 }, { B_JMP, 0, 0, 7 },
    { B_MUL, 1, 6, 0 }, { B_INC, 1, 0, 0 }, { B_INC, 2, 0, 0 }, { B_LESS, 3, 1, 0 }, { B_JZ, 3, 0, 1 },
    { B_INC, 0, 0, 0 }, { B_LESS, 3, 0, 4 }, { B_JNZ, 3, 0, 0 }, { B_END, 0, 0, 0 },
};

static OPAQUE uint64_t interpret(const struct bytecode *code, uint64_t limit)
{
    uint64_t r[8] = { 2, 0, 0, 0, limit, 1, 3 };
    const struct bytecode *at = code;

    for (;;) {
        const struct bytecode *i = at++;

        switch (i->op) {
        case B_LOAD: r[i->a] = r[i->b]; break;
        case B_ADD:  r[i->a] += r[i->b]; break;
        case B_MUL:  r[i->a] *= r[i->b]; break;
        case B_HALF: r[i->a] = r[i->b] >> 1; break;
        case B_ODD:  r[i->a] = r[i->b] & 1; break;
        case B_JZ:   if (r[i->a] == 0) at = code + i->to; break;
        case B_JNZ:  if (r[i->a] != 0) at = code + i->to; break;
        case B_INC:  r[i->a]++; break;
        case B_LESS: r[i->a] = r[i->b] < (i->to != 0 ? r[(int)i->to] : 2); break;
        case B_JMP:  at = code + i->to; break;
        default:     return r[2];
        }
    }
}

static uint64_t run_bytecode(uint64_t units)
{
    return interpret(collatz, units * 1000 + 3);
}

/* ---- bignum: 2048-bit squarings in 64-bit limbs ---- */

#define LIMBS 32

static OPAQUE void multiply(uint64_t *out, const uint64_t *a, const uint64_t *b)
{
    for (int i = 0; i < 2 * LIMBS; i++)
        out[i] = 0;
    for (int i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;

        for (int j = 0; j < LIMBS; j++) {
            unsigned __int128 t = (unsigned __int128)a[i] * b[j] + out[i + j] + carry;

            out[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        out[i + LIMBS] = carry;
    }
}

static uint64_t run_bignum(uint64_t units)
{
    uint64_t a[LIMBS], out[2 * LIMBS], seed = 11, sum = 0;

    for (int k = 0; k < LIMBS; k++)
        a[k] = (uint64_t)random_next(&seed) << 32 | random_next(&seed);
    for (; units != 0; units--) {
        multiply(out, a, a);
        for (int k = 0; k < LIMBS; k++)
            a[k] = out[k + LIMBS / 2] | 1;
        sum = mix(sum, a[0]);
    }
    return sum;
}

/* ---- divmul: greatest common divisors and modular powers ---- */

static OPAQUE uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t t = a % b;

        a = b;
        b = t;
    }
    return a;
}

static OPAQUE uint32_t power(uint32_t base, uint32_t exponent, uint32_t modulus)
{
    uint64_t out = 1, b = base % modulus;

    for (; exponent != 0; exponent >>= 1, b = b * b % modulus)
        if (exponent & 1)
            out = out * b % modulus;
    return (uint32_t)out;
}

static uint64_t run_divmul(uint64_t units)
{
    uint64_t seed = 5, sum = 0;

    for (; units != 0; units--) {
        uint64_t a = (uint64_t)random_next(&seed) << 16, b = random_next(&seed);

        sum = mix(sum, gcd(a, b));
        sum += power((uint32_t)a | 3, (uint32_t)b, 0x7fffffffu);
        sum += (uint64_t)((int32_t)b / (int)(1 + (a >> 40)) * 7);
    }
    return sum;
}

/* ---- sieve: strided byte stores ---- */

static uint64_t run_sieve(uint64_t units)
{
    uint64_t primes = 0;

    for (; units != 0; units--) {
        for (uint32_t k = 2; k < SCRATCH_BYTES / 2; k++)
            scratch[k] = 1;
        for (uint32_t k = 2; k * k < SCRATCH_BYTES / 2; k++)
            if (scratch[k])
                for (uint32_t j = k * k; j < SCRATCH_BYTES / 2; j += k)
                    scratch[j] = 0;
        for (uint32_t k = 2; k < SCRATCH_BYTES / 2; k++)
            primes += scratch[k];
    }
    return primes;
}

extern uint64_t run_sha256(uint64_t units), run_lz(uint64_t units);
extern void prepare_sha256(void), prepare_lz(void);

const struct workload integer_workloads[] = {
    { "sort",     "integer", 170,     run_sort,     NULL,           NULL },
    { "hash",     "integer", 25000000, run_hash,     prepare_hash,   NULL },
    { "crc32",    "integer", 600,     run_crc,      prepare_crc,    NULL },
    { "bytecode", "integer", 60,     run_bytecode, NULL,           NULL },
    { "sha256",   "integer", 400,     run_sha256,   prepare_sha256, NULL },
    { "lz",       "integer", 500,      run_lz,       prepare_lz,     NULL },
    { "bignum",   "integer", 80000,   run_bignum,   NULL,           NULL },
    { "divmul",   "integer", 400000,  run_divmul,   NULL,           NULL },
    { "sieve",    "integer", 80,      run_sieve,    NULL,           NULL },
    { 0 },
};
