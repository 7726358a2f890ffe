"""The page "What it needs from Keycloak" of the manual: its commands are run as they stand there, and each message of its table
is provoked, cured as the manual says, and gone."""

import http.server
import os
import pathlib
import re
import ssl
import subprocess
import threading
import time

import office
import pytest
import server

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

TEXT = (pathlib.Path(__file__).parents[2] / "docs" / "manual.md").read_text(encoding="utf-8")
PAGE = TEXT.partition("\n## What it needs from Keycloak\n")[2].partition("\n### ")[0]
REALM = "manual"


@pytest.fixture(scope="module")
def desk(keycloak, tmp_path_factory):
    built = office.Office(keycloak, tmp_path_factory.mktemp("manual"), REALM, [office.client("few"), office.client("off", enabled=False)],
                          [office.account("few", ["query-users", "view-realm", "query-groups"]), office.account("off", office.ENOUGH)])
    try:
        yield built
    finally:
        built.stop()


def test_the_commands_give_what_a_plan_needs(desk, keycloak, tmp_path):
    script, = re.findall(r"```sh\n(kcadm\.sh .*?)```", PAGE, re.S)
    for there, here in [("https://sso.acme.example", keycloak), ("--user admin", "--user admin --password admin"),
                        ("-r acme", f"-r {REALM}"), ("clientId=keybricks", "clientId=by-hand"),
                        ("service-account-keybricks", "service-account-by-hand")]:
        assert there in script
        script = script.replace(there, here)
    environment = {"PATH": f"{server.home()}/bin:{os.environ['PATH']}", "HOME": str(tmp_path),
                   "KC_OPTS": "-XX:TieredStopAtLevel=1 -Xshare:auto -XX:+UseSerialGC"}
    done = subprocess.run(["sh", "-eu"], input=script.encode(), cwd=tmp_path, env=environment, capture_output=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stderr.decode()
    file = tmp_path / "keycloak.secret"
    assert file.stat().st_mode & 0o777 == 0o600 and len(file.read_text(encoding="utf-8").split()) == 1
    keybricks = desk.keybricks("by-hand", secret=file.read_text(encoding="utf-8"))
    assert "may do more" not in desk.applied(keybricks)
    management = desk.client_uuid("realm-management")
    account = desk.admin.user("service-account-by-hand")["id"]
    given = desk.admin.get(f"/users/{account}/role-mappings/clients/{management}")
    assert {one["name"] for one in given} == set(office.ENOUGH)  # and the plan works with just these


# ---- the table: message: how it comes, and the manual's cure ----

class Case:
    """Settings that fail and settings that work; or something done before and something done after."""

    def __init__(self, broken, cured, before=lambda desk: None, after=lambda desk: None):
        self.broken, self.cured, self.before, self.after = broken, cured, before, after


def proxy_page(path):
    return 200, "text/html", b"<html><body>Please log in.</body></html>"


def set_account(enabled):
    return lambda desk: desk.admin.enable("service-account-keybricks", enabled)


def set_not_before(seconds):
    return lambda desk: desk.change("", notBefore=seconds and int(time.time()) + seconds)


CASES = {
    "lacks view-users": Case({"client_id": "few"}, {"client_id": "few"}, after=lambda desk: desk.admin.right("few", "view-users")),
    "the secret is wrong": Case({"secret": "of last year"}, {}),
    "no client of this id, or it is disabled": Case({"client_id": "off"}, {"client_id": "off"},
                                                    after=lambda desk: desk.change_client("off", enabled=True)),
    "the client's service account is disabled": Case({}, {}, set_account(False), set_account(True)),
    "this realm does not exist there": Case({"realm": "Manual"}, {}),
    "there is no token endpoint": Case({"below": "/auth"}, {}),
    "401 although the token is new": Case({}, {}, set_not_before(3600), set_not_before(0)),
    "(HTML or XML?)": Case({"answer": proxy_page}, {}),
    "no trusted authority signed it": Case({"tls": False}, {"tls": True}),
}


def test_the_table_has_these_messages():
    rows = re.findall(r"^\| `(.*?)` \| .+ \|$", PAGE.partition("| message |")[2], re.M)
    assert rows == list(CASES) and len(rows) >= 6


class Terminator:
    """TLS in front of the proxy, with a certificate of an authority of its own."""

    def __init__(self, desk, directory):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem",
                        "-out", "cert.pem", "-days", "3", "-subj", "/CN=office", "-addext", "subjectAltName=IP:127.0.0.1"],
                       cwd=directory, check=True, capture_output=True)
        self.ca = directory / "cert.pem"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, directory / "key.pem")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), desk.between.server.RequestHandlerClass)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def terminator(desk, tmp_path):
    built = Terminator(desk, tmp_path)
    try:
        yield built
    finally:
        built.stop()


def attempt(desk, settings, terminator, directory, code):
    """Each in a state of its own, since the database belongs to the realm it was made for."""
    settings = dict(settings)
    answer = settings.pop("answer", None)
    if "below" in settings:
        settings["url"] = desk.between.url + settings.pop("below")
    if "tls" in settings:
        settings["url"] = terminator.url
        if settings.pop("tls"):
            settings["ca_file"] = str(terminator.ca)
    directory.mkdir(mode=0o700)
    keybricks = desk.keybricks(state_dir=directory, **settings)
    if answer:
        desk.between.before = answer
    _, stderr = keybricks.run("plan", code=code)
    return stderr.splitlines()[-1]


@pytest.mark.parametrize("message", CASES)
def test_a_message_comes_and_its_cure_helps(desk, terminator, tmp_path, message):
    case = CASES[message]
    case.before(desk)
    try:
        assert message in attempt(desk, case.broken, terminator, tmp_path / "broken", 4)
    finally:
        case.after(desk)
    attempt(desk, case.cured, terminator, tmp_path / "cured", 0)
