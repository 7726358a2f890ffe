-- Roles and groups that the rules meant when nothing of them was missing, so that a new name can be told.

CREATE TABLE source_object (
    managed   TEXT NOT NULL, -- name of the Databricks group
    rule      TEXT NOT NULL, -- its text: an edited rule is a new rule
    object_id TEXT NOT NULL, -- Keycloak's, of the role or group
    name      TEXT NOT NULL, -- role, client:role or path, then
    sum       INTEGER NOT NULL,
    PRIMARY KEY (managed, rule, object_id)
) STRICT, WITHOUT ROWID;
