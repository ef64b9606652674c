//! The tables of usage: made when they are needed, added up, and dropped.

use std::sync::Arc;

use keyward::conformance::sample::{batch, id, issue, used};
use keyward::count::Outcome;
use keyward::query::{Bucket, Hours, TopBy};
use keyward::store::{KeyStore as _, Reports as _, UsageBatch};
use keyward::time::UnixHour;
use keyward_postgres::{OpenOptions, PostgresStore};
use tokio_postgres::Client;

use crate::server::{Server, as_role, block_on, make_role, open_as, place};

const ALWAYS: Hours = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };

/// A store, and another connection.
async fn opened() -> (OpenOptions, Arc<PostgresStore>, Client) {
    let place = place();
    PostgresStore::migrate(&place, None).await.unwrap();
    let store = PostgresStore::open(&place).await.unwrap();
    let client = beside(&place).await;
    (place, Arc::new(store), client)
}

/// A connection to the schema.
async fn beside(place: &OpenOptions) -> Client {
    let client = Server::shared().client().await;
    client.batch_execute(&format!("SET search_path = {}", place.schema)).await.unwrap();
    client
}

async fn days(client: &Client) -> Vec<(i64, bool)> {
    let rows = client.query("SELECT day, is_summed FROM usage_days ORDER BY day", &[]).await;
    rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn total(store: &PostgresStore) -> u64 {
    store.usage_top(ALWAYS, TopBy::Requests, 1).await.unwrap().total[Outcome::Allowed]
}

fn at(hour: u32, number: u64, hours: &[u32]) -> UsageBatch {
    let rows = hours.iter().map(|hour| used(id(1), *hour)).collect();
    UsageBatch { reading: Some(UnixHour(hour).start()), ..batch(1, number, rows) }
}

/// Waits until a connection waits for a lock that this one holds.
async fn until_one_waits(client: &Client) {
    // Not by `pg_stat_activity`, which stays as it was for a whole transaction.
    const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_locks \
        WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))";
    while !client.query_one(WAITS, &[]).await.unwrap().get::<_, bool>(0) {}
}

#[test]
fn tables_are_there_two_days_ahead() {
    block_on(async {
        let (_, store, client) = opened().await;
        store.add_usage(at(24 * 100 + 5, 1, &[])).await.unwrap();
        let ahead = [(100, false), (101, false), (102, false)];
        assert_eq!(days(&client).await, ahead);
        store.add_usage(at(24 * 101, 2, &[])).await.unwrap();
        assert_eq!(days(&client).await[3..], [(103, false)]);
        // The last day that there is.
        store.add_usage(at(u32::MAX, 3, &[])).await.unwrap();
        assert_eq!(days(&client).await.len(), 5);
    });
}

/// Of a program that was cut off for years, or ahead of its time.
#[test]
fn a_count_of_a_day_without_a_table_is_not_lost() {
    block_on(async {
        let (_, store, client) = opened().await;
        issue(&*store, 1).await;
        let now = 24 * 20_000;
        let batch = at(now, 1, &[24 * 11, now, 24 * 11 + 1, now - 24, now + 240]);
        for _ in 0..2 {
            store.add_usage(batch.clone()).await.unwrap();
        }
        assert_eq!(total(&store).await, 5);
        let days: Vec<_> = days(&client).await.into_iter().map(|(day, _)| day).collect();
        assert_eq!(days, [11, 19_999, 20_000, 20_001, 20_002, 20_010]);
    });
}

#[test]
fn a_batch_whose_table_cannot_be_made_is_added_later_and_once() {
    block_on(async {
        let (_, store, client) = opened().await;
        issue(&*store, 1).await;
        const RENAME: &str = "ALTER FUNCTION usage_make_days RENAME TO gone";
        client.batch_execute(RENAME).await.unwrap();
        store.add_usage(at(50, 1, &[50, 51])).await.unwrap_err();
        assert_eq!(total(&store).await, 0);
        client.batch_execute("ALTER FUNCTION gone RENAME TO usage_make_days").await.unwrap();
        for _ in 0..2 {
            store.add_usage(at(50, 1, &[50, 51])).await.unwrap();
        }
        assert_eq!(total(&store).await, 2);
    });
}

