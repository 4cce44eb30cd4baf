/* SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/block.h"
#include "cpu/jit/internal.h"
#include "tests/cpu/lockstep.h"

#define MEMORY_EVERY 64u        /* turns */

static struct fixture plain, fast;
static unsigned passes_off;     /* as the test was asked */

void program_put(struct program *p, unsigned byte)
{
    assert_true(p->len < sizeof p->bytes);
    p->bytes[p->len++] = (uint8_t)byte;
}

void program_puts(struct program *p, const void *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++)
        program_put(p, ((const uint8_t *)bytes)[n]);
}

void lockstep_open(const char *model)
{
    fixture_translate(0);
    fixture_open_model(&plain, model);
    fixture_translate(1);
    fixture_open_model(&fast, model);
    passes_off = fast.cpu->jit->off;
}

void lockstep_close(void)
{
    fixture_close(&plain);
    fixture_close(&fast);
}

int lockstep_open_max(void **state)
{
    (void)state;
    lockstep_open("max");
    return 0;
}

int lockstep_close_both(void **state)
{
    (void)state;
    lockstep_close();
    return 0;
}

/* Is there a translation of the program's first block? */
static bool translated(void)
{
    const struct block_shortcut *s = &fast.cpu->shortcuts[block_shortcut_slot(FIXTURE_CODE)];

    return block_shortcut_leads(fast.cpu, s, FIXTURE_CODE) && s->block->jit != NULL;
}

const struct cpu_stats *lockstep_stats(void)
{
    return cpu_stats(fast.cpu);
}

void lockstep_data(struct cpu *cpu, const void *bytes, size_t len)
{
    fixture_put(cpu == plain.cpu ? &plain : &fast, FIXTURE_DATA, bytes, len);
}

/* ---- what must not matter ---- */

/* A block of the program that can be found now, or NULL. */
static struct block *some_block(const struct lockstep *l, const struct program *p)
{
    for (unsigned n = 0; n < 8; n++) {
        const uint64_t rip = FIXTURE_CODE + l->below(p->len);
        const struct block_shortcut *s = &fast.cpu->shortcuts[block_shortcut_slot(rip)];

        if (block_shortcut_leads(fast.cpu, s, rip))
            return s->block;
    }
    return NULL;
}

/* One line of the code is written with what is there, as a device may. */
static void rewrite(const struct lockstep *l, const struct program *p)
{
    const uint64_t at = (FIXTURE_CODE + l->below(p->len)) & ~UINT64_C(63);
    uint8_t line[64];

    memcpy(line, fast.ram->bytes + at, sizeof line);
    fixture_put(&plain, at, line, sizeof line);
    fixture_put(&fast, at, line, sizeof line);
}

static void raise_to(size_t *used, size_t to)
{
    *used = *used > to ? *used : to;
}

/* From one tier to another: the block falls back to the interpreter, its path to blocks, or a path begins with it. What is translated
 * next is so sooner or later, by fewer passes, and with little room for code or for what accesses keep. */
static void shake(const struct lockstep *l, const struct program *p)
{
    struct jit *j = fast.cpu->jit;
    struct block *b = some_block(l, p);
    size_t sites = j->nsites;

    switch (l->below(8)) {
    case 0:
        if (!l->keeps_caches)
            cpu_drop_caches(fast.cpu);
        break;
    case 1:
        rewrite(l, p);
        break;
    case 2: case 3:
        if (b != NULL && b->origin == b && b->host != NULL) {
            jit_forget(j, b);
            jit_watch(j, b);
        }
        break;
    case 4:
        if (b != NULL && b->jit != NULL) {
            b->samples = 1;
            jit_sample(j, b->jit);
        }
        break;
    case 5:
        j->threshold = l->below(2) ? 1 : 1 + l->below(20);
        break;
    case 6:
        j->off = passes_off | (l->below(2) ? 1u << l->below(PASS_COUNT) : 0);
        break;
    default:
        if (l->below(8) == 0)
            raise_to(&j->code.used, j->code.bytes - l->below(200 << 10) / 16 * 16);
        raise_to(&sites, JIT_SITES - l->below(20));
        j->nsites = (unsigned)sites;
    }
}

static void begin(const struct lockstep *l, struct fixture *f, const struct program *p, uint64_t seed)
{
    uint64_t kept = *l->seed;

    f->cpu->p.activity = CPU_RUNNING;
    fixture_mode(f, FIXTURE_LONG);
    fixture_tables(f);
    fixture_map(f, LOCKSTEP_APART, FIXTURE_DATA);
    fixture_map(f, LOCKSTEP_APART + PAGE_SIZE, FIXTURE_DATA + 3 * PAGE_SIZE);
    if (l->pages != NULL)
        l->pages(f);
    fixture_code(f, p->bytes, p->len);
    if (l->extend != NULL)
        l->extend(f);
    *l->seed = seed;
    l->prepare(f->cpu);
    *l->seed = kept;
}

