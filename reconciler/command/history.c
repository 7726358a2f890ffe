/* keybricks history [RUN]: runs with counts and outcome; one run with each of its audit rows. */
#include "base/ban.h"

#include "reconciler/command/command.h"

#include "base/str.h"
#include "store/journal.h"
#include "store/runs.h"

#define RUNS_SHOWN 50

static int
on_run(void *userdata, const struct store_run *run, struct kb_error *err)
{
    struct kb_buf *b = userdata;
    char at[KB_TIME_SIZE];
    (void) err;
    kb_buf_addf(b, "%s  %-6s  ", kb_time_format(run->started_s, at), run->command);
    if (run->exit_code < 0)
        kb_buf_adds(b, "ended early ");
    else
        kb_buf_addf(b, "%2d %-8s ", run->exit_code, exit_name(run->exit_code));
    kb_buf_addf(b, " +%-5lld -%-5lld held %-5lld frozen %-4lld writes %-4lld %s\n", (long long) run->add,
                (long long) run->remove, (long long) run->held, (long long) run->frozen,
                (long long) run->writes, run->id);
    return 0;
}

static int
on_row(void *userdata, int64_t seq, int64_t ts_s, const char *run_id, const char *kind, const char *body,
       struct kb_error *err)
{
    struct kb_buf *b = userdata;
    char at[KB_TIME_SIZE];
    (void) run_id;
    (void) err;
    kb_buf_addf(b, "%6lld  %s  %-10s ", (long long) seq, kb_time_format(ts_s, at), kind);
    kb_buf_add_visible(b, body);
    kb_buf_addc(b, '\n');
    return 0;
}

static int
one_target(struct command_context *c, const struct config_target *t, struct kb_buf *out, struct kb_error *err)
{
    KB_CLEANUP(store) struct store *store = NULL;
    int e = command_store(c, t, STORE_READ, &store, err);
    if (e < 0)
        return e;
    if (c->targets_len > 1)
        kb_buf_addf(out, "target %s\n", t->name);
    size_t before = out->len;
    if (store && c->cli->args_len)
        e = store_journal_each(store, NULL, c->cli->args[0], 0, INT64_MAX, on_row, out, err);
    else if (store)
        e = store_runs_each(store, RUNS_SHOWN, on_run, out, err);
    if (e >= 0 && out->len == before && c->cli->args_len)
        return kb_fail(err, KB_E_USAGE, "target %s has no run %.60s; keybricks history lists them", t->name,
                       c->cli->args[0]);
    if (e >= 0 && out->len == before)
        kb_buf_adds(out, "no run yet\n");
    return e;
}

void
command_history(struct command_context *c)
{
    KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(64 << 20);
    struct kb_error err = {0};
    int e = 0;
    for (size_t i = 0; e >= 0 && i < c->targets_len; i++)
        e = one_target(c, c->targets[i], &out, &err);
    if (out.failed)
        outcome_add(&c->outcome, EXIT_ERROR, "that run has too many rows to show");
    else
        command_print(c, kb_buf_str(&out), out.len);
    if (e < 0)
        outcome_error(&c->outcome, &err, EXIT_STATE);
}
