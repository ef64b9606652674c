//! A whole cluster on one thread: real gates over a database in memory, a network that loses what
//! it is told to, clocks that run apart, and processes that pause and die. All chance comes from
//! one seed.

mod asking;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keyward::audit::{Audit, AuditEntry, Verb};
use keyward::change::KeyChange;
use keyward::issue::NewKey;
use keyward::key::Prefix;
use keyward::memory::{Letter, MemoryCluster};
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::{Asked, Gate, KeyId};

use super::chance::Chance;
use super::history::{Change, History};
use asking::Asking;

/// How long a lease is.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// When the simulation begins.
const START: u64 = 1_800_000_000_000;
const MS: u64 = 1_000_000;

type Task<T> = Pin<Box<dyn Future<Output = T>>>;

fn poll<T>(task: &mut Task<T>) -> Option<T> {
    match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Polls a task that may be there, and takes it away when it is done.
fn poll_slot<T>(slot: &mut Option<Task<T>>) -> Option<T> {
    let done = poll(slot.as_mut()?);
    if done.is_some() {
        *slot = None;
    }
    done
}

/// The time of one process: true time, at a rate and from an origin of its own.
#[derive(Clone, Debug)]
struct Clock {
    nanos: Arc<AtomicU64>,
    /// Millionths by which it runs faster or slower.
    ppm: i64,
    origin: u64,
}

impl Clock {
    fn now(&self) -> Now {
        let nanos = self.nanos.load(Ordering::Relaxed);
        let own = i128::from(nanos) * i128::from(1_000_000 + self.ppm) / 1_000_000;
        let steady = self.origin + u64::try_from(own).unwrap();
        Now::new(UnixMillis(START + nanos / MS), SteadyNanos(steady))
    }
}

/// One process of the cluster.
struct Process {
    clock: Clock,
    gate: Option<Arc<Gate>>,
    is_paused: bool,
    opening: Option<Task<Option<Gate>>>,
    following: Option<Task<()>>,
    settling: Option<Task<()>>,
    tidying: Option<Task<()>>,
    changes: Vec<(Change, Task<Done>)>,
    /// Requests that arrived and are not decided yet.
    asking: Vec<Asking>,
}

/// The end of a change.
enum Done {
    Issued(KeyId, String),
    Changed,
    Failed,
}

/// The cluster.
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) cluster: MemoryCluster,
    pub(crate) history: History,
    /// A process that is asked often and hears from the database late: its messages are on their way
    /// so many times as long. In most runs there is one.
    slow: Option<(usize, usize)>,
    nanos: Arc<AtomicU64>,
    processes: Vec<Process>,
    step: u64,
    /// A failover lost entries of the trail.
    has_lost: bool,
    /// The first wrong verdict, or id that was given twice.
    fault: Option<String>,
}

impl World {
    pub(crate) fn new(seed: u64, processes: usize) -> Self {
        let mut chance = Chance(seed);
        let cluster = MemoryCluster::new(LEASE);
        cluster.wire().hold();
        let nanos = Arc::new(AtomicU64::new(0));
        let slow = (!chance.one_in(4)).then(|| (chance.below(processes), 2 + chance.below(5)));
        let process = |_| Process {
            clock: Clock {
                nanos: Arc::clone(&nanos),
                // Any two differ by less than one in a hundred.
                ppm: chance.below(9_801) as i64 - 4_900,
                origin: chance.below(1_000_000_000) as u64,
            },
            gate: None,
            is_paused: false,
            opening: None,
            following: None,
            settling: None,
            tidying: None,
            changes: Vec::new(),
            asking: Vec::new(),
        };
        let processes = (0..processes).map(process).collect();
        let history = History::default();
        let world = Self {
            chance,
            cluster,
            history,
            slow,
            nanos,
            processes,
            step: 0,
            has_lost: false,
            fault: None,
        };
        world.set_time();
        world
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
        self.set_time();
    }

    fn set_time(&self) {
        let nanos = self.nanos.load(Ordering::Relaxed);
        self.cluster.set_time(UnixMillis(START + nanos / MS));
    }

