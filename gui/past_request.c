/* SPDX-License-Identifier: MIT
 * The words of a question, rows of a table each; what needs the machine or symbols is looked up when it is asked. */
#include "gui/past_request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"

#define FRAMES_MAX  256u
#define BACK        ((uint64_t)1 << 24)

static bool number(const char *text, uint64_t *out, const char **rest)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    *rest = end;
    return *text >= '0' && *text <= '9' && errno == 0;
}

static const struct { const char *name; enum point_kind kind; bool physical; } kinds[] = {
    { "write:", POINT_WRITE, false }, { "read:", POINT_READ, false }, { "access:", POINT_ACCESS, false },
    { "pwrite:", POINT_WRITE, true }, { "pread:", POINT_READ, true }, { "paccess:", POINT_ACCESS, true },
    { "reached:", POINT_BREAK, false },
};

void past_request_help(void (*line)(void *arg, const char *text), void *arg)
{
    static const char *const text[] = {
        "  QUESTION  write:ADDRESS[+BYTES]                     memory behind a linear address, whichever way",
        "            read:ADDRESS[+BYTES], access:             memory by linear address",
        "            pwrite:ADDRESS[+BYTES], pread:, paccess:  by physical address, by devices too",
        "            reached:ADDRESS                           an instruction about to run",
        "            changed:REGISTER, changed:msr=NUMBER      a register, as gdb names it, or MSR got another value",
        "            event:KIND[,KIND...][=VECTOR]             exception, pagefault, int, interrupt, nmi, smi, cr3, and of the",
        "                                                      hypervisor: hypercall, msr, message, timer, page; or all",
        "            stack                                     who called whom",
        "            An ADDRESS may be the name of a symbol.",
        "  --at N            look from instruction N into the past (default: the end; in gdb: here)",
        "  --from N          no further than to instruction N",
        "  --all [--limit N] each time, in order, instead of the last one; at most N",
        "  --nth N           the N-th time",
        "  --vp N            only processor N",
        "  --symbols FILE    names from an ELF file, or text as nm, System.map and /proc/kallsyms have it",
        "  --cr3 VALUE       write: the address space whose page tables say where it lies (default: the processor's)",
        "  --back N          stack: learn from the N instructions before (default: 16777216)",
    };

    for (size_t k = 0; k < COUNT_OF(text); k++)
        line(arg, text[k]);
}

void past_request_init(struct past_request *r)
{
    *r = (struct past_request){ .at = UINT64_MAX, .limit = UINT64_MAX, .vp = PAST_ANY, .space = PAST_ANY, .cr3 = UINT64_MAX, .back = BACK };
}

void past_request_free(struct past_request *r)
{
    symbols_free(r->symbols);
    r->symbols = NULL;
}

/* ---- words ---- */

static bool is_question(const char *word)
{
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        if (strncmp(word, kinds[k].name, strlen(kinds[k].name)) == 0)
            return true;
    return strncmp(word, "changed:", 8) == 0 || strncmp(word, "event:", 6) == 0 || strcmp(word, "stack") == 0;
}

/* Where the number of an option goes; NULL: it has none. */
static uint64_t *number_of(struct past_request *r, const char *option)
{
    const struct { const char *name; uint64_t *to; } rows[] = {
        { "--at", &r->at }, { "--from", &r->from }, { "--limit", &r->limit }, { "--nth", &r->nth }, { "--back", &r->back },
        { "--cr3", &r->cr3 },
    };

    for (size_t k = 0; k < COUNT_OF(rows); k++)
        if (strcmp(option, rows[k].name) == 0)
            return rows[k].to;
    return NULL;
}

static struct err take_number(const char *option, const char *word, uint64_t least, uint64_t *to)
{
    const char *rest;

    if (word == NULL || !number(word, to, &rest) || *rest != '\0' || *to < least)
        return err_make(ERR_USAGE, "%s %s: give a number%s", option, word != NULL ? word : "", least > 0 ? " from 1 on" : "");
    return OK;
}

