"""plan: what it shows is the truth table, explained, the same bytes each time, and it cannot write."""

import json
import re

import plandoc
import pytest
from keybricks import ACCOUNT, World, entry, left, ops, tripped


def truth_table(foreign="report"):
    """One person a row of the truth table; the first sync puts the ledger in place, then the world moves."""
    world = World()
    for name in ("kept", "revoked", "drifted", "gone", "adopted", "granted"):
        world.user(name)
    for name in ("kept", "revoked", "drifted", "gone"):
        world.people[world.people.index(next(p for p in world.people if p["username"] == name))]["roles"].append("ml")
    world.rule(role="ml", group="ml", foreign=foreign)
    world.stranger("stranger")
    world.group("ml")
    return world


@pytest.fixture
def table(stage):
    def make(foreign="report"):
        at = stage(truth_table(foreign))
        at.sync()
        at.edit({"op": "kc_role_revoke", "role": "ml", "username": "revoked"},
                {"op": "dbx_member_remove", "group": "ml", "member": "drifted@acme.example"},
                {"op": "kc_role_revoke", "role": "ml", "username": "gone"},
                {"op": "dbx_member_remove", "group": "ml", "member": "gone@acme.example"},
                {"op": "kc_role_grant", "role": "ml", "username": "adopted"},
                {"op": "dbx_member_add", "group": "ml", "member": "adopted@acme.example"},
                {"op": "kc_role_grant", "role": "ml", "username": "granted"},
                {"op": "dbx_member_add", "group": "ml", "member": "stranger@acme.example"})
        return at
    return make


def test_every_row_of_the_truth_table_is_planned(table):
    at = table()
    plan = at.plan("--refresh", "always")
    assert ops(plan) == {("ml", "add", "granted", "granted", "ready"), ("ml", "add", "drift_removed", "drifted", "ready"),
                         ("ml", "remove", "revoked", "revoked", "ready")}
    assert left(plan, "foreign") == {("ml", "stranger")}
    wanted = {"add": 2, "remove": 1, "create_groups": 0, "held": 0, "drift": 1, "foreign": 1, "adopt": 1, "unmatched": 0, "ambiguous": 0}
    assert wanted.items() <= plan["summary"].items()
    assert (entry(plan, "ml")["before"], entry(plan, "ml")["after"]) == (4, 5)


def test_every_row_of_the_truth_table_is_applied(table):
    at = table()
    at.forget()
    result = at.sync("--refresh", "always")
    assert (result.counts["add"], result.counts["remove"], result.counts["writes"]) == (2, 1, 1), str(result)
    assert at.members("ml") == {"kept", "drifted", "adopted", "granted", "stranger"}
    assert at.audit("drift") and at.audit("adopt")
    at.assert_settled()
    # Adopted is ours now: when the role goes, so does the membership.
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "adopted"})
    assert at.sync().counts["remove"] == 1
    assert "adopted" not in at.members("ml")


def test_foreign_remove_removes_who_was_added_by_hand(table):
    at = table("remove")
    plan = at.plan("--refresh", "always")
    assert ("ml", "remove", "foreign", "stranger", "ready") in ops(plan)
    at.sync("--refresh", "always")
    assert at.members("ml") == {"kept", "drifted", "adopted", "granted"}
    at.assert_settled()


def test_a_lost_ledger_removes_nobody(table):
    at = table()
    for path in list(at.state.iterdir()):
        path.unlink()
    plan = at.plan()
    assert not [row for row in ops(plan) if row[1] == "remove"]
    assert ("ml", "revoked") in left(plan, "foreign")


def test_the_document_has_the_documented_shape_and_hashes(table):
    at = table()
    result = at.run("plan", "--format", "json", "--refresh", "always")
    plan = plandoc.check(result.out.encode().removesuffix(b"\n"))
    ml = entry(plan, "ml")
    state = next(one for one in at.sim.control("GET", "state")["groups"] if one["displayName"] == "ml")
    assert ml["precondition"] == {"members": 4, "digest": plandoc.members_digest(state["members"])}
    assert plan["source"]["issuer"] == at.sim.info["keycloak"] + "/realms/acme" and plan["source"]["complete"]
    assert plan["target"] | {"groups": 0, "memberships": 0} == {"name": "acme", "level": "account", "groups": 0, "memberships": 0,
                                                                "host": at.sim.info["databricks"]}
    granted = next(one for one in ml["operations"] if one["cause"] == "granted")
    assert granted["principal"] | {"display": ""} == {"kind": "user", "id": at.world.ids["granted"], "display": "",
                                                      "name": "granted@acme.example"}
    assert granted["source_id"] == at.world.kc_id("granted")
    assert granted["reasons"] == [{"rule": 1, "role": "ml", "via": []}]


