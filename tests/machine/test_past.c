/* SPDX-License-Identifier: MIT
 * Questions to the past (machine/past.h): what changed registers, what happened and who called whom is what single steps of the same
 * run see; asking changes nothing. */
#include "machine/past.h"

#include <stdio.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "machine/replay.h"
#include "tests/machine/image.h"

#define AT(offset) (IMAGE_AT + (offset))
#define GDT 0x60u
#define IDT 0x80u

/* For ever: loads CR3 with another value, every 16th time an MSR; calls f, f calls g, g does INT 30h; meets #UD. */
static const uint8_t code[GDT] = {
    0xbc, 0x00, 0x00, 0x18, 0x00,                   /* 00 mov esp, 180000h */
    0x0f, 0x01, 0x15, AT(0x56) & 0xff, 0x00, 0x10, 0x00,    /* 05 lgdt [56h] */
    0x0f, 0x01, 0x1d, AT(0x50) & 0xff, 0x00, 0x10, 0x00,    /* 0c lidt [50h]; esi is 0 */
    0x46,                                           /* 13 l: inc esi */
    0x89, 0xf0,                                     /* 14 mov eax, esi */
    0xc1, 0xe0, 0x0c,                               /* 16 shl eax, 12 */
    0x0f, 0x22, 0xd8,                               /* 19 mov cr3, eax */
    0xf7, 0xc6, 0x0f, 0x00, 0x00, 0x00,             /* 1c test esi, 15 */
    0x75, 0x0b,                                     /* 22 jnz 2f */
    0xb9, 0x74, 0x01, 0x00, 0x00,                   /* 24 mov ecx, IA32_SYSENTER_CS */
    0x31, 0xd2,                                     /* 29 xor edx, edx */
    0x89, 0xf0,                                     /* 2b mov eax, esi */
    0x0f, 0x30,                                     /* 2d wrmsr */
    0xe8, 0x04, 0x00, 0x00, 0x00,                   /* 2f call f */
    0x0f, 0x0b,                                     /* 34 ud2 */
    0xeb, 0xdb,                                     /* 36 jmp l */
    0x55,                                           /* 38 f: push ebp */
    0x89, 0xe5,                                     /* 39 mov ebp, esp */
    0xe8, 0x02, 0x00, 0x00, 0x00,                   /* 3b call g */
    0x5d,                                           /* 40 pop ebp */
    0xc3,                                           /* 41 ret */
    0xcd, 0x30,                                     /* 42 g: int 30h */
    0x90,                                           /* 44 nop */
    0xc3,                                           /* 45 ret */
    0x83, 0x04, 0x24, 0x02,                         /* 46 #UD: add dword [esp], 2 */
    0xcf,                                           /* 4a iret */
    0xb3, 0x07,                                     /* 4b INT 30h: mov bl, 7 */
    0xcf,                                           /* 4d iret */
    0x90, 0x90,                                     /* 4e */
    0x87, 0x01, AT(IDT) & 0xff, 0x00, 0x10, 0x00,   /* 50 limit, base */
    0x1f, 0x00, AT(GDT) & 0xff, 0x00, 0x10, 0x00,   /* 56 */
};
#define PRELUDE 3u
#define ROUND   21u         /* instructions of a round, #UD's delivery among them; 4 more for the MSR */

static char path[] = "/tmp/partita-test-XXXXXX";

static void gate(uint8_t *program, unsigned vector, uint32_t to)
{
    uint8_t *at = program + IDT + 8 * vector;

    store32(at, (to & 0xffff) | 8u << 16);
    store32(at + 4, (to & 0xffff0000u) | 0x8e00u);
}

static int write_image(void **state)
{
    uint8_t program[IDT + 8 * 0x31] = { 0 };

    (void)state;
    memcpy(program, code, sizeof code);
    for (unsigned k = 1; k < 4; k++)                /* flat code, whatever CS is */
        store64(program + GDT + 8 * k, 0x00cf9a000000ffff);
    gate(program, 6, AT(0x46));
    gate(program, 0x30, AT(0x4b));
    image_write(path, program, sizeof program);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    return unlink(path);
}

static struct machine *create(unsigned nvps, bool jit)
{
    struct machine_config cfg;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.nvps = nvps;
    cfg.jit = jit && machine_can_translate();
    return machine_made(&cfg);
}

/* ---- what single steps see ---- */

