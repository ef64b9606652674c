-- A key's whole life: its present secret in its own row, the former ones beside it, owners that
-- are suspended, what lists are searched by, and a trail that is chained.
--
-- What SQL cannot do is done by `migrate_lives` behind it: folding names, reading prefixes from
-- hints, and sealing the entries of the trail.

-- Owners that are suspended; an owner that is not has no row.
CREATE TABLE owners (
    id              TEXT PRIMARY KEY,
    suspended_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the secrets of keys begin with. None is ever forgotten: a leaked text may be old.
CREATE TABLE prefixes (
    prefix TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

ALTER TABLE keys RENAME TO keys_0001;

CREATE TABLE keys (
    -- AUTOINCREMENT: an id is never given twice, even if its row was deleted by hand.
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    version              INTEGER NOT NULL,
    name                 TEXT NOT NULL,
    tier                 TEXT NOT NULL REFERENCES tiers (name),
    owner                TEXT,
    -- What was decided about the key itself.
    state                TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
    -- Whether `owners` has a row for its owner.
    owner_suspended      INTEGER NOT NULL CHECK (owner_suspended IN (0, 1)),
    created_at_ms        INTEGER NOT NULL,
    expires_at_ms        INTEGER,
    revoked_at_ms        INTEGER CHECK ((state = 'revoked') = (revoked_at_ms IS NOT NULL)),
    revoked_reason       TEXT CHECK (state = 'revoked' OR revoked_reason IS NULL),
    -- SHA-256 of the present secret's text, which is kept nowhere.
    digest               BLOB NOT NULL CHECK (length(digest) = 32),
    hint                 TEXT NOT NULL,
    -- When the key got its present secret.
    secret_created_at_ms INTEGER NOT NULL,
    -- When the newest former secret ends; NULL is that there is none.
    grace_until_ms       INTEGER,
    -- Separated by one space; '' is none.
    scopes               TEXT NOT NULL,
    -- Separated by one space; '' is everywhere.
    networks             TEXT NOT NULL,
    -- JSON as in `tiers`; NULL is the tier's.
    limits               TEXT,
    -- A JSON object.
    metadata             TEXT NOT NULL,
    -- The state that its owner's makes of its own; that it expired is a matter of time.
    standing TEXT NOT NULL AS (
        CASE WHEN state = 'revoked' THEN 'revoked'
             WHEN state = 'suspended' OR owner_suspended THEN 'suspended'
             ELSE 'active' END
    ) VIRTUAL,
    -- By which keys are ordered: those that never expire come last.
    expires_order INTEGER NOT NULL AS (ifnull(expires_at_ms, 9223372036854775807)) VIRTUAL
) STRICT;

-- Secrets that were replaced. No digest in here is that of a key's present secret.
CREATE TABLE former_secrets (
    key_id        INTEGER NOT NULL REFERENCES keys (id),
    -- Counts up from 1 for each key.
    number        INTEGER NOT NULL,
    digest        BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    hint          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    -- The first instant at which it no longer works.
    ends_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (key_id, number)
) STRICT, WITHOUT ROWID;

-- When keys were last used. A table of its own, since it is written to all the time: its rows are
-- narrow, so that those of a million keys stay in memory.
CREATE TABLE key_uses (
    key_id          INTEGER PRIMARY KEY REFERENCES keys (id),
    -- -1 is never.
    last_used_at_ms INTEGER NOT NULL
) STRICT;

-- Threes of characters of names, folded; for finding names by a part.
CREATE VIRTUAL TABLE key_names USING fts5 (
    name, tokenize = 'trigram', detail = none, content = '', contentless_delete = 1
);

-- The first and the last id of the keys that were issued in an hour: a time span becomes a span
-- of ids.
CREATE TABLE key_hours (
    hour     INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    last_id  INTEGER NOT NULL
) STRICT;

-- Of several secrets the newest is the present one. All of them worked without end, so they go on
-- until the key expires, or until the end of the year 9999. A key without any gets a digest that
-- nobody has the text to.
CREATE TEMP TABLE secrets_numbered AS
    SELECT id, key_id, digest, hint, created_at_ms,
           row_number() OVER (PARTITION BY key_id ORDER BY id) AS number,
           row_number() OVER (PARTITION BY key_id ORDER BY id DESC) AS age
    FROM secrets;
CREATE INDEX temp.secrets_numbered_key ON secrets_numbered (key_id, age);

INSERT INTO keys (id, version, name, tier, state, owner_suspended, created_at_ms, expires_at_ms,
                  revoked_at_ms, digest, hint, secret_created_at_ms, grace_until_ms, scopes,
                  networks, metadata)
    SELECT old.id, 1, old.name, old.tier, old.state, 0, old.created_at_ms, old.expires_at_ms,
           old.revoked_at_ms, ifnull(digest, randomblob(32)), ifnull(hint, ''),
           ifnull(secret.created_at_ms, old.created_at_ms),
           CASE WHEN 1 < number THEN ifnull(old.expires_at_ms, 253402300799999) END,
           old.scopes, '', '{}'
    FROM keys_0001 AS old
    LEFT JOIN secrets_numbered AS secret ON secret.key_id = old.id AND secret.age = 1
    ORDER BY old.id;
INSERT INTO former_secrets (key_id, number, digest, hint, created_at_ms, ends_at_ms)
    SELECT key_id, number, digest, secret.hint, secret.created_at_ms,
           ifnull(old.expires_at_ms, 253402300799999)
    FROM secrets_numbered AS secret JOIN keys_0001 AS old ON old.id = secret.key_id
    WHERE 1 < age ORDER BY key_id, number;
INSERT INTO key_uses (key_id, last_used_at_ms)
    SELECT id, ifnull(last_used_at_ms, -1) FROM keys_0001 ORDER BY id;
INSERT INTO key_hours (hour, first_id, last_id)
    SELECT created_at_ms / 3600000, min(id), max(id) FROM keys_0001 GROUP BY 1;
DELETE FROM sqlite_sequence WHERE name = 'keys';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'keys', seq FROM sqlite_sequence WHERE name = 'keys_0001';

DROP TABLE temp.secrets_numbered;
DROP TABLE secrets;
DROP TABLE keys_0001;

CREATE UNIQUE INDEX keys_digest ON keys (digest);
-- Each of these ends in the id, which SQLite adds itself: keys that are alike come in its order.
CREATE INDEX keys_name ON keys (name);
CREATE INDEX keys_tier ON keys (tier);
CREATE INDEX keys_owner ON keys (owner) WHERE owner IS NOT NULL;
CREATE INDEX keys_hint ON keys (hint);
-- Of keys that are not active there are few, and of those that are one asks whether they expired.
CREATE INDEX keys_standing ON keys (standing) WHERE standing <> 'active';
CREATE INDEX keys_active ON keys (expires_order) WHERE standing = 'active';
CREATE INDEX keys_expires ON keys (expires_order);
CREATE INDEX key_uses_last ON key_uses (last_used_at_ms);

ALTER TABLE audit RENAME TO audit_0001;

-- The trail stands by itself: it refers to nothing, so that nothing can keep it from being written
-- and it says the same when what it speaks of is gone.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms      INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    -- Where it was asked for from.
    address    TEXT,
    verb       TEXT NOT NULL,
    key_id     INTEGER,
    tier       TEXT,
    owner      TEXT,
    request_id TEXT,
    -- JSON: {"before": …, "after": …}, with what changed only; never a secret nor a digest.
    details    TEXT,
    -- SHA-256 of the entry before; of the first, zeros.
    previous   BLOB NOT NULL CHECK (length(previous) = 32),
    -- SHA-256 of all of the above.
    digest     BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE INDEX audit_key ON audit (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX audit_actor ON audit (actor);
CREATE INDEX audit_verb ON audit (verb);

-- As `key_hours`, for the trail.
CREATE TABLE audit_hours (
    hour     INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    last_id  INTEGER NOT NULL
) STRICT;

ALTER TABLE usage RENAME TO usage_0001;

-- No reference to `keys`: a key that was deleted by hand must not keep the usage of all others,
-- which comes in the same batch, from being written.
--
-- The hour comes first: what is added to lies together, however many hours there are.
CREATE TABLE usage (
    hour           INTEGER NOT NULL,
    key_id         INTEGER NOT NULL,
    allowed        INTEGER NOT NULL,
    limited        INTEGER NOT NULL,
    out_of_scope   INTEGER NOT NULL,
    out_of_network INTEGER NOT NULL,
    suspended      INTEGER NOT NULL,
    revoked        INTEGER NOT NULL,
    expired        INTEGER NOT NULL,
    PRIMARY KEY (hour, key_id)
) STRICT, WITHOUT ROWID;

INSERT INTO usage (hour, key_id, allowed, limited, out_of_scope, out_of_network, suspended,
                   revoked, expired)
    SELECT hour, key_id, allowed, limited, out_of_scope, 0, suspended, revoked, expired
    FROM usage_0001 ORDER BY hour, key_id;
DROP TABLE usage_0001;

CREATE INDEX usage_key ON usage (key_id, hour);