/// The role that serves makes and drops tables of usage, and no others; and what it makes of names
/// is not taken for the schema's.
#[test]
fn a_role_that_serves_has_no_rights_but_those_two() {
    block_on(async {
        let place = place();
        let role = format!("serves_{}", place.schema);
        Server::shared().execute(&format!("CREATE ROLE {role} LOGIN")).await;
        PostgresStore::migrate(&place, Some(&role)).await.unwrap();
        let place = as_role(&place, &role);
        let store = PostgresStore::open(&place).await.unwrap();
        issue(&store, 1).await;
        store.add_usage(at(24 * 5, 1, &[24 * 5])).await.unwrap();
        assert!(store.tend_usage(UnixHour(24 * 8), UnixHour(24 * 6)).await.unwrap());
        assert_eq!(total(&store).await, 0);
        let client = beside(&place).await;
        client.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
        for forbidden in [
            format!("CREATE TABLE {}.other ()", place.schema),
            "DROP TABLE usage_6".to_owned(),
            "DELETE FROM usage".to_owned(),
            "DELETE FROM usage_days".to_owned(),
            "DELETE FROM usage_daily".to_owned(),
            "INSERT INTO usage_days VALUES (1, false)".to_owned(),
            "SELECT usage_make_days(ARRAY[-1])".to_owned(),
            "SELECT usage_make_days(ARRAY[200000000])".to_owned(),
        ] {
            client.batch_execute(&forbidden).await.unwrap_err();
        }
        let temporary = "CREATE TEMPORARY TABLE usage_days (day bigint, is_summed boolean); \
             CREATE TEMPORARY TABLE usage (hour bigint) PARTITION BY RANGE (hour); \
             SELECT usage_make_days(ARRAY[77])";
        client.batch_execute(temporary).await.unwrap();
        let made = beside(&place).await;
        assert!(days(&made).await.contains(&(77, false)));
        // Without the right to ask for tables, it does not serve.
        let revoke = format!("REVOKE EXECUTE ON FUNCTION usage_make_days FROM {role}");
        made.batch_execute(&revoke).await.unwrap();
        let error = PostgresStore::open(&place).await.unwrap_err().to_string();
        assert!(error.contains("EXECUTE on usage_make_days(bigint[])"), "{error}");
    });
}

#[test]
fn one_program_at_a_time_tends_and_a_long_read_is_not_waited_for() {
    block_on(async {
        let (_, store, client) = opened().await;
        issue(&*store, 1).await;
        store.add_usage(at(30, 1, &[5, 30])).await.unwrap();
        let tend = || store.tend_usage(UnixHour(60), UnixHour(24));
        const TURN: &str = "BEGIN; SELECT pg_advisory_xact_lock(\
            hashtextextended('keyward.tend.' || current_schema(), 0))";
        client.batch_execute(TURN).await.unwrap();
        assert!(!tend().await.unwrap());
        assert_eq!(total(&store).await, 2);
        client.batch_execute("COMMIT; BEGIN; SELECT FROM usage").await.unwrap();
        assert!(tend().await.unwrap(), "it is to be tried again");
        assert_eq!(total(&store).await, 2);
        client.batch_execute("COMMIT").await.unwrap();
        assert!(tend().await.unwrap());
        assert_eq!(total(&store).await, 1);
        assert!(tend().await.unwrap());
        assert_eq!(days(&client).await, [(1, true), (2, false), (3, false)]);
        assert!(!tend().await.unwrap());
    });
}

/// A day is added up one hour after its end: until then, programs that are well count in it.
#[test]
fn a_day_is_added_up_when_it_is_over() {
    block_on(async {
        let (_, store, client) = opened().await;
        store.add_usage(at(30, 1, &[30])).await.unwrap();
        assert!(!store.tend_usage(UnixHour(48), UnixHour(0)).await.unwrap());
        assert!(store.tend_usage(UnixHour(49), UnixHour(0)).await.unwrap());
        assert_eq!(days(&client).await, [(1, true), (2, false), (3, false)]);
    });
}

const DAY_ONE: &str = "hashtextextended('keyward.day.' || current_schema() || '.1', 0)";

/// Counts that are on their way while a day is added up are in its sums.
#[test]
fn sums_wait_for_counts_that_are_on_their_way() {
    block_on(async {
        let (_, store, client) = opened().await;
        issue(&*store, 1).await;
        store.add_usage(at(30, 1, &[30])).await.unwrap();
        let count = format!(
            "BEGIN; SELECT pg_advisory_xact_lock_shared({DAY_ONE}); \
             UPDATE usage SET allowed = allowed + 7 WHERE hour = 30"
        );
        client.batch_execute(&count).await.unwrap();
        let tending = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.tend_usage(UnixHour(60), UnixHour(0)).await })
        };
        until_one_waits(&client).await;
        client.batch_execute("COMMIT").await.unwrap();
        assert!(tending.await.unwrap().unwrap());
        assert_eq!(days(&client).await[0], (1, true));
        assert_eq!(total(&store).await, 8);
        let of_day = store.usage(id(1), ALWAYS, Bucket::Day, 9).await.unwrap();
        assert_eq!(of_day[0].1[Outcome::Allowed], 8);
    });
}