static struct err take_question(struct past_request *r, const char *word)
{
    if (r->text != NULL)
        return err_make(ERR_USAGE, "'%.60s' and '%.60s': one question at a time", r->text, word);
    r->text = word;
    return OK;
}

struct err past_request_take(struct past_request *r, char *const *words, int n, int *taken)
{
    const char *value = n > 1 ? words[1] : NULL;
    uint64_t *to = number_of(r, words[0]), vp;

    *taken = 1;
    if (is_question(words[0]))
        return take_question(r, words[0]);
    if (strcmp(words[0], "--all") == 0) {
        r->all = true;
        return OK;
    }
    *taken = 2;
    if (to != NULL)
        return take_number(words[0], value, to == &r->nth || to == &r->limit, to);
    if (strcmp(words[0], "--vp") == 0) {
        TRY(take_number(words[0], value, 0, &vp));
        r->vp = vp < PAST_ANY ? (unsigned)vp : PAST_ANY - 1;
        return OK;
    }
    if (strcmp(words[0], "--symbols") == 0) {
        r->symbol_file = value;
        return value != NULL ? OK : err_make(ERR_USAGE, "--symbols: give a file");
    }
    *taken = 0;
    return OK;
}

/* ---- what they mean ---- */

/* A number, or a name up to `+`. */
static bool address(const struct past_request *r, const char *text, uint64_t *out, const char **rest)
{
    char name[512];
    const size_t len = strcspn(text, "+");

    if (number(text, out, rest))
        return true;
    *rest = text + len;
    if (len == 0 || len >= sizeof name)
        return false;
    memcpy(name, text, len);
    name[len] = '\0';
    return symbols_find(r->symbols, name, out);
}

static struct err resolve_point(struct past_request *r)
{
    struct point *p = &r->what.point;
    const char *rest = strchr(r->text, ':') + 1;
    bool good;

    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        if (strncmp(r->text, kinds[k].name, strlen(kinds[k].name)) == 0)
            *p = (struct point){ kinds[k].kind, kinds[k].physical, 0, 1 };
    good = address(r, rest, &p->at, &rest);
    if (good && *rest == '+' && p->kind != POINT_BREAK)
        good = number(rest + 1, &p->len, &rest) && p->len > 0;
    return good && *rest == '\0' ? OK : err_make(ERR_USAGE, "%.100s: give an address or a symbol (--symbols)%s", r->text,
                                                 p->kind != POINT_BREAK ? ", and +BYTES if you like" : "");
}

static struct err resolve_register(struct past_request *r, struct debug *d)
{
    const char *name = r->text + 8, *rest;
    const struct debug_reg *reg = debug_reg_find(d, name);
    uint64_t msr;

    r->what.kind = PAST_CHANGED;
    if (reg != NULL)
        r->what.reg = *reg;
    else if (strncmp(name, "msr=", 4) == 0 && number(name + 4, &msr, &rest) && *rest == '\0' && msr <= UINT32_MAX)
        r->what.reg = debug_reg_of_msr((uint32_t)msr);
    else
        return err_make(ERR_USAGE, "%.100s: there is no such register; an MSR without a name is msr=NUMBER", r->text);
    return OK;
}

static bool add_event(struct past_question *q, const char *name, size_t len)
{
    for (unsigned k = 0; k < PAST_EVENTS; k++)
        if (strlen(past_event_names[k]) == len && strncmp(name, past_event_names[k], len) == 0) {
            q->events |= 1u << k;
            return true;
        }
    if (len == 3 && strncmp(name, "all", 3) == 0)
        q->events |= (1u << PAST_EVENTS) - 1;
    return len == 3 && strncmp(name, "all", 3) == 0;
}

static struct err resolve_events(struct past_request *r)
{
    const char *at = r->text + 6, *rest = "";
    uint64_t vector;

