-- What the wall clock said last, so that a start knows whether somebody set it back since.

CREATE TABLE clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    -- The latest reading; none until the first flush.
    latest_ms  INTEGER,
    -- Whether the last start was told that the clock is right, which counts once.
    told_right INTEGER NOT NULL CHECK (told_right IN (0, 1))
) STRICT;

INSERT INTO clock (id, latest_ms, told_right) VALUES (1, NULL, 0);
