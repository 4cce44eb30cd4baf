/* SPDX-License-Identifier: MIT */
#include "cpu/jit/internal.h"

bool jit_jumps(unsigned op)
{
    return op_then[op] == FALLS || (op >= OP_JCC && op <= OP_JRCXZ);
}

bool jit_keeps_flags(unsigned op)
{
    switch (op) {
    case OP_STOS: case OP_MOVS: case OP_SWAPGS: case OP_MOV_FROM_SEG: case OP_RDFSBASE: case OP_RDGSBASE: case OP_WRFSBASE:
    case OP_WRGSBASE: case OP_CPUID: case OP_RDMSR: case OP_WRMSR: case OP_RDTSC: case OP_RDTSCP: case OP_VMCALL: case OP_VMMCALL:
    case OP_RDPKRU: case OP_XSAVE: case OP_XSAVEC: case OP_XSAVES: case OP_XRSTOR: case OP_XRSTORS:
        return true;
    default:
        return op_flags_read[op] == 0 && op_flags_written[op] == 0 &&
               ((op >= OP_FADD && op <= OP_FNSAVE) || (op >= OP_EMMS && op < OP_COUNT));
    }
}

unsigned jit_condition_flags(unsigned cc)
{
    static const uint16_t flags[8] = {
        FLAG_OF, FLAG_CF, FLAG_ZF, FLAG_CF | FLAG_ZF, FLAG_SF, FLAG_PF, FLAG_SF | FLAG_OF, FLAG_ZF | FLAG_SF | FLAG_OF,
    };

    return flags[cc >> 1 & 7];
}

bool jit_vector_alone(const struct insn *i)
{
    switch (i->op) {
    case OP_MOV_ALIGNED: case OP_MOV_UNALIGNED: case OP_MOV_STORE32: case OP_MOV_STORE64: case OP_MOV_STOREHIGH: case OP_MOVQ_WV:
    case OP_MOVD_VE: case OP_PINSRB: case OP_PINSRW: case OP_PINSRD: case OP_CVTSI2SS: case OP_CVTSI2SD: case OP_UCOMISS:
    case OP_UCOMISD: case OP_COMISS: case OP_COMISD: case OP_PTEST:
    case OP_FADD: case OP_FMUL: case OP_FSUB: case OP_FSUBR: case OP_FDIV: case OP_FDIVR: case OP_FLD: case OP_FST: case OP_FSTP:
    case OP_FILD: case OP_FISTP: case OP_FXCH: case OP_FCHS: case OP_FABS: case OP_FSQRT: case OP_FLDCW: case OP_FNSTCW:
        return true;
    default:
        return backend_vector_alone(i->op);
    }
}

/* Does i leave general register n alone? Instructions not named here may do anything. */
bool jit_leaves(const struct insn *i, unsigned n)
{
    if (jit_vector_alone(i))
        return true;
    switch (i->op) {
    case OP_CMP: case OP_TEST: case OP_BT: case OP_NOP: case OP_ENDBR64: case OP_JCC: case OP_JMP: case OP_JMP_IND:
        return true;
    case OP_PUSH: case OP_CALL: case OP_CALL_IND: case OP_RET:
        return n != RSP;
    case OP_POP:
        return n != RSP && !(FORM_KIND(i->form, 0) == KIND_REG && guest_number(i->o[0]) == n);
    case OP_MUL: case OP_IMUL1: case OP_DIV: case OP_IDIV: case OP_CWD: case OP_CBW:
        return n != RAX && n != RDX;
    case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_INC: case OP_DEC: case OP_NEG:
    case OP_NOT: case OP_SHL: case OP_SHR: case OP_SAR: case OP_ROL: case OP_ROR: case OP_MOV: case OP_MOVZX_B: case OP_MOVZX_W:
    case OP_MOVSX_B: case OP_MOVSX_W: case OP_MOVSXD: case OP_LEA: case OP_SETCC: case OP_CMOVCC: case OP_IMUL: case OP_BSWAP:
    case OP_BTS: case OP_BTR: case OP_BTC: case OP_BSF: case OP_BSR: case OP_POPCNT: case OP_LZCNT: case OP_TZCNT: case OP_ANDN:
    case OP_BEXTR: case OP_BLSI: case OP_BLSR: case OP_BLSMSK: case OP_BZHI: case OP_PDEP: case OP_PEXT: case OP_RORX: case OP_SARX:
    case OP_SHLX: case OP_SHRX: case OP_MOVBE: case OP_MOVD_EV: case OP_CVTTSS2SI: case OP_CVTTSD2SI: case OP_PMOVMSKB:
        return FORM_KIND(i->form, 0) != KIND_REG || guest_number(i->o[0]) != n;
    default:
        return false;
    }
}

