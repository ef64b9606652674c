//! Changes that the database lost.

use keyward::audit::{AuditEntry, Chain, Verb};
use keyward::conformance::sample::details;
use keyward::record::KeyState;
use keyward::rules::Progress;
use keyward::stored::TierId;
use keyward_ledger::Loss;

use super::*;

fn diverged(trail: &[AuditEntry]) -> Vec<&AuditEntry> {
    trail.iter().filter(|entry| entry.verb == Verb::Diverged.as_str()).collect()
}

/// A node writes down a loss, as one does that knows the lost change in its memory.
async fn note_loss(store: &PostgresStore, known: Mark) {
    let Mark { change, digest } = known;
    let known = Progress { change, digest, key: None, tier: TierId::new(1) };
    store.commit(Change::Diverged(known), audit(9)).await.unwrap().outcome.unwrap();
}

#[test]
fn a_database_that_went_back_is_served_only_after_an_operator_accepted_it() {
    block_on(async {
        let (place, (_folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        let store = &node.store;
        let mut keys = Vec::new();
        for number in 1..=4 {
            keys.push(issue(store, number).await);
        }
        back_up(&place).await;
        revoke(store, keys[0], audit(1)).await;
        change(store, keys[1], KeyChange::Suspend, audit(2)).await;
        change(store, keys[2], rotation(7, 0), audit(3)).await;
        let suspend = OwnerChange::Suspend;
        let suspend = Change::Owner { owner: owner("acme"), change: suspend, expected: None };
        store.commit(suspend, audit(4)).await.unwrap().outcome.unwrap();
        let lost = issue(store, 8).await;
        let head = node.apply().await;
        assert_eq!(head.change, ChangeId(10));
        node.stop().await;
        restore(&place).await;

        let before = fs::read(&path).unwrap();
        for other in [None, Some(9), Some(5)] {
            let error = Node::begin(&place, &path, other).await.map(|_| ()).unwrap_err();
            let OpenError::Lost { loss, .. } = &error else { panic!("{error}") };
            let newest = ChangeId(5);
            assert_eq!(*loss, Loss::Changes { known: head.change, newest }, "with {other:?}");
            let said = error.to_string();
            for word in ["its newest one is 5", "node.ledger knows of change 10", &place.schema] {
                assert!(said.contains(word), "{said}");
            }
            assert!(said.ends_with("`keyward serve --after-restore=10`"), "{said}");
            let error = inspect_ledger(&place, &path).await.unwrap_err();
            assert_eq!(error.to_string(), said);
        }
        assert!(before == fs::read(&path).unwrap(), "a start that failed changed the ledger");
        let reader = PostgresStore::open(&place).await.unwrap();
        assert_eq!(trail(&reader).await.len(), 5, "a start that failed changed the database");

        let (node, restored) = Node::begin(&place, &path, Some(10)).await.unwrap();
        let restored = restored.unwrap();
        assert_eq!(restored.revoked, [keys[0], keys[2]], "the grace of the second was over");
        assert_eq!(restored.suspended, [keys[1]]);
        assert_eq!(restored.suspended_owners, [owner("acme")]);
        assert_eq!(restored.key_ids, (4, Some(5)));
        let state = async |number: usize| details(&node.store, keys[number]).await.key.state;
        assert!(matches!(state(0).await, KeyState::Revoked { .. }));
        assert_eq!((state(1).await, state(3).await), (KeyState::Suspended, KeyState::Active));
        let next = issue(&node.store, 9).await;
        assert!(
            lost.get() + 100_000 <= next.get(),
            "others may have given ids after the last note"
        );
        let trail = trail(&node.store).await;
        let [entry] = diverged(&trail)[..] else { panic!("{trail:?}") };
        assert!(head.change < entry.id, "a number is given twice");
        let named = format!(r#""before":{{"change":10,"digest":"{}"}}"#, head.digest);
        assert!(entry.details.as_ref().unwrap().contains(&named), "{entry:?}");
        let mut chain = Chain::default();
        trail.iter().for_each(|entry| chain.follow(entry).unwrap());
        node.apply().await;
        node.stop().await;

        // Once: it is nothing to be told again, with or without the flag.
        for flag in [None, Some(10)] {
            let (node, restored) = Node::begin(&place, &path, flag).await.unwrap();
            assert_eq!(restored, None);
            node.stop().await;
        }
        assert_eq!(diverged(&self::trail(&reader).await).len(), 1);
    });
}

/// The newest entry is there with its number, and is another one.
#[test]
fn a_trail_that_grew_again_since_is_recognised_by_its_digests() {
    block_on(async {
        let (place, (_folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        back_up(&place).await;
        issue(&node.store, 1).await;
        assert_eq!(node.apply().await.change, ChangeId(2));
        node.stop().await;
        restore(&place).await;
        let other = PostgresStore::open(&place).await.unwrap();
        for number in 2..=4 {
            issue(&other, number).await;
        }
        let error = Node::begin(&place, &path, None).await.map(|_| ()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("is not the database that it was: change 2, "), "{said}");
        assert!(said.ends_with("`keyward serve --after-restore=2`"), "{said}");
    });
}

#[test]
fn a_loss_that_a_node_put_on_record_is_no_business_of_an_operator() {
    block_on(async {
        let place = schema().await;
        let (_first, first) = folder();
        let (_second, second) = folder();
        let (early, late) = (Node::start(&place, &first).await, Node::start(&place, &second).await);
        let key = issue(&early.store, 1).await;
        back_up(&place).await;
        let before = early.apply().await;
        revoke(&early.store, key, audit(1)).await;
        let early_knows = early.apply().await;
        early.stop().await;
        issue(&late.store, 2).await;
        let late_knows = late.apply().await;
        late.stop().await;
        restore(&place).await;
        assert!(Node::begin(&place, &first, None).await.is_err());

        // The loss before that, of which the same digest cannot tell, is another one.
        let store = PostgresStore::open(&place).await.unwrap();
        note_loss(&store, before).await;
        assert!(Node::begin(&place, &first, None).await.is_err());
        restore(&place).await;

        note_loss(&store, late_knows).await;
        for (path, knows) in [(&second, late_knows), (&first, early_knows)] {
            let found = inspect_ledger(&place, path).await.unwrap();
            assert_eq!(found, LedgerFound::MadeUpFor(knows.change));
            let node = Node::start(&place, path).await;
            let found = inspect_ledger(&place, path).await.unwrap();
            assert!(matches!(found, LedgerFound::Known(newest) if late_knows.change < newest));
            // The node that wrote it may not have known all: what the ledger knows comes back.
            let state = details(&node.store, key).await.key.state;
            assert!(matches!(state, KeyState::Revoked { .. }));
            node.stop().await;
        }
        assert_eq!(diverged(&trail(&store).await).len(), 1);
    });
}

/// The ledger follows a node that noticed a loss itself.
#[test]
fn a_ledger_is_not_moved_on_while_the_trail_lacks_what_its_node_has_applied() {
    block_on(async {
        let (place, (_folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        back_up(&place).await;
        issue(&node.store, 1).await;
        let known = node.apply().await;
        while node.store.newest_change() != Some((known.change, known.digest)) {
            tokio::task::yield_now().await;
        }
        restore(&place).await;
        let cluster = node.store.cluster().unwrap();
        assert_eq!(cluster.renew(node.id, known).await.unwrap(), Renewed::Lost);
        // What it applies before the loss is on record is not of the ledger's trail.
        note_loss(&node.store, known).await;
        let head = node.apply().await;
        while node.store.newest_change() != Some((head.change, head.digest)) {
            tokio::task::yield_now().await;
        }
        assert!(known.change < head.change);
        node.stop().await;
        Node::start(&place, &path).await.stop().await;
    });
}
