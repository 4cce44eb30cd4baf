/* SPDX-License-Identifier: MIT
 * The 16550A against the PC16550D data sheet. */
#include "devices/uart16550.h"

#include <string.h>

#include "tests/devices/rig.h"

#define COM1 0x3f8

static struct rig rig;
static struct uart16550 *uart;
static char sent[64];
static unsigned nsent;

static void on_byte(void *self, uint8_t byte)
{
    (void)self;
    sent[nsent++ % sizeof sent] = (char)byte;
}

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    nsent = 0;
    memset(sent, 0, sizeof sent);
    uart = uart_create(&rig.tree, rig.io, &rig.clock, 0, COM1, rig_irq(&rig, 4));
    uart_connect(uart, on_byte, NULL);
    device_reset_all(&rig.tree);
    out8(&rig, COM1 + 4, 0x0b);             /* DTR, RTS, OUT2: interrupts reach the PC */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void line_8n1_115200(void)
{
    out8(&rig, COM1 + 3, 0x83);
    out8(&rig, COM1 + 0, 1);
    out8(&rig, COM1 + 1, 0);
    out8(&rig, COM1 + 3, 0x03);
}

static void registers_after_reset(void **state)
{
    (void)state;
    device_reset_all(&rig.tree);
    assert_int_equal(in8(&rig, COM1 + 1), 0x00);
    assert_int_equal(in8(&rig, COM1 + 2), 0x01);
    assert_int_equal(in8(&rig, COM1 + 3), 0x00);
    assert_int_equal(in8(&rig, COM1 + 4), 0x00);
    assert_int_equal(in8(&rig, COM1 + 5), 0x60);
    assert_int_equal(in8(&rig, COM1 + 6) & 0x0f, 0x00);
}

static void the_divisor_hides_behind_dlab(void **state)
{
    (void)state;
    out8(&rig, COM1 + 3, 0x83);
    out8(&rig, COM1 + 0, 0x34);
    out8(&rig, COM1 + 1, 0x12);
    assert_int_equal(in8(&rig, COM1 + 0), 0x34);
    assert_int_equal(in8(&rig, COM1 + 1), 0x12);
    out8(&rig, COM1 + 3, 0x03);
    assert_int_equal(in8(&rig, COM1 + 1), 0x00);
    assert_int_equal(nsent, 0);
}

static void bytes_leave_at_once(void **state)
{
    (void)state;
    line_8n1_115200();
    for (const char *p = "hello"; *p != 0; p++) {
        assert_int_equal(in8(&rig, COM1 + 5) & 0x60, 0x60);
        out8(&rig, COM1, (uint8_t)*p);
    }
    assert_string_equal(sent, "hello");
}

static void transmitter_interrupt_comes_with_enable_and_after_each_write(void **state)
{
    (void)state;
    out8(&rig, COM1 + 1, 0x02);
    assert_true(rig.lines[4]);
    assert_int_equal(in8(&rig, COM1 + 2), 0x02);
    assert_false(rig.lines[4]);             /* reading IIR took it back */
    assert_int_equal(in8(&rig, COM1 + 2), 0x01);
    out8(&rig, COM1, 'x');
    assert_true(rig.lines[4]);
    assert_int_equal(rig.edges[4], 2);
    out8(&rig, COM1, 'y');
    assert_int_equal(rig.edges[4], 3);      /* falls with the write, rises when the byte has left */
    assert_int_equal(in8(&rig, COM1 + 2), 0x02);
}

static void out2_gates_the_interrupt(void **state)
{
    (void)state;
    out8(&rig, COM1 + 4, 0x03);
    out8(&rig, COM1 + 1, 0x02);
    assert_false(rig.lines[4]);
    out8(&rig, COM1 + 4, 0x0b);
    assert_true(rig.lines[4]);
}

static void a_lone_receiver_holds_one_byte(void **state)
{
    (void)state;
    assert_int_equal(uart_room(uart), 1);
    assert_int_equal(uart_receive(uart, "ab", 2), 1);
    assert_int_equal(uart_room(uart), 0);
    out8(&rig, COM1 + 1, 0x01);
    assert_int_equal(in8(&rig, COM1 + 2), 0x04);
    assert_int_equal(in8(&rig, COM1 + 5) & 1, 1);
    assert_int_equal(in8(&rig, COM1), 'a');
    assert_false(rig.lines[4]);
    assert_int_equal(in8(&rig, COM1 + 5) & 1, 0);
}

static void fifo_interrupts_at_its_trigger_level(void **state)
{
    (void)state;
    line_8n1_115200();
    out8(&rig, COM1 + 2, 0x81);             /* FIFOs on, trigger at 8 */
    assert_int_equal(in8(&rig, COM1 + 2), 0xc1);
    out8(&rig, COM1 + 1, 0x01);
    assert_int_equal(uart_receive(uart, "0123456", 7), 7);
    assert_false(rig.lines[4]);
    uart_receive(uart, "7", 1);
    assert_true(rig.lines[4]);
    assert_int_equal(in8(&rig, COM1 + 2), 0xc4);
    assert_int_equal(in8(&rig, COM1), '0');
    assert_false(rig.lines[4]);
    assert_int_equal(uart_receive(uart, "abcdefghijklmnop", 16), 9);
    assert_int_equal(uart_room(uart), 0);
}

