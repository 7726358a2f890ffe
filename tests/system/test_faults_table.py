"""docs/faults.md against the tests, and against the catalogue where that is at hand (a copy of shared/ beside the project)."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "faults.md"
CATALOGUE = ROOT.parent / "shared" / "reference" / "reliability.md"
# Issue 4 asks for the source side of F01-F61, issue 5 for these of the target.
TARGET = {f"F{n:02}" for first, last in ((1, 17), (40, 51), (55, 60), (70, 85)) for n in range(first, last + 1)}
NO_SOURCE = {"F25", "F27", "F50", "F51", "F59", "F61"}  # writes and SCIM
ROW = re.compile(r"^\| (F\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)


@pytest.fixture(scope="module")
def rows():
    found = [(number, set(sides.split()), fault, does, re.findall(r"`([^`]+)`", tests))
             for number, sides, fault, does, tests in ROW.findall(TABLE.read_text(encoding="utf-8"))]
    assert len(found) > 60
    return found


def numbers():
    """Of the faults a server can produce: up to F85."""
    return [f"F{n:02}" for first, last in ((1, 17), (20, 31), (40, 61), (70, 85)) for n in range(first, last + 1)]


def test_each_number_once_and_in_order(rows):
    assert [number for number, *_ in rows] == numbers()


def test_sides_and_tests_are_there(rows):
    for number, sides, _, does, tests in rows:
        assert sides and sides <= {"K", "D"} and does.strip() and tests, number
        assert number not in TARGET or "D" in sides, number
        assert number in NO_SOURCE or number > "F61" or "K" in sides, number


@pytest.fixture(scope="module")
def collected():
    """Every system test with its cases."""
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."],
                          cwd=ROOT / "tests" / "system", capture_output=True, text=True, check=False, timeout=120)
    names = set()
    for line in done.stdout.splitlines():
        if "::" in line:
            names |= {line.strip(), line.strip().partition("[")[0]}
    assert len(names) > 500, done.stdout[-2000:] + done.stderr
    return {name.removeprefix("tests/system/") for name in names}


def exists(name, collected):
    path, _, test = name.partition("::")
    if path.startswith("unit/"):
        return f"cmocka_unit_test({test})" in (ROOT / "tests" / path).read_text(encoding="utf-8")
    if "/" in path:
        return f"\ndef {test}(" in (ROOT / "tests" / path).read_text(encoding="utf-8")
    return name in collected


def test_each_named_test_exists(rows, collected):
    named = [(number, name) for number, *_, tests in rows for name in tests]
    assert [(number, name) for number, name in named if not exists(name, collected)] == []
    assert not exists("test_tls.py::test_certificates[nobody]", collected) and not exists("unit/base/test_json.c::test_x", collected)


def words(text):
    return {word[:5] for word in re.findall(r"[a-z0-9]{3,}", text.lower())} - {"with", "witho", "from", "that", "the", "and"}


def test_the_catalogue_says_the_same(rows):
    """Its numbers, and what they are about: a row that slipped has no word in common with its own."""
    if not CATALOGUE.exists():
        pytest.skip("no copy of shared/ beside the project")
    theirs = dict(re.findall(r"^\| (F\d+) \| ([^|]+(?:\\\|[^|]*)*) \|", CATALOGUE.read_text(encoding="utf-8"), re.M))
    assert [number for number in theirs if int(number[1:]) <= 85] == numbers()
    assert [(number, fault, theirs[number]) for number, _, fault, *_ in rows if not words(fault) & words(theirs[number])] == []
    section = {number: title for title, text in re.findall(r"^### 2\.\d ([^\n]+)\n(.*?)(?=^### )", CATALOGUE.read_text(encoding="utf-8"), re.M | re.S)
               for number in re.findall(r"^\| (F\d+) ", text, re.M)}
    for number, sides, *_ in rows:
        assert "both sides" not in section[number] or sides == {"K", "D"}, number
        assert section[number] != "Writes" or sides == {"D"}, number
