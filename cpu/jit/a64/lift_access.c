/* SPDX-License-Identifier: MIT
 * Where a guest register is, and the address of an operand: the linear one, and by the TLB the host's. */
#include "cpu/jit/a64/lift.h"

/* ---- registers ---- */

unsigned lift_read(struct lift *l, uint8_t o, unsigned bytes, unsigned scratch)
{
    if (!high_byte(o, bytes))
        return pinned(guest_number(o));
    a64_ubfx(&l->a, 4, scratch, pinned(guest_number(o)), 8, 8);
    return scratch;
}

/* Of 4 bytes the register's upper half becomes zero. */
void lift_write(struct lift *l, uint8_t o, unsigned bytes, unsigned from)
{
    const unsigned to = pinned(guest_number(o));

    if (bytes < 4)
        a64_bfi(&l->a, 8, to, from, high_byte(o, bytes) ? 8 : 0, 8 * bytes);
    else if (bytes == 4 || to != from)
        a64_mov(&l->a, bytes, to, from);
}

void lift_add(struct lift *l, unsigned bytes, unsigned to, unsigned from, int64_t by, unsigned scratch)
{
    const uint64_t size = by < 0 ? -(uint64_t)by : (uint64_t)by;

    if (by == 0 && to == from)
        return;
    if (a64_sum_imm(&l->a, by < 0 ? A64_SUB : A64_ADD, bytes, to, from, size))
        return;
    a64_mov_imm(&l->a, scratch, (uint64_t)by);
    a64_rrr(&l->a, A64_ADD, bytes, to, from, scratch);
}

/* ---- memory ---- */

/* Base and index in T0, or the one register that is all there is. */
static unsigned address_sum(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned base = pinned(guest_number(i->base)), index = pinned(guest_number(i->index));

    if (i->index == REG_ZERO)
        return base;
    if (i->base != REG_ZERO)
        a64_rrr_by(&l->a, A64_ADD, 8, T0, base, index, A64_LSL, i->scale);
    else if (i->scale == 0)
        return index;
    else
        a64_shift(&l->a, A64_LSL, 8, T0, index, i->scale);
    return T0;
}

/* FS and GS lie below HOST_CPU or above it; their bases are reached with an address. */
static void add_segment(struct lift *l, unsigned address)
{
    a64_mem(&l->a, A64_LDRX, T1, HOST_CPU, CPU_AT(p.seg_base) + 8 * l->i->seg);
    a64_rrr(&l->a, A64_ADD, 8, T0, address, T1);
}

unsigned lift_address(struct lift *l)
{
    const struct insn *i = l->i;
    unsigned address = T0;

    l->address = (struct address){ i->index == REG_ZERO && !(i->flags & INSN_SEGMENT), i->base, i->disp, l->a.at, l->a.at };
    if (i->asize != 8)
        return HOST_NONE;
    if (i->base == REG_ZERO && i->index == REG_ZERO) {
        a64_mov_imm(&l->a, T0, (uint64_t)i->disp);
    } else {
        address = address_sum(l);
        if (i->disp != 0) {
            lift_add(l, 8, T0, address, i->disp, T1);
            address = T0;
        }
    }
    if (i->flags & INSN_SEGMENT) {
        add_segment(l, address);
        address = T0;
    }
    l->address.end = l->a.at;
    return address;
}

unsigned lift_stack_address(struct lift *l, int32_t at)
{
    l->address = (struct address){ true, REG_AT(RSP), at, l->a.at, l->a.at };
    if (at == 0)
        return pinned(RSP);
    lift_add(l, 8, T0, pinned(RSP), at, T1);
    l->address.end = l->a.at;
    return T0;
}

/* ---- probes ---- */

void lift_page_of_last(struct a64_buf *a, unsigned to, unsigned address, unsigned bytes)
{
    if (bytes > 1) {
        a64_sum_imm(a, A64_ADD, 8, to, address, bytes - 1);
        address = to;
    }
    a64_logic_imm(a, A64_AND, 8, to, address, PAGE_MASK);
}

/* One load has the tag (T2) and what turns the address into the host's (T1). */
static void load_entry(struct a64_buf *a, bool write)
{
    _Static_assert(offsetof(struct tlb_entry, read) == 0 && offsetof(struct tlb_entry, addend) == 8 &&
                   offsetof(struct tlb_entry, write) == 16, "the addend is beside either tag");
    if (write)
        a64_pair(a, A64_LDP, T1, T2, T1, 8);
    else
        a64_pair(a, A64_LDP, T2, T1, T1, 0);
}

/* As mem_hit_read() and mem_hit_write(): the slot is that of the first byte's page, the tag must be the last byte's page. Of an
 * access that is likely to be aligned it must be the address itself but for the page's offset, so that one that is not misses; it is
 * looked up out of line (look_again()). No mark in a tag is a bit that is left then. */
static struct cold *tlb_probe(struct lift *l, unsigned address, bool write, unsigned bytes, bool aligned)
{
    struct a64_buf *a = &l->a;
    struct cold *miss;

