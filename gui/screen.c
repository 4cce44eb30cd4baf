/* SPDX-License-Identifier: MIT */
#include "gui/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static struct err write_text(struct machine *m, const char *path)
{
    static char lines[256 * 256];       /* no text mode has more columns or rows */

    if (!machine_text(m, lines, sizeof lines))
        return err_make(ERR_UNSUPPORTED, "-screen %s: the screen is not in a text mode; a name ending in .ppm takes a picture", path);
    return file_write_all(path, lines, strlen(lines));
}

static struct err write_picture(struct machine *m, const char *path)
{
    struct frame f;
    struct err e;
    uint8_t *ppm;
    size_t len;

    if (!machine_frame(m, &f) || f.width == 0 || f.height == 0)
        return err_make(ERR_UNSUPPORTED, "-screen %s: there is no picture", path);
    ppm = malloc(32 + (size_t)f.width * f.height * 3);
    if (ppm == NULL)
        return err_make(ERR_IO, "-screen %s: out of memory", path);
    len = (size_t)snprintf((char *)ppm, 32, "P6 %u %u 255\n", f.width, f.height);
    for (unsigned y = 0; y < f.height; y++) {
        for (unsigned x = 0; x < f.width; x++) {
            uint32_t pixel = f.pixels[(size_t)y * f.stride + x];

            ppm[len++] = (uint8_t)(pixel >> 16);
            ppm[len++] = (uint8_t)(pixel >> 8);
            ppm[len++] = (uint8_t)pixel;
        }
    }
    e = file_write_all(path, ppm, len);
    free(ppm);
    return e;
}

struct err screen_write(struct machine *m, const char *path)
{
    size_t len = strlen(path);

    return len > 4 && strcmp(path + len - 4, ".ppm") == 0 ? write_picture(m, path) : write_text(m, path);
}
