/* SPDX-License-Identifier: MIT
 * Travelling: after any sequence of travels the machine at an instruction is the one that a straight run has there; checkpoints stay
 * within their memory; the guest's words go out once; searches backwards find the last one. */
#include "machine/travel.h"

#include <stdio.h>

#include "machine/debug.h"
#include "machine/past.h"
#include "machine/snapshot_internal.h"
#include "tests/machine/busy_guest.h"
#include "tests/random.h"

#define POINTS 24

static struct machine_config config(void)
{
    struct machine_config cfg;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    return cfg;
}

struct straight { uint64_t insns[POINTS], hash[POINTS]; };

static void run_straight(const struct machine_config *cfg, struct straight *s, uint64_t length)
{
    struct machine *m = machine_made(cfg);

    for (unsigned k = 0; k < POINTS; k++) {
        s->insns[k] = length * k / POINTS + random_below(length / POINTS / 2);
        machine_run(m, s->insns[k] - machine_insns(m));
        s->hash[k] = machine_hash(m);
    }
    machine_free(m);
}

static void must_be_there(struct travel *t, struct machine *m, const struct straight *s, unsigned k)
{
    must(travel_to(t, s->insns[k]));
    assert_int_equal(machine_insns(m), s->insns[k]);
    assert_true(machine_hash(m) == s->hash[k]);
}

static void any_sequence_leads_to_the_straight_run(void **state)
{
    struct machine_config cfg = config();

    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct straight s;
        struct travel *t;
        struct machine *m;

        cfg.nvps = variant & 1 ? 2 : 1;
        cfg.jit = variant & 2 && machine_can_translate();
        run_straight(&cfg, &s, 1600000);
        m = machine_made(&cfg);
        must(travel_create(&t, m));
        must_be_there(t, m, &s, POINTS / 2);
        for (unsigned k = 0; k < 5; k++)
            must_be_there(t, m, &s, (unsigned)random_below(POINTS));
        for (unsigned k = 3; k > 0; k--)            /* step by step backwards from a point, and there again */
            must(travel_to(t, s.insns[12] + k));
        must_be_there(t, m, &s, 12);
        travel_free(t);
        machine_free(m);
    }
}

static void memory_is_bounded(void **state)
{
    struct machine_config cfg = config();
    struct machine *m = machine_made(&cfg);
    struct travel_about about;
    struct straight s;
    struct travel *t;

    (void)state;
    run_straight(&cfg, &s, 3200000);
    must(travel_create(&t, m));
    travel_set_memory(t, 6u << 20);
    for (unsigned k = 0; k < 4; k++) {
        must_be_there(t, m, &s, (unsigned)random_below(POINTS));
        travel_about(t, &about);
        assert_true(about.bytes < 8u << 20);
        assert_true(about.checkpoints > 0);
    }
    travel_free(t);
    machine_free(m);
}

static void there_are_ends(void **state)
{
    struct machine_config cfg = config();
    struct travel *t;
    struct machine *m;
    uint64_t hash;
    struct err e;

    (void)state;
    cfg.stop_at = 500000;
    m = machine_made(&cfg);
    machine_run(m, 1000);
    must(travel_create(&t, m));
    e = travel_to(t, 999);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(machine_insns(m), 1000);
    e = travel_to(t, 600000);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(machine_insns(m), 500000);
    hash = machine_hash(m);
    must(travel_to(t, 1000));
    assert_int_equal(machine_run(m, 10), RUN_LIMIT);
    must(travel_to(t, 500000));
    assert_true(machine_hash(m) == hash);
    assert_int_equal(travel_end(t), 500000);
    travel_free(t);
    machine_free(m);
}

static void changed_machines_have_another_future(void **state)
{
    struct machine_config cfg = config();
    struct machine *m = machine_made(&cfg);
    struct travel *t;
    uint64_t hash, other;

    (void)state;
    must(travel_create(&t, m));
    must(travel_to(t, 1500000));
    hash = machine_hash(m);
    must(travel_to(t, 700000));
    assert_true(cpu_set_reg(m->vps[0], CPU_REG_RCX, 12345));
    travel_forget_future(t);
    must(travel_to(t, 1500000));
    other = machine_hash(m);
    assert_true(other != hash);
    must(travel_to(t, 700000));
    assert_true(cpu_reg(m->vps[0], CPU_REG_RCX) == 12345);
    must(travel_to(t, 1500000));
    assert_true(machine_hash(m) == other);
    travel_free(t);
    machine_free(m);
}

