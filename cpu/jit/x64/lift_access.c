/* SPDX-License-Identifier: MIT
 * Where a guest register is, and the address of an operand: the linear one, and by the TLB the host's. */
#include "cpu/jit/x64/lift.h"

/* ---- registers ---- */

unsigned lift_read(struct lift *l, uint8_t o, unsigned bytes, unsigned scratch)
{
    const unsigned pin = pinned[guest_number(o)];

    if (pin == HOST_NONE) {
        if (bytes < 4)
            asm_movzx(&l->a, bytes, scratch, rm_at(HOST_CPU, o));
        else
            asm_mov(&l->a, bytes, scratch, rm_at(HOST_CPU, o));
        return scratch;
    }
    if (!high_byte(o, bytes))
        return pin;
    asm_mov(&l->a, 4, scratch, rm_reg(pin));
    asm_shift(&l->a, SHIFT_SHR, 4, rm_reg(scratch), 8);
    l->host_flags = 0;
    return scratch;
}

/* Of 4 bytes the register's upper half becomes zero; `from` must have it so when it goes to struct cpu. */
void lift_write(struct lift *l, uint8_t o, unsigned bytes, unsigned from)
{
    const unsigned pin = pinned[guest_number(o)];

    if (pin == HOST_NONE)
        asm_store(&l->a, bytes == 4 ? 8 : bytes, rm_at(HOST_CPU, o), from);
    else
        asm_mov(&l->a, bytes, pin, rm_reg(from));
}

/* ---- memory ---- */

static unsigned address_part(struct lift *l, uint8_t o, unsigned scratch)
{
    if (o == REG_ZERO)
        return HOST_NONE;
    return lift_read(l, o, 8, scratch);
}

static void address_sum(struct lift *l, unsigned base, unsigned index)
{
    const struct insn *i = l->i;
    int32_t disp = (int32_t)i->disp;

    if (base == HOST_NONE && index == HOST_NONE)
        asm_mov_imm(&l->a, HOST_AX, (uint64_t)i->disp);
    else if (index == HOST_NONE && disp == 0)
        asm_mov(&l->a, 8, HOST_AX, rm_reg(base));
    else
        asm_lea(&l->a, 8, HOST_AX, rm_sum(base, index, i->scale, disp));
}

bool lift_address(struct lift *l)
{
    const struct insn *i = l->i;
    const int32_t segment = (int32_t)(offsetof(struct cpu, p.seg_base) + 8u * i->seg) - CPU_BASE;

    l->address = (struct address){
        i->index == REG_ZERO && !(i->flags & INSN_SEGMENT), i->base, i->disp, l->a.at, NULL,
    };
    if (i->asize != 8 || (i->disp != (int32_t)i->disp && (i->base != REG_ZERO || i->index != REG_ZERO)))
        return false;
    address_sum(l, address_part(l, i->base, HOST_AX), address_part(l, i->index, HOST_CX));
    if (i->flags & INSN_SEGMENT) {      /* FS or GS */
        asm_alu(&l->a, ALU_ADD, 8, HOST_AX, rm_at(HOST_CPU, segment));
        l->host_flags = 0;
    }
    l->address.end = l->a.at;
    return true;
}

void lift_stack_address(struct lift *l, int32_t at)
{
    l->address = (struct address){ true, REG_AT(RSP), at, l->a.at, NULL };
    asm_lea(&l->a, 8, HOST_AX, rm_at(pinned[RSP], at));
    l->address.end = l->a.at;
}

void lift_address_kept(struct lift *l)
{
    l->address.begin = l->address.end = l->a.at;
}

/* ---- probes ---- */

void lift_slot(struct asm_buf *a, unsigned reg)
{
    _Static_assert(sizeof(struct tlb_entry) == 32 && PAGE_SHIFT == 12, "the slot's offset is bits 12 and up, times 32");
    asm_mov(a, 4, HOST_CX, rm_reg(reg));
    asm_shift(a, SHIFT_SHR, 4, rm_reg(HOST_CX), PAGE_SHIFT - 5);
    asm_alu_imm(a, ALU_AND, 4, rm_reg(HOST_CX), (TLB_ENTRIES - 1) << 5);
    asm_alu(a, ALU_ADD, 8, HOST_CX, CPU_AT(tlb));
}

