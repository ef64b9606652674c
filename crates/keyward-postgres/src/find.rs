//! Finding keys by their ids and digests. Each is one statement, or several as of one instant.

use std::collections::{BTreeSet, HashMap};

use keyward::digest::Digest;
use keyward::stored::{Key, OwnedKey};
use keyward::{KeyId, UnixMillis};
use tokio_postgres::Client;

use crate::columns::{get_digest, get_key_id, get_optional};
use crate::pg_error::PgError;
use crate::record;
use crate::sql::{Value, query};

/// Keys with their owners, in the order of their ids.
pub(crate) async fn owned(
    client: &Client,
    ids: impl IntoIterator<Item = KeyId>,
) -> Result<Vec<OwnedKey>, PgError> {
    let ids = ids.into_iter().map(record::id).collect::<Result<Vec<_>, _>>()?;
    let rows = query(client, record::OWNED, &[Value::Numbers(ids)]).await?;
    rows.iter().map(record::owned).collect()
}

/// Up to `max` keys with ids above `after`, lowest first.
pub(crate) async fn page(
    client: &Client,
    after: Option<KeyId>,
    max: u32,
) -> Result<Vec<Key>, PgError> {
    let after = after.map_or(Ok(0), record::id)?;
    let values = [Value::Number(after), Value::Number(max.into())];
    let rows = query(client, record::PAGE, &values).await?;
    rows.iter().map(record::key).collect()
}

/// The keys that have these digests, or had them, in that order. To be read as of one instant.
pub(crate) async fn by_digests(
    client: &Client,
    digests: &[Digest],
) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, PgError> {
    let wanted = digests.iter().map(|digest| digest.as_bytes().to_vec()).collect();
    let mut holders = HashMap::new();
    for row in query(client, record::HOLDERS, &[Value::Digests(wanted)]).await? {
        let ends_at = get_optional(&row, 2)?.map(UnixMillis);
        holders.insert(*get_digest(&row, 0)?.as_bytes(), (get_key_id(&row, 1)?, ends_at));
    }
    let ids: BTreeSet<_> = holders.values().map(|(id, _)| *id).collect();
    let keys = owned(client, ids).await?;
    let keys: HashMap<_, _> = keys.into_iter().map(|owned| (owned.key.id, owned)).collect();
    let with_key = |digest: &Digest| {
        let (id, ends_at) = holders.get(digest.as_bytes())?;
        Some((*digest, *ends_at, keys.get(id)?.clone()))
    };
    Ok(digests.iter().filter_map(with_key).collect())
}
