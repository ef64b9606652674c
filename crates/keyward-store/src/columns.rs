//! The columns that a key is read from, in the order in which they are read.

/// What stands in the place of the tier of a key whose tier is gone. No tier can be called so.
pub(crate) const GONE: &str = "~";

/// What [`stored`](crate::record::stored) reads. The name of a tier that is gone has a `~` before
/// it, which begins no name.
macro_rules! stored_columns {
    () => {
        "keys.id, keys.name, ifnull('~' || keys.gone_tier, keys.tier), keys.owner, keys.scopes, \
         keys.networks, keys.limits, \
         keys.state, keys.owner_suspended, keys.expires_at_ms, keys.revoked_at_ms, keys.version, \
         keys.digest, keys.secret_created_at_ms"
    };
}

/// What [`details`](crate::record::details) reads, from `keys` and what `key_uses` has of them. A
/// key without a row there counts as never used: it is let in, so it must be found.
macro_rules! details_columns {
    () => {
        concat!(
            stored_columns!(),
            ", keys.hint, keys.metadata, keys.created_at_ms, keys.grace_until_ms, \
             keys.revoked_reason, ifnull(key_uses.last_used_at_ms, -1)"
        )
    };
}

pub(crate) use {details_columns, stored_columns};
