-- An owner's state is in its row alone, and a tier is what its keys refer to by its number: to
-- suspend an owner or to delete a tier is one row, however many keys it has.
--
-- References are not enforced while a migration runs, so that tables can take each other's place.

-- The numbers of keys in these rows are kept by whoever writes keys.
CREATE TABLE owners_0012 (
    id              TEXT PRIMARY KEY,
    -- How often it was suspended, resumed or edited. Issuing keys does not count.
    version         INTEGER NOT NULL,
    -- NULL is that it is not.
    suspended_at_ms INTEGER,
    -- JSON as in `tiers`: those that all of its keys share.
    limits          TEXT NOT NULL,
    -- All that it has, revoked ones too.
    keys            INTEGER NOT NULL,
    revoked_keys    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO owners_0012 (id, version, suspended_at_ms, limits, keys, revoked_keys)
    SELECT every.owner, 0, NULL, '[]', every.keys, ifnull(revoked.keys, 0)
    FROM (SELECT owner, count(*) AS keys FROM keys INDEXED BY keys_owner
          WHERE owner IS NOT NULL GROUP BY owner) AS every
    LEFT JOIN (SELECT owner, count(*) AS keys FROM keys INDEXED BY keys_standing
               WHERE standing = 'revoked' AND standing <> 'active' AND owner IS NOT NULL
               GROUP BY owner) AS revoked ON revoked.owner = every.owner
    ORDER BY every.owner;
INSERT INTO owners_0012 (id, version, suspended_at_ms, limits, keys, revoked_keys)
    SELECT id, 1, suspended_at_ms, '[]', 0, 0 FROM owners WHERE 1
    ON CONFLICT (id) DO UPDATE SET version = 1, suspended_at_ms = excluded.suspended_at_ms;

CREATE TABLE tiers_0012 (
    -- The order in which they were made, which is how they are listed. It is never given again,
    -- since no row is ever deleted.
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    -- JSON: [{"name": "requests", "amount": 100, "per_secs": 60, "burst": 100}]
    limits  TEXT NOT NULL,
    -- Those that are not revoked.
    keys    INTEGER NOT NULL,
    -- Whether it was deleted: revoked keys go on showing it, and another one may have its name.
    is_gone INTEGER NOT NULL CHECK (is_gone IN (0, 1))
) STRICT;

INSERT INTO tiers_0012 (id, name, limits, keys, is_gone)
    SELECT id, name, limits,
           (SELECT count(*) FROM keys INDEXED BY keys_tier WHERE tier = tiers.name)
           - (SELECT count(*) FROM keys INDEXED BY keys_revoked_tier
              WHERE tier = tiers.name AND state = 'revoked'), 0
    FROM tiers WHERE name <> '~' ORDER BY id;

CREATE TABLE keys_0012 (
    -- AUTOINCREMENT: an id is never given twice, even if its row was deleted by hand.
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Counts its own changes; those of its owner are counted there.
    version              INTEGER NOT NULL,
    name                 TEXT NOT NULL,
    -- NULL is a tier that never was here, of a revoked key.
    tier_id              INTEGER REFERENCES tiers (id),
    -- The name of that tier.
    gone_tier            TEXT CHECK ((gone_tier IS NULL) = (tier_id IS NOT NULL)),
    -- One of `owners`.
    owner                TEXT,
    -- What was decided about the key itself.
    state                TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
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
    -- By which keys are ordered: those that never expire come last.
    expires_order        INTEGER NOT NULL
                         AS (ifnull(expires_at_ms, 9223372036854775807)) VIRTUAL,
    CHECK (tier_id IS NOT NULL OR state = 'revoked')
) STRICT;

INSERT INTO keys_0012 (id, version, name, tier_id, gone_tier, owner, state, created_at_ms,
                       expires_at_ms, revoked_at_ms, revoked_reason, digest, hint,
                       secret_created_at_ms, grace_until_ms, scopes, networks, limits, metadata)
    SELECT keys.id, keys.version, keys.name, tiers_0012.id, keys.gone_tier, keys.owner, keys.state,
           keys.created_at_ms, keys.expires_at_ms, keys.revoked_at_ms, keys.revoked_reason,
           keys.digest, keys.hint, keys.secret_created_at_ms, keys.grace_until_ms, keys.scopes,
           keys.networks, keys.limits, keys.metadata
    FROM keys LEFT JOIN tiers_0012 ON tiers_0012.name = keys.tier
    ORDER BY keys.id;
DELETE FROM sqlite_sequence WHERE name = 'keys_0012';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'keys_0012', seq FROM sqlite_sequence WHERE name = 'keys';

DROP TABLE keys;
DROP TABLE tiers;
DROP TABLE owners;
ALTER TABLE owners_0012 RENAME TO owners;
ALTER TABLE tiers_0012 RENAME TO tiers;
ALTER TABLE keys_0012 RENAME TO keys;

CREATE INDEX owners_suspended ON owners (id) WHERE suspended_at_ms IS NOT NULL;
-- Of owners with limits, few have no key: an export finds the others by their keys.
CREATE INDEX owners_limited ON owners (id) WHERE limits <> '[]' AND keys = 0;
CREATE UNIQUE INDEX tiers_name ON tiers (name) WHERE is_gone = 0;

CREATE UNIQUE INDEX keys_digest ON keys (digest);
-- Each of these ends in the id, which SQLite adds itself: keys that are alike come in its order.
CREATE INDEX keys_name ON keys (name);
CREATE INDEX keys_tier ON keys (tier_id);
CREATE INDEX keys_owner ON keys (owner) WHERE owner IS NOT NULL;
CREATE INDEX keys_hint ON keys (hint);
-- Of keys that are not active there are few, and of those that are one asks whether they expired.
CREATE INDEX keys_state ON keys (state) WHERE state <> 'active';
CREATE INDEX keys_active ON keys (expires_order) WHERE state = 'active';
CREATE INDEX keys_expires ON keys (expires_order) WHERE expires_at_ms IS NOT NULL;
