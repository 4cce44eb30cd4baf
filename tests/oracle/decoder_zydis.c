/* SPDX-License-Identifier: MIT
 * decode() against Zydis: is it an instruction, how long, memory operand, immediates, registers; and of integer and system
 * operations the mnemonic and width too. */
#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/opcode_space.h"

static ZydisDecoder decoders[3];

static const char *const mnemonics[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) mnemonic,
#include "cpu/decoder/ops.def"
#undef OP
};

/* Mnemonics that name the width or condition too need only begin like ours. */
static bool same_mnemonic(unsigned op, const char *theirs)
{
    static const struct { uint16_t op; const char *others; } more[] = {
        { OP_CBW, "cbw cwde cdqe" }, { OP_CWD, "cwd cdq cqo" }, { OP_JRCXZ, "jcxz jecxz jrcxz" }, { OP_RET_FAR, "ret" },
        { OP_XLAT, "xlat" }, { OP_POPA, "popa popad" }, { OP_SMSW, "smsw" }, { OP_WBINVD, "wbinvd wbnoinvd" },
    };
    const char *found;

    for (unsigned n = 0; n < sizeof more / sizeof more[0]; n++)
        if (more[n].op == op) {
            found = strstr(more[n].others, theirs);
            return found != NULL;
        }
    return !strncmp(mnemonics[op], theirs, strlen(mnemonics[op]));
}

/* ---- memory ---- */

static int general_number(ZydisRegister reg)
{
    switch (reg) {
    case ZYDIS_REGISTER_NONE: return -1;
    case ZYDIS_REGISTER_RIP: case ZYDIS_REGISTER_EIP: return -2;
    default: return ZydisRegisterGetId(reg);
    }
}

static int our_number(unsigned at) { return at == REG_ZERO ? -1 : (int)at / 8; }

static bool same_memory(const struct insn *i, const ZydisDecodedOperand *o)
{
    static const ZydisRegister segs[] = {
        ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS, ZYDIS_REGISTER_DS, ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS
    };
    int base = i->flags & INSN_RIPREL ? -2 : our_number(i->base);
    bool moffs = i->op == OP_MOV && i->opcode >= 0xa0 && i->opcode <= 0xa3;
    int index = o->mem.type == ZYDIS_MEMOP_TYPE_VSIB ? i->index : our_number(i->index);

    if (general_number(o->mem.base) != base || general_number(o->mem.index) != index)
        return false;
    if (o->mem.segment != segs[i->seg] && i->op != OP_LEA)
        return false;
    if (i->index != REG_ZERO && o->mem.scale != 1 << i->scale)
        return false;
    if (moffs ? memcmp(&o->mem.disp.value, &i->disp, i->asize) : o->mem.disp.value != i->disp)
        return false;
    return i->mem_bytes == 0 || i->mem_bytes * 8 == o->size;
}

/* ---- registers ---- */

static int their_register(ZydisRegister reg, bool *general)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(reg);
    int id = ZydisRegisterGetId(reg);

    *general = class == ZYDIS_REGCLASS_GPR8 || class == ZYDIS_REGCLASS_GPR16 || class == ZYDIS_REGCLASS_GPR32 ||
               class == ZYDIS_REGCLASS_GPR64;
    if (class == ZYDIS_REGCLASS_GPR8) {
        if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
            return REG_AT(reg - ZYDIS_REGISTER_AH) + 1;
        return REG_AT(reg <= ZYDIS_REGISTER_BL ? reg - ZYDIS_REGISTER_AL : reg - ZYDIS_REGISTER_SPL + 4);
    }
    return *general ? REG_AT(id) : id;
}

static bool same_register(const struct insn *i, unsigned slot, const ZydisDecodedOperand *o)
{
    bool general;
    int theirs = their_register(o->reg.value, &general);

    return theirs == i->o[slot] || (!general && theirs == -1);
}

static bool same_immediate(const struct insn *i, const ZydisDecodedOperand *o, bool second)
{
    unsigned bits = o->imm.is_relative ? 64 : i->width * 8;
    uint64_t mask = bits >= 64 ? ~0ull : (1ull << bits) - 1;

    return second ? i->imm2 == o->imm.value.u : (i->imm & mask) == (o->imm.value.u & mask);
}

