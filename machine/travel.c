/* SPDX-License-Identifier: MIT
 * The one rule: at a distance d from where the machine stands, checkpoints are a quarter of d apart, but not closer than NEAR, which
 * takes one or two milliseconds to run, nor farther than `spacing`. When memory is short `spacing` doubles, and when that is no help any
 * more, the share of d: those near by are the last to go. */
#include "machine/travel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/pages.h"
#include "machine/internal.h"
#include "machine/recording.h"
#include "machine/snapshot.h"

#define NEAR            ((uint64_t)1 << 20)
#define SPACING         ((uint64_t)17 << 23)    /* a few tenths of a second to run; just more than those added to recordings are apart at most */
#define SQUEEZE_PAGES   512u                    /* ... are packed in some 4 ms */
#define COARSE_MAX      24u     /* of distances below 2^40 */
#define MEMORY_LEAST    ((uint64_t)32 << 20)

struct checkpoint {
    uint64_t insns;
    struct snapshot *at;
    size_t of_file;             /* its number in the recording plus 1; 0: it is ours */
    bool changed;               /* by hand: no run leads to it */
};

struct travel {
    struct machine *m;
    struct snapshots *s;
    struct checkpoint *list;        /* ascending; the first is where it began */
    size_t n, room;
    uint64_t end, spacing, bytes;   /* bytes: 0: by use */
    uint64_t used;                  /* pages of RAM that were in use when most were */
    unsigned coarse;                /* how often the quarter was doubled */
};

static uint64_t now(const struct travel *t)
{
    return t->m->clock.state.insns;
}

/* ---- checkpoints ---- */

/* How many lie at or before: 0: none. */
static size_t count_until(const struct travel *t, uint64_t insns)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->list[middle].insns <= insns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct travel *t, size_t at, struct checkpoint c)
{
    if (t->n == t->room) {
        t->room = t->room * 2 + 64;
        t->list = realloc(t->list, t->room * sizeof *t->list);
        invariant(t->list != NULL, "out of memory for checkpoints");
    }
    memmove(&t->list[at + 1], &t->list[at], (t->n - at) * sizeof *t->list);
    t->list[at] = c;
    t->n++;
}

static void add_here(struct travel *t)
{
    size_t at = count_until(t, now(t));

    if (at == 0 || t->list[at - 1].insns != now(t))
        insert(t, at, (struct checkpoint){ .insns = now(t), .at = snapshot_take(t->s) });
}

static void add_of_file(void *arg, size_t k, struct snapshot *at)
{
    struct travel *t = arg;

    insert(t, count_until(t, snapshot_insns(at)), (struct checkpoint){ .insns = snapshot_insns(at), .at = at, .of_file = k + 1 });
}

static void drop(struct travel *t, size_t at)
{
    snapshot_drop(t->s, t->list[at].at);
    t->n--;
    memmove(&t->list[at], &t->list[at + 1], (t->n - at) * sizeof *t->list);
}

static uint64_t gap_at(const struct travel *t, uint64_t distance)
{
    uint64_t gap = (distance / 4) << t->coarse;

    return gap < NEAR ? NEAR : gap > t->spacing ? t->spacing : gap;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a < b ? b - a : a - b;
}

/* Drops what the rule does not want, seen from `cursor`: whatever the last one that is kept and the next one can stand in for. */
static void thin(struct travel *t, uint64_t cursor)
{
    size_t kept = 1;

    for (size_t k = 1; k < t->n; k++) {
        uint64_t next = k + 1 < t->n ? t->list[k + 1].insns : t->list[k].insns;

        if (t->list[k].of_file == 0 && !t->list[k].changed && next - t->list[kept - 1].insns <= gap_at(t, distance(t->list[k].insns, cursor)))
            snapshot_drop(t->s, t->list[k].at);
        else
            t->list[kept++] = t->list[k];
    }
    t->n = kept;
}

static void count_used(struct travel *t)
{
    const uint64_t used = ram_pages_touched(t->m->ram);

    t->used = used > t->used ? used : t->used;
}

