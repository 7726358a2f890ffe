"""Logging in to a real server, and what can happen to it before and during a run: a sentence that names the cure and nobody
moved, or nothing at all that one would notice."""

import base64
import http.client
import json
import os
import threading
import time
import urllib.parse

import pytest
import server
from office import ENOUGH, SECRET, Office, account, client

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

CLIENTS = {
    "off": {"enabled": False}, "sleeping": {}, "open": {"publicClient": True, "serviceAccountsEnabled": False},
    "people": {"serviceAccountsEnabled": False}, "signing": {"clientAuthenticatorType": "client-jwt"},
    "brief": {"attributes": {"access.token.lifespan": "2"}}, "minute": {"attributes": {"access.token.lifespan": "60"}},
    "light": {"attributes": {"client.use.lightweight.access.token.enabled": "true"}},
    "renewed": {}, "rotated": {}, "stopped": {}, "left": {}, "moved": {}, "seen": {}, "onlooker": {},
}
REFUSALS = {
    "unknown client": ({"client_id": "nobody"}, ["\"nobody\"", "check keycloak.client_id"]),
    "disabled client": ({"client_id": "off"}, ["that the client is enabled"]),
    "wrong secret": ({"secret": "another"}, ["the secret is wrong", "Credentials tab"]),
    "disabled account": ({"client_id": "sleeping"}, ["service account is disabled: enable this user"]),
    "public client": ({"client_id": "open"}, ["Client authentication"]),
    "no service account": ({"client_id": "people"}, ["Service accounts roles"]),
    "signed assertions": ({"client_id": "signing"}, ["does not log in by secret: set keycloak.auth"]),
    "scope of 26.8.2": ({"scope": "kc-admin-api"}, ["kc-admin-api", "leave keycloak.scope empty"]),
    "another scope": ({"scope": "nothing"}, ["does not have the scope in keycloak.scope"]),
}


@pytest.fixture(scope="module")
def office(keycloak, tmp_path_factory):
    accounts = [name for name, more in CLIENTS.items() if more.get("serviceAccountsEnabled", True)]
    built = Office(keycloak, tmp_path_factory.mktemp("login"), "login", [client(name, **more) for name, more in CLIENTS.items()],
                   [account(name, ENOUGH, enabled=name != "sleeping") for name in accounts])
    try:
        yield built
    finally:
        built.stop()


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_names_the_cure(office, case):
    settings, words = REFUSALS[case]
    line = office.refused(**settings)
    assert [word for word in words if word not in line] == [], line
    assert [urllib.parse.urlsplit(path).path.rpartition("/")[2] for path in office.between.paths] == ["token"]  # once: no lock-out


@pytest.mark.parametrize("change, words", [
    ({"realm": "nowhere"}, ["this realm does not exist", "keycloak.realm"]), ({"url": "/auth"}, ["no token endpoint", "/auth"])])
def test_a_wrong_place_is_named(office, change, words, tmp_path):
    if "url" in change:
        change = {"url": office.between.url + change["url"]}
    (tmp_path / "state").mkdir(mode=0o700)
    line = office.refused(state_dir=tmp_path / "state", **change)
    assert [word for word in words if word not in line] == [], line


# ---- during a run ----


def test_a_secret_that_is_regenerated_ends_no_run(office):
    """Tokens of before stay valid; only the next run would need the new secret."""
    keybricks = office.keybricks("renewed")
    done = office.once(lambda: office.admin.call("POST", f"/clients/{office.client_uuid('renewed')}/client-secret"))
    office.applied(keybricks)
    assert done and office.between.asked("/token") == 1
    assert "a regenerated secret must be written to the secret file" in office.refusal(keybricks)


