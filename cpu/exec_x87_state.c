/* SPDX-License-Identifier: MIT
 * x87 control instructions: control and status words, environment, full state, FWAIT. None touches the last-instruction
 * pointers except by loading them. */
#include "cpu/exec_x87.h"
#include "cpu/mem_area.h"

#define FCW_WRITABLE 0x1f3fu
#define FCW_ALWAYS   0x0040u

/* Non-waiting instructions: availability only, a waiting error stays. */
static bool available(struct cpu *cpu)
{
    return !(cpu->p.cr0 & (CR0_EM | CR0_TS)) || fault_raise(cpu, VEC_NM);
}

/* WAIT obeys CR0.MP together with TS, and ignores EM (SDM 3A "Device Not Available"). */
EXEC(FWAIT)
{
    if ((cpu->p.cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        RAISE(VEC_NM);
    if ((cpu->s.fsw & FSW_ES) && !x87_error_wait(cpu, i))
        FAULT();
    NEXT();
}

EXEC(FNOP)
{
    if (!x87_check(cpu, i))
        FAULT();
    x87_note(cpu, i);
    NEXT();
}

/* FNENI, FNDISI (8087) and FNSETPM (80287) do nothing since. */
EXEC(FNOP287)
{
    if (!available(cpu))
        FAULT();
    NEXT();
}

EXEC(FNINIT)
{
    if (!available(cpu))
        FAULT();
    x87_init(cpu);
    NEXT();
}

EXEC(FNCLEX)
{
    if (!available(cpu))
        FAULT();
    cpu->s.fsw &= (uint16_t)~(FSW_EXCEPTIONS | FSW_SF);
    x87_update_es(cpu);
    NEXT();
}

static void set_fcw(struct cpu *cpu, uint64_t v)
{
    cpu->s.fcw = (uint16_t)((v & FCW_WRITABLE) | FCW_ALWAYS);
    x87_update_es(cpu);
}

static void set_fsw(struct cpu *cpu, uint64_t v)
{
    cpu->s.fsw = (uint16_t)((v & ~(FSW_ES | FSW_B)) | (cpu->s.fsw & (FSW_ES | FSW_B)));
    x87_update_es(cpu);
}

EXEC(FLDCW)
{
    uint64_t v;

    if (!x87_check(cpu, i) || !ea_load(cpu, i, 2, &v))
        FAULT();
    set_fcw(cpu, v);
    NEXT();
}

EXEC(FNSTCW)
{
    if (!available(cpu) || !ea_store(cpu, i, 2, cpu->s.fcw))
        FAULT();
    NEXT();
}

EXEC(FNSTSW)
{
    if (!available(cpu))
        FAULT();
    if (i->opcode == 0xdf)
        reg_set(cpu, REG_AT(RAX), 2, cpu->s.fsw);
    else if (!ea_store(cpu, i, 2, cpu->s.fsw))
        FAULT();
    NEXT();
}

/* ---- environment: four layouts by operand size and mode (SDM 1 "Saving the x87 FPU's State with FSTENV/FNSTENV") ---- */

static bool real_layout(const struct cpu *cpu) { return !(cpu->p.cr0 & CR0_PE) || (cpu->p.rflags & FLAG_VM); }
static unsigned env_bytes(const struct insn *i) { return i->width == 2 ? 14 : 28; }

static void env_pack16(const struct cpu *cpu, uint8_t *to)
{
    const struct cpu_shared *s = &cpu->s;

    store16(to, s->fcw);
    store16(to + 2, s->fsw);
    store16(to + 4, x87_full_tags(cpu));
    if (real_layout(cpu)) {
        uint32_t ip = (uint32_t)s->fpu_ip + (uint32_t)s->fpu_cs * 16, dp = (uint32_t)s->fpu_dp + (uint32_t)s->fpu_ds * 16;

        store16(to + 6, (uint16_t)ip);
        store16(to + 8, (uint16_t)((ip >> 4 & 0xf000) | s->fop));
        store16(to + 10, (uint16_t)dp);
        store16(to + 12, (uint16_t)(dp >> 4 & 0xf000));
        return;
    }
    store16(to + 6, (uint16_t)s->fpu_ip);
    store16(to + 8, s->fpu_cs);
    store16(to + 10, (uint16_t)s->fpu_dp);
    store16(to + 12, s->fpu_ds);
}

/* The reserved upper halves are ones on every processor. */
static void env_pack32(const struct cpu *cpu, uint8_t *to)
{
    const struct cpu_shared *s = &cpu->s;

    store32(to, 0xffff0000u | s->fcw);
    store32(to + 4, 0xffff0000u | s->fsw);
    store32(to + 8, 0xffff0000u | x87_full_tags(cpu));
    if (real_layout(cpu)) {
        uint32_t ip = (uint32_t)s->fpu_ip + (uint32_t)s->fpu_cs * 16, dp = (uint32_t)s->fpu_dp + (uint32_t)s->fpu_ds * 16;

        store32(to + 12, 0xffff0000u | (ip & 0xffff));
        store32(to + 16, (ip >> 16 << 12) | s->fop);
        store32(to + 20, 0xffff0000u | (dp & 0xffff));
        store32(to + 24, dp >> 16 << 12);
        return;
    }
    store32(to + 12, (uint32_t)s->fpu_ip);
    store32(to + 16, (uint32_t)s->fop << 16 | s->fpu_cs);
    store32(to + 20, (uint32_t)s->fpu_dp);
    store32(to + 24, 0xffff0000u | s->fpu_ds);
}

/* Real-mode images hold linear addresses: they come back as offsets with a zero selector. */
static void env_unpack16(struct cpu *cpu, const uint8_t *from)
{
    struct cpu_shared *s = &cpu->s;
    bool real = real_layout(cpu);

    s->fpu_ip = load16(from + 6) | (real ? (uint32_t)(load16(from + 8) & 0xf000) << 4 : 0);
    s->fop = real ? load16(from + 8) & 0x7ff : 0;
    s->fpu_cs = real ? 0 : x87_selector(cpu, load16(from + 8));
    s->fpu_dp = load16(from + 10) | (real ? (uint32_t)(load16(from + 12) & 0xf000) << 4 : 0);
    s->fpu_ds = real ? 0 : x87_selector(cpu, load16(from + 12));
}

static void env_unpack32(struct cpu *cpu, const uint8_t *from)
{
    struct cpu_shared *s = &cpu->s;

    if (real_layout(cpu)) {
        s->fpu_ip = load16(from + 12) | (load32(from + 16) >> 12 & 0xffff) << 16;
        s->fop = load16(from + 16) & 0x7ff;
        s->fpu_dp = load16(from + 20) | (load32(from + 24) >> 12 & 0xffff) << 16;
        s->fpu_cs = s->fpu_ds = 0;
        return;
    }
    s->fpu_ip = load32(from + 12);
    s->fpu_cs = x87_selector(cpu, load16(from + 16));
    s->fop = load16(from + 18) & 0x7ff;
    s->fpu_dp = load32(from + 20);
    s->fpu_ds = x87_selector(cpu, load16(from + 24));
}

static void env_pack(const struct cpu *cpu, const struct insn *i, uint8_t *to)
{
    if (i->width == 2)
        env_pack16(cpu, to);
    else
        env_pack32(cpu, to);
}

static void env_unpack(struct cpu *cpu, const struct insn *i, const uint8_t *from)
{
    unsigned step = i->width == 2 ? 2 : 4;

    if (step == 2)
        env_unpack16(cpu, from);
    else
        env_unpack32(cpu, from);
    cpu->s.ftag = x87_abridge_tags(load16(from + 2 * step));
    cpu->s.fcw = (uint16_t)((load16(from) & FCW_WRITABLE) | FCW_ALWAYS);
    set_fsw(cpu, load16(from + step));
}

/* The area's linear address, when its ends are there. Alignment is that of the words that make up the environment. */
static bool area_open(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access, gva_t *lin)
{
    unsigned word = i->width == 2 ? 2 : 4;

    return ea_linear(cpu, i, word, access, lin) && mem_aligned(cpu, i, *lin, word) &&
           mem_probe_ends(cpu, i, *lin, word, bytes, access);
}

EXEC(FNSTENV)
{
    uint8_t env[28];
    gva_t lin;

    if (!available(cpu))
        FAULT();
    env_pack(cpu, i, env);
    if (!area_open(cpu, i, env_bytes(i), ACCESS_WRITE, &lin) || !mem_store_area(cpu, i, lin, env, env_bytes(i)))
        FAULT();
    cpu->s.fcw |= FSW_EXCEPTIONS;
    x87_update_es(cpu);
    NEXT();
}

EXEC(FLDENV)
{
    uint8_t env[28];
    gva_t lin;

    if (!x87_check(cpu, i) || !area_open(cpu, i, env_bytes(i), ACCESS_READ, &lin) ||
        !mem_load_area(cpu, i, lin, env, env_bytes(i)))
        FAULT();
    env_unpack(cpu, i, env);
    NEXT();
}

EXEC(FNSAVE)
{
    uint8_t image[108];
    unsigned env = env_bytes(i);
    gva_t lin;

    if (!available(cpu))
        FAULT();
    env_pack(cpu, i, image);
    for (unsigned st = 0; st < 8; st++) {
        struct fp80 v = x87_get(cpu, st);

        store64(image + env + 10 * st, v.mant);
        store16(image + env + 10 * st + 8, v.se);
    }
    if (!area_open(cpu, i, env + 80, ACCESS_WRITE, &lin) || !mem_store_area(cpu, i, lin, image, env + 80))
        FAULT();
    x87_init(cpu);
    NEXT();
}

EXEC(FRSTOR)
{
    uint8_t image[108];
    unsigned env = env_bytes(i);
    gva_t lin;

    if (!x87_check(cpu, i) || !area_open(cpu, i, env + 80, ACCESS_READ, &lin) ||
        !mem_load_area(cpu, i, lin, image, env + 80))
        FAULT();
    env_unpack(cpu, i, image);
    for (unsigned st = 0; st < 8; st++) {
        unsigned r = x87_phys(cpu, st);

        cpu->s.fpr_mant[r] = load64(image + env + 10 * st);
        cpu->s.fpr_se[r] = load16(image + env + 10 * st + 8);
    }
    NEXT();
}
