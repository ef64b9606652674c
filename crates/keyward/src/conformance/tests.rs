//! The store in memory keeps every promise, and every promise is in the list.

use super::Promise;
use crate::memory::MemoryStore;

fn check(promise: Promise) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(promise(&MemoryStore::default()));
}

crate::conformance!(crate::conformance::tests::check);

/// Otherwise a promise might be written and never run.
#[test]
fn every_promise_is_in_the_list() {
    let list = include_str!("../conformance.rs");
    let modules = [
        include_str!("audit.rs"),
        include_str!("changes.rs"),
        include_str!("clock.rs"),
        include_str!("commits.rs"),
        include_str!("followers.rs"),
        include_str!("keys.rs"),
        include_str!("leaks.rs"),
        include_str!("lists.rs"),
        include_str!("once.rs"),
        include_str!("owners.rs"),
        include_str!("pages.rs"),
        include_str!("reading.rs"),
        include_str!("rotation.rs"),
        include_str!("tiers.rs"),
        include_str!("transfer.rs"),
        include_str!("usage.rs"),
    ];
    let promises = modules.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let promise = line.strip_prefix("pub async fn ")?;
        promise.split_once("(store: &dyn Store)").map(|(name, _)| name)
    });
    let promises: Vec<_> = promises.collect();
    assert!(100 < promises.len(), "the promises are found");
    for promise in promises {
        assert!(list.contains(&format!(" {promise},")), "{promise}");
    }
}
