//! A snapshot: a transaction on a connection of its own, and one statement for all rows of a kind,
//! whose rows come as fast as they are read.

use std::fmt;
use std::pin::Pin;

use async_trait::async_trait;
use futures_util::stream::Fuse;
use futures_util::{StreamExt as _, TryStreamExt as _};
use keyward::audit::Mark;
use keyward::store::{Page, Revisions, Snapshot, StoreError, Unreadable};
use tokio_postgres::{Client, RowStream};

use crate::pg_error::PgError;
use crate::session::{Connector, Purpose};
use crate::unread::Reading;
use crate::{follow, owners, record, tiers};

/// Most rows of a page, whatever is asked for: as many as stay in a processor's cache until they
/// are looked at.
const PAGE_MAX: usize = 1_024;

/// Rows of the database as of one instant.
pub(crate) struct PostgresSnapshot {
    newest: Mark,
    reading: Reading,
    /// Gone when all is read, or something failed, and the transaction with it.
    open: Option<Open>,
    /// Whether all was read.
    is_at_end: bool,
}

/// A transaction, and the rows of the present kind.
struct Open {
    client: Client,
    kind: Kind,
    /// May be asked again at their end.
    rows: Rows,
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
    fn page(self, max: usize) -> Page {
        match self {
            Self::Tiers => Page::Tiers(Vec::new()),
            Self::Owners => Page::Owners(Vec::new()),
            Self::Keys => Page::Keys(Vec::with_capacity(max)),
        }
    }
}

fn is_empty(page: &Page) -> bool {
    match page {
        Page::Tiers(rows) => rows.is_empty(),
        Page::Owners(rows) => rows.is_empty(),
        Page::Keys(keys) => keys.is_empty(),
    }
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
        let open = Some(Open { client, kind, rows });
        Ok(Self { newest, reading: Reading::default(), open, is_at_end: false })
    }

    async fn page(&mut self, max: usize) -> Result<Option<Page>, PgError> {
        let gone = || PgError::gone("nothing is left of the snapshot");
        let open = self.open.as_mut().ok_or_else(gone)?;
        loop {
            let (mut page, mut read) = (open.kind.page(max), 0);
            // Each row is let go of at once: its memory is the next one's, and still in a cache.
            while read < max
                && let Some(row) = open.rows.try_next().await?
            {
                self.reading.add(&row, &mut page)?;
                read += 1;
            }
            if !is_empty(&page) {
                return Ok(Some(page));
            }
            if 0 < read {
                continue;
            }
            let Some(next) = open.kind.next() else { return Ok(None) };
            open.rows = rows(&open.client, next).await?;
            open.kind = next;
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
        let page = self.page((max.max(1) as usize).min(PAGE_MAX)).await;
        self.is_at_end = matches!(page, Ok(None));
        if !matches!(page, Ok(Some(_))) {
            self.open = None;
        }
        Ok(page?)
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        self.reading.take()
    }

    fn revisions(&mut self) -> Revisions {
        self.reading.take_revisions()
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
