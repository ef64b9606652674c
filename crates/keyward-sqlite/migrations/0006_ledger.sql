-- Which ledger belongs to this database: 128 random bits that both of them carry. A database of an
-- earlier version has no row, and gets one when it is given a ledger.
CREATE TABLE keyward_ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  BLOB NOT NULL CHECK (length(id) = 16)
) STRICT;