def test_a_saved_plan_is_the_same_document(table):
    at = table()
    saved = at.save("--refresh", "always").read_bytes()
    plan = plandoc.check(saved.removesuffix(b"\n"))
    shown = at.plan("--refresh", "always")
    assert {k: v for k, v in plan.items() if k not in ("run", "digest")} == {k: v for k, v in shown.items() if k not in ("run", "digest")}


def test_same_inputs_give_the_same_bytes(table):
    at = table()
    one, two = (at.run("plan", "--format", "json", "--refresh", "always").out for _ in range(2))

    def blank(text):
        plan = json.loads(text)
        for part in (plan["run"]["id"], plan["run"]["at"], plan["digest"]):
            text = text.replace(part, "-")
        return text
    assert blank(one) == blank(two)
    assert json.loads(one)["run"]["id"] != json.loads(two)["run"]["id"]


def test_order_of_answers_and_page_sizes_do_not_change_the_plan(stage):
    world = World()
    world.users("p", 25, roles=["ml"])
    world.group("ml", "p003", "p009")
    world.rule(role="ml", group="ml")
    at = stage(world)
    first = at.plan()
    at.configure(keycloak={"page_size": 7, "concurrency": 1})
    at.sim.knobs(page_max=4)
    second = at.plan("--refresh", "always")
    assert first["groups"] == second["groups"] and first["fingerprint"] == second["fingerprint"]


def test_text_shows_who_which_group_sign_and_why(table):
    at = table()
    text = at.run("plan", "--refresh", "always").out
    assert re.search(r"^ *\+ .*granted@acme\.example.*\bml\b", text, re.M), text
    assert re.search(r"^ *- .*revoked@acme\.example", text, re.M), text
    assert "stranger@acme.example" in text and "4 -> 5" in text
    assert "2 to add, 1 to remove" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)


def test_text_shows_the_path_through_groups_and_composites(stage):
    world = World()
    world.role("ml")
    world.role("job", realm=["ml"])
    world.path("/data")
    world.path("/data/team", roles=["job"])
    world.user("ada", groups=["/data/team"])
    world.user("bob", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world)
    text = at.run("plan").out
    ada = next(line for line in text.splitlines() if "ada@" in line)
    assert "ml" in ada and "job" in ada and "/data/team" in ada
    plan = at.plan()
    reasons = {one["principal"]["name"][:3]: one["reasons"] for one in entry(plan, "ml")["operations"]}
    assert reasons == {"ada": [{"rule": 1, "role": "ml", "via": ["group /data/team", "role job"]}],
                       "bob": [{"rule": 1, "role": "ml", "via": []}]}


def test_removals_say_by_which_path_it_had_been_granted(table):
    plan = table().plan("--refresh", "always")
    gone = next(one for one in entry(plan, "ml")["operations"] if one["op"] == "remove")
    assert gone["reasons"] == [{"rule": 1, "role": "ml", "via": []}]
    assert gone["source_id"]


