-- The journal that is the audit chain: append-only, hash-chained from its first row (store/journal.h).

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY CHECK (seq > 0),
    ts     INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    kind   TEXT NOT NULL,
    body   TEXT NOT NULL,
    prev   BLOB NOT NULL CHECK (length(prev) = 32),
    hash   BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX audit_checkpoint ON audit (seq) WHERE kind = 'checkpoint';
CREATE INDEX audit_run ON audit (run_id);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit table is append-only');
END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit table is append-only');
END;

CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN NEW.seq <= (SELECT max(seq) FROM audit)
BEGIN
    SELECT RAISE(ABORT, 'the audit table is append-only');
END;

CREATE TABLE open_intent ( -- intents that have no outcome yet
    seq        INTEGER PRIMARY KEY REFERENCES audit (seq),
    group_id   TEXT NOT NULL,
    group_name TEXT NOT NULL,
    body       TEXT NOT NULL,
    sum        INTEGER NOT NULL
) STRICT;