#define END     9000u
#define ROOM    (END + 1)

static const char *const names[] = { "cr3", "sysenter_cs", "rsi", "rsp", "rbx", "eflags" };
#define NAMES   COUNT_OF(names)

struct change { uint64_t insns, rip, old, now; };
struct changes { struct change list[ROOM]; unsigned n; };
static struct changes stepped[NAMES];

static uint64_t value(struct debug *d, const char *name)
{
    uint8_t v[DEBUG_REG_BYTES];

    assert_true(debug_reg_read(d, 0, debug_reg_find(d, name), v));
    return load64(v);
}

/* The instruction before which an event came is not the one that the step began at only when a fault stepped over it: here never. */
static void step_through(void)
{
    struct machine *m = create(1, false);
    struct debug *d = machine_debug(m);
    uint64_t was[NAMES];

    for (unsigned k = 0; k < NAMES; k++) {
        stepped[k].n = 0;
        was[k] = value(d, names[k]);
    }
    while (machine_insns(m) < END) {
        const uint64_t rip = value(d, "rip");

        assert_int_equal(machine_run(m, 1), RUN_LIMIT);
        for (unsigned k = 0; k < NAMES; k++) {
            const uint64_t now = value(d, names[k]);

            if (now != was[k])
                stepped[k].list[stepped[k].n++] = (struct change){ machine_insns(m), rip, was[k], now };
            was[k] = now;
        }
    }
    machine_free(m);
}

static bool take(void *arg, const struct past_answer *a)
{
    struct changes *c = arg;

    c->list[c->n++] = (struct change){ a->insns, a->rip, load64(a->old), load64(a->now) };
    return true;
}

static struct past_question about(struct debug *d, const char *name)
{
    return (struct past_question){ .kind = PAST_CHANGED, .vp = 0, .reg = *debug_reg_find(d, name), .vector = PAST_ANY };
}

static void same_change(const struct change *a, const struct change *b, const char *name)
{
    if (a->insns != b->insns || a->rip != b->rip || a->old != b->old || a->now != b->now)
        fail_msg("%s: asked %llu %llx %llx->%llx, stepped %llu %llx %llx->%llx", name, (unsigned long long)a->insns,
                 (unsigned long long)a->rip, (unsigned long long)a->old, (unsigned long long)a->now, (unsigned long long)b->insns,
                 (unsigned long long)b->rip, (unsigned long long)b->old, (unsigned long long)b->now);
}

static void registers_changed_when_steps_say_so(void **state)
{
    static struct changes all;

    (void)state;
    step_through();
    assert_int_equal(stepped[1].n, END / ROUND / 16);
    assert_int_equal(stepped[4].n, 1);                  /* written often, changed once */
    for (unsigned variant = 0; variant < 4; variant++) {
        struct machine *m = create(1 + variant / 2, variant & 1);
        struct debug *d = machine_debug(m);
        struct debug_stop stop;

        must(debug_travel(d));
        must(debug_goto(d, END, &stop));
        for (unsigned k = 0; k < NAMES; k++) {
            const struct past_question q = about(d, names[k]);

            all.n = 0;
            must(past_each(d, &q, 0, END, take, &all));
            assert_int_equal(all.n, stepped[k].n);
            for (unsigned n = 0; n < all.n; n++)
                same_change(&all.list[n], &stepped[k].list[n], names[k]);
        }
        machine_free(m);
    }
}

static void the_last_change_is_the_last_of_all(void **state)
{
    static const uint64_t ends[] = { END, 5000, 4321, 700, 23, 3 }, begins[] = { 0, 300, 4000 };
    struct machine *m = create(1, true);
    struct debug *d = machine_debug(m);
    struct debug_stop stop;

    (void)state;
    step_through();
    must(debug_travel(d));
    must(debug_goto(d, END, &stop));
    for (unsigned k = 0; k < NAMES * COUNT_OF(ends) * COUNT_OF(begins); k++) {
        const struct changes *c = &stepped[k % NAMES];
        const uint64_t before = ends[k / NAMES % COUNT_OF(ends)], from = begins[k / NAMES / COUNT_OF(ends)];
        const struct past_question q = about(d, names[k % NAMES]);
        struct changes got = { .n = 0 };
        struct past_answer last;
        unsigned n = c->n;

        while (n > 0 && c->list[n - 1].insns > before)
            n--;
        must(past_last(d, &q, from, before, &last));
        if (n > 0 && c->list[n - 1].insns <= from)
            n = 0;
        assert_int_equal(last.found, n > 0);
        if (n > 0) {
            (void)take(&got, &last);
            same_change(&got.list[0], &c->list[n - 1], names[k % NAMES]);
        }
    }
    machine_free(m);
}

