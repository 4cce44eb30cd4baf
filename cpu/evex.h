/* SPDX-License-Identifier: MIT
 * EVEX operands: opmasks, broadcast, accesses that leave out what is masked off. The functions of vec.h come here for EVEX
 * forms, so a handler written with vec_check(), vec_load() and vec_put() knows nothing of masks; only operations whose mask
 * does not stand for equal parts of what they load or store name the part themselves. */
#ifndef CPU_EVEX_H
#define CPU_EVEX_H

#include "cpu/internal.h"

union vec;

/* SDM 2A "AVX-512 Exception Types": XCR0 must have the opmask and both ZMM components besides SSE and AVX. Also for the
 * VEX-encoded opmask instructions. */
bool avx512_check(struct cpu *cpu);

/* Bit k is set when element k takes part: the mask register's low bits, all when there is none. */
uint64_t evex_mask(const struct cpu *cpu, const struct insn *i);
/* How many elements a mask of i has bits for. */
static inline unsigned evex_count(const struct insn *i) { return i->vl / i->esize; }

/* i's memory operand of `bytes` bytes: evex_count() parts of it, each read only if it takes part (the others come as zero),
 * or one part that stands for all (broadcast). */
bool evex_load(struct cpu *cpu, const struct insn *i, union vec *to, unsigned bytes);
/* #GP when the selected parts leave the canonical addresses, then #AC when all of the operand makes a scalar's size. */
bool evex_aligned(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned part, uint64_t mask, unsigned access);
/* evex_load() with parts of `part` bytes and the mask given. */
bool evex_load_parts(struct cpu *cpu, const struct insn *i, void *to, unsigned bytes, unsigned part, uint64_t mask);

/* Register n from `bytes` bytes, part by part as the mask says: merged or zeroed; zero above. */
void evex_put(struct cpu *cpu, const struct insn *i, unsigned n, const union vec *from, unsigned bytes);
void evex_put_parts(struct cpu *cpu, const struct insn *i, unsigned n, const void *from, unsigned bytes, unsigned part);

/* The scalars' destination: `low` as the element of `part` bytes (merged or zeroed by the caller), the rest of 128 bits from
 * `first`, zero above. */
void evex_put_scalar(struct cpu *cpu, const struct insn *i, union vec *first, uint64_t low, unsigned part);

/* i's memory operand from the parts of `from` that take part. All are known to be writable before the first is stored. */
bool evex_store(struct cpu *cpu, const struct insn *i, const union vec *from, unsigned bytes);
bool evex_store_parts(struct cpu *cpu, const struct insn *i, const void *from, unsigned bytes, unsigned part, uint64_t mask);

/* An opmask result of `count` bits under i's mask: bits that take no part are zero (comparisons). */
void evex_put_mask(struct cpu *cpu, const struct insn *i, uint64_t bits);

#endif