def small(role=("ada", "bob"), members=()):
    world = World()
    for name in role:
        world.user(name, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", *members)
    return world


@pytest.mark.parametrize("members,setting,code", [
    (("ada", "bob"), {}, 0),
    (("ada",), {}, 2),
    ((), {"max_additions_total": 1}, 3),
    ((), {"first_run": True}, 3),
], ids=["nothing", "changes", "guard", "first-run"])
def test_exit_code_option(stage, members, setting, code):
    at = stage(small(members=members), guards=setting)
    assert at.run("plan", "--exit-code", code=code).code == code
    assert at.run("plan").code == 0  # without the option, changes and guards do not count
    assert at.run("sync", "--dry-run").code == 0
    assert at.history() == []


def test_counts_of_the_last_line(stage):
    at = stage(small(members=("ada",)))
    assert at.run("plan").counts == {"add": 1, "remove": 0, "held": 0, "frozen": 0, "writes": 0}
    at.configure(guards={"max_additions_total": 0})
    result = at.run("plan", "--exit-code", code=3)
    assert result.counts == {"add": 0, "remove": 0, "held": 1, "frozen": 0, "writes": 0}
    assert tripped(at.plan()) == {("max_additions_total", None)}


@pytest.mark.parametrize("options", [
    (), ("--format", "text"), ("--format", "json"), ("--save", "x.plan"), ("--output", "x.txt"), ("--group", "ml"), ("--user", "ada"),
    ("--refresh", "always"), ("--no-removals",), ("--exit-code",), ("--mask-users",),
    ("--save", "x.plan", "--exit-code", "--format", "json", "--group", "*", "--refresh", "always"),
], ids=" ".join)
def test_no_write_leaves_in_plan(stage, options):
    world = small(members=("stranger",))
    world.rule(role="ml", group="made", create=True)
    at = stage(world)
    at.run("plan", *options, code=None)
    assert at.writes() == [] and at.history() == [] and at.writes_seen() == 0
    assert {one["method"] for one in at.log() if one["kind"] not in ("token", "discovery")} == {"GET"}
    assert at.audit() == [] if (at.state / "acme.db").exists() else True  # nor a row of the journal


@pytest.mark.parametrize("do", ["reset", "scim_500", "html_200", "unauthorized_401", "throttled_429", {"status": 404, "body": "{}"}],
                         ids=str)
def test_no_write_leaves_in_plan_with_faults(stage, do):
    at = stage(small(members=("stranger",)), run={"tries": 1, "retry_budget_s": 1})
    at.fault(do, "dbx", path_regex="Groups", times=-1)
    at.run("plan", code=None)
    assert at.writes_seen() == 0 and at.history() == []


def two_groups():
    world = World()
    for role in ("ml", "ops", "finance"):
        world.rule(role=role, group=f"g-{role}")
        world.group(f"g-{role}")
    world.user("ada", roles=["ml", "ops"])
    world.user("bob", roles=["ml"])
    world.user("cyd", roles=["finance"])
    return world


@pytest.mark.parametrize("options,wanted", [
    (("--group", "g-ml"), {("g-ml", "ada"), ("g-ml", "bob")}),
    (("--group", "g-*"), {("g-ml", "ada"), ("g-ml", "bob"), ("g-ops", "ada"), ("g-finance", "cyd")}),
    (("--group", "g-ops", "--group", "g-fin*"), {("g-ops", "ada"), ("g-finance", "cyd")}),
    (("--user", "ada"), {("g-ml", "ada"), ("g-ops", "ada")}),
    (("--user", "ADA@acme.example"), {("g-ml", "ada"), ("g-ops", "ada")}),
    (("--user", "ada", "--group", "g-ml"), {("g-ml", "ada")}),
    (("--user", "bob", "--user", "cyd"), {("g-ml", "bob"), ("g-finance", "cyd")}),
    (("--group", "nobody"), set()),
], ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_selectors(stage, options, wanted):
    at = stage(two_groups())
    plan = at.plan(*options)
    assert {(row[0], row[3]) for row in ops(plan)} == wanted
    at.sync(*options)
    assert {(group, name) for _, group, name in at.history()} == wanted


def test_selectors_do_not_make_the_rest_a_removal(stage):
    at = stage(two_groups())
    at.sync()
    plan = at.plan("--user", "bob", "--group", "g-ml", "--refresh", "always")
    assert ops(plan) == set()


def test_no_removals_ends_well_and_says_so(stage):
    at = stage(small())
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "bob"})
    result = at.run("plan", "--no-removals")
    assert "removal" in result.out and result.counts["remove"] == 0
    assert ops(at.plan("--no-removals")) == set()
    assert at.sync("--no-removals").counts["remove"] == 0
    assert at.members("ml") == {"ada", "bob"}
    assert at.sync().counts["remove"] == 1
    assert at.members("ml") == {"ada"}


# ---- reading no more than needed ----

def reads(at):
    """Requests of the last run but tokens, {kind: n} of both sides."""
    return {side: {kind: n for kind, n in at.kinds(side).items() if kind not in ("token", "discovery")} for side in ("kc", "dbx")}


