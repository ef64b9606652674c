//! The order of changes: those of one key come one after the other, in the store and in memory
//! alike, so that memory ends in the state of the store.

use async_lock::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::record::KeyId;

/// Locks for keys. Two keys that share one wait for each other, which is rare and harmless.
const LINES: usize = 64;

/// Who may change what. A request that is only verified asks for nothing here.
///
/// These are held while the store works, on purpose: the commits of different keys still share a
/// transaction, since only changes of one key wait for each other.
pub(super) struct Order {
    /// Shared by changes of single keys; held alone by changes of tiers and owners.
    all: RwLock<()>,
    lines: [Mutex<()>; LINES],
}

impl Default for Order {
    fn default() -> Self {
        Self { all: RwLock::new(()), lines: std::array::from_fn(|_| Mutex::new(())) }
    }
}

/// Leave to change one key.
pub(super) struct Turn<'a> {
    _all: RwLockReadGuard<'a, ()>,
    _line: MutexGuard<'a, ()>,
}

impl Order {
    /// Waits until no other task changes this key.
    pub(super) async fn turn(&self, id: KeyId) -> Turn<'_> {
        Turn { _all: self.all.read().await, _line: self.line(id).await }
    }

    /// Waits until no task changes a tier or an owner: to add keys, which no task knows yet.
    pub(super) async fn adding(&self) -> RwLockReadGuard<'_, ()> {
        self.all.read().await
    }

    /// Waits until no other task changes this key: to enter it into the index while
    /// [`Order::adding`]. As soon as the store has a key, an operator who guesses its id may change
    /// it.
    pub(super) async fn line(&self, id: KeyId) -> MutexGuard<'_, ()> {
        let at = usize::try_from(id.get()).unwrap_or_default() % LINES;
        self.lines.get(at).expect("a remainder of LINES is below it").lock().await
    }

    /// Waits until no task changes anything.
    pub(super) async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.all.write().await
    }
}
