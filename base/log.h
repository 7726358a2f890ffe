/* base/log.h: one line per event on stderr, escaped so that no name can forge a line.
 *
 * Why:    the log of a reconciler is evidence. Values are escaped in every format, the run id stands in each
 * line, and no secret can be passed (struct kb_secret has no formatter). Rule:   only reconciler/ logs at
 * info or above; other rooms return errors and may use KB_LOG_DEBUG (c-anchors 4.6). Format: text "message
 * (key=value …)"; logfmt "level=info event=… run=… msg=… key=value"; json one object. With $JOURNAL_STREAM
 * and format text the line starts with "<N>".
 */
#ifndef KB_BASE_LOG_H
#define KB_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum kb_log_level { KB_LOG_ERROR, KB_LOG_WARN, KB_LOG_INFO, KB_LOG_DEBUG, KB_LOG_LEVEL_MAX_ };

enum kb_log_format { KB_LOG_TEXT, KB_LOG_LOGFMT, KB_LOG_JSON, KB_LOG_FORMAT_MAX_ };

struct kb_log_field {
    const char *key; /* [a-z_]+, a literal */
    const char *str; /* NULL: num is the value */
    int64_t num;
};

#define KB_F(k, s) ((struct kb_log_field){.key = (k), .str = (s)})
#define KB_FN(k, n) ((struct kb_log_field){.key = (k), .num = (int64_t) (n)})

/* stream is borrowed (NULL: stderr); run_id is copied, "" for none. */
void kb_log_setup(enum kb_log_level level, enum kb_log_format format, FILE *stream);
void kb_log_run(const char *run_id);
bool kb_log_enabled(enum kb_log_level level);
enum kb_log_format kb_log_format(void);

/* event: a stable literal for machines; message: a sentence for people; none: "%s", "". */
void kb_log(enum kb_log_level level, const char *event, const struct kb_log_field *fields, size_t fields_len,
            const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define KB_LOG(level, event, fields, ...)                                \
    do {                                                                 \
        if (kb_log_enabled(level)) {                                     \
            const struct kb_log_field kb_f_[] = {KB_UNPAREN fields};     \
            kb_log((level), (event), kb_f_, KB_LEN(kb_f_), __VA_ARGS__); \
        }                                                                \
    } while (0)
#define KB_UNPAREN(...) __VA_ARGS__
/* KB_LOG(KB_LOG_INFO, "source_read", (KB_F("realm", name), KB_FN("groups", n)), "realm %s read", name); */

#endif
