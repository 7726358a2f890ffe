"""tests/bench/members.py [--header]: what effective membership costs, as one line of a Markdown table.

1,000,000 direct memberships, 2,000 groups, 500 roles, against a qsort of 1,000,000 32-bit integers in the same run, in
instructions counted by callgrind: the same figure on an idle and on a busy machine. Exit code 1: it is over the bound, or the
answer is not the slow one's.

Needs valgrind (scripts/need bench) and KEYBRICKS_BUILD, a build directory with tests/bench/bench-members.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

BOUND = 3.0
HEADER = "| effective membership | instructions | a qsort of as many | ratio | bound |\n|---|---|---|---|---|"


def inclusive(profile, function):
    """Instructions of a function and all that it called, from its callers' lines."""
    names, total, called = {}, 0, False
    for line in profile.splitlines():
        if line.startswith("cfn="):
            number, _, name = line[4:].partition(" ")
            names.setdefault(number, name)
            called = names[number] == function
        elif called and re.match(r"[+\-*\d]", line):
            total += int(line.split()[1])
            called = False
        elif line.startswith("fn="):
            number, _, name = line[3:].partition(" ")
            names.setdefault(number, name)
    if not total:
        sys.exit(f"callgrind did not see {function}")
    return total


def main():
    program = pathlib.Path(os.environ["KEYBRICKS_BUILD"]) / "tests/bench/bench-members"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "profile"
        done = subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", program], check=False, text=True,
                              stdout=subprocess.PIPE, timeout=900)
        if done.returncode:
            sys.exit(f"bench-members ended with {done.returncode}: the answer is wrong")
        profile = out.read_text(encoding="utf-8")
    direct, groups, roles, users, effective = map(int, done.stdout.split())
    members, sort = inclusive(profile, "measured_members"), inclusive(profile, "measured_sort")
    if "--header" in sys.argv:
        print(HEADER)
    print(f"| {direct:,} direct memberships, {groups:,} groups, {roles:,} roles, {users:,} people: {effective:,} memberships"
          f" | {members / 1e6:,.0f} M | {sort / 1e6:,.0f} M | {members / sort:.2f} | {BOUND:.0f} |")
    return members > BOUND * sort


if __name__ == "__main__":
    sys.exit(main())
