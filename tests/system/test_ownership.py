"""What belongs to whom: groups of other provisioners, twins, nested groups, inactive people, and users made by us."""

import pytest
from keybricks import MAIL, OPEN, World, entry, later, left, ops, tripped

COUNT = {"held": 0, "frozen": 0}


def one(stage, *members, people=1, rule=None, settings=None, **group):
    world = World()
    world.users("p", people, roles=["ml"])
    world.rule(role="ml", group="ml", **(rule or {}))
    world.group("ml", *members, **group)
    return stage(world, guards=OPEN, **(settings or {}))


# ---- groups of others ----

def test_a_group_with_an_external_id_is_frozen_until_it_is_adopted(stage):
    at = one(stage, externalId="okta-7")
    at.sync(code=7)
    assert at.writes() == [] and "another provisioner" in at.plan(code=7)["left_alone"]["frozen"][0]["note"]
    at.configure(rules=[at.world.rules[0] | {"adopt_external": True}])
    assert at.sync().counts["add"] == 1
    external, = [g["externalId"] for g in at.sim.control("GET", "state")["groups"] if g["displayName"] == "ml"]
    assert external == "okta-7"  # never written by us
    at.assert_settled()


def test_coming_from_an_entra_connector_adopts_without_a_write(stage):
    """The steps of the manual."""
    at = one(stage, "p000", "p001", "eve", people=2, externalId="entra-7")
    assert "another provisioner" in at.plan(code=7)["left_alone"]["frozen"][0]["note"]
    at.configure(rules=[at.world.rules[0] | {"adopt_external": True}])
    plan = at.plan()
    assert ops(plan) == set() and plan["summary"]["adopt"] == 2 and left(plan, "foreign") == {("ml", "eve")}
    at.sync()
    assert at.writes() == []
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    assert at.sync().counts["remove"] == 1  # ours now
    at.configure(rules=[at.world.rules[0] | {"adopt_external": True, "foreign": "remove"}])
    at.sync("--refresh", "always")
    assert at.members("ml") == {"p001"}


def test_an_external_id_that_appears_between_plan_and_write_stops_the_write(stage):
    """The group is read again just before writing."""
    at = one(stage)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "GET", "substring": at.world.id("ml")}, "do": {
        "hook": [{"op": "dbx_group_set", "group": "ml", "externalId": "okta-9"}]}}])
    at.sync(code=7)
    assert at.writes() == []


def test_a_group_of_automatic_identity_management_is_never_changed(stage):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml", adopt_external=True)
    world.group("ml", externalId="entra-1")
    world.knobs["aim"] = True
    at = stage(world)
    at.sync(code=7)  # hidden from lists: no such group
    assert at.writes() == []
    at.configure(rules=[world.rules[0] | {"create": True}])
    result = at.sync(code=7)
    assert [(method, path) for method, path, _ in at.writes()] == [("POST", "/Groups")]
    assert "externalId" not in at.writes()[0][2] and "automatic identity management" in result.out + result.err
    assert at.members("ml") == set()


def taken_over(stage, create=False, **change):
    """A group of ours that automatic identity management has taken: it has an externalId, and no listing shows it."""
    world = World()
    world.user("ada", roles=["ml"])
    world.user("bob", roles=["ml"])
    world.rule(role="ml", group="ml", adopt_external=True, create=create)
    world.rule(role="ml", group="other")
    world.group("ml")
    world.group("other")
    at = stage(world, guards=OPEN)
    at.sync()
    at.edit({"op": "dbx_group_set", "group": "ml"} | change)
    at.sim.control("POST", "config", {"aim": True})
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "bob"})
    at.forget()
    return at


@pytest.mark.parametrize("create", [False, True])
def test_a_group_that_automatic_identity_management_took_is_named_and_left_alone(stage, create):
    at = taken_over(stage, create, externalId="entra-1")
    note = at.plan(code=7)["left_alone"]["frozen"][0]["note"]
    assert note == "owned by automatic identity management: no listing shows it, but it exists"
    at.sync(code=7)
    assert [path for _, path, _ in at.writes()] == ["/Groups/" + at.world.id("other")]  # neither changed nor made once more
    at.sim.control("POST", "config", {"aim": False})
    at.sync()
    assert at.members("ml") == at.members("other") == {"ada"}  # the ledger has forgotten nothing
    at.assert_settled()


