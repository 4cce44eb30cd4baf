/* SPDX-License-Identifier: MIT */
#include "core/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"

void device_tree_init(struct device_tree *t)
{
    t->first = NULL;
    t->last = &t->first;
}

struct device *device_create(struct device_tree *t, const struct device_class *class, const char *name)
{
    struct device *dev;
    void *block = NULL;

    /* 64-byte alignment: processors hold translation caches that should not straddle lines */
    invariant(posix_memalign(&block, 64, (class->size + 63) & ~(size_t)63) == 0, "out of memory for a %s", class->name);
    dev = memset(block, 0, class->size);
    dev->class = class;
    snprintf(dev->name, sizeof dev->name, "%s", name);
    *t->last = dev;
    t->last = &dev->next;
    return dev;
}

struct device *device_find(const struct device_tree *t, const char *name)
{
    for (struct device *dev = t->first; dev != NULL; dev = dev->next)
        if (strcmp(dev->name, name) == 0)
            return dev;
    return NULL;
}

void device_reset_all(struct device_tree *t)
{
    for (struct device *dev = t->first; dev != NULL; dev = dev->next)
        if (dev->class->reset != NULL)
            dev->class->reset(dev);
}

uint64_t device_hash(const struct device *dev, uint64_t seed)
{
    if (dev->class->settle != NULL)
        dev->class->settle((struct device *)(uintptr_t)dev);
    if (dev->class->state != NULL)
        seed = state_hash(dev->class->state, device_state(dev), seed);
    if (dev->class->hash_more != NULL)
        seed = dev->class->hash_more((struct device *)(uintptr_t)dev, seed);
    return seed;
}

void device_save(struct device *dev, struct writer *out)
{
    if (dev->class->settle != NULL)
        dev->class->settle(dev);
    if (dev->class->state != NULL)
        state_save(dev->class->state, device_state(dev), out);
    if (dev->class->save_more != NULL)
        dev->class->save_more(dev, out);
}

struct err device_load(struct device *dev, struct reader *in)
{
    if (dev->class->state != NULL)
        TRY(state_load(dev->class->state, device_state(dev), in));
    if (dev->class->load_more != NULL)
        TRY(dev->class->load_more(dev, in));
    if (dev->class->loaded != NULL)
        dev->class->loaded(dev);
    return OK;
}

void device_tree_free(struct device_tree *t)
{
    while (t->first != NULL) {
        struct device *dev = t->first;

        t->first = dev->next;
        if (dev->class->destroy != NULL)
            dev->class->destroy(dev);
        free(dev);
    }
    t->last = &t->first;
}
