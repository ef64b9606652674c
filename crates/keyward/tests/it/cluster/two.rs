//! Two gates over one database, step by step, over a network that delivers at once.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward::gate::KeptUp;
use keyward::issue::{Issued, NewKey};
use keyward::key::Prefix;
use keyward::memory::{Leg, MemoryCluster};
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::{Asked, Gate, KeyId};

pub(crate) const LEASE: Duration = Duration::from_secs(5);
pub(crate) const AT: UnixMillis = UnixMillis(1_800_000_000_000);

/// Two gates over one database, and their clock.
pub(crate) struct Two {
    pub(crate) cluster: MemoryCluster,
    pub(crate) gates: [Gate; 2],
    nanos: AtomicU64,
}

impl Two {
    pub(crate) async fn new() -> Self {
        let cluster = MemoryCluster::new(LEASE);
        cluster.set_time(AT);
        let gates = [open(&cluster, 0).await, open(&cluster, 1).await];
        let two = Self { cluster, gates, nanos: AtomicU64::new(0) };
        two.keep_up(&two.gates).await;
        two
    }

    pub(crate) fn now(&self) -> Now {
        let steady = SteadyNanos(self.nanos.load(Ordering::Relaxed));
        Now::new(UnixMillis(AT.0 + steady.0 / 1_000_000), steady)
    }

    pub(crate) fn audit(&self) -> Audit {
        Audit::program(self.now().unix)
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
        self.cluster.set_time(self.now().unix);
    }

    /// Lets these gates follow until there is nothing more.
    pub(crate) async fn keep_up(&self, gates: &[Gate]) {
        for gate in gates {
            while gate.keep_up(&|| self.now()).await.unwrap() != KeptUp::Current {}
        }
    }

    /// Confirms a server that took over.
    pub(crate) async fn confirm(&self) {
        for _ in 0..2 {
            self.gates[0].tidy(&|| self.now()).await.unwrap();
            self.pass(LEASE + LEASE / 100 + Duration::from_millis(10));
            self.keep_up(&self.gates).await;
        }
    }

    /// Lets a step go on until its renewal is on its way.
    pub(crate) fn until_renewal<T>(&self, mut step: Pin<&mut impl Future<Output = T>>) {
        let wire = self.cluster.wire();
        loop {
            assert!(poll(step.as_mut()).is_none(), "it has ended");
            let letters = wire.letters();
            if letters.iter().any(|letter| letter.what == "renew") {
                return;
            }
            letters.iter().for_each(|letter| wire.deliver(letter.number));
        }
    }

    /// Commits a change of the first gate while all other messages are held.
    pub(crate) fn commit_meanwhile<T>(&self, change: impl Future<Output = T>) {
        let (wire, mut change) = (self.cluster.wire(), pin!(change));
        for _ in [Leg::Request, Leg::Reply] {
            assert!(poll(change.as_mut()).is_none());
            let letters = wire.letters().into_iter().filter(|letter| letter.process == 0);
            letters.for_each(|letter| wire.deliver(letter.number));
        }
        assert!(poll(change.as_mut()).is_none(), "it waits for the other gate");
    }

    /// Runs a change to its end while these gates follow.
    pub(crate) async fn finish<T>(&self, gates: &[Gate], change: impl Future<Output = T>) -> T {
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

    pub(crate) fn new_key(&self) -> NewKey {
        let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
        NewKey { owner: Some("org_1".parse().unwrap()), ..key }
    }

    pub(crate) async fn issue(&self) -> Issued {
        let issued = self.gates[0].issue(self.new_key(), self.audit());
        self.finish(&self.gates, issued).await.unwrap()
    }

    pub(crate) async fn change(&self, id: KeyId, change: KeyChange) {
        let changed = async {
            self.gates[0].change(id, change, None, self.audit(), &|| self.now()).await.unwrap()
        };
        self.finish(&self.gates, changed).await;
    }

    /// What both gates say of a secret.
    pub(crate) fn words(&self, secret: &str) -> [&'static str; 2] {
        self.gates.each_ref().map(|gate| self.word(gate, secret))
    }

    pub(crate) fn word(&self, gate: &Gate, secret: &str) -> &'static str {
        let verdict = gate.verify(&Asked::of(secret), self.now());
        verdict.map_or_else(|denied| denied.as_str(), |_| "allowed")
    }
}

pub(crate) async fn open(cluster: &MemoryCluster, number: usize) -> Gate {
    Gate::open(Arc::new(cluster.node(number)), Prefix::default()).await.unwrap()
}

pub(crate) fn poll<F: Future + ?Sized>(task: Pin<&mut F>) -> Option<F::Output> {
    match task.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

pub(crate) const REVOKE: KeyChange = KeyChange::Revoke { reason: None };
