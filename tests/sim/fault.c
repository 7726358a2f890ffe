/* tests/sim/fault.c: see fault.h. */
#include "tests/sim/fault.h"

#include "tests/sim/control.h"
#include "tests/sim/record.h"

#include <json-c/json.h>
#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct fault {
    int side; /* -1: both */
    char *method, *path, *substring, *body;
    regex_t re;
    bool has_re, dead;
    int64_t nth, index, times, seen, fired;
    struct act act;
};

const struct act fault_none = {
    .number = -1, .fail_after_ops = -1, .truncate = -1, .truncate_ok = -1, .drip_bytes = 16};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault **faults;
static int nfaults, capfaults;

/* Rules 26, 27 and S19: answers as seen in the wild. Source: databricks-api.md section 3.8,
 * keycloak-api.md 3. */
static const struct preset {
    const char *name, *type, *body, *retry;
    int status;
} presets[] = {
    {"scim_500", "application/scim+json",
     "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"Error in performing the "
     "patch operation on group resource.\",\"status\":\"500\"}",
     NULL, 500},
    {"detail_null", "application/scim+json",
     "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"null\",\"status\":\"500\"}",
     NULL, 500},
    {"throttled_429", "application/json",
     "{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"Too many requests\"}", "1", 429},
    {"throttled_500", "application/scim+json",
     "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"REQUEST_LIMIT_EXCEEDED: "
     "Workspace 1234 exceeded the concurrent limit of 4 requests.\",\"status\":\"500\"}",
     NULL, 500},
    {"platform_504", "application/json",
     "{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"The service at "
     "/api/2.0/preview/scim/v2/Groups is taking too long to process your request. Please try again later or "
     "try a faster operation. [TraceId: 00-5f]\"}",
     NULL, 504},
    {"platform_403", "application/json",
     "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"This API is only accessible by admins\"}", NULL,
     403},
    {"numeric_403", "application/json", "{\"error_code\":403,\"message\":\"Invalid access token.\"}", NULL,
     403},
    {"plain_500", "text/plain", "INTERNAL_ERROR: something broke", NULL, 500},
    {"api12_400", "application/json", "{\"error\":\"bad request\"}", NULL, 400},
    {"html_503", "text/html", "<html><body><pre>503 Service Unavailable</pre></body></html>", NULL, 503},
    {"empty_502", "", "", NULL, 502},
    {"html_200", "text/html",
     "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>", NULL, 200},
    {"empty_200", "application/json", "", NULL, 200},
    {"unknown_500", "application/json",
     "{\"error\":\"unknown_error\",\"error_description\":\"For more on this error consult the server log.\"}",
     NULL, 500},
    {"bare_503", "", "", NULL, 503},
    {"token_throttled", "application/json",
     "{\"error\":\"invalid_request\",\"error_description\":\"Temporarily throttled, too many requests\"}",
     NULL, 429},
    {"unauthorized_401", "application/json", "{\"error\":\"HTTP 401 Unauthorized\"}", NULL, 401},
};

static bool
word(struct act *a, const char *w)
{
    if (strcmp(w, "reset") == 0)
        a->ending = END_RESET;
    else if (strcmp(w, "close_before_headers") == 0 || strcmp(w, "close") == 0)
        a->ending = END_CLOSE;
    else if (strcmp(w, "hang") == 0)
        a->ending = END_HANG;
    else if (strcmp(w, "empty_list") == 0)
        a->empty_list = true;
    else if (strcmp(w, "repeat_page") == 0)
        a->repeat_page = true;
    else if (strcmp(w, "gzip") == 0)
        a->gzip = true;
    else {
        for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
            if (strcmp(w, presets[i].name) == 0) {
                a->status = presets[i].status;
                str_set(&a->body, presets[i].body);
                str_set(&a->content_type, presets[i].type);
                str_set(&a->retry_after, presets[i].retry);
                return true;
            }
        return false;
    }
    return true;
}

static bool
apply_then(struct act *a, json_object *v)
{
    a->apply = true;
    if (json_object_is_type(v, json_type_string))
        return word(a, json_object_get_string(v));
    a->status = json_object_get_int(v);
    str_set(&a->body, "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"Max "
                      "retries exhausted with RPC\",\"status\":\"500\"}");
    return true;
}

