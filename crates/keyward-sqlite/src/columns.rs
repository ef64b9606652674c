//! The columns that a key is read from, in the order in which they are read.

/// What [`key`](crate::record::key) reads of `keys`, which is all but what other tables have of it.
macro_rules! key_columns {
    () => {
        "keys.id, keys.version, keys.name, keys.gone_tier, keys.tier_id, keys.owner, keys.scopes, \
         keys.networks, keys.limits, keys.metadata, keys.state, keys.revoked_at_ms, \
         keys.revoked_reason, keys.expires_at_ms, keys.created_at_ms, keys.digest, keys.hint, \
         keys.secret_created_at_ms"
    };
}

pub(crate) use key_columns;
