/* SPDX-License-Identifier: MIT
 * No window. */
#include "gui/frontend.h"

enum run frontend_headless(struct machine *m)
{
    return machine_run(m, UINT64_MAX);
}
