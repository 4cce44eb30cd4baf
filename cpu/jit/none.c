/* SPDX-License-Identifier: MIT
 * Hosts without a backend: the interpreter alone. */
#include "cpu/jit/jit.h"

bool jit_without_avx512;

bool jit_host_has_backend(void)
{
    return false;
}

struct jit *jit_create(struct cpu *cpu, const struct cpu_config *cfg)
{
    (void)cpu;
    (void)cfg;
    return NULL;
}

void jit_free(struct jit *j)
{
    (void)j;
}

void jit_watch(struct jit *j, struct block *b)
{
    (void)j;
    (void)b;
}

void jit_forget(struct jit *j, struct block *b)
{
    (void)j;
    (void)b;
}

void jit_cut_globals(struct jit *j)
{
    (void)j;
}

void jit_show(struct jit *j, const struct block *b, void (*show)(void *arg, const struct cpu_translation *t), void *arg)
{
    (void)j, (void)b, (void)show, (void)arg;
}

void jit_use(const struct jit *j, uint64_t *bytes, uint64_t *room, uint64_t *other)
{
    (void)j, (void)bytes, (void)room, (void)other;
}

const uint8_t *jit_code(const struct block *b)
{
    (void)b;
    return NULL;
}

const uint64_t *jit_handler_calls(const struct jit *j)
{
    (void)j;
    return NULL;
}

void jit_reset(struct jit *j)
{
    (void)j;
}

uint32_t jit_flags_get(const struct cpu *cpu)
{
    (void)cpu;
    return 0;
}

void jit_flags_to_raw(struct cpu *cpu)
{
    (void)cpu;
}

bool jit_full(const struct jit *j)
{
    (void)j;
    return false;
}

void jit_think(struct jit *j)
{
    (void)j;
}

void jit_look(struct jit *j, struct block *b)
{
    (void)j;
    (void)b;
}
