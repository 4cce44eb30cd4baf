/* SPDX-License-Identifier: MIT
 * Who wrote the memory behind a linear address: by whichever alias, since when it lies there, in which address space; the same answers
 * from a live run, a recording, and one with checkpoints that let stretches be passed over. */
#include "machine/past.h"

#include <stdio.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "machine/replay.h"
#include "tests/machine/image.h"

#define ROOT    0x200000u       /* page directories */
#define OTHER   0x203000u
#define A       0x300000u
#define B       0x301000u
#define LINEAR  0x400000u

static const uint8_t code[] = {
    0xbf, 0x00, 0x10, 0x20, 0x00,                               /* mov edi, 201000h: 4 MiB as they are */
    0xb8, 0x03, 0x00, 0x00, 0x00,                               /* mov eax, 3 */
    0xb9, 0x00, 0x04, 0x00, 0x00,                               /* mov ecx, 1024 */
    0xab, 0x05, 0x00, 0x10, 0x00, 0x00, 0xe2, 0xf8,             /* l: stosd; add eax, 1000h; loop l */
    0xc7, 0x05, 0x00, 0x00, 0x20, 0x00, 0x03, 0x10, 0x20, 0x00, /* mov dword [200000h], 201003h */
    0xc7, 0x05, 0x04, 0x00, 0x20, 0x00, 0x03, 0x20, 0x20, 0x00, /* mov dword [200004h], 202003h */
    0xc7, 0x05, 0x00, 0x20, 0x20, 0x00, 0x03, 0x00, 0x30, 0x00, /* mov dword [202000h], A | 3 */
    0xc7, 0x05, 0x00, 0x30, 0x20, 0x00, 0x03, 0x10, 0x20, 0x00, /* mov dword [203000h], 201003h: the other space */
    0xc7, 0x05, 0x04, 0x30, 0x20, 0x00, 0x03, 0x40, 0x20, 0x00, /* mov dword [203004h], 204003h */
    0xc7, 0x05, 0x00, 0x40, 0x20, 0x00, 0x03, 0x00, 0x30, 0x00, /* mov dword [204000h], A | 3 */
    0xb8, 0x00, 0x00, 0x20, 0x00,                               /* mov eax, 200000h */
    0x0f, 0x22, 0xd8,                                           /* mov cr3, eax */
    0x0f, 0x20, 0xc0,                                           /* mov eax, cr0 */
    0x0d, 0x00, 0x00, 0x00, 0x80,                               /* or eax, 80000000h */
    0x0f, 0x22, 0xc0,                                           /* mov cr0, eax */
    0xc7, 0x05, 0x00, 0x00, 0x40, 0x00, 0x11, 0x00, 0x00, 0x00, /* mov dword [400000h], 11h: to A */
    0xc7, 0x05, 0x00, 0x10, 0x30, 0x00, 0x20, 0x00, 0x00, 0x00, /* mov dword [B], 20h: before it lies where it is asked for */
    0xc7, 0x05, 0x00, 0x10, 0x30, 0x00, 0x22, 0x00, 0x00, 0x00, /* mov dword [B], 22h */
    0xc7, 0x05, 0x00, 0x20, 0x20, 0x00, 0x03, 0x10, 0x30, 0x00, /* mov dword [202000h], B | 3 */
    0x0f, 0x01, 0x3d, 0x00, 0x00, 0x40, 0x00,                   /* invlpg [400000h] */
    0xa1, 0x00, 0x00, 0x40, 0x00,                               /* mov eax, [400000h]: sets an accessed bit */
    0xc7, 0x05, 0x00, 0x20, 0x20, 0x00, 0x21, 0x10, 0x30, 0x00, /* mov dword [202000h], B | 21h: other rights, no other place */
    0x0f, 0x01, 0x3d, 0x00, 0x00, 0x40, 0x00,                   /* invlpg [400000h] */
    0xc7, 0x05, 0x04, 0x10, 0x30, 0x00, 0x22, 0x00, 0x00, 0x00, /* mov dword [B + 4], 22h */
    0xc7, 0x05, 0x04, 0x10, 0x30, 0x00, 0x22, 0x00, 0x00, 0x00, /* again: what it holds already */
    0x42, 0xeb, 0xfd,                                           /* m: inc edx; jmp m */
};

