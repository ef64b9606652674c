//! What nodes agree by: the same as over a database in memory, step by step.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use keyward::audit::{ChainDigest, ChangeId, Mark};
use keyward::change::KeyChange;
use keyward::conformance::sample::{audit, id, limit, new_key, owner, tier};
use keyward::memory::MemoryCluster;
use keyward::rules::{Change, OwnerChange, TierBefore};
use keyward::store::{
    Cluster, Feed, KeyStore, NodeId, Renewed, Revisions, ServerId, Snapshot, Unreadable,
};
use keyward_postgres::{OpenOptions, PostgresStore};

use crate::server::{Server, block_on, open_as, place, store};

/// Some of everything.
fn changes() -> Vec<Change> {
    let owned = |number| {
        let mut new = new_key(number);
        (new.owner, new.tier) = (Some(owner("org_1")), "gold".parse().unwrap());
        Change::Issue(Box::new(new))
    };
    let key = |number, change| Change::Key { id: id(number), change, expected: None };
    let of_owner = |change| Change::Owner { owner: owner("org_1"), change, expected: None };
    let gold = tier("gold", vec![limit(5)]);
    let before = TierBefore::Any;
    vec![
        Change::Issue(Box::new(new_key(1))),
        Change::PutTier { name: gold.name.clone(), limits: gold.limits, before },
        owned(2),
        owned(3),
        key(1, KeyChange::Suspend),
        of_owner(OwnerChange::Suspend),
        key(2, KeyChange::Revoke { reason: None }),
        key(3, KeyChange::Revoke { reason: None }),
        Change::DeleteTier { name: gold.name, before: TierBefore::Any },
        Change::AcceptClock,
        key(2, KeyChange::Revoke { reason: None }),
    ]
}

/// Makes the changes, and returns the mark after each.
async fn live(store: &dyn KeyStore) -> Vec<Mark> {
    let mut marks = vec![Mark::START];
    for (at, change) in (1..).zip(changes()) {
        let committed = store.commit(change, audit(at)).await.unwrap();
        committed.outcome.unwrap();
        marks.push(committed.newest);
    }
    marks
}

/// Everything that a cluster says, without what differs between two of them: ids, servers, and
/// times.
async fn told(store: &dyn KeyStore) -> Vec<String> {
    let cluster = store.cluster().unwrap();
    let mut all = Vec::new();
    let mut tell = |what: &str, said: String| all.push(format!("{what}: {said}"));
    let first = cluster.register().await.unwrap();
    let second = cluster.register().await.unwrap();
    assert_ne!(first.node, second.node);
    tell("leases", format!("{:?}", [first.lease, second.lease]));
    let (first, second) = (first.node, second.node);
    tell("nothing yet", renewed(cluster, first, Mark::START).await);
    let marks = live(store).await;
    tell("marks", format!("{marks:?}"));
    let head = *marks.last().unwrap();
    let other = Mark { digest: ChainDigest([7; 32]), ..head };
    let later = Mark { change: ChangeId(99), ..head };
    let odd_start = Mark { change: ChangeId(0), ..head };
    for mark in [marks[3], Mark::START, head, head, other, later, odd_start] {
        tell("renewed", renewed(cluster, first, mark).await);
    }
    tell("no such node", renewed(cluster, NodeId([9; 16]), head).await);
    tell("nor mark", renewed(cluster, NodeId([9; 16]), other).await);
    for (after, to, max) in [
        (marks[0], head, 1_000),
        (marks[0], head, 0),
        (marks[0], marks[1], 3),
        (marks[2], head, 3),
        (marks[5], head, 2),
        (marks[7], head, 100),
        (head, head, 100),
        (other, head, 100),
        (marks[1], other, 100),
        (marks[1], later, 100),
        (odd_start, head, 100),
    ] {
        let feed = cluster.feed(after, to, max).await.unwrap();
        // A store may send more of these than the rows need.
        let feed = feed.map(|feed| Feed { revisions: Revisions::default(), ..feed });
        tell("feed", format!("{feed:?}"));
    }
    let asked = vec![head, other, marks[1], Mark::START, later, odd_start];
    tell("standings", standings(cluster, &[first, second], asked).await);
    cluster.mark(vec![(first, 3), (second, 0)]).await.unwrap();
    tell("one is marked", standings(cluster, &[first, second], vec![]).await);
    tell("marked", renewed(cluster, second, head).await);
    cluster.remove(vec![first, second]).await.unwrap();
    tell("removed", standings(cluster, &[first, second], vec![]).await);
    tell("gone", renewed(cluster, second, head).await);
    cluster.confirm(ServerId("another".to_owned())).await.unwrap();
    let server = cluster.standings(vec![]).await.unwrap();
    tell("not confirmed", (server.server == server.confirmed).to_string());
    cluster.leave(second).await.unwrap();
    cluster.leave(first).await.unwrap();
    tell("left", standings(cluster, &[first, second], vec![head]).await);
    all
}

