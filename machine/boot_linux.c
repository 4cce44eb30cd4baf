/* SPDX-License-Identifier: MIT
 * Direct boot of a Linux bzImage by the 32-bit boot protocol (Linux Documentation/arch/x86/boot.rst). */
#include <string.h>

#include "base/bytes.h"
#include "base/invariant.h"
#include "machine/boot.h"

/* Offsets in the setup header, which lies at the same place in the image and in boot_params. */
enum {
    HDR_SETUP_SECTS = 0x1f1, HDR_SYSSIZE = 0x1f4, HDR_BOOT_FLAG = 0x1fe, HDR_JUMP = 0x201, HDR_MAGIC = 0x202, HDR_VERSION = 0x206,
    HDR_LOADER = 0x210, HDR_LOADFLAGS = 0x211, HDR_RAMDISK = 0x218, HDR_RAMDISK_SIZE = 0x21c, HDR_HEAP_END = 0x224,
    HDR_CMDLINE = 0x228, HDR_INITRD_MAX = 0x22c, HDR_CMDLINE_SIZE = 0x238, HDR_PREF_ADDRESS = 0x258, HDR_INIT_SIZE = 0x260,
    PARAM_VIDEO_MODE = 0x06, PARAM_COLUMNS = 0x07, PARAM_EGA_BX = 0x0a, PARAM_LINES = 0x0e, PARAM_IS_VGA = 0x0f,
    PARAM_CHAR_HEIGHT = 0x10, PARAM_RSDP = 0x70, PARAM_E820_COUNT = 0x1e8, PARAM_E820 = 0x2d0,
    PARAMS_BYTES = 4096,
};
#define HDRS            0x53726448u     /* "HdrS" */
#define LOADED_HIGH     1u
#define KERNEL_AT       0x100000u
#define CMDLINE_AT      (BOOT_INFO + PARAMS_BYTES)
#define CMDLINE_ROOM    (BOOT_INFO_END - CMDLINE_AT)

bool linux_is_image(const struct blob *kernel)
{
    return kernel->len > 0x264 && load16(kernel->bytes + HDR_BOOT_FLAG) == 0xaa55 && load32(kernel->bytes + HDR_MAGIC) == HDRS;
}

static size_t setup_bytes(const struct blob *kernel)
{
    unsigned sectors = kernel->bytes[HDR_SETUP_SECTS];

    return ((sectors == 0 ? 4u : sectors) + 1) * 512u;
}

/* Memory that the kernel uses before it reads the memory map: from where it is loaded to here the initrd must not lie. */
static uint64_t kernel_end(const struct blob *kernel)
{
    uint64_t end = KERNEL_AT + kernel->len - setup_bytes(kernel);

    if (load16(kernel->bytes + HDR_VERSION) >= 0x20a) {
        uint64_t run = load64(kernel->bytes + HDR_PREF_ADDRESS) + load32(kernel->bytes + HDR_INIT_SIZE);

        end = run > end ? run : end;
    }
    return end;
}

static uint64_t initrd_at(const struct machine *m, const struct boot *b)
{
    uint64_t top = b->kernel.len == 0 ? 0 : load32(b->kernel.bytes + HDR_INITRD_MAX);
    struct e820 map[E820_MAX];
    unsigned n = boot_e820(m, map);

    if (load16(b->kernel.bytes + HDR_VERSION) < 0x203)
        top = 0x37ffffff;
    for (unsigned k = 0; k < n; k++)
        if (map[k].type == E820_RAM && map[k].base == KERNEL_AT && map[k].base + map[k].len - 1 < top)
            top = map[k].base + map[k].len - 1;
    if (top + 1 < b->modules[0].file.len)
        return 0;
    return (top + 1 - b->modules[0].file.len) & PAGE_MASK;
}

struct err linux_check(const struct machine *m, const struct boot *b)
{
    const uint8_t *h = b->kernel.bytes;
    size_t room = load16(h + HDR_VERSION) >= 0x206 ? load32(h + HDR_CMDLINE_SIZE) : 255;
    struct e820 map[E820_MAX];
    unsigned n = boot_e820(m, map);
    uint64_t top = 0, paragraphs = load32(h + HDR_SYSSIZE);

