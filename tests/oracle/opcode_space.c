/* SPDX-License-Identifier: MIT
 * The space of opcodes, the triage rules, and the report; see the header. A rule is one line of blank-separated columns:
 *   oracles  modes  prefixes  map  opcodes  modrm  kind  | why
 * oracles are letters; modes *, 16, 32, 64 or joined by "/"; prefixes * or hex bytes joined by "+", each present, or "!"
 * absent; map 1, 0f, 38, 3a, v0f, v38, v3a, e0f, e38, e3a or joined by "/"; opcodes * or hex ranges joined by ","; modrm *, reg, mem, /n,
 * /n:reg, /n:mem or hex joined by ","; kind as the judge says it or its part before ":", joined by "/", or *. */
#include "tests/oracle/opcode_space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rule {
    char oracles[8], modes[16], prefixes[32], maps[32], opcodes[128], modrm[64], kind[128];
    unsigned line;
    uint64_t used;
};

/* Differences that no rule explains, one entry for all ModRM bytes alike. */
struct group {
    struct trial first;
    const char *kind;
    uint32_t count, modrm[8];
};

static struct rule rules[400];
static unsigned nrules;
static struct group groups[20000];
static unsigned ngroups;
static uint64_t trials, explained, unexplained;

static const char *const mode_names[] = { "16", "32", "64" };
static const char *const map_names[] = { "1", "0f", "38", "3a", "v0f", "v38", "v3a", "e0f", "e38", "e3a" };

/* Is `word`, or its part before a colon, one of the items of `list`, separated by `sep`? */
static bool in_list(const char *list, char sep, const char *word)
{
    size_t len = strlen(word), part = strcspn(word, ":");

    for (const char *at = list; ; at++) {
        size_t item = strcspn(at, (char[]){ sep, 0 });

        if ((item == len || item == part) && !strncmp(at, word, item))
            return true;
        at += item;
        if (!*at)
            return !strcmp(list, "*");
    }
}

static bool prefixes_match(const char *list, const struct trial *t)
{
    char *at;

    if (!strcmp(list, "*"))
        return true;
    for (const char *item = list; *item; item = *at ? at + 1 : at) {
        bool want = *item != '!', seen = false;
        unsigned byte = (unsigned)strtoul(item + !want, &at, 16);

        for (unsigned n = 0; n < t->prefixes; n++)
            seen |= t->prefix[n] == byte;
        if (seen != want)
            return false;
    }
    return true;
}

static bool opcode_matches(const char *list, unsigned opcode)
{
    char *at;

    if (!strcmp(list, "*"))
        return true;
    for (const char *item = list; *item; item = *at ? at + 1 : at) {
        unsigned low = (unsigned)strtoul(item, &at, 16), high = low;

        if (*at == '-')
            high = (unsigned)strtoul(at + 1, &at, 16);
        if (opcode >= low && opcode <= high)
            return true;
    }
    return false;
}

static bool modrm_matches(const char *list, uint8_t modrm)
{
    char exact[8];
    const char *form = modrm >= 0xc0 ? "reg" : "mem";

    if (in_list(list, ',', form))
        return true;
    snprintf(exact, sizeof exact, "/%d:%.3s", modrm >> 3 & 7, form);
    if (in_list(list, ',', exact))
        return true;
    snprintf(exact, sizeof exact, "%02x", modrm);
    return in_list(list, ',', exact);
}

static bool rule_matches(const struct rule *r, char oracle, const struct trial *t, const char *kind)
{
    return strchr(r->oracles, oracle) && in_list(r->modes, '/', mode_names[t->mode]) &&
           in_list(r->maps, '/', map_names[t->map]) && opcode_matches(r->opcodes, t->opcode) &&
           in_list(r->kind, '/', kind) && prefixes_match(r->prefixes, t) && modrm_matches(r->modrm, t->modrm);
}

static bool same_group(const struct group *g, const struct trial *t, const char *kind)
{
    return !strcmp(g->kind, kind) && g->first.mode == t->mode && g->first.map == t->map && g->first.opcode == t->opcode &&
           g->first.prefixes == t->prefixes && !memcmp(g->first.prefix, t->prefix, t->prefixes) && g->first.vex == t->vex && g->first.p2 == t->p2;
}

