/* SPDX-License-Identifier: MIT
 * The order of the lines is that in which differences are told: what a user chose first, then files, then what only another version
 * of Partita can have made different. Names and places of files do not count, their contents do. */
#include "machine/identity.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "machine/boot.h"
#include "machine/chips.h"

static void blob_line(struct writer *out, const char *what, const struct blob *b)
{
    if (b->len > 0)
        writer_print(out, "%s=%016" PRIx64 "\n", what, bytes_hash(b->bytes, b->len, b->len));
}

#define SAMPLES 256u

/* Disks are large: their size and a sample of their pages stand for them. */
static struct err disk_line(struct writer *out, unsigned n, const struct drive_config *d)
{
    uint8_t page[PAGE_SIZE];
    struct err e = OK;
    struct file *f;
    uint64_t hash;

    TRY(file_open(&f, d->file, FILE_READ));
    hash = file_size(f);
    for (uint64_t k = 0; k < SAMPLES && !failed(&e); k++) {
        uint64_t at = file_size(f) / SAMPLES * k & ~(uint64_t)(BLOCK_SECTOR - 1);
        uint64_t len = file_size(f) - at < sizeof page ? file_size(f) - at : sizeof page;

        e = file_read_at(f, at, page, (size_t)len);
        hash = bytes_hash(page, (size_t)len, hash);
    }
    if (!failed(&e))
        writer_print(out, "disk %u=%s of %" PRIu64 " bytes, sample %016" PRIx64 "\n", n, d->cdrom ? "CD" : d->bus == DRIVE_FLOPPY ? "floppy" : "disk",
             file_size(f), hash);
    file_close(f);
    return e;
}

static uint64_t schema_hash(const struct state_schema *schema)
{
    uint64_t hash = schema->size;

    for (size_t k = 0; k < schema->nfields; k++) {
        uint32_t shape[2] = { schema->fields[k].count, schema->fields[k].size };

        hash = bytes_hash(schema->fields[k].name, strlen(schema->fields[k].name), hash);
        hash = bytes_hash(shape, sizeof shape, hash);
    }
    return hash;
}

static struct err features_line(const struct machine *m, struct writer *out)
{
    struct cpu_config cfg = { 0 };

    TRY(cpu_config_parse(&cfg, m->cfg.cpu));
    writer_print(out, "processor=%s, features %016" PRIx64 "\n", m->cfg.cpu, bytes_hash(cfg.features, sizeof cfg.features, 0));
    return OK;
}

struct err identity_write(const struct machine *m, struct writer *out)
{
    const struct machine_config *cfg = &m->cfg;

    writer_print(out, "memory=%" PRIu64 " MiB\n", cfg->ram_bytes >> 20);
    writer_print(out, "processors=%u\n", m->nvps);
    TRY(features_line(m, out));
    writer_print(out, "hypervisor=%s%s%s\n", cfg->hv ? "on" : "off", cfg->hv_spec != NULL ? "," : "", cfg->hv_spec != NULL ? cfg->hv_spec : "");
    writer_print(out, "turn=%" PRIu64 ",%" PRIu64 "\n", cfg->schedule_turn, cfg->schedule_seed);
    writer_print(out, "smm=%d\n", (int)cfg->smm);
    writer_print(out, "no-reboot=%d\n", cfg->no_reboot);
    for (unsigned k = 0; k < cfg->nmces; k++)
        writer_print(out, "mce %u=%016" PRIx64 "\n", k, bytes_hash(&cfg->mces[k], sizeof cfg->mces[k], 0));
    if (m->board->bios != NULL)
        writer_print(out, "firmware=%016" PRIx64 "\n", ram_hash(m->board->bios, 0));
    blob_line(out, "kernel", &m->boot->kernel);
    for (unsigned k = 0; k < m->boot->nmodules; k++)
        blob_line(out, "initrd", &m->boot->modules[k].file);
    writer_print(out, "append=%016" PRIx64 "\n", bytes_hash(cfg->append, strlen(cfg->append), 0));
    for (unsigned k = 0; k < cfg->ndrives; k++)
        TRY(disk_line(out, k, &cfg->drives[k]));
    for (const struct device *dev = m->tree.first; dev != NULL; dev = dev->next)
        writer_print(out, "device %s=%016" PRIx64 "\n", dev->name, dev->class->state == NULL ? 0 : schema_hash(dev->class->state));
    return OK;
}

uint64_t identity_devices(const struct machine *m)
{
    uint64_t hash = 0;

    for (const struct device *dev = m->tree.first; dev != NULL; dev = dev->next) {
        hash = bytes_hash(dev->name, strlen(dev->name), hash);
        hash ^= dev->class->state == NULL ? 0 : schema_hash(dev->class->state);
    }
    return hash;
}

static struct err compare(const char *have, size_t have_len, const char *saved, size_t len)
{
    while (len > 0 || have_len > 0) {
        const char *end = len > 0 ? memchr(saved, '\n', len) : NULL, *have_end = have_len > 0 ? memchr(have, '\n', have_len) : NULL;
        size_t n = end == NULL ? len : (size_t)(end - saved), k = have_end == NULL ? have_len : (size_t)(have_end - have);

        if (n != k || memcmp(saved, have, n) != 0)
            return err_make(ERR_USAGE, "the snapshot is of another machine: it was saved with '%.*s', this one has '%.*s'",
                            (int)(n < 70 ? n : 70), saved, (int)(k < 70 ? k : 70), have);
        saved += n + (end != NULL);
        len -= n + (end != NULL);
        have += k + (have_end != NULL);
        have_len -= k + (have_end != NULL);
    }
    return OK;
}

struct err identity_check(const struct machine *m, const char *saved, size_t len)
{
    struct writer have = { 0 };
    struct err e = identity_write(m, &have);

    if (!failed(&e))
        e = compare((const char *)have.bytes, have.len, saved, len);
    writer_free(&have);
    return e;
}
