/* SPDX-License-Identifier: MIT
 * A small machine for fuzzers that load states into it. What it was like at first is put back each time, so there is one for all. */
#ifndef TESTS_ORACLE_FUZZ_MACHINE_H
#define TESTS_ORACLE_FUZZ_MACHINE_H

#include <stdlib.h>

#include "machine/internal.h"
#include "machine/snapshot_internal.h"

static struct machine *machine;
static struct snapshots *snapshots;
static struct snapshot *beginning;

static inline void have_machine(void)
{
    struct machine_config cfg;
    struct err e = OK;

    if (machine != NULL)
        return;
    machine_config_default(&cfg);
    cfg.ram_bytes = 4u << 20;
    cfg.jit = false;
    cfg.serial[0] = "null";
    e = machine_create(&machine, &cfg);
    if (!failed(&e))
        e = snapshots_create(&snapshots, machine);
    if (failed(&e))
        abort();
    beginning = snapshot_take(snapshots);
}

static inline void go_back(void)
{
    struct err e = snapshot_restore(snapshots, beginning);

    if (failed(&e))
        abort();
}

#endif
