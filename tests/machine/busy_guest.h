/* SPDX-License-Identifier: MIT
 * A Multiboot image that is busy for ever, for tests of snapshots and of travelling. */
#ifndef TESTS_MACHINE_BUSY_GUEST_H
#define TESTS_MACHINE_BUSY_GUEST_H

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "machine/machine.h"
#include "tests/check.h"
#include "tests/machine/image.h"

/* Patches its own code, stores all over 1 MiB, reads the TSC and the PIT, writes to the screen and a PIT channel, for ever. */
static const uint8_t program[] = {
    0xfa,                                           /* cli */
    0x31, 0xc0,                                     /* xor eax, eax */
    0x31, 0xc9,                                     /* xor ecx, ecx */
    0x41,                                           /* l: inc ecx */
    0x88, 0x0d, 0x2d, 0x00, 0x10, 0x00,             /* mov [patched], cl */
    0x01, 0xc8,                                     /* add eax, ecx */
    0x69, 0xd1, 0xb1, 0x79, 0x37, 0x9e,             /* imul edx, ecx, 9e3779b1h */
    0xc1, 0xea, 0x0e,                               /* shr edx, 14 */
    0x89, 0x04, 0x95, 0x00, 0x00, 0x20, 0x00,       /* mov [200000h + edx * 4], eax */
    0x05, 0x00, 0x00, 0x00, 0x00,                   /* add eax, 0; 10002dh: patched */
    0xe6, 0x42,                                     /* out 42h, al */
    0x31, 0x05, 0x00, 0x80, 0x0b, 0x00,             /* xor [b8000h], eax */
    0x8b, 0xd8,                                     /* mov ebx, eax */
    0x0f, 0x31,                                     /* rdtsc */
    0x01, 0xd8,                                     /* add eax, ebx */
    0x8b, 0xd8,                                     /* mov ebx, eax */
    0xe4, 0x40,                                     /* in al, 40h */
    0x01, 0xd8,                                     /* add eax, ebx */
    0xeb, 0xc8,                                     /* jmp l */
};

static bool patching = true;        /* which is slow: the code is decoded again each time */

#define PATCHED (0x20 + 5 + 1 + 6 + 2 + 6 + 3 + 7 + 1)

static char path[] = "/tmp/partita-test-XXXXXX";

static int write_image(void **state)
{
    uint8_t code[sizeof program];

    (void)state;
    memcpy(code, program, sizeof program);
    store32(code + 8, 0x100000 + PATCHED);
    if (!patching)
        memset(code + 6, 0x90, 6);
    code[sizeof program - 1] = (uint8_t)(5 - (int)sizeof program);
    image_write(path, code, sizeof code);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    return unlink(path);
}

#endif
