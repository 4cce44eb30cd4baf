/* SPDX-License-Identifier: MIT
 * Compiler attributes behind plain names, so that the rest of the code stays C11. */
#ifndef BASE_ATTRS_H
#define BASE_ATTRS_H

#define MUST_USE            __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)   __attribute__((format(printf, f, a)))
#define NORETURN            __attribute__((noreturn))
#define ALWAYS_INLINE       inline __attribute__((always_inline))
#define NOINLINE            __attribute__((noinline))
#define COLD                __attribute__((cold, noinline))
#define UNUSED              __attribute__((unused))
#define MAY_ALIAS           __attribute__((may_alias))
#define ALIGNED(n)          __attribute__((aligned(n)))

#define LIKELY(x)           __builtin_expect(!!(x), 1)
#define UNLIKELY(x)         __builtin_expect(!!(x), 0)

#define COUNT_OF(array)     (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#endif
