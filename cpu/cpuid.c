/* SPDX-License-Identifier: MIT
 * The CPUID leaves that show a processor's model, features and topology (SDM 2A "CPUID", APM 3 "CPUID"). */
#include "cpu/cpuid.h"

#include <stdio.h>
#include <string.h>

#include "cpu/model.h"
#include "cpu/msr.h"
#include "cpu/pmu.h"
#include "cpu/seg.h"
#include "cpu/xsave.h"

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

static uint32_t feature_word(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, enum cpuid_output output)
{
    uint32_t word = 0;

    for (unsigned f = F_BASE + 1; f < F_COUNT; f++)
        if (cpu_features[f].leaf == leaf && cpu_features[f].subleaf == subleaf && cpu_features[f].output == output &&
            cpu_has(cpu, (enum feature)f))
            word |= BIT(cpu_features[f].bit);
    return word;
}

/* ---- the leaves ---- */

static struct cpuid_regs feature_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_regs){
        feature_word(cpu, leaf, subleaf, CPUID_EAX), feature_word(cpu, leaf, subleaf, CPUID_EBX),
        feature_word(cpu, leaf, subleaf, CPUID_ECX), feature_word(cpu, leaf, subleaf, CPUID_EDX),
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
    if (cpu->config.count > 1 && cpu_has(cpu, F_APIC) && cpu_has(cpu, F_CLFLUSH)) {     /* older ones do not count cores */
        r.ebx |= BIT(id_bits(cpu)) << 16;
        r.edx |= BIT(cpu_features[F_HTT].bit);
    }
    if (!apic_enabled(cpu))
        r.edx &= ~BIT(cpu_features[F_APIC].bit);
    if (cpu->p.cr4 & CR4_OSXSAVE)
        r.ecx |= BIT(27);
    if (!(cpu->p.misc_enable & MISC_MONITOR))
        r.ecx &= ~BIT(cpu_features[F_MONITOR].bit);
    if (cpu->config.hypervisor)
        r.ecx |= BIT(cpu_features[F_HYPERVISOR].bit);
    return r;
}

/* SDM 2A table "Encoding of CPUID Leaf 2 Descriptors". */
static struct cpuid_regs leaf_2(const struct cpu *cpu)
{
    const uint32_t *r = cpu->config.model->caches->leaf2;

    return (struct cpuid_regs){ r[0], r[1], r[2], r[3] };
}

static const struct cpu_cache *cache_at(const struct cpu *cpu, uint32_t n)
{
    const struct cpu_caches *c = cpu->config.model->caches;

    return n < COUNT_OF(c->list) && c->list[n].type ? &c->list[n] : NULL;
}

/* Leaf 4, and with AMD 8000001Dh, which does not count the cores there. */
static struct cpuid_regs cache_leaf(const struct cpu *cpu, uint32_t subleaf, bool cores)
{
    uint32_t sharing = BIT(id_bits(cpu)) - 1;
    const struct cpu_cache *c = cache_at(cpu, subleaf);

