/* SPDX-License-Identifier: MIT
 * Segments: descriptor reads, the loads of MOV, POP and LxS with every check, limit and rights checks of accesses. Gates and
 * transfers of control are exec_far.c's and event.c's; they build on the pieces here. */
#include "cpu/seg.h"

#include "cpu/mem.h"

#define UNUSABLE_DPL(cpl)   (SEG_UNUSABLE | (uint32_t)(cpl) << SEG_DPL_SHIFT)
#define V86_ATTR            0xf3u       /* present, DPL 3, writable data, accessed (SDM 3B "Virtual-8086 Mode") */

void desc_unpack(uint64_t raw, struct descriptor *out)
{
    uint32_t low = (uint32_t)raw, high = (uint32_t)(raw >> 32);
    uint32_t limit = (high & 0xf0000) | (low & 0xffff);

    out->raw = raw;
    out->attr = (high >> 8) & 0xf0ff;
    out->base = (high & 0xff000000) | (high & 0xff) << 16 | low >> 16;
    out->limit = out->attr & SEG_G ? limit << 12 | 0xfff : limit;
    out->offset = (high & 0xffff0000) | (low & 0xffff);
    out->selector = (uint16_t)(low >> 16);
    out->params = high & 0x1f;
}

/* Where `bytes` of the descriptor lie; false: not in its table. */
static bool table_find(const struct cpu *cpu, uint16_t selector, unsigned bytes, gva_t *at)
{
    uint32_t offset = selector & 0xfff8u;
    uint64_t base = cpu->p.gdtr_base;
    uint32_t limit = cpu->p.gdtr_limit;

    if (selector & 4) {
        if (cpu->p.seg_attr[SEG_LDTR] & SEG_UNUSABLE)
            return false;
        base = cpu->p.seg_base[SEG_LDTR];
        limit = cpu->p.seg_limit[SEG_LDTR];
    }
    *at = cpu_in_long_mode(cpu) ? base + offset : (uint32_t)(base + offset);
    return (uint64_t)offset + bytes - 1 <= limit;
}

static bool table_at(struct cpu *cpu, uint16_t selector, unsigned vector, unsigned bytes, gva_t *at)
{
    return table_find(cpu, selector, bytes, at) || fault_raise_error(cpu, vector, selector_error(selector));
}

bool desc_exists(const struct cpu *cpu, uint16_t selector)
{
    gva_t at;

    return !selector_null(selector) && table_find(cpu, selector, 8, &at);
}

bool desc_read(struct cpu *cpu, uint16_t selector, unsigned vector, struct descriptor *out)
{
    uint64_t raw;
    gva_t at = 0;

    if (!table_at(cpu, selector, vector, 8, &at) || !mem_load_system(cpu, at, 8, &raw))
        return false;
    desc_unpack(raw, out);
    out->at = at;
    return true;
}

/* SDM 3A "System Descriptors in IA-32e Mode": the type field of the upper half must be zero. */
bool desc_read_long(struct cpu *cpu, uint16_t selector, unsigned vector, struct descriptor *out)
{
    uint64_t high;
    gva_t at = 0;

    if (!desc_read(cpu, selector, vector, out) || !table_at(cpu, selector, vector, 16, &at) ||
        !mem_load_system(cpu, at + 8, 8, &high))
        return false;
    if ((high >> 40) & 0x1f)
        return fault_raise_error(cpu, vector, selector_error(selector));
    out->base |= high << 32;
    out->offset |= high << 32;
    return true;
}

bool desc_set_accessed(struct cpu *cpu, struct descriptor *d)
{
    if (d->attr & 1)
        return true;
    if (!mem_store_system(cpu, d->at + 5, 1, ((d->raw >> 40) & 0xff) | 1))
        return false;
    d->attr |= 1;
    return true;
}

bool desc_set_busy(struct cpu *cpu, struct descriptor *d, bool busy)
{
    uint64_t byte;

    if (!mem_load_system(cpu, d->at + 5, 1, &byte))
        return false;
    byte = busy ? byte | TYPE_BUSY : byte & ~(uint64_t)TYPE_BUSY;
    if (!mem_store_system(cpu, d->at + 5, 1, byte))
        return false;
    d->attr = busy ? d->attr | TYPE_BUSY : d->attr & ~TYPE_BUSY;
    return true;
}

void seg_install(struct cpu *cpu, enum seg seg, uint16_t selector, const struct descriptor *d)
{
    cpu->p.seg_sel[seg] = selector;
    cpu->p.seg_base[seg] = d->base;
    cpu->p.seg_limit[seg] = d->limit;
    cpu->p.seg_attr[seg] = d->attr;
}

