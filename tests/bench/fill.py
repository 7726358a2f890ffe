"""A first fill of many groups at the pace that Databricks allows and without it, and many groups that nobody touched."""

import json
import statistics

from stage import CONCURRENCY, Failed, Stage, launch

RULES = 'rules = ( { path_glob = "/*";  group = "{1}"; } );\n'
MEMBERS_A_GROUP = 40  # 500 groups with 20,000 members
RATE = 2.0  # PATCHes a second, the account's own
RATE_RATIO, CURL_RATIO = 1.05, 1.3


def world(path, groups, members_a_group, filled):
    """Every group has people of its own, so that a group is one PATCH; filled: Databricks has them already."""
    names = {f"g{g:04}": [f"u{g:04}-{m:02}@acme.example" for m in range(members_a_group)] for g in range(groups)}
    people = [(group, name) for group, members in names.items() for name in members]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"realm": {"groups": [{"name": group} for group in names],
                                "users": [{"username": name, "email": name, "groups": [f"/{group}"]} for group, name in people]},
                   "databricks": {"users": [name for _, name in people],
                                  "groups": [{"displayName": group, "members": members if filled else []}
                                             for group, members in names.items()]},
                   "rules": RULES}, file)
    return path


def fill(stage, rate):
    """One apply of everything: (seconds from start to end, its PATCHes, what was wrong)."""
    with open(stage.config, encoding="utf-8") as file:
        text = file.read()
    with open(stage.config, "w", encoding="utf-8") as file:
        file.write(text.replace("patch = 1000.0", f"patch = {rate:.1f}"))
    stage.set_latency(0)
    stage.keybricks("plan", "--save", f"{stage.folder}/fill.plan")
    stage.set_latency(20)
    result, requests = stage.keybricks("apply", f"{stage.folder}/fill.plan")
    return result, [r for r in requests if r["side"] == "dbx" and r["method"] == "PATCH"]


def span(requests):
    return (max(r["t_ms"] + r["ms"] for r in requests) - min(r["t_ms"] for r in requests)) / 1000


def curl_patches(stage, patches, reads):
    """The same PATCHes by one curl, 8 in flight, with `reads` each after a GET of its group: seconds."""
    lines, dressed = [], [f'header = "Authorization: Bearer {stage.tokens["dbx"]}"', 'output = "/dev/null"', "fail", "silent"]
    for i, r in enumerate(patches):
        with open(f"{stage.folder}/patch-{i}.json", "w", encoding="utf-8") as file:
            file.write(r["body"] if isinstance(r["body"], str) else json.dumps(r["body"]))
        url = f'url = "{stage.base("dbx")}{r["path"]}"'
        lines += ["next"] if i else []
        lines += [url, *dressed, "next"] if reads else []
        lines += [url, *dressed, 'request = "PATCH"', f'data-binary = "@{stage.folder}/patch-{i}.json"',
                  'header = "Content-Type: application/scim+json"']
    with open(f"{stage.folder}/curl-patch.conf", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    stage.set_latency(20)
    stage.control("DELETE", "log")
    result = launch(1, [["curl", "--parallel", "--parallel-max", str(CONCURRENCY), "--config", f"{stage.folder}/curl-patch.conf"]],
                    f"{stage.folder}/curl-patch.log")[0]
    if result["commands"][0]["exit"]:  # --fail: a status of 400 or more is an exit
        raise Failed(f"curl: exit {result['commands'][0]['exit']}, see {stage.folder}/curl-patch.log")
    while True:  # the log of the last answers may still be written
        seen = [r for r in stage.control("GET", "log") if r["method"] == "PATCH" and r["done"]]
        if len(seen) == len(patches):
            return span(seen)


def first_fill(folder, groups, repeats, judged, failures):
    """With groups fewer than 500 the first ratio is worse: what is not paced (a second or two) weighs more."""
    path = world(f"{folder}/fill.json", groups, MEMBERS_A_GROUP, filled=False)
    with Stage(f"{folder}/fill-paced", world=path) as stage:
        result, patches = fill(stage, RATE)
        counts = [len(patches)]
        allowed = (len(patches) - max(1, RATE)) / RATE  # a full bucket at the start
        paced = result["wall_s"]
    ours, theirs, reading, walls = [], [], [], []
    for i in range(repeats):
        with Stage(f"{folder}/fill-ours-{i}", world=path) as stage:
            result, patches = fill(stage, 1000)
            ours.append(span(patches))
            walls.append(result["wall_s"])
            counts.append(len(patches))
        with Stage(f"{folder}/fill-curl-{i}", world=path) as stage:
            theirs.append(curl_patches(stage, patches, reads=False))
            reading.append(curl_patches(stage, patches, reads=True))
    if any(n != groups for n in counts):
        failures.append(f"first fill: {counts} PATCHes for {groups} changed groups")
    ratio, ratio_reading = (statistics.median(ours) / statistics.median(t) for t in (theirs, reading))
    print(f"### A first fill: {groups} groups, {groups * MEMBERS_A_GROUP:,} members, 20 ms\n\n"
          "| run | keybricks | against | ratio | PATCHes | changed groups |\n|---|---|---|---|---|---|\n"
          f"| {RATE:.0f} PATCH/s, the whole `apply` | {paced:.1f} s | {allowed:.1f} s that the rate allows | "
          f"{judged(paced / allowed, RATE_RATIO, '{:.3f}')} (bound {RATE_RATIO}) | {counts[0]} | {groups} |\n"
          f"| 1000 PATCH/s, first to last PATCH | {statistics.median(ours):.2f} s | {statistics.median(theirs):.2f} s, curl with "
          f"{CONCURRENCY} in flight | {judged(ratio, CURL_RATIO, '{:.2f}')} (bound {CURL_RATIO}) | {counts[-1]} | {groups} |\n"
          f"| the same | | {statistics.median(reading):.2f} s, that curl with a GET before each PATCH, as keybricks does | "
          f"{ratio_reading:.2f} | | |\n\n"
          f"The whole `apply` without a limit, with reading, a GET before each write and reading back: "
          f"{statistics.median(walls):.2f} s.\n", flush=True)


def untouched(folder, groups, failures):
    """Nothing changed and the snapshot fresh: the listing of groups, and not one GET of a group."""
    path = world(f"{folder}/untouched.json", groups, 1, filled=True)
    with Stage(f"{folder}/untouched", world=path) as stage:
        stage.keybricks("plan", "--save", f"{stage.folder}/first.plan")
        stage.keybricks("apply", f"{stage.folder}/first.plan")
        result, requests = stage.keybricks("sync")
    groups_listed = [r for r in requests if r["kind"] == "list_groups"]
    read = [r for r in requests if r["kind"] == "get_group"]
    pages = -(-groups // 100)
    if read or len({r["query"] for r in groups_listed}) != len(groups_listed) or len(groups_listed) not in (pages, pages + 1):
        failures.append(f"untouched: {len(groups_listed)} pages of groups, bound {pages}; {len(read)} GETs of a group, bound 0")
    print(f"### {groups:,} groups, nothing changed, a fresh snapshot\n\n| listing of groups | pages, bound | GETs of a group, bound 0 | "
          "`sync` at 0 ms |\n|---|---|---|---|\n"
          f"| 1 | {len(groups_listed)}, {pages} | {len(read)} | {result['wall_s']:.1f} s |\n", flush=True)