struct search { struct machine *m; uint64_t every, last; };

/* Instants whose number is a multiple. */
static bool multiples(void *arg, uint64_t until)
{
    struct search *s = arg;
    uint64_t from = machine_insns(s->m), last = (until - 1) / s->every * s->every;

    machine_run(s->m, until - from);
    if (last < from)
        return false;
    s->last = last;
    return true;
}

static void searches_find_the_last_one(void **state)
{
    struct machine_config cfg = config();
    struct machine *m = machine_made(&cfg);
    struct search s = { m, 1500000, 0 };
    struct travel *t;
    bool found;

    (void)state;
    must(travel_create(&t, m));
    must(travel_to(t, 2600000));
    must(travel_back(t, 2600000, 0, NULL, multiples, &s, &found));
    assert_true(found);
    assert_int_equal(s.last, 1500000);
    s.every = 4000000;
    must(travel_back(t, 2600000, 0, NULL, multiples, &s, &found));
    assert_true(found);             /* instruction 0 */
    assert_int_equal(s.last, 0);
    travel_free(t);
    machine_free(m);
}

/* ---- questions to the past ---- */

struct answers { struct past_answer last; unsigned n; };

static bool count(void *arg, const struct past_answer *a)
{
    struct answers *s = arg;

    assert_true(s->n == 0 || a->insns >= s->last.insns);
    s->last = *a;
    s->n++;
    return true;
}

static void last_answers_are_the_last_of_all(void **state)
{
    static const struct point points[] = {
        { POINT_WRITE, true, 0x240000, 0x40000 },           /* written all the time */
        { POINT_WRITE, false, 0x200100, 64 },               /* now and then */
        { POINT_BREAK, false, 0x10002c, 0 },                /* an instruction of the loop */
        { POINT_WRITE, true, 0x700000, 64 },                /* never */
    };
    struct machine_config cfg = config();
    struct machine *m = machine_made(&cfg);
    const uint64_t at[] = { 700007, 77 };
    struct debug *d = machine_debug(m);
    struct debug_stop stop;

    (void)state;
    must(debug_travel(d));
    for (unsigned k = 0; k < sizeof points / sizeof points[0] * 2; k++) {
        const struct point *what = &points[k / 2];
        const struct past_question question = { .kind = PAST_POINT, .vp = PAST_ANY, .point = *what };
        struct answers all = { .n = 0 };
        struct past_answer last;
        uint64_t before = at[k % 2], hash;

        must(debug_goto(d, before, &stop));
        hash = machine_hash(m);
        must(past_each(d, &question, 0, before, count, &all));
        must(past_last(d, &question, 0, before, &last));
        assert_int_equal(machine_insns(m), before);
        assert_true(machine_hash(m) == hash);
        assert_int_equal(last.found, all.n > 0);
        if (!last.found)
            continue;
        assert_int_equal(last.insns, all.last.insns);
        assert_true(last.hit.rip == all.last.hit.rip);
        assert_memory_equal(last.hit.now, all.last.hit.now, sizeof last.hit.now);
        must(debug_goto(d, last.insns, &stop));
        if (what->kind == POINT_BREAK)
            assert_true(cpu_reg(m->vps[0], CPU_REG_RIP) == what->at);
        assert_true(what->kind != POINT_BREAK || last.insns > before - 30 || before == 77);
        must(debug_goto(d, before, &stop));
    }
    machine_free(m);
}

static void open_input_is_refused(void **state)
{
    struct machine_config cfg = config();
    struct travel *t;
    struct machine *m;
    struct err e;

    (void)state;
    cfg.clock = CLOCK_HOST;
    m = machine_made(&cfg);
    e = travel_create(&t, m);
    assert_int_equal(e.code, ERR_USAGE);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_leads_to_the_straight_run), cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(there_are_ends), cmocka_unit_test(changed_machines_have_another_future),
        cmocka_unit_test(searches_find_the_last_one), cmocka_unit_test(last_answers_are_the_last_of_all), cmocka_unit_test(open_input_is_refused),
    };

    patching = false;
    return cmocka_run_group_tests(tests, write_image, remove_image);
}
