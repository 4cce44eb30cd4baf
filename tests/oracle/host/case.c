/* SPDX-License-Identifier: MIT
 * The arena's places and a case as text: lines of "name value...", numbers in hexadecimal, # begins a comment. */
#include "tests/oracle/host/case.h"

#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "cpu/decoder/decode.h"
#include "cpu/flags.h"

const uint64_t arena_ldt[ARENA_LDT] = {
    0x2010fb000000ffff, 0x2010f3010000ffff, 0x2050f30110001fff, 0x2050f70110000fff,
    0x2040f10110004fff, 0x2040730110004fff, 0x00cff9000000ffff, 0x2000f70110000fff,
};

uint64_t arena_page(unsigned n)
{
    static const uint64_t at[ARENA_PAGES] = { ARENA_DATA, ARENA_DATA + 0x1000, ARENA_RO, ARENA_LAST, ARENA_HIGH };

    return at[n];
}

void case_background(uint8_t *page, unsigned n)
{
    struct host_random r = { 0x50617274697461u + n };

    for (unsigned at = 0; at < ARENA_PAGE; at += 8) {
        uint64_t v = host_random(&r);

        memcpy(page + at, &v, 8);
    }
}

bool case_patch(struct host_case *c, uint64_t at, const void *bytes, uint32_t len)
{
    if (c->patches == PATCHES || c->patch_used + len > PATCH_BYTES)
        return false;
    memcpy(c->patch_data + c->patch_used, bytes, len);
    c->patch[c->patches++] = (struct host_patch){ at, len, c->patch_used };
    c->patch_used += len;
    return true;
}

void case_decode(struct host_case *c)
{
    static const enum decode_mode modes[] = { [CASE_64] = DECODE_64, [CASE_32] = DECODE_32, [CASE_16] = DECODE_16 };
    uint8_t bytes[CODE_MAX + 16];
    enum decoded how;

    memset(bytes, 0xcc, sizeof bytes);
    memcpy(bytes, c->code, c->code_len);
    how = decode(&c->insn, bytes, sizeof bytes, modes[c->mode]);
    c->op = how == DECODED ? c->insn.op : OP_COUNT;
    c->first_len = c->insn.len;
}

void case_settle(struct host_case *c)
{
    if (c->in.seg[SEG_SS] == 0x0f)
        c->in.rflags &= ~(uint64_t)FLAG_TF;
}

/* ---- the memory operand of the first instruction ---- */

uint64_t case_segment_base(const struct host_case *c, unsigned seg)
{
    if (c->mode == CASE_64)
        return seg == SEG_FS ? c->in.fs_base : seg == SEG_GS ? c->in.gs_base : 0;
    switch (c->in.seg[seg]) {
    case 0x07: return ARENA_CODE;
    case 0x0f: return ARENA_DATA - 0x1000;
    case 0x17: case 0x1f: case 0x27: case 0x3f: return ARENA_DATA;
    default: return 0;
    }
}

uint64_t case_address_mask(const struct insn *i)
{
    return i->asize == 8 ? ~0ull : i->asize == 4 ? 0xffffffffu : 0xffff;
}

