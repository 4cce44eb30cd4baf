/* SPDX-License-Identifier: MIT
 * The architectural state of a processor, split along TLFS 15.11: what every VTL has of its own (cpu_private) and what
 * all share (cpu_shared). Everything a guest can observe of a processor is in these two lists; everything else in
 * struct cpu is wiring or cache and may be dropped at any instruction. */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "base/bits.h"
#include "core/state.h"

/* What enforces control flow is private, as the MSRs of SYSCALL are: each VTL has a supervisor of its own. */

/* Segment arrays are indexed by enum seg. seg_attr is the descriptor's second doubleword's bits 23:8 as in VMX access
 * rights: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, and bit 16 "unusable" (null selector). seg_limit is in
 * bytes (granularity applied). */
#define CPU_PRIVATE_STATE(ONE, MANY)                                                        \
    ONE (u64, rip,          "instruction pointer")                                          \
    ONE (u64, rsp_parked,   "RSP while this VTL does not run; shared.gpr[RSP] is the live one") \
    ONE (u64, rflags,       "RFLAGS; its arithmetic bits are stale while flags are lazy")   \
    ONE (u64, cr0,          "CR0")                                                          \
    ONE (u64, cr3,          "CR3")                                                          \
    ONE (u64, cr4,          "CR4")                                                          \
    MANY(u64, pdpte, 4,     "PAE page-directory pointers, loaded with CR3")                 \
    ONE (u64, dr7,          "DR7")                                                          \
    MANY(u64, seg_base, 8,  "segment bases; SEG_TR and SEG_LDTR included")                  \
    ONE (u64, gdtr_base,    "GDTR base")                                                    \
    ONE (u64, idtr_base,    "IDTR base")                                                    \
    ONE (u64, efer,         "EFER")                                                         \
    ONE (u64, star,         "STAR")                                                         \
    ONE (u64, lstar,        "LSTAR")                                                        \
    ONE (u64, cstar,        "CSTAR")                                                        \
    ONE (u64, sfmask,       "SFMASK")                                                       \
    ONE (u64, kernel_gs_base, "KERNEL_GS_BASE")                                             \
    ONE (u64, sysenter_cs,  "IA32_SYSENTER_CS")                                             \
    ONE (u64, sysenter_esp, "IA32_SYSENTER_ESP")                                            \
    ONE (u64, sysenter_eip, "IA32_SYSENTER_EIP")                                            \
    ONE (u64, pat,          "IA32_PAT")                                                     \
    ONE (u64, tsc_aux,      "IA32_TSC_AUX")                                                 \
    ONE (u64, tsc_offset,   "added to the clock's TSC for this processor (WRMSR 10h)")      \
    ONE (u64, tsc_adjust,   "IA32_TSC_ADJUST")                                              \
    ONE (u64, misc_enable,  "IA32_MISC_ENABLE")                                             \
    ONE (u64, debugctl,     "IA32_DEBUGCTL")                                                \
    ONE (u64, feature_control, "IA32_FEATURE_CONTROL")                                      \
    ONE (u64, xss,          "IA32_XSS")                                                     \
    ONE (u64, pending_db,   "DR6 bits of a debug trap not yet delivered")                   \
    ONE (u64, spec_ctrl,    "IA32_SPEC_CTRL")                                               \
    ONE (u64, wait_tsc,     "CPU_MWAITING: TSC of the deadline")                            \
    ONE (u64, ssp,          "shadow stack pointer")                                         \
    ONE (u64, u_cet,        "IA32_U_CET")                                                   \
    ONE (u64, s_cet,        "IA32_S_CET")                                                   \
    MANY(u64, pl_ssp, 4,    "IA32_PL0_SSP to IA32_PL3_SSP")                                 \
    ONE (u64, ssp_table,    "IA32_INTERRUPT_SSP_TABLE_ADDR")                                \
    MANY(u32, seg_limit, 8, "segment limits in bytes")                                      \
    MANY(u32, seg_attr, 8,  "segment access rights")                                        \
    MANY(u16, seg_sel, 8,   "selectors")                                                    \
    ONE (u16, gdtr_limit,   "GDTR limit")                                                   \
    ONE (u16, idtr_limit,   "IDTR limit")                                                   \
    ONE (u8,  cpl,          "current privilege level")                                      \
    ONE (u8,  inhibit,      "1 STI shadow, 2 MOV SS shadow: counts for the next instruction only") \
    ONE (u8,  nmi_blocked,  "an NMI is being handled (until IRET)")                         \
    ONE (u8,  nmi_pending,  "an NMI waits")                                                 \
    ONE (u8,  activity,     "enum cpu_activity")                                            \
    ONE (u8,  init_pending, "an INIT waits")                                                \
    ONE (u8,  sipi_pending, "a start-up IPI waits; vector in sipi_vector")                  \
    ONE (u8,  sipi_vector,  "")                                                             \
    ONE (u8,  rep_resume,   "inside an interrupted repeated string instruction: no new instruction breakpoint") \
    ONE (u8,  wait,         "CPU_MWAITING: what ends it")                                   \
    MANY(u8,  reserved, 2,  "")
