-- Most entries are by whoever holds the admin key, and each key has one of its issue: to find these
-- among all takes no longer.
DROP INDEX audit_actor;
DROP INDEX audit_verb;
CREATE INDEX audit_actor ON audit (actor) WHERE actor <> 'admin-key';
CREATE INDEX audit_verb ON audit (verb) WHERE verb <> 'issue';
