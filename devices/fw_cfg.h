/* SPDX-License-Identifier: MIT
 * The firmware configuration device: numbered items and named files that the machine offers to firmware and test guests.
 * Interface and item numbers are those documented for QEMU, which is what SeaBIOS and OVMF of the distributions look for;
 * being "QEMU" here means exactly this interface and nothing else. */
#ifndef DEVICES_FW_CFG_H
#define DEVICES_FW_CFG_H

#include <stddef.h>
#include <stdint.h>

#include "core/device.h"
#include "core/space.h"

enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_UUID = 0x02, FW_CFG_RAM_SIZE = 0x03, FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05, FW_CFG_MACHINE_ID = 0x06, FW_CFG_KERNEL_ADDR = 0x07, FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_KERNEL_CMDLINE = 0x09, FW_CFG_INITRD_ADDR = 0x0a, FW_CFG_INITRD_SIZE = 0x0b, FW_CFG_BOOT_DEVICE = 0x0c,
    FW_CFG_NUMA = 0x0d, FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f, FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12, FW_CFG_CMDLINE_ADDR = 0x13, FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15, FW_CFG_SETUP_ADDR = 0x16, FW_CFG_SETUP_SIZE = 0x17, FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19, FW_CFG_FILE_FIRST = 0x20, FW_CFG_FILE_SLOTS = 0x40,
    FW_CFG_ARCH = 0x8000,       /* local to the architecture: ACPI tables 8000, SMBIOS 8001, IRQ0 override 8002, e820 8003 */
};

struct fw_cfg;

/* Ports 510h, 511h and 514h-51Bh; DMA goes to `memory`. Signature and interface version are there from the start. */
struct fw_cfg *fw_cfg_create(struct device_tree *t, struct space *memory, struct space *io);

/* All before the first reset; bytes are copied. Items may be given again (the later one counts). */
void fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *bytes, size_t len);
void fw_cfg_add_u16(struct fw_cfg *f, uint16_t key, uint16_t value);
void fw_cfg_add_u32(struct fw_cfg *f, uint16_t key, uint32_t value);
void fw_cfg_add_u64(struct fw_cfg *f, uint16_t key, uint64_t value);
void fw_cfg_add_text(struct fw_cfg *f, uint16_t key, const char *text);     /* with its final zero */

/* Names up to 55 characters. The directory is kept in order of names. */
void fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *bytes, size_t len);
/* Guests may write it by DMA (addresses that firmware tells back); it starts as zeros again at reset. */
void fw_cfg_add_writable_file(struct fw_cfg *f, const char *name, size_t len);
/* What is in a file now; NULL when there is none of this name. */
const uint8_t *fw_cfg_file(const struct fw_cfg *f, const char *name, size_t *len);

#endif