    /// A process that callers ask.
    pub(crate) fn asked_process(&mut self) -> usize {
        match self.slow {
            Some((slow, _)) if self.chance.one_in(2) => slow,
            Some(_) | None => self.any_process(),
        }
    }

    pub(crate) fn any_process(&mut self) -> usize {
        self.chance.below(self.processes.len())
    }

    /// Lets a process go on as far as it gets without another message.
    pub(crate) fn poll(&mut self, at: usize) {
        self.step += 1;
        let process = &mut self.processes[at];
        if process.is_paused {
            return;
        }
        let clock = process.clock.clone();
        let Some(gate) = process.gate.clone() else {
            let node = Arc::new(self.cluster.node(at));
            let opening = process.opening.get_or_insert_with(|| {
                Box::pin(async move { Gate::open(node, Prefix::default()).await.ok() })
            });
            if let Some(opened) = poll(opening) {
                process.opening = None;
                process.gate = opened.map(Arc::new);
            }
            return;
        };
        let (of_gate, of_clock) = (Arc::clone(&gate), clock.clone());
        let is_hinted = self.chance.one_in(4);
        process.following.get_or_insert_with(|| {
            Box::pin(async move {
                let clock = || of_clock.now();
                if is_hinted {
                    drop(of_gate.catch_up(&clock).await);
                } else {
                    drop(of_gate.keep_up(&clock).await);
                }
            })
        });
        let (of_gate, of_clock) = (Arc::clone(&gate), clock.clone());
        process.settling.get_or_insert_with(|| {
            Box::pin(async move { drop(of_gate.settle(&|| of_clock.now()).await) })
        });
        process
            .tidying
            .get_or_insert_with(|| Box::pin(async move { drop(gate.tidy(&|| clock.now()).await) }));
        poll_slot(&mut process.following);
        poll_slot(&mut process.settling);
        poll_slot(&mut process.tidying);
        let (step, history, cluster) = (self.step, &mut self.history, &self.cluster);
        let fault = &mut self.fault;
        let mut is_acknowledged = false;
        process.changes.retain_mut(|(change, task)| {
            let Some(done) = poll(task) else { return true };
            match done {
                Done::Issued(id, secret) => {
                    if let Err(twice) = history.issued(id, secret) {
                        fault.get_or_insert(twice);
                    }
                }
                Done::Changed => {
                    history.acknowledged(*change, step, cluster);
                    is_acknowledged = true;
                }
                Done::Failed => history.failed(*change),
            }
            false
        });
        if is_acknowledged {
            self.ask_all();
        }
    }

    /// Delivers or loses one message, and lets its process go on.
    pub(crate) fn move_a_letter(&mut self, arrives: bool) {
        let letters = self.cluster.wire().letters();
        if letters.is_empty() {
            return;
        }
        let letter = letters[self.chance.below(letters.len())];
        if let Some((slow, times)) = self.slow
            && letter.process == slow
            && !self.chance.one_in(times)
        {
            return;
        }
        if arrives {
            self.cluster.wire().deliver(letter.number);
        } else {
            self.cluster.wire().lose(letter.number);
        }
        self.poll(letter.process);
    }

    /// Delivers everything that is on its way.
    pub(crate) fn move_all_letters(&mut self) {
        self.move_letters(|_| true);
    }

    /// Delivers all messages of a kind, oldest first.
    pub(crate) fn move_letters(&mut self, is_it: impl Fn(&Letter) -> bool) {
        for letter in self.cluster.wire().letters().into_iter().filter(is_it) {
            self.cluster.wire().deliver(letter.number);
            self.poll(letter.process);
        }
    }

    pub(crate) fn fail_over(&mut self) {
        let before = self.cluster.trail().len();
        self.cluster.fail_over();
        self.has_lost |= self.cluster.trail().len() < before;
        self.history.failed_over(&self.cluster);
    }

