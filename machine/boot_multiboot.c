/* SPDX-License-Identifier: MIT
 * Multiboot 1 images (Multiboot Specification 0.6.96): 32-bit ELF, or any file whose header gives its addresses. */
#include <string.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "machine/boot.h"

#define HEADER_MAGIC    0x1badb002u
#define ENTRY_MAGIC     0x2badb002u
#define HEADER_SEARCH   8192u
#define HEADER_ADDRESSES BIT(16)     /* the header itself says where to load */
#define INFO_FLAGS      (BIT(0) | BIT(2) | BIT(3) | BIT(6))     /* mem_*, cmdline, modules, memory map */

/* Place of the Multiboot header, or NULL. */
static const uint8_t *find_header(const struct blob *kernel)
{
    size_t end = kernel->len < HEADER_SEARCH ? kernel->len : HEADER_SEARCH;

    for (size_t at = 0; at + 12 <= end; at += 4) {
        const uint8_t *h = kernel->bytes + at;

        if (load32(h) == HEADER_MAGIC && load32(h) + load32(h + 4) + load32(h + 8) == 0)
            return h;
    }
    return NULL;
}

bool multiboot_is_image(const struct blob *kernel)
{
    return find_header(kernel) != NULL;
}

/* One piece of the image: file bytes, then zeros. */
struct piece { uint32_t at, file_at, file_bytes, bytes; };
struct image { struct piece pieces[64]; unsigned n; uint32_t entry, end; };

static struct err check_piece(const struct machine *m, const struct boot *b, struct image *image, struct piece p)
{
    uint64_t end = (uint64_t)p.at + p.bytes, top = m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX;

    if (p.bytes == 0)
        return OK;
    if ((uint64_t)p.file_at + p.file_bytes > b->kernel.len || p.file_bytes > p.bytes)
        return err_make(ERR_FORMAT, "the Multiboot image '%s' is cut short or damaged", m->cfg.kernel);
    if (end > top)
        return err_make(ERR_USAGE, "-m %lluM is too little for '%s', which loads up to %lluM", (unsigned long long)(m->cfg.ram_bytes >> 20),
                        m->cfg.kernel, (unsigned long long)(end >> 20) + 1);
    if (image->n == COUNT_OF(image->pieces))
        return err_make(ERR_UNSUPPORTED, "the Multiboot image '%s' has more than %zu segments", m->cfg.kernel, COUNT_OF(image->pieces));
    image->pieces[image->n++] = p;
    image->end = end > image->end ? (uint32_t)end : image->end;
    return OK;
}

static struct err parse_addresses(const struct machine *m, const struct boot *b, const uint8_t *h, struct image *image)
{
    uint32_t header_at = (uint32_t)(h - b->kernel.bytes), header, load, load_end, bss_end, file_at, bytes;

    if ((size_t)header_at + 32 > b->kernel.len)
        return err_make(ERR_FORMAT, "the Multiboot header of '%s' is cut short", m->cfg.kernel);
    header = load32(h + 12), load = load32(h + 16), load_end = load32(h + 20), bss_end = load32(h + 24);
    if (header < load || header - load > header_at || (load_end != 0 && load_end < load))
        return err_make(ERR_FORMAT, "the Multiboot header of '%s' is damaged", m->cfg.kernel);
    file_at = header_at - (header - load);
    bytes = load_end != 0 ? load_end - load : (uint32_t)b->kernel.len - file_at;
    image->entry = load32(h + 28);
    return check_piece(m, b, image, (struct piece){ load, file_at, bytes,
                                                    bss_end > (uint64_t)load + bytes ? bss_end - load : bytes });
}

static struct err parse_elf(const struct machine *m, const struct boot *b, struct image *image)
{
    const uint8_t *e = b->kernel.bytes;
    uint32_t phoff, phnum, phsize;

    if (b->kernel.len < 52 || memcmp(e, "\177ELF\1\1", 6) != 0 || load16(e + 18) != 3)
        return err_make(ERR_FORMAT, "'%s' has a Multiboot header but is no 32-bit i386 ELF and gives no load addresses", m->cfg.kernel);
    image->entry = load32(e + 24);
    phoff = load32(e + 28);
    phsize = load16(e + 42);
    phnum = load16(e + 44);
    if (phsize < 32 || (uint64_t)phoff + (uint64_t)phnum * phsize > b->kernel.len)
        return err_make(ERR_FORMAT, "the ELF program headers of '%s' are cut short", m->cfg.kernel);
    for (uint32_t k = 0; k < phnum; k++) {
        const uint8_t *ph = e + phoff + k * phsize;

        if (load32(ph) == 1)
            TRY(check_piece(m, b, image, (struct piece){ load32(ph + 12), load32(ph + 4), load32(ph + 16), load32(ph + 20) }));
    }
    return image->n > 0 ? OK : err_make(ERR_FORMAT, "the ELF image '%s' has nothing to load", m->cfg.kernel);
}

static struct err parse(const struct machine *m, const struct boot *b, struct image *image)
{
    const uint8_t *h = find_header(&b->kernel);

