/* SPDX-License-Identifier: MIT
 * The port by which bare-metal test guests ask their parent for SINT routes and connections (-device hyperv-testdev). */
#ifndef MACHINE_HYPERV_TESTDEV_H
#define MACHINE_HYPERV_TESTDEV_H

#include "core/device.h"
#include "core/space.h"
#include "hv/hv.h"

struct device *hyperv_testdev_create(struct device_tree *tree, struct space *io, struct hv *hv);

#endif
