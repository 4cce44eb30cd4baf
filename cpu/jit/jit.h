/* SPDX-License-Identifier: MIT
 * The second engine: blocks that run often become host code. It stands in the interpreter's own seams: a block's first handler
 * counts, then enters the translation; whatever has no translation, or leaves the plain path, is done by the interpreter's
 * handler of that instruction. So every state that can be seen between two instructions is the interpreter's. */
#ifndef CPU_JIT_JIT_H
#define CPU_JIT_JIT_H

#include "cpu/block.h"

struct jit;
struct jit_block;

bool jit_host_has_backend(void);

extern bool jit_without_avx512;         /* tests: as if the host had none */

/* cfg->jit, at least 1: how often a block runs before it is translated. NULL: the host has no backend, or no memory for code. */
struct jit *jit_create(struct cpu *cpu, const struct cpu_config *cfg);
void jit_free(struct jit *j);

/* A block was made and will be kept: let it count. */
void jit_watch(struct jit *j, struct block *b);

/* A block is forgotten: no translation may lead to its own any more. It may be running. */
void jit_forget(struct jit *j, struct block *b);

/* What leads to global pages must look again. */
void jit_cut_globals(struct jit *j);

/* cpu->jit_site_missed: an access did not find its page where it was last, and that often. */
void jit_think(struct jit *j);

/* While cpu->jit_looks: b runs next, alone and interpreted. */
void jit_look(struct jit *j, struct block *b);

/* For cpu_show_code(). */
void jit_show(struct jit *j, const struct block *b, void (*show)(void *arg, const struct cpu_translation *t), void *arg);

/* Bytes of host code and room for it; what else it holds is added to `other`. */
void jit_use(const struct jit *j, uint64_t *bytes, uint64_t *room, uint64_t *other);

/* What a block's shortcut says of its translation. */
const uint8_t *jit_code(const struct block *b);

/* By enum op; NULL: not counted. */
const uint64_t *jit_handler_calls(const struct jit *j);

/* All blocks are gone, and none is running. */
void jit_reset(struct jit *j);

/* The arithmetic flags while cpu->jit_has_flags. */
uint32_t jit_flags_get(const struct cpu *cpu);
void jit_flags_to_raw(struct cpu *cpu);         /* from cpu->flags */

/* No room is left: reset when nothing runs. */
bool jit_full(const struct jit *j);

#endif
