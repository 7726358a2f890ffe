/* reconciler/command/runner.h: what plan, sync and apply share: options into a run, its outcome into the
 * context. */
#ifndef KB_COMMAND_RUNNER_H
#define KB_COMMAND_RUNNER_H

#include "reconciler/command/command.h"
#include "reconciler/report/report.h"
#include "reconciler/run.h"

void runner_execute(struct command_context *c, enum run_command command, struct kb_plan *saved,
                    int (*show)(void *userdata, struct run_target *target, struct kb_error *err),
                    void *userdata);

struct report_opts runner_report_opts(const struct command_context *c, const struct run_target *t);

/* Prints the result of sync and apply for one target, and what to type when something is held. */
void runner_print_result(struct command_context *c, struct run_target *t);

#endif
