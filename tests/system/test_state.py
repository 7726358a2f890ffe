"""The state directory, the audit chain, history and status: what is wrong there is said, and nothing is written over it."""

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess

import pytest
from keybricks import COUNTS, World, binary, later, ops

DB = "acme.db"


def company():
    world = World()
    world.users("p", 4, roles=["ml"])
    world.user("late")
    world.rule(role="ml", group="ml")
    world.group("ml")
    return world


@pytest.fixture
def at(stage):
    at = stage(company())
    at.sync()
    return at


def grant(at):
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "late"})


def change(at, *statements):
    """Edits the database as somebody with sqlite3 would."""
    with sqlite3.connect(at.state / DB) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    db.close()


def untouched(at, code=8, *args):
    """The run ends so and sends nothing to Databricks that writes."""
    at.forget()
    result = at.sync(*args, code=code)
    assert at.writes() == []
    return result


# ---- not ours ----

def test_files_are_private(at):
    for path in at.state.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert (at.state / DB).exists() and len(list(at.state.glob("*lock*"))) == 1


def test_a_database_of_another_target(at):
    shutil.copy(at.state / DB, at.state / "other.db")
    at.configure(targets=[at.target(name="other")])
    grant(at)
    assert "acme" in untouched(at).message
    at.run("plan", code=8)
    at.run("audit", "verify", code=8)


@pytest.mark.parametrize("change_of", ["host", "account_id", "realm"])
def test_a_database_of_another_account_or_realm(at, stage, change_of):
    twin = stage(company())
    shutil.copy(at.state / DB, twin.state / DB)
    if change_of == "host":
        twin.forget()
        twin.sync(code=8)  # same name, other server
        assert twin.log() == []
    elif change_of == "account_id":
        at.configure(targets=[at.target(account_id="99999999-2222-4333-8444-555555555555")])
        untouched(at)
        assert at.log() == []
    else:
        at.configure(keycloak={"realm": "other"})
        untouched(at)
        assert at.log() == []


def test_a_newer_schema(at):
    with sqlite3.connect(at.state / DB) as db:
        version, = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version + 1}")
    db.close()
    grant(at)
    assert "new" in untouched(at).message
    assert at.log() == []
    for command in (("plan",), ("status",), ("history",), ("audit", "verify")):
        at.run(*command, code=8)


@pytest.mark.parametrize("content", [b"", b"hello\n" * 1000, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 4080], ids=["empty", "text", "zeros", "header"])
def test_not_a_database(at, content):
    (at.state / DB).write_bytes(content)
    for name in (DB + "-wal", DB + "-shm"):
        (at.state / name).unlink(missing_ok=True)
    untouched(at)
    assert (at.state / DB).read_bytes() == content  # kept for a person to look at


# ---- damage ----

