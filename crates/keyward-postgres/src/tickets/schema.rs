//! The database of the buckets: making it, and how far it has come.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::open_error::OpenError;
use crate::pg_error::PgError;
use crate::session::{Connector, Purpose};

/// Every migration: the one at index `n` has the number `n + 1`.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations_of_tickets/0001_buckets.sql")];

/// What the role that serves may do with each table.
const RIGHTS: &[(&str, &str)] = &[
    ("bucket", "SELECT, INSERT, UPDATE, DELETE"),
    ("bucket_kept", "SELECT, INSERT, UPDATE, DELETE"),
    ("keyward_migrations", "SELECT"),
    ("ticket_server", "SELECT, UPDATE"),
];

/// Makes the database of the buckets, if it is not there, on a connection to the keys' one.
pub(super) async fn make_database(keys: &Connector, buckets: &Connector) -> Result<(), OpenError> {
    const IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let failed = |error: PgError| OpenError::failed(&keys.address, error);
    let name = buckets.address.database();
    let client = keys.connect(Purpose::Migrating).await.map_err(failed)?;
    let is_there = client.query_typed_one(IS_THERE, &[(&name, Type::TEXT)]).await;
    let is_there: bool =
        is_there.and_then(|row| row.try_get(0)).map_err(|error| failed(error.into()))?;
    if is_there {
        return Ok(());
    }
    let make = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
    let Err(error) = client.batch_execute(&make).await else { return Ok(()) };
    // Another program has made it meanwhile.
    let made = [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION];
    if error.code().is_some_and(|code| made.contains(code)) {
        return Ok(());
    }
    let address = buckets.address.to_string();
    Err(OpenError::NoDatabase { address, name, source: failed(error.into()).into() })
}

/// Brings the tables to the present, in one transaction; programs that come together take turns.
/// `role` is the one that serves, if it is another one: it gets the rights that it needs.
pub(super) async fn migrate(
    connector: &Connector,
    client: &Client,
    role: Option<&str>,
) -> Result<(), OpenError> {
    const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended('keyward.' || $1, 1))";
    const COUNTED: &str = "CREATE TABLE IF NOT EXISTS keyward_migrations (\
        number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())";
    let failed = |error: tokio_postgres::Error| OpenError::failed(&connector.address, error);
    let name = connector.schema.as_str();
    client.batch_execute("BEGIN").await.map_err(failed)?;
    client.query_typed(TURN, &[(&name, Type::TEXT)]).await.map_err(failed)?;
    let make = format!("CREATE SCHEMA IF NOT EXISTS {name}; {COUNTED}");
    client.batch_execute(&make).await.map_err(failed)?;
    let found = found(client).await.map_err(failed)?;
    check_found(connector, found, true)?;
    for (number, sql) in (1_i32..).zip(MIGRATIONS).skip(found as usize) {
        let count = format!("INSERT INTO keyward_migrations (number) VALUES ({number})");
        client.batch_execute(sql).await.map_err(failed)?;
        client.batch_execute(&count).await.map_err(failed)?;
    }
    if let Some(role) = role {
        client.batch_execute(&grants(name, role)).await.map_err(failed)?;
    }
    client.batch_execute("COMMIT").await.map_err(failed)
}

fn grants(schema: &str, role: &str) -> String {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let each = RIGHTS.iter().map(|(table, rights)| {
        format!("REVOKE ALL ON {table} FROM {role}; GRANT {rights} ON {table} TO {role}; ")
    });
    format!("GRANT USAGE ON SCHEMA {schema} TO {role}; {}", each.collect::<String>())
}

/// Checks that the tables are the ones that this program knows, and that the role has its rights.
pub(super) async fn check(connector: &Connector, client: &Client) -> Result<(), OpenError> {
    const MISSING: &str = "SELECT string_agg(r || ' on ' || t, ', ') \
        FROM unnest($1::text[], $2::text[]) AS v (t, r) WHERE NOT has_table_privilege(t, r)";
    let failed = |error: tokio_postgres::Error| OpenError::failed(&connector.address, error);
    let found = match found(client).await {
        Ok(found) => found,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => 0,
        Err(error) => return Err(failed(error)),
    };
    check_found(connector, found, false)?;
    let each = RIGHTS
        .iter()
        .flat_map(|(table, rights)| rights.split(", ").map(move |right| (*table, right)));
    let (tables, rights): (Vec<_>, Vec<_>) = each.unzip();
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&tables, Type::TEXT_ARRAY), (&rights, Type::TEXT_ARRAY)];
    let row = client.query_typed_one(MISSING, &values).await.map_err(failed)?;
    match row.try_get(0).map_err(failed)? {
        None => Ok(()),
        Some(missing) => Err(OpenError::Rights { address: connector.address.to_string(), missing }),
    }
}

async fn found(client: &Client) -> Result<u32, tokio_postgres::Error> {
    const FOUND: &str = "SELECT coalesce(max(number), 0) FROM keyward_migrations";
    let found: i32 = client.query_typed_one(FOUND, &[]).await?.try_get(0)?;
    Ok(u32::try_from(found).unwrap_or_default())
}

fn check_found(connector: &Connector, found: u32, may_be_older: bool) -> Result<(), OpenError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let address = connector.address.to_string();
    let schema = connector.schema.as_str().to_owned();
    if known < found {
        Err(OpenError::NewerSchema { address, schema, found, known })
    } else if found < known && !may_be_older {
        Err(OpenError::OlderSchema { address, schema, found, known })
    } else {
        Ok(())
    }
}
