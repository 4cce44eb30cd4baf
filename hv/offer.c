/* SPDX-License-Identifier: MIT
 * What a guest is offered, TLFS 6.0b 2.4 and 4.2.2: the partition's privileges, features, recommendations and version, from
 * the rows of privileges.def and cpuid.def and the text of `-hv`. Every bit can be taken away or asked for by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/internal.h"

#define MAX_LEAF            0x4000000Au
#define MAX_LEAF_MINIMAL    0x40000005u

enum state { ABSENT, OFFERED, POSSIBLE };

/* All bits that have a name, in the order of enum hv_gate. */
static const struct bit {
    const char *name;
    uint8_t gate, state, needs;         /* enum hv_gate, enum state, enum hv_gate */
} bits[] = {
#define PRIVILEGE(number, name, state) { #name, HV_GATE_##name, state, HV_GATE_ANYBODY },
#include "hv/privileges.def"
#undef PRIVILEGE
#define CPUID_FIELD(leaf, reg, hi, lo, name, value)
#define CPUID_FEATURE(number, name, state, needs) { #name, HV_GATE_##name, state, HV_GATE_##needs },
#define CPUID_ADVICE CPUID_FEATURE
#include "hv/cpuid.def"
#undef CPUID_FIELD
#undef CPUID_FEATURE
#undef CPUID_ADVICE
};

/* The three sets by their keys, each of `count` gates from `first` on. */
static const struct set {
    const char *key;
    unsigned first, count;
} sets[] = {
    { "privileges", 0, 64 }, { "features", HV_GATE_FEATURES, 32 }, { "recommendations", HV_GATE_ADVICE, 32 },
};

/* ---- sets of bits ---- */

static uint64_t get_set(const struct hv_offer *o, const struct set *set)
{
    return set == &sets[0] ? o->privileges : set == &sets[1] ? o->features : o->advice;
}

static void put_set(struct hv_offer *o, const struct set *set, uint64_t value)
{
    if (set == &sets[0])
        o->privileges = value;
    else
        *(set == &sets[1] ? &o->features : &o->advice) = (uint32_t)value;
}

static bool in_set(const struct set *set, const struct bit *b)
{
    return b->gate >= set->first && b->gate < set->first + set->count;
}

/* The bits of a set that are in one of two states. */
static uint64_t in_state(const struct set *set, enum state one, enum state other)
{
    uint64_t mask = 0;

    for (unsigned k = 0; k < COUNT_OF(bits); k++)
        if (in_set(set, &bits[k]) && (bits[k].state == one || bits[k].state == other))
            mask |= BIT64(bits[k].gate - set->first);
    return mask;
}

static const struct bit *find_bit(const struct set *set, const char *name, size_t len)
{
    for (unsigned k = 0; k < COUNT_OF(bits); k++)
        if (in_set(set, &bits[k]) && strlen(bits[k].name) == len && strncmp(bits[k].name, name, len) == 0)
            return &bits[k];
    return NULL;
}

void offer_settle(struct hv_offer *o)
{
    for (unsigned k = 0; k < COUNT_OF(bits); k++)
        if (!offer_has(o, bits[k].needs)) {
            if (bits[k].gate >= HV_GATE_ADVICE)
                o->advice &= ~BIT(bits[k].gate - HV_GATE_ADVICE);
            else if (bits[k].gate >= HV_GATE_FEATURES)
                o->features &= ~BIT(bits[k].gate - HV_GATE_FEATURES);
        }
}

/* ---- profiles ---- */

void hv_offer_default(struct hv_offer *o)
{
    *o = (struct hv_offer){ .max_leaf = MAX_LEAF, .version = { 17763, 10u << 16 } };
    for (unsigned k = 0; k < COUNT_OF(sets); k++)
        put_set(o, &sets[k], in_state(&sets[k], OFFERED, OFFERED));
}

/* The smallest conforming interface (docs/tlfs/requirements.tsv ). */
static void offer_minimal(struct hv_offer *o)
{
    *o = (struct hv_offer){
        .max_leaf = MAX_LEAF_MINIMAL, .version = { 17763, 10u << 16 },
        .privileges = BIT64(HV_GATE_AccessHypercallMsrs) | BIT64(HV_GATE_AccessVpIndex),
        .advice = BIT(HV_GATE_UseRelaxedTiming - HV_GATE_ADVICE),
    };
}

/* ---- the text ---- */

#define ITEM_MAX 512u

static struct err parse_profile(struct hv_offer *o, const char *text)
{
    if (strcmp(text, "default") == 0)
        hv_offer_default(o);
    else if (strcmp(text, "minimal") == 0)
        offer_minimal(o);
    else
        return err_make(ERR_USAGE, "-hv profile=%s: default and minimal are known", text);
    return OK;
}

/* MAJOR.MINOR.BUILD and, if wanted, .SERVICEPACK.BRANCH.NUMBER; or none. */
static struct err parse_version(struct hv_offer *o, const char *text)
{
    unsigned v[6] = { 0 };
    int used = 0, n;

    if (strcmp(text, "none") == 0) {
        memset(o->version, 0, sizeof o->version);
        return OK;
    }
    n = sscanf(text, "%u.%u.%u%n.%u.%u.%u%n", &v[0], &v[1], &v[2], &used, &v[3], &v[4], &v[5], &used);
    if ((n != 3 && n != 6) || text[used] != '\0' || v[0] > 0xFFFF || v[1] > 0xFFFF || v[4] > 0xFF || v[5] > 0xFFFFFF)
        return err_make(ERR_USAGE, "-hv version=%s: give MAJOR.MINOR.BUILD[.SERVICEPACK.BRANCH.NUMBER] or none", text);
    o->version[0] = v[2];
    o->version[1] = v[0] << 16 | v[1];
    o->version[2] = v[3];
    o->version[3] = v[4] << 24 | v[5];
    return OK;
}

