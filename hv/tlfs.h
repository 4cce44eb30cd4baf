/* SPDX-License-Identifier: MIT
 * Types, constants and layouts of the Hypervisor Top Level Functional Specification 6.0b, checked for size; nothing else.
 * Names keep the specification's spelling. Where it contradicts itself, docs/tlfs/README.md says what was decided. */
#ifndef HV_TLFS_H
#define HV_TLFS_H

#include <stdint.h>

#include "base/bits.h"

/* ---- status, Appendix B ---- */

#define HV_STATUS_LIST(S)                                                                   \
    S(SUCCESS, 0x0000)                          S(INVALID_HYPERCALL_CODE, 0x0002)           \
    S(INVALID_HYPERCALL_INPUT, 0x0003)          S(INVALID_ALIGNMENT, 0x0004)                \
    S(INVALID_PARAMETER, 0x0005)                S(ACCESS_DENIED, 0x0006)                    \
    S(INVALID_PARTITION_STATE, 0x0007)          S(OPERATION_DENIED, 0x0008)                 \
    S(UNKNOWN_PROPERTY, 0x0009)                 S(PROPERTY_VALUE_OUT_OF_RANGE, 0x000A)      \
    S(INSUFFICIENT_MEMORY, 0x000B)              S(PARTITION_TOO_DEEP, 0x000C)               \
    S(INVALID_PARTITION_ID, 0x000D)             S(INVALID_VP_INDEX, 0x000E)                 \
    S(INVALID_PORT_ID, 0x0011)                  S(INVALID_CONNECTION_ID, 0x0012)            \
    S(INSUFFICIENT_BUFFERS, 0x0013)             S(NOT_ACKNOWLEDGED, 0x0014)                 \
    S(INVALID_VP_STATE, 0x0015)                 S(ACKNOWLEDGED, 0x0016)                     \
    S(INVALID_SAVE_RESTORE_STATE, 0x0017)       S(INVALID_SYNIC_STATE, 0x0018)              \
    S(OBJECT_IN_USE, 0x0019)                    S(INVALID_PROXIMITY_DOMAIN_INFO, 0x001A)    \
    S(NO_DATA, 0x001B)                          S(INACTIVE, 0x001C)                         \
    S(NO_RESOURCES, 0x001D)                     S(FEATURE_UNAVAILABLE, 0x001E)              \
    S(PARTIAL_PACKET, 0x001F)                   S(PROCESSOR_FEATURE_NOT_SUPPORTED, 0x0020)  \
    S(PROCESSOR_CACHE_LINE_FLUSH_SIZE_INCOMPATIBLE, 0x0030)                                 \
    S(INSUFFICIENT_BUFFER, 0x0033)              S(INCOMPATIBLE_PROCESSOR, 0x0037)           \
    S(INSUFFICIENT_DEVICE_DOMAINS, 0x0038)      S(CPUID_FEATURE_VALIDATION_ERROR, 0x003C)   \
    S(CPUID_XSAVE_FEATURE_VALIDATION_ERROR, 0x003D)                                         \
    S(PROCESSOR_STARTUP_TIMEOUT, 0x003E)        S(SMX_ENABLED, 0x003F)                      \
    S(INVALID_LP_INDEX, 0x0041)                 S(INVALID_REGISTER_VALUE, 0x0050)           \
    S(INVALID_VTL_STATE, 0x0051)                S(NX_NOT_DETECTED, 0x0055)                  \
    S(INVALID_DEVICE_ID, 0x0057)                S(INVALID_DEVICE_STATE, 0x0058)             \
    S(PENDING_PAGE_REQUESTS, 0x0059)            S(PAGE_REQUEST_INVALID, 0x0060)             \
    S(OPERATION_FAILED, 0x0071)                 S(NOT_ALLOWED_WITH_NESTED_VIRT_ACTIVE, 0x0072)

enum hv_status {
#define HV_STATUS_ENUM(name, code) HV_STATUS_##name = code,
    HV_STATUS_LIST(HV_STATUS_ENUM)
#undef HV_STATUS_ENUM
};