async fn renewed(cluster: &dyn Cluster, node: NodeId, applied: Mark) -> String {
    match cluster.renew(node, applied).await.unwrap() {
        Renewed::Kept { head, at: _ } => format!("{head:?}"),
        other => format!("{other:?}"),
    }
}

async fn standings(cluster: &dyn Cluster, nodes: &[NodeId], marks: Vec<Mark>) -> String {
    let found = cluster.standings(marks).await.unwrap();
    assert!(found.nodes.is_sorted_by_key(|row| row.node));
    let of = |node: &NodeId| {
        let row = found.nodes.iter().find(|row| row.node == *node)?;
        Some((row.acked, row.seen, row.is_marked))
    };
    let rows: Vec<_> = nodes.iter().map(of).collect();
    format!("{rows:?} {:?} {}", found.has, found.server == found.confirmed)
}

#[test]
fn it_says_what_a_database_in_memory_says() {
    block_on(async {
        let memory = MemoryCluster::new(Duration::from_secs(5)).node(1);
        let place = several();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let (expected, found) = (told(&memory).await, told(&store).await);
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
    });
}

#[test]
fn the_time_is_the_servers() {
    block_on(async {
        let store = store().await;
        let cluster = store.cluster().unwrap();
        let node = cluster.register().await.unwrap().node;
        let read = || async {
            let client = Server::shared().client().await;
            let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
            client.query_one(now, &[]).await.unwrap().get::<_, i64>(0).cast_unsigned()
        };
        let before = read().await;
        let renewed = cluster.renew(node, Mark::START).await.unwrap();
        let Renewed::Kept { at, .. } = renewed else { panic!("{renewed:?}") };
        // One is rounded, and the other is not.
        assert!(before.saturating_sub(1) <= at.0 && at.0 <= read().await, "{at:?}");
    });
}

#[test]
fn a_server_counts_from_the_schema_on_and_another_one_when_it_is_confirmed() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let cluster = store.cluster().unwrap();
        let found = cluster.standings(vec![]).await.unwrap();
        assert_eq!(found.server, found.confirmed);
        // As if the rows came from the server before a promotion.
        let other = format!("UPDATE {}.cluster SET server = '1/00000001'", place.schema);
        Server::shared().execute(&other).await;
        PostgresStore::migrate(&place, None).await.unwrap();
        let found = cluster.standings(vec![]).await.unwrap();
        assert_eq!(found.confirmed, ServerId("1/00000001".to_owned()));
        assert_ne!(found.server, found.confirmed);
        cluster.confirm(found.server.clone()).await.unwrap();
        let again = cluster.standings(vec![]).await.unwrap();
        assert_eq!((&again.server, &again.confirmed), (&found.server, &found.server));
    });
}

async fn feed(store: &PostgresStore) -> Feed {
    let cluster = store.cluster().unwrap();
    cluster.feed(Mark::START, Mark::START, 1_000).await.unwrap().unwrap()
}

async fn unreadable(mut snapshot: Box<dyn Snapshot>) -> (usize, Vec<Unreadable>) {
    let mut pages = 0;
    while snapshot.next(1).await.unwrap().is_some() {
        pages += 1;
    }
    (pages, snapshot.unreadable())
}

