/* SPDX-License-Identifier: MIT
 * The clock steps its registers once per second of virtual time, lazily: whoever looks first catches up. Interrupts are
 * deadlines, set only while one is enabled. Titles in quotes are sections of the Motorola MC146818A data sheet. */
#include "devices/rtc146818.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "devices/ticks.h"

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR,
       REG_A, REG_B, REG_C, REG_D, CMOS_FIRST, CENTURY = 0x32, CMOS_SIZE = 128 };
enum { A_DIVIDER = 0x70, A_RUNNING = 0x20, A_UIP = 0x80 };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_SQWE = 0x08, B_BINARY = 0x04, B_24H = 0x02, B_DST = 0x01 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { D_VALID = 0x80, ANY_TIME = 0xc0, PM = 0x80 };

#define CRYSTAL_HZ        32768u
#define DAY_S             86400u
#define UPDATE_NS         (244000u + 1984000u)      /* UIP rises 244 us before an update of 1984 us ("Update Cycle") */

#define RTC_STATE(ONE, MANY)                                                                        \
    ONE (u64, chain_ns,     "when the divider chain stood at zero; wraps below virtual time zero")  \
    ONE (u64, seen_ticks,   "crystal ticks up to which flags and registers are brought")            \
    MANY(u8,  cmos, 128,    "clock registers 00h-0Dh, then CMOS bytes")                             \
    MANY(u8,  bank2, 128,   "bytes behind ports 72h and 73h")                                       \
    ONE (u8,  index,        "register chosen by the last write to 70h, bit 7: NMI masked")          \
    ONE (u8,  index2,       "byte chosen by the last write to 72h")                                 \
    ONE (u8,  powered,      "the wall clock was asked")                                             \
    ONE (u8,  fell_back,    "this night's hour of standard time was already given back")            \
    MANY(u8,  reserved, 4,  "")
STATE_STRUCT(rtc_state, RTC_STATE);
STATE_SCHEMA(rtc_state, RTC_STATE);

struct rtc146818 {
    struct device dev;
    struct rtc_state state;
    struct clock *clock;
    struct nondet *nondet;
    uint64_t start_ns;          /* what the clock shows at power-on; 0: the host's time */
    struct timer timer;
    struct irq irq;
};

/* ---- registers as numbers ---- */

static bool is_binary(const struct rtc_state *s) { return s->cmos[REG_B] & B_BINARY; }
static uint8_t encode(const struct rtc_state *s, unsigned v) { return (uint8_t)(is_binary(s) ? v : v / 10 << 4 | v % 10); }
static unsigned decode(const struct rtc_state *s, uint8_t v) { return is_binary(s) ? v : (v >> 4) * 10u + (v & 15); }

static unsigned hour_of(const struct rtc_state *s)
{
    uint8_t v = s->cmos[HOURS];

    if (s->cmos[REG_B] & B_24H)
        return decode(s, v);
    return decode(s, v & 0x7f) % 12 + (v & PM ? 12 : 0);
}

static void put_hour(struct rtc_state *s, unsigned hour)
{
    if (s->cmos[REG_B] & B_24H)
        s->cmos[HOURS] = encode(s, hour);
    else
        s->cmos[HOURS] = encode(s, hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0);
}

static unsigned days_in_month(unsigned month, unsigned year)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (month == 2 && year % 4 == 0)
        return 29;
    return month >= 1 && month <= 12 ? days[month - 1] : 31;
}

/* ---- the update cycle ---- */

static void step_date(struct rtc_state *s)
{
    unsigned month = decode(s, s->cmos[MONTH]), year = decode(s, s->cmos[YEAR]), day = decode(s, s->cmos[DAY]) + 1;

    s->cmos[WEEKDAY] = s->cmos[WEEKDAY] % 7 + 1;
    s->fell_back = 0;
    if (day > days_in_month(month, year)) {
        day = 1;
        month++;
    }
    if (month > 12) {
        month = 1;
        year++;
    }
    if (year > 99) {
        year = 0;
        s->cmos[CENTURY] = encode(s, (decode(s, s->cmos[CENTURY]) + 1) % 100);
    }
    s->cmos[DAY] = encode(s, day);
    s->cmos[MONTH] = encode(s, month);
    s->cmos[YEAR] = encode(s, year);
}

