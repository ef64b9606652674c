//! Keys that come from another gate, and from elsewhere.

use super::*;
use crate::transfer::ImportRejection;

async fn import(gate: &Gate, copies: &[Unkept], dry_run: bool) -> Vec<Imported> {
    gate.import(copies.to_vec(), dry_run, audit()).await.unwrap()
}

/// A gate with a rotated, a suspended and a revoked key, and the secrets of all of them.
async fn moved_from() -> (Vec<Unkept>, Vec<Secret>, Gate) {
    let (store, gate) = open_new().await;
    let (rotated, suspended, revoked) =
        (issue(&gate).await, issue(&gate).await, issue(&gate).await);
    let grace = Duration::from_secs(1);
    let second = gate.rotate(rotated.key_id, grace, None, audit(), CLOCK).await.unwrap();
    change(&gate, suspended.key_id, KeyChange::Suspend).await;
    gate.revoke(revoked.key_id, None, audit()).await.unwrap();
    let copies = store.export_keys(None, 10).await.unwrap();
    let secrets = vec![rotated.secret, second.secret, suspended.secret, revoked.secret];
    (copies, secrets, gate)
}

#[tokio::test]
async fn what_is_moved_works_as_before() {
    let (copies, secrets, old) = moved_from().await;
    let (store, new) = open_new().await;
    let imported = import(&new, &copies, false).await;
    assert!(imported.iter().all(|key| matches!(key, Imported::Added(_))));
    for gate in [&new, &open(&store).await] {
        for (secret, at) in secrets.iter().flat_map(|secret| [(secret, 5_999), (secret, 6_000)]) {
            let answer = |gate| verdict_at(gate, secret, at).map(|caller| caller.key_id());
            assert_eq!(answer(gate), answer(&old));
        }
    }
    assert_eq!(store.export_keys(None, 10).await.unwrap(), copies);
}

#[tokio::test]
async fn trying_an_import_adds_nothing() {
    let (copies, secrets, _) = moved_from().await;
    let (store, gate) = open_new().await;
    let tried = import(&gate, &copies, true).await;
    assert!(tried.iter().all(|key| matches!(key, Imported::Added(_))));
    assert_eq!(verdict_at(&gate, &secrets[1], 5_000).unwrap_err(), "unknown");
    assert_eq!(gate.index().len(), 0);
    assert!(verbs(&store).await.is_empty());
}

#[tokio::test]
async fn an_import_whose_answer_was_lost_can_be_repeated() {
    let (copies, secrets, _) = moved_from().await;
    let (store, gate) = open_awkward().await;
    store.set_loses_answers(true);
    assert!(gate.import(copies.clone(), false, audit()).await.is_err());
    store.set_loses_answers(false);
    let again = import(&gate, &copies, false).await;
    assert!(again.iter().all(|key| matches!(key, Imported::Skipped(_))));
    assert!(verdict_at(&gate, &secrets[1], 5_000).is_ok());
    assert_eq!(verdict_at(&gate, &secrets[2], 5_000).unwrap_err(), "suspended");
    assert_eq!(verdict_at(&gate, &secrets[3], 5_000).unwrap_err(), "revoked");
}

#[tokio::test]
async fn what_is_there_is_left_alone() {
    let (copies, secrets, gate) = moved_from().await;
    change(&gate, KeyId::new(1).unwrap(), KeyChange::Suspend).await;
    let again = import(&gate, &copies, false).await;
    assert!(again.iter().all(|key| matches!(key, Imported::Skipped(_))));
    assert_eq!(verdict_at(&gate, &secrets[1], 5_000).unwrap_err(), "suspended");
    let mut other = copies[1].clone();
    other.id = None;
    other.former.push(FormerSecret { secret: copies[0].secret.clone(), ends_at: UnixMillis(9) });
    let refused = import(&gate, &[other], false).await;
    let [Imported::Rejected(rejection)] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(matches!(rejection, ImportRejection::DigestTaken(_)));
}