static uint64_t bound(const struct travel *t)
{
    const uint64_t most = t->used * PAGE_SIZE / 2 * 3;

    return t->bytes != 0 ? t->bytes : most < MEMORY_LEAST ? MEMORY_LEAST : most;
}

static void tidy(struct travel *t, uint64_t cursor)
{
    count_used(t);
    thin(t, cursor);
    if (snapshots_memory(t->s) > bound(t) / 8 * 7)
        pages_squeeze(bound(t) / 8 * 7, snapshots_memory(t->s) > bound(t) ? UINT64_MAX : SQUEEZE_PAGES);
    if (t->coarse > 0 && snapshots_memory(t->s) < bound(t) / 4 * 3)
        t->coarse--;
    while (snapshots_memory(t->s) > bound(t) && t->coarse < COARSE_MAX && t->n > 2) {
        if (t->spacing < t->end)
            t->spacing *= 2;
        else
            t->coarse++;
        thin(t, cursor);
    }
}

void travel_note(struct travel *t)
{
    size_t at = count_until(t, now(t));

    if (now(t) > t->end)
        t->end = now(t);
    if (at > 0 && now(t) - t->list[at - 1].insns < NEAR)
        return;
    add_here(t);
    tidy(t, now(t));
}

/* ---- life ---- */

struct err travel_create(struct travel **out, struct machine *m)
{
    struct travel *t;
    struct snapshots *s = m->snapshots;

    if (!nondet_replaying(m->nondet) && (m->cfg.clock == CLOCK_HOST || board_has_input(m) || m->cfg.window))
        return err_make(ERR_USAGE, "only a run whose input is fixed can be gone back in: record it, and replay the recording");
    if (s == NULL)
        TRY(snapshots_create(&s, m));
    t = calloc(1, sizeof *t);
    invariant(t != NULL, "out of memory for travelling");
    *t = (struct travel){ .m = m, .s = s, .end = m->clock.state.insns, .spacing = SPACING };
    add_here(t);
    if (m->cfg.replay != NULL)
        checkpoints_snapshots(m->cfg.replay->checkpoints, s, t->list[0].at, add_of_file, t);
    *out = t;
    return OK;
}

void travel_free(struct travel *t)
{
    if (t == NULL)
        return;
    for (size_t k = 0; k < t->n; k++)
        snapshot_drop(t->s, t->list[k].at);
    board_mute(t->m, false);
    free(t->list);
    free(t);
}

void travel_set_memory(struct travel *t, uint64_t bytes)
{
    t->bytes = bytes;
    t->spacing = SPACING;
    t->coarse = 0;
    tidy(t, now(t));
}

uint64_t travel_begin(const struct travel *t) { return t->list[0].insns; }
uint64_t travel_end(const struct travel *t) { return t->end; }

void travel_about(const struct travel *t, struct travel_about *out)
{
    *out = (struct travel_about){ .checkpoints = t->n, .bytes = snapshots_memory(t->s), .bound = bound(t), .spacing = t->spacing };
}

void travel_forget_future(struct travel *t)
{
    while (t->n > 1 && t->list[t->n - 1].insns >= now(t))
        snapshot_drop(t->s, t->list[--t->n].at);
    if (t->list[t->n - 1].insns >= now(t)) {        /* the beginning itself was changed */
        snapshot_drop(t->s, t->list[0].at);
        t->n = 0;
    }
    t->end = now(t);
    add_here(t);
    t->list[t->n - 1].changed = true;
}

/* ---- going ---- */

static struct err too_far(const struct travel *t)
{
    return err_make(ERR_USAGE, "the run ends at instruction %" PRIu64, now(t));
}

/* The guest's words to the host go out once. False: the run ended before. */
static bool run_until(struct travel *t, uint64_t until)
{
    while (now(t) < until) {
        bool again = now(t) < t->end;
        uint64_t to = again && until > t->end ? t->end : until;
        enum run why;

        board_mute(t->m, again);
        why = machine_run(t->m, to - now(t));
        if (now(t) > t->end)
            t->end = now(t);
        if (why != RUN_LIMIT && now(t) < to)
            break;
    }
    board_mute(t->m, now(t) < t->end);
    return now(t) >= until;
}

