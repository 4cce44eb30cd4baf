/* SPDX-License-Identifier: MIT
 * The files a machine is made of: firmware, kernel, initrd, disks. A recording names each by its hash and may hold it; a replay
 * takes what the recording holds and checks the rest. */
#ifndef MACHINE_INPUTS_H
#define MACHINE_INPUTS_H

#include "base/file.h"
#include "devices/block/block.h"
#include "machine/machine.h"

#define INPUTS_MAX 32

struct input {
    char *path;                 /* as the configuration has it */
    uint64_t hash, len;         /* of a disk: of its whole sectors */
    bool embedded;
    uint8_t *bytes;             /* replaying: what the recording holds, else NULL */
    uint64_t *has;              /* ... a bit for each of its pieces that is not zeros */
    uint64_t read, read_hash;   /* ... up to there, and the hash of that */
};

struct inputs {
    bool watched;               /* recording: take their hashes */
    const struct recording *from;       /* replaying */
    struct input list[INPUTS_MAX];
    unsigned count;
};

void       inputs_free(struct inputs *in);
struct err input_file(struct inputs *in, const char *path, struct blob *out) MUST_USE;
struct err input_disk(struct inputs *in, const struct drive_config *d, struct block **out) MUST_USE;

/* Of embedded files: bigger ones for packing. What a recording holds of a file comes in order, so its size bounds the work. */
#define EMBEDDED_PIECE (UINT64_C(1) << 20)
/* Room for what a recording holds of it; zeros. */
struct err input_embed(struct input *i) MUST_USE;
/* Its zeros take neither time nor memory: a recording may say that a file is large. */
struct err input_copy(const struct input *i, struct blob *out) MUST_USE;

/* 64 KiB pieces of zeros add nothing, so that holes need not be read. */
#define INPUT_PIECE 65536u
uint64_t   input_piece_hash(uint64_t so_far, uint64_t index, const uint8_t *bytes, size_t len);
uint64_t   input_hash(const uint8_t *bytes, size_t len);

#endif
