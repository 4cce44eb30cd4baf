/* SPDX-License-Identifier: MIT
 * What the files of the IDE device share: a drive with its task file and buffer, and the channel it hangs on.
 * ide.c owns ports, selection, resets and the data register; ide_ata.c and ide_identify.c the commands of disks; atapi.c and
 * atapi_info.c those of CD-ROM drives; ide_dma.c the PCI function and its bus master. */
#ifndef DEVICES_IDE_DRIVE_H
#define DEVICES_IDE_DRIVE_H

#include "devices/ide.h"

enum ata_status { ATA_ERR = 0x01, ATA_DRQ = 0x08, ATA_DSC = 0x10, ATA_DF = 0x20, ATA_DRDY = 0x40, ATA_BSY = 0x80 };
enum ata_error { ATA_ABRT = 0x04, ATA_IDNF = 0x10, ATA_UNC = 0x40 };
enum ata_device_bits { ATA_DEV = 0x10, ATA_LBA = 0x40 };
enum ata_control { ATA_NIEN = 0x02, ATA_SRST = 0x04, ATA_HOB = 0x80 };

enum ide_kind { IDE_ABSENT, IDE_DISK, IDE_CDROM };

/* What the drive does when its deadline comes, or what it waits for. */
enum ide_step {
    STEP_NONE,
    STEP_RESET,             /* come out of reset */
    STEP_DONE,              /* end a command without data */
    STEP_FAIL,              /* end it with the error already in `error` */
    STEP_FLUSH,
    STEP_DISK_IN,           /* fill the buffer from the disk and offer it */
    STEP_DISK_OUT,          /* write the buffer to the disk */
    STEP_BUFFER_IN,         /* offer what is in the buffer, the last data of the command */
    STEP_PACKET,            /* carry out the packet in the buffer */
    STEP_DISC_IN,           /* fill the buffer from the disc and offer it */
    STEP_PACKET_DONE,
    STEP_DMA,               /* move data by bus master */
    STEP_WAIT_DMA,          /* no deadline: until the bus master is started */
    STEP_HOST,              /* no deadline: until the host has moved the buffer through the data register */
};

#define IDE_BUFFER 8192u    /* one DRQ block: 16 sectors, 4 CD sectors */
#define IDE_MULTIPLE_MAX (IDE_BUFFER / 512)

#define IDE_DRIVE_STATE(ONE, MANY)                                                              \
    ONE (u64, due_ns,      "deadline of `step`, TIMER_OFF when it has none")                    \
    ONE (u64, lba,         "next sector (2048 bytes on discs) to move")                         \
    ONE (u32, left,        "sectors left to move, not counting those in the buffer")            \
    ONE (u32, at,          "next byte of the buffer to move")                                   \
    ONE (u32, len,         "end of the DRQ block in the buffer")                                \
    ONE (u32, filled,      "PACKET: end of the data in the buffer")                             \
    ONE (u16, byte_limit,  "PACKET: bytes the host takes per DRQ block")                        \
    ONE (u16, cylinders,   "CHS translation in force")                                          \
    ONE (u8,  heads,       "of that translation")                                               \
    ONE (u8,  sectors,     "of that translation")                                               \
    ONE (u8,  features,    "task file, as last written")                                        \
    ONE (u8,  count,       "task file: sector count, interrupt reason")                         \
    ONE (u8,  lba_low,     "task file")                                                         \
    ONE (u8,  lba_mid,     "task file, byte count low")                                         \
    ONE (u8,  lba_high,    "task file, byte count high")                                        \
    ONE (u8,  hob_features, "task file, the value written before")                              \
    ONE (u8,  hob_count,   "task file, the value written before")                               \
    ONE (u8,  hob_low,     "task file, the value written before")                               \
    ONE (u8,  hob_mid,     "task file, the value written before")                               \
    ONE (u8,  hob_high,    "task file, the value written before")                               \
    ONE (u8,  device,      "task file: LBA bit, head")                                          \
    ONE (u8,  status,      "status register")                                                   \
    ONE (u8,  error,       "error register")                                                    \
    ONE (u8,  command,     "command being carried out")                                         \
    ONE (u8,  step,        "enum ide_step")                                                     \
    ONE (u8,  intrq,       "interrupt pending in this drive")                                   \
    ONE (u8,  block,       "sectors per DRQ block of this command")                             \
    ONE (u8,  multiple,    "sectors per block of READ and WRITE MULTIPLE, 0: not set")          \
    ONE (u8,  dma_in,      "STEP_DMA moves data to memory")                                     \
    ONE (u8,  mdma,        "multiword DMA mode selected, as a bit")                             \
    ONE (u8,  udma,        "Ultra DMA mode selected, as a bit")                                 \
    ONE (u8,  write_cache, "write cache enabled")                                               \
    ONE (u8,  sense_key,   "packet devices: what REQUEST SENSE reports")                        \
    ONE (u8,  asc,         "additional sense code")                                             \
    ONE (u8,  ascq,        "and its qualifier")                                                 \
    ONE (u8,  attention,   "ASC of a pending unit attention, 0: none")                          \
    ONE (u8,  media_event, "event code GET EVENT STATUS NOTIFICATION has not told yet")         \
    ONE (u8,  tray_open,   "")                                                                  \
    ONE (u8,  locked,      "PREVENT ALLOW MEDIUM REMOVAL")                                      \
    ONE (u8,  use_dma,     "PACKET: data by DMA")                                               \
    MANY(u8,  packet, 12,  "command packet")                                                    \
    MANY(u8,  buffer, IDE_BUFFER, "data of one DRQ block")
