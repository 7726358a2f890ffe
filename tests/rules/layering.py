"""Who may include whom, and where the libraries' own types may appear. MAY is the room diagram of
the architecture in words.

An arrow that is not in it is forbidden. Inside one room no circle: a unit (thing.c with thing.h) may not need a unit
that needs it. A library's type outside its home means that the library has leaked.
"""

import fnmatch
import re

import tree

BELOW = ("keycloak", "scim", "store", "model", "base")

MAY = {
    "base": ("base",),
    "model": ("model", "base"),
    "keycloak": ("keycloak", "model", "base"),
    "scim": ("scim", "model", "base"),
    "store": ("store", "migrations", "model", "base"),
    "reconciler/plan": ("reconciler/plan", "model", "base"),
    "reconciler/report": ("reconciler/report", "reconciler/plan", "model", "base"),
    "reconciler/config": ("reconciler/config",) + BELOW,
    "reconciler/apply": ("reconciler/apply", "reconciler/plan", "reconciler/config") + BELOW,
    "reconciler/audit": ("reconciler/audit", "reconciler/plan", "reconciler/report", "reconciler/config") + BELOW,
    "reconciler/ops": ("reconciler/ops", "reconciler/plan", "reconciler/report", "reconciler/config") + BELOW,
    # run.c and what stands beside it: everything but the commands and main, which start it
    "reconciler": ("reconciler", "reconciler/plan", "reconciler/report", "reconciler/config", "reconciler/apply",
                   "reconciler/audit", "reconciler/ops") + BELOW,
    "reconciler/command": ("reconciler/command", "reconciler", "reconciler/plan", "reconciler/report",
                           "reconciler/config", "reconciler/apply", "reconciler/audit", "reconciler/ops") + BELOW,
    "reconciler/main": None,  # the top: everything
}

# (what, token, its homes)
HOMES = (
    ("libcurl", re.compile(r"\bCURL[A-Z]*\b|\bcurl_\w+"), ("base/http*",)),
    ("SQLite", re.compile(r"\bsqlite3\w*"), ("store/*",)),
    ("json-c", re.compile(r"\bjson_object\w*|\bjson_tokener\w*"),
     ("base/json*", "*/*decode*", "*/*encode*", "keycloak/token*", "scim/token*", "scim/patch*",
      "reconciler/plan/file*", "reconciler/report/json*")),
    ("libconfig", re.compile(r"\bconfig_t\b|\bconfig_setting_t\b"), ("reconciler/config/*",)),
)
HEADERS = (
    ("libcurl", "curl/", HOMES[0][2]),
    ("SQLite", "sqlite3", HOMES[1][2]),
    ("json-c", "json", HOMES[2][2]),
    ("libconfig", "libconfig", HOMES[3][2]),
)


def room(name):
    parts = name.split("/")
    if parts[0] != "reconciler":
        return parts[0]
    if len(parts) > 2:
        return "/".join(parts[:2])
    return "reconciler/main" if parts[1].split(".")[0] == "main" else "reconciler"


def at_home(name, homes):
    return any(fnmatch.fnmatch(name, home) for home in homes)


def unit(name):
    return name.rsplit(".", 1)[0]


def circle(edges):
    """One circle of the graph as a list of units, or None. Deterministic: units in sorted order."""
    state, path = {}, []

    def visit(node):
        state[node] = 1
        path.append(node)
        for nxt in sorted(edges.get(node, ())):
            if state.get(nxt) == 1:
                return path[path.index(nxt):] + [nxt]
            if nxt not in state:
                found = visit(nxt)
                if found:
                    return found
        path.pop()
        state[node] = 2
        return None

    for node in sorted(edges):
        if node not in state:
            found = visit(node)
            if found:
                return found
    return None


def check(root):
    complaints, edges = [], {}
    names = [name for name in tree.files(root) if name.endswith((".c", ".h")) and name.split("/")[0] in tree.ROOMS]
    for name in names:
        source, here = tree.text(root, name), room(name)
        if here not in MAY:
            complaints.append(f"{name}: {here}/ is no room of the architecture")
            continue
        for line, target, quoted in tree.includes(source):
            if not quoted:
                complaints += [f"{name}:{line}: <{target}> ({what}) belongs in {', '.join(homes)}"
                               for what, prefix, homes in HEADERS
                               if target.startswith(prefix) and not at_home(name, homes)]
                continue
            if "/" not in target or target.startswith(".") or target.split("/")[0] not in tree.ROOMS:
                complaints.append(f"{name}:{line}: write the include as \"room/file.h\", not \"{target}\"")
                continue
            there, may = room(target), MAY[here]
            if may is not None and there not in may:
                complaints.append(f"{name}:{line}: {here}/ may not include {target}")
            elif there == here and unit(name) != unit(target):
                edges.setdefault(unit(name), set()).add(unit(target))
        for number, text in enumerate(tree.code(source).split("\n"), 1):
            if re.match(r"\s*#\s*include", text):
                continue
            complaints += [f"{name}:{number}: {what} ({token.search(text).group(0)}) belongs in {', '.join(homes)}"
                           for what, token, homes in HOMES if token.search(text) and not at_home(name, homes)]
    found = circle(edges)
    if found:
        complaints.append(f"circle: {' -> '.join(found)}; put what both need into a third file")
    return complaints


if __name__ == "__main__":
    tree.main(check)
