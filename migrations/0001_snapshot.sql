-- What the database is, and what it last knew of the target. Ids are TEXT as the server sent them; a group or a
-- principal is interned once, other tables name its row. sum is kb_sum() over the other columns (store/check.c): a
-- flipped byte in a name is not a structural fault, so SQLite alone would not find it.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    sum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE principal (
    row     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    kind    INTEGER NOT NULL CHECK (kind IN (0, 1)), -- 0 user, 1 service principal
    name    TEXT NOT NULL,                           -- userName or applicationId
    display TEXT NOT NULL,
    active  INTEGER NOT NULL CHECK (active IN (0, 1)),
    listed  INTEGER NOT NULL CHECK (listed IN (0, 1)), -- in the last complete listing of its kind
    sum     INTEGER NOT NULL
) STRICT;

CREATE TABLE target_group (
    row           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    external_id   TEXT NOT NULL,
    local         INTEGER NOT NULL CHECK (local IN (0, 1)),
    listed        INTEGER NOT NULL CHECK (listed IN (0, 1)), -- in the last complete listing
    group_members INTEGER NOT NULL,                          -- nested groups, never touched
    read_at_s     INTEGER NOT NULL,                          -- of the members, Unix seconds, 0: never read
    members_sum   INTEGER NOT NULL,                          -- over the rows of member
    sum           INTEGER NOT NULL
) STRICT;

CREATE TABLE member (
    group_row     INTEGER NOT NULL REFERENCES target_group (row),
    principal_row INTEGER NOT NULL REFERENCES principal (row),
    PRIMARY KEY (group_row, principal_row)
) STRICT, WITHOUT ROWID;
