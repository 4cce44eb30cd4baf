/* SPDX-License-Identifier: MIT
 * Byte streams of the host behind serial ports. Output never waits for a reader; input arrives through the door. */
#ifndef DEVICES_STREAM_H
#define DEVICES_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/nondet.h"

struct stream;

/* `spec`: "null", "stdio", "file:PATH" or "tcp:HOST:PORT[,server]". What arrives is posted as NONDET_SERIAL of `port`; the
 * frontend reads standard input itself, since it owns the terminal's escape keys. */
struct err stream_open(struct stream **out, const char *spec, struct nondet *nd, uint8_t port) MUST_USE;
void       stream_write(struct stream *s, const void *bytes, size_t len);
void       stream_flush(struct stream *s);
void       stream_mute(struct stream *s, bool mute);        /* what is written goes nowhere */
bool       stream_has_input(const struct stream *s);        /* could something still arrive? */
void       stream_close(struct stream *s);                  /* NULL is fine; what was written goes out first */

#endif
