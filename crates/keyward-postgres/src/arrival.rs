//! A store that moves here: all of its rows, as they were, in one transaction; its trail goes on.

use std::pin::pin;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use keyward::audit::{Chain, ChainDigest, ChangeId, Mark};
use keyward::rules::Progress;
use keyward::store::{Cell, Origin, Rows};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::ToSql;

use crate::addition::Addition;
use crate::arrival_columns::{Column, Out, columns};
use crate::audit;
use crate::columns::{get, get_number, number};
use crate::migrate::{Migration, MigrationDone, Work};
use crate::migrate_error::MigrateError;
use crate::pg_error::PgError;
use crate::record;
use crate::session::Connector;
use crate::sql::{Value, execute, query, query_one};

/// The result of a move, or of one that was made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The changes of the schema.
    pub migration: MigrationDone,
    /// Where everything is now: the database and the schema, without role and password.
    pub place: String,
    /// Whether all of it was here before, and nothing was copied.
    pub was_here: bool,
    /// The tables with the number of rows that were copied.
    pub tables: Vec<(&'static str, u64)>,
    /// The entry of the trail that tells of the move; `None` if nothing was copied.
    pub entry: Option<ChangeId>,
}

/// The tables that a migration fills, and which have no row that was not copied.
const FILLED: [&str; 6] = ["audit", "audit_hours", "clock", "leaks_kept", "tiers", "prefixes"];

/// Has a place for usage of any day, since a day has no table yet.
const USAGE_ARRIVES: &str = "CREATE TABLE usage_arrived PARTITION OF usage DEFAULT";
/// Gives each day its table, and the usage to these.
const USAGE_ARRIVED: &str = "ALTER TABLE usage DETACH PARTITION usage_arrived; \
    SELECT usage_make_days(array_agg(DISTINCT hour / 24)) FROM usage_arrived; \
    INSERT INTO usage SELECT * FROM usage_arrived ORDER BY hour, key_id; \
    DROP TABLE usage_arrived";

/// Moves everything, or nothing: the store is marked as left when all is here and before it is
/// kept, so that at no time both sides are of use.
pub(crate) async fn receive(
    connector: &Connector,
    without_fsync: bool,
    migration: &Migration,
    origin: &mut dyn Origin,
) -> Result<Arrived, MigrateError> {
    migration.check()?;
    let place = place(connector);
    let work = Work::begin(connector, without_fsync).await?;
    let done = work.migrate(migration).await?;
    let head = origin.progress()?;
    let was_here = has(&work, head.mark()).await.map_err(|error| work.failed(error))?;
    let mut arrived = Arrived { migration: done, place, was_here, tables: Vec::new(), entry: None };
    if was_here {
        work.commit().await?;
        origin.leave(&arrived.place)?;
        return Ok(arrived);
    }
    if let Some(other) = origin.left_for().filter(|other| **other != arrived.place) {
        return Err(MigrateError::MovedElsewhere { place: other.to_owned() });
    }
    work.keep_out().await?;
    check_empty(&work, &migration.additions).await?;
    arrived.tables = copy(&work, origin).await?;
    check_chain(&work, head.mark()).await?;
    arrived.entry = Some(go_on(&work, origin, &head, &arrived).await?);
    arrived.migration.entry = None;
    origin.leave(&arrived.place)?;
    if let Err(error) = work.commit().await {
        settle(connector, without_fsync, origin, head.mark(), error).await?;
    }
    Ok(arrived)
}

/// The database and the schema, without role and password.
fn place(connector: &Connector) -> String {
    let address = connector.address.to_string();
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", &address));
    let server = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
    format!("{scheme}://{server}, schema {}", connector.schema.as_str())
}

/// Whether the trail has this entry: then all is here that led to it.
async fn has(work: &Work<'_>, mark: Mark) -> Result<bool, PgError> {
    // The schema may have been made in the transaction that was not kept.
    const IS_THERE: &str = "SELECT to_regclass('audit') IS NOT NULL";
    if mark.change.0 == 0 || !get::<bool>(&query_one(&work.client, IS_THERE, &[]).await?, 0)? {
        return Ok(false);
    }
    let id = Value::Number(number(mark.change.0)?);
    let found = query(&work.client, audit::DIGEST, &[id]).await?;
    let digest = found.first().map(|row| get(row, 0)).transpose()?;
    Ok(digest.map(audit::link) == Some(mark.digest))
}

