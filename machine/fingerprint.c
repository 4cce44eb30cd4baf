/* SPDX-License-Identifier: MIT */
#include "machine/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/invariant.h"

static uint32_t folded(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

void fingerprint_take(struct machine *m, struct fingerprint *out, bool ram)
{
    memset(out, 0, sizeof *out);
    out->parts[out->count++] = folded(state_hash(&clock_state_schema, &m->clock.state, 0));
    out->parts[out->count++] = folded(state_hash(&loop_state_schema, &m->loop, 0));
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next) {
        invariant(out->count < FINGERPRINT_PARTS, "too many devices for a fingerprint");
        out->parts[out->count++] = folded(device_hash(dev, 0));
    }
    out->has_ram = ram;
    out->ram = ram ? ram_hash(m->ram, 0) : 0;
    out->ns = clock_ns(&m->clock);
    out->vp = m->loop.current;
    out->rip = cpu_reg(m->vps[m->loop.current], CPU_REG_RIP);
}

const char *fingerprint_part(const struct machine *m, unsigned part)
{
    const struct device *dev = m->tree.first;

    if (part < 2)
        return part == 0 ? "clock" : "loop";
    for (; part > 2 && dev != NULL; part--)
        dev = dev->next;
    return dev == NULL ? "?" : dev->name;
}

bool fingerprint_differs(const struct machine *m, const struct fingerprint *recorded, const struct fingerprint *now, char *text,
                         size_t room)
{
    if (recorded->count != now->count) {
        snprintf(text, room, "the recorded machine had %u parts, this one has %u", recorded->count, now->count);
        return true;
    }
    if (recorded->ns != now->ns) {
        snprintf(text, room, "clock: virtual time %" PRIu64 " ns was recorded, it is %" PRIu64, recorded->ns, now->ns);
        return true;
    }
    if (recorded->vp != now->vp || recorded->rip != now->rip) {
        snprintf(text, room, "cpu.%u: rip %" PRIx64 " was recorded, it is cpu.%u at %" PRIx64, recorded->vp, recorded->rip, now->vp,
                 now->rip);
        return true;
    }
    for (unsigned k = 0; k < now->count; k++) {
        if (recorded->parts[k] != now->parts[k]) {
            snprintf(text, room, "%s: hash %08x was recorded, it is %08x", fingerprint_part(m, k), recorded->parts[k], now->parts[k]);
            return true;
        }
    }
    if (recorded->has_ram && now->has_ram && recorded->ram != now->ram) {
        snprintf(text, room, "memory: hash %016" PRIx64 " was recorded, it is %016" PRIx64, recorded->ram, now->ram);
        return true;
    }
    return false;
}

enum { HAS_RAM = 1 };

void fingerprint_write(struct writer *w, const struct fingerprint *before, const struct fingerprint *f)
{
    uint8_t changed[(FINGERPRINT_PARTS + 7) / 8] = { 0 };

    for (unsigned k = 0; k < f->count; k++)
        if (before->count != f->count || before->parts[k] != f->parts[k])
            changed[k / 8] |= (uint8_t)(1u << k % 8);
    writer_varint(w, f->count);
    writer_copy(w, changed, (f->count + 7) / 8);
    for (unsigned k = 0; k < f->count; k++)
        if (changed[k / 8] >> k % 8 & 1)
            writer_uint(w, 4, f->parts[k]);
    writer_uint(w, 1, f->has_ram ? HAS_RAM : 0);
    if (f->has_ram)
        writer_uint(w, 8, f->ram);
    writer_varint(w, f->ns);
    writer_varint(w, f->vp);
    writer_uint(w, 8, f->rip);
}

bool fingerprint_read(struct reader *in, struct fingerprint *f)
{
    uint8_t changed[(FINGERPRINT_PARTS + 7) / 8];
    uint64_t count = reader_varint(in);

    if (in->failed || count > FINGERPRINT_PARTS)
        return false;
    f->count = (uint32_t)count;
    reader_copy(in, changed, (count + 7) / 8);
    for (unsigned k = 0; k < count; k++)
        if (changed[k / 8] >> k % 8 & 1)
            f->parts[k] = (uint32_t)reader_uint(in, 4);
    f->has_ram = reader_uint(in, 1) & HAS_RAM;
    f->ram = f->has_ram ? reader_uint(in, 8) : 0;
    f->ns = reader_varint(in);
    f->vp = (uint32_t)reader_varint(in);
    f->rip = reader_uint(in, 8);
    return !in->failed;
}
