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

/* The memories of a machine, in the order of their maps. */
struct memories {
    struct backing list[SNAPSHOT_MAX_BACKINGS];
    const char *names[SNAPSHOT_MAX_BACKINGS];
    unsigned n;
};

struct snapshots {
    struct machine *m;
    struct memories memories;
    struct pages base[1 + SNAPSHOT_MAX_BACKINGS];       /* as at the last take or restore */
    struct snapshot *first;
    uint64_t count;
    struct writer scratch;
};

/* A snapshot that came from elsewhere belongs to these from now on. */
void snapshot_enter(struct snapshots *s, struct snapshot *at);

/* snapshot_state.c; `scratch` is room that is used again. Errors leave the machine undefined. */
void       memories_find(const struct machine *m, struct memories *out);
void       state_map_put(struct machine *m, struct pages *map, struct writer *scratch);
struct err state_map_load(struct machine *m, const struct pages *map, struct writer *scratch) MUST_USE;

/* snapshot.c: a page of memory gets these bytes (NULL: it was never written); decoded code is lost on the lines that differ only. */
void memory_put_back(struct ram *ram, uint64_t page, const uint8_t *bytes);

/* snapshot_file.c; `hash`: of the machine then */
struct err snapshot_write(struct snapshots *s, const struct snapshot *at, uint64_t hash, const char *path) MUST_USE;
struct err snapshot_read(struct snapshots *s, const uint8_t *bytes, size_t len, struct snapshot **out, uint64_t *hash) MUST_USE;

#endif
