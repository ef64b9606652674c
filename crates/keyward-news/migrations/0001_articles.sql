-- Articles, as the feeds told of them.

CREATE TABLE articles (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    -- What an import knows the article by, inside its source: its guid, or else its URL.
    identity TEXT NOT NULL,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    UNIQUE (source, identity)
) STRICT;

-- One for each way to filter the list, so that a page costs the same wherever it begins. Each ends
-- with `id` by itself.
CREATE INDEX articles_published ON articles (published_at_ms);
CREATE INDEX articles_category_published ON articles (category, published_at_ms);
CREATE INDEX articles_source_published ON articles (source, published_at_ms);
CREATE INDEX articles_source_category_published ON articles (source, category, published_at_ms);
