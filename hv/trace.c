/* SPDX-License-Identifier: MIT
 * -trace hv: hypercalls, synthetic registers, messages, events, timers and overlays by name, with the section of the TLFS 6.0b
 * that describes them. Names and layouts are rows (trace.def); nothing here changes anything. */
#include "hv/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES  1024u
#define ELEMENTS_SHOWN  4u              /* of a rep call's list */

static const struct { uint16_t code; const char *section, *header, *element, *out_header, *out_element; } calls[] = {
#define CALL(code, section, header, element, out_header, out_element) \
    { code, section, header, element, out_header, out_element },
#define MSR(number, section)
#define FIELD(first, last, hi, lo, name)
#include "hv/trace.def"
#undef CALL
#undef MSR
#undef FIELD
};

static const struct { uint32_t number; const char *section; } msrs[] = {
#define CALL(code, section, header, element, out_header, out_element)
#define MSR(number, section) { number, section },
#define FIELD(first, last, hi, lo, name)
#include "hv/trace.def"
#undef CALL
#undef MSR
#undef FIELD
};

static const struct { uint32_t first, last; uint8_t hi, lo; const char *name; } fields[] = {
#define CALL(code, section, header, element, out_header, out_element)
#define MSR(number, section)
#define FIELD(first, last, hi, lo, name) { first, last, hi, lo, name },
#include "hv/trace.def"
#undef CALL
#undef MSR
#undef FIELD
};

/* ---- lines ---- */

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void append(struct line *l, const char *format, ...) PRINTF_LIKE(2, 3);
static void append(struct line *l, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(l->text + l->len, sizeof l->text - l->len, format, args);
    va_end(args);
    l->len = n < 0 ? l->len : l->len + (size_t)n < sizeof l->text ? l->len + (size_t)n : sizeof l->text - 1;
}

static void begin(struct line *l, const struct hv *hv, const struct vp *vp)
{
    l->len = 0;
    append(l, "%12" PRIu64 ".%03" PRIu64 " ", clock_ns(hv->clock) / 1000, clock_ns(hv->clock) % 1000);
    append(l, vp != NULL ? "vp%-2u " : "---- ", vp != NULL ? vp->index : 0);
}

static void end(struct line *l, const struct hv *hv, const char *section)
{
    append(l, "   [TLFS %s]", section);
    hv->cfg.trace(hv->cfg.trace_self, l->text);
}

void trace_line(const struct hv *hv, const struct vp *vp, const char *section, const char *format, ...)
{
    struct line l;
    va_list args;
    char text[LINE_MAX_BYTES / 2];

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    begin(&l, hv, vp);
    append(&l, "%s", text);
    end(&l, hv, section);
}

/* ---- names ---- */

const char *trace_status_name(unsigned status)
{
    switch (status) {
#define NAME(name, code) case code: return #name;
    HV_STATUS_LIST(NAME)
#undef NAME
    default: return "?";
    }
}

const char *trace_message_name(uint32_t type)
{
    if (type == (uint32_t)HvMessageTimerExpired)
        return "HvMessageTimerExpired";
    return type & HV_MESSAGE_TYPE_HYPERVISOR_MASK ? "of the hypervisor" : "of a guest";
}

/* ---- hypercalls ---- */

static uint64_t field_value(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned n = 0; n < bytes && n < 8; n++)
        value |= (uint64_t)at[n] << 8 * n;
    return value;
}

/* "0:AddressSpace:8;8:Flags:8" and the bytes: names with values. Padding is left out; what is longer than 8 bytes shows its
 * first 8, and a part of variable length its size. */
static void append_layout(struct line *l, const char *layout, const uint8_t *bytes, unsigned variable)
{
    const char *separator = "";

    for (const char *item = layout; item != NULL && *item != '\0'; item = strchr(item, ';')) {
        unsigned at, size;
        int name, name_end = 0;

        item += *item == ';';
        if (sscanf(item, "%u:%n%*[^:]%n:%u", &at, &name, &name_end, &size) == 2) {
            if (strncmp(item + name, "Padding", 7) == 0)
                continue;
            append(l, "%s%.*s=%#" PRIx64 "%s", separator, name_end - name, item + name, field_value(bytes + at, size),
                   size > 8 ? ".." : "");
        } else if (name_end != 0 && variable != 0) {
            append(l, "%s%.*s=%u*8 bytes", separator, name_end - name, item + name, variable);
        } else {
            continue;
        }
        separator = ", ";
    }
}

