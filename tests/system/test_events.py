"""Admin events: since when, and by whom. They explain a plan and change nothing else: no operation, no code, no fingerprint."""

import re
import sqlite3

import pytest
from keybricks import World, entry

READER = ["view-users", "view-realm"]
ADMIN = "0adadada-0000-4000-8000-000000000001"  # the simulator's administrator of another realm


def company(permissions=(*READER, "view-events"), **knobs):
    world = World()
    world.permissions, world.knobs = list(permissions), {"events": True} | knobs
    for name in ("ada", "bob", "cyd", "boss"):
        world.user(name)
    world.path("/data/ml")
    world.rule(role="ml", group="ml")
    world.rule(path="/data", group="data", subgroups=True)
    world.group("ml")
    world.group("data")
    return world


def event(plan, group, name):
    """The event of the first reason of somebody's operation, or None."""
    found = [one for one in entry(plan, group)["operations"] if one["principal"]["name"] == f"{name}@acme.example"]
    assert len(found) == 1, (group, name, found)
    return found[0]["reasons"][0].get("event")


def line(result):
    found = re.findall(r"^           admin events: (.+)$", result.out, re.M)
    assert len(found) <= 1, str(result)
    return found[0] if found else None


def asked(at):
    return [row["kind"] for row in at.log("kc") if row["kind"] in ("admin_events", "events_config", "user")]


def test_an_addition_says_who_granted_it_and_when(stage):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"},
            {"op": "kc_group_join", "group": "/data/ml", "username": "bob"})
    plan = at.plan()
    assert event(plan, "ml", "ada")["by"] == "boss"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event(plan, "ml", "ada")["at"])
    assert event(plan, "data", "bob")["by"] == ADMIN  # an administrator of another realm keeps the id
    told = at.run("plan")
    assert line(told) is None
    assert re.search(r"\+ Ada Test +<ada@acme.example> +role ml, direct  \d{4}-\d\d-\d\dT\d\d:\d\dZ by boss$", told.out, re.M)
    assert at.run("plan", "-v").code == 0


@pytest.mark.parametrize("edits", [
    [{"op": "kc_role_grant", "role": "ml", "group": "/data"}],
    [{"op": "kc_role_add", "role": "job"}, {"op": "kc_role_grant", "role": "job", "group": "/data", "by": "cyd"},
     {"op": "kc_composite_add", "role": "job", "child": "ml"}],
], ids=["role to a parent of the group", "role into a composite"])
def test_the_last_act_that_made_the_path_is_the_event(stage, edits):
    world = company()
    world.people[1]["groups"].append("/data/ml")
    at = stage(world)
    edits[-1]["by"] = "boss"
    at.edit(*edits)
    plan = at.plan()
    assert event(plan, "ml", "bob")["by"] == "boss"
    assert event(plan, "data", "bob") is None  # he was in the group before anything was recorded


def test_a_grant_repeated_is_not_the_grant(stage):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "cyd"},
            {"op": "kc_role_revoke", "role": "ml", "username": "ada", "by": "cyd"},
            {"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"},
            {"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "cyd"})
    assert event(at.plan(), "ml", "ada")["by"] == "boss"


@pytest.mark.parametrize("edit, cause, words", [
    ({"op": "kc_role_revoke", "role": "ml", "username": "ada"}, "revoked", r"lost role ml, direct  \S+Z by boss"),
    ({"op": "kc_user_set", "username": "ada", "enabled": False}, "disabled", r"account disabled in Keycloak  \S+Z by boss"),
    ({"op": "kc_user_remove", "username": "ada"}, "deleted", r"user deleted in Keycloak  \S+Z by boss"),
    ({"op": "kc_role_delete", "role": "ml"}, "revoked", r"lost role ml, direct  \S+Z by boss"),
])
def test_a_removal_says_who_took_it_and_not_who_gave_it(stage, edit, cause, words):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "cyd"})
    at.sync()
    at.edit(edit | {"by": "boss"})
    plan = at.plan("--refresh", "always")
    operation = entry(plan, "ml")["operations"][0]
    assert (operation["op"], operation["cause"]) == ("remove", cause)
    assert event(plan, "ml", "ada")["by"] == "boss"
    assert re.search(words, at.run("plan").out)


