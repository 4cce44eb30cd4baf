/* SPDX-License-Identifier: MIT
 * MC146818A clock and CMOS memory at 70h/71h, a second bank of memory at 72h/73h. */
#ifndef DEVICES_RTC146818_H
#define DEVICES_RTC146818_H

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/nondet.h"
#include "core/space.h"

struct rtc146818;

/* `irq` is IRQ 8. The wall clock is asked once, at the first reset, unless rtc_set_wall_clock() said what it shows. */
struct rtc146818 *rtc_create(struct device_tree *tree, struct space *io, struct clock *clock, struct nondet *nd,
                             struct irq irq);
void rtc_set_wall_clock(struct rtc146818 *rtc, uint64_t ns_since_1970);      /* before the first reset; 0: ask the host */
bool rtc_nmi_masked(const struct rtc146818 *rtc);               /* bit 7 of port 70h */

/* CMOS bytes 0Eh-7Fh for the board, in the places where PC firmware looks; before the first reset. */
void rtc_set_cmos(struct rtc146818 *rtc, unsigned at, uint8_t value);
void rtc_set_memory(struct rtc146818 *rtc, uint64_t below_4g, uint64_t above_4g);       /* bytes */
enum rtc_floppy { RTC_FLOPPY_NONE = 0, RTC_FLOPPY_360K = 1, RTC_FLOPPY_1200K = 2, RTC_FLOPPY_720K = 3, RTC_FLOPPY_1440K = 4,
                  RTC_FLOPPY_2880K = 5 };
void rtc_set_floppies(struct rtc146818 *rtc, enum rtc_floppy a, enum rtc_floppy b);
/* Geometry of the first two IDE disks; heads 0: none. */
void rtc_set_disk(struct rtc146818 *rtc, unsigned disk, unsigned cylinders, unsigned heads, unsigned sectors);
enum rtc_boot { RTC_BOOT_NONE = 0, RTC_BOOT_FLOPPY = 1, RTC_BOOT_DISK = 2, RTC_BOOT_CD = 3, RTC_BOOT_NETWORK = 4 };
void rtc_set_boot_order(struct rtc146818 *rtc, enum rtc_boot first, enum rtc_boot second, enum rtc_boot third);
void rtc_set_processors(struct rtc146818 *rtc, unsigned count);

#endif
