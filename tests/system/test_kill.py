"""Killed anywhere, stopped, started twice: the next run converges, each intent has one outcome, nobody is wronged."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from keybricks import COUNTS
from reading import END, RIGHT, START, changed, state

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
SYNCS = range(1, 11)  # a run of the world of reading.py makes about a dozen
SENDS = range(1, 34, 2)  # and forty of these


def wait_for(true, seconds=20):
    """Until the simulator says so; asks it again and again, and does not sleep."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"


def end_of(process, seconds=30):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out.decode(), err.decode()


def killed_right(at):
    """After a kill: nothing wrong was done; the next run makes it right; the journal is whole."""
    assert set(at.history()) <= RIGHT
    result = at.sync()
    assert state(at) == END, str(result)
    done = at.history()
    assert set(done) == RIGHT and len(done) == len(RIGHT), done  # each change once
    at.assert_settled()


# ---- at each request ----

@pytest.mark.parametrize("number", range(1, 18))
def test_killed_before_the_answer_of_request(stage, number):
    """Request `number` to Databricks arrives, is done, and is never answered."""
    at = changed(stage)
    at.fault({"apply_then": "hang"}, "dbx", index=number)
    process = at.start("sync")
    wait_for(lambda: at.fired()[0] or process.poll() is not None)
    process.kill()
    end_of(process)
    at.calm()
    killed_right(at)


@pytest.mark.parametrize("number", range(1, 18))
def test_killed_when_request_had_no_effect(stage, number):
    at = changed(stage)
    at.fault("hang", "dbx", index=number)
    process = at.start("sync")
    wait_for(lambda: at.fired()[0] or process.poll() is not None)
    process.kill()
    end_of(process)
    at.calm()
    killed_right(at)


@pytest.mark.parametrize("number", [1, 4, 9, 13, 17, 21])
def test_killed_while_reading_keycloak(stage, number):
    at = changed(stage)
    at.fault("hang", "kc", index=number)
    process = at.start("sync")
    wait_for(lambda: at.fired()[0] or process.poll() is not None)
    process.kill()
    end_of(process)
    at.calm()
    killed_right(at)


# ---- at each step of the database, and at each packet ----

def traced(at, what, *args):
    """The exit status of a run under strace, which injects `what`."""
    env = at.environment()
    if "ASAN_OPTIONS" in env:
        env["ASAN_OPTIONS"] += ":detect_leaks=0"  # LeakSanitizer cannot work under ptrace
    return subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={what}", *at.command(*args)], cwd=at.dir, env=env,
                          capture_output=True, timeout=60, check=False)


@needs_strace
@pytest.mark.parametrize("number", SYNCS)
def test_killed_at_fdatasync(stage, number):
    at = changed(stage)
    assert traced(at, f"fdatasync,fsync:signal=KILL:when={number}", "sync").returncode == -signal.SIGKILL
    killed_right(at)


@needs_strace
@pytest.mark.parametrize("number", SENDS)
def test_killed_at_send(stage, number):
    at = changed(stage)
    assert traced(at, f"sendto,sendmsg:signal=KILL:when={number}", "sync").returncode == -signal.SIGKILL
    killed_right(at)


@needs_strace
@pytest.mark.parametrize("number", [1, 2, 3, 5, 8])
def test_killed_in_the_very_first_run(stage, number):
    """While the database is made."""
    at = changed(stage)
    for path in list(at.state.iterdir()):
        path.unlink()
    traced(at, f"fdatasync,fsync:signal=KILL:when={number}", "sync")
    assert not [row for row in at.history() if row[0] == "remove" and row not in RIGHT]
    at.sync()
    at.assert_settled()
    assert all(END[group] <= at.members(group) for group in END)  # leavers are foreign without a ledger, and stay


@needs_strace
@pytest.mark.parametrize("number", [1, 2, 4, 7, 11, 16, 22, 30, 45, 70])
def test_full_disk_from_write(stage, number):
    """ENOSPC from the nth write to a file on."""
    at = changed(stage)
    done = traced(at, f"pwrite64,ftruncate,fallocate:error=ENOSPC:when={number}+", "sync")
    assert done.returncode == 8 and b"exit 8 state" in done.stderr, done
    killed_right(at)


@needs_strace
def test_full_disk_from_the_start_sends_no_write(stage):
    at = changed(stage)
    assert traced(at, "pwrite64,ftruncate,fallocate:error=ENOSPC:when=1+", "sync").returncode == 8
    assert at.history() == []
    killed_right(at)


# ---- signals that ask ----

@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_signal_in_a_write_ends_with_75_and_its_outcome(stage, which):
    at = changed(stage)
    at.configure(targets=[at.target(concurrency=1)])
    at.fault({"delay_ms": 700}, "dbx", method="PATCH")
    process = at.start("sync")
    wait_for(lambda: at.fired()[0])
    process.send_signal(which)
    code, _, err = end_of(process)
    assert code == 75 and "exit 75 busy" in err, err
    assert 1 <= len(at.writes()) < 3  # what was on its way came to its end, nothing new began
    at.calm()
    killed_right(at)  # and the lock is free


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_a_signal_while_reading_ends_at_once(stage, command):
    at = changed(stage)
    at.fault("hang", "kc", path_regex="/roles")
    process = at.start(command)
    wait_for(lambda: at.fired()[0])
    process.terminate()  # that nobody waits for the answer: test_http_stop.c, whose clock stands still
    code, out, err = end_of(process, 60)
    assert code == 75 and "exit 75 busy" in err, err
    assert "Plan:" not in out and at.writes() == []
    at.calm()
    killed_right(at)


# ---- two at once ----

def test_the_second_at_once_is_busy_and_writes_nothing(stage):
    at = changed(stage)
    at.fault({"delay_ms": 1500}, "kc", path_regex="/roles")
    first = at.start("sync")
    wait_for(lambda: at.fired()[0])
    second = at.sync(code=75)
    assert str(first.pid) in second.message or "lock" in second.message
    assert at.writes() == []
    at.run("plan")  # never waits for a lock
    at.run("status", code=None)
    at.run("history")
    code, _, err = end_of(first)
    assert code == 0, err
    assert state(at) == END
    at.assert_settled()


def test_approve_and_apply_are_busy_too(stage):
    at = changed(stage, guards={"max_removals_total": 0})
    saved = at.save()
    at.fault({"delay_ms": 1500}, "kc", path_regex="/roles")
    first = at.start("sync")
    wait_for(lambda: at.fired()[0])
    at.run("apply", saved, code=75)
    at.approve(saved, "max_removals_total", code=75)
    code, _, err = end_of(first)
    assert code == 3, err


def test_many_at_once_do_each_change_once(stage):
    at = changed(stage)
    processes = [at.start("sync") for _ in range(6)]
    codes = sorted(end_of(process)[0] for process in processes)
    assert set(codes) <= {0, 75} and 0 in codes
    killed_right(at)


def test_a_killed_run_leaves_no_lock_and_is_told_in_the_history(stage):
    at = changed(stage)
    at.fault("hang", "dbx", method="PATCH")
    process = at.start("sync")
    wait_for(lambda: at.fired()[0])
    os.kill(process.pid, signal.SIGKILL)
    end_of(process)
    at.calm()
    run = at.audit("intent")[-1]["run"]
    assert run not in {row["run"] for row in at.audit("outcome")}
    at.sync()
    assert at.run("history", run).out
    assert at.sync().counts == dict.fromkeys(COUNTS, 0) and START != END
