"""The simulator's Keycloak against the real one, over the same realm: what system tests prove with the simulator is worth as
much as this comparison. Runs before test_keycloak.py, which changes the realm (pytest goes by name)."""

import json
import os
import subprocess

import oracle
import pytest
import realm
import server
import simrealm

if not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_SIM; scripts/test sets it", allow_module_level=True)

# Made by each server for itself: times, the realm's internal id, and the order of what has no order.
# Service accounts get their ids from the simulator; Keycloak describes three roles in its own words.
BUILT_IN = {"offline_access", "uma_authorization", f"default-roles-{realm.REALM}"}
ACCOUNT = {"view-profile", "manage-account"}  # of the client account, which Keycloak puts into the default role by itself
OWN = {"createdTimestamp", "containerId"}
OURS = {one["clientId"] for one in realm.build()["clients"]}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "world.json"
    path.write_text(json.dumps(simrealm.world(realm.build(), realm.CLIENT_ID, realm.CLIENT_SECRET)), encoding="utf-8")
    process = subprocess.Popen([os.environ["KEYBRICKS_SIM"], "--world", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        url = json.loads(process.stdout.readline())["keycloak"]
        yield server.Admin(url, realm.REALM, realm.CLIENT_ID, realm.CLIENT_SECRET), url
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def plain(thing):
    """Without what each server makes for itself; lists of names sorted, lists of rows as they came."""
    if isinstance(thing, dict):
        made = str(thing.get("username")).startswith("service-account-") or thing.get("name") in BUILT_IN
        own = OWN | {"id", "description"} if made else OWN
        return {key: plain(inner) for key, inner in thing.items() if key not in own}
    if isinstance(thing, list):
        out = [plain(inner) for inner in thing]
        return sorted(out) if all(isinstance(inner, str) for inner in out) else out
    return thing


def in_order(rows):
    """Rows of one name have no order among themselves (three groups are called core)."""
    if not isinstance(rows, list):
        return rows
    return by_id(rows), [row.get("name", row.get("username")) for row in rows]


def by_id(rows):
    return sorted(plain(rows), key=lambda row: row.get("id") or row.get("name") or row["username"])


def test_everybody_has_the_same_roles_and_groups(keycloak, simulated):
    facts = []
    for url in (keycloak, simulated[1]):
        world = oracle.World(url, realm.REALM, realm.CLIENT_ID, realm.CLIENT_SECRET, client_roles=("portal", "wiki"))
        facts.append({person.username: (person.email, person.enabled, person.attributes, person.service, sorted(person.roles),
                                        sorted(person.groups), sorted(person.client_roles)) for person in world.people})
    real, sim = facts
    assert len(real) > 300 and real.keys() == sim.keys()
    assert {name: real[name] for name in real if real[name] != sim[name]} == {
        name: sim[name] for name in real if real[name] != sim[name]}


@pytest.mark.parametrize("path", [
    "/groups?search=%20&populateHierarchy=false&briefRepresentation=false&subGroupsCount=false&max=-1",
    "/groups?search=%20&populateHierarchy=false&briefRepresentation=true&max=-1",
    "/groups", "/groups/count", "/users/count",
    "/roles?briefRepresentation=true&first=0&max=-1", "/roles?briefRepresentation=false&first=0&max=-1",
    "/users?max=-1&briefRepresentation=true", "/users?max=-1&briefRepresentation=false",
    "/users?enabled=false&max=-1&briefRepresentation=true", "/users?enabled=false&max=-1&briefRepresentation=false",
    "/users?q=disabledReason:permanentLockout&max=-1",
    "/users?username=U0&max=-1&briefRepresentation=true", "/users?email=twin@acme.example&exact=true",
])
def test_lists_are_the_same(reader, simulated, path):
    """Same rows, same keys, same order."""
    assert in_order(plain(simulated[0].get(path))) == in_order(plain(reader.get(path)))


@pytest.mark.parametrize("brief", ["true", "false"])
def test_members_of_every_group_are_the_same(reader, simulated, brief):
    for group in reader.get("/groups?search=%20&populateHierarchy=false&max=-1"):
        path = f"/groups/{group['id']}/members?max=-1&briefRepresentation={brief}"
        assert plain(simulated[0].get(path)) == plain(reader.get(path)), group["path"]


def test_holders_groups_and_composites_of_every_role_are_the_same(reader, simulated):
    for role in reader.get("/roles"):
        name = server.quote(role["name"])
        for path in (f"/roles/{name}", f"/roles/{name}/users?max=-1&briefRepresentation=true",
                     f"/roles/{name}/groups?max=-1&briefRepresentation=true"):
            assert plain(simulated[0].get(path)) == plain(reader.get(path)), path
        if role["composite"]:
            path = f"/roles-by-id/{role['id']}/composites"
            real = [row for row in reader.get(path) if row["name"] not in ACCOUNT]
            assert by_id(simulated[0].get(path)) == by_id(real), role["name"]


def test_client_roles_are_the_same(reader, simulated):
    clients = [{one["clientId"]: one for one in admin.get("/clients?max=-1")} for admin in (reader, simulated[0])]
    assert OURS <= clients[0].keys() and OURS <= clients[1].keys()
    for name in ("portal", "wiki"):
        real, sim = clients[0][name]["id"], clients[1][name]["id"]
        roles = [by_id(admin.get(f"/clients/{uuid}/roles")) for admin, uuid in ((reader, real), (simulated[0], sim))]
        assert roles[0] == roles[1]
        for role in roles[0]:
            for below in ("users?max=-1&briefRepresentation=true", "groups?max=-1&briefRepresentation=true"):
                answers = [plain(admin.get(f"/clients/{uuid}/roles/{role['name']}/{below}"))
                           for admin, uuid in ((reader, real), (simulated[0], sim))]
                assert answers[0] == answers[1], (name, role["name"], below)


@pytest.mark.parametrize("method, path", [
    ("GET", "/roles/a%2Fb"), ("GET", "/roles/no%20such/users"), ("GET", "/groups/no-such"), ("GET", "/users/no-such"),
    ("GET", "/roles-by-id/no-such/composites"), ("GET", "/roles/dbx-a/b"), ("GET", "/roles/dbx-semi;colon"),
    ("GET", "/roles/dbx-100%"), ("GET", "/roles//dbx-plain"), ("GET", "/roles/%2E%2E"), ("GET", "/nothing"), ("PUT", "/roles"),
    ("GET", "/users?max=x"), ("GET", "/users?max=0"), ("GET", "/users?first=-5&max=3&briefRepresentation=true"),
])
def test_refusals_are_the_same(reader, simulated, method, path):
    real, sim = reader.raw(method, path), simulated[0].raw(method, path)
    assert sim[0] == real[0]
    if real[0] == 200:
        assert plain(json.loads(sim[1])) == plain(json.loads(real[1]))
    elif real[1]:
        assert json.loads(sim[1]) == json.loads(real[1])
    else:
        assert sim[1] == b""
