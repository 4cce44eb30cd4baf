/* SPDX-License-Identifier: MIT
 * System-management mode: the way in. The way out is RSM. */
#ifndef CPU_SMM_H
#define CPU_SMM_H

#include "cpu/internal.h"

/* cpu_shared.smi_io, so that the handler can see which port access it is asked about, and have it run again. */
enum smi_io { SMI_IO_MISC, SMI_IO_RIP, SMI_IO_RCX, SMI_IO_RSI, SMI_IO_RDI, SMI_IO_ADDRESS };

/* An SMI waits that this processor may take now: not one inside SMM, nor one that waits to be started. */
static inline bool smm_wanted(const struct cpu *cpu)
{
    return cpu->s.smi_pending && !cpu->s.smm &&
           (cpu->p.activity == CPU_RUNNING || cpu->p.activity == CPU_HALTED || cpu->p.activity == CPU_MWAITING);
}

/* Between instructions: save the state and go to SMBASE + 8000h. Charges the time of one instruction. */
void smm_enter(struct cpu *cpu);

/* The access of IN, OUT, INS or OUTS to `port` raised the SMI that waits. Before the instruction's registers change. */
void smm_note_io(struct cpu *cpu, const struct insn *i, uint16_t port, gva_t lin);

#endif
