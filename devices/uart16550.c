/* SPDX-License-Identifier: MIT
 * Registers, FIFOs and interrupt identification of the National PC16550D, whose section titles are quoted. The transmitter
 * takes no time, so THR and its FIFO are always empty; only the receiver's character timeout looks at the clock. */
#include "devices/uart16550.h"

#include <stdio.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "devices/ticks.h"

enum { FIFO_SIZE = 16, CRYSTAL_HZ = 1843200 };
enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR, REG_COUNT };
enum { IER_RECEIVED = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_MODEM = 0, IIR_NONE = 1, IIR_THRE = 2, IIR_RECEIVED = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_KEPT = 0xc9 };
enum { LCR_STOP2 = 4, LCR_PARITY = 8, LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_WRITABLE = 0x1f };
enum { LSR_READY = 1, LSR_OVERRUN = 2, LSR_BREAK = 0x10, LSR_ERRORS = 0x1e, LSR_IDLE = 0x60, LSR_FIFO_ERROR = 0x80 };
enum { MSR_TERI = 4, MSR_DELTAS = 0x0f, MSR_LINES = 0xf0 };

#define UART_STATE(ONE, MANY)                                                        \
    ONE (u64, timeout_ns,     "when unread characters raise the timeout interrupt")  \
    ONE (u16, divisor,        "DLM:DLL")                                             \
    ONE (u8,  ier,            "interrupt enable")                                    \
    ONE (u8,  fcr,            "FIFO control: enable, DMA mode, trigger")             \
    ONE (u8,  lcr,            "line control")                                        \
    ONE (u8,  mcr,            "modem control")                                       \
    ONE (u8,  overrun,        "LSR bit 1")                                           \
    ONE (u8,  msr,            "modem status as last seen, with deltas")              \
    ONE (u8,  scr,            "scratch")                                             \
    ONE (u8,  modem,          "modem inputs")                                        \
    ONE (u8,  thre_pending,   "transmitter empty interrupt")                         \
    ONE (u8,  timeout,        "character timeout interrupt")                         \
    ONE (u8,  rx_head,        "oldest character of the receiver FIFO")               \
    ONE (u8,  rx_count,       "characters in it")                                    \
    MANY(u8,  rx,        16,  "receiver FIFO")                                       \
    MANY(u8,  rx_errors, 16,  "LSR error bits of each")                              \
    MANY(u8,  reserved, 2,    "")
STATE_STRUCT(uart_state, UART_STATE);
STATE_SCHEMA(uart_state, UART_STATE);

struct uart16550 {
    struct device dev;
    struct uart_state state;
    struct clock *clock;
    struct timer timer;
    struct irq irq;
    void (*out)(void *self, uint8_t byte);
    void *out_self;
};

static bool has_fifos(const struct uart_state *s) { return s->fcr & FCR_ENABLE; }
static bool loops_back(const struct uart_state *s) { return s->mcr & MCR_LOOP; }
static unsigned capacity(const struct uart_state *s) { return has_fifos(s) ? FIFO_SIZE : 1; }

static unsigned trigger_level(const struct uart_state *s)
{
    static const uint8_t levels[4] = { 1, 4, 8, 14 };

    return has_fifos(s) ? levels[s->fcr >> 6] : 1;
}

/* "Line Status Register": an error shows when its character is at the top of the FIFO. */
static uint8_t line_status(const struct uart_state *s)
{
    uint8_t lsr = LSR_IDLE | (s->overrun ? LSR_OVERRUN : 0), any = 0;

    if (s->rx_count > 0)
        lsr |= LSR_READY | s->rx_errors[s->rx_head];
    for (unsigned k = 0; k < s->rx_count; k++)
        any |= s->rx_errors[(s->rx_head + k) % FIFO_SIZE];
    return lsr | (has_fifos(s) && any != 0 ? LSR_FIFO_ERROR : 0);
}

/* "Interrupt Identification Register", by falling priority. */
static uint8_t interrupt_id(const struct uart_state *s)
{
    if ((s->ier & IER_LINE) && (line_status(s) & LSR_ERRORS))
        return IIR_LINE;
    if ((s->ier & IER_RECEIVED) && s->rx_count >= trigger_level(s))
        return IIR_RECEIVED;
    if ((s->ier & IER_RECEIVED) && s->timeout)
        return IIR_TIMEOUT;
    if ((s->ier & IER_THRE) && s->thre_pending)
        return IIR_THRE;
    if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTAS))
        return IIR_MODEM;
    return IIR_NONE;
}

/* On a PC the OUT2 pin gates the interrupt; looping back forces the pin inactive. */
static void update_irq(struct uart16550 *u)
{
    bool gate = (u->state.mcr & MCR_OUT2) && !loops_back(&u->state);

    irq_set(&u->irq, gate && interrupt_id(&u->state) != IIR_NONE);
}

