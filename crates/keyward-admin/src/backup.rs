//! A consistent copy of the whole database, while everything goes on.

use std::ffi::OsString;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use keyward::store::Backup;
use keyward_api::shapes::Binary;
use keyward_axum::Rejection;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt as _, ReadBuf};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::failure::broken;
use crate::role::Role;
use crate::routes::{Access, Routes, route};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// When to ask again while another copy is under way: a small one is done by then.
const BUSY_FOR: Duration = Duration::from_secs(10);

/// Makes copies of a database, one at a time, in its directory, which most likely has room for one.
/// A clone shares everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_admin::{AdminOptions, Backups};
/// use keyward_axum::SqliteGuard;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("keys.db");
/// let keys = SqliteGuard::open(&path).await?;
/// let backups = Some(Backups::new(keys.backup(), keys.path()));
/// // With these options, `GET /admin/backup` is a route.
/// let options = AdminOptions { backups, ..AdminOptions::default() };
/// # drop(options);
/// keys.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Backups {
    store: Arc<dyn Backup>,
    /// The file, if it is one.
    database: Option<Arc<PathBuf>>,
    one: Arc<Mutex<()>>,
}

impl Backups {
    /// Copies of the `store` whose database is at `path`, which no other process serves.
    ///
    /// Remains of a copy of a killed process are removed: they have the digests of all secrets. If
    /// that fails, the log has the reason.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_admin::Backups;
    /// use keyward_axum::SqliteGuard;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let keys = SqliteGuard::open(directory.path().join("keys.db")).await?;
    /// let backups = Backups::new(keys.backup(), keys.path());
    /// # drop(backups);
    /// keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(store: Arc<dyn Backup>, path: &Path) -> Self {
        if let Err(error) = remove_stale(path) {
            tracing::warn!(%error, "The remains of an old backup could not be removed");
        }
        Self { store, database: Some(Arc::new(path.to_owned())), one: Arc::default() }
    }

    /// Copies of a store that is in no file, and that says itself how it is copied: the response is
    /// 501 with that.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_admin::Backups;
    /// use keyward_axum::SqliteGuard;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let keys = SqliteGuard::open(directory.path().join("keys.db")).await?;
    /// let backups = Backups::without_file(keys.backup());
    /// # drop(backups);
    /// # keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_file(store: Arc<dyn Backup>) -> Self {
        Self { store, database: None, one: Arc::default() }
    }
}

fn directory(database: &Path) -> &Path {
    let directory = database.parent().filter(|directory| *directory != Path::new(""));
    directory.unwrap_or(Path::new("."))
}

/// The prefix of the names of copies: it contains the name of the database, since another database
/// may be in the same directory.
fn prefix(database: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(database.file_name().unwrap_or_default());
    prefix.push("-backup-");
    prefix
}

fn remove_stale(database: &Path) -> io::Result<()> {
    let prefix = prefix(database);
    for entry in directory(database).read_dir()? {
        let (entry, prefix) = (entry?, prefix.as_encoded_bytes());
        let name = entry.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(prefix);
        let is_ours = rest.is_some_and(|it| it.iter().all(u8::is_ascii_alphanumeric));
        if is_ours && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The route of copies.
pub(crate) fn routes() -> Routes<Backups> {
    Routes::new().add(Access::Admin(Role::Admin), route!(back_up).without_time_limit())
}

/// Responds with a copy of the database, as it was at one moment after the request came. It can be
/// started with `keyward serve --database sqlite:FILE`.
#[utoipa::path(get, path = "/admin/backup", tag = "moving", responses(
    (status = 200, description = "A SQLite database", content_type = "application/vnd.sqlite3",
     body = Binary, headers(
        ("Cache-Control" = String, description = "`no-store`: the copy holds digests"),
    )),
    (status = 501, description = "The keys are in PostgreSQL, which has programs for that"),
    (status = 503, description = "Another backup is under way; Service Unavailable"),
))]
pub(crate) async fn back_up(State(backups): State<Backups>) -> Result<Response, Rejection> {
    // No request waits: a client that gives up and asks again would only make the queue longer.
    let turn = Arc::clone(&backups.one).try_lock_owned().map_err(|_| {
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "Another backup is under way")
            .retry_after(BUSY_FOR)
    })?;
    // A task of its own: the store copies to the end even if the client hangs up, and until then no
    // other copy may begin, or copies would take all of the store's readers.
    let making = tokio::spawn(make(backups, turn));
    let copy = making.await.map_err(|error| failed(&error.into()))??;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3")),
        (CONTENT_LENGTH, HeaderValue::from(copy.left)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::new(copy)).into_response())
}