/* ---- events ---- */

struct events { struct past_answer list[4000]; unsigned n; };

static bool take_event(void *arg, const struct past_answer *a)
{
    struct events *e = arg;

    e->list[e->n++] = *a;
    return true;
}

static uint64_t begin_of(uint64_t round)        /* counted from 1 */
{
    return PRELUDE + ROUND * (round - 1) + 4 * ((round - 1) / 16);
}

static void events_are_where_the_program_has_them(void **state)
{
    static struct events all;
    struct past_question q = { .kind = PAST_EVENT, .vp = PAST_ANY, .vector = PAST_ANY };

    (void)state;
    for (unsigned variant = 0; variant < 2; variant++) {
        struct machine *m = create(1, variant & 1);
        struct debug *d = machine_debug(m);

        must(debug_travel(d));
        q.events = 1u << PAST_EXCEPTION | 1u << PAST_SOFTWARE | 1u << PAST_CR3;
        all.n = 0;
        must(past_each(d, &q, 0, begin_of(301), take_event, &all));
        assert_int_equal(all.n, 900);
        for (uint64_t round = 1; round <= 300; round++) {
            const struct past_answer *a = &all.list[3 * (round - 1)];
            const uint64_t begin = begin_of(round), more = round % 16 == 0 ? 4 : 0;

            assert_int_equal(a[0].event, PAST_CR3);
            assert_int_equal(a[0].insns, begin + 4);
            assert_int_equal(a[0].rip, AT(0x19));
            assert_int_equal(a[0].before, (round - 1) << 12);
            assert_int_equal(a[0].after, round << 12);
            assert_int_equal(a[1].event, PAST_SOFTWARE);
            assert_int_equal(a[1].vector, 0x30);
            assert_int_equal(a[1].insns, begin + 11 + more);
            assert_int_equal(a[1].rip, AT(0x42));
            assert_int_equal(a[2].event, PAST_EXCEPTION);
            assert_int_equal(a[2].vector, 6);
            assert_false(a[2].has_error);
            assert_int_equal(a[2].insns, begin + 18 + more);
            assert_int_equal(a[2].rip, AT(0x34));
        }
        q.vector = 0x30;
        must(past_last(d, &q, 0, begin_of(301), &all.list[0]));
        assert_int_equal(all.list[0].insns, all.list[898].insns);
        q.vector = PAST_ANY;
        q.events = 1u << PAST_INTERRUPT;
        must(past_last(d, &q, 0, begin_of(301), &all.list[0]));
        assert_false(all.list[0].found);
        machine_free(m);
    }
}

/* ---- who called whom ---- */

static void frames_are(struct debug *d, uint64_t at, unsigned count, const enum past_frame_kind *kinds, const uint64_t *rips)
{
    struct past_frame frames[16];
    unsigned n;

    must(past_stack(d, 0, at, 1 << 20, frames, COUNT_OF(frames), &n));
    assert_int_equal(n, count);
    for (unsigned k = 0; k < count; k++) {
        assert_int_equal(frames[k].kind, kinds[k]);
        assert_int_equal(frames[k].rip, rips[k]);
    }
}

static void stacks_are_what_was_called(void **state)
{
    struct machine *m = create(1, true);
    struct debug *d = machine_debug(m);
    const uint64_t begin = begin_of(50);
    struct past_frame frames[16];
    unsigned n;

    (void)state;
    must(debug_travel(d));
    frames_are(d, begin, 1, (enum past_frame_kind[]){ FRAME_HERE }, (uint64_t[]){ AT(0x13) });
    frames_are(d, begin + 7, 2, (enum past_frame_kind[]){ FRAME_HERE, FRAME_CALL }, (uint64_t[]){ AT(0x38), AT(0x34) });
    frames_are(d, begin + 11, 4, (enum past_frame_kind[]){ FRAME_HERE, FRAME_INTERRUPT, FRAME_CALL, FRAME_CALL },
               (uint64_t[]){ AT(0x4b), AT(0x44), AT(0x40), AT(0x34) });
    frames_are(d, begin + 13, 3, (enum past_frame_kind[]){ FRAME_HERE, FRAME_CALL, FRAME_CALL },
               (uint64_t[]){ AT(0x44), AT(0x40), AT(0x34) });
    /* the handler has changed where it returns to */
    frames_are(d, begin + 20, 1, (enum past_frame_kind[]){ FRAME_HERE }, (uint64_t[]){ AT(0x36) });
    /* nothing learnt: the chain of frame pointers, which g has none in */
    must(past_stack(d, 0, begin + 9, 0, frames, COUNT_OF(frames), &n));
    assert_int_equal(n, 2);
    assert_int_equal(frames[1].kind, FRAME_POINTER);
    assert_int_equal(frames[1].rip, AT(0x34));
    machine_free(m);
}