/// Counts that wait for a day's sums make them void.
#[test]
fn counts_wait_for_sums_and_open_the_day_again() {
    block_on(async {
        let (_, store, client) = opened().await;
        issue(&*store, 1).await;
        store.add_usage(at(30, 1, &[30])).await.unwrap();
        // What the one that adds up does.
        let sum = format!(
            "BEGIN; SELECT pg_advisory_xact_lock({DAY_ONE}); \
             INSERT INTO usage_daily SELECT 1, 1, 1, 0, 0, 0, 0, 0, 0, 0; \
             UPDATE usage_days SET is_summed = true WHERE day = 1"
        );
        client.batch_execute(&sum).await.unwrap();
        let flushing = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.add_usage(at(60, 2, &[31])).await })
        };
        until_one_waits(&client).await;
        client.batch_execute("COMMIT").await.unwrap();
        flushing.await.unwrap().unwrap();
        assert_eq!(days(&client).await[0], (1, false));
        assert_eq!(total(&store).await, 2);
    });
}

#[test]
fn writers_that_are_silent_for_a_week_are_forgotten() {
    block_on(async {
        let (_, store, client) = opened().await;
        for writer in 1..=3 {
            store.add_usage(batch(writer, 1, vec![])).await.unwrap();
        }
        let age = "UPDATE usage_batches SET at = now() - interval '8 days' \
                   WHERE get_byte(writer, 0) < 3";
        client.batch_execute(age).await.unwrap();
        // Another program is at one of them: it is not waited for.
        let lock = "BEGIN; SELECT FROM usage_batches WHERE get_byte(writer, 0) = 1 FOR UPDATE";
        client.batch_execute(lock).await.unwrap();
        store.add_usage(batch(4, 1, vec![])).await.unwrap();
        client.batch_execute("COMMIT").await.unwrap();
        let known = "SELECT get_byte(writer, 0) FROM usage_batches ORDER BY 1";
        let known = client.query(known, &[]).await.unwrap();
        let known: Vec<i32> = known.iter().map(|row| row.get(0)).collect();
        assert_eq!(known, [1, 3, 4]);
    });
}

/// How often each table of usage was read by an index, and any from end to end.
async fn reads(client: &Client, schema: &str, role: &str) -> (Vec<(String, i64)>, i64) {
    const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    const READS: &str = "SELECT relname::text, coalesce(idx_scan, 0), seq_scan \
        FROM pg_stat_user_tables WHERE schemaname = $1 AND relname LIKE 'usage%' \
        AND relname NOT IN ('usage_days', 'usage_batches') ORDER BY relname";
    while client.query_one(OPEN, &[&role]).await.unwrap().get::<_, i64>(0) != 0 {}
    let rows = client.query(READS, &[&schema]).await.unwrap();
    let all = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    (all, rows.iter().map(|row| row.get::<_, i64>(2)).sum())
}

/// The tables that reading with a new connection looks at, none of them from end to end.
async fn looked_at(
    place: &OpenOptions,
    number: u32,
    read: impl AsyncFnOnce(&PostgresStore),
) -> Vec<String> {
    let client = beside(place).await;
    let role = make_role(&format!("reads_{number}"), place).await;
    let (before, scans) = reads(&client, &place.schema, &role).await;
    let store = PostgresStore::open(&as_role(place, &role)).await.unwrap();
    read(&store).await;
    store.close().await.unwrap();
    let (after, scans_after) = reads(&client, &place.schema, &role).await;
    assert_eq!(scans, scans_after, "no table is read from end to end");
    let read = after.into_iter().zip(before).filter(|(after, before)| after.1 != before.1);
    read.map(|((name, _), _)| name).collect()
}

#[test]
fn no_more_tables_are_read_than_have_the_hours() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = open_as("fills", &place).await;
        issue(&store, 1).await;
        let hours: Vec<u32> = (0..6 * 24).collect();
        store.add_usage(at(5 * 24, 1, &hours)).await.unwrap();
        // Days 0 to 2 have sums.
        while store.tend_usage(UnixHour(3 * 24 + 1), UnixHour(0)).await.unwrap() {}
        store.close().await.unwrap();
        let hours = |from, to| Hours { from: UnixHour(from), to: UnixHour(to) };
        let of_key = async |number, hours, bucket| {
            let read = async |store: &PostgresStore| {
                assert!(!store.usage(id(1), hours, bucket, 1_000).await.unwrap().is_empty());
            };
            looked_at(&place, number, read).await
        };
        assert_eq!(of_key(1, hours(24, 48), Bucket::Hour).await, ["usage_1"]);
        assert_eq!(of_key(2, hours(0, 96), Bucket::Day).await, ["usage_3", "usage_daily"]);
        assert_eq!(
            of_key(3, hours(1, 70), Bucket::Day).await,
            ["usage_0", "usage_2", "usage_daily"]
        );
        let top = async |store: &PostgresStore| {
            let top = store.usage_top(hours(5, 5 * 24), TopBy::Requests, 3).await.unwrap();
            assert_eq!(top.total[Outcome::Allowed], 5 * 24 - 5);
        };
        let read = looked_at(&place, 4, top).await;
        assert_eq!(read, ["usage_0", "usage_3", "usage_4", "usage_daily"]);
    });
}
