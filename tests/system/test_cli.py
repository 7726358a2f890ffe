"""The command line: usage errors help, the last line is as documented, silence is silence, secrets are guarded."""

import json
import os
import re
import subprocess

import pytest
from keybricks import KC_SECRET, NAMES, Result, Stage, World, binary

COMMANDS = ["plan", "sync", "apply", "approve", "history", "status", "audit", "config"]


def company():
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    return world


@pytest.fixture
def at(stage):
    return stage(company())


def bare(*args, cwd="/", code=None, **env):
    """The program alone, without a stage."""
    done = subprocess.run([binary(), *args], cwd=cwd, env=Stage.environment(**env), capture_output=True, text=True, timeout=20, check=False)
    result = Result(args, done.returncode, done.stdout, done.stderr)
    assert code is None or result.code == code, str(result)
    return result


# ---- usage ----

@pytest.mark.parametrize("args,word", [
    ((), "help"), (("pln",), "plan"), (("snc",), "sync"), (("statsu",), "status"), (("zzzzzzzz",), "help"),
    (("plan", "--fromat", "json"), "--format"), (("plan", "--refesh", "auto"), "--refresh"), (("sync", "--dry-rum"), "--dry-run"),
    (("plan", "--zzzzzzzz"), "--zzzzzzzz"), (("plan", "-x"), "-x"), (("plan", "--format"), "value"), (("plan", "-c"), "value"),
    (("plan", "--format", "yaml"), "json"), (("status", "--format", "html"), "json"), (("plan", "--refresh", "sometimes"), "always"),
    (("sync", "--refresh", "never"), "never"), (("plan", "--log-format", "xml"), "logfmt"), (("sync", "--save", "x"), "--save"),
    (("plan", "--dry-run"), "--dry-run"), (("plan", "extra"), "extra"), (("sync", "extra"), "extra"), (("apply",), "PLANFILE"),
    (("apply", "a", "b"), "b"), (("approve",), "PLANFILE"), (("audit",), "verify"), (("audit", "vrfy"), "verify"), (("config",), "check"),
    (("config", "chekc"), "check"), (("help", "pln"), "pln"), (("--target", "nobody", "plan"), "nobody"),
    (("--target-index", "1", "plan"), "1"), (("--target-index", "-1", "plan"), "-1"), (("--target-index", "x", "plan"), "x"),
    (("--target", "acme", "--target-index", "0", "plan"), "--target"), (("plan", "--", "extra"), "extra"),
], ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_usage_errors_end_with_64_and_say_what_is_meant(at, args, word):
    result = at.run(*args, code=64)
    assert word in result.message and result.out == "" and result.counts is None
    assert at.log() == []


@pytest.mark.parametrize("args", [
    ("plan", "--group", "ml", "--format", "json"), ("--format", "json", "plan", "--group", "ml"),
    ("--group=ml", "--format=json", "plan"), ("-v", "plan", "--format", "json"), ("plan", "-v", "--format", "json"),
    ("--target", "acme", "plan", "--format", "json"), ("plan", "--target", "acme", "--format", "json"),
    ("plan", "--format", "json", "--target-index", "0"),
], ids=" ".join)
def test_options_stand_before_or_after_the_command(at, args):
    assert at.run(*args).json["summary"]["add"] == 1


def test_c_may_stand_behind_too(at):
    assert bare("plan", "-c", str(at.config), code=0).counts["add"] == 1
    assert bare("plan", "--config", str(at.config), code=0).counts["add"] == 1


def test_where_the_configuration_is_looked_for(at):
    assert bare("plan", KEYBRICKS_CONFIG=str(at.config), code=0).counts["add"] == 1
    assert bare("plan", cwd=at.dir, code=0).counts["add"] == 1
    assert bare("-c", str(at.config), "plan", KEYBRICKS_CONFIG="/nowhere", code=0)
    if not os.path.exists("/etc/keybricks/keybricks.conf"):
        assert "/etc/keybricks/keybricks.conf" in bare("plan", code=78).message


def test_target_index_from_kubernetes(at):
    at.configure(targets=[at.target(), at.target(name="second")])
    assert at.run("plan", "--format", "json", env={"JOB_COMPLETION_INDEX": "1"}).json["target"]["name"] == "second"
    at.run("plan", env={"JOB_COMPLETION_INDEX": "2"}, code=64)


# ---- help and version ----

def test_version():
    result = bare("--version", code=0)
    assert re.fullmatch(r"keybricks \d+\.\d+\.\d+\n", result.out) and result.err == ""


@pytest.mark.parametrize("args", [("--help",), ("-h",), ("help",)])
def test_help_lists_every_command_and_exit_code(args):
    result = bare(*args, code=0)
    assert result.err == "" and all(re.search(rf"^ +{command}\b", result.out, re.M) for command in COMMANDS)
    assert all(re.search(rf"\b{code} {name}\b", result.out) for code, name in NAMES.items())
    assert max(map(len, result.out.splitlines())) <= 120


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command):
    result = bare("help", command, code=0)
    assert result.err == "" and command in result.out.splitlines()[0]
    assert bare(command, "--help", code=0).out == result.out


