//! The migrations, how far a database has come with them, and the rights of the role that serves.
//!
//! A migration is added and never edited.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::open_error::OpenError;
use crate::pg_error::PgError;
use crate::session::{Connector, Purpose, SchemaName};

/// Every migration: the one at index `n` has the number `n + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_keys.sql"),
    include_str!("../migrations/0002_alone.sql"),
    include_str!("../migrations/0003_timeline.sql"),
];

/// The number of the last one.
pub(crate) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The newest vocabulary of this version: verbs, states and kinds of limits that older versions
/// cannot read are written when all nodes have it.
pub(crate) const LEVEL: u32 = 1;

/// The timeline of the server that a statement runs on: another one after each promotion.
macro_rules! timeline {
    () => {
        "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"
    };
}
pub(crate) use timeline;

/// The server that a statement runs on, from its start to its end; after a promotion it is another
/// one, although its process may be the same.
pub(crate) const SERVER: &str = "(extract(epoch FROM pg_postmaster_start_time()) \
    * 1000000)::bigint || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)";

/// What the role that serves may do with each table. No change of the trail is among it, nor that
/// of a key is taken away: only rows that are not the keys' own are ever deleted.
const RIGHTS: &[(&str, &str)] = &[
    ("audit", "SELECT, INSERT"),
    ("audit_hours", "SELECT, INSERT, UPDATE"),
    ("clock", "SELECT, UPDATE"),
    ("cluster", "SELECT, UPDATE"),
    ("former_secrets", "SELECT, INSERT, UPDATE"),
    ("key_hours", "SELECT, INSERT, UPDATE"),
    ("key_uses", "SELECT, INSERT, UPDATE"),
    ("keys", "SELECT, INSERT, UPDATE"),
    ("leaks", "SELECT, INSERT, DELETE"),
    ("leaks_kept", "SELECT, UPDATE"),
    ("node", "SELECT, INSERT, UPDATE, DELETE"),
    ("once", "SELECT, INSERT, UPDATE, DELETE"),
    ("owners", "SELECT, INSERT, UPDATE"),
    ("prefixes", "SELECT, INSERT"),
    ("tiers", "SELECT, INSERT, UPDATE"),
    ("usage", "SELECT, INSERT, UPDATE"),
    ("usage_batches", "SELECT, INSERT, UPDATE, DELETE"),
    ("usage_daily", "SELECT, INSERT, UPDATE"),
    ("usage_days", "SELECT, UPDATE"),
];

/// What the role that serves may call. These have the rights of the schema's owner, since a role
/// that serves makes no table and drops none.
const FUNCTIONS: &[&str] = &["usage_make_days(bigint[])", "usage_forget_day(bigint)"];

/// A schema: its name, the steps that lead to its present, and the rights of the role that serves.
pub(crate) struct Schema {
    pub(crate) name: SchemaName,
    pub(crate) steps: &'static [&'static str],
    pub(crate) rights: &'static [(&'static str, &'static str)],
    /// The functions that the role that serves may call.
    pub(crate) functions: &'static [&'static str],
}

impl Schema {
    /// That of the keys.
    fn of_keys(connector: &Connector) -> Self {
        Self {
            name: connector.schema.clone(),
            steps: MIGRATIONS,
            rights: RIGHTS,
            functions: FUNCTIONS,
        }
    }

    /// The number of the last step.
    pub(crate) fn known(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }
}

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The number of the last migration before; 0 is that the schema was made.
    pub before: u32,
    /// The number of the last migration now.
    pub now: u32,
    /// Whether names are found by their parts along an index. Without the extension `pg_trgm`
    /// they are looked at one by one, which makes pages of such lists short.
    pub finds_parts: bool,
}

/// Brings the schema to the present, in one transaction; programs that come together take turns.
/// `role` is the one that serves, if it is another one: it gets the rights that it needs.
pub(crate) async fn migrate(
    connector: &Connector,
    client: &Client,
    role: Option<&str>,
) -> Result<Migrated, OpenError> {
    let failed = |error: tokio_postgres::Error| OpenError::failed(&connector.address, error);
    client.batch_execute("BEGIN").await.map_err(failed)?;
    let migrated = take_steps(connector, client, role).await?;
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(migrated)
}

/// The same in a transaction that is open, and stays so.
pub(crate) async fn take_steps(
    connector: &Connector,
    client: &Client,
    role: Option<&str>,
) -> Result<Migrated, OpenError> {
    let failed = |error| OpenError::failed(&connector.address, error);
    let (before, now) = take(connector, client, &Schema::of_keys(connector), role).await?;
    if before == 0 {
        // Without a schema, no node was granted anything by another server.
        let confirm = format!("UPDATE cluster SET server = {SERVER}");
        let confirmed = client.batch_execute(&confirm).await;
        confirmed.map_err(|error| failed(error.into()))?;
    }
    let finds_parts = index_parts(client).await.map_err(failed)?;
    Ok(Migrated { before, now, finds_parts })
}

