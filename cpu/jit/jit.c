/* SPDX-License-Identifier: MIT
 * Which blocks are translated, and how translations find one another. */
#include "cpu/jit/internal.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/exec.h"
#include "cpu/tlb.h"

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

/* The run loop goes on at rip; this block is behind it with all its instructions. */
static void leave_behind(struct cpu *cpu, struct jit_part *p, uint64_t rip)
{
    cpu->block = p->run;
    cpu->block_rip = p->run->rip;
    cpu->insn = &p->run->insns[p->run->count - 1];
    cpu->p.rip = rip;
    jit_flags_from_raw(cpu);
}

void jit_dry(struct cpu *cpu, struct jit_part *p)
{
    leave_behind(cpu, p, p->run->rip);
    if (!p->of->gone)
        jit_sample(cpu->jit, p->of);
}

/* ---- links ---- */

static const struct block_shortcut *shortcut_at(const struct cpu *cpu, uint64_t rip)
{
    const struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(rip)];

    return block_shortcut_leads(cpu, s, rip) ? s : NULL;
}

static bool stays_near(const struct block *a, const struct block *b)
{
    return jit_one_page(a, b) && a->tail == NULL && b->tail == NULL;
}

/* A far link becomes a jump when its target is on a global page. One that goes round a loop has more to do than to jump. */
static void make_direct(struct jit *j, struct jit_link *l)
{
    if (l->near || l->tag != j->cpu->global_tag || l->loop != NULL)
        return;
    l->direct = true;
    if (l->listed)
        return;
    l->listed = true;
    l->next_global = j->globals;
    j->globals = l;
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

/* To `target`, or back to the stub. Only direct links are code. */
static void aim_link(struct jit *j, struct jit_link *l, const uint8_t *target)
{
    if (l->direct)
        codebuf_begin(&j->code, l->site, JIT_SITE_BYTES);
    if (target != NULL)
        backend_link(j, l, target);
    else
        backend_unlink(j, l);
    if (l->direct)
        codebuf_end(&j->code, l->site, JIT_SITE_BYTES);
}

/* Its target is gone, or may be elsewhere. */
static void cut_link(struct jit *j, struct jit_link *l)
{
    incoming_remove(l);
    l->tag = 0;
    aim_link(j, l, NULL);
    l->direct = l->near;
}

void jit_cut_globals(struct jit *j)
{
    struct jit_link *l;

    if (j == NULL)
        return;
    while ((l = j->globals) != NULL) {
        j->globals = l->next_global;
        l->listed = false;
        if (l->direct)
            cut_link(j, l);
    }
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
    const bool goes_on = cpu_goes_on(cpu) && jit_does(cpu->jit, PASS_GO_ON);
    const struct block_shortcut *s = goes_on ? shortcut_again(cpu, cpu->p.rip) : NULL;

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
    if (l->inner == s->block)
        l->inner_tag = s->tag;
    if (jit_does(cpu->jit, PASS_LINKS) && (!l->near || stays_near(l->from->run, s->block))) {
        incoming_remove(l);
        incoming_add(l, to);
        l->tag = s->tag;
        make_direct(cpu->jit, l);
        cpu->stats.jit_links++;
        aim_link(cpu->jit, l, to->check);
    }
    return to->check;
}

static unsigned count_down(struct cpu *cpu, const struct insn *i);

static void translate_soon(struct block *b)
{
    b->heat = 1;
    b->insns[0].fn = count_down;
}

/* The processor may be in it: then it leaves behind the instruction at hand. */
static void drop(struct jit *j, struct jit_block *t)
{
    struct cpu *cpu = j->cpu;
    struct block *head = t->parts[0].from;
    struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(head->rip)];

    t->gone = true;
    if (cpu->block != NULL && cpu->block->jit == t)
        cpu->attention |= ATTEND_CODE;
    if (head->jit != t)
        return;
    if (s->block == head)
        s->code = NULL;
    for (struct jit_link *l; (l = t->incoming) != NULL;)
        cut_link(j, l);
    head->jit = NULL;
    head->insns[0].fn = head->first;
}

