/* SPDX-License-Identifier: MIT
 * -trace hv: what passes between the guest and the hypervisor, a line each. Off, it costs one comparison at each place. */
#ifndef HV_TRACE_H
#define HV_TRACE_H

#include "hv/hypercall.h"

static inline bool hv_traced(const struct hv *hv)
{
    return UNLIKELY(hv->cfg.trace != NULL);
}

/* A line: time, who, the text, the section. vp may be NULL. */
void trace_line(const struct hv *hv, const struct vp *vp, const char *section, const char *format, ...) PRINTF_LIKE(4, 5);

#define TRACE(hv, ...)                  \
    do {                                \
        if (hv_traced(hv))              \
            trace_line(hv, __VA_ARGS__);\
    } while (0)

/* A hypercall as it returns to the guest. in, out: NULL when they were not reached. */
struct trace_call {
    const struct vp *vp;
    const struct hc_row *row;           /* NULL: no such code */
    uint64_t control;
    const uint8_t *in, *out;
    unsigned variable, first, end;      /* quadwords of variable header; elements done in this entry */
    unsigned status;                    /* of the result */
    enum intercept answer;
};
void trace_hypercall(const struct trace_call *call);

void trace_msr(const struct vp *vp, const struct msr_row *row, bool write, uint64_t value, bool gp);

const char *trace_status_name(unsigned status);
const char *trace_message_name(uint32_t type);

#endif
