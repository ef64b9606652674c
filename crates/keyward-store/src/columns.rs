//! The columns that a key is read from, in the order in which they are read.

/// What stands before the name of a tier that is gone, which begins no name.
pub(crate) const GONE: &str = "~";

/// The keys with their tiers and owners, each served by its primary key.
macro_rules! keys_joined {
    () => {
        "keys LEFT JOIN tiers ON tiers.id = keys.tier_id LEFT JOIN owners ON owners.id = keys.owner"
    };
}

/// What [`stored`](crate::record::stored) reads of `keys_joined`. The name of a tier that is gone
/// has a `~` before it. The version of an owner that has no row is NULL, which is refused.
macro_rules! stored_columns {
    () => {
        "keys.id, keys.name, CASE WHEN tiers.is_gone = 0 THEN tiers.name \
         ELSE '~' || ifnull(tiers.name, keys.gone_tier) END, keys.owner, keys.scopes, \
         keys.networks, keys.limits, \
         keys.state, owners.suspended_at_ms IS NOT NULL, \
         iif(keys.owner IS NULL, 0, owners.version), keys.expires_at_ms, keys.revoked_at_ms, \
         keys.version, keys.digest, keys.secret_created_at_ms"
    };
}

/// What [`details`](crate::record::details) reads, from `keys_joined` and what `key_uses` has of
/// them. A key without a row there counts as never used: it is let in, so it must be found.
macro_rules! details_columns {
    () => {
        concat!(
            stored_columns!(),
            ", keys.hint, keys.metadata, keys.created_at_ms, keys.grace_until_ms, \
             keys.revoked_reason, ifnull(key_uses.last_used_at_ms, -1)"
        )
    };
}

/// What [`key`](crate::record::key) reads, with where from.
macro_rules! key_columns {
    () => {
        "keys.id, keys.version, keys.name, ifnull(tiers.name, keys.gone_tier), keys.tier_id, \
         ifnull(tiers.is_gone, 1), keys.owner, keys.scopes, keys.networks, keys.limits, \
         keys.metadata, keys.state, keys.revoked_at_ms, keys.revoked_reason, keys.expires_at_ms, \
         keys.created_at_ms, ifnull(key_uses.last_used_at_ms, -1), keys.digest, keys.hint, \
         keys.secret_created_at_ms FROM keys LEFT JOIN tiers ON tiers.id = keys.tier_id \
         LEFT JOIN key_uses ON key_uses.key_id = keys.id"
    };
}

pub(crate) use {details_columns, key_columns, keys_joined, stored_columns};
