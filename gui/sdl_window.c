/* SPDX-License-Identifier: MIT
 * A window by SDL2. Drawing and input happen between the machine's turns, so no lock stands between guest and screen. */
#include <SDL.h>
#include <stdio.h>

#include "gui/frontend.h"

/* USB usage (SDL scancode) to set 1 scan code; E0xx: extended. */
static const uint16_t scancodes[SDL_NUM_SCANCODES] = {
#define KEY(sdl, code) [SDL_SCANCODE_##sdl] = code,
#include "gui/keymap.def"
#undef KEY
};

struct window {
    struct machine *machine;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    unsigned w, h;
    bool grabbed;
};

static void on_key(struct window *win, const SDL_KeyboardEvent *e)
{
    uint16_t code = scancodes[e->keysym.scancode];

    if (e->keysym.scancode == SDL_SCANCODE_G && (e->keysym.mod & KMOD_CTRL) && (e->keysym.mod & KMOD_ALT)) {
        if (e->type == SDL_KEYDOWN) {
            win->grabbed = !win->grabbed;
            SDL_SetRelativeMouseMode(win->grabbed ? SDL_TRUE : SDL_FALSE);
        }
        return;
    }
    if (code != 0)
        machine_key(win->machine, code, e->type == SDL_KEYDOWN);
}

static unsigned mouse_buttons(void)
{
    uint32_t state = SDL_GetMouseState(NULL, NULL);

    return (state & SDL_BUTTON_LMASK ? 1u : 0) | (state & SDL_BUTTON_RMASK ? 2u : 0) | (state & SDL_BUTTON_MMASK ? 4u : 0);
}

static void on_event(struct window *win, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_QUIT:
        machine_quit(win->machine);
        break;
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(win, &e->key);
        break;
    case SDL_MOUSEMOTION:
        if (win->grabbed)
            machine_mouse(win->machine, e->motion.xrel, -e->motion.yrel, 0, mouse_buttons());
        break;
    case SDL_MOUSEBUTTONDOWN:
        if (!win->grabbed) {
            win->grabbed = true;
            SDL_SetRelativeMouseMode(SDL_TRUE);
            break;
        }
        machine_mouse(win->machine, 0, 0, 0, mouse_buttons());
        break;
    case SDL_MOUSEBUTTONUP:
        if (win->grabbed)
            machine_mouse(win->machine, 0, 0, 0, mouse_buttons());
        break;
    case SDL_MOUSEWHEEL:
        machine_mouse(win->machine, 0, 0, -e->wheel.y, mouse_buttons());
        break;
    default:
        break;
    }
}

static void resize(struct window *win, const struct frame *f)
{
    if (win->texture != NULL && win->w == f->width && win->h == f->height)
        return;
    if (win->texture != NULL)
        SDL_DestroyTexture(win->texture);
    win->texture = SDL_CreateTexture(win->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING, (int)f->width, (int)f->height);
    win->w = f->width;
    win->h = f->height;
    SDL_SetWindowSize(win->window, (int)f->width, (int)f->height);
    SDL_RenderSetLogicalSize(win->renderer, (int)f->width, (int)f->height);
}

static void draw(struct window *win)
{
    struct frame f;

    if (!machine_frame(win->machine, &f) || f.width == 0 || f.height == 0)
        return;
    resize(win, &f);
    if (win->texture == NULL)
        return;
    SDL_UpdateTexture(win->texture, NULL, f.pixels, (int)(f.stride * 4));
    SDL_RenderClear(win->renderer);
    SDL_RenderCopy(win->renderer, win->texture, NULL, NULL);
    SDL_RenderPresent(win->renderer);
}

static bool open_window(struct window *win)
{
    if (SDL_Init(SDL_INIT_VIDEO) != 0)
        return false;
    win->window = SDL_CreateWindow("Partita (Ctrl-Alt-G frees the mouse)", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720, 400,
                                   SDL_WINDOW_RESIZABLE);
    if (win->window != NULL)
        win->renderer = SDL_CreateRenderer(win->window, -1, 0);
    return win->renderer != NULL;
}

static void on_tick(void *arg)
{
    struct window *win = arg;
    SDL_Event e;

    while (SDL_PollEvent(&e))
        on_event(win, &e);
    draw(win);
}

enum run frontend_sdl(struct machine *m, struct gdb_server *g)
{
    struct window win = { .machine = m };
    enum run why;

    if (!open_window(&win)) {
        fprintf(stderr, "partita: -display sdl: %s\n", SDL_GetError());
        return RUN_QUIT;
    }
    machine_on_tick(m, on_tick, &win);
    why = gdb_server_run(g, m);
    machine_on_tick(m, NULL, NULL);
    SDL_Quit();
    return why;
}