static bool
field(struct act *a, const char *key, json_object *v)
{
    const char *s = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
    int64_t n = json_object_get_int64(v);

    struct {
        const char *key;
        int *i;
        long *l;
        bool *b;
        char **t;
    } table[] = {
        {"status", &a->status},
        {"drop_rows", &a->drop_rows},
        {"dup_rows", &a->dup_rows},
        {"stale_reads", &a->stale_reads},
        {"delay_ms", &a->delay_ms},
        {"drip_ms", &a->drip_ms},
        {"drip_bytes", &a->drip_bytes},
        {"fail_after_ops", &a->fail_after_ops},
        {"truncate", .l = &a->truncate},
        {"truncate_ok", .l = &a->truncate_ok},
        {"pad", .l = &a->pad},
        {"flip_back", .b = &a->flip_back},
        {"gzip", .b = &a->gzip},
        {"empty_list", .b = &a->empty_list},
        {"apply", .b = &a->apply},
        {"repeat_page", .b = &a->repeat_page},
        {"retry_after", .t = &a->retry_after},
        {"content_type", .t = &a->content_type},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(key, table[i].key) != 0)
            continue;
        if (table[i].i != NULL)
            *table[i].i = (int) n;
        else if (table[i].l != NULL)
            *table[i].l = (long) n;
        else if (table[i].b != NULL)
            *table[i].b = json_object_get_boolean(v);
        else
            str_set(table[i].t, json_object_get_string(v));
        return true;
    }
    if (strcmp(key, "apply_then") == 0)
        return apply_then(a, v);
    if (strcmp(key, "preset") == 0 || strcmp(key, "end") == 0)
        return s != NULL && word(a, s);
    if (strcmp(key, "body") == 0) {
        str_set(&a->body, s != NULL ? s : json_object_to_json_string_ext(v, JSON_C_TO_STRING_NOSLASHESCAPE));
        return true;
    }
    if (strcmp(key, "hook") == 0) {
        str_set(&a->hook, json_object_to_json_string_ext(v, JSON_C_TO_STRING_NOSLASHESCAPE));
        return true;
    }
    if (strcmp(key, "when") == 0) {
        a->hook_first = s != NULL && strcmp(s, "before") == 0;
        return true;
    }
    if (strcmp(key, "headers") == 0 && json_object_is_type(v, json_type_object)) {
        json_object_object_foreach(v, name, val)
        {
            if (a->nheaders < MAX_EXTRA) {
                a->header[a->nheaders] = xdup(name);
                a->value[a->nheaders++] = xdup(json_object_get_string(val));
            }
        }
        return true;
    }
    /* "reset": true and the like */
    return json_object_is_type(v, json_type_boolean) && word(a, key);
}

static char *
parse_match(struct fault *f, json_object *m)
{
    static const char *const known[] = {"method", "path", "path_regex", "substring",
                                        "body",   "nth",  "index",      "times"};
    json_object_object_foreach(m, key, val)
    {
        (void) val;
        bool ok = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            ok = ok || strcmp(known[i], key) == 0;
        if (!ok)
            return xfmt("unknown match field '%s'", key);
    }
    f->method = xdup(json_text(m, "method"));
    f->path = xdup(json_text(m, "path"));
    f->substring = xdup(json_text(m, "substring"));
    f->body = xdup(json_text(m, "body"));
    f->nth = json_int(m, "nth", 1);
    f->index = json_int(m, "index", 0);
    f->times = json_int(m, "times", 1);
    const char *re = json_text(m, "path_regex");
    if (re != NULL) {
        if (regcomp(&f->re, re, REG_EXTENDED | REG_NOSUB) != 0)
            return xfmt("bad path_regex '%s'", re);
        f->has_re = true;
    }
    return NULL;
}

static void
fault_drop(struct fault *f)
{
    struct act *a = &f->act;
    free(f->method), free(f->path), free(f->substring), free(f->body);
    if (f->has_re)
        regfree(&f->re);
    free(a->body), free(a->content_type), free(a->retry_after), free(a->hook);
    for (int i = 0; i < a->nheaders; i++) {
        free(a->header[i]);
        free(a->value[i]);
    }
    free(f);
}

