/* SPDX-License-Identifier: MIT
 * Named models: how they and their features are spelled, and the CPUID leaves of each against tests/cpu/models.txt, which was
 * reviewed by hand. The leaves are those of the product: what this version lacks is taken as there. PARTITA_WRITE=1 writes
 * the file anew. */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpuid.h"
#include "cpu/model.h"
#include "tests/cpu/fixture.h"

static struct fixture f;

static bool config_has(const struct cpu_config *c, unsigned feature)
{
    return c->features[feature / 64] & BIT64(feature % 64);
}

static struct cpu_config parsed(const char *spec)
{
    struct cpu_config c = { 0 };
    struct err e = cpu_config_parse(&c, spec);

    assert_false(failed(&e));
    return c;
}

static bool refused(const char *spec)
{
    struct cpu_config c = { 0 };
    struct err e = cpu_config_parse(&c, spec);

    return failed(&e);
}

static void features_may_be_spelled_as_elsewhere(void **state)
{
    struct cpu_config c = parsed("Haswell-Server,sse4.2=off,+sha-ni,-rdrand,clwb=on,lzcnt=off");

    (void)state;
    assert_false(config_has(&c, F_SSE42));
    assert_false(config_has(&c, F_AVX2));           /* needs it */
    assert_true(config_has(&c, F_SHA));
    assert_false(config_has(&c, F_RDRAND));
    assert_true(config_has(&c, F_CLWB));
    assert_false(config_has(&c, F_LZCNT));
    assert_true(refused("max,clwb"));
    assert_true(refused("max,clwb=maybe"));
    assert_true(refused("max,+clwb=on"));
    assert_true(refused("max,=on"));
}

static void a_model_has_its_vendor_unless_asked(void **state)
{
    (void)state;
    assert_int_equal(parsed("max").vendor, VENDOR_INTEL);
    assert_int_equal(parsed("EPYC-Rome").vendor, VENDOR_AMD);
    assert_int_equal(parsed("EPYC-Rome,vendor=GenuineIntel").vendor, VENDOR_INTEL);
    assert_int_equal(parsed("max,vendor=AuthenticAMD").vendor, VENDOR_AMD);
    assert_true(refused("max,vendor=CyrixInstead"));
}

/* Every model as it is when nothing is lacking has the features that its features need. */
static void models_have_what_their_features_need(void **state)
{
    (void)state;
    for (unsigned n = 0; cpu_model_at(n) != NULL; n++)
        assert_false(refused(cpu_model_at(n)->name));
}

/* ---- the leaves ---- */

static struct cpu_config whole_product(const struct cpu_model *m)
{
    struct cpu_config c = { .model = m, .vendor = (enum vendor)m->vendor, .index = 1, .count = 4, .tsc_hz = 2000000000 };

    for (const uint8_t *feature = m->features; *feature != F_BASE; feature++)
        c.features[*feature / 64] |= BIT64(*feature % 64);
    return c;
}

static void write_leaf(FILE *out, uint32_t leaf, uint32_t subleaf, const char *also)
{
    struct cpuid_regs r = cpuid_leaf(f.cpu, leaf, subleaf);

    if (r.eax | r.ebx | r.ecx | r.edx)
        fprintf(out, "%08x.%x  %08x %08x %08x %08x%s\n", leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx, also);
}

static unsigned subleaves(uint32_t leaf)
{
    switch (leaf) {
    case 0x4: case 0x8000001d: return 5;
    case 0x7: case 0xb: case 0x1f: return 2;
    case 0xd: return 20;
    default: return 1;
    }
}

static void write_model(FILE *out, const struct cpu_model *m)
{
    f.cpu->config = whole_product(m);
    fprintf(out, "\n%s: %s\n", m->name, m->about);
    for (uint32_t leaf = 0; leaf <= m->max_basic; leaf++)
        for (unsigned n = 0; n < subleaves(leaf); n++)
            write_leaf(out, leaf, n, "");
    for (uint32_t leaf = 0x80000000; leaf <= m->max_extended; leaf++)
        for (unsigned n = 0; n < subleaves(leaf); n++)
            write_leaf(out, leaf, n, "");
    write_leaf(out, 0x40000000, 0, "  beyond the last");
}

static char *leaves_of_all_models(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    fprintf(out, "CPUID of the named models in 64-bit mode after reset, processor 1 of 4, with all that the products have.\n"
                 "leaf.subleaf EAX EBX ECX EDX; leaves of zeros are left out.\n");
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    for (unsigned n = 1; cpu_model_at(n) != NULL; n++)
        write_model(out, cpu_model_at(n));
    fixture_close(&f);
    fclose(out);
    return text;
}

static void leaves_are_as_reviewed(void **state)
{
    const char *top = getenv("top_srcdir");
    static char kept[1 << 16];
    char path[512], *text = leaves_of_all_models();
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/tests/cpu/models.txt", top != NULL ? top : ".");
    if (getenv("PARTITA_WRITE") != NULL) {
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    file = fopen(path, "r");
    assert_non_null(file);
    kept[fread(kept, 1, sizeof kept - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, kept);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_may_be_spelled_as_elsewhere),
        cmocka_unit_test(a_model_has_its_vendor_unless_asked),
        cmocka_unit_test(models_have_what_their_features_need),
        cmocka_unit_test(leaves_are_as_reviewed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
