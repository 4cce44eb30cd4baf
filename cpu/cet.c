/* SPDX-License-Identifier: MIT */
#include "cpu/cet.h"

#include "cpu/mem.h"
#include "cpu/seg.h"

#define RESERVED_BITS   0x3c0u              /* of the control registers, always */
#define SHSTK_BITS      (CET_SH_STK_EN | CET_WR_SHSTK_EN)
#define BUSY            BIT64(0)
#define FRAME_BYTES     24u

static bool in_64bit(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64;
}

/* ---- control ---- */

uint64_t *cet_control(struct cpu *cpu, unsigned cpl)
{
    return cpl == 3 ? &cpu->p.u_cet : &cpu->p.s_cet;
}

/* ShadowStackEnabled(CPL) and EndbranchEnabled(CPL) of SDM 1 "Terminology". */
uint32_t cet_mode(const struct cpu *cpu, unsigned cpl)
{
    uint64_t control = cpl == 3 ? cpu->p.u_cet : cpu->p.s_cet;
    uint32_t mode = 0;

    if (!(cpu->p.cr4 & CR4_CET) || !(cpu->p.cr0 & CR0_PE))
        return 0;
    if (control & CET_SH_STK_EN)
        mode |= MODE_SHSTK;
    if (control & CET_ENDBR_EN)
        mode |= control & CET_TRACKER ? MODE_IBT | MODE_WAIT : MODE_IBT;
    return mode;
}

static bool wide_enough(const struct cpu *cpu, uint64_t value)
{
    return cpu_has(cpu, F_LM) ? cpu_canonical(cpu, value) : value >> 32 == 0;
}

/* SDM 4 IA32_U_CET, IA32_S_CET: suppressed and waiting at once is a state that cannot be. */
bool cet_control_allowed(const struct cpu *cpu, uint64_t value)
{
    uint64_t reserved = RESERVED_BITS;

    if (!cpu_has(cpu, F_CET_SS))
        reserved |= SHSTK_BITS;
    if (!cpu_has(cpu, F_CET_IBT))
        reserved |= ~(uint64_t)SHSTK_BITS;
    if ((value & reserved) || (value & (CET_SUPPRESS | CET_TRACKER)) == (CET_SUPPRESS | CET_TRACKER))
        return false;
    return wide_enough(cpu, value & PAGE_MASK);
}

bool cet_ssp_allowed(const struct cpu *cpu, uint64_t value)
{
    return !(value & 3) && wide_enough(cpu, value);
}

/* ---- the tracker ---- */

void cet_track_far(struct cpu *cpu, unsigned cpl)
{
    uint64_t *control = cet_control(cpu, cpl);

    if (cet_mode(cpu, cpl) & MODE_IBT)
        *control = (*control & ~CET_SUPPRESS) | CET_TRACKER;
}

void cet_endbranch(struct cpu *cpu)
{
    *cet_control(cpu, cpu->p.cpl) &= ~(CET_SUPPRESS | CET_TRACKER);
    cpu->mode &= ~(uint32_t)MODE_WAIT;
}

/* SDM 1 "Legacy Code Page Bitmap Format": one bit for each page of linear memory. */
static bool legacy_page(struct cpu *cpu, uint64_t control, bool *legacy)
{
    uint64_t lip = in_64bit(cpu) ? cpu->p.rip : (uint32_t)(cpu->code_base + cpu->p.rip), byte;

    if (in_64bit(cpu))
        lip &= bits_mask(cpu->p.cr4 & CR4_LA57 ? 57 : 48);
    if (!mem_load_level(cpu, (control & PAGE_MASK) + (lip >> 15), 1, &byte))
        return false;
    *legacy = byte >> (lip >> PAGE_SHIFT & 7) & 1;
    return true;
}

/* SDM 1 "Legacy Compatibility Treatment". INT3 and INT1 may stand in for the ENDBRANCH: what they raise goes first, and
 * the tracker goes on waiting. */
