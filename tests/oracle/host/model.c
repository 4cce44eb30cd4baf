/* SPDX-License-Identifier: MIT
 * Page tables of our own over the fixture's RAM: the arena for the user, everything the kernel half needs for the supervisor
 * only. Every exception halts in its handler, and the frame on the kernel's stack says what was pushed. */
#include "tests/oracle/host/model.h"

#include <string.h>

#include "cpu/fpu.h"
#include "cpu/seg.h"
#include "tests/cpu/fixture.h"

#define PHYS_DATA   0x400000u       /* physical places of the arena */
#define PHYS_CODE   0x500000u
#define PHYS_TABLES 0xc00000u
#define GDT         0x600000u       /* what the supervisor needs */
#define LDT         (GDT + 0x1000)
#define IDT         (GDT + 0x2000)
#define TSS         (GDT + 0x3000)
#define HANDLERS    (GDT + 0x4000)
#define STACK_TOP   (GDT + 0x6000)
#define KERNEL_LEN  0x6000u
#define KERNEL      0xffffff0000000000u     /* and its linear place, where all errors look alike (rules.c) */
#define LINEAR(p)   ((p) - GDT + KERNEL)

#define PTE_P   1u
#define PTE_W   2u
#define PTE_U   4u
#define PTE_AD  0x60u
#define PTE_NX  (1ull << 63)

static struct fixture f;
static struct cpu_private idle_private;     /* what every case starts from */
static uint64_t next_table;

/* ---- the machine ---- */

static void put64(uint64_t at, uint64_t v) { fixture_put(&f, at, &v, 8); }

static void map_page(uint64_t lin, uint64_t phys, uint64_t rights)
{
    uint64_t table = PHYS_TABLES;

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t at = table + 8 * (lin >> shift & 511), entry = fixture_read(&f, at, 8);

        if (!(entry & PTE_P)) {
            entry = next_table | PTE_P | PTE_W | PTE_U | PTE_AD;
            next_table += 0x1000;
            put64(at, entry);
        }
        table = entry & ~0xfffull & ~PTE_NX;
    }
    put64(table + 8 * (lin >> 12 & 511), phys | rights | PTE_P | PTE_AD);
}

static void map_arena(void)
{
    static const uint64_t rights[ARENA_PAGES] = {
        PTE_W | PTE_U | PTE_NX, PTE_W | PTE_U | PTE_NX, PTE_U | PTE_NX, PTE_W | PTE_U | PTE_NX, PTE_W | PTE_U | PTE_NX
    };

    next_table = PHYS_TABLES + 0x1000;
    for (uint64_t at = 0; at < KERNEL_LEN; at += ARENA_PAGE)
        map_page(KERNEL + at, GDT + at, PTE_W);
    for (uint64_t at = 0; at < ARENA_CODE_LEN; at += ARENA_PAGE)
        map_page(ARENA_CODE + at, PHYS_CODE + at, PTE_U);
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        map_page(arena_page(n), PHYS_DATA + n * ARENA_PAGE, rights[n]);
}

/* The table of Linux as far as a program can load or examine it: 08 10 18 of the kernel, 23h 2Bh 33h of the user. */
static void descriptors(void)
{
    static const uint64_t gdt[] = {
        0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff,
        0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0,
        0x00008b0000000067, 0, 0x0000820000000000, 0, 0, 0, 0,      /* loaded already: nobody looks at their bases */
        0x0040f50000000000,     /* 7B: its limit tells the processor's number */
    };
    static const uint8_t hlt = 0xf4;

    fixture_put(&f, GDT, gdt, sizeof gdt);
    fixture_put(&f, LDT, arena_ldt, sizeof arena_ldt);
    put64(TSS + 4, LINEAR(STACK_TOP));
    put64(TSS + 0x60, 0x68ull << 48);       /* no I/O permission bitmap */
    for (unsigned n = 0; n < 32; n++) {
        uint64_t at = LINEAR(HANDLERS + 16 * n), dpl = n == VEC_BP || n == VEC_OF ? 0xee00 : 0x8e00;

        fixture_put(&f, HANDLERS + 16 * n, &hlt, 1);
        put64(IDT + 16 * n, (at & 0xffff) | 0x10 << 16 | dpl << 32 | (at >> 16) << 48);
        put64(IDT + 16 * n + 8, at >> 32);
    }
    f.cpu->p.gdtr_base = LINEAR(GDT);
    f.cpu->p.gdtr_limit = sizeof gdt - 1;
    f.cpu->p.idtr_base = LINEAR(IDT);
    f.cpu->p.idtr_limit = 32 * 16 - 1;
    f.cpu->p.seg_sel[SEG_TR] = 0x40;
    f.cpu->p.seg_base[SEG_TR] = LINEAR(TSS);
    f.cpu->p.seg_limit[SEG_TR] = 0x67;
    f.cpu->p.seg_attr[SEG_TR] = 0x8b;
    f.cpu->p.seg_sel[SEG_LDTR] = 0x50;
    f.cpu->p.seg_base[SEG_LDTR] = LINEAR(LDT);
    f.cpu->p.seg_limit[SEG_LDTR] = sizeof arena_ldt - 1;
    f.cpu->p.seg_attr[SEG_LDTR] = 0x82;
}

