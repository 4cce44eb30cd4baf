/* SPDX-License-Identifier: MIT
 * Ports and connections, TLFS 6.0b 11.6: what the parent (the machine) made for the guest. A connection here leads to a port
 * with the same number: one of the guest itself, so that what it posts or signals comes back at one of its SINTs, or one of
 * the parent. */
#include "hv/synic/synic.h"

#include <stdlib.h>

#include "hv/hypercall.h"

#define PARENT  0xFFFFFFFDu             /* port.vp: the port is not the guest's */
#define DELETED 0u                      /* port.type: the connection is left */

struct port {
    uint32_t connection, vp;
    uint16_t base_flag, flags;
    uint8_t  type, sint;                /* enum hv_port_type */
};

static struct port *find(const struct hv *hv, uint32_t connection)
{
    for (size_t k = 0; k < hv->nports; k++)
        if (hv->ports[k].connection == connection)
            return &hv->ports[k];
    return NULL;
}

static void append(struct hv *hv, struct port port)
{
    if (hv->nports == hv->ports_room) {
        hv->ports_room = hv->ports_room * 2 + 16;
        hv->ports = realloc(hv->ports, hv->ports_room * sizeof *hv->ports);
        invariant(hv->ports != NULL, "out of memory for ports");
    }
    hv->ports[hv->nports++] = port;
}

/* ---- the parent's side, hv.h ---- */

static enum hv_status connect_port(struct hv *hv, struct port port, unsigned sint)
{
    if ((port.connection & HV_ID_RSVDZ) != 0 || find(hv, port.connection) != NULL)
        return HV_STATUS_INVALID_CONNECTION_ID;
    if (port.vp >= hv->nvps && port.vp != HV_ANY_VP && port.vp != PARENT)
        return HV_STATUS_INVALID_VP_INDEX;
    if (sint >= HV_SYNIC_SINT_COUNT)
        return HV_STATUS_INVALID_PARAMETER;
    port.sint = (uint8_t)sint;
    append(hv, port);
    return HV_STATUS_SUCCESS;
}

unsigned hv_connect_message(struct hv *hv, uint32_t connection, uint32_t vp, unsigned sint)
{
    return connect_port(hv, (struct port){ .connection = connection, .vp = vp, .type = HvPortTypeMessage }, sint);
}

unsigned hv_connect_event(struct hv *hv, uint32_t connection, uint32_t vp, unsigned sint, unsigned base_flag, unsigned flags)
{
    if (base_flag >= HV_EVENT_FLAGS_COUNT || flags > HV_EVENT_FLAGS_COUNT - base_flag)
        return HV_STATUS_INVALID_PARAMETER;
    return connect_port(hv, (struct port){ .connection = connection, .vp = vp, .type = HvPortTypeEvent,
                                           .base_flag = (uint16_t)base_flag, .flags = (uint16_t)flags }, sint);
}

unsigned hv_listen_message(struct hv *hv, uint32_t connection)
{
    return connect_port(hv, (struct port){ .connection = connection, .vp = PARENT, .type = HvPortTypeMessage }, 0);
}

unsigned hv_listen_event(struct hv *hv, uint32_t connection, unsigned flags)
{
    if (flags > HV_EVENT_FLAGS_COUNT)
        return HV_STATUS_INVALID_PARAMETER;
    return connect_port(hv, (struct port){ .connection = connection, .vp = PARENT, .type = HvPortTypeEvent,
                                           .flags = (uint16_t)flags }, 0);
}

unsigned hv_disconnect(struct hv *hv, uint32_t connection)
{
    struct port *port = find(hv, connection);

    if (port == NULL)
        return HV_STATUS_INVALID_CONNECTION_ID;
    *port = hv->ports[--hv->nports];
    return HV_STATUS_SUCCESS;
}

unsigned hv_delete_port(struct hv *hv, uint32_t connection)
{
    struct port *port = find(hv, connection);

    if (port == NULL || port->type == DELETED)
        return HV_STATUS_INVALID_PORT_ID;
    for (uint32_t n = 0; n < hv->nvps; n++)
        message_forget(hv->vps[n], PORT_SOURCE + connection);
    port->type = DELETED;
    return HV_STATUS_SUCCESS;
}