    r->what.kind = PAST_EVENT;
    do {
        const size_t len = strcspn(at, ",=");

        if (!add_event(&r->what, at, len))
            return err_make(ERR_USAGE, "%.100s: no event is '%.*s'", r->text, (int)(len < 60 ? len : 60), at);
        at += len;
    } while (*at == ',' && *++at != '\0');
    if (*at != '=')
        return OK;
    if (!number(at + 1, &vector, &rest) || *rest != '\0' || vector > 255)
        return err_make(ERR_USAGE, "%.100s: a vector is a number up to 255", r->text);
    r->what.vector = (unsigned)vector;
    return OK;
}

static struct err resolve(struct past_request *r, struct debug *d)
{
    if (r->text == NULL)
        return err_make(ERR_USAGE, "give a question such as write:0x1000+8");
    if (r->symbol_file != NULL && r->symbols == NULL)
        TRY(symbols_open(&r->symbols, r->symbol_file));
    r->what = (struct past_question){ .kind = PAST_POINT, .vp = r->vp, .vector = PAST_ANY, .space = r->vp != PAST_ANY ? r->vp : r->space,
                                      .has_cr3 = r->cr3 != UINT64_MAX, .cr3 = r->cr3 };
    if (strcmp(r->text, "stack") == 0)
        return OK;
    if (strncmp(r->text, "changed:", 8) == 0)
        return resolve_register(r, d);
    return strncmp(r->text, "event:", 6) == 0 ? resolve_events(r) : resolve_point(r);
}

/* ---- answers ---- */

struct printing {
    struct past_request *r;
    void (*line)(void *arg, const char *text);
    void *arg;
    uint64_t answers, told;
};

static void put_bytes(struct writer *w, const char *name, const uint8_t *bytes, unsigned n)
{
    writer_print(w, ", \"%s\": \"", name);
    for (unsigned k = 0; k < n; k++)
        writer_print(w, "%02x", bytes[k]);
    writer_print(w, "\"");
}

/* As a number, the highest digits first. */
static void put_value(struct writer *w, const char *name, const uint8_t *bytes, unsigned n)
{
    writer_print(w, ", \"%s\": \"0x", name);
    while (n > 1 && bytes[n - 1] == 0)
        n--;
    writer_print(w, "%x", bytes[n - 1]);
    while (--n > 0)
        writer_print(w, "%02x", bytes[n - 1]);
    writer_print(w, "\"");
}

static void put_text(struct writer *w, const char *name, const char *text)
{
    writer_print(w, ", \"%s\": \"", name);
    for (; *text != '\0'; text++)
        writer_print(w, *text == '"' || *text == '\\' ? "\\%c" : (unsigned char)*text < ' ' ? "?" : "%c", *text);
    writer_print(w, "\"");
}

static void put_place(struct writer *w, const struct symbols *s, const char *name, const char *symbol, uint64_t at)
{
    uint64_t offset;
    const char *found = symbols_at(s, at, &offset);
    char text[512];

    writer_print(w, ", \"%s\": \"%#" PRIx64 "\"", name, at);
    if (found == NULL)
        return;
    snprintf(text, sizeof text, offset != 0 ? "%.400s+%#" PRIx64 : "%.400s", found, offset);
    put_text(w, symbol, text);
}

static void put_point(struct writer *w, const struct past_answer *a)
{
    const struct point_hit *h = &a->hit;

    if (h->point.kind == POINT_BREAK)
        return;
    if (a->behind)
        writer_print(w, ", \"address\": \"%#" PRIx64 "\"", a->linear);
    writer_print(w, ", \"%s\": \"%#" PRIx64 "\", \"bytes\": %u, \"wrote\": %s", h->point.physical ? "physical" : "address", h->at, h->bytes,
                 h->wrote ? "true" : "false");
    if (h->has_old)
        put_bytes(w, "old", h->old, h->bytes);
    put_bytes(w, "now", h->now, h->bytes);
    if (a->mapped != 0)
        writer_print(w, ", \"mapped\": %" PRIu64, a->mapped);
}

