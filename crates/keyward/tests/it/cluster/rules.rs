//! Each rule of a cluster by itself, step by step, over a network that delivers at once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keyward::audit::Audit;
use keyward::change::{KeyChange, KeyEdit};
use keyward::gate::{ChangeError, KeptUp, TierBefore};
use keyward::issue::{Issued, NewKey};
use keyward::key::Prefix;
use keyward::limit::{Limit, Limits};
use keyward::memory::MemoryCluster;
use keyward::store::StoreError;
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::{Asked, Gate, KeyId};

const LEASE: Duration = Duration::from_secs(5);
const AT: UnixMillis = UnixMillis(1_800_000_000_000);

/// Two gates over one database, and their clock.
struct Two {
    cluster: MemoryCluster,
    gates: [Gate; 2],
    nanos: AtomicU64,
}

impl Two {
    async fn new() -> Self {
        let cluster = MemoryCluster::new(LEASE);
        let gates = [open(&cluster, 0).await, open(&cluster, 1).await];
        let two = Self { cluster, gates, nanos: AtomicU64::new(0) };
        two.keep_up(&two.gates).await;
        two
    }

    fn now(&self) -> Now {
        let steady = SteadyNanos(self.nanos.load(Ordering::Relaxed));
        Now::new(UnixMillis(AT.0 + steady.0 / 1_000_000), steady)
    }

    fn audit(&self) -> Audit {
        Audit::program(self.now().unix)
    }

    fn pass(&self, time: Duration) {
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    /// Lets these gates follow until there is nothing more.
    async fn keep_up(&self, gates: &[Gate]) {
        for gate in gates {
            while gate.keep_up(&|| self.now()).await.unwrap() != KeptUp::Current {}
        }
    }

    /// Runs a change to its end while these gates follow.
    async fn finish<T>(&self, gates: &[Gate], change: impl Future<Output = T>) -> T {
        let mut change = pin!(change);
        for _ in 0..3 {
            if let Some(done) = poll(change.as_mut()) {
                return done;
            }
            self.keep_up(gates).await;
            for gate in gates {
                gate.settle(&|| self.now()).await.unwrap();
            }
        }
        panic!("it still waits");
    }

    async fn issue(&self) -> Issued {
        let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
        let key = NewKey { owner: Some("org_1".parse().unwrap()), ..key };
        self.finish(&self.gates, self.gates[0].issue(key, self.audit())).await.unwrap()
    }

    async fn change(&self, id: KeyId, change: KeyChange) {
        let changed = async {
            self.gates[0].change(id, change, None, self.audit(), &|| self.now()).await.unwrap()
        };
        self.finish(&self.gates, changed).await;
    }

    /// What both gates say of a secret.
    fn words(&self, secret: &str) -> [&'static str; 2] {
        self.gates.each_ref().map(|gate| self.word(gate, secret))
    }

    fn word(&self, gate: &Gate, secret: &str) -> &'static str {
        let verdict = gate.verify(&Asked::of(secret), self.now());
        verdict.map_or_else(|denied| denied.as_str(), |_| "allowed")
    }
}

async fn open(cluster: &MemoryCluster, number: usize) -> Gate {
    Gate::open(Arc::new(cluster.node(number)), Prefix::default()).await.unwrap()
}

fn poll<F: Future>(task: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match task.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

const REVOKE: KeyChange = KeyChange::Revoke { reason: None };

#[tokio::test]
async fn a_gate_decides_while_it_hears_from_the_store() {
    let two = Two::new().await;
    let late = open(&two.cluster, 2).await;
    assert_eq!(two.word(&late, "wrong"), "uncertain", "it was loaded, and renewed nothing yet");
    assert_eq!(two.words("wrong"), ["unknown"; 2]);
    two.pass(LEASE - Duration::from_nanos(1));
    assert_eq!(two.words("wrong"), ["unknown"; 2]);
    two.pass(Duration::from_nanos(1));
    assert_eq!(two.words("wrong"), ["uncertain"; 2]);
    two.keep_up(&two.gates[..1]).await;
    assert_eq!(two.words("wrong"), ["unknown", "uncertain"]);
    two.gates[0].leave().await.unwrap();
    assert_eq!(two.words("wrong"), ["uncertain"; 2]);
    assert_eq!(two.gates[0].keep_up(&|| two.now()).await.unwrap(), KeptUp::Left);
}

#[tokio::test]
async fn every_gate_judges_by_every_change_once_it_is_acknowledged() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let secret = issued.secret.expose();
    assert_eq!(two.words(secret), ["allowed"; 2]);
    for (change, word) in [(KeyChange::Suspend, "suspended"), (KeyChange::Resume, "allowed")] {
        two.change(issued.key_id, change).await;
        assert_eq!(two.words(secret), [word; 2]);
    }
    for (is_suspended, word) in [(true, "suspended"), (false, "allowed")] {
        let owner = "org_1".parse().unwrap();
        let changed = two.gates[1].set_owner_suspended(owner, is_suspended, two.audit());
        two.finish(&two.gates, changed).await.unwrap();
        assert_eq!(two.words(secret), [word; 2]);
    }
    let ended = KeyEdit { expires_at: Some(Some(two.now().unix)), ..KeyEdit::default() };
    two.change(issued.key_id, KeyChange::Edit(Box::new(ended))).await;
    assert_eq!(two.words(secret), ["expired"; 2]);
    let other = two.issue().await;
    let clock = || two.now();
    let rotated = two.gates[1].rotate(other.key_id, Duration::ZERO, None, two.audit(), &clock);
    let rotated = two.finish(&two.gates, rotated).await.unwrap();
    assert_eq!(two.words(other.secret.expose()), ["replaced"; 2]);
    assert_eq!(two.words(rotated.secret.expose()), ["allowed"; 2]);
    two.change(other.key_id, REVOKE).await;
    assert_eq!(two.words(rotated.secret.expose()), ["revoked"; 2]);
}

