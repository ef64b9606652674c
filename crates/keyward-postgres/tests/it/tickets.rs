//! Limits that several programs share: each test has two of them, with connections of their own.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::{join, join_all};
use keyward::KeyId;
use keyward::limit::{Cost, Limit, Limits};
use keyward::store::Tickets as _;
use keyward::ticket::{Ask, Revision, Terms, Ticket};
use keyward_postgres::{OpenOptions, PostgresTickets};
use tokio_postgres::{Client, NoTls};

use crate::proxy::{Cut, Proxy};
use crate::server::{Server, as_role, block_on, make_role, place};

mod emptied;

/// A limit of which nothing comes back while a test runs.
fn limit(name: &str, amount: u32, per: Duration) -> Limit {
    let amount = NonZeroU32::new(amount).unwrap();
    Limit::new(name, amount, per, amount).unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

fn ask(limits: &[Limit], revision: u64) -> Ask {
    let limits = Limits::new(limits.to_vec()).unwrap();
    let own = Terms::of_key(KeyId::new(7).unwrap(), limits, Revision(revision));
    Ask { own, owner: None, cost: Cost::ONE }
}

async fn made() -> OpenOptions {
    let place = place();
    PostgresTickets::migrate(&place, None).await.unwrap();
    place
}

async fn open(place: &OpenOptions) -> PostgresTickets {
    PostgresTickets::open(place, Duration::from_secs(5)).await.unwrap()
}

/// A connection to the database of limits that is none of a program's.
async fn raw(place: &OpenOptions) -> Client {
    let url = Server::shared().url().replace("/postgres?", "/postgres_tickets?");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = {}", place.schema)).await.unwrap();
    client
}

/// As many at the same time.
async fn many(tickets: &PostgresTickets, ask: &Ask, count: usize) -> Vec<Ticket> {
    join_all((0..count).map(|_| tickets.take(ask.clone()))).await
}

/// The ticket, of a server that may be too busy for the short timeouts of tickets.
async fn decided(tickets: &PostgresTickets, ask: &Ask) -> Ticket {
    for _ in 0..1_000 {
        match tickets.take(ask.clone()).await {
            Ticket::Unavailable => {}
            ticket => return ticket,
        }
    }
    panic!("nothing is decided")
}

/// How many more are granted.
async fn left(tickets: &PostgresTickets, ask: &Ask) -> usize {
    let mut left = 0;
    while matches!(decided(tickets, ask).await, Ticket::Granted(_)) {
        left += 1;
    }
    left
}

fn granted(tickets: &[Ticket]) -> usize {
    tickets.iter().filter(|ticket| matches!(ticket, Ticket::Granted(_))).count()
}

#[test]
fn programs_together_let_in_what_one_would() {
    block_on(async {
        let place = made().await;
        let (one, other) = (open(&place).await, open(&place).await);
        for (limits, most) in [
            (vec![limit("brief", 3, MINUTE)], 3),
            (vec![limit("long", 40, MONTH)], 40),
            (vec![limit("both_brief", 3, MINUTE), limit("both_long", 2, MONTH)], 2),
        ] {
            let ask = ask(&limits, 1);
            let (first, second) = join(many(&one, &ask, 150), many(&other, &ask, 150)).await;
            // One that waited too long for a lock is unavailable, and took nothing.
            let total = granted(&first) + granted(&second) + left(&one, &ask).await;
            assert_eq!(total, most, "{limits:?}");
        }
    });
}

/// Nothing is granted by older terms, and a limit that moved to the other table begins empty.
#[test]
fn terms_that_change_are_seen_by_all() {
    block_on(async {
        let place = made().await;
        let (one, other) = (open(&place).await, open(&place).await);
        let long = ask(&[limit("a", 2, MONTH)], 1);
        assert!(matches!(decided(&one, &long).await, Ticket::Granted(_)));
        let brief = ask(&[limit("a", 60, MINUTE)], 2);
        let Ticket::Exceeded(exceeded) = decided(&one, &brief).await else {
            panic!("it begins empty")
        };
        assert!(exceeded.retry_after <= Duration::from_secs(1));
        let longer = ask(&[limit("a", 3, MONTH)], 3);
        assert!(matches!(decided(&one, &longer).await, Ticket::Granted(_)), "one is left of three");
        assert_eq!(decided(&other, &long).await, Ticket::Stale(Revision(3)));
    });
}

/// A request whose response is lost may have taken; it never takes twice.
#[test]
fn a_batch_whose_commit_had_no_response_is_not_sent_again() {
    block_on(async {
        for (cut, expected) in [(Cut::AfterCommit, 1), (Cut::BeforeCommit, 2)] {
            let place = made().await;
            let (proxy, through) = Proxy::start_for(&place, b"COMMIT");
            let (one, other) = (open(&through).await, open(&place).await);
            let ask = ask(&[limit("a", 3, MINUTE)], 1);
            assert!(matches!(decided(&one, &ask).await, Ticket::Granted(_)));
            proxy.cut(cut);
            while !proxy.is_cut() {
                assert_eq!(one.take(ask.clone()).await, Ticket::Unavailable);
            }
            assert_eq!(left(&other, &ask).await, expected, "{cut:?}");
            // And the connection is made anew.
            assert!(matches!(decided(&one, &ask).await, Ticket::Exceeded(_)));
        }
    });
}

/// Locks are held over a round trip: the server ends the transaction of a program that is paused in
/// it, and the others go on.
#[test]
fn a_program_that_is_paused_in_a_batch_stops_no_other() {
    block_on(async {
        let place = made().await;
        let (proxy, through) = Proxy::start_for(&place, b"COMMIT");
        let (one, other) = (open(&through).await, open(&place).await);
        let ask = ask(&[limit("a", 3, MINUTE)], 1);
        assert!(matches!(decided(&one, &ask).await, Ticket::Granted(_)));
        proxy.cut(Cut::Silent);
        let paused = async {
            while !proxy.is_cut() {
                assert_eq!(one.take(ask.clone()).await, Ticket::Unavailable);
            }
        };
        let others = async {
            while !proxy.is_cut() {
                tokio::task::yield_now().await;
            }
            // Each of these waits 20 ms for the lock, and no longer.
            for _ in 0..20 {
                match other.take(ask.clone()).await {
                    Ticket::Unavailable => {}
                    ticket => return ticket,
                }
            }
            panic!("the locks are held");
        };
        let ((), ticket) = join(paused, others).await;
        let Ticket::Granted(standings) = ticket else { panic!("{ticket:?}") };
        assert_eq!(standings.shown().unwrap().remaining, 1, "the paused one took nothing");
    });
}

/// The time of a batch is read when it has its locks: else it would be before that of the batch for
/// which it waited.
#[test]
fn the_clock_is_read_after_the_locks() {
    const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity \
        WHERE datname = 'postgres_tickets' AND wait_event_type = 'Lock' AND query LIKE 'INSERT%')";
    const EMPTY: &str = "UPDATE bucket SET tat = \
        ((extract(epoch FROM clock_timestamp()) - 1767225600) * 1000000000)::bigint \
        WHERE bucket = $1";
    block_on(async {
        let place = made().await;
        let (tickets, holder, watcher) = (open(&place).await, raw(&place).await, raw(&place).await);
        let ask = ask(&[limit("a", 3, MINUTE)], 1);
        assert!(matches!(decided(&tickets, &ask).await, Ticket::Granted(_)));
        let bucket = ask.places().next().unwrap().bucket.as_bytes().to_vec();
        for _ in 0..100 {
            holder.batch_execute("BEGIN").await.unwrap();
            holder
                .execute("SELECT FROM bucket WHERE bucket = $1 FOR UPDATE", &[&bucket])
                .await
                .unwrap();
            let release = async {
                for _ in 0..20 {
                    if watcher.query_one(WAITS, &[]).await.unwrap().get(0) {
                        break;
                    }
                }
                // Full as of this very moment.
                holder.execute(EMPTY, &[&bucket]).await.unwrap();
                holder.batch_execute("COMMIT").await.unwrap();
            };
            let (ticket, ()) = join(tickets.take(ask.clone()), release).await;
            // Its locks were waited for too long, and it is tried once more.
            if ticket == Ticket::Unavailable {
                continue;
            }
            let Ticket::Granted(standings) = ticket else { panic!("{ticket:?}") };
            let full_after = standings.shown().unwrap().full_after;
            assert_eq!(full_after, Duration::from_secs(20), "one of three, and nothing before");
            return;
        }
        panic!("it never had its locks");
    });
}

