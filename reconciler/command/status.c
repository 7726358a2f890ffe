/* keybricks status: last success, what is held, whether it is fresh. 0 fresh, 3 held, 7 old, 8 broken. */
#include "base/ban.h"

#include "reconciler/command/command.h"

#include "base/clock.h"
#include "base/str.h"
#include "store/journal.h"
#include "store/runs.h"

struct state {
    bool database;
    bool any, success;
    struct store_run last, last_success;
    int64_t failed;
    char cause[32];
    int64_t open_intents;
    struct store_head head;
};

static int
on_last(void *userdata, const struct store_run *run, struct kb_error *err)
{
    struct state *s = userdata;
    (void) err;
    if (!s->any)
        s->last = *run;
    s->any = true;
    return 0;
}

static int
on_intent(void *userdata, int64_t seq, const char *run_id, const char *group_id, const char *group_name,
          const char *body, struct kb_error *err)
{
    int64_t *n = userdata;
    (void) seq, (void) run_id, (void) group_id, (void) group_name, (void) body, (void) err;
    ++*n;
    return 0;
}

static int
read_state(struct command_context *c, const struct config_target *t, struct state *s, struct kb_error *err)
{
    KB_CLEANUP(store) struct store *store = NULL;
    int e = command_store(c, t, STORE_READ, &store, err);
    if (e < 0 || !store)
        return e;
    s->database = true;
    e = store_runs_each(store, 1, on_last, s, err);
    if (e >= 0)
        e = store_run_last_success(store, &s->last_success, &s->success, err);
    if (e >= 0)
        e = store_quarantine_get(store, &s->failed, s->cause, err);
    if (e >= 0)
        e = store_intents_each(store, on_intent, &s->open_intents, err);
    if (e >= 0)
        e = store_journal_verify(store, NULL, &s->head, err);
    return e;
}

/* The worst of what is true; `why` is the sentence. */
static int
judge(const struct command_context *c, const struct state *s, char *why, size_t size)
{
    int64_t now = kb_wall_s(), max = c->config->status_max_age_s;
    if (s->any && s->last.held > 0) {
        (void) snprintf(why, size, "%lld operations are held since the last run; a person must decide",
                        (long long) s->last.held);
        return EXIT_HELD;
    }
    if (!s->success) {
        (void) snprintf(why, size, "no successful run yet");
        return EXIT_PARTIAL;
    }
    int64_t age = now - s->last_success.ended_s;
    if (age < -300) {
        (void) snprintf(why, size, "the last success lies in the future; is the clock right?");
        return EXIT_PARTIAL;
    }
    if (age > max) {
        (void) snprintf(why, size, "the last success is %lld s old, over status.max_age_s = %lld",
                        (long long) age, (long long) max);
        return EXIT_PARTIAL;
    }
    (void) snprintf(why, size, "fresh: the last success is %lld s old", (long long) age);
    return EXIT_OK;
}

static void
add_text(struct kb_buf *b, const struct config_target *t, const struct state *s, const char *why)
{
    char at[KB_TIME_SIZE];
    kb_buf_addf(b, "target %s: %s\n", t->name, why);
    if (s->success)
        kb_buf_addf(b, "  last success   %s  %s  +%lld -%lld  %lld writes\n",
                    kb_time_format(s->last_success.ended_s, at), s->last_success.command,
                    (long long) s->last_success.add, (long long) s->last_success.remove,
                    (long long) s->last_success.writes);
    if (s->any) {
        kb_buf_addf(b, "  last run       %s  %s  ", kb_time_format(s->last.started_s, at), s->last.command);
        if (s->last.exit_code < 0)
            kb_buf_adds(b, "ended early; the next sync resolves what is open\n");
        else {
            kb_buf_addf(b, "exit %d %s: ", s->last.exit_code, exit_name(s->last.exit_code));
            kb_buf_add_visible(b, s->last.message);
            kb_buf_addc(b, '\n');
        }
    }
    if (s->any && s->last.held > 0)
        kb_buf_addf(b, "  held           %lld operations, in %s.held.plan of the state folder\n",
                    (long long) s->last.held, t->name);
    if (s->failed)
        kb_buf_addf(b, "  failed runs    %lld in a row (%s)\n", (long long) s->failed, s->cause);
    if (s->open_intents)
        kb_buf_addf(b, "  open writes    %lld, resolved by the next run\n", (long long) s->open_intents);
    if (s->database)
        kb_buf_addf(b, "  audit chain    ok %lld:%.16s\n", (long long) s->head.size, s->head.hash);
}

static void
add_json(struct kb_buf *b, const struct config_target *t, const struct state *s, int code, const char *why)
{
    char at[KB_TIME_SIZE];
    kb_buf_addf(b,
                "{\"audit\":{\"hash\":\"%s\",\"size\":%lld},\"code\":%d,\"failed_runs\":%lld,\"held\":%lld,"
                "\"last_run\":",
                s->database ? s->head.hash : "", (long long) s->head.size, code, (long long) s->failed,
                s->any ? (long long) s->last.held : 0);
    if (s->any)
        kb_buf_addf(b, "{\"at\":\"%s\",\"code\":%d,\"command\":\"%s\",\"id\":\"%s\"}",
                    kb_time_format(s->last.started_s, at), s->last.exit_code, s->last.command, s->last.id);
    else
        kb_buf_adds(b, "null");
    kb_buf_adds(b, ",\"last_success\":");
    if (s->success)
        kb_buf_addf(b, "{\"at\":\"%s\",\"id\":\"%s\"}", kb_time_format(s->last_success.ended_s, at),
                    s->last_success.id);
    else
        kb_buf_adds(b, "null");
    kb_buf_adds(b, ",\"message\":");
    kb_buf_add_json(b, why);
    kb_buf_addf(b, ",\"open_writes\":%lld,\"target\":\"%s\"}\n", (long long) s->open_intents, t->name);
}

void
command_status(struct command_context *c)
{
    bool json = c->cli->format && !strcmp(c->cli->format, "json");
    if (c->cli->format && !json && strcmp(c->cli->format, "text") != 0) {
        outcome_add(&c->outcome, EXIT_USAGE, "status --format is text or json");
        return;
    }
    KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(1 << 20);
    for (size_t i = 0; i < c->targets_len; i++) {
        struct state s = {0};
        struct kb_error err = {0};
        char why[600];
        int code = EXIT_STATE;
        if (read_state(c, c->targets[i], &s, &err) < 0) {
            code = outcome_code(&err, EXIT_STATE);
            (void) snprintf(why, sizeof(why), "%s", err.msg);
        } else {
            code = judge(c, &s, why, sizeof(why));
        }
        if (json)
            add_json(&out, c->targets[i], &s, code, why);
        else
            add_text(&out, c->targets[i], &s, why);
        outcome_add(&c->outcome, code, "%s: %s", c->targets[i]->name, why);
    }
    command_print(c, kb_buf_str(&out), out.len);
}