/* So many instructions had retired with the one that ... */
#define TABLES      (3 + 3 * 1024)
enum { MAPPED_OTHER = TABLES + 6, WROTE_A = TABLES + 12, WROTE_B = WROTE_A + 2, MAPPED_B, READ_B = MAPPED_B + 2, OTHER_RIGHTS, WROTE_B4 = OTHER_RIGHTS + 2,
       WROTE_B4_AGAIN };

#define RECORDED 60000u

static char path[] = "/tmp/partita-test-XXXXXX";
static char file[] = "/tmp/partita-test-behind.ptr.XXXXXX";

static int write_image(void **state)
{
    (void)state;
    image_write(path, code, sizeof code);
    put_file(file, "", 0);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    unlink(path);
    return unlink(file);
}

static void configure(struct machine_config *cfg, bool jit)
{
    machine_config_default(cfg);
    cfg->kernel = path;
    cfg->ram_bytes = 8u << 20;
    cfg->jit = jit && machine_can_translate();
}

static struct past_question wrote(uint64_t at, uint64_t len)
{
    return (struct past_question){ .kind = PAST_POINT, .vp = PAST_ANY, .space = PAST_ANY, .vector = PAST_ANY,
                                   .point = { .kind = POINT_WRITE, .at = at, .len = len } };
}

static void answer_is(const struct past_answer *a, uint64_t insns, uint64_t linear, uint64_t physical, uint64_t mapped)
{
    assert_true(a->found);
    assert_int_equal(a->insns, insns);
    assert_true(a->behind);
    assert_int_equal(a->linear, linear);
    assert_int_equal(a->hit.at, physical);
    assert_int_equal(a->mapped, mapped);
    assert_int_equal(a->vp, 0);
}

static struct past_answer last(struct debug *d, const struct past_question *q, uint64_t before)
{
    struct past_answer a;

    must(past_last(d, q, 0, before, &a));
    return a;
}

static void last_writes_are_of_what_lies_there_then(struct debug *d)
{
    struct past_question q = wrote(LINEAR, 4);
    struct past_answer a = last(d, &q, RECORDED);

    answer_is(&a, WROTE_B, LINEAR, B, MAPPED_B);
    assert_int_equal(load32(a.hit.now), 0x22);
    a = last(d, &q, MAPPED_B);
    answer_is(&a, WROTE_B, LINEAR, B, MAPPED_B);
    a = last(d, &q, MAPPED_B - 1);
    answer_is(&a, WROTE_A, LINEAR, A, 0);
    a = last(d, &q, WROTE_A);
    answer_is(&a, WROTE_A, LINEAR, A, 0);
    assert_false(last(d, &q, WROTE_A - 1).found);
    q = wrote(LINEAR, 8);
    a = last(d, &q, RECORDED);
    answer_is(&a, WROTE_B4_AGAIN, LINEAR + 4, B + 4, 0);
    assert_int_equal(load32(a.hit.old), 0x22);
    a = last(d, &q, WROTE_B4_AGAIN - 1);
    answer_is(&a, WROTE_B4, LINEAR + 4, B + 4, 0);
    must(past_last(d, &q, WROTE_B4, WROTE_B4_AGAIN - 1, &a));
    assert_false(a.found);
}

static void the_space_asked_says_what_lies_there(struct debug *d)
{
    struct past_question q = wrote(LINEAR, 4);
    struct past_answer a;

    q.has_cr3 = true;
    q.cr3 = OTHER;
    a = last(d, &q, RECORDED);
    answer_is(&a, WROTE_A, LINEAR, A, 0);
    a = last(d, &q, WROTE_A - 1);
    assert_false(a.found);
    q.cr3 = ROOT;
    a = last(d, &q, RECORDED);
    answer_is(&a, WROTE_B, LINEAR, B, MAPPED_B);
    q = wrote(A, 4);                    /* its own place: where it was always */
    a = last(d, &q, RECORDED);
    answer_is(&a, WROTE_A, A, A, 0);
}

