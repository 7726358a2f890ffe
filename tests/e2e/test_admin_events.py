"""Admin events of a real Keycloak in a plan: who granted it, when; recorded in the realm for this module only."""

import os
import re

import product
import pytest
import realm
import target

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

RULES = [{"role": "event/role", "group": "by role"}, {"path": "/event group", "group": "by path", "subgroups": True},
         {"role": "event-inner", "group": "by composite"}]
MAIL = "plus+tag@acme.example"


def service_role(admin, name, method="POST"):
    """Gives or takes a right of the client keybricks."""
    account = admin.user(f"service-account-{realm.CLIENT_ID}")["id"]
    client = admin.get("/clients?clientId=realm-management")[0]["id"]
    role = admin.get(f"/clients/{client}/roles/{name}")
    admin.call(method, f"/users/{account}/role-mappings/clients/{client}", [role])


@pytest.fixture(scope="module")
def recorded(admin):
    """The realm with admin events on, roles and a group of this module, and a way to ask for the event of somebody."""
    admin.enable("plus+tag", True)  # another module of this session may have disabled the account
    for name in ("event/role", "event-outer", "event-inner"):
        admin.call("POST", "/roles", {"name": name})
    admin.call("POST", "/groups", {"name": "event group"})
    parent = admin.group("/event group")["id"]
    admin.call("POST", f"/groups/{parent}/children", {"name": "below"})
    admin.call("PUT", "/events/config", {"adminEventsEnabled": True, "adminEventsDetailsEnabled": True})
    service_role(admin, "view-events")
    yield admin
    service_role(admin, "view-events", "DELETE")
    admin.call("PUT", "/events/config", {"adminEventsEnabled": False, "adminEventsDetailsEnabled": False})
    admin.call("DELETE", "/admin-events")
    for name in ("event%2Frole", "event-outer", "event-inner"):
        admin.call("DELETE", f"/roles/{name}")
    admin.call("DELETE", f"/groups/{parent}")


@pytest.fixture
def keybricks(keycloak, recorded, tmp_path):
    principals = {"user": [MAIL, "o'brien@acme.example"], "service_principal": []}
    there = target.Target(os.environ["KEYBRICKS_SIM"], tmp_path, principals, {"by role": set(), "by path": set(), "by composite": set()})
    try:
        yield product.Keybricks(os.environ["KEYBRICKS_BIN"], tmp_path / "keybricks", keycloak, there.settings(), RULES,
                                guards={"first_run": False, "group_max_removals_small": 1000, "max_removals_percent": 100})
    finally:
        there.stop()


def events(plan):
    """{group: {name: event of the first reason}}."""
    return {group["name"]: {one["principal"]["name"]: one["reasons"][0].get("event") for one in group["operations"]}
            for group in plan["groups"]}


def test_who_granted_it_and_who_took_it(keybricks, recorded):
    recorded.grant("plus+tag", "event/role")
    recorded.grant("plus+tag", "event/role")  # recorded again
    recorded.join("plus+tag", "/event group/below")
    outer, inner = recorded.get("/roles/event-outer"), recorded.get("/roles/event-inner")
    recorded.call("POST", f"/groups/{recorded.group('/event group')['id']}/role-mappings/realm", [outer])
    recorded.call("POST", "/roles/event-outer/composites", [inner])
    log = recorded.get("/admin-events")
    admin = log[0]["authDetails"]["userId"]  # the administrator of master: unknown here, so the id stays
    plan = keybricks.plan()
    told = events(plan)
    assert {group: list(people) for group, people in told.items()} == {"by role": [MAIL], "by path": [MAIL], "by composite": [MAIL]}
    for group, kind in (("by role", "REALM_ROLE_MAPPING"), ("by path", "GROUP_MEMBERSHIP"), ("by composite", "REALM_ROLE")):
        event = told[group][MAIL]
        assert event["by"] == admin
        same = [one["time"] // 1000 for one in log if one["resourceType"] == kind]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["at"])
        assert same, kind
    stdout, _ = keybricks.run("plan")
    assert "admin events:" not in stdout
    assert re.search(rf"role event/role, direct  \S+Z by {admin}", stdout)

    keybricks.run("sync")
    recorded.revoke("plus+tag", "event/role")
    recorded.leave("plus+tag", "/event group/below")
    plan = keybricks.plan()
    told = events(plan)
    assert [one["cause"] for group in plan["groups"] for one in group["operations"]] == ["revoked"] * 3
    assert all(told[group][MAIL]["by"] == admin for group in ("by role", "by path", "by composite"))


def test_who_disabled_the_account(keybricks, recorded):
    recorded.grant("o'brien", "event/role")
    keybricks.run("sync")
    try:
        recorded.enable("o'brien", False)
        told = events(keybricks.plan())
        assert told["by role"]["o'brien@acme.example"]["by"]
        stdout, _ = keybricks.run("plan")
        assert re.search(r"account disabled in Keycloak  \S+Z by \S+", stdout)
    finally:
        recorded.enable("o'brien", True)
        recorded.revoke("o'brien", "event/role")


def test_without_the_right_it_is_a_line(keybricks, recorded):
    service_role(recorded, "view-events", "DELETE")
    recorded.grant("plus+tag", "event/role")
    try:
        stdout, _ = keybricks.run("plan")
        assert "admin events: not readable: the account lacks view-events of realm-management" in stdout
    finally:
        service_role(recorded, "view-events")
    recorded.call("PUT", "/events/config", {"adminEventsEnabled": False, "adminEventsDetailsEnabled": False})
    try:
        stdout, _ = keybricks.run("plan")
        assert "admin events: off in this realm" in stdout
    finally:
        recorded.call("PUT", "/events/config", {"adminEventsEnabled": True, "adminEventsDetailsEnabled": True})
        recorded.revoke("plus+tag", "event/role")
