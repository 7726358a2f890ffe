"""Random worlds: the C and a second implementation make the same plan, with the same hashes, in the same bytes.

The driver is KEYBRICKS_PLANNER_DRIVER; KEYBRICKS_WORLDS and KEYBRICKS_SEED change how many worlds and which.
A failure prints the seed: planner_world.make(seed) is the case.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import planner_world  # noqa: E402
from planner_model import LISTS, Model, canonical, sha  # noqa: E402

WORLDS = int(os.environ.get("KEYBRICKS_WORLDS", "2500"))
SEED = int(os.environ.get("KEYBRICKS_SEED", "20261124"))

# What must be in at least one world of a hundred, or the test does not test it. "stuck" comes from apply.
KINDS = [f"{d} {p} {l}" for d in (0, 1) for p in (0, 1) for l in (0, 1) if d + p + l] + \
    ["cause " + c for c in ("granted", "drift_removed", "revoked", "disabled", "deleted", "foreign", "disabled_in_directory")] + \
    [f"directory {witness}, {how}" for witness in ("up", "down", "unwitnessed", "removed") for how in ("linked", "f: id")] + \
    ["directory hides nobody knows whom", "30 managed groups", "no managed group", "40 people", "nobody"] + \
    ["left " + name for name in LISTS if name != "stuck"] + \
    ["guard protected_group", "guard protected_member", "guard self_check", "action create", "action update", "excluded",
     "over 50 operations", "only groups", "only users", "no removals", "look-ups", "read again"]


class Driver:
    def __init__(self):
        path = os.environ.get("KEYBRICKS_PLANNER_DRIVER")
        assert path, "KEYBRICKS_PLANNER_DRIVER does not say where the driver is"
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, w):
        self.process.stdin.write(json.dumps(w, ensure_ascii=False) + "\n")
        self.process.stdin.flush()
        lines = self.process.stdout.readline(), self.process.stdout.readline()
        assert lines[1], f"the driver ended with {self.process.wait()}"
        return lines[0], json.loads(lines[1])


@pytest.fixture(scope="module")
def driver():
    d = Driver()
    yield d
    d.process.stdin.close()
    assert d.process.wait(timeout=30) == 0


def without_notes(left):
    for entries in left.values():
        assert all(set(e) == {"group", "name", "note"} and e["note"] for e in entries), "a note is missing"
    return {k: [[e["group"], e["name"]] for e in v] for k, v in left.items()}


def check(seed, driver, histogram):
    w = planner_world.make(seed)
    line, rest = driver.ask(w)
    got = json.loads(line)
    assert line == canonical(got) + "\n", f"seed {seed}: not canonical"
    digest = got.pop("digest")
    assert digest == sha(canonical(got)), f"seed {seed}: digest"
    got["left_alone"] = without_notes(got["left_alone"])
    model = Model(w)
    want = model.document(got)
    assert got == want, f"seed {seed}"
    rest["reread"].sort()
    assert rest == model.rest(), f"seed {seed}"
    if seed % 4 == 0:
        again, rest_again = driver.ask(planner_world.shuffled(w, seed))
        rest_again["reread"].sort()
        assert (again, rest_again) == (line, rest), f"seed {seed}: the order of answers shows"
    seen = model.seen
    for kind, there in (("over 50 operations", any(len(g["operations"]) > 50 for g in got["groups"])),
                        ("only groups", w["select_groups"] is not None), ("only users", w["select_users"] is not None),
                        ("30 managed groups", len(w["managed"]) >= 30), ("no managed group", not w["managed"]),
                        ("40 people", len(w["users"]) >= 40), ("nobody", not w["users"]),
                        ("no removals", rest["left_out"]), ("look-ups", rest["lookups"]), ("read again", rest["reread"])):
        if there:
            seen.add(kind)
    histogram.update(seen)


def test_random_worlds(driver):
    histogram, start = collections.Counter(), time.monotonic()
    for seed in range(SEED, SEED + WORLDS):
        try:
            check(seed, driver, histogram)
        except AssertionError:
            print(f"FAILED seed {seed}", file=sys.stderr)
            raise
    for kind in KINDS:
        print(f"{histogram[kind]:6} {kind}")
    print(f"{WORLDS} worlds in {time.monotonic() - start:.1f} s, seeds from {SEED}")
    rare = {kind: histogram[kind] for kind in KINDS if histogram[kind] * 100 < WORLDS}
    assert not rare, f"in less than 1 % of the worlds: {rare}"
