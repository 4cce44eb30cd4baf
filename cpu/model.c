/* SPDX-License-Identifier: MIT
 * Processor models, the features they are made of, and the command line's word for both. A feature bit appears only when the
 * feature works; what is not built yet is listed once, in `lacking`, and models do without it. */
#include "cpu/model.h"

#include <stdio.h>
#include <string.h>

const struct cpu_feature cpu_features[F_COUNT] = {
    [F_BASE] = { .name = "" },
#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = { text, leaf, subleaf, CPUID_##reg, bit },
#include "cpu/decoder/features.def"
#undef FEATURE
};

/* Named by features.def because instructions need them, but nothing executes them yet: none now. */
static const uint8_t lacking[] = { F_BASE };

/* Set by the configuration, not by name. */
static const uint8_t derived[] = { F_HYPERVISOR, F_HTT };

/* Work, but a model has them only when asked: five-level tables make every walk longer; IBRS lets systems choose other ways
 * around what does not happen here; the rest are not Intel's. */
static const uint8_t not_in_max[] = { F_MONITORX, F_LA57, F_SSE4A, F_CR8_LEGACY, F_FXSR_OPT, F_XSAVEERPTR,
                                      F_NO_NESTED_BP, F_LFENCE_SERIAL, F_NULL_CLEARS, F_SPEC_CTRL, F_STIBP };

static const struct { uint8_t feature, needs; } dependencies[] = {
    { F_SSE, F_FXSR }, { F_SSE2, F_SSE }, { F_SSE3, F_SSE2 }, { F_SSSE3, F_SSE3 }, { F_SSE41, F_SSSE3 },
    { F_SSE42, F_SSE41 },
    { F_PCLMULQDQ, F_SSE2 }, { F_AES, F_SSE2 }, { F_SHA, F_SSE2 }, { F_SSE4A, F_SSE3 }, { F_MMX, F_FPU }, { F_FXSR, F_FPU },
    { F_AVX, F_XSAVE }, { F_AVX, F_SSE42 }, { F_AVX2, F_AVX }, { F_FMA, F_AVX }, { F_F16C, F_AVX }, { F_AVX512F, F_AVX2 },
    { F_AVX512DQ, F_AVX512F }, { F_AVX512IFMA, F_AVX512F }, { F_AVX512CD, F_AVX512F }, { F_AVX512BW, F_AVX512F },
    { F_AVX512VL, F_AVX512F }, { F_AVX512VBMI, F_AVX512BW }, { F_AVX512VBMI2, F_AVX512BW }, { F_AVX512VNNI, F_AVX512F },
    { F_AVX512BITALG, F_AVX512BW }, { F_AVX512VPOPCNTDQ, F_AVX512F }, { F_AVX512VP2INTERSECT, F_AVX512F },
    { F_AVX512BF16, F_AVX512BW }, { F_AVX_VNNI, F_AVX2 }, { F_GFNI, F_SSE2 }, { F_VAES, F_AVX }, { F_VAES, F_AES },
    { F_VPCLMULQDQ, F_AVX }, { F_VPCLMULQDQ, F_PCLMULQDQ }, { F_LAM, F_LM }, { F_XSAVE, F_FXSR }, { F_XSAVEOPT, F_XSAVE },
    { F_XSAVEC, F_XSAVE }, { F_XGETBV1, F_XSAVE },
    { F_XSAVES, F_XSAVEC }, { F_PKU, F_XSAVE }, { F_PKU, F_LM }, { F_LM, F_PAE }, { F_LM, F_SYSCALL }, { F_LM, F_SSE2 },
    { F_LM, F_NX }, { F_NX, F_PAE }, { F_PCID, F_LM }, { F_LA57, F_LM }, { F_PDPE1GB, F_LM },
    { F_FSGSBASE, F_LM }, { F_CX16, F_LM }, { F_LAHF_LM, F_LM }, { F_X2APIC, F_APIC }, { F_TSC_DEADLINE, F_APIC },
    { F_TSC_DEADLINE, F_TSC }, { F_TSC_ADJUST, F_TSC }, { F_RDTSCP, F_TSC }, { F_INVARIANT_TSC, F_TSC }, { F_MCA, F_MCE },
    { F_RDPID, F_RDTSCP }, { F_SEP, F_MSR }, { F_SYSCALL, F_MSR }, { F_MTRR, F_MSR }, { F_PAT, F_MSR }, { F_APIC, F_MSR },
    { F_ARCH_CAPABILITIES, F_MSR }, { F_SPEC_CTRL, F_MSR }, { F_STIBP, F_SPEC_CTRL },
    { F_ARCH_PERFMON, F_MSR }, { F_PDCM, F_ARCH_PERFMON },
};

/* ---- caches: leaf 2's descriptors; type (1 data, 2 code, 3 both), level, ways, KiB; level 3 is shared by the package ---- */