static uint64_t character_ns(const struct uart_state *s)
{
    unsigned bits = 1 + 5 + (s->lcr & 3) + ((s->lcr & LCR_PARITY) != 0) + 1 + ((s->lcr & LCR_STOP2) != 0);

    return ns_of_ticks((uint64_t)bits * 16 * (s->divisor != 0 ? s->divisor : 1), CRYSTAL_HZ);
}

/* "FIFO Interrupt Mode Operation": the timeout is four character times after the last arrival or read. */
static void restart_timeout(struct uart16550 *u)
{
    struct uart_state *s = &u->state;

    s->timeout = 0;
    s->timeout_ns = has_fifos(s) && s->rx_count > 0 ? clock_ns(u->clock) + 4 * character_ns(s) : TIMER_OFF;
    timer_set(u->clock, &u->timer, s->timeout_ns);
}

static void fire(void *arg)
{
    struct uart16550 *u = arg;

    u->state.timeout_ns = TIMER_OFF;
    u->state.timeout = u->state.rx_count > 0;
    update_irq(u);
}

static void push(struct uart16550 *u, uint8_t byte, uint8_t errors)
{
    struct uart_state *s = &u->state;
    unsigned at;

    if (s->rx_count == capacity(s)) {
        s->overrun = 1;
        if (has_fifos(s))
            return;                     /* the shift register is lost, the FIFO kept; a lone RBR is overwritten */
        s->rx_count = 0;
    }
    at = (s->rx_head + s->rx_count) % FIFO_SIZE;
    s->rx[at] = byte;
    s->rx_errors[at] = errors;
    s->rx_count++;
    restart_timeout(u);
}

size_t uart_room(const struct uart16550 *u)
{
    return loops_back(&u->state) ? 0 : capacity(&u->state) - u->state.rx_count;
}

size_t uart_receive(struct uart16550 *u, const void *bytes, size_t len)
{
    size_t n = len < uart_room(u) ? len : uart_room(u);

    for (size_t k = 0; k < n; k++)
        push(u, ((const uint8_t *)bytes)[k], 0);
    update_irq(u);
    return n;
}

static void update_modem(struct uart16550 *u)
{
    struct uart_state *s = &u->state;
    uint8_t mcr = s->mcr, lines = s->modem & MSR_LINES, changed;

    if (loops_back(s))                  /* RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD */
        lines = (mcr & MCR_RTS ? UART_CTS : 0) | (mcr & MCR_DTR ? UART_DSR : 0) | (mcr & MCR_OUT1 ? UART_RI : 0)
                | (mcr & MCR_OUT2 ? UART_DCD : 0);
    changed = lines ^ (s->msr & MSR_LINES);
    if (lines & UART_RI)
        changed &= (uint8_t)~UART_RI;   /* only the trailing edge of RI counts */
    s->msr = lines | (s->msr & MSR_DELTAS) | changed >> 4;
    update_irq(u);
}

void uart_set_modem(struct uart16550 *u, uint8_t lines)
{
    u->state.modem = lines & MSR_LINES;
    update_modem(u);
}

static void transmit(struct uart16550 *u, uint8_t byte)
{
    struct uart_state *s = &u->state;

    s->thre_pending = 0;
    update_irq(u);
    if (loops_back(s))
        push(u, byte & (uint8_t)(0x1f << (s->lcr & 3) | 0x1f), 0);      /* only as many bits as a word has come back */
    else if (u->out != NULL)
        u->out(u->out_self, byte);
    s->thre_pending = 1;
    update_irq(u);
}

static uint8_t receive(struct uart16550 *u)
{
    struct uart_state *s = &u->state;
    uint8_t byte = s->rx[s->rx_head];

    if (s->rx_count == 0)
        return byte;                    /* RBR keeps what was read last */
    s->rx_errors[s->rx_head] = 0;
    if (s->rx_count-- > 1)
        s->rx_head = (s->rx_head + 1) % FIFO_SIZE;
    restart_timeout(u);
    update_irq(u);
    return byte;
}

static void clear_receiver(struct uart16550 *u)
{
    u->state.rx_count = 0;
    u->state.rx_errors[u->state.rx_head] = 0;
    restart_timeout(u);
}

/* "FIFO Control Register": turning the FIFOs on or off empties them; the rest counts only when they are on. */
static void write_fcr(struct uart16550 *u, uint8_t v)
{
    struct uart_state *s = &u->state;
    bool switched = (v ^ s->fcr) & FCR_ENABLE;

    s->fcr = v & FCR_ENABLE ? v & FCR_KEPT : 0;
    if (switched || (v & FCR_ENABLE && v & FCR_CLEAR_RX))
        clear_receiver(u);
    update_irq(u);
}

static void write_ier(struct uart16550 *u, uint8_t v)
{
    struct uart_state *s = &u->state;

    if ((v & IER_THRE) && !(s->ier & IER_THRE))
        s->thre_pending = 1;            /* enabling it with THR empty raises it */
    s->ier = v & 0x0f;
    update_irq(u);
}