static struct fault *
parse_fault(json_object *o, char **err)
{
    struct fault *f = xalloc(sizeof *f);
    f->act = fault_none;
    const char *side = json_text(o, "side");
    f->side = side == NULL ? -1 : strcmp(side, "kc") == 0 ? SIDE_KC : SIDE_DBX;
    json_object *m = NULL, *d = NULL;
    f->nth = f->times = 1;
    if (json_object_object_get_ex(o, "match", &m))
        *err = parse_match(f, m);
    if (*err == NULL && !json_object_object_get_ex(o, "do", &d))
        *err = xdup("a fault needs \"do\"");
    if (*err == NULL && json_object_is_type(d, json_type_string) && !word(&f->act, json_object_get_string(d)))
        *err = xfmt("unknown fault '%s'", json_object_get_string(d));
    if (*err == NULL && json_object_is_type(d, json_type_object)) {
        json_object_object_foreach(d, key, val)
        {
            if (*err == NULL && !field(&f->act, key, val))
                *err = xfmt("unknown fault field '%s'", key);
        }
    }
    if (*err == NULL)
        return f;
    fault_drop(f);
    return NULL;
}

bool
fault_add(const char *json, char **err)
{
    json_object *list = json_parse(json);
    *err = NULL;
    if (list == NULL || !json_object_is_type(list, json_type_array)) {
        *err = xdup("want a JSON list of faults");
        json_object_put(list);
        return false;
    }
    size_t n = json_object_array_length(list);
    struct fault **made = xalloc((n + 1) * sizeof(struct fault *));
    size_t k = 0;
    while (k < n && (made[k] = parse_fault(json_object_array_get_idx(list, k), err)) != NULL)
        k++;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < k; i++) {
        if (*err != NULL) {
            fault_drop(made[i]);
            continue;
        }
        faults = xgrow(faults, nfaults + 1, &capfaults, sizeof(struct fault *));
        made[i]->act.number = nfaults;
        faults[nfaults++] = made[i];
    }
    pthread_mutex_unlock(&lock);
    free(made);
    json_object_put(list);
    return *err == NULL;
}

void
fault_clear(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nfaults; i++)
        faults[i]->dead = true;
    pthread_mutex_unlock(&lock);
}

static bool
matches(const struct fault *f, const struct req *r)
{
    if ((f->side >= 0 && f->side != (int) r->side) ||
        (f->method != NULL && strcmp(f->method, r->method) != 0))
        return false;
    if (f->path != NULL && strcmp(f->path, r->path) != 0)
        return false;
    if (f->substring != NULL && strstr(r->uri, f->substring) == NULL)
        return false;
    if (f->body != NULL && (r->body.p == NULL || strstr(r->body.p, f->body) == NULL))
        return false;
    if (f->index > 0 && rec_side_number(r->rec) < f->index)
        return false;
    return !f->has_re || regexec(&f->re, r->uri, 0, NULL, 0) == 0;
}

/* Every fault counts its matches; the first one that is due acts. */
const struct act *
fault_match(const struct req *r)
{
    const struct act *found = &fault_none;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nfaults; i++) {
        struct fault *f = faults[i];
        if (f->dead || !matches(f, r))
            continue;
        f->seen++;
        if (found != &fault_none || f->seen < f->nth || (f->times >= 0 && f->fired >= f->times))
            continue;
        f->fired++;
        found = &f->act;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void
fault_dump(struct buf *out)
{
    pthread_mutex_lock(&lock);
    buf_lit(out, "[");
    bool first = true;
    for (int i = 0; i < nfaults; i++) {
        if (faults[i]->dead)
            continue;
        buf_f(out, "%s{\"fault\":%d,\"seen\":%lld,\"fired\":%lld}", first ? "" : ",", i,
              (long long) faults[i]->seen, (long long) faults[i]->fired);
        first = false;
    }
    buf_lit(out, "]\n");
    pthread_mutex_unlock(&lock);
}
