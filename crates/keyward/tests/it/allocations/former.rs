//! Nor does one about a secret that was replaced.

use std::sync::Arc;
use std::time::Duration;

use keyward::audit::Audit;
use keyward::issue::NewKey;
use keyward::key::Prefix;
use keyward::memory::MemoryStore;
use keyward::{Asked, Denied, Gate, Verdict};

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
    check(first.secret.expose(), |verdict| matches!(verdict, Err(Denied::Replaced)));
    check(second.secret.expose(), Result::is_ok);
    check(third.secret.expose(), Result::is_ok);
}
