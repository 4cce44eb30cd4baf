/* SPDX-License-Identifier: MIT
 * libFuzzer entry for recordings: the bytes are given right checksums and then opened like the file of a stranger. A good start is
 * a real one, small: `partita record -o corpus/a ...`. A file may claim to hold a large disk of zeros: run it with
 * ASAN_OPTIONS=allocator_may_return_null=1 and -malloc_limit_mb=100000. */
#include <stdlib.h>
#include <string.h>

#include "machine/recording.h"
#include "machine/replay.h"
#include "tests/replay/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    recording_close(r);
    return 0;
}
