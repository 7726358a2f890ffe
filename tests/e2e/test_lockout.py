"""Locked out after failed logins, for a while or for ever: no decision about access. Real failed logins at a real server."""

import json
import os
import urllib.parse

import directory
import product
import pytest
import small

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

RULES = [{"path": "/staff", "group": "staff"}, {"role": "work", "group": "workers"}]
PASSWORD = "e2e"
TRIES = 50
NOTE = "locked out after failed logins; a lockout is not a decision"


def mails(*names):
    return {f"{name}@acme.example" for name in names}


class Company(small.Small):
    def __init__(self, admin, base):
        client, account = directory.keybricks_client()
        made = directory.post_realm(admin, {
            "realm": "locks", "enabled": True, "sslRequired": "none", "bruteForceProtected": True, "permanentLockout": True,
            "failureFactor": 2, "waitIncrementSeconds": 900, "maxFailureWaitSeconds": 900, "maxTemporaryLockouts": 0,
            "roles": {"realm": [{"name": "work"}]}, "groups": [{"name": "staff", "realmRoles": ["work"]}],
            "clients": [client, {"clientId": "portal", "enabled": True, "publicClient": True, "directAccessGrantsEnabled": True}],
            "users": [account]})
        super().__init__(made, base, RULES, mails("ann", "bob", "cid", "dan", "eve"))
        for name in ("ann", "bob", "cid", "dan"):
            self.someone(name, "/staff")

    def someone(self, name, *paths):
        self.person(name, *paths, email=f"{name}@acme.example", firstName=name, lastName="Staff",
                    credentials=[{"type": "password", "value": PASSWORD, "temporary": False}])

    def log_in(self, name, password):
        """The error, or None when the password was taken."""
        form = {"grant_type": "password", "client_id": "portal", "username": name, "password": password}
        _, body = self.admin._send("POST", f"/realms/{self.admin.realm}/protocol/openid-connect/token",  # noqa: SLF001
                                   urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
        return json.loads(body).get("error")

    def attack(self, name):
        """Wrong passwords until the server lets nobody in under that name."""
        user = self.admin.user(name)["id"]
        for _ in range(TRIES):
            assert self.log_in(name, "wrong") == "invalid_grant"
            if self.admin.get(f"/attack-detection/brute-force/users/{user}")["disabled"]:
                return
        raise AssertionError(f"{name} is not locked out after {TRIES} failed logins")


@pytest.fixture(scope="module")
def company(admin, tmp_path_factory):
    built = Company(admin, tmp_path_factory.mktemp("locks"))
    try:
        built.sync()
        assert built.members() == {"staff": mails("ann", "bob", "cid", "dan"), "workers": mails("ann", "bob", "cid", "dan")}
        yield built
    finally:
        built.stop()


def locked_out(plan):
    return {(one["group"], one["name"], one["note"]) for one in plan["left_alone"]["locked_out"]}


def entries(*names):
    return {(group, mail, NOTE) for group in ("staff", "workers") for mail in mails(*names)}


# The tests build on each other, in this order.


def test_a_permanent_lockout_is_listed_and_left_alone_while_a_disabled_account_goes(company):
    company.attack("ann")
    company.admin.enable("cid", False)
    user = company.admin.user("ann")
    assert not user["enabled"] and user["attributes"] == {"disabledReason": ["permanentLockout"]}
    assert "attributes" not in company.admin.user("cid")
    plan = company.keybricks.plan()
    assert locked_out(plan) == entries("ann")
    assert product.operations(plan, "remove") == {"staff": mails("cid"), "workers": mails("cid")}
    assert product.causes(plan, "staff", "cid@acme.example") == ["disabled"]
    company.sync()
    assert company.members() == {"staff": mails("ann", "bob", "dan"), "workers": mails("ann", "bob", "dan")}


def test_who_is_locked_out_is_not_added(company):
    company.someone("eve")
    company.attack("eve")
    company.admin.join("eve", "/staff")
    plan = company.keybricks.plan()
    assert plan["groups"] == [] and locked_out(plan) == entries("ann", "eve")
    _, stderr = company.sync()
    assert product.writes(stderr) == 0


def test_who_is_locked_out_is_not_removed_for_anything_else_either(company):
    company.admin.leave("ann", "/staff")
    plan = company.keybricks.plan()
    assert plan["groups"] == [] and locked_out(plan) == entries("ann", "eve")
    _, stderr = company.sync()
    assert product.writes(stderr) == 0
    company.admin.join("ann", "/staff")


def test_an_account_that_is_let_in_again_is_like_any_other(company):
    """Forgetting the failures does not let in; an administrator's decision does, and takes the reason away."""
    for name in ("ann", "eve"):
        user = company.admin.user(name)["id"]
        company.admin.call("DELETE", f"/attack-detection/brute-force/users/{user}")
    assert locked_out(company.keybricks.plan()) == entries("ann", "eve")
    for name in ("ann", "eve"):
        company.admin.enable(name, True)
        assert "attributes" not in company.admin.user(name) and company.log_in(name, PASSWORD) is None
    company.admin.leave("ann", "/staff")
    company.sync()
    assert company.members() == {"staff": mails("bob", "dan", "eve"), "workers": mails("bob", "dan", "eve")}


def test_an_administrator_disables_who_is_locked_out_by_enabling_first(company):
    """Saved as disabled once more the account keeps the reason: nothing tells that from a lockout."""
    company.attack("dan")
    company.admin.enable("dan", False)
    assert locked_out(company.keybricks.plan()) == entries("dan")
    company.admin.enable("dan", True)
    company.admin.enable("dan", False)
    plan = company.keybricks.plan()
    assert locked_out(plan) == set() and product.operations(plan, "remove") == {"staff": mails("dan"), "workers": mails("dan")}
    company.sync()
    assert company.members() == {"staff": mails("bob", "eve"), "workers": mails("bob", "eve")}


def test_a_temporary_lockout_changes_nothing(company):
    company.admin.call("PUT", "", {**company.admin.get(""), "permanentLockout": False})
    company.attack("bob")
    assert company.log_in("bob", PASSWORD) == "invalid_grant"  # the right one, too
    user = company.admin.user("bob")
    assert user["enabled"] and "attributes" not in user
    plan = company.keybricks.plan()
    assert plan["groups"] == [] and locked_out(plan) == set()
    _, stderr = company.sync()
    assert product.writes(stderr) == 0
