//! What a ledger has to know, as the database has it.

use keyward::UnixMillis;
use keyward::audit::{ChangeId, Mark};
use keyward_ledger::{Head, LedgerId, Record};
use tokio_postgres::{Client, Row};

use crate::audit::link;
use crate::columns::{bound, get, get_digest, get_number, get_optional};
use crate::follow;
use crate::pg_error::PgError;
use crate::sql::{Value, query, query_one};

/// What the trail says about the newest change that a ledger knows.
pub(super) struct Found {
    /// Which ledgers belong to it, and its newest entry; `None` is that it has none.
    pub(super) trail: Option<(LedgerId, Mark)>,
    /// Whether it has that change.
    pub(super) has: bool,
    /// Whether an entry `diverged` is about the loss of that change.
    pub(super) is_made_up_for: bool,
}

/// Compares the newest change that a ledger knows with the trail, as of one instant.
pub(super) async fn compare(client: &Client, known: Option<Head>) -> Result<Found, PgError> {
    client.batch_execute(BEGIN).await?;
    let found = compare_within(client, known).await;
    client.batch_execute("COMMIT").await?;
    found
}

async fn compare_within(client: &Client, known: Option<Head>) -> Result<Found, PgError> {
    let trail = match first(client).await? {
        Some(id) => Some((id, follow::newest(client).await?)),
        None => None,
    };
    let (has, is_made_up_for) = match known {
        Some(head) => (has(client, head).await?, is_made_up_for(client, head).await?),
        None => (true, false),
    };
    Ok(Found { trail, has, is_made_up_for })
}

/// What a ledger lacks.
pub(super) struct News {
    pub(super) records: Vec<Record>,
    pub(super) head: Head,
}

/// What a ledger lacks that knows everything up to `head`, until it knows everything up to `mark`,
/// or to the newest entry. `None` if the trail does not have that mark, or there is nothing.
pub(super) async fn news(
    client: &Client,
    head: Head,
    mark: Option<Mark>,
) -> Result<Option<News>, PgError> {
    client.batch_execute(BEGIN).await?;
    let news = news_within(client, head, mark).await;
    client.batch_execute("COMMIT").await?;
    news
}

async fn news_within(
    client: &Client,
    head: Head,
    mark: Option<Mark>,
) -> Result<Option<News>, PgError> {
    // The highest id that a key ever had: at least that of the mark.
    const GIVEN: &str = "SELECT key_id FROM cluster";
    let mark = match mark {
        Some(mark) => mark,
        None => follow::newest(client).await?,
    };
    let given = get_optional(&query_one(client, GIVEN, &[]).await?, 0)?.unwrap_or_default();
    let reached = Head { change: mark.change, digest: mark.digest, key_id: given };
    if (reached.change, reached.digest) == (head.change, head.digest)
        || !has(client, reached).await?
    {
        return Ok(None);
    }
    let is_whole = head != Head::START && has(client, head).await?;
    let records = match is_whole {
        true => since(client, head.change).await?,
        // After a loss, numbers tell nothing about what the ledger knows.
        false => everything(client).await?,
    };
    Ok(Some(News { records, head: reached }))
}

