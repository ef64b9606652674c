//! The earlier readings of the wall clock, and whether it can be right now.

use crate::audit::Audit;
use crate::rules::{Change, Committed};
use crate::store::StoreError;
use crate::time::{Now, ReadClock};

use super::Gate;
use super::flush::Outbox;

impl Gate {
    /// Judges a reading: where the wall clock was set back, the time may be later than it says.
    ///
    /// The latest reading of the wall clock is carried on by the steady one, and outlives the
    /// process in the store. The reading is in doubt while it is before
    /// [`EARLIEST`](crate::time::EARLIEST), or more than a minute earlier than the carried one;
    /// then [`Now::latest`] is that. The doubt ends when the wall clock is right again, or by
    /// [`Gate::accept_clock`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let (before, after) = (UnixMillis(1_767_225_600_000), UnixMillis(1_767_225_000_000));
    /// let reading = |unix| Now::new(unix, SteadyNanos(0));
    /// gate.follow(reading(before));
    /// assert!(!gate.judge(reading(before)).is_in_doubt());
    /// // The wall clock is ten minutes back, and it is not known which of the two was right.
    /// let now = gate.judge(reading(after));
    /// assert_eq!((now.unix, now.latest()), (after, before));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn judge(&self, now: Now) -> Now {
        self.carried.judge(now)
    }

    /// Follows the wall clock, and returns the judged reading. Call it at the start, and about once
    /// a second: a wall clock that is set ahead and back between two calls goes unnoticed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let (before, after) = (UnixMillis(1_767_225_600_000), UnixMillis(1_767_225_000_000));
    /// let reading = |unix| Now::new(unix, SteadyNanos(0));
    /// assert!(!gate.follow(reading(before)).is_in_doubt());
    /// assert!(gate.follow(reading(after)).is_in_doubt());
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self, now: Now) -> Now {
        self.carried.follow(now)
    }

    /// Accepts the wall clock as right, on record, where it is in doubt: `audit.at` is its reading.
    /// Returns whether there was a doubt.
    ///
    /// Like [`Gate::change`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let (before, after) = (UnixMillis(1_767_225_600_000), UnixMillis(1_767_225_000_000));
    /// let reading = |unix| Now::new(unix, SteadyNanos(0));
    /// gate.follow(reading(before));
    /// let clock = || reading(after);
    /// assert!(gate.accept_clock(Audit::program(after), &clock).await?);
    /// assert!(!gate.judge(clock()).is_in_doubt());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether that survives. Then the doubt stays.
    pub async fn accept_clock(
        &self,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<bool, StoreError> {
        // No flush is under way that would write the reading from before after this one.
        let mut outbox = self.outbox.lock().await;
        if !self.judge(clock()).is_in_doubt() {
            return Ok(false);
        }
        self.commit_clock(audit, clock, &mut outbox).await?;
        Ok(true)
    }

    /// Takes the wall clock for right, whether it is in doubt or not.
    pub(super) async fn commit_clock(
        &self,
        audit: Audit,
        clock: ReadClock<'_>,
        outbox: &mut Outbox,
    ) -> Result<Committed, StoreError> {
        let at = audit.at;
        let committed = self.commit(Change::AcceptClock, audit, clock).await?;
        if committed.outcome.is_ok() {
            outbox.know_kept(at);
        }
        Ok(committed)
    }
}