#[test]
fn the_first_ask_finds_its_connection() {
    block_on(async {
        let place = made().await;
        let role = make_role("first", &place).await;
        let (tickets, raw) = (open(&as_role(&place, &role)).await, raw(&place).await);
        // The lanes make one each, and no ask has come.
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'");
        for _ in 0..10_000 {
            let found: i64 = raw.query_one(&count, &[]).await.unwrap().get(0);
            if found == 3 {
                return drop(tickets);
            }
        }
        panic!("a lane waits for an ask");
    });
}

#[test]
fn a_role_that_serves_needs_few_rights() {
    block_on(async {
        let place = place();
        let role = format!("asks_{}", place.schema);
        Server::shared().execute(&format!("CREATE ROLE {role} LOGIN")).await;
        PostgresTickets::migrate(&place, None).await.unwrap();
        let lacking = PostgresTickets::open(&as_role(&place, &role), MINUTE).await.unwrap_err();
        assert!(lacking.to_string().contains("keyward migrate"), "{lacking}");
        PostgresTickets::migrate(&place, Some(&role)).await.unwrap();
        let tickets = PostgresTickets::open(&as_role(&place, &role), MINUTE).await.unwrap();
        let ask = ask(&[limit("a", 1, MINUTE), limit("b", 1, MONTH)], 1);
        assert!(matches!(decided(&tickets, &ask).await, Ticket::Granted(_)));
        assert_eq!(tickets.tidy().await.unwrap(), 0);
    });
}

#[test]
fn buckets_that_have_been_full_for_long_are_removed() {
    block_on(async {
        let place = made().await;
        let (tickets, raw) = (open(&place).await, raw(&place).await);
        let ask = ask(&[limit("a", 1, MINUTE), limit("b", 1, MONTH)], 1);
        assert!(matches!(decided(&tickets, &ask).await, Ticket::Granted(_)));
        assert_eq!(tickets.tidy().await.unwrap(), 0);
        raw.batch_execute("UPDATE bucket SET tat = 5; UPDATE bucket_kept SET tat = 5")
            .await
            .unwrap();
        assert_eq!(tickets.tidy().await.unwrap(), 2);
        let left = raw.query_one("SELECT count(*), max(tat) FROM bucket", &[]).await.unwrap();
        assert_eq!((left.get::<_, i64>(0), left.get::<_, i64>(1)), (1, 5), "the row of zeros");
        assert!(matches!(decided(&tickets, &ask).await, Ticket::Granted(_)));
    });
}
