/* SPDX-License-Identifier: MIT
 * The inside of snapshots, for those who keep them in files. */
#ifndef MACHINE_SNAPSHOT_INTERNAL_H
#define MACHINE_SNAPSHOT_INTERNAL_H

#include "base/pages.h"
#include "machine/internal.h"
#include "machine/snapshot.h"

#define SNAPSHOT_MAX_BACKINGS 16u

/* In the state map: for the machine itself and then each device in creation order, so many pages each. */
#define STREAM_PAGES    256u
#define STATE_PAGES     ((uint64_t)1 << 20)

enum { STATE_MAP, RAM_MAP };        /* maps; then those of the devices' memories */

struct snapshot {
    uint64_t insns;
    struct pages maps[1 + SNAPSHOT_MAX_BACKINGS];
    struct snapshot *next, **place;
};

struct snapshots {
    struct machine *m;
    struct backing backings[SNAPSHOT_MAX_BACKINGS];
    const char *names[SNAPSHOT_MAX_BACKINGS];
    unsigned nbackings;
    struct pages base[1 + SNAPSHOT_MAX_BACKINGS];       /* as at the last take or restore */
    struct snapshot *first;
    uint64_t count;
    struct writer scratch;
};

/* A snapshot that came from elsewhere belongs to these from now on. */
void snapshot_enter(struct snapshots *s, struct snapshot *at);

/* snapshot_file.c; `hash`: of the machine then */
struct err snapshot_write(struct snapshots *s, const struct snapshot *at, uint64_t hash, const char *path) MUST_USE;
struct err snapshot_read(struct snapshots *s, const uint8_t *bytes, size_t len, struct snapshot **out, uint64_t *hash) MUST_USE;

#endif
