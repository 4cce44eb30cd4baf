/* SPDX-License-Identifier: MIT
 * Capstone writes all disassembly. Each guest instruction is followed by the host's for it; what lies out of line (misses,
 * handlers, links) comes last. */
#define _GNU_SOURCE     /* open_memstream() */
#include "gui/code_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "cpu/cpu.h"
#include "machine/debug.h"
#include "machine/machine.h"

#ifdef HAVE_CAPSTONE
#include <capstone/capstone.h>

struct printer {
    FILE *to;
    bool guest_code, host_code;
    csh guest, host;
};

static struct {
    struct dump_wish wish;
    struct printer printer;
} dump;

/* `at` is what addresses within the code are relative to. */
static void disassemble(const struct printer *p, csh as, const uint8_t *code, size_t len, uint64_t at, const char *indent)
{
    cs_insn *insns;
    size_t n = cs_disasm(as, code, len, at, 0, &insns);

    for (size_t k = 0; k < n; k++)
        fprintf(p->to, "%s%#" PRIx64 "  %s %s\n", indent, insns[k].address, insns[k].mnemonic, insns[k].op_str);
    if (n > 0)
        cs_free(insns, n);
}

static void host_code(const struct printer *p, const struct cpu_translation *t, uint32_t from, uint32_t to)
{
    if (p->host_code && t->host != NULL)
        disassemble(p, p->host, t->host + from, to - from, t->runs_at + from, "        ");
}

static void title(const struct printer *p, const struct cpu_translation *t)
{
    fprintf(p->to, "block %#" PRIx64 ": %u instructions, %u bytes; ", t->rip, t->insns, t->ends[t->insns - 1]);
    if (t->host == NULL)
        fprintf(p->to, "interpreted");
    else
        fprintf(p->to, "host: %u bytes, %u of them out of line", t->host_bytes, t->host_bytes - t->begins[t->insns]);
    if (t->parts > 1)
        fprintf(p->to, "; %u of %u of a path", t->part + 1, t->parts);
    fputc('\n', p->to);
}

static void print_code(const struct printer *p, const struct cpu_translation *t)
{
    host_code(p, t, 0, t->host != NULL ? t->begins[0] : 0);
    for (unsigned n = 0; n < t->insns; n++) {
        const unsigned begin = n > 0 ? t->ends[n - 1] : 0;

        if (p->guest_code)
            disassemble(p, p->guest, t->guest + begin, t->ends[n] - begin, t->rip + begin, "    ");
        if (t->host != NULL)
            host_code(p, t, t->begins[n], t->begins[n + 1]);
    }
    if (p->host_code && t->host != NULL) {
        fprintf(p->to, "    out of line\n");
        host_code(p, t, t->begins[t->insns], t->host_bytes);
    }
}

static void print_translation(void *arg, const struct cpu_translation *t)
{
    (void)arg;
    if (t->rip > dump.wish.last || t->rip + t->ends[t->insns - 1] - 1 < dump.wish.first)
        return;
    title(&dump.printer, t);
    print_code(&dump.printer, t);
}

static struct err printer_open(struct printer *p, bool guest, bool host)
{
    *p = (struct printer){ .guest_code = guest, .host_code = host };
#ifdef __x86_64__
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &p->host) == CS_ERR_OK && cs_open(CS_ARCH_X86, CS_MODE_64, &p->guest) == CS_ERR_OK)
        return OK;
#else
    if (cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &p->host) == CS_ERR_OK && cs_open(CS_ARCH_X86, CS_MODE_64, &p->guest) == CS_ERR_OK)
        return OK;
#endif
    return err_make(ERR_UNSUPPORTED, "this Capstone does not know the processors");
}

static void printer_close(struct printer *p)
{
    cs_close(&p->guest);
    cs_close(&p->host);
}

/* ---- one block, when asked for ---- */

static void show(void *arg, const struct cpu_translation *t)
{
    const struct printer *p = arg;

    cs_option(p->guest, CS_OPT_MODE, t->bits == 64 ? CS_MODE_64 : t->bits == 32 ? CS_MODE_32 : CS_MODE_16);
    title(p, t);
    if (t->host == NULL && t->runs != 0)
        fprintf(p->to, "  %" PRIu64 " more runs until it is translated\n", t->runs);
    else if (t->runs != 0)
        fprintf(p->to, "  entered %" PRIu64 " times\n", t->runs);
    if (t->nlinks != 0)
        fprintf(p->to, "  %u links lead here, from behind", t->nlinks);
    for (unsigned n = 0; n < t->nlinks && n < sizeof t->links / sizeof t->links[0]; n++)
        fprintf(p->to, " %#" PRIx64, t->links[n]);
    if (t->nlinks != 0)
        fputc('\n', p->to);
    print_code(p, t);
}

struct err code_show(struct debug *d, unsigned vp, uint64_t gva, char **text)
{
    struct printer p;
    size_t len = 0;

    TRY(printer_open(&p, true, true));
    *text = NULL;
    p.to = open_memstream(text, &len);
    if (p.to == NULL) {
        printer_close(&p);
        return err_make(ERR_MEMORY, "no memory for the text");
    }
    debug_show_code(d, vp, gva, show, &p);
    fclose(p.to);
    printer_close(&p);
    return OK;
}

/* ---- all, as they are made ---- */

struct err code_dump_start(struct machine_config *cfg, const struct dump_wish *wish)
{
    if (!wish->guest && !wish->host)
        return OK;
    if (!cfg->jit)
        return err_make(ERR_USAGE, "-d: the interpreter makes no code; use -accel jit");
    TRY(printer_open(&dump.printer, wish->guest, wish->host));
    dump.wish = *wish;
    dump.printer.to = wish->file != NULL ? fopen(wish->file, "w") : stderr;
    if (dump.printer.to == NULL)
        return err_make(ERR_IO, "-d: cannot write %s: %s", wish->file, strerror(errno));
    cfg->translated = print_translation;
    return OK;
}

struct err code_dump_end(void)
{
    bool bad;

    if (dump.printer.to == NULL)
        return OK;
    bad = fflush(dump.printer.to) != 0 || ferror(dump.printer.to);
    if (dump.printer.to != stderr)
        bad |= fclose(dump.printer.to) != 0;
    dump.printer.to = NULL;
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

struct err code_show(struct debug *d, unsigned vp, uint64_t gva, char **text)
{
    (void)d, (void)vp, (void)gva, (void)text;
    return err_make(ERR_UNSUPPORTED, "this partita was built without Capstone; install libcapstone-dev and build again");
}
#endif
