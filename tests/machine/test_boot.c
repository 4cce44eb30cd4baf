/* SPDX-License-Identifier: MIT
 * What a direct boot hands to its guest of interrupts, and how a guest that halts for good ends. */
#include "machine/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "machine/internal.h"
#include "tests/check.h"

#define IMAGE_AT    0x100000u
#define CODE_AT     0x100020u
#define IDT_AT      0x180000u
#define HANDLER_AT  0x190000u

static char path[] = "/tmp/partita-test-XXXXXX";

/* A machine with `code` as a Multiboot image. */
static struct machine *boot(const void *code, size_t len)
{
    uint32_t header[8] = { 0x1badb002, 0x10000, 0u - 0x1badb002 - 0x10000, IMAGE_AT, IMAGE_AT, 0, 0, CODE_AT };
    struct machine_config cfg;
    struct machine *m = NULL;
    struct err e;
    int fd;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, header, sizeof header), sizeof header);
    assert_int_equal(write(fd, code, len), (ssize_t)len);
    close(fd);
    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    e = machine_create(&m, &cfg);
    unlink(path);
    assert_false(failed(&e));
    return m;
}

static void the_timer_ticks_at_vector_8_as_firmware_leaves_it(void **state)
{
    static const uint8_t code[] = {
        0x0f, 0x01, 0x1d, 0x30, 0x00, 0x10, 0x00,       /* lidt [100030h] */
        0xfb, 0xf4,                                     /* sti; hlt */
        0xb0, 0x01, 0xe6, 0xf4,                         /* mov al, 1; out f4h, al */
        0xf4, 0x90, 0x90,
        0xff, 0x07, IDT_AT & 0xff, IDT_AT >> 8 & 0xff, IDT_AT >> 16, 0,     /* 100030h: what LIDT loads */
    };
    static const uint8_t handler[] = { 0xb0, 0x00, 0xe6, 0xf4, 0xf4 };      /* mov al, 0; out f4h, al */
    struct machine *m = boot(code, sizeof code);

    (void)state;
    space_write(m->memory, IDT_AT + 8 * 8, 8, (uint64_t)(HANDLER_AT >> 16) << 48 | 0x00008e0000100000 | (HANDLER_AT & 0xffff));
    space_write_bytes(m->memory, HANDLER_AT, handler, sizeof handler);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
    assert_int_equal(machine_exit_value(m), 0);
    assert_in_range(clock_ns(&m->clock), 20000000, 60000000);       /* half a tick to one tick of 18.2 Hz */
    machine_free(m);
}

static void real_mode_vectors_lead_to_handlers_that_return(void **state)
{
    static const uint8_t code[] = { 0xfa, 0xf4 };
    struct machine *m = boot(code, sizeof code);

    (void)state;
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t far = space_read(m->memory, vector * 4, 4), at = (far >> 16 << 4) + (far & 0xffff);
        uint64_t first = space_read(m->memory, at, 1);

        assert_true(first == 0xcf || first == 0x50);    /* IRET; or PUSH AX of those that end a hardware interrupt */
        assert_int_equal(first == 0x50, (vector >= 8 && vector < 16) || (vector >= 0x70 && vector < 0x78));
    }
    machine_free(m);
}

static void a_guest_that_halts_with_interrupts_off_ends_though_the_timer_ticks(void **state)
{
    static const uint8_t code[] = { 0xfa, 0xf4 };       /* cli; hlt */
    struct machine *m = boot(code, sizeof code);

    (void)state;
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_HALTED);
    assert_true(clock_next_deadline(&m->clock) != TIMER_OFF);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_timer_ticks_at_vector_8_as_firmware_leaves_it),
        cmocka_unit_test(real_mode_vectors_lead_to_handlers_that_return),
        cmocka_unit_test(a_guest_that_halts_with_interrupts_off_ends_though_the_timer_ticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
