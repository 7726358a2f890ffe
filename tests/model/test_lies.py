"""Reads that lie: after each write a group reads old, then new, then old again. However many such readings, nothing wrong is
written. KEYBRICKS_LIES says how many readings of groups (default 10,000; 100,000 on demand)."""

import os
import pathlib
import random
import shutil
import tempfile

import pytest
from keybricks import MAIL, OPEN, Stage, World

READS = int(os.environ.get("KEYBRICKS_LIES", "10000"))
SEED = int(os.environ.get("KEYBRICKS_SEED", "1"))
GROUPS, PEOPLE = 60, 30


@pytest.fixture
def place():
    where = pathlib.Path(tempfile.mkdtemp(prefix="keybricks-lies-", dir="/dev/shm"))
    yield where
    shutil.rmtree(where)


def test_lying_reads_cause_no_wrong_write(place):
    rng = random.Random(SEED)
    world, held = World(), {}
    people = world.users("p", PEOPLE)
    for number in range(GROUPS):
        world.rule(role=f"r{number}", group=f"g{number}", foreign=rng.choice(("report", "remove")))
        world.group(f"g{number}")
        held[f"g{number}"] = set()
    guards = OPEN | {"max_additions_total": 99999, "source_shrink_percent": 100}
    with Stage(place, world, guards=guards, run={"verify_s": 0, "tries": 1}, snapshot={"max_age_s": 0}) as at:
        at.fault({"stale_reads": 1, "flip_back": True}, "dbx", method="PATCH", times=-1)
        reads, lies, seen = 0, 0, 0
        while reads < READS:
            before = {group: set(names) for group, names in held.items()}
            for _ in range(rng.randint(1, GROUPS)):
                group, name = f"g{rng.randrange(GROUPS)}", rng.choice(people)
                at.edit({"op": "kc_role_revoke" if name in held[group] else "kc_role_grant", "role": "r" + group[1:], "username": name})
                held[group] ^= {name}
            if not any(held.values()):
                continue
            at.forget()
            at.sync(code=None)
            reads += at.kinds("dbx").get("get_group", 0)
            history = at.sim.control("GET", "history")
            lies += 2 * at.kinds("dbx").get("patch_group", 0)
            for one in history[seen:]:
                name = one["member"].removesuffix(MAIL)
                assert (name in held[one["group"]]) == (one["op"] == "add"), f"seed {SEED}: {one}, held before: {before[one['group']]}"
            seen = len(history)
        at.calm()
        at.sync("--refresh", "always", code=None)  # what is still to be read old is read away
        at.sync("--refresh", "always", code=None)
        at.sync("--refresh", "always")
        assert {group: at.members(group) for group in held} == held
        before = at.writes_seen()
        at.sync("--refresh", "always")
        assert at.writes_seen() == before
        print(f"seed {SEED}: {reads} readings of groups, {lies} of them lies, {seen} changes")
        assert lies * 10 > reads  # enough of them
