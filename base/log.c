/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum log_level log_levels[LOG_AREAS] = { LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN, LOG_WARN };

static const char *const area_names[LOG_AREAS] = { "cpu", "mem", "dev", "hv", "machine" };
static const char *const level_names[] = { "quiet", "warn", "info", "debug" };

void log_line(enum log_area area, enum log_level level, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "partita: %s: %s", area_names[area], level == LOG_WARN ? "warning: " : "");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static int name_index(const char *const *names, unsigned n, const char *at, size_t len)
{
    for (unsigned k = 0; k < n; k++)
        if (strlen(names[k]) == len && memcmp(names[k], at, len) == 0)
            return (int)k;
    return -1;
}

bool log_configure(const char *spec)
{
    while (*spec != '\0') {
        size_t len = strcspn(spec, ",");
        const char *eq = memchr(spec, '=', len);
        int level, area;

        if (eq == NULL)
            return false;
        level = name_index(level_names, 4, eq + 1, len - (size_t)(eq + 1 - spec));
        area = name_index(area_names, LOG_AREAS, spec, (size_t)(eq - spec));
        if (level < 0 || (area < 0 && (eq - spec != 3 || memcmp(spec, "all", 3) != 0)))
            return false;
        for (int k = 0; k < LOG_AREAS; k++)
            if (area < 0 || area == k)
                log_levels[k] = (enum log_level)level;
        spec += len + (spec[len] == ',');
    }
    return true;
}