static void add_difference(const struct trial *t, const char *kind)
{
    struct group *g = NULL;

    unexplained++;
    for (unsigned n = ngroups; n > 0 && n + 8 > ngroups && !g; n--)     /* one opcode has few kinds: look at the latest */
        if (same_group(&groups[n - 1], t, kind))
            g = &groups[n - 1];
    if (!g) {
        if (ngroups == sizeof groups / sizeof groups[0])
            return;
        g = &groups[ngroups++];
        *g = (struct group){ .first = *t, .kind = kind };
    }
    g->count++;
    g->modrm[t->modrm >> 5] |= 1u << (t->modrm & 31);
}

static void try_one(char oracle, space_judge *judge, struct trial *t)
{
    const char *kind;

    t->result = decode(&t->insn, t->bytes, sizeof t->bytes, t->mode);
    kind = judge(t);
    trials++;
    if (!kind)
        return;
    for (unsigned n = 0; n < nrules; n++)
        if (rule_matches(&rules[n], oracle, t, kind)) {
            rules[n].used++;
            explained++;
            return;
        }
    add_difference(t, kind);
}

static void finish_bytes(struct trial *t, size_t at)
{
    static const uint8_t tail[] = { 0x8a, 0x4d, 0x91, 0x22, 0x33, 0xc4, 0x55, 0x66, 0x77, 0x08, 0x19, 0x2a, 0x3b,
                                    0x4c, 0x5d, 0x6e, 0x7f };

    t->bytes[at++] = t->opcode;
    t->bytes[at++] = t->modrm;
    for (unsigned n = 0; at < sizeof t->bytes; n++)
        t->bytes[at++] = tail[(n + (t->modrm >> 3)) % 4 + n];
}

/* Prefixes and escapes: they come as such elsewhere. */
static bool is_no_opcode(const struct trial *t)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f };
    bool wide = t->mode == DECODE_64;

    if (t->map == SPACE_0F)
        return t->opcode == 0x38 || t->opcode == 0x3a;
    if (t->map != SPACE_1)
        return false;
    if (memchr(prefixes, t->opcode, sizeof prefixes) || (wide && (t->opcode & 0xf0) == 0x40))
        return true;
    return (t->opcode == 0xc4 || t->opcode == 0xc5 || t->opcode == 0x62) && (wide || t->modrm >= 0xc0);
}

static void run_opcodes(char oracle, space_judge *judge, struct trial *t, size_t at)
{
    for (unsigned n = 0; n < 0x10000; n++) {
        t->opcode = (uint8_t)(n >> 8);
        t->modrm = (uint8_t)n;
        if (is_no_opcode(t))
            continue;
        finish_bytes(t, at);
        try_one(oracle, judge, t);
    }
}

static void run_legacy(char oracle, space_judge *judge, struct trial *t)
{
    static const uint8_t escapes[][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };
    static const uint8_t sets[][4] = {
        { 0 }, { 0x66 }, { 0xf2 }, { 0xf3 }, { 0xf0 }, { 0x67 }, { 0x64 }, { 0x2e }, { 0x66, 0xf2 }, { 0xf3, 0x66 },
        { 0xf2, 0xf3 },
        { 0xf3, 0xf2 }, { 0xf0, 0x66 }, { 0xf0, 0xf3 }, { 0xf2, 0xf0 }, { 0x48 }, { 0x41 }, { 0x44 }, { 0x40 },
        { 0x66, 0x48 },
        { 0x48, 0x66 }, { 0xf3, 0x48 }, { 0xf2, 0x4f }, { 0x67, 0x4f }, { 0xf0, 0x4d },
    };

    for (unsigned n = 0; n < sizeof sets / sizeof sets[0]; n++) {
        bool rex = false;

        for (t->prefixes = 0; t->prefixes < 4 && sets[n][t->prefixes]; t->prefixes++)
            rex |= (sets[n][t->prefixes] & 0xf0) == 0x40;
        if (rex && t->mode != DECODE_64)
            continue;
        memcpy(t->prefix, sets[n], 4);
        for (t->map = SPACE_1; t->map <= SPACE_0F3A; t->map++) {
            size_t at = t->prefixes, escape = t->map == SPACE_1 ? 0 : t->map == SPACE_0F ? 1 : 2;

            memcpy(t->bytes, sets[n], at);
            memcpy(t->bytes + at, escapes[t->map], escape);
            run_opcodes(oracle, judge, t, at + escape);
        }
    }
}

