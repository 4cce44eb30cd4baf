/* SPDX-License-Identifier: MIT
 * Which blocks are translated, and how translations find one another. */
#include "cpu/jit/internal.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/exec.h"

#define CODE_BYTES ((size_t)32 << 20)

/* ---- leaving ---- */

unsigned jit_next(struct cpu *cpu, const struct insn *i)
{
    (void)cpu;
    (void)i;
    return EXEC_NEXT;
}

unsigned jit_next_counted(struct cpu *cpu, const struct insn *i)
{
    cpu->jit->handler_calls[(i - 1)->op]++;
    cpu->stats.jit_handlers++;
    return EXEC_NEXT;
}

/* The run loop goes on at rip; block t is behind it with all its instructions. */
static void leave_behind(struct cpu *cpu, struct jit_block *t, uint64_t rip)
{
    cpu->block = t->run;
    cpu->block_rip = t->run->rip;
    cpu->insn = &t->run->insns[t->run->count - 1];
    cpu->p.rip = rip;
    jit_flags_from_raw(cpu);
}

void jit_dry(struct cpu *cpu, struct jit_block *t)
{
    leave_behind(cpu, t, t->run->rip);
}

/* ---- links ---- */

static const struct block_shortcut *shortcut_at(const struct cpu *cpu, uint64_t rip)
{
    const struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(rip)];

    return block_shortcut_leads(cpu, s, rip) ? s : NULL;
}

static bool one_page(const struct block *a, const struct block *b)
{
    return ((a->rip ^ b->rip) & PAGE_MASK) == 0 && a->tail == NULL && b->tail == NULL &&
           (uintptr_t)(a->host - b->host) == (uintptr_t)(a->rip - b->rip);
}

static void incoming_remove(struct jit_link *l)
{
    if (l->before == NULL)
        return;
    *l->before = l->next;
    if (l->next != NULL)
        l->next->before = l->before;
    l->before = NULL;
}

static void incoming_add(struct jit_link *l, struct jit_block *to)
{
    l->before = &to->incoming;
    l->next = to->incoming;
    if (l->next != NULL)
        l->next->before = &l->next;
    to->incoming = l;
}

/* To `target`, or back to the stub. Only near links are code. */
static void aim_link(struct jit *j, struct jit_link *l, const uint8_t *target)
{
    if (l->near)
        codebuf_begin(&j->code, l->site, JIT_SITE_BYTES);
    if (target != NULL)
        backend_link(j, l, target);
    else
        backend_unlink(j, l);
    if (l->near)
        codebuf_end(&j->code, l->site, JIT_SITE_BYTES);
}

/* The shortcut to the block at rip; a flush or another block may have taken its place meanwhile. */
static const struct block_shortcut *shortcut_again(struct cpu *cpu, uint64_t rip)
{
    const struct block_shortcut *s = shortcut_at(cpu, rip);

    if (cpu->attention)
        return NULL;
    if (s == NULL && block_again(cpu, rip) != NULL)
        s = shortcut_at(cpu, rip);
    return s;
}

const uint8_t *jit_find(struct cpu *cpu, uint64_t rip)
{
    const struct block_shortcut *s = shortcut_again(cpu, rip);

    cpu->stats.jit_finds++;
    return s != NULL ? s->code : NULL;
}

const uint8_t *jit_go_on(struct cpu *cpu)
{
    const struct block_shortcut *s = cpu_goes_on(cpu) ? shortcut_again(cpu, cpu->p.rip) : NULL;

    if (s == NULL || s->code == NULL || (cpu->p.inhibit && cpu->budget < s->block->count))
        return NULL;
    cpu->p.inhibit = 0;
    return s->code;
}

const uint8_t *jit_code(const struct block *b)
{
    return b->jit != NULL ? b->jit->check : NULL;
}

const uint8_t *jit_follow(struct cpu *cpu, struct jit_link *l)
{
    const struct block_shortcut *s = shortcut_again(cpu, l->rip);
    struct jit_block *to;

    if (s == NULL || s->code == NULL) {
        leave_behind(cpu, l->from, l->rip);
        return NULL;
    }
    to = s->block->jit;
    if (!l->near || one_page(l->from->run, s->block)) {
        incoming_remove(l);
        incoming_add(l, to);
        l->tag = s->tag;
        cpu->stats.jit_links++;
        aim_link(cpu->jit, l, to->check);
    }
    return to->check;
}

void jit_forget(struct jit *j, struct block *b)
{
    struct block_shortcut *s;

    if (j == NULL || b->jit == NULL)
        return;
    s = &j->cpu->shortcuts[block_shortcut_slot(b->rip)];
    if (s->block == b)
        s->code = NULL;
    for (struct jit_link *l; (l = b->jit->incoming) != NULL;) {
        incoming_remove(l);
        l->tag = 0;
        aim_link(j, l, NULL);
    }
    b->jit = NULL;
    b->insns[0].fn = b->first;
}

/* ---- translating ---- */

static struct block *copy_of(struct jit *j, struct block *b)
{
    size_t bytes = sizeof *b + (b->count + 1u) * sizeof(struct insn);
    struct block *copy = arena_alloc(&j->arena, bytes);

    memcpy(copy, b, bytes);
    for (unsigned n = 0; n <= b->count; n++)
        copy->insns[n].fn = j->handler_calls != NULL ? jit_next_counted : jit_next;
    return copy;
}

