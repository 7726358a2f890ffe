#include "base/ban.h"

#include "base/log.h"

#include "base/buf.h"
#include "base/unicode.h"

#include <stdarg.h>

#define MESSAGE_SIZE 2048
#define VALUE_SIZE 2048
#define LINE_SIZE ((size_t) 256 * 1024)
#define RUN_SIZE 64

static const char *const level_names[] = {
    [KB_LOG_ERROR] = "error", [KB_LOG_WARN] = "warn", [KB_LOG_INFO] = "info", [KB_LOG_DEBUG] = "debug"};
static const char level_digits[] = {
    [KB_LOG_ERROR] = '3', [KB_LOG_WARN] = '4', [KB_LOG_INFO] = '6', [KB_LOG_DEBUG] = '7'}; /* sd-daemon(3) */

static struct {
    enum kb_log_level level;
    enum kb_log_format format;
    FILE *stream; /* NULL: stderr */
    bool journal;
    char run[RUN_SIZE];
} state = {.level = KB_LOG_INFO};

void
kb_log_setup(enum kb_log_level level, enum kb_log_format format, FILE *stream)
{
    const char *journal = getenv("JOURNAL_STREAM");

    state.level = level;
    state.format = format;
    state.stream = stream;
    state.journal = journal && *journal;
}

void
kb_log_run(const char *run_id)
{
    size_t len = strnlen(run_id, RUN_SIZE - 1);

    memcpy(state.run, run_id, len);
    state.run[len] = '\0';
}

bool
kb_log_enabled(enum kb_log_level level)
{
    return level <= state.level;
}

enum kb_log_format
kb_log_format(void)
{
    return state.format;
}

/* Visible text of at most VALUE_SIZE bytes of s; what is cut is marked. */
static void
add_cut(struct kb_buf *b, const char *s)
{
    char part[VALUE_SIZE + 1];
    size_t len = strnlen(s, VALUE_SIZE + 1);

    if (len <= VALUE_SIZE) {
        kb_buf_add_visible(b, s);
        return;
    }
    len = kb_utf8_cut(s, VALUE_SIZE);
    memcpy(part, s, len);
    part[len] = '\0';
    kb_buf_add_visible(b, part);
    kb_buf_adds(b, "…");
}

/* Text and logfmt: bare when it cannot be mistaken for anything else. */
static void
add_value(struct kb_buf *line, const char *s)
{
    struct kb_buf text = KB_BUF_INIT(LINE_SIZE);
    const char *v;

    add_cut(&text, s);
    v = kb_buf_str(&text);
    if (text.failed) {
        kb_buf_adds(line, "\"out of memory\"");
    } else if (*v && !strpbrk(v, " \"=\\(),")) {
        kb_buf_adds(line, v);
    } else {
        kb_buf_addc(line, '"');
        for (; *v; v++) {
            if (*v == '"' || *v == '\\')
                kb_buf_addc(line, '\\');
            kb_buf_addc(line, *v);
        }
        kb_buf_addc(line, '"');
    }
    kb_buf_done(&text);
}

static void
add_json_value(struct kb_buf *line, const char *s)
{
    struct kb_buf text = KB_BUF_INIT(LINE_SIZE);

    add_cut(&text, s);
    kb_buf_add_json(line, text.failed ? "out of memory" : kb_buf_str(&text));
    kb_buf_done(&text);
}

static void
add_pair(struct kb_buf *line, const char *key, const char *value)
{
    bool json = state.format == KB_LOG_JSON;

    if (json)
        kb_buf_addf(line, "%s\"%s\":", line->len > 1 ? "," : "", key);
    else
        kb_buf_addf(line, "%s=", key);
    if (json)
        add_json_value(line, value);
    else
        add_value(line, value);
}

static void
add_fields(struct kb_buf *line, const struct kb_log_field *fields, size_t fields_len, const char *first)
{
    for (size_t i = 0; i < fields_len; i++) {
        if (state.format != KB_LOG_JSON)
            kb_buf_adds(line, i ? " " : first);
        if (fields[i].str)
            add_pair(line, fields[i].key, fields[i].str);
        else if (state.format == KB_LOG_JSON)
            kb_buf_addf(line, ",\"%s\":%lld", fields[i].key, (long long) fields[i].num);
        else
            kb_buf_addf(line, "%s=%lld", fields[i].key, (long long) fields[i].num);
    }
}

static void
add_text_line(struct kb_buf *line, enum kb_log_level level, const char *event, const char *message,
              const struct kb_log_field *fields, size_t fields_len)
{
    if (state.journal)
        kb_buf_addf(line, "<%c>", level_digits[level]);
    add_cut(line, *message ? message : event);
    add_fields(line, fields, fields_len, " (");
    if (*state.run) {
        kb_buf_adds(line, fields_len ? " " : " (");
        add_pair(line, "run", state.run);
    }
    if (fields_len || *state.run)
        kb_buf_addc(line, ')');
}

static void
add_machine_line(struct kb_buf *line, enum kb_log_level level, const char *event, const char *message,
                 const struct kb_log_field *fields, size_t fields_len)
{
    bool json = state.format == KB_LOG_JSON;
    const char *sep = json ? "" : " ";

    /* two literals: they need no escaping and so come out even without memory for it */
    kb_buf_addf(line, json ? "{\"level\":\"%s\",\"event\":\"%s\"" : "level=%s event=%s", level_names[level],
                event);
    if (*state.run) {
        kb_buf_adds(line, sep);
        add_pair(line, "run", state.run);
    }
    if (*message) {
        kb_buf_adds(line, sep);
        add_pair(line, "msg", message);
    }
    add_fields(line, fields, fields_len, sep);
    kb_buf_adds(line, json ? "}" : "");
}

void
kb_log(enum kb_log_level level, const char *event, const struct kb_log_field *fields, size_t fields_len,
       const char *fmt, ...)
{
    FILE *stream = state.stream ? state.stream : stderr;
    struct kb_buf line = KB_BUF_INIT(LINE_SIZE);
    char message[MESSAGE_SIZE];
    va_list args;
    int n;

    if (!kb_log_enabled(level))
        return;
    va_start(args, fmt);
    n = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (n < 0)
        message[0] = '\0';
    else if ((size_t) n >= sizeof(message))
        message[kb_utf8_cut(message, sizeof(message) - 1)] = '\0';
    if (state.format == KB_LOG_TEXT)
        add_text_line(&line, level, event, message, fields, fields_len);
    else
        add_machine_line(&line, level, event, message, fields, fields_len);
    kb_buf_addc(&line, '\n');
    if (line.failed) /* never silent */
        (void) fprintf(stream, "level=%s event=%s msg=\"out of memory for this line\"\n", level_names[level],
                       event);
    else
        (void) fwrite(line.data, 1, line.len, stream);
    (void) fflush(stream);
    kb_buf_done(&line);
}
