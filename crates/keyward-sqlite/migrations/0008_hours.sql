-- The last id of the present hour is the highest number that there is, so that its row is not
-- written again until another hour begins.
CREATE INDEX key_hours_open ON key_hours (hour) WHERE last_id = 9223372036854775807;
CREATE INDEX audit_hours_open ON audit_hours (hour) WHERE last_id = 9223372036854775807;
