/* SPDX-License-Identifier: MIT
 * HvGetVpRegisters and HvSetVpRegisters, TLFS 6.0b 7.10: names to values by the rows of regs.def. */
#include "hv/reg.h"

#include <string.h>

#include "hv/hypercall.h"

enum place { PLACE_CPU, PLACE_SEGMENT, PLACE_TABLE, PLACE_MSR, PLACE_XMM, PLACE_YMM, PLACE_LEAF, PLACE_FP, PLACE_STATE,
             PLACE_APIC_ID };

struct reg_row {
    uint32_t name;
    uint32_t arg;
    uint8_t  place;
};

static const struct reg_row rows[] = {
#define REG_CPU(number, name, reg)      { number, CPU_REG_##reg, PLACE_CPU },
#define REG_SEGMENT(number, name, reg)  { number, CPU_REG_##reg, PLACE_SEGMENT },
#define REG_TABLE(number, name, reg)    { number, CPU_REG_##reg##_BASE, PLACE_TABLE },
#define REG_MSR(number, name, msr)      { number, msr, PLACE_MSR },
#define REG_XMM(number, name, n)        { number, n, PLACE_XMM },
#define REG_YMM(number, name, n)        { number, n, PLACE_YMM },
#define REG_LEAF(number, name, leaf)    { number, leaf, PLACE_LEAF },
#define REG_FP(number, name, at)        { number, at, PLACE_FP },
#define REG_STATE(number, name, none)   { number, none, PLACE_STATE },
#define REG_APIC_ID(number, name, none) { number, none, PLACE_APIC_ID },
#include "hv/regs.def"
#undef REG_CPU
#undef REG_SEGMENT
#undef REG_TABLE
#undef REG_MSR
#undef REG_XMM
#undef REG_YMM
#undef REG_LEAF
#undef REG_FP
#undef REG_STATE
#undef REG_APIC_ID
};

static const struct reg_row *find(uint32_t name)
{
    for (unsigned n = 0; n < COUNT_OF(rows); n++)
        if (rows[n].name == name)
            return &rows[n];
    return NULL;
}

#define SYNTHETIC_MSRS      0x40000000u
#define SEGMENT_UNUSABLE    BIT(16)         /* of CPU_REG_xx_ATTR */

/* The three other registers of a segment, in the order of cpu/regs.def. */
static enum cpu_reg base_of(enum cpu_reg selector)  { return selector - CPU_REG_ES + CPU_REG_ES_BASE; }
static enum cpu_reg limit_of(enum cpu_reg selector) { return selector - CPU_REG_ES + CPU_REG_ES_LIMIT; }
static enum cpu_reg attr_of(enum cpu_reg selector)  { return selector - CPU_REG_ES + CPU_REG_ES_ATTR; }

static enum cpu_reg table_limit(enum cpu_reg base)
{
    return base == CPU_REG_GDTR_BASE ? CPU_REG_GDTR_LIMIT : CPU_REG_IDTR_LIMIT;
}

_Static_assert(CPU_REG_TR - CPU_REG_ES == CPU_REG_TR_BASE - CPU_REG_ES_BASE &&
               CPU_REG_TR - CPU_REG_ES == CPU_REG_TR_LIMIT - CPU_REG_ES_LIMIT &&
               CPU_REG_TR - CPU_REG_ES == CPU_REG_TR_ATTR - CPU_REG_ES_ATTR, "segments come in one order");

/* ---- reading ---- */

static void get_segment(const struct cpu *cpu, enum cpu_reg selector, struct hv_register_value *value)
{
    uint64_t attr = cpu_reg(cpu, attr_of(selector));
    struct hv_x64_segment_register segment = {
        .base = cpu_reg(cpu, base_of(selector)), .limit = (uint32_t)cpu_reg(cpu, limit_of(selector)),
        .selector = (uint16_t)cpu_reg(cpu, selector), .attributes = (uint16_t)attr,
    };

    if (attr & SEGMENT_UNUSABLE)
        segment.attributes &= (uint16_t)~HV_SEGMENT_PRESENT;
    memcpy(value, &segment, sizeof *value);
}

static void get_table(const struct cpu *cpu, enum cpu_reg base, struct hv_register_value *value)
{
    struct hv_x64_table_register table = { .limit = (uint16_t)cpu_reg(cpu, table_limit(base)), .base = cpu_reg(cpu, base) };

    memcpy(value, &table, sizeof *value);
}

static enum hv_status get_msr(struct vp *vp, uint32_t msr, uint64_t *value)
{
    const struct msr_row *row;

    if (msr < SYNTHETIC_MSRS || msr >= 0xC0000000u)
        return cpu_read_msr(vp->cpu, msr, value) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
    row = msr_find(vp, msr);
    if (row == NULL)
        return HV_STATUS_ACCESS_DENIED;
    return row->read != NULL && row->read(vp, row->index, value) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}

