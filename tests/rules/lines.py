"""Small files, and the banned functions banned everywhere: at most 600 lines in C, Python and shell; the first include
of every .c outside tests/ is base/ban.h. Generated SQL and JSON data are not code and not counted."""

import tree

LIMIT = 600
SUFFIXES = (".c", ".h", ".py", ".sh")


def is_code(root, name):
    if name.endswith(SUFFIXES):
        return True
    if "." in name.rsplit("/", 1)[-1]:
        return False
    with open(f"{root}/{name}", "rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and (b"sh" in first or b"python" in first)


def check(root):
    complaints = []
    for name in tree.files(root):
        if not is_code(root, name):
            continue
        source = tree.text(root, name)
        count = source.count("\n")
        if count > LIMIT:
            complaints.append(f"{name}: {count} lines, {LIMIT} are allowed; split it")
        if name.endswith(".c") and not name.startswith("tests/"):
            found = tree.includes(source)
            if not found or found[0][1] != "base/ban.h":
                complaints.append(f"{name}: the first include must be \"base/ban.h\"")
    return complaints


if __name__ == "__main__":
    tree.main(check)
