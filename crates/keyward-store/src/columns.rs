//! The columns that a key is read from, in the order in which they are read.

/// What [`key`](crate::record::key) reads, with where from. A key whose owner has no row is
/// refused: nobody knows whether it is suspended.
macro_rules! key_columns {
    () => {
        "keys.id, keys.version, keys.name, ifnull(tiers.name, keys.gone_tier), keys.tier_id, \
         ifnull(tiers.is_gone, 1), keys.owner, keys.scopes, keys.networks, keys.limits, \
         keys.metadata, keys.state, keys.revoked_at_ms, keys.revoked_reason, keys.expires_at_ms, \
         keys.created_at_ms, ifnull(key_uses.last_used_at_ms, -1), keys.digest, keys.hint, \
         keys.secret_created_at_ms, keys.owner IS NOT NULL AND owners.id IS NULL \
         FROM keys LEFT JOIN tiers ON tiers.id = keys.tier_id \
         LEFT JOIN owners ON owners.id = keys.owner \
         LEFT JOIN key_uses ON key_uses.key_id = keys.id"
    };
}

pub(crate) use key_columns;
