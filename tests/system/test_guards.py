"""Guards (interface.md section 4): each at its limit and one over it, end to end; approvals let exactly one plan through, once."""

import json

import pytest
from keybricks import COUNTS, OPEN, World, entry, later, ops, tripped

def only(**limits):
    """Every guard open but these."""
    return OPEN | limits


def company(people, **rule):
    world = World()
    world.users("p", people, roles=["ml"])
    world.rule(role="ml", group="ml", **rule)
    world.group("ml", *(f"p{i:03}" for i in range(people)))
    return world


def anchored(people, **rule):
    """With a second group that does not change: the first may go empty without a doubt about the whole reading."""
    world = company(people, **rule)
    world.user("anchor", roles=["anchor"])
    world.rule(role="anchor", group="anchor")
    world.group("anchor", "anchor")
    return world


def revoke(at, count, start=0):
    at.edit(*({"op": "kc_role_revoke", "role": "ml", "username": f"p{i:03}"} for i in range(start, start + count)))


def judge(at, guard, over, group=None, writes=True):
    """Plan and sync agree: held and nothing written, or applied and converged."""
    where = (guard, group)
    plan = at.plan()
    assert (where in tripped(plan)) == over, plan["guards"]
    if over:
        assert at.run("plan", "--exit-code", code=3).counts["held"] > 0
        before = at.history()
        result = at.sync(code=3)
        assert guard in result.err + result.out and result.counts["held"] > 0 and at.history() == before
    else:
        result = at.sync()
        assert (result.counts["writes"] > 0) == writes and result.counts["held"] == 0, str(result)
        at.assert_settled()
    return plan


# ---- what limits removals ----

@pytest.mark.parametrize("removals,over", [(3, False), (4, True)])
def test_max_removals_total(stage, removals, over):
    at = stage(company(30), guards=only(max_removals_total=3))
    at.sync()
    revoke(at, removals)
    plan = judge(at, "max_removals_total", over)
    told = {"name": "max_removals_total", "limit": 3, "value": removals, "scope": "run", "unit": "count", "tripped": True}
    assert (told in plan["guards"]) == over


@pytest.mark.parametrize("people,removals,over", [(110, 11, False), (110, 12, True), (20, 10, False), (20, 11, True)],
                         ids=["percent", "percent+1", "floor", "floor+1"])
def test_max_removals_percent(stage, people, removals, over):
    at = stage(company(people), guards=only(max_removals_percent=10))
    at.sync()
    revoke(at, removals)
    judge(at, "max_removals_percent", over)


@pytest.mark.parametrize("people,removals,over", [(40, 10, False), (40, 11, True), (21, 5, False), (21, 6, True)])
def test_group_max_removals_percent(stage, people, removals, over):
    at = stage(company(people), guards=only(group_max_removals_percent=25, group_max_removals_small=0))
    at.sync()
    revoke(at, removals)
    judge(at, "group_max_removals_percent", over, "ml")


@pytest.mark.parametrize("removals,over", [(5, False), (6, True)])
def test_group_max_removals_small(stage, removals, over):
    at = stage(company(20), guards=only(group_max_removals_percent=0, group_max_removals_small=5))
    at.sync()
    revoke(at, removals)
    judge(at, "group_max_removals_small", over, "ml")


@pytest.mark.parametrize("people,over", [(2, False), (3, True)])
def test_never_empty_from(stage, people, over):
    at = stage(anchored(people), guards=only(never_empty_from=3))
    at.sync()
    revoke(at, people)
    judge(at, "never_empty_from", over, "ml")


def test_never_empty_counts_what_other_guards_hold(stage):
    """Three replaced by three others whose additions are held: nobody may go."""
    world = company(3)
    world.users("q", 3)
    at = stage(world, guards=only(never_empty_from=3, max_additions_total=2))
    at.sync()
    revoke(at, 3)
    at.edit(*({"op": "kc_role_grant", "role": "ml", "username": f"q{i:03}"} for i in range(3)))
    assert tripped(at.plan()) == {("max_additions_total", None), ("never_empty_from", "ml")}
    at.forget()
    at.sync(code=3)
    assert at.writes() == [] and len(at.members("ml")) == 3


