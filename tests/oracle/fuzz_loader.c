/* SPDX-License-Identifier: MIT
 * libFuzzer entry for the images a user hands over: Linux bzImages, with an initrd, and Multiboot kernels with modules. What the
 * checks let pass must load into memory without harm. The first two bytes split the input into kernel and module. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "machine/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;

static void make_machine(void)
{
    struct machine_config cfg;
    struct err e;

    machine_config_default(&cfg);
    cfg.ram_bytes = 32u << 20;
    cfg.rtc_start_ns = 1;
    e = machine_create(&machine, &cfg);
    if (failed(&e))
        abort();
    machine->cfg.kernel = "image";
}

/* Blobs of their own size, so that a read beyond the end is seen. */
static struct blob copy(const uint8_t *data, size_t len)
{
    struct blob b = { .bytes = malloc(len ? len : 1), .len = len };

    if (b.bytes == NULL)
        abort();
    memcpy(b.bytes, data, len);
    return b;
}

static void try_linux(const struct boot *b)
{
    struct err e = linux_check(machine, b);

    if (!failed(&e))
        linux_load(machine, b);
}

static void try_multiboot(const struct boot *b)
{
    struct err e = multiboot_check(machine, b);

    if (!failed(&e))
        multiboot_load(machine, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char line[] = "module argument";
    struct boot b = { .nmodules = 1 };
    size_t split;

    if (size < 2)
        return 0;
    if (machine == NULL)
        make_machine();
    split = (size_t)load16(data) * (size - 2) / 65535;
    b.kernel = copy(data + 2, split);
    b.modules[0] = (struct boot_module){ copy(data + 2 + split, size - 2 - split), line };
    if (linux_is_image(&b.kernel)) {
        b.kind = BOOT_LINUX;
        try_linux(&b);
    }
    if (multiboot_is_image(&b.kernel)) {
        b.kind = BOOT_MULTIBOOT;
        try_multiboot(&b);
    }
    free(b.kernel.bytes);
    free(b.modules[0].file.bytes);
    return 0;
}
