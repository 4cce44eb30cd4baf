/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE     /* strptime, timegm */
#include "gui/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"
#include "config.h"
#include "cpu/cpu.h"
#include "gui/options_internal.h"

struct option_row {
    const char *name;
    const char *takes;          /* NULL: no value */
    const char *help;
    struct err (*set)(struct options *o, const char *value);
};

char *keep(struct options *o, const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy != NULL && o->nstorage < COUNT_OF(o->storage)) {
        memcpy(copy, text, len);
        copy[len] = '\0';
        o->storage[o->nstorage++] = copy;
        return copy;
    }
    free(copy);
    return NULL;
}

bool options_number(const char *text, uint64_t *out, const char **rest)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    *rest = end;
    return *text >= '0' && *text <= '9' && errno == 0;
}

bool parse_number(const char *text, uint64_t *out, bool suffixes)
{
    static const char letters[] = "KMGT";
    const char *end;
    uint64_t v;

    if (!options_number(text, &v, &end))
        return false;
    if (suffixes && *end != '\0') {
        const char *letter = strchr(letters, *end >= 'a' ? *end - 32 : *end);
        unsigned shift = letter == NULL ? 0 : 10 * (unsigned)(letter - letters + 1);

        if (letter == NULL || end[1] != '\0' || (v << shift) >> shift != v)
            return false;
        *out = v << shift;
        return true;
    }
    *out = v;
    return *end == '\0';
}

static struct err set_memory(struct options *o, const char *value)
{
    uint64_t v;

    if (strncmp(value, "size=", 5) == 0)
        value += 5;
    if (!parse_number(value, &v, true))
        return err_make(ERR_USAGE, "-m %s: give a size such as 512M or 2G", value);
    o->machine.ram_bytes = value[strlen(value) - 1] <= '9' ? v << 20 : v;      /* a bare number is MiB, as QEMU has it */
    return OK;
}

static struct err set_smp(struct options *o, const char *value)
{
    uint64_t v;

    if (strncmp(value, "cpus=", 5) == 0)
        value += 5;
    if (!parse_number(value, &v, false) || v < 1 || v > MACHINE_MAX_VPS)
        return err_make(ERR_USAGE, "-smp %s: give a number of processors from 1 to %d", value, MACHINE_MAX_VPS);
    o->machine.nvps = (unsigned)v;
    return OK;
}

static struct err set_cpu(struct options *o, const char *value)
{
    o->cpu_help = strcmp(value, "help") == 0;
    o->machine.cpu = value;
    return OK;
}

#define SET_STRING(function, field)                                             \
    static struct err function(struct options *o, const char *value)           \
    {                                                                           \
        o->field = value;                                                       \
        return OK;                                                              \
    }
SET_STRING(set_kernel, machine.kernel)
SET_STRING(set_initrd, machine.initrd)
SET_STRING(set_append, machine.append)
SET_STRING(set_bios, machine.bios)
SET_STRING(set_screen, screen)
SET_STRING(set_stats, stats)
SET_STRING(set_record, machine.record)
SET_STRING(set_gdb, gdb)
SET_STRING(set_snapshot_load, machine.start_from)

const char *sub_option(struct options *o, const char *list, const char *key)
{
    size_t len = strlen(key);

    while (*list != '\0') {
        size_t item = strcspn(list, ",");

        if (item > len && strncmp(list, key, len) == 0 && list[len] == '=')
            return keep(o, list + len + 1, item - len - 1);
        list += item + (list[item] == ',');
    }
    return NULL;
}

struct err check_keys(const char *option, const char *list, const char *const *names)
{
    while (*list != '\0') {
        size_t item = strcspn(list, ","), key = strcspn(list, "=,");
        const char *const *n = names;

        while (*n != NULL && (strlen(*n) != key || strncmp(*n, list, key) != 0))
            n++;
        if (*n == NULL || key == item)
            return err_make(ERR_USAGE, "%s: '%.*s' is not known here", option, (int)item, list);
        list += item + (list[item] == ',');
    }
    return OK;
}