void seg_install_null(struct cpu *cpu, enum seg seg, uint16_t selector)
{
    cpu->p.seg_sel[seg] = selector;
    cpu->p.seg_base[seg] = 0;
    cpu->p.seg_limit[seg] = 0;
    cpu->p.seg_attr[seg] = seg == SEG_SS ? UNUSABLE_DPL(cpu->p.cpl) : SEG_UNUSABLE;
}

void seg_install_flat(struct cpu *cpu, enum seg seg, uint16_t selector, uint32_t attr)
{
    cpu->p.seg_sel[seg] = selector;
    cpu->p.seg_base[seg] = 0;
    cpu->p.seg_limit[seg] = 0xffffffff;
    cpu->p.seg_attr[seg] = attr;
}

void seg_install_v86(struct cpu *cpu, enum seg seg, uint16_t selector)
{
    cpu->p.seg_sel[seg] = selector;
    cpu->p.seg_base[seg] = (uint32_t)selector << 4;
    cpu->p.seg_limit[seg] = 0xffff;
    cpu->p.seg_attr[seg] = V86_ATTR;
}

/* Real mode keeps limit and rights, which is what "big real mode" lives on. */
void seg_load_real(struct cpu *cpu, enum seg seg, uint16_t selector)
{
    if (cpu_in_v86(cpu)) {
        seg_install_v86(cpu, seg, selector);
    } else {
        cpu->p.seg_sel[seg] = selector;
        cpu->p.seg_base[seg] = (uint32_t)selector << 4;
        if (cpu->p.seg_attr[seg] & SEG_UNUSABLE) {      /* was null in protected mode */
            cpu->p.seg_attr[seg] = 0x93;
            cpu->p.seg_limit[seg] = 0xffff;
        }
    }
    cpu_mode_changed(cpu);
}

bool seg_read_stack(struct cpu *cpu, uint16_t selector, unsigned cpl, unsigned vector, struct descriptor *out)
{
    if (selector_null(selector))
        return fault_raise_error(cpu, vector, 0);
    if (!desc_read(cpu, selector, vector, out))
        return false;
    if (selector_rpl(selector) != cpl || !attr_writable(out->attr) || attr_dpl(out->attr) != cpl)
        return fault_raise_error(cpu, vector, selector_error(selector));
    if (!(out->attr & SEG_P))
        return fault_raise_error(cpu, VEC_SS, selector_error(selector));
    return desc_set_accessed(cpu, out);
}

/* SDM 2B "MOV-Move", loading SS. A null SS is a thing of 64-bit mode below level 3. */
static bool load_stack(struct cpu *cpu, uint16_t selector)
{
    struct descriptor d;

    if (selector_null(selector) && cpu_in_64bit(cpu) && cpu->p.cpl < 3 && selector_rpl(selector) == cpu->p.cpl) {
        seg_install_null(cpu, SEG_SS, selector);
        return true;
    }
    if (!seg_read_stack(cpu, selector, cpu->p.cpl, VEC_GP, &d))
        return false;
    seg_install(cpu, SEG_SS, selector, &d);
    return true;
}

/* May a data segment register at level cpl hold this descriptor? */
static bool data_allowed(const struct descriptor *d, uint16_t selector, unsigned cpl)
{
    unsigned dpl = attr_dpl(d->attr);

    if (attr_system(d->attr) || !attr_readable(d->attr))
        return false;
    return attr_conforming(d->attr) || (selector_rpl(selector) <= dpl && cpl <= dpl);
}

bool seg_load_data(struct cpu *cpu, enum seg seg, uint16_t selector, unsigned vector)
{
    struct descriptor d;

    if (selector_null(selector)) {
        seg_install_null(cpu, seg, selector);
        return true;
    }
    if (!desc_read(cpu, selector, vector, &d))
        return false;
    if (!data_allowed(&d, selector, cpu->p.cpl))
        return fault_raise_error(cpu, vector, selector_error(selector));
    if (!(d.attr & SEG_P))
        return fault_raise_error(cpu, VEC_NP, selector_error(selector));
    if (!desc_set_accessed(cpu, &d))
        return false;
    seg_install(cpu, seg, selector, &d);
    return true;
}

bool seg_load(struct cpu *cpu, enum seg seg, uint16_t selector)
{
    if (cpu_in_real_mode(cpu) || cpu_in_v86(cpu)) {
        seg_load_real(cpu, seg, selector);
        return true;
    }
    if (!(seg == SEG_SS ? load_stack(cpu, selector) : seg_load_data(cpu, seg, selector, VEC_GP)))
        return false;
    cpu_mode_changed(cpu);
    return true;
}

void seg_drop_inner(struct cpu *cpu)
{
    static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };

    for (unsigned k = 0; k < sizeof data; k++) {
        uint32_t attr = cpu->p.seg_attr[data[k]];

        if (!(attr & SEG_UNUSABLE) && !attr_conforming(attr) && attr_dpl(attr) < cpu->p.cpl) {
            cpu->p.seg_sel[data[k]] = 0;
            cpu->p.seg_attr[data[k]] |= SEG_UNUSABLE;       /* the bases of FS and GS live on in 64-bit mode */
        }
    }
}

