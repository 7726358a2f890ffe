"""Facts about Keycloak that keybricks relies on, asked of the running server: when a new version changes one, this turns
red before a customer notices. README.md has them as text. And: the realm is as awkward as it claims to be."""

import json

import oracle
import pytest
import realm

FLAT = "/groups?search=%20&populateHierarchy=false&briefRepresentation=false&subGroupsCount=false&max=-1"
LOCKED = {"disabledReason": ["permanentLockout"]}


def roles_of(reader, username):
    return {role["name"] for role in reader.get(f"/users/{reader.user(username)['id']}/role-mappings/realm/composite")}


def row(rows, username):
    found = [user for user in rows if user["username"] == username]
    assert len(found) == 1
    return found[0]


def test_realm_is_the_same_every_time():
    assert json.dumps(realm.build(), sort_keys=True) == json.dumps(realm.build(), sort_keys=True)


def test_realm_is_big_and_awkward(reader):
    groups = reader.get(FLAT)
    assert reader.get("/users/count") >= 300 and len(reader.get("/users?max=-1")) >= 300
    assert len(groups) >= 60 and max(len(group["path"].split("/")) - 1 for group in groups) == 4
    assert len(reader.get("/roles")) >= 30
    names = "".join(group["name"] for group in groups) + "".join(role["name"] for role in reader.get("/roles"))
    assert not set('/; %?#+ü"\\') - set(names)


@pytest.mark.parametrize("username, roles", [
    ("ring.only", {"ring-a", "ring-b"}),
    ("client.ring", {"ring-a", "ring-b"}),
    ("head", {"head-of-data", "data-lead", "ml-engineer", "data-base", "dbx-portal"}),
])
def test_composites_and_cycles_were_imported(reader, username, roles):
    assert roles_of(reader, username) == roles


def test_flat_group_list_is_whole_and_two_groups_share_a_path(reader):
    groups = reader.get(FLAT)
    assert len({group["id"] for group in groups}) == len(groups) == reader.get("/groups/count")["count"]
    assert all("realmRoles" in group and "clientRoles" in group for group in groups)
    twins = [group for group in groups if group["path"] == "/eng/ml"]
    assert sorted(group["name"] for group in twins) == ["eng/ml", "ml"]
    assert [group["name"] for group in twins if "parentId" not in group] == ["eng/ml"]


@pytest.mark.parametrize("brief", ["true", "false"])
def test_every_list_says_who_is_locked_out(reader, brief):
    blue = reader.group("/teams/blue")["id"]
    for path in ("/users?enabled=false", f"/groups/{blue}/members?x=", "/roles/ml-engineer/users?x="):
        found = row(reader.get(f"{path}&max=-1&briefRepresentation={brief}"), "locked.out")
        assert (found["enabled"], found["attributes"]) == (False, LOCKED)
    assert [user["username"] for user in reader.get("/users?q=disabledReason:permanentLockout&max=-1")] == ["locked.out"]


def test_service_account_shows_its_attribute_only_alone(reader):
    want = realm.ident("application", "etl-1")
    red = reader.group("/teams/red")["id"]
    name = "service-account-etl-1"
    assert reader.user(name)["attributes"] == {realm.ATTRIBUTE: [want]}
    assert "attributes" not in row(reader.get(f"/groups/{red}/members?max=-1&briefRepresentation=true"), name)
    assert [user["username"] for user in reader.get(f"/users?q={realm.ATTRIBUTE}:{want}")] == [name]


def test_without_view_clients_a_composite_list_is_silently_short(admin, reader):
    management = admin.get("/clients?clientId=realm-management")[0]["id"]
    account = admin.user(f"service-account-{realm.CLIENT_ID}")["id"]
    right = [admin.get(f"/clients/{management}/roles/view-clients")]
    full = {role["name"] for role in reader.get("/roles/head-of-data/composites")}
    admin.call("DELETE", f"/users/{account}/role-mappings/clients/{management}", right)
    try:
        short = {role["name"] for role in reader.get("/roles/head-of-data/composites")}
        status, _ = reader.raw("GET", f"/roles-by-id/{realm.ident('role', 'portal', 'admin')}/composites")
        still = roles_of(reader, "head")
    finally:
        admin.call("POST", f"/users/{account}/role-mappings/clients/{management}", right)
    assert full == {"data-lead", "admin"} and short == {"data-lead"}
    assert status == 403
    assert "dbx-portal" in still  # the point check still knows


def test_undeclared_attributes_of_people_are_hidden_unless_the_realm_allows_them(admin, reader):
    user = admin.user("head")
    admin.call("PUT", f"/users/{user['id']}", {**user, "attributes": {"badge": ["7"]}})
    profile = admin.get("/users/profile")
    assert reader.user("head")["attributes"] == {"badge": ["7"]}
    admin.call("PUT", "/users/profile", {key: profile[key] for key in profile if key != "unmanagedAttributePolicy"})
    try:
        assert "attributes" not in reader.user("head")
        assert reader.user("locked.out")["attributes"] == LOCKED
        assert realm.ATTRIBUTE in reader.user("service-account-etl-1")["attributes"]
    finally:
        admin.call("PUT", "/users/profile", profile)
    admin.call("PUT", f"/users/{user['id']}", {**admin.user("head"), "attributes": {}})


def test_oracle_sees_what_its_rules_say(keycloak):
    world = oracle.World(keycloak, realm.REALM, realm.CLIENT_ID, realm.CLIENT_SECRET, client_roles=("portal",))
    keys = {kind: [person.key(realm.ATTRIBUTE) for person in world.people
                   if person.service == (kind == "service_principal") and person.key(realm.ATTRIBUTE)]
            for kind in ("user", "service_principal")}
    rules = [{"role_glob": "ring-*", "group": "{1}"}, {"path": "/eng/ml", "group": "twins"},
             {"path_glob": "/teams/b*", "group": "t-{1}"}, {"client_role": "portal:ring", "group": "cr"},
             {"path": "/teams/red", "group": "red", "subgroups": True}, {"path": "/teams/red", "group": "red only"}]
    desired = oracle.Desired(world, rules, realm.ATTRIBUTE, keys, exclude=("excluded.person",))
    assert {"ring.only@acme.example", "client.ring@acme.example"} <= desired.members["b"]
    assert "ring.only@acme.example" in desired.members["cr"] and "head@acme.example" not in desired.members["cr"]
    assert desired.frozen == {"twins"} and desired.members["twins"] == set()
    assert "o'brien@acme.example" in desired.members["t-lue"] and "t-ack\\slash" in desired.members
    assert ("t-lue", "twin@acme.example") in desired.ambiguous and ("t-lue", "shadow@acme.example") in desired.ambiguous
    assert desired.locked_out == {("t-lue", "locked.out@acme.example")}
    assert realm.ident("application", "etl-1") in desired.members["red"]
    assert ("red", "service-account-etl-nokey") in desired.unmatched
    assert realm.ident("application", "etl-disabled") not in desired.members["red"]
    assert desired.members["red only"] < desired.members["red"]
    assert not [key for people in desired.members.values() for key in people if key == "excluded@acme.example"]
