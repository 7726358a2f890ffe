/* keybricks sync and keybricks apply: the two commands that write. */
#include "base/ban.h"

#include "reconciler/command/command.h"
#include "reconciler/command/runner.h"

void
command_sync(struct command_context *c)
{
    if (c->cli->dry_run)
        command_plan(c);
    else
        runner_execute(c, RUN_SYNC, NULL, NULL, NULL);
}

void
command_apply(struct command_context *c)
{
    struct kb_plan saved = {0};
    struct kb_error err = {0};
    if (command_read_plan(c->cli->args[0], &saved, &err) < 0) {
        outcome_error(&c->outcome, &err, EXIT_USAGE);
        kb_plan_done(&saved);
        return;
    }
    const struct config_target *target = NULL;
    for (size_t i = 0; i < c->targets_len; i++)
        if (!strcmp(c->targets[i]->name, kb_plan_str(&saved, saved.target_name)))
            target = c->targets[i];
    if (!target) {
        outcome_add(&c->outcome, EXIT_STALE,
                    "the plan is for target %s, which is not in the configuration or not chosen",
                    kb_plan_str(&saved, saved.target_name));
    } else {
        c->targets[0] = target;
        c->targets_len = 1;
        runner_execute(c, RUN_APPLY, &saved, NULL, NULL);
    }
    kb_plan_done(&saved);
}
