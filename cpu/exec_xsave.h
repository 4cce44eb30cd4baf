/* SPDX-License-Identifier: MIT
 * The 512-byte legacy area of FXSAVE, shared with the XSAVE family. */
#ifndef CPU_EXEC_XSAVE_H
#define CPU_EXEC_XSAVE_H

#include "cpu/fpu.h"

#define LEGACY_MXCSR     24     /* MXCSR, then MXCSR_MASK */
#define LEGACY_ST        32
#define LEGACY_XMM       160

/* x87 parts: bytes 0-23 and 32-159; wide: 64-bit FIP and FDP in place of selectors. */
void legacy_save_x87(const struct cpu *cpu, bool wide, uint8_t *to);
void legacy_load_x87(struct cpu *cpu, bool wide, const uint8_t *from);
void legacy_save_mxcsr(const struct cpu *cpu, uint8_t *to);     /* bytes 24-31 */
void legacy_save_xmm(const struct cpu *cpu, uint8_t *to);
void legacy_load_xmm(struct cpu *cpu, const uint8_t *from);
unsigned legacy_xmm_bytes(const struct cpu *cpu);               /* 16 registers in 64-bit mode, else 8 */

bool x87_in_use(const struct cpu *cpu);
void sse_init(struct cpu *cpu);                                 /* XMM registers; MXCSR has rules of its own */
bool sse_in_use(const struct cpu *cpu);

#endif
