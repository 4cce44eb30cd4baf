/* SPDX-License-Identifier: MIT
 * Shared by the files of the command line. */
#ifndef GUI_OPTIONS_INTERNAL_H
#define GUI_OPTIONS_INTERNAL_H

#include <stdbool.h>

#include "gui/options.h"

char       *keep(struct options *o, const char *text, size_t len);      /* a copy that lives as long as the options */
/* A number with an optional suffix K, M, G, T (powers of 1024); false when it is none. */
bool        parse_number(const char *text, uint64_t *out, bool suffixes);
const char *sub_option(struct options *o, const char *list, const char *key);       /* value of `key` in "a=1,key=2"; copies it */
/* Every key of "a=1,b=2" must be one of the NULL-terminated names. */
struct err  check_keys(const char *option, const char *list, const char *const *names) MUST_USE;
struct err  on_off(const char *option, const char *value, bool *out) MUST_USE;

/* options_board.c */
struct err set_drive(struct options *o, const char *value) MUST_USE;
struct err set_hda(struct options *o, const char *value) MUST_USE;
struct err set_hdb(struct options *o, const char *value) MUST_USE;
struct err set_fda(struct options *o, const char *value) MUST_USE;
struct err set_cdrom(struct options *o, const char *value) MUST_USE;
struct err set_device(struct options *o, const char *value) MUST_USE;
struct err set_mce(struct options *o, const char *value) MUST_USE;

#endif
