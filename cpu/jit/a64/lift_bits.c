/* SPDX-License-Identifier: MIT */
#include "cpu/jit/a64/lift.h"
bool lift_bits(struct lift *l)
{
    (void)l;
    return false;
}
