/* SPDX-License-Identifier: MIT
 * Processor models, the features they are made of, and the CPUID leaves that show them (SDM 2A "CPUID"). A feature bit
 * appears only when the feature works; what is not built yet is listed once, in `lacking`. */
#include "cpu/cpuid.h"

#include <stdio.h>
#include <string.h>

#include "cpu/msr.h"
#include "cpu/pmu.h"
#include "cpu/seg.h"
#include "cpu/xsave.h"

enum output { EAX, EBX, ECX, EDX };

static const struct { const char *name; uint32_t leaf; uint8_t subleaf, output, bit; } features[F_COUNT] = {
    [F_BASE] = { .name = "" },
#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = { text, leaf, subleaf, reg, bit },
#include "cpu/decoder/features.def"
#undef FEATURE
};

/* Named by features.def because instructions need them, but nothing executes them yet: none now. */
static const uint8_t lacking[] = { F_BASE };

/* Set by the configuration, not by name. */
static const uint8_t derived[] = { F_HYPERVISOR, F_HTT };

/* Work, but a model has them only when asked: five-level tables make every walk longer; the rest are not Intel's. */
static const uint8_t not_in_max[] = { F_MONITORX, F_LA57, F_SSE4A, F_CR8_LEGACY, F_FXSR_OPT };

static const struct { uint8_t feature, needs; } dependencies[] = {
    { F_SSE, F_FXSR }, { F_SSE2, F_SSE }, { F_SSE3, F_SSE2 }, { F_SSSE3, F_SSE3 }, { F_SSE41, F_SSSE3 },
    { F_SSE42, F_SSE41 },
    { F_PCLMULQDQ, F_SSE2 }, { F_AES, F_SSE2 }, { F_SHA, F_SSE2 }, { F_SSE4A, F_SSE3 }, { F_MMX, F_FPU }, { F_FXSR, F_FPU },
    { F_AVX, F_XSAVE }, { F_AVX, F_SSE42 }, { F_AVX2, F_AVX }, { F_FMA, F_AVX }, { F_F16C, F_AVX }, { F_AVX512F, F_AVX2 },
    { F_AVX512DQ, F_AVX512F }, { F_AVX512IFMA, F_AVX512F }, { F_AVX512CD, F_AVX512F }, { F_AVX512BW, F_AVX512F },
    { F_AVX512VL, F_AVX512F }, { F_AVX512VBMI, F_AVX512BW }, { F_AVX512VBMI2, F_AVX512BW }, { F_AVX512VNNI, F_AVX512F },
    { F_AVX512BITALG, F_AVX512BW }, { F_AVX512VPOPCNTDQ, F_AVX512F }, { F_AVX512VP2INTERSECT, F_AVX512F },
    { F_AVX512BF16, F_AVX512BW }, { F_AVX_VNNI, F_AVX2 }, { F_GFNI, F_SSE2 }, { F_VAES, F_AVX }, { F_VAES, F_AES },
    { F_VPCLMULQDQ, F_AVX }, { F_VPCLMULQDQ, F_PCLMULQDQ }, { F_LAM, F_LM }, { F_XSAVE, F_FXSR }, { F_XSAVEOPT, F_XSAVE }, { F_XSAVEC, F_XSAVE }, { F_XGETBV1, F_XSAVE },
    { F_XSAVES, F_XSAVEC }, { F_PKU, F_XSAVE }, { F_PKU, F_LM }, { F_LM, F_PAE }, { F_LM, F_SYSCALL }, { F_LM, F_SSE2 },
    { F_LM, F_NX }, { F_NX, F_PAE }, { F_PCID, F_LM }, { F_LA57, F_LM }, { F_PDPE1GB, F_LM },
    { F_FSGSBASE, F_LM }, { F_CX16, F_LM }, { F_LAHF_LM, F_LM }, { F_X2APIC, F_APIC }, { F_TSC_DEADLINE, F_APIC },
    { F_TSC_DEADLINE, F_TSC }, { F_TSC_ADJUST, F_TSC }, { F_RDTSCP, F_TSC }, { F_INVARIANT_TSC, F_TSC }, { F_MCA, F_MCE },
    { F_RDPID, F_RDTSCP }, { F_SEP, F_MSR }, { F_SYSCALL, F_MSR }, { F_MTRR, F_MSR }, { F_PAT, F_MSR }, { F_APIC, F_MSR },
    { F_ARCH_CAPABILITIES, F_MSR }, { F_ARCH_PERFMON, F_MSR }, { F_PDCM, F_ARCH_PERFMON },
};