/* "DSE": on the last Sunday of April 1:59:59 is followed by 3:00:00, on the last one of October, once, by 1:00:00. */
static unsigned daylight_hour(struct rtc_state *s, unsigned hour)
{
    unsigned month = decode(s, s->cmos[MONTH]), day = decode(s, s->cmos[DAY]);

    if (!(s->cmos[REG_B] & B_DST) || hour != 2 || s->cmos[WEEKDAY] != 1)
        return hour;
    if (month == 4 && day + 7 > 30)
        return 3;
    if (month == 10 && day + 7 > 31 && !s->fell_back) {
        s->fell_back = 1;
        return 1;
    }
    return hour;
}

static bool alarm_matches(const struct rtc_state *s)
{
    for (unsigned at = SECONDS; at <= HOURS; at += 2)
        if ((s->cmos[at + 1] & ANY_TIME) != ANY_TIME && s->cmos[at + 1] != s->cmos[at])
            return false;
    return true;
}

static void step_second(struct rtc_state *s)
{
    unsigned second = decode(s, s->cmos[SECONDS]) + 1, minute = decode(s, s->cmos[MINUTES]), hour = hour_of(s);

    s->cmos[SECONDS] = encode(s, second > 59 ? 0 : second);
    if (second > 59) {
        minute++;
        s->cmos[MINUTES] = encode(s, minute > 59 ? 0 : minute);
    }
    if (minute > 59) {
        hour = daylight_hour(s, hour + 1);
        put_hour(s, hour > 23 ? 0 : hour);
        if (hour > 23)
            step_date(s);
    }
    s->cmos[REG_C] |= C_UF | (alarm_matches(s) ? C_AF : 0);
}

/* Crystal ticks between periodic interrupts, 0 when off ("Rate Selection Bits"). */
static uint32_t period(const struct rtc_state *s)
{
    unsigned rate = s->cmos[REG_A] & 15;

    return rate == 0 ? 0 : 1u << (rate < 3 ? rate + 6 : rate - 1);
}

/* The divider chain counts with 32768 Hz only; other time bases and the reset patterns hold it. */
static bool is_running(const struct rtc_state *s) { return (s->cmos[REG_A] & A_DIVIDER) == A_RUNNING; }

static uint64_t chain_age(const struct rtc146818 *rtc)
{
    return clock_ns(rtc->clock) - rtc->state.chain_ns;
}

static void step_seconds(struct rtc_state *s, uint64_t n)
{
    while (n-- > 0)
        step_second(s);
}

/* Updates that nobody watched. After 86400 of them the time of day is the same again, so a long gap goes by days, except
 * for Sundays on which the hours may change; the last day is stepped for the alarm's sake. */
static void step_gap(struct rtc_state *s, uint64_t updates)
{
    if (s->cmos[REG_B] & B_SET)
        return;
    for (; updates > 2 * DAY_S; updates -= DAY_S) {
        if ((s->cmos[REG_B] & B_DST) && s->cmos[WEEKDAY] == 1)
            step_seconds(s, DAY_S);
        else
            step_date(s);
    }
    step_seconds(s, updates);
}

static void catch_up(struct rtc146818 *rtc)
{
    struct rtc_state *s = &rtc->state;
    uint64_t ticks, every = period(s);

    if (!is_running(s))
        return;
    ticks = ticks_in_ns(chain_age(rtc), CRYSTAL_HZ);
    if (every != 0 && ticks / every > s->seen_ticks / every)
        s->cmos[REG_C] |= C_PF;
    if (ticks > s->seen_ticks)
        step_gap(s, ticks / CRYSTAL_HZ - s->seen_ticks / CRYSTAL_HZ);
    s->seen_ticks = ticks;
}

/* ---- interrupts ---- */

static void update_irq(struct rtc146818 *rtc)
{
    struct rtc_state *s = &rtc->state;
    bool wants = (s->cmos[REG_B] & s->cmos[REG_C] & (C_PF | C_AF | C_UF)) != 0;     /* enables and flags share their bits */

    s->cmos[REG_C] = (s->cmos[REG_C] & 0x7f) | (wants ? C_IRQF : 0);
    irq_set(&rtc->irq, wants);
}

/* The next tick at which an enabled interrupt may come about; its flag being set already, nothing new can happen. */
static uint64_t next_tick(const struct rtc_state *s)
{
    uint8_t waiting = s->cmos[REG_B] & ~s->cmos[REG_C];
    uint32_t every = period(s);
    uint64_t next = UINT64_MAX;

    if ((waiting & B_PIE) && every != 0)
        next = (s->seen_ticks / every + 1) * every;
    if ((waiting & (B_AIE | B_UIE)) && (s->seen_ticks / CRYSTAL_HZ + 1) * CRYSTAL_HZ < next)
        next = (s->seen_ticks / CRYSTAL_HZ + 1) * CRYSTAL_HZ;
    return next;
}

