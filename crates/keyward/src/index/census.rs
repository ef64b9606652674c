//! How many keys there are in each stage of life.

use std::time::Duration;

use super::Index;
use crate::record::Stage;
use crate::time::UnixMillis;

/// The keys of an index, counted at one time.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::UnixMillis;
/// use keyward::index::Index;
///
/// let census = Index::default().census(UnixMillis(0), &[Duration::from_secs(86_400)]);
/// assert_eq!((census.active, census.expiring), (0, vec![0]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Keys that work.
    pub active: u64,
    /// Keys that are suspended, or whose owner is.
    pub suspended: u64,
    /// Keys that have expired.
    pub expired: u64,
    /// Keys that are revoked.
    pub revoked: u64,
    /// Active keys that expire within each of the durations that were asked for.
    pub expiring: Vec<u64>,
}

impl Index {
    /// Counts the keys by their stage at `now`, and the keys that expire within each of these
    /// durations from then.
    ///
    /// It looks at every key, a part of them at a time, which takes some 50 ms for a million: call
    /// it now and then, on a thread that may be busy for that long.
    #[must_use]
    pub fn census(&self, now: UnixMillis, within: &[Duration]) -> Census {
        let mut census = Census { expiring: vec![0; within.len()], ..Census::default() };
        let ends: Vec<_> = within.iter().map(|within| now.later_by(*within)).collect();
        let mut shard = 0;
        while self.each_in_shard(shard, |entry| match entry.stage(now) {
            Stage::Active => {
                census.active += 1;
                let Some(expires_at) = entry.expires_at() else { return };
                for (count, end) in census.expiring.iter_mut().zip(&ends) {
                    *count += u64::from(expires_at <= *end);
                }
            }
            Stage::Suspended => census.suspended += 1,
            Stage::Expired => census.expired += 1,
            Stage::Revoked => census.revoked += 1,
        }) == Some(())
        {
            shard += 1;
        }
        census
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::digest::Digest;
    use crate::index::Entry;
    use crate::limit::Limits;
    use crate::record::{KeyId, KeyState};
    use crate::stored::Key;
    use crate::tier::Tier;

    #[test]
    fn each_key_is_in_the_stage_that_it_has() {
        let index = Index::default();
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = Arc::new(Tier::new("basic".parse().unwrap(), limits));
        let states = [
            (KeyState::Active, None),
            (KeyState::Active, Some(UnixMillis(1_000))),
            (KeyState::Active, Some(UnixMillis(2_000))),
            (KeyState::Active, Some(UnixMillis(900))),
            (KeyState::Suspended, Some(UnixMillis(1_500))),
            (KeyState::Revoked { at: UnixMillis(5) }, None),
        ];
        for (id, (state, expires_at)) in (1..).zip(states) {
            let digest = Digest::from_stored([u8::try_from(id).unwrap(); 32]);
            let (id, name) = (KeyId::new(id).unwrap(), "a".parse().unwrap());
            let key = Key::plain(id, name, "basic".parse().unwrap(), digest);
            index.insert(Entry::new(&Key { state, expires_at, ..key }, Arc::clone(&tier)));
        }
        let within = [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(60)];
        let expected =
            Census { active: 3, suspended: 1, expired: 1, revoked: 1, expiring: vec![0, 1, 2] };
        assert_eq!(index.census(UnixMillis(900), &within), expected);
    }
}
