/* SPDX-License-Identifier: MIT
 * Options of what is plugged into the board: drives, devices for test guests, hardware errors. */
#include <string.h>

#include "gui/options_internal.h"

static struct err add_drive(struct options *o, struct drive_config d)
{
    if (o->machine.ndrives == MACHINE_MAX_DRIVES)
        return err_make(ERR_USAGE, "-drive: there is room for %d drives", MACHINE_MAX_DRIVES);
    o->machine.drives[o->machine.ndrives++] = d;
    return OK;
}

struct err set_drive(struct options *o, const char *value)
{
    static const char *const keys[] = { "file", "format", "if", "index", "media", "readonly", "snapshot", NULL };
    const char *format = sub_option(o, value, "format"), *bus = sub_option(o, value, "if");
    const char *media = sub_option(o, value, "media"), *index = sub_option(o, value, "index");
    struct drive_config d = { .index = -1 };
    uint64_t n;

    TRY(check_keys("-drive", value, keys));
    d.file = sub_option(o, value, "file");
    if (d.file == NULL)
        return err_make(ERR_USAGE, "-drive %s: file=... is missing", value);
    if (format != NULL && strcmp(format, "raw") != 0)
        return err_make(ERR_UNSUPPORTED, "-drive format=%s: only raw images are known", format);
    if (bus != NULL && strcmp(bus, "ide") != 0 && strcmp(bus, "floppy") != 0)
        return err_make(ERR_UNSUPPORTED, "-drive if=%s: ide and floppy are known", bus);
    d.bus = bus != NULL && bus[0] == 'f' ? DRIVE_FLOPPY : DRIVE_IDE;
    if (media != NULL && strcmp(media, "disk") != 0 && strcmp(media, "cdrom") != 0)
        return err_make(ERR_USAGE, "-drive media=%s: disk and cdrom are known", media);
    d.cdrom = media != NULL && media[0] == 'c';
    if (index != NULL) {
        if (!parse_number(index, &n, false) || n > 3)
            return err_make(ERR_USAGE, "-drive index=%s: give 0 to 3", index);
        d.index = (int)n;
    }
    TRY(on_off("-drive readonly", sub_option(o, value, "readonly"), &d.readonly));
    TRY(on_off("-drive snapshot", sub_option(o, value, "snapshot"), &d.snapshot));
    return add_drive(o, d);
}

struct err set_hda(struct options *o, const char *value) { return add_drive(o, (struct drive_config){ .file = value, .index = 0 }); }
struct err set_hdb(struct options *o, const char *value) { return add_drive(o, (struct drive_config){ .file = value, .index = 1 }); }
struct err set_fda(struct options *o, const char *value)
{
    return add_drive(o, (struct drive_config){ .file = value, .bus = DRIVE_FLOPPY, .index = 0 });
}
struct err set_cdrom(struct options *o, const char *value)
{
    return add_drive(o, (struct drive_config){ .file = value, .index = 2, .cdrom = true, .readonly = true });
}

struct err set_device(struct options *o, const char *value)
{
    static const char *const exit_keys[] = { "isa-debug-exit", "iobase", "iosize", NULL };
    const char *base = sub_option(o, value, "iobase"), *size = sub_option(o, value, "iosize");
    const char *options = value + strcspn(value, ",");
    uint64_t port = 0x501, bytes = 2;

    if (strcmp(value, "pc-testdev") == 0) {
        o->machine.testdev = true;
        return OK;
    }
    if (strcmp(value, "hyperv-testdev") == 0) {
        o->machine.hyperv_testdev = true;
        return OK;
    }
    if (strncmp(value, "isa-debug-exit", strcspn(value, ",")) != 0 || strcspn(value, ",") != 14)
        return err_make(ERR_USAGE, "-device %s: isa-debug-exit, pc-testdev and hyperv-testdev are known", value);
    TRY(check_keys("-device isa-debug-exit", *options == ',' ? options + 1 : options, exit_keys));
    if ((base != NULL && (!parse_number(base, &port, false) || port > 0xffff)) ||
        (size != NULL && (!parse_number(size, &bytes, false) || (bytes != 1 && bytes != 2 && bytes != 4))))
        return err_make(ERR_USAGE, "-device %s: iobase is a port, iosize 1, 2 or 4", value);
    o->machine.debug_exit = true;
    o->machine.debug_exit_port = (uint16_t)port;
    o->machine.debug_exit_bytes = (uint16_t)bytes;
    return OK;
}

static struct err mce_number(struct options *o, const char *list, const char *key, uint64_t *out)
{
    const char *text = sub_option(o, list, key);

    if (text == NULL || parse_number(text, out, false))
        return OK;
    return err_make(ERR_USAGE, "-mce: %s=%s is no number", key, text);
}

/* Ascending, whatever the order they are given in. */
static void add_mce(struct machine_config *m, const struct machine_mce *e)
{
    unsigned at = m->nmces++;

    for (; at > 0 && m->mces[at - 1].at > e->at; at--)
        m->mces[at] = m->mces[at - 1];
    m->mces[at] = *e;
}

/* Unless mcg= says otherwise, the program can go on where the state is not corrupt (PCC, bit 57), and caused the error where
 * an action is required (AR, bit 55). */
struct err set_mce(struct options *o, const char *value)
{
    static const char *const keys[] = { "cpu", "bank", "status", "mcg", "addr", "misc", "broadcast", "at", NULL };
    const char *broadcast = sub_option(o, value, "broadcast");
    struct machine_mce e = { .broadcast = true };
    uint64_t cpu = 0, bank = 0;

    TRY(check_keys("-mce", value, keys));
    if (sub_option(o, value, "status") == NULL || sub_option(o, value, "at") == NULL)
        return err_make(ERR_USAGE, "-mce %s: give at least status=S and at=INSNS", value);
    if (o->machine.nmces == MACHINE_MAX_MCES)
        return err_make(ERR_USAGE, "-mce: at most %d of them", MACHINE_MAX_MCES);
    TRY(mce_number(o, value, "status", &e.status));
    e.mcg_status = e.status >> 57 & 1 ? 0 : e.status >> 55 & 1 ? 3 : 1;
    TRY(mce_number(o, value, "cpu", &cpu));
    TRY(mce_number(o, value, "bank", &bank));
    TRY(mce_number(o, value, "mcg", &e.mcg_status));
    TRY(mce_number(o, value, "addr", &e.addr));
    TRY(mce_number(o, value, "misc", &e.misc));
    TRY(mce_number(o, value, "at", &e.at));
    if (broadcast != NULL)
        TRY(on_off("-mce broadcast", broadcast, &e.broadcast));
    e.cpu = cpu > MACHINE_MAX_VPS ? MACHINE_MAX_VPS : (unsigned)cpu;
    e.bank = bank > 0xff ? 0xff : (unsigned)bank;
    add_mce(&o->machine, &e);
    return OK;
}
