/* SPDX-License-Identifier: MIT
 * What must be the same for state of one machine to fit another: a text of lines "key=value". */
#ifndef MACHINE_IDENTITY_H
#define MACHINE_IDENTITY_H

#include "machine/internal.h"

struct err identity_write(const struct machine *m, struct writer *out) MUST_USE;
/* One sentence that names the first difference. */
struct err identity_check(const struct machine *m, const char *saved, size_t len) MUST_USE;

/* Of the devices and what their saved state is made of: another version of Partita may have others. */
uint64_t   identity_devices(const struct machine *m);

#endif
