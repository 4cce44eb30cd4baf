/* SPDX-License-Identifier: MIT
 * Registers for gdb: the target description made from the machine's table (gdb manual "Target Descriptions", "Standard Target
 * Features"), and the packets that read and write them. Packet g ends before our own features: gdb asks for those one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gui/gdb_session.h"

struct tdesc_feature { const char *name, *types; };

/* The types that gdb's own descriptions give to these registers. */
#define VEC128_TYPES                                                                                                  \
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"      \
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"              \
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"              \
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"            \
    "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"\
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
static const char core_types[] =
    "<flags id=\"i386_eflags\" size=\"4\"><field name=\"\" start=\"22\" end=\"31\"/>"
    "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
    "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
    "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
    "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
    "<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
    "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/></flags>";
static const char sse_types[] =
    VEC128_TYPES
    "<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
    "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>"
    "<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"IM\" start=\"7\" end=\"7\"/>"
    "<field name=\"DM\" start=\"8\" end=\"8\"/><field name=\"ZM\" start=\"9\" end=\"9\"/><field name=\"OM\" start=\"10\" end=\"10\"/>"
    "<field name=\"UM\" start=\"11\" end=\"11\"/><field name=\"PM\" start=\"12\" end=\"12\"/><field name=\"FZ\" start=\"15\" end=\"15\"/></flags>";
static const char avx512_types[] =
    VEC128_TYPES
    "<vector id=\"v2ui128\" type=\"uint128\" count=\"2\"/>";

/* By group; the x87 registers belong to the core. */
static const struct tdesc_feature features[DEBUG_GROUPS] = {
    [DEBUG_CORE] = { "org.gnu.gdb.i386.core", core_types },
    [DEBUG_X87] = { NULL, "" },
    [DEBUG_SSE] = { "org.gnu.gdb.i386.sse", sse_types },
    [DEBUG_SEGMENT_BASES] = { "org.gnu.gdb.i386.segments", "" },
    [DEBUG_AVX] = { "org.gnu.gdb.i386.avx", "" },
    [DEBUG_AVX512] = { "org.gnu.gdb.i386.avx512", avx512_types },
    [DEBUG_PKEYS] = { "org.gnu.gdb.i386.pkeys", "" },
    [DEBUG_SYSTEM] = { "org.partita.system", "" },
    [DEBUG_MSR] = { "org.partita.msr", "" },
};

static const char *type_of(const struct debug_reg *r)
{
    static const struct { const char *name, *type; } named[] = {
        { "rip", "code_ptr" }, { "rsp", "data_ptr" }, { "rbp", "data_ptr" }, { "eflags", "i386_eflags" }, { "mxcsr", "i386_mxcsr" },
    };

    for (size_t n = 0; n < sizeof named / sizeof named[0]; n++)
        if (strcmp(r->name, named[n].name) == 0)
            return named[n].type;
    if (r->group == DEBUG_X87)
        return r->bits == 80 ? "i387_ext" : "int";
    switch (r->bits) {
    case 256: return "v2ui128";
    case 128: return r->name[0] == 'x' ? "vec128" : "uint128";
    case 64:  return r->group == DEBUG_CORE || r->group == DEBUG_SEGMENT_BASES ? "int64" : "uint64";
    default:  return r->group == DEBUG_CORE ? "int32" : "uint32";
    }
}

static const char *group_of(const struct debug_reg *r)
{
    if (r->group == DEBUG_X87)
        return " group=\"float\"";
    return r->group == DEBUG_SYSTEM || r->group == DEBUG_MSR ? " group=\"system\"" : "";
}

static const char *feature_end(enum debug_group g)
{
    return g == DEBUG_X87 ? "" : "</feature>";
}

const char *gdb_target_xml(struct gdb_session *s)
{
    struct gdb_writer w = { 0 };
    const struct debug_reg *r;
    unsigned count, open = DEBUG_GROUPS;
    char line[160];

    if (s->target_xml != NULL)
        return s->target_xml;
    r = debug_regs(s->debug, &count);
    gdb_put_text(&w, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
                     "<architecture>i386:x86-64</architecture>");
    for (unsigned n = 0; n < count; n++) {
        if (r[n].group != open) {
            if (open != DEBUG_GROUPS)
                gdb_put_text(&w, feature_end(r[n].group));
            open = r[n].group;
            if (features[open].name != NULL) {
                snprintf(line, sizeof line, "<feature name=\"%s\">", features[open].name);
                gdb_put_text(&w, line);
            }
            gdb_put_text(&w, features[open].types);
        }
        snprintf(line, sizeof line, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"%s/>", r[n].name, r[n].bits,
                 type_of(&r[n]), n, group_of(&r[n]));
        gdb_put_text(&w, line);
    }
    gdb_put(&w, "</feature></target>", sizeof "</feature></target>");
    s->target_xml = w.bytes;
    return s->target_xml;
}

/* ---- packets ---- */

void gdb_reg_hex(struct gdb_session *s, unsigned vp, unsigned n)
{
    unsigned count;
    const struct debug_reg *r = debug_regs(s->debug, &count) + n;
    uint8_t value[DEBUG_REG_BYTES];

    if (debug_reg_read(s->debug, vp, r, value))
        gdb_put_hex(&s->reply, value, r->bits / 8);
    else
        for (unsigned k = 0; k < r->bits / 8u; k++)
            gdb_put_text(&s->reply, "xx");
}

static bool in_packet(const struct debug_reg *r)
{
    return r->group != DEBUG_SYSTEM && r->group != DEBUG_MSR;
}

void gdb_regs_read(struct gdb_session *s)
{
    unsigned count;
    const struct debug_reg *r = debug_regs(s->debug, &count);

    for (unsigned n = 0; n < count && in_packet(&r[n]); n++)
        gdb_reg_hex(s, s->vp, n);
}

/* Only what differs is written: some registers refuse even the value they have. */
static bool write_reg(struct gdb_session *s, const struct debug_reg *r, const char **hex)
{
    uint8_t value[DEBUG_REG_BYTES] = { 0 }, now[DEBUG_REG_BYTES];

    if (!gdb_take_hex(hex, value, r->bits / 8))
        return false;
    if (debug_reg_read(s->debug, s->vp, r, now) && memcmp(now, value, r->bits / 8) == 0)
        return true;
    return debug_reg_write(s->debug, s->vp, r, value);
}

bool gdb_regs_write(struct gdb_session *s, const char *hex)
{
    unsigned count;
    const struct debug_reg *r = debug_regs(s->debug, &count);

    for (unsigned n = 0; n < count && in_packet(&r[n]) && *hex != '\0'; n++)
        if (!write_reg(s, &r[n], &hex))
            return false;
    return true;
}

bool gdb_reg_read(struct gdb_session *s, uint64_t n)
{
    unsigned count;

    (void)debug_regs(s->debug, &count);
    if (n >= count)
        return false;
    gdb_reg_hex(s, s->vp, (unsigned)n);
    return true;
}

bool gdb_reg_write(struct gdb_session *s, uint64_t n, const char *hex)
{
    unsigned count;
    const struct debug_reg *r = debug_regs(s->debug, &count);

    return n < count && write_reg(s, &r[n], &hex);
}