/* From where the machine stands, with checkpoints as the rule wants them around `insns`. */
static struct err run_to(struct travel *t, uint64_t insns, travel_scan_fn *scan, void *arg, bool *found)
{
    while (now(t) < insns) {
        uint64_t left = insns - now(t), gap = gap_at(t, left);
        uint64_t stop = gap >= left ? insns : now(t) + gap;

        if (scan != NULL && scan(arg, stop))
            *found = true;
        else if (scan == NULL && !run_until(t, stop))
            return too_far(t);
        if (now(t) < stop)
            return too_far(t);
        if (stop < insns)
            add_here(t);
        if (snapshots_memory(t->s) > bound(t) / 8 * 7)
            tidy(t, insns);
    }
    return OK;
}

/* To the last checkpoint that is not behind `insns`. One of a file that cannot be used is forgotten. */
static struct err go_back(struct travel *t, uint64_t insns)
{
    for (;;) {
        const size_t at = count_until(t, insns) - 1, k = t->list[at].of_file;
        struct err e = snapshot_restore(t->s, t->list[at].at);

        if (failed(&e) || (k != 0 && !replay_from_checkpoint(t->m, k - 1))) {
            if (k == 0)
                return e;
            drop(t, at);
            continue;
        }
        if (now(t) > t->end)                    /* over what nobody has seen */
            t->end = now(t);
        board_mute(t->m, now(t) < t->end);
        return OK;
    }
}

struct err travel_to(struct travel *t, uint64_t insns)
{
    size_t at = count_until(t, insns);
    struct err e;

    if (at == 0)
        return err_make(ERR_USAGE, "the run begins at instruction %" PRIu64, travel_begin(t));
    if (now(t) > insns || now(t) < t->list[at - 1].insns)
        TRY(go_back(t, insns));
    e = run_to(t, insns, NULL, NULL, NULL);
    tidy(t, now(t));
    return e;
}

/* Around what comes behind `insns` the recording's checkpoints say that nothing wrote there: from *since to *until. */
static bool unwritten(const struct travel *t, const struct travel_pages *only, uint64_t insns, uint64_t *since, uint64_t *until)
{
    size_t at = count_until(t, insns);

    while (at < t->n && t->list[at].of_file == 0)
        at++;
    if (only == NULL || at == t->n || !checkpoint_unwritten(t->m->cfg.replay->checkpoints, t->list[at].of_file - 1, only, since))
        return false;
    *until = t->list[at].insns;
    return *since <= insns;
}

struct err travel_back(struct travel *t, uint64_t before, uint64_t since, const struct travel_pages *only, travel_scan_fn *scan, void *arg,
                       bool *found)
{
    *found = false;
    since = since < travel_begin(t) ? travel_begin(t) : since;
    while (!*found && before > since) {
        uint64_t from, until;

        if (unwritten(t, only, before - 1, &from, &until)) {
            before = from;
            continue;
        }
        TRY(go_back(t, before - 1));
        from = now(t);
        TRY(run_to(t, before, scan, arg, found));
        tidy(t, before);
        before = from;
    }
    return OK;
}

/* Where the next checkpoint of the recording lies. */
static uint64_t next_of_file(const struct travel *t, uint64_t insns, uint64_t most)
{
    size_t at = count_until(t, insns);

    while (at < t->n && t->list[at].of_file == 0)
        at++;
    return at < t->n && t->list[at].insns < most ? t->list[at].insns : most;
}

uint64_t travel_next(const struct travel *t, const struct travel_pages *only, uint64_t *at, uint64_t before)
{
    uint64_t from, until;

    while (*at < before && unwritten(t, only, *at, &from, &until))
        *at = until < before ? until : before;
    return next_of_file(t, *at, before - *at < SPACING ? before : *at + SPACING);
}
