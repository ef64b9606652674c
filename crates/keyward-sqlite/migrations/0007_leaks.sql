-- Secrets that somebody reported, and whose keys are to be revoked: a report that was answered is
-- worked off even if the server is killed behind the answer.
CREATE TABLE leaks (
    -- SHA-256 of a secret that a key has, or had.
    digest     BLOB PRIMARY KEY CHECK (length(digest) = 32),
    reason     TEXT,
    address    TEXT,
    request_id TEXT,
    at_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How often reports were kept. It is counted with each commit of reports, so that one of reports
-- that name no key writes to the disk like any other.
CREATE TABLE leaks_kept (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    commits INTEGER NOT NULL
) STRICT;

INSERT INTO leaks_kept VALUES (1, 0);