/* What a set starts from: all, none, a number, or (nothing given) the profile. *text moves behind it. */
static struct err parse_base(const struct set *set, const char **text, uint64_t *value)
{
    size_t len = strcspn(*text, "+-");
    char *end;

    if (len == 3 && strncmp(*text, "all", len) == 0) {
        *value = in_state(set, OFFERED, POSSIBLE);
    } else if (len == 4 && strncmp(*text, "none", len) == 0) {
        *value = 0;
    } else if (len != 0) {
        *value = strtoull(*text, &end, 0);
        if (**text < '0' || **text > '9' || (size_t)(end - *text) != len)
            return err_make(ERR_USAGE, "-hv %s=%s: begin with +NAME, -NAME, all, none or a number", set->key, *text);
        if ((*value & ~in_state(set, OFFERED, POSSIBLE)) != 0)
            return err_make(ERR_UNSUPPORTED, "-hv %s=%.*s: bits %#llx are not implemented", set->key, (int)len, *text,
                            (unsigned long long)(*value & ~in_state(set, OFFERED, POSSIBLE)));
    }
    *text += len;
    return OK;
}

static struct err check_wanted(const struct hv_offer *o, const struct set *set, const struct bit *b)
{
    if (b->state == ABSENT)
        return err_make(ERR_UNSUPPORTED, "-hv %s: %s is not implemented", set->key, b->name);
    if (!offer_has(o, b->needs))
        return err_make(ERR_USAGE, "-hv %s: %s needs the privilege %s", set->key, b->name, bits[b->needs].name);
    return OK;
}

static struct err parse_set(struct hv_offer *o, const struct set *set, const char *text)
{
    uint64_t value = get_set(o, set);

    TRY(parse_base(set, &text, &value));
    while (*text != '\0') {
        bool wanted = *text == '+';
        size_t len = strcspn(++text, "+-");
        const struct bit *b = find_bit(set, text, len);

        if (b == NULL)
            return err_make(ERR_USAGE, "-hv %s: '%.*s' is not known; `-hv help` lists what is", set->key, (int)len, text);
        if (wanted)
            TRY(check_wanted(o, set, b));
        value = bits_put(value, b->gate - set->first, b->gate - set->first, wanted);
        text += len;
    }
    put_set(o, set, value);
    return OK;
}

static struct err parse_item(struct hv_offer *o, const char *key, const char *value)
{
    for (unsigned k = 0; k < COUNT_OF(sets); k++)
        if (strcmp(key, sets[k].key) == 0)
            return parse_set(o, &sets[k], value);
    if (strcmp(key, "version") == 0)
        return parse_version(o, value);
    if (strcmp(key, "profile") == 0)
        return OK;                      /* was first */
    return err_make(ERR_USAGE, "-hv: '%s' is not known; give profile, privileges, features, recommendations or version", key);
}

/* Calls `take` with each KEY=VALUE of a list. */
static struct err each_item(struct hv_offer *o, const char *list,
                            struct err (*take)(struct hv_offer *o, const char *key, const char *value))
{
    char item[ITEM_MAX], *equals;

    while (*list != '\0') {
        size_t len = strcspn(list, ",");

        if (len >= sizeof item)
            return err_make(ERR_USAGE, "-hv: an item is longer than %zu characters", sizeof item - 1);
        memcpy(item, list, len);
        item[len] = '\0';
        equals = strchr(item, '=');
        if (equals == NULL)
            return err_make(ERR_USAGE, "-hv: '%s' is neither on nor off nor KEY=VALUE", item);
        *equals = '\0';
        TRY(take(o, item, equals + 1));
        list += len + (list[len] == ',');
    }
    return OK;
}

static struct err take_profile(struct hv_offer *o, const char *key, const char *value)
{
    return strcmp(key, "profile") == 0 ? parse_profile(o, value) : OK;
}

static struct err take_privileges(struct hv_offer *o, const char *key, const char *value)
{
    return strcmp(key, "privileges") == 0 ? parse_item(o, key, value) : OK;
}

static struct err take_rest(struct hv_offer *o, const char *key, const char *value)
{
    return strcmp(key, "privileges") == 0 ? OK : parse_item(o, key, value);
}

/* The profile counts first and privileges second, wherever they stand: the rest builds on them. */
struct err hv_offer_parse(struct hv_offer *out, const char *spec)
{
    hv_offer_default(out);
    TRY(each_item(out, spec, take_profile));
    TRY(each_item(out, spec, take_privileges));
    offer_settle(out);
    TRY(each_item(out, spec, take_rest));
    offer_settle(out);
    return OK;
}

void hv_offer_list(void (*line)(void *arg, const char *text), void *arg)
{
    static const char *const words[] = { "not implemented", "offered", "possible" };

    for (unsigned k = 0; k < COUNT_OF(sets); k++) {
        line(arg, sets[k].key);
        for (unsigned n = 0; n < COUNT_OF(bits); n++) {
            char text[128];

            if (!in_set(&sets[k], &bits[n]))
                continue;
            snprintf(text, sizeof text, "  %-55s %s", bits[n].name, words[bits[n].state]);
            line(arg, text);
        }
    }
}
