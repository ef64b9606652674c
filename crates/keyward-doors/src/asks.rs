//! Asks that may be repeated: a client that saw no response asks again about the same request,
//! which takes its cost once.
//!
//! A table of a fixed size remembers which asks were let in. An ask that it forgets takes again,
//! which takes too much and never too little.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

use keyward::limit::Cost;
use keyward::time::SteadyNanos;
use keyward::verify::Purpose;
use keyward_axum::Door;
use tokio::sync::Mutex;

/// How long an ask is remembered, by the steady clock.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Asks that share one lock, and one another's room.
const SET_LEN: usize = 8;

/// The parts that make two asks the same one.
#[derive(Hash)]
pub(crate) struct Parts<'a> {
    pub(crate) door: Door,
    /// The name of the door key, if one was asked for.
    pub(crate) asker: Option<&'a str>,
    /// The header lines, or the text, that present the key.
    pub(crate) presented: &'a [&'a [u8]],
    pub(crate) id: &'a str,
    pub(crate) cost: Cost,
}

/// An ask: two keyed hashes of its parts, of 64 bits each. Another ask with both of them by chance
/// is not to be expected in the life of a server, and without the keys no client can look for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask([u64; 2]);

/// The asks that were let in of late.
pub(crate) struct Asks {
    sets: Box<[Mutex<[Slot; SET_LEN]>]>,
    hashers: [RandomState; 2],
}

/// An ask that was let in, until a time.
#[derive(Clone, Copy, Default)]
struct Slot {
    ask: Ask,
    until: u64,
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asks").field("sets", &self.sets.len()).finish_non_exhaustive()
    }
}

impl Asks {
    /// Room for about `max` asks, at 24 bytes each. With 0, every ask takes.
    pub(crate) fn new(max: usize) -> Self {
        let sets = (0..max.div_ceil(SET_LEN)).map(|_| Mutex::default());
        Self { sets: sets.collect(), hashers: [RandomState::new(), RandomState::new()] }
    }

    /// The ask with these parts.
    pub(crate) fn ask(&self, parts: &Parts<'_>) -> Ask {
        Ask(self.hashers.each_ref().map(|hasher| hasher.hash_one(parts)))
    }

    /// Judges an ask by `judge`: as the same one once more if it was let in before. Two at once
    /// are judged one after the other.
    pub(crate) async fn once<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        ask: Ask,
        now: SteadyNanos,
        judge: impl FnOnce(Purpose) -> F,
    ) -> Result<T, E> {
        let Ask([place, _]) = ask;
        let place = usize::try_from(place >> 16).unwrap_or_default().checked_rem(self.sets.len());
        let Some(set) = place.and_then(|place| self.sets.get(place)) else {
            return judge(Purpose::Request).await;
        };
        // Judging may wait for the store, and so does a second one then. A set is whole at any
        // time, so a panic leaves nothing half done.
        let mut set = set.lock().await;
        if set.iter().any(|slot| slot.ask == ask && now.0 < slot.until) {
            drop(set);
            return judge(Purpose::Repeat).await;
        }
        // The lock is held until the cost is taken, so that a second one that comes meanwhile
        // finds it.
        let judged = judge(Purpose::Request).await?;
        if let Some(oldest) = set.iter_mut().min_by_key(|slot| slot.until) {
            let kept = u64::try_from(REMEMBERED.as_nanos()).unwrap_or(u64::MAX);
            *oldest = Slot { ask, until: now.0.saturating_add(kept) };
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn block_on<T>(task: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task)
    }

    const KEY: &[&[u8]] = &[b"kw_key"];

    fn ask(id: &str) -> Parts<'_> {
        Parts { door: Door::Verify, asker: None, presented: KEY, id, cost: Cost::ONE }
    }

    fn purpose(asks: &Asks, parts: &Parts<'_>, at_secs: u64) -> Purpose {
        let now = SteadyNanos(at_secs * 1_000_000_000);
        block_on(asks.once(asks.ask(parts), now, |purpose| ready(Ok::<_, ()>(purpose)))).unwrap()
    }

    #[test]
    fn an_ask_takes_once_within_a_minute() {
        let asks = Asks::new(64);
        assert_eq!(purpose(&asks, &ask("a"), 5), Purpose::Request);
        assert_eq!(purpose(&asks, &ask("a"), 64), Purpose::Repeat);
        assert_eq!(purpose(&asks, &ask("a"), 65), Purpose::Request);
    }

    #[test]
    fn another_door_asker_key_id_or_cost_is_another_ask() {
        let asks = Asks::new(1_024);
        let first = ask("a");
        assert_eq!(purpose(&asks, &first, 0), Purpose::Request);
        for other in [
            Parts { door: Door::Haproxy, ..ask("a") },
            Parts { asker: Some("edge-1"), ..ask("a") },
            Parts { presented: &[b"kw_other"], ..ask("a") },
            Parts { presented: &[b"kw_", b"key"], ..ask("a") },
            ask("b"),
            Parts { cost: Cost::from(2), ..ask("a") },
        ] {
            assert_eq!(purpose(&asks, &other, 0), Purpose::Request);
        }
        assert_eq!(purpose(&asks, &first, 0), Purpose::Repeat);
    }

    #[test]
    fn a_denial_is_not_remembered() {
        let asks = Asks::new(64);
        let judge = |_| ready(Err::<(), _>("denied"));
        let denied = block_on(asks.once(asks.ask(&ask("a")), SteadyNanos(0), judge));
        assert_eq!(denied, Err("denied"));
        assert_eq!(purpose(&asks, &ask("a"), 0), Purpose::Request);
    }

    #[test]
    fn an_ask_that_was_forgotten_takes_again() {
        let asks = Asks::new(SET_LEN);
        for n in 0..=SET_LEN as u64 {
            assert_eq!(purpose(&asks, &ask(&n.to_string()), n), Purpose::Request);
        }
        // The first made room, and nothing else did.
        let late = SET_LEN as u64;
        assert_eq!(purpose(&asks, &ask("1"), late), Purpose::Repeat);
        assert_eq!(purpose(&asks, &ask("0"), late), Purpose::Request);
        let none = Asks::new(0);
        assert_eq!(purpose(&none, &ask("a"), 0), Purpose::Request);
        assert_eq!(purpose(&none, &ask("a"), 0), Purpose::Request);
    }

    #[test]
    fn two_at_once_take_once() {
        let (asks, taken) = (Asks::new(64), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let judge = async |purpose| {
                        // As one that waits for the store.
                        tokio::task::yield_now().await;
                        taken.fetch_add(u32::from(purpose == Purpose::Request), Ordering::Relaxed);
                        Ok::<_, ()>(())
                    };
                    block_on(asks.once(asks.ask(&ask("a")), SteadyNanos(0), judge)).unwrap();
                });
            }
        });
        assert_eq!(taken.into_inner(), 1);
    }
}