def test_flipped_bytes_are_noticed_or_harmless(at):
    """Bytes all over the file: either the run says 8, or it does what it should; never a wrong write."""
    grant(at)
    size = (at.state / DB).stat().st_size
    whole = (at.state / DB).read_bytes()
    assert not (at.state / (DB + "-wal")).exists() or not (at.state / (DB + "-wal")).stat().st_size
    noticed = 0
    for place in range(101, size, size // 24):
        bent = bytearray(whole)
        bent[place] ^= 0x55
        (at.state / DB).write_bytes(bent)
        for name in (DB + "-wal", DB + "-shm"):
            (at.state / name).unlink(missing_ok=True)
        result = at.run("sync", code=None)
        assert result.code in (0, 8), f"byte {place}: {result}"
        noticed += result.code == 8
        assert at.history() in ([("add", "ml", f"p{i:03}") for i in range(4)], [("add", "ml", f"p{i:03}") for i in range(4)] + [("add", "ml", "late")])
        if result.code == 0:
            at.edit({"op": "dbx_member_remove", "group": "ml", "member": "late@acme.example"})
            break
    assert noticed


@pytest.mark.parametrize("table", ["ledger", "member", "target_group", "run", "audit"])
def test_a_row_edited_by_hand_is_noticed(at, table):
    statements = {
        "ledger": "UPDATE ledger SET at_s = at_s + 1",
        "member": "DELETE FROM member",
        "target_group": "UPDATE target_group SET name = 'mlx'",
        "run": "UPDATE run SET success = 0",
        "audit": "UPDATE audit SET body = replace(body, 'a', 'b') WHERE seq = 3",
    }
    if table == "audit":
        change(at, "DROP TRIGGER audit_no_update", statements[table])
        result = at.run("audit", "verify", code=8)
        assert "3" in result.message
    else:
        change(at, statements[table])
    grant(at)
    untouched(at)


def test_the_audit_table_is_append_only(at):
    for statement in ("UPDATE audit SET body = '{}'", "DELETE FROM audit", "INSERT OR REPLACE INTO audit SELECT * FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            change(at, statement)


# ---- audit verify ----

def test_verify_says_size_and_hash(at):
    first = at.run("audit", "verify").out
    assert re.fullmatch(r"ok \d+:[0-9a-f]{64}\n", first)
    point = at.sync().checkpoint
    assert at.run("audit", "verify").out == f"ok {point}\n"
    assert at.run("audit", "verify", "--expect", point).out == f"ok {point}\n"
    assert at.run("audit", "verify", "--expect", first[3:].strip()).out == f"ok {point}\n"  # an older one lies on the chain


@pytest.mark.parametrize("how", ["flip-body", "flip-hash", "flip-kind", "flip-time", "delete", "swap", "insert"])
def test_verify_names_the_first_bad_row(at, how):
    for _ in range(2):
        at.sync()
    unlock = ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", "DROP TRIGGER audit_no_replace"]
    edits = {
        "flip-body": ["UPDATE audit SET body = replace(body, '\"', '''') WHERE seq = 4"],
        "flip-hash": ["UPDATE audit SET hash = zeroblob(32) WHERE seq = 4"],
        "flip-kind": ["UPDATE audit SET kind = 'approval' WHERE seq = 4"],
        "flip-time": ["UPDATE audit SET ts = ts - 3600 WHERE seq = 4"],
        "delete": ["PRAGMA foreign_keys = 0", "DELETE FROM audit WHERE seq = 4"],
        "swap": ["UPDATE audit SET seq = 999 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 5", "UPDATE audit SET seq = 5 WHERE seq = 999"],
        "insert": ["INSERT INTO audit SELECT max(seq) + 1, ts, run_id, kind, body, prev, hash FROM audit"],
    }
    change(at, *unlock, *edits[how])
    with sqlite3.connect(at.state / DB) as db:
        last, = db.execute("SELECT max(seq) FROM audit").fetchone()
    db.close()
    result = at.run("audit", "verify", code=8)
    assert re.search(rf"\b{last if how == 'insert' else 4}\b", result.message), result.message
    grant(at)
    untouched(at)
    assert at.log() == []  # before the first request


def test_verify_finds_a_cut_tail_only_with_expect(at):
    point = at.sync().checkpoint
    size = int(point.split(":")[0])
    change(at, "DROP TRIGGER audit_no_delete", f"DELETE FROM audit WHERE seq > {size - 3}")
    at.run("audit", "verify", "--expect", point, code=8)


def test_verify_of_another_chain(at, stage):
    other = stage(company())
    other.sync()
    at.run("audit", "verify", "--expect", other.sync().checkpoint, code=8)


@pytest.mark.parametrize("expect", ["", "3", ":", "3:", "3:xyz", "-1:" + "0" * 64, "99999999999999999999:" + "0" * 64, "3:" + "0" * 63])
def test_expect_must_be_size_and_hash(at, expect):
    at.run("audit", "verify", "--expect", expect, code=64)


def test_verify_without_a_database(stage):
    at = stage(company())
    at.run("audit", "verify", code=8)


def test_the_chain_can_be_computed_from_its_description(at):
    """gap-free, and each row carries the hash of the one before."""
    with sqlite3.connect(f"file:{at.state}/{DB}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT seq, prev, hash FROM audit ORDER BY seq").fetchall()
    db.close()
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
    assert all(after[1] == before[2] for before, after in zip(rows, rows[1:]))
    assert at.run("audit", "verify").out == f"ok {rows[-1][0]}:{rows[-1][2].hex()}\n"


# ---- without its state ----

def test_plan_without_state_needs_none(stage):
    at = stage(company())
    at.state.rmdir()
    plan = at.plan()
    assert len(ops(plan)) == 4
    at.state.mkdir(mode=0o700, exist_ok=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_somebody_who_may_not_read_the_state_is_told_so(at, tmp_path):
    """Revocations then look foreign, so the first line says why."""
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    for path in (at.dir / "keycloak.secret", at.dir / "databricks.secret"):
        os.chown(path, 65534, 65534)
    for path in [at.dir, *at.dir.parents]:  # pytest's own folders are private
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    program = tmp_path / "keybricks"
    shutil.copy(binary(), program)
    done = subprocess.run([program, "-c", at.config, "plan"], capture_output=True, text=True, user=65534, group=65534, extra_groups=[],
                          cwd="/", env=at.environment(), timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "ledger" in done.stdout.splitlines()[0].lower(), done.stdout
    assert "foreign" in done.stdout and not re.search("^ +- ", done.stdout, re.M)


def test_state_dir_that_is_a_file(at):
    at.configure(state_dir=str(at.config))
    result = at.sync(code=None)
    assert result.code in (1, 8, 78), str(result)
    assert str(at.config) in result.message


def test_a_state_directory_that_others_may_write_is_refused(at):
    at.state.chmod(0o777)
    grant(at)
    untouched(at)
    at.state.chmod(0o700)


def test_plan_writes_nothing_but_the_snapshot(at):
    grant(at)
    before = at.audit()
    at.run("plan", "--refresh", "always")
    assert at.audit() == before
    assert at.sync().counts["add"] == 1


# ---- history ----

def test_history_lists_runs_and_each_operation(at):
    grant(at)
    at.sync()
    at.configure(guards={"max_removals_total": 0})
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "late"})
    at.sync(code=3)
    runs = list(dict.fromkeys(row["run"] for row in at.audit() if row["kind"] == "run"))
    text = at.run("history").out
    assert len(runs) == 3
    assert all(run in text for run in runs) or all(run[-8:] in text for run in runs)
    assert all(re.search(rf"\b{word}\b", text) for word in ("sync", "ok", "held"))
    assert len(re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)) >= 3
    one = at.run("history", runs[1]).out
    assert "late" in one or at.world.ids["late"] in one
    assert runs[0] not in at.run("history", runs[1]).out
    at.run("history", "00000000-0000-7000-8000-000000000000", code=64)


def test_history_before_the_first_run(stage):
    at = stage(company())
    at.run("history")
    assert list(at.state.iterdir()) == []  # looking makes nothing


# ---- status ----

def status(at, code, **more):
    text = at.run("status", code=code, **more).out
    told = at.run("status", "--format", "json", code=code, **more).json
    assert told["target"] == "acme" and "acme" in text
    return told


def test_status_fresh(at):
    told = status(at, 0)
    assert told["held"] == 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["last_success"]["at"])