/// Takes the steps of an addition, in a transaction that is open. Returns the number of its last
/// step before and now.
pub(crate) async fn take_addition(
    connector: &Connector,
    client: &Client,
    addition: &Schema,
    role: Option<&str>,
) -> Result<(u32, u32), OpenError> {
    let path = async |schema: &SchemaName| {
        let path = format!("SET LOCAL search_path = {}", schema.as_str());
        let set = client.batch_execute(&path).await;
        set.map_err(|error| OpenError::failed(&connector.address, error))
    };
    path(&addition.name).await?;
    let taken = take(connector, client, addition, role).await?;
    path(&connector.schema).await?;
    Ok(taken)
}

async fn take(
    connector: &Connector,
    client: &Client,
    schema: &Schema,
    role: Option<&str>,
) -> Result<(u32, u32), OpenError> {
    let failed = |error| OpenError::failed(&connector.address, error);
    let before = begin(client, &schema.name).await.map_err(failed)?;
    if schema.known() < before {
        return Err(newer(connector, schema, before));
    }
    apply(client, schema, before).await.map_err(failed)?;
    if let Some(role) = role {
        grant(client, schema, role).await.map_err(failed)?;
    }
    Ok((before, schema.known()))
}

/// Waits for its turn, makes the schema if it is not there, and says how far it has come.
async fn begin(client: &Client, schema: &SchemaName) -> Result<u32, PgError> {
    const IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    const COUNTED: &str = "CREATE TABLE IF NOT EXISTS keyward_migrations (\
        number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())";
    let name = schema.as_str();
    take_turn(client, schema).await?;
    let is_there = client.query_typed_one(IS_THERE, &[(&name, Type::TEXT)]).await?;
    if !is_there.try_get::<_, bool>(0)? {
        client.batch_execute(&format!("CREATE SCHEMA {name}")).await?;
    }
    // Another program's table of this name is in another schema.
    client.batch_execute(COUNTED).await?;
    found(client).await
}

/// Waits until no other program migrates this schema, and keeps others from it until the end of the
/// transaction.
pub(crate) async fn take_turn(client: &Client, schema: &SchemaName) -> Result<(), PgError> {
    const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('keyward.' || $1, 0))";
    client.query_typed(TURN, &[(&schema.as_str(), Type::TEXT)]).await?;
    Ok(())
}

/// The number of the last migration that was applied.
async fn found(client: &Client) -> Result<u32, PgError> {
    const FOUND: &str = "SELECT coalesce(max(number), 0) FROM keyward_migrations";
    let row = client.query_typed_one(FOUND, &[]).await?;
    let found: i32 = row.try_get(0)?;
    u32::try_from(found).map_err(|error| PgError::in_column("keyward_migrations.number", error))
}

async fn apply(client: &Client, schema: &Schema, before: u32) -> Result<(), PgError> {
    const COUNT: &str = "INSERT INTO keyward_migrations (number) VALUES ($1)";
    for (number, sql) in (1_i32..).zip(schema.steps).skip(before as usize) {
        client.batch_execute(sql).await?;
        client.execute_typed(COUNT, &[(&number, Type::INT4)]).await?;
    }
    Ok(())
}

/// Makes the index over parts of names, if the extension for it is to be had.
async fn index_parts(client: &Client) -> Result<bool, PgError> {
    const WHERE: &str = "SELECT n.nspname::text FROM pg_extension e \
        JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'";
    client.batch_execute("SAVEPOINT extension").await?;
    let created = client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_trgm").await;
    if let Err(error) = created {
        // Not installed on the server, or the role may not: the index is a matter of time alone. Or
        // another program made it meanwhile, for another schema.
        let spared = [
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::UNDEFINED_FILE,
            SqlState::UNDEFINED_OBJECT,
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_OBJECT,
        ];
        if !error.code().is_some_and(|code| spared.contains(code)) {
            return Err(error.into());
        }
        client.batch_execute("ROLLBACK TO extension").await?;
    }
    let Some(row) = client.query_typed_opt(WHERE, &[]).await? else { return Ok(false) };
    let schema: String = row.try_get(0)?;
    let schema = schema.replace('"', "\"\"");
    let index = format!(
        "CREATE INDEX IF NOT EXISTS keys_parts ON keys \
         USING gin (name_folded \"{schema}\".gin_trgm_ops) WITH (gin_pending_list_limit = 512)"
    );
    client.batch_execute(&index).await?;
    Ok(true)
}

/// Gives the role that serves its rights.
async fn grant(client: &Client, schema: &Schema, role: &str) -> Result<(), PgError> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let name = schema.name.as_str();
    let mut sql = format!("GRANT USAGE ON SCHEMA {name} TO {role}; ");
    for (table, rights) in schema.rights.iter().chain(&[("keyward_migrations", "SELECT")]) {
        sql.push_str(&format!(
            "REVOKE ALL ON {table} FROM {role}; GRANT {rights} ON {table} TO {role}; "
        ));
    }
    for function in schema.functions {
        sql.push_str(&format!("GRANT EXECUTE ON FUNCTION {function} TO {role}; "));
    }
    Ok(client.batch_execute(&sql).await?)
}

