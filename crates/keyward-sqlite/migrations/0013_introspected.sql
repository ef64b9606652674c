-- Questions about a key while it worked: an outcome of its own.
ALTER TABLE usage ADD COLUMN introspected INTEGER NOT NULL DEFAULT 0;