/// A row that a later program wrote: it is named, and all others come.
#[test]
fn rows_that_cannot_be_read_are_named() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        live(&store).await;
        let (whole, none) = unreadable(store.snapshot().await.unwrap()).await;
        assert!(none.is_empty());
        let digest = |number| new_key(number).secret.digest;
        let key = |number| Unreadable::Key { id: id(number), digests: vec![digest(number)] };
        let cases = [
            ("keys SET limits = '[{\"new\": 1}]' WHERE id = 1", vec![key(1)], 1),
            ("keys SET limits = NULL WHERE id = 1", vec![], 0),
            ("owners SET limits = '[{\"new\": 1}]'", vec![key(2), key(3)], 3),
            ("owners SET limits = '[]'", vec![], 0),
            // A tier that was deleted judges no key.
            ("tiers SET limits = '[{\"new\": 1}]' WHERE name = 'gold'", vec![], 0),
        ];
        for (edit, expected, missing) in cases {
            Server::shared().execute(&format!("UPDATE {}.{edit}", place.schema)).await;
            assert_eq!(feed(&store).await.unreadable, expected, "{edit}");
            let (pages, found) = unreadable(store.snapshot().await.unwrap()).await;
            assert_eq!((pages, found), (whole - missing, expected), "{edit}");
        }
        let edit = "UPDATE {}.tiers SET limits = '[{\"new\": 1}]' WHERE name = 'basic'";
        Server::shared().execute(&edit.replace("{}", &place.schema)).await;
        let tier = Unreadable::Tier("basic".parse().unwrap());
        let (_, found) = unreadable(store.snapshot().await.unwrap()).await;
        assert_eq!(found, [tier]);
    });
}

/// Its entry names the owner alone, and all its keys are judged by its limits.
#[test]
fn keys_of_an_owner_that_cannot_be_read_are_named_with_it() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let marks = live(&store).await;
        let edit = format!("UPDATE {}.owners SET limits = '[{{\"new\": 1}}]'", place.schema);
        Server::shared().execute(&edit).await;
        let feed = store.cluster().unwrap().feed(marks[5], marks[6], 1).await.unwrap().unwrap();
        let ids = feed.unreadable.iter().map(|it| match it {
            Unreadable::Key { id, .. } => id.get(),
            Unreadable::Tier(tier) => panic!("{tier:?}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), [2, 3]);
        assert!(feed.changes.keys.is_empty() && feed.to == marks[6]);
    });
}

/// While a feed waits for its keys, rows change: it tells them all from before or all from after.
#[test]
fn a_feed_is_of_one_instant() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = open_as("feeds", &place).await;
        live(&store).await;
        let before = feed(&store).await;
        let holder = Server::shared().client().await;
        let schema = &place.schema;
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.keys")).await.unwrap();
        let watcher = Server::shared().client().await;
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE usename = 'feeds_{schema}' AND wait_event_type = 'Lock'"
        );
        let waits = async {
            while watcher.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        };
        let after = pin!(feed(&store));
        let Either::Right(((), after)) = select(after, pin!(waits)).await else {
            panic!("the lock was not waited for");
        };
        let change = ["keys", "owners"]
            .map(|table| format!("UPDATE {schema}.{table} SET version = version + 1; "));
        holder.batch_execute(&format!("{}COMMIT", change.concat())).await.unwrap();
        let (told, after) = (after.await.changes, feed(&store).await.changes);
        assert!(after.keys != before.changes.keys && after.owners != before.changes.owners);
        assert!(told == before.changes || told == after, "{told:?}");
    });
}

/// A store that is one of several, in a new schema.
pub(crate) fn several() -> OpenOptions {
    OpenOptions { several: true, ..place() }
}

#[test]
fn one_program_at_a_time_has_the_turn() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let first = PostgresStore::open(&place).await.unwrap();
        let second = PostgresStore::open(&place).await.unwrap();
        for _ in 0..2 {
            assert!(first.has_turn().await.unwrap());
            assert!(!second.has_turn().await.unwrap());
        }
        // Another schema is another cluster.
        assert!(store().await.has_turn().await.unwrap());
        first.close().await.unwrap();
        // The server notices a moment later that the connection is gone.
        while !second.has_turn().await.unwrap() {}
    });
}
