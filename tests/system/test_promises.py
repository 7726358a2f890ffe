"""Promises that only the whole program can break, each seen broken by a mutant (tests/mutants)."""

import json
import time

import pytest
from keybricks import COUNTS, OPEN, World

WAIT_S = 30


def company(people=3):
    world = World()
    world.users("p", people, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    return world


# ---- an intent is durable before its request leaves ----

@pytest.mark.parametrize("do", ["hang", {"apply_then": "hang"}], ids=["not-done", "done"])
def test_a_run_killed_while_its_patch_is_away_left_the_intent(stage, do):
    at = stage(company())
    at.fault(do, "dbx", method="PATCH")
    run = at.start("sync")
    late = time.monotonic() + WAIT_S
    while not at.writes_seen():
        assert run.poll() is None and time.monotonic() < late, "no PATCH arrived"
    run.kill()
    run.communicate()
    intent, = at.audit("intent")
    assert intent["body"]["add"] == sorted(at.world.ids[name] for name in ("p000", "p001", "p002"))
    assert at.audit("outcome") == []
    at.calm()
    at.sync()
    assert at.members("ml") == {"p000", "p001", "p002"}
    assert at.results() == (["applied"] if do != "hang" else ["rejected", "applied"])  # resolved by reading, never guessed
    at.assert_settled()


# ---- absence needs proof from the person's side ----

@pytest.mark.parametrize("rule,lie", [({"role": "ml"}, r"/roles/ml/users"), ({"path": "/ml"}, r"/groups/[^/]+/members")],
                         ids=["role", "group"])
def test_a_list_that_hides_people_is_contradicted_by_their_own_record(stage, rule, lie):
    world = World()
    world.users("p", 3, **{"roles": ["ml"]} if "role" in rule else {"groups": ["/ml"]})
    world.rule(group="ml", **rule)
    world.group("ml")
    world.user("boss", roles=["ops"])
    world.rule(role="ops", group="ops")
    world.group("ops")
    at = stage(world, guards=OPEN)
    at.sync()
    at.fault("empty_list", "kc", path_regex=lie, times=-1)
    result = at.sync(code=None)
    assert at.fired() != [0], "the list did not lie"
    assert at.members("ml") == {"p000", "p001", "p002"} and result.counts["writes"] == 0
    at.assert_converged()


def test_a_contradiction_freezes_the_whole_group_and_no_other(stage):
    """A list that lies about one person is believed about nobody of the group: no addition, no other removal."""
    world = World()
    world.users("p", 6, groups=["/ml"])
    world.users("n", 1)
    world.users("o", 2, groups=["/other"])
    for name in ("ml", "other"):
        world.rule(path=f"/{name}", group=name)
        world.group(name)
    world.paths["/ml"] = {"id": "000000aa-0000-4000-8000-000000000000"}
    at = stage(world, guards=OPEN)
    at.sync()
    before = at.members("ml")
    at.edit({"op": "kc_group_leave", "group": "/ml", "username": "p000"}, {"op": "kc_group_join", "group": "/ml", "username": "n000"},
            {"op": "kc_group_leave", "group": "/other", "username": "o000"})
    at.fault({"drop_rows": 1}, "kc", path_regex="/groups/000000aa-0000-4000-8000-000000000000/members", times=-1)
    result = at.sync(code=7)
    assert at.fired() != [0] and at.members("ml") == before and at.members("other") == {"o001"}, str(result)
    assert result.counts["frozen"] >= 1 and "a person's own record contradicts the lists that decide this group" in result.out
    at.assert_converged()
    assert at.members("ml") == before - {"p000"} | {"n000"}


# ---- a group is read again before it is written ----

def test_a_group_that_moved_after_the_plan_read_it_is_not_written(stage):
    world = company()
    world.stranger("eve")
    at = stage(world)
    at.fault({"hook": [{"op": "dbx_member_add", "group": "ml", "member": "eve@acme.example"}]}, "dbx", method="GET",
             path_regex=f"/Groups/{world.id('ml')}")
    result = at.sync(code=7)
    assert at.writes() == [] and at.members("ml") == {"eve"} and "ml" in result.out + result.err
    at.assert_converged()
    assert at.members("ml") == {"p000", "p001", "p002", "eve"}


# ---- whose plan, whose success ----

def test_a_plan_for_another_host_of_the_same_realm_is_stale(stage):
    at, other = stage(company()), stage(company())
    saved = at.save()
    at.configure(state_dir=str(other.state), targets=[at.target(host=other.sim.info["databricks"])])
    result = at.run("apply", saved, code=6)
    assert at.sim.info["databricks"] in result.message, str(result)
    assert at.writes() == [] and other.writes() == []


@pytest.mark.parametrize("option", [("--group", "ml"), ("--user", "p000"), ("--no-removals",)], ids=" ".join)
def test_a_narrow_run_does_not_end_the_first_run(stage, option):
    """Nothing is to be done for what it looks at, so that it ends 0; whoever decides about the rest is still a person."""
    world = company(1)
    world.dbx_groups["ml"]["members"] = [{"id": world.id("p000")}]
    at = stage(world, guards={"first_run": True})
    assert at.sync(*option).counts == dict.fromkeys(COUNTS, 0)
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    held = at.sync(code=3)
    assert "first_run" in held.out + held.err and at.members("ml") == {"p000"}
    assert json.loads((at.state / "acme.held.plan").read_text())["summary"]["held"] == 1


def test_nobody_is_adopted_while_everything_is_held(stage):
    """Who is adopted may be removed by a later run, so adopting waits for the same person's decision as a write."""
    world = company(2)
    world.dbx_groups["ml"]["members"] = [{"id": world.id("p000")}]
    at = stage(world, guards={"first_run": True})
    at.sync(code=3)
    assert at.audit("adopt") == []
    at.run("apply", at.state / "acme.held.plan")
    at.sync()
    assert [row["body"]["members"] for row in at.audit("adopt")] == [[world.id("p000")]]