async fn make(backups: Backups, turn: OwnedMutexGuard<()>) -> Result<Copy, Rejection> {
    let failed = |error| failed(&error);
    // Removed when it is dropped.
    let Some(database) = &backups.database else {
        // It has no use for a path.
        let copied = backups.store.back_up(Path::new("")).await;
        return Err(copied.map_or_else(broken, |()| Rejection::unavailable()));
    };
    let directory =
        tempfile::Builder::new().prefix(&prefix(database)).tempdir_in(directory(database));
    let directory = directory.map_err(failed)?;
    let path = directory.path().join("copy.db");
    backups.store.back_up(&path).await.map_err(broken)?;
    let mut file = File::open(&path).await.map_err(failed)?;
    // From here on the copy has no name: its space is free as soon as the file is closed, even if
    // the client hangs up or this process is killed.
    directory.close().map_err(failed)?;
    let left = file.seek(SeekFrom::End(0)).await.map_err(failed)?;
    file.rewind().await.map_err(failed)?;
    Ok(Copy { file, left, turn: Some(turn) })
}

fn failed(error: &io::Error) -> Rejection {
    tracing::error!(%error, "A copy of the database could not be made");
    Rejection::unavailable()
}

/// A copy on its way to a client.
struct Copy {
    file: File,
    left: u64,
    /// Given back with the last byte: a client that has that may ask for another copy at once.
    turn: Option<OwnedMutexGuard<()>>,
}

impl HttpBody for Copy {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut chunk = vec![0; CHUNK];
        let mut buffer = ReadBuf::new(&mut chunk);
        match Pin::new(&mut self.file).poll_read(context, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {}
        }
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(None);
        }
        chunk.truncate(read);
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 {
            self.turn = None;
        }
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use keyward_axum::keyward_sqlite::SqliteStore;
    use keyward_axum::{Clock as _, SystemClock};

    use super::*;

    fn store(path: &Path) -> Arc<dyn Backup> {
        let now = SystemClock::start().now().unix;
        Arc::new(SqliteStore::open(path, "a test", now).unwrap())
    }

    #[test]
    fn copies_of_a_killed_process_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let kept = [".b.db-backup-Ab3dE6", ".a.db-backup-of-mine", "a.db-backup-Ab3dE6"];
        for name in kept.into_iter().chain([".a.db-backup-Ab3dE6"]) {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("copy.db"), "digests").unwrap();
        }
        fs::write(path(".a.db-backup-file"), "").unwrap();
        drop(Backups::new(store(&path("other.db")), &path("a.db")));
        assert!(!path(".a.db-backup-Ab3dE6").exists());
        assert!(kept.iter().all(|name| path(name).join("copy.db").exists()));
        assert!(path(".a.db-backup-file").exists());
        // The remains made here are found by the next start.
        let made =
            tempfile::Builder::new().prefix(&prefix(&path("a.db"))).tempdir_in(folder.path());
        let made = made.unwrap().keep();
        drop(Backups::new(store(&path("third.db")), &path("a.db")));
        assert!(!made.exists());
    }

    #[tokio::test]
    async fn a_copy_goes_on_without_its_client_and_stays_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let backups = Backups::new(store(&path), &path);
        let ask = || Box::pin(back_up(State(backups.clone())));
        let mut given_up = ask();
        let begun = std::future::poll_fn(|context| Poll::Ready(given_up.as_mut().poll(context)));
        assert!(begun.await.is_pending());
        drop(given_up);
        let rejected = ask().await.unwrap_err();
        assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
        while ask().await.is_err() {
            tokio::task::yield_now().await;
        }
        let names = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("-backup-")));
    }
}
