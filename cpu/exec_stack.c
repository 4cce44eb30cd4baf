/* SPDX-License-Identifier: MIT
 * Pushes, pops, stack frames and the flags register on the stack. Stack pointers change only when nothing can fault any
 * more, so every one of these restarts from the same registers. */
#include "cpu/exec.h"

static bool in_64bit(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64;
}

static ALWAYS_INLINE bool push(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t v)
{
    uint64_t sp = stack_pointer(cpu, -(int64_t)bytes);

    if (UNLIKELY(!stack_store(cpu, i, sp, bytes, v)))
        return false;
    stack_set_pointer(cpu, sp);
    return true;
}

static bool push_width(struct cpu *cpu, const struct insn *i, unsigned bytes, uint64_t v)
{
    return bytes == 8 ? push(cpu, i, 8, v) : bytes == 4 ? push(cpu, i, 4, v) : push(cpu, i, 2, v);
}

static bool load_width(struct cpu *cpu, const struct insn *i, uint64_t sp, unsigned bytes, uint64_t *v)
{
    return bytes == 8 ? stack_load(cpu, i, sp, 8, v) : bytes == 4 ? stack_load(cpu, i, sp, 4, v)
                                                                  : stack_load(cpu, i, sp, 2, v);
}

static bool store_width(struct cpu *cpu, const struct insn *i, uint64_t sp, unsigned bytes, uint64_t v)
{
    return bytes == 8 ? stack_store(cpu, i, sp, 8, v) : bytes == 4 ? stack_store(cpu, i, sp, 4, v)
                                                                   : stack_store(cpu, i, sp, 2, v);
}

EXEC(PUSH)
{
    uint64_t v;

    if (!operand_load(cpu, i, 0, i->width, &v) || !push_width(cpu, i, i->width, v))
        FAULT();
    NEXT();
}

/* A memory destination is addressed with the stack pointer already moved (SDM 2B "POP"). */
EXEC(POP)
{
    uint64_t v, before = cpu->s.gpr[RSP];

    if (!load_width(cpu, i, stack_pointer(cpu, 0), i->width, &v))
        FAULT();
    stack_set_pointer(cpu, stack_pointer(cpu, i->width));
    if (!operand_store(cpu, i, 0, i->width, v)) {
        cpu->s.gpr[RSP] = before;
        FAULT();
    }
    NEXT();
}

static unsigned PUSH_64_r(struct cpu *cpu, const struct insn *i)
{
    uint64_t sp = cpu->s.gpr[RSP] - 8;
    uint8_t *host;

    if (!mem_hit_write(cpu, sp, 8, &host))
        return exec_PUSH(cpu, i);
    store64(host, reg_get(cpu, i->o[0], 8));
    cpu->s.gpr[RSP] = sp;
    NEXT_PURE();
}

static unsigned POP_64_r(struct cpu *cpu, const struct insn *i)
{
    uint64_t sp = cpu->s.gpr[RSP];
    const uint8_t *host;

    if (!mem_hit_read(cpu, sp, 8, &host))
        return exec_POP(cpu, i);
    cpu->s.gpr[RSP] = sp + 8;
    reg_set(cpu, i->o[0], 8, load64(host));
    NEXT_PURE();
}

EXEC(PUSHA)
{
    for (unsigned n = 0; n < 8; n++) {
        uint64_t sp = stack_pointer(cpu, -(int64_t)((n + 1) * i->width)), v = reg_get(cpu, REG_AT(n), i->width);

        if (!store_width(cpu, i, sp, i->width, v))
            FAULT();
    }
    stack_set_pointer(cpu, stack_pointer(cpu, -8 * (int64_t)i->width));
    NEXT();
}

/* Each register is loaded before the next is read: after a fault the first of them are new (seen on Emerald Rapids). */
EXEC(POPA)
{
    uint64_t v;

    for (unsigned n = 0; n < 8; n++) {
        if (!load_width(cpu, i, stack_pointer(cpu, (int64_t)n * i->width), i->width, &v))
            FAULT();
        if (n != 3)         /* the image of SP is skipped; the last pushed comes first */
            reg_set(cpu, REG_AT(7 - n), i->width, v);
    }
    stack_set_pointer(cpu, stack_pointer(cpu, 8 * (int64_t)i->width));
    NEXT();
}

/* ---- frames ---- */

/* Copy the outer frames' pointers for a nested procedure; *at is where the last push went. */
static bool push_display(struct cpu *cpu, const struct insn *i, unsigned level, uint64_t frame, uint64_t *at)
{
    uint64_t v, from = cpu->s.gpr[RBP];
    unsigned address = stack_bytes(cpu);

    for (unsigned n = 1; n < level; n++) {
        from = mask_size(from - i->width, address);
        *at = mask_size(*at - i->width, address);
        if (!load_width(cpu, i, from, i->width, &v))
            return false;
        if (!store_width(cpu, i, *at, i->width, v))
            return false;
    }
    *at = mask_size(*at - i->width, address);
    return store_width(cpu, i, *at, i->width, frame);
}

