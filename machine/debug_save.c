/* SPDX-License-Identifier: MIT
 * The machine as it was, by names that somebody gave: snapshots in memory, which cost what differs. */
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "machine/debug_internal.h"
#include "machine/snapshot.h"
#include "machine/travel.h"

struct debug_saved {
    struct debug_saved *next;
    char *name;
    struct snapshot *at;
    uint64_t changes;               /* d->changes then: of the same history? */
    struct travel *left;            /* ... whose checkpoints wait here while a branch has others; NULL: no fork, or back again */
};

static void forget(struct debug *d, struct debug_saved **at)
{
    struct debug_saved *s = *at;

    *at = s->next;
    travel_free(s->left);
    snapshot_drop(d->machine->snapshots, s->at);
    free(s->name);
    free(s);
}

void debug_saved_free(struct debug *d)
{
    while (d->saved != NULL)
        forget(d, &d->saved);
}

void debug_forget_histories(struct debug *d)
{
    for (struct debug_saved *s = d->saved; s != NULL; s = s->next) {
        travel_free(s->left);
        s->left = NULL;
    }
}

static struct debug_saved **find(struct debug *d, const char *name)
{
    struct debug_saved **at = &d->saved;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

struct err debug_save(struct debug *d, const char *name)
{
    struct debug_saved **old = find(d, name), *s;
    struct snapshots *all = d->machine->snapshots;

    if (all == NULL)
        TRY(snapshots_create(&all, d->machine));
    if (*old != NULL)
        forget(d, old);
    s = calloc(1, sizeof *s);
    invariant(s != NULL, "out of memory for a snapshot");
    *s = (struct debug_saved){ .next = d->saved, .name = strdup(name), .at = snapshot_take(all), .changes = d->changes };
    invariant(s->name != NULL, "out of memory for a snapshot");
    d->saved = s;
    return OK;
}

/* The branch is another history from here on, and one can go back in it as one could before. */
struct err debug_fork(struct debug *d, const char *name)
{
    const bool could = d->travel != NULL;

    debug_note_travel(d);
    TRY(debug_save(d, name));
    d->saved->left = d->travel;
    d->travel = NULL;
    d->changes++;
    return could ? debug_travel(d) : OK;
}

/* The branch ends, or what came of it; the history that it left goes on. */
static void old_history(struct debug *d, struct debug_saved *s)
{
    debug_travel_free(d);
    d->travel = s->left;
    d->changes = s->changes;
    s->left = NULL;
}

/* The machine is one that no checkpoint knows: its past begins here. */
static struct err new_history(struct debug *d)
{
    const bool could = d->travel != NULL;

    d->changes++;
    debug_travel_free(d);
    return could ? debug_travel(d) : OK;
}

/* Any file, not one that a recording was made of. */
static struct err load_file(struct debug *d, const char *path)
{
    struct inputs *in = &d->machine->inputs;
    const struct recording *from = in->from;
    struct err e;

    in->from = NULL;
    e = machine_load(d->machine, path);
    in->from = from;
    return failed(&e) ? e : new_history(d);
}

struct err debug_load(struct debug *d, const char *name)
{
    struct debug_saved *s = *find(d, name);
    struct err e;

    if (!debug_may_change(d))
        return err_make(ERR_USAGE, "this run is being recorded: nothing could say that it went elsewhere");
    debug_note_travel(d);
    if (s == NULL)
        e = load_file(d, name);
    else
        e = snapshot_restore(d->machine->snapshots, s->at);
    if (!failed(&e) && s != NULL && s->left != NULL)
        old_history(d, s);
    else if (!failed(&e) && s != NULL && s->changes != d->changes)
        e = new_history(d);
    points_forget_hit(d->points);
    d->paused = 0;
    d->stood = false;
    return e;
}