unsigned hv_assert_sint(struct hv *hv, uint32_t vp, unsigned sint)
{
    if (vp >= hv->nvps)
        return HV_STATUS_INVALID_VP_INDEX;
    if (sint >= HV_SYNIC_SINT_COUNT)
        return HV_STATUS_INVALID_PARAMETER;
    synic_interrupt(hv->vps[vp], sint);
    return HV_STATUS_SUCCESS;
}

/* ---- the guest's side ---- */

static unsigned buffers_used(const struct hv *hv, const struct port *port)
{
    unsigned used = 0;

    for (uint32_t n = 0; n < hv->nvps; n++)
        used += message_waiting(hv->vps[n], PORT_SOURCE + port->connection);
    return used;
}

/* The port's VP, or for HV_ANY_VP the first that could take the message now; NULL: none. */
static struct vp *message_target(const struct hv *hv, const struct port *port)
{
    if (port->vp != HV_ANY_VP)
        return message_possible(hv->vps[port->vp]) ? hv->vps[port->vp] : NULL;
    for (uint32_t n = 0; n < hv->nvps; n++)
        if (message_possible(hv->vps[n]))
            return hv->vps[n];
    return NULL;
}

/* What a guest or its parent posts to the port. */
static enum hv_status post_to(struct hv *hv, const struct port *port, uint32_t type, const void *payload, size_t len)
{
    struct hv_message message = { .message_type = type, .payload_size = (uint8_t)len, .origination_id = port->connection };
    struct vp *target = message_target(hv, port);

    if (target == NULL)
        return HV_STATUS_INVALID_SYNIC_STATE;
    if (buffers_used(hv, port) >= HV_MESSAGE_BUFFERS_PER_PORT)
        return HV_STATUS_INSUFFICIENT_BUFFERS;
    __builtin_memcpy(message.payload, payload, len);
    message_queue(target, port->sint, PORT_SOURCE + port->connection, &message);
    message_deliver(target);
    return HV_STATUS_SUCCESS;
}

static enum hv_status signal_to(const struct hv *hv, const struct port *port, unsigned flag)
{
    enum hv_status status = HV_STATUS_INVALID_SYNIC_STATE;

    if (flag >= port->flags)
        return HV_STATUS_INVALID_PARAMETER;
    if (port->vp != HV_ANY_VP)
        return event_signal(hv->vps[port->vp], port->sint, port->base_flag + flag);
    for (uint32_t n = 0; n < hv->nvps && status != HV_STATUS_SUCCESS; n++)
        status = event_signal(hv->vps[n], port->sint, port->base_flag + flag);
    return status;
}

/* The port of the connection, if it is one of that type. */
static enum hv_status find_port(const struct hv *hv, uint32_t connection, uint8_t type, const struct port **out)
{
    *out = find(hv, connection);
    if (*out == NULL)
        return HV_STATUS_INVALID_CONNECTION_ID;
    return (*out)->type == type ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PORT_ID;
}

HC_HANDLER(PostMessage)
{
    const struct hv_input_post_message *in = call->input;
    struct hv *hv = call->vp->hv;
    const struct port *port;
    enum hv_status status = find_port(hv, in->connection_id, HvPortTypeMessage, &port);

    if (status != HV_STATUS_SUCCESS)
        return status;
    if (in->message_type == HvMessageTypeNone || (in->message_type & HV_MESSAGE_TYPE_HYPERVISOR_MASK) != 0 ||
        in->payload_size > HV_MESSAGE_PAYLOAD_BYTES)
        return HV_STATUS_INVALID_PARAMETER;
    if (port->vp != PARENT)
        return post_to(hv, port, in->message_type, in->message, in->payload_size);
    if (hv->cfg.posted != NULL)
        hv->cfg.posted(hv->cfg.partner_self, in->connection_id, in->message_type, in->message, in->payload_size);
    return HV_STATUS_SUCCESS;
}