static void rearm(struct rtc146818 *rtc)
{
    const struct rtc_state *s = &rtc->state;
    uint64_t tick = next_tick(s), at = ns_of_ticks(tick, CRYSTAL_HZ);

    if (!is_running(s) || tick == UINT64_MAX || at == UINT64_MAX)
        timer_cancel(rtc->clock, &rtc->timer);
    else
        timer_set(rtc->clock, &rtc->timer, s->chain_ns + at);
}

static void settle(struct rtc146818 *rtc)
{
    catch_up(rtc);
    update_irq(rtc);
    rearm(rtc);
}

static void fire(void *arg) { settle(arg); }

/* ---- ports ---- */

static void select_reg(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    (void)port, (void)bytes;
    ((struct rtc146818 *)dev)->state.index = (uint8_t)value;
}

/* "Divider Control": leaving reset, the first update comes half a second later. */
static void write_reg_a(struct rtc146818 *rtc, uint8_t v)
{
    struct rtc_state *s = &rtc->state;
    bool was_running = is_running(s);

    s->cmos[REG_A] = v & 0x7f;
    if (is_running(s) && !was_running) {
        s->chain_ns = clock_ns(rtc->clock) - NS_PER_S / 2;
        s->seen_ticks = CRYSTAL_HZ / 2;
    }
}

static void write_data(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct rtc146818 *rtc = (struct rtc146818 *)dev;
    struct rtc_state *s = &rtc->state;
    unsigned at = s->index & 0x7f;
    uint8_t v = (uint8_t)value;

    (void)port, (void)bytes;
    catch_up(rtc);
    switch (at) {
    case REG_A: write_reg_a(rtc, v); break;
    case REG_B: s->cmos[REG_B] = v & B_SET ? v & (uint8_t)~B_UIE : v; break;
    case REG_C:
    case REG_D: break;                  /* read-only */
    default:    s->cmos[at] = v; break;
    }
    settle(rtc);
}

/* "UIP": an update is in progress or begins within 244 us; never while SET holds updates off. */
static uint8_t read_reg_a(const struct rtc146818 *rtc)
{
    const struct rtc_state *s = &rtc->state;
    bool near_end = chain_age(rtc) % NS_PER_S >= NS_PER_S - UPDATE_NS;

    return s->cmos[REG_A] | (near_end && is_running(s) && !(s->cmos[REG_B] & B_SET) ? A_UIP : 0);
}

static uint64_t read_data(struct device *dev, uint32_t port, unsigned bytes)
{
    struct rtc146818 *rtc = (struct rtc146818 *)dev;
    struct rtc_state *s = &rtc->state;
    unsigned at = s->index & 0x7f;
    uint8_t v;

    (void)port, (void)bytes;
    settle(rtc);
    v = at == REG_A ? read_reg_a(rtc) : s->cmos[at];
    if (at == REG_C) {                  /* reading clears all flags */
        s->cmos[REG_C] = 0;
        settle(rtc);
    }
    return v;
}

static void select_bank2(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    (void)port, (void)bytes;
    ((struct rtc146818 *)dev)->state.index2 = value & 0x7f;
}

static uint64_t read_index2(struct device *dev, uint32_t port, unsigned bytes)
{
    (void)port, (void)bytes;
    return ((struct rtc146818 *)dev)->state.index2;
}

static void write_bank2(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct rtc_state *s = &((struct rtc146818 *)dev)->state;

    (void)port, (void)bytes;
    s->bank2[s->index2] = (uint8_t)value;
}

static uint64_t read_bank2(struct device *dev, uint32_t port, unsigned bytes)
{
    const struct rtc_state *s = &((struct rtc146818 *)dev)->state;

    (void)port, (void)bytes;
    return s->bank2[s->index2];
}

static const struct reg ports[] = {
    { 0x70, 1, "index",  reg_open_bus, select_reg,   0 },
    { 0x71, 1, "data",   read_data,    write_data,   0 },
    { 0x72, 1, "index2", read_index2,  select_bank2, 0 },
    { 0x73, 1, "data2",  read_bank2,   write_bank2,  0 },
};