struct err on_off(const char *option, const char *value, bool *out)
{
    if (value == NULL || strcmp(value, "off") == 0)
        *out = false;
    else if (strcmp(value, "on") == 0)
        *out = true;
    else
        return err_make(ERR_USAGE, "%s: '%s' is neither on nor off", option, value);
    return OK;
}

static struct err set_boot(struct options *o, const char *value)
{
    if (strncmp(value, "order=", 6) == 0)
        value += 6;
    if (*value == '\0' || strspn(value, "acd") != strlen(value))
        return err_make(ERR_USAGE, "-boot %s: give letters of a (floppy), c (disk), d (CD)", value);
    o->machine.boot_order = value;
    return OK;
}

static struct err set_serial(struct options *o, const char *value)
{
    for (unsigned k = 0; k < MACHINE_SERIALS; k++) {
        if (o->machine.serial[k] == NULL) {
            o->machine.serial[k] = value;
            o->stdio = o->stdio || strcmp(value, "stdio") == 0;
            return OK;
        }
    }
    return err_make(ERR_USAGE, "-serial: there are %d ports", MACHINE_SERIALS);
}

static struct err set_debugcon(struct options *o, const char *value)
{
    o->machine.debugcon = value;
    return OK;
}

static struct err set_display(struct options *o, const char *value)
{
    if (strcmp(value, "none") == 0)
        o->display = DISPLAY_NONE;
    else if (strcmp(value, "sdl") == 0)
#ifdef HAVE_SDL2
        o->display = DISPLAY_SDL;
#else
        return err_make(ERR_UNSUPPORTED, "-display sdl: this build was made without SDL2");
#endif
    else
        return err_make(ERR_USAGE, "-display %s: none and sdl are known", value);
    return OK;
}

static struct err set_nographic(struct options *o, const char *value)
{
    (void)value;
    o->display = DISPLAY_NONE;
    return o->machine.serial[0] == NULL ? set_serial(o, "stdio") : OK;
}

/* A letter for each thing that the translator is to leave out; an unknown one gets the list. */
static struct err passes_off(struct options *o, const char *letters)
{
    char known[64] = "", letter;
    const char *what;

    for (const char *l = letters; *l != '\0'; l++) {
        unsigned n = 0;

        while (cpu_jit_pass(n, &letter, &what) && letter != *l)
            n++;
        if (cpu_jit_pass(n, &letter, &what)) {
            o->machine.jit_off |= BIT(n);
            continue;
        }
        for (n = 0; cpu_jit_pass(n, &letter, &what); n++)
            known[n] = letter;
        return err_make(ERR_USAGE, "-accel jit,off=%s: '%c' is none of %s (docs/jit.md)", letters, *l, known);
    }
    return OK;
}

static struct err set_accel(struct options *o, const char *value)
{
    char copy[64], *rest = NULL, *word;

    snprintf(copy, sizeof copy, "%s", value);
    word = strtok_r(copy, ",", &rest);
    o->machine.jit = word != NULL && strcmp(word, "jit") == 0;
    if (!o->machine.jit && strcmp(value, "interp") != 0)
        return err_make(ERR_USAGE, "-accel %s: interp and jit[,off=LETTERS][,count] are known", value);
    while ((word = strtok_r(NULL, ",", &rest)) != NULL) {
        if (strcmp(word, "count") == 0)
            o->machine.jit_counts = true;
        else if (strncmp(word, "off=", 4) == 0)
            TRY(passes_off(o, word + 4));
        else
            return err_make(ERR_USAGE, "-accel jit: '%s' is neither off=LETTERS nor count", word);
    }
    if (o->machine.jit && !machine_can_translate())
        return err_make(ERR_UNSUPPORTED, "-accel jit: this host has the interpreter only; use -accel interp");
    return OK;
}

static struct err set_hv(struct options *o, const char *value)
{
    o->hv_help = strcmp(value, "help") == 0;
    o->machine.hv = strcmp(value, "off") != 0;
    o->machine.hv_spec = strchr(value, '=') != NULL ? value : NULL;
    if (o->hv_help || o->machine.hv_spec != NULL)
        return OK;
    return on_off("-hv", value, &o->machine.hv);
}