static void put_event(struct writer *w, const struct past_answer *a)
{
    writer_print(w, ", \"event\": \"%s\"", past_event_names[a->event]);
    if (a->event == PAST_CR3)
        writer_print(w, ", \"old\": \"%#" PRIx64 "\", \"now\": \"%#" PRIx64 "\"", a->before, a->after);
    else if (a->event <= PAST_NMI)
        writer_print(w, ", \"vector\": %u", a->vector);
    if (a->has_error)
        writer_print(w, ", \"error\": \"%#x\"", a->error);
    if (a->event == PAST_PAGE_FAULT)
        writer_print(w, ", \"address\": \"%#" PRIx64 "\"", a->after);
    if (a->text[0] != '\0')
        put_text(w, "text", a->text);
}

static void end_line(struct printing *p, struct writer *w)
{
    writer_copy(w, "}", 2);
    p->line(p->arg, (const char *)w->bytes);
    p->told++;
    writer_free(w);
}

static void put_answer(struct printing *p, const struct past_answer *a)
{
    const struct debug_reg *reg = &p->r->what.reg;
    struct writer w = { 0 };

    writer_print(&w, "{\"insns\": %" PRIu64, a->insns);
    if (a->vp != POINT_NOBODY)
        writer_print(&w, ", \"vp\": %u", a->vp);
    if (a->vp != POINT_NOBODY && a->rip != 0)
        put_place(&w, p->r->symbols, "rip", "symbol", a->rip);
    if (p->r->what.kind == PAST_POINT) {
        put_point(&w, a);
    } else if (p->r->what.kind == PAST_EVENT) {
        put_event(&w, a);
    } else {
        put_text(&w, "register", reg->name);
        put_value(&w, "old", a->old, reg->bits / 8);
        put_value(&w, "now", a->now, reg->bits / 8);
    }
    end_line(p, &w);
}

static bool on_answer(void *arg, const struct past_answer *a)
{
    struct printing *p = arg;

    p->answers++;
    if (p->r->nth != 0 && p->answers < p->r->nth)
        return true;
    put_answer(p, a);
    return p->r->nth == 0 && p->answers < p->r->limit;
}

static struct err tell_stack(struct printing *p, struct debug *d)
{
    struct past_frame frames[FRAMES_MAX];
    unsigned count;

    TRY(past_stack(d, p->r->vp, p->r->at, p->r->back, frames, p->r->limit < FRAMES_MAX ? (unsigned)p->r->limit : FRAMES_MAX, &count));
    for (unsigned k = 0; k < count; k++) {
        const struct past_frame *f = &frames[k];
        struct writer w = { 0 };

        writer_print(&w, "{\"frame\": %u, \"by\": \"%s\"", k, past_frame_names[f->kind]);
        put_place(&w, p->r->symbols, "rip", "symbol", f->rip);
        if (f->kind == FRAME_INTERRUPT)
            writer_print(&w, ", \"vector\": %u", f->vector);
        if (f->callee != 0)
            put_place(&w, p->r->symbols, "callee", "function", f->callee);
        if (f->sp != 0)
            writer_print(&w, ", \"sp\": \"%#" PRIx64 "\"", f->sp);
        if (f->insns != 0)
            writer_print(&w, ", \"insns\": %" PRIu64, f->insns);
        end_line(p, &w);
    }
    return OK;
}

static struct err tell(struct printing *p, struct debug *d)
{
    const struct past_request *r = p->r;
    struct past_answer last;

    if (strcmp(r->text, "stack") == 0)
        return tell_stack(p, d);
    if (r->all || r->nth != 0)
        return past_each(d, &r->what, r->from, r->at, on_answer, p);
    TRY(past_last(d, &r->what, r->from, r->at, &last));
    if (last.found)
        put_answer(p, &last);
    return OK;
}

struct err past_request_run(struct past_request *r, struct debug *d, void (*line)(void *arg, const char *text), void *arg)
{
    struct printing p = { .r = r, .line = line, .arg = arg };

    TRY(resolve(r, d));
    TRY(tell(&p, d));
    if (p.told == 0)
        line(arg, "{}");
    return OK;
}
