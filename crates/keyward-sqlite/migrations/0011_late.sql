-- The highest id of the keys that lists find by parts of their names and by their last use: what
-- these need of a new key is written together with that of others.
CREATE TABLE listed_keys (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    last_id INTEGER NOT NULL
) STRICT;

INSERT INTO listed_keys (one, last_id) SELECT 1, ifnull(max(id), 0) FROM keys;
