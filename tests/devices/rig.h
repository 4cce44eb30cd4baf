/* SPDX-License-Identifier: MIT
 * A bench for chips without processors: address spaces, RAM, a clock that tests push, and 16 recorded interrupt lines. */
#ifndef TESTS_DEVICES_RIG_H
#define TESTS_DEVICES_RIG_H

#include "tests/check.h"

#include "core/clock.h"
#include "core/device.h"
#include "core/irq.h"
#include "core/space.h"

#define RIG_RAM (4u << 20)

struct rig {
    struct device_tree tree;
    struct clock clock;
    struct space *memory, *io;
    struct ram *ram;
    bool lines[16];
    unsigned edges[16];         /* rising */
};

void rig_init(struct rig *r);
void rig_free(struct rig *r);
struct irq rig_irq(struct rig *r, unsigned line);

uint8_t  in8(struct rig *r, uint16_t port);
uint16_t in16(struct rig *r, uint16_t port);
uint32_t in32(struct rig *r, uint16_t port);
void     out8(struct rig *r, uint16_t port, uint8_t value);
void     out16(struct rig *r, uint16_t port, uint16_t value);
void     out32(struct rig *r, uint16_t port, uint32_t value);

void rig_wait(struct rig *r, uint64_t ns);      /* let virtual time pass */
void rig_wait_next(struct rig *r);              /* to the next deadline and fire it; nothing when there is none */

/* PCI configuration by mechanism #1. */
uint32_t rig_config(struct rig *r, unsigned devfn, unsigned at, unsigned bytes);
void     rig_set_config(struct rig *r, unsigned devfn, unsigned at, unsigned bytes, uint32_t value);

/* Save every device, load it again, and check that the state is the same as before. */
void rig_check_snapshot(struct rig *r);

/* For TRY-like calls that must succeed. */
#define MUST(call)                                    \
    do {                                              \
        struct err must_err_ = (call);                \
        if (failed(&must_err_))                       \
            fail_msg("%s", must_err_.text);           \
    } while (0)

#endif