static bool write_code(struct jit *j, struct jit_block *t)
{
    uint8_t *at = j->code.write + j->code.used;
    const size_t most = (size_t)(codebuf_limit(&j->code) - at);
    bool ok;

    codebuf_begin(&j->code, at, most);
    ok = backend_translate(j, t);
    codebuf_end(&j->code, at, j->code.toggled ? most : (size_t)(j->code.write + j->code.used - at));
    return ok;
}

static void count(struct jit *j, const struct jit_block *t, size_t bytes)
{
    struct cpu_stats *s = &j->cpu->stats;

    s->jit_blocks++;
    s->jit_insns += t->run->count;
    s->jit_bytes += bytes;
}

/* For whoever listens: the block's own bytes, which may lie on two pages. */
static void tell(struct jit *j, const struct jit_block *t, size_t at)
{
    const struct block *b = t->run;
    const unsigned here = (unsigned)(PAGE_SIZE - ((uintptr_t)b->host & ~PAGE_MASK)), first = b->bytes < here ? b->bytes : here;
    uint8_t guest[BLOCK_INSNS * 16];
    uint16_t ends[BLOCK_INSNS];

    memcpy(guest, b->host, first);
    if (b->tail != NULL && b->bytes > first)
        memcpy(guest + first, b->tail, b->bytes - first);
    for (unsigned n = 0; n < b->count; n++)
        ends[n] = b->insns[n].end;
    j->translated(j->translated_arg, &(struct cpu_translation){
        .rip = b->rip, .guest = guest, .insns = b->count, .ends = ends, .host = j->code.write + at, .begins = j->begins,
        .host_bytes = (uint32_t)(j->code.used - at), .runs_at = (uintptr_t)codebuf_runs_at(&j->code, j->code.write + at),
    });
}

static void translate(struct jit *j, struct block *b)
{
    const size_t at = j->code.used;
    struct jit_block *t = arena_alloc(&j->arena, sizeof *t);
    struct block_shortcut *s = &j->cpu->shortcuts[block_shortcut_slot(b->rip)];

    t->from = b;
    t->run = copy_of(j, b);
    b->insns[0].fn = b->first;
    if (!write_code(j, t)) {
        j->cpu->stats.jit_lost++;
        return;
    }
    count(j, t, j->code.used - at);
    if (j->translated != NULL)
        tell(j, t, at);
    b->jit = t;
    if (s->block == b)
        s->code = jit_code(b);
    memcpy(&b->insns[0].fn, &j->glue.enter, sizeof b->insns[0].fn);
}

static unsigned count_down(struct cpu *cpu, const struct insn *i)
{
    struct block *b = CONTAINER_OF(i, struct block, insns);

    if (--b->heat > 0)
        return b->first(cpu, i);
    translate(cpu->jit, b);
    return b->insns[0].fn(cpu, i);
}

/* Only what the mode of the processor does not decide while it runs. */
static bool translatable(const struct block *b)
{
    return (b->mode & MODE_DECODE) == DECODE_64 && !(b->mode & (MODE_SHSTK | MODE_IBT));
}

void jit_watch(struct jit *j, struct block *b)
{
    if (j == NULL || !translatable(b))
        return;
    b->heat = j->threshold;
    b->missed = 0;
    b->insns[0].fn = count_down;
}

/* What does not pay off is not tried again. The block may be running: it goes on in the interpreter. */
void jit_missed(struct cpu *cpu)
{
    struct block *b = cpu->block;

    jit_flags_from_raw(cpu);
    cpu->stats.jit_share_misses++;
    if (b->missed >= JIT_MISSES || ++b->missed < JIT_MISSES)
        return;
    cpu->stats.jit_unshared++;
    jit_forget(cpu->jit, b);
    b->heat = 1;
    b->insns[0].fn = count_down;
}

/* ---- the engine as a whole ---- */

bool jit_without_avx512;

bool jit_host_has_backend(void)
{
    return true;
}

static bool make_glue(struct jit *j)
{
    const size_t most = (size_t)(codebuf_limit(&j->code) - j->code.write);
    bool ok;

    codebuf_begin(&j->code, j->code.write, most);
    ok = backend_glue(j);
    codebuf_end(&j->code, j->code.write, most);
    j->glue_bytes = j->code.used;
    return ok;
}

struct jit *jit_create(struct cpu *cpu, const struct cpu_config *cfg)
{
    struct jit *j = calloc(1, sizeof *j);

    invariant(j != NULL, "out of memory for the translator");
    j->cpu = cpu;
    j->threshold = cfg->jit;
    j->translated = cfg->translated;
    j->translated_arg = cfg->translated_arg;
    if (cfg->count_handlers)
        j->handler_calls = calloc(OP_COUNT, sizeof *j->handler_calls);
    cpu->jit_mxcsr_c = 0x1f80;
    if (!codebuf_open(&j->code, CODE_BYTES) || !make_glue(j)) {
        jit_free(j);
        return NULL;
    }
    return j;
}

void jit_free(struct jit *j)
{
    if (j == NULL)
        return;
    arena_free(&j->arena);
    codebuf_close(&j->code);
    free(j->handler_calls);
    free(j);
}

const uint64_t *jit_handler_calls(const struct jit *j)
{
    return j != NULL ? j->handler_calls : NULL;
}

void jit_reset(struct jit *j)
{
    if (j == NULL)
        return;
    arena_reset(&j->arena);
    j->cpu->stats.jit_resets += j->code.used != j->glue_bytes;
    j->code.used = j->glue_bytes;
}

bool jit_full(const struct jit *j)
{
    return j != NULL && j->code.bytes - j->code.used < (size_t)64 << 10;
}
