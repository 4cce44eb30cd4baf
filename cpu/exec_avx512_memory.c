/* SPDX-License-Identifier: MIT
 * Masked moves of whole vectors and of single elements, gathers and scatters. */
#include "cpu/vsib.h"

/* ---- whole vectors ---- */

static bool move(struct cpu *cpu, const struct insn *i, unsigned alignment)
{
    union vec v[VEC_LANES_MAX];
    gva_t lin;

    if (!avx512_check(cpu))
        return false;
    if (i->form == FORM_RR) {
        vec_get(cpu, i->o[1], v, i->vl);
        vec_put(cpu, i, i->o[0], v, i->vl);
        return true;
    }
    if (alignment > 1 && evex_mask(cpu, i)) {
        if (!ea_linear(cpu, i, i->vl, i->form == FORM_RM ? ACCESS_READ : ACCESS_WRITE, &lin)) {
            vec_misplaced(cpu, i, alignment);
            return false;
        }
        if (lin & (alignment - 1))
            return fault_gp(cpu, 0);
    }
    if (i->form == FORM_MR) {
        vec_get(cpu, i->o[1], v, i->vl);
        return evex_store(cpu, i, v, i->vl);
    }
    if (!evex_load(cpu, i, v, i->vl))
        return false;
    vec_put(cpu, i, i->o[0], v, i->vl);
    return true;
}

EXEC(EMOV_ALIGNED)   { RUN(move(cpu, i, i->vl)); }
EXEC(EMOV_UNALIGNED) { RUN(move(cpu, i, 1)); }

/* ---- one element ---- */

/* Masked off, the element is the destination's or zero and memory is not touched. */
static bool load_element(struct cpu *cpu, const struct insn *i)
{
    const bool on = evex_mask(cpu, i) & 1;
    union vec v = { .u64 = { 0 } };
    uint64_t low = 0;

    if (!avx512_check(cpu))
        return false;
    if (on && !(i->esize == 4 ? ea_load(cpu, i, 4, &low) : ea_load(cpu, i, 8, &low)))
        return false;
    if (!on && !(i->flags & INSN_EVEX_Z))
        low = load_bytes(xmm_at(cpu, i->o[0]), i->esize);
    evex_put_scalar(cpu, i, &v, low, i->esize);
    return true;
}

static bool store_element(struct cpu *cpu, const struct insn *i)
{
    return avx512_check(cpu) && (!(evex_mask(cpu, i) & 1) ||
                                 operand_store(cpu, i, 0, i->esize, load_bytes(xmm_at(cpu, i->o[1]), i->esize)));
}

static bool merge_element(struct cpu *cpu, const struct insn *i)
{
    const bool on = evex_mask(cpu, i) & 1;
    union vec v;

    if (!avx512_check(cpu))
        return false;
    vec_get(cpu, i->o[1], &v, 16);
    evex_put_scalar(cpu, i, &v, on || !(i->flags & INSN_EVEX_Z) ? load_bytes(xmm_at(cpu, i->o[on ? 2 : 0]), i->esize) : 0,
                    i->esize);
    return true;
}

EXEC(EMOV_LOAD)  { RUN(load_element(cpu, i)); }
EXEC(EMOV_STORE) { RUN(store_element(cpu, i)); }
EXEC(EMOV_MERGE) { RUN(merge_element(cpu, i)); }

/* ---- gathers and scatters ---- */

/* SDM 2C "VPGATHERDD/VPGATHERDQ", "VPSCATTERDD/...": elements go in order, lowest first, and the mask bit of each that is done
 * is cleared, so that after a fault the instruction goes on where it stopped. What lies above the vector in a
 * gather's destination is cleared with the first element that comes (seen on an Emerald Rapids). */
struct walk {
    unsigned index_bytes, bytes;        /* of one index, of one element */
    unsigned count;
    union wide index;
};

static bool element_linear(struct cpu *cpu, const struct insn *i, const struct walk *w, unsigned k, unsigned access, gva_t *lin)
{
    return vsib_linear(cpu, i, w->index.u8 + k * w->index_bytes, w->index_bytes, w->bytes, access, lin);
}

static void walk_begin(struct cpu *cpu, const struct insn *i, struct walk *w)
{
    w->count = i->vl / (w->index_bytes > w->bytes ? w->index_bytes : w->bytes);
    vec_get(cpu, i->index, w->index.lane, i->vl);
}

static ALWAYS_INLINE bool gather(struct cpu *cpu, const struct insn *i, unsigned index_bytes, unsigned bytes, unsigned *done)
{
    struct walk w = { .index_bytes = index_bytes, .bytes = bytes };
    uint64_t *mask = &cpu->s.k[i->mask];
    uint8_t *to = xmm_at(cpu, i->o[0]);
    unsigned used;
    gva_t lin;

    if (!avx512_check(cpu))
        return false;
    if (i->o[0] == i->index)
        return fault_ud(cpu);
    walk_begin(cpu, i, &w);
    used = w.count * bytes;
    for (unsigned k = 0; k < w.count; k++) {
        if (!(*mask >> k & 1))
            continue;
        if (!element_linear(cpu, i, &w, k, ACCESS_READ, &lin) || !mem_load_block(cpu, i, lin, to + k * bytes, bytes))
            return false;
        *mask &= ~BIT64(k);
        ++*done;
        memset(to + i->vl, 0, 64u - i->vl);
    }
    *mask = 0;
    memset(to + used, 0, 64 - used);
    return true;
}

static ALWAYS_INLINE bool scatter(struct cpu *cpu, const struct insn *i, unsigned index_bytes, unsigned bytes, unsigned *done)
{
    struct walk w = { .index_bytes = index_bytes, .bytes = bytes };
    uint64_t *mask = &cpu->s.k[i->mask];
    gva_t lin;

    if (!avx512_check(cpu))
        return false;
    walk_begin(cpu, i, &w);
    for (unsigned k = 0; k < w.count; k++) {
        if (!(*mask >> k & 1))
            continue;
        if (!element_linear(cpu, i, &w, k, ACCESS_WRITE, &lin) ||
            !mem_store_block(cpu, i, lin, xmm_at(cpu, i->o[1]) + k * bytes, bytes))
            return false;
        *mask &= ~BIT64(k);
        ++*done;
    }
    *mask = 0;
    return true;
}

#define ELEMENTWISE(NAME, work, index_bytes, bytes)                                             \
    EXEC(NAME)                                                                                  \
    {                                                                                           \
        unsigned done = 0;                                                                      \
                                                                                                \
        cpu->p.rep_resume = 0;                                                                  \
        if (work(cpu, i, index_bytes, bytes, &done))                                            \
            NEXT();                                                                             \
        return vsib_stop(cpu, i, done);                                                         \
    }
ELEMENTWISE(EGATHERDD,   gather,  4, 4)
ELEMENTWISE(EGATHERDQ,   gather,  4, 8)
ELEMENTWISE(EGATHERQD,   gather,  8, 4)
ELEMENTWISE(EGATHERQQ,   gather,  8, 8)
ELEMENTWISE(VPSCATTERDD, scatter, 4, 4)
ELEMENTWISE(VPSCATTERDQ, scatter, 4, 8)
ELEMENTWISE(VPSCATTERQD, scatter, 8, 4)
ELEMENTWISE(VPSCATTERQQ, scatter, 8, 8)
