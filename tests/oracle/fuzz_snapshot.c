/* SPDX-License-Identifier: MIT
 * libFuzzer entry for files of snapshots: the bytes are given right checksums and loaded into a small machine, which then runs a little.
 * A good start is a file of the machine below: `partita run -m 4M -serial null ... -snapshot-save corpus/a`. Frames are unpacked
 * before bytes in them are changed. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "machine/identity.h"
#include "tests/oracle/fuzz_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#define RUN_INSNS   3000u
#define FILE_HEAD   16u
#define FRAME_HEAD  20u             /* what, length, length as stored, checksum of that, checksum of these four */
#define FRAME_MOST  (1u << 19)

/* Lengths are believed as far as there are bytes. */
static void repair(uint8_t *bytes, size_t len)
{
    for (size_t at = FILE_HEAD; at + FRAME_HEAD <= len; ) {
        uint8_t *head = bytes + at;
        const size_t stored = load32(head + 8), left = len - at - FRAME_HEAD;

        if (stored > left)
            return;
        store32(head + 12, (uint32_t)crc32(0, head + FRAME_HEAD, (uInt)stored));
        store32(head + 16, (uint32_t)crc32(0, head, 16));
        at += FRAME_HEAD + stored;
    }
}

/* All frames as they are when unpacked; 0: there is no room. */
static size_t unpack_all(const uint8_t *bytes, size_t len, uint8_t *to, size_t room)
{
    size_t used = FILE_HEAD;

    if (len < FILE_HEAD || room < FILE_HEAD)
        return 0;
    memcpy(to, bytes, FILE_HEAD);
    for (size_t at = FILE_HEAD; at + FRAME_HEAD <= len; ) {
        const uint8_t *head = bytes + at;
        const size_t want = load32(head + 4), stored = load32(head + 8);
        uLongf got = want;

        if (stored > len - at - FRAME_HEAD || want > FRAME_MOST || room - used < FRAME_HEAD || room - used - FRAME_HEAD < want)
            return 0;
        memcpy(to + used, head, FRAME_HEAD);
        store32(to + used + 8, (uint32_t)want);
        if (stored == want)
            memcpy(to + used + FRAME_HEAD, head + FRAME_HEAD, want);
        else if (uncompress(to + used + FRAME_HEAD, &got, head + FRAME_HEAD, (uLong)stored) != Z_OK || got != want)
            return 0;
        used += FRAME_HEAD + want;
        at += FRAME_HEAD + stored;
    }
    return used;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint8_t *plain = malloc(max_size + 1);
    size_t len;

    (void)seed;
    if (plain == NULL)
        abort();
    len = unpack_all(data, size, plain, max_size);
    if (len > 0) {
        memcpy(data, plain, len);
        size = len;
    }
    free(plain);
    size = LLVMFuzzerMutate(data, size, max_size);
    repair(data, size);
    return size;
}

/* Whatever machine it says it is of: it is of this one. */
static size_t of_this_machine(const uint8_t *data, size_t size, struct writer *to)
{
    const size_t first = size >= FILE_HEAD + FRAME_HEAD ? load32(data + FILE_HEAD + 8) : SIZE_MAX;
    struct writer text = { 0 };
    struct err e = identity_write(machine, &text);

    if (failed(&e))
        abort();
    if (first != SIZE_MAX && first <= size - FILE_HEAD - FRAME_HEAD) {
        writer_copy(to, data, FILE_HEAD);
        writer_uint(to, 4, 1);
        writer_uint(to, 4, text.len);
        writer_uint(to, 4, text.len);
        writer_uint(to, 8, 0);
        writer_copy(to, text.bytes, text.len);
        writer_copy(to, data + FILE_HEAD + FRAME_HEAD + first, size - FILE_HEAD - FRAME_HEAD - first);
    } else {
        writer_copy(to, data, size);
    }
    writer_free(&text);
    return to->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct writer copy = { 0 };
    struct snapshot *at;
    struct err e;
    uint64_t hash;

    if (size == 0)
        return 0;
    have_machine();
    size = of_this_machine(data, size, &copy);
    repair(copy.bytes, size);
    e = snapshot_read(snapshots, copy.bytes, size, &at, &hash);
    writer_free(&copy);
    if (failed(&e))
        return 0;
    e = snapshot_restore(snapshots, at);
    if (!failed(&e)) {
        (void)machine_hash(machine);
        (void)machine_run(machine, RUN_INSNS);
    }
    snapshot_drop(snapshots, at);
    go_back();
    return 0;
}