STATE_STRUCT(cpu_private, CPU_PRIVATE_STATE);
extern const struct state_schema cpu_private_schema;

#define CPU_SHARED_STATE(ONE, MANY)                                                         \
    MANY(u64, gpr, 17,      "RAX RCX RDX RBX RSP RBP RSI RDI R8-R15, then a slot that is always zero") \
    ONE (u64, cr2,          "CR2")                                                          \
    MANY(u64, dr, 4,        "DR0-DR3")                                                      \
    ONE (u64, dr6,          "DR6")                                                          \
    ONE (u64, xcr0,         "XCR0")                                                         \
    MANY(u64, zmm, 256,     "ZMM0-31, 8 quadwords each; XMM and YMM are their low parts")   \
    MANY(u64, k, 8,         "opmask registers")                                             \
    MANY(u64, fpr_mant, 8,  "x87 significands by physical register; MMX registers alias them") \
    ONE (u64, fpu_ip,       "last x87 instruction pointer (offset)")                        \
    ONE (u64, fpu_dp,       "last x87 data pointer (offset)")                               \
    MANY(u64, mtrr_var, 32, "variable-range MTRRs: base, mask pairs")                       \
    MANY(u64, mtrr_fixed, 11, "fixed-range MTRRs")                                          \
    ONE (u64, mtrr_def,     "IA32_MTRR_DEF_TYPE")                                           \
    ONE (u64, mcg_status,   "IA32_MCG_STATUS")                                              \
    MANY(u64, mc_bank, 40,  "machine-check banks: CTL STATUS ADDR MISC, 10 banks")          \
    ONE (u64, mcg_ctl,      "IA32_MCG_CTL")                                                 \
    MANY(u64, mc_ctl2, 10,  "IA32_MCi_CTL2")                                                \
    ONE (u64, retired,      "instructions retired by this processor")                       \
    ONE (u64, not_insns,    "of these: what took the time of one but is none (docs/determinism.md)") \
    MANY(u64, pmc, 8,       "general performance counters, 48 bits")                        \
    MANY(u64, pmc_select, 8, "IA32_PERFEVTSELx, or AMD's PERF_CTLx")                        \
    MANY(u64, pmc_fixed, 3, "IA32_FIXED_CTRx")                                              \
    ONE (u64, pmc_fixed_ctrl, "IA32_FIXED_CTR_CTRL")                                        \
    ONE (u64, pmc_global,   "IA32_PERF_GLOBAL_CTRL")                                        \
    ONE (u64, pmc_status,   "IA32_PERF_GLOBAL_STATUS")                                      \
    ONE (u64, branches,     "branches retired while a counter wanted to know")              \
    ONE (u64, pmc_seen_insns, "instructions retired when the counters were last brought up to date") \
    ONE (u64, pmc_seen_branches, "branches then")                                           \
    ONE (u64, pmc_seen_ns,  "virtual time then")                                            \
    MANY(u64, lbr_from, 32, "records of the last branches: source, destination, cycles since the one before") \
    MANY(u64, lbr_to, 32,   "")                                                             \
    MANY(u64, lbr_info, 32, "")                                                             \
    ONE (u64, lbr_select,   "MSR_LBR_SELECT")                                               \
    ONE (u64, lbr_top,      "number of the youngest record")                                \
    ONE (u64, lbr_seen_ns,  "virtual time when it was made")                                \
    ONE (u64, ler_from,     "the last branch before the last exception or interrupt")       \
    ONE (u64, ler_to,       "")                                                             \
    ONE (u64, rdrand,       "state of the seeded generator behind RDRAND and RDSEED")       \
    ONE (u64, monitor_gpa,  "address armed by MONITOR, ~0 when none")                       \
    ONE (u64, syscfg,       "SYSCFG (AMD)")                                                 \
    ONE (u64, hwcr,         "HWCR (AMD)")                                                   \
    ONE (u64, top_mem,      "TOP_MEM (AMD)")                                                \
    ONE (u64, top_mem2,     "TOP_MEM2 (AMD)")                                               \
    ONE (u64, nb_cfg,       "NB_CFG (AMD)")                                                 \
    ONE (u64, de_cfg,       "DE_CFG (AMD)")                                                 \
    ONE (u64, umwait_control, "IA32_UMWAIT_CONTROL")                                        \
    ONE (u64, power_ctl,    "MSR_POWER_CTL")                                                \
    ONE (u64, halted_ns,    "virtual time spent halted")                                    \
    ONE (u64, smbase,       "SMBASE")                                                       \
    ONE (u64, smi_count,    "SMIs taken since reset")                                       \
    MANY(u64, smi_io, 6,    "port access that raised the pending SMI: enum smi_io; all 0: none") \
    ONE (u32, pkru,         "PKRU")                                                         \
    ONE (u32, mxcsr,        "MXCSR")                                                        \
    MANY(u16, fpr_se, 8,    "x87 sign and exponent by physical register")                   \
    ONE (u16, fcw,          "x87 control word")                                             \
    ONE (u16, fsw,          "x87 status word, TOP in bits 13:11")                           \
    ONE (u16, fop,          "last x87 opcode, 11 bits")                                     \
    ONE (u16, fpu_cs,       "last x87 instruction selector")                                \
    ONE (u16, fpu_ds,       "last x87 data selector")                                       \
    ONE (u8,  ftag,         "x87 abridged tags by physical register: bit set = in use")     \
    ONE (u8,  vl_reserved,  "")                                                             \
    ONE (u8,  smm,          "in system-management mode")                                    \
    ONE (u8,  ignne,        "IGNNE# held: x87 errors with CR0.NE clear are ignored")        \
    ONE (u8,  smi_pending,  "an SMI waits")                                                 \
    ONE (u8,  mce_pending,  "a machine check waits; 2: it came during another, which is the end") \
    ONE (u8,  pmc_level,    "privilege level since the counters were last brought up to date") \
    ONE (u8,  pmc_asleep,   "whether it slept since, and before")                           \
    ONE (u8,  ferr,         "FERR# asserted: an unmasked x87 error was met by a waiting instruction")  \
    MANY(u8,  reserved, 5,  "")
