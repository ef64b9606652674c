//! A consistent copy of the whole database, while everything goes on.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use keyward_axum::{Guard, Refusal};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt as _, ReadBuf};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::broken;
use crate::shapes::Binary;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Where copies are made: beside the database, where there is room for one by all that is known,
/// and one at a time. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Backups {
    database: Arc<PathBuf>,
    one: Arc<Mutex<()>>,
}

impl Backups {
    /// Copies of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        Self { database: Arc::new(path.to_owned()), one: Arc::default() }
    }
}

/// Answers with a copy of the database, as it was at one moment after the request came. It can be
/// started with `keyward serve --database sqlite:FILE`.
#[utoipa::path(get, path = "/admin/backup", tag = "moving", responses(
    (status = 200, description = "A SQLite database", content_type = "application/vnd.sqlite3",
     body = Binary, headers(
        ("Cache-Control" = String, description = "`no-store`: the copy holds digests"),
    )),
))]
pub(crate) async fn back_up(
    State(guard): State<Guard>,
    State(backups): State<Backups>,
) -> Result<Response, Refusal> {
    let turn = Arc::clone(&backups.one).lock_owned().await;
    let directory = backups.database.parent().filter(|directory| *directory != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    // Removed when it is dropped, whatever becomes of the request.
    let directory = tempfile::Builder::new().prefix(".keyward-backup-").tempdir_in(directory);
    let directory = directory.map_err(|error| failed(&error))?;
    let path = directory.path().join("copy.db");
    guard.gate().store().back_up(&path).await.map_err(broken)?;
    let mut file = File::open(&path).await.map_err(|error| failed(&error))?;
    // From here on the copy has no name: its room is free as soon as nobody reads it any more,
    // whatever becomes of the client or of this process.
    directory.close().map_err(|error| failed(&error))?;
    let length = file.seek(SeekFrom::End(0)).await.map_err(|error| failed(&error))?;
    file.rewind().await.map_err(|error| failed(&error))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3")),
        (CONTENT_LENGTH, HeaderValue::from(length)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let copy = Copy { file, left: length, _turn: turn };
    Ok((headers, Body::new(copy)).into_response())
}

fn failed(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "A copy of the database could not be made");
    Refusal::unavailable()
}

/// A copy on its way to a client.
struct Copy {
    file: File,
    left: u64,
    _turn: OwnedMutexGuard<()>,
}

impl HttpBody for Copy {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
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
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