void jit_forget(struct jit *j, struct block *b)
{
    struct jit_part *p;

    if (j == NULL)
        return;
    jit_look_away(j, b);
    while ((p = b->parts) != NULL) {
        b->parts = p->next;
        if (p->of->gone)
            continue;
        drop(j, p->of);
        if (p->of->parts[0].from != b && p->of->parts[0].from->jit == NULL)
            translate_soon(p->of->parts[0].from);
    }
}

/* ---- translating ---- */

static struct block *copy_of(struct jit *j, struct block *b, struct jit_block *t)
{
    size_t bytes = sizeof *b + (b->count + 1u) * sizeof(struct insn);
    struct block *copy = arena_alloc(&j->arena, bytes);

    memcpy(copy, b, bytes);
    copy->jit = t;
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

static void count_made(struct jit *j, const struct jit_block *t, size_t bytes)
{
    struct cpu_stats *s = &j->cpu->stats;

    s->jit_blocks++;
    s->jit_paths += t->nparts > 1;
    s->jit_insns += j->insns.count;
    s->jit_bytes += bytes;
}

/* For whoever listens: the block's own bytes, which may lie on two pages. */
static void guest_bytes(const struct block *b, uint8_t *guest, uint16_t *ends)
{
    const unsigned here = (unsigned)(PAGE_SIZE - ((uintptr_t)b->host & ~PAGE_MASK)), first = b->bytes < here ? b->bytes : here;

    memcpy(guest, b->host, first);
    if (b->tail != NULL && b->bytes > first)
        memcpy(guest + first, b->tail, b->bytes - first);
    for (unsigned n = 0; n < b->count; n++)
        ends[n] = b->insns[n].end;
}

/* Where the first of the links into it come from. */
static void note_links(const struct jit_block *t, struct cpu_translation *out)
{
    for (const struct jit_link *l = t->incoming; l != NULL; l = l->next) {
        if (out->nlinks < COUNT_OF(out->links))
            out->links[out->nlinks] = l->from->run->rip + l->from->run->bytes;
        out->nlinks++;
    }
}

/* What is out of line is shown with the last part. */
static void tell_part(struct jit *j, const struct jit_part *p, bool last, void (*tell)(void *, const struct cpu_translation *), void *arg)
{
    const struct block *b = p->run;
    const struct jit_block *t = p->of;
    const uint32_t base = p->first == 0 ? 0 : t->begins[p->first], end = last ? t->bytes : t->begins[p->first + b->count];
    uint8_t guest[BLOCK_INSNS * 16];
    uint16_t ends[BLOCK_INSNS];
    uint32_t begins[BLOCK_INSNS + 1];
    struct cpu_translation out = {
        .rip = b->rip, .guest = guest, .insns = b->count, .ends = ends, .host = j->code.write + t->at + base, .begins = begins,
        .host_bytes = end - base, .runs_at = (uintptr_t)codebuf_runs_at(&j->code, j->code.write + t->at + base),
        .part = (unsigned)(p - t->parts), .parts = t->nparts, .runs = t->runs, .bits = 64,
    };

    guest_bytes(b, guest, ends);
    for (unsigned n = 0; n <= b->count; n++)
        begins[n] = t->begins[p->first + n] - base;
    note_links(t, &out);
    tell(arg, &out);
}

static void tell(struct jit *j, const struct jit_block *t)
{
    for (unsigned n = 0; j->translated != NULL && n < t->nparts; n++)
        tell_part(j, &t->parts[n], n + 1 == t->nparts, j->translated, j->translated_arg);
}

static unsigned decode_of(const struct block *b)
{
    _Static_assert(DECODE_16 == 0 && DECODE_32 == 1 && DECODE_64 == 2, "each twice as wide as the one before");
    return b->mode & MODE_DECODE;
}

/* A path is shown with each block that it is made of. */
void jit_show(struct jit *j, const struct block *b, void (*show)(void *arg, const struct cpu_translation *t), void *arg)
{
    uint8_t guest[BLOCK_INSNS * 16];
    uint16_t ends[BLOCK_INSNS];
    struct cpu_translation out = {
        .rip = b->rip, .guest = guest, .insns = b->count, .ends = ends, .runs = b->heat, .parts = 1, .bits = 16u << decode_of(b),
    };
    bool shown = false;

    for (const struct jit_part *p = j != NULL ? b->parts : NULL; p != NULL; p = p->next)
        if (!p->of->gone) {
            tell_part(j, p, p == &p->of->parts[p->of->nparts - 1], show, arg);
            shown = true;
        }
    if (shown)
        return;
    guest_bytes(b, guest, ends);
    show(arg, &out);
}

/* The instructions of all parts in a row. */
static void lay_out(struct jit *j, struct jit_block *t)
{
    struct jit_code *c = &j->insns;

    c->count = 0;
    c->loops = t->loops;
    c->keeps_flags = !jit_does(j, PASS_FLAGS);
    for (unsigned n = 0; n < t->nparts; n++) {
        struct block *b = t->parts[n].run;

        t->parts[n].first = c->count;
        for (unsigned k = 0; k < b->count; k++) {
            c->part[c->count] = (uint8_t)n;
            c->insns[c->count++] = &b->insns[k];
        }
    }
}

static struct jit_block *translation_of(struct jit *j, struct block *const *blocks, unsigned count, bool loops)
{
    struct jit_block *t = arena_alloc(&j->arena, sizeof *t);

