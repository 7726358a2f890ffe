-- People of user directories behind the realm (interface.md section 3, "Directories").

CREATE TABLE directory_disabled ( -- shown disabled by their directory alone, and since which complete reading
    user_id   TEXT NOT NULL PRIMARY KEY,
    directory TEXT NOT NULL,
    since_s   INTEGER NOT NULL,
    sum       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_directory ( -- the part of rule_count that came from one directory
    rule        TEXT NOT NULL,
    directory   TEXT NOT NULL,
    users       INTEGER NOT NULL,
    memberships INTEGER NOT NULL,
    sum         INTEGER NOT NULL,
    PRIMARY KEY (rule, directory)
) STRICT, WITHOUT ROWID;
