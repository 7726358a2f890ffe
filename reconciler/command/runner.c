#include "base/ban.h"

#include "reconciler/command/runner.h"

#include "reconciler/plan/file.h"

struct both {
    struct command_context *c;
    int (*show)(void *userdata, struct run_target *target, struct kb_error *err);
    void *userdata;
};

static int
on_show(void *userdata, struct run_target *t, struct kb_error *err)
{
    struct both *b = userdata;
    return b->show ? b->show(b->userdata, t, err) : 0;
}

static void
on_shown(void *userdata, struct run_target *t)
{
    struct both *b = userdata;
    if (t->run->opts.command != RUN_PLAN)
        runner_print_result(b->c, t);
    bool quiet = b->c->cli->quiet && t->outcome.code == EXIT_OK && !b->c->config->ephemeral;
    if (t->checkpoint[0] && !quiet) {
        char line[128];
        int n = snprintf(line, sizeof(line), "checkpoint %s\n", t->checkpoint);
        command_print(b->c, line, n > 0 ? (size_t) n : 0);
    }
}

static bool
refresh_from_name(const char *name, enum run_refresh *ret)
{
    static const char *const names[] = {"auto", "always", "never"};
    *ret = RUN_REFRESH_AUTO;
    for (unsigned i = 0; name && i < KB_LEN(names); i++) {
        if (!strcmp(names[i], name)) {
            *ret = (enum run_refresh) i;
            return true;
        }
    }
    return !name;
}

void
runner_execute(struct command_context *c, enum run_command command, struct kb_plan *saved,
               int (*show)(void *userdata, struct run_target *target, struct kb_error *err), void *userdata)
{
    struct both both = {c, show, userdata};
    struct run_opts opts = {.command = command,
                            .groups = c->cli->groups,
                            .users = c->cli->users,
                            .no_removals = c->cli->no_removals,
                            .saved = saved,
                            .quiet = c->cli->quiet,
                            .who = c->cli->command == CLI_EXPLAIN ? c->cli->args[0] : NULL,
                            .show = on_show,
                            .shown = on_shown,
                            .userdata = &both};
    struct kb_error err = {0};
    struct run *run = NULL;
    if (!refresh_from_name(c->cli->refresh, &opts.refresh)) {
        outcome_add(&c->outcome, EXIT_USAGE, "--refresh is auto, always or never");
        return;
    }
    if (opts.refresh == RUN_REFRESH_NEVER && command != RUN_PLAN) {
        outcome_add(&c->outcome, EXIT_USAGE,
                    "--refresh never belongs to plan: what is written is read first");
        return;
    }
    if (run_new(c->config, c->targets, c->targets_len, &opts, &run, &err) < 0) {
        outcome_error(&c->outcome, &err, EXIT_ERROR);
        return;
    }
    run_execute(run);
    outcome_merge(&c->outcome, &run->outcome);
    run_free(run);
}

struct report_opts
runner_report_opts(const struct command_context *c, const struct run_target *t)
{
    return (struct report_opts){.color = !c->cli->output && isatty(STDOUT_FILENO) == 1 && !getenv("NO_COLOR"),
                                .mask_users = c->cli->mask_users,
                                .verbose = c->cli->verbose,
                                .no_ledger = t->no_ledger,
                                .no_ledger_why = t->no_ledger_why,
                                .config_path = c->config_path,
                                .people_max = c->cli->verbose ? 0 : 20};
}

void
runner_print_result(struct command_context *c, struct run_target *t)
{
    if (!t->planned || (c->cli->quiet && t->outcome.code == EXIT_OK))
        return;
    KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX);
    struct kb_error err = {0};
    struct report_opts opts = runner_report_opts(c, t);
    KB_CLEANUP(kb_free) char *held = kb_asprintf("%s/%s.held.plan", c->config->state_dir, t->config->name);
    opts.applied = true;
    if (t->plan.summary.held && t->run->opts.command == RUN_SYNC && !c->config->ephemeral)
        opts.saved_as = held;
    if (report_render(&t->plan, REPORT_TEXT, &opts, &out, &err) < 0)
        outcome_error(&c->outcome, &err, EXIT_ERROR);
    else
        command_print(c, kb_buf_str(&out), out.len);
}