static struct err set_trace(struct options *o, const char *value)
{
    if (strcmp(value, "hv") != 0 && (strncmp(value, "hv,file=", 8) != 0 || value[8] == '\0'))
        return err_make(ERR_USAGE, "-trace %s: give hv or hv,file=PATH", value);
    o->machine.trace = value;
    return OK;
}

static struct err set_clock(struct options *o, const char *value)
{
    uint64_t ips;

    o->clock_given = true;
    if (strcmp(value, "virtual") == 0) {
        o->machine.clock = CLOCK_VIRTUAL;
    } else if (strcmp(value, "host") == 0) {
        o->machine.clock = CLOCK_HOST;
    } else if (strncmp(value, "ips=", 4) == 0 && parse_number(value + 4, &ips, false) && ips >= 1000000 && ips <= 1000000000000) {
        o->machine.ps_per_insn = 1000000000000 / ips;
    } else {
        return err_make(ERR_USAGE, "-clock %s: give virtual, host or ips=N with N from 1000000 to 1000000000000", value);
    }
    return OK;
}

static struct err set_seed(struct options *o, const char *value)
{
    if (!parse_number(value, &o->machine.seed, false))
        return err_make(ERR_USAGE, "-seed %s: give a number", value);
    return OK;
}

static struct err set_schedule(struct options *o, const char *value)
{
    if (strncmp(value, "seed=", 5) == 0 && parse_number(value + 5, &o->machine.schedule_seed, false))
        return OK;
    if (strncmp(value, "turn=", 5) == 0 && parse_number(value + 5, &o->machine.schedule_turn, false) && o->machine.schedule_turn != 0)
        return OK;
    return err_make(ERR_USAGE, "-schedule %s: give seed=N, or turn=INSNS", value);
}

static struct err set_smm(struct options *o, const char *value)
{
    static const char *const names[] = { [SMM_OFF] = "off", [SMM_ON] = "on", [SMM_INTEL64] = "intel64" };

    for (unsigned k = 0; k < COUNT_OF(names); k++) {
        if (strcmp(value, names[k]) == 0) {
            o->machine.smm = (enum smm_policy)k;
            return OK;
        }
    }
    return err_make(ERR_USAGE, "-smm %s: give on, off or intel64", value);
}

/* "utc" for the host's clock, or a date such as 2026-01-31T12:00:00. */
static struct err set_rtc(struct options *o, const char *value)
{
    struct tm tm = { 0 };
    const char *base = strncmp(value, "base=", 5) == 0 ? value + 5 : value, *end;

    o->rtc_given = true;
    if (strcmp(base, "utc") == 0) {
        o->machine.rtc_start_ns = 0;
        return OK;
    }
    end = strptime(base, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end == NULL) {
        tm = (struct tm){ 0 };
        end = strptime(base, "%Y-%m-%d", &tm);
    }
    if (end == NULL || *end != '\0' || timegm(&tm) < 0)
        return err_make(ERR_USAGE, "-rtc %s: give base=utc or base=2026-01-31T12:00:00", value);
    o->machine.rtc_start_ns = (uint64_t)timegm(&tm) * 1000000000u;
    return OK;
}

static struct err set_self_contained(struct options *o, const char *value)
{
    (void)value;
    o->machine.record_whole = true;
    return OK;
}

static struct err set_record_every(struct options *o, const char *value)
{
    if (!parse_number(value, &o->machine.record_every, false) || o->machine.record_every == 0)
        return err_make(ERR_USAGE, "-record-every %s: give a number of instructions", value);
    return OK;
}

static struct err set_checkpoints(struct options *o, const char *value)
{
    o->machine.checkpoints = CHECKPOINTS_OFF;
    if (strcmp(value, "off") == 0)
        return OK;
    if (strncmp(value, "every=", 6) == 0 && parse_number(value + 6, &o->machine.checkpoints, false) && o->machine.checkpoints != 0)
        return OK;
    return err_make(ERR_USAGE, "-checkpoints %s: off and every=INSNS are known", value);
}

static struct err set_no_reboot(struct options *o, const char *value)
{
    (void)value;
    o->machine.no_reboot = true;
    return OK;
}

static struct err set_gdb_wait(struct options *o, const char *value)
{
    (void)value;
    o->gdb_wait = true;
    return OK;
}

