/* SPDX-License-Identifier: MIT
 * SynIC registers, messages, event flags and the connections a parent makes. */
#include "tests/hv/fake_cpu.h"

#include <string.h>

enum {
    SCONTROL = 0x40000080, SVERSION = 0x40000081, SIEFP = 0x40000082, SIMP = 0x40000083, EOM = 0x40000084,
    SINT0 = 0x40000090, EOI = 0x40000070, POST_MESSAGE = 0x005C, SIGNAL_EVENT = 0x005D,
};

#define IN      0x10000u
#define SIM     0x20000u
#define SIEF    0x21000u
#define CONN    0x30u           /* message connection to VP 1, SINT 3, vector 51h */
#define EVENT   0x31u           /* event connection to VP 1, SINT 4, flags 100 to 109, vector 52h */
#define SLOT(n) (SIM + 256u * (n))

static int setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    hello(f);
    must_wrmsr(f, 1, SCONTROL, 1);
    must_wrmsr(f, 1, SIMP, SIM | 1);
    must_wrmsr(f, 1, SIEFP, SIEF | 1);
    must_wrmsr(f, 1, SINT0 + 3, 0x51);
    must_wrmsr(f, 1, SINT0 + 4, 0x52);
    assert_int_equal(hv_connect_message(f->hv, CONN, 1, 3), HV_STATUS_SUCCESS);
    assert_int_equal(hv_connect_event(f->hv, EVENT, 1, 4, 100, 10), HV_STATUS_SUCCESS);
    return 0;
}

static unsigned post_typed(struct fixture *f, uint32_t connection, uint32_t type, uint32_t size, uint64_t payload)
{
    put64(f, IN, connection);
    space_write(f->memory, IN + 8, 4, type);
    space_write(f->memory, IN + 12, 4, size);
    put64(f, IN + 16, payload);
    put64(f, IN + 24, 0xFFFF);
    return hc_status(hypercall(f, 0, POST_MESSAGE, IN, 0));
}

static unsigned post(struct fixture *f, uint64_t payload)
{
    return post_typed(f, CONN, 1, 8, payload);
}

static unsigned signal_event(struct fixture *f, uint32_t connection, unsigned flag)
{
    return hc_status(hypercall(f, 0, SIGNAL_EVENT | HC_FAST, connection | (uint64_t)flag << 32, 0));
}

static unsigned interrupts(const struct fixture *f)
{
    return f->apic[1].nrequested;
}

static uint32_t slot_type(struct fixture *f, unsigned sint)
{
    return (uint32_t)space_read(f->memory, SLOT(sint), 4);
}

static bool slot_pending(struct fixture *f, unsigned sint)
{
    return space_read(f->memory, SLOT(sint) + 5, 1) & 1;
}

static void empty_slot(struct fixture *f, unsigned sint)
{
    space_write(f->memory, SLOT(sint), 4, 0);
}

static void tlfs_11_8_registers_after_reset(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < 16; n++)
        assert_int_equal(must_rdmsr(f, 0, SINT0 + n), 0x10000);
    assert_int_equal(must_rdmsr(f, 0, SCONTROL), 0);
    assert_int_equal(must_rdmsr(f, 0, SIMP), 0);
    assert_int_equal(must_rdmsr(f, 0, SIEFP), 0);
    assert_int_equal(must_rdmsr(f, 0, SVERSION), 1);
    assert_int_equal(must_rdmsr(f, 0, EOM), 0);
}

static void tlfs_11_8_1_reserved_bits_are_not_kept(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, SCONTROL, UINT64_MAX);
    assert_int_equal(must_rdmsr(f, 0, SCONTROL), 1);
    must_wrmsr(f, 0, SIMP, 0x5FFE);
    assert_int_equal(must_rdmsr(f, 0, SIMP), 0x5000);
    must_wrmsr(f, 0, SIEFP, 0x6FFF);
    assert_int_equal(must_rdmsr(f, 0, SIEFP), 0x6001);
    must_wrmsr(f, 0, SINT0, UINT64_MAX);
    assert_int_equal(must_rdmsr(f, 0, SINT0), 0x700FF);
}

static void tlfs_11_8_5_sint_vectors_below_16_are_gp(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < 16; n++) {
        assert_false(wrmsr(f, 0, SINT0 + n, 15));
        must_wrmsr(f, 0, SINT0 + n, 16);
        must_wrmsr(f, 0, SINT0 + n, 0x10000);           /* masked: as after reset */
        must_wrmsr(f, 0, SINT0 + n, ~0ull);
        assert_int_equal(must_rdmsr(f, 0, SINT0 + n), 0x700FF);
    }
}