/* The next page is not mapped; an access by the address would be found. */
static void what_is_not_mapped_is_asked_by_its_address(struct debug *d)
{
    struct past_question q = wrote(LINEAR + 0xffe, 4);
    struct past_answer a;

    assert_false(last(d, &q, RECORDED).found);
    q = wrote(LINEAR, 0x1000 + 1);
    a = last(d, &q, RECORDED);
    assert_true(a.found);
    assert_false(a.behind);
    assert_int_equal(a.insns, WROTE_A);
    assert_int_equal(a.hit.at, LINEAR);
}

static void without_paging_it_lies_where_it_says(struct debug *d)
{
    struct past_question q = wrote(0x202000, 4);
    struct past_answer a = last(d, &q, TABLES + 5);

    answer_is(&a, TABLES + 3, 0x202000, 0x202000, 0);
}

static void what_is_too_long_is_asked_by_its_address(struct debug *d)
{
    struct past_question q = wrote(A, PAST_BEHIND_MAX);
    struct past_answer a = last(d, &q, RECORDED);

    answer_is(&a, WROTE_B4_AGAIN, B + 4, B + 4, 0);
    q.point.len++;
    a = last(d, &q, RECORDED);
    assert_int_equal(a.insns, WROTE_B4_AGAIN);
    assert_false(a.behind);
}

/* What need not be run for writes matters for reads; a range may end with the first byte of another page. */
static void other_questions_pass_nothing_over_that_matters(struct debug *d, uint64_t end)
{
    struct past_question q = wrote(B, 4);
    struct past_answer a;

    q.point.physical = true;
    q.point.kind = POINT_READ;
    a = last(d, &q, end);
    assert_true(a.found);
    assert_int_equal(a.insns, READ_B);
    q.point.kind = POINT_ACCESS;
    a = last(d, &q, WROTE_B4 - 1);
    assert_int_equal(a.insns, READ_B);
    q.point = (struct point){ .kind = POINT_WRITE, .physical = true, .at = A + 0xffe, .len = 3 };
    a = last(d, &q, end);
    assert_true(a.found);
    assert_int_equal(a.insns, WROTE_B);
    assert_int_equal(a.hit.at, B);
    assert_false(a.behind);
}

/* An instruction about to run at the very beginning of what is looked at counts, a write that was done by then does not. */
static void instants_of_breaks_are_before_their_instructions(struct debug *d)
{
    struct past_question q = { .kind = PAST_POINT, .vp = PAST_ANY, .vector = PAST_ANY, .point = { .kind = POINT_BREAK, .at = IMAGE_AT } };
    struct past_answer a;

    q.point.at = IMAGE_AT + 0x0f;                   /* stosd: each round's */
    a = last(d, &q, RECORDED);
    assert_int_equal(a.insns, TABLES - 3);
    assert_false(a.behind);
    must(past_last(d, &q, TABLES - 3, RECORDED, &a));
    assert_true(a.found);
    must(past_last(d, &q, TABLES - 2, RECORDED, &a));
    assert_false(a.found);
    must(past_last(d, &q, 0, TABLES - 3, &a));
    assert_int_equal(a.insns, TABLES - 6);
    q.vp = 1;
    assert_int_equal(past_last(d, &q, 0, RECORDED, &a).code, ERR_USAGE);
    q = wrote(LINEAR, 8);
    must(past_last(d, &q, WROTE_B4_AGAIN, RECORDED, &a));
    assert_false(a.found);
}

struct list { struct past_answer a[8]; unsigned n, most; };

static bool take(void *arg, const struct past_answer *a)
{
    struct list *l = arg;

    assert_true(l->n < 8);
    l->a[l->n++] = *a;
    return l->n < l->most;
}

static void each_write_comes_in_order(struct debug *d)
{
    struct past_question q = wrote(LINEAR, 8);
    struct list l = { .most = 8 };

    must(past_each(d, &q, 0, RECORDED, take, &l));
    assert_int_equal(l.n, 3);
    l.a[0].found = l.a[1].found = l.a[2].found = true;
    answer_is(&l.a[0], WROTE_B, LINEAR, B, MAPPED_B);
    answer_is(&l.a[1], WROTE_B4, LINEAR + 4, B + 4, 0);
    answer_is(&l.a[2], WROTE_B4_AGAIN, LINEAR + 4, B + 4, 0);
    l = (struct list){ .most = 1 };
    must(past_each(d, &q, 0, RECORDED, take, &l));
    assert_int_equal(l.n, 1);
    l = (struct list){ .most = 8 };
    must(past_each(d, &q, WROTE_B, WROTE_B4, take, &l));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.a[0].insns, WROTE_B4);
    l.n = 0;
    must(past_each(d, &q, WROTE_B4_AGAIN, RECORDED, take, &l));
    assert_int_equal(l.n, 0);
}