@pytest.mark.parametrize("written", [False, True])
def test_a_secret_that_is_regenerated_when_the_token_ends(office, written):
    def rotate():
        fresh = office.admin.call("POST", f"/clients/{office.client_uuid('rotated')}/client-secret")["value"]
        if written:
            keybricks.secret_file.write_text(fresh, encoding="utf-8")
        office.end_tokens()
    now = office.admin.get(f"/clients/{office.client_uuid('rotated')}/client-secret")["value"]
    keybricks = office.keybricks("rotated", secret=now)
    done = office.once(rotate)
    if written:
        office.applied(keybricks)
    else:
        assert "a regenerated secret must be written to the secret file" in office.refusal(keybricks)
    assert done and office.between.asked("/token") == 2


def test_the_realms_notbefore_moves(office):
    keybricks = office.keybricks("moved")
    done = office.once(office.end_tokens)
    office.applied(keybricks)
    assert done and office.between.asked("/token") == 2 and len(office.between.tokens) == 2


def test_a_notbefore_in_the_future_ends_the_run(office):
    """Every token is refused then, however new."""
    keybricks = office.keybricks()
    office.change("", notBefore=int(time.time()) + 3600)
    try:
        line = office.refusal(keybricks)
    finally:
        office.change("", notBefore=0)
    assert "401 although the token is new" in line


@pytest.mark.parametrize("name, word", [("left", "enable this user"), ("stopped", "that the client is enabled")])
def test_an_account_or_client_that_is_disabled(office, name, word):
    keybricks = office.keybricks(name)

    def disable():
        if name == "left":
            office.admin.enable(f"service-account-{name}", False)
        else:
            office.change_client(name, enabled=False)
    done = office.once(disable)
    assert word in office.refusal(keybricks)
    assert done


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_token_of_two_seconds_is_renewed_during_the_run(office):
    def before(path):
        """The same request is late twice."""
        if path.partition("?")[0].endswith("/roles/ml/users") and len(done) < 2:
            done.append(path)
            while time.time() < claims(office.between.tokens[-1])["exp"] + 1:
                threading.Event().wait(0.2)
    keybricks, done = office.keybricks("brief"), []
    office.between.before = before
    office.applied(keybricks)
    lives = {claims(token)["exp"] - claims(token)["iat"] for token in office.between.tokens}
    assert len(done) == 2 and lives == {2} and len(office.between.tokens) >= 3


def test_a_token_of_a_minute_lasts_for_a_run(office):
    office.applied(office.keybricks("minute"))
    token, = office.between.tokens
    assert claims(token)["exp"] - claims(token)["iat"] == 60 and office.between.asked("/token") == 1


def test_a_token_without_roles_is_as_good(office):
    """Lightweight: what the account may do is not in it."""
    stderr = office.applied(office.keybricks("light"))
    token, = office.between.tokens
    assert "resource_access" not in claims(token) and "may do more" not in stderr


def introspect(office, token):
    """What the server says of a token to a client that is in its audience. Under the name that the token was issued for."""
    form = urllib.parse.urlencode({"token": token, "client_id": "onlooker", "client_secret": SECRET})
    connection = http.client.HTTPConnection(office.admin.host, timeout=60)
    connection.request("POST", f"/realms/{server.quote(office.admin.realm)}/protocol/openid-connect/token/introspect", form,
                       {"Content-Type": "application/x-www-form-urlencoded", "Host": urllib.parse.urlsplit(office.between.url).netloc})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_the_token_is_introspected_during_the_run(office):
    """It is what it claims to be, has the two rights and no other, and looking at it changes nothing."""
    mapper = {"name": "for the onlooker", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
              "config": {"included.client.audience": "onlooker", "access.token.claim": "true", "introspection.token.claim": "true"}}
    office.admin.call("POST", f"/clients/{office.client_uuid('seen')}/protocol-mappers/models", mapper)
    keybricks, told = office.keybricks("seen"), []
    office.once(lambda: told.append(introspect(office, office.between.tokens[-1])))
    office.applied(keybricks)
    answer, = told
    assert answer["active"] is True and answer["client_id"] == "seen"
    assert set(answer["resource_access"]["realm-management"]["roles"]) - {"query-users", "query-groups"} == set(ENOUGH)
    assert introspect(office, office.between.tokens[-1])["active"] is True
    office.end_tokens()
    assert introspect(office, office.between.tokens[-1]) == {"active": False}