/* VEX with three bytes: W, L, pp, and vvvv both unused (1111b) and naming register 1; then the short form. */
static void run_vex(char oracle, space_judge *judge, struct trial *t)
{
    t->prefixes = 0;
    for (t->map = SPACE_VEX_0F; t->map <= SPACE_VEX_0F3A; t->map++)
        for (unsigned n = 0; n < 32; n++) {
            t->vex = (uint8_t)((n & 1) << 7 | (n & 2 ? 0x70 : 0x78) | (n & 28) >> 2);
            t->bytes[0] = 0xc4;
            t->bytes[1] = 0xe0 | (t->map - SPACE_VEX_0F + 1);
            t->bytes[2] = t->vex;
            run_opcodes(oracle, judge, t, 3);
        }
    t->map = SPACE_VEX_0F;
    t->bytes[0] = 0xc5;
    t->bytes[1] = t->vex = 0xf8;
    run_opcodes(oracle, judge, t, 2);
    t->vex = 0;
}

/* EVEX: every opcode, pp, W and vector length, with and without b, unmasked, merging, zeroing, and zeroing without a mask; vvvv
 * unused and naming register 1. Of ModRM a memory operand, one with SIB and disp8 and one of registers, for each /n. */
static void run_evex_opcodes(char oracle, space_judge *judge, struct trial *t)
{
    static const uint8_t forms[] = { 0x06, 0x44, 0xc1 };

    t->bytes[0] = 0x62;
    t->bytes[1] = (uint8_t)(0xf0 | (t->map - SPACE_EVEX_0F + 1));
    t->bytes[2] = t->vex;
    t->bytes[3] = t->p2;
    for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned n = 0; n < 8; n += t->mode == DECODE_64 ? 1 : 3)
            for (unsigned form = 0; form < sizeof forms; form++) {
                t->opcode = (uint8_t)opcode;
                t->modrm = (uint8_t)(forms[form] | n << 3);
                finish_bytes(t, 4);
                try_one(oracle, judge, t);
            }
}

static void run_evex(char oracle, space_judge *judge, struct trial *t)
{
    static const uint8_t masks[] = { 0x08, 0x09, 0x89, 0x88 };

    t->prefixes = 0;
    for (t->map = SPACE_EVEX_0F; t->map <= SPACE_EVEX_0F3A; t->map++)
        for (unsigned n = 0; n < 512; n++) {
            if ((n & 1) && (n & 0xe))
                continue;               /* vvvv in use: enough without b and mask */
            t->vex = (uint8_t)((n & 1 ? 0x70 : 0x78) | 4 | (n >> 6 & 1) << 7 | n >> 7);
            t->p2 = (uint8_t)(masks[n >> 2 & 3] | (n >> 1 & 1) << 4 | (n >> 4 & 3) << 5);
            run_evex_opcodes(oracle, judge, t);
        }
    t->vex = t->p2 = 0;
}

/* VPADDD, VPCMPEQD, which gives an opmask, and VPGATHERDD with every R, X, B, R', vvvv and V'. Where R or X make it BOUND, it is
 * compared as such. */
static void run_evex_registers(char oracle, space_judge *judge, struct trial *t)
{
    static const struct { uint8_t map, opcode, modrm; } samples[] = {
        { SPACE_EVEX_0F, 0xfe, 0xc1 }, { SPACE_EVEX_0F, 0x76, 0xd1 }, { SPACE_EVEX_0F38, 0x90, 0x14 },
    };

    t->prefixes = 0;
    for (unsigned n = 0; n < 3u << 9; n++) {
        t->map = samples[n >> 9].map;
        t->opcode = samples[n >> 9].opcode;
        t->modrm = samples[n >> 9].modrm;
        t->vex = (uint8_t)((n >> 4 & 15) << 3 | 5);
        t->p2 = (uint8_t)(0x41 | (n >> 8 & 1) << 3);
        t->bytes[0] = 0x62;
        t->bytes[1] = (uint8_t)((n & 15) << 4 | (t->map - SPACE_EVEX_0F + 1));
        t->bytes[2] = t->vex;
        t->bytes[3] = t->p2;
        finish_bytes(t, 4);
        try_one(oracle, judge, t);
    }
    t->vex = t->p2 = 0;
}

