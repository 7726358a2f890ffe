"""The simulator judged by the server: what keybricks asks a real Keycloak in whole runs is recorded, each answer too, and asked
again of keybricks-sim with the same realm. Status, keys, types, values, order and error bodies must agree; where they do not,
differences.tsv says so by name with a reason. A difference that is not listed fails, and so does one that is listed and gone.
"""

import base64
import collections
import http.client
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.parse
import uuid

import company
import pytest
import realm
import server
import simrealm

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

NAME = "replay"
LISTED = pathlib.Path(__file__).with_name("differences.tsv")
LEAVER, QUITTER, DISABLED, DELETED = "ring.only", "caster", "o'brien", "plus+tag"
TOKEN = f"/realms/{NAME}/protocol/openid-connect/token"
BELOW = f"/admin/realms/{NAME}"
Exchange = collections.namedtuple("Exchange", "method path headers body status kind data")
Edit = collections.namedtuple("Edit", "edits")


class Recorder:
    """A proxy in front of Keycloak that keeps what passes, and the edits of the realm between."""

    def __init__(self, host):
        self.seen = seen = []  # a token stands in front of what was asked with it

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                one = ask(host, self.command, self.path, dict(self.headers), body)
                seen.append(one)
                self.send_response(one.status)
                self.send_header("Content-Type", one.kind)
                self.send_header("Content-Length", str(len(one.data)))
                self.end_headers()
                self.wfile.write(one.data)

            do_GET = do_POST = do_PUT = do_DELETE = forward

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def ask(host, method, path, headers, body):
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return Exchange(method, path, headers, body, answer.status, answer.headers.get("Content-Type", ""), answer.read())
    finally:
        connection.close()


# ---- what is recorded ----

def small_realm(monkeypatch):
    """The awkward realm of realm.py with fewer people, and ids of its own: those of a server's realms must differ."""
    monkeypatch.setattr(realm, "REALM", NAME)
    monkeypatch.setattr(realm, "PEOPLE", 60)
    monkeypatch.setattr(realm, "SPACE", uuid.UUID("5eed0000-0000-4000-8000-000000000004"))
    built = realm.build()
    monkeypatch.undo()
    return built


def change(admin, recorder):
    """Somebody loses a role, somebody leaves a group, one is disabled, one deleted."""
    admin.revoke(LEAVER, "ring-b")
    admin.leave(QUITTER, "/teams/blue")
    admin.enable(DISABLED, False)
    admin.call("DELETE", f"/users/{admin.user(DELETED)['id']}")
    recorder.seen.append(Edit([{"op": "kc_role_revoke", "role": "ring-b", "username": LEAVER}, {"op": "kc_group_leave", "group": "/teams/blue", "username": QUITTER},
                               {"op": "kc_user_set", "username": DISABLED, "enabled": False}, {"op": "kc_user_remove", "username": DELETED}]))


def rights(admin, recorder, *names):
    """Exactly these roles of realm-management."""
    owner = admin.get("/clients?clientId=realm-management")[0]["id"]
    account = admin.user(f"service-account-{realm.CLIENT_ID}")["id"]
    path = f"/users/{account}/role-mappings/clients/{owner}"
    admin.call("DELETE", path, admin.get(path))
    if names:
        admin.call("POST", path, [admin.get(f"/clients/{owner}/roles/{name}") for name in names])
    recorder.seen.append(Edit([{"op": "kc_permissions", "permissions": list(names)}]))