bool cet_arrive(struct cpu *cpu, const struct insn *i)
{
    uint64_t *control = cet_control(cpu, cpu->p.cpl);
    bool legacy = false;

    if (i->op == (in_64bit(cpu) ? OP_ENDBR64 : OP_ENDBR32) || i->op == OP_INT3 || i->op == OP_INT1)
        return true;
    if ((*control & CET_LEG_IW_EN) && !legacy_page(cpu, *control, &legacy))
        return false;
    if (!legacy)
        return fault_cp(cpu, CP_ENDBRANCH);
    cet_endbranch(cpu);
    if (!(*control & CET_SUPPRESS_DIS))
        *control |= CET_SUPPRESS;
    return true;
}

/* ---- shadow stacks in far transfers ---- */

/* Addresses have 32 bits outside 64-bit mode (SDM 1 "Shadow Stack Pointer and its Operand and Address Size Attributes"). */
static gva_t address(uint64_t ssp, bool wide)
{
    return wide ? ssp : (uint32_t)ssp;
}

struct shadow_change shadow_unchanged(const struct cpu *cpu)
{
    return (struct shadow_change){ .ssp = cpu->p.ssp, .pl3_ssp = cpu->p.pl_ssp[3] };
}

void shadow_commit(struct cpu *cpu, const struct shadow_change *c)
{
    cpu->p.ssp = c->ssp;
    cpu->p.pl_ssp[3] = c->pl3_ssp;
}

bool shadow_token(struct cpu *cpu, uint64_t ssp, bool wide, bool user, bool busy, bool *ok)
{
    uint64_t expected = busy ? ssp : ssp | BUSY, was;

    if (!mem_swap_shadow(cpu, address(ssp, wide), user, expected, expected ^ BUSY, &was))
        return false;
    *ok = was == expected;
    return true;
}

/* SDM 1 "Supervisor Shadow Stack Token": the token and the frame that may follow lie in 32 aligned bytes. */
static bool acquire(struct cpu *cpu, uint64_t ssp, bool wide, bool user)
{
    bool ok = !(ssp & 7) && !((ssp ^ (ssp - FRAME_BYTES)) & ~(uint64_t)31) && (wide || !(ssp >> 32));

    if (ok && !shadow_token(cpu, ssp, wide, user, true, &ok))
        return false;
    return ok || fault_gp(cpu, 0);
}

bool shadow_push_frame(struct cpu *cpu, uint64_t ssp, bool wide, bool user, const struct shadow_saved *v)
{
    return mem_store_shadow(cpu, address(ssp - 8, wide), 8, user, v->cs) &&
           mem_store_shadow(cpu, address(ssp - 16, wide), 8, user, v->lip) &&
           mem_store_shadow(cpu, address(ssp - 24, wide), 8, user, v->ssp);
}

bool shadow_read_frame(struct cpu *cpu, uint64_t ssp, struct shadow_saved *v)
{
    bool wide = in_64bit(cpu), user = cpu->p.cpl == 3;

    return mem_load_shadow(cpu, address(ssp + 16, wide), 8, user, &v->cs) &&
           mem_load_shadow(cpu, address(ssp + 8, wide), 8, user, &v->lip) &&
           mem_load_shadow(cpu, address(ssp, wide), 8, user, &v->ssp);
}

/* SDM 2A "CALL", LA_adjust: what lies beyond the widest linear address follows its top bit. */
static uint64_t saved_user_ssp(const struct cpu *cpu)
{
    if (!cpu_in_long_mode(cpu))
        return cpu->p.ssp;
    return (uint64_t)bits_sign(cpu->p.ssp, cpu_has(cpu, F_LA57) ? 57 : 48);
}

bool shadow_enter_inner(struct cpu *cpu, unsigned cpl, uint64_t ssp, bool to64, const struct shadow_frame *from,
                        struct shadow_change *c)
{
    struct shadow_saved saved = { .ssp = cpu->p.ssp, .lip = from->lip, .cs = from->cs };