    _Static_assert(sizeof(struct tlb_entry) == 32, "the slot's number, times 32");
    _Static_assert(TLB_INVALID > 31 && TLB_CODE > 31 && TLB_WATCH > 31, "an aligned access is of 32 bytes at most");
    a64_ubfx(a, 8, T1, address, PAGE_SHIFT, TLB_BITS);
    a64_rrr_by(a, A64_ADD, 8, T1, HOST_TLB, T1, A64_LSL, 5);
    load_entry(a, write);
    if (aligned)
        a64_logic_imm(a, A64_AND, 8, T3, address, PAGE_MASK | (bytes - 1));
    else
        lift_page_of_last(a, T3, address, bytes);
    a64_rrr(a, A64_EOR, 8, T2, T2, T3);
    miss = lift_new_cold(l, a64_cbz(a, 8, true, T2));
    miss->found = a->at;
    miss->look = write ? PROBE_WRITE : PROBE_READ;
    miss->address = (uint8_t)address;
    miss->bytes = (uint16_t)bytes;
    miss->aligned = aligned;
    return miss;
}

/* Frames, elements of arrays, members and variables mostly are. */
static bool likely_aligned(const struct lift *l, unsigned bytes)
{
    const struct address *at = &l->address;

    if (bytes < 2 || bytes > 8 || (bytes & (bytes - 1)) != 0)
        return false;
    if (at->simple)
        return at->at % (int64_t)bytes == 0 && (at->at != 0 || at->base == REG_AT(RSP));
    return l->i->index != REG_ZERO && 1u << l->i->scale == bytes && !(l->i->flags & INSN_SEGMENT);
}

static void probe(struct lift *l, unsigned address, bool write, unsigned bytes, bool tail)
{
    struct cold *miss;

    if (lift_shared(l, write, bytes))
        return;
    miss = tlb_probe(l, address, write, bytes, likely_aligned(l, bytes));
    miss->resume = tail ? NULL : miss->site;
    l->mem.base = (uint8_t)address;
    l->mem.index = T1;
}

void lift_share_probe(struct lift *l, bool write, unsigned bytes)
{
    struct cold *miss = tlb_probe(l, T0, write, bytes, false);

    miss->whole = miss->missed = true;
}

void lift_probe_aligned(struct lift *l, unsigned address, bool write, unsigned bytes)
{
    struct cold *miss = tlb_probe(l, address, write, bytes, true);

    miss->strict = true;
    miss->resume = miss->site;
    l->mem.base = (uint8_t)address;
    l->mem.index = T1;
}

void lift_probe(struct lift *l, unsigned address, bool write, unsigned bytes)
{
    probe(l, address, write, bytes, false);
}

void lift_probe_or_tail(struct lift *l, unsigned address, bool write, unsigned bytes)
{
    probe(l, address, write, bytes, true);
}

static unsigned log2_of(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

void lift_access(struct lift *l, uint32_t op, unsigned reg)
{
    if (l->mem.index != HOST_NONE)
        a64_mem_x(&l->a, op, reg, l->mem.base, l->mem.index);
    else
        a64_mem(&l->a, op, reg, l->mem.base, l->mem.at);
}

void lift_load(struct lift *l, unsigned bytes, unsigned to)
{
    static const uint32_t op[] = { A64_LDRB, A64_LDRH, A64_LDRW, A64_LDRX };

    lift_access(l, op[log2_of(bytes)], to);
}

void lift_store(struct lift *l, unsigned bytes, unsigned from)
{
    static const uint32_t op[] = { A64_STRB, A64_STRH, A64_STRW, A64_STRX };

    lift_access(l, op[log2_of(bytes)], from);
}

void lift_host_address(struct lift *l, unsigned to)
{
    if (l->mem.index != HOST_NONE)
        a64_rrr(&l->a, A64_ADD, 8, to, l->mem.base, l->mem.index);
    else
        lift_add(l, 8, to, l->mem.base, l->mem.at, to);
}

unsigned lift_operand(struct lift *l, unsigned n, unsigned bytes, unsigned scratch)
{
    unsigned address;

    if (!in_memory(l->i, n))
        return lift_read(l, l->i->o[n], bytes, scratch);
    address = lift_address(l);
    if (address == HOST_NONE)
        return HOST_NONE;
    lift_probe(l, address, false, bytes);
    lift_load(l, bytes, scratch);
    return scratch;
}

unsigned lift_rmw(struct lift *l, unsigned *address)
{
    const unsigned bytes = l->i->width;

    *address = HOST_NONE;
    if (!in_memory(l->i, 0))
        return lift_read(l, l->i->o[0], bytes, T3);
    *address = lift_address(l);
    if (*address == HOST_NONE)
        return HOST_NONE;
    lift_probe(l, *address, true, bytes);
    lift_load(l, bytes, T3);
    return T3;
}

void lift_rmw_end(struct lift *l, unsigned address, unsigned from)
{
    if (address == HOST_NONE)
        lift_write(l, l->i->o[0], l->i->width, from);
    else
        lift_store(l, l->i->width, from);
}
