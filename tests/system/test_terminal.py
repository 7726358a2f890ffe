"""On a terminal: colour, but never in a file, and none with NO_COLOR."""

import os
import pty
import subprocess

import pytest
from keybricks import World


def on_terminal(at, *args, **env):
    """What a terminal got on stdout and stderr together."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(at.command(*args), cwd=at.dir, env=at.environment(TERM="xterm", **env), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is gone
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return process.wait(timeout=20), seen.decode()


@pytest.fixture
def at(stage):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    return stage(world)


def test_colour_on_a_terminal_and_signs_all_the_same(at):
    code, text = on_terminal(at, "plan")
    assert code == 0 and "\x1b[" in text and "ada@acme.example" in text and "+" in text


def test_no_color(at):
    code, text = on_terminal(at, "plan", NO_COLOR="1")
    assert code == 0 and "\x1b[3" not in text and "ada@acme.example" in text


def test_an_output_file_is_never_coloured(at):
    on_terminal(at, "plan", "--output", str(at.dir / "report.txt"))
    assert "\x1b" not in (at.dir / "report.txt").read_text()


def test_json_on_a_terminal_is_json(at):
    _, text = on_terminal(at, "-q", "plan", "--format", "json")
    assert text.startswith('{"cost"') and "\x1b[3" not in text
