/* SPDX-License-Identifier: MIT
 * Guest vector registers in the host's, over a block, a path, and from round to round of a loop: bytes 0 to 15 of register n in
 * V16 + n, bytes 16 to 31 in V8 + n % 8, of which two registers take turns. What lies above is in struct cpu only. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

#define ZERO SCRATCH

static int32_t at(unsigned n, unsigned half)
{
    return CPU_AT(s.zmm) + (int32_t)(64 * n + 16 * half);
}

static unsigned host_of(unsigned n, unsigned half)
{
    return half ? 8 + n % 8 : 16 + n;
}

static void load(struct lift *l, unsigned n, unsigned half)
{
    a64_mem(&l->a, A64_LDRQ, host_of(n, half), HOST_CPU, at(n, half));
}

static void store(struct lift *l, unsigned n, unsigned half)
{
    a64_mem(&l->a, A64_STRQ, host_of(n, half), HOST_CPU, at(n, half));
}

static bool has(uint16_t set, unsigned n)
{
    return set >> n & 1;
}

static void put(uint16_t *set, unsigned n, bool yes)
{
    *set = (uint16_t)((*set & ~(1u << n)) | (unsigned)yes << n);
}

/* ---- all of them ---- */

void lift_vec_store(struct lift *l, const struct vec_state *v)
{
    for (unsigned half = 0; half < 2; half++)
        for (unsigned n = 0; n < 16; n++)
            if (has(v->dirty[half], n))
                store(l, n, half);
}

void vec_masks(struct a64_buf *a, unsigned which)
{
    if (which & 1)
        a64_put(a, 0x4f0367c0 | MASK_4);                            /* MOVI V.4S, #7Eh, LSL #24 */
    if (which & 2) {
        a64_put(a, 0x4f0367e0 | MASK_8);                            /* MOVI V.4S, #7Fh, LSL #24 */
        a64_put(a, 0x4f605400 | MASK_8 << 5 | MASK_8);              /* SHL V.2D, #32 */
    }
}

void lift_vec_load(struct lift *l, const struct vec_state *v)
{
    for (unsigned half = 0; half < 2; half++)
        for (unsigned n = 0; n < 16; n++)
            if (has(v->have[half], n))
                load(l, n, half);
    vec_masks(&l->a, v->masks);
}

void lift_vec_flush(struct lift *l)
{
    lift_vec_store(l, &l->vec);
    l->vec = (struct vec_state){ { 0 }, { 0 }, { 0 }, { { 0 } }, 0 };
}

bool lift_vec_any(const struct lift *l)
{
    return (l->vec.have[0] | l->vec.have[1] | l->vec.masks) != 0;
}

/* What is known of registers is known again: both rounds are lifted alike. */
static bool knows(const struct vec_state *now, const struct vec_state *v)
{
    for (unsigned n = 0; n < 2; n++) {
        if (v->zero[n] & ~now->zero[n])
            return false;
        for (unsigned k = 0; k < 3; k++)
            if (v->tame[n][k] & ~now->tame[n][k])
                return false;
    }
    return true;
}

void lift_vec_become(struct lift *l, const struct vec_state *v)
{
    struct vec_state stale = l->vec, missing = *v;

    for (unsigned half = 0; half < 2; half++) {
        stale.dirty[half] &= (uint16_t)~v->dirty[half];
        missing.have[half] &= (uint16_t)~l->vec.have[half];
    }
    missing.masks &= (uint16_t)~l->vec.masks;
    lift_vec_store(l, &stale);
    lift_vec_load(l, &missing);
    l->lost |= !knows(&l->vec, v);
    l->vec = *v;
}

/* ---- one ---- */

/* Bytes 16 to 31 of register n are in struct cpu only. */
static void put_back(struct lift *l, unsigned n)
{
    if (has(l->vec.dirty[1], n))
        store(l, n, 1);
    put(&l->vec.have[1], n, false);
    put(&l->vec.dirty[1], n, false);
}

/* Has another register that this instruction needs its place? If it needs it no more it leaves. */
static bool taken(struct lift *l, unsigned n)
{
    if (!has(l->vec.have[1], n ^ 8))
        return false;
    if (l->vec_busy >> n % 8 & 1)
        return true;
    put_back(l, n ^ 8);
    return false;
}