static void choose_features(bool (*has)(unsigned feature), bool everything)
{
    for (unsigned n = F_BASE + 1; n < F_COUNT; n++) {
        uint64_t *word = &f.cpu->config.features[n / 64], bit = 1ull << (n % 64);

        if (has && !has(n))
            *word &= ~bit;
        else if (has && everything)
            *word |= bit;
    }
}

void model_open(bool (*has)(unsigned feature), bool everything)
{
    uint8_t nop[ARENA_PAGE];

    fixture_open(&f);
    choose_features(has, everything);
    fixture_mode(&f, FIXTURE_LONG);
    map_arena();
    descriptors();
    memset(nop, 0xcc, sizeof nop);
    for (unsigned at = 0; at < ARENA_CODE_LEN; at += ARENA_PAGE)
        fixture_put(&f, PHYS_CODE + at, nop, sizeof nop);
    f.cpu->p.cr0 |= CR0_AM;
    f.cpu->p.cr3 = PHYS_TABLES;
    f.cpu->p.cr4 |= CR4_OSXSAVE | CR4_FSGSBASE | CR4_PGE | (model_has(F_PKU) ? CR4_PKE : 0);
    f.cpu->p.cpl = 3;
    f.cpu->s.xcr0 = 7 | (model_has(F_AVX512F) ? 0xe0 : 0) | (model_has(F_PKU) ? 0x200 : 0);
    tlb_flush_all(f.cpu);
    idle_private = f.cpu->p;
}

bool model_has(unsigned feature)
{
    return cpu_has(f.cpu, (enum feature)feature);
}

uint8_t *model_page(unsigned n)
{
    return f.ram->bytes + PHYS_DATA + n * ARENA_PAGE;
}

/* ---- state in ---- */

static void take_segment(enum seg seg, uint16_t selector)
{
    uint64_t d = fixture_read(&f, (selector & 4 ? LDT : GDT) + (selector & ~7u), 8);
    uint32_t attr = (uint32_t)(d >> 40) & 0xf0ff, limit = (uint32_t)(d & 0xffff) | (uint32_t)(d >> 32 & 0xf0000);

    f.cpu->p.seg_sel[seg] = selector;
    if ((selector & ~3u) == 0) {
        f.cpu->p.seg_attr[seg] = SEG_UNUSABLE;
        f.cpu->p.seg_base[seg] = 0;
        f.cpu->p.seg_limit[seg] = 0;
        return;
    }
    f.cpu->p.seg_attr[seg] = attr;
    f.cpu->p.seg_base[seg] = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
    f.cpu->p.seg_limit[seg] = attr & SEG_G ? limit << 12 | 0xfff : limit;
}

static void state_in(const struct host_case *c)
{
    const struct host_regs *in = &c->in;
    struct cpu_shared *s = &f.cpu->s;

    f.cpu->p = idle_private;
    memcpy(s->gpr, in->gpr, sizeof in->gpr);
    memcpy(s->zmm, in->zmm, sizeof in->zmm);
    memcpy(s->k, in->k, sizeof in->k);
    memcpy(s->fpr_mant, in->mant, sizeof in->mant);
    memcpy(s->fpr_se, in->se, sizeof in->se);
    s->fcw = in->fcw;
    s->fsw = in->fsw;
    s->fop = in->fop;
    s->ftag = in->ftag;
    s->fpu_ip = in->fip;
    s->fpu_dp = in->fdp;
    s->fpu_cs = s->fpu_ds = 0;
    s->mxcsr = in->mxcsr;
    s->pkru = in->pkru;
    for (unsigned n = 0; n < 6; n++)
        take_segment((enum seg)n, in->seg[n]);
    if (c->mode == CASE_64) {
        f.cpu->p.seg_base[SEG_FS] = in->fs_base;
        f.cpu->p.seg_base[SEG_GS] = in->gs_base;
    }
    f.cpu->p.rip = in->rip;
    f.cpu->p.rflags = 2;
    f.cpu->attention = 0;
    cpu_set_rflags(f.cpu, (uint32_t)in->rflags);
    cpu_mode_changed(f.cpu);
}