STATE_STRUCT(cpu_shared, CPU_SHARED_STATE);
extern const struct state_schema cpu_shared_schema;

enum cpu_activity { CPU_RUNNING, CPU_HALTED, CPU_SHUTDOWN, CPU_WAIT_SIPI, CPU_MWAITING, CPU_SUSPENDED };

/* RFLAGS */
#define FLAG_CF   0x0001u
#define FLAG_PF   0x0004u
#define FLAG_AF   0x0010u
#define FLAG_ZF   0x0040u
#define FLAG_SF   0x0080u
#define FLAG_TF   0x0100u
#define FLAG_IF   0x0200u
#define FLAG_DF   0x0400u
#define FLAG_OF   0x0800u
#define FLAG_IOPL 0x3000u
#define FLAG_NT   0x4000u
#define FLAG_RF   0x10000u
#define FLAG_VM   0x20000u
#define FLAG_AC   0x40000u
#define FLAG_VIF  0x80000u
#define FLAG_VIP  0x100000u
#define FLAG_ID   0x200000u
#define FLAGS_DEFINED 0x3f7fd5u      /* all of the above */
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define CR0_PE 0x1u
#define CR0_MP 0x2u
#define CR0_EM 0x4u
#define CR0_TS 0x8u
#define CR0_ET 0x10u
#define CR0_NE 0x20u
#define CR0_WP 0x10000u
#define CR0_AM 0x40000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u

#define CR4_VME 0x1u
#define CR4_PVI 0x2u
#define CR4_TSD 0x4u
#define CR4_DE  0x8u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_MCE 0x40u
#define CR4_PGE 0x80u
#define CR4_PCE 0x100u
#define CR4_OSFXSR     0x200u
#define CR4_OSXMMEXCPT 0x400u
#define CR4_UMIP       0x800u
#define CR4_LA57       0x1000u
#define CR4_FSGSBASE   0x10000u
#define CR4_PCIDE      0x20000u
#define CR4_OSXSAVE    0x40000u
#define CR4_SMEP       0x100000u
#define CR4_SMAP       0x200000u
#define CR4_PKE        0x400000u
#define CR4_CET        0x800000u
#define CR4_LAM_SUP    0x10000000u

#define CR3_LAM_U57    BIT64(61)
#define CR3_LAM_U48    BIT64(62)

#define EFER_SCE 0x1u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

/* seg_attr */
#define SEG_TYPE     0x000fu
#define SEG_S        0x0010u
#define SEG_DPL_SHIFT 5
#define SEG_P        0x0080u
#define SEG_AVL      0x1000u
#define SEG_L        0x2000u
#define SEG_DB       0x4000u
#define SEG_G        0x8000u
#define SEG_UNUSABLE 0x10000u

#endif
