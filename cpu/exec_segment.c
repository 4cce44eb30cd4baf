/* SPDX-License-Identifier: MIT
 * Instructions about segments and descriptor tables: loads and stores of selectors, table registers, and the questions LAR,
 * LSL, VERR, VERW and ARPL. The loading itself is seg.c's. */
#include "cpu/exec.h"
#include "cpu/seg.h"

static bool in_protected(const struct cpu *cpu)
{
    return !cpu_in_real_mode(cpu) && !cpu_in_v86(cpu);
}

/* User-mode instruction prevention, by CR4 or by the hypervisor (NPIEP_*). */
static bool umip_forbids(const struct cpu *cpu, unsigned npiep)
{
    return cpu->p.cpl > 0 && ((cpu->p.cr4 & CR4_UMIP) || (cpu->npiep & npiep));
}

/* A 16-bit value to a register of the operand size, or to two bytes of memory. */
static bool store_selector(struct cpu *cpu, const struct insn *i, uint64_t value)
{
    return operand_store(cpu, i, 0, FORM_KIND(i->form, 0) == KIND_REG ? i->width : 2, value);
}

/* ---- segment registers ---- */

EXEC(MOV_FROM_SEG)
{
    if (!store_selector(cpu, i, cpu->p.seg_sel[i->o[1]]))
        FAULT();
    NEXT();
}

EXEC(MOV_TO_SEG)
{
    enum seg seg = i->o[0];
    uint64_t selector;

    cpu->insn = i;
    if (!operand_load(cpu, i, 1, 2, &selector) || !seg_load(cpu, seg, (uint16_t)selector))
        FAULT();
    if (seg == SEG_SS)
        cpu->p.inhibit |= SHADOW_SS;
    STOP();
}

/* Of a slot of four bytes Intel's processors write the selector only, AMD's all (SDM 2B "PUSH", APM 3 "PUSH"). */
static unsigned selector_bytes(const struct cpu *cpu, const struct insn *i)
{
    return i->width == 4 && cpu_vendor(cpu) == VENDOR_INTEL ? 2 : i->width;
}

EXEC(PUSH_SEG)
{
    uint64_t sp = stack_pointer(cpu, -(int64_t)i->width);

    if (!stack_store(cpu, i, sp, selector_bytes(cpu, i), cpu->p.seg_sel[i->o[0]]))
        FAULT();
    stack_set_pointer(cpu, sp);
    NEXT();
}

/* Only the selector itself is read (seen on Emerald Rapids). The stack pointer moves by the width of the stack there was before
 * a POP SS. */
EXEC(POP_SEG)
{
    enum seg seg = i->o[0];
    unsigned sp_bytes = stack_bytes(cpu);
    uint64_t selector, sp = stack_pointer(cpu, i->width);

    cpu->insn = i;
    if (!stack_load(cpu, i, stack_pointer(cpu, 0), 2, &selector) || !seg_load(cpu, seg, (uint16_t)selector))
        FAULT();
    reg_set(cpu, REG_AT(RSP), sp_bytes, sp);
    if (seg == SEG_SS)
        cpu->p.inhibit |= SHADOW_SS;
    STOP();
}

/* Two accesses (seen on Emerald Rapids): the offset may fault before the selector is found to lie beyond the limit. */
static unsigned load_pointer(struct cpu *cpu, const struct insn *i, enum seg seg)
{
    uint64_t offset, selector;
    gva_t lin;

    cpu->insn = i;
    if (!ea_piece(cpu, i, 0, i->width, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, i->width, &offset) ||
        !ea_piece(cpu, i, i->width, 2, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, 2, &selector) ||
        !seg_load(cpu, seg, (uint16_t)selector))
        FAULT();
    reg_set(cpu, i->o[0], i->width, offset);
    STOP();
}

EXEC(LES) { return load_pointer(cpu, i, SEG_ES); }
EXEC(LDS) { return load_pointer(cpu, i, SEG_DS); }
EXEC(LSS) { return load_pointer(cpu, i, SEG_SS); }
EXEC(LFS) { return load_pointer(cpu, i, SEG_FS); }
EXEC(LGS) { return load_pointer(cpu, i, SEG_GS); }

/* ---- bases in 64-bit mode ---- */

static unsigned read_base(struct cpu *cpu, const struct insn *i, enum seg seg)
{
    if (!(cpu->p.cr4 & CR4_FSGSBASE))
        RAISE_UD();
    reg_set(cpu, i->o[0], i->width, cpu->p.seg_base[seg]);
    NEXT();
}

static unsigned write_base(struct cpu *cpu, const struct insn *i, enum seg seg)
{
    uint64_t base = reg_get(cpu, i->o[0], i->width);

    if (!(cpu->p.cr4 & CR4_FSGSBASE))
        RAISE_UD();
    if (!cpu_canonical(cpu, base))
        RAISE_GP(0);
    cpu->p.seg_base[seg] = base;
    NEXT();
}