def test_a_group_that_no_listing_shows_is_no_reason_to_make_it(stage):
    at = taken_over(stage, create=True, externalId=None)
    listing = {"schemas": [], "totalResults": 1, "startIndex": 1, "Resources": [
        {"id": at.world.id("other"), "displayName": "other", "meta": {"resourceType": "Group"}}]}
    at.fault({"status": 200, "body": listing}, "dbx", substring="/Groups?", times=-1)
    assert at.plan(code=7)["left_alone"]["frozen"][0]["note"] == "it exists, but no listing shows it"
    at.sync(code=7)
    assert "POST" not in [method for method, _, _ in at.writes()]


def test_a_group_that_is_gone_is_asked_for_until_the_ledger_forgets_it(stage):
    """Not in the minutes after a write: a stale word is no end of a group."""
    at = taken_over(stage)
    at.edit({"op": "dbx_group_delete", "group": "ml"})

    def asks(span):
        at.forget()
        at.sync(code=7, env=later(span))
        return [one["path"].rpartition("/")[2] for one in at.log("dbx", method="GET")].count(at.world.id("ml"))
    assert [asks(span) for span in ("1m", "11m", "12m")] == [1, 1, 0]
    assert at.members("ml") is None


def test_an_external_group_that_takes_no_change_says_whose_it_is(stage):
    """Shown in the listing, adopted by the rule, and refused all the same."""
    at = one(stage, externalId="entra-7", rule={"adopt_external": True})
    at.fault({"status": 400, "body": {"detail": "Group ml cannot be modified.", "status": "400"}}, "dbx", method="PATCH", times=-1)
    result = at.sync(code=7)
    assert "automatic identity management owns it, take it out of the rules" in result.out and "cannot be modified" in result.out
    assert len(at.writes()) == 1


@pytest.mark.parametrize("exact", [True, False])
def test_a_twin_in_other_letters_is_ignored_or_freezes(stage, exact):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml", create=True)
    world.group("ML", "eve")
    if exact:
        world.group("ml")
    at = stage(world)
    at.sync(code=0 if exact else 7)
    assert at.members("ML") == {"eve"} and at.members("ml") == ({"ada"} if exact else None)


def test_two_groups_of_one_name_freeze(stage):
    at = one(stage)
    twin = {"schemas": [], "Resources": [{"id": i, "displayName": "ml", "meta": {"resourceType": "Group"}}
                                         for i in (at.world.id("ml"), "900000000000999")], "totalResults": 2, "startIndex": 1}
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"path_regex": "/Groups\\?", "times": -1}, "do": {"status": 200, "body": twin}}])
    at.sync(code=7)
    assert at.writes() == [] and "not unique" in at.plan(code=7)["left_alone"]["frozen"][0]["note"]


def test_members_that_are_groups_are_neither_touched_nor_counted(stage):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml", foreign="remove")
    world.group("inner", "eve")
    world.group("ml", "inner", "eve")
    at = stage(world, guards=OPEN)
    plan = at.plan()
    assert entry(plan, "ml")["before"] == 1 and ops(plan, "ml") == {("add", "granted", "ada", "ready"), ("remove", "foreign", "eve", "ready")}
    at.sync()
    assert at.members("ml") == {"ada", "inner"} and at.members("inner") == {"eve"}


def test_inactive_people_are_matched_and_reported(stage):
    at = one(stage)
    at.edit({"op": "dbx_user_inactive", "userName": "p000" + MAIL})
    assert "inactive in Databricks" in at.run("plan").out
    at.sync()
    assert at.members("ml") == {"p000"}


# ---- match.missing_users = "create" ----

def newcomers(stage, people=1, dbx=False, **settings):
    world = World()
    world.users("p", people, roles=["ml"], dbx=dbx)
    world.rule(role="ml", group="ml")
    world.group("ml")
    settings.setdefault("guards", OPEN)
    return stage(world, **{"match": {"missing_users": "create"}} | settings)


def names(at):
    return {one["userName"].removesuffix(MAIL) for one in at.sim.control("GET", "state")["users"]}


def test_missing_users_are_made_and_then_added_in_the_same_run(stage):
    at = newcomers(stage, people=2)
    plan = at.plan()
    assert plan["summary"]["create_users"] == 2 and plan["cost"]["post"] == 2
    assert ops(plan, "ml") == {("add", "granted", "p000", "ready"), ("add", "granted", "p001", "ready")}
    assert {one["principal"]["id"] for one in entry(plan, "ml")["operations"]} == {"new:" + at.world.kc_id(n) for n in ("p000", "p001")}
    assert left(plan, "unmatched") == set()
    result = at.sync()
    assert result.counts == {"add": 2, "remove": 0, "held": 0, "frozen": 0, "writes": 3}
    assert at.members("ml") == {"p000", "p001"}
    posts = [body for method, path, body in at.writes() if (method, path) == ("POST", "/Users")]
    assert posts == [{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name + MAIL} for name in ("p000", "p001")]
    at.assert_settled()
    assert at.plan("--refresh", "never")["summary"]["create_users"] == 0


