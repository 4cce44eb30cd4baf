/* SPDX-License-Identifier: MIT */
#include "cpu/jit/passes.h"

#include "cpu/cpu.h"

static const struct { char letter; const char *what; } passes[PASS_COUNT] = {
#define PASS(name, letter, what) [PASS_##name] = { letter, what },
#include "cpu/jit/passes.def"
#undef PASS
};

bool cpu_jit_pass(unsigned n, char *letter, const char **what)
{
    if (n >= PASS_COUNT)
        return false;
    *letter = passes[n].letter;
    *what = passes[n].what;
    return true;
}
