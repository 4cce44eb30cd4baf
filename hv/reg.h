/* SPDX-License-Identifier: MIT
 * VP registers by HV_REGISTER_NAME, of any VP of the partition. */
#ifndef HV_REG_H
#define HV_REG_H

#include "hv/internal.h"

/* INVALID_PARAMETER: no such name, or not readable (writable). */
enum hv_status reg_get(struct vp *vp, uint32_t name, struct hv_register_value *value);
enum hv_status reg_set(struct vp *vp, uint32_t name, const struct hv_register_value *value);

enum hv_status reg_set_cpu(struct vp *vp, enum cpu_reg reg, uint64_t value);
enum hv_status reg_set_segment(struct vp *vp, enum cpu_reg selector, const struct hv_x64_segment_register *segment);
enum hv_status reg_set_table(struct vp *vp, enum cpu_reg base, const struct hv_x64_table_register *table);

/* The VP that the header of a call names: itself or another of its own partition. */
enum hv_status vp_named(struct vp *caller, const struct hv_input_vp *header, struct vp **out);

#endif
