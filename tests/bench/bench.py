"""scripts/bench: prints Markdown; see there."""

import collections
import datetime
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bound import Bound, compare
from fill import first_fill, untouched
from stage import BUILD, KEYBRICKS, Failed, Stage, launch

# name, users, groups, roles, rows to make in the realm. Composites and subgroups make the other side larger: the tables say what
# was read.
SMALL = ("50,000", 10000, 200, 60, 30000)
LARGE = ("500,000", 50000, 1000, 200, 300000)
TINY = ("tiny", 300, 20, 12, 900)
LATENCIES_MS = (20, 0)
LIBRARIES = f"{BUILD}/tests/bench/bench-libs"
MIB_KIB = 1024
PATCH_OPS = PATCH_MEMBERS = 50
RATIO = 1.25

failures = []


def note(text):
    print(text, file=sys.stderr, flush=True)


def check(what, problems):
    for problem in problems[:5]:
        failures.append(f"{what}: {problem}")


def median(values):
    return statistics.median(values)


def judged(value, limit, form):
    return f"{form.format(value)} {'ok' if value <= limit else 'MISSED'}"


# ---- one row: keybricks and curl in turn, the same requests ----

class Row:
    def __init__(self, run, latency_ms, full=False):
        self.run, self.latency_ms, self.full = run, latency_ms, full
        self.ours, self.theirs, self.reading, self.cpu, self.rss = [], [], [], [], []
        self.requests, self.bound, self.extra, self.adopting = 0, "", "", ""

    def add(self, stage, result, requests):
        curl = stage.curl(requests)
        self.ours.append(result["wall_s"])
        self.theirs.append(curl["wall_s"])
        self.reading.append((max(r["t_ms"] + r["ms"] for r in requests) - min(r["t_ms"] for r in requests)) / 1000)
        self.cpu.append(result["commands"][0]["cpu_s"])
        self.rss.append(result["commands"][0]["rss_kib"] / MIB_KIB)
        self.requests = len(requests)

    def ratio(self, ours):
        """The bound is for a full read at 20 ms; without latency the simulator's own work and ours are what is compared."""
        ratio = median(ours) / median(self.theirs)
        return judged(ratio, RATIO, "{:.2f}") if self.latency_ms and self.full else f"{ratio:.2f}"

    def text(self, memory):
        return (f"| {self.run} | {self.latency_ms} ms | {median(self.ours):.2f} s | {median(self.theirs):.2f} s | "
                f"{self.ratio(self.ours)} | {self.ratio(self.reading)} | {median(self.cpu):.2f} s | {self.requests} | "
                f"{self.bound} | "
                f"{judged(max(self.rss), memory, '{:.1f}')} (bound {memory:.1f}) |")


def plans(stage, bound, latency_ms, repeats, changes):
    first, again = Row("first plan", latency_ms, full=True), Row("plan, nothing changed", latency_ms)
    for _ in range(repeats):
        stage.forget()
        result, requests = stage.keybricks("plan")
        check("first plan", compare(requests, bound.full(changes)))
        first.bound = sum(bound.full(changes).values())
        first.add(stage, result, requests)
    first.adopting = settle(stage, bound, first=changes)
    for _ in range(repeats):
        result, requests = stage.keybricks("plan", "--exit-code")
        check("plan with nothing changed", compare(requests, bound.unchanged()))
        again.bound = sum(bound.unchanged().values())
        again.add(stage, result, requests)
    return [first, again]


def settle(stage, bound, first):
    """What drifted is applied and what is there adopted, so that the next run has nothing to do: a row of the table. At 0 ms, once
    for a target; it pauses before it reads back, so there is no ratio."""
    latency = stage.latency_ms
    stage.set_latency(0)
    stage.keybricks("plan", "--save", f"{stage.folder}/saved.plan")
    result, requests = stage.keybricks("apply", f"{stage.folder}/saved.plan")
    stage.set_latency(latency)
    used = result["commands"][0]
    memory = bound.memory_mib()
    return (f"| first apply: {bound.target_rows:,} adopted{', drift written' if first else ''} | 0 ms | {result['wall_s']:.2f} s | - | - | - | "
            f"{used['cpu_s']:.2f} s | {len(requests)} | - | {judged(used['rss_kib'] / MIB_KIB, memory, '{:.1f}')} (bound {memory:.1f}) |")


# ---- a change of 1 % ----