    pub(crate) fn set_paused(&mut self, at: usize, is_paused: bool) {
        self.processes[at].is_paused = is_paused;
        if !is_paused {
            self.ask_all();
        }
    }

    pub(crate) fn resume_all(&mut self) {
        self.processes.iter_mut().for_each(|process| process.is_paused = false);
    }

    pub(crate) fn kill(&mut self, at: usize) {
        let process = &mut self.processes[at];
        process.changes.iter().for_each(|(change, _)| self.history.failed(*change));
        process.changes.clear();
        process.asking.clear();
        (process.opening, process.following, process.settling, process.tidying) =
            (None, None, None, None);
        process.gate = None;
        process.is_paused = false;
    }

    /// Begins a change of any kind, of any key.
    pub(crate) fn begin_change(&mut self, at: usize) {
        self.step += 1;
        let process = &mut self.processes[at];
        let Some(gate) = process.gate.clone().filter(|_| !process.is_paused) else { return };
        let clock = process.clock.clone();
        let audit = Audit::program(clock.now().unix);
        let keys = self.history.keys.len();
        if self.history.living() < 2 {
            let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
            let task = async move {
                match gate.issue(key, audit).await {
                    Ok(issued) => Done::Issued(issued.key_id, issued.secret.expose().to_owned()),
                    Err(_) => Done::Failed,
                }
            };
            process.changes.push((Change::Issue, Box::pin(task)));
            return;
        }
        let key = keys - 1 - self.chance.below(keys.min(3));
        let id = self.history.keys[key].id;
        let (begun, change) = match self.chance.below(5) {
            0 | 1 => (self.history.revoke(key), KeyChange::Revoke { reason: None }),
            2 | 3 => (self.history.suspend(key), KeyChange::Suspend),
            _ => (self.history.resume(key), KeyChange::Resume),
        };
        let task = async move {
            match gate.change(id, change, None, audit, &|| clock.now()).await {
                Ok(_) => Done::Changed,
                Err(_) => Done::Failed,
            }
        };
        process.changes.push((begun, Box::pin(task)));
    }

    /// Whether each process decides, waits for nothing, and judges every key as the database does.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.processes.iter().all(|process| {
            let Some(gate) = &process.gate else { return false };
            let now = process.clock.now();
            let judges_right = self.history.keys.iter().all(|key| {
                let verdict = gate.verify(&Asked::of(&key.secret), now);
                let word = verdict.map_or_else(|denied| denied.as_str(), |_| "allowed");
                // A key that the database lost may be stopped where it was known.
                let is_lost = |word| ["unknown", "revoked"].contains(&word);
                match key.word_by(&self.cluster) {
                    "unknown" => is_lost(word),
                    right => right == word,
                }
            });
            process.changes.is_empty() && judges_right
        })
    }

    /// A database that lost nothing is not taken for one that went back in time.
    pub(crate) fn check_losses(&self) -> Result<(), String> {
        let is_diverged = |entry: &AuditEntry| Verb::of(&entry.verb) == Some(Verb::Diverged);
        if !self.has_lost && self.cluster.trail().iter().any(is_diverged) {
            return Err("a loss is on record, and nothing was lost".to_owned());
        }
        Ok(())
    }

    /// What each process says of each key, and what the database says.
    pub(crate) fn told(&self) -> String {
        let mut told = String::new();
        for (at, key) in self.history.keys.iter().enumerate() {
            told.push_str(&format!("key {at}: {}", key.word_by(&self.cluster)));
            for process in &self.processes {
                let verdict = process
                    .gate
                    .as_ref()
                    .map(|gate| gate.verify(&Asked::of(&key.secret), process.clock.now()));
                let word =
                    verdict.map(|it| it.map_or_else(|denied| denied.as_str(), |_| "allowed"));
                told.push_str(&format!(" {}", word.unwrap_or("closed")));
            }
            told.push('\n');
        }
        let waiting = self.processes.iter().map(|process| process.changes.len());
        told + &format!("changes under way: {:?}", waiting.collect::<Vec<_>>())
    }
}