def test_who_disabled_an_account_is_not_who_wrote_it_again(stage):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada"})
    at.sync()
    at.edit({"op": "kc_user_set", "username": "ada", "enabled": True}, {"op": "kc_user_set", "username": "ada", "enabled": False, "by": "boss"},
            {"op": "kc_user_set", "username": "ada", "lastName": "Changed", "by": "cyd"})
    assert event(at.plan(), "ml", "ada")["by"] == "boss"


@pytest.mark.parametrize("permissions, knobs, words", [
    ((*READER, "view-events"), {"events": False}, "off in this realm; since when and by whom is not known"),
    (READER, {}, "not readable: the account lacks view-events of realm-management"),
    ((*READER, "view-events"), {"events_details": False},
     "0 of 1 changes have one; the others are older than 30 days or not recorded; the realm records no details, so roles are not named"),
])
def test_what_cannot_be_known_is_said_and_changes_nothing(stage, permissions, knobs, words):
    at = stage(company(permissions, **knobs))
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"})
    result = at.run("plan")
    assert line(result) == words
    bare = at.plan()
    assert event(bare, "ml", "ada") is None
    at.edit({"op": "kc_permissions", "permissions": [*READER, "view-events"]})
    at.sim.knobs(events=True, events_details=True)
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"})
    known = at.plan()
    assert event(known, "ml", "ada")["by"] == "boss"
    assert known["fingerprint"] == bare["fingerprint"]
    assert {k: v for k, v in known.items() if k not in ("run", "digest", "groups")} == \
        {k: v for k, v in bare.items() if k not in ("run", "digest", "groups")}


@pytest.mark.parametrize("do", [{"status": 500, "body": "no"}, "scim_500", {"truncate": 40}, {"truncate_ok": 3}, "html_200", "reset",
                                {"status": 400, "body": {"error": "x"}}, {"status": 200, "body": {"a": 1}},
                                {"status": 200, "body": [1, None, {}, {"time": "x"}]}])
@pytest.mark.parametrize("path", ["/admin-events", "/events/config"])
def test_an_answer_that_is_broken_is_a_line_and_one_request(stage, do, path):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"})
    at.sim.control("POST", "faults", [{"side": "kc", "match": {"substring": path, "times": -1}, "do": do}])
    at.forget()
    result = at.sync()
    assert result.counts["add"] == 1 and at.members("ml") == {"ada"}
    assert line(result), str(result)
    sent = [row for row in at.log("kc") if row["path"].endswith(path)]
    assert len(sent) in ((2, 3) if do == "reset" else (1,))  # a kept connection that dies is no answer


def test_nothing_is_asked_where_nothing_changes(stage):
    at = stage(company())
    at.sync()
    at.forget()
    at.plan()
    assert not asked(at)


def test_pages_are_read_until_each_operation_has_its_event(stage):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"})
    noise = [{"op": "kc_group_join" if i % 2 else "kc_group_leave", "group": "/data/ml", "username": "bob"} for i in range(1101)]
    at.edit({"op": "kc_group_join", "group": "/data/ml", "username": "bob"}, *noise)
    at.forget()
    plan = at.plan()
    assert event(plan, "ml", "ada")["by"] == "boss"
    assert asked(at).count("admin_events") == 3
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "cyd", "by": "boss"},
            {"op": "kc_role_revoke", "role": "ml", "username": "ada"})
    at.forget()
    at.edit({"op": "kc_group_leave", "group": "/data/ml", "username": "bob"})
    assert event(at.plan(), "ml", "cyd")["by"] == "boss"
    assert asked(at).count("admin_events") == 1


def test_the_ledger_keeps_who_granted_it(stage):
    at = stage(company())
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada", "by": "boss"})
    at.sync()
    with sqlite3.connect(f"file:{at.state}/acme.db?mode=ro", uri=True) as db:
        assert '"by":"boss"' in "\n".join(db.iterdump())
