//! Which keys to look for, as SQL.

use keyward::UnixMillis;
use keyward::columns::fold;
use keyward::query::KeyFilter;
use keyward::record::Stage;
use tokio_postgres::Client;

use crate::columns::{bound, get};
use crate::owners;
use crate::pg_error::PgError;
use crate::sql::{Value, Values, query, query_one};

/// Whether the owner of a key `k` is suspended. A sub-query of one row, so that it is looked up for
/// each key and no other.
pub(super) const OWNER_SUSPENDED: &str = "coalesce((SELECT o.suspended_at_ms IS NOT NULL \
    FROM owners o WHERE o.id = k.owner), false)";

/// When a key `k` was last used.
const LAST_USED: &str =
    "coalesce((SELECT u.last_used_at_ms FROM key_uses u WHERE u.key_id = k.id), -1)";

/// A filter, with what it names looked up.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    pub(super) filter: KeyFilter,
    pub(super) now: UnixMillis,
    /// The tier of the name that is asked for.
    pub(super) tier: Option<i64>,
    /// Whether any owner is suspended. If none is, the state of a key is its own.
    pub(super) is_any_suspended: bool,
}

impl Sieve {
    /// Looks up what a filter names; `None` if no key can fit.
    pub(super) async fn of(
        client: &Client,
        filter: &KeyFilter,
        now: UnixMillis,
    ) -> Result<Option<Self>, PgError> {
        // Served by `tiers_name` and by the primary key.
        const TIER: &str = "SELECT id FROM tiers WHERE name = $1 AND NOT is_gone";
        const SUSPENDED: &str = "SELECT suspended_at_ms IS NOT NULL FROM owners WHERE id = $1";
        let mut sieve = Self { filter: filter.clone(), now, tier: None, is_any_suspended: false };
        if let Some(tier) = &filter.tier {
            let rows = query(client, TIER, &[Value::Text(tier.as_str().to_owned())]).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            sieve.tier = Some(get(row, 0)?);
        }
        let depends_on_owner = match filter.state {
            Some(Stage::Active | Stage::Suspended | Stage::Expired) => true,
            Some(Stage::Revoked) | None => false,
        };
        if depends_on_owner {
            sieve.is_any_suspended =
                get(&query_one(client, owners::IS_ANY_SUSPENDED, &[]).await?, 0)?;
        }
        // The keys of a suspended owner neither work nor expire.
        if let (Some(Stage::Active | Stage::Expired), Some(owner)) = (filter.state, &filter.owner) {
            let owner = Value::Text(owner.as_str().to_owned());
            let rows = query(client, SUSPENDED, &[owner]).await?;
            if rows.first().map(|row| get(row, 0)).transpose()? == Some(true) {
                return Ok(None);
            }
        }
        Ok(Some(sieve))
    }

    /// Whether a key `k` fits, as one condition that is never NULL.
    pub(super) fn fits(&self, values: &mut Values) -> String {
        let mut all = Vec::new();
        self.of_state(values, &mut all);
        self.of_texts(values, &mut all);
        self.of_times(values, &mut all);
        if all.is_empty() {
            return "true".to_owned();
        }
        // A comparison with an absent value, such as an owner, is NULL.
        format!("coalesce({}, false)", all.join(" AND "))
    }

    fn of_state(&self, values: &mut Values, all: &mut Vec<String>) {
        let Some(state) = self.filter.state else { return };
        let mut is_past = |comparison: &str| {
            format!("k.expires_order {comparison} {}", values.add(time(self.now)))
        };
        let (own, expiry) = match state {
            Stage::Active => ("k.state = 'active'", Some(is_past(">"))),
            Stage::Expired => ("k.state = 'active'", Some(is_past("<="))),
            Stage::Suspended if self.is_any_suspended => {
                all.push(format!(
                    "(k.state = 'suspended' OR k.state = 'active' AND {OWNER_SUSPENDED})"
                ));
                return;
            }
            Stage::Suspended => ("k.state = 'suspended'", None),
            Stage::Revoked => ("k.state = 'revoked'", None),
        };
        all.push(own.to_owned());
        if let Some(expiry) = expiry {
            all.push(expiry);
            if self.is_any_suspended {
                all.push(format!("NOT {OWNER_SUSPENDED}"));
            }
        }
    }

    fn of_texts(&self, values: &mut Values, all: &mut Vec<String>) {
        let KeyFilter { owner, name_part, hint_start, .. } = &self.filter;
        if let Some(tier) = self.tier {
            all.push(format!("k.tier_id = {}", values.add(Value::Number(tier))));
        }
        if let Some(owner) = owner {
            let owner = values.add(Value::Text(owner.as_str().to_owned()));
            all.push(format!("k.owner = {owner}"));
        }
        if let Some(start) = hint_start {
            let (from, to) = starting(start);
            let (from, to) = (values.add(Value::Text(from)), values.add(Value::Text(to)));
            all.push(format!("k.hint >= {from} AND k.hint < {to}"));
        }
        if let Some(part) = name_part {
            let part = values.add(Value::Text(fold(part)));
            all.push(format!("strpos(k.name_folded, {part}) > 0"));
        }
    }

    fn of_times(&self, values: &mut Values, all: &mut Vec<String>) {
        let KeyFilter { expires_before, idle_since, created_from, created_before, .. } =
            &self.filter;
        if let Some(before) = expires_before {
            let (now, before) = (values.add(time(self.now)), values.add(time(*before)));
            all.push(format!("k.expires_order > {now} AND k.expires_order < {before}"));
        }
        if let Some(since) = idle_since {
            let since = values.add(time(*since));
            all.push(format!("k.created_at_ms < {since} AND {LAST_USED} < {since}"));
        }
        if let Some(from) = created_from {
            all.push(format!("k.created_at_ms >= {}", values.add(time(*from))));
        }
        if let Some(before) = created_before {
            all.push(format!("k.created_at_ms < {}", values.add(time(*before))));
        }
    }
}

/// The first text that begins so, and one above all that do.
pub(super) fn starting(start: &str) -> (String, String) {
    (start.to_owned(), format!("{start}\u{10ffff}"))
}

/// A time to compare a column with.
pub(super) fn time(at: UnixMillis) -> Value {
    Value::Number(bound(at.0))
}
