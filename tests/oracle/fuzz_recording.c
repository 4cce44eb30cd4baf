/* SPDX-License-Identifier: MIT
 * libFuzzer entry for recordings: the bytes are given right checksums and then opened like the file of a stranger; a machine goes to
 * the checkpoints that are in it, directly and by way of snapshots, and runs a little. A good start is a real one, small, of the
 * machine below: `partita record -o corpus/a -m 4M -checkpoints every=20000 -kernel ...`. A file may claim to hold a large disk of
 * zeros: run it with ASAN_OPTIONS=allocator_may_return_null=1 and -malloc_limit_mb=100000. */
#include <stdlib.h>
#include <string.h>

#include "machine/checkpoints.h"
#include "machine/internal.h"
#include "machine/recording.h"
#include "machine/replay.h"
#include "tests/oracle/fuzz_machine.h"
#include "tests/replay/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUN_INSNS 3000u

static void as_snapshot(void *arg, size_t k, struct snapshot *at)
{
    struct err e = snapshot_restore(snapshots, at);

    (void)arg;
    (void)k;
    if (!failed(&e))
        (void)machine_run(machine, RUN_INSNS);
}

static void visit(const struct recording *r)
{
    have_machine();
    for (size_t k = 0; k < checkpoints_count(r->checkpoints) && k < 8; k++) {
        struct err e;

        go_back();
        e = checkpoint_restore(r->checkpoints, k, machine);
        if (!failed(&e))
            (void)machine_run(machine, RUN_INSNS);
    }
    go_back();
    checkpoints_snapshots(r->checkpoints, snapshots, beginning, as_snapshot, NULL);
    go_back();
    while (snapshots->first != beginning)           /* the newest comes first */
        snapshot_drop(snapshots, snapshots->first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob b = { malloc(size != 0 ? size : 1), size };
    struct recording *r = NULL;
    struct recording_about about;
    struct err e;

    if (b.bytes == NULL)
        abort();
    memcpy(b.bytes, data, size);
    frames_repair(b.bytes, size);
    e = recording_of(&r, "fuzz", b);
    if (failed(&e))
        return 0;
    recording_about(r, &about);
    visit(r);
    recording_close(r);
    return 0;
}
