/* SPDX-License-Identifier: MIT
 * System-management mode (SDM 3C "System Management Mode", APM 2 "System-Management Mode"): entry, RSM, and the three formats
 * of the state-save area as rows. What a format does not document is kept in its reserved places, as processors do. */
#include "cpu/smm.h"

#include "cpu/control.h"
#include "cpu/event.h"
#include "cpu/monitor.h"
#include "cpu/seg.h"

#define SAVE_AREA       0x8000u         /* offsets of the rows count from SMBASE + 8000h, where the handler begins */
#define RESTART         0xffu           /* "I/O Instruction Restart": the field's value that asks for it */

/* The lowest `bytes` of a field of struct cpu; loaded, they fill `field` bytes of it. */
struct row {
    uint16_t at;
    uint8_t  bytes, field;
    uint16_t offset;
};
#define FIELD(at, bytes, f)     { at, bytes, sizeof(((struct cpu *)NULL)->f), offsetof(struct cpu, f) }
#define UPPER(at, f)            { at, 4, 4, offsetof(struct cpu, f) + 4 }       /* behind the row of the lower half */
#define GPR(at, bytes, r)       FIELD(at, bytes, s.gpr[r])
#define SEGMENT(at, s)          FIELD(at, 2, p.seg_sel[s]), FIELD(at + 2, 2, p.seg_attr[s]), \
                                FIELD(at + 4, 4, p.seg_limit[s]), FIELD(at + 8, 8, p.seg_base[s])
#define CACHE(at, s)            FIELD(at, 8, p.seg_base[s]), FIELD(at + 8, 4, p.seg_limit[s]), FIELD(at + 12, 4, p.seg_attr[s])

/* APM 2 table "AMD64 Architecture SMM State-Save Area". */
static const struct row amd64[] = {
    SEGMENT(0x7e00, SEG_ES), SEGMENT(0x7e10, SEG_CS), SEGMENT(0x7e20, SEG_SS), SEGMENT(0x7e30, SEG_DS),
    SEGMENT(0x7e40, SEG_FS), SEGMENT(0x7e50, SEG_GS), SEGMENT(0x7e70, SEG_LDTR), SEGMENT(0x7e90, SEG_TR),
    FIELD(0x7e64, 2, p.gdtr_limit), FIELD(0x7e68, 8, p.gdtr_base), FIELD(0x7e84, 2, p.idtr_limit), FIELD(0x7e88, 8, p.idtr_base),
    FIELD(0x7ea0, 8, s.smi_io[SMI_IO_RIP]), FIELD(0x7ea8, 8, s.smi_io[SMI_IO_RCX]), FIELD(0x7eb0, 8, s.smi_io[SMI_IO_RSI]),
    FIELD(0x7eb8, 8, s.smi_io[SMI_IO_RDI]), FIELD(0x7eca, 1, p.nmi_blocked), FIELD(0x7ecc, 4, p.pending_db),
    FIELD(0x7ed0, 8, p.efer), FIELD(0x7f00, 4, s.smbase), FIELD(0x7f18, 8, p.ssp),
    FIELD(0x7f48, 8, p.cr4), FIELD(0x7f50, 8, p.cr3),
    FIELD(0x7f58, 8, p.cr0), FIELD(0x7f60, 8, p.dr7), FIELD(0x7f68, 8, s.dr6), FIELD(0x7f70, 8, p.rflags),
    FIELD(0x7f78, 8, p.rip), GPR(0x7f80, 8, R15), GPR(0x7f88, 8, R14), GPR(0x7f90, 8, R13), GPR(0x7f98, 8, R12),
    GPR(0x7fa0, 8, R11), GPR(0x7fa8, 8, R10), GPR(0x7fb0, 8, R9), GPR(0x7fb8, 8, R8), GPR(0x7fc0, 8, RDI), GPR(0x7fc8, 8, RSI),
    GPR(0x7fd0, 8, RBP), GPR(0x7fd8, 8, RSP), GPR(0x7fe0, 8, RBX), GPR(0x7fe8, 8, RDX), GPR(0x7ff0, 8, RCX), GPR(0x7ff8, 8, RAX),
};

