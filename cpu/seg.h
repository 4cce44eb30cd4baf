/* SPDX-License-Identifier: MIT
 * Descriptors and stacks as far transfers, events and task switches see them. The plain loads of data segments are the
 * seams in cpu/internal.h. */
#ifndef CPU_SEG_H
#define CPU_SEG_H

#include "cpu/internal.h"

/* Descriptor types with S clear (SDM 3A "System-Segment and Gate-Descriptor Types"). */
enum {
    TYPE_TSS16 = 1, TYPE_LDT, TYPE_TSS16_BUSY, TYPE_CALL16, TYPE_TASK, TYPE_INT16, TYPE_TRAP16,
    TYPE_TSS32 = 9, TYPE_TSS32_BUSY = 11, TYPE_CALL32, TYPE_INT32 = 14, TYPE_TRAP32
};
#define TYPE_BUSY 2u        /* what tells a busy TSS from an available one */

/* A descriptor as read from a table. Of a gate only attr, selector, params and offset mean something. */
struct descriptor {
    uint64_t raw;           /* the first eight bytes */
    uint64_t base;
    uint64_t offset;        /* gate: entry point */
    gva_t    at;            /* where it lies, to set the accessed or busy bit */
    uint32_t limit;         /* bytes */
    uint32_t attr;          /* as seg_attr in cpu/state.h */
    uint16_t selector;      /* gate: target */
    uint8_t  params;        /* call gate: parameter count; 64-bit interrupt gate: IST */
};

static inline unsigned attr_dpl(uint32_t attr)      { return (attr >> SEG_DPL_SHIFT) & 3; }
static inline unsigned attr_type(uint32_t attr)     { return attr & SEG_TYPE; }
static inline bool attr_system(uint32_t attr)       { return !(attr & SEG_S); }
static inline bool attr_code(uint32_t attr)         { return (attr & 0x18) == 0x18; }
static inline bool attr_conforming(uint32_t attr)   { return (attr & 0x1c) == 0x1c; }
static inline bool attr_data(uint32_t attr)         { return (attr & 0x18) == 0x10; }
static inline bool attr_writable(uint32_t attr)     { return (attr & 0x1a) == 0x12; }
static inline bool attr_readable(uint32_t attr)     { return attr_data(attr) || (attr & 0x1a) == 0x1a; }
static inline bool attr_expand_down(uint32_t attr)  { return (attr & 0x1c) == 0x14; }

static inline bool selector_null(uint16_t selector)      { return (selector & 0xfffc) == 0; }
static inline unsigned selector_rpl(uint16_t selector)   { return selector & 3; }
/* The error code that names a descriptor: index and TI (SDM 3A "Error Code"); EXT is event.c's. */
static inline uint32_t selector_error(uint16_t selector) { return selector & 0xfffc; }

static inline bool cpu_in_long_mode(const struct cpu *cpu)  { return cpu->p.efer & EFER_LMA; }
static inline bool cpu_in_64bit(const struct cpu *cpu)
{
    return cpu_in_long_mode(cpu) && (cpu->p.seg_attr[SEG_CS] & SEG_L);
}
static inline bool cpu_in_real_mode(const struct cpu *cpu)  { return !(cpu->p.cr0 & CR0_PE); }
static inline bool cpu_in_v86(const struct cpu *cpu)        { return cpu->p.rflags & FLAG_VM; }

/* Read a descriptor from the GDT or LDT; outside its table: `vector` with the selector as error code. */
bool desc_read(struct cpu *cpu, uint16_t selector, unsigned vector, struct descriptor *out);
/* The same for sixteen-byte system descriptors and call gates of IA-32e mode; fills base, offset from both halves. */
bool desc_read_long(struct cpu *cpu, uint16_t selector, unsigned vector, struct descriptor *out);
/* Is there a descriptor at all? For instructions that ask without faulting (LAR, LSL, VERR, VERW). */
bool desc_exists(const struct cpu *cpu, uint16_t selector);
void desc_unpack(uint64_t raw, struct descriptor *out);
bool desc_set_accessed(struct cpu *cpu, struct descriptor *d);
bool desc_set_busy(struct cpu *cpu, struct descriptor *d, bool busy);       /* TSS descriptors */

/* Put a checked descriptor into a segment register: no memory access, no fault. */
void seg_install(struct cpu *cpu, enum seg seg, uint16_t selector, const struct descriptor *d);
void seg_install_null(struct cpu *cpu, enum seg seg, uint16_t selector);
/* The flat code and stack segments of SYSCALL, SYSENTER and friends. */
void seg_install_flat(struct cpu *cpu, enum seg seg, uint16_t selector, uint32_t attr);
void seg_install_v86(struct cpu *cpu, enum seg seg, uint16_t selector);

/* DS, ES, FS or GS at the current level: invalid is `vector`, not present #NP. Not for real and virtual-8086 mode. */
bool seg_load_data(struct cpu *cpu, enum seg seg, uint16_t selector, unsigned vector);
/* A stack segment for privilege level cpl: invalid is `vector` (#GP or #TS) with the selector, not present is #SS. */
bool seg_read_stack(struct cpu *cpu, uint16_t selector, unsigned cpl, unsigned vector, struct descriptor *out);
/* After a return to an outer level: data segments the new level may not use become null (SDM 2B "RET"). */
void seg_drop_inner(struct cpu *cpu);
/* LLDT and task switches: invalid and not present are `vector` and `np_vector`. A null selector gives a null LDTR. */
bool seg_load_ldt(struct cpu *cpu, uint16_t selector, unsigned vector, unsigned np_vector);

/* A stack being pushed to or popped from, apart from the registers until the transfer is sure. */
struct stack {
    uint64_t base, sp, mask;
    uint32_t limit, attr;
    uint32_t error;         /* error code of #SS */
    uint8_t  cpl;           /* accesses are made at this level */
    bool     long64;        /* 64-bit mode: no limit, canonical */
};
void stack_current(const struct cpu *cpu, struct stack *st);
/* The current stack outside 64-bit mode, also for a far call that has yet to leave it. */
void stack_compat(const struct cpu *cpu, struct stack *st);
void stack_legacy(struct stack *st, uint16_t selector, const struct descriptor *ss, uint64_t sp, unsigned cpl);
void stack_long(struct stack *st, uint64_t sp, unsigned cpl);
bool stack_push(struct cpu *cpu, struct stack *st, unsigned bytes, uint64_t value);
bool stack_peek(struct cpu *cpu, const struct stack *st, unsigned offset, unsigned bytes, uint64_t *value);
bool stack_pop(struct cpu *cpu, struct stack *st, unsigned bytes, uint64_t *value);
/* The stack the current TSS gives for an inner level, checked; every failure is #TS but an absent segment's #SS. */
bool stack_inner(struct cpu *cpu, unsigned cpl, struct stack *st, uint16_t *selector, struct descriptor *ss);
bool stack_inner_long(struct cpu *cpu, unsigned cpl, unsigned ist, struct stack *st);
/* Write the stack pointer back: SP, ESP or RSP by the width of the stack. */
void stack_commit(struct cpu *cpu, const struct stack *st);

#endif