static struct err set_stop_at(struct options *o, const char *value)
{
    if (!parse_number(value, &o->machine.stop_at, false) || o->machine.stop_at == 0)
        return err_make(ERR_USAGE, "-stop-at %s: give a number of instructions", value);
    return OK;
}

static struct err set_snapshot_save(struct options *o, const char *value)
{
    const char *at = strstr(value, ",at=");

    if (at != NULL && (!parse_number(at + 4, &o->snapshot_at, false) || o->snapshot_at == 0))
        return err_make(ERR_USAGE, "-snapshot-save %s: give a number of instructions after at=", value);
    o->snapshot_save = keep(o, value, at != NULL ? (size_t)(at - value) : strlen(value));
    return o->snapshot_save != NULL && o->snapshot_save[0] != '\0' ? OK : err_make(ERR_USAGE, "-snapshot-save: give a file");
}

static struct err set_hash_at(struct options *o, const char *value)
{
    while (*value != '\0') {
        size_t item = strcspn(value, ",");
        char *text = keep(o, value, item);
        uint64_t n;

        if (text == NULL || !parse_number(text, &n, false))
            return err_make(ERR_USAGE, "-hash-at %s: give instruction counts, separated by commas", value);
        if (o->machine.nhashes == MACHINE_MAX_HASHES)
            return err_make(ERR_USAGE, "-hash-at: at most %d points", MACHINE_MAX_HASHES);
        o->machine.hash_at[o->machine.nhashes++] = n;
        value += item + (value[item] == ',');
    }
    return OK;
}

static struct err set_vga(struct options *o, const char *value)
{
    if (strcmp(value, "std") != 0 && strcmp(value, "none") != 0)
        return err_make(ERR_USAGE, "-vga %s: std and none are known", value);
    o->machine.vga = value[0] == 's';
    return OK;
}

static struct err set_log(struct options *o, const char *value)
{
    (void)o;
    if (!log_configure(value))
        return err_make(ERR_USAGE, "-log %s: give area=level; areas cpu mem dev hv machine all, levels quiet warn info debug", value);
    return OK;
}

static bool parse_range(const char *text, uint64_t *first, uint64_t *last)
{
    char *end;

    *first = *last = strtoull(text, &end, 0);
    if (end != text && *end == '-') {
        text = end + 1;
        *last = strtoull(text, &end, 0);
    }
    return end != text && *end == '\0' && *first <= *last;
}

static struct err set_dump(struct options *o, const char *value)
{
    struct dump_wish *d = &o->dump;
    const char *at = sub_option(o, value, "at");

    *d = (struct dump_wish){ .file = sub_option(o, value, "file"), .last = UINT64_MAX };
    if (at != NULL && !parse_range(at, &d->first, &d->last))
        return err_make(ERR_USAGE, "-d at=%s: an address, or two with a - between", at);
    for (const char *list = value; *list != '\0';) {
        size_t item = strcspn(list, ",");

        if (item == 5 && strncmp(list, "guest", item) == 0)
            d->guest = true;
        else if (item == 4 && strncmp(list, "host", item) == 0)
            d->host = true;
        else if (strncmp(list, "at=", 3) != 0 && strncmp(list, "file=", 5) != 0)
            return err_make(ERR_USAGE, "-d: '%.*s' is not known here; guest, host, at= and file= are", (int)item, list);
        list += item + (list[item] == ',');
    }
    if (!d->guest && !d->host)
        return err_make(ERR_USAGE, "-d %s: says neither guest nor host", value);
    return OK;
}

static struct err set_machine(struct options *o, const char *value)
{
    (void)o;
    if (strcmp(value, "pc") != 0)
        return err_make(ERR_USAGE, "-machine %s: pc is known", value);
    return OK;
}

