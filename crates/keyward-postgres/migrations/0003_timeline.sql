-- The timeline of the last change: a server that was promoted since gives no id again that the
-- former one may have given.
ALTER TABLE cluster ADD COLUMN timeline bigint;
UPDATE cluster SET timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
ALTER TABLE cluster ALTER COLUMN timeline SET NOT NULL;