def test_every_option_of_a_help_is_taken(at):
    for command in ("plan", "sync", "approve", "status", "audit"):
        for option in re.findall(r"--[a-z-]+", bare("help", command, code=0).out):
            result = at.run(command, option, "--help", code=None)
            assert "unknown option" not in result.err and "does not belong" not in result.err, (command, option)


# ---- the last line ----

@pytest.mark.parametrize("args,code", [(("plan",), 0), (("sync",), 0), (("plan", "--exit-code"), 2), (("nonsense",), 64), (("status",), 7),
                                       (("audit", "verify"), 8), (("apply", "nothing.plan"), 64)], ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
def test_last_line(at, form, args, code):
    result = at.run("--log-format", form, *args, code=code)
    line = result.err.splitlines()[-1]
    assert line.startswith("{") == (form == "json")
    counted = args[0] in ("plan", "sync")
    assert (result.counts not in (None, {})) == counted
    if form == "json":
        for line in result.err.splitlines():
            json.loads(line)
    assert len(result.message) > 3


def test_quiet_is_silent_when_all_is_well(at):
    result = at.run("-q", "sync")
    assert (result.out, result.err) == ("", "")
    assert at.members("ml") == {"ada"}
    assert at.run("plan", "-q").out != "" and at.run("plan", "-q").err == ""
    assert at.run("audit", "verify", "-q").out.startswith("ok ")


def test_quiet_speaks_when_something_is_wrong(at):
    at.fault({"status": 503, "body": ""}, "kc", path_regex="/admin/", times=-1)
    at.configure(run={"tries": 1})
    result = at.run("-q", "sync", code=4)
    assert result.err.splitlines()[-1].startswith("keybricks: exit 4 source: ")


def test_no_colour_and_no_progress_without_a_terminal(at):
    result = at.run("sync")
    assert "\x1b" not in result.out + result.err and "\r" not in result.out + result.err


def test_results_on_stdout_everything_else_on_stderr(at):
    result = at.run("plan", "--format", "json")
    json.loads(result.out)
    assert "keybricks: exit" in result.err and "keybricks: exit" not in result.out


@pytest.mark.parametrize("args", [("plan",), ("plan", "--format", "json"), ("config", "example"), ("status",), ("history",)], ids=" ".join)
def test_a_full_stdout_is_an_error(at, args):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(at.command(*args), cwd=at.dir, env=at.environment(), stdout=full, stderr=subprocess.PIPE, timeout=20, check=False)
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize("args", [("plan",), ("sync",), ("config", "example")], ids=" ".join)
def test_a_reader_that_went_away_does_not_kill(at, args):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(at.command(*args), cwd=at.dir, env=at.environment(), stdout=pipe, stderr=subprocess.PIPE, timeout=20, check=False)
    assert done.returncode in (0, 1), done  # not -SIGPIPE
    if args == ("sync",):
        at.assert_converged()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_files_do_no_harm(at, closed):
    """A database must never end up as file descriptor 1 or 2."""
    command = " ".join(map(str, at.command("sync")))
    subprocess.run(["sh", "-c", f"{command} {closed}"], cwd=at.dir, env=at.environment(), capture_output=True, timeout=20, check=False)
    at.assert_converged()
    assert at.members("ml") == {"ada"}


# ---- config ----

def test_config_check_and_show(at):
    assert at.run("config", "check").code == 0
    shown = at.run("config", "show").out
    assert "CANARY" not in shown and KC_SECRET not in shown
    assert "max_removals_total" in shown and str(at.config) + ":" in shown or re.search(r":\d+", shown)
    assert at.log() == []


def test_config_example_is_a_good_configuration(tmp_path):
    text = bare("config", "example", code=0).out
    (tmp_path / "keybricks.conf").write_text(text)
    result = bare("-c", str(tmp_path / "keybricks.conf"), "config", "check")
    assert result.code == 0, str(result)


def test_every_mistake_in_one_go_with_line_and_nearest_key(at):
    text = at.config.read_text()
    lines = text.replace("deadline_s", "deadlin_s").replace('realm = "acme"', "realm = 7").replace("tries = 3", "tries = 99")
    at.config.write_text(lines + "nonsense = true;\n")
    for command in (("config", "check"), ("plan",), ("sync",)):
        result = at.run(*command, code=78)
        for word in ("run.deadlin_s", "deadline_s", "keycloak.realm", "tries", "nonsense"):
            assert word in result.err, result.err
        assert len(re.findall(re.escape(str(at.config)) + r":\d+", result.err)) >= 4
    assert at.log() == []


@pytest.mark.parametrize("content", [None, b"", b"version = 1", b"version = 1;\nversion = 1;", b"{", b"\xff\xfe", b"\0" * 100, b"version = 2;",
                                     b'@include "/etc/passwd"\n'], ids=lambda c: repr(c)[:20])
def test_a_configuration_that_is_none(at, content):
    if content is None:
        at.config.unlink()
    else:
        at.config.write_bytes(content)
    for command in (("config", "check"), ("plan",), ("status",)):
        assert "keybricks.conf" in at.run(*command, code=78).err
    assert at.log() == []


def test_a_configuration_that_is_a_directory(at):
    at.config.unlink()
    at.config.mkdir()
    at.run("plan", code=78)


# ---- secrets ----

SECRETS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "readable-by-others": lambda path: path.chmod(0o604),
    "writable-by-others": lambda path: path.chmod(0o602),
    "directory": lambda path: (path.unlink(), path.mkdir(mode=0o700)),
    "fifo": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
    "huge": lambda path: path.write_text("x" * (1 << 20)),
    "nul-inside": lambda path: path.write_bytes(b"abc\0def"),
}