static const struct option_row rows[] = {
    { "m",         "SIZE",   "memory: 512M, 2G; a bare number is MiB (default 128M)", set_memory },
    { "smp",       "N",      "processors, 1 to 64 (default 1)", set_smp },
    { "cpu",       "MODEL[,+f,-f]", "processor model and features; `-cpu help` lists them (default max)", set_cpu },
    { "machine",   "pc",     "the board", set_machine },
    { "kernel",    "FILE",   "boot a Linux bzImage or a Multiboot image directly", set_kernel },
    { "initrd",    "FILES",  "initial RAM disk, or Multiboot modules \"a arg,b\"", set_initrd },
    { "append",    "STRING", "kernel command line", set_append },
    { "bios",      "FILE",   "firmware image (default: the system's SeaBIOS)", set_bios },
    { "drive",     "file=F[,format=raw][,if=ide|floppy][,index=N][,media=disk|cdrom][,readonly=on][,snapshot=on]", "a disk, floppy or CD", set_drive },
    { "hda",       "FILE",   "first IDE disk", set_hda },
    { "hdb",       "FILE",   "second IDE disk", set_hdb },
    { "fda",       "FILE",   "floppy disk", set_fda },
    { "cdrom",     "FILE",   "CD image", set_cdrom },
    { "boot",      "ORDER",  "letters a (floppy), c (disk), d (CD) in the order to try", set_boot },
    { "serial",    "stdio|null|file:PATH|tcp:HOST:PORT[,server]", "a serial port; repeat for COM2 to COM4", set_serial },
    { "debugcon",  "stdio|null|file:PATH", "where bytes written to port 402h go", set_debugcon },
    { "display",   "none|sdl", "the screen (default none)", set_display },
    { "screen",    "FILE", "write the text screen at the end; a picture when the name ends in .ppm", set_screen },
    { "nographic", NULL,     "no screen, first serial port on the terminal", set_nographic },
    { "vga",       "std|none", "display adapter (default std)", set_vga },
    { "device",    "isa-debug-exit[,iobase=P,iosize=N]|pc-testdev|hyperv-testdev", "a device for test guests", set_device },
    { "accel",     "interp|jit[,off=LETTERS][,count]", "execution engine (default jit where the host has it); without what letters name\n"
      "        (docs/jit.md), counting how often code is entered", set_accel },
    { "hv",        "on|off|KEY=VALUE[,...]", "the Hv#1 hypervisor interface (default on), or what of it is offered: profile=default|minimal,\n"
      "        privileges=, features=, recommendations=[all|none|MASK][+NAME][-NAME]..., version=; `-hv help` lists names", set_hv },
    { "clock",     "virtual|host|ips=N", "virtual: never wait for the host; host: keep the host's seconds; ips: instructions a virtual second", set_clock },
    { "smm",       "on|off|intel64", "system-management interrupts of the chipset; intel64: states are saved in Intel's format", set_smm },
    { "mce",       "[cpu=N,][bank=B,]status=S[,mcg=M][,addr=A][,misc=M][,broadcast=on|off],at=INSNS",
      "a hardware error for the machine-check architecture to report", set_mce },
    { "schedule",  "seed=N|turn=INSNS", "several processors: turns of lengths that vary with N, or all of this length (default 20000)", set_schedule },
    { "seed",      "N",      "seed of the guest's random numbers (RDRAND, RDSEED); the same gives the same run", set_seed },
    { "rtc",       "base=utc|DATE", "wall clock at start (default 2026-01-01; utc with -clock host)", set_rtc },
    { "no-reboot", NULL,     "end instead of resetting", set_no_reboot },
    { "stop-at",   "INSNS",  "end after so many instructions", set_stop_at },
    { "hash-at",   "INSNS[,...]", "print a hash of the whole guest-visible state at these instructions", set_hash_at },
    { "record",    "FILE",   "record the run for `partita replay`; disks stay as they are. With `partita record`, -o FILE", set_record },
    { "o",         "FILE",   "the same", set_record },
    { "self-contained", NULL, "the recording holds all input files, disks too", set_self_contained },
    { "record-every", "INSNS", "a hash of everything so often (default: as often as it costs nothing to speak of)", set_record_every },
    { "checkpoints", "off|every=INSNS", "checkpoints in the recording (default: where they cost nothing to speak of)", set_checkpoints },
    { "snapshot-save", "FILE[,at=INSNS]", "save the whole machine at this instruction, or at the end", set_snapshot_save },
    { "snapshot-load", "FILE", "go on from there; all other options as when it was saved", set_snapshot_load },
    { "stats",     "FILE.json", "write counters at the end", set_stats },
    { "trace",     "hv[,file=PATH]", "hypercalls, synthetic MSRs, messages, events, timers and overlays, decoded; to stderr or a file", set_trace },
    { "d",         "guest,host[,at=FIRST[-LAST]][,file=PATH]", "guest code and what is made of it when it is translated; to stderr or a file", set_dump },
    { "gdb",       "tcp:HOST:PORT", "serve a debugger there (docs/debugging.md)", set_gdb },
    { "S",         NULL,     "with -gdb: do not run before the debugger says so", set_gdb_wait },
    { "log",       "AREA=LEVEL[,...]", "diagnostics on stderr", set_log },
};

