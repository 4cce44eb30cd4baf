/* SPDX-License-Identifier: MIT
 * COM1 and a small printf: %s %c %d %u %x, with l for 64 bits and a width with leading zeros. */
#include "conform/guest/internal.h"

enum { COM1 = 0x3f8 };

void serial_start(void)
{
    static const u8 setup[][2] = { { 1, 0 }, { 3, 0x80 }, { 0, 1 }, { 1, 0 }, { 3, 3 }, { 2, 7 }, { 4, 3 } };

    for (unsigned k = 0; k < COUNT_OF(setup); k++)
        outb((u16)(COM1 + setup[k][0]), setup[k][1]);
}

void put_char(char c)
{
    for (unsigned tries = 0; tries < 1000000 && !(inb(COM1 + 5) & 0x20); tries++)
        ;
    outb(COM1, (u8)c);
}

struct out { char *to; size_t room; };

static void put(struct out *o, char c)
{
    if (o->to == NULL) {
        put_char(c);
    } else if (o->room > 1) {
        *o->to++ = c;
        o->room--;
    }
}

static void put_number(struct out *o, u64 v, unsigned base, unsigned width)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    for (; width > n; width--)
        put(o, '0');
    while (n > 0)
        put(o, digits[--n]);
}

static void put_format(struct out *o, const char *f, __builtin_va_list args)
{
    for (; *f != '\0'; f++) {
        unsigned width = 0;
        bool wide = false;
        u64 v;

        if (*f != '%') {
            put(o, *f);
            continue;
        }
        for (f++; *f >= '0' && *f <= '9'; f++)
            width = width * 10 + (unsigned)(*f - '0');
        for (; *f == 'l'; f++)
            wide = true;
        switch (*f) {
        case 's':
            for (const char *s = __builtin_va_arg(args, const char *); *s != '\0'; s++)
                put(o, *s);
            break;
        case 'c': put(o, (char)__builtin_va_arg(args, int)); break;
        case 'd':
            v = (u64)(wide ? __builtin_va_arg(args, long) : __builtin_va_arg(args, int));
            if ((int64_t)v < 0) {
                put(o, '-');
                v = 0 - v;
            }
            put_number(o, v, 10, width);
            break;
        case 'u':
        case 'x':
            v = wide ? __builtin_va_arg(args, unsigned long) : __builtin_va_arg(args, unsigned);
            put_number(o, v, *f == 'u' ? 10 : 16, width);
            break;
        default: put(o, *f);
        }
    }
}

void print_list(const char *format, __builtin_va_list args)
{
    struct out o = { NULL, 0 };

    put_format(&o, format, args);
}

void format_to(char *to, size_t room, const char *format, __builtin_va_list args)
{
    struct out o = { to, room };

    put_format(&o, format, args);
    *o.to = '\0';
}

void print(const char *format, ...)
{
    __builtin_va_list args;

    __builtin_va_start(args, format);
    print_list(format, args);
    __builtin_va_end(args);
}

void *memset(void *to, int v, size_t n)
{
    for (size_t k = 0; k < n; k++)
        ((volatile u8 *)to)[k] = (u8)v;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t k = 0; k < n; k++)
        ((volatile u8 *)to)[k] = ((const u8 *)from)[k];
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (((const u8 *)a)[k] != ((const u8 *)b)[k])
            return ((const u8 *)a)[k] < ((const u8 *)b)[k] ? -1 : 1;
    return 0;
}
