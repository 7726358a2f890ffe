"""keybricks-sim as Databricks: SCIM, tokens and rates."""

import json
import urllib.parse

import pytest
from simulator import ANA, APP, BOT, ML, PATCH_URN, WORLD, Sim, add, remove


@pytest.fixture
def sim(tmp_path):
    path = tmp_path / "world.json"
    path.write_text(json.dumps(WORLD))
    simulator = Sim("--world", str(path), "--config-out", str(tmp_path / "out"))
    yield simulator
    assert simulator.stop() == 0


def test_scim_lists(sim):
    page = sim.dbx("GET", "/Users?startIndex=1&count=1000").json
    assert page["totalResults"] == 113 and len(page["Resources"]) == 100 and "groups" not in page["Resources"][0]
    rest = sim.dbx("GET", "/Users?startIndex=101&count=100").json
    assert len(rest["Resources"]) == 13 and rest["startIndex"] == 101
    assert len({u["id"] for u in page["Resources"] + rest["Resources"]}) == 113
    assert sim.dbx("GET", "/Users?startIndex=999").json["Resources"] == []
    groups = sim.dbx("GET", "/Groups?attributes=id,displayName,members").json["Resources"]
    assert {g["displayName"] for g in groups} == {"account users", "ml", "outer"}
    assert all(set(g) == {"id", "displayName"} for g in groups)
    sim.knobs(list_members=True, resources_missing=True, items_per_page=0)
    assert any("members" in g for g in sim.dbx("GET", "/Groups").json["Resources"])
    assert sim.dbx("GET", "/Users?count=5").json["itemsPerPage"] == 0
    assert "Resources" not in sim.dbx("GET", "/Users?startIndex=999").json


def test_scim_get(sim):
    group = sim.dbx("GET", f"/Groups/{ML}").json
    assert [m["value"] for m in group["members"]][:1] == [ANA]
    assert {m["$ref"].split("/")[0] for m in group["members"]} == {"Users", "ServicePrincipals"}
    assert all("type" not in m for m in group["members"]) and group["meta"] == {"resourceType": "Group"}
    assert "members" not in sim.dbx("GET", f"/Groups/{ML}?excludedAttributes=members").json
    assert sim.dbx("GET", f"/Users/{ANA}").json["groups"][0]["value"] == ML
    assert sim.dbx("GET", f"/ServicePrincipals/{BOT}").json["applicationId"] == APP
    assert sim.dbx("GET", f"/Groups/{ANA}").json["detail"] == f"Group with id {ANA} not found."
    assert sim.dbx("GET", "/Groups/x1").json["message"] == "Endpoint not supported."
    missing = sim.dbx("GET", "/Groups/1")
    assert missing.status == 404 and missing.json["status"] == "404"
    assert "x-databricks-request-id" in missing.headers


@pytest.mark.parametrize("text,want", [
    ('displayName eq "ML"', {"ml"}), ('displayName sw "o"', {"outer"}), ('displayName co "t"', {"account users", "outer"}),
    ('displayName ne "ml"', {"account users", "outer"}),
    ('displayName eq "ml" or displayName eq "outer"', {"ml", "outer"}),
    (f'displayName eq "ml" and id eq "{ML}"', {"ml"}), ('displayName eq "a\\"b"', set()),
    ("displayName eq 'ml'", 400), ("displayName eq ml", 400), ('displayName gt "ml"', 400), ("garbage", 400),
    (" or ".join(['id eq "1"'] * 101), 400), (" or ".join(['id eq "1"'] * 100), set()),
])
def test_filters(sim, text, want):
    answer = sim.dbx("GET", "/Groups?filter=" + urllib.parse.quote(text))
    if want == 400:
        assert answer.status == 400 and answer.json["scimType"] == "InvalidFilter"
    else:
        assert {g["displayName"] for g in answer.json["Resources"]} == want


def test_patch_and_history(sim):
    eve = sim.dbx("GET", "/Users?filter=" + urllib.parse.quote('userName eq "EVE@x.example"')).json["Resources"][0]["id"]
    sim.control("DELETE", "log")
    assert sim.patch(ML, remove(ANA), add(eve, BOT)).json == {}
    assert sim.members() == [APP, "bob@acme.example", "eve@x.example"] or sorted(sim.members()) == sorted(
        [APP, "bob@acme.example", "eve@x.example"])
    history = sim.control("GET", "history")
    assert [(h["op"], h["member"], h["by"], h["n"]) for h in history] == [
        ("remove", "Ana@acme.example", "patch", 1), ("add", "eve@x.example", "patch", 1)]
    assert sim.patch(ML, {"op": "add", "value": {"members": [{"value": ANA}]}}).status == 200  # the form without path
    assert "Ana@acme.example" in sim.members()
    assert sim.patch(ML, {"op": "replace", "path": "displayName", "value": "ml2"}).status == 200
    assert sim.patch(ML, {"op": "replace", "path": "displayName", "value": "outer"}).status == 409
    assert sim.patch(ML, {"op": "remove", "path": "members"}).status == 200  # to the letter: RFC 7644 3.5.2.2
    assert sim.members("ml2") == []
    assert "members" not in sim.dbx("GET", f"/Groups/{ML}").json


