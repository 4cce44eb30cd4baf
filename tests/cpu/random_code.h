/* SPDX-License-Identifier: MIT
 * Random integer instructions for programs in lockstep. RSI, RDI and R14 point to data and stay, RSP is the stack, R15 is the
 * program's own. */
#ifndef TESTS_CPU_RANDOM_CODE_H
#define TESTS_CPU_RANDOM_CODE_H

#include "tests/cpu/lockstep.h"

extern uint64_t random_seed;

uint32_t any(uint32_t below);                   /* a number from the seed */
uint64_t random_value(void);                    /* often a small one */
void random_insn(struct program *p);            /* of any kind; may be several */
void random_simple(struct program *p);          /* arithmetic or a move */
void random_plain(struct program *p);           /* one that ends no block and leaves the stack as it is */
void random_jump_over(struct program *p);       /* over the next one, if a condition says so */

#endif
