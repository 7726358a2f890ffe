/* keybricks plan: read, compare, print; --save keeps the plan for apply. */
#include "base/ban.h"

#include "reconciler/command/command.h"
#include "reconciler/command/runner.h"

#include "base/file.h"
#include "reconciler/plan/file.h"

struct planning {
    struct command_context *c;
    enum report_format format;
    struct kb_buf out;
    bool changes, tripped;
};

static int
show(void *userdata, struct run_target *t, struct kb_error *err)
{
    struct planning *p = userdata;
    const struct cli *cli = p->c->cli;
    const struct kb_plan *plan = &t->plan;
    p->changes |=
        plan->summary.add + plan->summary.remove + plan->summary.create_groups + plan->summary.held > 0;
    for (uint32_t i = 0; i < plan->guards_len; i++)
        p->tripped |=
            plan->guards[i].tripped && !plan->guards[i].approved && plan->guards[i].scope != KB_SCOPE_MEMBER;
    if (cli->save) {
        KB_CLEANUP(kb_buf) struct kb_buf bytes = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX);
        int e = kb_plan_write(&t->plan, &bytes, err);
        if (e >= 0)
            e = kb_file_write_atomic(cli->save, kb_buf_str(&bytes), bytes.len, 0600, err);
        if (e < 0)
            return e;
    }
    struct report_opts opts = runner_report_opts(p->c, t);
    opts.saved_as = cli->save;
    return report_render(&t->plan, p->format, &opts, &p->out, err);
}

static int
write_out(struct planning *p, struct kb_error *err)
{
    const struct cli *cli = p->c->cli;
    if (cli->output)
        return kb_file_write_atomic(cli->output, kb_buf_str(&p->out), p->out.len, 0644, err);
    command_print(p->c, kb_buf_str(&p->out), p->out.len);
    return 0;
}

void
command_plan(struct command_context *c)
{
    struct planning p = {.c = c, .format = REPORT_TEXT, .out = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX)};
    struct kb_error err = {0};
    const struct cli *cli = c->cli;
    if (cli->format && !report_format_from_name(cli->format, &p.format)) {
        outcome_add(&c->outcome, EXIT_USAGE, "--format is text, markdown, html, json or csv");
        return;
    }
    if (p.format != REPORT_TEXT && p.format != REPORT_JSON) {
        outcome_add(&c->outcome, EXIT_USAGE,
                    "this version prints text and json; markdown, html and csv are not built yet");
        return;
    }
    if (cli->save && c->targets_len != 1) {
        outcome_add(&c->outcome, EXIT_USAGE, "--save keeps the plan of one target; pick it with --target");
        return;
    }
    runner_execute(c, RUN_PLAN, NULL, show, &p);
    if (p.out.len && write_out(&p, &err) < 0)
        outcome_error(&c->outcome, &err, EXIT_ERROR);
    if (cli->exit_code && p.tripped)
        outcome_add(&c->outcome, EXIT_HELD, "a guard is tripped; a person must decide");
    else if (cli->exit_code && p.changes)
        outcome_add(&c->outcome, EXIT_CHANGES, "changes are pending");
    kb_buf_done(&p.out);
}
