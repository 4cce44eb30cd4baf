/* SPDX-License-Identifier: MIT */
#include "core/reg.h"

uint64_t reg_open_bus(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)at, (void)bytes;
    return UINT64_MAX;
}

void reg_ignore(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)dev, (void)at, (void)bytes, (void)value;
}
