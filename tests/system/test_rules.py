"""Each kind of rule, end to end, with names that are awkward: who is a member in the end is all that is looked at."""

import pytest
from keybricks import OPEN, World, left

AWKWARD = ["semi;colon", "100%", "\u00fc b", "\u5de5\u85e4 \u0431", "q?x=1&y#z", "quote\"'", "back\\slash", "{1}", "**", "."]


def people(world, *names, **more):
    for name in names:
        world.user(name, **more)


def test_default_roles_reach_everybody(stage):
    """What the realm's default role contains is held by everybody, service accounts too."""
    world = World()
    people(world, "ada", "bob")
    app = world.bot("etl")
    world.roles["default-roles-acme"] = {"name": "default-roles-acme", "composites": {"realm": ["everyone"]}}
    world.rules.append({"role": "default-roles-acme", "group": "default"})
    world.rule(role="everyone", group="everyone")
    for name in ("default", "everyone"):
        world.group(name)
    at = stage(world)
    at.sync()
    assert at.members("default") == at.members("everyone") == {"ada", "bob", app}
    at.assert_settled()


def test_paths_with_awkward_names_and_one_name_in_two_branches(stage):
    world = World()
    for i, name in enumerate(AWKWARD):
        top = f"/t{i}/{name}"
        world.path(f"/t{i}")
        world.path(top)
        world.path(f"/t{i}/same")
        world.user(f"u{i}", groups=[top])
        world.user(f"s{i}", groups=[f"/t{i}/same"])
        world.rule(path=top, group=f"g{i}")
        world.group(f"g{i}")
    world.rule(path="/t1/same", group="same")
    world.group("same")
    at = stage(world)
    at.sync()
    assert at.members("same") == {"s1"}
    for i, name in enumerate(AWKWARD):
        assert at.members(f"g{i}") == {f"u{i}"}, name


def test_globs_of_paths_and_what_is_excluded(stage):
    world = World()
    for path in ("/teams/red", "/teams/red/deep", "/teams/blue", "/teams/left out", "/data/a/ml", "/data/ml", "/other/ml"):
        world.path(path)
        world.user(path[1:].replace("/", "-").replace(" ", ""), groups=[path])
    for name in ("team-red", "team-blue", "team-left out", "ml-", "ml-a"):
        world.group(name)
    world.rule(path_glob="/teams/*", group="team-{1}")
    world.rule(path_glob="/data/**/ml", group="ml-{1}")
    at = stage(world, exclude={"paths": ["/teams/left*"]})
    at.sync(code=None)
    assert at.members("team-red") == {"teams-red"} and at.members("team-blue") == {"teams-blue"}
    assert at.members("team-left out") == set() and at.members("ml-a") == {"data-a-ml"}


@pytest.mark.parametrize("subgroups,members", [(False, {"top"}), (True, {"top", "middle", "deep"})])
def test_subgroups(stage, subgroups, members):
    world = World()
    for name, path in (("top", "/a"), ("middle", "/a/b"), ("deep", "/a/b/c"), ("beside", "/ab")):
        world.path(path)
        world.user(name, groups=[path])
    world.rule(path="/a", group="a", subgroups=subgroups)
    world.group("a")
    at = stage(world)
    at.sync()
    assert at.members("a") == members


def test_client_roles_composites_cycles_and_diamonds(stage):
    """viewer is given by editor, editor by two roles of the realm that contain each other, one of them by a group's parent."""
    world = World()
    world.client("portal", "viewer", {"name": "editor", "composites": {"client": {"portal": ["viewer"]}}})
    world.role("left", realm=["right"], client={"portal": ["editor"]})
    world.role("right", realm=["left"], client={"portal": ["editor"]})
    world.path("/staff", roles=["right"])
    world.path("/staff/it")
    world.user("ada", roles=["left"])
    world.user("bob", groups=["/staff/it"])
    world.user("carl")
    world.people[-1]["clientRoles"] = {"portal": ["viewer"]}
    world.user("dora")
    world.rule(client_role="portal:viewer", group="viewers")
    world.rule(client_role="portal:editor", group="editors")
    for name in ("viewers", "editors"):
        world.group(name)
    at = stage(world)
    at.sync()
    assert at.members("viewers") == {"ada", "bob", "carl"} and at.members("editors") == {"ada", "bob"}
    at.assert_settled()


def test_a_role_at_the_end_of_a_long_chain(stage):
    world = World()
    for i in range(60):
        world.role(f"r{i}", realm=[f"r{i + 1}"])
    world.role("r60")
    world.user("ada", roles=["r0"])
    path = "".join(f"/d{i}" for i in range(12))
    world.path("/d0", roles=["r30"])
    world.path(path)
    world.user("bob", groups=[path])
    world.rule(role="r60", group="end")
    world.group("end")
    at = stage(world)
    at.sync()
    assert at.members("end") == {"ada", "bob"}


def test_who_is_made_again_under_the_same_name(stage):
    """Deleted and made again: another id, so another grant; the old membership goes when the new person holds nothing."""
    world = World()
    people(world, "ada", "bob", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world, guards=OPEN)
    at.sync()
    at.edit({"op": "kc_user_delete", "username": "ada"}, {"op": "kc_user_add", "username": "ada", "email": "ada@acme.example"})
    at.sync()
    assert at.members("ml") == {"bob"}
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "ada"})
    at.sync()
    assert at.members("ml") == {"ada", "bob"} and left(at.plan(), "identity_changed") == set()
