/* SPDX-License-Identifier: MIT
 * In a loop the host's registers of guest registers that it does not use serve others that it does: on the way into the second
 * copy of its body they change places, and on every way out of it, a handler's call too, they change back. So all other
 * code knows one order only. */
#include "cpu/jit/x64/lift.h"

#include <string.h>

_Thread_local const uint8_t *pinned = pinned_always;

#define GUESTS 16u

/* ---- what a loop uses ---- */

static void use(uint8_t uses[GUESTS], unsigned n)
{
    if (uses[n] < 255)
        uses[n]++;
}

/* Registers that are no operands; false: nobody has looked at what else it uses. */
static bool use_implicit(const struct insn *i, uint8_t uses[GUESTS])
{
    if (jit_vector_alone(i))
        return i->op < OP_FADD || i->op > OP_FNSAVE;
    switch (i->op) {
    case OP_PUSH: case OP_POP: case OP_CALL: case OP_CALL_IND: case OP_RET:
        use(uses, RSP);
        return true;
    case OP_MUL: case OP_IMUL1: case OP_DIV: case OP_IDIV: case OP_CWD: case OP_CBW:
        use(uses, RAX);
        use(uses, RDX);
        return true;
    case OP_SHL: case OP_SHR: case OP_SAR: case OP_ROL: case OP_ROR: case OP_SHLD: case OP_SHRD:
        use(uses, RCX);
        return true;
    case OP_ADD: case OP_OR: case OP_ADC: case OP_SBB: case OP_AND: case OP_SUB: case OP_XOR: case OP_CMP: case OP_TEST: case OP_INC:
    case OP_DEC: case OP_NEG: case OP_NOT: case OP_MOV: case OP_MOVZX_B: case OP_MOVZX_W: case OP_MOVSX_B: case OP_MOVSX_W: case OP_MOVSXD:
    case OP_LEA: case OP_SETCC: case OP_CMOVCC: case OP_IMUL: case OP_BSWAP: case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC:
    case OP_BSF: case OP_BSR: case OP_POPCNT: case OP_LZCNT: case OP_TZCNT: case OP_ANDN: case OP_BEXTR: case OP_BLSI: case OP_BLSR:
    case OP_BLSMSK: case OP_BZHI: case OP_PDEP: case OP_PEXT: case OP_RORX: case OP_SARX: case OP_SHLX: case OP_SHRX: case OP_MOVBE:
    case OP_XCHG: case OP_JCC: case OP_JMP: case OP_JMP_IND: case OP_NOP: case OP_ENDBR64: case OP_MOVD_EV: case OP_PMOVMSKB:
    case OP_CVTTSS2SI: case OP_CVTTSD2SI:
        return true;
    default:
        return false;
    }
}

/* A vector register's number may count as a general one's: then that one stays where it is. */
static bool use_all(const struct insn *i, uint8_t uses[GUESTS])
{
    if (!use_implicit(i, uses))
        return false;
    for (unsigned n = 0; n < COUNT_OF(i->o); n++)
        if (FORM_KIND(i->form, n) == KIND_REG) {
            use(uses, guest_number(i->o[n]) % GUESTS);
            if (jit_vector_alone(i))
                use(uses, i->o[n] % GUESTS);
        }
    if (i->base != REG_ZERO)
        use(uses, guest_number(i->base));
    if (i->index != REG_ZERO)
        use(uses, guest_number(i->index));
    return true;
}

static unsigned most_used_unpinned(const uint8_t uses[GUESTS], const uint8_t pins[GUESTS])
{
    unsigned best = GUESTS;

    for (unsigned n = 0; n < GUESTS; n++)
        if (pins[n] == HOST_NONE && uses[n] >= 2 && (best == GUESTS || uses[n] > uses[best]))
            best = n;
    return best;
}

static unsigned unused_pinned(const uint8_t uses[GUESTS], const uint8_t pins[GUESTS])
{
    for (unsigned n = 0; n < GUESTS; n++)
        if (pins[n] != HOST_NONE && uses[n] == 0)
            return n;
    return GUESTS;
}

void lift_pins_plan(struct lift *l)
{
    uint8_t uses[GUESTS] = { 0 };
    unsigned in, out;

    memcpy(l->pins, pinned_always, sizeof l->pins);
    l->nswaps = 0;
    if (!l->c->loops)
        return;
    for (unsigned k = 0; k < l->c->count; k++)
        if (!use_all(l->c->insns[k], uses))
            return;
    while ((in = most_used_unpinned(uses, l->pins)) < GUESTS && (out = unused_pinned(uses, l->pins)) < GUESTS) {
        l->swaps[l->nswaps][0] = (uint8_t)in;
        l->swaps[l->nswaps++][1] = (uint8_t)out;
        l->pins[in] = l->pins[out];
        l->pins[out] = HOST_NONE;
    }
}

/* ---- changing places ---- */

/* Guest register n is wherever `pins` says: to struct cpu, or from there. */
static void place(struct lift *l, unsigned n, unsigned host, bool load)
{
    if (load)
        asm_mov(&l->a, 8, host, rm_at(HOST_CPU, (int32_t)(8 * n)));
    else
        asm_store(&l->a, 8, rm_at(HOST_CPU, (int32_t)(8 * n)), host);
}

void lift_pins_in(struct lift *l)
{
    for (unsigned n = 0; n < l->nswaps; n++) {
        const unsigned host = l->pins[l->swaps[n][0]];

        place(l, l->swaps[n][1], host, false);
        place(l, l->swaps[n][0], host, true);
    }
    pinned = l->pins;
    l->swapped = l->nswaps != 0;
}

void lift_pins_out(struct lift *l)
{
    for (unsigned n = 0; n < l->nswaps; n++) {
        const unsigned host = l->pins[l->swaps[n][0]];

        place(l, l->swaps[n][0], host, false);
        place(l, l->swaps[n][1], host, true);
    }
    lift_pins_are(l, false);
}

void lift_pins_are(struct lift *l, bool swapped)
{
    pinned = swapped ? l->pins : pinned_always;
    l->swapped = swapped;
}
