/* keybricks config check | show | example | table. */
#include "base/ban.h"

#include "reconciler/command/command.h"

static const char *
environment(const char *name)
{
    return getenv(name);
}

static void
print_made(struct command_context *c, int (*make)(struct kb_buf *ret))
{
    KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(1 << 20);
    if (make(&out) < 0)
        outcome_add(&c->outcome, EXIT_ERROR, "out of memory");
    else
        command_print(c, kb_buf_str(&out), out.len);
}

static void
check_or_show(struct command_context *c, bool show)
{
    KB_CLEANUP(config) struct config *config = NULL;
    struct config_errors errors = {0};
    struct kb_error err = {0};
    if (config_load(c->config_path, environment, &config, &errors, &err) < 0) {
        for (size_t i = 0; i < errors.len; i++)
            (void) fprintf(stderr, "%s\n", errors.v[i]);
        if (errors.len > 1)
            outcome_add(&c->outcome, EXIT_CONFIG, "%zu errors in %s", errors.len, c->config_path);
        else
            outcome_error(&c->outcome, &err, EXIT_CONFIG);
    } else if (show) {
        KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(64 << 20);
        if (config_show(config, &out) < 0)
            outcome_add(&c->outcome, EXIT_ERROR, "out of memory");
        else
            command_print(c, kb_buf_str(&out), out.len);
    } else {
        char line[160];
        int n = snprintf(line, sizeof(line), "ok: %zu targets, %zu rules, digest %.19s\n",
                         config->targets_len, config->rules.rules_len, config->rules.digest);
        command_print(c, line, n > 0 ? (size_t) n : 0);
    }
    config_errors_done(&errors);
}

void
command_config(struct command_context *c)
{
    const char *what = c->cli->args[0];
    if (!strcmp(what, "check") || !strcmp(what, "show"))
        check_or_show(c, !strcmp(what, "show"));
    else if (!strcmp(what, "example"))
        print_made(c, config_example);
    else if (!strcmp(what, "table"))
        print_made(c, config_table);
    else
        outcome_add(&c->outcome, EXIT_USAGE, "keybricks config check, show, example or table");
}
