"""A role or path behind a group that is missing: guard source_object_gone, with the new name where the id tells it."""

import sqlite3

import pytest
from keybricks import OPEN, World, ops, tripped

GUARD = {"guards": OPEN | {"source_object_gone": True}}
HELD = {("source_object_gone", "ml")}


def company(**rule):
    """Two people through the rule, two who are in ml by a rule of their own and stay."""
    world = World()
    for name in ("stays", "stays2"):
        world.user(name, roles=["anchor"])
    world.rule(role="anchor", group="other")
    world.group("other", "stays", "stays2")
    world.rule(**rule)
    world.group(rule["group"])
    return world


def known(at):
    with sqlite3.connect(f"file:{at.state}/acme.db?mode=ro", uri=True) as db:
        return {row for row in db.execute("SELECT managed, name FROM source_object")}


def by_role():
    world = company(role="ml", group="ml")
    for name in ("ada", "bob"):
        world.user(name, roles=["ml"])
    return world, {"op": "kc_role_rename", "role": "ml", "to": "machine; learning"}, "role ml, renamed to machine; learning"


def by_client_role():
    world = company(client_role="portal:ml", group="ml")
    world.client("portal", "ml")
    for name in ("ada", "bob"):
        world.user(name)
        world.people[-1]["clientRoles"] = {"portal": ["ml"]}
    return world, {"op": "kc_role_rename", "client": "portal", "role": "ml", "to": "ml2"}, "role portal:ml, renamed to portal:ml2"


def by_path():
    world = company(path="/data/ml", group="ml")
    world.path("/science")
    for name in ("ada", "bob"):
        world.user(name, groups=["/data/ml"])
    return world, {"op": "kc_group_rename", "group": "/data/ml", "to": "m/l"}, "path /data/ml, renamed to /data/m/l"


def by_moved_path():
    world, _, _ = by_path()
    return world, {"op": "kc_group_move", "group": "/data/ml", "parent": "/science"}, "path /data/ml, renamed to /science/ml"


def by_role_glob():
    world = company(role_glob="dbx-*", group="{1}")
    world.dbx_groups["ml"] = world.dbx_groups.pop("{1}") | {"displayName": "ml"}
    for name in ("ada", "bob"):
        world.user(name, roles=["dbx-ml"])
    return world, {"op": "kc_role_rename", "role": "dbx-ml", "to": "ml"}, "role dbx-ml, renamed to ml"


def by_path_glob():
    world = company(path_glob="/data/*", group="{1}")
    world.dbx_groups["ml"] = world.dbx_groups.pop("{1}") | {"displayName": "ml"}
    world.path("/science")
    for name in ("ada", "bob"):
        world.user(name, groups=["/data/ml"])
    return world, {"op": "kc_group_move", "group": "/data/ml", "parent": "/science"}, "path /data/ml, renamed to /science/ml"


def one_of_several():
    """The glob still matches another role of the group: the ones who had the renamed role would go."""
    world = company(role_glob="dbx-*-*", group="{1}")
    world.dbx_groups["ml"] = world.dbx_groups.pop("{1}") | {"displayName": "ml"}
    world.user("carl", roles=["dbx-ml-a"])
    for name in ("ada", "bob"):
        world.user(name, roles=["dbx-ml-b"])
    return world, {"op": "kc_role_rename", "role": "dbx-ml-b", "to": "x-b"}, "role dbx-ml-b, renamed to x-b"


@pytest.mark.parametrize("case", [by_role, by_client_role, by_path, by_moved_path, by_role_glob, by_path_glob, one_of_several])
def test_renamed(stage, case):
    world, edit, words = case()
    at = stage(world, **GUARD)
    at.sync()
    members = at.members("ml")
    at.forget()
    assert {"ada", "bob"} <= members
    at.edit(edit)
    for _ in range(2):  # it does not forget
        assert tripped(at.plan()) == HELD
        assert f"guard source_object_gone: 1, limit 0 ({words})" in at.run("plan").out
        result = at.sync(code=3)
        assert result.counts["held"] == 2 and at.writes() == [] and at.members("ml") == members
    at.run("approve", str(at.state / "acme.held.plan"), "--guard", "source_object_gone", "--group", "ml", "--reason", "the role is called so now")
    at.sync()
    assert at.members("ml") == members - {"ada", "bob"}
    at.assert_settled()


def test_deleted_has_no_new_name(stage):
    world, _, _ = by_role()
    at = stage(world, **GUARD)
    at.sync()
    at.edit({"op": "kc_role_delete", "role": "ml"})
    assert tripped(at.plan()) == HELD and "guard source_object_gone: 1, limit 0 (role ml)" in at.run("plan").out


def test_one_of_several_is_deleted(stage):
    world, _, _ = one_of_several()
    at = stage(world, **GUARD)
    at.sync()
    at.edit({"op": "kc_role_delete", "role": "dbx-ml-b"})
    assert tripped(at.plan()) == HELD and "guard source_object_gone: 1, limit 0 (role dbx-ml-b)" in at.run("plan").out


def test_what_the_configuration_leaves_out_is_not_missing(stage):
    """exclude.roles is a decision; guard rules_change_percent watches those."""
    world, _, _ = one_of_several()
    at = stage(world, **GUARD)
    at.sync()
    at.configure(exclude={"roles": ["dbx-ml-b"]})
    plan = at.plan()
    assert tripped(plan) == set() and ops(plan, "ml") == {("remove", "revoked", name, "ready") for name in ("ada", "bob")}


def test_a_new_name_that_the_glob_matches_too_is_no_loss(stage):
    world, _, _ = one_of_several()
    at = stage(world, **GUARD)
    at.sync()
    at.edit({"op": "kc_role_rename", "role": "dbx-ml-b", "to": "dbx-ml-c"})
    assert at.sync().counts["writes"] == 0
    assert known(at) == {("other", "anchor"), ("ml", "dbx-ml-a"), ("ml", "dbx-ml-c")}


def test_nobody_loses_anything(stage):
    """The renamed role's holders are in the group by another one: nothing to hold, and nothing to remember."""
    world, edit, _ = one_of_several()
    for person in world.people:
        if person["username"] in ("ada", "bob"):
            person["roles"].append("dbx-ml-a")
    at = stage(world, **GUARD)
    at.sync()
    at.edit(edit)
    assert at.sync().counts["writes"] == 0 and known(at) == {("other", "anchor"), ("ml", "dbx-ml-a")}
    at.edit({"op": "kc_role_revoke", "role": "dbx-ml-a", "username": "ada"})
    at.sync()
    assert "ada" not in at.members("ml")


def test_a_narrow_run_and_a_failed_list_forget_nothing(stage):
    world, edit, words = one_of_several()
    at = stage(world, **GUARD)
    at.sync()
    before = known(at)
    at.edit(edit)
    at.sync("--no-removals")
    at.sync("--group", "other")
    at.fault({"status": 500}, "kc", path_regex="/roles/dbx-ml-a/users", times=-1)
    at.sync(code=7)
    assert known(at) == before
    at.calm()
    assert words in at.run("plan").out
