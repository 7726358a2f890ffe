-- Which memberships keybricks has put or adopted. Reasons and source users repeat in thousands of rows: interned.

CREATE TABLE ledger_reason (
    row  INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE,
    sum  INTEGER NOT NULL
) STRICT;

CREATE TABLE ledger_source (
    row       INTEGER PRIMARY KEY,
    user_id   TEXT NOT NULL, -- Keycloak, '' unknown
    directory TEXT NOT NULL, -- '' local
    sum       INTEGER NOT NULL,
    UNIQUE (user_id, directory)
) STRICT;

CREATE TABLE ledger (
    group_row     INTEGER NOT NULL REFERENCES target_group (row),
    principal_row INTEGER NOT NULL REFERENCES principal (row),
    source_row    INTEGER NOT NULL REFERENCES ledger_source (row),
    reason_row    INTEGER NOT NULL REFERENCES ledger_reason (row),
    at_s          INTEGER NOT NULL,
    sum           INTEGER NOT NULL,
    PRIMARY KEY (group_row, principal_row)
) STRICT, WITHOUT ROWID;