EXEC(RDFSBASE) { return read_base(cpu, i, SEG_FS); }
EXEC(RDGSBASE) { return read_base(cpu, i, SEG_GS); }
EXEC(WRFSBASE) { return write_base(cpu, i, SEG_FS); }
EXEC(WRGSBASE) { return write_base(cpu, i, SEG_GS); }

EXEC(SWAPGS)
{
    uint64_t base = cpu->p.seg_base[SEG_GS];

    if (cpu->p.cpl != 0)
        RAISE_GP(0);
    cpu->p.seg_base[SEG_GS] = cpu->p.kernel_gs_base;
    cpu->p.kernel_gs_base = base;
    NEXT();
}

/* ---- table registers ---- */

/* insn.width is the width of the base in memory; this is what 66h says. */
static bool operand_size_16(const struct cpu *cpu, const struct insn *i)
{
    unsigned mode = cpu->mode & MODE_DECODE;

    return mode != DECODE_64 && (mode == DECODE_16) != !!(i->flags & INSN_OPSIZE);
}

/* Limit, then base: 8 bytes in 64-bit mode, else 4 (of which a 16-bit operand size loads 3). */
static bool load_table(struct cpu *cpu, const struct insn *i, uint64_t *base, uint16_t *limit)
{
    unsigned bytes = cpu_in_64bit(cpu) ? 8 : 4;
    uint64_t low;
    gva_t lin;

    if (!ea_linear(cpu, i, bytes + 2, ACCESS_READ, &lin) || !mem_load(cpu, i, lin, 2, &low) ||
        !mem_load(cpu, i, lin + 2, bytes, base))
        return false;
    if (operand_size_16(cpu, i))
        *base &= 0xffffff;
    if (!cpu_canonical(cpu, *base))
        return fault_gp(cpu, 0);
    *limit = (uint16_t)low;
    return true;
}

static unsigned store_table(struct cpu *cpu, const struct insn *i, uint64_t base, uint16_t limit, unsigned npiep)
{
    unsigned bytes = cpu_in_64bit(cpu) ? 8 : 4;
    uint8_t image[10];
    gva_t lin;

    if (umip_forbids(cpu, npiep))
        RAISE_GP(0);
    store16(image, limit);
    store_bytes(image + 2, bytes, base);
    if (!ea_linear(cpu, i, bytes + 2, ACCESS_WRITE, &lin) || !mem_store_block(cpu, i, lin, image, bytes + 2))
        FAULT();
    NEXT();
}

static unsigned load_table_register(struct cpu *cpu, const struct insn *i, uint64_t *to_base, uint16_t *to_limit)
{
    uint64_t base = 0;
    uint16_t limit = 0;

    if (cpu->p.cpl != 0)
        RAISE_GP(0);
    if (!load_table(cpu, i, &base, &limit))
        FAULT();
    *to_base = base;
    *to_limit = limit;
    NEXT();
}

EXEC(LGDT) { return load_table_register(cpu, i, &cpu->p.gdtr_base, &cpu->p.gdtr_limit); }
EXEC(LIDT) { return load_table_register(cpu, i, &cpu->p.idtr_base, &cpu->p.idtr_limit); }
EXEC(SGDT) { return store_table(cpu, i, cpu->p.gdtr_base, cpu->p.gdtr_limit, NPIEP_SGDT); }
EXEC(SIDT) { return store_table(cpu, i, cpu->p.idtr_base, cpu->p.idtr_limit, NPIEP_SIDT); }

EXEC(LLDT)
{
    uint64_t selector;

    cpu->insn = i;
    if (!in_protected(cpu))
        RAISE_UD();
    if (cpu->p.cpl != 0)
        RAISE_GP(0);
    if (!operand_load(cpu, i, 0, 2, &selector) || !seg_load_ldt(cpu, (uint16_t)selector, VEC_GP, VEC_NP))
        FAULT();
    NEXT();
}

static bool load_task_register(struct cpu *cpu, uint16_t selector)
{
    bool long_mode = cpu_in_long_mode(cpu);
    struct descriptor d;
    unsigned type;

    if (selector_null(selector))
        return fault_gp(cpu, 0);
    if (selector & 4)
        return fault_gp(cpu, selector_error(selector));
    if (!(long_mode ? desc_read_long : desc_read)(cpu, selector, VEC_GP, &d))
        return false;
    type = attr_type(d.attr);
    if (!attr_system(d.attr) || !(type == TYPE_TSS32 || (type == TYPE_TSS16 && !long_mode)))
        return fault_gp(cpu, selector_error(selector));
    if (!(d.attr & SEG_P))
        return fault_raise_error(cpu, VEC_NP, selector_error(selector));
    if (!cpu_canonical(cpu, d.base))
        return fault_gp(cpu, selector_error(selector));
    if (!desc_set_busy(cpu, &d, true))
        return false;
    seg_install(cpu, SEG_TR, selector, &d);
    return true;
}

