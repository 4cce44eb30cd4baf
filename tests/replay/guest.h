/* SPDX-License-Identifier: MIT
 * A guest for recordings: it waits in HLT, counts timer interrupts, stores sums to memory after each wake-up, sends back what
 * comes in on the serial port, and ends at a 'q'. */
#ifndef TESTS_REPLAY_GUEST_H
#define TESTS_REPLAY_GUEST_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "machine/machine.h"
#include "machine/recording.h"
#include "machine/replay.h"
#include "tests/check.h"
#include "tests/machine/image.h"

static const uint8_t guest_program[] = {
    0xbc, 0x00, 0x00, 0x12, 0x00,                   /* mov esp, 120000h */
    0xbf, 0x00, 0x00, 0x11, 0x00,                   /* mov edi, 110000h: the interrupt table */
    0xb8, 0x8a, 0x00, 0x10, 0x00,                   /* mov eax, timer */
    0x8d, 0x77, 0x40,                               /* lea esi, [edi + 8 * 8] */
    0xe8, 0x3c, 0x00, 0x00, 0x00,                   /* call gate */
    0xb8, 0x97, 0x00, 0x10, 0x00,                   /* mov eax, serial */
    0x8d, 0x77, 0x60,                               /* lea esi, [edi + 12 * 8] */
    0xe8, 0x2f, 0x00, 0x00, 0x00,                   /* call gate */
    0x0f, 0x01, 0x1d, 0xb5, 0x00, 0x10, 0x00,       /* lidt [idtr] */
    0xba, 0xf9, 0x03, 0x00, 0x00, 0xb0, 0x01, 0xee, /* received data makes interrupts */
    0xba, 0xfc, 0x03, 0x00, 0x00, 0xb0, 0x08, 0xee, /* OUT2 lets them pass */
    0xb0, 0xee, 0xe6, 0x21,                         /* lines 0 and 4 open */
    0xfb,                                           /* sti */
    0xf4,                                           /* l: hlt */
    0xb9, 0xd0, 0x07, 0x00, 0x00,                   /* mov ecx, 2000 */
    0x01, 0xcb,                                     /* m: add ebx, ecx */
    0x89, 0x1c, 0x8d, 0x00, 0x00, 0x20, 0x00,       /* mov [200000h + ecx * 4], ebx */
    0xe2, 0xf5,                                     /* loop m */
    0xeb, 0xed,                                     /* jmp l */
    0x66, 0x89, 0x06,                               /* gate: mov [esi], ax */
    0x66, 0xc7, 0x46, 0x02, 0x10, 0x00,             /* mov word [esi + 2], 10h */
    0x66, 0xc7, 0x46, 0x04, 0x00, 0x8e,             /* mov word [esi + 4], 8e00h */
    0xc1, 0xe8, 0x10,                               /* shr eax, 16 */
    0x66, 0x89, 0x46, 0x06,                         /* mov [esi + 6], ax */
    0xc3,                                           /* ret */
    0x50,                                           /* timer: push eax */
    0xff, 0x05, 0x00, 0x00, 0x13, 0x00,             /* inc dword [130000h] */
    0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf,             /* EOI; pop eax; iret */
    0x50, 0x52,                                     /* serial: push eax; push edx */
    0xba, 0xf8, 0x03, 0x00, 0x00, 0xec, 0xee,       /* in al, dx; out dx, al */
    0x00, 0x05, 0x04, 0x00, 0x13, 0x00,             /* add [130004h], al */
    0x3c, 0x71, 0x75, 0x04,                         /* cmp al, 'q'; jne over */
    0xb0, 0x15, 0xe6, 0xf4,                         /* mov al, 15h; out f4h, al */
    0xb0, 0x20, 0xe6, 0x20, 0x5a, 0x58, 0xcf,       /* over: EOI; pop edx; pop eax; iret */
    0x7f, 0x00, 0x00, 0x00, 0x11, 0x00,             /* idtr */
};

static inline void guest_write(char *path)
{
    image_write(path, guest_program, sizeof guest_program);
}

static inline struct machine_config guest_config(const char *kernel)
{
    struct machine_config cfg;

    machine_config_default(&cfg);
    cfg.kernel = kernel;
    cfg.ram_bytes = 8u << 20;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    cfg.window = true;              /* input may always come */
    return cfg;
}

static inline struct recording *open_recording(const char *path)
{
    struct recording *r = NULL;
    struct err e = recording_open(&r, path);

    if (failed(&e))
        print_error("%s\n", e.text);
    assert_false(failed(&e));
    return r;
}

static inline struct machine *make_replay(const struct recording *r, bool jit)
{
    struct machine_config cfg;

    recording_config(r, &cfg);
    cfg.jit = jit && cfg.jit;
    return machine_made(&cfg);
}

static inline struct blob read_file(const char *path)
{
    struct blob b;

    must(file_read_all(path, &b));
    return b;
}

/* As if `file` held these bytes. */
static inline struct err open_bytes(const char *file, struct recording **out, const uint8_t *bytes, size_t len)
{
    struct blob b = { malloc(len + 1), len };

    assert_non_null(b.bytes);
    memcpy(b.bytes, bytes, len);
    return recording_of(out, file, b);
}

#endif
