-- Most keys never expire, and come behind all others in the order of their ids.
DROP INDEX keys_expires;
CREATE INDEX keys_expires ON keys (expires_order) WHERE expires_at_ms IS NOT NULL;
