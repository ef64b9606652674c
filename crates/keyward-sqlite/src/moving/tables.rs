//! The tables of a database that moves elsewhere, and how their rows are read, page by page.

/// A table, and where its rows come from.
pub(super) struct Table {
    pub(super) name: &'static str,
    from: &'static str,
    /// Columns with the expressions that they are of.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// The columns by whose order the rows come, which are those of a primary key.
    pub(super) key: &'static [&'static str],
}

/// Columns that are called as they are.
macro_rules! same {
    ($($name:literal),* $(,)?) => {
        &[$(($name, $name)),*]
    };
}

/// All that is moved, in the order in which it is.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "tiers",
        from: "tiers",
        columns: same!["id", "name", "limits", "keys", "is_gone"],
        key: &["id"],
    },
    Table {
        name: "owners",
        from: "owners",
        columns: same!["id", "version", "suspended_at_ms", "limits", "keys", "revoked_keys"],
        key: &["id"],
    },
    Table {
        name: "keys",
        from: "keys",
        columns: same![
            "id",
            "version",
            "name",
            "tier_id",
            "gone_tier",
            "owner",
            "state",
            "created_at_ms",
            "expires_at_ms",
            "revoked_at_ms",
            "revoked_reason",
            "digest",
            "hint",
            "secret_created_at_ms",
            "grace_until_ms",
            "scopes",
            "networks",
            "limits",
            "metadata",
        ],
        key: &["id"],
    },
    Table {
        name: "former_secrets",
        from: "former_secrets",
        columns: same!["key_id", "number", "digest", "hint", "created_at_ms", "ends_at_ms"],
        key: &["key_id", "number"],
    },
    // A new key may wait for its row here, which says that it was never used.
    Table {
        name: "key_uses",
        from: "keys LEFT JOIN key_uses ON key_uses.key_id = keys.id",
        columns: &[("key_id", "keys.id"), ("last_used_at_ms", "ifnull(last_used_at_ms, -1)")],
        key: &["key_id"],
    },
    Table { name: "prefixes", from: "prefixes", columns: same!["prefix"], key: &["prefix"] },
    // The present hour ends nowhere.
    Table {
        name: "key_hours",
        from: "key_hours",
        columns: &[
            ("hour", "hour"),
            ("first_id", "first_id"),
            ("last_id", "min(last_id, max(first_id, (SELECT ifnull(max(id), 0) FROM keys)))"),
        ],
        key: &["hour"],
    },
    Table {
        name: "audit",
        from: "audit",
        columns: same![
            "id",
            "at_ms",
            "actor",
            "address",
            "verb",
            "key_id",
            "tier",
            "owner",
            "request_id",
            "details",
            "previous",
            "digest",
        ],
        key: &["id"],
    },
    Table {
        name: "audit_hours",
        from: "audit_hours",
        columns: &[
            ("hour", "hour"),
            ("first_id", "first_id"),
            ("last_id", "min(last_id, max(first_id, (SELECT ifnull(max(id), 0) FROM audit)))"),
        ],
        key: &["hour"],
    },
    Table {
        name: "once",
        from: "once",
        columns: same!["actor", "name", "request", "key_id", "at_ms"],
        key: &["actor", "name"],
    },
    Table {
        name: "clock",
        from: "clock",
        columns: &[("one", "id"), ("latest_ms", "latest_ms"), ("told_right", "told_right")],
        key: &["one"],
    },
    Table {
        name: "leaks",
        from: "leaks",
        columns: same!["digest", "reason", "address", "request_id", "at_ms"],
        key: &["digest"],
    },
    Table {
        name: "leaks_kept",
        from: "leaks_kept",
        columns: &[("one", "id"), ("commits", "commits")],
        key: &["one"],
    },
    Table {
        name: "usage",
        from: "usage",
        columns: same![
            "hour",
            "key_id",
            "allowed",
            "limited",
            "out_of_scope",
            "out_of_network",
            "suspended",
            "revoked",
            "expired",
            "introspected",
        ],
        key: &["hour", "key_id"],
    },
    Table {
        name: "usage_batches",
        from: "usage_batches",
        columns: same!["writer", "number"],
        key: &["writer"],
    },
];

/// Articles, which another part of the program may keep in the same file. In their texts, U+0000,
/// which not every database can hold, becomes U+FFFD.
pub(super) const ARTICLES: Table = Table {
    name: "news.articles",
    from: "articles",
    columns: same![
        "id",
        "source",
        "feed",
        "identity",
        "title",
        "url",
        "description",
        "category",
        "published_at_ms",
    ],
    key: &["id"],
};

impl Table {
    /// The expression of a column.
    fn expression(&self, name: &str) -> &'static str {
        let found = self.columns.iter().find(|(column, _)| *column == name);
        found.map_or("NULL", |(_, expression)| expression)
    }

    /// The statement of a page of so many rows, the first or a later one. Served by the primary
    /// key.
    pub(super) fn page(&self, begins: bool, max: usize) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(_, expression)| *expression).collect();
        let key: Vec<_> = self.key.iter().map(|name| self.expression(name)).collect();
        let (columns, key) = (columns.join(", "), key.join(", "));
        let places: Vec<_> = (1..=self.key.len()).map(|at| format!("?{at}")).collect();
        let after =
            if begins { String::new() } else { format!("WHERE ({key}) > ({})", places.join(", ")) };
        format!("SELECT {columns} FROM {} {after} ORDER BY {key} LIMIT {max}", self.from)
    }
}
