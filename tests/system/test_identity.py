"""Who is who: no addition unless the match is exact, unique and of an enabled user; a doubt moves nobody."""

import pytest
from keybricks import World, left, ops


def company(*names):
    world = World()
    for name in names:
        world.user(name, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    return world


def test_ascii_case_does_not_matter_and_nothing_else_is_folded(stage):
    world = company("ada")
    world.people[-1]["email"] = "ADA@Acme.Example"
    world.user("bob", roles=["ml"], email="b\u00f6b@acme.example", dbx=False)
    world.stranger("b\u00d6b")
    world.user("kay", roles=["ml"], email="\u212aay@acme.example", dbx=False)  # the Kelvin sign is no K
    world.stranger("kay")
    at = stage(world)
    at.sync()
    assert at.members("ml") == {"ada"}
    assert len(left(at.plan(), "unmatched")) == 2


def test_the_first_key_that_is_present_decides_without_a_second_try(stage):
    """E-mail present and unknown: the user name is not tried, although it would fit."""
    world = company()
    world.user("ada", roles=["ml"], email="other@acme.example", username="ada@acme.example")
    world.user("bob", roles=["ml"], email=None, username="bob@acme.example")
    at = stage(world)
    at.sync()
    assert at.members("ml") == {"bob"}


def test_match_by_an_attribute(stage):
    world = company("ada", "bob")
    world.people[0]["attributes"] = {"dbx": ["ada2@acme.example"]}
    world.stranger("ada2")
    at = stage(world, match={"users": ["attribute:dbx", "email"]})
    at.sync()
    assert at.members("ml") == {"ada2", "bob"}


def test_verified_email_only(stage):
    world = company("ada", "bob")
    world.people[0]["emailVerified"] = False
    at = stage(world, match={"verified_email_only": True})
    at.sync()
    assert at.members("ml") == {"bob"}


@pytest.mark.parametrize("how,member", [("client_id", True), ("off", False), ("attribute:databricks_application_id", True),
                                        ("attribute:other", False)])
def test_service_principals(stage, how, member):
    world = company("ada")
    app = world.bot("etl", roles=["ml"])
    at = stage(world, match={"service_principals": how})
    at.sync()
    assert at.members("ml") == {"ada"} | ({app} if member else set())


def test_a_person_cannot_become_a_service_principal(stage):
    """The attribute counts for service accounts only; a user may edit their own attributes."""
    world = company("ada")
    app = world.bot("etl")
    world.people[0]["attributes"] = {"databricks_application_id": [app]}
    at = stage(world)
    at.sync()
    assert at.members("ml") == {"ada"}


def test_two_people_for_one_principal(stage):
    world = company("ada", "twin")
    world.people[-1]["email"] = "Ada@acme.example"
    at = stage(world)
    plan = at.plan()
    assert plan["summary"]["ambiguous"] >= 1 and not [row for row in ops(plan) if row[3] == "ada"]
    at.sync()
    assert at.members("ml") == set()


def test_a_user_name_that_is_the_address_of_somebody_whom_no_rule_shows(stage):
    """Two people for one principal, though only one of them was read: asked before the addition, and nobody moves."""
    world = company("ada")
    world.user("bob", roles=["ml"], email=None, username="bob@acme.example")
    world.user("eve", roles=["ml"], email=None, username="eve@acme.example")
    world.user("caster", email="Eve@acme.example", dbx=False)
    at = stage(world)
    plan = at.plan()
    assert left(plan, "ambiguous") == {("ml", "eve")} and {row[3] for row in ops(plan)} == {"ada", "bob"}
    at.sync()
    assert at.members("ml") == {"ada", "bob"}
    asked = [row for row in at.log("kc", "users_filter") if "email=" in row["query"]]
    assert len(asked) == 4  # two people in plan, two in sync: nobody whose key is an address is asked for


def test_whoever_may_be_another_is_not_added_while_nobody_can_say(stage):
    world = company("ada")
    world.user("bob", roles=["ml"], email=None, username="bob@acme.example")
    at = stage(world)
    at.fault({"status": 403}, "kc", substring="email=", times=-1)
    plan = at.plan()
    assert left(plan, "unproven") == {("ml", "bob")} and {row[3] for row in ops(plan)} == {"ada"}


def test_ambiguous_people_are_not_removed_either(stage):
    world = company("ada", "bob")
    world.user("twin")
    at = stage(world)
    at.sync()
    at.edit({"op": "kc_user_set", "username": "twin", "email": "ada@acme.example"},
            {"op": "kc_role_grant", "role": "ml", "username": "twin"}, {"op": "kc_role_revoke", "role": "ml", "username": "ada"})
    at.forget()
    at.sync(code=None)
    assert at.writes() == [] and at.members("ml") == {"ada", "bob"}


def test_a_changed_address_leaves_the_old_principal_while_the_role_is_held(stage):
    """Marriage: the person got a new address, Databricks does not know it yet."""
    at = stage(company("ada", "bob"))
    at.sync()
    at.edit({"op": "kc_user_set", "username": "ada", "email": "ada.new@acme.example"})
    plan = at.plan()
    assert ops(plan) == set() and left(plan, "identity_changed") == {("ml", "ada")}
    at.sync()
    assert at.members("ml") == {"ada", "bob"}
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "ada"})
    at.sync()
    assert at.members("ml") == {"bob"}