/* ---- state out ---- */

static void state_out(struct host_out *out)
{
    const struct cpu_shared *s = &f.cpu->s;
    struct host_regs *r = &out->regs;

    memcpy(r->gpr, s->gpr, sizeof r->gpr);
    memcpy(r->zmm, s->zmm, sizeof r->zmm);
    memcpy(r->k, s->k, sizeof r->k);
    memcpy(r->mant, s->fpr_mant, sizeof r->mant);
    memcpy(r->se, s->fpr_se, sizeof r->se);
    r->fcw = s->fcw;
    r->fsw = s->fsw;
    r->fop = s->fop;
    r->ftag = s->ftag;
    r->pad = 0;
    r->fip = s->fpu_ip;
    r->fdp = s->fpu_dp;
    r->mxcsr = s->mxcsr;
    r->pkru = s->pkru;
    for (unsigned n = 0; n < 6; n++)
        r->seg[n] = f.cpu->p.seg_sel[n];
    r->fs_base = f.cpu->p.seg_base[SEG_FS];
    r->gs_base = f.cpu->p.seg_base[SEG_GS];
    r->rip = f.cpu->p.rip;
    r->rflags = cpu_rflags(f.cpu);
    out->vector = CASE_COMPLETED;
    out->error = 0;
    out->cr2 = 0;
}

static bool has_error(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* In a handler: what the processor pushed is the state of the program. */
static void frame_out(struct host_out *out, unsigned vector)
{
    uint64_t frame[5];
    unsigned words = has_error(vector) ? 6 : 5;

    memcpy(frame, f.ram->bytes + STACK_TOP - 40, sizeof frame);
    if (words == 6) {
        out->error = (uint32_t)fixture_read(&f, STACK_TOP - 48, 4);
        out->cr2 = vector == VEC_PF ? f.cpu->s.cr2 : 0;
    }
    out->vector = (uint8_t)vector;
    out->regs.rip = frame[0];
    out->regs.seg[SEG_CS] = (uint16_t)frame[1];
    out->regs.rflags = frame[2];
    out->regs.gpr[RSP] = frame[3];
    out->regs.seg[SEG_SS] = (uint16_t)frame[4];
}

static bool in_code(const struct host_case *c, uint64_t rip)
{
    uint64_t lin = rip + case_cs_base(c);

    return lin >= c->at && lin < (uint64_t)c->at + c->code_len;
}

/* The same view of both sides: whatever stops the program outside the tested bytes only says where it had gone. */
static void code_put(uint64_t lin, const uint8_t *bytes, unsigned len)
{
    fixture_put(&f, PHYS_CODE + (lin - ARENA_CODE), bytes, len);
}

void model_run(const struct host_case *c, struct host_out *out, unsigned chunk)
{
    uint8_t pads[CODE_MAX];
    uint64_t left = 100000;
    unsigned vector;

    state_in(c);
    code_put(c->at, c->code, c->code_len);
    while (f.cpu->p.cpl == 3 && left >= chunk && in_code(c, f.cpu->p.rip)) {
        cpu_run(f.cpu, chunk);
        left -= chunk;
    }
    if (f.cpu->p.cpl == 3 && f.cpu->p.pending_db != 0)
        cpu_run(f.cpu, 1);          /* the trap of the last instruction */
    state_out(out);
    if (f.cpu->p.cpl == 0) {
        vector = (unsigned)(f.cpu->p.rip - LINEAR(HANDLERS)) / 16;
        frame_out(out, vector);
        if (vector == VEC_BP && !in_code(c, out->regs.rip - 1)) {
            out->regs.rip--;
            out->vector = CASE_COMPLETED;
        } else if (vector != VEC_BP && vector != VEC_DB && vector != VEC_OF && !in_code(c, out->regs.rip)) {
            out->vector = CASE_COMPLETED;
        }
    } else if (in_code(c, f.cpu->p.rip)) {
        out->vector = CASE_LOOPED;
    }
    if (out->vector == CASE_COMPLETED)
        out->error = 0, out->cr2 = 0;
    memset(pads, 0xcc, c->code_len);
    code_put(c->at, pads, c->code_len);
}