    for (unsigned k = 0; k < n; k++)
        if (map[k].base == KERNEL_AT)
            top = map[k].base + map[k].len;
    if (load16(h + HDR_VERSION) < 0x202 || !(h[HDR_LOADFLAGS] & LOADED_HIGH))
        return err_make(ERR_UNSUPPORTED, "the kernel '%s' is a zImage or older than boot protocol 2.02", m->cfg.kernel);
    if (b->kernel.len <= setup_bytes(&b->kernel))
        return err_make(ERR_FORMAT, "the kernel '%s' is cut short: it ends inside its setup code", m->cfg.kernel);
    if (b->kernel.len - setup_bytes(&b->kernel) + 15 < paragraphs * 16)         /* the last paragraph need not be full */
        return err_make(ERR_FORMAT, "the kernel '%s' is cut short: its header promises %llu bytes", m->cfg.kernel,
                        (unsigned long long)(setup_bytes(&b->kernel) + paragraphs * 16));
    if (strlen(m->cfg.append) > room || strlen(m->cfg.append) >= CMDLINE_ROOM)
        return err_make(ERR_USAGE, "-append: the kernel takes at most %zu characters", room < CMDLINE_ROOM ? room : (size_t)CMDLINE_ROOM - 1);
    if (kernel_end(&b->kernel) > top)
        return err_make(ERR_USAGE, "-m %lluM is too little for the kernel '%s', which needs %lluM", (unsigned long long)(m->cfg.ram_bytes >> 20),
                        m->cfg.kernel, (unsigned long long)(kernel_end(&b->kernel) >> 20) + 1);
    if (b->nmodules > 1)
        return err_make(ERR_USAGE, "-initrd: Linux takes one file, not %u", b->nmodules);
    if (b->nmodules == 1 && initrd_at(m, b) < kernel_end(&b->kernel))
        return err_make(ERR_USAGE, "-m %lluM is too little for the kernel and its initrd of %zu KiB",
                        (unsigned long long)(m->cfg.ram_bytes >> 20), b->modules[0].file.len >> 10);
    return OK;
}

/* "struct screen_info": the text mode that the display adapter is left in when there is no firmware. */
static void describe_screen(uint8_t *params)
{
    params[PARAM_VIDEO_MODE] = 3;
    params[PARAM_COLUMNS] = 80;
    params[PARAM_LINES] = 25;
    params[PARAM_CHAR_HEIGHT] = 16;
    params[PARAM_IS_VGA] = 1;
    store16(params + PARAM_EGA_BX, 3);          /* colour, 256 KiB: not 10h, which means no EGA or better */
}

void linux_load(struct machine *m, const struct boot *b)
{
    uint8_t params[PARAMS_BYTES] = { 0 };
    const uint8_t *h = b->kernel.bytes;
    size_t setup = setup_bytes(&b->kernel), header_end = HDR_MAGIC + h[HDR_JUMP];
    struct e820 map[E820_MAX];
    unsigned n = boot_e820(m, map);
    bool ok;

    memcpy(params + HDR_SETUP_SECTS, h + HDR_SETUP_SECTS, header_end - HDR_SETUP_SECTS);
    params[HDR_LOADER] = 0xff;                                  /* a loader without a number of its own */
    if (m->cfg.vga)
        describe_screen(params);
    store32(params + HDR_CMDLINE, CMDLINE_AT);
    store64(params + PARAM_RSDP, BOOT_RSDP);
    params[PARAM_E820_COUNT] = (uint8_t)n;
    for (unsigned k = 0; k < n; k++) {
        store64(params + PARAM_E820 + 20 * k, map[k].base);
        store64(params + PARAM_E820 + 20 * k + 8, map[k].len);
        store32(params + PARAM_E820 + 20 * k + 16, map[k].type);
    }
    if (b->nmodules == 1) {
        uint64_t at = initrd_at(m, b);

        store32(params + HDR_RAMDISK, (uint32_t)at);
        store32(params + HDR_RAMDISK_SIZE, (uint32_t)b->modules[0].file.len);
        space_write_bytes(m->memory, at, b->modules[0].file.bytes, b->modules[0].file.len);
    }
    space_write_bytes(m->memory, KERNEL_AT, h + setup, b->kernel.len - setup);
    space_write_bytes(m->memory, CMDLINE_AT, m->cfg.append, strlen(m->cfg.append) + 1);
    space_write_bytes(m->memory, BOOT_INFO, params, sizeof params);
    boot_enter_flat(m, KERNEL_AT);
    ok = cpu_set_reg(m->vps[0], CPU_REG_RSI, BOOT_INFO);
    invariant(ok, "the processor refused the boot parameters");
}