static const struct cpu_caches caches_486 = { .leaf2 = { 0 } };
static const struct cpu_caches caches_pentium3 = { .leaf2 = { 0x03020101, 0, 0, 0x0c040882 } };
static const struct cpu_caches caches_core2 = {
    { 0x05b0b101, 0x005657f0, 0, 0x2cb43049 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 16, 4096 } },
};
static const struct cpu_caches caches_server = {
    { 0x0301ff01, 0, 0, 0 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 16, 1024 }, { 3, 3, 16, 16384 } },
};
static const struct cpu_caches caches_haswell = {
    { 0x76036301, 0x00f0b5ff, 0, 0x00c10000 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 8, 256 }, { 3, 3, 20, 30720 } },
};
static const struct cpu_caches caches_skylake = {
    { 0x76036301, 0x00f0b5ff, 0, 0x00c30000 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 16, 1024 }, { 3, 3, 11, 25344 } },
};
static const struct cpu_caches caches_sapphire = {
    { 0x00feff01, 0x000000f0, 0, 0 }, { { 1, 1, 12, 48 }, { 2, 1, 8, 32 }, { 3, 2, 16, 2048 }, { 3, 3, 15, 107520 } },
};
static const struct cpu_caches caches_rome = {
    { 0 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 8, 512 }, { 3, 3, 16, 16384 } },
};
static const struct cpu_caches caches_milan = {
    { 0 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 8, 512 }, { 3, 3, 16, 32768 } },
};
static const struct cpu_caches caches_genoa = {
    { 0 }, { { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 8, 1024 }, { 3, 3, 16, 32768 } },
};

