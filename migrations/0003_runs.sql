-- Runs, and what the guards remember of them.

CREATE TABLE run (
    row          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    command      TEXT NOT NULL,
    started_s    INTEGER NOT NULL,
    ended_s      INTEGER NOT NULL,  -- 0: running, or killed
    exit_code    INTEGER NOT NULL,  -- -1: running, or killed
    success      INTEGER NOT NULL CHECK (success IN (0, 1)),
    wrote        INTEGER NOT NULL CHECK (wrote IN (0, 1)),
    narrowed     INTEGER NOT NULL CHECK (narrowed IN (0, 1)),
    complete     INTEGER NOT NULL CHECK (complete IN (0, 1)),
    added        INTEGER NOT NULL,
    removed      INTEGER NOT NULL,
    held         INTEGER NOT NULL,
    frozen       INTEGER NOT NULL,
    writes       INTEGER NOT NULL,
    fingerprint  TEXT NOT NULL,
    rules_digest TEXT NOT NULL,
    message      TEXT NOT NULL,
    sum          INTEGER NOT NULL
) STRICT;

CREATE TABLE rule_count ( -- of the last successful run
    rule        TEXT NOT NULL PRIMARY KEY,
    users       INTEGER NOT NULL,
    groups      INTEGER NOT NULL,
    memberships INTEGER NOT NULL,
    sum         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE managed ( -- groups of the last successful run, by name
    name TEXT NOT NULL PRIMARY KEY,
    sum  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE removal ( -- applied without an approval
    row   INTEGER PRIMARY KEY,
    at_s  INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    sum   INTEGER NOT NULL
) STRICT;

CREATE INDEX removal_at ON removal (at_s);

CREATE TABLE approval (
    seq          INTEGER PRIMARY KEY, -- of its audit row
    guard        TEXT NOT NULL,
    group_name   TEXT NOT NULL,       -- '' for a run guard
    fingerprint  TEXT NOT NULL,
    reason       TEXT NOT NULL,
    person       TEXT NOT NULL,
    at_s         INTEGER NOT NULL,
    expires_s    INTEGER NOT NULL,
    consumed_by  TEXT NOT NULL,       -- run id, '' usable
    sum          INTEGER NOT NULL
) STRICT;

CREATE TABLE quarantine (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    cause  TEXT NOT NULL CHECK (cause IN ('', 'availability', 'other')),
    sum    INTEGER NOT NULL
) STRICT;

CREATE TABLE stuck (
    group_id     TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    runs         INTEGER NOT NULL CHECK (runs > 0),
    last_try_s   INTEGER NOT NULL,
    sum          INTEGER NOT NULL,
    PRIMARY KEY (group_id, principal_id)
) STRICT, WITHOUT ROWID;