/* ---- partitions and virtual processors, 4.2.1, 7.8.1 ---- */

#define HV_PARTITION_ID_INVALID     0ull
#define HV_PARTITION_ID_SELF        UINT64_MAX
#define HV_PARTITION_ID_GUEST       2ull        /* the only guest's; 1 is its parent's */
#define HV_ANY_VP                   0xFFFFFFFFu
#define HV_VP_INDEX_SELF            0xFFFFFFFEu

/* ---- hypercalls, chapter 3 ---- */

/* HV_HYPERCALL_INPUT_VALUE; the variable header is ten bits and Is Nested is bit 31 (decision 2) */
#define HV_HYPERCALL_CODE(v)        ((unsigned)bits_get(v, 15, 0))
#define HV_HYPERCALL_FAST           BIT64(16)
#define HV_HYPERCALL_VARIABLE(v)    ((unsigned)bits_get(v, 26, 17))
#define HV_HYPERCALL_NESTED         BIT64(31)
#define HV_HYPERCALL_REP_COUNT(v)   ((unsigned)bits_get(v, 43, 32))
#define HV_HYPERCALL_REP_START(v)   ((unsigned)bits_get(v, 59, 48))
#define HV_HYPERCALL_RSVDZ          (0xFull << 27 | 0xFull << 44 | 0xFull << 60)

#define HV_HYPERCALL_FAST_BYTES     16u     /* two general registers */
#define HV_HYPERCALL_XMM_BYTES      112u    /* and XMM0 to XMM5 */

/* HV_X64_MSR_HYPERCALL */
#define HV_HYPERCALL_MSR_ENABLE     BIT64(0)
#define HV_HYPERCALL_MSR_LOCKED     BIT64(1)

/* Registers that place a page: bit 0 enables, 63:12 are the page number, the rest is RsvdP. */
#define HV_PAGE_MSR_ENABLE          BIT64(0)
#define HV_PAGE_MSR_GPA(v)          ((v) & ~(uint64_t)4095)

struct hv_input_vtl { uint8_t value; };
#define HV_INPUT_VTL_TARGET(v)      ((v) & 15u)
#define HV_INPUT_VTL_USE_TARGET     16u
#define HV_INPUT_VTL_RSVDZ          0xE0u

/* HV_VP_SET, 7.8.7.3 */
enum hv_generic_set_format { HV_GENERIC_SET_SPARSE_4K, HV_GENERIC_SET_ALL };

struct hv_vp_set {
    uint64_t format;
    uint64_t valid_banks_mask;
    uint64_t bank_contents[];
};
_Static_assert(sizeof(struct hv_vp_set) == 16, "HV_VP_SET without its banks");

/* HvExtCallQueryCapabilities, 3.14.1 */
#define HV_EXT_CAPABILITY_BOOT_ZEROED_MEMORY BIT64(0)

/* ---- crash, 4.3 ---- */

#define HV_CRASH_CTL_MESSAGE        BIT64(62)
#define HV_CRASH_CTL_NOTIFY         BIT64(63)
#define HV_CRASH_MESSAGE_MAX        4096u
#define HV_CRASH_PARAMETERS         5u

#define HV_RESET_MSR_RESET          BIT64(0)

#define HV_NPIEP_ALL    0xFull      /* HV_X64_MSR_NPIEP_CONFIG, 8.12: PreventSgdt, Sidt, Sldt, Str */

/* ---- VP assist page, 7.8.7.2 ---- */

#define HV_APIC_ASSIST_NO_EOI_REQUIRED  1u

struct hv_vp_vtl_control {
    uint32_t entry_reason;
    uint8_t  vina_status;
    uint8_t  reserved_z00;
    uint16_t reserved_z01;
    uint64_t vtl_return_rax;
    uint64_t vtl_return_rcx;
};
_Static_assert(sizeof(struct hv_vp_vtl_control) == 24, "HV_VP_VTL_CONTROL");

