//! Promises about reports of leaked secrets: they are kept until they are forgotten.

use crate::UnixMillis;
use crate::digest::Digest;
use crate::store::LeakReport;

use super::Store;
use super::sample::{digest, trail};

fn report(number: u64, found_at: &str) -> LeakReport {
    LeakReport {
        digest: digest(number),
        reason: Some(found_at.parse().unwrap()),
        address: Some("192.0.2.7".parse().unwrap()),
        request_id: Some(format!("request-{number}")),
        at: UnixMillis(number),
    }
}

async fn kept(store: &dyn Store) -> Vec<LeakReport> {
    store.kept_leaks(1_000).await.unwrap()
}

pub async fn what_is_reported_is_kept_until_it_is_forgotten(store: &dyn Store) {
    store.keep_leaks(Vec::new()).await.unwrap();
    assert!(kept(store).await.is_empty());
    let bare = LeakReport { reason: None, address: None, request_id: None, ..report(2, "a") };
    store.keep_leaks(vec![report(1, "a page"), bare.clone()]).await.unwrap();
    assert_eq!(kept(store).await, [report(1, "a page"), bare.clone()]);
    store.forget_leaks(vec![digest(1), digest(3)]).await.unwrap();
    assert_eq!(kept(store).await, [bare]);
    assert!(trail(store).await.is_empty());
}

pub async fn what_is_reported_twice_stays_as_it_was(store: &dyn Store) {
    store.keep_leaks(vec![report(1, "here"), report(1, "there")]).await.unwrap();
    store.keep_leaks(vec![report(1, "elsewhere")]).await.unwrap();
    assert_eq!(kept(store).await, [report(1, "here")]);
}

pub async fn at_most_so_many_are_read(store: &dyn Store) {
    store.keep_leaks((0..5).map(|number| report(number, "a")).collect()).await.unwrap();
    let digests = |reports: &[LeakReport]| -> Vec<Digest> {
        reports.iter().map(|report| report.digest).collect()
    };
    let first = store.kept_leaks(2).await.unwrap();
    assert_eq!(first.len(), 2);
    store.forget_leaks(digests(&first)).await.unwrap();
    let rest = kept(store).await;
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|report| !first.contains(report)));
}