STATE_STRUCT(ide_drive_state, IDE_DRIVE_STATE);

#define IDE_CHANNEL_STATE(ONE, MANY)                                            \
    ONE (u32, bm_table,   "bus master: descriptor table pointer")               \
    ONE (u8,  bm_command, "bus master command")                                 \
    ONE (u8,  bm_status,  "bus master status")                                  \
    ONE (u8,  control,    "device control register")                            \
    ONE (u8,  selected,   "DEV bit as last written")                            \
    ONE (u8,  line,       "level of the interrupt line")                        \
    MANY(u8,  unused, 3,  "")
STATE_STRUCT(ide_channel_state, IDE_CHANNEL_STATE);

struct ide_channel;

struct ide_drive {
    struct device dev;
    struct ide_drive_state state;
    struct ide_channel *channel;
    unsigned unit;
    enum ide_kind kind;
    struct block *block;        /* NULL only for an empty CD-ROM drive */
    char serial[21];
    struct timer timer;
};

struct ide_channel {
    struct device dev;
    struct ide_channel_state state;
    struct ide *ide;
    unsigned index;
    struct ide_drive *drives[2];
    struct irq irq;
    bool decoded;               /* legacy ports in the I/O space; derived from configuration */
    uint8_t *scratch;           /* for bulk transfers; holds nothing between calls */
};

struct ide {                /* wiring only: no state */
    struct ide_channel *channels[2];
    struct pci_function *function;
    struct space *io;
    struct clock *clock;
};

#define IDE_SCRATCH 65536u

/* ide.c */
void drive_init(struct ide_drive *d, struct ide_channel *ch, unsigned unit);
void drive_after(struct ide_drive *d, enum ide_step step, uint64_t ns);     /* busy, then `step` */
void drive_raise(struct ide_drive *d);                                      /* INTRQ */
void drive_offer(struct ide_drive *d);                                      /* DRQ for state.len bytes of the buffer */
void drive_offer_from(struct ide_drive *d, uint32_t at);                    /* DRQ for the bytes from `at` to state.len */
void drive_done(struct ide_drive *d);
void drive_fail(struct ide_drive *d, uint8_t error);
void drive_signature(struct ide_drive *d);
void drive_diagnose(struct ide_channel *ch);
void channel_decode(struct ide_channel *ch, bool on);
void channel_update_line(struct ide_channel *ch);
extern const struct device_class ide_drive_class, ide_channel_class;

/* ide_ata.c */
void     ata_power_on(struct ide_drive *d);
void     ata_defaults(struct ide_drive *d);             /* what SRST returns to */
void     ata_command(struct ide_drive *d, uint8_t command);
void     ata_step(struct ide_drive *d, enum ide_step step);
void     ata_host_moved(struct ide_drive *d);           /* the buffer went through the data register */
uint64_t ata_sectors(const struct ide_drive *d);
uint64_t ata_sectors_28(const struct ide_drive *d);     /* what 28-bit addresses reach */
uint16_t ata_default_cylinders(const struct ide_drive *d);
uint64_t ide_transfer_ns(uint64_t bytes);
#define ATA_COMMAND_NS 10000u                           /* commands without data */

/* ide_identify.c */
void     ata_identify(struct ide_drive *d);
void     ide_put_string(uint8_t *to, const char *text, unsigned len);   /* bytes of each word swapped */
void     ide_identify_checksum(uint8_t *data);

/* atapi.c */
void atapi_power_on(struct ide_drive *d);
void atapi_identify(struct ide_drive *d);
void atapi_start(struct ide_drive *d);                  /* PACKET */
void atapi_step(struct ide_drive *d, enum ide_step step);
void atapi_host_moved(struct ide_drive *d);
void atapi_dma(struct ide_drive *d);
void atapi_new_disc(struct ide_drive *d);

/* ide_dma.c */
void dma_request(struct ide_drive *d, bool to_memory);  /* wait for the bus master, then STEP_DMA */
void dma_channel_reset(struct ide_channel *ch);

/* One pass along the descriptor table. */
struct ide_dma {
    struct ide_channel *channel;
    uint32_t table, at, left;       /* next descriptor; what is left of the present region */
    bool last, ended;
};
struct ide_dma dma_begin(struct ide_channel *ch);
/* Less than len: the table ended. */
uint32_t       dma_move(struct ide_dma *dma, uint8_t *bytes, uint32_t len, bool to_memory);
void           dma_end(struct ide_dma *dma);

#endif
