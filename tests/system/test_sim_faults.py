"""keybricks-sim: faults, log, the made-up company and the command line."""

import gzip
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest
from simulator import ANA, APP, BOT, ML, WORLD, Sim, add, binary, names, remove


@pytest.fixture
def sim(tmp_path):
    path = tmp_path / "world.json"
    path.write_text(json.dumps(WORLD))
    simulator = Sim("--world", str(path), "--config-out", str(tmp_path / "out"))
    yield simulator
    assert simulator.stop() == 0


def test_fault_answers(sim):
    sim.fault({"status": 503, "body": {"a": 1}, "headers": {"X-Y": "z"}, "retry_after": "7"}, path="/admin/realms/acme/roles")
    answer = sim.kc("/roles")
    assert (answer.status, answer.json, answer.headers["X-Y"], answer.headers["Retry-After"]) == (503, {"a": 1}, "z", "7")
    assert sim.kc("/roles").status == 200
    assert sim.control("GET", "faults")[0] == {"fault": 0, "seen": 2, "fired": 1}
    sim.fault("html_200", side="kc", substring="/users/count", nth=2, times=-1)
    assert [sim.kc("/users/count").body[:1] for _ in range(3)] == [b"1", b"<", b"<"]
    sim.control("DELETE", "faults")
    assert sim.kc("/users/count").body == b"123"
    sim.control("DELETE", "log")
    sim.fault("unknown_500", side="kc", index=2)
    assert [sim.kc("/roles").status for _ in range(3)] == [200, 500, 200]
    assert [r["fault"] is not None for r in sim.control("GET", "log")] == [False, True, False]
    bad = sim.call("keycloak", "POST", "/_sim/faults", b'[{"match":{"typo":1},"do":"reset"}]')
    assert bad.status == 400 and "typo" in bad.json["error"]


def test_fault_lists(sim):
    ids = names(sim.kc("/groups/g-ml/members"))
    for do, want in (({"drop_rows": 1}, 1), ("empty_list", 0), ({"dup_rows": 1}, 3)):
        sim.fault(do, substring="/members")
        assert len(sim.kc("/groups/g-ml/members").json) == want
    sim.fault("repeat_page", substring="startIndex=101")
    first, second = (sim.dbx("GET", f"/Users?startIndex={i}&count=100").json for i in (1, 101))
    assert first["Resources"] == second["Resources"] and second["startIndex"] == 101
    sim.fault({"drop_rows": 2}, substring="/Users")
    page = sim.dbx("GET", "/Users?count=100").json
    assert page["totalResults"] == 113 and len(page["Resources"]) == 98
    assert names(sim.kc("/groups/g-ml/members")) == ids


def test_fault_bodies(sim):
    whole = sim.kc("/users?max=-1").body
    sim.fault({"truncate": 1000}, side="kc", substring="/users")
    with pytest.raises(http.client.IncompleteRead):
        sim.kc("/users?max=-1")
    sim.fault({"truncate_ok": 1000}, side="kc", substring="/users")
    cut = sim.kc("/users?max=-1")
    assert cut.status == 200 and cut.body == whole[:1000]
    sim.fault({"drip_ms": 20, "drip_bytes": 4}, side="kc", substring="count")
    begin = time.monotonic()
    assert sim.kc("/groups/count").json == {"count": 19} and time.monotonic() - begin >= 0.06
    sim.fault({"pad": 1000000, "content_type": "text/plain"}, side="kc", substring="count")
    padded = sim.kc("/groups/count")
    assert len(padded.body) == 1000012 and padded.json == {"count": 19} and padded.headers["Content-Type"] == "text/plain"
    sim.fault("gzip", side="kc", substring="count")
    zipped = sim.kc("/groups/count")
    assert zipped.headers["Content-Encoding"] == "gzip" and gzip.decompress(zipped.body) == b'{"count":19}'


@pytest.mark.parametrize("do,error", [
    ("reset", ConnectionResetError), ("close_before_headers", http.client.RemoteDisconnected),
    ({"apply_then": "reset"}, ConnectionResetError),
])
def test_fault_endings(sim, do, error):
    sim.fault(do, method="PATCH")
    with pytest.raises(error):
        sim.patch(ML, remove(ANA))
    applied = isinstance(do, dict)
    assert ("Ana@acme.example" in sim.members()) != applied
    assert sim.control("GET", "log")[-1]["status"] == 0