/* MOV Gv, Ev with every ModRM, SIB and REX, with and without 67. */
static void run_addresses(char oracle, space_judge *judge, struct trial *t)
{
    t->map = SPACE_1;
    t->opcode = 0x8b;
    for (unsigned n = 0; n < (t->mode == DECODE_64 ? 34u : 2u) << 16; n++) {
        unsigned rex = n >> 17, at = 0;

        t->modrm = (uint8_t)(n >> 8);
        t->prefixes = 0;
        if (n >> 16 & 1)
            t->prefix[t->prefixes++] = 0x67;
        if (rex)
            t->prefix[t->prefixes++] = (uint8_t)(0x3f + rex);
        for (; at < t->prefixes; at++)
            t->bytes[at] = t->prefix[at];
        finish_bytes(t, at);
        t->bytes[at + 2] = (uint8_t)n;
        try_one(oracle, judge, t);
    }
}

/* VEX ANDN, which uses vvvv, and RORX, with every R, X, B and vvvv. Where R or X make it LES, it is compared as such. */
static void run_vex_registers(char oracle, space_judge *judge, struct trial *t)
{
    t->prefixes = 0;
    for (unsigned n = 0; n < 1 << 17; n++) {
        bool rorx = n >> 16 & 1;

        t->map = rorx ? SPACE_VEX_0F3A : SPACE_VEX_0F38;
        t->opcode = rorx ? 0xf0 : 0xf2;
        t->modrm = (uint8_t)n;
        t->vex = (uint8_t)((n >> 8 & 31) << 3 | (rorx ? 3 : 0));
        t->bytes[0] = 0xc4;
        t->bytes[1] = (uint8_t)((n >> 13 & 7) << 5 | (rorx ? 3 : 2));
        t->bytes[2] = t->vex & 0xfb;
        finish_bytes(t, 3);
        try_one(oracle, judge, t);
    }
    t->vex = 0;
}

static bool read_rules(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512];

    if (!file)
        return false;
    for (unsigned n = 1; fgets(line, sizeof line, file); n++) {
        struct rule *r = &rules[nrules];

        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (nrules == sizeof rules / sizeof rules[0] ||
            sscanf(line, "%7s %15s %31s %31s %127s %63s %127s", r->oracles, r->modes, r->prefixes, r->maps, r->opcodes,
                   r->modrm, r->kind) != 7) {
            fprintf(stderr, "%s:%u: bad rule\n", path, n);
            fclose(file);
            return false;
        }
        r->line = n;
        nrules++;
    }
    fclose(file);
    return true;
}

static void print_group(const struct group *g)
{
    printf("%s-bit, prefixes", mode_names[g->first.mode]);
    for (unsigned n = 0; n < g->first.prefixes; n++)
        printf(" %02x", g->first.prefix[n]);
    if (g->first.vex)
        printf(" vex %02x", g->first.vex);
    if (g->first.p2)
        printf(" p2 %02x", g->first.p2);
    printf(", map %s opcode %02x: %s, %u ModRM:", map_names[g->first.map], g->first.opcode, g->kind, g->count);
    for (unsigned m = 0; m < 256; m += 8)
        for (unsigned rm = 0; rm < 8; rm++)
            if (g->modrm[m >> 5] >> ((m & 31) + rm) & 1) {
                printf(" %02x", m + rm);
                break;
            }
    printf("\n");
}

unsigned space_run(char oracle, space_judge *judge)
{
    struct trial t = { .prefixes = 0 };
    const char *top = getenv("top_srcdir");
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/oracle/decoder_triage.txt", top ? top : ".");
    if (!read_rules(path)) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    for (unsigned mode = DECODE_16; mode <= DECODE_64; mode++) {
        t.mode = (enum decode_mode)mode;
        run_legacy(oracle, judge, &t);
        run_vex(oracle, judge, &t);
        run_evex(oracle, judge, &t);
        run_evex_registers(oracle, judge, &t);
        run_addresses(oracle, judge, &t);
        run_vex_registers(oracle, judge, &t);
    }
    for (unsigned n = 0; n < ngroups; n++)
        print_group(&groups[n]);
    for (unsigned n = 0; n < nrules; n++)
        if (strchr(rules[n].oracles, oracle) && !rules[n].used)
            printf("rule in line %u explains nothing\n", rules[n].line);
    printf("%llu encodings, %llu explained differences, %llu unexplained in %s%u groups\n", (unsigned long long)trials,
           (unsigned long long)explained, (unsigned long long)unexplained,
           ngroups == sizeof groups / sizeof groups[0] ? "more than " : "", ngroups);
    return ngroups;
}