static void ask_all(struct debug *d)
{
    must(debug_travel(d));
    last_writes_are_of_what_lies_there_then(d);
    the_space_asked_says_what_lies_there(d);
    what_is_not_mapped_is_asked_by_its_address(d);
    without_paging_it_lies_where_it_says(d);
    what_is_too_long_is_asked_by_its_address(d);
    other_questions_pass_nothing_over_that_matters(d, RECORDED);
    instants_of_breaks_are_before_their_instructions(d);
    each_write_comes_in_order(d);
}

static void of_a_live_run(void **state)
{
    (void)state;
    for (unsigned jit = 0; jit < 2; jit++) {
        struct machine_config cfg;
        struct machine *m;

        configure(&cfg, jit);
        m = machine_made(&cfg);
        must(debug_travel(machine_debug(m)));
        machine_run(m, RECORDED);
        ask_all(machine_debug(m));
        machine_free(m);
    }
}

/* A machine that replays a recording with checkpoints so far apart. */
static struct machine *recorded(uint64_t distance, struct recording **r)
{
    struct machine_config cfg;
    struct machine *m;

    configure(&cfg, true);
    cfg.record = file;
    cfg.checkpoints = distance;
    m = machine_made(&cfg);
    machine_run(m, RECORDED);
    machine_free(m);
    must(recording_open(r, file));
    recording_config(*r, &cfg);
    return machine_made(&cfg);
}

/* Checkpoints lie before, between and behind all of it. */
static void of_recordings_with_and_without_checkpoints(void **state)
{
    static const uint64_t distances[] = { CHECKPOINTS_OFF, 3001, 97, WROTE_B, RECORDED - 1 };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(distances); k++) {
        struct recording *r;
        struct machine *m;

        m = recorded(distances[k], &r);
        ask_all(machine_debug(m));
        machine_free(m);
        recording_close(r);
    }
}

/* What the run had to do for an answer. */
static void stretches_without_writes_are_not_run(void **state)
{
    struct past_question q = wrote(LINEAR, 4);
    struct list l = { .most = 8 };
    struct recording *r;
    struct machine *m;
    uint64_t before;

    (void)state;
    m = recorded(1000, &r);
    must(debug_travel(machine_debug(m)));
    assert_true(last(machine_debug(m), &q, RECORDED).found);
    before = machine_ran(m);
    assert_true(last(machine_debug(m), &q, RECORDED).found);
    assert_in_range(machine_ran(m) - before, 1, 4 * 1000);
    before = machine_ran(m);
    must(past_each(machine_debug(m), &q, 0, RECORDED, take, &l));
    assert_int_equal(l.n, 1);
    assert_in_range(machine_ran(m) - before, 1, 6 * 1000);
    machine_free(m);
    recording_close(r);
}

/* A checkpoint every third instruction: a stretch that only reads, and one that writes only the page in which a range ends. */
static void only_what_cannot_matter_is_passed_over(void **state)
{
    struct machine_config cfg;
    struct recording *r;
    struct machine *m;

    (void)state;
    configure(&cfg, true);
    cfg.record = file;
    cfg.checkpoints = 3;
    m = machine_made(&cfg);
    machine_run(m, WROTE_B4_AGAIN + 10);
    machine_free(m);
    must(recording_open(&r, file));
    recording_config(r, &cfg);
    m = machine_made(&cfg);
    must(debug_travel(machine_debug(m)));
    other_questions_pass_nothing_over_that_matters(machine_debug(m), WROTE_B4_AGAIN + 10);
    machine_free(m);
    recording_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_live_run), cmocka_unit_test(of_recordings_with_and_without_checkpoints),
        cmocka_unit_test(stretches_without_writes_are_not_run), cmocka_unit_test(only_what_cannot_matter_is_passed_over),
    };

    return cmocka_run_group_tests(tests, write_image, remove_image);
}
