-- Two feeds of one title are two feeds: an article is known inside its feed. What is there already
-- names none, and stays known by its source until its feed brings it in again.

CREATE TABLE articles_of_feeds (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    -- What the feed is known by: its id or its address. NULL for what names no feed.
    feed TEXT,
    -- What an import knows the article by, inside its feed or source: its guid, or else its URL.
    identity TEXT NOT NULL,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO articles_of_feeds
    (id, source, identity, title, url, description, category, published_at_ms)
    SELECT id, source, identity, title, url, description, category, published_at_ms FROM articles;

DROP TABLE articles;
ALTER TABLE articles_of_feeds RENAME TO articles;

CREATE UNIQUE INDEX articles_feed_identity ON articles (feed, identity);
CREATE UNIQUE INDEX articles_feedless ON articles (identity, source) WHERE feed IS NULL;

-- As before: one for each way to filter the list.
CREATE INDEX articles_published ON articles (published_at_ms);
CREATE INDEX articles_category_published ON articles (category, published_at_ms);
CREATE INDEX articles_source_published ON articles (source, published_at_ms);
CREATE INDEX articles_source_category_published ON articles (source, category, published_at_ms);
