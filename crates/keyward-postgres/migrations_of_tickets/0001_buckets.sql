-- Buckets of limits that all programs share, in a database of their own: a snapshot that stays open
-- in a database keeps each of the versions that its rows have had since.
--
-- No index on `tat`, so that an update of a row touches no index.

-- Buckets that fill within 60 s. Unlogged: a crash or a promotion empties it, and the row of 16
-- zeros with it, which says in `tat` since when the table is whole.
CREATE UNLOGGED TABLE bucket (
    -- 128 bits of SHA-256 over the kind, the id and the name of the limit.
    bucket bytea  PRIMARY KEY CHECK (length(bucket) = 16),
    -- When it will be full, in nanoseconds since the beginning of 2026.
    tat    bigint NOT NULL,
    -- The entry of the trail that set the newest terms by which it was asked for.
    rev    bigint NOT NULL
) WITH (fillfactor = 50, vacuum_truncate = off, autovacuum_vacuum_cost_delay = 0,
        autovacuum_vacuum_scale_factor = 0.02);

-- Buckets that take longer: what was taken from them survives.
CREATE TABLE bucket_kept (
    bucket bytea  PRIMARY KEY CHECK (length(bucket) = 16),
    tat    bigint NOT NULL,
    rev    bigint NOT NULL
) WITH (fillfactor = 50, vacuum_truncate = off, autovacuum_vacuum_cost_delay = 0,
        autovacuum_vacuum_scale_factor = 0.02);

-- One row. It survives what empties `bucket`.
CREATE TABLE ticket_server (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The start of the server that last began `bucket` anew.
    start timestamptz NOT NULL,
    -- Since when it was whole then: an older server may have let requests in until that.
    since bigint  NOT NULL
);

INSERT INTO ticket_server (start, since) VALUES (pg_postmaster_start_time(), 0);
-- Here alone since ever: all buckets are full.
INSERT INTO bucket (bucket, tat, rev) VALUES (decode(repeat('00', 16), 'hex'), 0, 0);
