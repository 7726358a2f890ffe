#include "base/ban.h"

#include "reconciler/outcome.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>

static const struct {
    int code;
    const char *name;
} codes[] = {
    /* Most serious first: interface.md section 2. */
    {EXIT_USAGE, "usage"},     {EXIT_ERROR, "error"},   {EXIT_STATE, "state"},     {EXIT_CONFIG, "config"},
    {EXIT_BUSY, "busy"},       {EXIT_SOURCE, "source"}, {EXIT_TARGET, "target"},   {EXIT_HELD, "held"},
    {EXIT_PARTIAL, "partial"}, {EXIT_STALE, "stale"},   {EXIT_CHANGES, "changes"}, {EXIT_OK, "ok"},
};

static size_t
rank(int code)
{
    size_t i = 0;
    while (i + 1 < KB_LEN(codes) && codes[i].code != code)
        i++;
    return i;
}

const char *
exit_name(int code)
{
    return codes[rank(code)].code == code ? codes[rank(code)].name : "?";
}

void
outcome_add(struct outcome *o, int code, const char *fmt, ...)
{
    if (rank(code) > rank(o->code) || (rank(code) == rank(o->code) && o->sentence[0]))
        return;
    o->code = code;
    va_list ap;
    va_start(ap, fmt);
    (void) vsnprintf(o->sentence, sizeof(o->sentence), fmt, ap);
    va_end(ap);
    size_t len = strlen(o->sentence);
    if (len + 1 == sizeof(o->sentence)) /* cut, perhaps within a character */
        for (unsigned i = 0; i < 3 && !kb_utf8_valid(o->sentence, len); i++)
            o->sentence[--len] = '\0';
}

void
outcome_merge(struct outcome *o, const struct outcome *other)
{
    if (other->sentence[0] || other->code != EXIT_OK)
        outcome_add(o, other->code, "%s", other->sentence);
    o->counted |= other->counted;
    o->add += other->add;
    o->remove += other->remove;
    o->held += other->held;
    o->frozen += other->frozen;
    o->writes += other->writes;
}

int
outcome_code(const struct kb_error *err, int side)
{
    switch (err->code) {
    case KB_OK:
        return EXIT_OK;
    case KB_E_USAGE:
        return EXIT_USAGE;
    case KB_E_CONFIG:
        return EXIT_CONFIG;
    case KB_E_NET:
    case KB_E_AUTH:
    case KB_E_HTTP:
    case KB_E_PROTOCOL:
        return side;
    case KB_E_STORE:
        return EXIT_STATE;
    case KB_E_BUSY:
    case KB_E_STOPPED:
        return EXIT_BUSY;
    case KB_E_STALE:
        return EXIT_STALE;
    case KB_E_HELD:
        return EXIT_HELD;
    case KB_E_IO:
    case KB_E_NOMEM:
    case KB_E_BUG:
    case KB_CODE_MAX_:
        break;
    }
    return EXIT_ERROR;
}

void
outcome_error(struct outcome *o, const struct kb_error *err, int side)
{
    outcome_add(o, outcome_code(err, side), "%s", err->msg);
}

static const char *
sentence_of(const struct outcome *o)
{
    return o->sentence[0] ? o->sentence : o->code == EXIT_OK ? "done" : exit_name(o->code);
}

static void
print_json(const struct outcome *o, struct kb_buf *b)
{
    kb_buf_addf(b, "{\"code\":%d,\"counts\":{", o->code);
    if (o->counted)
        kb_buf_addf(b, "\"add\":%llu,\"frozen\":%llu,\"held\":%llu,\"remove\":%llu,\"writes\":%llu",
                    (unsigned long long) o->add, (unsigned long long) o->frozen, (unsigned long long) o->held,
                    (unsigned long long) o->remove, (unsigned long long) o->writes);
    kb_buf_adds(b, "},\"message\":");
    KB_CLEANUP(kb_buf) struct kb_buf visible = KB_BUF_INIT(8192); /* valid UTF-8, whatever came in */
    kb_buf_add_visible(&visible, sentence_of(o));
    kb_buf_add_json(b, visible.failed ? "out of memory" : kb_buf_str(&visible));
    kb_buf_addf(b, ",\"name\":\"%s\"}\n", exit_name(o->code));
}

void
outcome_print(const struct outcome *o, enum kb_log_format format, bool quiet)
{
    if (quiet && o->code == EXIT_OK)
        return;
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(8192);
    if (format == KB_LOG_JSON) {
        print_json(o, &b);
    } else {
        kb_buf_addf(&b, "keybricks: exit %d %s: ", o->code, exit_name(o->code));
        kb_buf_add_visible(&b, sentence_of(o));
        if (o->counted)
            kb_buf_addf(&b, " (add=%llu remove=%llu held=%llu frozen=%llu writes=%llu)",
                        (unsigned long long) o->add, (unsigned long long) o->remove,
                        (unsigned long long) o->held, (unsigned long long) o->frozen,
                        (unsigned long long) o->writes);
        kb_buf_addc(&b, '\n');
    }
    if (b.failed)
        (void) fprintf(stderr,
                       format == KB_LOG_JSON
                           ? "{\"code\":%d,\"counts\":{},\"message\":\"out of memory\",\"name\":\"%s\"}\n"
                           : "keybricks: exit %d %s: out of memory\n",
                       o->code, exit_name(o->code));
    (void) fputs(kb_buf_str(&b), stderr); /* nowhere left to complain */
}
