/* SPDX-License-Identifier: MIT
 * The parent as a partner: ports of its own, what it sends itself, ports that were deleted, and monitored notifications. */
#include "tests/hv/fake_cpu.h"

enum {
    SCONTROL = 0x40000080, SIEFP = 0x40000082, SIMP = 0x40000083, SINT0 = 0x40000090, POST_MESSAGE = 0x005C, SIGNAL_EVENT = 0x005D,
};

#define IN      0x10000u
#define SIM     0x20000u
#define SIEF    0x21000u
#define MONITOR 0x22000u
#define CONN    7u
#define EVENT   8u

static int setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    hello(f);
    must_wrmsr(f, 1, SCONTROL, 1);
    must_wrmsr(f, 1, SIMP, SIM | 1);
    must_wrmsr(f, 1, SIEFP, SIEF | 1);
    must_wrmsr(f, 1, SINT0 + 2, 0x52);
    return 0;
}

static unsigned post(struct fixture *f, uint32_t type, uint32_t size)
{
    put64(f, IN, CONN);
    put64(f, IN + 8, type | (uint64_t)size << 32);
    put64(f, IN + 16, 0x1122334455667788ull);
    return hc_status(hypercall(f, 0, POST_MESSAGE, IN, 0));
}

static unsigned signal_event(struct fixture *f, unsigned flag)
{
    return hc_status(hypercall(f, 0, SIGNAL_EVENT | HC_FAST, EVENT | (uint64_t)flag << 32, 0));
}

static bool flag_set(struct fixture *f, unsigned sint, unsigned flag)
{
    return space_read(f->memory, SIEF + 256 * sint + flag / 8, 1) >> flag % 8 & 1;
}

