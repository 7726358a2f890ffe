"""keybricks-sim as Keycloak: the rules S1-S25 of the reference, as far as the simulator has them."""

import base64
import json
import subprocess
import time
import urllib.parse

import pytest
from simulator import WORLD, Sim, names


@pytest.fixture
def sim(tmp_path):
    path = tmp_path / "world.json"
    path.write_text(json.dumps(WORLD))
    simulator = Sim("--world", str(path), "--config-out", str(tmp_path / "out"))
    yield simulator
    assert simulator.stop() == 0


@pytest.mark.parametrize("body,secret,status,error", [
    ("grant_type=client_credentials", None, 200, None),
    ("grant_type=client_credentials", "wrong", 401, "unauthorized_client"),
    ("", None, 400, "invalid_request"),
    ("grant_type=password", None, 400, "unauthorized_client"), ("grant_type=x", None, 400, "unsupported_grant_type"),
    ("grant_type=client_credentials&grant_type=client_credentials", None, 400, "invalid_request"),
    ("grant_type=client_credentials&client_id=nobody", None, 401, "invalid_client"),
    ("grant_type=client_credentials&scope=kc-admin-api", None, 400, "invalid_scope"),
])
def test_token_errors(sim, body, secret, status, error):
    answer = sim.kc_token(body, secret)
    assert (answer.status, answer.json.get("error")) == (status, error)


def test_token_details(sim):
    raw = base64.b64encode(f"keybricks:{sim.info['client_secret']}".encode()).decode()
    answer = sim.kc_token(headers={"Authorization": "Basic " + raw})  # must be form-encoded first
    assert (answer.status, answer.json["error"]) == (400, "unauthorized_client")
    post = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "keybricks",
                                   "client_secret": sim.info["client_secret"]})
    token = sim.kc_token(post, headers={})
    assert token.status == 200 and token.json["expires_in"] == 300 and "refresh_token" not in token.json
    assert sim.kc_token(headers={}).status == 401
    assert sim.call("keycloak", "GET", "/realms/acme/protocol/openid-connect/token").status == 405
    assert sim.call("keycloak", "POST", "/realms/nope/protocol/openid-connect/token", b"").status == 404
    discovery = sim.call("keycloak", "GET", "/realms/acme/.well-known/openid-configuration").json
    assert discovery["token_endpoint"] == sim.info["keycloak"] + "/realms/acme/protocol/openid-connect/token"
    log = json.dumps(sim.control("GET", "log"))
    assert "a%3Ab" not in log and raw not in log and "REDACTED" in log


def test_token_life(sim):
    sim.knobs(token_life_s=2)
    assert sim.kc("/roles", fresh=True).status == 200
    assert sim.kc("/roles", host="localhost:1").status == 401  # another issuer
    sim.control("POST", "clock", {"advance_ms": 2001})
    expired = sim.kc("/roles")
    assert expired.status == 401 and expired.json == {"error": "HTTP 401 Unauthorized"}
    assert "WWW-Authenticate" not in expired.headers
    assert sim.kc("/roles", fresh=True).status == 200
    sim.edit({"op": "kc_not_before"})
    assert sim.kc("/roles").status == 401
    sim.edit({"op": "kc_not_before", "unix_s": 0}, {"op": "kc_secret", "secret": "new"})
    assert sim.kc("/roles").status == 200  # tokens outlive the secret
    assert sim.kc_token().status == 401
    sim.edit({"op": "kc_client", "enabled": False})
    assert sim.kc("/roles").status == 401


def jwt(payload, key, pem):
    def part(data):
        return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=")
    text = part({"alg": "RS256"}) + b"." + part(payload)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", pem], input=text, capture_output=True, check=True)
    return (text + b"." + base64.urlsafe_b64encode(signature.stdout).rstrip(b"=")).decode()