static void get_leaf(struct vp *vp, uint32_t leaf, struct hv_register_value *value)
{
    struct cpuid_regs r = { 0 };

    hv_cpuid(vp, vp->cpu, leaf, 0, &r);
    value->low = (uint64_t)r.ebx << 32 | r.eax;
    value->high = (uint64_t)r.edx << 32 | r.ecx;
}

static void get_fp(const struct cpu *cpu, unsigned at, struct hv_register_value *value)
{
    uint8_t area[CPU_LEGACY_BYTES];

    cpu_legacy_state(cpu, area);
    memcpy(value, area + at, sizeof *value);
}

enum hv_status reg_get(struct vp *vp, uint32_t name, struct hv_register_value *value)
{
    const struct reg_row *row = find(name);
    const uint64_t *vector;

    if (row == NULL)
        return HV_STATUS_INVALID_PARAMETER;
    *value = (struct hv_register_value){ 0 };
    switch ((enum place)row->place) {
    case PLACE_CPU:     value->low = cpu_reg(vp->cpu, row->arg);        break;
    case PLACE_SEGMENT: get_segment(vp->cpu, row->arg, value);          break;
    case PLACE_TABLE:   get_table(vp->cpu, row->arg, value);            break;
    case PLACE_MSR:     return get_msr(vp, row->arg, &value->low);
    case PLACE_LEAF:    get_leaf(vp, row->arg, value);                  break;
    case PLACE_FP:      get_fp(vp->cpu, row->arg, value);               break;
    case PLACE_STATE:   value->low = cpu_interrupt_state(vp->cpu);      break;
    case PLACE_APIC_ID: value->low = vp->index;                         break;      /* cpu/cpu.h */
    case PLACE_XMM:
    case PLACE_YMM:
        vector = cpu_xmm(vp->cpu, row->arg) + (row->place == PLACE_YMM ? 2 : 0);
        *value = (struct hv_register_value){ vector[0], vector[1] };
        break;
    }
    return HV_STATUS_SUCCESS;
}

/* ---- writing ---- */

/* 7.10.1: bits defined to be constant hold that value. */
#define RFLAGS_ONE      BIT64(1)
#define RFLAGS_DEFINED  0x3F7FD7ull

enum hv_status reg_set_cpu(struct vp *vp, enum cpu_reg reg, uint64_t value)
{
    if (reg == CPU_REG_RFLAGS && ((value & RFLAGS_ONE) == 0 || (value & ~RFLAGS_DEFINED) != 0))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    return cpu_set_reg(vp->cpu, reg, value) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
}

/* 7.9.5: with G set the limit ends in ones; a segment that is not present acts as a null segment. */
enum hv_status reg_set_segment(struct vp *vp, enum cpu_reg selector, const struct hv_x64_segment_register *segment)
{
    uint32_t attr = segment->attributes;

    if ((attr & HV_SEGMENT_RSVDZ) != 0 || ((attr & BIT(15)) != 0 && (segment->limit & 0xFFF) != 0xFFF))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    if ((attr & HV_SEGMENT_PRESENT) == 0)
        attr |= SEGMENT_UNUSABLE;
    if (!cpu_set_reg(vp->cpu, base_of(selector), segment->base))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    cpu_set_reg(vp->cpu, selector, segment->selector);
    cpu_set_reg(vp->cpu, limit_of(selector), segment->limit);
    cpu_set_reg(vp->cpu, attr_of(selector), attr);
    return HV_STATUS_SUCCESS;
}

enum hv_status reg_set_table(struct vp *vp, enum cpu_reg base, const struct hv_x64_table_register *table)
{
    if (!cpu_set_reg(vp->cpu, base, table->base))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    cpu_set_reg(vp->cpu, table_limit(base), table->limit);
    return HV_STATUS_SUCCESS;
}

static enum hv_status set_msr(struct vp *vp, uint32_t msr, uint64_t value)
{
    const struct msr_row *row;

    if (msr < SYNTHETIC_MSRS || msr >= 0xC0000000u)
        return cpu_write_msr(vp->cpu, msr, value) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
    row = msr_find(vp, msr);
    if (row == NULL)
        return HV_STATUS_ACCESS_DENIED;
    if (row->write == NULL)
        return HV_STATUS_INVALID_PARAMETER;
    return row->write(vp, row->index, value) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
}

static enum hv_status set_vector(struct vp *vp, unsigned n, unsigned half, const struct hv_register_value *value)
{
    memcpy(cpu_xmm(vp->cpu, n) + 2 * half, value, sizeof *value);
    return HV_STATUS_SUCCESS;
}