static void tlfs_11_11_1_a_message_reaches_the_parents_port(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hv_listen_message(f->hv, CONN), HV_STATUS_SUCCESS);
    assert_int_equal(post(f, 5, 240), HV_STATUS_SUCCESS);
    assert_int_equal(f->posted.connection, CONN);
    assert_int_equal(f->posted.type, 5);
    assert_int_equal(f->posted.len, 240);
    assert_true(f->posted.payload == 0x1122334455667788ull);
    assert_int_equal(post(f, 0, 8), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(post(f, 0x80000001, 8), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(post(f, 1, 241), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(f->posted.count, 1);
}

static void tlfs_11_11_2_an_event_reaches_the_parents_port(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hv_listen_event(f->hv, EVENT, 4), HV_STATUS_SUCCESS);
    assert_int_equal(signal_event(f, 3), HV_STATUS_SUCCESS);
    assert_int_equal(f->signalled.connection, EVENT);
    assert_int_equal(f->signalled.flag, 3);
    assert_int_equal(signal_event(f, 4), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(f->signalled.count, 1);
    assert_int_equal(hv_listen_event(f->hv, 9, 2049), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hv_signal(f->hv, EVENT, 0), HV_STATUS_INVALID_PARAMETER);      /* its own */
}

static void the_parent_posts_and_signals(void **state)
{
    struct fixture *f = *state;
    uint64_t payload = 77;

    assert_int_equal(hv_connect_message(f->hv, CONN, 1, 2), HV_STATUS_SUCCESS);
    assert_int_equal(hv_connect_event(f->hv, EVENT, 1, 2, 16, 8), HV_STATUS_SUCCESS);
    assert_int_equal(hv_post(f->hv, CONN, 3, &payload, 8), HV_STATUS_SUCCESS);
    assert_int_equal(space_read(f->memory, SIM + 512, 4), 3);
    assert_int_equal(get64(f, SIM + 512 + 16), 77);
    assert_int_equal(hv_post(f->hv, CONN, 0, &payload, 8), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hv_post(f->hv, EVENT, 3, &payload, 8), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(hv_post(f->hv, 99, 3, &payload, 8), HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(hv_signal(f->hv, EVENT, 7), HV_STATUS_SUCCESS);
    assert_true(flag_set(f, 2, 23));
    assert_int_equal(hv_signal(f->hv, EVENT, 8), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(f->apic[1].nrequested, 2);
}

static void tlfs_11_6_a_connection_whose_port_was_deleted_delivers_nothing(void **state)
{
    struct fixture *f = *state;

    hv_connect_message(f->hv, CONN, 1, 2);
    hv_connect_event(f->hv, EVENT, 1, 2, 0, 8);
    assert_int_equal(hv_delete_port(f->hv, CONN), HV_STATUS_SUCCESS);
    assert_int_equal(hv_delete_port(f->hv, EVENT), HV_STATUS_SUCCESS);
    assert_int_equal(post(f, 1, 8), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(signal_event(f, 0), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(hv_connect_message(f->hv, CONN, 1, 2), HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(hv_disconnect(f->hv, CONN), HV_STATUS_SUCCESS);
    assert_int_equal(hv_connect_message(f->hv, CONN, 1, 2), HV_STATUS_SUCCESS);
    assert_int_equal(post(f, 1, 8), HV_STATUS_SUCCESS);
}

/* ---- monitored notifications ---- */

static void show_monitor(struct fixture *f, unsigned groups)
{
    hv_connect_event(f->hv, EVENT, 1, 2, 0, 64);
    assert_int_equal(hv_show_monitor(f->hv, MONITOR), HV_STATUS_SUCCESS);
    space_write(f->memory, MONITOR, 4, groups);
    put64(f, MONITOR + 0x440 + 8 * 3, EVENT | 9ull << 32);             /* group 0, trigger 3: flag 9 */
    put64(f, MONITOR + 0x440 + 8 * 32, EVENT | 40ull << 32);           /* group 1, trigger 0: flag 40 */
    put64(f, MONITOR + 0x440 + 8 * 33, 12345);                         /* group 1, trigger 1: no such connection */
}

static void tlfs_11_7_a_trigger_signals_its_event(void **state)
{
    struct fixture *f = *state;

    show_monitor(f, 1);
    advance_ns(f, 100000000);
    put64(f, MONITOR + 8, 1 << 3);
    advance_ns(f, 1000000);
    advance_ns(f, 1000000);
    assert_true(flag_set(f, 2, 9));
    assert_int_equal(space_read(f->memory, MONITOR + 8, 4), 0);
    assert_int_equal(f->apic[1].nrequested, 1);
    advance_ns(f, 100000000);
    assert_int_equal(f->apic[1].nrequested, 1);
}

static void tlfs_11_10_8_1_armed_defers_the_notification(void **state)
{
    struct fixture *f = *state;

    show_monitor(f, 1);
    for (unsigned n = 0; n < 32; n++)
        space_write(f->memory, MONITOR + 0x240 + 2 * n, 2, 20000);      /* 2 ms */
    advance_ns(f, 100000000);
    advance_ns(f, 1000000);
    put64(f, MONITOR + 8, 1 << 3);
    advance_ns(f, 1000000);
    assert_int_equal(space_read(f->memory, MONITOR + 12, 4), 1 << 3);   /* seen, and armed */
    assert_false(flag_set(f, 2, 9));
    advance_ns(f, 1900000);
    assert_false(flag_set(f, 2, 9));
    advance_ns(f, 100000);
    assert_true(flag_set(f, 2, 9));
    assert_int_equal(get64(f, MONITOR + 8), 0);
}

static void tlfs_11_10_9_groups_are_enabled_one_by_one(void **state)
{
    struct fixture *f = *state;

    show_monitor(f, 1);
    put64(f, MONITOR + 16, 3);
    for (unsigned n = 0; n < 10; n++)
        advance_ns(f, 100000000);
    assert_int_equal(get64(f, MONITOR + 16), 3);
    space_write(f->memory, MONITOR, 4, 2);
    for (unsigned n = 0; n < 4; n++)
        advance_ns(f, 100000000);
    assert_int_equal(get64(f, MONITOR + 16), 0);
    assert_true(flag_set(f, 2, 40));                    /* the other's error is dropped (11.7.3) */
    assert_int_equal(f->apic[1].nrequested, 1);
}

static void tlfs_11_7_4_the_monitor_page_is_an_overlay_of_the_parent(void **state)
{
    struct fixture *f = *state;

    put64(f, MONITOR + 8, 0xABC);
    assert_int_equal(hv_show_monitor(f->hv, MONITOR + 8), HV_STATUS_INVALID_PARAMETER);
    show_monitor(f, 1);
    assert_int_equal(get64(f, MONITOR + 8), 0);
    put64(f, MONITOR + 8, 1 << 3);
    hv_hide_monitor(f->hv);
    assert_int_equal(get64(f, MONITOR + 8), 0xABC);
    for (unsigned n = 0; n < 10; n++)
        advance_ns(f, 100000000);
    assert_false(flag_set(f, 2, 9));
    hv_show_monitor(f->hv, MONITOR);
    assert_int_equal(get64(f, MONITOR + 8), 1 << 3);
    device_reset_all(&f->tree);
    assert_int_equal(get64(f, MONITOR + 8), 0xABC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_11_11_1_a_message_reaches_the_parents_port),
        TEST(tlfs_11_11_2_an_event_reaches_the_parents_port),
        TEST(the_parent_posts_and_signals),
        TEST(tlfs_11_6_a_connection_whose_port_was_deleted_delivers_nothing),
        TEST(tlfs_11_7_a_trigger_signals_its_event),
        TEST(tlfs_11_10_8_1_armed_defers_the_notification),
        TEST(tlfs_11_10_9_groups_are_enabled_one_by_one),
        TEST(tlfs_11_7_4_the_monitor_page_is_an_overlay_of_the_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
