/* SPDX-License-Identifier: MIT
 * Capstone writes all disassembly. Each guest instruction is followed by the host's for it; what lies out of line (misses,
 * handlers, links) comes last. */
#include "gui/code_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "cpu/cpu.h"
#include "machine/machine.h"

#ifdef HAVE_CAPSTONE
#include <capstone/capstone.h>

static struct {
    struct dump_wish wish;
    FILE *to;
    csh guest, host;
} dump;

/* `at` is what addresses within the code are relative to. */
static void disassemble(csh as, const uint8_t *code, size_t len, uint64_t at, const char *indent)
{
    cs_insn *insns;
    size_t n = cs_disasm(as, code, len, at, 0, &insns);

    for (size_t k = 0; k < n; k++)
        fprintf(dump.to, "%s%#" PRIx64 "  %s %s\n", indent, insns[k].address, insns[k].mnemonic, insns[k].op_str);
    if (n > 0)
        cs_free(insns, n);
}

static void host_code(const struct cpu_translation *t, uint32_t from, uint32_t to)
{
    if (dump.wish.host)
        disassemble(dump.host, t->host + from, to - from, t->runs_at + from, "        ");
}

static void print_translation(void *arg, const struct cpu_translation *t)
{
    const uint16_t bytes = t->ends[t->insns - 1];

    (void)arg;
    if (t->rip > dump.wish.last || t->rip + bytes - 1 < dump.wish.first)
        return;
    fprintf(dump.to, "block %#" PRIx64 ": %u instructions, %u bytes; host: %u bytes, %u of them out of line", t->rip, t->insns, bytes,
            t->host_bytes, t->host_bytes - t->begins[t->insns]);
    if (t->parts > 1)
        fprintf(dump.to, "; %u of %u of a path", t->part + 1, t->parts);
    fputc('\n', dump.to);
    host_code(t, 0, t->begins[0]);
    for (unsigned n = 0; n < t->insns; n++) {
        const unsigned begin = n > 0 ? t->ends[n - 1] : 0;

        if (dump.wish.guest)
            disassemble(dump.guest, t->guest + begin, t->ends[n] - begin, t->rip + begin, "    ");
        host_code(t, t->begins[n], t->begins[n + 1]);
    }
    if (dump.wish.host) {
        fprintf(dump.to, "    out of line\n");
        host_code(t, t->begins[t->insns], t->host_bytes);
    }
}

static bool open_host(void)
{
#ifdef __x86_64__
    return cs_open(CS_ARCH_X86, CS_MODE_64, &dump.host) == CS_ERR_OK;
#else
    return cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &dump.host) == CS_ERR_OK;
#endif
}

struct err code_dump_start(struct machine_config *cfg, const struct dump_wish *wish)
{
    if (!wish->guest && !wish->host)
        return OK;
    if (!cfg->jit)
        return err_make(ERR_USAGE, "-d: the interpreter makes no code; use -accel jit");
    if (!open_host() || cs_open(CS_ARCH_X86, CS_MODE_64, &dump.guest) != CS_ERR_OK)
        return err_make(ERR_UNSUPPORTED, "-d: this Capstone does not know the processors");
    dump.wish = *wish;
    dump.to = wish->file != NULL ? fopen(wish->file, "w") : stderr;
    if (dump.to == NULL)
        return err_make(ERR_IO, "-d: cannot write %s: %s", wish->file, strerror(errno));
    cfg->translated = print_translation;
    return OK;
}

struct err code_dump_end(void)
{
    bool bad;

    if (dump.to == NULL)
        return OK;
    bad = fflush(dump.to) != 0 || ferror(dump.to);
    if (dump.to != stderr)
        bad |= fclose(dump.to) != 0;
    dump.to = NULL;
    return bad ? err_make(ERR_IO, "-d: cannot write %s", dump.wish.file != NULL ? dump.wish.file : "to stderr") : OK;
}

#else

struct err code_dump_start(struct machine_config *cfg, const struct dump_wish *wish)
{
    (void)cfg;
    if (!wish->guest && !wish->host)
        return OK;
    return err_make(ERR_UNSUPPORTED, "-d: this partita was built without Capstone; install libcapstone-dev and build again");
}

struct err code_dump_end(void)
{
    return OK;
}
#endif