/// Finds out what became of a COMMIT whose end was not heard: it was kept, or the store is not left
/// after all.
async fn settle(
    connector: &Connector,
    without_fsync: bool,
    origin: &mut dyn Origin,
    mark: Mark,
    error: MigrateError,
) -> Result<(), MigrateError> {
    // The session that may still be committing holds the turn until it ends.
    let again = async {
        let work = Work::begin(connector, without_fsync).await?;
        work.take_turn().await?;
        has(&work, mark).await.map_err(|error| work.failed(error))
    };
    match again.await {
        Ok(true) => Ok(()),
        Ok(false) => {
            origin.stay()?;
            Err(error)
        }
        Err(_) => Err(MigrateError::Unknown { source: Box::new(error) }),
    }
}

/// Whether there is nothing but what migrations wrote, and no node.
async fn check_empty(work: &Work<'_>, additions: &[Addition]) -> Result<(), MigrateError> {
    const IS_EMPTY: &str = "SELECT NOT EXISTS (SELECT FROM audit WHERE verb <> 'migrate') \
        AND NOT EXISTS (SELECT FROM keys) AND NOT EXISTS (SELECT FROM owners) \
        AND NOT EXISTS (SELECT FROM usage)";
    if let Some(nodes) = work.nodes("true").await? {
        return Err(MigrateError::NodesServe { nodes });
    }
    let found = query_one(&work.client, IS_EMPTY, &[]).await;
    let is_empty = found.and_then(|row| get::<bool>(&row, 0));
    let mut is_empty = is_empty.map_err(|error| work.failed(error))?;
    for table in additions.iter().flat_map(|addition| addition.tables(work.connector())) {
        let sql = format!("SELECT NOT EXISTS (SELECT FROM {table})");
        let found = query_one(&work.client, &sql, &[]).await;
        let found = found.and_then(|row| get::<bool>(&row, 0));
        is_empty &= found.map_err(|error| work.failed(error))?;
    }
    if is_empty { Ok(()) } else { Err(MigrateError::NotEmpty { place: place(work.connector()) }) }
}

/// Copies all rows. Indexes are made after that, which takes a fraction of the time.
async fn copy(
    work: &Work<'_>,
    origin: &mut dyn Origin,
) -> Result<Vec<(&'static str, u64)>, MigrateError> {
    for table in FILLED {
        work.execute(&format!("DELETE FROM {table}")).await?;
    }
    let indexes = drop_indexes(work).await.map_err(|error| work.failed(error))?;
    work.execute(USAGE_ARRIVES).await?;
    let mut tables = Vec::new();
    let mut next = origin.next()?;
    while let Some(first) = next {
        let table = first.table;
        let (copied, after) = copy_table(work, origin, first).await?;
        let count = format!("SELECT count(*) FROM {}", qualified(work, table));
        let count = query_one(&work.client, &count, &[]).await;
        let count = count.and_then(|row| get_number(&row, 0));
        if count.map_err(|error| work.failed(error))? != copied {
            return Err(MigrateError::Miscounted { table });
        }
        tables.push((table, copied));
        next = after;
    }
    work.execute(USAGE_ARRIVED).await?;
    work.execute("SET LOCAL maintenance_work_mem = '256MB'").await?;
    for index in indexes {
        work.execute(&index).await?;
    }
    let names: Vec<_> = tables.iter().map(|(table, _)| qualified(work, table)).collect();
    work.execute(&format!("ANALYZE {}", names.join(", "))).await?;
    Ok(tables)
}

/// Drops all indexes but those of primary keys, and returns the statements that make them.
async fn drop_indexes(work: &Work<'_>) -> Result<Vec<String>, PgError> {
    const INDEXES: &str = "SELECT c.oid::regclass::text, pg_get_indexdef(c.oid) FROM pg_index i \
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
        WHERE c.relnamespace = current_schema()::regnamespace AND t.relkind = 'r' \
        AND NOT i.indisprimary AND NOT t.relispartition ORDER BY 1";
    let mut made = Vec::new();
    for row in query(&work.client, INDEXES, &[]).await? {
        let name: &str = get(&row, 0)?;
        work.client.batch_execute(&format!("DROP INDEX {name}")).await?;
        made.push(get(&row, 1)?);
    }
    Ok(made)
}

/// Copies a table, whose first rows these are. Returns their number, and the first rows of the next
/// table.
async fn copy_table(
    work: &Work<'_>,
    origin: &mut dyn Origin,
    first: Rows,
) -> Result<(u64, Option<Rows>), MigrateError> {
    const NOW: &str = "SELECT clock_timestamp()";
    let table = first.table;
    let name = qualified(work, table);
    let failed = |error| work.failed(error);
    let columns = columns(&work.client, &name, &first.columns).await.map_err(failed)?;
    let now: SystemTime =
        query_one(&work.client, NOW, &[]).await.and_then(|row| get(&row, 0)).map_err(failed)?;
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let sql = format!("COPY {name} ({}) FROM STDIN BINARY", names.join(", "));
    let failed = |error: tokio_postgres::Error| work.failed(error);
    let sink = work.client.copy_in(&sql).await.map_err(failed)?;
    let types: Vec<_> = columns.iter().map(|column| column.kind.clone()).collect();
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    let mut rows = Some(first);
    while let Some(page) = rows.take_if(|rows| rows.table == table) {
        for cells in &page.rows {
            check_text(table, cells)?;
            let outs: Vec<Out<'_>> =
                columns.iter().map(|column| Column::out(column, cells, now)).collect();
            let outs: Vec<&(dyn ToSql + Sync)> =
                outs.iter().map(|out| out as &(dyn ToSql + Sync)).collect();
            writer.as_mut().write(&outs).await.map_err(failed)?;
        }
        rows = origin.next()?;
    }
    let copied = writer.as_mut().finish().await.map_err(failed)?;
    count_on(work, &name).await.map_err(|error| work.failed(error))?;
    Ok((copied, rows))
}

