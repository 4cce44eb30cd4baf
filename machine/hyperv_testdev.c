/* SPDX-License-Identifier: MIT
 * Port 3000h, one dword: SINT in bits 7:0, virtual processor in 15:8, command in 23:16, connection in 31:24. What a
 * guest posts or signals on a connection made here arrives at that processor and SINT. It has no state: connections
 * are the partition's. */
#include "machine/hyperv_testdev.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"

enum {
    ROUTE_CREATE = 1, ROUTE_DESTROY, ROUTE_ASSERT, MESSAGE_CONNECT, MESSAGE_DISCONNECT, EVENT_CONNECT, EVENT_DISCONNECT,
};

struct hyperv_testdev {
    struct device dev;
    struct hv *hv;
};

/* A route is only a promise that the SINT may be asserted, so making and ending one leaves nothing to do. The flag
 * of an event connection has the connection's number. */
static unsigned carry_out(struct hv *hv, unsigned command, uint32_t vp, unsigned sint, uint32_t connection)
{
    switch (command) {
    case ROUTE_CREATE:
    case ROUTE_DESTROY:         return 0;
    case ROUTE_ASSERT:          return hv_assert_sint(hv, vp, sint);
    case MESSAGE_CONNECT:       return hv_connect_message(hv, connection, vp, sint);
    case EVENT_CONNECT:         return hv_connect_event(hv, connection, vp, sint, connection, 1);
    case MESSAGE_DISCONNECT:
    case EVENT_DISCONNECT:      return hv_disconnect(hv, connection);
    default:                    return ~0u;
    }
}

static void write_command(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct hyperv_testdev *t = (struct hyperv_testdev *)dev;
    unsigned status;

    (void)at;
    (void)bytes;
    status = carry_out(t->hv, (unsigned)bits_get(value, 23, 16), (uint32_t)bits_get(value, 15, 8),
                       (unsigned)bits_get(value, 7, 0), (uint32_t)bits_get(value, 31, 24));
    if (status != 0)
        log_at(LOG_HV, LOG_WARN, "hyperv-testdev: command %08x failed with status %x", (unsigned)value, status);
}

static const struct reg ports[] = {
    { 0, 4, "command", reg_open_bus, write_command, 0 },
};

static const struct device_class hyperv_testdev_class = { .name = "hyperv-testdev", .size = sizeof(struct hyperv_testdev) };

struct device *hyperv_testdev_create(struct device_tree *tree, struct space *io, struct hv *hv)
{
    struct device *dev = device_create(tree, &hyperv_testdev_class, "hyperv-testdev");

    ((struct hyperv_testdev *)dev)->hv = hv;
    space_add_device(io, 0x3000, dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    return dev;
}
