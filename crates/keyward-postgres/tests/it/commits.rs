//! Changes survive, whatever becomes of connections, and each is made once.

use std::cell::Cell;
use std::pin::pin;

use futures_util::future::{Either, join, join_all, ready, select};
use keyward::audit::{Audit, Chain, ChangeId};
use keyward::change::KeyChange;
use keyward::conformance::Store as _;
use keyward::conformance::sample::{audit, id, issue, keys, new_key, trail};
use keyward::rules::Change;
use keyward::store::{KeyStore as _, StoreError};
use keyward_postgres::PostgresStore;

use crate::proxy::{Cut, Proxy};
use crate::server::{Server, as_role, block_on, make_role, open_as, place, store};

fn new(number: u64) -> Change {
    Change::Issue(Box::new(new_key(number)))
}

async fn check_chain(store: &PostgresStore, entries: u64) {
    let mut chain = Chain::default();
    trail(store).await.iter().for_each(|entry| chain.follow(entry).unwrap());
    assert_eq!(chain.entries(), entries);
}

/// The change is made once, whether or not the server heard of COMMIT.
fn cut_is_mended(cut: Cut) {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let (proxy, through) = Proxy::start(&place);
        let store = PostgresStore::open(&through).await.unwrap();
        issue(&store, 1).await;
        let before = proxy.connections();
        proxy.cut(cut);
        let committed = store.commit(new(2), audit(2)).await.unwrap();
        assert!(proxy.is_cut() && before < proxy.connections(), "the connection broke");
        assert_eq!(committed.newest.change, ChangeId(2));
        let ids: Vec<_> = keys(&store).await.iter().map(|key| key.key.id.get()).collect();
        assert_eq!(ids, [1, 2]);
        check_chain(&store, 2).await;
    });
}

#[test]
fn a_commit_that_the_server_did_not_hear_of_is_made_again() {
    cut_is_mended(Cut::BeforeCommit);
}

#[test]
fn a_commit_whose_end_was_not_heard_is_not_made_again() {
    cut_is_mended(Cut::AfterCommit);
}

/// The server is still committing while the client asks on another connection: to read without
/// waiting for the lock would be to make the change twice.
#[test]
fn a_commit_that_takes_long_is_waited_for() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let schema = &place.schema;
        let slow = format!(
            "CREATE FUNCTION {schema}.slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_advisory_xact_lock(hashtext(''{schema}'')); RETURN NULL; END'; \
             CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON {schema}.audit \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.slow()"
        );
        let holder = Server::shared().client().await;
        holder.batch_execute(&slow).await.unwrap();
        holder
            .batch_execute(&format!("SELECT pg_advisory_lock(hashtext('{schema}'))"))
            .await
            .unwrap();
        let role = make_role("slow", &place).await;
        let (proxy, through) = Proxy::start(&as_role(&place, &role));
        let store = PostgresStore::open(&through).await.unwrap();
        proxy.cut(Cut::AfterCommit);
        // Lets the server go on once the client waits for it, on its other connection.
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}' \
             AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"
        );
        let has_waited = Cell::new(false);
        let going_on = async {
            while holder.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
            has_waited.set(true);
            let free = format!("SELECT pg_advisory_unlock(hashtext('{schema}'))");
            holder.batch_execute(&free).await.unwrap();
        };
        let commit = store.commit(new(1), audit(1));
        let committed = match select(commit, pin!(going_on)).await {
            // The response to the one that let it go on may come later.
            Either::Left((committed, _)) => committed,
            Either::Right(((), commit)) => commit.await,
        };
        assert!(has_waited.get(), "the client did not wait for the server: {committed:?}");
        assert!(proxy.is_cut());
        assert_eq!(committed.unwrap().newest.change, ChangeId(1));
        assert_eq!(keys(&store).await.len(), 1);
    });
}

#[test]
fn a_connection_that_the_server_ended_is_made_anew() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = open_as("ended", &place).await;
        issue(&store, 1).await;
        assert_eq!(keys(&store).await.len(), 1);
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ended_{}'",
            place.schema
        );
        Server::shared().execute(&end).await;
        issue(&store, 2).await;
        assert_eq!(keys(&store).await.len(), 2);
        assert!(store.ping().await.is_ok());
    });
}

/// Two programs, each of which has no idea of the other: their changes are one after the other.
#[test]
fn two_programs_take_turns() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let first = PostgresStore::open(&place).await.unwrap();
        let second = PostgresStore::open(&place).await.unwrap();
        let commits = (0..40).map(|number| {
            let store = if number % 2 == 0 { &first } else { &second };
            store.commit(new(number), audit(number))
        });
        let all = futures_util::future::try_join_all(commits).await.unwrap();
        let mut newest: Vec<_> = all.iter().map(|committed| committed.newest.change.0).collect();
        newest.sort_unstable();
        assert_eq!(newest, (1..=40).collect::<Vec<_>>());
        check_chain(&first, 40).await;
        let ids: Vec<_> = keys(&second).await.iter().map(|key| key.key.id.get()).collect();
        assert_eq!(ids, newest);
        // Each decides on what the other one has written.
        let suspend = Change::Key { id: id(7), change: KeyChange::Suspend, expected: None };
        first.commit(suspend.clone(), audit(50)).await.unwrap().outcome.unwrap();
        let again = second.commit(suspend, audit(51)).await.unwrap();
        assert_eq!(again.newest.change, ChangeId(41), "it was suspended already");
    });
}

