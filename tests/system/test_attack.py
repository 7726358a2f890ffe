"""What an attacker and a lying server found on 2026-11-24, each once more."""

import sqlite3
import subprocess

import pytest
from keybricks import World


def company(stage, **settings):
    world = World()
    for name in ("ann", "ben", "cyd", "dan"):
        world.user(name, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world, **settings)
    at.sync()
    return at


def behind_our_back(at, statement):
    """Changes the journal as somebody with the host would: triggers off, a statement, the same triggers on again."""
    path = at.state / "acme.db"
    with sqlite3.connect(path) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
        for _, sql in triggers:
            db.execute(sql)
    db.close()


@pytest.mark.parametrize("statement", ["UPDATE audit SET body = '{}' WHERE seq = 2", "DELETE FROM audit WHERE seq = 4",
                                       "DELETE FROM audit WHERE seq <= 5", "DELETE FROM audit"])
def test_a_broken_chain_ends_sync_before_the_first_request(stage, statement):
    at = company(stage)
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "dan"})
    behind_our_back(at, statement)
    at.forget()
    at.sync(code=8)
    assert not at.log()
    assert at.run("audit", "verify", code=8)
    assert at.run("status", code=8)


def test_the_same_approval_is_not_given_twice(stage):
    at = company(stage, guards={"max_removals_total": 0})
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "dan"})
    at.sync(code=3)
    held = str(at.state / "acme.held.plan")
    words = ("approve", held, "--guard", "max_removals_total", "--reason", "the contract ended")
    at.run(*words)
    assert "approved already" in at.run(*words, code=64).err
    at.sync()
    assert at.members("ml") == {"ann", "ben", "cyd"}


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_a_group_selector_that_fits_nothing_is_said(stage, command):
    result = company(stage).run(command, "--group", "mll")
    assert "--group mll fits none of the 1 managed groups" in result.err
    assert "Nothing to do in what was selected." in result.out


def test_a_listing_that_lookups_disprove_is_a_doubt(stage):
    world = World()
    for name in ("ann", "ben", "new"):
        world.user(name, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", "ann", "ben")
    at = stage(world)
    at.fault("empty_list", side="dbx", path_regex="/Users[?]", times=-1)
    result = at.run("plan", code=7)
    assert "stand in no listing" in result.err


def test_a_closed_stdout_is_an_error_and_takes_no_file_in(stage):
    at = company(stage)
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *at.command("sync")], stderr=subprocess.PIPE, text=True, check=False,
                          env=at.environment(), cwd=at.dir)
    assert done.returncode == 1, done.stderr


def test_markdown_is_refused_before_anything_is_read(stage):
    at = company(stage)
    at.forget()
    at.run("plan", "--format", "markdown", code=64)
    assert not at.log()