#define FP_REGISTERS    32u             /* those before are control and status */

static enum hv_status set_fp(struct vp *vp, unsigned at, const struct hv_register_value *value)
{
    uint8_t area[CPU_LEGACY_BYTES];

    if (at >= FP_REGISTERS && value->high >> 16 != 0)
        return HV_STATUS_INVALID_REGISTER_VALUE;        /* 7.9.4: higher bits are reserved */
    cpu_legacy_state(vp->cpu, area);
    memcpy(area + at, value, sizeof *value);
    return cpu_set_legacy_state(vp->cpu, area) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
}

static enum hv_status set_state(struct vp *vp, uint64_t value)
{
    if (value & ~(uint64_t)(CPU_INTERRUPT_SHADOW | CPU_NMI_MASKED))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    cpu_set_interrupt_state(vp->cpu, (unsigned)value);
    return HV_STATUS_SUCCESS;
}

enum hv_status reg_set(struct vp *vp, uint32_t name, const struct hv_register_value *value)
{
    const struct reg_row *row = find(name);
    struct hv_x64_segment_register segment;
    struct hv_x64_table_register table;

    if (row == NULL)
        return HV_STATUS_INVALID_PARAMETER;
    if ((row->place == PLACE_CPU || row->place == PLACE_MSR || row->place == PLACE_STATE) && value->high != 0)
        return HV_STATUS_INVALID_REGISTER_VALUE;        /* beyond the register's size */
    memcpy(&segment, value, sizeof segment);
    memcpy(&table, value, sizeof table);
    switch ((enum place)row->place) {
    case PLACE_CPU:     return reg_set_cpu(vp, row->arg, value->low);
    case PLACE_SEGMENT: return reg_set_segment(vp, row->arg, &segment);
    case PLACE_TABLE:   return reg_set_table(vp, row->arg, &table);
    case PLACE_MSR:     return set_msr(vp, row->arg, value->low);
    case PLACE_XMM:     return set_vector(vp, row->arg, 0, value);
    case PLACE_YMM:     return set_vector(vp, row->arg, 1, value);
    case PLACE_FP:      return set_fp(vp, row->arg, value);
    case PLACE_STATE:   return set_state(vp, value->low);
    case PLACE_APIC_ID:
    case PLACE_LEAF:    break;
    }
    return HV_STATUS_INVALID_PARAMETER;
}

/* ---- the calls ---- */

enum hv_status vp_named(struct vp *caller, const struct hv_input_vp *header, struct vp **out)
{
    uint32_t index = header->vp_index == HV_VP_INDEX_SELF ? caller->index : header->vp_index;

    if (header->partition_id != HV_PARTITION_ID_SELF)
        return HV_STATUS_INVALID_PARTITION_ID;
    if (index >= caller->hv->nvps)
        return HV_STATUS_INVALID_VP_INDEX;
    *out = caller->hv->vps[index];
    return HV_STATUS_SUCCESS;
}

/* The same for registers, which a level may have of its own: only VTL 0's are there. */
static enum hv_status registers_named(struct vp *caller, const struct hv_input_vp *header, struct vp **out)
{
    uint8_t vtl = header->target_vtl;
    enum hv_status status = vp_named(caller, header, out);

    if (status == HV_STATUS_SUCCESS &&
        ((vtl & HV_INPUT_VTL_RSVDZ) != 0 || ((vtl & HV_INPUT_VTL_USE_TARGET) != 0 && HV_INPUT_VTL_TARGET(vtl) != 0)))
        return HV_STATUS_INVALID_PARAMETER;
    return status;
}

HC_HANDLER(GetVpRegisters)
{
    struct hv_register_value value;
    struct vp *target;
    enum hv_status status = registers_named(call->vp, call->input, &target);

    if (status == HV_STATUS_SUCCESS)
        status = reg_get(target, load32(call->element), &value);
    if (status == HV_STATUS_SUCCESS)
        memcpy(call->output, &value, sizeof value);
    return status;
}

/* The caller's own RIP is where this very call goes on; it is not for setting. */
HC_HANDLER(SetVpRegisters)
{
    const struct hv_input_vp *header = call->input;
    const struct hv_input_set_vp_register *element = call->element;
    const struct reg_row *row = find(element->name);
    struct vp *target;
    enum hv_status status = registers_named(call->vp, header, &target);

    if (status != HV_STATUS_SUCCESS)
        return status;
    if ((header->reserved[0] | header->reserved[1] | header->reserved[2]) != 0)
        return HV_STATUS_INVALID_PARAMETER;
    if (target == call->vp && row != NULL && row->place == PLACE_CPU && row->arg == CPU_REG_RIP)
        return HV_STATUS_INVALID_VP_STATE;
    return reg_set(target, element->name, &element->value);
}