struct hv_vp_assist_page {
    uint32_t apic_assist;                       /* bit 0: NoEoiRequired */
    uint32_t reserved_z0;
    struct hv_vp_vtl_control vtl_control;
    uint32_t nested_features, nested_hypercall_controls;
    uint8_t  enlighten_vm_entry;
    uint8_t  reserved_z1[7];
    uint64_t current_nested_vmcs;
    uint8_t  synthetic_time_unhalted_timer_expired;
    uint8_t  reserved_z2[7];
    uint8_t  virtualization_fault_information[16];
    uint8_t  reserved_z_padding[4016];
};
_Static_assert(sizeof(struct hv_vp_assist_page) == 4096, "HV_VP_ASSIST_PAGE");
_Static_assert(__builtin_offsetof(struct hv_vp_assist_page, enlighten_vm_entry) == 40, "HV_VP_ASSIST_PAGE.EnlightenVmEntry");
_Static_assert(__builtin_offsetof(struct hv_vp_assist_page, virtualization_fault_information) == 64, "fault information");

/* ---- registers, 7.9 and 7.10 ---- */

struct hv_register_value { uint64_t low, high; };

/* Attributes as in a descriptor's second dword, bits 23:8 */
struct hv_x64_segment_register {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    uint16_t attributes;
};
_Static_assert(sizeof(struct hv_x64_segment_register) == 16, "HV_X64_SEGMENT_REGISTER");
#define HV_SEGMENT_PRESENT  BIT(7)
#define HV_SEGMENT_RSVDZ    0x0F00u

struct hv_x64_table_register {
    uint16_t pad[3];
    uint16_t limit;
    uint64_t base;
};
_Static_assert(sizeof(struct hv_x64_table_register) == 16, "HV_X64_TABLE_REGISTER");

struct hv_initial_vp_context {
    uint64_t rip, rsp, rflags;
    struct hv_x64_segment_register cs, ds, es, fs, gs, ss, tr, ldtr;
    struct hv_x64_table_register idtr, gdtr;
    uint64_t efer, cr0, cr3, cr4, msr_cr_pat;
};
_Static_assert(sizeof(struct hv_initial_vp_context) == 224, "HV_INITIAL_VP_CONTEXT");

/* The header of calls that name a VP */
struct hv_input_vp {
    uint64_t partition_id;
    uint32_t vp_index;
    uint8_t  target_vtl;
    uint8_t  reserved[3];
};
_Static_assert(sizeof(struct hv_input_vp) == 16, "header of HvGetVpRegisters");

struct hv_input_set_vp_register {
    uint32_t name;
    uint32_t padding[3];
    struct hv_register_value value;
};
_Static_assert(sizeof(struct hv_input_set_vp_register) == 32, "element of HvSetVpRegisters");

struct hv_input_start_virtual_processor {
    struct hv_input_vp target;
    struct hv_initial_vp_context context;
};
_Static_assert(sizeof(struct hv_input_start_virtual_processor) == 240, "HvStartVirtualProcessor input");

/* ---- TLB flushes, 9.3, 9.4 ---- */

#define HV_FLUSH_ALL_PROCESSORS             BIT64(0)
#define HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES BIT64(1)
#define HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY   BIT64(2)
#define HV_FLUSH_USE_EXTENDED_RANGE_FORMAT  BIT64(3)

struct hv_input_flush_virtual_address {
    uint64_t address_space;
    uint64_t flags;
    uint64_t processor_mask;
};
_Static_assert(sizeof(struct hv_input_flush_virtual_address) == 24, "HvFlushVirtualAddressSpace input");

struct hv_input_flush_virtual_address_ex {
    uint64_t address_space;
    uint64_t flags;
    struct hv_vp_set set;
};
_Static_assert(sizeof(struct hv_input_flush_virtual_address_ex) == 32, "HvFlushVirtualAddressSpaceEx input");

/* HV_GVA_RANGE: a page and how many follow; the extended form counts 11 bits and names large pages. */
#define HV_GVA_RANGE_ADDITIONAL(v)      ((v) & 0xFFFu)
#define HV_GVA_RANGE_EX_ADDITIONAL(v)   ((v) & 0x7FFu)
#define HV_GVA_RANGE_EX_LARGE           BIT64(11)
#define HV_GVA_RANGE_EX_1G              BIT64(12)   /* else 2 MiB; only with LARGE */

