//! A database that goes back in time, as after a failover to a standby that was late.

use keyward::audit::{Chain, Verb};
use keyward::conformance::sample::{audit, issue, trail};
use keyward::limit::Limits;
use keyward::rules::{Change, Decided, TierBefore};
use keyward::store::{KeyStore as _, StoreError};
use keyward_postgres::PostgresStore;

use crate::server::{Server, block_on, place};

use super::steps::Gates;

#[test]
fn a_lost_revocation_comes_back_and_the_loss_is_on_record() {
    block_on(async {
        let all = Gates::open(2).await;
        let (kept, lost) = (all.issue().await, all.issue().await);
        all.revoke(kept.key_id).await;
        let store = PostgresStore::open(&all.place).await.unwrap();
        let before = trail(&store).await;
        // One entry of the migration, two keys, one revocation.
        assert_eq!(before.len(), 4);
        // The second key and the revocation of the first are lost.
        let schema = &all.place.schema;
        let lose = format!(
            "BEGIN; SET LOCAL search_path = {schema}; \
             DELETE FROM audit WHERE 2 < id; DELETE FROM keys WHERE id = 2; \
             UPDATE keys SET state = 'active', revoked_at_ms = NULL, version = 1; \
             UPDATE tiers SET keys = 1 WHERE name = 'basic'; \
             UPDATE cluster SET change_id = 2, key_id = 1, keys = 1, \
                 digest = (SELECT digest FROM audit WHERE id = 2); COMMIT"
        );
        Server::shared().execute(&lose).await;
        // The gates have not noticed it yet.
        let gate = &all.gates[0];
        let suspended = gate.set_owner_suspended("org_1".parse().unwrap(), true, audit(1)).await;
        assert!(matches!(suspended, Err(StoreError::WentBack(_))), "{suspended:?}");
        assert_eq!(trail(&store).await.len(), 2);
        all.follow(2).await;
        all.follow(2).await;
        assert_eq!(all.words(kept.secret.expose()), ["revoked", "revoked"]);
        assert_eq!(all.words(lost.secret.expose()), ["unknown", "unknown"]);
        let after = trail(&store).await;
        let is =
            |verb: Verb| move |entry: &&keyward::audit::AuditEntry| entry.verb == verb.as_str();
        let diverged: Vec<_> = after.iter().filter(is(Verb::Diverged)).collect();
        assert_eq!(diverged.len(), 2, "each of them lost an entry");
        // No number of an entry or of a key is given twice.
        assert!(diverged.iter().all(|entry| before.last().unwrap().id < entry.id));
        let next = all.issue().await;
        assert!(lost.key_id < next.key_id);
        assert!(after.iter().any(|entry| is(Verb::Revoke)(&entry)));
        for gate in &all.gates {
            assert_eq!(gate.standing().unwrap().diverged, 1);
        }
        // The chain is whole: an entry that tells of a loss may skip numbers.
        let mut chain = Chain::default();
        trail(&store).await.iter().for_each(|entry| chain.follow(entry).unwrap());
    });
}

/// The row says which timeline the last change was on: of a promoted server, it is another one.
#[test]
fn after_a_promotion_ids_are_left_out_once() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        assert_eq!(issue(&store, 1).await.get(), 1);
        let name = |name: &str| name.parse().unwrap();
        let rejected = Change::DeleteTier { name: name("none"), before: TierBefore::Any };
        for (number, id) in [(2, 100_002), (3, 100_003)] {
            if number == 2 {
                let other = format!("UPDATE {}.cluster SET timeline = 0", place.schema);
                Server::shared().execute(&other).await;
            }
            let outcome = store.commit(rejected.clone(), audit(1)).await.unwrap().outcome;
            assert!(outcome.is_err(), "and writes nothing");
            assert_eq!(issue(&store, number).await.get(), id);
        }
        let (name, limits) = (name("gold"), Limits::of(None));
        let put = Change::PutTier { name, limits, before: TierBefore::Any };
        let made = store.commit(put, audit(9)).await.unwrap().outcome;
        let Ok(Decided::PutTier { tier, is_new: true }) = made else { panic!("{made:?}") };
        assert_eq!(tier.id.get(), 100_004);
    });
}