def test_inactive_people_are_matched_like_others(stage):
    world = company("ada", "bob")
    world.dbx_users["ada"]["active"] = False
    at = stage(world)
    at.sync()
    assert at.members("ml") == {"ada", "bob"}


def test_a_new_principal_is_found_in_the_next_run(stage):
    world = company("ada")
    world.user("bob", roles=["ml"], dbx=False)
    at = stage(world)
    at.sync()
    at.edit({"op": "dbx_user_add", "userName": "bob@acme.example"})
    assert at.sync().counts["add"] == 1 and at.members("ml") == {"ada", "bob"}


def test_missing_groups_permissions_and_odd_names(stage):
    """Names with everything that is awkward in a path or a query."""
    world = World()
    odd = ["a/b", "semi;colon", "100%", "\u00fc b", "q?x=1&y#z", "quote\"'", "back\\slash", "+plus"]
    for i, name in enumerate(odd):
        world.user(f"u{i}", roles=[name])
        world.rule(role=name, group=f"g {name}")
        world.group(f"g {name}")
    at = stage(world)
    at.sync()
    assert [at.members(f"g {name}") for name in odd] == [{f"u{i}"} for i in range(len(odd))]
    at.assert_settled()


@pytest.mark.parametrize("settings,word", [
    ({"sandbox": "require"}, "sandbox"), ({"approvals": {"required": 2}}, "approvals.required"),
    ({"metrics": {"file": "/tmp/x.prom"}}, "metrics.file"),
    ({"notify": {"webhook_url_file": "/tmp/x"}}, "notify.webhook_url_file"),
    ({"approvals": {"allowed_signers": "/tmp/a", "dir": "/tmp"}}, "approvals.dir"),
    ({"approvals": {"allowed_signers": "/tmp/a"}}, "approvals.allowed_signers"),
    ({"credentials": {"warn_days": 75}}, "credentials.warn_days"), ({"notify": {"on": ["held"]}}, "notify.on"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_promise_that_this_version_cannot_keep_is_refused(stage, settings, word):
    at = stage(company("ada"), **settings)
    err = at.sync(code=78).err
    assert word in err and "is not built yet" in err, err
    assert at.log() == []


# ---- near-duplicates: not granted, and told ----

NEAR = {  # short name: (e-mail in Keycloak, what the plan tells of it)
    "ada": ("\u0430da@acme.example", "U+0430 here, U+0061 there"),
    "bob": ("bo\u200bb@acme.example", "U+200B here, U+0062 there"),
    "rene\u0301": ("ren\u00e9@acme.example", "U+00E9 here, U+0065 there"),
    "iris": ("\u0131ris@acme.example", "U+0131 here, U+0069 there"),
    "kim": ("\uff4bim@acme.example", "U+FF4B here, U+006B there"),
    "olga": ("olga@acme.example ", "U+0020 here, the end there"),
    "\u00d6zil": ("\u00f6zil@acme.example", "U+00F6 here, U+00D6 there"),
}


def look_alikes():
    world = company("zoe")
    for i, (name, (mail, _)) in enumerate(NEAR.items()):
        world.user(f"u{i}", roles=["ml"], email=mail, dbx=False)
        world.stranger(name)
    world.user("nobody", roles=["ml"], dbx=False)
    return world


def test_near_duplicates_get_nothing_and_are_told(stage):
    world = look_alikes()
    at = stage(world)
    plan = at.plan()
    assert {row[3] for row in ops(plan)} == {"zoe"}
    notes = {entry["name"]: entry["note"] for entry in plan["left_alone"]["unmatched"]}
    assert notes == {"nobody@acme.example": "no Databricks user of that name"} | {
        mail: f"no Databricks user of that name; near-duplicate of Databricks user {world.id(name)} ({difference})"
        for name, (mail, difference) in NEAR.items()}
    text = at.run("plan").out
    for name, (_, difference) in NEAR.items():
        assert f"near-duplicate of Databricks user {world.id(name)} ({difference})" in text
    assert "\u200b" not in text
    masked = at.run("plan", "--mask-users").out
    assert "near-duplicate of Databricks user" in masked and "acme.example" not in masked
    at.sync()
    assert at.members("ml") == {"zoe"}
    at.assert_settled()
    assert "near-duplicate" in at.run("explain", "u0", "ml").out


def test_near_duplicates_are_not_made_either(stage):
    """match.missing_users = "create" makes who is missing, not who may be somebody that is there."""
    world = look_alikes()
    for name, mail in (("anna", "\u0430nna@acme.example"), ("other", "anna@acme.example")):
        world.user(name, roles=["ml"], email=mail, dbx=False)
    at = stage(world, match={"missing_users": "create"})
    at.sync()
    assert [body["userName"] for method, path, body in at.writes() if (method, path) == ("POST", "/Users")] == ["nobody@acme.example"]
    assert at.members("ml") == {"zoe", "nobody"}
    plan = at.plan()
    assert plan["summary"]["create_users"] == 0 and len(left(plan, "unmatched")) == len(NEAR) + 2
    for name, other in (("anna", "other"), ("other", "anna")):
        assert f"near-duplicate of Keycloak user {world.kc_id(other)}" in at.run("explain", name, "ml").out