static void write_lcr(struct uart16550 *u, uint8_t v)
{
    bool breaks = (v & LCR_BREAK) && !(u->state.lcr & LCR_BREAK);

    u->state.lcr = v;
    if (breaks && loops_back(&u->state))
        push(u, 0, LSR_BREAK);
    update_irq(u);
}

static void write_reg(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct uart16550 *u = (struct uart16550 *)dev;
    struct uart_state *s = &u->state;
    uint8_t v = (uint8_t)value;
    bool dlab = s->lcr & LCR_DLAB;

    (void)bytes;
    switch (at) {
    case REG_DATA:
        if (dlab)
            s->divisor = (s->divisor & 0xff00) | v;
        else
            transmit(u, v);
        break;
    case REG_IER:
        if (dlab)
            s->divisor = (uint16_t)(v << 8 | (s->divisor & 0xff));
        else
            write_ier(u, v);
        break;
    case REG_IIR_FCR: write_fcr(u, v); break;
    case REG_LCR:     write_lcr(u, v); break;
    case REG_MCR:
        s->mcr = v & MCR_WRITABLE;
        update_modem(u);
        break;
    case REG_SCR:     s->scr = v; break;
    default:          break;            /* LSR and MSR: for factory testing only */
    }
}

static uint8_t read_iir(struct uart16550 *u)
{
    uint8_t id = interrupt_id(&u->state);

    if (id == IIR_THRE) {
        u->state.thre_pending = 0;
        update_irq(u);
    }
    return id | (has_fifos(&u->state) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart16550 *u)
{
    uint8_t lsr = line_status(&u->state);

    u->state.overrun = 0;
    if (u->state.rx_count > 0)
        u->state.rx_errors[u->state.rx_head] = 0;
    update_irq(u);
    return lsr;
}

static uint8_t read_msr(struct uart16550 *u)
{
    uint8_t msr = u->state.msr;

    u->state.msr &= MSR_LINES;
    update_irq(u);
    return msr;
}

static uint64_t read_reg(struct device *dev, uint32_t at, unsigned bytes)
{
    struct uart16550 *u = (struct uart16550 *)dev;
    bool dlab = u->state.lcr & LCR_DLAB;

    (void)bytes;
    switch (at) {
    case REG_DATA:    return dlab ? u->state.divisor & 0xff : receive(u);
    case REG_IER:     return dlab ? u->state.divisor >> 8 : u->state.ier;
    case REG_IIR_FCR: return read_iir(u);
    case REG_LCR:     return u->state.lcr;
    case REG_MCR:     return u->state.mcr;
    case REG_LSR:     return read_lsr(u);
    case REG_MSR:     return read_msr(u);
    default:          return u->state.scr;
    }
}

static const struct reg ports[] = {
    { 0, 1, "registers", read_reg, write_reg, REG_COUNT },
};

/* "Master Reset"; the divisor and the modem inputs are not the reset's business, but start somewhere. */
static void reset(struct device *dev)
{
    struct uart16550 *u = (struct uart16550 *)dev;
    struct uart_state *s = &u->state;

    s->ier = s->fcr = s->lcr = s->mcr = s->scr = s->overrun = s->thre_pending = 0;
    s->rx_head = s->rx_count = 0;
    memset(s->rx_errors, 0, sizeof s->rx_errors);
    s->divisor = 12;
    s->modem = UART_CTS | UART_DSR | UART_DCD;
    s->msr = s->modem;
    restart_timeout(u);
    update_irq(u);
}

static void loaded(struct device *dev)
{
    struct uart16550 *u = (struct uart16550 *)dev;
    struct uart_state *s = &u->state;

    s->rx_head %= FIFO_SIZE;            /* indexes of a hostile file */
    s->rx_count = s->rx_count > capacity(s) ? (uint8_t)capacity(s) : s->rx_count;
    timer_set(u->clock, &u->timer, s->timeout_ns);
}

static const struct device_class uart_class = {
    .name = "uart16550", .size = sizeof(struct uart16550),
    .state = &uart_state_schema, .state_at = offsetof(struct uart16550, state),
    .reset = reset, .loaded = loaded,
};

struct uart16550 *uart_create(struct device_tree *tree, struct space *io, struct clock *clock, unsigned index, uint16_t base,
                              struct irq irq)
{
    char name[32];
    struct uart16550 *u;

    snprintf(name, sizeof name, "uart.%u", index);
    u = (struct uart16550 *)device_create(tree, &uart_class, name);
    u->clock = clock;
    u->irq = irq;
    timer_init(clock, &u->timer, "uart16550", fire, u);
    space_add_device(io, base, &u->dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    return u;
}

void uart_connect(struct uart16550 *u, void (*out)(void *self, uint8_t byte), void *self)
{
    u->out = out;
    u->out_self = self;
}