/// Everything is read as of one instant.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The trail is known by its first entry, which every copy of the database has.
async fn first(client: &Client) -> Result<Option<LedgerId>, PgError> {
    // Served by the primary key. A row below 1 was put there by hand.
    const FIRST: &str = "SELECT digest FROM audit WHERE 0 < id ORDER BY id LIMIT 1";
    let rows = query(client, FIRST, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let digest = link(get(row, 0)?).0;
    Ok(digest.first_chunk().copied().map(LedgerId))
}

/// Whether the trail has the entry of a head.
async fn has(client: &Client, head: Head) -> Result<bool, PgError> {
    // Served by the primary key.
    const HAS: &str = "SELECT EXISTS (SELECT FROM audit WHERE id = $1 AND digest = $2)";
    if head == Head::START {
        return Ok(true);
    }
    get(&query_one(client, HAS, &of(head)).await?, 0)
}

/// Whether an entry `diverged` names the change of a head as lost, or the change is between the
/// newest one that was left then and that entry: each number there is of a lost change.
async fn is_made_up_for(client: &Client, head: Head) -> Result<bool, PgError> {
    // Served by `audit_verb`.
    const MADE_UP_FOR: &str = "SELECT EXISTS (SELECT FROM \
        (SELECT id, details::json AS details FROM audit \
         WHERE verb = 'diverged' AND verb <> 'issue' OFFSET 0) AS a \
        WHERE details -> 'before' ->> 'digest' = encode($2, 'hex') \
           OR (details -> 'after' ->> 'change')::bigint < $1 AND $1 < id)";
    get(&query_one(client, MADE_UP_FOR, &of(head)).await?, 0)
}

fn of(head: Head) -> [Value; 2] {
    [Value::Number(bound(head.change.0)), Value::Bytes(head.digest.0.to_vec())]
}

/// The keys that entries after `$1` name which may be about more than what a key is allowed to, and
/// whether one of them resumed it. Served by the primary key.
macro_rules! named {
    () => {
        "WITH named AS MATERIALIZED (SELECT key_id, bool_or(verb = 'resume') AS resumed FROM audit \
         WHERE $1 < id AND key_id IS NOT NULL AND verb NOT IN ('issue', 'edit') GROUP BY key_id) "
    };
}

/// The records of keys and owners that entries after a change name, as they are now.
async fn since(client: &Client, ChangeId(change): ChangeId) -> Result<Vec<Record>, PgError> {
    const KEYS: &str = concat!(
        named!(),
        "SELECT k.id, k.digest, k.state FROM named n JOIN keys k ON k.id = n.key_id \
         WHERE n.resumed OR k.state <> 'active'"
    );
    const FORMER: &str = concat!(
        named!(),
        "SELECT f.key_id, f.digest, f.ends_at_ms FROM named n \
         JOIN former_secrets f ON f.key_id = n.key_id ORDER BY f.key_id, f.number"
    );
    const OWNERS: &str = "SELECT DISTINCT a.owner, o.suspended_at_ms IS NOT NULL FROM audit a \
        LEFT JOIN owners o ON o.id = a.owner WHERE $1 < a.id AND a.owner IS NOT NULL";
    records(client, [FORMER, KEYS, OWNERS], &[Value::Number(bound(change))]).await
}

/// The records of a ledger that knows nothing.
async fn everything(client: &Client) -> Result<Vec<Record>, PgError> {
    // Served by `keys_state`, and by `owners_suspended`.
    const KEYS: &str = "SELECT id, digest, state FROM keys WHERE state <> 'active'";
    const FORMER: &str = "SELECT key_id, digest, ends_at_ms FROM former_secrets";
    const OWNERS: &str = "SELECT id, true FROM owners WHERE suspended_at_ms IS NOT NULL";
    records(client, [FORMER, KEYS, OWNERS], &[]).await
}

/// The records of the rows of former secrets, of keys and of owners that these statements return.
async fn records(
    client: &Client,
    [formers, keys, owners]: [&str; 3],
    values: &[Value],
) -> Result<Vec<Record>, PgError> {
    let kinds: [(_, fn(&Row) -> _); 3] = [(formers, replaced), (keys, key), (owners, owner)];
    let mut records = Vec::new();
    for (statement, record) in kinds {
        for row in query(client, statement, values).await? {
            records.push(record(&row)?);
        }
    }
    Ok(records)
}

fn key(row: &Row) -> Result<Record, PgError> {
    let (key_id, digest, state) = (get_number(row, 0)?, get_digest(row, 1)?, get::<&str>(row, 2)?);
    Ok(match state {
        "revoked" => Record::Revoked { digest, key_id },
        state => Record::Key { digest, key_id, suspended: state == "suspended" },
    })
}

fn replaced(row: &Row) -> Result<Record, PgError> {
    let ends_at = UnixMillis(get_number(row, 2)?);
    Ok(Record::Replaced { key_id: get_number(row, 0)?, digest: get_digest(row, 1)?, ends_at })
}

fn owner(row: &Row) -> Result<Record, PgError> {
    Ok(Record::Owner { name: get(row, 0)?, suspended: get(row, 1)? })
}
