//! Nor does one about a secret that was replaced.

use std::sync::Arc;
use std::time::Duration;

use keyward::audit::Audit;
use keyward::issue::NewKey;
use keyward::key::Prefix;
use keyward::memory::MemoryStore;
use keyward::{Asked, Denied, Gate, Now, UnixMillis, Verdict};

use super::{NOW, check};

#[tokio::test]
async fn a_former_secret_allocates_nothing() {
    let store = Arc::new(MemoryStore::default());
    let gate = Gate::open(store, Prefix::default()).await.unwrap();
    let new = NewKey::plain("a".parse().unwrap(), "enterprise".parse().unwrap(), None);
    let audit = || Audit::program(NOW.unix);
    let first = gate.issue(new, audit()).await.unwrap();
    let (id, hour) = (first.key_id, Duration::from_secs(3_600));
    let second = gate.rotate(id, hour, None, audit(), &|| NOW).await.unwrap();
    let third = gate.rotate(id, hour, None, audit(), &|| NOW).await.unwrap();
    let check = |text: &str, expected: fn(&Verdict) -> bool| {
        check(|| gate.verify(&Asked::of(text), NOW), expected);
    };
    check(first.secret.expose(), |verdict| matches!(verdict, Err(Denied::Replaced(_))));
    check(second.secret.expose(), Result::is_ok);
    check(third.secret.expose(), Result::is_ok);
}

#[tokio::test]
async fn a_clock_that_was_set_back_allocates_nothing() {
    let store = Arc::new(MemoryStore::default());
    let gate = Gate::open(store, Prefix::default()).await.unwrap();
    let day = 86_400_000;
    let at = |unix| Now::new(UnixMillis(unix), NOW.steady);
    let issue = async |expires_at| {
        let tier = "enterprise".parse().unwrap();
        let new = NewKey { expires_at, ..NewKey::plain("a".parse().unwrap(), tier, None) };
        gate.issue(new, Audit::program(NOW.unix)).await.unwrap().secret
    };
    let (ever, ended) = (issue(None).await, issue(Some(UnixMillis(8 * day))).await);
    gate.follow(at(9 * day));
    let check = |text: &str, unix, expected: fn(&Verdict) -> bool| {
        check(|| gate.verify(&Asked::of(text), at(unix)), expected);
    };
    check(ever.expose(), 9 * day, Result::is_ok);
    check(ended.expose(), 9 * day, |verdict| matches!(verdict, Err(Denied::Expired(_))));
    check(ever.expose(), day, Result::is_ok);
    check(ended.expose(), day, |verdict| matches!(verdict, Err(Denied::ClockInDoubt(_))));
}
