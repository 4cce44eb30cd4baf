/* SPDX-License-Identifier: MIT
 * Programs of 32-bit code as Multiboot images in files of their own, for tests of whole machines. */
#ifndef TESTS_MACHINE_IMAGE_H
#define TESTS_MACHINE_IMAGE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/machine.h"
#include "tests/check.h"

#define IMAGE_AT 0x100020u      /* where the program's first byte lies in the guest */

static inline void put_file(char *path, const void *bytes, size_t len)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* The header says where the image loads. `path` ends in XXXXXX and becomes the file's name. */
static inline void image_write(char *path, const void *program, size_t len)
{
    const uint32_t fields[8] = { 0x1badb002, 0x10000, 0u - 0x1badb002 - 0x10000, 0x100000, 0x100000, 0, 0, IMAGE_AT };
    uint8_t image[1024] = { 0 };

    assert_true(sizeof fields + len <= sizeof image);
    memcpy(image, fields, sizeof fields);
    memcpy(image + sizeof fields, program, len);
    put_file(path, image, sizeof fields + len);
}

static inline void must(struct err e)
{
    if (failed(&e))
        fail_msg("%s", e.text);
}

static inline struct machine *machine_made(const struct machine_config *cfg)
{
    struct machine *m = NULL;

    must(machine_create(&m, cfg));
    return m;
}

#endif
