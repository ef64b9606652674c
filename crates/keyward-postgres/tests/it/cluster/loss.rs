//! A database that goes back in time, as after a failover to a standby that was late.

use keyward::audit::{Chain, Verb};
use keyward::conformance::sample::trail;
use keyward_postgres::PostgresStore;

use crate::server::{Server, block_on};

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