def by_hand(host, ids):
    """What a run asks only when something is wrong: names and ids that nobody has, tokens that are none, other methods."""
    basic = {"Authorization": "Basic " + base64.b64encode(
        ":".join(map(urllib.parse.quote_plus, (realm.CLIENT_ID, realm.CLIENT_SECRET))).encode()).decode()}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    grant = b"grant_type=client_credentials"

    def token(path=TOKEN, headers=basic, body=grant, method="POST"):
        return ask(host, method, path, form | headers, body)
    bearer = {"Authorization": "Bearer " + json.loads(token().data)["access_token"]}
    wrong = {"Authorization": "Basic " + base64.b64encode(b"keybricks:wrong").decode()}
    unknown = {"Authorization": "Basic " + base64.b64encode(b"nobody:wrong").decode()}
    secret = urllib.parse.urlencode({"client_id": realm.CLIENT_ID, "client_secret": realm.CLIENT_SECRET}).encode()
    token(headers=wrong)
    token(headers=unknown)
    token(headers={})
    token(body=b"grant_type=password&username=a&password=b")
    token(body=b"grant_type=made_up")
    token(body=b"")
    token(body=grant + b"&scope=no-such-scope")
    token(headers={}, body=grant + b"&" + secret)
    token(headers={}, body=grant + b"&client_id=nobody&client_secret=x")
    token(path=TOKEN.replace(NAME, "nowhere"))
    token(method="GET", body=b"")
    for headers in ({}, {"Authorization": "Bearer rubbish"}):
        ask(host, "GET", BELOW + "/roles", headers, b"")
    user, group, role = ids
    for path in ("", "/roles/no%20such", "/roles/no%20such/users", "/roles/no%20such/groups", "/groups/no-such", "/groups/no-such/members",
                 "/users/no-such", "/users/no-such/groups", "/users/no-such/role-mappings/realm/composite", "/users/no-such/credentials",
                 "/roles-by-id/no-such", "/roles-by-id/no-such/composites", "/clients/no-such", "/clients/no-such/roles", "/nothing", "/roles/a/b/c",
                 "/users?max=x", "/users?first=-1&max=2&briefRepresentation=true", "/users?max=0", "/users/count", "/users/count?enabled=false",
                 "/groups/count", "/groups/count?top=true", "/users?username=twin.two&exact=true&briefRepresentation=true",
                 "/users?email=twin@acme.example&exact=true&briefRepresentation=true", "/users?q=nothing:here&max=-1",
                 "/users?search=twin&briefRepresentation=true&max=-1", "/clients?clientId=portal", "/clients?clientId=nobody",
                 f"/users/{user}", f"/users/{user}/groups", f"/users/{user}/groups/count", f"/users/{user}/groups?briefRepresentation=false",
                 f"/users/{user}/role-mappings/realm", f"/users/{user}/role-mappings/realm/composite",
                 f"/users/{user}/credentials", f"/groups/{group}", f"/groups/{group}/children",
                 f"/groups/{group}/children?max=2", f"/groups/{group}/members?max=3&first=1", f"/groups/{group}/role-mappings/realm",
                 f"/roles-by-id/{role}", f"/roles-by-id/{role}/composites",
                 f"/roles-by-id/{role}/composites/realm", "/group-by-path/data/science", "/group-by-path/no/such", "/roles?search=dbx&max=3",
                 "/roles?first=3&max=4&briefRepresentation=false", "/groups?max=2", "/groups?search=core&max=-1", "/admin-events", "/events/config",
                 "/components", "/components?type=org.keycloak.storage.UserStorageProvider"):
        ask(host, "GET", BELOW + path, bearer, b"")
    ask(host, "GET", "/admin/realms/nowhere/roles", bearer, b"")


@pytest.fixture(scope="module")
def recorded(keycloak, tmp_path_factory):
    """(the realm as it was imported, [Exchange or Edit])."""
    with pytest.MonkeyPatch.context() as patch:
        built = small_realm(patch)
    admin = server.Admin(keycloak, NAME)
    status, answer = admin._send("POST", "/admin/realms", json.dumps(built),  # noqa: SLF001
                                 {**admin._bearer(), "Content-Type": "application/json"})  # noqa: SLF001
    assert status == 201, answer
    directory, recorder = tmp_path_factory.mktemp("replay"), Recorder(admin.host)
    office = company.Company(keycloak, directory, NAME)
    try:
        def run(name, *commands, codes=(0,), right=True, **settings):
            reader = office.reader(directory / name, f"http://{recorder.host}", **settings)
            if not right:
                reader.secret_file.write_text("wrong", encoding="utf-8")
            for command in commands:
                if callable(command):
                    command()
                    continue
                done = subprocess.run([reader.binary, "-c", reader.config, *command], cwd=directory, capture_output=True, timeout=120, check=False)
                assert done.returncode in codes, done.stderr[-2000:]
        run("paged", ["plan"], page_size=7, codes=(0, 7))
        run("whole", ["plan", "--save", "first.plan"], ["apply", "first.plan"], lambda: change(admin, recorder), ["sync"], ["explain", LEAVER],
            codes=(0, 3, 7))
        by_hand(recorder.host, (admin.user(LEAVER)["id"], admin.group("/data")["id"], admin.get("/roles/data-lead")["id"]))
        run("no secret", ["plan"], codes=(4,), right=False)
        run("no client", ["plan"], codes=(4,), client_id="nobody")
        run("no realm", ["plan"], codes=(4,), realm="nowhere")
        for number, few in enumerate((["view-users", "view-realm"], ["view-users"], ["view-realm", "query-users", "query-groups"], [])):
            rights(admin, recorder, *few)
            run(f"few {number}", ["plan"], codes=(4, 7))
        yield built, recorder.seen
    finally:
        office.target.stop()
        recorder.stop()
        admin.call("DELETE", "")