/// The table as it is called here: `news.articles` is in the schema of the addition `news`.
fn qualified(work: &Work<'_>, table: &str) -> String {
    match table.split_once('.') {
        Some((addition, table)) => {
            format!("{}.{table}", work.connector().schema.beside(addition).as_str())
        }
        None => table.to_owned(),
    }
}

/// Lets a table that numbers its rows itself go on after the highest number.
async fn count_on(work: &Work<'_>, table: &str) -> Result<(), PgError> {
    const NUMBERED: &str = "SELECT attname::text FROM pg_attribute \
        WHERE attrelid = $1::text::regclass AND attidentity <> ''";
    let table = table.to_owned();
    for row in query(&work.client, NUMBERED, &[Value::Text(table.clone())]).await? {
        let column: &str = get(&row, 0)?;
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) \
             FROM {table} HAVING max({column}) IS NOT NULL"
        );
        work.client.batch_execute(&sql).await?;
    }
    Ok(())
}

/// Rejects a text that PostgreSQL cannot hold, before it ends the transaction in words of its own.
fn check_text(table: &'static str, cells: &[Cell]) -> Result<(), MigrateError> {
    let has_nul = |cell: &Cell| match cell {
        Cell::Text(text) => text.contains('\0'),
        Cell::Absent | Cell::Number(_) | Cell::Bytes(_) => false,
    };
    if !cells.iter().any(has_nul) {
        return Ok(());
    }
    let row = match cells.first() {
        Some(Cell::Number(number)) => number.to_string(),
        Some(Cell::Text(text)) => text.replace('\0', ""),
        Some(Cell::Absent | Cell::Bytes(_)) | None => String::new(),
    };
    Err(MigrateError::Nul { table, row })
}

/// Follows the chain of the copied trail from its beginning to the end that is expected.
async fn check_chain(work: &Work<'_>, expected: Mark) -> Result<(), MigrateError> {
    let failed = |error: tokio_postgres::Error| work.failed(error);
    let mut chain = Chain::default();
    let none: [&(dyn ToSql + Sync); 0] = [];
    let rows = work.client.query_raw(audit::ALL, none).await.map_err(failed)?;
    let mut rows = pin!(rows);
    let mut last = ChainDigest::START;
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let entry = audit::entry(&row).map_err(|error| work.failed(error))?;
        chain.follow(&entry).map_err(MigrateError::Chain)?;
        last = entry.digest;
    }
    if last == expected.digest { Ok(()) } else { Err(MigrateError::Miscounted { table: "audit" }) }
}

/// Goes on where the store was, with an entry that tells of the move.
async fn go_on(
    work: &Work<'_>,
    origin: &dyn Origin,
    head: &Progress,
    arrived: &Arrived,
) -> Result<ChangeId, MigrateError> {
    const GO_ON: &str = "UPDATE cluster SET change_id = $1, digest = $2, key_id = $3::bigint, \
        tier_id = $4::bigint, keys = (SELECT count(*) FROM keys)";
    let advance = async || -> Result<ChangeId, PgError> {
        let key = head.key.map(record::id).transpose()?;
        let tier = head.tier.map(|tier| number(tier.get())).transpose()?;
        let values = [
            Value::Number(number(head.change.0)?),
            Value::Bytes(head.digest.0.to_vec()),
            Value::OptionalNumber(key),
            Value::OptionalNumber(tier),
        ];
        execute(&work.client, GO_ON, &values).await?;
        let details = format!(
            "{{\"before\":{{\"store\":\"{}\",\"schema\":{}}},\
             \"after\":{{\"store\":\"postgres\",\"schema\":{},\"lease_ms\":{},\"level\":{}}}}}",
            origin.kind(),
            origin.schema(),
            arrived.migration.schema.now,
            arrived.migration.lease.as_millis(),
            arrived.migration.level,
        );
        work.append(head, details).await
    };
    advance().await.map_err(|error| work.failed(error))
}