@pytest.mark.parametrize("second,over", [(2, False), (3, True)])
def test_removal_window_total(stage, second, over):
    at = stage(company(30), guards=only(removal_window_total=5))
    at.sync()
    revoke(at, 3)
    at.sync()
    revoke(at, second, start=3)
    judge(at, "removal_window_total", over)


@pytest.mark.parametrize("second,over", [(4, False), (5, True)])
def test_removal_window_percent(stage, second, over):
    """The base is what is present plus what was removed in the window: 20 % of 50 are 10."""
    at = stage(company(50), guards=only(removal_window_percent=20, removal_window_floor=0))
    at.sync()
    revoke(at, 6)
    at.sync()
    revoke(at, second, start=6)
    judge(at, "removal_window_percent", over)


def test_approved_removals_do_not_fill_the_window(stage):
    at = stage(company(30), guards=only(removal_window_total=5, max_removals_total=4))
    at.sync()
    revoke(at, 5)
    at.sync(code=3)
    at.approve(at.state / "acme.held.plan", "max_removals_total")
    at.sync()
    revoke(at, 3, start=5)
    assert at.sync().counts["remove"] == 3


def test_the_window_ends(stage):
    at = stage(company(30), guards=only(removal_window_total=5))
    at.sync()
    revoke(at, 5)
    at.sync()
    revoke(at, 1, start=5)
    at.sync(code=3)
    assert at.sync(env=later("25h")).counts["remove"] == 1


@pytest.mark.parametrize("min_members,removals,over", [(3, 1, False), (3, 2, True)])
def test_min_members(stage, min_members, removals, over):
    at = stage(company(4, min_members=min_members), guards=only())
    at.sync()
    revoke(at, removals)
    judge(at, "min_members", over, "ml")


def test_min_members_lets_a_small_group_grow(stage):
    world = company(1, min_members=3)
    world.user("ada")
    at = stage(world, guards=only())
    at.sync()
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada"})
    assert at.sync().counts["add"] == 1


@pytest.mark.parametrize("removals,over", [(12, False), (13, True)])
def test_source_shrink_percent(stage, removals, over):
    at = stage(company(60), guards=only(source_shrink_percent=20))
    at.sync()
    revoke(at, removals)
    judge(at, "source_shrink_percent", over)


@pytest.mark.parametrize("removals,over", [(10, False), (11, True)])
def test_source_shrink_floor(stage, removals, over):
    at = stage(company(20), guards=only(source_shrink_percent=20, source_shrink_floor=10))
    at.sync()
    revoke(at, removals)
    judge(at, "source_shrink_percent", over)


@pytest.mark.parametrize("dropped,over", [(4, False), (5, True)])
def test_rules_change_percent(stage, dropped, over):
    world = company(3)
    for i in range(19):
        world.rule(role=f"r{i}", group=f"g{i}")
        world.group(f"g{i}")
    at = stage(world, guards=only(rules_change_percent=20, rules_change_floor=3))
    at.sync()
    revoke(at, 1)
    at.configure(rules=world.rules[:20 - dropped])
    judge(at, "rules_change_percent", over)


@pytest.mark.parametrize("role,over", [("kept", False), ("deleted", True)])
def test_source_object_gone(stage, role, over):
    at = stage(anchored(2), guards=only(source_object_gone=True))
    at.sync()
    if role == "deleted":
        at.edit({"op": "kc_role_delete", "role": "ml"})
    else:
        revoke(at, 2)
    judge(at, "source_object_gone", over, "ml")


# ---- what limits additions ----

