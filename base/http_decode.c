#include "base/ban.h"

#include "base/http_decode.h"

#include "base/json.h"
#include "base/str.h"

static int64_t
clamp_life(int64_t seconds)
{
    if (seconds < 1)
        return 1;
    return seconds < KB_HTTP_TOKEN_LIFE_MAX_S ? seconds : KB_HTTP_TOKEN_LIFE_MAX_S;
}

static int64_t
life_of(const struct json_object *answer)
{
    struct kb_error ignored = {0}; /* a type we did not expect is not an error here: it is "unknown" */
    int64_t seconds = 0;
    const char *text = NULL;
    if (kb_json_i64(answer, "", "expires_in", KB_JSON_REQUIRED, &seconds, &ignored) >= 0)
        return clamp_life(seconds);
    if (kb_json_str(answer, "", "expires_in", KB_JSON_REQUIRED, &text, &ignored) >= 0 &&
        kb_parse_i64(text, INT64_MIN, INT64_MAX, &seconds))
        return clamp_life(seconds);
    return KB_HTTP_TOKEN_LIFE_UNKNOWN_S;
}

bool
kb_http_token_spelling(const char *token, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (token[i] <= ' ' || token[i] > '~' || token[i] == '"' || token[i] == '\\' || token[i] == ',')
            return false;
    return size > 0;
}

/* The first byte that is no blank; 0: none. The bytes are not terminated. */
static char
first_byte(const char *body, size_t size)
{
    size_t at = 0;

    while (at < size && memchr(" \t\r\n", body[at], 4))
        at++;
    return at < size ? body[at] : '\0';
}

int
kb_http_decode_token(const char *body, size_t size, struct kb_secret **ret_token, int64_t *ret_life_s,
                     struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *answer = NULL;
    struct kb_error why = {0};
    const char *token = NULL;
    if (kb_json_parse(body, size, &answer, &why) < 0)
        return why.code == KB_E_NOMEM
                   ? kb_fail(err, KB_E_NOMEM, "out of memory")
                   : kb_fail(err, KB_E_PROTOCOL, "the answer is not a JSON document%s",
                             first_byte(body, size) == '<' ? " but '<' (HTML or XML?)" : "");
    if (!json_object_is_type(answer, json_type_object) ||
        kb_json_str(answer, "", "access_token", KB_JSON_REQUIRED, &token, &why) < 0)
        return kb_fail(err, KB_E_PROTOCOL, "the answer has no access_token");

    size_t len = strlen(token);
    int r = 0;
    if (!kb_http_token_spelling(token, len))
        r = kb_fail(err, KB_E_PROTOCOL, "the access_token has bytes that no token may have");
    else
        r = kb_secret_new(token, len, ret_token, err);
    if (r >= 0)
        *ret_life_s = life_of(answer);

    /* json-c overwrites in place when the new text is not longer: its copy of the token is gone too. */
    struct json_object *copy = NULL;
    if (json_object_object_get_ex(answer, "access_token", &copy)) {
        char *zeros = calloc(1, len + 1);
        if (zeros)
            (void) json_object_set_string_len(copy, zeros, (int) len);
        free(zeros);
    }
    return r;
}

static int
digit64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

char *
kb_http_decode_jwt_payload(const char *token, size_t size)
{
    const char *first = memchr(token, '.', size);
    if (!first)
        return NULL;
    const char *begin = first + 1, *end = token + size;
    const char *second = memchr(begin, '.', (size_t) (end - begin));
    if (!second || memchr(second + 1, '.', (size_t) (end - second - 1)) || second == begin)
        return NULL;

    char *ret = malloc((size_t) (second - begin) + 1);
    if (!ret)
        return NULL;
    size_t len = 0;
    unsigned bits = 0, have = 0;
    for (const char *p = begin; p < second; p++) {
        int digit = digit64(*p);
        if (digit < 0) {
            free(ret);
            return NULL;
        }
        bits = (bits << 6 | (unsigned) digit) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            ret[len++] = (char) (bits >> have & 0xff);
        }
    }
    ret[len] = '\0';
    if (len < 2 || ret[0] != '{' || memchr(ret, 0, len) || !kb_utf8_valid(ret, len)) {
        free(ret);
        return NULL;
    }
    return ret;
}