/* SDM 3C table "SMRAM State Save Map for Intel 64 Architecture"; 7C00h-7CA7h are reserved there. */
static const struct row intel64[] = {
    CACHE(0x7c00, SEG_ES), CACHE(0x7c10, SEG_CS), CACHE(0x7c20, SEG_SS), CACHE(0x7c30, SEG_DS), CACHE(0x7c40, SEG_FS),
    CACHE(0x7c50, SEG_GS), CACHE(0x7c60, SEG_LDTR), CACHE(0x7c70, SEG_TR),
    FIELD(0x7c80, 8, s.smi_io[SMI_IO_RCX]), FIELD(0x7c88, 8, s.smi_io[SMI_IO_RSI]), FIELD(0x7c90, 8, s.smi_io[SMI_IO_RDI]),
    FIELD(0x7c98, 4, p.pending_db), FIELD(0x7c9c, 1, p.nmi_blocked),
    FIELD(0x7e8c, 4, p.gdtr_base), UPPER(0x7dd0, p.gdtr_base), FIELD(0x7e90, 2, p.gdtr_limit),
    FIELD(0x7e94, 4, p.idtr_base), UPPER(0x7dd8, p.idtr_base), FIELD(0x7e98, 2, p.idtr_limit), FIELD(0x7ec8, 8, p.ssp),
    FIELD(0x7de8, 8, s.smi_io[SMI_IO_RIP]), FIELD(0x7e40, 8, p.cr4), FIELD(0x7ef8, 4, s.smbase),
    GPR(0x7f1c, 8, R15), GPR(0x7f24, 8, R14), GPR(0x7f2c, 8, R13), GPR(0x7f34, 8, R12), GPR(0x7f3c, 8, R11), GPR(0x7f44, 8, R10),
    GPR(0x7f4c, 8, R9), GPR(0x7f54, 8, R8), GPR(0x7f5c, 8, RAX), GPR(0x7f64, 8, RCX), GPR(0x7f6c, 8, RDX), GPR(0x7f74, 8, RBX),
    GPR(0x7f7c, 8, RSP), GPR(0x7f84, 8, RBP), GPR(0x7f8c, 8, RSI), GPR(0x7f94, 8, RDI),
    FIELD(0x7f9c, 8, s.smi_io[SMI_IO_ADDRESS]), FIELD(0x7fa4, 4, s.smi_io[SMI_IO_MISC]),
    FIELD(0x7fa8, 4, p.seg_sel[SEG_ES]), FIELD(0x7fac, 4, p.seg_sel[SEG_CS]), FIELD(0x7fb0, 4, p.seg_sel[SEG_SS]),
    FIELD(0x7fb4, 4, p.seg_sel[SEG_DS]), FIELD(0x7fb8, 4, p.seg_sel[SEG_FS]), FIELD(0x7fbc, 4, p.seg_sel[SEG_GS]),
    FIELD(0x7fc0, 4, p.seg_sel[SEG_LDTR]), FIELD(0x7fc4, 4, p.seg_sel[SEG_TR]), FIELD(0x7fc8, 8, p.dr7), FIELD(0x7fd0, 8, s.dr6),
    FIELD(0x7fd8, 8, p.rip), FIELD(0x7fe0, 8, p.efer), FIELD(0x7fe8, 8, p.rflags), FIELD(0x7ff0, 8, p.cr3), FIELD(0x7ff8, 8, p.cr0),
};

/* SDM 3C table "SMRAM State Save Map"; 7E00h-7EF7h are reserved there. */
static const struct row legacy[] = {
    CACHE(0x7e00, SEG_ES), CACHE(0x7e10, SEG_CS), CACHE(0x7e20, SEG_SS), CACHE(0x7e30, SEG_DS), CACHE(0x7e40, SEG_FS),
    CACHE(0x7e50, SEG_GS), CACHE(0x7e60, SEG_LDTR), CACHE(0x7e70, SEG_TR), FIELD(0x7e80, 4, p.cr4), FIELD(0x7e84, 4, p.pending_db),
    FIELD(0x7e88, 4, p.gdtr_base), FIELD(0x7e8c, 2, p.gdtr_limit), FIELD(0x7e90, 4, p.idtr_base), FIELD(0x7e94, 2, p.idtr_limit),
    FIELD(0x7e98, 1, p.nmi_blocked), FIELD(0x7e9c, 4, p.efer), FIELD(0x7ea0, 4, s.smi_io[SMI_IO_RIP]),
    FIELD(0x7ea4, 4, s.smi_io[SMI_IO_RCX]), FIELD(0x7ea8, 4, s.smi_io[SMI_IO_RSI]), FIELD(0x7eac, 4, s.smi_io[SMI_IO_RDI]),
    FIELD(0x7ef8, 4, s.smbase), FIELD(0x7fa0, 4, s.smi_io[SMI_IO_ADDRESS]), FIELD(0x7fa4, 4, s.smi_io[SMI_IO_MISC]),
    FIELD(0x7fa8, 4, p.seg_sel[SEG_ES]), FIELD(0x7fac, 4, p.seg_sel[SEG_CS]), FIELD(0x7fb0, 4, p.seg_sel[SEG_SS]),
    FIELD(0x7fb4, 4, p.seg_sel[SEG_DS]), FIELD(0x7fb8, 4, p.seg_sel[SEG_FS]), FIELD(0x7fbc, 4, p.seg_sel[SEG_GS]),
    FIELD(0x7fc0, 4, p.seg_sel[SEG_LDTR]), FIELD(0x7fc4, 4, p.seg_sel[SEG_TR]), FIELD(0x7fc8, 4, p.dr7), FIELD(0x7fcc, 4, s.dr6),
    GPR(0x7fd0, 4, RAX), GPR(0x7fd4, 4, RCX), GPR(0x7fd8, 4, RDX), GPR(0x7fdc, 4, RBX), GPR(0x7fe0, 4, RSP), GPR(0x7fe4, 4, RBP),
    GPR(0x7fe8, 4, RSI), GPR(0x7fec, 4, RDI), FIELD(0x7ff0, 4, p.rip), FIELD(0x7ff4, 4, p.rflags), FIELD(0x7ff8, 4, p.cr3),
    FIELD(0x7ffc, 4, p.cr0),
};