def newcomers(at, count):
    for i in range(count):
        at.edit({"op": "kc_user_add", "username": f"n{i:03}", "email": f"n{i:03}@acme.example"},
                {"op": "dbx_user_add", "userName": f"n{i:03}@acme.example"},
                {"op": "kc_role_grant", "role": "ml", "username": f"n{i:03}"})


@pytest.mark.parametrize("additions,over", [(4, False), (5, True)])
def test_max_additions_total(stage, additions, over):
    at = stage(company(3), guards=only(max_additions_total=4))
    at.sync()
    newcomers(at, additions)
    judge(at, "max_additions_total", over)


@pytest.mark.parametrize("additions,over", [(5, False), (6, True)])
def test_max_additions_percent(stage, additions, over):
    at = stage(company(10), guards=only(max_additions_percent=50, max_additions_floor=0))
    at.sync()
    newcomers(at, additions)
    judge(at, "max_additions_percent", over)


def test_max_additions_percent_waits_for_the_first_success(stage):
    world = company(6)
    world.group("ml", "p000")
    at = stage(world, guards=only(max_additions_percent=50, max_additions_floor=0))
    assert at.sync().counts["add"] == 5


@pytest.mark.parametrize("limit,additions,over", [(0, 1, True), (1, 1, False), (1, 2, True)])
def test_privileged_additions(stage, limit, additions, over):
    at = stage(company(3, privileged=True), guards=only(privileged_additions=limit))
    at.sync()
    newcomers(at, additions)
    judge(at, "privileged_additions", over, "ml")


@pytest.mark.parametrize("groups,over", [(2, False), (3, True)])
def test_max_group_creations(stage, groups, over):
    world = World()
    for i in range(groups):
        world.user(f"u{i}", roles=[f"dbx-{i}"])
    world.rule(role_glob="dbx-*", group="{1}", create=True)
    at = stage(world, guards=only(max_group_creations=2))
    judge(at, "max_group_creations", over)


# ---- what doubts the whole reading ----

@pytest.mark.parametrize("people,over", [(3, False), (2, True)])
def test_source_min_users(stage, people, over):
    world = company(people)
    world.group("ml")
    at = stage(world, guards=only(source_min_users=3))
    judge(at, "source_min_users", over)


@pytest.mark.parametrize("roles,over", [(3, False), (2, True)])
def test_source_min_groups(stage, roles, over):
    world = company(2)
    world.group("ml")
    for i in range(roles - 1):
        world.role(f"dbx-{i}")
        world.group(f"g-{i}")
    world.rule(role_glob="dbx-*", group="g-{1}")
    at = stage(world, guards=only(source_min_groups=3))
    judge(at, "source_min_groups", over)


@pytest.mark.parametrize("kind,name,over", [("users", "p000", False), ("users", "ghost", True), ("groups", "/team", False),
                                            ("groups", "/team/ghost", True)])
def test_canary(stage, kind, name, over):
    world = company(2)
    world.group("ml")
    world.path("/team")
    at = stage(world, guards=only(), keycloak={f"canary_{kind}": [name]})
    if not over:
        judge(at, "canary", False)
        return
    assert ("canary", None) in tripped(at.plan())
    at.sync(code=3)
    assert at.history() == []


def test_canary_trips_even_when_it_holds_nothing(stage):
    at = stage(company(2), guards=only(), keycloak={"canary_users": ["ghost"]})
    at.sync(code=3)
    at.run("plan", "--exit-code", code=3)


def test_quarantine_after_failed_runs_and_out_of_it_by_itself(stage):
    at = stage(company(2), guards=only(quarantine=2), run={"tries": 1})
    at.sync()
    at.fault({"status": 503, "body": ""}, "kc", path_regex="/admin/", times=-1)
    at.sync(code=4)
    at.sync(code=4)
    newcomers(at, 1)
    at.run("plan", code=4)
    at.calm()
    assert at.sync().counts["add"] == 1  # the cause was availability, and this reading is clean
    at.assert_settled()


