"""Turns NNNN_name.sql files into a C array {version, name, sql}: the program carries its own schema.

usage: embed.py OUTPUT FILE...

One C literal a line, octal escapes outside printable ASCII: readable in a diff of the generated file, and no byte
array whose type breaks under -Wconversion.
"""

import pathlib
import re
import sys


def literal(line):
    out = []
    for byte in line.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif char == "?":
            out.append("\\?")  # no trigraphs
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def main():
    output, *files = sys.argv[1:]
    text = ['#include "store/migrate.h"', "", "const struct store_migration store_migrations[] = {"]
    for place, file in enumerate(files, 1):
        path = pathlib.Path(file)
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match or int(match.group(1)) != place:
            sys.exit(f"{path.name}: number {place:04d} and lower case expected")
        sql = path.read_text(encoding="utf-8")
        if "\0" in sql:
            sys.exit(f"{path.name}: NUL inside")
        text.append(f'    {{{place}, "{match.group(2)}",')
        text += ["     " + literal(line) for line in sql.splitlines(keepends=True)]
        text.append("    },")
    text += ["};", "", f"const int store_migrations_len = {len(files)};", ""]
    pathlib.Path(output).write_text("\n".join(text), encoding="utf-8")


main()
