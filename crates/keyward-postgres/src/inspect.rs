//! What an operator may want to know about a database and its server, before a program serves.

use keyward::UnixMillis;
use tokio_postgres::Client;

use crate::columns::{get, get_number};
use crate::open_error::OpenError;
use crate::options::OpenOptions;
use crate::pg_error::PgError;
use crate::schema;
use crate::session::Purpose;
use crate::small;
use crate::sql::{query, query_one};

/// A database and its server, as [`inspect`] found them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The version of PostgreSQL, such as `18.1`.
    pub version: String,
    /// Whether connections are encrypted, and the server proves its name.
    pub is_encrypted: bool,
    /// The number of the schema's last migration, which is the last one that this program knows;
    /// or why a program cannot serve with it.
    pub schema: Result<u32, OpenError>,
    /// The clock of the server.
    pub clock: ServerClock,
    /// The latest reading of a clock that a program stored.
    pub latest_reading: Option<UnixMillis>,
    /// How many programs are registered.
    pub nodes: u64,
    /// Whether the role could alter the audit trail.
    pub may_alter_trail: bool,
    /// Whether names are found by their parts along an index.
    pub finds_parts: bool,
    /// What the server does with a commit before it is acknowledged.
    pub commits: Commits,
    /// What keeps the server from clearing away old versions of rows.
    pub kept: Kept,
}

/// A reading of the server's clock, between two readings of the own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerClock {
    /// The own clock, before the server was asked.
    pub before: UnixMillis,
    /// The server's clock.
    pub at: UnixMillis,
    /// The own clock, after it responded.
    pub after: UnixMillis,
}

/// What a server does with a commit before it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commits {
    /// `synchronous_commit` as it is for connections of this program.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`: empty is that no standby is waited for.
    pub synchronous_standbys: String,
    /// How many standbys there are.
    pub standbys: u64,
}

/// What keeps a server from clearing away old versions of rows, which makes the rows that are
/// written most slower by the minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many standbys have `hot_standby_feedback`, as far as this role may see that.
    pub feedback: u64,
    /// Prepared transactions, up to five of the oldest, each with its name and its age in seconds.
    pub prepared: Vec<(String, u64)>,
    /// Replication slots that no standby uses, up to five of them by their names.
    pub slots: Vec<String>,
}

/// Looks at a database and its server, and changes nothing. `now` reads the own clock.
///
/// ```no_run
/// use keyward::UnixMillis;
/// use keyward_postgres::{OpenOptions, inspect};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
/// let found = inspect(&options, || UnixMillis(1_800_000_000_000)).await?;
/// assert!(found.schema.is_ok(), "{:?}", found.schema);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns [`OpenError`] if there is no server that keeps the promises: one as
/// [`PostgresStore::open`](crate::PostgresStore::open) demands it.
pub async fn inspect(
    options: &OpenOptions,
    now: impl Fn() -> UnixMillis,
) -> Result<Inspection, OpenError> {
    let connector = options.connector()?;
    let client = connector.check(Purpose::Reading, options.without_fsync).await?;
    let failed = |error: PgError| OpenError::failed(&connector.address, error);
    let is_encrypted = options.address.is_encrypted();
    let schema = schema::check(&connector, &client).await.map(|()| schema::known());
    let ours = ours(&client, schema.is_ok()).await.map_err(failed)?;
    let clock = clock(&client, now).await.map_err(failed)?;
    let (version, commits, kept) = server(&client).await.map_err(failed)?;
    connector.driver.stop().await;
    let Ours { latest_reading, nodes, may_alter_trail, finds_parts } = ours;
    Ok(Inspection {
        version,
        is_encrypted,
        schema,
        clock,
        latest_reading,
        nodes,
        may_alter_trail,
        finds_parts,
        commits,
        kept,
    })
}

async fn clock(client: &Client, now: impl Fn() -> UnixMillis) -> Result<ServerClock, PgError> {
    const AT: &str = "SELECT (extract(epoch from clock_timestamp()) * 1000)::bigint";
    let before = now();
    let row = query_one(client, AT, &[]).await?;
    Ok(ServerClock { before, at: UnixMillis(get_number(&row, 0)?), after: now() })
}

/// The content of our schema.
#[derive(Default)]
struct Ours {
    latest_reading: Option<UnixMillis>,
    nodes: u64,
    may_alter_trail: bool,
    finds_parts: bool,
}

async fn ours(client: &Client, is_there: bool) -> Result<Ours, PgError> {
    const OURS: &str = "SELECT (SELECT count(*) FROM node), to_regclass('keys_parts') IS NOT NULL";
    if !is_there {
        return Ok(Ours::default());
    }
    let row = query_one(client, OURS, &[]).await?;
    Ok(Ours {
        latest_reading: small::latest_reading(client).await?,
        nodes: get_number(&row, 0)?,
        may_alter_trail: schema::may_alter_trail(client).await?,
        finds_parts: get(&row, 1)?,
    })
}

async fn server(client: &Client) -> Result<(String, Commits, Kept), PgError> {
    // Each role sees how many standbys there are, and of their own rows only those with the rights
    // of `pg_read_all_stats`; slots and prepared transactions are open to all.
    const SERVER: &str = "SELECT current_setting('server_version'), \
        current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), \
        (SELECT count(*) FROM pg_stat_replication), \
        (SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL) \
          + (SELECT count(*) FROM pg_replication_slots \
             WHERE slot_type = 'physical' AND xmin IS NOT NULL), \
        ARRAY(SELECT slot_name::text FROM pg_replication_slots WHERE NOT active \
              ORDER BY slot_name LIMIT 5)";
    const PREPARED: &str = "SELECT gid, \
        greatest(0, extract(epoch from clock_timestamp() - prepared))::bigint \
        FROM pg_prepared_xacts ORDER BY prepared LIMIT 5";
    let row = query_one(client, SERVER, &[]).await?;
    let version: String = get(&row, 0)?;
    let commits = Commits {
        synchronous_commit: get(&row, 1)?,
        synchronous_standbys: get(&row, 2)?,
        standbys: get_number(&row, 3)?,
    };
    let prepared = query(client, PREPARED, &[]).await?;
    let prepared = prepared.iter().map(|row| Ok((get(row, 0)?, get_number(row, 1)?)));
    let prepared = prepared.collect::<Result<_, PgError>>()?;
    let kept = Kept { feedback: get_number(&row, 4)?, prepared, slots: get(&row, 5)? };
    // Debian says more after a space.
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    Ok((version, commits, kept))
}
