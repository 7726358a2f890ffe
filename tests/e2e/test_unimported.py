"""People of an LDAP server who are not imported (ids f:…): known to Keycloak by its cache and its directory alone. And what
its cache keeps showing of anybody: groups that were left, accounts that were deleted or disabled there."""

import os
import shutil
import sqlite3
import zlib

import directory
import product
import pytest
from test_directory import Company, mails

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)
if not shutil.which("slapd", path=directory.PATH) or not shutil.which("ldapmodify", path=directory.PATH):
    pytest.skip("needs slapd and ldap-utils; scripts/need test installs both", allow_module_level=True)

DOWN = "directory corp is down"
NOTE = "disabled in directory corp since "


@pytest.fixture(scope="module")
def company(admin, tmp_path_factory):
    built = Company(admin, "READ_ONLY", tmp_path_factory.mktemp("unimported"), imported=False)
    try:
        built.admin.call("POST", "/components", {
            "name": "ad", "providerId": "msad-user-account-control-mapper", "parentId": built.provider,
            "providerType": "org.keycloak.storage.ldap.mappers.LDAPStorageMapper",
            "config": {"always.read.enabled.value.from.ldap": ["true"]}})
        built.warm()
        built.sync()
        built.assert_right()
        yield built
    finally:
        built.stop()


@pytest.fixture(autouse=True)
def up(company):
    company.slapd.start()
    company.cache("warm")
    yield
    company.slapd.start()


def users(company):
    return {user["username"]: user["id"] for user in company.admin.get("/users?max=-1&briefRepresentation=true")}


def gone(company, *names):
    for members in company.state.values():
        members -= mails(names)


def age(company, seconds):
    """As if the first sight of people disabled in the directory were older."""
    def kb_sum(*values):
        data = b"".join(v.to_bytes(8, "big", signed=True) if isinstance(v, int) else v.encode() + b"\0" for v in values)
        return zlib.crc32(data)
    with sqlite3.connect(company.keybricks.directory / "state" / "acme.db") as db:
        db.create_function("kb_sum", -1, kb_sum, deterministic=True)
        return db.execute("UPDATE directory_disabled SET since_s = since_s - ?1, "
                          "sum = kb_sum(user_id, directory, since_s - ?1)", (seconds,)).rowcount


# The tests build on each other, in this order.


def test_they_are_who_they_claim_to_be(company):
    ids = users(company)
    assert {name for name, user in ids.items() if user.startswith("f:")} == {f"user{number:02}" for number in range(6)}


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_down(company, cache):
    """Not in any list, and with a cold cache not even by id (500): nobody is removed, and others go on."""
    company.cache(cache)
    company.move_leo()
    company.slapd.stop()
    stdout, stderr = company.sync(code=7)
    assert stdout.startswith("DIRECTORY DOWN  corp") and DOWN in stderr.splitlines()[-1]
    company.assert_right()
    company.slapd.start()
    company.sync()
    company.assert_right()


def test_who_leaves_a_group_goes_though_the_cache_still_shows_it(company):
    user = directory.server.quote(users(company)["user05"])
    company.slapd.leave("user05", "staff")
    assert [group["path"] for group in company.admin.get(f"/users/{user}/groups")] == ["/staff"]
    for group in ("staff", "workers"):
        company.state[group] -= mails(["user05"])
    company.sync()
    company.assert_right()


@pytest.mark.parametrize("policy", [{"cachePolicy": ["NO_CACHE"]}, {"cachePolicy": ["MAX_LIFESPAN"], "maxLifespan": ["1"]}])
def test_with_another_policy_of_the_cache(company, policy):
    provider = company.admin.get(f"/components/{company.provider}")
    company.admin.call("PUT", f"/components/{company.provider}", {**provider, "config": {**provider["config"], **policy}})
    company.slapd.leave("user04", "staff")
    for group in ("staff", "workers"):
        company.state[group] -= mails(["user04"])
    company.sync()
    company.assert_right()
    company.slapd.join("user04", "staff")
    for group in ("staff", "workers"):
        company.state[group] |= mails(["user04"])
    company.sync()
    company.assert_right()
    company.slapd.stop()
    company.sync(code=7)
    company.assert_right()
    company.slapd.start()
    company.admin.call("PUT", f"/components/{company.provider}", company.admin.get(f"/components/{company.provider}") | {
        "config": {**provider["config"], "cachePolicy": ["DEFAULT"]}})


def test_who_is_deleted_there_is_no_outage(company):
    """The first whom keybricks would ask about the directory: his 500 looks like one, and the cache knows him still."""
    first = min(user for user in users(company).values() if user.startswith("f:"))
    name = next(name for name, user in users(company).items() if user == first)
    company.slapd.delete(name)
    assert company.admin.raw("GET", f"/users/{directory.server.quote(first)}")[0] == 200
    assert company.admin.raw("GET", f"/users/{directory.server.quote(first)}/credentials")[0] == 500
    gone(company, name)
    company.move_leo()
    stdout, _ = company.sync()
    assert "DIRECTORY DOWN" not in stdout
    company.assert_right()


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_who_is_disabled_there_goes_once_two_runs_saw_it(company, cache):
    """With a warm cache the person's own record says enabled for ever; the lists know better."""
    name = {"warm": "user02", "cold": "user03"}[cache]
    user = directory.server.quote(users(company)[name])
    company.slapd.disable(name)
    company.cache(cache) if cache == "cold" else None
    company.sync()
    company.assert_right()
    plan = company.keybricks.plan()
    assert {(one["name"], one["note"][:len(NOTE)]) for one in plan["left_alone"]["unproven"]} == {(f"{name}@acme.example", NOTE)}
    assert age(company, 3600) >= 1
    assert company.admin.get(f"/users/{user}")["enabled"] == (cache == "warm")
    gone(company, name)
    plan = company.keybricks.plan()
    assert set(product.causes(plan, "staff", f"{name}@acme.example")) == {"disabled_in_directory"}
    company.sync()
    company.assert_right()