# ---- guards about single members ----

@pytest.mark.parametrize("guard", ["protected_member", "self_check"])
def test_member_guards_drop_and_cannot_be_approved(stage, guard):
    world = company(2)
    if guard == "self_check":
        world.bots.append({"username": "service-account-own", "roles": ["ml"], "groups": [],
                           "attributes": {"databricks_application_id": ["5b1d0d4e-0000-4000-8000-00000000000f"]}})
        at = stage(world)
    else:
        world.user("ada", roles=["ml"])
        at = stage(world, protect={"members": ["ada@acme.example"]})
    at.forget()
    at.sync(code=None)
    assert at.writes() == [] and at.members("ml") == {"p000", "p001"}
    saved = at.save()
    assert at.run("approve", saved, "--guard", guard, "--reason", "ten characters", code=64)
    assert at.run("approve", saved, "--guard", guard, "--group", "ml", "--reason", "ten characters", code=64)
    at.run("apply", saved, code=None)
    assert at.writes() == []


# ---- what a guard leaves alone ----

def test_a_guard_about_additions_does_not_keep_leavers_inside(stage):
    at = stage(company(6), guards=only(max_additions_total=2))
    at.sync()
    revoke(at, 2)
    newcomers(at, 3)
    result = at.sync(code=3)
    assert result.counts == {"add": 0, "remove": 2, "held": 3, "frozen": 0, "writes": 1}


def test_a_group_guard_holds_only_its_group(stage):
    world = company(8)
    world.rule(role="ops", group="ops")
    world.user("ada", roles=["ops"])
    world.user("bob", roles=["ops"])
    world.group("ops", "ada", "bob")
    at = stage(world, guards=only(group_max_removals_small=3))
    at.sync()
    revoke(at, 4)
    newcomers(at, 1)
    at.edit({"op": "kc_role_revoke", "role": "ops", "username": "bob"})
    plan = at.plan()
    assert tripped(plan) == {("group_max_removals_small", "ml")}
    assert entry(plan, "ml")["state"] == "held" and entry(plan, "ops")["state"] == "ready"
    result = at.sync(code=3)
    assert at.members("ops") == {"ada"} and result.counts["remove"] == 1
    assert {f"p{i:03}" for i in range(8)} <= at.members("ml")  # nobody went from the held one


def test_every_tripped_guard_is_listed(stage):
    at = stage(company(30), guards=only(max_removals_total=2, group_max_removals_percent=25, max_additions_total=0))
    at.sync()
    revoke(at, 10)
    newcomers(at, 1)
    wanted = {("max_removals_total", None), ("group_max_removals_percent", "ml"), ("max_additions_total", None)}
    assert tripped(at.plan()) == wanted
    text = at.run("plan").out
    assert all(guard in text for guard, _ in wanted)


def test_there_is_no_force(stage):
    at = stage(company(1))
    for word in ("--force", "--yes", "-f", "-y"):
        at.run("sync", word, code=64)


# ---- approvals ----

def held_by_removals(stage):
    at = stage(company(10), guards=only(max_removals_total=2))
    at.sync()
    revoke(at, 3)
    at.sync(code=3)
    return at, at.state / "acme.held.plan"


def test_an_approval_lets_the_plan_through_once(stage):
    at, held = held_by_removals(stage)
    at.approve(held, "max_removals_total", reason="the team moved to another firm")
    row, = at.audit("approval")
    assert row["body"]["guard"] == "max_removals_total" and row["body"]["reason"] == "the team moved to another firm"
    assert "uid=" in row["body"]["person"]
    result = at.sync()
    assert result.counts == {"add": 0, "remove": 3, "held": 0, "frozen": 0, "writes": 1}
    at.assert_settled()
    # Consumed: the very same difference once more is held again.
    at.edit(*({"op": "dbx_member_add", "group": "ml", "member": f"p{i:03}@acme.example"} for i in range(3)),
            *({"op": "kc_role_grant", "role": "ml", "username": f"p{i:03}"} for i in range(3)))
    at.sync("--refresh", "always")
    revoke(at, 3)
    fresh = json.loads(at.save().read_text())
    assert fresh["fingerprint"] == json.loads(at.run("plan", "--format", "json").out)["fingerprint"]
    at.sync(code=3)


