/* SPDX-License-Identifier: MIT
 * Control-flow Enforcement Technology (SDM 1, the chapter of that name): the indirect branch tracker, and what far
 * transfers and events do with shadow stacks. Shadow-stack memory itself is mem.c's, the instructions are exec_cet.c's.
 * A transfer makes its checks and its stores first and takes the new registers last, as the rest of cpu/ does. */
#ifndef CPU_CET_H
#define CPU_CET_H

#include "cpu/internal.h"

/* IA32_U_CET and IA32_S_CET. */
#define CET_SH_STK_EN    BIT64(0)
#define CET_WR_SHSTK_EN  BIT64(1)
#define CET_ENDBR_EN     BIT64(2)
#define CET_LEG_IW_EN    BIT64(3)
#define CET_NO_TRACK_EN  BIT64(4)
#define CET_SUPPRESS_DIS BIT64(5)
#define CET_SUPPRESS     BIT64(10)
#define CET_TRACKER      BIT64(11)      /* WAIT_FOR_ENDBRANCH */

/* Error codes of #CP (SDM 3A "Control Protection Exception (#CP)"). */
enum { CP_NEAR_RET = 1, CP_FAR_RET, CP_ENDBRANCH, CP_RSTORSSP, CP_SETSSBSY };

static inline bool fault_cp(struct cpu *cpu, uint32_t error)
{
    return fault_raise_error(cpu, VEC_CP, error);
}

/* ---- control ---- */

/* The control register of a level; MODE_SHSTK, MODE_IBT and MODE_WAIT as it gives them outside virtual-8086 mode. */
uint64_t *cet_control(struct cpu *cpu, unsigned cpl);
uint32_t  cet_mode(const struct cpu *cpu, unsigned cpl);
static inline bool cet_shadow_stack(const struct cpu *cpu, unsigned cpl)
{
    return cet_mode(cpu, cpl) & MODE_SHSTK;
}

/* What WRMSR and XRSTORS may load: into IA32_U_CET or IA32_S_CET, into IA32_PLx_SSP. */
bool cet_control_allowed(const struct cpu *cpu, uint64_t value);
bool cet_ssp_allowed(const struct cpu *cpu, uint64_t value);

/* ---- the tracker ---- */

/* A near indirect branch completed. */
static inline void cet_wait(struct cpu *cpu)
{
    *cet_control(cpu, cpu->p.cpl) |= CET_TRACKER;
    cpu->mode |= MODE_WAIT;
}

/* A far transfer or event completed and left level cpl running; cpu_mode_changed() has to follow. */
void cet_track_far(struct cpu *cpu, unsigned cpl);

/* ENDBR32 or ENDBR64 in the mode it is for. */
void cet_endbranch(struct cpu *cpu);

/* The tracker waits and this instruction comes next; false: #CP, or the fault of looking it up in the legacy code page
 * bitmap, is recorded. */
bool cet_arrive(struct cpu *cpu, const struct insn *i);

/* ---- shadow stacks in far transfers ---- */

/* Where execution comes from or goes to, as a shadow stack keeps it. */
struct shadow_frame {
    uint16_t cs;
    uint64_t lip;           /* CS base + RIP */
};

/* What becomes of the registers when the transfer is sure. */
struct shadow_change {
    uint64_t ssp, pl3_ssp;
};

struct shadow_change shadow_unchanged(const struct cpu *cpu);
void shadow_commit(struct cpu *cpu, const struct shadow_change *c);

/* To an inner level: leave the shadow stack of this one and acquire the one whose token is at `ssp`. */
bool shadow_enter_inner(struct cpu *cpu, unsigned cpl, uint64_t ssp, bool to64, const struct shadow_frame *from,
                        struct shadow_change *c);
/* A far call or event at this level; with `token` to the other shadow stack whose token is at `ssp`. */
bool shadow_enter_same(struct cpu *cpu, uint64_t ssp, bool token, bool to64, const struct shadow_frame *from,
                       struct shadow_change *c);
/* Far RET, or IRET, to level cpl. */
bool shadow_return(struct cpu *cpu, unsigned cpl, bool to64, bool iret, const struct shadow_frame *to,
                   struct shadow_change *c);
/* To legacy or compatibility mode the SSP must be below 4 GiB; else #GP(0). */
bool shadow_narrow_ok(struct cpu *cpu, bool to64);

/* IA32_INTERRUPT_SSP_TABLE_ADDR's entry for an IST. */
bool shadow_table_entry(struct cpu *cpu, unsigned ist, uint64_t *ssp);

/* The three values that a far call leaves below ssp, and reading them back from there. */
struct shadow_saved { uint64_t ssp, lip, cs; };
bool shadow_push_frame(struct cpu *cpu, uint64_t ssp, bool wide, bool user, const struct shadow_saved *v);
bool shadow_read_frame(struct cpu *cpu, uint64_t ssp, struct shadow_saved *v);
static inline bool shadow_same(const struct shadow_saved *v, const struct shadow_frame *f)
{
    return v->cs == f->cs && v->lip == f->lip;
}

/* Set or clear the busy bit of the supervisor shadow-stack token at ssp. *ok: it was there, with the bit as it should be. */
bool shadow_token(struct cpu *cpu, uint64_t ssp, bool wide, bool user, bool busy, bool *ok);

/* What SYSCALL and SYSENTER do before the level changes to 0, SYSRET and SYSEXIT when it is 3. */
void cet_enter_kernel(struct cpu *cpu);
void cet_leave_kernel(struct cpu *cpu);

#endif
