//! Edits: seen by the next request, rejected when stale, and no way around a limit.

use super::*;
use crate::details::{Metadata, Version, Versions};
use crate::network::Networks;
use crate::record::Scopes;

fn to_tier(name: &str) -> KeyEdit {
    let tier = Some(name.parse().unwrap());
    KeyEdit { tier, limits: Some(None), ..KeyEdit::default() }
}

fn to_own_limits(amount: u32) -> KeyEdit {
    let own = tier("unused", amount).1;
    KeyEdit { limits: Some(Some(own)), ..KeyEdit::default() }
}

#[tokio::test]
async fn the_next_request_meets_the_key_as_it_is_now() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let scopes = Scopes::new(vec!["articles:read".parse().unwrap()]).unwrap();
    let change = KeyEdit {
        name: Some("Writer".parse().unwrap()),
        tier: Some("pro".parse().unwrap()),
        owner: Some(Some("org_1".parse().unwrap())),
        scopes: Some(scopes),
        networks: Some(Networks::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap()),
        limits: Some(Some(tier("unused", 7).1)),
        notes: r#"{"a":1}"#.parse::<Metadata>().unwrap().into(),
        expires_at: Some(Some(UnixMillis(6_000))),
    };
    edit(&gate, issued.key_id, change.clone()).await;
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "out_of_network");
    let asked = Asked {
        scopes: &["articles:read"],
        from: Some("192.0.2.7".parse().unwrap()),
        ..Asked::of(issued.secret.expose())
    };
    let caller = gate.verify(&asked, NOW).unwrap();
    assert_eq!((caller.name(), caller.tier(), caller.owner()), ("Writer", "pro", Some("org_1")));
    assert_eq!(caller.expires_at(), Some(UnixMillis(6_000)));
    assert_eq!(caller.standing().unwrap().limit.burst().get(), 7);
    let expired = Now::new(UnixMillis(6_000), NOW.steady);
    assert_eq!(gate.verify(&asked, expired).unwrap_err().as_str(), "expired");
    let back = KeyEdit {
        owner: Some(None),
        scopes: Some(Scopes::default()),
        networks: Some(Networks::default()),
        limits: Some(None),
        expires_at: Some(None),
        ..KeyEdit::default()
    };
    edit(&gate, issued.key_id, back).await;
    let caller = gate.verify(&Asked::of(issued.secret.expose()), expired).unwrap();
    assert_eq!((caller.owner(), caller.expires_at()), (None, None));
    assert!(!caller.grants("articles:read"));
    assert_eq!(caller.standing().unwrap().limit.burst().get(), 1_000);
}

#[tokio::test]
async fn an_edit_of_nothing_changes_nothing() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    assert_eq!(edit(&gate, issued.key_id, KeyEdit::default()).await.key.version, Version::FIRST);
    let same = KeyEdit { name: Some("Reader".parse().unwrap()), ..KeyEdit::default() };
    assert_eq!(edit(&gate, issued.key_id, same).await.key.version, Version::FIRST);
    assert_eq!(verbs(&store).await, ["issue"]);
    assert!(verify_issued(&gate, &issued).is_ok());
}

#[tokio::test]
async fn an_edit_of_another_version_is_refused() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    let rename = |name: &str, expected: u64| {
        let change = KeyEdit { name: Some(name.parse().unwrap()), ..KeyEdit::default() };
        let change = KeyChange::Edit(Box::new(change));
        let expected = Version::new(expected).map(Versions::from);
        gate.change(issued.key_id, change, expected, audit(), CLOCK)
    };
    assert_eq!(rename("First", 1).await.unwrap().key.version.get(), 2);
    let version = Version::new(2).unwrap();
    for expected in [1, 3] {
        let error = rename("Second", expected).await.unwrap_err();
        let stale = ChangeRejection::StaleKey(Versions::from(version));
        assert!(matches!(error, ChangeError::Rejected(refusal) if refusal == stale));
    }
    assert_eq!(verify_issued(&gate, &issued).unwrap().name(), "First");
    assert_eq!(details(&gate, issued.key_id).await.key.name.as_str(), "First");
    assert_eq!(verbs(&store).await, ["issue", "edit"]);
}