EXEC(LTR)
{
    uint64_t selector;

    cpu->insn = i;
    if (!in_protected(cpu))
        RAISE_UD();
    if (cpu->p.cpl != 0)
        RAISE_GP(0);
    if (!operand_load(cpu, i, 0, 2, &selector) || !load_task_register(cpu, (uint16_t)selector))
        FAULT();
    NEXT();
}

static unsigned store_register(struct cpu *cpu, const struct insn *i, enum seg seg, unsigned npiep)
{
    if (!in_protected(cpu))
        RAISE_UD();
    if (umip_forbids(cpu, npiep))
        RAISE_GP(0);
    if (!store_selector(cpu, i, cpu->p.seg_sel[seg]))
        FAULT();
    NEXT();
}

EXEC(SLDT) { return store_register(cpu, i, SEG_LDTR, NPIEP_SLDT); }
EXEC(STR)  { return store_register(cpu, i, SEG_TR, NPIEP_STR); }

/* ---- questions about descriptors ---- */

static void set_zf(struct cpu *cpu, bool zf)
{
    flags_put(&cpu->flags, (flags_get(&cpu->flags) & ~FLAG_ZF) | (zf ? FLAG_ZF : 0));
}

/* System types that LAR and LSL know, by bit number (SDM 2A tables "Segment and Gate Types" of LAR and LSL). */
#define LAR_LEGACY  0x1a3eu
#define LAR_LONG    0x1a04u
#define LSL_LEGACY  0x0a0eu
#define LSL_LONG    0x0a04u

static bool visible(const struct cpu *cpu, uint16_t selector, uint32_t attr)
{
    unsigned dpl = attr_dpl(attr);

    return attr_conforming(attr) || (cpu->p.cpl <= dpl && selector_rpl(selector) <= dpl);
}

/* The descriptor behind operand 1 (or 0 of VERR, VERW). *found false: answer with ZF clear. */
static bool query(struct cpu *cpu, const struct insn *i, unsigned slot, struct descriptor *d, uint16_t *selector,
                  bool *found)
{
    uint64_t value;

    cpu->insn = i;
    *found = false;
    if (!in_protected(cpu))
        return fault_ud(cpu);
    if (!operand_load(cpu, i, slot, 2, &value))
        return false;
    *selector = (uint16_t)value;
    if (!desc_exists(cpu, *selector))
        return true;
    if (!desc_read(cpu, *selector, VEC_GP, d))
        return false;
    *found = visible(cpu, *selector, d->attr);
    return true;
}

static bool type_known(const struct cpu *cpu, uint32_t attr, unsigned legacy, unsigned long_mode)
{
    return !attr_system(attr) || (((cpu_in_long_mode(cpu) ? long_mode : legacy) >> attr_type(attr)) & 1);
}

EXEC(LAR)
{
    struct descriptor d;
    uint16_t selector;
    bool found;

    if (!query(cpu, i, 1, &d, &selector, &found))
        FAULT();
    found = found && type_known(cpu, d.attr, LAR_LEGACY, LAR_LONG);
    if (found)
        reg_set(cpu, i->o[0], i->width, (d.raw >> 32) & 0x00ffff00u);   /* with the limit's bits, as APM 3 has it */
    set_zf(cpu, found);
    NEXT();
}

EXEC(LSL)
{
    struct descriptor d;
    uint16_t selector;
    bool found;

    if (!query(cpu, i, 1, &d, &selector, &found))
        FAULT();
    found = found && type_known(cpu, d.attr, LSL_LEGACY, LSL_LONG);
    if (found)
        reg_set(cpu, i->o[0], i->width, d.limit);
    set_zf(cpu, found);
    NEXT();
}

static unsigned verify(struct cpu *cpu, const struct insn *i, bool (*allows)(uint32_t attr))
{
    struct descriptor d;
    uint16_t selector;
    bool found;

    if (!query(cpu, i, 0, &d, &selector, &found))
        FAULT();
    set_zf(cpu, found && !attr_system(d.attr) && allows(d.attr));
    NEXT();
}

EXEC(VERR) { return verify(cpu, i, attr_readable); }
EXEC(VERW) { return verify(cpu, i, attr_writable); }

/* Memory is written, and must be writable, only when the RPL changes (observed on processors; test386 relies on it). */
EXEC(ARPL)
{
    uint64_t destination, rpl = reg_get(cpu, i->o[1], 2) & 3;
    bool raise;

    if (!in_protected(cpu))
        RAISE_UD();
    if (!operand_load(cpu, i, 0, 2, &destination))
        FAULT();
    raise = (destination & 3) < rpl;
    if (raise && !operand_store(cpu, i, 0, 2, (destination & ~(uint64_t)3) | rpl))
        FAULT();
    set_zf(cpu, raise);
    NEXT();
}
