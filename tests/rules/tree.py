"""What the rule tests share: which files belong to the project, and C text without comments and literals.

A rule is a module with `check(root) -> list of complaints`; an empty list is green. selftest.py shows that each rule
turns red on a small bad tree: a rule that cannot fail protects nothing.
"""

import pathlib
import re
import subprocess
import sys

SKIP = {".git", ".venv", "__pycache__", ".pytest_cache", ".cache", "node_modules"}
ROOMS = ("base", "model", "migrations", "store", "keycloak", "scim", "reconciler")


def files(root):
    """Every file git would keep, as sorted relative POSIX paths; without git, every file outside build directories."""
    root = pathlib.Path(root)
    git = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                         capture_output=True, check=False) if (root / ".git").exists() else None
    if git and git.returncode == 0:
        names = [name for name in git.stdout.decode().split("\0") if name and (root / name).is_file()]
    else:
        names = []
        for path in root.rglob("*"):
            parts = path.relative_to(root).parts
            if path.is_file() and not SKIP.intersection(parts) and not parts[0].startswith("build"):
                names.append("/".join(parts))
    return sorted(set(names))


def text(root, name):
    return (pathlib.Path(root) / name).read_text(encoding="utf-8", errors="replace")


TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def code(source):
    """C without comments and literals, line numbers kept. Include lines keep their quoted name."""
    def blank(match):
        found = match.group(0)
        line = source[source.rfind("\n", 0, match.start()) + 1:match.start()]
        if found[0] == '"' and re.fullmatch(r"\s*#\s*include\s*", line):
            return found
        return "\n" * found.count("\n") or " "
    return TOKEN.sub(blank, source)


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def includes(source):
    """(line, name, quoted) of each include that is not commented out."""
    stripped = code(source)
    return [(stripped.count("\n", 0, match.start()) + 1, match.group(1) or match.group(2), bool(match.group(1)))
            for match in INCLUDE.finditer(stripped)]


def main(check):
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    complaints = check(root)
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