unsigned vec_use(struct lift *l, unsigned n, unsigned half, unsigned scratch)
{
    if (!has(l->vec.have[half], n)) {
        if (half == 1 && taken(l, n)) {
            a64_mem(&l->a, A64_LDRQ, scratch, HOST_CPU, at(n, 1));
            return scratch;
        }
        load(l, n, half);
        put(&l->vec.have[half], n, true);
    }
    if (half == 1)
        l->vec_busy |= (uint8_t)(1u << n % 8);
    return host_of(n, half);
}

unsigned vec_dest(struct lift *l, unsigned n, unsigned half)
{
    return half == 1 && taken(l, n) ? UPPER : host_of(n, half);
}

void vec_made(struct lift *l, unsigned n, unsigned half, unsigned host)
{
    struct vec_state *v = &l->vec;

    if (half == 1 && has(v->have[1], n ^ 8))
        put_back(l, n ^ 8);
    if (host != host_of(n, half))
        vvv(l, V_MOV, host_of(n, half), host, host);
    put(&v->have[half], n, true);
    put(&v->dirty[half], n, true);
    for (unsigned size = 0; size < 2; size++)
        for (unsigned k = half ? 2 : 0; k < (half ? 3u : 2u); k++)
            put(&v->tame[size][k], n, false);
    if (half == 1)
        put(&v->zero[0], n, false);
}

void vec_zero_above(struct lift *l, unsigned n, unsigned bytes)
{
    struct vec_state *v = &l->vec;
    const bool low = bytes == 16 && !has(v->zero[0], n), high = !has(v->zero[1], n);

    if (!l->i->vl)
        return;
    if (bytes == 16) {
        put(&v->have[1], n, false);
        put(&v->dirty[1], n, false);
        put(&v->tame[0][2], n, false);
        put(&v->tame[1][2], n, false);
        put(&v->zero[0], n, true);
    }
    if (low || high)
        a64_put(&l->a, V_ZERO | ZERO);
    if (low)
        a64_mem(&l->a, A64_STRQ, ZERO, HOST_CPU, at(n, 1));
    if (high) {
        a64_mem(&l->a, A64_STRQ, ZERO, HOST_CPU, at(n, 2));
        a64_mem(&l->a, A64_STRQ, ZERO, HOST_CPU, at(n, 3));
    }
    put(&v->zero[1], n, true);
}

/* ---- what is known of floating point ---- */

bool vec_tame(const struct lift *l, const struct shape *s, unsigned n, unsigned half)
{
    return has(l->vec.tame[s->size == 8][half ? 2 : s->scalar ? 0 : 1], n);
}

void vec_tamed(struct lift *l, const struct shape *s, unsigned n, unsigned half)
{
    uint16_t *tame = l->vec.tame[s->size == 8];

    if (half == 0)
        put(&tame[0], n, true);
    if (!s->scalar)
        put(&tame[half ? 2 : 1], n, true);
}

/* ---- the unit, and memory ---- */

void vec_ready(struct lift *l)
{
    const unsigned unit = l->i->vl ? VEC_READY_AVX : VEC_READY_SSE;

    if (l->vec_ready & unit)
        return;
    a64_mov_imm(&l->a, T2, (uint64_t)CPU_AT(vec_ready));
    a64_mem_x(&l->a, A64_LDRB, T2, HOST_CPU, T2);
    a64_logic_imm(&l->a, A64_AND, 4, T2, T2, unit);
    lift_bail(l, a64_cbz(&l->a, 4, false, T2));
    l->vec_ready |= (uint8_t)unit;
}

bool vec_memory(struct lift *l, bool write, unsigned bytes, unsigned align)
{
    const unsigned address = lift_address(l);

    if (address == HOST_NONE)
        return false;
    if (align > 1)
        lift_probe_aligned(l, address, write, align);
    else
        lift_probe(l, address, write, bytes);
    if (bytes > 16)
        lift_host_address(l, T0);
    return true;
}

void vec_access(struct lift *l, uint32_t op, unsigned v, unsigned bytes, unsigned byte)
{
    if (bytes > 16)
        a64_mem(&l->a, op, v, T0, (int32_t)byte);
    else
        lift_access(l, op, v);
}

unsigned vec_source(struct lift *l, unsigned slot, unsigned half, unsigned scratch)
{
    if (!in_memory(l->i, slot))
        return vec_use(l, l->i->o[slot], half, scratch);
    vec_access(l, A64_LDRQ, scratch, l->i->width, 16 * half);
    return scratch;
}
