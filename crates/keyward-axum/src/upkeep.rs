//! The one loop: it follows the wall clock and moves usage, and what the clock said, to the store.
//! With a store that others share, it runs the loops of `follower`, too.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use keyward::store::StoreError;
use keyward::time::Now;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::follower::Follower;
use crate::guard::{Guard, finished};

/// How often the wall clock is read, independently of how often usage is flushed.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often a day may be over, or so old that it is forgotten.
const TEND_EVERY: Duration = Duration::from_mins(10);
/// The pause after which there is more of that to do: others get their turn.
const TEND_PAUSE: Duration = Duration::from_millis(100);

/// Running upkeep, one for each guard. Without it nothing is flushed, and a change of the wall
/// clock is not noticed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use keyward_axum::{Upkeep, testing};
///
/// let (guard, _clock) = testing::guard().await;
/// let upkeep = Upkeep::start(guard, Duration::from_secs(1));
/// let pulse = upkeep.pulse();
/// assert!(pulse.is_well());
/// // Moves all counts to the store.
/// upkeep.stop().await?;
/// assert!(!pulse.is_well());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Upkeep {
    guard: Guard,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    pulse: Pulse,
    /// Of a guard that shares its store.
    follower: Option<Follower>,
}

/// Whether upkeep works. A clone shares everything; the default is that it works.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use axum::{Router, body::Body, http::Request, http::StatusCode, routing::get};
/// use keyward_axum::{Upkeep, testing};
/// use tower::ServiceExt as _;
///
/// let (guard, _clock) = testing::guard().await;
/// let upkeep = Upkeep::start(guard, Duration::from_secs(1));
/// let pulse = upkeep.pulse();
/// let health = async move || match pulse.is_well() {
///     true => StatusCode::OK,
///     false => StatusCode::SERVICE_UNAVAILABLE,
/// };
/// let app: Router = Router::new().route("/readyz", get(health));
/// let ask = || app.clone().oneshot(Request::get("/readyz").body(Body::empty()).unwrap());
/// assert_eq!(ask().await?.status(), StatusCode::OK);
/// upkeep.stop().await?;
/// assert_eq!(ask().await?.status(), StatusCode::SERVICE_UNAVAILABLE);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU8>);

/// The state of upkeep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Beat {
    /// It runs, as far as the store lets it.
    Well = 0,
    /// Its last turn panicked; it tries again.
    Faltering,
    /// It has ended.
    Ended,
}

impl Pulse {
    /// Whether usage goes to the store, or would if the store took it. `false` if the last turn
    /// panicked, and for good once upkeep has ended.
    ///
    /// ```
    /// use keyward_axum::Pulse;
    ///
    /// // An upkeep that is about to start works.
    /// assert!(Pulse::default().is_well());
    /// ```
    #[must_use]
    pub fn is_well(&self) -> bool {
        // Relaxed: one number, and a moment sooner or later are both right.
        self.0.load(Ordering::Relaxed) == Beat::Well as u8
    }

    fn set(&self, beat: Beat) {
        self.0.store(beat as u8, Ordering::Relaxed);
    }
}

impl Upkeep {
    /// Starts the loop on the current tokio runtime. Counts younger than `flush_every` are lost if
    /// the process is killed; a store that fails is tried again at each turn, and that neither
    /// loses counts nor counts twice. A turn that panics is logged, and the next one follows.
    ///
    /// If the store is shared with other processes, a thread of its own follows them and renews the
    /// lease without which nothing is decided. If that thread cannot be started, the log says so,
    /// and every request is responded to with 503.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::keyward::Asked;
    /// use keyward_axum::{Upkeep, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// guard.verify(&Asked::of(&secret)).unwrap();
    /// // After that, the request is on record in the store.
    /// upkeep.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start(guard: Guard, flush_every: Duration) -> Self {
        Self::start_keeping(guard, flush_every, None)
    }

    /// The same, and usage of days (UTC) that lie more than `usage_days` before today is forgotten.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::num::NonZeroU32;
    /// use std::time::Duration;
    ///
    /// use keyward_axum::{Upkeep, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let upkeep = Upkeep::start_keeping(guard, Duration::from_secs(1), NonZeroU32::new(400));
    /// upkeep.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start_keeping(
        guard: Guard,
        flush_every: Duration,
        usage_days: Option<NonZeroU32>,
    ) -> Self {
        let follower = Follower::start(&guard).unwrap_or_else(|error| {
            tracing::error!(%error, "The thread that follows other nodes did not start");
            None
        });
        let (stop, stopped) = watch::channel(false);
        let pulse = Pulse::default();
        let end = End { pulse: pulse.clone(), stopped: stopped.clone() };
        let upkeep = run(guard.clone(), flush_every, usage_days, stopped, pulse.clone());
        let running = tokio::spawn(async move {
            // Dropped however this ends.
            let _end = end;
            upkeep.await;
        });
        Self { guard, stop, running, pulse, follower }
    }

    /// A handle that says whether the loop is running; it also works after the loop has ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::{Upkeep, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let upkeep = Upkeep::start(guard, Duration::from_secs(1));
    /// let pulse = upkeep.pulse();
    /// assert!(pulse.is_well());
    /// drop(upkeep);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Stops the loop and flushes all counts. A guard that shares its store decides nothing from
    /// then on, so that no change of the others waits for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::{Upkeep, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let upkeep = Upkeep::start(guard, Duration::from_secs(1));
    /// // First the server ends, so that nothing is counted any more; then:
    /// upkeep.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the last flush failed; then the counts since the one before it
    /// are lost with the process.
    pub async fn stop(self) -> Result<(), StoreError> {
        // A failure of either does not matter: the loop has ended, or is about to end.
        let _ = self.stop.send(true);
        if let Err(error) = self.running.await {
            tracing::error!(%error, "Upkeep ended early");
        }
        let guard = self.guard;
        let last = async move {
            let flushed = guard.flush().await;
            let kept = guard.keep_reading().await;
            // Whatever became of these: the others would wait for this node.
            flushed.and(kept).and(guard.gate().leave().await)
        };
        let last = finished(tokio::spawn(last)).await;
        if let Some(follower) = self.follower {
            follower.stop().await;
        }
        last?
    }
}