    *image = (struct image){ 0 };
    return load32(h + 4) & HEADER_ADDRESSES ? parse_addresses(m, b, h, image) : parse_elf(m, b, image);
}

/* Room of the information block: structure, memory map, module list, strings. */
#define INFO_BYTES   120u
#define MMAP_BYTES   24u

static size_t info_strings(const struct machine *m, const struct boot *b)
{
    size_t len = strlen(m->cfg.kernel) + strlen(m->cfg.append) + 2;

    for (unsigned k = 0; k < b->nmodules; k++)
        len += strlen(b->modules[k].line) + 1;
    return len;
}

struct err multiboot_check(const struct machine *m, const struct boot *b)
{
    uint64_t top = m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX, at;
    struct image image;

    TRY(parse(m, b, &image));
    at = image.end;
    for (unsigned k = 0; k < b->nmodules; k++)
        at = align_up(at, PAGE_SIZE) + b->modules[k].file.len;
    if (at > top - 0x40000)
        return err_make(ERR_USAGE, "-m %lluM is too little for '%s' and its modules", (unsigned long long)(m->cfg.ram_bytes >> 20), m->cfg.kernel);
    if (INFO_BYTES + MMAP_BYTES * E820_MAX + 16 * BOOT_MAX_MODULES + info_strings(m, b) > BOOT_INFO_END - BOOT_INFO)
        return err_make(ERR_USAGE, "-append and the names of the -initrd modules are too long");
    return OK;
}

struct info { uint8_t bytes[BOOT_INFO_END - BOOT_INFO]; uint32_t used; };

static uint32_t info_string(struct info *info, const char *text)
{
    uint32_t at = info->used;

    memcpy(info->bytes + at, text, strlen(text) + 1);
    info->used += (uint32_t)strlen(text) + 1;
    return BOOT_INFO + at;
}

static void info_memory(struct machine *m, struct info *info)
{
    struct e820 map[E820_MAX];
    unsigned n = boot_e820(m, map);

    store32(info->bytes + 4, 639);
    store32(info->bytes + 44, n * MMAP_BYTES);
    store32(info->bytes + 48, BOOT_INFO + info->used);
    for (unsigned k = 0; k < n; k++) {
        uint8_t *row = info->bytes + info->used + k * MMAP_BYTES;

        store32(row, MMAP_BYTES - 4);
        store64(row + 4, map[k].base);
        store64(row + 12, map[k].len);
        store32(row + 20, map[k].type);
        if (map[k].base == 0x100000)
            store32(info->bytes + 8, (uint32_t)(map[k].len >> 10));
    }
    info->used += n * MMAP_BYTES;
}

static void info_modules(struct machine *m, const struct boot *b, struct info *info, uint32_t at)
{
    uint32_t list = info->used;

    info->used += 16 * b->nmodules;
    store32(info->bytes + 20, b->nmodules);
    store32(info->bytes + 24, BOOT_INFO + list);
    for (unsigned k = 0; k < b->nmodules; k++) {
        const struct boot_module *module = &b->modules[k];

        at = (uint32_t)align_up(at, PAGE_SIZE);
        space_write_bytes(m->memory, at, module->file.bytes, module->file.len);
        store32(info->bytes + list + 16 * k, at);
        at += (uint32_t)module->file.len;
        store32(info->bytes + list + 16 * k + 4, at);
        store32(info->bytes + list + 16 * k + 8, info_string(info, module->line));
    }
}

void multiboot_load(struct machine *m, const struct boot *b)
{
    static const uint8_t zeros[4096];
    struct image image;
    struct info info = { .used = INFO_BYTES };
    struct err e = parse(m, b, &image);
    char line[BOOT_INFO_END - BOOT_INFO];
    bool ok;

    invariant(!failed(&e), "%s", e.text);
    for (unsigned k = 0; k < image.n; k++) {
        const struct piece *p = &image.pieces[k];

        space_write_bytes(m->memory, p->at, b->kernel.bytes + p->file_at, p->file_bytes);
        for (uint32_t done = p->file_bytes; done < p->bytes; ) {
            uint32_t n = p->bytes - done < sizeof zeros ? p->bytes - done : (uint32_t)sizeof zeros;

            space_write_bytes(m->memory, p->at + done, zeros, n);
            done += n;
        }
    }
    store32(info.bytes, INFO_FLAGS);
    info_memory(m, &info);
    info_modules(m, b, &info, image.end);
    strcpy(line, m->cfg.kernel);
    strcat(line, " ");
    strcat(line, m->cfg.append);
    store32(info.bytes + 16, info_string(&info, line));
    space_write_bytes(m->memory, BOOT_INFO, info.bytes, info.used);
    boot_enter_flat(m, image.entry);
    ok = cpu_set_reg(m->vps[0], CPU_REG_RAX, ENTRY_MAGIC) && cpu_set_reg(m->vps[0], CPU_REG_RBX, BOOT_INFO);
    invariant(ok, "the processor refused the Multiboot registers");
}
