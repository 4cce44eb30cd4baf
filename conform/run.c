/* SPDX-License-Identifier: MIT */
#include "conform/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/invariant.h"
#include "conform/embedded.h"

#define SLICE_INSNS     100000000ull
#define PATIENCE_SLICES 60u             /* without a word from the guest: it hangs */
#define IDLE_LIMIT_NS   10000000000ull  /* asleep for so long: nothing will wake it */
#define MAX_STARTS      100u

void conform_config_default(struct conform_config *cfg)
{
    *cfg = (struct conform_config){ 0 };
    machine_config_default(&cfg->machine);
    cfg->machine.ram_bytes = 64u << 20;
    cfg->machine.nvps = 4;
    cfg->machine.vga = false;
    cfg->machine.hyperv_testdev = true;
    cfg->machine.idle_limit_ns = IDLE_LIMIT_NS;
    cfg->machine.debug_exit = true;
    cfg->machine.debug_exit_port = 0xf4;
    cfg->machine.debug_exit_bytes = 4;
}

struct err conform_write_image(const char *path)
{
    if (conform_image_len == 0)
        return err_make(ERR_UNSUPPORTED,
                        "this build has no guest image (no compiler for x86-64 was found): give one with -image");
    return file_write_all(path, conform_image, conform_image_len);
}

struct session {
    const struct conform_config *cfg;
    char dir[64], image[96], serial[96], spec[104];
    struct writer log;
};

static struct err prepare(struct session *r)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(r->dir, sizeof r->dir, "%.40s/partita-XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    if (mkdtemp(r->dir) == NULL)
        return err_make(ERR_IO, "cannot make a temporary directory like %s", r->dir);
    snprintf(r->image, sizeof r->image, "%s/conform.elf", r->dir);
    snprintf(r->serial, sizeof r->serial, "%s/serial", r->dir);
    snprintf(r->spec, sizeof r->spec, "file:%s", r->serial);
    return r->cfg->image != NULL ? OK : conform_write_image(r->image);
}

static void clean_up(struct session *r)
{
    remove(r->image);
    remove(r->serial);
    rmdir(r->dir);
    writer_free(&r->log);
}

/* What the guest wrote in this start, as text; free() it. */
static struct err read_serial(const struct session *r, char **out)
{
    struct blob bytes;

    TRY(file_read_all(r->serial, &bytes));
    *out = malloc(bytes.len + 1);
    invariant(*out != NULL, "out of memory for the log");
    for (size_t k = 0; k < bytes.len; k++)
        (*out)[k] = bytes.bytes[k] == '\0' ? '?' : (char)bytes.bytes[k];
    (*out)[bytes.len] = '\0';
    blob_free(&bytes);
    return OK;
}

static const char *last_line(const char *text, const char *word)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if (at == text || at[-1] == '\n')
            found = at;
    return found;
}

/* Of "# run 12 7.8.1-03": reports the test as failed; the number of the next one. */
static unsigned long blame(struct session *r, const char *text, const char *why)
{
    const char *at = last_line(text, "# run ");
    char line[160];
    unsigned long number;
    char *id;

    if (at == NULL)
        return 0;
    number = strtoul(at + 6, &id, 10);
    id += *id == ' ';
    snprintf(line, sizeof line, "not ok %lu - %.*s\n#   %.*s: %s\n", number, (int)strcspn(id, "\r\n"), id, (int)strcspn(id,
            "\r\n"), id, why);
    writer_copy(&r->log, line, strlen(line));
    return number + 1;
}

static enum run run_machine(struct machine *m, const struct session *r)
{
    size_t before = 0;
    enum run why;

    for (unsigned quiet = 0; quiet < PATIENCE_SLICES; quiet++) {
        struct blob text;
        struct err e;

        why = machine_run(m, SLICE_INSNS);
        if (why != RUN_LIMIT)
            return why;
        e = file_read_all(r->serial, &text);
        if (failed(&e))
            return RUN_FAILED;
        if (text.len != before)
            quiet = 0;
        before = text.len;
        blob_free(&text);
    }
    return RUN_LIMIT;
}

