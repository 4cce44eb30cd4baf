/* SPDX-License-Identifier: MIT
 * Device classes and the tree of their instances: everything that has state is one of these (chips, processors, the
 * partition), so save, load, reset, hash and print are written once. */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pages.h"
#include "core/ram.h"
#include "core/state.h"

struct device;

/* Memory that is state too, but saved in pages by whoever saves the device: one of the two is set. */
struct backing {
    struct ram *ram;                        /* what changed is what it calls dirty */
    struct pages *pages;                    /* a copy keeps what the device writes over later */
    uint64_t limit;                         /* of pages: their number */
};

struct device_class {
    const char *name;
    size_t size;                            /* of the instance struct, whose first member is a struct device */
    const struct state_schema *state;       /* may be NULL: no state */
    size_t state_at;                        /* offset of the state struct in the instance */
    void (*reset)(struct device *dev);      /* power-on values; also runs once after wiring */
    void (*loaded)(struct device *dev);     /* rebuild caches and timers from state; may not touch another device */
    void (*settle)(struct device *dev);     /* bring what is kept lazily into the state struct, before it is saved or hashed */
    void (*destroy)(struct device *dev);    /* free what the instance owns besides itself */
    /* State of variable size behind the schema (queues); all three or none. */
    void (*save_more)(struct device *dev, struct writer *out);
    struct err (*load_more)(struct device *dev, struct reader *in);
    uint64_t (*hash_more)(struct device *dev, uint64_t seed);
    /* Its n-th memory, false when it has no more. hash_more counts it, save_more does not. */
    bool (*backing)(struct device *dev, unsigned n, struct backing *out);
};

struct device {
    const struct device_class *class;
    char name[32];                          /* "lapic.3" */
    struct device *next;                    /* creation order, which is reset order */
};

struct device_tree {
    struct device *first, **last;
};

void           device_tree_init(struct device_tree *t);
struct device *device_create(struct device_tree *t, const struct device_class *class, const char *name);  /* zeroed, never NULL */
struct device *device_find(const struct device_tree *t, const char *name);
void           device_reset_all(struct device_tree *t);
uint64_t       device_hash(const struct device *dev, uint64_t seed);
void           device_save(struct device *dev, struct writer *out);
struct err     device_load(struct device *dev, struct reader *in) MUST_USE;
void           device_tree_free(struct device_tree *t);

static inline void *device_state(const struct device *dev)
{
    return (char *)dev + dev->class->state_at;
}

#endif