/* ---- nothing is changed ---- */

static void asking_changes_nothing(void **state)
{
    static const char *const asked[] = { "cr3", "rsp" };
    struct machine *plain = create(2, true), *m = create(2, true);
    struct debug *d = machine_debug(m);
    struct past_question q = { .kind = PAST_EVENT, .vp = PAST_ANY, .events = ~0u, .vector = PAST_ANY };
    struct past_answer a;
    struct past_frame frames[4];
    unsigned n;
    struct err e;

    (void)state;
    must(debug_travel(d));
    for (unsigned k = 0; k < 8; k++) {
        machine_run(plain, 100003);
        machine_run(m, 100003);
        must(past_last(d, &q, 0, machine_insns(m), &a));
        must(past_stack(d, 0, machine_insns(m) - 500, 4000, frames, COUNT_OF(frames), &n));
        q = about(d, asked[k % 2]);
        must(past_last(d, &q, 0, machine_insns(m) - 3, &a));
        assert_true(a.found);
        assert_int_equal(machine_insns(m), machine_insns(plain));
        assert_true(machine_hash(m) == machine_hash(plain));
    }
    q.vp = 2;
    e = past_last(d, &q, 0, 1000, &a);
    assert_int_equal(e.code, ERR_USAGE);
    machine_free(plain);
    machine_free(m);
}

/* ---- by the checkpoints of a recording ---- */

#define RECORDED 100000u
#define ASKED    50000u      /* checkpoints lie on both sides */

static void record_with_checkpoints(const char *to)
{
    struct machine_config cfg;
    struct machine *m;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.record = to;
    cfg.checkpoints = 3001;
    m = machine_made(&cfg);
    machine_run(m, RECORDED);
    machine_free(m);
}

static struct past_answer asked_of(const char *file, uint64_t at, bool whole)
{
    const struct past_question q = { .kind = PAST_POINT, .vp = PAST_ANY,
                                     .point = { .kind = POINT_WRITE, .physical = true, .at = at, .len = whole ? 4096 : 4 } };
    struct recording *r;
    struct machine_config cfg;
    struct past_answer a;
    struct machine *m;

    must(recording_open(&r, file));
    recording_config(r, &cfg);
    m = machine_made(&cfg);
    must(debug_travel(machine_debug(m)));
    must(past_last(machine_debug(m), &q, 0, ASKED, &a));
    machine_free(m);
    recording_close(r);
    return a;
}

/* Each round writes the same to the stack: pages that hold what they held were written all the same. */
static void stretches_without_writes_only_are_passed_over(void **state)
{
    char file[] = "/tmp/partita-test-past.ptr.XXXXXX";
    struct past_answer a;

    (void)state;
    put_file(file, "", 0);
    record_with_checkpoints(file);
    a = asked_of(file, 0x17fffc, false);        /* where `call f` puts its return address */
    assert_true(a.found);
    assert_in_range(a.insns, ASKED - ROUND - 4, ASKED);
    a = asked_of(file, 0x17f000, true);
    assert_true(a.found);
    assert_in_range(a.insns, ASKED - ROUND, ASKED);
    a = asked_of(file, 0x500000, true);
    assert_false(a.found);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_changed_when_steps_say_so), cmocka_unit_test(the_last_change_is_the_last_of_all),
        cmocka_unit_test(events_are_where_the_program_has_them), cmocka_unit_test(stacks_are_what_was_called),
        cmocka_unit_test(asking_changes_nothing), cmocka_unit_test(stretches_without_writes_only_are_passed_over),
    };

    return cmocka_run_group_tests(tests, write_image, remove_image);
}