void rtc_set_wall_clock(struct rtc146818 *rtc, uint64_t ns_since_1970)
{
    rtc->start_ns = ns_since_1970;
}

bool rtc_nmi_masked(const struct rtc146818 *rtc)
{
    return rtc->state.index & 0x80;
}

/* ---- life ---- */

/* Registers from seconds since 1970, in the proleptic Gregorian calendar, BCD and 24 hours. */
static void set_calendar(struct rtc_state *s, uint64_t seconds)
{
    uint64_t days = seconds / 86400, left = seconds % 86400;
    /* Civil date of a day number: eras of 400 years that begin on 1 March, so that the leap day comes last. */
    uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (unsigned)((5 * doy + 2) / 153), month = mp < 10 ? mp + 3 : mp - 9;
    uint64_t year = yoe + era * 400 + (month <= 2);

    s->cmos[SECONDS] = encode(s, (unsigned)(left % 60));
    s->cmos[MINUTES] = encode(s, (unsigned)(left / 60 % 60));
    put_hour(s, (unsigned)(left / 3600));
    s->cmos[WEEKDAY] = (uint8_t)((days + 4) % 7 + 1);       /* 1 January 1970 was a Thursday, Sunday is 1 */
    s->cmos[DAY] = encode(s, (unsigned)(doy - (153 * mp + 2) / 5 + 1));
    s->cmos[MONTH] = encode(s, month);
    s->cmos[YEAR] = encode(s, (unsigned)(year % 100));
    s->cmos[CENTURY] = encode(s, (unsigned)(year / 100 % 100));
}

static void power_on(struct rtc146818 *rtc)
{
    struct rtc_state *s = &rtc->state;
    uint64_t wall_ns = rtc->start_ns != 0 ? rtc->start_ns : nondet_value(rtc->nondet, NONDET_WALL_CLOCK, host_wall_clock_ns);

    s->cmos[REG_A] = A_RUNNING | 6;
    s->cmos[REG_B] = B_24H;
    s->cmos[REG_D] = D_VALID;
    set_calendar(s, wall_ns / NS_PER_S);
    s->chain_ns = clock_ns(rtc->clock) - wall_ns % NS_PER_S;
    s->seen_ticks = ticks_in_ns(chain_age(rtc), CRYSTAL_HZ);
    s->powered = 1;
}

/* "RESET": interrupt enables and flags; the battery keeps everything else. */
static void reset(struct device *dev)
{
    struct rtc146818 *rtc = (struct rtc146818 *)dev;
    struct rtc_state *s = &rtc->state;

    if (!s->powered)
        power_on(rtc);
    catch_up(rtc);
    s->cmos[REG_B] &= (uint8_t)~(B_PIE | B_AIE | B_UIE | B_SQWE);
    s->cmos[REG_C] = 0;
    s->index = s->index2 = 0;
    settle(rtc);
}

static void loaded(struct device *dev)
{
    struct rtc146818 *rtc = (struct rtc146818 *)dev;

    rtc->state.index2 &= 0x7f;
    rearm(rtc);
}

static const struct device_class rtc_class = {
    .name = "rtc146818", .size = sizeof(struct rtc146818),
    .state = &rtc_state_schema, .state_at = offsetof(struct rtc146818, state),
    .reset = reset, .loaded = loaded,
};

struct rtc146818 *rtc_create(struct device_tree *tree, struct space *io, struct clock *clock, struct nondet *nd,
                             struct irq irq)
{
    struct rtc146818 *rtc = (struct rtc146818 *)device_create(tree, &rtc_class, "rtc146818");

