"""Each rule must turn red on a small bad tree, with the complaint that belongs to it, and stay green on a good one."""

import pathlib
import sys
import tempfile

import headers
import hosts
import layering
import lines
import migrations

BAN = '#include "base/ban.h"\n'

# (rule, what it is about, files on top of the good tree, what one complaint must contain, or None for green)
CASES = (
    (layering, "the good tree", {}, None),
    (layering, "base knows model", {"base/a.h": '#include "model/m.h"\n'},
     "base/a.h:1: base/ may not include model/m.h"),
    (layering, "keycloak knows scim", {"keycloak/k.c": BAN + '#include "scim/s.h"\n'}, "may not include scim/s.h"),
    (layering, "scim knows store", {"scim/s.c": BAN + '#include "store/s.h"\n'}, "may not include store/s.h"),
    (layering, "plan knows scim", {"reconciler/plan/p.c": BAN + '#include "scim/s.h"\n'}, "reconciler/plan/ may not"),
    (layering, "plan knows report", {"reconciler/plan/p.c": '#include "reconciler/report/t.h"\n'},
     "reconciler/plan/ may not"),
    (layering, "report knows config", {"reconciler/report/t.c": '#include "reconciler/config/c.h"\n'},
     "reconciler/report/ may not"),
    (layering, "apply knows run", {"reconciler/apply/a.c": '#include "reconciler/run.h"\n'},
     "may not include reconciler/run.h"),
    (layering, "run knows a command", {"reconciler/run.c": '#include "reconciler/command/sync.h"\n'},
     "may not include reconciler/command"),
    (layering, "a command knows main", {"reconciler/command/x.c": '#include "reconciler/main.h"\n'},
     "may not include reconciler/main.h"),
    (layering, "a command may know run", {"reconciler/command/x.c": BAN + '#include "reconciler/run.h"\n'}, None),
    (layering, "a new room", {"reconciler/misc/x.c": BAN}, "no room of the architecture"),
    (layering, "an include without room", {"base/a.c": '#include "error.h"\n'}, 'write the include as "room/file.h"'),
    (layering, "an include upwards", {"store/a.c": '#include "../base/a.h"\n'}, 'write the include as "room/file.h"'),
    (layering, "two headers in a circle", {"base/a.h": '#include "base/b.h"\n', "base/b.h": '#include "base/a.h"\n'},
     "circle: base/a -> base/b -> base/a"),
    (layering, "three units in a circle", {"store/a.c": '#include "store/b.h"\n', "store/b.c": '#include "store/c.h"\n',
                                           "store/c.c": '#include "store/a.h"\n'}, "circle: store/a -> store/b -> store/c"),
    (layering, "a commented include", {"base/a.h": '/*\n#include "model/m.h"\n*/\n// #include "scim/s.h"\n'}, None),
    (layering, "CURL in scim", {"scim/s.c": BAN + "static CURL *h;\n"}, "scim/s.c:2: libcurl (CURL)"),
    (layering, "curl_ in main", {"reconciler/main.c": BAN + "void f(void) { curl_global_init(3); }\n"},
     "libcurl (curl_global_init)"),
    (layering, "curl.h in keycloak", {"keycloak/k.c": BAN + "#include <curl/curl.h>\n"}, "<curl/curl.h> (libcurl)"),
    (layering, "CURL at home", {"base/http_loop.c": BAN + "#include <curl/curl.h>\nstatic CURL *h;\n"}, None),
    (layering, "sqlite3 in reconciler", {"reconciler/run.c": BAN + "static sqlite3 *db;\n"}, "SQLite (sqlite3)"),
    (layering, "sqlite3_stmt in model", {"model/m.h": "struct m { sqlite3_stmt *s; };\n"}, "SQLite (sqlite3_stmt)"),
    (layering, "json_object in the planner", {"reconciler/plan/planner.c": BAN + "struct json_object *o;\n"},
     "json-c (json_object)"),
    (layering, "json_object in a decoder", {"scim/decode_group.c": BAN + "struct json_object *o;\n"}, None),
    (layering, "config_t in run", {"reconciler/run.c": BAN + "static config_t c;\n"}, "libconfig (config_t)"),
    (layering, "a library named in comment and text", {"base/a.c": BAN + '/* CURL */ const char *x = "sqlite3 \\" CURL";\n'},
     None),
    (layering, "tests are free", {"tests/unit/t.c": '#include "scim/s.h"\n#include "store/s.h"\nstatic CURL *h;\n'},
     None),
    (lines, "the good tree", {"base/a.c": BAN + "\n" * 599}, None),
    (lines, "601 lines of C", {"base/a.c": BAN + "\n" * 600}, "base/a.c: 601 lines"),
    (lines, "601 lines of Python", {"tests/x.py": "\n" * 601}, "tests/x.py: 601 lines"),
    (lines, "601 lines of shell without a suffix", {"scripts/x": "#!/usr/bin/env bash\n" + "\n" * 600},
     "scripts/x: 601 lines"),
    (lines, "601 lines of data", {"tests/x.json": "\n" * 601, "docs/x": "text\n" * 601}, None),
    (lines, "no ban.h", {"base/a.c": "#include <stdio.h>\n" + BAN}, 'base/a.c: the first include must be "base/ban.h"'),
    (lines, "a commented ban.h", {"base/a.c": "// " + BAN}, "base/a.c: the first include"),
    (lines, "tests need no ban.h", {"tests/unit/t.c": "#include <stdio.h>\n"}, None),
    (headers, "the good tree", {"base/a.h": "#ifndef A\n#define A\nstruct a { int b; };\n#endif\n"}, None),
    (headers, "a header that needs another", {"base/a.h": "size_t a(void);\n"}, "base/a.h: does not compile alone"),
    (headers, "a header without guard", {"base/a.h": "struct a { int b; };\n"}, "redefinition"),
    (migrations, "the good tree", {"migrations/0001_first.sql": "x", "migrations/0002_second.sql": "y"}, None),
    (migrations, "a gap", {"migrations/0001_a.sql": "x", "migrations/0003_b.sql": "y"}, "number 0002 expected"),
    (migrations, "two of one number", {"migrations/0001_a.sql": "x", "migrations/0001_b.sql": "y"},
     "number 0002 expected"),
    (migrations, "a bad name", {"migrations/1-a.sql": "x"}, "the name must be"),
    (migrations, "an altered release", {"migrations/0001_a.sql": "x", "tests/rules/migrations.sha256": "00  0001_a.sql\n"},
     "changed"),
    (migrations, "a lost release", {"tests/rules/migrations.sha256": "00  0001_a.sql\n"}, "gone"),
    (hosts, "the good tree", {"a.md": "maven, npm, example.org\n"}, None),
    (hosts, "a registry", {"a.md": "see files." + "pythonhosted" + ".org\n"}, "a.md:1: names the registry"),
    (hosts, "an image with its registry", {"deploy/a.yaml": "image: " + "ghcr" + ".io/x/y\n"},
     "deploy/a.yaml:1: names"),
)

GOOD = {
    "base/ban.h": "#include <stdio.h>\n",
    "base/error.h": "",
    "model/m.h": '#include "base/error.h"\n',
    "scim/s.h": '#include "model/m.h"\n',
    "store/s.h": '#include "model/m.h"\n',
    "reconciler/run.c": BAN + '#include "scim/s.h"\n#include "store/s.h"\n',
}


def complaints(rule, extra):
    with tempfile.TemporaryDirectory() as root:
        for name, content in {**GOOD, **extra}.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return rule.check(root)


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    for number, (rule, about, extra, want) in enumerate(CASES, 1):
        found = complaints(rule, extra)
        good = not found if want is None else any(want in complaint for complaint in found)
        print(f"{'ok' if good else 'not ok'} {number} - {rule.__name__}: {about}")
        if not good:
            failed += 1
            print(f"# wanted {want!r}, got {found}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