/// Checks that the schema is the one that this program knows, and that the role has its rights.
pub(crate) async fn check(connector: &Connector, client: &Client) -> Result<(), OpenError> {
    let failed = |error: PgError| OpenError::failed(&connector.address, error);
    let schema = Schema::of_keys(connector);
    let found = check_found(connector, client, &schema).await?;
    let (oldest, level) = room(client).await.map_err(failed)?;
    if known() < oldest {
        return Err(newer(connector, &schema, found));
    }
    if LEVEL < level {
        let address = connector.address.to_string();
        return Err(OpenError::NewerLevel { address, found: level, known: LEVEL });
    }
    check_rights(connector, client, &schema).await
}

/// The same of an addition, where a newer version leaves room for no older one.
pub(crate) async fn check_addition(
    connector: &Connector,
    client: &Client,
    schema: &Schema,
) -> Result<(), OpenError> {
    let found = check_found(connector, client, schema).await?;
    if schema.known() < found {
        return Err(newer(connector, schema, found));
    }
    check_rights(connector, client, schema).await
}

/// The number of the last step, which is not below the last one that is known.
async fn check_found(
    connector: &Connector,
    client: &Client,
    schema: &Schema,
) -> Result<u32, OpenError> {
    let found = match found(client).await {
        Ok(found) => found,
        Err(PgError::Rejected(rejected)) if rejected.code == SqlState::UNDEFINED_TABLE => 0,
        Err(error) => return Err(OpenError::failed(&connector.address, error)),
    };
    if schema.known() <= found {
        return Ok(found);
    }
    Err(OpenError::OlderSchema {
        address: connector.address.to_string(),
        schema: schema.name.as_str().to_owned(),
        found,
        known: schema.known(),
    })
}

async fn check_rights(
    connector: &Connector,
    client: &Client,
    schema: &Schema,
) -> Result<(), OpenError> {
    let missing = missing_rights(client, schema).await;
    let missing = missing.map_err(|error| OpenError::failed(&connector.address, error))?;
    if missing.is_empty() {
        return Ok(());
    }
    let address = connector.address.to_string();
    Err(OpenError::Rights { address, missing: missing.join(", ") })
}

/// The oldest step whose programs may run on this schema, and the vocabulary that nodes write: a
/// newer version says by these which older ones it leaves room for.
async fn room(client: &Client) -> Result<(u32, u32), PgError> {
    const ROOM: &str = "SELECT schema_min, level FROM cluster";
    let row = client.query_typed_one(ROOM, &[]).await?;
    let (oldest, level): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
    let number =
        |number| u32::try_from(number).map_err(|error| PgError::in_column("cluster", error));
    Ok((number(oldest)?, number(level)?))
}

fn newer(connector: &Connector, schema: &Schema, found: u32) -> OpenError {
    OpenError::NewerSchema {
        address: connector.address.to_string(),
        schema: schema.name.as_str().to_owned(),
        found,
        known: schema.known(),
    }
}

/// The rights that the role lacks, each with its table.
async fn missing_rights(client: &Client, schema: &Schema) -> Result<Vec<String>, PgError> {
    const MISSING: &str = "SELECT t, r FROM unnest($1::text[], $2::text[]) AS v (t, r) \
        WHERE NOT has_table_privilege(t, r) \
        UNION ALL SELECT f, 'EXECUTE' FROM unnest($3::text[]) AS v (f) \
        WHERE NOT has_function_privilege(f, 'EXECUTE')";
    let each = schema
        .rights
        .iter()
        .flat_map(|(table, rights)| rights.split(", ").map(move |right| (*table, right)));
    let (tables, rights): (Vec<_>, Vec<_>) = each.unzip();
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
        (&tables, Type::TEXT_ARRAY),
        (&rights, Type::TEXT_ARRAY),
        (&schema.functions, Type::TEXT_ARRAY),
    ];
    let rows = client.query_typed(MISSING, &values).await?;
    let told = |row: tokio_postgres::Row| {
        let (table, right): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok(format!("{right} on {table}"))
    };
    rows.into_iter().map(told).collect()
}

/// Opens the connection that the schema is brought to the present by, and does that.
pub(crate) async fn migrate_at(
    connector: &Connector,
    without_fsync: bool,
    role: Option<&str>,
) -> Result<Migrated, OpenError> {
    let client = connector.check(Purpose::Migrating, without_fsync).await?;
    migrate(connector, &client, role).await
}

/// Whether the role could alter the trail, which a role that only serves cannot.
pub(crate) async fn may_alter_trail(client: &Client) -> Result<bool, PgError> {
    const MAY: &str = "SELECT has_table_privilege('audit', 'UPDATE') \
                           OR has_table_privilege('audit', 'DELETE')";
    Ok(client.query_typed_one(MAY, &[]).await?.try_get(0)?)
}
