"""Several targets in one file: one run, one reading of the realm, everything else apart."""

import fcntl
import json
import os
import sqlite3

import pytest
from keybricks import ACCOUNT, COUNTS, OPEN, World


def two(stage, **settings):
    """An account and a workspace: the same names, other groups."""
    world = World()
    world.user("ada", roles=["ml"])
    world.user("bob", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.rule(role="ml", group="local", targets=["shop"])
    world.group("ml", "ada")
    world.group("local", level="workspace")
    at = stage(world, guards=OPEN, **settings)
    at.configure(targets=[at.target(), workspace(at)])
    at.configure(rules=[world.rules[0] | {"targets": ["acme"]}, world.rules[1]])
    return at


def workspace(at, **change):
    return at.target(name="shop", level="workspace", account_id=None, auth="token", client_id=None, secret_file=None,
                     token_file=str(at.dir / "pat.secret"), **change)


def test_one_run_one_reading_two_databases(stage):
    at = two(stage)
    result = at.sync()
    assert result.counts == {"add": 3, "remove": 0, "held": 0, "frozen": 0, "writes": 2}  # sums over the targets
    assert at.members("ml") == at.members("local") == {"ada", "bob"}
    kinds = at.kinds("kc")
    assert kinds["token"] == 1 and kinds["role_users"] == 1
    runs = [{row["run"] for row in at.audit(target=name)} for name in ("acme", "shop")]
    assert runs[0] == runs[1] and len(runs[0]) == 1
    assert len({one["user_agent"] for one in at.log()}) == 1
    assert {path.name for path in at.state.iterdir()} >= {"acme.db", "shop.db"}
    again = at.sync()
    assert again.counts == dict.fromkeys(COUNTS, 0)


@pytest.mark.parametrize("broken", ["acme", "shop"])
def test_a_target_that_is_down_does_not_stop_the_other(stage, broken):
    at = two(stage)
    path = "/api/2.0/accounts/" if broken == "acme" else "/api/2.0/preview/"
    at.fault("platform_403", "dbx", substring=path + (ACCOUNT if broken == "acme" else "scim"), times=-1)
    result = at.sync(code=5)
    assert at.members("ml") == ({"ada"} if broken == "acme" else {"ada", "bob"})
    assert at.members("local") == (set() if broken == "shop" else {"ada", "bob"})
    assert result.counts["writes"] == 1
    at.calm()
    assert at.sync().counts["writes"] == 1


def test_a_guard_holds_its_target_only(stage):
    at = two(stage)
    at.sync()
    at.configure(guards={"max_additions_total": 0})
    at.edit({"op": "dbx_member_remove", "group": "ml", "member": "ada@acme.example"})
    result = at.sync("--refresh", "always", code=3)
    assert result.counts["held"] == 1
    assert (at.state / "acme.held.plan").exists() and not (at.state / "shop.held.plan").exists()


def test_a_locked_target_is_busy_and_the_other_goes_on(stage):
    at = two(stage)
    at.sync()
    at.edit({"op": "dbx_member_remove", "group": "ml", "member": "ada@acme.example"},
            {"op": "dbx_member_remove", "group": "local", "member": "ada@acme.example"})
    lock, = [path for path in at.state.iterdir() if path.name.startswith("acme") and "lock" in path.name]
    with open(lock, "r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = at.sync("--refresh", "always", code=75)
    assert "acme" in result.out + result.err
    assert at.members("local") == {"ada", "bob"} and at.members("ml") == {"bob"}
    at.sync("--refresh", "always")
    assert at.members("ml") == {"ada", "bob"}


def test_target_picks_and_the_order_is_that_of_the_file(stage):
    at = two(stage)
    at.sync("--target", "shop")
    assert at.members("local") == {"ada", "bob"} and at.members("ml") == {"ada"}
    documents = [json.loads(line) for line in at.run("plan", "--format", "json", "--target", "shop", "--target", "acme").out.splitlines()]
    assert [one["target"]["name"] for one in documents] == ["acme", "shop"]
    at.run("plan", "--target", "nobody", code=64)


@pytest.mark.parametrize("index,name", [("0", "acme"), ("1", "shop")])
def test_an_indexed_job_takes_one(stage, index, name):
    at = two(stage)
    at.sync(env={"JOB_COMPLETION_INDEX": index})
    assert [path.name for path in at.state.glob("*.db")] == [name + ".db"]
    assert at.run("--target-index", index, "plan", "--format", "json").json["target"]["name"] == name
    at.run("plan", env={"JOB_COMPLETION_INDEX": "2"}, code=64)


def test_a_damaged_database_is_its_targets_own_trouble(stage):
    at = two(stage)
    at.sync()
    with sqlite3.connect(at.state / "acme.db") as db:
        db.execute("DROP TRIGGER audit_no_update")
        db.execute("UPDATE audit SET body = '{}' WHERE seq = 2")
    db.close()
    at.edit({"op": "dbx_member_remove", "group": "local", "member": "ada@acme.example"})
    at.sync("--refresh", "always", code=8)
    assert at.members("local") == {"ada", "bob"}


def test_the_last_target_writes_when_the_first_has_nothing_to_say(stage):
    at = two(stage)
    at.sync()
    before = os.stat(at.state / "acme.db").st_size
    at.edit({"op": "dbx_member_remove", "group": "local", "member": "bob@acme.example"})
    assert at.sync("--refresh", "always").counts == {"add": 1, "remove": 0, "held": 0, "frozen": 0, "writes": 1}
    assert os.stat(at.state / "acme.db").st_size >= before


# ---- the families of SCIM, and ids as long as they come ----

LONGEST = {"user": "9223372036854775807", "service": "9223372036854775806", "group": "9223372036854775805"}
FAMILIES = {
    "account 2.0": ({"level": "account", "scim_version": "2.0"}, f"/api/2.0/accounts/{ACCOUNT}/scim/v2"),
    "account 2.1": ({"level": "account", "scim_version": "2.1"}, f"/api/2.1/accounts/{ACCOUNT}/scim/v2"),
    "workspace": ({"level": "workspace", "account_id": None}, "/api/2.0/preview/scim/v2"),
    "workspace_proxy": ({"level": "workspace_proxy", "account_id": None}, "/api/2.0/account/scim/v2"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_converges_under_its_own_path(stage, family):
    """Ids of 19 digits, which no double holds, go through reading, database, PATCH and reading back as they are."""
    target, base = FAMILIES[family]
    people_only = family == "workspace_proxy"
    world = World()
    world.user("ada", roles=["ml"])
    world.user("bob", roles=[])
    world.ids["ada"] = world.dbx_users["ada"]["id"] = LONGEST["user"]
    bot = world.bot("etl", roles=[] if people_only else ["ml"])
    world.ids[bot] = world.dbx_sps[bot]["id"] = LONGEST["service"]
    world.rule(role="ml", group="ml")
    world.group("ml", "bob", id=LONGEST["group"], level="workspace" if family == "workspace" else "account")
    at = stage(world, guards=OPEN, match={"service_principals": "off"} if people_only else {})
    at.configure(targets=[at.target(**target)])
    wanted = {"ada"} if people_only else {"ada", bot}
    at.run("apply", at.save())
    assert at.members("ml") == {"bob"} | wanted
    scim = [one for one in at.log("dbx") if "/scim/" in one["path"]]
    assert {one["path"].removeprefix(base).split("/")[1] for one in scim} == {"Groups", "Users"} | (set() if people_only else {"ServicePrincipals"})
    patch, = at.log("dbx", method="PATCH")
    assert patch["path"] == f"{base}/Groups/{LONGEST['group']}"
    sent = {one["value"] for operation in json.loads(patch["body"])["Operations"] for one in operation["value"]}
    assert sent == {LONGEST["user"]} | (set() if people_only else {LONGEST["service"]})
    at.assert_settled()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "ada"}, {"op": "kc_role_grant", "role": "ml", "username": "bob"})
    at.sync()
    assert at.members("ml") == {"bob"} | wanted - {"ada"}
    assert f'members[value eq \\"{LONGEST["user"]}\\"]' in at.log("dbx", method="PATCH")[-1]["body"]
    at.assert_journal()


@pytest.mark.parametrize("bad", ["92233720368547758071", "1e3", "-1", "0x1", "12 ", "", "१२"])
def test_an_id_that_is_no_number_of_19_digits_is_not_believed(stage, bad):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world)
    at.fault({"status": 200, "body": {"totalResults": 1, "startIndex": 1, "Resources": [{"id": bad, "userName": "ada@acme.example"}]}}, "dbx",
             substring="/Users?", times=-1)
    at.sync(code=5)
    assert at.writes() == []