    *c = shadow_unchanged(cpu);
    if ((cpu->mode & MODE_SHSTK) && cpu->p.cpl == 3)
        c->pl3_ssp = saved_user_ssp(cpu);
    if (!cet_shadow_stack(cpu, cpl))
        return true;
    if (!acquire(cpu, ssp, to64, false))
        return false;
    c->ssp = ssp;
    if (cpu->p.cpl == 3)
        return true;
    c->ssp -= FRAME_BYTES;
    return shadow_push_frame(cpu, ssp, to64, false, &saved);
}

bool shadow_enter_same(struct cpu *cpu, uint64_t ssp, bool token, bool to64, const struct shadow_frame *from,
                       struct shadow_change *c)
{
    struct shadow_saved saved = { .ssp = cpu->p.ssp, .lip = from->lip, .cs = from->cs };
    uint64_t aligned = ssp & ~(uint64_t)7;
    bool user = cpu->p.cpl == 3;

    *c = shadow_unchanged(cpu);
    if (!(cpu->mode & MODE_SHSTK))
        return true;
    c->ssp = aligned - FRAME_BYTES;
    return (!token || acquire(cpu, ssp, to64, user)) && mem_store_shadow(cpu, address(ssp - 4, to64), 4, user, 0) &&
           shadow_push_frame(cpu, aligned, to64, user, &saved);
}

bool shadow_narrow_ok(struct cpu *cpu, bool to64)
{
    return to64 || !(cpu->mode & MODE_SHSTK) || !(cpu->p.ssp >> 32) || fault_gp(cpu, 0);
}

/* The frame on top must be the one that leads to `to`; *next is the SSP it saved, *ssp moves past it. */
static bool pop_frame(struct cpu *cpu, const struct shadow_frame *to, uint64_t *ssp, uint64_t *next)
{
    struct shadow_saved v = { 0 };

    if (!shadow_read_frame(cpu, *ssp, &v))
        return false;
    *ssp += FRAME_BYTES;
    *next = v.ssp;
    return (shadow_same(&v, to) && !(v.ssp & 3)) || fault_cp(cpu, CP_FAR_RET);
}

/* SDM 2A "IRET", 2B "RET". The token of the shadow stack that is left is released, unless it is not one: at the same level
 * only IRET in IA-32e mode leaves one, namely that of an IST. */
bool shadow_return(struct cpu *cpu, unsigned cpl, bool to64, bool iret, const struct shadow_frame *to,
                   struct shadow_change *c)
{
    bool on = cpu->mode & MODE_SHSTK, same = cpl == cpu->p.cpl, released;
    uint64_t ssp = cpu->p.ssp, next = ssp;

    *c = shadow_unchanged(cpu);
    if (on && (ssp & 7))
        return fault_cp(cpu, CP_FAR_RET);
    if (on && (same || cpl != 3) && !pop_frame(cpu, to, &ssp, &next))
        return false;
    if (!same && cpl == 3)
        next = cpu->p.pl_ssp[3];
    if (cet_shadow_stack(cpu, cpl)) {
        if (to64 ? !cpu_canonical(cpu, next) : next >> 32)
            return fault_gp(cpu, 0);
        c->ssp = next;
    }
    if (!on || (same && (!iret || !cpu_in_long_mode(cpu) || next == ssp)))
        return true;
    return shadow_token(cpu, ssp, in_64bit(cpu), same && cpl == 3, false, &released);
}

bool shadow_table_entry(struct cpu *cpu, unsigned ist, uint64_t *ssp)
{
    return mem_load_system(cpu, cpu->p.ssp_table + 8 * ist, 8, ssp);
}

/* ---- fast system calls ---- */

/* From inner levels too the SSP goes to IA32_PL3_SSP: who calls from there has to keep it (SDM 2B "SYSCALL"). */
void cet_enter_kernel(struct cpu *cpu)
{
    if (cpu->mode & MODE_SHSTK)
        cpu->p.pl_ssp[3] = saved_user_ssp(cpu);
    if (cet_shadow_stack(cpu, 0))
        cpu->p.ssp = 0;
    cet_track_far(cpu, 0);
}

void cet_leave_kernel(struct cpu *cpu)
{
    if (cet_shadow_stack(cpu, 3))
        cpu->p.ssp = cpu->p.pl_ssp[3];
}