/// The work that is left when upkeep ends, also by a panic or by being dropped.
#[derive(Debug)]
struct End {
    pulse: Pulse,
    stopped: watch::Receiver<bool>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.pulse.set(Beat::Ended);
        if !*self.stopped.borrow() {
            tracing::error!(
                "Upkeep ended: usage goes to the store no more; start the program anew"
            );
        }
    }
}

async fn run(
    guard: Guard,
    flush_every: Duration,
    usage_days: Option<NonZeroU32>,
    stopped: watch::Receiver<bool>,
    pulse: Pulse,
) {
    // Side by side, since a store may keep a flush waiting for long. It is the flush that ends:
    // one that has begun is waited for.
    tokio::select! {
        () = follow(&guard) => {}
        () = tend(&guard, usage_days) => {}
        () = flush(&guard, flush_every, stopped, &pulse) => {}
    }
}

async fn follow(guard: &Guard) {
    let mut doubted = false;
    loop {
        let now = guard.follow();
        doubted = tell(now, doubted);
        tokio::time::sleep(SYNC_EVERY).await;
    }
}

/// Forgets old usage, and what else the store has to do about usage, for ever.
async fn tend(guard: &Guard, usage_days: Option<NonZeroU32>) {
    loop {
        let guard = guard.clone();
        // As a task of its own, so that a panic ends this turn alone.
        let days = usage_days.map(NonZeroU32::get);
        let pause = match tokio::spawn(async move { guard.tend_usage(days).await }).await {
            Ok(Ok(true)) => TEND_PAUSE,
            Ok(Ok(false)) => TEND_EVERY,
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "Old usage could not be tended");
                TEND_EVERY
            }
            Err(error) => {
                tracing::error!(%error, "Tending old usage panicked");
                TEND_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Logs once when the clock begins to be in doubt, and once when the doubt ends. Returns whether it
/// is in doubt.
fn tell(now: Now, doubted: bool) -> bool {
    let is_in_doubt = now.is_in_doubt();
    if is_in_doubt && !doubted {
        let (wall_unix_ms, carried_unix_ms) = (now.unix.0, now.latest().0);
        tracing::error!(
            wall_unix_ms,
            carried_unix_ms,
            "The wall clock was set back: keys that end between what it says and what it said \
             before get 503 until it is right"
        );
    } else if !is_in_doubt && doubted {
        tracing::info!("The wall clock is believed again");
    }
    is_in_doubt
}

async fn flush(
    guard: &Guard,
    flush_every: Duration,
    mut stopped: watch::Receiver<bool>,
    pulse: &Pulse,
) {
    let mut turn = tokio::time::interval(flush_every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed = false;
    loop {
        tokio::select! {
            _ = turn.tick() => {}
            _ = stopped.changed() => return,
        }
        let guard = guard.clone();
        // As a task of its own, so that a panic ends this turn alone.
        match tokio::spawn(async move { guard.flush().await }).await {
            Ok(flushed) => {
                pulse.set(Beat::Well);
                report(&flushed, failed);
                failed = flushed.is_err();
            }
            Err(error) => {
                pulse.set(Beat::Faltering);
                tracing::error!(%error, "A flush panicked; the next one tries again");
            }
        }
    }
}

/// A store may fail for hours; the log learns when that begins and when it ends.
fn report(flushed: &Result<(), StoreError>, failed_before: bool) {
    match flushed {
        Err(error) if !failed_before => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "Kept usage for the next flush");
        }
        Ok(()) if failed_before => tracing::info!("Flushed the usage that was kept"),
        Err(_) | Ok(()) => {}
    }
}
