"""The simulator's admin events (rule S22), as a running Keycloak records them: keycloak-verified.md section 6."""

import json

import pytest
from simulator import WORLD, Sim


@pytest.fixture
def sim(tmp_path):
    world = json.loads(json.dumps(WORLD))
    world["realm"]["permissions"] = ["view-users", "view-realm", "view-clients", "view-events"]
    (tmp_path / "world.json").write_text(json.dumps(world), encoding="utf-8")
    running = Sim("--world", str(tmp_path / "world.json"))
    yield running
    assert running.stop() == 0


def events(sim, query=""):
    answer = sim.kc(f"/admin-events{query}")
    assert answer.status == 200
    return [(one["operationType"], one["resourceType"], one["resourcePath"]) for one in answer.json]


def test_off_by_default(sim):
    sim.edit({"op": "kc_role_grant", "role": "lonely", "username": "ana"})
    assert events(sim) == [] and sim.kc("/events/config").json["adminEventsEnabled"] is False
    sim.knobs(events=True)
    assert events(sim) == [] and sim.kc("/events/config").json["adminEventsEnabled"] is True


def test_what_is_recorded_and_what_is_not(sim):
    sim.knobs(events=True)
    ana = sim.kc("/users?username=ana&exact=true").json[0]["id"]
    sim.edit({"op": "kc_role_grant", "role": "lonely", "username": "ana", "by": "bob"},
             {"op": "kc_role_grant", "role": "lonely", "username": "ana"},  # held already: recorded again
             {"op": "kc_group_leave", "group": "/ops", "username": "ana"},  # was not in it: not recorded
             {"op": "kc_group_join", "group": "/ops", "username": "ana"},
             {"op": "kc_user_set", "username": "ana", "enabled": False},
             {"op": "kc_composite_add", "role": "lonely", "child": "target"},
             {"op": "kc_group_delete", "group": "/ops"})
    ops = sim.kc("/admin-events?max=100").json
    group = ops[2]["resourcePath"].rpartition("/")[2]
    assert events(sim) == [("CREATE", "REALM_ROLE", "roles/lonely/composites"), ("UPDATE", "USER", f"users/{ana}"),
                           ("CREATE", "GROUP_MEMBERSHIP", f"users/{ana}/groups/{group}"),
                           ("CREATE", "REALM_ROLE_MAPPING", f"users/{ana}/role-mappings/realm")] + \
        [("CREATE", "REALM_ROLE_MAPPING", f"users/{ana}/role-mappings/realm")]
    assert [role["name"] for role in json.loads(ops[4]["representation"])] == ["lonely"]
    assert json.loads(ops[2]["representation"])["path"] == "/ops" and json.loads(ops[1]["representation"])["enabled"] is False
    bob = sim.kc("/users?username=bob&exact=true").json[0]["id"]
    assert ops[4]["authDetails"]["userId"] == bob and ops[4]["authDetails"]["realmId"] == ops[4]["realmId"]
    assert ops[3]["authDetails"]["realmId"] != ops[3]["realmId"]  # the caller's realm


def test_filters_pages_and_details(sim):
    sim.knobs(events=True, events_details=False)
    sim.edit({"op": "kc_role_grant", "role": "lonely", "username": "ana"}, {"op": "kc_group_join", "group": "/ops", "username": "ana"})
    rows = sim.kc("/admin-events").json
    assert len(rows) == 2 and not any("representation" in row for row in rows)
    assert len(events(sim, "?resourceTypes=GROUP_MEMBERSHIP")) == 1
    assert len(events(sim, "?resourceTypes=GROUP_MEMBERSHIP&resourceTypes=REALM_ROLE_MAPPING&resourceTypes=USER")) == 2
    assert events(sim, "?first=1&max=1") == events(sim)[1:] and events(sim, "?first=2") == [] and len(events(sim, "?max=1")) == 1
    assert events(sim, f"?dateFrom={rows[0]['time'] + 1}") == [] and len(events(sim, f"?dateFrom={rows[1]['time']}")) == 2


def test_only_with_the_right(sim):
    sim.edit({"op": "kc_permissions", "permissions": ["view-users", "view-realm"]})
    assert sim.kc("/admin-events", fresh=True).status == 403 and sim.kc("/events/config").status == 403
