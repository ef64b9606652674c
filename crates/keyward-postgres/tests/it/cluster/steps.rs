//! Gates over a real database, step by step, by a clock that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward::gate::KeptUp;
use keyward::issue::{Issued, NewKey};
use keyward::key::Prefix;
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::{Gate, KeyId};
use keyward_postgres::{OpenOptions, PostgresStore};

use crate::server::block_on;

use super::{LEASE, shared, word};

const REVOKE: KeyChange = KeyChange::Revoke { reason: None };
/// After so long no lease holds, by any clock.
const CERTAINLY: Duration = Duration::from_millis(2_030);

/// Gates over one schema, and their clock.
pub(super) struct Gates {
    pub(super) place: OpenOptions,
    pub(super) gates: Vec<Arc<Gate>>,
    nanos: AtomicU64,
}

impl Gates {
    pub(super) async fn open(number: usize) -> Self {
        let place = shared().await;
        let mut all = Self { place, gates: Vec::new(), nanos: AtomicU64::new(0) };
        for _ in 0..number {
            let store = Arc::new(PostgresStore::open(&all.place).await.unwrap());
            all.gates.push(Arc::new(Gate::open(store, Prefix::default()).await.unwrap()));
        }
        all.follow(number).await;
        all
    }

    pub(super) fn now(&self) -> Now {
        let steady = SteadyNanos(self.nanos.load(Ordering::Relaxed));
        Now::new(UnixMillis(1_800_000_000_000 + steady.0 / 1_000_000), steady)
    }

    pub(super) fn pass(&self, time: Duration) {
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    /// Lets the first ones follow until there is nothing more.
    pub(super) async fn follow(&self, number: usize) {
        for gate in &self.gates[..number] {
            while gate.keep_up(&|| self.now()).await.unwrap() != KeptUp::Current {}
        }
    }

    /// Begins a change of the first gate, and returns when it waits for the others.
    async fn begin(&self, id: KeyId) -> tokio::task::JoinHandle<()> {
        let (gate, now) = (Arc::clone(&self.gates[0]), self.now());
        let change = tokio::spawn(async move {
            let audit = Audit::program(now.unix);
            gate.change(id, REVOKE, None, audit, &|| now).await.unwrap();
        });
        while self.gates[0].standing().unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
        change
    }

    /// Lets the first ones follow, and says how many changes of the first one still wait.
    async fn settle(&self, number: usize) -> usize {
        self.follow(number).await;
        self.gates[0].settle(&|| self.now()).await.unwrap()
    }

    pub(super) async fn issue(&self) -> Issued {
        let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
        let gate = Arc::clone(&self.gates[0]);
        let audit = Audit::program(self.now().unix);
        let issue = tokio::spawn(async move { gate.issue(key, audit).await.unwrap() });
        while !issue.is_finished() {
            self.settle(self.gates.len()).await;
        }
        issue.await.unwrap()
    }

    pub(super) async fn revoke(&self, id: KeyId) {
        let change = self.begin(id).await;
        while !change.is_finished() {
            self.settle(self.gates.len()).await;
        }
        change.await.unwrap();
    }

    pub(super) fn words(&self, secret: &str) -> Vec<&'static str> {
        self.gates.iter().map(|gate| word(gate, secret, self.now())).collect()
    }
}

#[test]
fn nothing_is_decided_before_the_first_renewal_nor_after_the_lease() {
    block_on(async {
        let all = Gates::open(1).await;
        let issued = all.issue().await;
        let secret = issued.secret.expose();
        let store = Arc::new(PostgresStore::open(&all.place).await.unwrap());
        let second = Gate::open(store, Prefix::default()).await.unwrap();
        assert_eq!(word(&second, secret, all.now()), "uncertain");
        while second.keep_up(&|| all.now()).await.unwrap() != KeptUp::Current {}
        all.pass(LEASE - Duration::from_nanos(1));
        assert_eq!(word(&second, secret, all.now()), "allowed");
        all.pass(Duration::from_nanos(1));
        assert_eq!(word(&second, secret, all.now()), "uncertain");
        second.keep_up(&|| all.now()).await.unwrap();
        assert_eq!(word(&second, secret, all.now()), "allowed");
    });
}

#[test]
fn a_silent_gate_delays_a_change_by_its_lease_and_no_more() {
    block_on(async {
        let all = Gates::open(2).await;
        let (first, second) = (all.issue().await, all.issue().await);
        let change = all.begin(first.key_id).await;
        assert_eq!(all.settle(1).await, 1);
        assert_eq!(all.words(first.secret.expose()), ["revoked", "allowed"]);
        all.pass(CERTAINLY - Duration::from_nanos(1));
        assert_eq!(all.settle(1).await, 1, "the other may still allow it");
        all.pass(Duration::from_nanos(1));
        assert_eq!(all.settle(1).await, 0);
        change.await.unwrap();
        assert_eq!(all.words(first.secret.expose()), ["revoked", "uncertain"]);
        let standing = all.gates[0].standing().unwrap();
        assert_eq!(standing.settled_by_clock, 1);
        // It is expelled, and later changes need not wait for it.
        for _ in 0..4 {
            all.gates[0].tidy(&|| all.now()).await.unwrap();
            all.pass(CERTAINLY);
            all.follow(1).await;
        }
        assert_eq!(all.gates[0].standing().unwrap().expelled, 1);
        let change = all.begin(second.key_id).await;
        assert_eq!(all.settle(1).await, 0);
        change.await.unwrap();
        assert_eq!(all.gates[0].standing().unwrap().settled_by_clock, 1);
        // It comes back as another node, and knows everything.
        assert_eq!(all.gates[1].keep_up(&|| all.now()).await.unwrap(), KeptUp::Out);
        all.follow(2).await;
        assert_eq!(all.words(second.secret.expose()), ["revoked", "revoked"]);
    });
}

#[test]
fn a_gate_that_left_is_waited_for_by_no_change() {
    block_on(async {
        let all = Gates::open(2).await;
        let issued = all.issue().await;
        all.gates[1].leave().await.unwrap();
        let change = all.begin(issued.key_id).await;
        assert_eq!(all.settle(1).await, 0);
        change.await.unwrap();
        assert_eq!(all.gates[0].standing().unwrap().settled_by_clock, 0);
    });
}

/// After a restart or a promotion, rows of nodes may be missing: acknowledgements count for
/// nothing until no lease of theirs can hold.
#[test]
fn on_another_server_changes_are_settled_by_the_clock_until_it_is_confirmed() {
    block_on(async {
        let all = Gates::open(2).await;
        let (first, second) = (all.issue().await, all.issue().await);
        let other = format!("UPDATE {}.cluster SET server = 'before'", all.place.schema);
        crate::server::Server::shared().execute(&other).await;
        all.gates[1].tidy(&|| all.now()).await.unwrap();
        let change = all.begin(first.key_id).await;
        assert_eq!(all.settle(2).await, 1, "both have it, and a third might not");
        all.pass(CERTAINLY - Duration::from_nanos(1));
        all.gates[1].tidy(&|| all.now()).await.unwrap();
        assert_eq!(all.settle(2).await, 1);
        all.pass(Duration::from_nanos(1));
        all.gates[1].tidy(&|| all.now()).await.unwrap();
        assert_eq!(all.settle(2).await, 0);
        change.await.unwrap();
        let change = all.begin(second.key_id).await;
        assert_eq!(all.settle(2).await, 0, "it is confirmed");
        change.await.unwrap();
    });
}