@pytest.mark.parametrize("body", [
    {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "Operations": [remove(ANA)]},
    {"schemas": [PATCH_URN], "operations": [remove(ANA)]},
    {"schemas": [PATCH_URN], "Operations": [remove(ANA) | {"value": None}]},
    {"schemas": [PATCH_URN], "Operations": [{"op": "add", "path": "members", "value": BOT}]},
    {"schemas": [PATCH_URN], "Operations": [{"op": "add", "path": "members", "value": [BOT]}]},
    {"schemas": [PATCH_URN], "Operations": [{"op": "remove", "path": f"members[value eq '{ANA}']"}]},
    {"schemas": [PATCH_URN], "Operations": [{"op": "remove", "path": f'members[value eq "{ANA}"].x'}]},
    {"schemas": [PATCH_URN], "Operations": [{"op": "remove"}]},
    {"schemas": [PATCH_URN], "Operations": [{"op": "Remove", "path": "members"}]},
    b"{", b"", b"[]",
])
def test_patch_refused(sim, body):
    answer = sim.dbx("PATCH", f"/Groups/{ML}", body)
    assert answer.status == 400 and answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert len(sim.members()) == 3 and sim.control("GET", "history") == []


def test_patch_knobs(sim):
    for reply, status, body in [("204", 204, b""), ("200-empty", 200, b""), ("200-object", 200, b"{}")]:
        sim.knobs(patch_reply=reply)
        answer = sim.patch(ML, add(ANA))
        assert (answer.status, answer.body) == (status, body)
    sim.knobs(patch_reply="200-full")
    assert len(sim.patch(ML, add(ANA)).json["members"]) == 3
    for ids in (["not-a-number"], [APP], ["999999999999999"]):
        assert sim.patch(ML, add(*ids)).status == 200 and len(sim.members()) == 3  # dropped in silence
    for mode, status in (("400", 400), ("404", 404)):
        sim.knobs(unknown_id=mode)
        assert sim.patch(ML, remove(ANA), add("999999999999999"), add(ANA)).status == status
        assert len(sim.members()) == 2  # the operations before it stay done
        assert sim.patch(ML, add(ANA)).status == 200
    sim.knobs(readd="409", reremove="400")
    assert sim.patch(ML, add(ANA)).status == 409
    assert sim.patch(ML, remove("100000000000999")).json["scimType"] == "noTarget"
    sim.knobs(wrong_urn_empties=True)
    sim.dbx("PATCH", f"/Groups/{ML}", {"schemas": ["x"], "Operations": []})
    assert sim.members() == []


def test_create_put_delete(sim):
    made = sim.dbx("POST", "/Groups", {"displayName": "new", "members": [{"value": ANA}]})
    assert made.status == 201 and sim.members("new") == ["Ana@acme.example"]
    again = sim.dbx("POST", "/Groups", {"displayName": "new"})
    assert again.status == 409 and again.json["detail"] == "Group with name new already exists."
    assert sim.dbx("POST", "/Users", {"userName": "ANA@acme.example"}).status == 409
    assert sim.dbx("POST", "/Users", {"userName": "new@acme.example"}).status == 201
    assert sim.dbx("POST", "/Groups", {}).status == 400
    gid = made.json["id"]
    assert sim.dbx("PUT", f"/Groups/{gid}", {"displayName": "new", "members": [{"value": BOT}]}).status == 200
    assert sim.members("new") == [APP]  # what was not sent is gone
    assert sim.dbx("DELETE", f"/Groups/{gid}").status == 204
    assert sim.dbx("DELETE", f"/Groups/{gid}").status == 404
    second = sim.dbx("POST", "/Groups", {"displayName": "new"}).json["id"]
    assert second != gid
    system = next(g for g in sim.control("GET", "state")["groups"] if g["displayName"] == "account users")["id"]
    assert sim.dbx("DELETE", f"/Groups/{system}").status == 400
    assert sim.patch(system, add(ANA)).status == 200 and sim.patch(system, remove(ANA)).status == 400
    user = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "active", "value": [{"value": "false"}]},
                                                   {"op": "replace", "path": "userName", "value": "x@y"}]}
    assert sim.dbx("PATCH", f"/Users/{ANA}", user).status == 200
    ana = sim.dbx("GET", f"/Users/{ANA}").json
    assert (ana["active"], ana["userName"]) == (False, "Ana@acme.example") and "Ana@acme.example" in sim.members()