bool seg_load_ldt(struct cpu *cpu, uint16_t selector, unsigned vector, unsigned np_vector)
{
    struct descriptor d;

    if (selector_null(selector)) {
        seg_install_null(cpu, SEG_LDTR, selector);
        return true;
    }
    if (selector & 4)
        return fault_raise_error(cpu, vector, selector_error(selector));
    if (!(cpu_in_long_mode(cpu) ? desc_read_long : desc_read)(cpu, selector, vector, &d))
        return false;
    if (!attr_system(d.attr) || attr_type(d.attr) != TYPE_LDT)
        return fault_raise_error(cpu, vector, selector_error(selector));
    if (!(d.attr & SEG_P))
        return fault_raise_error(cpu, np_vector, selector_error(selector));
    if (!cpu_canonical(cpu, d.base))
        return fault_raise_error(cpu, vector, selector_error(selector));
    seg_install(cpu, SEG_LDTR, selector, &d);
    return true;
}

/* ---- accesses ---- */

static bool access_fault(struct cpu *cpu, enum seg seg)
{
    return fault_raise_error(cpu, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

/* Beyond 4 GiB addresses go on at 0 (SDM 3A "Limit Checking" leaves that to the model; seen on Emerald Rapids). */
static bool limit_ok(uint32_t limit, uint32_t attr, uint64_t offset, unsigned bytes)
{
    uint64_t last = offset + bytes - 1;

    if (attr_expand_down(attr))
        return offset > limit && last <= (attr & SEG_DB ? 0xffffffffu : 0xffffu);
    return last <= limit || limit == 0xffffffff;
}

/* SDM 3A "Type Checking": what the segment's type forbids. Real mode has no types. */
static bool rights_ok(const struct cpu *cpu, uint32_t attr, unsigned access)
{
    if (!(cpu->p.cr0 & CR0_PE))
        return true;
    if (attr & SEG_UNUSABLE)
        return false;
    if ((access & ACCESS_WRITE) && !attr_writable(attr))
        return false;
    return !(access & ACCESS_READ) || attr_readable(attr);
}

bool seg_check(struct cpu *cpu, enum seg seg, uint64_t offset, unsigned bytes, unsigned access, gva_t *linear)
{
    if (cpu_in_64bit(cpu)) {
        *linear = cpu_untag(cpu, seg == SEG_FS || seg == SEG_GS ? cpu->p.seg_base[seg] + offset : offset);
        if (!cpu_canonical(cpu, *linear) || !cpu_canonical(cpu, *linear + bytes - 1))
            return access_fault(cpu, seg);
        return true;
    }
    if (!rights_ok(cpu, cpu->p.seg_attr[seg], access) ||
        !limit_ok(cpu->p.seg_limit[seg], cpu->p.seg_attr[seg], offset, bytes))
        return access_fault(cpu, seg);
    *linear = (uint32_t)(cpu->p.seg_base[seg] + offset);
    return true;
}

/* ---- stacks of transfers ---- */

static uint64_t stack_mask(uint32_t attr)
{
    return attr & SEG_DB ? 0xffffffffu : 0xffffu;
}

void stack_current(const struct cpu *cpu, struct stack *st)
{
    bool long64 = cpu_in_64bit(cpu);

    *st = (struct stack){
        .base = long64 ? 0 : cpu->p.seg_base[SEG_SS],
        .mask = long64 ? ~(uint64_t)0 : stack_mask(cpu->p.seg_attr[SEG_SS]),
        .limit = cpu->p.seg_limit[SEG_SS], .attr = cpu->p.seg_attr[SEG_SS],
        .cpl = cpu->p.cpl, .long64 = long64,
    };
    st->sp = cpu->s.gpr[RSP] & st->mask;
}

/* As seen on Emerald Rapids: the segment's base, limit and width count although the caller's mode has none. */
void stack_compat(const struct cpu *cpu, struct stack *st)
{
    *st = (struct stack){
        .base = cpu->p.seg_base[SEG_SS], .mask = stack_mask(cpu->p.seg_attr[SEG_SS]), .limit = cpu->p.seg_limit[SEG_SS],
        .attr = cpu->p.seg_attr[SEG_SS], .cpl = cpu->p.cpl,
    };
    st->sp = cpu->s.gpr[RSP] & st->mask;
}

void stack_legacy(struct stack *st, uint16_t selector, const struct descriptor *ss, uint64_t sp, unsigned cpl)
{
    *st = (struct stack){
        .base = ss->base, .sp = sp & stack_mask(ss->attr), .mask = stack_mask(ss->attr), .limit = ss->limit,
        .attr = ss->attr, .error = selector_error(selector), .cpl = (uint8_t)cpl,
    };
}

void stack_long(struct stack *st, uint64_t sp, unsigned cpl)
{
    *st = (struct stack){ .sp = sp, .mask = ~(uint64_t)0, .cpl = (uint8_t)cpl, .long64 = true };
}

static bool stack_linear(struct cpu *cpu, const struct stack *st, unsigned bytes, gva_t *lin)
{
    if (st->long64) {
        *lin = cpu_untag(cpu, st->sp);
        if (cpu_canonical(cpu, *lin) && cpu_canonical(cpu, *lin + bytes - 1))
            return true;
    } else if (limit_ok(st->limit, st->attr, st->sp, bytes)) {
        *lin = (uint32_t)(st->base + st->sp);
        return true;
    }
    return fault_raise_error(cpu, VEC_SS, st->error);
}

/* The stack of level 3, checked for alignment when that level uses it itself. */
static enum tlb_bank user_bank(const struct cpu *cpu)
{
    return cpu->p.cpl == 3 ? mem_bank(cpu) : BANK_USER;
}

bool stack_push(struct cpu *cpu, struct stack *st, unsigned bytes, uint64_t value)
{
    gva_t lin;

    st->sp = (st->sp - bytes) & st->mask;
    if (!stack_linear(cpu, st, bytes, &lin))
        return false;
    if (st->cpl < 3)
        return mem_store_system(cpu, lin, bytes, value);
    if (st->long64 && !cpu_in_64bit(cpu))       /* 64-bit mode's stack already */
        return mem_aligned_wherever(cpu, lin, bytes) && mem_store_level(cpu, lin, bytes, value);
    return mem_store_slow(cpu, cpu->insn, lin, &value, bytes, user_bank(cpu));
}

bool stack_pop(struct cpu *cpu, struct stack *st, unsigned bytes, uint64_t *value)
{
    gva_t lin;

    *value = 0;
    if (!stack_linear(cpu, st, bytes, &lin))
        return false;
    if (st->cpl < 3 ? !mem_load_system(cpu, lin, bytes, value)
                    : !mem_load_slow(cpu, cpu->insn, lin, value, bytes, user_bank(cpu)))
        return false;
    st->sp = (st->sp + bytes) & st->mask;
    return true;
}

bool stack_peek(struct cpu *cpu, const struct stack *st, unsigned offset, unsigned bytes, uint64_t *value)
{
    struct stack at = *st;

    at.sp = (st->sp + offset) & st->mask;
    return stack_pop(cpu, &at, bytes, value);
}

void stack_commit(struct cpu *cpu, const struct stack *st)
{
    uint64_t *rsp = &cpu->s.gpr[RSP];

    if (st->mask == 0xffff)
        *rsp = (*rsp & ~(uint64_t)0xffff) | st->sp;
    else
        *rsp = st->sp;
}

/* ---- stacks of inner levels, from the TSS ---- */

/* One field of the current TSS; beyond its limit: #TS with TR's selector. */
static bool tss_field(struct cpu *cpu, uint32_t offset, unsigned bytes, uint64_t *value)
{
    *value = 0;
    if ((uint64_t)offset + bytes - 1 > cpu->p.seg_limit[SEG_TR])
        return fault_raise_error(cpu, VEC_TS, selector_error(cpu->p.seg_sel[SEG_TR]));
    return mem_load_system(cpu, cpu->p.seg_base[SEG_TR] + offset, bytes, value);
}

/* SDM 3A "Stack Switching": SSn:ESPn of a 32-bit or 16-bit TSS. */
bool stack_inner(struct cpu *cpu, unsigned cpl, struct stack *st, uint16_t *selector, struct descriptor *ss)
{
    bool wide = attr_type(cpu->p.seg_attr[SEG_TR]) & 8;
    unsigned bytes = wide ? 4 : 2;
    uint64_t sp, sel;

    if (!tss_field(cpu, cpl * 2 * bytes + bytes + bytes, 2, &sel) || !tss_field(cpu, cpl * 2 * bytes + bytes, bytes, &sp) ||
        !seg_read_stack(cpu, (uint16_t)sel, cpl, VEC_TS, ss))
        return false;
    *selector = (uint16_t)sel;
    stack_legacy(st, *selector, ss, sp, cpl);
    return true;
}

/* RSPn, or ISTn when ist is not 0, of a 64-bit TSS (SDM 3A "64-Bit Mode Stack Switching"). */
bool stack_inner_long(struct cpu *cpu, unsigned cpl, unsigned ist, struct stack *st)
{
    uint64_t sp;

    if (!tss_field(cpu, ist ? 28 + 8 * ist : 4 + 8 * cpl, 8, &sp))
        return false;
    stack_long(st, sp, cpl);
    return true;
}