/* Revision: bit 16 I/O instruction restart, bit 17 SMBASE relocation; below them the format. */
struct format {
    const struct row *rows;
    uint8_t  nrows, flag_bytes;         /* how wide the two fields for the handler's wishes are */
    bool     fixed_revision;            /* RSM refuses another */
    uint16_t halt_at, restart_at, trap_at;      /* trap_at: APM's form of SMI_IO_MISC, 0 if there is none */
    uint32_t revision;
};
#define REVISION_AT 0x7efc
static const struct format formats[] = {
    { amd64,   COUNT_OF(amd64),   1, true,  0x7ec9, 0x7ec8, 0x7ec0, 0x30064 },
    { intel64, COUNT_OF(intel64), 2, false, 0x7f02, 0x7f00, 0,      0x30006 },
    { legacy,  COUNT_OF(legacy),  2, false, 0x7f02, 0x7f00, 0,      0x30000 },
};

static const struct format *format_of(const struct cpu *cpu)
{
    return &formats[!cpu_has(cpu, F_LM) ? 2 : cpu->config.smm_intel64 ? 1 : 0];
}

/* ---- the area ---- */

static gpa_t place(const struct cpu *cpu, unsigned at)
{
    return cpu->s.smbase + SAVE_AREA + at;
}

static uint64_t area_read(struct cpu *cpu, unsigned at, unsigned bytes)
{
    return space_read(cpu->memory, place(cpu, at), bytes);
}

static void area_write(struct cpu *cpu, unsigned at, unsigned bytes, uint64_t value)
{
    space_write(cpu->memory, place(cpu, at), bytes, value);
}

/* ---- the port access behind an SMI ---- */

enum { IO_SMI = 1, IO_LENGTH_SHIFT = 1, IO_IN = 0x10, IO_STRING = 0x20, IO_REP = 0x40, IO_IMMEDIATE = 0x80, IO_PORT_SHIFT = 16 };
#define TRAP_VALID 2u

/* SDM 3C "SMM Save State Area: I/O State Field". */
void smm_note_io(struct cpu *cpu, const struct insn *i, uint16_t port, gva_t lin)
{
    bool string = i->op == OP_INS || i->op == OP_OUTS, in = i->op == OP_IN || i->op == OP_INS;
    unsigned slot = in ? 1 : 0;
    uint64_t *io = cpu->s.smi_io;

    io[SMI_IO_MISC] = IO_SMI | (uint64_t)i->width << IO_LENGTH_SHIFT | (in ? IO_IN : 0) | (uint64_t)port << IO_PORT_SHIFT;
    if (string)
        io[SMI_IO_MISC] |= IO_STRING | (i->flags & (INSN_REP | INSN_REPNE) ? IO_REP : 0);
    else if (FORM_KIND(i->form, slot) == KIND_IMM)
        io[SMI_IO_MISC] |= IO_IMMEDIATE;
    io[SMI_IO_RIP] = rip_of(cpu, i);
    io[SMI_IO_RCX] = cpu->s.gpr[RCX];
    io[SMI_IO_RSI] = cpu->s.gpr[RSI];
    io[SMI_IO_RDI] = cpu->s.gpr[RDI];
    io[SMI_IO_ADDRESS] = lin;
}