static void unread_characters_time_out_after_four_character_times(void **state)
{
    (void)state;
    line_8n1_115200();
    out8(&rig, COM1 + 2, 0xc1);
    out8(&rig, COM1 + 1, 0x01);
    uart_receive(uart, "x", 1);
    rig_wait(&rig, 4 * 86805);              /* ten bits at 115200 baud take 86.8 us */
    assert_false(rig.lines[4]);
    rig_wait(&rig, 4);
    assert_true(rig.lines[4]);
    assert_int_equal(in8(&rig, COM1 + 2), 0xcc);
    assert_int_equal(in8(&rig, COM1), 'x');
    assert_int_equal(in8(&rig, COM1 + 2), 0xc1);
}

static void clearing_and_switching_fifos_empties_them(void **state)
{
    (void)state;
    out8(&rig, COM1 + 2, 0x01);
    uart_receive(uart, "abc", 3);
    out8(&rig, COM1 + 2, 0x03);
    assert_int_equal(in8(&rig, COM1 + 5) & 1, 0);
    uart_receive(uart, "abc", 3);
    out8(&rig, COM1 + 2, 0x00);
    assert_int_equal(in8(&rig, COM1 + 5) & 1, 0);
    assert_int_equal(in8(&rig, COM1 + 2), 0x01);
}

static void modem_changes_set_deltas_until_read(void **state)
{
    (void)state;
    assert_int_equal(in8(&rig, COM1 + 6), 0xb0);
    out8(&rig, COM1 + 1, 0x08);
    uart_set_modem(uart, UART_DSR | UART_DCD);
    assert_true(rig.lines[4]);
    assert_int_equal(in8(&rig, COM1 + 2), 0x00);
    assert_int_equal(in8(&rig, COM1 + 6), 0xa1);
    assert_false(rig.lines[4]);
    uart_set_modem(uart, UART_DSR | UART_DCD | UART_RI);
    assert_int_equal(in8(&rig, COM1 + 6), 0xe0);    /* the leading edge of RI is no event */
    uart_set_modem(uart, UART_DSR | UART_DCD);
    assert_int_equal(in8(&rig, COM1 + 6), 0xa4);
}

static void looping_back_connects_the_port_to_itself(void **state)
{
    (void)state;
    line_8n1_115200();
    out8(&rig, COM1 + 4, 0x1a);             /* RTS and OUT2 */
    assert_int_equal(in8(&rig, COM1 + 6) & 0xf0, 0x90);
    out8(&rig, COM1, 0xa5);
    assert_int_equal(nsent, 0);
    assert_int_equal(in8(&rig, COM1 + 5) & 1, 1);
    assert_int_equal(in8(&rig, COM1), 0xa5);
    assert_int_equal(uart_room(uart), 0);
    out8(&rig, COM1 + 1, 0x02);
    assert_false(rig.lines[4]);             /* OUT2's pin is inactive */
}

static void overrun_is_an_error_of_the_line(void **state)
{
    (void)state;
    line_8n1_115200();
    out8(&rig, COM1 + 4, 0x10);
    out8(&rig, COM1 + 1, 0x04);
    out8(&rig, COM1, 'a');
    out8(&rig, COM1, 'b');
    assert_int_equal(in8(&rig, COM1 + 2), 0x06);
    assert_int_equal(in8(&rig, COM1 + 5) & 0x03, 0x03);
    assert_int_equal(in8(&rig, COM1 + 5) & 0x03, 0x01);
    assert_int_equal(in8(&rig, COM1), 'b'); /* without FIFOs the newer byte wins */
}

static void a_break_arrives_as_a_zero_with_its_flag(void **state)
{
    (void)state;
    line_8n1_115200();
    out8(&rig, COM1 + 2, 0x01);
    out8(&rig, COM1 + 4, 0x10);
    out8(&rig, COM1, 'a');
    out8(&rig, COM1 + 3, 0x43);
    assert_int_equal(in8(&rig, COM1 + 5), 0xe1);    /* an error somewhere in the FIFO */
    assert_int_equal(in8(&rig, COM1), 'a');
    assert_int_equal(in8(&rig, COM1 + 5), 0xf1);
    assert_int_equal(in8(&rig, COM1 + 5), 0x61);
    assert_int_equal(in8(&rig, COM1), 0);
}

static void scratch_holds_a_byte(void **state)
{
    (void)state;
    out8(&rig, COM1 + 7, 0x5a);
    assert_int_equal(in8(&rig, COM1 + 7), 0x5a);
}

static void state_survives_a_reload(void **state)
{
    (void)state;
    line_8n1_115200();
    out8(&rig, COM1 + 2, 0xc1);
    out8(&rig, COM1 + 1, 0x01);
    uart_receive(uart, "xy", 2);
    rig_check_snapshot(&rig);
    rig_wait(&rig, 1000000);
    assert_int_equal(in8(&rig, COM1 + 2), 0xcc);
    assert_int_equal(in8(&rig, COM1), 'x');
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers_after_reset), T(the_divisor_hides_behind_dlab), T(bytes_leave_at_once),
        T(transmitter_interrupt_comes_with_enable_and_after_each_write), T(out2_gates_the_interrupt),
        T(a_lone_receiver_holds_one_byte), T(fifo_interrupts_at_its_trigger_level),
        T(unread_characters_time_out_after_four_character_times), T(clearing_and_switching_fifos_empties_them),
        T(modem_changes_set_deltas_until_read), T(looping_back_connects_the_port_to_itself),
        T(overrun_is_an_error_of_the_line), T(a_break_arrives_as_a_zero_with_its_flag), T(scratch_holds_a_byte),
        T(state_survives_a_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