def test_nothing_changed_and_a_fresh_snapshot_costs_the_listings(stage):
    world = two_groups()
    world.rule(role="admins", group="g-admins", privileged=True)
    world.user("root", roles=["admins"])
    world.user("toor", roles=["admins"])
    world.group("g-admins", "root", "toor")
    at = stage(world)
    at.sync()
    at.forget()
    at.run("plan", "--exit-code")
    seen = reads(at)
    assert seen["dbx"] == {"list_users": 1, "list_sps": 1, "list_groups": 1, "get_group": 1}
    assert seen["kc"]["role_users"] == 4  # one a role, and nothing is asked twice
    paths = [(one["path"], one["query"]) for one in at.log() if one["kind"] != "token"]
    assert len(paths) == len(set(paths))
    assert at.kinds("kc")["token"] == 1 and at.kinds("dbx")["token"] == 1


@pytest.mark.parametrize("when,groups", [("auto", 0), ("always", 3)])
def test_refresh_reads_groups(stage, when, groups):
    at = stage(two_groups())
    at.sync()
    at.forget()
    at.run("plan", "--refresh", when)
    assert at.kinds("dbx").get("get_group", 0) == groups


def test_refresh_never_asks_databricks_nothing(stage):
    at = stage(two_groups())
    at.sync()
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "cyd"})
    at.forget()
    plan = at.plan("--refresh", "never")
    assert ops(plan, "g-ml") == {("add", "granted", "cyd", "ready")}
    assert at.log("dbx") == []


def test_refresh_never_without_a_snapshot_is_an_error_that_says_so(stage):
    at = stage(two_groups())
    assert "snapshot" in at.run("plan", "--refresh", "never", code=64).message
    assert at.log() == []


def test_auto_reads_a_group_again_when_its_knowledge_is_old(stage):
    at = stage(two_groups(), snapshot={"max_age_s": 0})
    at.sync()
    at.forget()
    at.edit({"op": "dbx_member_remove", "group": "g-ml", "member": "bob@acme.example"})
    assert ops(at.plan(), "g-ml") == {("add", "drift_removed", "bob", "ready")}


def test_plan_keeps_what_it_read_for_the_next(stage):
    at = stage(two_groups())
    at.run("plan")
    at.forget()
    at.run("plan", "--refresh", "never")
    assert at.log("dbx") == []


# ---- what is left alone ----

def test_people_databricks_does_not_know_are_listed_and_end_well(stage):
    world = small()
    world.user("newcomer", roles=["ml"], dbx=False)
    at = stage(world)
    plan = at.plan()
    assert left(plan, "unmatched") == {("ml", "newcomer")} and plan["summary"]["unmatched"] == 1
    assert "newcomer" in at.run("plan").out
    at.sync(code=0)
    assert at.members("ml") == {"ada", "bob"}


def test_two_people_with_one_name_are_ambiguous_and_left_alone(stage):
    world = small()
    world.user("twin1", roles=["ml"], email="twin@acme.example", dbx=False)
    world.user("twin2", roles=["ml"], email="", dbx=False, attributes={})
    world.people[-1].update(username="twin@acme.example", email=None)
    world.stranger("twin")
    at = stage(world)
    plan = at.plan()
    assert {name for _, name in left(plan, "ambiguous")} == {"twin"}
    at.sync()
    assert "twin" not in at.members("ml")


def test_disabled_people_desire_nothing_and_locked_out_people_stay(stage):
    world = small(("ada", "bob", "cyd"))
    at = stage(world)
    at.sync()
    at.edit({"op": "kc_user_set", "username": "bob", "enabled": False},
            {"op": "kc_user_set", "username": "cyd", "enabled": False, "attributes": {"disabledReason": ["permanentLockout"]}})
    plan = at.plan()
    assert ops(plan) == {("ml", "remove", "disabled", "bob", "ready")}
    assert left(plan, "locked_out") == {("ml", "cyd")}
    at.sync()
    assert at.members("ml") == {"ada", "cyd"}


def test_a_deleted_person_is_removed_with_that_cause(stage):
    at = stage(small(("ada", "bob")))
    at.sync()
    at.edit({"op": "kc_user_remove", "username": "bob"})
    assert ops(at.plan()) == {("ml", "remove", "deleted", "bob", "ready")}
    at.sync()
    assert at.members("ml") == {"ada"}


def test_nested_groups_are_never_touched_nor_counted(stage):
    world = small()
    world.group("inner", "eve")
    world.group("ml", "ada", "inner")
    at = stage(world)
    plan = at.plan()
    assert (entry(plan, "ml")["before"], entry(plan, "ml")["after"]) == (1, 2)
    at.sync()
    assert at.members("ml") == {"ada", "bob", "inner"}


