//! The ledger of a node: a file that knows the newest change apart from the database, by which a
//! start notices that the database went back in time while no node was alive.
//!
//! The form and the file are those of `keyward-ledger`; here is what goes into it.

mod facts;
mod keeping;

use std::io::{self, ErrorKind};
use std::path::Path;

use keyward::audit::{ChangeId, Mark};
use keyward_ledger::place::sibling;
use keyward_ledger::{
    BrokenAt, Content, Head, Ledger, LedgerId, LockError, LockFile, Loss, Walked, read,
};
use tokio_postgres::Client;

use crate::open_error::OpenError;
use crate::options::OpenOptions;
use crate::pg_error::PgError;
use crate::schema;
use crate::session::{Connector, Purpose};

pub(crate) use keeping::Keeping;

/// A ledger, and the database that it is compared with.
pub(crate) struct Compared {
    path: std::path::PathBuf,
    /// Its content, if there is a file.
    read: Option<(Walked, Content)>,
    /// Which ledgers belong to the database.
    id: LedgerId,
    /// The newest entry of the trail.
    pub(crate) newest: Mark,
    pub(crate) relation: Relation,
}

/// What a ledger knows of a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Nothing yet.
    New,
    /// The trail has the newest change that it knows.
    Known(Head),
    /// The trail lacks that, and has an entry `diverged` about it: a node made up for the loss.
    MadeUpFor(Head),
    /// The trail lacks that.
    Lost(Head),
}

/// What a ledger knows of the database that it belongs to; see [`inspect_ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerFound {
    /// There is none yet, or it knows of no change.
    New,
    /// The trail has this change, the newest one that it knows.
    Known(ChangeId),
    /// The trail lacks this change, the newest one that it knows, and another node has put the loss
    /// on record.
    MadeUpFor(ChangeId),
}

/// Compares the ledger at `path` with the database, and changes neither. A node may be using both.
///
/// ```no_run
/// use std::path::Path;
///
/// use keyward_postgres::{LedgerFound, OpenOptions, inspect_ledger};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
/// let found = inspect_ledger(&options, Path::new("/var/lib/keyward/node.ledger")).await?;
/// assert_ne!(found, LedgerFound::New);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns [`OpenError`] if either cannot be read, they do not belong together, or the database
/// lacks a change that the ledger knows.
pub async fn inspect_ledger(options: &OpenOptions, path: &Path) -> Result<LedgerFound, OpenError> {
    let connector = options.connector()?;
    let client = connector.check(Purpose::Reading, options.without_fsync).await?;
    schema::check(&connector, &client).await?;
    let compared = Compared::look(&connector, &client, path).await;
    connector.driver.stop().await;
    let compared = compared?;
    match compared.relation {
        Relation::New => Ok(LedgerFound::New),
        Relation::Known(head) => Ok(LedgerFound::Known(head.change)),
        Relation::MadeUpFor(head) => Ok(LedgerFound::MadeUpFor(head.change)),
        Relation::Lost(_) => Err(compared.lost(&connector)),
    }
}

/// Keeps the ledger at `path` to this process, as long as it is held.
pub(crate) fn lock(path: &Path, holder: &str) -> Result<LockFile, OpenError> {
    let lock = sibling(path, ".lock");
    let locked = LockFile::lock(&lock).map_err(|error| match error {
        LockError::Held(holder) => OpenError::LedgerLocked { ledger: path.to_owned(), holder },
        LockError::NoFile => failed(&lock, io::Error::new(ErrorKind::InvalidInput, error)),
        LockError::Failed(error) => failed(&lock, error),
    });
    let mut locked = locked?;
    locked.sign(holder).map_err(|error| failed(&lock, error))?;
    Ok(locked)
}

impl Compared {
    /// Reads the file first: a node that is running writes there what the trail has already.
    pub(crate) async fn look(
        connector: &Connector,
        client: &Client,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let bytes = read(path).map_err(|error| failed(path, error))?;
        let read = bytes.map(|bytes| Content::read(&bytes)).transpose();
        let read =
            read.map_err(|BrokenAt(at)| OpenError::LedgerBroken { ledger: path.to_owned(), at })?;
        let known = read.as_ref().map(|(walked, _)| walked.head);
        let found = facts::compare(client, known).await;
        let found = found.map_err(|error| OpenError::failed(&connector.address, error))?;
        let schema = || connector.schema.as_str().to_owned();
        let Some((id, newest)) = found.trail else {
            return Err(OpenError::NoEntry {
                address: connector.address.to_string(),
                schema: schema(),
            });
        };
        if read.as_ref().is_some_and(|(walked, _)| walked.id != id) {
            return Err(OpenError::LedgerOfOther {
                ledger: path.to_owned(),
                address: connector.address.to_string(),
                schema: schema(),
            });
        }
        let relation = match known {
            None | Some(Head::START) => Relation::New,
            Some(head) if found.has => Relation::Known(head),
            Some(head) if found.is_made_up_for => Relation::MadeUpFor(head),
            Some(head) => Relation::Lost(head),
        };
        Ok(Self { path: path.to_owned(), read, id, newest, relation })
    }

    /// The error that the database lacks what the ledger knows.
    pub(crate) fn lost(&self, connector: &Connector) -> OpenError {
        OpenError::Lost {
            address: connector.address.to_string(),
            schema: connector.schema.as_str().to_owned(),
            ledger: self.path.clone(),
            loss: self.loss(),
        }
    }

    /// What the database lacks.
    pub(crate) fn loss(&self) -> Loss {
        let known = self.read.as_ref().map_or(ChangeId(0), |(walked, _)| walked.head.change);
        Loss::Changes { known, newest: self.newest.change }
    }

    /// What the ledger knows.
    pub(crate) fn content(&mut self) -> Content {
        self.read.as_mut().map(|(_, content)| std::mem::take(content)).unwrap_or_default()
    }

    /// Opens the file for notes, or makes it.
    pub(crate) fn open(&self) -> Result<Ledger, OpenError> {
        let opened = match &self.read {
            Some((walked, _)) => Ledger::open(&self.path, walked),
            None => Ledger::create(&self.path, self.id),
        };
        opened.map_err(|error| failed(&self.path, error))
    }
}

/// Brings a ledger up to the newest entry of the trail.
pub(crate) async fn bring_up(
    connector: &Connector,
    client: &Client,
    ledger: &mut Ledger,
) -> Result<(), OpenError> {
    let of_database = |error: PgError| OpenError::failed(&connector.address, error);
    let news = facts::news(client, ledger.head(), None).await.map_err(of_database)?;
    let Some(news) = news else { return Ok(()) };
    let path = ledger.path().to_owned();
    let noted = ledger.note(&news.records, news.head).map_err(io::Error::other);
    noted.and_then(|()| ledger.sync()).map_err(|error| failed(&path, error))
}

fn failed(path: &Path, source: io::Error) -> OpenError {
    OpenError::Ledger { ledger: path.to_owned(), source }
}