/* ---- interrupts, chapter 10 ---- */

struct hv_input_send_synthetic_cluster_ipi {
    uint32_t vector;
    uint8_t  target_vtl;
    uint8_t  reserved[3];
    uint64_t processor_mask;
};
_Static_assert(sizeof(struct hv_input_send_synthetic_cluster_ipi) == 16, "HvSendSyntheticClusterIpi input");

struct hv_input_send_synthetic_cluster_ipi_ex {
    uint32_t vector;
    uint8_t  target_vtl;
    uint8_t  reserved[3];
    struct hv_vp_set set;
};
_Static_assert(sizeof(struct hv_input_send_synthetic_cluster_ipi_ex) == 24, "HvSendSyntheticClusterIpiEx input");

/* HvRetargetDeviceInterrupt, 10.5.4 */
#define HV_INTERRUPT_SOURCE_MSI                 1u
#define HV_DEVICE_INTERRUPT_TARGET_MULTICAST    1u
#define HV_DEVICE_INTERRUPT_TARGET_PROCESSOR_SET 2u

struct hv_input_retarget_device_interrupt {
    uint64_t partition_id, device_id;
    uint32_t source, reserved1;
    uint64_t msi;                       /* address in the low half, data in the high one */
    uint64_t reserved2;
    uint32_t vector, flags;
    uint64_t processor_mask;            /* or the beginning of an HV_VP_SET */
};
_Static_assert(sizeof(struct hv_input_retarget_device_interrupt) == 56, "HvRetargetDeviceInterrupt input");

/* ---- SynIC, chapter 11 ---- */

#define HV_SYNIC_SINT_COUNT         16u
#define HV_SYNIC_VERSION            1u
#define HV_SCONTROL_ENABLE          BIT64(0)

#define HV_SINT_VECTOR(v)           ((unsigned)((v) & 0xFF))
#define HV_SINT_MASKED              BIT64(16)
#define HV_SINT_AUTO_EOI            BIT64(17)
#define HV_SINT_POLLING             BIT64(18)
#define HV_SINT_RESET               HV_SINT_MASKED
#define HV_SINT_MIN_VECTOR          16u

enum hv_message_type {
    HvMessageTypeNone               = 0x00000000,
    HvMessageTimerExpired           = (int)0x80000010,
};
#define HV_MESSAGE_TYPE_HYPERVISOR_MASK 0x80000000u

#define HV_MESSAGE_FLAG_PENDING     1u
#define HV_MESSAGE_PAYLOAD_BYTES    240u

/* The order of size and flags is the one guests read (decision 1). */
struct hv_message {
    uint32_t message_type;
    uint8_t  payload_size;
    uint8_t  message_flags;
    uint16_t reserved;
    uint64_t origination_id;
    uint8_t  payload[HV_MESSAGE_PAYLOAD_BYTES];
};
_Static_assert(sizeof(struct hv_message) == 256, "HV_MESSAGE");
_Static_assert(__builtin_offsetof(struct hv_message, payload) == 16, "HV_MESSAGE_HEADER");

struct hv_message_page {
    struct hv_message sint_message[HV_SYNIC_SINT_COUNT];
};
_Static_assert(sizeof(struct hv_message_page) == 4096, "HV_MESSAGE_PAGE");

#define HV_EVENT_FLAGS_COUNT        2048u
struct hv_synic_event_flags_page {
    uint8_t flags[HV_SYNIC_SINT_COUNT][HV_EVENT_FLAGS_COUNT / 8];
};
_Static_assert(sizeof(struct hv_synic_event_flags_page) == 4096, "SIEF page");

struct hv_timer_message_payload {
    uint32_t timer_index;
    uint32_t reserved;
    uint64_t expiration_time;
    uint64_t delivery_time;
};
_Static_assert(sizeof(struct hv_timer_message_payload) == 24, "HV_TIMER_MESSAGE_PAYLOAD");

#define HV_ID_RSVDZ                 0xFF000000u     /* of port and connection IDs */
enum hv_port_type { HvPortTypeMessage = 1, HvPortTypeEvent = 2, HvPortTypeMonitor = 3 };
#define HV_MESSAGE_BUFFERS_PER_PORT 16u

