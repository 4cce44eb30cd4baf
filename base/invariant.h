/* SPDX-License-Identifier: MIT
 * Our own bugs stop here, in release builds too, after the registered dump hooks ran. */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

#include "base/attrs.h"

#define invariant(cond, ...)                                                   \
    do {                                                                       \
        if (UNLIKELY(!(cond)))                                                 \
            invariant_failed(__FILE__, __LINE__, #cond, __VA_ARGS__);          \
    } while (0)

NORETURN COLD void invariant_failed(const char *file, int line, const char *cond, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Called, newest first, before the program stops. */
void invariant_on_failure(void (*dump)(void *arg), void *arg);

#endif