def test_status_held(at):
    at.configure(guards={"max_removals_total": 0})
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    at.sync(code=3)
    assert status(at, 3)["held"] == 1
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "p000"})
    at.sync()
    status(at, 0)


def test_status_old(at):
    at.configure(status={"max_age_s": 60})
    status(at, 0)
    status(at, 7, env=later("62s"))


def test_status_never_ran(stage):
    at = stage(company())
    status(at, 7)
    assert list(at.state.iterdir()) == []


def test_status_broken(at):
    (at.state / DB).write_bytes(b"hello\n" * 1000)
    status(at, 8)


def test_status_does_not_touch_servers(at):
    at.forget()
    status(at, 0)
    assert at.log() == []


def test_several_targets_have_their_own_state(at):
    at.configure(targets=[at.target(), at.target(name="second")])
    at.sync()
    assert {path.name for path in at.state.glob("*.db")} == {DB, "second.db"}
    lines = [json.loads(line) for line in at.run("status", "--format", "json").out.splitlines()]
    assert [one["target"] for one in lines] == ["acme", "second"]
    assert at.run("audit", "verify").out.count("ok ") == 2
    assert at.sync().counts == dict.fromkeys(COUNTS, 0)


def test_ephemeral_state_leaves_no_file(stage):
    world = company()
    world.rules = [{"role": "ml", "group": "ml", "foreign": "report"}]
    at = stage(world, state="ephemeral")
    result = at.sync("-q")
    assert at.members("ml") == {f"p{i:03}" for i in range(4)}
    assert [path for path in at.state.iterdir() if path.suffix == ".db"] == []
    rows = [json.loads(line) for line in result.out.splitlines() if line.startswith("{")]
    assert {"run", "intent", "outcome", "checkpoint"} <= {row["kind"] for row in rows}  # the audit stays, also with -q
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))


def test_ephemeral_audit_that_cannot_be_written_sends_no_write(stage):
    world = company()
    world.rules = [{"role": "ml", "group": "ml", "foreign": "report"}]
    at = stage(world, state="ephemeral")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(at.command("sync"), cwd=at.dir, env=at.environment(), stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1 and at.writes() == [], done.stderr


def test_ephemeral_state_wants_foreign_stated(stage):
    at = stage(company(), state="ephemeral")
    assert "foreign" in at.sync(code=78).err
