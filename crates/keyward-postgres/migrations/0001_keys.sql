-- Keys and all that belongs to them, and the row by which several programs take turns.
--
-- Columns in `_ms` are milliseconds since 1970-01-01T00:00:00Z; an hour is hours since then. Texts
-- that are ordered or compared have `COLLATE "C"`, so that their order is by bytes, as in SQLite.
-- JSON is `text`, since `jsonb` would not give it back as it came.
--
-- No table refers to another: the rules of the core decide which rows there are, and a reference
-- would be looked up for each of a million keys.

-- One row. Each change begins by locking it, so that changes come one after the other, whichever
-- program makes them. What the next change goes on from is in it, and nowhere else.
CREATE TABLE cluster (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The number of the newest entry of the trail; 0 is that there is none.
    change_id  bigint  NOT NULL,
    -- Its digest.
    digest     bytea   NOT NULL CHECK (length(digest) = 32),
    -- The highest ids that a key and a tier ever had; NULL is none. No id is given twice.
    key_id     bigint,
    tier_id    bigint,
    -- How many keys there are.
    keys       bigint  NOT NULL,
    -- The server whose acknowledgements count, by its start; '' is none.
    server     text    NOT NULL,
    -- How long a program may decide without a word from here. It is here since all need the same.
    lease_ms   integer NOT NULL,
    -- The newest vocabulary that may be written: each program that runs knows it.
    level      integer NOT NULL,
    -- The number of the oldest schema whose program may still run.
    schema_min integer NOT NULL
) WITH (fillfactor = 10);

INSERT INTO cluster (change_id, digest, key_id, tier_id, keys, server, lease_ms, level, schema_min)
    VALUES (0, decode(repeat('00', 32), 'hex'), NULL, 3, 0, '', 5000, 1, 1);

