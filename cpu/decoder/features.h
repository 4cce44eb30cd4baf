/* SPDX-License-Identifier: MIT
 * Names of the CPUID features, for the decoder's rows and for cpu/cpuid. */
#ifndef CPU_DECODER_FEATURES_H
#define CPU_DECODER_FEATURES_H

enum feature {
    F_BASE,         /* every processor has it */
#define FEATURE(name, leaf, subleaf, reg, bit, text) F_##name,
#include "cpu/decoder/features.def"
#undef FEATURE
    F_COUNT
};

#endif
