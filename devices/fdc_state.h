/* SPDX-License-Identifier: MIT
 * Between the files of the floppy controller: fdc.c owns registers, phases and disks, fdc_commands.c the commands. */
#ifndef DEVICES_FDC_STATE_H
#define DEVICES_FDC_STATE_H

#include <stdbool.h>

#include "devices/fdc.h"

enum { DOR_RUN = 0x04, DOR_DMA = 0x08 };

enum phase { PHASE_COMMAND, PHASE_EXECUTE, PHASE_RESULT };
enum step { STEP_NONE, STEP_RESET, STEP_SEEK, STEP_SECTOR, STEP_READ_ID, STEP_HOST };

#define FDC_SECTOR 512u

#define FDC_STATE(ONE, MANY)                                                    \
    ONE (u64, due_ns,      "deadline of `step`")                                \
    ONE (u16, buffer_at,   "non-DMA: next byte of the sector")                  \
    ONE (u8,  dor,         "digital output")                                    \
    ONE (u8,  dsr,         "data rate select")                                  \
    ONE (u8,  tdr,         "tape drive")                                        \
    ONE (u8,  rate,        "data rate in force: 0 500k, 1 300k, 2 250k, 3 1M")  \
    ONE (u8,  phase,       "enum phase")                                        \
    ONE (u8,  step,        "enum step")                                         \
    ONE (u8,  interrupt,   "interrupt pending")                                 \
    ONE (u8,  polled,      "drives whose status SENSE INTERRUPT must still tell after reset") \
    ONE (u8,  sought,      "drives that ended a seek")                          \
    ONE (u8,  seeking,     "drives on the way, MSR bits 0-3")                   \
    ONE (u8,  len,         "bytes in the FIFO")                                 \
    ONE (u8,  at,          "next byte of a result")                             \
    ONE (u8,  expected,    "bytes of this command")                             \
    ONE (u8,  srt_hut,     "SPECIFY, first byte")                               \
    ONE (u8,  hlt_nd,      "SPECIFY, second byte; bit 0: non-DMA mode")         \
    ONE (u8,  config,      "CONFIGURE, second byte")                            \
    ONE (u8,  precomp,     "CONFIGURE, third byte")                             \
    ONE (u8,  perpendicular, "PERPENDICULAR MODE")                              \
    ONE (u8,  lock,        "LOCK")                                              \
    ONE (u8,  st1,         "of the running command")                            \
    ONE (u8,  st2,         "of the running command")                            \
    ONE (u8,  cylinder,    "C of the running command")                          \
    ONE (u8,  head,        "H")                                                 \
    ONE (u8,  sector,      "R")                                                 \
    ONE (u8,  ended,       "terminal count came")                               \
    MANY(u8,  track, 4,    "where the heads are")                               \
    MANY(u8,  target, 4,   "where they go")                                     \
    MANY(u8,  changed, 2,  "disk change lines")                                 \
    MANY(u8,  fifo, 16,    "command or result bytes")                           \
    MANY(u8,  unused, 3,   "")                                                  \
    MANY(u8,  buffer, FDC_SECTOR, "one sector")
STATE_STRUCT(fdc_state, FDC_STATE);
struct format {
    uint64_t bytes;
    uint8_t cylinders, heads, sectors;
    uint8_t rate;               /* the one it can be read with */
    uint8_t drive;              /* CMOS type of a drive for it */
};

struct fdc {
    struct device dev;
    struct fdc_state state;
    struct clock *clock;
    struct dma8237 *dma;
    struct irq irq;
    struct timer timer;
    struct block *disks[2];
    const struct format *formats[2];        /* of the disk inside, NULL: empty */
    uint8_t types[2];
};

/* fdc.c */
void fdc_set_interrupt(struct fdc *f, bool pending);
void fdc_set_step(struct fdc *f, enum step step, uint64_t due_ns);
void fdc_after(struct fdc *f, enum step step, uint64_t ns);
void fdc_command_phase(struct fdc *f);
void fdc_result_phase(struct fdc *f, const uint8_t *bytes, unsigned len);

/* fdc_commands.c */
void fdc_command_byte(struct fdc *f, uint8_t value);
void fdc_run_step(struct fdc *f);                       /* the deadline of a seek or a sector came */
void fdc_host_moved(struct fdc *f);                     /* non-DMA mode: the sector went through the FIFO */
bool fdc_to_disk(const struct fdc_state *s);            /* the running command writes */
const struct format *fdc_readable(const struct fdc *f); /* what turns under the head of the running command, or NULL */

#endif