/* ---- models ---- */

#define FEATURES_486      F_FPU, F_VME
#define FEATURES_PENTIUM3 FEATURES_486, F_DE, F_PSE, F_TSC, F_MSR, F_PAE, F_MCE, F_CX8, F_APIC, F_SEP, F_MTRR, F_PGE, \
                          F_MCA, F_CMOV, F_PAT, F_PSE36, F_MMX, F_FXSR, F_SSE
#define FEATURES_V1       FEATURES_PENTIUM3, F_CLFLUSH, F_SSE2, F_SYSCALL, F_NX, F_LM
#define FEATURES_V2       FEATURES_V1, F_SSE3, F_SSSE3, F_SSE41, F_SSE42, F_POPCNT, F_CX16, F_LAHF_LM, F_RDTSCP, F_X2APIC, \
                          F_TSC_DEADLINE, F_ARAT, F_INVARIANT_TSC

static const uint8_t features_486[] = { FEATURES_486, F_BASE };
static const uint8_t features_pentium3[] = { FEATURES_PENTIUM3, F_BASE };
static const uint8_t features_v1[] = { FEATURES_V1, F_BASE };
static const uint8_t features_v2[] = { FEATURES_V2, F_BASE };

struct cpu_model {
    const char *name, *brand, *about;
    const uint8_t *features;        /* ended by F_BASE; NULL: everything that works */
    uint32_t max_basic, max_extended;
    uint16_t family;
    uint8_t  model, stepping, physical_bits;
    uint8_t  vendor;                /* enum vendor */
};

static const struct cpu_model models[] = {
    { "max", "Partita Virtual Processor", "everything that works (default)", NULL,
      0x16, 0x80000008, 6, 94, 3, 46, VENDOR_INTEL },
    { "x86-64-v2", "Partita x86-64-v2", "SSE4.2, POPCNT, CMPXCHG16B", features_v2,
      0xb, 0x80000008, 6, 26, 5, 40, VENDOR_INTEL },
    { "x86-64-v1", "Partita x86-64-v1", "the first 64-bit processors", features_v1,
      5, 0x80000008, 15, 6, 1, 36, VENDOR_INTEL },
    { "pentium3", "", "32-bit with SSE", features_pentium3, 2, 0, 6, 8, 3, 36, VENDOR_INTEL },
    { "486", "", "80486DX4 with CPUID", features_486, 1, 0, 4, 8, 0, 32, VENDOR_INTEL },
};

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
        feature_set(c, *f, true);
}

/* ---- the command line's word for it ---- */

static struct err unknown_model(const char *name, size_t len)
{
    char names[128] = "";

    for (unsigned k = 0; k < COUNT_OF(models); k++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? ", " : "", models[k].name);
    return err_make(ERR_USAGE, "no processor model '%.*s'; there are %s", (int)len, name, names);
}

