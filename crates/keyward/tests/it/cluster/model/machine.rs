//! The states, and the steps between them.

/// How many ticks a lease has.
const LEASE: u8 = 1;
const NODES: usize = 2;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Acknowledgements count although the server is another one.
    NoQuarantine,
    /// Another server is confirmed at once.
    EarlyConfirm,
    /// A renewal does not ask whether the trail has what the node applied.
    NoChainCheck,
    /// A marked node is removed at once.
    OnePhase,
    /// A process that starts takes over the registration of one that may still run.
    SharedId,
    /// Loading grants a lease.
    LeaseFromLoading,
    /// A lease begins with the reply.
    LeaseFromReply,
}

/// What may happen, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    pub(super) changes: u8,
    pub(super) crashes: u8,
    pub(super) failovers: u8,
    pub(super) broken: Option<Broken>,
}

/// A trail: the changes in it, oldest first. There are at most two, 0 and 1, and 1 is made later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Trail {
    len: u8,
    changes: [u8; 2],
}

impl Trail {
    fn push(&mut self, change: u8) {
        self.changes[usize::from(self.len)] = change;
        self.len += 1;
    }

    fn as_slice(&self) -> &[u8] {
        &self.changes[..usize::from(self.len)]
    }

    fn place(&self, change: u8) -> Option<u8> {
        self.as_slice().iter().position(|it| *it == change).map(|at| u8::try_from(at).unwrap())
    }

    fn begins_with(&self, earlier: &Self) -> bool {
        self.as_slice().starts_with(earlier.as_slice())
    }

    /// The changes after the first `from`, as a set.
    fn set_from(&self, from: u8) -> u8 {
        self.as_slice().iter().skip(usize::from(from)).fold(0, |set, change| set | 1 << change)
    }
}

/// What a node is doing. Ages are ticks, as far as they matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Phase {
    #[default]
    Out,
    Registered,
    LoadSent,
    Loading(Trail),
    Idle,
    Sent(u8),
    Replied {
        age: u8,
        trail: Trail,
        is_kept: bool,
    },
}

/// A node's row in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Row {
    /// It is the node's present one, and not that of an earlier registration.
    is_own: bool,
    acked: u8,
    /// Since when it is marked.
    marked: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Node {
    phase: Phase,
    applied: Trail,
    /// The changes that its index shows, as a set. It is never undone.
    denied: u8,
    /// Ticks that are left of its lease.
    lease: u8,
    row: Option<Row>,
    /// The row as the replica has it.
    replicated: Option<Row>,
}

/// The response to a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Response {
    #[default]
    NotMade,
    Waits(u8),
    Given,
}

/// The whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    trail: Trail,
    replicated: Trail,
    /// The server, the one that is confirmed, and the latter as the replica has it.
    server: u8,
    confirmed: u8,
    replicated_confirmed: u8,
    /// Since when the server is another one.
    server_age: u8,
    nodes: [Node; NODES],
    responses: [Response; 2],
    made: u8,
    crashes: u8,
}

fn older(age: u8) -> u8 {
    LEASE.min(age + 1)
}

impl State {
    /// Whether a node lets a key in although its end was acknowledged, and the database has it.
    pub(super) fn is_wrong(&self) -> bool {
        (0..2).any(|change| {
            self.responses[usize::from(change)] == Response::Given
                && self.trail.place(change).is_some()
                && self.nodes.iter().any(|it| 0 < it.lease && it.denied & 1 << change == 0)
        })
    }

    /// The same state with the nodes in an order: they are alike.
    pub(super) fn in_order(mut self) -> Self {
        if self.nodes[1] < self.nodes[0] {
            self.nodes.swap(0, 1);
        }
        self
    }

    fn tick(mut self) -> Self {
        for node in &mut self.nodes {
            node.lease = node.lease.saturating_sub(1);
            if let Phase::Sent(age) | Phase::Replied { age, .. } = &mut node.phase {
                *age = older(*age);
            }
            if let Some(Row { marked: Some(age), .. }) = &mut node.row {
                *age = older(*age);
            }
        }
        for response in &mut self.responses {
            if let Response::Waits(age) = response {
                *age = older(*age);
            }
        }
        if self.server != self.confirmed {
            self.server_age = older(self.server_age);
        }
        self
    }

    fn replicate(mut self) -> Self {
        self.replicated = self.trail;
        self.replicated_confirmed = self.confirmed;
        self.nodes.iter_mut().for_each(|node| node.replicated = node.row);
        self
    }

    fn fail_over(mut self) -> Self {
        self.server += 1;
        self.server_age = 0;
        self.confirmed = self.replicated_confirmed;
        self.trail = self.replicated;
        for node in &mut self.nodes {
            node.row = node.replicated.take();
            if let Some(Row { marked: Some(age), .. }) = &mut node.row {
                *age = 0;
            }
            // Requests die with the server; replies that it gave may still arrive.
            match node.phase {
                Phase::Sent(_) => node.phase = Phase::Idle,
                Phase::LoadSent => node.phase = Phase::Registered,
                Phase::Out
                | Phase::Registered
                | Phase::Loading(_)
                | Phase::Idle
                | Phase::Replied { .. } => {}
            }
        }
        self
    }
}

