/* SPDX-License-Identifier: MIT
 * ELF: System V ABI "Sections", "Symbol Table". Names stay where they are in the file's bytes. */
#include "base/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/invariant.h"

#define UNSIZED_MAX ((uint64_t)1 << 20)     /* how far a symbol without a size reaches at most */
#define NAME_MAX_BYTES 16384u               /* who has a longer name stays out of it */

enum { SECTION_SYMTAB = 2, SECTION_DYNSYM = 11 };
enum { SYMBOL_NOTYPE = 0, SYMBOL_OBJECT = 1, SYMBOL_FUNC = 2, SYMBOL_IFUNC = 10 };

struct symbol { uint64_t at, size; const char *name; };

struct symbols {
    struct blob file;
    struct symbol *list;            /* ascending */
    size_t count, room;
};

static void add(struct symbols *s, uint64_t at, uint64_t size, const char *name)
{
    if (s->count == s->room) {
        s->room = s->room * 2 + 1024;
        s->list = realloc(s->list, s->room * sizeof *s->list);
        invariant(s->list != NULL, "out of memory for symbols");
    }
    s->list[s->count++] = (struct symbol){ at, size, name };
}

/* ---- ELF ---- */

struct section { uint64_t type, at, len, link, each; };

static bool wide(const struct symbols *s) { return s->file.bytes[4] == 2; }

static bool inside(const struct symbols *s, uint64_t at, uint64_t len)
{
    return at <= s->file.len && len <= s->file.len - at;
}

static bool section(const struct symbols *s, uint64_t n, struct section *out)
{
    const uint8_t *b = s->file.bytes;
    const uint64_t table = wide(s) ? load64(b + 40) : load32(b + 32), each = load16(b + (wide(s) ? 58 : 46));
    const uint64_t count = load16(b + (wide(s) ? 60 : 48));
    const uint8_t *h;

    if (n >= count || each < (wide(s) ? 64u : 40u) || !inside(s, table, each * count))
        return false;
    h = b + table + n * each;
    if (wide(s))
        *out = (struct section){ load32(h + 4), load64(h + 24), load64(h + 32), load32(h + 40), load64(h + 56) };
    else
        *out = (struct section){ load32(h + 4), load32(h + 16), load32(h + 20), load32(h + 24), load32(h + 36) };
    return true;
}

static void add_symbol(struct symbols *s, const uint8_t *e, const struct section *names)
{
    const uint64_t name = load32(e), at = wide(s) ? load64(e + 8) : load32(e + 4), size = wide(s) ? load64(e + 16) : load32(e + 8);
    const unsigned type = e[wide(s) ? 4 : 12] & 15, where = load16(e + (wide(s) ? 6 : 14));
    const char *text = (const char *)s->file.bytes + names->at + name;
    const uint64_t room = name >= names->len ? 0 : names->len - name;

    if (type != SYMBOL_NOTYPE && type != SYMBOL_OBJECT && type != SYMBOL_FUNC && type != SYMBOL_IFUNC)
        return;
    if (where == 0 || room == 0 || *text == '\0' || memchr(text, '\0', room < NAME_MAX_BYTES ? room : NAME_MAX_BYTES) == NULL)
        return;
    add(s, at, size, text);
}

static void add_table(struct symbols *s, const struct section *t)
{
    struct section names;

    if (t->each < (wide(s) ? 24u : 16u) || !inside(s, t->at, t->len) || !section(s, t->link, &names) || !inside(s, names.at, names.len))
        return;
    for (uint64_t k = 1; k < t->len / t->each; k++)
        add_symbol(s, s->file.bytes + t->at + k * t->each, &names);
}

/* Tables of a file lie beside each other, whatever its headers say: all of them have no more bytes than it. */
static void read_elf(struct symbols *s)
{
    static const unsigned types[] = { SECTION_SYMTAB, SECTION_DYNSYM };
    uint64_t left = s->file.len;
    struct section t;

    for (size_t k = 0; k < sizeof types / sizeof types[0] && s->count == 0; k++)
        for (uint64_t n = 0; section(s, n, &t); n++)
            if (t.type == types[k] && t.len <= left) {
                left -= t.len;
                add_table(s, &t);
            }
}

/* ---- text ---- */

static void read_text(struct symbols *s)
{
    char *line = (char *)s->file.bytes, *const end = line + s->file.len;

    for (char *next; line < end; line = next + 1) {
        char *rest;
        uint64_t at;

        next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL)
            next = end;                 /* there is a byte to spare */
        *next = '\0';
        at = strtoull(line, &rest, 16);
        if (rest == line || rest[0] != ' ' || rest[1] == '\0' || rest[2] != ' ' || rest[3] <= ' ')
            continue;
        rest[3 + strcspn(rest + 3, " \t\r")] = '\0';
        if (strlen(rest + 3) < NAME_MAX_BYTES)
            add(s, at, 0, rest + 3);
    }
}

/* ---- both ---- */

static int by_address(const void *a, const void *b)
{
    const struct symbol *p = a, *q = b;

    return p->at < q->at ? -1 : p->at > q->at ? 1 : strcmp(p->name, q->name);
}

struct err symbols_of(struct symbols **out, const char *path, struct blob file)
{
    struct symbols *s = calloc(1, sizeof *s);

    invariant(s != NULL, "out of memory for symbols");
    s->file = file;
    if (file.len >= 64 && memcmp(file.bytes, "\177ELF", 4) == 0)
        read_elf(s);
    else
        read_text(s);
    if (s->count == 0) {
        symbols_free(s);
        return err_make(ERR_FORMAT, "no symbols in '%.150s': give an ELF file that is not stripped, or text as nm prints it", path);
    }
    qsort(s->list, s->count, sizeof *s->list, by_address);
    *out = s;
    return OK;
}

struct err symbols_open(struct symbols **out, const char *path)
{
    struct blob file;

    TRY(file_read_all(path, &file));
    return symbols_of(out, path, file);
}

void symbols_free(struct symbols *s)
{
    if (s == NULL)
        return;
    blob_free(&s->file);
    free(s->list);
    free(s);
}

size_t symbols_count(const struct symbols *s)
{
    return s->count;
}

bool symbols_find(const struct symbols *s, const char *name, uint64_t *at)
{
    for (size_t k = 0; s != NULL && k < s->count; k++)
        if (strcmp(s->list[k].name, name) == 0) {
            *at = s->list[k].at;
            return true;
        }
    return false;
}

const char *symbols_at(const struct symbols *s, uint64_t at, uint64_t *offset)
{
    size_t low = 0, high = s == NULL ? 0 : s->count;
    const struct symbol *found;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (s->list[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    found = &s->list[low - 1];
    while (found > s->list && found[-1].at == found->at && found->size == 0)
        found--;                        /* of several at one place one that says how long it is */
    *offset = at - found->at;
    return *offset < (found->size != 0 ? found->size : UNSIZED_MAX) ? found->name : NULL;
}
