/* SPDX-License-Identifier: MIT
 * Runs the guest image in a machine and gives its log. */
#ifndef CONFORM_RUN_H
#define CONFORM_RUN_H

#include "base/err.h"
#include "machine/machine.h"

struct conform_config {
    struct machine_config machine;
    const char *image;          /* file; NULL: the one built in */
    const char *append;         /* more of the guest's command line; NULL: none */
    const char *only;           /* ids and sections, separated by commas; NULL: all */
};

void       conform_config_default(struct conform_config *cfg);

/* The guest's logs: of a partition with everything and of some that lack much; or, with machine.hv_spec, of that
 * one only. A test that hangs is reported as failed and the rest runs in a new machine. free() it. */
struct err conform_run(const struct conform_config *cfg, char **log) MUST_USE;

/* The image that is built in, for other hypervisors. */
struct err conform_write_image(const char *path) MUST_USE;

#endif
