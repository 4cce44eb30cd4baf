/* SPDX-License-Identifier: MIT
 * What a hypercall's handler gets: hypercall.c has checked form, alignment, privilege and reps, and fetched the input. */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv/internal.h"

struct hc_call {
    struct vp *vp;                      /* the caller */
    const void *input;                  /* fixed header, then `variable` quadwords of variable header */
    unsigned variable;
    const void *element;                /* rep: this input element */
    void *output;                       /* zeroed; simple: the output header, rep: this output element */
};

typedef enum hv_status hc_handler_fn(struct hc_call *call);
#define HC_HANDLER(name) enum hv_status hc_##name(struct hc_call *call)

enum hc_class { SIMPLE = 0, REP = 1, VAR = 2, VAR_REP = REP | VAR };
/* The most bytes a fast call may carry. */
enum hc_form { MEM = 0, REG = HV_HYPERCALL_FAST_BYTES, XMM = HV_HYPERCALL_XMM_BYTES };

struct hc_row {
    uint16_t code;
    uint8_t class, form;
    uint16_t header, element, out_header, out_element;      /* bytes */
    uint8_t gate;                                           /* enum hv_gate */
    const char *name;
    hc_handler_fn *handler;                                 /* NULL: access denied */
};

extern const struct hc_row hc_rows[];       /* by code */
extern const unsigned hc_nrows;

#define HYPERCALL(code, name, class, form, header, element, out_header, out_element, privilege) hc_handler_fn hc_##name;
#define HYPERCALL_ABSENT(code, name)
#include "hv/hypercalls.def"
#undef HYPERCALL
#undef HYPERCALL_ABSENT

/* vpset.c: processors of the partition as bits, index n is bit n. HV_MAX_VPS bits suffice. */
typedef uint64_t vp_mask;
_Static_assert(HV_MAX_VPS <= 64, "a mask holds every VP");

vp_mask        vpset_existing(const struct hv *hv);
/* HV_VP_SET at `set` whose banks are the call's variable header. false: malformed. */
bool           vpset_read(const struct hc_call *call, const struct hv_vp_set *set, vp_mask *out);

#endif
