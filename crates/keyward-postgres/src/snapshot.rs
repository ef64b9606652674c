//! A snapshot: a transaction on a connection of its own, and one statement for all rows of a kind,
//! whose rows come as fast as they are read.
//!
//! They are read on the store's thread, while the pages before are put into an index elsewhere.

use std::fmt;
use std::pin::Pin;

use async_trait::async_trait;
use futures_util::stream::Fuse;
use futures_util::{StreamExt as _, TryStreamExt as _};
use keyward::audit::Mark;
use keyward::store::{Page, Revisions, Snapshot, StoreError, Unreadable};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, RowStream};

use crate::pg_error::PgError;
use crate::session::{Connector, Purpose};
use crate::unread::Reading;
use crate::{follow, owners, record, tiers};

/// Rows of a page, whatever is asked for: as many as stay in a processor's cache until they are
/// looked at.
const PAGE: usize = 1_024;
/// Pages that are read ahead of the one that is looked at.
const AHEAD: usize = 2;

/// Rows of the database as of one instant.
pub(crate) struct PostgresSnapshot {
    newest: Mark,
    pages: mpsc::Receiver<Result<Option<Read>, PgError>>,
    reading: AbortHandle,
    /// The last page that was read, as far as its rows are not taken.
    last: Read,
    /// Whether all was read.
    is_at_end: bool,
}

/// A page, and the rest that is known about its rows.
#[derive(Debug, Default)]
struct Read {
    page: Option<Page>,
    revisions: Revisions,
    unreadable: Vec<Unreadable>,
}

/// A transaction, and the rows of the present kind.
struct Open {
    client: Client,
    kind: Kind,
    /// May be asked again at their end.
    rows: Rows,
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tiers,
    Owners,
    Keys,
}

impl Kind {
    fn sql(self) -> &'static str {
        match self {
            Self::Tiers => tiers::ALL,
            Self::Owners => owners::ALL,
            Self::Keys => record::ALL,
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Tiers => Some(Self::Owners),
            Self::Owners => Some(Self::Keys),
            Self::Keys => None,
        }
    }

    /// A page without rows, and with room for some.
    fn page(self) -> Page {
        match self {
            Self::Tiers => Page::Tiers(Vec::new()),
            Self::Owners => Page::Owners(Vec::new()),
            Self::Keys => Page::Keys(Vec::with_capacity(PAGE)),
        }
    }
}

fn len(page: &Page) -> usize {
    match page {
        Page::Tiers(rows) => rows.len(),
        Page::Owners(rows) => rows.len(),
        Page::Keys(keys) => keys.len(),
    }
}

/// The first rows of a page, at most `max` of them, and the others if there are any.
fn split(mut page: Page, max: usize) -> (Page, Option<Page>) {
    if len(&page) <= max {
        return (page, None);
    }
    let rest = match &mut page {
        Page::Tiers(rows) => Page::Tiers(rows.split_off(max)),
        Page::Owners(rows) => Page::Owners(rows.split_off(max)),
        Page::Keys(keys) => Page::Keys(keys.split_off(max)),
    };
    (page, Some(rest))
}

impl PostgresSnapshot {
    /// Opens one.
    pub(crate) async fn open(connector: &Connector) -> Result<Self, PgError> {
        let client = connector.connect(Purpose::Loading).await?;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        // The transaction is as of its first read.
        let newest = follow::newest(&client).await?;
        let kind = Kind::Tiers;
        let rows = rows(&client, kind).await?;
        let open = Open { client, kind, rows, reading: Reading::default() };
        let (read, pages) = mpsc::channel(AHEAD);
        let reading = connector.driver.spawn(open.read(read)).abort_handle();
        let last = Read::default();
        Ok(Self { newest, pages, reading, last, is_at_end: false })
    }

    async fn page(&mut self, max: usize) -> Result<Option<Page>, PgError> {
        loop {
            if let Some(page) = self.last.page.take() {
                let (page, rest) = split(page, max);
                self.last.page = rest;
                return Ok(Some(page));
            }
            let gone = || Err(PgError::gone("nothing is left of the snapshot"));
            let Some(read) = self.pages.recv().await.unwrap_or_else(gone)? else {
                return Ok(None);
            };
            let Read { page, revisions, unreadable } = read;
            self.last.page = page;
            self.last.revisions.extend(revisions);
            self.last.unreadable.extend(unreadable);
        }
    }
}

impl Drop for PostgresSnapshot {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Open {
    /// Reads to the end, a few pages ahead of who takes them. The transaction ends with this.
    async fn read(mut self, pages: mpsc::Sender<Result<Option<Read>, PgError>>) {
        loop {
            let page = self.page().await;
            let is_last = !matches!(page, Ok(Some(_)));
            if pages.send(page).await.is_err() || is_last {
                return;
            }
        }
    }

    async fn page(&mut self) -> Result<Option<Read>, PgError> {
        loop {
            let (mut page, mut read) = (self.kind.page(), 0);
            // Each row is let go of at once: its memory is the next one's, and still in a cache.
            while read < PAGE
                && let Some(row) = self.rows.try_next().await?
            {
                self.reading.add(&row, &mut page)?;
                read += 1;
            }
            let (revisions, unreadable) = (self.reading.take_revisions(), self.reading.take());
            let next = if read == 0 { self.kind.next() } else { Some(self.kind) };
            let is_empty = len(&page) == 0;
            if !is_empty || !unreadable.is_empty() {
                let page = Some(page).filter(|_| !is_empty);
                return Ok(Some(Read { page, revisions, unreadable }));
            }
            let Some(next) = next else { return Ok(None) };
            if next != self.kind {
                self.rows = rows(&self.client, next).await?;
                self.kind = next;
            }
        }
    }
}

type Rows = Fuse<Pin<Box<RowStream>>>;

async fn rows(client: &Client, kind: Kind) -> Result<Rows, PgError> {
    let none: [(i64, tokio_postgres::types::Type); 0] = [];
    let rows: Pin<Box<RowStream>> = Box::pin(client.query_typed_raw(kind.sql(), none).await?);
    Ok(rows.fuse())
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn newest(&self) -> Mark {
        self.newest
    }

    async fn next(&mut self, max: u32) -> Result<Option<Page>, StoreError> {
        if self.is_at_end {
            return Ok(None);
        }
        let page = self.page(max.max(1) as usize).await?;
        self.is_at_end = page.is_none();
        Ok(page)
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.last.unreadable)
    }

    fn revisions(&mut self) -> Revisions {
        // The rest of a page is taken later.
        match &self.last.page {
            Some(_) => self.last.revisions.clone(),
            None => std::mem::take(&mut self.last.revisions),
        }
    }
}

impl fmt::Debug for PostgresSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSnapshot")
            .field("newest", &self.newest)
            .field("is_at_end", &self.is_at_end)
            .finish_non_exhaustive()
    }
}