def edits(bound, rng):
    """People leave groups and others join: one in a hundred of the realm's direct rows."""
    prefix = f"{bound.kc}/groups/"
    rows = [(path[len(prefix):].split("/")[0], user) for path, users in sorted(bound.lists.items())
            if path.startswith(prefix) for user in users if user[2]]
    half = max(1, bound.source_rows // 200)
    leave = rng.sample(rows, half)
    people = sorted({user for _, user in rows})
    there = {(group, user[0]) for group, user in rows}
    join = []
    while len(join) < half:
        group, user = rng.choice(bound.groups)["id"], rng.choice(people)
        if (group, user[0]) not in there:
            there.add((group, user[0]))
            join.append((group, user))
    return [{"op": "kc_group_leave", "group_id": group, "username": user[1]} for group, user in leave] + \
           [{"op": "kc_group_join", "group_id": group, "username": user[1]} for group, user in join]


def members(stage):
    return {g["id"]: set(g["members"]) for g in stage.control("GET", "state")["groups"]}


def fewest_patches(before, after):
    """(changed groups, operations, PATCHes): up to 50 operations a request, an add of up to 50 members, a remove of one."""
    groups = operations = patches = 0
    for group, old in before.items():
        add, remove = len(after[group] - old), len(old - after[group])
        if add + remove:
            groups += 1
            operations += add + remove
            patches += -(-(remove + -(-add // PATCH_MEMBERS)) // PATCH_OPS)
    return groups, operations, patches


def syncs(stage, bound, latency_ms, repeats, rng):
    row, said = Row("sync of a 1 % change", latency_ms), []
    for _ in range(repeats):
        bound.read_realm()
        bound.read_target()
        stage.set_latency(0)
        stage.control("POST", "edit", edits(bound, rng))
        stage.set_latency(latency_ms)
        before = members(stage)
        result, requests = stage.keybricks("sync")
        groups, operations, patches = fewest_patches(before, members(stage))
        sent = sum(r["method"] == "PATCH" for r in requests)
        kinds = collections.Counter(r["kind"] for r in requests if r["method"] == "GET")
        proofs = kinds["user_effective"] + kinds["user_groups"] + kinds["user"]
        if sent != patches or not operations:
            failures.append(f"sync: {sent} PATCHes, bound {patches} for {operations} operations in {groups} groups")
        said.append(f"{operations} operations in {groups} groups: {sent} PATCHes (bound {patches}); {proofs} proofs, "
                    f"{kinds['get_group']} reads of groups (before and after writing)")
        row.add(stage, result, requests)
        row.bound = "see below"
    stage.set_latency(0)
    result, requests = stage.keybricks("plan", "--exit-code")
    stage.set_latency(latency_ms)
    check("plan after the sync", [f"{r['method']} {r['path']}" for r in requests if r["method"] != "GET"])
    row.extra = f"Sync at {latency_ms} ms: {said[-1]}"
    return row


# ---- a company ----

def company(size, latencies, repeats, folder, with_sync=True):
    name, *numbers = size
    started = time.monotonic()
    rng = random.Random(7)
    with Stage(f"{folder}/{name}", *numbers) as stage:
        bound = Bound(stage)
        memory = bound.memory_mib()
        title = (f"### {name} memberships: read were {bound.source_rows:,} rows of {bound.users:,} users in Keycloak and "
                 f"{bound.target_rows:,} memberships, {bound.principals:,} principals in Databricks\n")
        rows = []
        for latency_ms in latencies:
            stage.set_latency(latency_ms)
            rows += plans(stage, bound, latency_ms, repeats, changes=latency_ms == latencies[0])
            if with_sync:
                rows.append(syncs(stage, bound, latency_ms, max(1, repeats // 3), rng))
            stage.set_latency(0)
            bound = Bound(stage)
            note(f"{name}, {latency_ms} ms: {time.monotonic() - started:.0f} s")
    print(title)
    print("| run | latency | keybricks | two curls side by side | ratio | of the requests alone | CPU | requests | bound | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(row.text(memory))
        if row.adopting:
            print(row.adopting)
    for row in rows:
        if row.extra:
            print(f"\n{row.extra}.")
    print(flush=True)


# ---- start-up ----

def start_up(runs, folder):
    commands = (["/bin/true"], [LIBRARIES], [KEYBRICKS, "--version"])
    walls = {command[0]: [] for command in commands}
    for _ in range(runs):
        for command in commands:
            walls[command[0]] += [r["wall_s"] for r in launch(5, [command], f"{folder}/version.log")]
    true, libraries, ours = (median(walls[c[0]]) * 1000 for c in commands)
    limit = 2 * libraries
    print(f"### keybricks --version\n\n| what | wall, median of {runs * 5} |\n|---|---|\n| `/bin/true` | {true:.2f} ms |\n"
          f"| `/bin/true` and the loading of the same libraries | {libraries:.2f} ms |\n"
          f"| `keybricks --version` | {judged(ours, limit, '{:.2f} ms')} (bound {limit:.2f} ms) |\n")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) / MIB_KIB**2
    load = os.getloadavg()[0]
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return (f"{datetime.date.today()}, commit {commit or 'unknown'}: {os.cpu_count()} cores ({model}), {memory:.1f} GiB, Linux "
            f"{platform.release().split('-')[0]}, load {load:.1f} at the start, curl {curl}; 8 requests in flight to each server.\n\n"
            f"Ratio: bound {RATIO} for the first plan at 20 ms. \"Of the requests alone\" leaves out the start, planning, and the "
            "snapshot; curl gets its tokens and URLs for nothing.")


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = tempfile.mkdtemp(prefix="keybricks-bench-")
    try:
        print(f"{machine()}\n", flush=True)
        if mode == "--smoke":
            company(TINY, (0,), 1, folder)
            first_fill(folder, 6, 1, judged, failures)
            untouched(folder, 150, failures)
            start_up(1, folder)
        else:
            company(SMALL, LATENCIES_MS, 3 if mode else 5, folder)
            company(LARGE, LATENCIES_MS[:1] if mode else LATENCIES_MS, 1 if mode else 3, folder, with_sync=not mode)
            first_fill(folder, 120 if mode else 500, 1 if mode else 3, judged, failures)
            untouched(folder, 5000, failures)
            start_up(10 if mode else 60, folder)
        for failure in failures:
            print(f"FAILED: {failure}")
    except Failed as failed:
        print(f"FAILED: {failed}", flush=True)
        print(f"The files are in {folder}.", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
