/* SPDX-License-Identifier: MIT
 * Ports: IN, OUT, INS, OUTS and who may use them (SDM 1 "I/O Privilege Level", "I/O Permission Bit Map"). */
#include "cpu/exec_string.h"
#include "cpu/seg.h"
#include "cpu/smm.h"

/* The bitmap has a bit per port; the processor always reads two bytes of it, both within the limit of a 32-bit TSS. */
static bool bitmap_allows(struct cpu *cpu, uint16_t port, unsigned bytes)
{
    gva_t tss = cpu->p.seg_base[SEG_TR];
    uint32_t limit = cpu->p.seg_limit[SEG_TR];
    uint64_t map, bits;

    if (!(attr_type(cpu->p.seg_attr[SEG_TR]) & 8) || limit < 0x67)
        return fault_gp(cpu, 0);
    if (!mem_load_system(cpu, tss + 0x66, 2, &map))
        return false;
    map += port / 8;
    if (map + 1 > limit)
        return fault_gp(cpu, 0);
    if (!mem_load_system(cpu, tss + map, 2, &bits))
        return false;
    return !((bits >> (port & 7)) & bits_mask(bytes)) || fault_gp(cpu, 0);
}

static bool port_allowed(struct cpu *cpu, const struct insn *i, uint16_t port)
{
    unsigned iopl = (cpu->p.rflags & FLAG_IOPL) >> 12;

    cpu->insn = i;
    if (cpu_in_real_mode(cpu) || (!cpu_in_v86(cpu) && cpu->p.cpl <= iopl))
        return true;
    return bitmap_allows(cpu, port, i->width);
}

/* The clock is exact and RIP at i when a device is called; the breakpoint traps after the instruction. `lin` is the memory
 * operand of INS and OUTS. */
static uint64_t port_read(struct cpu *cpu, const struct insn *i, uint16_t port, gva_t lin)
{
    uint64_t value;

    cpu_sync(cpu, i);
    debug_io_access(cpu, port, i->width);
    value = space_read(cpu->ports.io, port, i->width);
    if (smm_wanted(cpu))
        smm_note_io(cpu, i, port, lin);
    return value;
}

static void port_write(struct cpu *cpu, const struct insn *i, uint16_t port, gva_t lin, uint64_t value)
{
    cpu_sync(cpu, i);
    debug_io_access(cpu, port, i->width);
    space_write(cpu->ports.io, port, i->width, value);
    if (smm_wanted(cpu))
        smm_note_io(cpu, i, port, lin);
}

static uint16_t port_number(const struct cpu *cpu, const struct insn *i, unsigned slot)
{
    return FORM_KIND(i->form, slot) == KIND_IMM ? i->imm & 0xff : (uint16_t)cpu->s.gpr[RDX];
}

EXEC(IN)
{
    uint16_t port = port_number(cpu, i, 1);

    if (!port_allowed(cpu, i, port))
        FAULT();
    reg_set(cpu, REG_AT(RAX), i->width, port_read(cpu, i, port, 0));
    NEXT();
}

EXEC(OUT)
{
    uint16_t port = port_number(cpu, i, 0);

    if (!port_allowed(cpu, i, port))
        FAULT();
    port_write(cpu, i, port, 0, reg_get(cpu, REG_AT(RAX), i->width));
    NEXT();
}

/* ---- strings ---- */

/* The destination is proved writable before the device is read, which cannot be undone. */
static bool ins_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    gva_t lin;

    (void)r;
    if (!port_allowed(cpu, i, (uint16_t)cpu->s.gpr[RDX]) ||
        !string_destination(cpu, i, i->width, ACCESS_WRITE, &lin) || !mem_aligned(cpu, i, lin, i->width) ||
        !mem_probe_write(cpu, i, lin, i->width) ||
        !string_store(cpu, i, lin, port_read(cpu, i, (uint16_t)cpu->s.gpr[RDX], lin)))
        return false;
    string_advance(cpu, i, RDI, 1);
    return true;
}

static bool outs_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    uint64_t value;
    gva_t lin;

    (void)r;
    if (!port_allowed(cpu, i, (uint16_t)cpu->s.gpr[RDX]) || !string_source(cpu, i, i->width, &lin) ||
        !string_load(cpu, i, lin, &value))
        return false;
    port_write(cpu, i, (uint16_t)cpu->s.gpr[RDX], lin, value);
    string_advance(cpu, i, RSI, 1);
    return true;
}

/* The port is checked even when nothing is left to do. */
static unsigned repeat_io(struct cpu *cpu, const struct insn *i, string_step *step)
{
    if (!port_allowed(cpu, i, (uint16_t)cpu->s.gpr[RDX]))
        FAULT();
    return string_repeat(cpu, i, step, NULL);
}

EXEC(INS)  { return repeat_io(cpu, i, ins_step); }
EXEC(OUTS) { return repeat_io(cpu, i, outs_step); }
