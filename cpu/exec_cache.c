/* SPDX-License-Identifier: MIT
 * Cache control, fences and direct stores (SDM 2, each under its name). There are no caches between the processor and its
 * memory here and all accesses are seen in program order, so what remains of most of these is their faults. */
#include "cpu/exec.h"
#include "cpu/seg.h"
#include "cpu/tlb.h"

/* ---- whole caches ---- */

/* WBNOINVD (F3) is a WBINVD with less to do, also where it is absent. */
static unsigned privileged_nothing(struct cpu *cpu, const struct insn *i)
{
    if (cpu->p.cpl != 0)
        RAISE_GP(0);
    NEXT();
}

EXEC(INVD)   { return privileged_nothing(cpu, i); }
EXEC(WBINVD) { return privileged_nothing(cpu, i); }

/* ---- lines; CLDEMOTE is among the NOPs: it never faults ---- */

/* Faults as a one-byte load would, but reads nothing: a device must not notice. */
static unsigned touch_line(struct cpu *cpu, const struct insn *i)
{
    struct translation t;
    gva_t lin;

    cpu->insn = i;
    if (!ea_linear(cpu, i, 1, ACCESS_READ, &lin))
        FAULT();
    if (mem_find_read(cpu, lin, 1) != NULL)
        NEXT();
    if (!cpu_in_64bit(cpu)) {
        lin = (uint32_t)lin;
    } else if (!cpu_canonical(cpu, lin = cpu_untag(cpu, lin))) {
        fault_raise_error(cpu, i->seg == SEG_SS ? VEC_SS : VEC_GP, 0);
        FAULT();
    }
    if (!mmu_translate(cpu, lin, ACCESS_READ, tlb_data_bank(cpu), &t))
        FAULT();
    NEXT();
}

EXEC(CLFLUSH)    { return touch_line(cpu, i); }
EXEC(CLFLUSHOPT) { return touch_line(cpu, i); }
EXEC(CLWB)       { return touch_line(cpu, i); }

/* Memory is always seen in program order. */
EXEC(LFENCE)     { NEXT_PURE(); }
EXEC(MFENCE)     { NEXT_PURE(); }
EXEC(SFENCE)     { NEXT_PURE(); }
EXEC(SERIALIZE)  { STOP(); }

/* ---- direct stores ---- */

EXEC(MOVDIRI)
{
    if (!operand_store(cpu, i, 0, i->width, reg_get(cpu, i->o[1], i->width)))
        FAULT();
    NEXT();
}

/* Where the 64 bytes go: the register is an offset of the address size in ES, which no prefix replaces. */
static bool direct_destination(struct cpu *cpu, const struct insn *i, gva_t *lin)
{
    uint64_t offset = reg_get(cpu, i->o[0], i->asize);

    return seg_check(cpu, SEG_ES, offset, 64, ACCESS_WRITE, lin) && (!(*lin & 63) || fault_gp(cpu, 0));
}

/* SDM 2B "MOVDIR64B". The manual gives no order of its faults; an Emerald Rapids loads the source, then checks the
 * destination's alignment, then its page. */
EXEC(MOVDIR64B)
{
    uint8_t line[64];
    gva_t from, to;

    cpu->insn = i;
    if (!ea_linear(cpu, i, 64, ACCESS_READ, &from) || !mem_load_block(cpu, i, from, line, 64) ||
        !direct_destination(cpu, i, &to) || !mem_store_block(cpu, i, to, line, 64))
        FAULT();
    NEXT();
}