# ---- the replay ----

class Simulated:
    """keybricks-sim with that realm; what it made for itself is translated."""

    def __init__(self, built, directory):
        path = directory / "world.json"
        path.write_text(json.dumps(simrealm.world(built, realm.CLIENT_ID, realm.CLIENT_SECRET)), encoding="utf-8")
        self.process = subprocess.Popen([os.environ["KEYBRICKS_SIM"], "--world", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.host = urllib.parse.urlsplit(json.loads(self.process.stdout.readline())["keycloak"]).netloc
        self.words = {}  # the server's ids and tokens: the simulator's

    def edit(self, edits):
        done = ask(self.host, "POST", "/_sim/edit", {}, json.dumps(edits).encode())
        assert done.status == 200, done

    def translated(self, text):
        return re.sub("|".join(map(re.escape, self.words)), lambda found: self.words[found.group()], text) if self.words else text

    def ask(self, one):
        headers = {key: self.translated(text) for key, text in one.headers.items() if key in ("Authorization", "Content-Type", "Accept")}
        return ask(self.host, one.method, self.translated(one.path), headers, one.body)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def template(path):
    """A path without what differs between two requests of a kind."""
    path = urllib.parse.urlsplit(path).path.removeprefix(BELOW).replace(f"/realms/{NAME}/", "/realms/{realm}/")
    path = re.sub(r"/(users|groups|clients|roles-by-id)/(?!count)[^/]+", r"/\1/{id}", path)
    path = re.sub(r"/roles/[^/]+(?:%2F[^/]+)*", "/roles/{name}", path)
    return re.sub("/group-by-path/.*", "/group-by-path/{path}", path) or "/"


MADE = {"createdTimestamp", "containerId", "access_token", "expires_in", "id", "client"}  # by each server for itself; the type must agree
ROW = ("id", "username", "clientId", "name", "path")


def key_of(row):
    """By what a row is found in the other list."""
    if isinstance(row, dict):
        return next((row[key] for key in ("username", "clientId", "path") if key in row), None) or (row.get("name"), row.get("clientRole"))
    return row


def paired(real, sim, where, tell):
    """The rows that both lists have; tells what is missing and whether the order is another."""
    left, right = collections.defaultdict(list), collections.defaultdict(list)
    for rows, out in ((real, left), (sim, right)):
        for row in rows:
            out[json.dumps(key_of(row))].append(row)
    for key in left.keys() | right.keys():
        if len(left[key]) != len(right[key]):
            tell(where, "row only real" if len(left[key]) > len(right[key]) else "row only simulated", key)
    both = [json.dumps(key_of(row)) for row in real if len(left[json.dumps(key_of(row))]) == len(right[json.dumps(key_of(row))])]
    if both != [json.dumps(key_of(row)) for row in sim if json.dumps(key_of(row)) in set(both)]:
        tell(where, "order", "")
    for key in dict.fromkeys(both):
        yield from zip(*(sorted(rows, key=lambda row: json.dumps(row.get("id") if isinstance(row, dict) else row))
                         for rows in (left[key], right[key])))


def compare(real, sim, where, tell, words):
    if type(real) is not type(sim):
        tell(where, f"{type(real).__name__} is {type(sim).__name__}", f"{real!r:.60} {sim!r:.60}")
    elif isinstance(real, dict):
        for key in real.keys() ^ sim.keys():
            tell(f"{where}.{key}", "only real" if key in real else "only simulated", repr(real.get(key, sim.get(key)))[:60])
        for key in real.keys() & sim.keys():
            if key == "id" and real[key] != sim[key]:
                words[real[key]] = sim[key]
            if key in MADE and isinstance(real[key], str | int):
                if type(real[key]) is not type(sim[key]):
                    tell(f"{where}.{key}", "type", "")
            else:
                compare(real[key], sim[key], f"{where}.{key}", tell, words)
    elif isinstance(real, list):
        for one, other in paired(real, sim, where + "[]", tell):
            compare(one, other, where + "[]", tell, words)
    elif real != sim:
        tell(where, "value", f"{real!r:.80} {sim!r:.80}")


def parsed(one):
    try:
        return json.loads(one.data)
    except ValueError:
        return None


def replayed(built, seen, directory):
    """{(request, where, what): an example} of all that differs, and how many requests were asked again."""
    found, sim, asked = {}, Simulated(built, directory), collections.Counter()
    try:
        for one in seen:
            if isinstance(one, Edit):
                sim.edit(one.edits)
                continue
            other = sim.ask(one)
            request = f"{one.method} {template(one.path)}"
            asked[request] += 1

            def tell(where, what, example, request=request, one=one):
                found.setdefault((request, where, what), f"{one.path} {example}")
            if one.status != other.status:
                tell("status", f"{one.status} is {other.status}", other.data[:80])
                continue
            if one.kind.partition(";")[0] != other.kind.partition(";")[0]:
                tell("content type", f"{one.kind} is {other.kind}", "")
            real, answer = parsed(one), parsed(other)
            if real is None or answer is None:
                if real is not answer or bool(one.data) != bool(other.data):
                    tell("body", "only one is JSON", f"{one.data[:60]} {other.data[:60]}")
                continue
            if isinstance(real, dict) and "access_token" in real and "access_token" in answer:
                sim.words[real["access_token"]] = answer["access_token"]
            compare(real, answer, f"{one.status} ", tell, sim.words)
    finally:
        sim.stop()
    return found, asked


def listed():
    rows = [line.split("\t") for line in LISTED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all(len(row) == 4 and row[3].strip() for row in rows), "request, where, what, reason"
    assert len({tuple(row[:3]) for row in rows}) == len(rows)
    return rows


def covers(row, name):
    request, where, what, _ = row
    return (request, what) == (name[0], name[2]) and (name[1].startswith(where[:-1]) if where.endswith("*") else name[1] == where)


def unexplained(found, rows):
    """What is found and not listed, and what is listed and not found."""
    extra = [name for name in found if not any(covers(row, name) for row in rows)]
    gone = [row for row in rows if not row[3].startswith("no order") and not any(covers(row, name) for name in found)]
    return sorted(extra), gone


def test_each_answer_of_the_simulator_is_the_servers(recorded, tmp_path):
    built, seen = recorded
    found, asked = replayed(built, seen, tmp_path)
    assert len(asked) > 35 and sum(asked.values()) > 800, asked
    extra, gone = unexplained(found, listed())
    assert not extra, "not in differences.tsv:\n" + "\n".join("\t".join((*name, "?")) + f"    # {found[name]}" for name in extra)
    assert not gone, "in differences.tsv, and does not occur any more"


def test_the_list_is_kept_true():
    rows = [["GET /a", "200 .x*", "only real", "why"], ["GET /a", "200 []", "order", "no order: a set"]]
    assert unexplained([("GET /a", "200 .xy", "only real")], rows) == ([], [])
    assert unexplained([("GET /a", "200 .xy", "value")], rows) == ([("GET /a", "200 .xy", "value")], rows[:1])
    assert unexplained([("GET /b", "200 .xy", "only real"), ("GET /a", "200 []", "order")], rows) == ([("GET /b", "200 .xy", "only real")], rows[:1])


def test_a_difference_is_found():
    """Each kind of it."""
    told, words = [], {}

    def tell(where, what, _):
        told.append(f"{where} {what}")
    compare([{"id": "1", "name": "a", "x": 1, "y": [], "z": "s", "only": 0}, {"name": "b"}, {"name": "c"}],
            [{"name": "b"}, {"id": "2", "name": "a", "x": "1", "y": [{}], "z": "t", "more": 0}, {"name": "d"}], "", tell, words)
    assert sorted(told) == ["[] order", "[] row only real", "[] row only simulated", "[].more only simulated", "[].only only real",
                            "[].x int is str", "[].y[] row only simulated", "[].z value"]
    assert words == {"1": "2"}
