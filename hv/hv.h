/* SPDX-License-Identifier: MIT
 * The hypervisor's public face: one partition, its virtual processors, and the struct cpu_host that a processor asks.
 * TLFS 6.0b Hv#1 over cpu/cpu.h and core/; the machine is the parent partition. */
#ifndef HV_HV_H
#define HV_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/apic.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/space.h"
#include "cpu/cpu.h"
#include "cpu/intercept.h"

#define HV_MAX_VPS 64u

struct hv;

/* What the guest is offered; each bit makes what it stands for work or be absent as the TLFS asks. */
struct hv_offer {
    uint64_t privileges;        /* partition privilege mask: leaf 4000_0003h EAX and EBX */
    uint32_t features, advice;  /* leaf 4000_0003h EDX, leaf 4000_0004h EAX */
    uint32_t max_leaf;          /* leaf 4000_0000h EAX */
    uint32_t version[4];        /* leaf 4000_0002h */
};

void       hv_offer_default(struct hv_offer *out);
/* "profile=minimal,privileges=+PostMessages,features=none,version=10.0.20348"; docs/hv.md has the grammar. */
struct err hv_offer_parse(struct hv_offer *out, const char *spec) MUST_USE;
void       hv_offer_list(void (*line)(void *arg, const char *text), void *arg);      /* the names, for a user */

struct hv_config {
    uint32_t nvps;
    uint32_t phys_bits;         /* guest-physical address width; 0: as the first processor says */
    uint64_t tsc_hz, apic_hz;
    struct hv_offer offer;      /* max_leaf 0: the default */
    bool     amd;               /* the hypercall page holds VMMCALL instead of VMCALL */
    bool     ibt;               /* indirect branches may be tracked: the hypercall page begins with ENDBR64 */
    /* The guest reported a crash (TLFS 4.3): five parameters and, when it gave one, a message of len bytes. May be NULL. */
    void   (*crash)(void *self, const uint64_t p[5], const char *text, size_t len);
    void    *crash_self;
    /* -trace hv: a line of text without its end. NULL: nothing is traced. */
    void   (*trace)(void *self, const char *line);
    void    *trace_self;
    /* The parent as a partner of the guest: what arrives at ports that hv_listen_*() made. May be NULL. */
    void   (*posted)(void *self, uint32_t connection, uint32_t type, const void *payload, size_t len);
    void   (*signalled)(void *self, uint32_t connection, unsigned flag);
    void    *partner_self;
    /* The guest asked for a reset by MSR (TLFS 4.2.2 AccessResetReg). NULL: the privilege is not granted. */
    void   (*reset)(void *self);
    void    *reset_self;
};

/* Creates the device "hv". The tree owns it. */
struct hv *hv_create(struct device_tree *tree, const struct hv_config *cfg, struct space *memory, struct clock *clock);

/* Call once per processor, in index order, before the first reset. Creates the device "vp.N", makes hv the processor's host
 * (cpu_set_host with hv_cpu_host) and listens to the EOIs of its APIC. */
void hv_add_vp(struct hv *hv, struct cpu *cpu, const struct apic_ops *apic, void *apic_self);

extern const struct cpu_host hv_cpu_host;       /* its self is the VP made by hv_add_vp */

/* Trace lines go there from now on; NULL: nowhere. */
void hv_set_trace(struct hv *hv, void (*trace)(void *self, const char *line), void *self);

/* The memory behind overlay pages. Its contents are saved with the devices, not as RAM. */
struct ram *hv_overlay_ram(struct hv *hv);

/* Counters since the machine was made, for -stats: those that are not zero, calls by name. */
void hv_counters(const struct hv *hv, void (*counter)(void *arg, const char *name, uint64_t value), void *arg);

/* Which pages of RAM were zero when the guest started, for HvExtCallGetBootZeroedMemory; none: the call is not offered. */
void hv_set_zeroed(struct hv *hv, uint64_t gpa, uint64_t pages);

/* A device with message-signalled interrupts, for HvRetargetDeviceInterrupt. targets: bit n is VP n. */
struct hv_msi_target { uint32_t vector; bool multicast; uint64_t targets; };
typedef unsigned hv_retarget_fn(void *self, uint64_t msi, const struct hv_msi_target *target);     /* enum hv_status */
void hv_add_device(struct hv *hv, uint64_t id, hv_retarget_fn *retarget, void *self);

uint64_t hv_reference_time(const struct hv *hv);        /* in 100 ns, as the guest's TIME_REF_COUNT */

/* What a parent may do to the guest's SynIC. Results are enum hv_status (hv/tlfs.h), 0 is success. */
unsigned hv_connect_message(struct hv *hv, uint32_t connection, uint32_t vp, unsigned sint);
unsigned hv_connect_event(struct hv *hv, uint32_t connection, uint32_t vp, unsigned sint, unsigned base_flag,
                          unsigned flags);
/* The port is the parent's: what the guest posts or signals there goes to hv_config.posted and .signalled. */
unsigned hv_listen_message(struct hv *hv, uint32_t connection);
unsigned hv_listen_event(struct hv *hv, uint32_t connection, unsigned flags);
unsigned hv_disconnect(struct hv *hv, uint32_t connection);     /* messages already queued still arrive */
unsigned hv_delete_port(struct hv *hv, uint32_t connection);    /* the connection stays, and leads nowhere */
/* What the parent itself sends to a port of the guest. */
unsigned hv_post(struct hv *hv, uint32_t connection, uint32_t type, const void *payload, size_t len);
unsigned hv_signal(struct hv *hv, uint32_t connection, unsigned flag);
/* Shows the monitor page at `gpa` (TLFS 11.7.4); its triggers are looked at from now on. */
unsigned hv_show_monitor(struct hv *hv, uint64_t gpa);
void     hv_hide_monitor(struct hv *hv);
unsigned hv_assert_sint(struct hv *hv, uint32_t vp, unsigned sint);     /* the SINT's interrupt, without message or event */

#endif
