/* SPDX-License-Identifier: MIT
 * What a host's instruction cache must be told. */
#ifndef CPU_JIT_ICACHE_H
#define CPU_JIT_ICACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __aarch64__

/* Arm ARM "Synchronization and coherency issues between data and instruction accesses": clean the data to the point of
 * unification by the address that was written, then invalidate instructions by the address that is run. CTR_EL0 tells the
 * lines' sizes, in words, and which of the two steps the caches do by themselves. */
static inline void icache_sync(const uint8_t *written, const uint8_t *runs_at, size_t bytes)
{
    uint64_t ctr;
    uintptr_t data_line, insn_line;

    __asm__ volatile("mrs %0, ctr_el0" : "=r"(ctr));
    data_line = (uintptr_t)4 << (ctr >> 16 & 15);
    insn_line = (uintptr_t)4 << (ctr & 15);
    if (!(ctr >> 28 & 1))           /* IDC */
        for (uintptr_t at = (uintptr_t)written & ~(data_line - 1); at < (uintptr_t)written + bytes; at += data_line)
            __asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish" : : : "memory");
    if (!(ctr >> 29 & 1))           /* DIC */
        for (uintptr_t at = (uintptr_t)runs_at & ~(insn_line - 1); at < (uintptr_t)runs_at + bytes; at += insn_line)
            __asm__ volatile("ic ivau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish\n\tisb" : : : "memory");
}

/* Does code that was changed through another view run as it is now? Processors do what icache_sync() asks; QEMU's user mode
 * before 8.1 does not hear it. The buffer's beginning is lost. */
static inline bool icache_hears(uint8_t *write, const uint8_t *run)
{
    static const uint32_t ret = 0xd65f03c0;
    unsigned (*function)(void);
    bool heard = true;

    memcpy(&function, &run, sizeof function);
    memcpy(write + 4, &ret, sizeof ret);
    for (uint32_t n = 1; n <= 2; n++) {
        const uint32_t result = 0x52800000 | n << 5;        /* MOV W0, #n */

        memcpy(write, &result, sizeof result);
        icache_sync(write, run, 8);
        heard &= function() == n;
    }
    return heard;
}

#else       /* x86: caches and pipelines watch stores by physical address */

static inline void icache_sync(const uint8_t *written, const uint8_t *runs_at, size_t bytes)
{
    (void)written;
    (void)runs_at;
    (void)bytes;
}

static inline bool icache_hears(uint8_t *write, const uint8_t *run)
{
    (void)write;
    (void)run;
    return true;
}

#endif

#endif
