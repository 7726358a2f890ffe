"""No package registry's host name in any file: where packages come from is the business of the machine, and a pinned
mirror breaks every other site. The names are kept in pieces here, so that this file obeys itself."""

import re

import tree

HOSTS = [".".join(parts) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"), ("maven", "org"),
    ("maven", "apache", "org"), ("deb", "debian", "org"), ("security", "debian", "org"), ("archive", "ubuntu", "com"),
    ("docker", "io"), ("ghcr", "io"), ("quay", "io"), ("gcr", "io"), ("k8s", "io", "registry"), ("registry", "k8s", "io"),
    ("crates", "io"), ("proxy", "golang", "org"), ("rubygems", "org"))]
PATTERN = re.compile("|".join(rf"(?<![\w-]){re.escape(host)}(?![\w-])" for host in HOSTS), re.I)


def check(root):
    return [f"{name}:{number}: names the registry {match.group(0)}"
            for name in tree.files(root)
            for number, line in enumerate(tree.text(root, name).split("\n"), 1)
            for match in [PATTERN.search(line)] if match]


if __name__ == "__main__":
    tree.main(check)
