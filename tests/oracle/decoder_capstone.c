/* SPDX-License-Identifier: MIT
 * decode() against Capstone: is it an instruction, and how long. */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/oracle/opcode_space.h"

static csh handles[3];
static cs_insn *scratch;

/* "less:" and the mnemonic, so that the rules can name it. */
static const char *less(unsigned id)
{
    static char texts[X86_INS_ENDING][32];

    if (!texts[id][0])
        snprintf(texts[id], sizeof texts[id], "less:%s", cs_insn_name(handles[0], id));
    return texts[id];
}

static const char *judge(const struct trial *t)
{
    const uint8_t *code = t->bytes;
    size_t len = sizeof t->bytes;
    uint64_t address = 0;
    bool valid = cs_disasm_iter(handles[t->mode], &code, &len, &address, scratch);

    if (valid != (t->result == DECODED))
        return valid ? less(scratch->id) : "more";
    return valid && scratch->size != t->insn.len ? "len" : NULL;
}

int main(void)
{
    static const cs_mode modes[3] = { CS_MODE_16, CS_MODE_32, CS_MODE_64 };

    for (unsigned n = 0; n < 3; n++)
        if (cs_open(CS_ARCH_X86, modes[n], &handles[n]) != CS_ERR_OK)
            return EXIT_FAILURE;
    scratch = cs_malloc(handles[0]);
    return space_run('C', judge) ? EXIT_FAILURE : EXIT_SUCCESS;
}
