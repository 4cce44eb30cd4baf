/* SPDX-License-Identifier: MIT */
#include "cpu/block_build.h"

#include <string.h>

#include "cpu/exec.h"
#include "cpu/monitor.h"
#include "cpu/tlb.h"

/* ---- fetching ---- */

bool block_fetch(struct cpu *cpu, gva_t lin, struct fetch *out)
{
    struct tlb_place place;

    if (!tlb_fetch(cpu, lin, &place))
        return false;
    out->host = place.host;
    out->gpa = place.gpa;
    return true;
}

static void fetch_bytes(struct cpu *cpu, const struct fetch *from, uint8_t *to, unsigned len)
{
    if (from->host != NULL) {
        memcpy(to, from->host, len);
        return;
    }
    cpu_sync(cpu, NULL);
    for (unsigned n = 0; n < len; n++)
        to[n] = (uint8_t)space_read(cpu->memory, from->gpa + n, 1);
}

/* ---- building ---- */

static void finish_insn(const struct cpu *cpu, struct insn *i, uint64_t block_rip)
{
    bool wide = block_in_64bit(cpu);

    if (i->flags & INSN_RIPREL) {
        i->disp += (int64_t)(block_rip + i->end);
        i->flags &= (uint16_t)~INSN_RIPREL;
    }
    if (i->seg == SEG_FS || i->seg == SEG_GS || (!wide && (!(cpu->mode & MODE_FLAT) || i->seg == SEG_CS)))
        i->flags |= INSN_SEGMENT;
    /* F3 90 with REX.B is PAUSE to Intel's processors (seen on Emerald Rapids), XCHG to AMD's */
    if (i->op == OP_XCHG && i->opcode == 0x90 && (i->flags & INSN_REP) && !cpu_is_amd(cpu))
        i->op = OP_PAUSE;
    /* VEX is #UD in real and virtual-8086 mode, whatever it encodes (SDM 2A "VEX Prefix and Instruction #UD"s) */
    if ((i->flags & (INSN_VEX | INSN_EVEX)) && (!(cpu->mode & MODE_PE) || (cpu->mode & MODE_VM86)))
        i->fn = exec_undefined;
    else if (i->needs != F_BASE && !cpu_has(cpu, (enum feature)i->needs))
        i->fn = exec_undefined;
    else if ((i->flags & INSN_AVX512VL) && !cpu_has(cpu, F_AVX512VL))
        i->fn = exec_undefined;
    else
        exec_bind(cpu, i, block_rip);
}

/* Stands where no instruction can be decoded; raises the fault when it is reached. */
static void make_pseudo(struct insn *i, insn_fn *fn, unsigned len)
{
    *i = (struct insn){ .op = OP_UD2, .len = (uint8_t)len, .base = REG_ZERO, .index = REG_ZERO, .fn = fn };
}

static bool ends_block(const struct insn *i)
{
    return i->fn == exec_undefined || i->fn == exec_too_long || op_then[i->op] == ENDS;
}

enum built { ADDED, ADDED_LAST, STOPPED };      /* STOPPED: the instruction was not taken */

static enum decode_mode decode_mode(const struct cpu *cpu)
{
    return (enum decode_mode)((cpu->mode & MODE_DECODE) | (cpu_vendor(cpu) == VENDOR_AMD ? DECODE_AMD : 0));
}

/* Take what decode() made of the bytes. TRUNCATED instructions are the caller's. */
static enum built take(const struct cpu *cpu, struct block *b, enum decoded how, unsigned len)
{
    struct insn *i = &b->insns[b->count];

    if (how == INVALID)
        make_pseudo(i, exec_undefined, i->len != 0 && i->len <= len ? i->len : len);
    else if (how == TOO_LONG)
        make_pseudo(i, exec_too_long, len);
    b->bytes = (uint16_t)(b->bytes + i->len);
    i->end = b->bytes;
    b->count++;
    if (how == DECODED)
        finish_insn(cpu, i, b->rip);
    return ends_block(i) || b->count == BLOCK_INSNS ? ADDED_LAST : ADDED;
}

static enum built add_insn(struct cpu *cpu, struct block *b, const struct source *src)
{
    unsigned left = (src->room < src->limit ? src->room : src->limit) - b->bytes;
    unsigned len = left < INSN_BYTES ? left : INSN_BYTES;
    uint8_t copy[INSN_BYTES];
    const uint8_t *bytes = src->at.host != NULL ? src->at.host + b->bytes : copy;
    enum decoded how;

    if (len == 0)
        return STOPPED;
    if (src->at.host == NULL)
        fetch_bytes(cpu, &src->at, copy, len);
    how = decode(&b->insns[b->count], bytes, len, decode_mode(cpu));
    return how == TRUNCATED ? STOPPED : take(cpu, b, how, len);
}

/* The first instruction does not end on its page: fetch on, and raise what the fetch runs into. */
static bool add_crossing(struct cpu *cpu, struct block *b, const struct source *src)
{
    uint8_t bytes[INSN_BYTES];
    unsigned first = src->room < INSN_BYTES ? src->room : INSN_BYTES;
    unsigned len = src->limit < INSN_BYTES ? src->limit : INSN_BYTES;
    struct fetch second = { 0 };
    gva_t lin = block_linear(cpu, b->rip + first);
    enum decoded how;

    if (src->limit <= src->room)
        return fault_gp(cpu, 0);                /* cut off by the end of the segment */
    if (block_in_64bit(cpu) && !cpu_canonical(cpu, lin))
        return fault_gp(cpu, 0);
    if (!block_fetch(cpu, lin, &second))
        return false;
    fetch_bytes(cpu, &src->at, bytes, first);
    fetch_bytes(cpu, &second, bytes + first, len - first);
    how = decode(&b->insns[0], bytes, len, decode_mode(cpu));
    if (how == TRUNCATED)
        return fault_gp(cpu, 0);
    take(cpu, b, how, len);
    b->tail = second.host;
    if (src->at.host == NULL || second.host == NULL)
        b->host = b->tail = NULL;
    return true;
}

bool block_stopped_at(struct cpu *cpu, const struct source *src, unsigned bytes)
{
    return UNLIKELY(cpu->points != NULL) &&
           points_cut(cpu, src->lin + bytes, src->at.host != NULL ? src->at.host + bytes : NULL, src->at.gpa + bytes);
}

/* A watcher's block ends before an instruction that is to be alone in its own. */
static void part(const struct cpu *cpu, struct block *b)
{
    unsigned n = 1;

    while (n < b->count && !watcher_parts(cpu, &b->insns[0]) && !watcher_parts(cpu, &b->insns[n]))
        n++;
    b->count = (uint16_t)n;
    b->bytes = b->insns[n - 1].end;
}

void block_add_sentinel(struct block *b)
{
    struct insn *end = &b->insns[b->count];

    *end = (struct insn){ .fn = exec_block_end, .op = OP_NOP, .end = b->bytes, .base = REG_ZERO, .index = REG_ZERO };
}

bool block_build(struct cpu *cpu, struct block *b, const struct source *src, uint64_t rip, bool kept)
{
    *b = (struct block){ .rip = rip, .mode = block_mode(cpu), .host = src->at.host };
    while (add_insn(cpu, b, src) == ADDED && kept && !block_stopped_at(cpu, src, b->bytes))
        ;
    if (b->count == 0 && !add_crossing(cpu, b, src))
        return false;
    if (UNLIKELY(cpu->parted))
        part(cpu, b);
    block_add_sentinel(b);
    b->origin = b;
    b->first = b->insns[0].fn;
    cpu->stats.blocks_built++;
    return true;
}
