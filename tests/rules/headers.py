"""Each header of the rooms compiles alone, and twice in a row: nobody depends on the order of includes."""

import concurrent.futures
import os
import shlex
import subprocess

import tree

LIBRARIES = ("libcurl", "json-c", "sqlite3", "libconfig", "libcrypto")


def flags():
    out = subprocess.run(["pkg-config", "--cflags", *LIBRARIES], capture_output=True, text=True, check=True).stdout
    return shlex.split(out)


def alone(root, name, compiler, extra):
    source = f'#include "{name}"\n#include "{name}"\n'
    run = subprocess.run([*compiler, "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", str(root), *extra,
                          "-fsyntax-only", "-x", "c", "-"], input=source, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return []
    first = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr.strip()[:200])
    return [f"{name}: does not compile alone: {first}"]


def check(root):
    compiler, extra = shlex.split(os.environ.get("CC", "cc")), flags()
    names = [name for name in tree.files(root) if name.endswith(".h") and name.split("/")[0] in tree.ROOMS]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(lambda name: alone(root, name, compiler, extra), names)
        return [complaint for complaints in found for complaint in complaints]


if __name__ == "__main__":
    tree.main(check)