def test_fault_on_a_kept_connection(sim):
    sim.kc("/roles")
    sim.fault("close_before_headers", side="kc", nth=2)
    connection = http.client.HTTPConnection(sim.hosts["keycloak"], timeout=5)
    headers = {"Authorization": "Bearer " + sim.tokens["kc"]}
    connection.request("GET", "/admin/realms/acme/roles", headers=headers)
    assert connection.getresponse().read()
    connection.request("GET", "/admin/realms/acme/roles", headers=headers)
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()


def test_fault_apply_then_status(sim):
    sim.fault({"apply_then": 504}, method="PATCH")
    assert sim.patch(ML, remove(ANA)).status == 504 and "Ana@acme.example" not in sim.members()
    sim.fault({"fail_after_ops": 1}, method="PATCH")
    assert sim.patch(ML, add(ANA), remove(BOT)).status == 500
    assert "Ana@acme.example" in sim.members() and APP in sim.members()


def test_hang_does_not_hold_up_others(sim):
    sim.kc("/roles")
    sim.fault("hang", side="kc", substring="/roles")
    with socket.create_connection(sim.hosts["keycloak"].split(":")) as hanging:
        hanging.sendall(b"GET /admin/realms/acme/roles HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sim.kc("/groups/count").status == 200
        hanging.settimeout(0.2)
        with pytest.raises(TimeoutError):
            hanging.recv(1)


def test_stale_reads(sim):
    sim.fault({"stale_reads": 2, "flip_back": True}, method="PATCH")
    sim.patch(ML, remove(ANA))
    seen = [ANA in json.dumps(sim.dbx("GET", f"/Groups/{ML}").json.get("members", [])) for _ in range(5)]
    assert seen == [True, True, False, True, False]
    assert "Ana@acme.example" not in sim.members()


def test_hooks(sim):
    def stranger(when, member):
        return {"hook": [{"op": "dbx_member_add", "group": "ml", "member": member}], "when": when}

    sim.fault(stranger("after", "eve@x.example"), method="GET", substring="/Groups/")
    assert len(sim.dbx("GET", f"/Groups/{ML}").json["members"]) == 3 and len(sim.members()) == 4
    sim.fault(stranger("before", "n0@x.example"), method="GET", substring="/Groups/")
    assert len(sim.dbx("GET", f"/Groups/{ML}").json["members"]) == 5
    assert {h["by"] for h in sim.control("GET", "history")} == {"edit"}


def test_log_stats_and_latency(sim):
    sim.kc("/roles")
    sim.knobs(latency_ms=100)
    sim.control("DELETE", "log")
    threads = [threading.Thread(target=sim.kc, args=("/roles?x=%41",), kwargs={"User-Agent": "t/1"}) for _ in range(6)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begin >= 0.1
    stats = sim.control("GET", "stats")["kc"]
    assert stats["requests"] == stats["reads"] == stats["kinds"]["roles"] == 6 and stats["peak"] >= 2
    log = sim.control("GET", "log")
    assert [r["n"] for r in log] == [1, 2, 3, 4, 5, 6] and max(r["inflight"] for r in log) == stats["peak"]
    assert log[0]["query"] == "x=%41" and log[0]["user_agent"] == "t/1" and log[0]["headers"]["authorization"] == "present"
    assert sim.tokens["kc"] not in json.dumps(log)


def test_config_out(sim, tmp_path):
    out = tmp_path / "out"
    assert (out / "keycloak.secret").read_text() == "a:b%/+ &c" and (out / "databricks.secret").read_text() == "dose"
    assert (out / "keycloak.secret").stat().st_mode & 0o777 == 0o600
    text = (out / "keybricks.conf").read_text()
    assert sim.info["keycloak"] in text and ",\n)" not in text and "version = 1;" in text


def test_company_is_made_by_seed():
    def state(*args):
        sim = Sim(*args)
        truth = sim.control("GET", "state")
        everybody = sim.kc("/users?max=-1").body
        assert sim.stop() == 0
        return truth, hashlib.sha256(everybody).hexdigest()

    size = ("--users", "300", "--groups", "50", "--roles", "30", "--memberships", "3000")
    one = state("--seed", "7", *size)
    assert one == state("--seed", "7", *size) and one != state("--seed", "8", *size)
    full = {g["displayName"]: set(g["members"]) for g in state("--dbx-in-sync", *size)[0]["groups"]}
    empty = {g["displayName"]: set(g["members"]) for g in state("--dbx-empty", *size)[0]["groups"]}
    assert set(full) == set(empty) and not any(empty.values()) and sum(map(len, full.values())) > 1000


def test_company_in_sync_is_what_the_realm_says():
    """The oracle of the company is the realm's own closure, asked for every user."""
    sim = Sim("--seed", "3", "--dbx-in-sync", "--users", "60", "--groups", "24", "--roles", "12", "--memberships", "300")
    truth = sim.control("GET", "state")
    groups = {g["displayName"]: set(g["names"]) for g in truth["groups"]}
    known = {u["userName"].lower(): u["userName"] for u in truth["users"]}
    known |= {s["applicationId"]: s["applicationId"] for s in truth["service_principals"]}
    want = {}
    for user in sim.kc("/users?enabled=true&max=-1").json:
        app = user.get("attributes", {}).get("databricks_application_id")
        who = known.get(app[0] if app else user.get("email", user["username"]).lower())
        if who is None or (user["username"].startswith("service-account") and not app):
            continue
        roles = names(sim.kc(f"/users/{user['id']}/role-mappings/realm/composite"), "name")
        asked = {r[4:] for r in roles if r.startswith("dbx-")} | ({"dbx-platform-admins"} & {
            "dbx-platform-admins" for r in roles if r == "platform-admin"})
        for group in sim.kc(f"/users/{user['id']}/groups").json:
            parts = group["path"].split("/")[1:]
            asked.add("dept-" + parts[0])
            if len(parts) == 2:
                asked.add(f"team-{parts[0]}-{parts[1]}")
        for group in asked:
            want.setdefault(group, set()).add(who)
    assert {k: v for k, v in groups.items() if v} == want
    assert sim.stop() == 0


def test_workspace_company(tmp_path):
    out = tmp_path / "out"
    sim = Sim("--workspace", "--config-out", str(out))
    assert 'level = "workspace"' in (out / "keybricks.conf").read_text()
    token = (out / "databricks.secret").read_text()
    group = next(g for g in sim.control("GET", "state")["groups"] if g["displayName"] == "dbx-platform-admins")
    answer = sim.dbx("GET", "/Groups/" + group["id"], base="/api/2.0/preview/scim/v2", token=token)
    assert answer.json["meta"] == {"resourceType": "WorkspaceGroup"} and answer.json["members"]
    assert sim.stop() == 0


def test_tls(tmp_path):
    cert, key, out = tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "out"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=x",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    sim = Sim("--tls-kc", f"{cert}:{key}", "--config-out", str(out))
    assert sim.info["keycloak"].startswith("https://") and sim.info["databricks"].startswith("http://")
    trust = ssl.create_default_context(cafile=cert)
    connection = http.client.HTTPSConnection(sim.hosts["keycloak"], context=trust, timeout=10)
    connection.request("GET", "/realms/acme/.well-known/openid-configuration")
    assert json.loads(connection.getresponse().read())["issuer"] == sim.info["keycloak"] + "/realms/acme"
    connection.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        http.client.HTTPSConnection(sim.hosts["keycloak"], context=ssl.create_default_context(), timeout=10).request("GET", "/")
    assert f'ca_file = "{cert}"' in (out / "keybricks.conf").read_text()
    assert sim.stop() == 0


def test_many_threads_while_the_world_changes(sim):
    """Readers and an editor at once; run under ASan this found a text that was freed while it was being sent."""
    failed, done = [], threading.Event()

    def read():
        while not done.is_set():
            for path in ("/groups?search=*&max=-1&briefRepresentation=false", "/users?max=-1"):
                if not sim.kc(path).json:
                    failed.append(path)
            sim.dbx("GET", f"/Groups/{ML}")
            sim.control("GET", "log")

    sim.kc("/roles")
    sim.dbx("GET", "/Groups")
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(40):
        sim.edit({"op": "kc_user_add", "username": f"w{i}"}, {"op": "kc_group_join", "username": f"w{i}", "group": "/eng"},
                 {"op": "dbx_user_add", "userName": f"w{i}@x"}, {"op": "dbx_member_add", "group": "ml", "member": f"w{i}@x"})
        if i % 2:
            sim.edit({"op": "kc_user_remove", "username": f"w{i}"}, {"op": "dbx_user_delete", "userName": f"w{i}@x"})
            sim.control("DELETE", "log")
            sim.knobs(content_type="text/plain" if i % 4 == 1 else None)
    done.set()
    for reader in readers:
        reader.join()
    assert not failed and len(sim.members()) == 23 and len(sim.kc("/groups").json) == 2


def test_usage_errors():
    for args in (["--users", "x"], ["--nope"], ["stray"], ["--dbx-empty", "--dbx-drift"]):
        done = subprocess.run([binary(), *args], stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 64 and done.stderr and not done.stdout
    done = subprocess.run([binary(), "--world", "/nonexistent"], stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 1