    if (c == NULL)
        return (struct cpuid_regs){ 0 };
    return (struct cpuid_regs){
        .eax = c->type | c->level << 5u | BIT(8) | (c->level == 3 ? sharing : 0) << 14 |
               (!cores ? 0 : sharing > 63 ? 63 : sharing) << 26,
        .ebx = 63 | (c->ways - 1u) << 22, .ecx = c->kib * 16 / c->ways - 1, .edx = c->level == 3 ? BIT(1) : 0,
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
    struct cpuid_regs r = feature_leaf(cpu, 7, subleaf), next = feature_leaf(cpu, 7, 1);

    if (subleaf != 0)
        return r;
    r.eax = (next.eax | next.ebx | next.ecx | next.edx) != 0;       /* the last subleaf */
    if (cpu->p.cr4 & CR4_PKE)
        r.ecx |= BIT(4);        /* OSPKE */
    return r;
}

/* Also 1Fh. */
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
        return (struct cpuid_regs){ (uint32_t)user, xsave_size(cpu, cpu->s.xcr0, false), xsave_size(cpu, user, false),
                                    (uint32_t)(user >> 32) };
    if (subleaf == 1) {
        r.eax = feature_word(cpu, 0xd, 1, CPUID_EAX);
        if (cpu_has(cpu, F_XSAVEC))
            r.ebx = xsave_size(cpu, cpu->s.xcr0 | cpu->p.xss, true);
        r.ecx = (uint32_t)(all & ~user);
        return r;
    }
    if (subleaf >= XSAVE_COMPONENTS || !(all & BIT64(subleaf)))
        return r;
    c = &xsave_components[subleaf];
    return (struct cpuid_regs){ .eax = c->size, .ebx = c->supervisor ? 0 : xsave_offset(cpu, subleaf),
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

    if (cpu_vendor(cpu) == VENDOR_AMD && (leaf == 2 || leaf == 4))
        return (struct cpuid_regs){ 0 };
    switch (leaf) {
    case 0x0:  put_vendor(cpu, &r); return r;
    case 0x1:  return leaf_1(cpu);
    case 0x2:  return leaf_2(cpu);
    case 0x4:  return cache_leaf(cpu, subleaf, true);
    case 0x5:  return leaf_5(cpu);
    case 0x7:  return leaf_7(cpu, subleaf);
    case 0xa:  return pmu_leaf(cpu);
    case 0xb: case 0x1f: return leaf_b(cpu, subleaf);
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

/* APM 3 "Function 8000_0001h": AMD repeats much of leaf 1 here. */
static struct cpuid_regs leaf_80000001(const struct cpu *cpu)
{
    struct cpuid_regs r = feature_leaf(cpu, 0x80000001, 0);

    if (cpu_vendor(cpu) == VENDOR_AMD) {
        r.eax = cpuid_signature(cpu);
        r.edx |= leaf_1(cpu).edx & 0x0183f3ff;
        if (cpu_has(cpu, F_SSE))
            r.edx |= BIT(22);           /* MMXEXT: SSE's instructions on MMX registers */
        if (cpu->config.count > 1)
            r.ecx |= BIT(1);            /* CMP_LEGACY */
        if (cpu->config.model->max_extended >= 0x8000001e)
            r.ecx |= BIT(22);           /* TOPOEXT */
    } else if (!cpu_in_64bit(cpu)) {
        r.edx &= ~BIT(cpu_features[F_SYSCALL].bit);     /* Intel shows SYSCALL in 64-bit mode only */
    }
    if (cpu->p.misc_enable & MISC_XD_DISABLE)
        r.edx &= ~BIT(cpu_features[F_NX].bit);
    return r;
}

/* APM 3 "Function 8000_0005h": TLBs of 64 entries, then data and code: KiB, ways, 1 line a tag, bytes of a line. */
static struct cpuid_regs leaf_80000005(const struct cpu *cpu)
{
    struct cpuid_regs r = { .eax = 0xff40ff40, .ebx = 0xff40ff40 };
    const struct cpu_cache *data = cache_at(cpu, 0), *code = cache_at(cpu, 1);

    if (cpu_vendor(cpu) != VENDOR_AMD || data == NULL || code == NULL)
        return (struct cpuid_regs){ 0 };
    r.ecx = data->kib << 24 | (uint32_t)data->ways << 16 | 1 << 8 | 64;
    r.edx = code->kib << 24 | (uint32_t)code->ways << 16 | 1 << 8 | 64;
    return r;
}

/* Level 2: KiB, ways as APM 3 "Function 8000_0006h" codes them, bytes of a line. AMD: TLBs; level 3 in units of 512 KiB. */
static struct cpuid_regs leaf_80000006(const struct cpu *cpu)
{
    const struct cpu_cache *l2 = cache_at(cpu, 2), *l3 = cache_at(cpu, 3);
    struct cpuid_regs r = { 0 };

    if (l2 == NULL)
        return r;
    r.ecx = l2->kib << 16 | (l2->ways == 16 ? 8u : 6u) << 12 | 64;
    if (cpu_vendor(cpu) != VENDOR_AMD)
        return r;
    r.eax = 0x48006400;
    r.ebx = 0x68006400;
    r.ecx |= 1 << 8;
    if (l3 != NULL)
        r.edx = l3->kib / 512 << 18 | 9u << 12 | 1 << 8 | 64;   /* 9: see 8000001Dh */
    return r;
}

static struct cpuid_regs leaf_80000008(const struct cpu *cpu)
{
    struct cpuid_regs r = feature_leaf(cpu, 0x80000008, 0);

    r.eax = cpu_physical_bits(cpu) | (cpu_has(cpu, F_LA57) ? 57u : 48u) << 8;
    if (cpu_vendor(cpu) == VENDOR_AMD)
        r.ecx = (cpu->config.count ? cpu->config.count - 1 : 0) | id_bits(cpu) << 12;
    return r;
}

/* AMD's own. */
static struct cpuid_regs amd_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case 0x80000019: return (struct cpuid_regs){ .eax = 0xf040f040 };           /* TLBs for pages of 1 GiB */
    case 0x8000001a: return (struct cpuid_regs){ .eax = BIT(1) | BIT(2) };      /* MOVU, FP256 */
    case 0x8000001d: return cache_leaf(cpu, subleaf, false);
    case 0x8000001e: return (struct cpuid_regs){ .eax = cpu->config.index, .ebx = cpu->config.index & 0xff };
    default:         return feature_leaf(cpu, leaf, 0);
    }
}

static struct cpuid_regs extended_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = { 0 };

    switch (leaf) {
    case 0x80000000:
        r.eax = cpu->config.model->max_extended;
        if (cpu_vendor(cpu) == VENDOR_AMD)
            put_vendor(cpu, &r);
        return r;
    case 0x80000001: return leaf_80000001(cpu);
    case 0x80000002: case 0x80000003: case 0x80000004:
        return brand_leaf(cpu, leaf - 0x80000002);
    case 0x80000005: return leaf_80000005(cpu);
    case 0x80000006: return leaf_80000006(cpu);
    case 0x80000008: return leaf_80000008(cpu);
    default:         return amd_leaf(cpu, leaf, subleaf);
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
        return extended_leaf(cpu, leaf, subleaf);
    if (leaf <= highest)
        return basic_leaf(cpu, leaf, subleaf, highest);
    if (cpu_vendor(cpu) == VENDOR_AMD)
        return (struct cpuid_regs){ 0 };
    return basic_leaf(cpu, highest, subleaf, highest);
}