/* What no guest can notice, so that a replay takes it too. */
static const char *const host_options[] = { "accel", "d", "debugcon", "display", "gdb", "hash-at", "log", "S", "screen", "snapshot-save",
                                           "stats", "trace" };

static bool is_host_option(const struct option_row *row)
{
    for (size_t k = 0; k < COUNT_OF(host_options); k++)
        if (strcmp(row->name, host_options[k]) == 0)
            return true;
    return false;
}

static const struct option_row *find_row(const char *arg)
{
    arg += arg[0] == '-' && arg[1] == '-';      /* --kernel is as good as -kernel */
    for (size_t k = 0; k < COUNT_OF(rows); k++)
        if (arg[0] == '-' && strcmp(arg + 1, rows[k].name) == 0)
            return &rows[k];
    return NULL;
}

bool options_takes_value(const char *arg)
{
    const struct option_row *row = find_row(arg);

    return row != NULL && row->takes != NULL;
}

static struct err check_paths(const struct options *o)
{
    if (o->gdb_wait && o->gdb == NULL)
        return err_make(ERR_USAGE, "-S needs -gdb: nobody could let the machine run");
    if (o->machine.append[0] != '\0' && o->machine.kernel == NULL)
        return err_make(ERR_USAGE, "-append needs -kernel");
    return OK;
}

static struct err parse(struct options *out, int nargs, char **args, bool host_only)
{
    for (int k = 0; k < nargs; k++) {
        const struct option_row *row = find_row(args[k]);

        if (row == NULL)
            return err_make(ERR_USAGE, "unknown option '%s'; `partita --help` lists them", args[k]);
        if (host_only && !is_host_option(row))
            return err_make(ERR_USAGE, "-%s is part of what was recorded; a replay cannot change it", row->name);
        if (row->takes != NULL && ++k == nargs)
            return err_make(ERR_USAGE, "-%s needs a value: %s", row->name, row->takes);
        TRY(row->set(out, row->takes != NULL ? args[k] : NULL));
    }
    return check_paths(out);
}

struct err options_parse(struct options *out, int nargs, char **args)
{
    *out = (struct options){ 0 };
    machine_config_default(&out->machine);
    return parse(out, nargs, args, false);
}

struct err options_parse_over(struct options *out, const struct machine_config *recorded, int nargs, char **args)
{
    *out = (struct options){ .machine = *recorded };
    return parse(out, nargs, args, false);
}

struct err options_parse_host(struct options *out, const struct machine_config *recorded, int nargs, char **args)
{
    *out = (struct options){ .machine = *recorded };
    return parse(out, nargs, args, true);
}

void options_free(struct options *o)
{
    while (o->nstorage > 0)
        free(o->storage[--o->nstorage]);
}

static void print_row(const struct option_row *row)
{
    printf("  -%s%s%s\n        %s\n", row->name, row->takes != NULL ? " " : "", row->takes != NULL ? row->takes : "", row->help);
}

void options_help(void)
{
    for (size_t k = 0; k < COUNT_OF(rows); k++)
        print_row(&rows[k]);
}

void options_host_help(void)
{
    for (size_t k = 0; k < COUNT_OF(rows); k++)
        if (is_host_option(&rows[k]))
            printf("  -%s%s%s", rows[k].name, rows[k].takes != NULL ? " " : "", rows[k].takes != NULL ? rows[k].takes : "");
    putchar('\n');
}
