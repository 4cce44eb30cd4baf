/* SPDX-License-Identifier: MIT
 * Host failures: a code and one sentence for the user. Success is code zero. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attrs.h"

enum err_code { ERR_NONE, ERR_USAGE, ERR_IO, ERR_FORMAT, ERR_MEMORY, ERR_UNSUPPORTED };

struct err {
    enum err_code code;
    char text[240];
};

#define OK ((struct err){ .code = ERR_NONE })

struct err err_make(enum err_code code, const char *format, ...) PRINTF_LIKE(2, 3) MUST_USE;

static inline int failed(const struct err *e) { return e->code != ERR_NONE; }

/* Return early from a function that itself returns struct err. */
#define TRY(call)                          \
    do {                                   \
        struct err try_err_ = (call);      \
        if (failed(&try_err_))             \
            return try_err_;               \
    } while (0)

#endif
