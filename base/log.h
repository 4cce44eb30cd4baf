/* SPDX-License-Identifier: MIT
 * Diagnostics to stderr by area and level; never seen by the guest. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/attrs.h"

enum log_level { LOG_QUIET, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_area { LOG_CPU, LOG_MEM, LOG_DEV, LOG_HV, LOG_MACHINE, LOG_AREAS };

extern enum log_level log_levels[LOG_AREAS];

void log_line(enum log_area area, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);

/* "cpu=debug,dev=info" or "all=warn"; false when a name is unknown. */
bool log_configure(const char *spec);

#define log_at(area, level, ...)                                               \
    do {                                                                       \
        if (UNLIKELY(log_levels[area] >= (level)))                             \
            log_line(area, level, __VA_ARGS__);                                \
    } while (0)

/* The guest does what we lack: said once per place in the code. */
#define log_once(area, ...)                                                    \
    do {                                                                       \
        static bool said_;                                                     \
        if (!said_) {                                                          \
            said_ = true;                                                      \
            log_at(area, LOG_WARN, __VA_ARGS__);                               \
        }                                                                      \
    } while (0)

#endif