def test_private_key_jwt(sim, tmp_path):
    pem = str(tmp_path / "k.pem")
    subprocess.run(["openssl", "genrsa", "-out", pem, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", pem, "-pubout"], check=True, capture_output=True).stdout.decode()
    sim.knobs(kc_client_public_key=public)
    now = int(time.time())
    good = {"iss": "keybricks", "sub": "keybricks", "aud": sim.info["keycloak"] + "/realms/acme", "exp": now + 60,
            "iat": now, "jti": "1"}
    cases = [({}, 200, None), ({}, 400, "Token reuse detected"), ({"jti": None}, 400, "Token jti claim is required"),
             ({"jti": "2", "exp": now - 1}, 400, "Token is not active"),
             ({"jti": "3", "iat": now - 70}, 400, "Token was issued too far in the past to be used now"),
             ({"jti": "4", "iat": now + 30}, 400, "Token was issued in the future"),
             ({"jti": "5", "aud": ["a", "b"]}, 400, "Multiple audiences not allowed"),
             ({"jti": "6", "sub": "x"}, 401, "Invalid client or Invalid client credentials"),
             ({"jti": "7", "iat": now + 10}, 200, None)]
    for change, status, text in cases:
        claims = {k: v for k, v in (good | change).items() if v is not None}
        form = {"grant_type": "client_credentials", "client_assertion": jwt(claims, None, pem),
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
        answer = sim.kc_token(urllib.parse.urlencode(form), headers={})
        assert (answer.status, answer.json.get("error_description")) == (status, text), change
    assert sim.kc_token().json["error_description"] == "Parameter client_assertion_type is missing"


def test_paging(sim):
    members = "/groups/" + sim.kc("/groups").json[1]["id"] + "/members"
    assert len(sim.kc(members).json) == 100
    assert len(sim.kc(members + "?max=-1").json) == 120
    assert sim.kc(members + "?max=0").json == []
    assert len(sim.kc(members + "?first=110&max=-1").json) == 10
    assert names(sim.kc(members + "?first=-5&max=2")) == ["u000", "u001"]
    for bad in ("max=x", "max=99999999999", "first=1.5"):
        assert sim.kc(members + "?" + bad).json == {"error": "HTTP 404 Not Found"}
    assert sim.kc(members + "?max=2147483647").status == 200
    kids = members.replace("members", "children")
    assert len(sim.kc(kids).json) == 10 and len(sim.kc(kids + "?max=-1").json) == 14
    assert "realmRoles" in sim.kc(kids).json[0]


def test_roles_order_and_lone_max(sim):
    everything = names(sim.kc("/roles"), "name")
    assert len(names(sim.kc("/roles?max=3"), "name")) == len(everything) == 11
    assert names(sim.kc("/roles?first=0&max=-1"), "name") == sorted(everything)
    assert len(sim.kc("/roles?first=0&max=3").json) == 3
    assert any(names(sim.kc("/roles"), "name") != everything for _ in range(5))
    assert names(sim.kc("/roles?search=RING&max=1"), "name") == ["ring1"]


def test_groups(sim):
    top = sim.kc("/groups").json
    assert names(sim.kc("/groups"), "name") == ["eng", "ops"]
    assert all(g["subGroups"] == [] and "parentId" not in g for g in top)
    assert top[0]["subGroupCount"] == 2 and "realmRoles" not in top[0]
    flat = "&populateHierarchy=false&briefRepresentation=false&subGroupsCount=false&max=-1"
    groups = sim.kc("/groups?search=*" + flat).json
    assert len(groups) == 19 == sim.kc("/groups/count").json["count"]
    assert "subGroupCount" not in groups[0]
    for text in ("%2A", "%20"):
        assert len(sim.kc(f"/groups?search={text}{flat}").json) == 19
    for text in ("%25", "_"):
        assert sim.kc(f"/groups?search={text}{flat}").json == []
    assert len(sim.kc("/groups?search=" + flat).json) == 2  # an empty search is none
    eng = next(g for g in groups if g["path"] == "/eng")
    assert eng["realmRoles"] == ["job"] and eng["clientRoles"] == {"portal": ["viewer"]}
    assert sorted(g["path"] for g in groups if g["name"] == "ml") == ["/eng/ml", "/ops/ml"]
    tree = sim.kc("/groups?search=deep").json
    assert [tree[0]["name"], tree[0]["subGroups"][0]["subGroups"][0]["name"]] == ["eng", "deep"]
    assert sim.kc("/groups/count?top=true").json == {"count": 2}
    assert sim.kc("/group-by-path/eng/ml").json["id"] == "g-ml"
    for path in ("eng/a%2Fb", "eng/a/b"):
        assert sim.kc("/group-by-path/" + path).json == {"error": "Group path does not exist"}


def test_role_holders_and_effective(sim):
    assert names(sim.kc("/roles/dbx-ml/users")) == ["ana"]
    assert names(sim.kc("/roles/job/groups"), "name") == ["eng"]
    assert sorted(names(sim.kc("/roles/job/composites"), "name")) == ["dbx-ml", "viewer"]
    job = next(r for r in sim.kc("/roles").json if r["name"] == "job")
    assert sim.kc(f"/roles-by-id/{job['id']}").json["composite"] is True
    assert len(sim.kc(f"/roles-by-id/{job['id']}/composites?max=1").json) == 1
    assert sim.kc(f"/roles-by-id/{job['id']}/users").json == {"error": "HTTP 404 Not Found"}
    users = {u["username"]: u["id"] for u in sim.kc("/users?enabled=true&max=-1").json}
    ana = sorted(names(sim.kc(f"/users/{users['ana']}/role-mappings/realm/composite"), "name"))
    assert ana == ["dbx-ml", "default-roles-acme", "job", "target"]
    assert sorted(names(sim.kc(f"/users/{users['cyd']}/role-mappings/realm/composite"), "name")) == ["ring1", "ring2"]
    assert names(sim.kc(f"/users/{users['cyd']}/role-mappings/realm"), "name") == ["ring1"]
    portal = sim.kc("/clients?clientId=portal").json[0]["id"]
    assert names(sim.kc(f"/users/{users['ana']}/role-mappings/clients/{portal}/composite"), "name") == ["viewer"]
    assert sim.kc(f"/users/{users['ana']}/groups").json[0]["path"] == "/eng/ml"
    assert sim.kc(f"/users/{users['ana']}/groups/count").json == {"count": 1}
    assert sim.kc(f"/users/{users['ana']}/credentials").status == 200
    assert len(sim.kc("/roles/default-roles-acme/users?max=-1").json) == 124


def test_users(sim):
    plain = sim.kc("/users?max=-1").json
    assert len(plain) == 123 == sim.kc("/users/count").json
    assert [u["username"] for u in plain] == sorted(u["username"] for u in plain)
    assert len(sim.kc("/users").json) == 100
    assert not any(u["username"].startswith("service-account") for u in plain)
    assert names(sim.kc("/users?enabled=false")) == ["bob"]
    assert names(sim.kc("/users?username=service-account-bot&exact=true")) == ["service-account-bot"]
    assert "service-account-bot" in names(sim.kc("/groups/g-ml/members"))
    brief = sim.kc("/users?username=ana&exact=true&briefRepresentation=true").json[0]
    assert brief["access"] == {"manage": False} and "attributes" not in brief and brief["email"] == "ana@acme.example"
    assert "email" not in sim.kc("/users?username=cyd&exact=true").json[0]
    assert sim.kc("/users?q=dept:ml").json[0]["attributes"] == {"dept": ["ml"]}
    one = sim.kc("/users/" + brief["id"]).json
    assert "federatedIdentities" not in one and one["access"]["view"] is True
    assert "access" not in sim.kc("/groups/g-ml/members?briefRepresentation=true").json[0]
    account = sim.kc("/clients?clientId=bot").json[0]
    assert sim.kc(f"/clients/{account['id']}/service-account-user").json["username"] == "service-account-bot"
    portal = sim.kc("/clients?clientId=portal").json[0]["id"]
    assert sim.kc(f"/clients/{portal}/service-account-user").status == 400
    assert names(sim.kc(f"/clients/{portal}/roles/viewer/groups"), "name") == ["eng"]
    assert sim.kc("/components").json[0]["name"] == "ldap"


@pytest.mark.parametrize("path,status", [
    ("/roles/a%2Fb", 200), ("/roles/a%2Fb/users", 200), ("/roles/semi%3Bcolon", 200), ("/roles/100%25", 200),
    ("/roles/%C3%BC%20b", 200), ("/roles/", 200), ("/roles/a/b", 404), ("/roles/semi;colon", 400),
    ("/roles/100%", 400), ("/roles//a", 400), ("/roles/../roles", 400), ("/roles/%2E%2E", 400), ("/nope", 404),
])
def test_paths(sim, path, status):
    assert sim.kc(path).status == status


def test_error_bodies(sim):
    assert sim.kc("/roles/none").json == {"error": "Could not find role"}
    assert sim.kc("/groups/none").json == {"error": "Could not find group by id"}
    assert sim.kc("/users/none").json == {"error": "User not found"}
    assert sim.kc("/roles-by-id/none").json == {"error": "Could not find role with id"}
    assert sim.kc("/roles;x").json["error"] == "invalidCharacter"
    assert sim.kc("//roles").json["error"] == "missingNormalization"
    assert sim.kc("/roles/%zz").body == b""
    assert sim.kc("/roles", method="PUT").json == {"error": "HTTP 404 Not Found"}
    assert sim.kc("/roles/none", Accept="text/html").body.startswith(b"<!DOCTYPE")
    other = sim.call("keycloak", "GET", "/admin/realms/other", None, {"Authorization": "Bearer " + sim.tokens["kc"]})
    assert other.json == {"error": "Realm not found."}
    assert sim.call("keycloak", "GET", "/admin/realms/acme/roles").status == 401


def test_wire(sim):
    big = sim.kc("/users?max=-1")
    assert big.headers["Transfer-Encoding"] == "chunked" and big.headers["Content-Type"] == "application/json;charset=UTF-8"
    small = sim.kc("/groups/count")
    assert small.headers["Content-Length"] == "12" and small.headers["Cache-Control"] == "no-cache"
    assert sim.kc("/roles/none").headers["Content-Type"] == "application/json"
    assert "Link" not in big.headers and "ETag" not in big.headers


R, P, F = "rows", [], 403
PERMISSIONS = [  # the table of keycloak-verified.md section 5; columns are these sets of rights
    (["view-users", "view-realm"], ["query-users", "query-groups", "view-realm"], ["view-realm"], ["view-users"],
     ["query-users"], ["query-groups"], []),
    ("/roles", R, R, R, F, F, F, F),
    ("/roles/job", R, R, R, F, F, F, F),
    ("/roles/dbx-ml/users", R, P, F, F, F, F, F),
    ("/roles/job/groups", R, R, F, F, F, F, F),
    ("/groups", R, P, F, R, F, P, F),
    ("/groups/count", R, R, F, R, F, R, F),
    ("/groups/g-ml/members", R, F, F, R, F, F, F),
    ("/groups/g-ml/children", R, F, F, R, F, F, F),
    ("/groups/none", 404, 404, 404, 404, 404, 404, 404),
    ("/users", R, P, F, R, P, F, F),
    ("/users/count", R, R, F, R, R, F, F),
    ("/users/none", 404, 404, F, 404, 404, F, F),
    ("/clients", F, F, F, F, F, F, F),
    ("/admin-events", F, F, F, F, F, F, F),
    ("", R, R, R, R, R, R, F),
]


def test_permissions(sim):
    for column, rights in enumerate(PERMISSIONS[0]):
        sim.edit({"op": "kc_permissions", "permissions": rights})
        for row in PERMISSIONS[1:]:
            answer, want = sim.kc(row[0]), row[column + 1]
            if want == R:
                assert answer.status == 200 and answer.json, (row[0], rights)
            elif want == P:
                assert answer.status == 200 and answer.json == [], (row[0], rights)
            else:
                assert answer.status == want, (row[0], rights)
    sim.edit({"op": "kc_permissions", "permissions": ["view-users", "view-realm"]})
    assert "clientRoles" not in sim.kc("/group-by-path/eng").json


def test_edits_and_offsets(sim):
    sim.edit({"op": "kc_user_add", "username": "aaa", "email": "aaa@acme.example"},
             {"op": "kc_group_join", "username": "aaa", "group": "/ops"},
             {"op": "kc_role_grant", "username": "aaa", "role": "lonely"},
             {"op": "kc_role_grant", "group": "/ops", "role": "lonely"},
             {"op": "kc_user_set", "username": "ana", "email": None, "new_username": "zoe", "attribute": {"k": "v"}},
             {"op": "kc_group_rename", "group": "/eng/ml", "to": "ai"},
             {"op": "kc_group_delete", "group": "/ops/t00"}, {"op": "kc_composite_add", "role": "lonely", "child": "job"})
    assert names(sim.kc("/roles/lonely/users")) == ["aaa"] and names(sim.kc("/roles/lonely/groups"), "name") == ["ops"]
    zoe = sim.kc("/users?username=zoe&exact=true").json[0]
    assert "email" not in zoe and zoe["attributes"] == {"k": ["v"]}
    assert sim.kc("/group-by-path/eng/ai/deep").status == 200 and sim.kc("/groups/count").json == {"count": 18}
    members = "/groups/" + sim.kc("/group-by-path/ops").json["id"] + "/members"
    first = names(sim.kc(members + "?max=10"))
    sim.edit({"op": "kc_user_remove", "username": "aaa"})  # S9: a survivor is skipped
    second = names(sim.kc(members + "?first=10&max=10"))
    assert first[-1] == "u008" and second[0] == "u010"
    bad = sim.call("keycloak", "POST", "/_sim/edit", b'[{"op":"kc_role_grant","username":"nobody","role":"job"}]')
    assert bad.status == 400 and "nobody" in bad.json["error"]


def test_base_path(tmp_path):
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"realm": {"base_path": "/auth", "name": "acme"}}))
    sim = Sim("--world", str(path))
    assert sim.info["keycloak"].endswith("/auth")
    assert sim.call("keycloak", "GET", "/realms/acme/.well-known/openid-configuration").status == 404
    discovery = sim.call("keycloak", "GET", "/auth/realms/acme/.well-known/openid-configuration").json
    assert discovery["issuer"] == sim.info["keycloak"] + "/realms/acme"
    assert sim.stop() == 0
