"""The plan document of interface.md section 5, told a second time: a JSON schema, and its three hashes computed with hashlib."""

import hashlib
import json

import jsonschema

HASH = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
GROUP_GUARDS = ["group_max_removals_percent", "group_max_removals_small", "never_empty_from", "privileged_additions", "min_members",
                "source_object_gone", "undo_of_granted"]
MEMBER_GUARDS = ["protected_group", "protected_member", "self_check"]
LEFT = ["ambiguous", "exceptions", "foreign", "frozen", "identity_changed", "locked_out", "released", "stuck", "unmatched", "unproven"]


def thing(required, optional=None):
    return {"type": "object", "required": sorted(required), "properties": required | (optional or {}), "additionalProperties": False}


def many(items):
    return {"type": "array", "items": items}


def guard(scope):
    return thing({"name": {"type": "string", "pattern": "^[a-z_]+$"}, "scope": {"enum": scope}, "unit": TEXT, "limit": {"type": "integer"},
                  "value": {"type": "integer"}, "tripped": {"type": "boolean"}})


REASON = thing({"rule": {"type": "integer", "minimum": 1}, "via": many(TEXT)},
               {"role": TEXT, "path": TEXT, "client_role": TEXT, "event": thing({"at": TIME, "by": TEXT})})
OPERATION = thing({
    "op": {"enum": ["add", "remove"]},
    "state": {"enum": ["ready", "held", "frozen"]},
    "cause": {"enum": ["granted", "revoked", "disabled", "disabled_in_directory", "deleted", "drift_removed", "foreign", "undo"]},
    "principal": thing({"kind": {"enum": ["user", "service_principal"]}, "id": {"type": "string", "pattern": "^[0-9]+$"}, "name": TEXT},
                       {"display": TEXT}),
    "source_id": TEXT,
    "reasons": many(REASON),
})
GROUP = thing({
    "name": TEXT, "id": {"type": "string", "pattern": "^[0-9]*$"}, "fingerprint": HASH, "action": {"enum": ["create", "update"]},
    "state": {"enum": ["ready", "held", "frozen"]}, "before": COUNT, "after": COUNT, "guards": many(guard(["group", "member"])),
    "precondition": thing({"members": COUNT, "digest": HASH}), "operations": many(OPERATION),
})
SCHEMA = thing({
    "schema": {"const": "keybricks.plan/1"}, "fingerprint": HASH, "digest": HASH,
    "run": thing({"id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}, "at": TIME,
                  "tool": {"type": "string", "pattern": r"^keybricks \d+\.\d+\.\d+$"}}),
    "source": thing({"issuer": TEXT, "roles": COUNT, "groups": COUNT, "users": COUNT, "complete": {"type": "boolean"}, "digest": HASH}),
    "target": thing({"name": TEXT, "level": {"enum": ["account", "workspace", "workspace_proxy"]}, "host": TEXT, "groups": COUNT,
                     "memberships": COUNT}),
    "rules": thing({"digest": HASH, "changed_since_last_apply": {"type": "boolean"}}),
    "guards": many(guard(["run", "member"])),
    "summary": thing(dict.fromkeys(["add", "remove", "create_groups", "create_users", "held", "drift", "foreign", "unmatched",
                                    "ambiguous", "adopt"], COUNT)),
    "groups": many(GROUP),
    "left_alone": thing({kind: many(thing({"group": TEXT, "name": TEXT, "note": TEXT})) for kind in LEFT}),
    "cost": thing(dict.fromkeys(["get", "patch", "post"], COUNT)),
})


def canonical(document):
    """RFC 8785, for documents without floats and with ASCII keys."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def members_digest(ids):
    return digest("\n".join(sorted(ids)).encode())


def lines(*texts):
    return "".join(text + "\n" for text in texts).encode()


def group_fingerprint(group):
    operations = [f"{one['op']} {one['principal']['kind']} {one['principal']['id']} {one['cause']}" for one in group["operations"]]
    name = canonical(group["name"]).decode()
    return digest(lines(name, group["id"], group["action"], group["precondition"]["digest"], *operations))


def fingerprint(plan):
    return digest(lines("keybricks.plan/1", plan["target"]["name"], plan["target"]["host"], plan["rules"]["digest"],
                        *(group["fingerprint"] for group in plan["groups"])))


def document_digest(plan):
    return digest(canonical({key: value for key, value in plan.items() if key != "digest"}))


def no_floats(thing):
    if isinstance(thing, dict):
        return all(map(no_floats, thing.values()))
    return all(map(no_floats, thing)) if isinstance(thing, list) else not isinstance(thing, float)


def check(raw):
    """The bytes of one plan: the shape, the order, the sums and the hashes; returns the document."""
    plan = json.loads(raw)
    jsonschema.validate(plan, SCHEMA)
    assert no_floats(plan)
    assert raw == canonical(plan), "not in canonical form"
    names = [group["name"].encode() for group in plan["groups"]]
    assert names == sorted(names)
    counts = {"add": 0, "remove": 0, "held": 0}
    for group in plan["groups"]:
        rows = [(one["op"], one["principal"]["kind"], one["principal"]["name"].encode()) for one in group["operations"]]
        assert rows == sorted(rows) and len(set(rows)) == len(rows)
        assert rows or group["action"] == "create" or any(guard["tripped"] for guard in group["guards"])
        assert group["fingerprint"] == group_fingerprint(group)
        signs = [1 if one["op"] == "add" else -1 for one in group["operations"]]
        assert group["after"] == group["before"] + sum(signs)
        states = {one["state"] for one in group["operations"]}
        assert ("held" in states) <= (group["state"] == "held")
        for one in group["operations"]:
            if one["state"] == "ready":
                counts[one["op"]] += 1
            counts["held"] += one["state"] == "held"
    for kind in LEFT:
        rows = [(one["group"].encode(), one["name"].encode()) for one in plan["left_alone"][kind]]
        assert rows == sorted(rows), kind
    assert {key: plan["summary"][key] for key in ("add", "remove")} == {key: counts[key] for key in ("add", "remove")}
    assert plan["summary"]["held"] >= counts["held"]  # a held creation counts too
    assert plan["fingerprint"] == fingerprint(plan)
    assert plan["digest"] == document_digest(plan)
    return plan


def sign(plan):
    """The document with all hashes made right again: what somebody would write who knows section 5."""
    for group in plan["groups"]:
        group["fingerprint"] = group_fingerprint(group)
    plan["fingerprint"] = fingerprint(plan)
    plan["digest"] = document_digest(plan)
    return saved(plan)


def saved(plan):
    """The bytes of a file of --save."""
    return canonical(plan) + b"\n"
