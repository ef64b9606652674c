//! Changes on a disk that may be full: changes that end keys are made nevertheless.

use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward::rules::{Change, Committed, OwnerChange};
use keyward::store::StoreError;
use rusqlite::Connection;

use super::SqliteStore;
use crate::open_error::OpenError;
use crate::reserve::{Reserve, is_for_want_of_room};
use crate::sql_error::SqlError;
use crate::worker::Size;

/// Whether a change makes keys stop working, so that it must not fail for want of room.
fn ends(change: &Change) -> bool {
    match change {
        Change::Key { change, .. } => match change {
            KeyChange::Revoke { .. } | KeyChange::Suspend => true,
            KeyChange::Edit(_) | KeyChange::Resume | KeyChange::Rotate { .. } => false,
        },
        Change::Owner { change, .. } => match change {
            OwnerChange::Suspend => true,
            OwnerChange::Resume | OwnerChange::Edit { .. } => false,
        },
        Change::Issue(_)
        | Change::Import { .. }
        | Change::PutTier { .. }
        | Change::DeleteTier { .. }
        | Change::AcceptClock
        | Change::Diverged(_) => false,
    }
}

/// How much a change writes: only an import is of many keys.
fn size_of(change: &Change) -> Size {
    match change {
        Change::Import { keys, .. } => Size::of(keys.len()),
        Change::Issue(_)
        | Change::Key { .. }
        | Change::Owner { .. }
        | Change::PutTier { .. }
        | Change::DeleteTier { .. }
        | Change::AcceptClock
        | Change::Diverged(_) => Size::Small,
    }
}

/// Opens something, for which there may be no room but that of the reserve.
pub(super) fn try_with_room<T>(
    reserve: &Reserve,
    open: impl Fn() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    loop {
        match open() {
            Err(OpenError::DiskFull { .. }) if reserve.give_up() => {}
            opened => return opened,
        }
    }
}

impl SqliteStore {
    /// Makes a change as the core decides.
    pub(super) async fn make(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        let known = self.known.clone();
        let size = size_of(&change);
        if !ends(&change) {
            let work = move |connection: &Connection| known.commit(connection, change, &audit);
            return self.change(size, work).await;
        }
        let work = move |connection: &Connection| known.commit(connection, change.clone(), &audit);
        self.end(size, work).await
    }

    /// Makes a change. While the reserve is given up, it is rejected.
    pub(super) async fn change<T, F>(&self, size: Size, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
    {
        let reserve = self.reserve.clone();
        let work = move |connection: &Connection| {
            // At the last moment: it may have been given up while this waited.
            reserve.check()?;
            work(connection)
        };
        self.writer.call_sized(size, work).await
    }

    /// Makes a change that ends something. If there is no room for it, the reserve is given up bit
    /// by bit until there is.
    pub(super) async fn end<T, F>(&self, size: Size, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, SqlError> + Clone + Send + 'static,
    {
        loop {
            match self.writer.call_sized(size, work.clone()).await {
                Err(error) if is_for_want_of_room(&error) && self.reserve.give_up() => {}
                done => return done,
            }
        }
    }
}