def test_an_approval_is_for_one_plan(stage):
    at, held = held_by_removals(stage)
    at.approve(held, "max_removals_total")
    revoke(at, 1, start=3)
    at.forget()
    at.sync(code=3)
    assert at.writes() == [] and len(at.members("ml")) == 10
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "p003"})
    at.sync()  # the plan that was approved is back, and nobody has used the approval
    assert len(at.members("ml")) == 7


def test_an_approval_expires(stage):
    at, held = held_by_removals(stage)
    at.approve(held, "max_removals_total", "--expires", "30m")
    at.sync(code=3, env=later("31m"))
    assert len(at.members("ml")) == 10
    at.sync(env=later("29m"))
    assert len(at.members("ml")) == 7


def test_an_approval_is_for_one_guard(stage):
    at = stage(company(10), guards=only(max_removals_total=2, group_max_removals_small=2))
    at.sync()
    revoke(at, 3)
    at.sync(code=3)
    held = at.state / "acme.held.plan"
    at.approve(held, "max_removals_total")
    at.sync(code=3)
    assert len(at.members("ml")) == 10
    at.approve(held, "group_max_removals_small", "--group", "ml")
    at.sync()
    assert len(at.members("ml")) == 7


def test_a_group_approval_survives_a_new_hire_elsewhere(stage):
    world = company(8)
    world.rule(role="ops", group="ops")
    world.group("ops")
    world.user("ada")
    at = stage(world, guards=only(group_max_removals_small=3))
    at.sync()
    revoke(at, 4)
    at.sync(code=3)
    at.approve(at.state / "acme.held.plan", "group_max_removals_small", "--group", "ml")
    at.edit({"op": "kc_role_grant", "role": "ops", "username": "ada"})
    at.sync()
    assert len(at.members("ml")) == 4 and at.members("ops") == {"ada"}


def test_apply_uses_an_approval_too(stage):
    at, _ = held_by_removals(stage)
    saved = at.save()
    at.run("apply", saved, code=3)
    assert len(at.members("ml")) == 10
    at.approve(saved, "max_removals_total")
    at.run("apply", saved)
    assert len(at.members("ml")) == 7
    at.assert_settled()


@pytest.mark.parametrize("guard,limits,rule,change", [
    ("group_max_removals_percent", {"group_max_removals_percent": 10}, {}, lambda at: revoke(at, 4)),
    ("never_empty_from", {"never_empty_from": 3}, {}, lambda at: revoke(at, 30)),
    ("min_members", {}, {"min_members": 29}, lambda at: revoke(at, 2)),
    ("privileged_additions", {"privileged_additions": 0}, {"privileged": True}, lambda at: newcomers(at, 1)),
    ("source_object_gone", {"source_object_gone": True}, {}, lambda at: at.edit({"op": "kc_role_delete", "role": "ml"})),
], ids=lambda v: v if isinstance(v, str) else "")
def test_each_group_guard_can_be_approved(stage, guard, limits, rule, change):
    at = stage(anchored(30, **rule), guards=only(**limits))
    at.sync()
    change(at)
    at.sync(code=3)
    held = at.state / "acme.held.plan"
    at.approve(held, guard, code=64)  # a group guard without --group
    at.approve(held, guard, "--group", "another", code=64)
    for name, group in tripped(json.loads(held.read_text())):
        at.approve(held, name, *(("--group", group) if group else ()))
    at.sync()
    at.assert_settled()


