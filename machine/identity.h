/* SPDX-License-Identifier: MIT
 * What must be the same for state of one machine to fit another: a text of lines "key=value". */
#ifndef MACHINE_IDENTITY_H
#define MACHINE_IDENTITY_H

#include "machine/internal.h"

struct err identity_write(const struct machine *m, struct writer *out) MUST_USE;
/* One sentence that names the first difference. */
struct err identity_check(const struct machine *m, const char *saved, size_t len) MUST_USE;

#endif