@pytest.mark.parametrize("fields,note", [({"externalId": "okta-7"}, "provisioner"), ({"displayName": "ML"}, "case")], ids=["external", "case"])
def test_groups_that_are_not_surely_ours_are_frozen(stage, fields, note):
    world = small()
    world.group("ml", **fields)
    at = stage(world)
    plan = at.plan(code=7)
    assert left(plan, "frozen") == {("ml", "")} and note in plan["left_alone"]["frozen"][0]["note"]
    at.sync(code=7)
    assert at.history() == []


def test_a_group_that_does_not_exist_is_frozen_without_create(stage):
    world = small()
    world.rule(role="ml", group="absent")
    at = stage(world)
    plan = at.plan(code=7)
    assert plan["left_alone"]["frozen"] == [{"group": "absent", "name": "", "note": "no such group"}]
    result = at.sync(code=7)
    assert result.counts["frozen"] == 1 and at.members("ml") == {"ada", "bob"}  # the others go on


def test_mask_users_shows_no_name(stage):
    world = small(members=("stranger",))
    at = stage(world)
    text = at.run("plan", "--mask-users").out
    for word in ("ada@acme.example", "Ada Test", "bob@acme.example", "stranger@acme.example"):
        assert word not in text


def test_hostile_names_are_never_raw(stage):
    hostile = "m\u202el\x1b[2J\u0085"
    world = World()
    world.user("ada", roles=["dbx-" + hostile], firstName="\x1b[31mAda\x07", lastName="\u202eevil\x9b")
    world.dbx_users["ada"]["displayName"] = "\x1b]0;title\x07Ada\u202e\x7f"
    world.rule(role_glob="dbx-*", group="g-{1}")
    world.group("g-" + hostile)
    at = stage(world)
    for args in ((), ("-v",)):
        text = at.run("plan", *args, code=None).out
        assert "g-m" in text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), repr(text)
    raw = at.run("plan", "--format", "json", code=None).out.encode().removesuffix(b"\n")
    assert not re.search(rb"[\x00-\x1f]", raw)
    plandoc.check(raw)


def test_output_goes_to_the_file_and_nowhere_else(stage):
    at = stage(small())
    result = at.run("plan", "--output", "report.txt")
    assert result.out == "" and "ada@acme.example" in (at.dir / "report.txt").read_text()
    assert at.run("plan", "--output", "no/such/dir/report.txt", code=1).out == ""


def test_save_needs_one_target(stage):
    at = stage(small())
    other = at.target(name="other")
    at.configure(targets=[at.target(), other])
    assert "--target" in at.run("plan", "--save", "x.plan", code=64).message
    assert not (at.dir / "x.plan").exists()
    at.run("--target", "other", "plan", "--save", "x.plan")
    assert json.loads((at.dir / "x.plan").read_text())["target"]["name"] == "other"


def test_several_targets_share_a_run_and_print_json_lines(stage):
    at = stage(small())
    at.configure(targets=[at.target(), at.target(name="second")])
    documents = [json.loads(line) for line in at.run("plan", "--format", "json").out.splitlines()]
    assert [one["target"]["name"] for one in documents] == ["acme", "second"]
    assert len({one["run"]["id"] for one in documents}) == 1
    assert at.kinds("kc")["role_users"] == 1  # the realm is read once


def test_a_workspace_is_a_target_too(stage):
    world = small()
    world.group("ml", level="workspace")
    at = stage(world)
    at.configure(targets=[{"name": "acme", "level": "workspace", "host": at.sim.info["databricks"], "auth": "token",
                           "token_file": str(at.dir / "pat.secret"),
                           "rate": {kind: 1000.0 for kind in ("get", "list", "patch", "post")}}])
    assert ops(at.plan(), "ml") == {("add", "granted", "ada", "ready"), ("add", "granted", "bob", "ready")}
    at.sync()
    assert at.members("ml") == {"ada", "bob"}
    assert at.kinds("dbx").get("token", 0) == 0 and ACCOUNT not in "".join(one["path"] for one in at.log("dbx"))
    at.assert_settled()


def test_a_rule_whose_role_does_not_exist_is_said_not_silent(stage):
    world = World()
    world.user("ann", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.rule(role="mll", group="typo", create=True)
    world.group("ml")
    at = stage(world)
    at.edit({"op": "kc_role_delete", "role": "mll"})
    result = at.run("plan")
    assert 'rule 2: the realm has no "mll"' in result.err
    assert "rule 1: the realm has no" not in result.err
