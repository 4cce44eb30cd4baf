/* SPDX-License-Identifier: MIT
 * Which of our features the host processor has: what its witnesses can be asked. */
#include "tests/oracle/host_has.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

#include "cpu/decoder/features.h"

bool host_has(unsigned feature)
{
    enum { EAX, EBX, ECX, EDX };
    static const struct { uint32_t leaf, subleaf, reg, bit; } rows[] = {
        [F_BASE] = { 1, 0, EDX, 0 },
#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = { leaf, subleaf, reg, bit },
#include "cpu/decoder/features.def"
#undef FEATURE
    };
    uint32_t r[4] = { 0 };

    if (!__get_cpuid_count(rows[feature].leaf, rows[feature].subleaf, &r[0], &r[1], &r[2], &r[3]))
        return false;
    return r[rows[feature].reg] >> rows[feature].bit & 1;
}

#else

bool host_has(unsigned feature)
{
    (void)feature;
    return false;
}

#endif
