/* SPDX-License-Identifier: MIT
 * Names of what the translator can leave out (cpu/jit/passes.def). */
#ifndef CPU_JIT_PASSES_H
#define CPU_JIT_PASSES_H

enum jit_pass {
#define PASS(name, letter, what) PASS_##name,
#include "cpu/jit/passes.def"
#undef PASS
    PASS_COUNT
};

#endif