static struct err find_feature(const char *name, size_t len, unsigned *out)
{
    for (unsigned f = F_BASE + 1; f < F_COUNT; f++) {
        if (strlen(features[f].name) != len || memcmp(features[f].name, name, len) != 0)
            continue;
        if (LISTED(lacking, f))
            return err_make(ERR_UNSUPPORTED, "the processor feature '%s' is known but not available in this version",
                            features[f].name);
        if (LISTED(derived, f))
            return err_make(ERR_USAGE, "the processor feature '%s' follows from the machine's set-up", features[f].name);
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

static struct err apply_change(struct cpu_config *c, const char *word, size_t len)
{
    unsigned f = F_BASE;

    if (word_is(word, len, "vendor=GenuineIntel") || word_is(word, len, "vendor=AuthenticAMD")) {
        c->vendor = word_is(word, len, "vendor=AuthenticAMD") ? VENDOR_AMD : VENDOR_INTEL;
        return OK;
    }
    if (len < 2 || (word[0] != '+' && word[0] != '-'))
        return err_make(ERR_USAGE, "'%.*s' in the processor's features should be +name or -name", (int)len, word);
    TRY(find_feature(word + 1, len - 1, &f));
    if (word[0] == '-')
        feature_drop(c, f);
    else
        feature_set(c, f, true);
    return OK;
}

static struct err check_dependencies(const struct cpu_config *c)
{
    for (unsigned k = 0; k < COUNT_OF(dependencies); k++) {
        unsigned f = dependencies[k].feature, needs = dependencies[k].needs;

        if (feature_on(c, f) && !feature_on(c, needs))
            return err_make(ERR_USAGE, "the processor feature '%s' needs '%s', which %s lacks", features[f].name,
                            features[needs].name, c->model->name);
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
    return check_dependencies(out);
}

void cpu_config_list(void (*line)(void *arg, const char *text), void *arg)
{
    char text[120];
    size_t at = 0;

    line(arg, "processor models:");
    for (unsigned k = 0; k < COUNT_OF(models); k++) {
        snprintf(text, sizeof text, "  %-10s %s", models[k].name, models[k].about);
        line(arg, text);
    }
    line(arg, "features, to add with ,+name or take away with ,-name:");
    for (unsigned f = F_BASE + 1; f < F_COUNT; f++) {
        if (LISTED(lacking, f) || LISTED(derived, f))
            continue;
        if (at + strlen(features[f].name) + 2 > 100) {
            line(arg, text);
            at = 0;
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? " " : "  ", features[f].name);
    }
    if (at)
        line(arg, text);
}

/* ---- what follows from the configuration ---- */

bool cpu_is_amd(const struct cpu *cpu)
{
    return cpu_vendor(cpu) == VENDOR_AMD;
}

unsigned cpu_physical_bits(const struct cpu *cpu)
{
    if (cpu_has(cpu, F_LM))
        return cpu->config.model->physical_bits;
    return cpu_has(cpu, F_PAE) || cpu_has(cpu, F_PSE36) ? 36 : 32;
}

/* SDM 2A "CPUID" figure "Version Information Returned by CPUID in EAX". */
uint32_t cpuid_signature(const struct cpu *cpu)
{
    const struct cpu_model *m = cpu->config.model;
    uint32_t family = m->family < 15 ? m->family : 15, extended = m->family - family;

    return extended << 20 | (m->model >> 4u) << 16 | family << 8 | (m->model & 15u) << 4 | m->stepping;
}

/* Topology: one package, each processor a core with one thread, APIC id = index. */
static unsigned id_bits(const struct cpu *cpu)
{
    unsigned bits = 0;

    while (BIT64(bits) < cpu->config.count)
        bits++;
    return bits;
}

static uint32_t feature_word(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, enum output output)
{
    uint32_t word = 0;

    for (unsigned f = F_BASE + 1; f < F_COUNT; f++)
        if (features[f].leaf == leaf && features[f].subleaf == subleaf && features[f].output == output &&
            cpu_has(cpu, (enum feature)f))
            word |= BIT(features[f].bit);
    return word;
}

/* ---- the leaves ---- */

static struct cpuid_regs feature_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_regs){
        feature_word(cpu, leaf, subleaf, EAX), feature_word(cpu, leaf, subleaf, EBX),
        feature_word(cpu, leaf, subleaf, ECX), feature_word(cpu, leaf, subleaf, EDX),
    };
}

static void put_vendor(const struct cpu *cpu, struct cpuid_regs *r)
{
    const char *text = cpu_vendor(cpu) == VENDOR_AMD ? "AuthenticAMD" : "GenuineIntel";

    r->ebx = load32(text);
    r->edx = load32(text + 4);
    r->ecx = load32(text + 8);
}

static bool apic_enabled(const struct cpu *cpu)
{
    return cpu->ports.apic == NULL || (cpu->ports.apic->base(cpu->ports.apic_self) & 0x800);
}

static struct cpuid_regs leaf_1(const struct cpu *cpu)
{
    struct cpuid_regs r = feature_leaf(cpu, 1, 0);

