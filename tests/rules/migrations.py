"""Migrations are history: numbered without a gap from 0001, and a released one never changes.

tests/rules/migrations.sha256 (as sha256sum writes it) names the released ones; a release adds its lines there:
`(cd migrations && sha256sum *.sql) > tests/rules/migrations.sha256`.
"""

import hashlib
import pathlib
import re

import tree

NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


def check(root):
    root, complaints = pathlib.Path(root), []
    present = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
               for path in sorted((root / "migrations").glob("*.sql"))}
    for place, name in enumerate(present, 1):
        match = NAME.fullmatch(name)
        if not match:
            complaints.append(f"migrations/{name}: the name must be NNNN_lower_case.sql")
        elif int(match.group(1)) != place:
            complaints.append(f"migrations/{name}: number {place:04d} expected, no gap and no double is allowed")
    released = root / "tests/rules/migrations.sha256"
    for line in released.read_text(encoding="utf-8").splitlines() if released.exists() else ():
        want, name = line.split()
        if present.get(name) != want:
            complaints.append(f"migrations/{name}: was released and is {'changed' if name in present else 'gone'}; "
                              "add a new migration instead")
    return complaints


if __name__ == "__main__":
    tree.main(check)