bool case_vsib(const struct host_case *c)
{
    switch (c->op) {
#define OP(name, mnemonic, reads, writes, then, jit) case OP_##name: \
    return (sizeof #name > 7 && (memcmp(#name, "GATHER", 6) == 0 || memcmp(#name, "VGATHE", 6) == 0 || \
            memcmp(#name, "VPGATH", 6) == 0 || memcmp(#name, "PGATHE", 6) == 0)) || strstr(#name, "SCATTER") != NULL;
#include "cpu/decoder/ops.def"
#undef OP
    default: return false;
    }
}

uint64_t case_effective(const struct host_case *c)
{
    const struct insn *i = &c->insn;
    uint64_t ea = (uint64_t)i->disp;

    if (i->base != REG_ZERO)
        ea += c->in.gpr[i->base / 8 & 15];
    if (i->index != REG_ZERO && !case_vsib(c))
        ea += c->in.gpr[i->index / 8 & 15] << i->scale;
    if (i->flags & INSN_RIPREL)
        ea += c->in.rip + i->len;
    return (ea & case_address_mask(i)) + case_segment_base(c, i->seg);
}

/* ---- fields ---- */

static const char *const gpr_names[16] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
};
static const char *const seg_names[6] = { "es", "cs", "ss", "ds", "fs", "gs" };
static const struct { const char *name; size_t at; unsigned bytes; } fields[] = {
#define F(name, field) { name, offsetof(struct host_regs, field), sizeof(((struct host_regs *)0)->field) }
    F("rip", rip), F("rflags", rflags), F("fsbase", fs_base), F("gsbase", gs_base), F("fcw", fcw), F("fsw", fsw),
    F("ftag", ftag), F("fop", fop), F("fip", fip), F("fdp", fdp), F("mxcsr", mxcsr), F("pkru", pkru),
#undef F
};

static uint64_t field_get(const struct host_regs *r, unsigned n)
{
    uint64_t v = 0;

    memcpy(&v, (const uint8_t *)r + fields[n].at, fields[n].bytes);
    return v;
}

static void write_bytes(FILE *f, const void *from, unsigned len)
{
    for (unsigned n = 0; n < len; n++)
        fprintf(f, "%02x", ((const uint8_t *)from)[n]);
}

static void write_vector(FILE *f, const uint64_t *v)
{
    for (unsigned n = 8; n-- > 0;)
        fprintf(f, "%016llx%s", (unsigned long long)v[n], n ? "_" : "");
}

/* All of r that differs from `than`. */
static void write_regs(FILE *f, const char *prefix, const struct host_regs *r, const struct host_regs *than)
{
    for (unsigned n = 0; n < 16; n++)
        if (r->gpr[n] != than->gpr[n])
            fprintf(f, "%s%s %llx\n", prefix, gpr_names[n], (unsigned long long)r->gpr[n]);
    for (unsigned n = 0; n < COUNT_OF(fields); n++)
        if (field_get(r, n) != field_get(than, n))
            fprintf(f, "%s%s %llx\n", prefix, fields[n].name, (unsigned long long)field_get(r, n));
    for (unsigned n = 0; n < 6; n++)
        if (r->seg[n] != than->seg[n])
            fprintf(f, "%s%s %x\n", prefix, seg_names[n], r->seg[n]);
    for (unsigned n = 0; n < 8; n++)
        if (r->mant[n] != than->mant[n] || r->se[n] != than->se[n])
            fprintf(f, "%sfpr%u %04x_%016llx\n", prefix, n, r->se[n], (unsigned long long)r->mant[n]);
    for (unsigned n = 0; n < 8; n++)
        if (r->k[n] != than->k[n])
            fprintf(f, "%sk%u %llx\n", prefix, n, (unsigned long long)r->k[n]);
    for (unsigned n = 0; n < 32; n++)
        if (memcmp(r->zmm[n], than->zmm[n], 64) != 0) {
            fprintf(f, "%szmm%u ", prefix, n);
            write_vector(f, r->zmm[n]);
            fprintf(f, "\n");
        }
}

static void write_out(FILE *f, const char *prefix, const struct host_case *c, const struct host_out *out)
{
    fprintf(f, "%svector %x\n", prefix, out->vector);
    if (out->vector != CASE_COMPLETED)
        fprintf(f, "%serror %x\n%scr2 %llx\n", prefix, out->error, prefix, (unsigned long long)out->cr2);
    write_regs(f, prefix, &out->regs, &c->in);
}

void case_write(FILE *f, const struct host_case *c, const struct host_record *host, const struct host_out *model,
                const char *what)
{
    static const struct host_regs zero;
    static const char *const modes[] = { [CASE_64] = "64", [CASE_32] = "32", [CASE_16] = "16" };

    if (what)
        fprintf(f, "# %s\n", what);
    fprintf(f, "mode %s\nat %x\ninsns %x\ncode ", modes[c->mode], c->at, c->insns);
    write_bytes(f, c->code, c->code_len);
    fprintf(f, "\n");
    write_regs(f, "", &c->in, &zero);
    for (unsigned n = 0; n < c->patches; n++) {
        fprintf(f, "memory %llx ", (unsigned long long)c->patch[n].at);
        write_bytes(f, c->patch_data + c->patch[n].from, c->patch[n].len);
        fprintf(f, "\n");
    }
    if (host)
        write_out(f, "host ", c, &host->out);
    for (unsigned n = 0; host && n < host->count; n++) {
        fprintf(f, "host memory %llx ", (unsigned long long)host->memory[n].at);
        write_bytes(f, host->memory[n].bytes, host->memory[n].len);
        fprintf(f, "\n");
    }
    if (model)
        write_out(f, "# model ", c, model);
}

/* ---- reading ---- */

static uint32_t read_bytes(const char *text, uint8_t *to, uint32_t room)
{
    uint32_t len = 0;
    unsigned byte;

    while (len < room && sscanf(text + 2 * len, "%2x", &byte) == 1)
        to[len++] = (uint8_t)byte;
    return len;
}

static bool read_register(struct host_regs *r, const char *name, const char *value)
{
    char *end;
    uint64_t v = strtoull(value, &end, 16);
    unsigned n;

    for (n = 0; n < 16; n++)
        if (strcmp(name, gpr_names[n]) == 0) {
            r->gpr[n] = v;
            return true;
        }
    for (n = 0; n < COUNT_OF(fields); n++)
        if (strcmp(name, fields[n].name) == 0) {
            memcpy((uint8_t *)r + fields[n].at, &v, fields[n].bytes);
            return true;
        }
    for (n = 0; n < 6; n++)
        if (strcmp(name, seg_names[n]) == 0) {
            r->seg[n] = (uint16_t)v;
            return true;
        }
    if (sscanf(name, "fpr%u", &n) == 1 && n < 8 && *end == '_') {
        r->se[n] = (uint16_t)v;
        r->mant[n] = strtoull(end + 1, NULL, 16);
    } else if (sscanf(name, "k%u", &n) == 1 && n < 8) {
        r->k[n] = v;
    } else if (sscanf(name, "zmm%u", &n) == 1 && n < 32) {
        for (unsigned word = 8; word-- > 0; value = end + 1)
            r->zmm[n][word] = strtoull(value, &end, 16);
    } else {
        return false;
    }
    return true;
}

static bool read_line(struct host_case *c, const char *name, const char *value)
{
    uint8_t bytes[PATCH_BYTES];
    const char *data = strchr(value, ' ');

    if (strcmp(name, "mode") == 0)
        c->mode = strcmp(value, "64") == 0 ? CASE_64 : strcmp(value, "32") == 0 ? CASE_32 : CASE_16;
    else if (strcmp(name, "at") == 0)
        c->at = (uint32_t)strtoul(value, NULL, 16);
    else if (strcmp(name, "insns") == 0)
        c->insns = (uint8_t)strtoul(value, NULL, 16);
    else if (strcmp(name, "code") == 0)
        c->code_len = (uint8_t)read_bytes(value, c->code, CODE_MAX);
    else if (strcmp(name, "memory") == 0)
        return data && case_patch(c, strtoull(value, NULL, 16), bytes, read_bytes(data + 1, bytes, sizeof bytes));
    else
        return read_register(&c->in, name, value);
    return true;
}

/* What the host left, after the state before is complete. */
static bool read_host(const struct host_case *c, struct host_record *h, const char *name, const char *value)
{
    const char *data = strchr(value, ' ');

    if (!h->present) {
        h->present = true;
        h->out = (struct host_out){ .regs = c->in };
    }
    if (strcmp(name, "vector") == 0) {
        h->out.vector = (uint8_t)strtoul(value, NULL, 16);
    } else if (strcmp(name, "error") == 0) {
        h->out.error = (uint32_t)strtoul(value, NULL, 16);
    } else if (strcmp(name, "cr2") == 0) {
        h->out.cr2 = strtoull(value, NULL, 16);
    } else if (strcmp(name, "memory") == 0) {
        if (!data || h->count == COUNT_OF(h->memory))
            return false;
        h->memory[h->count].at = strtoull(value, NULL, 16);
        h->memory[h->count].len = read_bytes(data + 1, h->memory[h->count].bytes, sizeof h->memory[0].bytes);
        h->count++;
    } else {
        return read_register(&h->out.regs, name, value);
    }
    return true;
}

/* "name value", or "host name value". */
static bool read_any(struct host_case *c, struct host_record *h, char *line)
{
    bool host = strncmp(line, "host ", 5) == 0;
    char *name = host ? line + 5 : line, *value = strchr(name, ' ');

    if (!value)
        return false;
    *value++ = '\0';
    return host ? read_host(c, h, name, value) : read_line(c, name, value);
}

bool case_read(FILE *f, struct host_case *c, struct host_record *host, const char *file)
{
    char line[2 * PATCH_BYTES + 64];
    unsigned number = 0;

    memset(c, 0, sizeof *c);
    memset(host, 0, sizeof *host);
    c->row = -1;
    c->insns = 1;
    while (fgets(line, sizeof line, f)) {
        number++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (!read_any(c, host, line)) {
            fprintf(stderr, "%s:%u: what is '%s'?\n", file, number, line);
            return false;
        }
    }
    if (c->code_len == 0 || c->at < ARENA_CODE || c->at + c->code_len > ARENA_CODE + ARENA_CODE_LEN) {
        fprintf(stderr, "%s: no code in the arena\n", file);
        return false;
    }
    case_decode(c);
    return true;
}