@pytest.mark.parametrize("guard,limits,settings,change", [
    ("max_removals_percent", {"max_removals_percent": 1, "max_removals_floor": 0}, {}, lambda at: revoke(at, 2)),
    ("removal_window_total", {"removal_window_total": 1}, {}, lambda at: revoke(at, 2)),
    ("max_additions_total", {"max_additions_total": 1}, {}, lambda at: newcomers(at, 2)),
    ("source_shrink_percent", {"source_shrink_percent": 1, "source_shrink_floor": 0}, {}, lambda at: revoke(at, 2)),
    ("source_min_users", {}, {"source_min_users": 29}, lambda at: revoke(at, 2)),
    ("canary", {}, {}, lambda at: (at.configure(keycloak={"canary_users": ["ghost"]}), newcomers(at, 1))),
], ids=lambda v: v if isinstance(v, str) else "")
def test_each_run_guard_can_be_approved(stage, guard, limits, settings, change):
    at = stage(company(30), guards=only(**limits))
    at.sync()
    at.configure(guards=settings)
    change(at)
    at.sync(code=3)
    held = at.state / "acme.held.plan"
    assert (guard, None) in tripped(json.loads(held.read_text()))
    at.approve(held, guard)
    at.sync()
    if guard != "canary":
        at.assert_settled()


@pytest.mark.parametrize("change,code,word", [
    ({"guard": "no_such_guard"}, 64, "no_such_guard"),
    ({"guard": "max_additions_total"}, 64, "not tripped"),
    ({"reason": "too short"}, 64, "10"),
    ({"reason": ""}, 64, "reason"),
    ({"args": ("--expires", "soon")}, 64, "expires"),
    ({"args": ("--expires", "-1h")}, 64, "expires"),
    ({"args": ("--expires", "0s")}, 64, "expires"),
    ({"plan": "nothing.plan"}, 64, "nothing.plan"),
    ({"plan": "keybricks.conf"}, 64, "plan"),
], ids=str)
def test_approve_refuses(stage, change, code, word):
    at, held = held_by_removals(stage)
    result = at.approve(at.dir / change.get("plan", held), change.get("guard", "max_removals_total"), *change.get("args", ()),
                        code=code, **({"reason": change["reason"]} if "reason" in change else {}))
    assert word in result.message
    assert at.audit("approval") == []
    at.sync(code=3)


def test_approve_needs_guard_and_reason(stage):
    at, held = held_by_removals(stage)
    at.run("approve", held, "--reason", "ten characters", code=64)
    at.run("approve", held, "--guard", "max_removals_total", code=64)
    at.run("approve", code=64)
    assert at.audit("approval") == []


def test_approve_refuses_an_altered_plan(stage):
    at, held = held_by_removals(stage)
    held.write_bytes(held.read_bytes().replace(b'"limit":2', b'"limit":3'))
    at.approve(held, "max_removals_total", code=6)


def test_approvals_are_all_or_nothing(stage):
    at, held = held_by_removals(stage)
    at.approve(held, "max_removals_total", "--guard", "max_additions_total", code=64)
    assert at.audit("approval") == []


def test_dry_runs_do_not_use_approvals_up(stage):
    at, held = held_by_removals(stage)
    at.approve(held, "max_removals_total")
    for command in (("plan",), ("sync", "--dry-run"), ("plan", "--exit-code")):
        at.run(*command, code=None)
    assert at.sync().counts["remove"] == 3
    at.assert_settled()


def test_guard_rows_stand_in_the_journal(stage):
    at, _ = held_by_removals(stage)
    assert "max_removals_total" in [row["body"].get("name", row["body"].get("guard")) for row in at.audit("guard")]
    assert ops(at.plan(), "ml") == {("remove", "revoked", f"p{i:03}", "held") for i in range(3)}
    assert at.run("sync", code=3).counts == dict.fromkeys(COUNTS, 0) | {"held": 3}