impl Machine {
    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    /// Shows every state that may come next, and the step that leads to it.
    pub(super) fn each_next(&self, state: State, mut show: impl FnMut(&'static str, State)) {
        show("tick", state.tick());
        for at in 0..NODES {
            self.node_steps(state, at, &mut show);
        }
        if state.made < self.changes {
            let mut next = state;
            next.trail.push(state.made);
            next.responses[usize::from(state.made)] = Response::Waits(0);
            next.made += 1;
            show("commit", next);
        }
        for change in 0..self.changes {
            self.response_steps(state, change, &mut show);
        }
        let is_over = LEASE <= state.server_age || self.is(Broken::EarlyConfirm);
        if state.server != state.confirmed && is_over {
            show("confirm", State { confirmed: state.server, ..state });
        }
        if state.server < self.failovers {
            show("replicate", state.replicate());
            show("fail over", state.fail_over());
        }
    }

    fn response_steps(&self, state: State, change: u8, show: &mut impl FnMut(&'static str, State)) {
        let at = usize::from(change);
        let Response::Waits(age) = state.responses[at] else { return };
        let mut next = state;
        next.responses[at] = Response::Given;
        let is_confirmed = state.server == state.confirmed || self.is(Broken::NoQuarantine);
        let mut rows = state.nodes.iter().filter_map(|node| node.row.as_ref());
        if let Some(place) = state.trail.place(change)
            && is_confirmed
            && rows.all(|row| place < row.acked)
        {
            show("all have it", next);
        }
        if LEASE <= age && state.trail.place(change).is_some() {
            show("no lease is as old, and the trail has it", next);
        }
    }

    fn node_steps(&self, state: State, at: usize, show: &mut impl FnMut(&'static str, State)) {
        let mut with = |step: &'static str, change: &dyn Fn(&mut Node)| {
            let mut next = state;
            change(&mut next.nodes[at]);
            show(step, next);
        };
        let trail = state.trail;
        match state.nodes[at].phase {
            Phase::Out => {
                let mut next = state;
                if self.is(Broken::SharedId) {
                    next.nodes.iter_mut().for_each(|node| node.row = None);
                }
                next.nodes[at].register();
                show("register", next);
                return self.life_steps(state, at, show);
            }
            Phase::Registered => with("ask for all", &|node| node.phase = Phase::LoadSent),
            Phase::LoadSent => with("read all", &|node| node.phase = Phase::Loading(trail)),
            Phase::Loading(all) => {
                let lease = if self.is(Broken::LeaseFromLoading) { LEASE } else { 0 };
                with("load all", &|node| {
                    node.applied = all;
                    node.denied |= all.set_from(0);
                    node.lease = lease;
                    node.phase = Phase::Idle;
                });
            }
            Phase::Idle => with("ask to renew", &|node| node.phase = Phase::Sent(0)),
            Phase::Sent(age) => {
                let checks = !self.is(Broken::NoChainCheck);
                with("renew", &|node| node.renew(age, trail, checks));
                with("lose a request", &|node| node.phase = Phase::Idle);
            }
            Phase::Replied { age, trail, is_kept } => {
                let age = if self.is(Broken::LeaseFromReply) { 0 } else { age };
                with("follow", &|node| node.follow(age, trail, is_kept));
                with("lose a reply", &|node| node.phase = Phase::Idle);
            }
        }
        self.life_steps(state, at, show);
    }

    /// Dying, being marked and being removed, which may happen in any phase.
    fn life_steps(&self, state: State, at: usize, show: &mut impl FnMut(&'static str, State)) {
        let node = state.nodes[at];
        if state.crashes < self.crashes && node.phase != Phase::Out {
            let mut next = state;
            next.crashes += 1;
            next.nodes[at].die();
            show("die", next);
        }
        let Some(row) = node.row else { return };
        let mut next = state;
        match row.marked {
            None => {
                next.nodes[at].row = Some(Row { marked: Some(0), ..row });
                show("mark", next);
            }
            Some(age) if LEASE <= age || self.is(Broken::OnePhase) => {
                next.nodes[at].row = None;
                show("remove", next);
            }
            Some(_) => {}
        }
    }
}

impl Node {
    fn register(&mut self) {
        self.row = Some(Row { is_own: true, acked: 0, marked: None });
        if let Some(row) = &mut self.replicated {
            row.is_own = false;
        }
        self.phase = Phase::Registered;
    }

    /// The database has the request.
    fn renew(&mut self, age: u8, trail: Trail, checks: bool) {
        let fits = trail.begins_with(&self.applied) || !checks;
        let is_kept = match &mut self.row {
            Some(row) if row.is_own && row.marked.is_none() && fits => {
                row.acked = self.applied.len;
                true
            }
            Some(_) | None => false,
        };
        self.phase = Phase::Replied { age, trail, is_kept };
    }

    /// The node has the reply, with all that came after what it had applied.
    fn follow(&mut self, age: u8, trail: Trail, is_kept: bool) {
        if !is_kept {
            self.lease = 0;
            self.phase = Phase::Out;
            return;
        }
        self.denied |= trail.set_from(self.applied.len);
        if self.applied.len <= trail.len {
            self.applied = trail;
        }
        self.lease = LEASE - age;
        self.phase = Phase::Idle;
    }

    fn die(&mut self) {
        let disown = |row: Row| Row { is_own: false, ..row };
        *self = Self {
            row: self.row.map(disown),
            replicated: self.replicated.map(disown),
            ..Self::default()
        };
    }
}