static void append_elements(struct line *l, const char *layout, const uint8_t *list, unsigned size, const struct trace_call *c)
{
    if (size == 0 || c->end <= c->first)
        return;
    append(l, " [");
    for (unsigned n = c->first; n < c->end && n < c->first + ELEMENTS_SHOWN; n++) {
        append(l, n == c->first ? "{" : " {");
        append_layout(l, layout, list + n * size, 0);
        append(l, "}");
    }
    append(l, c->end - c->first > ELEMENTS_SHOWN ? " ..%u]" : "]", c->end - c->first);
}

static void append_result(struct line *l, const struct trace_call *c)
{
    if (c->answer == PASS)
        append(l, " = #UD");
    else if (c->answer == RETRY)
        append(l, " = continues at %u", c->end);
    else
        append(l, " = %s", trace_status_name(c->status));
    if (c->answer == DONE && HV_HYPERCALL_REP_COUNT(c->control) != 0)
        append(l, ", %u of %u", c->end, HV_HYPERCALL_REP_COUNT(c->control));
}

void trace_hypercall(const struct trace_call *c)
{
    const struct hc_row *row = c->row;
    unsigned k = 0;
    struct line l;

    while (row != NULL && k < COUNT_OF(calls) && calls[k].code != row->code)
        k++;
    begin(&l, c->vp->hv, c->vp);
    if (row == NULL)
        append(&l, "hypercall %04x(", HV_HYPERCALL_CODE(c->control));
    else
        append(&l, "Hv%s%s(", row->code >= 0x8000 ? "ExtCall" : "Call", row->name);
    append(&l, c->control & HV_HYPERCALL_FAST ? "fast" : "memory");
    if (c->in != NULL && k < COUNT_OF(calls) && row->header != 0) {
        append(&l, ", ");
        append_layout(&l, calls[k].header, c->in, c->variable);
    }
    append(&l, ")");
    if (c->in != NULL && k < COUNT_OF(calls))
        append_elements(&l, calls[k].element, c->in + row->header + 8 * c->variable, row->element, c);
    append_result(&l, c);
    if (c->out != NULL && c->status == HV_STATUS_SUCCESS && k < COUNT_OF(calls)) {
        append(&l, row->out_header != 0 ? ", " : "");
        append_layout(&l, row->out_header != 0 ? calls[k].out_header : "", c->out, 0);
        append_elements(&l, calls[k].out_element, c->out + row->out_header, row->out_element, c);
    }
    end(&l, c->vp->hv, row != NULL && k < COUNT_OF(calls) ? calls[k].section : "A");
}

/* ---- synthetic registers ---- */

static const char *msr_section(uint32_t number)
{
    for (unsigned k = 0; k < COUNT_OF(msrs); k++)
        if (msrs[k].number == number)
            return msrs[k].section;
    return "C";
}

static void append_fields(struct line *l, uint32_t number, uint64_t value)
{
    const char *separator = " (";

    for (unsigned k = 0; k < COUNT_OF(fields); k++) {
        if (number < fields[k].first || number > fields[k].last)
            continue;
        append(l, "%s%s %#" PRIx64, separator, fields[k].name, bits_get(value, fields[k].hi, fields[k].lo));
        separator = ", ";
    }
    if (separator[0] == ',')
        append(l, ")");
}

void trace_msr(const struct vp *vp, const struct msr_row *row, bool write, uint64_t value, bool gp)
{
    struct line l;

    begin(&l, vp->hv, vp);
    append(&l, "%s %s", write ? "wrmsr" : "rdmsr", row->name);
    if (write || !gp) {
        append(&l, " %s %#" PRIx64, write ? "<-" : "->", value);
        append_fields(&l, row->number, value);
    }
    if (gp)
        append(&l, " = #GP");
    end(&l, vp->hv, msr_section(row->number));
}