/* APM 2 "SMM I/O Trap Offset": type, valid, string, repeated, one bit for each size, port. */
static uint32_t trap_offset(uint64_t misc)
{
    if (!(misc & IO_SMI))
        return 0;
    return (misc & IO_IN ? 1u : 0) | TRAP_VALID | (misc & IO_STRING ? 4u : 0) | (misc & IO_REP ? 8u : 0) |
           (uint32_t)(misc >> IO_LENGTH_SHIFT & 7) << 4 | (uint32_t)(misc >> IO_PORT_SHIFT) << IO_PORT_SHIFT;
}

/* ---- entry ---- */

static void save(struct cpu *cpu, const struct format *format, bool halted)
{
    for (unsigned k = 0; k < format->nrows; k++) {
        const struct row *r = &format->rows[k];
        unsigned bytes = r->bytes < r->field ? r->bytes : r->field;

        area_write(cpu, r->at, r->bytes, load_bytes((const uint8_t *)cpu + r->offset, bytes));
    }
    area_write(cpu, format->halt_at, format->flag_bytes, halted);
    area_write(cpu, format->restart_at, format->flag_bytes, 0);
    if (format->trap_at != 0)
        area_write(cpu, format->trap_at, 4, trap_offset(cpu->s.smi_io[SMI_IO_MISC]));
    area_write(cpu, REVISION_AT, 4, format->revision);
}

/* SDM 3C table "Processor Register Initialization in SMM". */
static void enter_segments(struct cpu *cpu)
{
    static const uint32_t data_attr = 0x8093, code_attr = 0x809b;

    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++) {
        cpu->p.seg_sel[seg] = 0;
        cpu->p.seg_base[seg] = 0;
        cpu->p.seg_limit[seg] = 0xffffffff;
        cpu->p.seg_attr[seg] = data_attr;
    }
    cpu->p.seg_sel[SEG_CS] = (uint16_t)(cpu->s.smbase >> 4);
    cpu->p.seg_base[SEG_CS] = cpu->s.smbase;
    cpu->p.seg_attr[SEG_CS] = code_attr;
}

static void enter_state(struct cpu *cpu)
{
    enter_segments(cpu);
    cpu->p.rip = 0x8000;
    cpu->p.cr0 &= ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    cpu->p.cr4 = cpu->p.efer = 0;
    cpu->p.dr7 = 0x400;
    cpu->p.cpl = 0;
    cpu->p.pending_db = 0;
    cpu->p.rep_resume = 0;
    cpu->p.nmi_blocked = 1;             /* "NMI Handling While in SMM": until IRET or RSM */
    cpu->p.activity = CPU_RUNNING;
    monitor_disarm(cpu);
    memset(cpu->s.smi_io, 0, sizeof cpu->s.smi_io);
    cpu_set_rflags(cpu, 2);
}

void smm_enter(struct cpu *cpu)
{
    bool halted = cpu->p.activity == CPU_HALTED;

    cpu->p.rflags = cpu_rflags(cpu) | (cpu->p.rep_resume ? FLAG_RF : 0);
    cpu->s.smi_pending = 0;
    cpu->s.smm = 1;
    cpu->stats.smis = ++cpu->s.smi_count;
    cpu_memory_changed(cpu);
    save(cpu, format_of(cpu), halted);
    enter_state(cpu);
    cpu_mode_changed(cpu);
    cpu_charge(cpu, 1);
}

/* ---- RSM ---- */

static void load(struct cpu *cpu, const struct format *format)
{
    gpa_t base = place(cpu, 0);

    for (unsigned k = 0; k < format->nrows; k++) {
        const struct row *r = &format->rows[k];

        store_bytes((uint8_t *)cpu + r->offset, r->field, space_read(cpu->memory, base + r->at, r->bytes));
    }
}

/* Segments whose rights do not say "present" were null. */
static void fix_segments(struct cpu *cpu)
{
    for (unsigned seg = 0; seg < SEG_COUNT; seg++) {
        cpu->p.seg_attr[seg] &= 0xf0ff;
        if (!(cpu->p.seg_attr[seg] & SEG_P))
            cpu->p.seg_attr[seg] |= SEG_UNUSABLE;
    }
    cpu->p.cpl = cpu_in_real_mode(cpu) ? 0 : cpu_in_v86(cpu) ? 3 : (uint8_t)attr_dpl(cpu->p.seg_attr[SEG_SS]);
}

