"""kill -9 at every request and at every commit of a run with thirty writes; then one run again: nothing is lost, nothing is done
twice, each intent has one outcome.

One company lives through all kills: it goes from one state to the other, is killed on the way at the next place, and arrives
in the next run.
"""

import os
import shutil
import signal
import subprocess

import pytest
from keybricks import OPEN, World

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")]
GROUPS = [f"g{i:02}" for i in range(30)]
SENDS, SYNCS = "sendto,sendmsg", "fdatasync,fsync"


class Company:
    """Thirty groups; in each of them somebody leaves and somebody comes, in one PATCH."""

    def __init__(self, stage):
        world = World()
        for name in GROUPS:
            world.user("stay" + name, roles=[name])
            world.user("out" + name, roles=[name])
            world.user("new" + name)
            world.rule(role=name, group=name)
            world.group(name, "stay" + name, "out" + name)
        self.at = stage(world, guards=OPEN | {"quarantine": 100}, run={"tries": 2, "verify_s": 0, "deadline_s": 60})
        self.at.sync()
        self.inside, self.outside, self.done = "out", "new", 0

    def turn(self):
        """To the other state. What must be done for it, each once."""
        self.inside, self.outside = self.outside, self.inside
        self.at.edit(*({"op": op, "role": name, "username": who + name} for name in GROUPS
                       for op, who in (("kc_role_revoke", self.outside), ("kc_role_grant", self.inside))))
        self.at.forget()
        return {(op, name, who + name) for name in GROUPS for op, who in (("add", self.inside), ("remove", self.outside))}

    def arrives(self, right, where):
        """After a kill: nothing wrong was done; the next run does the rest, and nothing twice."""
        halfway = self.at.history()[self.done:]
        assert set(halfway) <= right and len(halfway) == len(set(halfway)), where
        result = self.at.sync()
        done = self.at.history()[self.done:]
        assert set(done) == right and len(done) == len(right), f"{where}: {result}"
        self.done += len(done)
        for name in GROUPS:
            assert self.at.members(name) == {"stay" + name, self.inside + name}, where
        return len(halfway)

    def settles(self):
        """Each intent has its one outcome, the chain verifies, and there is nothing left to write."""
        self.at.assert_settled()

    def traced(self, what):
        env = self.at.environment()
        if "ASAN_OPTIONS" in env:
            env["ASAN_OPTIONS"] += ":detect_leaks=0"  # LeakSanitizer cannot work under ptrace
        command = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", self.at.dir / "trace", *what, *self.at.command("sync")]
        return subprocess.run(command, cwd=self.at.dir, env=env, capture_output=True, timeout=60, check=False)


    def killed_at(self, calls, number):
        """Turned, and killed at that call: before it does anything. False: the run made fewer of them, and came to its end."""
        right = self.turn()
        status = self.traced(["-e", f"inject={calls}:signal=KILL:when={number}"]).returncode
        assert status in (0, -signal.SIGKILL), number
        return self.arrives(right, f"{calls} {number}"), status != 0


def test_at_each_commit(stage):
    company, halves, number, killed = Company(stage), set(), 0, True
    while killed:
        number += 1
        done, killed = company.killed_at(SYNCS, number)
        halves.add(done)
    assert number > 60 and len(halves) > 15, "thirty writes, two commits each"
    company.settles()


def test_at_each_request_from_the_first_write_on(stage):
    """Before: every sixteenth, nothing is under way yet."""
    company = Company(stage)
    right = company.turn()
    assert company.traced(["-e", f"trace={SENDS}"]).returncode == 0
    company.arrives(right, "not killed")
    sent = (company.at.dir / "trace").read_text().splitlines()
    first = next(number for number, line in enumerate(sent, 1) if '"PATCH ' in line)
    halves = set()
    for number in range(1, first, 16):
        assert company.killed_at(SENDS, number) == (0, True)
    for number in range(first, len(sent) + 1):
        halves.add(company.killed_at(SENDS, number)[0])
    assert len(halves) > 15 and len(sent) - first >= 2 * len(GROUPS)
    company.settles()


def test_when_each_write_is_done_and_its_answer_lost(stage):
    company, halves = Company(stage), set()
    for number in range(1, len(GROUPS) + 1):
        right = company.turn()
        company.at.fault({"apply_then": "hang"}, "dbx", method="PATCH", nth=number)
        process = company.at.start("sync")
        while not company.at.fired()[0] and process.poll() is None:
            pass  # asks the simulator again
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        company.at.calm()
        halves.add(company.arrives(right, f"write {number}"))
    assert len(halves) > 15
    company.settles()