def test_report_makes_nobody(stage):
    at = newcomers(stage, match={"missing_users": "report"})
    assert at.sync().counts["writes"] == 0 and left(at.plan(), "unmatched") == {("ml", "p000")}


@pytest.mark.parametrize("over", [0, 1])
def test_max_user_creations(stage, over):
    at = newcomers(stage, people=2 + over, guards=OPEN | {"max_user_creations": 2})
    assert tripped(at.plan()) == ({("max_user_creations", None)} if over else set())
    result = at.sync(code=3 if over else 0)
    assert result.counts["add"] == (0 if over else 2) and result.counts["held"] == (3 if over else 0)
    assert (at.writes() == []) == bool(over)


def test_a_user_who_holds_nothing_that_is_managed_is_not_made(stage):
    at = newcomers(stage)
    at.edit({"op": "kc_user_add", "username": "zoe", "email": "zoe" + MAIL}, {"op": "kc_role_add", "role": "other"},
            {"op": "kc_role_grant", "role": "other", "username": "zoe"})
    at.sync()
    assert "zoe" not in names(at) and "p000" in names(at)


def test_who_is_no_address_stays_unmatched(stage):
    world = World()
    world.user("ada", roles=["ml"], dbx=False, email=None)
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world, match={"missing_users": "create"})
    assert left(at.plan(), "unmatched") == {("ml", "ada")}
    assert at.sync().counts["writes"] == 0


def test_two_people_who_would_be_one_new_user_are_ambiguous(stage):
    world = World()
    world.user("ada", roles=["ml"], dbx=False)
    world.user("ada2", roles=["ml"], dbx=False, email="ADA" + MAIL)
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world, match={"missing_users": "create"})
    assert ops(at.plan()) == set() and at.plan()["summary"]["ambiguous"] == 2
    assert at.sync().counts["writes"] == 0


def test_a_refused_user_leaves_the_others_go_on(stage):
    at = newcomers(stage, people=2)
    at.fault({"status": 409, "body": {"detail": "User with username p000 already exists.", "status": "409"}}, "dbx",
             method="POST", substring="/Users")
    result = at.sync(code=7)
    assert at.members("ml") == {"p001"} and result.counts["add"] == 1
    assert "automatic identity management" in result.out + result.err
    at.assert_converged()
    assert at.members("ml") == {"p000", "p001"}


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_answer_to_a_new_user_is_resolved_by_the_next_run(stage, done):
    at = newcomers(stage)
    at.fault({"apply_then": "reset"} if done else "reset", "dbx", method="POST", substring="/Users")
    at.sync(code=7)
    assert ("p000" in names(at)) == done and at.members("ml") == set()
    assert len(at.audit("intent")) == 1 and at.audit("outcome") == []
    at.calm()
    at.forget()
    at.sync()
    assert at.members("ml") == {"p000"}
    assert len([1 for method, path, _ in at.writes() if path == "/Users"]) == (0 if done else 1)
    assert at.results()[0] == ("applied" if done else "rejected")
    at.assert_settled()


def test_a_saved_plan_makes_users_by_what_keycloak_says(stage):
    import json
    import plandoc
    at = newcomers(stage)
    saved = at.save()
    plan = json.loads(saved.read_text())
    plan["groups"][0]["operations"][0]["principal"]["name"] = "evil@acme.example"
    saved.write_bytes(plandoc.sign(plan))
    at.run("apply", saved, code=None)
    assert names(at) <= {"p000"}


def test_apply_of_a_saved_plan_makes_users_too(stage):
    at = newcomers(stage)
    at.run("apply", at.save())
    assert at.members("ml") == {"p000"}
    at.assert_settled()


def test_no_name_of_a_new_user_stands_in_the_chain(stage):
    at = newcomers(stage)
    at.sync()
    rows = [row["body"] for kind in ("intent", "outcome") for row in at.audit(kind)]
    assert [row["group"] for row in rows if row["group"].startswith("new:")] == ["new:" + at.world.kc_id("p000")] * 2
    assert not [row for row in rows if "acme.example" in str(row)]
