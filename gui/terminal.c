/* SPDX-License-Identifier: MIT */
#include "gui/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 0x01     /* Ctrl-A */

static struct termios cooked;
static bool is_raw, escaped;

static void help(void)
{
    static const char text[] = "\r\nCtrl-A x  quit\r\nCtrl-A p  press the power button\r\nCtrl-A Ctrl-A  send Ctrl-A\r\n";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        return;     /* a closed terminal needs no help */
}

static void key(struct machine *m, uint8_t byte)
{
    if (!is_raw || (!escaped && byte != ESCAPE)) {
        machine_serial_input(m, 0, &byte, 1);
        return;
    }
    if (!escaped) {
        escaped = true;
        return;
    }
    escaped = false;
    switch (byte) {
    case 'x':    machine_quit(m); break;
    case 'p':    machine_power_button(m); break;
    case ESCAPE: machine_serial_input(m, 0, &byte, 1); break;
    default:     help(); break;
    }
}

static void *reader(void *arg)
{
    uint8_t bytes[256];

    for (;;) {
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        for (ssize_t k = 0; k < n; k++)
            key(arg, bytes[k]);
    }
}

void terminal_stop(void)
{
    if (is_raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
        is_raw = false;
    }
}

void terminal_start(struct machine *m)
{
    pthread_t thread;
    struct termios raw;

    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &cooked) == 0) {
        raw = cooked;
        cfmakeraw(&raw);
        raw.c_oflag |= OPOST;           /* our own messages keep their line ends */
        atexit(terminal_stop);
        is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    if (pthread_create(&thread, NULL, reader, m) == 0)
        pthread_detach(thread);
}