    rtc->clock = clock;
    rtc->nondet = nd;
    rtc->irq = irq;
    timer_init(clock, &rtc->timer, "rtc146818", fire, rtc);
    space_add_device(io, 0, &rtc->dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    return rtc;
}

/* ---- what the board leaves in the CMOS for firmware ---- */

enum {
    CMOS_FLOPPIES = 0x10, CMOS_DISKS = 0x12, CMOS_EQUIPMENT = 0x14, CMOS_BASE_KIB = 0x15, CMOS_EXTENDED_KIB = 0x17,
    CMOS_DISK_TYPE = 0x19, CMOS_GEOMETRY = 0x1b, CMOS_SUM_FIRST = 0x10, CMOS_SUM_LAST = 0x2d, CMOS_SUM = 0x2e,
    CMOS_EXTENDED_KIB_2 = 0x30, CMOS_ABOVE_16M = 0x34, CMOS_BOOT_3 = 0x38, CMOS_BOOT_12 = 0x3d, CMOS_ABOVE_4G = 0x5b,
    CMOS_PROCESSORS = 0x5f,
};

/* The AT's checksum over 10h-2Dh, high byte first. */
static void sum(struct rtc_state *s)
{
    unsigned total = 0;

    for (unsigned at = CMOS_SUM_FIRST; at <= CMOS_SUM_LAST; at++)
        total += s->cmos[at];
    s->cmos[CMOS_SUM] = (uint8_t)(total >> 8);
    s->cmos[CMOS_SUM + 1] = (uint8_t)total;
}

void rtc_set_cmos(struct rtc146818 *rtc, unsigned at, uint8_t value)
{
    if (at >= CMOS_FIRST && at < CMOS_SIZE)
        rtc->state.cmos[at] = value;
    sum(&rtc->state);
}

static void set_number(struct rtc146818 *rtc, unsigned at, unsigned bytes, uint64_t value)
{
    for (unsigned k = 0; k < bytes; k++)
        rtc_set_cmos(rtc, at + k, (uint8_t)(value >> 8 * k));
}

static uint64_t at_most(uint64_t v, uint64_t limit) { return v < limit ? v : limit; }

void rtc_set_memory(struct rtc146818 *rtc, uint64_t below_4g, uint64_t above_4g)
{
    uint64_t kib = below_4g >> 10, extended = kib > 1024 ? at_most(kib - 1024, 0xffff) : 0;
    uint64_t above_16m = below_4g > 16 << 20 ? (below_4g - (16 << 20)) >> 16 : 0;

    set_number(rtc, CMOS_BASE_KIB, 2, at_most(kib, 640));
    set_number(rtc, CMOS_EXTENDED_KIB, 2, extended);
    set_number(rtc, CMOS_EXTENDED_KIB_2, 2, extended);
    set_number(rtc, CMOS_ABOVE_16M, 2, at_most(above_16m, 0xffff));
    set_number(rtc, CMOS_ABOVE_4G, 3, above_4g >> 16);
}

/* Equipment byte: floppies in bits 7-6 and 0, coprocessor bit 1, PS/2 mouse bit 2. */
void rtc_set_floppies(struct rtc146818 *rtc, enum rtc_floppy a, enum rtc_floppy b)
{
    unsigned count = (a != RTC_FLOPPY_NONE) + (b != RTC_FLOPPY_NONE);

    rtc_set_cmos(rtc, CMOS_FLOPPIES, (uint8_t)(a << 4 | b));
    rtc_set_cmos(rtc, CMOS_EQUIPMENT, (uint8_t)(0x06 | (count > 0 ? 1 | (count - 1) << 6 : 0)));
}

/* Type 47, nine bytes: cylinders, heads, write precompensation off, control, landing zone, sectors. */
void rtc_set_disk(struct rtc146818 *rtc, unsigned disk, unsigned cylinders, unsigned heads, unsigned sectors)
{
    unsigned at = CMOS_GEOMETRY + 9 * (disk & 1);
    uint8_t types = rtc->state.cmos[CMOS_DISKS], shift = disk & 1 ? 0 : 4;

    if (heads == 0)
        return;
    rtc_set_cmos(rtc, CMOS_DISKS, types | (uint8_t)(0x0f << shift));
    rtc_set_cmos(rtc, CMOS_DISK_TYPE + (disk & 1), 47);
    set_number(rtc, at, 2, cylinders);
    set_number(rtc, at + 2, 1, heads);
    set_number(rtc, at + 3, 2, 0xffff);
    set_number(rtc, at + 5, 1, 0xc0 | (heads > 8 ? 8 : 0));
    set_number(rtc, at + 6, 2, cylinders);
    set_number(rtc, at + 8, 1, sectors);
}

/* Where SeaBIOS looks: 3Dh holds first and second choice, the high half of 38h the third; its bit 0 waives the
 * signature check of floppies. */
void rtc_set_boot_order(struct rtc146818 *rtc, enum rtc_boot first, enum rtc_boot second, enum rtc_boot third)
{
    rtc_set_cmos(rtc, CMOS_BOOT_12, (uint8_t)(second << 4 | first));
    rtc_set_cmos(rtc, CMOS_BOOT_3, (uint8_t)(third << 4));
}

void rtc_set_processors(struct rtc146818 *rtc, unsigned count)
{
    rtc_set_cmos(rtc, CMOS_PROCESSORS, (uint8_t)(count - 1));
}
