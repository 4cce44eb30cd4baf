/* SPDX-License-Identifier: MIT
 * The Linux boot protocol with an image made here: what its header may promise, and what its code finds. */
#include "machine/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "machine/internal.h"
#include "tests/check.h"

#define SETUP 1024u             /* one boot sector and one of setup code */

/* esi holds boot_params: the length of the command line goes to the exit port. */
static const uint8_t code[] = {
    0x8b, 0xbe, 0x28, 0x02, 0x00, 0x00,             /* mov edi, [esi + cmd_line_ptr] */
    0x31, 0xc0,                                     /* xor eax, eax */
    0x80, 0x3c, 0x07, 0x00,                         /* l: cmp byte [edi + eax], 0 */
    0x74, 0x03,                                     /* je end */
    0x40,                                           /* inc eax */
    0xeb, 0xf7,                                     /* jmp l */
    0xe6, 0xf4,                                     /* end: out f4h, al */
    0xfa, 0xf4,                                     /* cli; hlt */
};

static char path[] = "/tmp/partita-test-XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* An image of protocol 2.06 with `len` bytes of code (zeroes after ours) and a header that promises `paragraphs`. */
static void write_image(size_t len, uint32_t paragraphs)
{
    uint8_t image[SETUP + 256] = { 0 };
    FILE *f = fopen(path, "wb");

    image[0x1f1] = 1;
    store32(image + 0x1f4, paragraphs);
    store16(image + 0x1fe, 0xaa55);
    store16(image + 0x200, 0x62eb);
    memcpy(image + 0x202, "HdrS", 4);
    store16(image + 0x206, 0x206);
    image[0x211] = 1;                               /* loaded high */
    store32(image + 0x22c, 0x7fffffff);
    store32(image + 0x238, 255);
    memcpy(image + SETUP, code, sizeof code);
    assert_non_null(f);
    assert_int_equal(fwrite(image, SETUP + len, 1, f), 1);
    fclose(f);
}

static struct err create(struct machine **m)
{
    struct machine_config cfg;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.append = "twelve chars";
    cfg.ram_bytes = 8u << 20;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    return machine_create(m, &cfg);
}

static void the_last_paragraph_need_not_be_full(void **state)
{
    struct machine *m = NULL;
    struct err e;

    (void)state;
    write_image(33, 3);
    e = create(&m);
    assert_false(failed(&e));
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
    assert_int_equal(machine_exit_value(m), 12);
    machine_free(m);
    write_image(32, 3);
    e = create(&m);
    assert_true(failed(&e));
    assert_non_null(strstr(e.text, "cut short"));
}

/* Conventional memory ends at 639 KiB and the extended data area follows, as a BIOS leaves it; Xen relies on that. */
static void a_direct_boot_leaves_the_bios_data_that_guests_read(void **state)
{
    static const uint16_t expected[2] = { 0x9fc0, 639 };
    struct machine *m = NULL;
    struct err e;

    (void)state;
    write_image(32, 2);
    e = create(&m);
    assert_false(failed(&e));
    assert_int_equal(machine_run(m, 1), RUN_LIMIT);
    for (int k = 0; k < 2; k++) {
        uint16_t word = 0;

        space_read_bytes(m->memory, k == 0 ? 0x40e : 0x413, &word, 2);
        assert_int_equal(word, expected[k]);
    }
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_paragraph_need_not_be_full),
        cmocka_unit_test(a_direct_boot_leaves_the_bios_data_that_guests_read),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