static void tlfs_11_4_a_message_fills_its_slot_and_interrupts(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(post(f, 0xABCD), HV_STATUS_SUCCESS);
    assert_int_equal(slot_type(f, 3), 1);
    assert_int_equal(space_read(f->memory, SLOT(3) + 4, 1), 8);
    assert_int_equal(space_read(f->memory, SLOT(3) + 5, 1), 0);
    assert_int_equal(get64(f, SLOT(3) + 8), CONN);
    assert_int_equal(get64(f, SLOT(3) + 16), 0xABCD);
    assert_int_equal(get64(f, SLOT(3) + 24), 0);        /* beyond the payload nothing was sent */
    assert_int_equal(interrupts(f), 1);
    assert_int_equal(f->apic[1].requested[0], 0x51);
    assert_int_equal(f->apic[1].how[0], APIC_EDGE);
}

static void tlfs_11_8_6_eom_delivers_what_waits(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    assert_false(slot_pending(f, 3));
    post(f, 2);
    assert_true(slot_pending(f, 3));
    assert_int_equal(interrupts(f), 1);
    must_wrmsr(f, 1, EOM, 0);                           /* the slot is still in use */
    assert_int_equal(get64(f, SLOT(3) + 16), 1);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOM, 0);
    assert_int_equal(get64(f, SLOT(3) + 16), 2);
    assert_false(slot_pending(f, 3));
    assert_int_equal(interrupts(f), 2);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOM, 0);
    assert_int_equal(interrupts(f), 2);
}

static void tlfs_11_4_eoi_delivers_what_waits(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    post(f, 2);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOI, 0);
    assert_int_equal(get64(f, SLOT(3) + 16), 2);
}

static void tlfs_11_4_a_message_is_tried_again_after_a_while(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    post(f, 2);
    empty_slot(f, 3);
    advance_ns(f, 20000000);
    assert_int_equal(get64(f, SLOT(3) + 16), 2);
    empty_slot(f, 3);
    assert_true(clock_next_deadline(&f->clock) == TIMER_OFF);
}

static void tlfs_11_3_6_messages_arrive_in_order(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < 5; n++)
        post(f, 10 + n);
    for (unsigned n = 0; n < 5; n++) {
        assert_int_equal(get64(f, SLOT(3) + 16), 10 + n);
        assert_int_equal(slot_pending(f, 3), n < 4);
        empty_slot(f, 3);
        must_wrmsr(f, 1, EOM, 0);
    }
}

static void tlfs_11_11_1_buffers_of_a_port_run_out(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < 17; n++)                   /* one in the slot, sixteen waiting */
        assert_int_equal(post(f, n), HV_STATUS_SUCCESS);
    assert_int_equal(post(f, 17), HV_STATUS_INSUFFICIENT_BUFFERS);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOM, 0);
    assert_int_equal(post(f, 17), HV_STATUS_SUCCESS);
}