#[tokio::test]
async fn every_gate_has_the_tiers_of_every_other() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let left = |gate: &Gate| {
        let caller = gate.verify(&Asked::of(issued.secret.expose()), two.now()).unwrap();
        caller.standing().unwrap().remaining
    };
    assert_eq!(two.gates.each_ref().map(left), [99; 2]);
    let five = 5.try_into().unwrap();
    let limit = Limit::new("requests", five, Duration::from_secs(60), five).unwrap();
    let (clock, limits) = (|| two.now(), Limits::of(Some(limit)));
    let (basic, gold) = ("basic".parse().unwrap(), "gold".parse().unwrap());
    for name in [&basic, &gold] {
        let (name, limits): (&keyward::tier::TierName, _) = (name, limits.clone());
        let put = two.gates[0].put_tier(name.clone(), limits, TierBefore::Any, two.audit(), &clock);
        two.finish(&two.gates, put).await.unwrap();
    }
    assert_eq!(two.gates.each_ref().map(|gate| gate.tier_names().len()), [4; 2]);
    // A part of a unit was used before.
    assert_eq!(two.gates.each_ref().map(left), [3; 2]);
    let deleted = two.gates[1].delete_tier(gold, TierBefore::Any, two.audit());
    two.finish(&two.gates, deleted).await.unwrap();
    assert_eq!(two.gates.each_ref().map(|gate| gate.tier_names().len()), [3; 2]);
}

#[tokio::test]
async fn a_change_waits_for_a_gate_that_is_silent_as_long_as_that_may_decide() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [awake, _silent] = &two.gates;
    for _ in 0..2 {
        // The second time it is revoked already, and the other gate still does not know.
        let mut revoked = pin!(awake.revoke(issued.key_id, None, two.audit()));
        assert!(poll(revoked.as_mut()).is_none());
        assert_eq!(two.words(issued.secret.expose()), ["revoked", "allowed"]);
        two.keep_up(&two.gates[..1]).await;
        assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1);
        assert!(poll(revoked.as_mut()).is_none());
    }
    let mut revoked = pin!(awake.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1);
    two.pass(LEASE + LEASE / 100);
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1, "clocks differ, and are rounded");
    two.pass(Duration::from_millis(10));
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 0);
    assert!(poll(revoked.as_mut()).unwrap().unwrap());
    assert_eq!(two.word(&two.gates[1], issued.secret.expose()), "uncertain");
}

#[tokio::test]
async fn many_changes_that_wait_hold_up_neither_the_feed_nor_each_other() {
    let two = Two::new().await;
    let mut keys = Vec::new();
    for _ in 0..64 {
        keys.push(two.issue().await.key_id);
    }
    let revoke = |id: &KeyId| Box::pin(two.gates[0].revoke(*id, None, two.audit()));
    let mut revoked: Vec<_> = keys.iter().map(revoke).collect();
    assert!(revoked.iter_mut().all(|task| poll(task.as_mut()).is_none()));
    assert_eq!(two.gates[0].standing().unwrap().waiting, 64);
    two.keep_up(&two.gates).await;
    assert_eq!(two.gates[0].settle(&|| two.now()).await.unwrap(), 0);
    assert!(revoked.iter_mut().all(|task| poll(task.as_mut()).unwrap().unwrap()));
}

#[tokio::test]
async fn what_gives_more_waits_a_quarter_of_a_second() {
    let two = Two::new().await;
    let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
    let mut issued = pin!(two.gates[0].issue(key, two.audit()));
    assert!(poll(issued.as_mut()).is_none());
    assert_eq!(two.gates[0].settle(&|| two.now()).await.unwrap(), 1);
    two.pass(Duration::from_millis(250));
    assert_eq!(two.gates[0].settle(&|| two.now()).await.unwrap(), 0);
    assert!(poll(issued.as_mut()).unwrap().is_ok());
}

