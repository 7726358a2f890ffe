"""The realm of realm.py as a world of keybricks-sim: the same names, ids and memberships, so that the simulator's Keycloak
and the real one can be asked the same questions."""


def composites(role):
    return {key: role[key] for key in ("name", "id", "description", "composites") if key in role}


def group(node):
    return {"name": node["name"], "id": node["id"], "realmRoles": node["realmRoles"], "clientRoles": node["clientRoles"],
            "subGroups": [group(child) for child in node["subGroups"]]}


def ids_of(nodes, out):
    """{path: id}; where two groups share a path Keycloak takes the nested one, as the server's answer shows."""
    for node in nodes:
        if node["path"] not in out or node["name"].count("/") == 0:
            out[node["path"]] = node["id"]
        ids_of(node["subGroups"], out)
    return out


def user(one, default, group_ids):
    out = {key: one[key] for key in ("id", "username", "email", "firstName", "lastName", "enabled", "emailVerified", "attributes",
                                     "clientRoles") if one.get(key) is not None}
    out["groups"] = [group_ids[path] for path in one.get("groups", [])]
    out["roles"] = [role for role in one.get("realmRoles", []) if role != default]
    out["default_role"] = default in one.get("realmRoles", [])
    out["emailVerified"] = one.get("emailVerified", False)
    return out


def world(realm, client_id, client_secret):
    default = realm["defaultRole"]["name"]
    group_ids = ids_of(realm["groups"], {})
    services = {one["username"] for one in realm["users"] if one.get("serviceAccountClientId") == client_id}
    return {"realm": {
        "name": realm["realm"], "client_id": client_id, "client_secret": client_secret,
        "permissions": ["view-users", "view-realm", "view-clients"],
        "roles": [composites(role) for role in realm["roles"]["realm"]],
        "clients": [{"clientId": one["clientId"], "service_account": bool(one.get("serviceAccountsEnabled")),
                     "roles": [composites(role) for role in realm["roles"]["client"].get(one["clientId"], [])]}
                    for one in realm["clients"] if one["clientId"] != client_id],
        "groups": [group(node) for node in realm["groups"]],
        "users": [user(one, default, group_ids) for one in realm["users"] if one["username"] not in services]},
        "config": {"extra_keys": False}}