enum hv_status port_signal(struct hv *hv, uint32_t connection, unsigned flag)
{
    const struct port *port;
    enum hv_status status = find_port(hv, connection, HvPortTypeEvent, &port);

    if (status != HV_STATUS_SUCCESS)
        return status;
    if (port->vp != PARENT)
        return signal_to(hv, port, flag);
    if (flag >= port->flags)
        return HV_STATUS_INVALID_PARAMETER;
    if (hv->cfg.signalled != NULL)
        hv->cfg.signalled(hv->cfg.partner_self, connection, flag);
    return HV_STATUS_SUCCESS;
}

HC_HANDLER(SignalEvent)
{
    const struct hv_input_signal_event *in = call->input;

    return port_signal(call->vp->hv, in->connection_id, in->flag_number);
}

/* ---- the parent sends ---- */

unsigned hv_post(struct hv *hv, uint32_t connection, uint32_t type, const void *payload, size_t len)
{
    const struct port *port;
    enum hv_status status = find_port(hv, connection, HvPortTypeMessage, &port);

    if (status != HV_STATUS_SUCCESS)
        return status;
    if (port->vp == PARENT || type == HvMessageTypeNone || len > HV_MESSAGE_PAYLOAD_BYTES)
        return HV_STATUS_INVALID_PARAMETER;
    return post_to(hv, port, type, payload, len);
}

unsigned hv_signal(struct hv *hv, uint32_t connection, unsigned flag)
{
    const struct port *port;
    enum hv_status status = find_port(hv, connection, HvPortTypeEvent, &port);

    if (status != HV_STATUS_SUCCESS)
        return status;
    return port->vp == PARENT ? HV_STATUS_INVALID_PARAMETER : signal_to(hv, port, flag);
}

/* ---- state ---- */

void ports_save(struct device *dev, struct writer *out)
{
    const struct hv *hv = (const struct hv *)dev;

    writer_uint(out, 4, hv->nports);
    for (size_t k = 0; k < hv->nports; k++) {
        const struct port *p = &hv->ports[k];

        writer_uint(out, 4, p->connection);
        writer_uint(out, 4, p->vp);
        writer_uint(out, 2, p->base_flag);
        writer_uint(out, 2, p->flags);
        writer_uint(out, 1, p->type);
        writer_uint(out, 1, p->sint);
    }
}

static bool port_plausible(const struct hv *hv, const struct port *p)
{
    return (p->connection & HV_ID_RSVDZ) == 0 && (p->vp < hv->cfg.nvps || p->vp == HV_ANY_VP || p->vp == PARENT) &&
           p->sint < HV_SYNIC_SINT_COUNT &&
           p->base_flag + p->flags <= (int)HV_EVENT_FLAGS_COUNT;
}

struct err ports_load(struct device *dev, struct reader *in)
{
    struct hv *hv = (struct hv *)dev;
    uint64_t count = reader_uint(in, 4);

    hv->nports = 0;
    for (uint64_t k = 0; k < count && !in->failed; k++) {
        struct port p;

        p.connection = (uint32_t)reader_uint(in, 4);
        p.vp = (uint32_t)reader_uint(in, 4);
        p.base_flag = (uint16_t)reader_uint(in, 2);
        p.flags = (uint16_t)reader_uint(in, 2);
        p.type = (uint8_t)reader_uint(in, 1);
        p.sint = (uint8_t)reader_uint(in, 1);
        if (!port_plausible(hv, &p))
            return err_make(ERR_FORMAT, "a saved port is out of range");
        append(hv, p);
    }
    return in->failed ? err_make(ERR_FORMAT, "the saved ports are cut short") : OK;
}

uint64_t ports_hash(struct device *dev, uint64_t seed)
{
    struct writer w = { 0 };
    uint64_t hash;

    ports_save(dev, &w);
    hash = bytes_hash(w.bytes, w.len, seed);
    writer_free(&w);
    return hash;
}