struct hv_input_post_message {
    uint32_t connection_id;
    uint32_t padding;
    uint32_t message_type;
    uint32_t payload_size;
    uint8_t  message[HV_MESSAGE_PAYLOAD_BYTES];
};
_Static_assert(sizeof(struct hv_input_post_message) == 256, "HvPostMessage input");

/* Monitored notifications, 11.10.9 */
#define HV_MONITOR_GROUPS           4u
#define HV_MONITOR_TRIGGERS         32u

struct hv_monitor_parameter {
    uint32_t connection_id;
    uint16_t flag_number;
    uint16_t rsvdz;
};

struct hv_monitor_page {
    uint32_t trigger_state;             /* bits 3:0: the groups that are enabled */
    uint32_t reserved1;
    struct { uint32_t pending, armed; } group[HV_MONITOR_GROUPS];
    uint8_t  reserved2[536];
    uint16_t latency[HV_MONITOR_GROUPS][HV_MONITOR_TRIGGERS];      /* 100 ns */
    uint8_t  reserved3[256];
    struct hv_monitor_parameter parameter[HV_MONITOR_GROUPS][HV_MONITOR_TRIGGERS];
    uint8_t  reserved4[1984];
};
_Static_assert(sizeof(struct hv_monitor_page) == 4096, "HV_MONITOR_PAGE");
_Static_assert(__builtin_offsetof(struct hv_monitor_page, latency) == 0x240, "HV_MONITOR_PAGE.Latency");
_Static_assert(__builtin_offsetof(struct hv_monitor_page, parameter) == 0x440, "HV_MONITOR_PAGE.Parameter");

struct hv_input_signal_event {
    uint32_t connection_id;
    uint16_t flag_number;
    uint16_t rsvdz;
};
_Static_assert(sizeof(struct hv_input_signal_event) == 8, "HvSignalEvent input");

/* ---- timers, chapter 12 ---- */

#define HV_STIMER_COUNT             4u
#define HV_STIMER_ENABLE            BIT64(0)
#define HV_STIMER_PERIODIC          BIT64(1)
#define HV_STIMER_LAZY              BIT64(2)
#define HV_STIMER_AUTO_ENABLE       BIT64(3)
#define HV_STIMER_VECTOR(v)         ((unsigned)bits_get(v, 11, 4))
#define HV_STIMER_DIRECT            BIT64(12)
#define HV_STIMER_SINT(v)           ((unsigned)bits_get(v, 19, 16))
#define HV_STIMER_RSVDZ             (~(uint64_t)0xF1FFF)

/* HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG (decision 3) */
#define HV_UNHALTED_VECTOR(v)       ((unsigned)((v) & 0xFF))
#define HV_UNHALTED_ENABLED         BIT64(8)
#define HV_UNHALTED_RSVDZ           (~(uint64_t)0x1FF)
#define HV_UNHALTED_NMI             2u

struct hv_reference_tsc_page {
    uint32_t tsc_sequence;
    uint32_t reserved1;
    uint64_t tsc_scale;
    int64_t  tsc_offset;
    uint64_t reserved2[509];
};
_Static_assert(sizeof(struct hv_reference_tsc_page) == 4096, "HV_REFERENCE_TSC_PAGE");

/* ---- migration to another TSC rate, 16.6 ---- */

#define HV_REENLIGHTENMENT_VECTOR(v)    ((unsigned)((v) & 0xFF))
#define HV_REENLIGHTENMENT_ENABLED      BIT64(16)
#define HV_REENLIGHTENMENT_RSVDZ        (0xFFull << 8 | 0x7FFFull << 17)
#define HV_TSC_EMULATION_ENABLED        BIT64(0)

/* ---- scheduling, chapter 14 ---- */

struct hv_input_notify_long_spin_wait {
    uint32_t spinwait_info;
    uint32_t rsvdz;
};
_Static_assert(sizeof(struct hv_input_notify_long_spin_wait) == 8, "HvNotifyLongSpinWait input");

#endif
