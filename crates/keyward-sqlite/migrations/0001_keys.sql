-- Keys and all that belongs to them.
--
-- Columns in `_ms` are milliseconds since 1970-01-01T00:00:00Z; an hour is hours since then.

CREATE TABLE tiers (
    -- The order in which they were made, which is how they are listed.
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    -- JSON: [{"name": "requests", "amount": 100, "per_secs": 60, "burst": 100}]
    limits TEXT NOT NULL
) STRICT;

INSERT INTO tiers (name, limits) VALUES
    ('basic', '[{"name":"requests","amount":100,"per_secs":60,"burst":100}]'),
    ('pro', '[{"name":"requests","amount":1000,"per_secs":60,"burst":1000}]'),
    ('enterprise', '[{"name":"requests","amount":10000,"per_secs":60,"burst":10000}]');

CREATE TABLE keys (
    -- AUTOINCREMENT: an id is never given twice, even if its row was deleted by hand.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    tier            TEXT NOT NULL REFERENCES tiers (name),
    -- Separated by one space; '' is none.
    scopes          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
    expires_at_ms   INTEGER,
    revoked_at_ms   INTEGER CHECK ((state = 'revoked') = (revoked_at_ms IS NOT NULL)),
    created_at_ms   INTEGER NOT NULL,
    last_used_at_ms INTEGER
) STRICT;

CREATE TABLE secrets (
    -- The position of the secret in the order in which a gate loads them.
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id        INTEGER NOT NULL REFERENCES keys (id),
    -- SHA-256 of the secret's text, which is kept nowhere.
    digest        BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    hint          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX secrets_key ON secrets (key_id);

-- The trail stands by itself: it refers to nothing, so that nothing can keep it from being written
-- and it says the same when what it speaks of is gone.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms      INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    verb       TEXT NOT NULL,
    key_id     INTEGER,
    tier       TEXT,
    request_id TEXT,
    -- JSON: what the change was, for people; its form depends on the verb.
    details    TEXT
) STRICT;

-- No reference to `keys`: a key that was deleted by hand must not keep the usage of all others,
-- which comes in the same batch, from being written.
CREATE TABLE usage (
    key_id       INTEGER NOT NULL,
    hour         INTEGER NOT NULL,
    allowed      INTEGER NOT NULL,
    limited      INTEGER NOT NULL,
    out_of_scope INTEGER NOT NULL,
    suspended    INTEGER NOT NULL,
    revoked      INTEGER NOT NULL,
    expired      INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour)
) STRICT, WITHOUT ROWID;

-- The number of the latest batch that was added from each writer, so that none counts twice.
CREATE TABLE usage_batches (
    -- Tells which writers are the oldest.
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    writer BLOB NOT NULL UNIQUE CHECK (length(writer) = 16),
    number INTEGER NOT NULL
) STRICT;
