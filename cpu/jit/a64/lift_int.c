/* SPDX-License-Identifier: MIT */
#include "cpu/jit/a64/lift.h"
bool lift_int(struct lift *l)
{
    (void)l;
    return false;
}