    *t = (struct jit_block){ .parts = arena_alloc(&j->arena, count * sizeof *t->parts), .nparts = count,
                             .loops = loops && jit_does(j, PASS_LOOPS), .at = j->code.used };
    for (unsigned n = 0; n < count; n++)
        t->parts[n] = (struct jit_part){ .from = blocks[n], .run = copy_of(j, blocks[n], t), .of = t };
    lay_out(j, t);
    t->insns = j->insns.count;
    return t;
}

static void keep_begins(struct jit *j, struct jit_block *t)
{
    const size_t bytes = (j->insns.count + 1u) * sizeof j->begins[0];
    uint32_t *begins = arena_alloc(&j->arena, bytes);

    memcpy(begins, j->begins, bytes);
    t->begins = begins;
}

/* Host code, or NULL. */
static struct jit_block *make(struct jit *j, struct block *const *blocks, unsigned count, bool loops)
{
    const size_t at = j->code.used;
    struct jit_block *t = translation_of(j, blocks, count, loops);

    if (!write_code(j, t)) {
        j->cpu->stats.jit_lost++;
        return NULL;
    }
    for (unsigned n = 0; n < count; n++) {
        t->parts[n].next = blocks[n]->parts;
        blocks[n]->parts = &t->parts[n];
    }
    t->bytes = (uint32_t)(j->code.used - at);
    keep_begins(j, t);
    count_made(j, t, t->bytes);
    tell(j, t);
    return t;
}

/* From now on block b is entered there. */
static void enter_by(struct jit *j, struct block *b, struct jit_block *t)
{
    struct block_shortcut *s = &j->cpu->shortcuts[block_shortcut_slot(b->rip)];
    struct jit_block *old = b->jit;

    b->jit = t;
    if (s->block == b)
        s->code = jit_code(b);
    memcpy(&b->insns[0].fn, &j->glue.enter, sizeof b->insns[0].fn);
    for (struct jit_link *l; old != NULL && (l = old->incoming) != NULL;) {
        incoming_remove(l);
        incoming_add(l, t);
        aim_link(j, l, t->check);
    }
}

static bool loops_alone(const struct block *b)
{
    const struct insn *last = &b->insns[b->count - 1];

    return backend_has_paths && last->op == OP_JCC && last->width == 8 && (uint64_t)last->disp == b->rip && b->tail == NULL;
}

static void translate(struct jit *j, struct block *b)
{
    struct jit_block *t;

    b->insns[0].fn = b->first;
    t = make(j, &b, 1, loops_alone(b));
    if (t != NULL)
        enter_by(j, b, t);
}

void jit_exchange(struct jit *j, struct jit_block *t)
{
    struct block *head = t->parts[0].from;

    if (head->jit != t)
        return;
    drop(j, t);
    translate_soon(head);
}

void jit_translate_path(struct jit *j, struct block *const *blocks, unsigned count, bool loops)
{
    struct jit_block *t = make(j, blocks, count, loops);

    if (t != NULL)
        enter_by(j, blocks[0], t);
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
    b->missed = b->narrow = 0;
    b->insns[0].fn = count_down;
}

/* ---- what accesses keep of the TLB ---- */

/* Between two instructions; s.retired is not up to date during a turn. */
static uint64_t insns_now(const struct cpu *cpu)
{
    return cpu->turn_insns + (cpu->turn_budget - cpu->budget);
}

#define SHARE_MISSES    16u
#define SHARE_RATE      2048u   /* instructions, of all that run, for one miss */

/* What misses often is tried with less to it. The block may be running: it goes on in the interpreter. */
void jit_missed(struct cpu *cpu)
{
    struct block *b = cpu->block;
    const uint64_t now = insns_now(cpu), since = b->missed_since;

    jit_flags_from_raw(cpu);
    cpu->stats.jit_share_misses++;
    if (b->missed++ == 0)
        b->missed_since = now;
    if (b->missed < SHARE_MISSES)
        return;
    b->missed = 0;
    if (now - since >= (uint64_t)SHARE_MISSES * SHARE_RATE)
        return;
    b->narrow++;
    cpu->stats.jit_unshared++;
    jit_forget(cpu->jit, b);
    translate_soon(b);
}

#define SITE_MISSES     64u
#define SITE_RATE       64u     /* of so many times that code runs an access may miss once */

unsigned jit_site(struct jit *j, struct jit_part *p, unsigned k, bool write, unsigned bytes)
{
    const unsigned n = j->nsites;

    if (n >= JIT_SITES)
        return 0;
    j->nsites++;
    j->sites[n] = (struct jit_site){ p, k, write, (uint16_t)bytes, insns_now(j->cpu) };
    j->cpu->jit_site_left[n] = SITE_MISSES;
    j->cpu->jit_site_limit[n] = (uint16_t)(PAGE_SIZE + 1 - bytes);
    return n;
}

void jit_think(struct jit *j)
{
    struct cpu *cpu = j->cpu;
    const unsigned n = cpu->jit_site_missed;
    struct jit_site *site = &j->sites[n];
    const uint64_t now = insns_now(cpu), rounds = (now - site->since) / site->part->of->insns;
    struct block *head = site->part->of->parts[0].from;

    cpu->jit_site_missed = 0;
    cpu->jit_site_left[n] = SITE_MISSES;
    site->since = now;
    if (rounds >= SITE_MISSES * SITE_RATE || site->part->of->gone)
        return;
    site->part->from->unsited |= UINT64_C(1) << site->k;
    cpu->stats.jit_unsited++;
    drop(j, site->part->of);
    if (head->jit == NULL)
        translate_soon(head);
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
    j->off = cfg->jit_off;
    j->counts = cfg->jit_counts;
    j->translated = cfg->translated;
    j->translated_arg = cfg->translated_arg;
    if (cfg->count_handlers)
        j->handler_calls = calloc(OP_COUNT, sizeof *j->handler_calls);
    cpu->jit_mxcsr_c = 0x1f80;
    j->sites = calloc(JIT_SITES, sizeof *j->sites);
    invariant(j->sites != NULL, "out of memory for the translator");
    j->nsites = 1;
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
    free(j->sites);
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
    jit_look_away(j, NULL);
    j->globals = NULL;
    tlb_forget_sites(j->cpu);
    j->nsites = 1;
    j->cpu->jit_site_missed = 0;
    j->cpu->stats.jit_resets += j->code.used != j->glue_bytes;
    j->code.used = j->glue_bytes;
}

void jit_use(const struct jit *j, uint64_t *bytes, uint64_t *room, uint64_t *other)
{
    if (j == NULL)
        return;
    *bytes = j->code.used;
    *room = j->code.bytes;
    *other += j->arena.used_bytes;
}

bool jit_full(const struct jit *j)
{
    return j != NULL && j->code.bytes - j->code.used < (size_t)128 << 10;
}