#[tokio::test]
async fn an_edit_that_does_not_fit_leaves_the_key_as_it_is() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let refusal = async |id: KeyId, change: KeyEdit| {
        let change = KeyChange::Edit(Box::new(change));
        match gate.change(id, change, None, audit(), CLOCK).await {
            Err(ChangeError::Rejected(refusal)) => refusal,
            other => panic!("a rejection, not {other:?}"),
        }
    };
    assert_eq!(refusal(issued.key_id, to_tier("gold")).await, ChangeRejection::UnknownTier);
    let nobody = KeyId::new(99).unwrap();
    assert_eq!(refusal(nobody, to_tier("pro")).await, ChangeRejection::UnknownKey);
    assert_eq!(burst(&gate, &issued), 100);
    gate.revoke(issued.key_id, None, audit()).await.unwrap();
    assert_eq!(refusal(issued.key_id, to_tier("pro")).await, ChangeRejection::Revoked);
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "revoked");
}

/// Elsewhere, giving a key other limits has given it a full bucket.
#[tokio::test]
async fn what_was_used_stays_used_whatever_the_limits_become() {
    let (_, gate) = open_new().await;
    // Editions of the limits that differ between the two tiers, and from a key's own.
    for _ in 0..20 {
        put(&gate, tier("twin", 50)).await.unwrap();
        put(&gate, tier("twin", 100)).await.unwrap();
    }
    put(&gate, tier("pro", 100)).await.unwrap();
    let issued = issue(&gate).await;
    let used = || 100 - 1 - verify_issued(&gate, &issued).unwrap().standing().unwrap().remaining;
    assert_eq!(used(), 0);
    let changes = [
        to_tier("twin"),
        to_own_limits(100),
        KeyEdit { tier: Some("pro".parse().unwrap()), ..KeyEdit::default() },
        to_tier("pro"),
        to_tier("basic"),
        to_own_limits(100),
        to_tier("twin"),
    ];
    for (before, change) in (1..).zip(changes) {
        edit(&gate, issued.key_id, change).await;
        assert_eq!(used(), before);
    }
    while verify_issued(&gate, &issued).is_ok() {}
    for change in [to_tier("pro"), to_own_limits(100), to_tier("twin"), to_own_limits(1_000)] {
        edit(&gate, issued.key_id, change).await;
        assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "limited");
    }
}

#[tokio::test]
async fn a_looser_limit_counts_at_once_and_a_stricter_one_keeps_nobody_out_for_longer_than_it_is() {
    let (_, gate) = open_new().await;
    let day = NonZeroU32::new(2).unwrap();
    let day = Limit::new("requests", day, Duration::from_secs(86_400), day).unwrap();
    let slow = KeyEdit { limits: Some(Some(Limits::of(Some(day)))), ..KeyEdit::default() };
    let issued = issue(&gate).await;
    edit(&gate, issued.key_id, slow).await;
    while verify_issued(&gate, &issued).is_ok() {}
    edit(&gate, issued.key_id, to_tier("basic")).await;
    let wait = wait(&gate, &issued);
    assert_eq!(wait, Duration::from_millis(600));
    edit(
        &gate,
        issued.key_id,
        KeyEdit { limits: Some(Some(Limits::of(None))), ..KeyEdit::default() },
    )
    .await;
    assert!(verify_issued(&gate, &issued).unwrap().standing().is_none());
}

/// A request that holds the key's old entry must not take from a bucket that no other request sees.
#[tokio::test]
async fn no_request_is_taken_twice_while_the_key_changes() {
    let (_, gate) = open_new().await;
    put(&gate, tier("basic", 2_000)).await.unwrap();
    let issued = issue(&gate).await;
    let (allowed, together) = (AtomicU32::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                together.wait();
                while verify_issued(&gate, &issued).is_ok() {
                    allowed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            together.wait();
            for number in 0..500 {
                let name = Some(format!("Name {number}").parse().unwrap());
                // The same limit, now the tier's and now its own.
                let change = match number % 4 {
                    0 => to_own_limits(2_000),
                    2 => to_tier("basic"),
                    _ => KeyEdit { name, ..KeyEdit::default() },
                };
                on_this_thread(edit(&gate, issued.key_id, change));
            }
        });
    });
    while verify_issued(&gate, &issued).is_ok() {
        allowed.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(allowed.into_inner(), 2_000);
}
