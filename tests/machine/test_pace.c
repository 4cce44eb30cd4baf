/* SPDX-License-Identifier: MIT
 * Clock policy "host": a guest that turns from slow instructions to fast ones does not leave the host's clock behind. */
#include "machine/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/internal.h"
#include "tests/check.h"

#define MOST_AHEAD_NS 400000000u

/* Sines, tens of times slower than the loop that follows them. */
static const uint8_t program[] = {
    0xdb, 0xe3,                                     /* fninit */
    0xd9, 0xe8,                                     /* fld1 */
    0xb9, 0x20, 0xa1, 0x07, 0x00,                   /* mov ecx, 500000 */
    0xd9, 0xfe,                                     /* l: fsin */
    0x49,                                           /* dec ecx */
    0x75, 0xfb,                                     /* jnz l */
    0xb9, 0x80, 0xf0, 0xfa, 0x02,                   /* mov ecx, 50000000 */
    0x49,                                           /* m: dec ecx */
    0x75, 0xfd,                                     /* jnz m */
    0xb0, 0x15,                                     /* mov al, 15h */
    0xe6, 0xf4,                                     /* out f4h, al */
};

static void a_sudden_rise_of_speed_does_not_run_the_clock_away(void **state)
{
    char path[] = "/tmp/partita-test-XXXXXX";
    uint8_t image[32 + sizeof program] = { 0 };
    uint32_t fields[8] = { 0x1badb002, 0x10000, 0u - 0x1badb002 - 0x10000, 0x100000, 0x100000, 0, 0, 0x100020 };
    struct machine_config cfg;
    struct machine *m = NULL;
    int fd = mkstemp(path);
    uint64_t start;
    struct err e;

    (void)state;
    memcpy(image, fields, sizeof fields);
    memcpy(image + 32, program, sizeof program);
    assert_true(fd >= 0 && write(fd, image, sizeof image) == sizeof image);
    close(fd);
    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    cfg.clock = CLOCK_HOST;
    e = machine_create(&m, &cfg);
    assert_false(failed(&e));
    unlink(path);
    start = host_monotonic_ns();
    while (machine_run(m, 1000000) == RUN_LIMIT)
        assert_true(clock_ns(&m->clock) < host_monotonic_ns() - start + MOST_AHEAD_NS);
    assert_int_equal(machine_exit_value(m), 0x15);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sudden_rise_of_speed_does_not_run_the_clock_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