#[tokio::test]
async fn a_silent_gate_is_marked_and_removed_and_comes_back() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [awake, silent] = &two.gates;
    let turn = async || {
        two.keep_up(&two.gates[..1]).await;
        awake.tidy(&|| two.now()).await.unwrap();
    };
    turn().await;
    two.pass(LEASE);
    // It marks the other one, and sees in the next turn that it did.
    turn().await;
    turn().await;
    two.pass(LEASE + LEASE / 100 + Duration::from_millis(10));
    turn().await;
    // No other node is there to be waited for.
    let revoked = awake.revoke(issued.key_id, None, two.audit());
    two.finish(&two.gates[..1], revoked).await.unwrap();
    assert_eq!(two.word(silent, issued.secret.expose()), "uncertain");
    assert_eq!(silent.keep_up(&|| two.now()).await.unwrap(), KeptUp::Out);
    two.keep_up(&two.gates).await;
    assert_eq!(two.words(issued.secret.expose()), ["revoked"; 2]);
}

#[tokio::test]
async fn after_a_failover_the_clock_settles_changes_until_the_server_is_confirmed() {
    let two = Two::new().await;
    let (first, second) = (two.issue().await, two.issue().await);
    two.cluster.replicate();
    two.cluster.fail_over();
    two.keep_up(&two.gates).await;
    let awake = &two.gates[0];
    let mut revoked = pin!(awake.revoke(first.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    awake.tidy(&|| two.now()).await.unwrap();
    two.keep_up(&two.gates).await;
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1, "a node may be missing");
    two.pass(LEASE + LEASE / 100 + Duration::from_millis(10));
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 0);
    assert!(poll(revoked.as_mut()).unwrap().unwrap());
    two.keep_up(&two.gates).await;
    awake.tidy(&|| two.now()).await.unwrap();
    let revoked = awake.revoke(second.key_id, None, two.audit());
    assert!(two.finish(&two.gates, revoked).await.unwrap());
}

#[tokio::test]
async fn what_a_failover_lost_comes_back_from_memory() {
    let two = Two::new().await;
    let [revoked, suspended, replaced, later] =
        [two.issue().await, two.issue().await, two.issue().await, two.issue().await];
    two.cluster.replicate();
    two.change(revoked.key_id, REVOKE).await;
    two.change(suspended.key_id, KeyChange::Suspend).await;
    let clock = || two.now();
    let rotated = two.gates[1].rotate(replaced.key_id, Duration::ZERO, None, two.audit(), &clock);
    let rotated = two.finish(&two.gates, rotated).await.unwrap();
    let lost = two.issue().await;
    two.cluster.fail_over();
    assert_eq!(two.gates[0].keep_up(&clock).await.unwrap(), KeptUp::Out);
    assert_eq!(two.word(&two.gates[0], later.secret.expose()), "uncertain");
    two.keep_up(&two.gates).await;
    // Of the replaced secret only the end is known, and the new one is lost with the change.
    let expected = [
        (&revoked.secret, "revoked"),
        (&suspended.secret, "suspended"),
        (&replaced.secret, "revoked"),
        (&rotated.secret, "revoked"),
        (&lost.secret, "revoked"),
        (&later.secret, "allowed"),
    ];
    for (secret, word) in expected {
        assert_eq!(two.words(secret.expose()), [word; 2]);
    }
    // A third gate knows them from the database alone.
    let third = open(&two.cluster, 2).await;
    two.keep_up(std::slice::from_ref(&third)).await;
    for (secret, word) in &expected[..3] {
        assert_eq!(two.word(&third, secret.expose()), *word);
    }
}

#[tokio::test]
async fn a_change_that_a_failover_lost_while_it_waits_is_no_success() {
    let two = Two::new().await;
    let issued = two.issue().await;
    two.cluster.replicate();
    let awake = &two.gates[0];
    let mut revoked = pin!(awake.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    two.cluster.fail_over();
    awake.settle(&|| two.now()).await.unwrap();
    let error = poll(revoked.as_mut()).unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // It was stopped here before the feed brought it, so it is made again.
    two.keep_up(&two.gates).await;
    assert_eq!(two.words(issued.secret.expose()), ["revoked"; 2]);
}

#[tokio::test]
async fn a_rejected_change_waits_for_nothing() {
    let two = Two::new().await;
    let unknown = KeyId::new(7).unwrap();
    let clock = || two.now();
    let mut changed =
        pin!(two.gates[0].change(unknown, KeyChange::Suspend, None, two.audit(), &clock));
    let changed = poll(changed.as_mut()).expect("it does not wait");
    assert!(matches!(changed, Err(ChangeError::Rejected(_))));
}
