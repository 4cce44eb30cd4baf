/* SPDX-License-Identifier: MIT
 * One case of the host oracle: some bytes of code, the whole user-visible state before, and what each side made of it. Both
 * sides see the same arena at the same linear addresses: code that can only be executed, data that cannot, holes around. */
#ifndef TESTS_ORACLE_HOST_CASE_H
#define TESTS_ORACLE_HOST_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/insn.h"

/* ---- the arena ---- */

#define ARENA_PAGE      4096u
#define ARENA_CODE      0x20000000u     /* two pages to execute, filled with CC, then a hole */
#define ARENA_CODE_LEN  0x2000u
#define ARENA_DATA      0x20011000u     /* read and write: two pages, then one to read, a hole, one to write, a hole */
#define ARENA_DATA_LEN  0x5000u         /* the hole at +3000h included */
#define ARENA_RO        (ARENA_DATA + 0x2000u)
#define ARENA_HOLE      (ARENA_DATA + 0x3000u)
#define ARENA_LAST      (ARENA_DATA + 0x4000u)
#define ARENA_HIGH      0x7fffffffd000u /* the last page of user space that Linux maps, to read and write; then a hole */
#define ARENA_PAGES     5u              /* of data: the two, the read-only one, the last, the high one */

/* Linear address of data page n. */
uint64_t arena_page(unsigned n);

/* The local descriptors that both sides have, as Linux makes them from native.c's list. */
#define ARENA_LDT   8u
extern const uint64_t arena_ldt[ARENA_LDT];

/* ---- state ---- */

enum { CASE_64, CASE_32, CASE_16 };

#define CASE_COMPLETED  0xff            /* in `vector`: went on behind, or jumped; rip says where */
#define CASE_LOOPED     0xfe            /* came to no end */

struct host_regs {
    uint64_t gpr[16];
    uint64_t rip, rflags, fs_base, gs_base;
    uint64_t fip, fdp;
    uint64_t mant[8];                   /* x87 by physical register */
    uint16_t se[8];
    uint16_t seg[6];                    /* ES CS SS DS FS GS */
    uint16_t fcw, fsw, fop;
    uint8_t  ftag, pad;
    uint32_t mxcsr, pkru;
    uint64_t k[8];
    uint64_t zmm[32][8];
};

struct host_out {
    struct host_regs regs;
    uint64_t cr2;
    uint32_t error;
    uint8_t  vector;
};

#define PATCHES     4u
#define PATCH_BYTES 2816u               /* room for an XSAVE image */
#define CODE_MAX    64u

struct host_patch { uint64_t at; uint32_t len, from; };     /* bytes patch_data[from..] */

struct host_case {
    uint64_t number;
    int      row;                       /* index of insns.def that the first instruction was made from, or -1 */
    uint16_t op;                        /* what decode() makes of the first instruction */
    uint8_t  mode, code_len, insns, patches;
    uint8_t  first_len;                 /* of the first instruction */
    bool     undefined_last;            /* the code ends where the next page is not executable */
    uint32_t at;                        /* linear address of the code */
    uint8_t  code[CODE_MAX];
    struct host_regs in;
    struct host_patch patch[PATCHES];
    uint32_t patch_used;
    uint8_t  patch_data[PATCH_BYTES];
    struct insn insn;                   /* of the first instruction, for rules */
};

#define CASE_CS64 0x33u
#define CASE_CS32 0x23u
#define CASE_DS   0x2bu
#define CASE_CS16 0x07u                 /* local descriptors */

static inline uint64_t case_cs_base(const struct host_case *c) { return c->mode == CASE_16 ? ARENA_CODE : 0; }

/* Add bytes of memory; false: no room. */
bool case_patch(struct host_case *c, uint64_t at, const void *bytes, uint32_t len);

/* What the data pages hold before any patch: the same in every run, so that a case file need not list it. */
void case_background(uint8_t *page, unsigned n);

/* What a processor once made of a case, kept with it: then any host can check Partita against that. */
struct host_record {
    bool present;
    struct host_out out;
    unsigned count;
    struct { uint64_t at; uint32_t len; uint8_t bytes[16]; } memory[64];
};

/* Text form. What the host left is in lines that begin with "host", Partita's in comments; either may be NULL. Registers
 * that are zero before are not written. case_read: false at a malformed file, with a message. */
void case_write(FILE *f, const struct host_case *c, const struct host_record *host, const struct host_out *model,
                const char *what);
bool case_read(FILE *f, struct host_case *c, struct host_record *host, const char *name);
/* Fill in what follows from the bytes: insn, op, first_len. */
void case_decode(struct host_case *c);

/* Make the case one that native.c can begin: what enters on a 16-bit stack cannot load TF at the same time. */
void case_settle(struct host_case *c);

/* Of the first instruction: the base of a segment, the memory operand's linear address (of a gather: without its index). */
uint64_t case_segment_base(const struct host_case *c, unsigned seg);
uint64_t case_address_mask(const struct insn *i);
bool     case_vsib(const struct host_case *c);
uint64_t case_effective(const struct host_case *c);

/* ---- random numbers, a function of the seed ---- */

struct host_random { uint64_t s; };

static inline uint64_t host_random(struct host_random *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline unsigned host_below(struct host_random *r, unsigned n) { return (unsigned)((host_random(r) >> 32) * n >> 32); }
static inline bool host_one_in(struct host_random *r, unsigned n) { return host_below(r, n) == 0; }

#endif