/// While another program has the lock, changes gather: one transaction makes all that have come by
/// the time that it is granted.
#[test]
fn changes_gather_while_the_lock_is_waited_for() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let role = make_role("gather", &place).await;
        let place = as_role(&place, &role);
        let stores = [PostgresStore::open(&place).await, PostgresStore::open(&place).await]
            .map(Result::unwrap);
        let holder = Server::shared().client().await;
        let schema = &place.schema;
        holder
            .batch_execute(&format!("BEGIN; SELECT FROM {schema}.cluster FOR UPDATE"))
            .await
            .unwrap();
        let mut number = 0;
        let mut commit = |store: usize| {
            number += 1;
            stores[store].commit(new(number), audit(number))
        };
        let watcher = Server::shared().client().await;
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE usename = '{role}' AND wait_event_type = 'Lock'"
        );
        let both_wait =
            async { while watcher.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {} };
        let first = join_all([commit(0), commit(1)]);
        let Either::Right(((), first)) = select(first, pin!(both_wait)).await else {
            panic!("a store did not wait for the lock");
        };
        let others = join_all((0..100).map(|at| commit(at % 2)));
        // They are on their way when they were polled once.
        let Either::Right(((), others)) = select(others, ready(())).await else {
            panic!("a store did not wait for the lock");
        };
        holder.batch_execute("COMMIT").await.unwrap();
        let (first, others) = join(first, others).await;
        assert!(first.into_iter().chain(others).all(|done| done.unwrap().outcome.is_ok()));
        check_chain(&stores[0], 102).await;
        let transactions = format!("SELECT count(DISTINCT xmin::text) FROM {schema}.audit");
        let transactions = watcher.query_one(&transactions, &[]).await.unwrap();
        assert_eq!(transactions.get::<_, i64>(0), 2, "each store has one");
    });
}

/// A value that PostgreSQL cannot hold is the fault of one change, and the others are made.
#[test]
fn a_change_that_cannot_be_written_fails_alone() {
    block_on(async {
        let store = store().await;
        let odd = Audit { request_id: Some("a\0b".to_owned()), ..audit(9) };
        let commits = (0..10).map(|number| {
            let audit = if number == 5 { odd.clone() } else { audit(number) };
            store.commit(new(number), audit)
        });
        let all = join_all(commits).await;
        for (number, committed) in all.into_iter().enumerate() {
            match committed {
                Ok(committed) => assert!(number != 5 && committed.outcome.is_ok()),
                Err(error) => {
                    assert!(matches!(error, StoreError::Inconsistent(_)), "{error:?}");
                    assert_eq!(number, 5);
                }
            }
        }
        check_chain(&store, 9).await;
        assert_eq!(keys(&store).await.len(), 9);
    });
}

/// The state of a key after several changes in one batch is that of the last.
#[test]
fn changes_of_one_key_that_come_together_build_on_each_other() {
    block_on(async {
        let store = store().await;
        let key = issue(&store, 1).await;
        let change =
            |change, at| store.commit(Change::Key { id: key, change, expected: None }, audit(at));
        let rotate = |number| keyward::conformance::sample::rotation(number, 10);
        let changes = [
            change(rotate(2), 1),
            change(KeyChange::Suspend, 2),
            change(rotate(3), 3),
            change(KeyChange::Revoke { reason: None }, 4),
            change(KeyChange::Resume, 5),
        ];
        let all = futures_util::future::try_join_all(changes).await.unwrap();
        let told: Vec<_> = all.iter().map(|it| (it.newest.change.0, it.outcome.is_ok())).collect();
        assert_eq!(told, [(2, true), (3, true), (4, true), (5, true), (5, false)]);
        let found = store.find_key(key).await.unwrap().unwrap();
        assert!(found.key.is_revoked());
        assert_eq!((found.key.version.get(), found.key.former.len()), (5, 2));
        check_chain(&store, 5).await;
    });
}

/// Changes from before are finished, and later ones fail.
#[test]
fn closing_finishes_what_is_under_way() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let commits = (0..20).map(|number| store.commit(new(number), audit(number)));
        let made = futures_util::future::try_join_all(commits);
        let (made, closed) = join(made, store.close()).await;
        assert!(closed.is_ok());
        assert_eq!(made.unwrap().len(), 20);
        assert!(store.commit(new(99), audit(99)).await.is_err());
        let again = PostgresStore::open(&place).await.unwrap();
        assert_eq!(keys(&again).await.len(), 20);
        again.close().await.unwrap();
        again.close().await.unwrap();
        assert!(again.make(new(99), audit(99)).await.is_err());
    });
}