/* Registers only: nothing can. */
bool jit_observes(const struct insn *i)
{
    for (unsigned n = 0; n < 3; n++)
        if (FORM_KIND(i->form, n) == KIND_MEM && i->op != OP_LEA && i->op != OP_NOP)
            return true;
    switch (i->op) {
    case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_CMP: case OP_TEST:
    case OP_INC: case OP_DEC: case OP_NEG: case OP_NOT: case OP_MUL: case OP_IMUL: case OP_IMUL1: case OP_ADCX: case OP_ADOX:
    case OP_SHL: case OP_SHR: case OP_SAR: case OP_ROL: case OP_ROR: case OP_RCL: case OP_RCR: case OP_SHLD: case OP_SHRD:
    case OP_RORX: case OP_SARX: case OP_SHLX: case OP_SHRX: case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC:
    case OP_BSF: case OP_BSR: case OP_POPCNT: case OP_LZCNT: case OP_TZCNT: case OP_ANDN: case OP_BEXTR: case OP_BLSI:
    case OP_BLSR: case OP_BLSMSK: case OP_BZHI: case OP_PDEP: case OP_PEXT: case OP_MULX:
    case OP_MOV: case OP_MOVBE: case OP_MOVZX_B: case OP_MOVZX_W: case OP_MOVSX_B: case OP_MOVSX_W: case OP_MOVSXD:
    case OP_XCHG: case OP_LEA: case OP_CMPXCHG: case OP_XADD: case OP_BSWAP: case OP_CBW: case OP_CWD:
    case OP_SETCC: case OP_CMOVCC: case OP_LAHF: case OP_SAHF: case OP_CLC: case OP_STC: case OP_CMC: case OP_NOP:
        return false;
    default:
        return true;
    }
}

static bool shifts(const struct insn *i)
{
    return i->op == OP_SHL || i->op == OP_SHR || i->op == OP_SAR;
}

static bool rotates(const struct insn *i)
{
    return i->op == OP_ROL || i->op == OP_ROR;
}

/* A shift by a constant that is not zero leaves nothing of the flags before it; one by CL, and a rotate, may leave them to whoever
 * takes them behind it. */
static unsigned flags_left(const struct insn *i, bool wanted_after)
{
    const bool constant = FORM_KIND(i->form, 1) == KIND_IMM && (i->imm & (i->width == 8 ? 63 : 31)) != 0;

    if ((shifts(i) && constant) || ((shifts(i) || rotates(i)) && !wanted_after))
        return 0;
    return op_flags_read[i->op] & FLAGS_ARITH;
}

/* The plain path may be left here, and a handler, a fault or a device sees all flags; but nothing on it takes them from
 * where they are kept. Of others that is not known. */
static bool only_sees(const struct insn *i)
{
    if (jit_keeps_flags(i->op) || (i->op >= OP_EMMS && op_flags_read[i->op] == 0))
        return true;
    switch (i->op) {
    case OP_PUSH: case OP_POP: case OP_LEAVE:
        return true;
    case OP_DIV: case OP_IDIV:          /* lifted ones leave what is kept as it is */
        return false;
    default:
        for (unsigned n = 0; n < 3; n++)
            if (FORM_KIND(i->form, n) == KIND_MEM)
                return true;
        return false;
    }
}

/* What i takes of the flags before it, when those are wanted behind it. One that makes some and leaves others needs all
 * there. */
static unsigned reads(const struct insn *i, bool inner, unsigned read_after, unsigned seen_after)
{
    const unsigned written = op_flags_written[i->op] & FLAGS_ARITH;

    if (inner && op_then[i->op] != FALLS)
        return read_after | (i->op == OP_JCC ? jit_condition_flags(i->opcode & 15) : 0);
    if (jit_observes(i) && !only_sees(i))
        return FLAGS_ARITH;
    if (written != 0 && written != FLAGS_ARITH)
        return read_after | seen_after | flags_left(i, (read_after | seen_after) != 0);
    return (read_after & ~written) | flags_left(i, (read_after | seen_after) != 0);
}

unsigned jit_live_flags(const struct jit_code *c, unsigned read, unsigned seen, uint16_t read_after[], uint16_t seen_after[])
{
    for (unsigned k = c->count; k-- > 0;) {
        const struct insn *i = c->insns[k];
        const bool inner = jit_inner_end(c, k);
        unsigned before;

        if (inner)
            seen = FLAGS_ARITH;         /* the budget may not suffice for the next block */
        before = reads(i, inner, read, seen);

        if (c->keeps_flags)
            before = read = seen = FLAGS_ARITH;
        read_after[k] = (uint16_t)read;
        seen_after[k] = (uint16_t)seen;
        seen = jit_observes(i) ? FLAGS_ARITH : seen & ~(unsigned)op_flags_written[i->op];
        read = before;
    }
    return read;
}

unsigned jit_taken_flags(const struct insn *i)
{
    switch (i->op) {
    case OP_JCC: case OP_SETCC: case OP_CMOVCC:
        return jit_condition_flags(i->opcode & 15);
    case OP_ADC: case OP_SBB: case OP_INC: case OP_DEC:
        return FLAG_CF;
    default:
        return 0;
    }
}

/* It makes some flags, or makes them sometimes. */
static bool leaves_some(const struct insn *i)
{
    const unsigned written = op_flags_written[i->op] & FLAGS_ARITH;

    return (written != 0 && written != FLAGS_ARITH) || shifts(i);
}

unsigned jit_kept_flags(const struct jit_code *c, unsigned kept, const uint16_t read_after[], const uint16_t seen_after[],
                        uint16_t kept_after[])
{
    for (unsigned k = c->count; k-- > 0;) {
        const struct insn *i = c->insns[k];

        kept_after[k] = (uint16_t)kept;
        if (c->keeps_flags)
            kept = FLAGS_ARITH;
        else if (i->op == OP_INC || i->op == OP_DEC)
            kept = 0;               /* all are kept behind it then, with the CF that it took */
        else if (jit_taken_flags(i) != 0)
            kept &= ~(unsigned)op_flags_written[i->op];
        else
            kept = reads(i, jit_inner_end(c, k), leaves_some(i) ? read_after[k] : kept, seen_after[k]);
    }
    return kept;
}