static void tell(const char *name, const uint64_t *a, const uint64_t *b, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        if (a[n] != b[n])
            print_message(" %s[%u] %llx and %llx", name, n, (unsigned long long)a[n], (unsigned long long)b[n]);
}

static void same(const struct program *p, unsigned number)
{
    struct cpu_private a = plain.cpu->p, b = fast.cpu->p;
    const struct cpu_shared *s = &plain.cpu->s, *t = &fast.cpu->s;

    a.rflags = cpu_rflags(plain.cpu);
    b.rflags = cpu_rflags(fast.cpu);
    if (memcmp(&a, &b, sizeof a) == 0 && memcmp(s, t, sizeof *s) == 0)
        return;
    print_message("program %u, mxcsr %x and %x:", number, s->mxcsr, t->mxcsr);
    tell("rip", &a.rip, &b.rip, 1);
    tell("rflags", &a.rflags, &b.rflags, 1);
    tell("gpr", s->gpr, t->gpr, COUNT_OF(s->gpr));
    tell("zmm quadword", s->zmm, t->zmm, COUNT_OF(s->zmm));
    tell("k", s->k, t->k, COUNT_OF(s->k));
    tell("x87 significand", s->fpr_mant, t->fpr_mant, COUNT_OF(s->fpr_mant));
    for (unsigned n = 0; n < COUNT_OF(s->fpr_se); n++)
        if (s->fpr_se[n] != t->fpr_se[n])
            print_message(" x87 exponent[%u] %x and %x", n, s->fpr_se[n], t->fpr_se[n]);
    if (s->fsw != t->fsw || s->fcw != t->fcw || s->ftag != t->ftag || s->fpu_ip != t->fpu_ip)
        print_message(" fsw %x and %x, fcw %x and %x, tags %x and %x, ip %llx and %llx", s->fsw, t->fsw, s->fcw, t->fcw, s->ftag, t->ftag,
                      (unsigned long long)s->fpu_ip, (unsigned long long)t->fpu_ip);
    print_message("\n");
    for (unsigned n = 0; n < p->len; n++)
        print_message("%02x", p->bytes[n]);
    print_message("\n");
    fail();
}

static void same_memory(uint64_t at, size_t bytes)
{
    assert_memory_equal(plain.ram->bytes + at, fast.ram->bytes + at, bytes);
}

static void all_memory(void)
{
    same_memory(FIXTURE_DATA, 0x4000);
    same_memory(FIXTURE_DATA + (TLB_ENTRIES << PAGE_SHIFT), 0x2000);
    same_memory(FIXTURE_STACK - 0x1000, 0x2000);
    same_memory(FIXTURE_TABLES, 0x20000);
    same_memory(FIXTURE_TABLES + 0x700000, 0x40000);
    same_memory(FIXTURE_CODE, 0x3000);
}

static bool run_both(const struct lockstep *l, const struct program *p, unsigned number)
{
    enum cpu_stop stop = CPU_STOP_BUDGET;
    bool seen = false;

    for (unsigned turns = 0; stop == CPU_STOP_BUDGET && turns < l->turns; turns++) {
        uint64_t budget = l->below(4) ? 1 + l->below(150) : 1 + l->below(5);

        if (l->below(64) == 0)
            budget = 1 + l->below(40000);
        if (l->below(12) == 0)
            shake(l, p);
        stop = cpu_run(plain.cpu, budget);
        assert_int_equal(cpu_run(fast.cpu, budget), stop);
        same(p, number);
        if (turns % MEMORY_EVERY == MEMORY_EVERY - 1)
            all_memory();
        seen |= translated();
    }
    all_memory();
    return seen;
}

void lockstep_run(const struct lockstep *l)
{
    const char *asked = getenv("PARTITA_JIT_PROGRAMS");
    unsigned programs = asked != NULL ? (unsigned)atoi(asked) : l->programs;
    unsigned seen = 0;
    struct program p;

    for (unsigned number = 0; number < programs; number++) {
        p.len = 0;
        l->make(&p);
        begin(l, &plain, &p, *l->seed);
        begin(l, &fast, &p, *l->seed);
        fast.cpu->jit->pages_always = l->below(4) != 0;
        seen += run_both(l, &p, number);
    }
    assert_true(seen > 0);
}
