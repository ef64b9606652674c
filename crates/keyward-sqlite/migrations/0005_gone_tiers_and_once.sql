-- Tiers can go while revoked keys still show them, and requests have names.

-- The tier of a revoked key whose own tier was deleted. No tier can be called so.
INSERT INTO tiers (name, limits) VALUES ('~', '[]');

-- What such a key shows as its tier. It is a text and no reference: a new tier of that name is not
-- its tier.
ALTER TABLE keys ADD COLUMN gone_tier TEXT
    CHECK ((gone_tier IS NOT NULL) = (tier = '~') AND (gone_tier IS NULL OR state = 'revoked'));

-- Those that do not keep their tier from being deleted.
CREATE INDEX keys_revoked_tier ON keys (tier) WHERE state = 'revoked';

-- Names of requests that changed a key, each under who sent it, so that none changes it twice.
CREATE TABLE once (
    actor   TEXT NOT NULL,
    name    TEXT NOT NULL,
    -- SHA-256 of what was asked for.
    request BLOB NOT NULL CHECK (length(request) = 32),
    key_id  INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (actor, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX once_at ON once (at_ms);
