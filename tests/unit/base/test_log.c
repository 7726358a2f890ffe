#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"

#include <json-c/json.h>
#include <string.h>

static char *text;
static size_t text_len;
static FILE *stream;

static int
begin(void **state)
{
    (void) state;
    (void) unsetenv("JOURNAL_STREAM");
    stream = open_memstream(&text, &text_len);
    return stream ? 0 : -1;
}

static int
end(void **state)
{
    (void) state;
    kb_log_setup(KB_LOG_INFO, KB_LOG_TEXT, NULL);
    kb_log_run("");
    (void) fclose(stream);
    free(text);
    return 0;
}

/* From the start again; what was there must not show behind a shorter line. */
static void
again(void)
{
    memset(text, 0, text_len);
    assert_int_equal(fseek(stream, 0, SEEK_SET), 0);
}

static void
expect(const char *want)
{
    assert_string_equal(text, want);
    again();
}

static void
test_formats(void **state)
{
    (void) state;
    kb_log_run("run-1");
    kb_log_setup(KB_LOG_INFO, KB_LOG_TEXT, stream);
    KB_LOG(KB_LOG_INFO, "source_read", (KB_F("realm", "main"), KB_FN("groups", 7)), "realm %s read", "main");
    expect("realm main read (realm=main groups=7 run=run-1)\n");
    KB_LOG(KB_LOG_WARN, "bare", (), "%s", "");
    expect("bare (run=run-1)\n");
    kb_log_setup(KB_LOG_INFO, KB_LOG_LOGFMT, stream);
    KB_LOG(KB_LOG_ERROR, "source_read", (KB_F("realm", "main"), KB_FN("groups", -7)), "realm %s read",
           "main");
    expect("level=error event=source_read run=run-1 msg=\"realm main read\" realm=main groups=-7\n");
    kb_log_setup(KB_LOG_INFO, KB_LOG_JSON, stream);
    KB_LOG(KB_LOG_WARN, "source_read", (KB_F("realm", "main"), KB_FN("groups", INT64_MIN)), "realm %s read",
           "main");
    expect("{\"level\":\"warn\",\"event\":\"source_read\",\"run\":\"run-1\",\"msg\":\"realm main "
           "read\",\"realm\":"
           "\"main\",\"groups\":-9223372036854775808}\n");
    kb_log_run("");
    KB_LOG(KB_LOG_INFO, "e", (), "%s", "");
    expect("{\"level\":\"info\",\"event\":\"e\"}\n");
    kb_log_setup(KB_LOG_INFO, KB_LOG_LOGFMT, stream);
    KB_LOG(KB_LOG_INFO, "e", (KB_F("k", "")), "%s", "");
    expect("level=info event=e k=\"\"\n");
    kb_log_setup(KB_LOG_INFO, KB_LOG_TEXT, stream);
    KB_LOG(KB_LOG_INFO, "e", (), "%s", "m");
    expect("m\n");
    assert_int_equal(kb_log_format(), KB_LOG_TEXT);
}

static void
test_levels(void **state)
{
    (void) state;
    for (int level = 0; level < KB_LOG_LEVEL_MAX_; level++) {
        kb_log_setup((enum kb_log_level) level, KB_LOG_LOGFMT, stream);
        for (int at = 0; at < KB_LOG_LEVEL_MAX_; at++) {
            long before = ftell(stream);
            assert_int_equal(kb_log_enabled((enum kb_log_level) at), at <= level);
            KB_LOG((enum kb_log_level) at, "e", (), "%s", "m");
            kb_log((enum kb_log_level) at, "e", NULL, 0, "%s", "m");
            assert_int_equal(ftell(stream) > before, at <= level);
        }
    }
}