static const char *end_of(enum run why)
{
    switch (why) {
    case RUN_LIMIT:         return "the machine hung while this test ran";
    case RUN_HALTED:        return "every processor halted for good while this test ran";
    case RUN_TRIPLE_FAULT:  return "a processor shut down while this test ran";
    case RUN_RESET:         return "the machine was reset while this test ran";
    default:                return "the machine ended while this test ran";
    }
}

/* One machine from test `first` on; *next is where to go on, 0 when the guest came to its end. */
static struct err start(struct session *r, unsigned long first, unsigned long *next)
{
    struct machine_config cfg = r->cfg->machine;
    char append[512];
    struct machine *m;
    char *text;
    enum run why;
    struct err e;

    snprintf(append, sizeof append, "from=%lu%s%.240s %.200s", first, r->cfg->only != NULL ? " only=" : "",
             r->cfg->only != NULL ? r->cfg->only : "", r->cfg->append != NULL ? r->cfg->append : "");
    cfg.kernel = r->cfg->image != NULL ? r->cfg->image : r->image;
    cfg.append = append;
    cfg.serial[0] = r->spec;
    TRY(machine_create(&m, &cfg));
    why = run_machine(m, r);
    e = why == RUN_FAILED ? err_make(ERR_IO, "%s", machine_error(m)) : OK;
    machine_free(m);
    TRY(e);
    TRY(read_serial(r, &text));
    writer_copy(&r->log, text, strlen(text));
    *next = 0;
    if (why != RUN_QUIT && last_line(text, "# done") == NULL)
        *next = blame(r, text, end_of(why));
    free(text);
    return why == RUN_QUIT ? err_make(ERR_IO, "interrupted") : OK;
}

/* The partitions that the suite runs in: with everything, with little, with calls but no features, with nothing. */
static const struct { const char *hv_spec, *only; } offers[] = {
    { NULL, NULL },
    { "profile=minimal", NULL },
    { "features=none", "2.4.4-09,2.4.4-15,2.4.4-17,2.4.4-19,2.4.4-20,2.4.4-21,2.4.4-22,2.4.4-26,3,4.3,8,12" },
    { "privileges=-AccessVpIndex,features=-FastHypercallOutputAvailable", "3.8.1,4.2.2-08,7.10.4-04" },
    { "privileges=none,features=none", "4.2.2" },
};

static struct err run_one(struct session *r)
{
    unsigned long first = 1, next = 0;

    for (unsigned starts = 0; starts < MAX_STARTS; starts++) {
        TRY(start(r, first, &next));
        if (next == 0)
            return OK;
        if (next <= first && starts > 0)
            return err_make(ERR_IO, "the conformance guest does not get on after test %lu", first);
        first = next;
    }
    return OK;
}

/* A partition that was asked for is the only one; tests that were asked for run in those with a hypercall interface. */
static struct err run_all(struct session *r)
{
    const struct conform_config *asked = r->cfg;

    if (asked->machine.hv_spec != NULL)
        return run_one(r);
    for (size_t k = 0; k < COUNT_OF(offers); k++) {
        struct conform_config cfg = *asked;
        struct err e;

        if (asked->only != NULL && offers[k].only != NULL)
            continue;
        cfg.machine.hv_spec = offers[k].hv_spec;
        if (cfg.only == NULL)
            cfg.only = offers[k].only;
        r->cfg = &cfg;
        e = run_one(r);
        r->cfg = asked;
        TRY(e);
    }
    return OK;
}

struct err conform_run(const struct conform_config *cfg, char **log)
{
    struct session r = { .cfg = cfg };
    struct err e = prepare(&r);

    if (!failed(&e))
        e = run_all(&r);
    if (!failed(&e)) {
        writer_uint(&r.log, 1, 0);
        *log = strdup((const char *)r.log.bytes);
        invariant(*log != NULL, "out of memory for the log");
    }
    clean_up(&r);
    return e;
}