#define SET(...)        (const uint8_t[]){ __VA_ARGS__, F_BASE }
#define MODEL(name, brand, about, vendor, family, model, stepping, basic, extended, bits, caches, features) \
    { name, brand, about, features, &caches_##caches, basic, extended, family, model, stepping, bits, VENDOR_##vendor },
static const struct cpu_model models[] = {
#include "cpu/models.def"
};
#undef MODEL

static void feature_set(struct cpu_config *c, unsigned f, bool on)
{
    if (on)
        c->features[f / 64] |= BIT64(f % 64);
    else
        c->features[f / 64] &= ~BIT64(f % 64);
}

static bool feature_on(const struct cpu_config *c, unsigned f)
{
    return c->features[f / 64] & BIT64(f % 64);
}

static bool listed(const uint8_t *list, size_t n, unsigned f)
{
    return memchr(list, (int)f, n) != NULL;
}
#define LISTED(list, f) listed(list, sizeof (list), f)

static void take_model(struct cpu_config *c, const struct cpu_model *m)
{
    c->model = m;
    c->vendor = (enum vendor)m->vendor;
    memset(c->features, 0, sizeof c->features);
    if (m->features == NULL) {
        for (unsigned f = F_BASE + 1; f < F_COUNT; f++)
            feature_set(c, f, !LISTED(lacking, f) && !LISTED(derived, f) && !LISTED(not_in_max, f));
        return;
    }
    for (const uint8_t *f = m->features; *f != F_BASE; f++)
        feature_set(c, *f, !LISTED(lacking, *f));
}

/* ---- the command line's word for it ---- */

static struct err unknown_model(const char *name, size_t len)
{
    char names[256] = "";

    for (unsigned k = 0; k < COUNT_OF(models); k++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? ", " : "", models[k].name);
    return err_make(ERR_USAGE, "no processor model '%.*s'; there are %s", (int)len, name, names);
}

/* QEMU's spellings: a dash or a dot for an underscore, and some names of its own. */
static bool same_name(const char *name, size_t len, const char *ours)
{
    static const char *const others[][2] = {
        { "sse3", "pni" }, { "lzcnt", "abm" }, { "tsc_deadline", "tsc_deadline_timer" }, { "htt", "ht" },
    };
    size_t k = 0;

    for (; k < len && ours[k] != '\0'; k++)
        if (name[k] != ours[k] && !(ours[k] == '_' && (name[k] == '-' || name[k] == '.')))
            break;
    if (k == len && ours[k] == '\0')
        return true;
    for (k = 0; k < COUNT_OF(others); k++)
        if (strcmp(others[k][1], ours) == 0 && same_name(name, len, others[k][0]))
            return true;
    return false;
}

static struct err find_feature(const char *name, size_t len, unsigned *out)
{
    for (unsigned f = F_BASE + 1; f < F_COUNT; f++) {
        if (!same_name(name, len, cpu_features[f].name))
            continue;
        if (LISTED(lacking, f))
            return err_make(ERR_UNSUPPORTED, "the processor feature '%s' is known but not available in this version",
                            cpu_features[f].name);
        if (LISTED(derived, f))
            return err_make(ERR_USAGE, "the processor feature '%s' follows from the machine's set-up", cpu_features[f].name);
        *out = f;
        return OK;
    }
    return err_make(ERR_USAGE, "no processor feature '%.*s'; '-cpu help' lists them", (int)len, name);
}

/* Without f everything that needs it goes too. */
static void feature_drop(struct cpu_config *c, unsigned f)
{
    feature_set(c, f, false);
    for (unsigned k = 0; k < COUNT_OF(dependencies); k++)
        if (dependencies[k].needs == f && feature_on(c, dependencies[k].feature))
            feature_drop(c, dependencies[k].feature);
}

static bool word_is(const char *word, size_t len, const char *what)
{
    return strlen(what) == len && memcmp(word, what, len) == 0;
}

/* +name, -name, name=on, name=off; vendor=GenuineIntel or AuthenticAMD. */
static struct err apply_change(struct cpu_config *c, const char *word, size_t len)
{
    size_t name_len = memchr(word, '=', len) != NULL ? (size_t)((const char *)memchr(word, '=', len) - word) : len;
    bool sign = len >= 2 && (word[0] == '+' || word[0] == '-');
    bool on = sign ? word[0] == '+' : word_is(word + name_len, len - name_len, "=on");
    unsigned f = F_BASE;

    if (word_is(word, len, "vendor=GenuineIntel") || word_is(word, len, "vendor=AuthenticAMD")) {
        c->vendor = word_is(word, len, "vendor=AuthenticAMD") ? VENDOR_AMD : VENDOR_INTEL;
        return OK;
    }
    if (!sign && !on && !word_is(word + name_len, len - name_len, "=off"))
        return err_make(ERR_USAGE, "'%.*s' in the processor's features should be +name, -name, name=on or name=off", (int)len,
                        word);
    TRY(sign ? find_feature(word + 1, len - 1, &f) : find_feature(word, name_len, &f));
    if (on)
        feature_set(c, f, true);
    else
        feature_drop(c, f);
    if (f == F_MONITOR)
        c->monitor_asked = on;
    return OK;
}

void cpu_config_partition(struct cpu_config *cfg)
{
    cfg->hypervisor = true;
    if (!cfg->monitor_asked)
        feature_drop(cfg, F_MONITOR);
}

static struct err check_dependencies(const struct cpu_config *c)
{
    for (unsigned k = 0; k < COUNT_OF(dependencies); k++) {
        unsigned f = dependencies[k].feature, needs = dependencies[k].needs;

        if (feature_on(c, f) && !feature_on(c, needs))
            return err_make(ERR_USAGE, "the processor feature '%s' needs '%s', which %s lacks", cpu_features[f].name,
                            cpu_features[needs].name, c->model->name);
    }
    return OK;
}

struct err cpu_config_parse(struct cpu_config *out, const char *spec)
{
    size_t len = strcspn(spec, ",");
    const struct cpu_model *m = NULL;

    for (unsigned k = 0; k < COUNT_OF(models); k++)
        if (strlen(models[k].name) == len && memcmp(models[k].name, spec, len) == 0)
            m = &models[k];
    if (m == NULL)
        return unknown_model(spec, len);
    take_model(out, m);
    while (spec[len] == ',') {
        spec += len + 1;
        len = strcspn(spec, ",");
        TRY(apply_change(out, spec, len));
    }
    if (out->vendor == VENDOR_AMD)
        feature_drop(out, F_ARCH_PERFMON);      /* Intel's; AMD has counters of its own */
    return check_dependencies(out);
}

typedef void line_fn(void *arg, const char *text);

/* Feature names, wrapped, each line after `indent`; those that `list` has, or with a null list those that can be asked for. */
static void list_features(line_fn *line, void *arg, const char *indent, const uint8_t *list)
{
    char text[160];
    size_t at = 0;

    for (unsigned f = F_BASE + 1; f < F_COUNT; f++) {
        bool wanted = list != NULL ? LISTED(lacking, f) && listed(list, strlen((const char *)list), f)
                                   : !LISTED(lacking, f) && !LISTED(derived, f);

        if (!wanted)
            continue;
        if (at + strlen(cpu_features[f].name) > 100) {
            line(arg, text);
            at = 0;
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? " " : indent, cpu_features[f].name);
    }
    if (at)
        line(arg, text);
}

void cpu_config_list(line_fn *line, void *arg)
{
    char text[120];

    line(arg, "processor models:");
    for (unsigned k = 0; k < COUNT_OF(models); k++) {
        snprintf(text, sizeof text, "  %-14s  %s", models[k].name, models[k].about);
        line(arg, text);
        if (models[k].features != NULL)
            list_features(line, arg, "                    not in this version: ", models[k].features);
    }
    line(arg, "features, to add with ,+name or take away with ,-name:");
    list_features(line, arg, "  ", NULL);
}

bool cpu_feature_works(enum feature f)
{
    return !LISTED(lacking, f);
}

const struct cpu_model *cpu_model_at(unsigned n)
{
    return n < COUNT_OF(models) ? &models[n] : NULL;
}