static void
test_journal(void **state)
{
    static const char *const want[] = {"<3>m\n", "<4>m\n", "<6>m\n", "<7>m\n"};

    (void) state;
    assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
    kb_log_setup(KB_LOG_DEBUG, KB_LOG_TEXT, stream);
    for (int level = 0; level < KB_LOG_LEVEL_MAX_; level++) {
        KB_LOG((enum kb_log_level) level, "e", (), "%s", "m");
        expect(want[level]);
    }
    kb_log_setup(KB_LOG_DEBUG, KB_LOG_LOGFMT, stream);
    KB_LOG(KB_LOG_INFO, "e", (), "%s", "m");
    expect("level=info event=e msg=m\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static const char *const hostile[] = {
    "a\nlevel=error event=forged run=x msg=y",
    "a\r\n<3>forged",
    "\" event=forged \"",
    "x\" forged=\"1",
    "x\\\" forged=1",
    "x\\",
    "\",\"forged\":\"1",
    "{\"a\":1}",
    "\x1b]0;title\x07",
    "\x7f\x01\x02",
    "\xc2\x85next line",
    "\xe2\x80\xa8line separator",
    "adm\xe2\x80\xaenimda",
    "zero\xe2\x80\x8bwidth",
    "\xff\xfe\xc3",
    "\xed\xa0\x80",
    "a) (forged=1",
    "a=b",
    "a, b",
    "",
    " ",
};

static void
test_no_line_can_be_forged(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(hostile); i++) {
        for (int format = 0; format < KB_LOG_FORMAT_MAX_; format++) {
            kb_log_run("r1");
            kb_log_setup(KB_LOG_INFO, (enum kb_log_format) format, stream);
            KB_LOG(KB_LOG_INFO, "e", (KB_F("name", hostile[i]), KB_FN("n", 1)), "about %s", hostile[i]);
            assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
            for (const char *p = text; p[1]; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                    fail_msg("row %zu, format %d: a control byte came through", i, format);
            assert_null(strstr(text, "\xc2\x85"));
            assert_null(strstr(text, "\xe2\x80"));
            again();
        }
    }
}

/* What a reader of logfmt takes out of a line for `key`; unescaped. */
static void
logfmt_value(const char *line, const char *key, char *ret)
{
    size_t key_len = strlen(key);

    while (*line && *line != '\n') {
        bool wanted = strncmp(line, key, key_len) == 0 && line[key_len] == '=';
        char *to = wanted ? ret : NULL;
        line = strchr(line, '=');
        assert_non_null(line);
        if (*++line == '"') {
            for (line++; *line != '"'; line++) {
                line += *line == '\\';
                assert_int_not_equal(*line, '\0');
                if (to)
                    *to++ = *line;
            }
            line++;
        } else {
            for (; *line && *line != ' ' && *line != '\n'; line++)
                if (to)
                    *to++ = *line;
        }
        if (to) {
            *to = '\0';
            return;
        }
        line += *line == ' ';
    }
    fail_msg("no %s", key);
}

static void
test_machines_read_back_what_was_said(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(hostile); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf want = KB_BUF_INIT(1000);
        struct json_object *obj = NULL;
        struct kb_error err = {0};
        const char *got = NULL;
        char value[1000];
        int64_t n = 0;

        kb_buf_add_visible(&want, hostile[i]);
        kb_log_setup(KB_LOG_INFO, KB_LOG_LOGFMT, stream);
        KB_LOG(KB_LOG_INFO, "e", (KB_F("name", hostile[i]), KB_FN("n", 1)), "about %s", hostile[i]);
        logfmt_value(text, "name", value);
        assert_string_equal(value, kb_buf_str(&want));
        logfmt_value(text, "n", value);
        assert_string_equal(value, "1");
        again();
        kb_log_setup(KB_LOG_INFO, KB_LOG_JSON, stream);
        KB_LOG(KB_LOG_INFO, "e", (KB_F("name", hostile[i]), KB_FN("n", 1)), "about %s", hostile[i]);
        assert_int_equal(kb_json_parse(text, strlen(text), &obj, &err), 0);
        assert_int_equal(kb_json_str(obj, "", "name", KB_JSON_REQUIRED, &got, &err), 0);
        assert_string_equal(got, kb_buf_str(&want));
        assert_int_equal(kb_json_i64(obj, "", "n", KB_JSON_REQUIRED, &n, &err), 0);
        assert_int_equal(n, 1);
        json_object_put(obj);
        again();
    }
}

static void
test_long_values_are_cut(void **state)
{
    char big[10001];

    (void) state;
    for (size_t i = 0; i + 1 < sizeof(big); i += 2)
        memcpy(big + i, "\xc3\xa9", 2);
    big[10000] = '\0';
    for (int format = 0; format < KB_LOG_FORMAT_MAX_; format++) {
        kb_log_setup(KB_LOG_INFO, (enum kb_log_format) format, stream);
        KB_LOG(KB_LOG_INFO, "e", (KB_F("a", big), KB_F("last", "end")), "x%s", big);
        assert_in_range(strlen(text), 4000, 5000);
        assert_non_null(strstr(text, "\xc3\xa9\xe2\x80\xa6")); /* marked as cut */
        assert_non_null(strstr(text, "end"));
        assert_null(strstr(text, "\\x")); /* no character was cut in two */
        again();
    }
}

static void
test_the_run_id_cannot_overflow(void **state)
{
    char big[1000];

    (void) state;
    memset(big, 'r', sizeof(big) - 1);
    big[999] = '\0';
    kb_log_run(big);
    kb_log_setup(KB_LOG_INFO, KB_LOG_LOGFMT, stream);
    KB_LOG(KB_LOG_INFO, "e", (), "%s", "m");
    assert_in_range(strlen(text), 80, 120);
}

#define LOGGED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOGGED(test_formats),
        LOGGED(test_levels),
        LOGGED(test_journal),
        LOGGED(test_no_line_can_be_forged),
        LOGGED(test_machines_read_back_what_was_said),
        LOGGED(test_long_values_are_cut),
        LOGGED(test_the_run_id_cannot_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