    r.eax = cpuid_signature(cpu);
    r.ebx = cpu->config.index << 24 | (cpu_has(cpu, F_CLFLUSH) ? 8u << 8 : 0);
    if (cpu->config.count > 1 && cpu_has(cpu, F_APIC)) {
        r.ebx |= BIT(id_bits(cpu)) << 16;
        r.edx |= BIT(features[F_HTT].bit);
    }
    if (!apic_enabled(cpu))
        r.edx &= ~BIT(features[F_APIC].bit);
    if (cpu->p.cr4 & CR4_OSXSAVE)
        r.ecx |= BIT(27);
    if (!(cpu->p.misc_enable & MISC_MONITOR))
        r.ecx &= ~BIT(features[F_MONITOR].bit);
    if (cpu->config.hypervisor)
        r.ecx |= BIT(features[F_HYPERVISOR].bit);
    return r;
}

/* SDM 2A table "Encoding of CPUID Leaf 2 Descriptors": FFh sends to leaf 4. */
static struct cpuid_regs leaf_2(const struct cpu *cpu)
{
    if (cpu->config.model->max_basic < 4)
        return (struct cpuid_regs){ .eax = 0x03020101, .edx = 0x0c040841 };
    return (struct cpuid_regs){ .eax = 0x0301ff01 };
}

/* type: 1 data, 2 code, 3 both; lines of 64 bytes */
struct cache_row { uint8_t type, level, ways, shared; uint32_t sets; };
static const struct cache_row caches[] = {
    { 1, 1, 8, 0, 64 }, { 2, 1, 8, 0, 64 }, { 3, 2, 16, 0, 1024 }, { 3, 3, 16, 1, 16384 },
};

static struct cpuid_regs leaf_4(const struct cpu *cpu, uint32_t subleaf)
{
    uint32_t sharing = BIT(id_bits(cpu)) - 1;
    const struct cache_row *c;

    if (subleaf >= COUNT_OF(caches))
        return (struct cpuid_regs){ 0 };
    c = &caches[subleaf];
    return (struct cpuid_regs){
        .eax = c->type | c->level << 5u | BIT(8) | (c->shared ? sharing : 0) << 14 | (sharing > 63 ? 63 : sharing) << 26,
        .ebx = 63 | (c->ways - 1u) << 22, .ecx = c->sets - 1, .edx = c->shared ? BIT(1) : 0,
    };
}

/* Lines of 64 bytes; interrupts can end a wait though masked; Intel's: one kind of C1. */
static struct cpuid_regs leaf_5(const struct cpu *cpu)
{
    if (!cpu_has(cpu, F_MONITOR))
        return (struct cpuid_regs){ 0 };
    return (struct cpuid_regs){ 64, 64, 3, cpu_vendor(cpu) == VENDOR_INTEL ? 0x10 : 0 };
}

static struct cpuid_regs leaf_7(const struct cpu *cpu, uint32_t subleaf)
{
    struct cpuid_regs r = feature_leaf(cpu, 7, subleaf);

    if (subleaf == 0 && (cpu->p.cr4 & CR4_PKE))
        r.ecx |= BIT(4);        /* OSPKE */
    return r;
}

static struct cpuid_regs leaf_b(const struct cpu *cpu, uint32_t subleaf)
{
    struct cpuid_regs r = { .ecx = subleaf & 0xff, .edx = cpu->config.index };

    if (!cpu_has(cpu, F_X2APIC))
        return (struct cpuid_regs){ 0 };
    if (subleaf == 0) {         /* threads of a core */
        r.ebx = 1;
        r.ecx |= 1 << 8;
    } else if (subleaf == 1) {  /* cores of the package */
        r.eax = id_bits(cpu);
        r.ebx = cpu->config.count ? cpu->config.count : 1;
        r.ecx |= 2 << 8;
    }
    return r;
}

static struct cpuid_regs leaf_d(const struct cpu *cpu, uint32_t subleaf)
{
    uint64_t user = xsave_supported(cpu, false), all = user | xsave_supported(cpu, true);
    const struct xsave_component *c;
    struct cpuid_regs r = { 0 };

    if (!cpu_has(cpu, F_XSAVE))
        return r;
    if (subleaf == 0)
        return (struct cpuid_regs){ (uint32_t)user, xsave_size(cpu->s.xcr0, false), xsave_size(user, false),
                                    (uint32_t)(user >> 32) };
    if (subleaf == 1) {
        r.eax = feature_word(cpu, 0xd, 1, EAX);
        if (cpu_has(cpu, F_XSAVEC))
            r.ebx = xsave_size(cpu->s.xcr0 | cpu->p.xss, true);
        r.ecx = (uint32_t)(all & ~user);
        return r;
    }
    if (subleaf >= XSAVE_COMPONENTS || !(all & BIT64(subleaf)))
        return r;
    c = &xsave_components[subleaf];
    return (struct cpuid_regs){ .eax = c->size, .ebx = c->supervisor ? 0 : c->offset,
                                .ecx = (uint32_t)c->supervisor | (uint32_t)c->align << 1 };
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* TSC = crystal * EBX / EAX; the crystal also drives the APIC timer. */
static struct cpuid_regs leaf_15(const struct cpu *cpu)
{
    uint64_t crystal = cpu->config.apic_hz ? cpu->config.apic_hz : 200000000u;
    uint64_t common = greatest_divisor(cpu->config.tsc_hz, crystal);