@pytest.mark.parametrize("break_it", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("side", ["keycloak", "databricks"])
def test_a_bad_secret_file_ends_with_78(at, side, break_it):
    path = at.dir / f"{side}.secret"
    break_it(path)
    for command in ("plan", "sync"):
        result = at.run(command, code=78)
        assert str(path) in result.message
    assert at.writes() == []


def test_a_secret_may_end_with_a_newline(at):
    for name in ("keycloak", "databricks"):
        path = at.dir / f"{name}.secret"
        path.write_text(path.read_text() + "\n")
    at.sync()
    assert at.members("ml") == {"ada"}


def test_a_secret_from_the_environment(at):
    at.configure(keycloak={"secret_file": None, "secret_env": "KC_SECRET"})
    at.sync(env={"KC_SECRET": KC_SECRET})
    assert "KC_SECRET" in at.run("plan", code=78).message
    at.run("plan", code=78, env={"KC_SECRET": ""})


def test_a_secret_as_a_systemd_credential(at):
    at.configure(keycloak={"secret_file": None, "credential": "kc"})
    directory = at.dir / "credentials"
    directory.mkdir()
    (directory / "kc").write_text(KC_SECRET)
    (directory / "kc").chmod(0o400)
    at.sync(env={"CREDENTIALS_DIRECTORY": str(directory)})
    at.run("plan", code=78)


def test_secrets_are_read_at_each_login(at):
    """Rotation needs no restart; here, no more than the next run."""
    at.sync()
    at.edit({"op": "kc_secret", "secret": "fresh-CANARY7"})
    at.run("plan", code=4)
    at.secret("keycloak", "fresh-CANARY7")
    at.run("plan")


def test_proxy_variables_are_ignored_unless_asked_for(at):
    at.sync(env={"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    at.configure(keycloak={"proxy": "env"})
    assert "127.0.0.1" in at.run("plan", env={"http_proxy": "http://127.0.0.1:1"}, code=4).message
