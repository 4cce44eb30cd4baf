/* SPDX-License-Identifier: MIT
 * A bare-metal Multiboot guest: reports on COM1 what the loader told it, checks memory and its modules, then ends the
 * machine through the exit port with 0 (good) or 1. Freestanding, 32-bit. */
#include <stdint.h>

struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
struct module { uint32_t start, end, string, reserved; };
struct range { uint32_t size; uint64_t base, len; uint32_t type; } __attribute__((packed));

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static void put(char c)
{
    while (!(inb(0x3f8 + 5) & 0x20))
        ;
    outb(0x3f8, (uint8_t)c);
}

static void text(const char *s) { while (*s) put(*s++); }

static void hex(uint64_t v)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[(v >> shift) & 15]);
}

static uint32_t sum(uint32_t from, uint32_t to)
{
    uint32_t total = 0;

    while (from < to)
        total = total * 31 + *(volatile uint8_t *)(uintptr_t)from++;
    return total;
}

static void finish(uint8_t status)
{
    text(status == 0 ? "PASS\r\n" : "FAIL\r\n");
    outb(0xf4, status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void start(uint32_t magic, const struct info *info);
void start(uint32_t magic, const struct info *info)
{
    const struct module *m;
    uint64_t ram = 0;

    text("hello\r\n");
    if (magic != 0x2badb002)
        finish(1);
    text("cmdline: ");
    if (info->flags & 4)
        text((const char *)(uintptr_t)info->cmdline);
    text("\r\n");
    m = (const struct module *)(uintptr_t)info->mods_addr;
    for (uint32_t k = 0; (info->flags & 8) && k < info->mods_count; k++) {
        text("module: ");
        text((const char *)(uintptr_t)m[k].string);
        text(" sum ");
        hex(sum(m[k].start, m[k].end));
        text("\r\n");
    }
    for (uint32_t at = 0; (info->flags & 64) && at < info->mmap_length; ) {
        const struct range *r = (const struct range *)(uintptr_t)(info->mmap_addr + at);

        if (r->type == 1)
            ram += r->len;
        at += r->size + 4;
    }
    text("ram: ");
    hex(ram >> 20);
    text("\r\n");
    finish(ram < (16u << 20));
}
