/* SPDX-License-Identifier: MIT
 * A tiny machine around one processor: RAM from 0, one port of debug registers, a clock, page tables that map everything to
 * itself. Tests put bytes somewhere, set registers, and run. */
#ifndef TESTS_CPU_FIXTURE_H
#define TESTS_CPU_FIXTURE_H

#include "cpu/internal.h"

#define FIXTURE_RAM     (64u << 20)
#define FIXTURE_CODE    0x10000u        /* where programs are put unless a test says otherwise */
#define FIXTURE_STACK   0x90000u
#define FIXTURE_DATA    0x200000u
#define FIXTURE_TABLES  0x800000u       /* page tables; see fixture_entry() */
#define FIXTURE_MMIO    0xf0000000u     /* a device: reads give the clock's instruction count, writes are kept */

struct fixture {
    struct device_tree tree;
    struct space *memory, *io, *smm_memory;     /* the last lies over `memory` in system-management mode */
    struct ram *ram;
    struct clock clock;
    struct cpu *cpu, *other;            /* the second processor shares the memory; it runs only when a test runs it */
    struct device *probe;
};

/* PARTITA_JIT_OFF=LETTERS in the environment: without these passes of the translator, and entries are counted. */

/* cpu_config.jit of machines opened from now on; 0 at first, or 1 with PARTITA_TEST_JIT set: every test with translated code. */
void     fixture_translate(unsigned threshold);

/* cpu_config.translated of machines opened from now on. */
void     fixture_listen(void (*translated)(void *arg, const struct cpu_translation *t), void *arg);

enum fixture_mode { FIXTURE_REAL, FIXTURE_FLAT32, FIXTURE_LONG };

/* A device that notes what it is asked. */
struct probe {
    struct device dev;
    uint64_t reads, writes, last_at, last_value, seen_insns, seen_rip;
    struct fixture *fixture;
    unsigned attention;                 /* raised in the processor by every access */
};

void     fixture_open(struct fixture *f);                               /* -cpu max */
void     fixture_open_model(struct fixture *f, const char *model);      /* as -cpu says */
void     fixture_close(struct fixture *f);
/* Mode, flat segments, privilege 0, RIP at FIXTURE_CODE, RSP at FIXTURE_STACK, flags clear. FLAT32 is without paging. */
void     fixture_mode(struct fixture *f, enum fixture_mode mode);
void     fixture_privilege(struct fixture *f, unsigned cpl);
/* Write through the RAM's door, as a device would. */
void     fixture_put(struct fixture *f, uint64_t at, const void *bytes, size_t len);
void     fixture_code(struct fixture *f, const void *bytes, size_t len);
/* A GDT, and an IDT of the present mode whose handlers are HLT, so that every exception stops; where it stopped tells the
 * vector: FIXTURE_HANDLER + 16 * vector. */
#define FIXTURE_HANDLER 0x20000u
#define FIXTURE_IDT     0x30000u
#define FIXTURE_GDT     0x31000u
void     fixture_tables(struct fixture *f);
/* Run until HLT or `most` instructions; the vector whose handler it halted in, or -1. */
int      fixture_run(struct fixture *f, uint64_t most);
struct probe *fixture_probe(struct fixture *f);
/* The page-table entry that maps `lin` in long mode: level 1 to 4; level 1 exists only after fixture_small_pages(). */
uint64_t fixture_entry_at(const struct fixture *f, uint64_t lin, unsigned level);
void     fixture_small_pages(struct fixture *f, uint64_t lin);      /* replace the 2 MiB page of lin by 512 small ones */
void     fixture_map(struct fixture *f, uint64_t lin, uint64_t at);  /* one more page in long mode, outside the low 4 GiB */
uint64_t fixture_read(struct fixture *f, uint64_t at, unsigned bytes);

#endif