def test_levels_and_tokens(sim):
    ws, proxy = "/api/2.0/preview/scim/v2", "/api/2.0/account/scim/v2"
    assert sim.dbx("GET", "/Groups", token="dapi1").status == 401  # a PAT never opens the account
    assert sim.dbx("GET", "/Groups", base=ws).status == 401        # nor an account token the workspace
    local = {g["displayName"]: g for g in sim.dbx("GET", "/Groups", base=ws, token="dapi1").json["Resources"]}
    assert local["local"]["meta"] == {"resourceType": "WorkspaceGroup"} and len(local["local"]["members"]) == 1
    assert sim.patch(ML, remove(ANA), base=ws, token="dapi1").status == 400
    assert sim.patch(local["local"]["id"], add(ANA), base=ws, token="dapi1").status == 200
    assert sim.dbx("GET", "/Me", base=ws, token="dapi1").json["applicationId"] == "0000-sp"
    assert sim.dbx("GET", f"/Groups/{ML}", base=proxy, token="dapi1").status == 200
    assert sim.dbx("GET", "/ServicePrincipals", base=proxy, token="dapi1").status == 404
    assert sim.dbx("GET", "/Groups", base="/api/2.1/accounts/acc-1/scim/v2").status == 200
    assert sim.dbx("GET", "/Groups", base="/api/2.0/accounts/other/scim/v2").status == 404
    token = sim.dbx_token("/oidc/v1/token").json["access_token"]
    assert sim.dbx("GET", "/Groups", base=ws, token=token).status == 200
    assert sim.dbx("GET", "/Groups", token=token).status == 401
    sim.control("POST", "clock", {"advance_ms": 3600001})
    assert sim.dbx("GET", "/Groups").json == {"error_code": 401, "message": "Invalid access token."}


def test_token_exchange(sim):
    subject = sim.kc_token().json["access_token"]
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": subject, "scope": "all-apis",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "client_id": "0000-sp"}

    def exchange(**change):
        fields = {k: v for k, v in (form | change).items() if v is not None}
        return sim.dbx_token(body=urllib.parse.urlencode(fields), auth=False)

    good = exchange()
    assert good.status == 200 and good.json["expires_in"] <= 300
    assert sim.dbx("GET", "/Groups", token=good.json["access_token"]).status == 200
    assert exchange(client_id=None).status == 400 and exchange(subject_token_type="x").status == 400
    assert exchange(subject_token=subject[:-2] + "xx").status == 400 and exchange(grant_type="x").status == 400
    for knob in ({"fed_audience": "databricks"}, {"fed_subject": "nobody"}, {"fed_issuer": "https://else"},
                 {"fed_account_policy": True}):
        sim.knobs(defaults=True)
        sim.knobs(**knob)
        assert exchange().status == 400, knob
    assert exchange(client_id=None).status == 200
    sim.knobs(defaults=True)
    sim.control("POST", "clock", {"advance_ms": 301000})
    assert exchange().status == 400
    assert subject not in json.dumps(sim.control("GET", "log"))
    assert sim.dbx_token(body="grant_type=client_credentials", auth=False).status == 401


def test_rates(sim):
    sim.knobs(rate={"patch": 2})
    answers = [sim.patch(ML, add(ANA)) for _ in range(4)]
    assert [a.status for a in answers][:2] == [200, 200] and answers[-1].status == 429
    assert answers[-1].headers["Retry-After"] == "1"
    sim.control("POST", "clock", {"advance_ms": 1000})
    assert sim.patch(ML, add(ANA)).status == 200
    assert sim.dbx("GET", "/Groups").status == 200


# ---- rules 21, 30, 39 ----

def test_a_group_made_with_members_may_end_empty_and_500(sim):
    sim.knobs(post_members_fail=True)
    body = {"schemas": [], "displayName": "fresh", "members": [{"value": ANA}]}
    assert sim.dbx("POST", "/Groups", body).status == 500
    assert sim.members("fresh") == []
    assert sim.dbx("POST", "/Groups", {"schemas": [], "displayName": "fresh2"}).status == 201


def test_automatic_identity_management_hides_and_refuses(sim):
    sim.knobs(aim=True)
    sim.edit({"op": "dbx_group_set", "group": "ml", "externalId": "entra"})
    listed = [one["displayName"] for one in sim.dbx("GET", "/Groups").json["Resources"]]
    assert "ml" not in listed and "outer" in listed
    assert sim.dbx("GET", f"/Groups/{ML}").status == 200
    assert sim.patch(ML, add("100000000000001")).status == 400
    assert sim.dbx("POST", "/Groups", {"displayName": "x", "externalId": "e"}).status == 400
    sim.knobs(aim=False)
    assert sim.patch(ML, add(ANA)).status == 200


@pytest.mark.parametrize("strict", [False, True])
def test_a_group_inside_itself(sim, strict):
    sim.knobs(cycles_400=strict)
    outer = next(one["id"] for one in sim.control("GET", "state")["groups"] if one["displayName"] == "outer")
    assert sim.patch(ML, add(outer)).status == (400 if strict else 200)