-- The programs that decide from memory, each since its start.
CREATE TABLE node (
    -- Drawn anew at each start.
    id      uuid    PRIMARY KEY,
    -- The number of the newest entry that it has applied.
    acked   bigint  NOT NULL,
    -- Counts up with each word from it.
    seen    bigint  NOT NULL,
    -- Whether it is to go: it is given no more time.
    marked  boolean NOT NULL,
    -- The newest vocabulary that it knows.
    version integer NOT NULL,
    -- For people.
    name    text    NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE tiers (
    -- The order in which they were made, which is how they are listed. No row is ever deleted.
    id      bigint  PRIMARY KEY,
    name    text    COLLATE "C" NOT NULL,
    -- JSON: [{"name": "requests", "amount": 100, "per_secs": 60, "burst": 100}]
    limits  text    NOT NULL,
    -- The entry that set these limits.
    rev     bigint  NOT NULL,
    -- Its keys that are not revoked.
    keys    bigint  NOT NULL,
    -- Whether it was deleted: revoked keys go on showing it, and another one may have its name.
    is_gone boolean NOT NULL
) WITH (fillfactor = 10);

CREATE UNIQUE INDEX tiers_name ON tiers (name) WHERE NOT is_gone;

INSERT INTO tiers (id, name, limits, rev, keys, is_gone) VALUES
    (1, 'basic', '[{"name":"requests","amount":100,"per_secs":60,"burst":100}]', 0, 0, false),
    (2, 'pro', '[{"name":"requests","amount":1000,"per_secs":60,"burst":1000}]', 0, 0, false),
    (3, 'enterprise', '[{"name":"requests","amount":10000,"per_secs":60,"burst":10000}]', 0, 0,
     false);

-- The numbers of keys in these rows are kept by the program that writes keys.
CREATE TABLE owners (
    id              text   COLLATE "C" PRIMARY KEY,
    -- How often it was suspended, resumed or edited. Issuing keys does not count.
    version         bigint NOT NULL,
    -- NULL is that it is not.
    suspended_at_ms bigint,
    -- JSON as in `tiers`: limits that all of its keys share.
    limits          text   NOT NULL,
    -- The entry that set these limits.
    limits_rev      bigint NOT NULL,
    -- All that it has, revoked ones too.
    keys            bigint NOT NULL,
    revoked_keys    bigint NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX owners_suspended ON owners (id) WHERE suspended_at_ms IS NOT NULL;
-- Of owners with limits, few have no key: an export finds the others by their keys.
CREATE INDEX owners_limited ON owners (id) WHERE limits <> '[]' AND keys = 0;

CREATE TABLE keys (
    id                   bigint PRIMARY KEY,
    -- Counts its own changes; those of its owner are counted there.
    version              bigint NOT NULL,
    name                 text   COLLATE "C" NOT NULL,
    -- In lower case, character by character.
    name_folded          text   COLLATE "C" NOT NULL,
    -- NULL is a tier that never was here, of a revoked key.
    tier_id              bigint,
    -- The name of that tier.
    gone_tier            text   CHECK ((gone_tier IS NULL) = (tier_id IS NOT NULL)),
    -- One of `owners`.
    owner                text   COLLATE "C",
    -- The operator's decision about the key itself.
    state                text   COLLATE "C" NOT NULL
                         CHECK (state IN ('active', 'suspended', 'revoked')),
    created_at_ms        bigint NOT NULL,
    expires_at_ms        bigint,
    revoked_at_ms        bigint CHECK ((state = 'revoked') = (revoked_at_ms IS NOT NULL)),
    revoked_reason       text   CHECK (state = 'revoked' OR revoked_reason IS NULL),
    -- SHA-256 of the present secret's text, which is kept nowhere.
    digest               bytea  NOT NULL CHECK (length(digest) = 32),
    hint                 text   COLLATE "C" NOT NULL,
    -- When the key got its present secret.
    secret_created_at_ms bigint NOT NULL,
    -- When the newest former secret ends; NULL is that there is none.
    grace_until_ms       bigint,
    -- Separated by one space; '' is none.
    scopes               text   NOT NULL,
    -- Separated by one space; '' is everywhere.
    networks             text   NOT NULL,
    -- JSON as in `tiers`; NULL is the tier's.
    limits               text,
    -- The entry that set these limits, or the tier.
    limits_rev           bigint NOT NULL,
    -- A JSON object.
    metadata             text   NOT NULL,
    -- By which keys are ordered: keys that never expire come last.
    expires_order        bigint NOT NULL
                         GENERATED ALWAYS AS (coalesce(expires_at_ms, 9223372036854775807)) STORED,
    CHECK (tier_id IS NOT NULL OR state = 'revoked')
);

CREATE UNIQUE INDEX keys_digest ON keys (digest);
-- Each of these ends in the id: keys that are alike come in its order.
CREATE INDEX keys_name ON keys (name, id);
CREATE INDEX keys_tier ON keys (tier_id, id);
CREATE INDEX keys_owner ON keys (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX keys_hint ON keys (hint, id);
-- Few keys are not active, and of active ones one asks whether they expired.
CREATE INDEX keys_state ON keys (state, id) WHERE state <> 'active';
CREATE INDEX keys_active ON keys (expires_order, id) WHERE state = 'active';
CREATE INDEX keys_expires ON keys (expires_order, id);

-- Secrets that were replaced. No digest in here is that of a key's present secret.
CREATE TABLE former_secrets (
    key_id        bigint  NOT NULL,
    -- Counts up from 1 for each key.
    number        integer NOT NULL,
    digest        bytea   NOT NULL CHECK (length(digest) = 32),
    hint          text    NOT NULL,
    created_at_ms bigint  NOT NULL,
    -- The first instant at which it no longer works.
    ends_at_ms    bigint  NOT NULL,
    PRIMARY KEY (key_id, number)
);

CREATE UNIQUE INDEX former_secrets_digest ON former_secrets (digest);

-- When keys were last used. A table of its own, since it is written to all the time.
CREATE TABLE key_uses (
    key_id          bigint PRIMARY KEY,
    -- -1 is never.
    last_used_at_ms bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX key_uses_last ON key_uses (last_used_at_ms, key_id);

-- What the secrets of keys begin with. None is ever forgotten: a leaked text may be old.
CREATE TABLE prefixes (
    prefix text COLLATE "C" PRIMARY KEY
);

-- The lowest and the highest id of the keys that were issued in an hour: a time span becomes a span
-- of ids.
CREATE TABLE key_hours (
    hour     bigint PRIMARY KEY,
    first_id bigint NOT NULL,
    last_id  bigint NOT NULL
) WITH (fillfactor = 50);

-- The trail stands by itself: it says the same when what it speaks of is gone. Its ids have no
-- gaps, and their order is that of commits.
CREATE TABLE audit (
    id         bigint PRIMARY KEY,
    at_ms      bigint NOT NULL,
    actor      text   COLLATE "C" NOT NULL,
    -- Where it was asked for from.
    address    text,
    verb       text   COLLATE "C" NOT NULL,
    key_id     bigint,
    tier       text   COLLATE "C",
    owner      text   COLLATE "C",
    request_id text,
    -- JSON: {"before": …, "after": …}, with what changed only; never a secret nor a digest.
    details    text,
    -- SHA-256 of the entry before; of the first, zeros.
    previous   bytea  NOT NULL CHECK (length(previous) = 32),
    -- SHA-256 of all of the above.
    digest     bytea  NOT NULL CHECK (length(digest) = 32)
);

CREATE INDEX audit_key ON audit (key_id, id) WHERE key_id IS NOT NULL;
-- Most entries are by the holder of the admin key, and each key has one of its issue: to find these
-- among all takes no longer.
CREATE INDEX audit_actor ON audit (actor, id) WHERE actor <> 'admin-key';
CREATE INDEX audit_verb ON audit (verb, id) WHERE verb <> 'issue';

-- As `key_hours`, for the trail.
CREATE TABLE audit_hours (
    hour     bigint PRIMARY KEY,
    first_id bigint NOT NULL,
    last_id  bigint NOT NULL
) WITH (fillfactor = 50);

-- Names of requests that changed a key, each under who sent it, so that none changes it twice.
CREATE TABLE once (
    actor   text   COLLATE "C" NOT NULL,
    name    text   COLLATE "C" NOT NULL,
    -- SHA-256 of the request.
    request bytea  NOT NULL CHECK (length(request) = 32),
    key_id  bigint NOT NULL,
    at_ms   bigint NOT NULL,
    PRIMARY KEY (actor, name)
);

CREATE INDEX once_at ON once (at_ms);

-- What the wall clock said last, so that a start knows whether it was set back since.
CREATE TABLE clock (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The latest reading; NULL until the first flush.
    latest_ms  bigint,
    -- Whether the last start was started with the statement that the clock is right, which counts once.
    told_right boolean NOT NULL
) WITH (fillfactor = 10);

INSERT INTO clock (latest_ms, told_right) VALUES (NULL, false);

-- Secrets that were reported, and whose keys are to be revoked: a report that was acknowledged is
-- worked off even if the program is killed after that.
CREATE TABLE leaks (
    -- SHA-256 of a secret that a key has, or had.
    digest     bytea  PRIMARY KEY CHECK (length(digest) = 32),
    reason     text,
    address    text,
    request_id text,
    at_ms      bigint NOT NULL
);

-- How often reports were kept. It is counted with each commit of reports, so that one of reports
-- that name no key writes to the disk like any other.
CREATE TABLE leaks_kept (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    commits bigint  NOT NULL
) WITH (fillfactor = 10);

INSERT INTO leaks_kept (commits) VALUES (0);

-- The hour comes first: the rows that are added to lie together, however many hours there are. Each
-- day (24 hours from midnight in UTC) is a table of its own, so that to forget one is to drop it.
CREATE TABLE usage (
    hour           bigint NOT NULL,
    key_id         bigint NOT NULL,
    allowed        bigint NOT NULL,
    limited        bigint NOT NULL,
    out_of_scope   bigint NOT NULL,
    out_of_network bigint NOT NULL,
    suspended      bigint NOT NULL,
    revoked        bigint NOT NULL,
    expired        bigint NOT NULL,
    introspected   bigint NOT NULL,
    PRIMARY KEY (hour, key_id)
) PARTITION BY RANGE (hour);

CREATE INDEX usage_key ON usage (key_id, hour);

-- The days that have a table; a day is days since 1970-01-01.
CREATE TABLE usage_days (
    day       bigint  PRIMARY KEY CHECK (day BETWEEN 0 AND 178956970),
    -- Whether `usage_daily` says the same of it as `usage`.
    is_summed boolean NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX usage_days_open ON usage_days (day) WHERE NOT is_summed;

-- The sums of days that have ended, for queries over many of them.
CREATE TABLE usage_daily (
    day            bigint NOT NULL,
    key_id         bigint NOT NULL,
    allowed        bigint NOT NULL,
    limited        bigint NOT NULL,
    out_of_scope   bigint NOT NULL,
    out_of_network bigint NOT NULL,
    suspended      bigint NOT NULL,
    revoked        bigint NOT NULL,
    expired        bigint NOT NULL,
    introspected   bigint NOT NULL,
    PRIMARY KEY (day, key_id)
);

CREATE INDEX usage_daily_key ON usage_daily (key_id, day);

-- The role that serves may not make tables, nor drop any but these. So it asks these two functions,
-- which have the rights of the schema's owner, do nothing else, and look names up nowhere but here:
-- `current_schema()` in them is this schema.

-- Makes the tables of these days, as far as they are missing. Programs that come together take
-- turns. Others read and write meanwhile: a table that is attached locks out neither.
CREATE FUNCTION usage_make_days(days bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    place text := current_schema();
    missing bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('keyward.usage.' || place, 0));
    FOR missing IN
        SELECT DISTINCT d FROM unnest(days) AS v (d)
        WHERE NOT EXISTS (SELECT FROM usage_days u WHERE u.day = d) ORDER BY d
    LOOP
        -- First, so that a day that cannot be is rejected by its check.
        INSERT INTO usage_days (day, is_summed) VALUES (missing, false);
        EXECUTE format(
            'CREATE TABLE %1$I.%2$I (LIKE %1$I.usage INCLUDING INDEXES) WITH (fillfactor = 70)',
            place, 'usage_' || missing);
        EXECUTE format(
            'ALTER TABLE %1$I.usage ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%3$s) TO (%4$s)',
            place, 'usage_' || missing, missing * 24, (missing + 1) * 24);
    END LOOP;
END $$;

-- Drops the oldest table of a day before this one, and the sums of it; returns whether there was one.
-- To drop it waits for all that read or write usage, and what comes later waits for it: so it gives
-- up soon, and is tried again another time.
CREATE FUNCTION usage_forget_day(before bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = 500 AS $$
DECLARE
    place text := current_schema();
    oldest bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('keyward.usage.' || place, 0));
    SELECT min(day) INTO oldest FROM usage_days WHERE day < before;
    IF oldest IS NULL THEN
        RETURN false;
    END IF;
    DELETE FROM usage_daily WHERE day = oldest;
    DELETE FROM usage_days WHERE day = oldest;
    -- Last: others wait from here to the end of the transaction.
    EXECUTE format('DROP TABLE %I.%I', place, 'usage_' || oldest);
    RETURN true;
END $$;

DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION usage_make_days SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION usage_forget_day SET search_path = %I, pg_temp',
                   current_schema());
END $$;
REVOKE ALL ON FUNCTION usage_make_days, usage_forget_day FROM PUBLIC;

-- The number of the latest batch that was added from each writer, so that none counts twice.
CREATE TABLE usage_batches (
    writer bytea       PRIMARY KEY CHECK (length(writer) = 16),
    number bigint      NOT NULL,
    -- When that was: writers that are silent for a week are forgotten.
    at     timestamptz NOT NULL
) WITH (fillfactor = 50);
