/* SPDX-License-Identifier: MIT
 * The handlers that msrs.def names, declared from its rows. Reads and writes return false for #GP. */
#ifndef HV_MSR_H
#define HV_MSR_H

#include "hv/internal.h"

#define MSR_RW(number, name, privilege, index, handler) \
    msr_read_fn msr_read_##handler;                     \
    msr_write_fn msr_write_##handler;
#define MSR_R(number, name, privilege, index, handler)  msr_read_fn msr_read_##handler;
#define MSR_W(number, name, privilege, index, handler)  msr_write_fn msr_write_##handler;
#include "hv/msrs.def"
#undef MSR_RW
#undef MSR_R
#undef MSR_W

#endif