/* The new top of the stack must be writable, though nothing is written there (SDM 2A "ENTER"). */
static bool top_writable(struct cpu *cpu, const struct insn *i, uint64_t sp)
{
    return stack_linear_slow(cpu, i, sp, i->width, ACCESS_WRITE) && mem_aligned(cpu, i, cpu->slow_lin, i->width) &&
           mem_probe_write(cpu, i, cpu->slow_lin, i->width);
}

EXEC(ENTER)
{
    unsigned level = i->imm2 & 31;
    uint64_t before = cpu->s.gpr[RSP], frame, at;

    if (!push_width(cpu, i, i->width, reg_get(cpu, REG_AT(RBP), i->width)))
        FAULT();
    frame = in_64bit(cpu) ? cpu->s.gpr[RSP] : mask_size(cpu->s.gpr[RSP], i->width);      /* all of ESP, also on a 16-bit stack */
    at = stack_pointer(cpu, 0);
    if (level > 0 && !push_display(cpu, i, level, frame, &at))
        goto undo;
    at = mask_size(at - i->imm, stack_bytes(cpu));
    if (!top_writable(cpu, i, at))
        goto undo;
    stack_set_pointer(cpu, at);
    reg_set(cpu, REG_AT(RBP), i->width, frame);
    NEXT();
undo:
    cpu->s.gpr[RSP] = before;
    FAULT();
}

EXEC(LEAVE)
{
    uint64_t sp = mask_size(cpu->s.gpr[RBP], stack_bytes(cpu)), v;

    if (!load_width(cpu, i, sp, i->width, &v))
        FAULT();
    stack_set_pointer(cpu, sp + i->width);
    reg_set(cpu, REG_AT(RBP), i->width, v);
    NEXT();
}

/* ---- PUSHF, POPF ---- */

static bool virtual_8086(const struct cpu *cpu)
{
    return cpu->p.rflags & FLAG_VM;
}

static unsigned iopl(const struct cpu *cpu)
{
    return (unsigned)bits_get(cpu->p.rflags, 13, 12);
}

EXEC(PUSHF)
{
    uint32_t image = cpu_rflags(cpu) & ~(FLAG_VM | FLAG_RF);

    if (virtual_8086(cpu) && iopl(cpu) < 3) {
        if (!(cpu->p.cr4 & CR4_VME) || i->width != 2)
            RAISE_GP(0);
        image = (image & ~FLAG_IF) | FLAG_IOPL | (image & FLAG_VIF ? FLAG_IF : 0);
    }
    if (!push_width(cpu, i, i->width, image))
        FAULT();
    NEXT();
}

/* What POPF may change, by privilege (SDM 2B "POPF/POPFD/POPFQ", table "Effect of POPF/POPFD on the EFLAGS Register"). */
static uint32_t popf_mask(const struct cpu *cpu, unsigned width)
{
    uint32_t mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;

    if (cpu->p.cpl == 0 && !virtual_8086(cpu))
        mask |= FLAG_IOPL;
    if (cpu->p.cpl <= iopl(cpu))
        mask |= FLAG_IF;
    return width == 2 ? mask & 0xffff : mask;
}

/* Virtual-8086 mode with the virtual interrupt flag: IF goes to VIF, and what the monitor must see faults. */
static bool popf_virtual(struct cpu *cpu, const struct insn *i, uint32_t image, uint32_t *rflags)
{
    uint32_t mask = (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT) & 0xffff;

    if (!(cpu->p.cr4 & CR4_VME) || i->width != 2)
        return fault_gp(cpu, 0);
    if ((image & FLAG_TF) || ((image & FLAG_IF) && (*rflags & FLAG_VIP)))
        return fault_gp(cpu, 0);
    *rflags = (*rflags & ~(mask | FLAG_VIF)) | (image & mask) | (image & FLAG_IF ? FLAG_VIF : 0);
    return true;
}

EXEC(POPF)
{
    uint32_t rflags = cpu_rflags(cpu), mask = popf_mask(cpu, i->width);
    uint64_t image;

    if (virtual_8086(cpu) && iopl(cpu) < 3 && (!(cpu->p.cr4 & CR4_VME) || i->width != 2))
        RAISE_GP(0);
    if (!load_width(cpu, i, stack_pointer(cpu, 0), i->width, &image))
        FAULT();
    if (virtual_8086(cpu) && iopl(cpu) < 3) {
        if (!popf_virtual(cpu, i, (uint32_t)image, &rflags))
            FAULT();
    } else {
        rflags = (rflags & ~mask) | ((uint32_t)image & mask);
    }
    stack_set_pointer(cpu, stack_pointer(cpu, i->width));
    cpu_set_rflags(cpu, rflags & ~FLAG_RF);
    STOP();
}

insn_fn *exec_bind_stack(const struct cpu *cpu, const struct insn *i)
{
    if (!in_64bit(cpu) || i->width != 8 || FORM_KIND(i->form, 0) != KIND_REG)
        return NULL;
    return i->op == OP_PUSH ? PUSH_64_r : i->op == OP_POP ? POP_64_r : NULL;
}