/* Their operands without the opmask that masks, which has no slot with us. */
static unsigned without_mask(const ZydisDecodedInstruction *z, ZydisDecodedOperand *o)
{
    unsigned count = 0;

    for (unsigned n = 0; n < z->operand_count_visible; n++)
        if (o[n].encoding != ZYDIS_OPERAND_ENCODING_MASK)
            o[count++] = o[n];
    return count;
}

/* Exception types with NF read memory whole whatever the mask says. */
static bool same_suppression(const struct insn *i, const ZydisDecodedInstruction *z)
{
    switch (z->meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_E1NF: case ZYDIS_EXCEPTION_CLASS_E2NF: case ZYDIS_EXCEPTION_CLASS_E3NF:
    case ZYDIS_EXCEPTION_CLASS_E4NF: case ZYDIS_EXCEPTION_CLASS_E5NF: case ZYDIS_EXCEPTION_CLASS_E6NF:
    case ZYDIS_EXCEPTION_CLASS_E9NF: case ZYDIS_EXCEPTION_CLASS_E10NF: case ZYDIS_EXCEPTION_CLASS_E11NF:
        return i->evex & EVEX_WHOLE;
    default:
        return !(i->evex & EVEX_WHOLE);
    }
}

/* Our slots in order against their visible operands; slots without a kind (strings) are skipped on their side too. */
static const char *judge_operands(const struct insn *i, const ZydisDecodedInstruction *z, ZydisDecodedOperand *o)
{
    const unsigned count = without_mask(z, o);
    bool second = false;

    if ((i->flags & INSN_EVEX) && i->mask && i->modrm < 0xc0 && !same_suppression(i, z))
        return "suppression";
    for (unsigned slot = 0; slot < 4 && slot < count; slot++) {
        unsigned kind = FORM_KIND(i->form, slot);

        if (kind == KIND_MEM && (o[slot].type != ZYDIS_OPERAND_TYPE_MEMORY || !same_memory(i, &o[slot])))
            return "memory";
        if (kind == KIND_REG && (o[slot].type != ZYDIS_OPERAND_TYPE_REGISTER || !same_register(i, slot, &o[slot])))
            return "register";
        if (kind == KIND_IMM && o[slot].type == ZYDIS_OPERAND_TYPE_POINTER) {
            if (i->imm != o[slot].ptr.offset || i->imm2 != o[slot].ptr.segment)
                return "pointer";
        } else if (kind == KIND_IMM) {
            if (o[slot].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !same_immediate(i, &o[slot], second))
                return "immediate";
            second = true;
        }
        if (slot == 0 && (kind == KIND_REG || (kind == KIND_MEM && i->mem_bytes)) && o[0].size != 8 * i->width &&
            i->op <= OP_CLWB)
            return "width";
    }
    return NULL;
}

/* "less:" and the instruction set that has it, so that the rules can speak of sets we do not offer. */
static const char *less(ZydisISASet set)
{
    static char texts[ZYDIS_ISA_SET_MAX_VALUE + 1][32];

    if (!texts[set][0])
        snprintf(texts[set], sizeof texts[set], "less:%s", ZydisISASetGetString(set));
    return texts[set];
}

static const char *judge(const struct trial *t)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[t->mode], t->bytes, sizeof t->bytes, &z, operands));

    if (valid != (t->result == DECODED))
        return valid ? less(z.meta.isa_set) : "more";
    if (!valid)
        return NULL;
    if (z.length != t->insn.len)
        return "len";
    if (t->insn.op == OP_NOP)
        return NULL;
    if (t->insn.op <= OP_VMMCALL && !same_mnemonic(t->insn.op, ZydisMnemonicGetString(z.mnemonic)))
        return "mnemonic";
    return judge_operands(&t->insn, &z, operands);
}

int main(void)
{
    ZydisDecoderInit(&decoders[DECODE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[DECODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[DECODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (unsigned n = 0; n < 3; n++) {      /* these reuse hint encodings, which are NOP for us */
        ZydisDecoderEnableMode(&decoders[n], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        ZydisDecoderEnableMode(&decoders[n], ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    }
    return space_run('Z', judge) ? EXIT_FAILURE : EXIT_SUCCESS;
}