    if (common == 0 || crystal >> 32 || cpu->config.tsc_hz / common >> 32)
        return (struct cpuid_regs){ 0 };
    return (struct cpuid_regs){ .eax = (uint32_t)(crystal / common), .ebx = (uint32_t)(cpu->config.tsc_hz / common),
                                .ecx = (uint32_t)crystal };
}

static struct cpuid_regs leaf_16(const struct cpu *cpu)
{
    uint32_t mhz = (uint32_t)(cpu->config.tsc_hz / 1000000u) & 0xffff;

    return (struct cpuid_regs){ mhz, mhz, 100, 0 };
}

static struct cpuid_regs basic_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t highest)
{
    struct cpuid_regs r = { .eax = highest };

    switch (leaf) {
    case 0x0:  put_vendor(cpu, &r); return r;
    case 0x1:  return leaf_1(cpu);
    case 0x2:  return leaf_2(cpu);
    case 0x4:  return leaf_4(cpu, subleaf);
    case 0x5:  return leaf_5(cpu);
    case 0x7:  return leaf_7(cpu, subleaf);
    case 0xa:  return pmu_leaf(cpu);
    case 0xb:  return leaf_b(cpu, subleaf);
    case 0xd:  return leaf_d(cpu, subleaf);
    case 0x15: return leaf_15(cpu);
    case 0x16: return leaf_16(cpu);
    default:   return feature_leaf(cpu, leaf, subleaf);     /* 6; the others have no feature here and are zero */
    }
}

static struct cpuid_regs brand_leaf(const struct cpu *cpu, unsigned part)
{
    char brand[48] = { 0 };
    struct cpuid_regs r;

    snprintf(brand, sizeof brand, "%s", cpu->config.model->brand);
    memcpy(&r, brand + 16 * part, 16);
    return r;
}

static struct cpuid_regs extended_leaf(const struct cpu *cpu, uint32_t leaf)
{
    struct cpuid_regs r = { 0 };

    switch (leaf) {
    case 0x80000000:
        r.eax = cpu->config.model->max_extended;
        if (cpu_vendor(cpu) == VENDOR_AMD)
            put_vendor(cpu, &r);
        return r;
    case 0x80000001:
        r = feature_leaf(cpu, leaf, 0);
        if (!cpu_in_64bit(cpu) && cpu_vendor(cpu) == VENDOR_INTEL)
            r.edx &= ~BIT(features[F_SYSCALL].bit);     /* Intel shows SYSCALL in 64-bit mode only */
        if (cpu->p.misc_enable & MISC_XD_DISABLE)
            r.edx &= ~BIT(features[F_NX].bit);
        return r;
    case 0x80000002: case 0x80000003: case 0x80000004:
        return brand_leaf(cpu, leaf - 0x80000002);
    case 0x80000006:
        return (struct cpuid_regs){ .ecx = 1024u << 16 | 8u << 12 | 64 };       /* level 2: KiB, 16 ways, bytes of a line */
    case 0x80000008:
        r = feature_leaf(cpu, leaf, 0);
        r.eax = cpu_physical_bits(cpu) | (cpu_has(cpu, F_LA57) ? 57u : 48u) << 8;
        return r;
    default:
        return feature_leaf(cpu, leaf, 0);
    }
}

/* Beyond the last leaf Intel's processors answer as for the highest basic leaf. */
struct cpuid_regs cpuid_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    const struct cpu_model *m = cpu->config.model;
    uint32_t highest = m->max_basic;

    if ((cpu->p.misc_enable & MISC_LIMIT_CPUID) && highest > 2)
        highest = 2;
    if (leaf >= 0x80000000 && leaf <= m->max_extended)
        return extended_leaf(cpu, leaf);
    if (leaf <= highest)
        return basic_leaf(cpu, leaf, subleaf, highest);
    if (cpu_vendor(cpu) == VENDOR_AMD)
        return (struct cpuid_regs){ 0 };
    return basic_leaf(cpu, highest, subleaf, highest);
}