/* The probe of an address that is known now: slot and page are, too. AX: the host's address. False: it would not fit. */
static bool probe_constant(struct lift *l, int32_t tag, unsigned bytes, struct cold **miss)
{
    struct asm_buf *a = &l->a;
    const struct address *at = &l->address;
    const uint64_t lin = (uint64_t)at->at, page = (lin + bytes - 1) & PAGE_MASK;
    const int32_t slot = (int32_t)((lin >> PAGE_SHIFT & (TLB_ENTRIES - 1)) * sizeof(struct tlb_entry));

    if (!at->simple || at->base != REG_ZERO || a->at != at->end || (lin & PAGE_MASK) != page || page != (uint64_t)(int32_t)page)
        return false;
    asm_mov(a, 8, HOST_CX, CPU_AT(tlb));
    asm_alu_imm(a, ALU_CMP, 8, rm_at(HOST_CX, slot + tag), (int32_t)page);
    *miss = lift_new_cold(l, asm_jcc(a, CC_NE));
    (*miss)->page = true;
    asm_alu(a, ALU_ADD, 8, HOST_AX, rm_at(HOST_CX, slot + (int32_t)offsetof(struct tlb_entry, addend)));
    return true;
}

/* CX: the slot of the address in AX, DX: the page of its last byte. */
static void slot_and_page(struct asm_buf *a, unsigned bytes)
{
    lift_slot(a, HOST_AX);
    if (bytes != 0)
        asm_lea(a, 8, HOST_DX, rm_at(HOST_AX, (int32_t)bytes - 1));
    asm_alu_imm(a, ALU_AND, 8, rm_reg(HOST_DX), -(int32_t)PAGE_SIZE);
}

/* As mem_hit_read() and mem_hit_write(): the slot is that of the first byte's page, the tag must be the last byte's page. */
static void probe(struct lift *l, bool write, unsigned bytes, bool tail)
{
    struct asm_buf *a = &l->a;
    struct cold *miss;
    const int32_t tag = write ? (int32_t)offsetof(struct tlb_entry, write) : (int32_t)offsetof(struct tlb_entry, read);
    struct site kept = { 0, NULL };
    uint8_t *far;

    if (lift_shared(l, write, bytes))
        return;
    l->mem = rm_at(HOST_AX, 0);
    far = lift_near(l, bytes);
    if (far != NULL) {
        miss = lift_new_cold(l, far);
        miss->near = l->near_of[l->k];
        miss->again = l->jit->glue.near[write];
    } else if (l->near_of[l->k] == 0 && (far = lift_site(l, write, bytes, &kept)) != NULL) {
        miss = lift_new_cold(l, far);
        miss->again = kept.again;
    } else if (bytes == 0 || !probe_constant(l, tag, bytes, &miss)) {
        slot_and_page(a, bytes);
        asm_alu(a, ALU_CMP, 8, HOST_DX, rm_at(HOST_CX, tag));
        miss = lift_new_cold(l, asm_jcc(a, CC_NE));
        if (!lift_near_first(l, bytes))
            asm_alu(a, ALU_ADD, 8, HOST_AX, rm_at(HOST_CX, (int32_t)offsetof(struct tlb_entry, addend)));
    }
    if (miss->again == NULL)
        miss->again = l->jit->glue.reprobe[write];
    miss->found = a->at;
    miss->resume = tail ? NULL : miss->site;
    miss->bytes = (uint16_t)bytes;
    miss->site_kept = (uint16_t)kept.number;
    l->host_flags = 0;
}

void lift_probe(struct lift *l, bool write, unsigned bytes)
{
    probe(l, write, bytes, false);
}

void lift_probe_or_tail(struct lift *l, bool write, unsigned bytes)
{
    probe(l, write, bytes, true);
}
