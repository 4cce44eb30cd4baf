/* SPDX-License-Identifier: MIT
 * What the tests of control-flow enforcement share: the fixture with two shadow-stack pages, CR4.CET and the switches of
 * both modes. */
#ifndef TESTS_CPU_CET_RIG_H
#define TESTS_CPU_CET_RIG_H

#include "cpu/cet.h"
#include "cpu/mem.h"
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

#define SHADOW_PAGE  0x300000u          /* supervisor shadow stack; outside paging any memory serves */
#define USER_PAGE    0x301000u          /* user shadow stack */
#define SHADOW       (SHADOW_PAGE + 0x800)
#define USER_SHADOW  (USER_PAGE + 0x800)
#define KERNEL_TOKEN (SHADOW_PAGE + 0xff8)      /* where IA32_PL0_SSP points */
#define ELSEWHERE    0x40000u           /* code that transfers go to */

#define PTE_SHADOW   0x41u              /* present, dirty, not writable */

extern struct fixture fixture;
extern struct fixture *const f;

int  cet_setup32(void **state);         /* FLAT32: no paging */
int  cet_setup64(void **state);         /* LONG */
int  cet_teardown(void **state);

/* IA32_U_CET or IA32_S_CET as `cpl` uses it, and the SSP. */
void cet_on(unsigned cpl, uint64_t control, uint64_t ssp);
void put64(uint64_t at, uint64_t v);
uint64_t get64(uint64_t at);
void put_pte(uint64_t lin, uint64_t low_bits);          /* maps lin to itself */
/* The error code on the stack of the handler, 8 bytes wide in long mode. */
uint32_t error_code(void);
void write_msr(uint32_t msr, uint64_t value);
bool msr_accepts(uint32_t msr, uint64_t value);
uint64_t read_msr(uint32_t msr);

#endif