static void tlfs_11_11_1_post_message_parameters(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(post_typed(f, CONN + 7, 1, 8, 0), HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(post_typed(f, EVENT, 1, 8, 0), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(post_typed(f, CONN, 0, 8, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(post_typed(f, CONN, 0x80000000, 8, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(post_typed(f, CONN, 1, 241, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(post_typed(f, CONN, 1, 240, 0), HV_STATUS_SUCCESS);
    must_wrmsr(f, 1, SIMP, 0);
    assert_int_equal(post(f, 0), HV_STATUS_INVALID_SYNIC_STATE);
    must_wrmsr(f, 1, SIMP, SIM | 1);
    must_wrmsr(f, 1, SCONTROL, 0);
    assert_int_equal(post(f, 0), HV_STATUS_INVALID_SYNIC_STATE);
}

static void tlfs_11_3_6_disabling_stops_delivery_and_keeps_the_queue(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    post(f, 2);
    must_wrmsr(f, 1, SCONTROL, 0);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOM, 0);
    assert_int_equal(slot_type(f, 3), 0);
    must_wrmsr(f, 1, SCONTROL, 1);
    assert_int_equal(get64(f, SLOT(3) + 16), 2);
}

static void tlfs_11_3_6_deleting_a_port_frees_its_messages(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    post(f, 2);
    assert_int_equal(hv_delete_port(f->hv, CONN), HV_STATUS_SUCCESS);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOM, 0);
    assert_int_equal(slot_type(f, 3), 0);
    assert_int_equal(post(f, 3), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(hv_delete_port(f->hv, CONN), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(hv_disconnect(f->hv, CONN), HV_STATUS_SUCCESS);
    assert_int_equal(post(f, 3), HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(signal_event(f, EVENT, 0), HV_STATUS_SUCCESS);
}

static void tlfs_11_3_6_breaking_a_connection_leaves_what_is_queued(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    post(f, 2);
    assert_int_equal(hv_disconnect(f->hv, CONN), HV_STATUS_SUCCESS);
    assert_int_equal(hv_disconnect(f->hv, CONN), HV_STATUS_INVALID_CONNECTION_ID);
    empty_slot(f, 3);
    must_wrmsr(f, 1, EOM, 0);
    assert_int_equal(get64(f, SLOT(3) + 16), 2);
}

static void tlfs_11_8_5_masked_polled_and_auto_eoi(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 1, SINT0 + 3, 0x51 | HV_SINT_MASKED);
    post(f, 1);
    assert_int_equal(slot_type(f, 3), 1);
    assert_int_equal(interrupts(f), 0);
    empty_slot(f, 3);
    must_wrmsr(f, 1, SINT0 + 3, 0x51 | HV_SINT_POLLING);
    post(f, 2);
    assert_int_equal(slot_type(f, 3), 1);
    assert_int_equal(interrupts(f), 0);
    empty_slot(f, 3);
    must_wrmsr(f, 1, SINT0 + 3, 0x51 | HV_SINT_AUTO_EOI);
    post(f, 3);
    assert_int_equal(f->apic[1].how[0], APIC_AUTO_EOI);
}

static bool flag_set(struct fixture *f, unsigned sint, unsigned flag)
{
    return space_read(f->memory, SIEF + 256 * sint + flag / 8, 1) >> (flag % 8) & 1;
}

static void tlfs_11_5_1_an_event_sets_a_flag_and_interrupts_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(signal_event(f, EVENT, 3), HV_STATUS_SUCCESS);
    assert_true(flag_set(f, 4, 103));
    assert_int_equal(interrupts(f), 1);
    assert_int_equal(f->apic[1].requested[0], 0x52);
    assert_int_equal(signal_event(f, EVENT, 3), HV_STATUS_SUCCESS);
    assert_int_equal(interrupts(f), 1);
    assert_int_equal(signal_event(f, EVENT, 9), HV_STATUS_SUCCESS);
    assert_true(flag_set(f, 4, 109));
    assert_int_equal(interrupts(f), 2);
}

static void tlfs_11_11_2_signal_event_parameters(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(signal_event(f, EVENT, 10), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(signal_event(f, CONN, 0), HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(signal_event(f, 0x01000000 | EVENT, 0), HV_STATUS_INVALID_CONNECTION_ID);
    must_wrmsr(f, 1, SINT0 + 4, 0x52 | HV_SINT_MASKED);
    assert_int_equal(signal_event(f, EVENT, 0), HV_STATUS_INVALID_SYNIC_STATE);
    must_wrmsr(f, 1, SINT0 + 4, 0x52);
    must_wrmsr(f, 1, SIEFP, 0);
    assert_int_equal(signal_event(f, EVENT, 0), HV_STATUS_INVALID_SYNIC_STATE);
    must_wrmsr(f, 1, SIEFP, SIEF | 1);
    must_wrmsr(f, 1, SCONTROL, 0);
    assert_int_equal(signal_event(f, EVENT, 0), HV_STATUS_INVALID_SYNIC_STATE);
    assert_false(flag_set(f, 4, 100));
}

static void tlfs_11_11_a_port_for_any_vp_finds_an_enabled_one(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hv_connect_message(f->hv, 0x40, HV_ANY_VP, 3), HV_STATUS_SUCCESS);
    assert_int_equal(post_typed(f, 0x40, 1, 8, 5), HV_STATUS_SUCCESS);
    assert_int_equal(slot_type(f, 3), 1);
    must_wrmsr(f, 1, SCONTROL, 0);
    assert_int_equal(post_typed(f, 0x40, 1, 8, 5), HV_STATUS_INVALID_SYNIC_STATE);
}

static void a_parent_cannot_make_nonsense(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hv_connect_message(f->hv, CONN, 1, 3), HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(hv_connect_message(f->hv, 0x1000000, 1, 3), HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(hv_connect_message(f->hv, 1, FIXTURE_VPS, 3), HV_STATUS_INVALID_VP_INDEX);
    assert_int_equal(hv_connect_message(f->hv, 1, 0, 16), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hv_connect_event(f->hv, 1, 0, 2, 2047, 2), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hv_assert_sint(f->hv, 1, 4), HV_STATUS_SUCCESS);
    assert_int_equal(f->apic[1].requested[0], 0x52);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_11_8_registers_after_reset),
        TEST(tlfs_11_8_1_reserved_bits_are_not_kept),
        TEST(tlfs_11_8_5_sint_vectors_below_16_are_gp),
        TEST(tlfs_11_4_a_message_fills_its_slot_and_interrupts),
        TEST(tlfs_11_8_6_eom_delivers_what_waits),
        TEST(tlfs_11_4_eoi_delivers_what_waits),
        TEST(tlfs_11_4_a_message_is_tried_again_after_a_while),
        TEST(tlfs_11_3_6_messages_arrive_in_order),
        TEST(tlfs_11_11_1_buffers_of_a_port_run_out),
        TEST(tlfs_11_11_1_post_message_parameters),
        TEST(tlfs_11_3_6_disabling_stops_delivery_and_keeps_the_queue),
        TEST(tlfs_11_3_6_deleting_a_port_frees_its_messages),
        TEST(tlfs_11_3_6_breaking_a_connection_leaves_what_is_queued),
        TEST(tlfs_11_8_5_masked_polled_and_auto_eoi),
        TEST(tlfs_11_5_1_an_event_sets_a_flag_and_interrupts_once),
        TEST(tlfs_11_11_2_signal_event_parameters),
        TEST(tlfs_11_11_a_port_for_any_vp_finds_an_enabled_one),
        TEST(a_parent_cannot_make_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
