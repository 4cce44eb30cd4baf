/* SPDX-License-Identifier: MIT
 * Hashes of all that a guest can see, part by part, so that two runs can be compared and the part that differs has a name. */
#ifndef MACHINE_FINGERPRINT_H
#define MACHINE_FINGERPRINT_H

#include "core/ndlog.h"
#include "machine/internal.h"

#define FINGERPRINT_PARTS (64u + 4u * MACHINE_MAX_VPS)

struct fingerprint {
    uint32_t parts[FINGERPRINT_PARTS];      /* clock, loop, then the devices in their order */
    uint32_t count;
    bool has_ram;
    uint64_t ram;
    uint64_t ns, rip;                       /* virtual time; of the processor whose turn it is */
    uint32_t vp;
};

void        fingerprint_take(struct machine *m, struct fingerprint *out, bool ram);
const char *fingerprint_part(const struct machine *m, unsigned part);       /* "clock", "cpu.0" */

/* As text: the first part that differs, with both values. False: equal. RAM is compared where both have it. */
bool        fingerprint_differs(const struct machine *m, const struct fingerprint *recorded, const struct fingerprint *now,
                                char *text, size_t room);

/* In a record only what changed since the one before. */
void        fingerprint_write(struct writer *w, const struct fingerprint *before, const struct fingerprint *f);
bool        fingerprint_read(struct reader *in, struct fingerprint *f);     /* `f` holds the one before; false: damaged */

#endif