/* LMA follows the others, whatever the handler left there. */
static void fix_efer(struct cpu *cpu)
{
    bool wide = (cpu->p.efer & EFER_LME) && (cpu->p.cr0 & CR0_PG);

    cpu->p.efer = wide ? cpu->p.efer | EFER_LMA : cpu->p.efer & ~(uint64_t)EFER_LMA;
}

/* SDM 3C "Exiting From SMM", APM 2 "Leaving SMM": what sends RSM into shutdown. The register bits as loaded. */
static bool state_valid(const struct cpu *cpu)
{
    uint64_t cr0 = cpu->p.cr0, cr4 = cpu->p.cr4, efer = cpu->p.efer;
    bool paging = cr0 & CR0_PG;

    if (cr0 >> 32 || (paging && !(cr0 & CR0_PE)) || ((cr0 & CR0_NW) && !(cr0 & CR0_CD)))
        return false;
    if ((cr4 & ~control_cr4_bits(cpu)) || (efer & ~control_efer_bits(cpu)) || cpu->p.dr7 >> 32 || cpu->s.dr6 >> 32)
        return false;
    if ((cr4 & CR4_CET) && !(cr0 & CR0_WP))
        return false;
    if (efer & EFER_LMA)
        return (cr4 & CR4_PAE) && !(cpu->p.cr3 & ~control_cr3_bits(cpu)) &&
               (cpu->p.seg_attr[SEG_CS] & (SEG_L | SEG_DB)) != (SEG_L | SEG_DB);
    return !(cr4 & CR4_PCIDE);
}

/* "I/O Instruction Restart": the handler wants the access to happen again. */
static void restart_io(struct cpu *cpu)
{
    cpu->p.rip = cpu->s.smi_io[SMI_IO_RIP];
    cpu->s.gpr[RCX] = cpu->s.smi_io[SMI_IO_RCX];
    cpu->s.gpr[RSI] = cpu->s.smi_io[SMI_IO_RSI];
    cpu->s.gpr[RDI] = cpu->s.smi_io[SMI_IO_RDI];
}

static bool pdptes_valid(struct cpu *cpu)
{
    bool pae = (cpu->p.cr0 & CR0_PG) && (cpu->p.cr4 & CR4_PAE) && !cpu_in_long_mode(cpu);

    return !pae || mmu_load_pdptes(cpu, cpu->p.cr3);
}

/* Back to what the area says; false: shutdown. */
static bool leave(struct cpu *cpu, const struct format *format)
{
    bool halted = area_read(cpu, format->halt_at, 1) & 1, restart = area_read(cpu, format->restart_at, 1) == RESTART;
    bool known = area_read(cpu, REVISION_AT, 4) == format->revision;
    bool trapped = format->trap_at != 0 && area_read(cpu, format->trap_at, 4) & TRAP_VALID;

    load(cpu, format);
    trapped |= cpu->s.smi_io[SMI_IO_MISC] & IO_SMI;
    fix_segments(cpu);
    fix_efer(cpu);
    cpu->s.smm = 0;
    cpu_memory_changed(cpu);
    if ((format->fixed_revision && !known) || !state_valid(cpu) || !pdptes_valid(cpu))
        return false;
    if (restart && trapped)
        restart_io(cpu);
    memset(cpu->s.smi_io, 0, sizeof cpu->s.smi_io);
    if (halted)                             /* "Auto HALT Restart" */
        cpu->p.activity = CPU_HALTED;
    return true;
}

static void normalise(struct cpu *cpu)
{
    cpu->p.cr0 = (cpu->p.cr0 & CR0_BITS) | CR0_ET;
    cpu->p.dr7 = (cpu->p.dr7 & 0xffff23ff) | 0x400;
    cpu->s.dr6 = (cpu->s.dr6 & 0xe00f) | 0xffff0ff0;
    cpu->p.nmi_blocked &= 1;
    cpu_set_rflags(cpu, (uint32_t)cpu->p.rflags & FLAGS_DEFINED);
    cpu->attention |= ATTEND_SMI | ATTEND_INIT | ATTEND_NMI | ATTEND_INTR | ATTEND_DEBUG;
}

EXEC(RSM)
{
    bool ok;

    if (!cpu->s.smm)
        RAISE_UD();
    cpu_sync(cpu, i);
    ok = leave(cpu, format_of(cpu));
    normalise(cpu);
    cpu_mode_changed(cpu);
    if (!ok)
        event_shut_down(cpu, "RSM with invalid state");
    STOP_AT(cpu->p.rip);
}
