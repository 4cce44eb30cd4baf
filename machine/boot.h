/* SPDX-License-Identifier: MIT
 * Ways to start a guest: firmware, a Linux bzImage, a Multiboot image. Files are read once; each reset loads them anew. */
#ifndef MACHINE_BOOT_H
#define MACHINE_BOOT_H

#include "base/file.h"
#include "machine/internal.h"

#define BOOT_MAX_MODULES 16

struct boot_module {
    struct blob file;
    char *line;                 /* file name and arguments, as given */
};

struct boot {
    enum { BOOT_FIRMWARE, BOOT_LINUX, BOOT_MULTIBOOT } kind;
    struct blob kernel;
    struct boot_module modules[BOOT_MAX_MODULES];   /* Linux: at most one, the initrd */
    unsigned nmodules;
    struct acpi_tables acpi;
    uint32_t acpi_base;         /* where a direct boot puts the tables */
};

/* Memory map entries as INT 15h E820 gives them. */
struct e820 { uint64_t base, len; uint32_t type; };
enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };
#define E820_MAX 8
unsigned   boot_e820(const struct machine *m, struct e820 *out);

/* Direct boots. check: is the image usable (at creation)? load: put it in memory and set processor 0 (at reset). */
bool       linux_is_image(const struct blob *kernel);
struct err linux_check(const struct machine *m, const struct boot *b) MUST_USE;
void       linux_load(struct machine *m, const struct boot *b);
bool       multiboot_is_image(const struct blob *kernel);
struct err multiboot_check(const struct machine *m, const struct boot *b) MUST_USE;
void       multiboot_load(struct machine *m, const struct boot *b);

/* Flat 32-bit protected mode, paging and interrupts off; a GDT with code 10h and data 18h lies at BOOT_GDT. */
#define BOOT_GDT 0x1000u
void boot_enter_flat(struct machine *m, uint32_t eip);

/* Guest-physical ranges a direct boot uses in low memory besides the real-mode vector table; the rest of page 0 belongs to the
 * guest (trampolines). */
#define BOOT_INFO      0x2000u      /* Multiboot information, Linux boot_params */
#define BOOT_INFO_END  0x8000u
#define BOOT_RSDP      0xf0000u
#define BOOT_HANDLERS  0xf0100u     /* real-mode interrupt handlers that do nothing */

#endif
