//! One fact that changes, such as whether a key is suspended, and what a verdict may see of it.

/// A change of the fact, made one after another by one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<V> {
    pub(crate) begin: u64,
    /// From then on every verdict that begins knows it. `None` if it may be made at any time, or
    /// never.
    pub(crate) settled: Option<u64>,
    pub(crate) value: V,
    /// Its line of the history; 0 if there is none.
    pub(crate) line: usize,
}

/// All changes of a fact.
#[derive(Clone, Debug)]
pub(crate) struct Register<V> {
    done: Vec<Write<V>>,
    unknown: Vec<Write<V>>,
}

impl<V> Default for Register<V> {
    fn default() -> Self {
        Self { done: Vec::new(), unknown: Vec::new() }
    }
}

impl<V: Copy> Register<V> {
    /// A fact that begins with a value.
    pub(crate) fn of(line: usize, begin: u64, value: V) -> Self {
        let first = Write { begin, settled: Some(begin), value, line };
        Self { done: vec![first], unknown: Vec::new() }
    }

    /// Adds a change that began after the ones before it were responded to.
    pub(crate) fn push(&mut self, write: Write<V>) {
        let Some(settled) = write.settled else {
            self.unknown.push(write);
            return;
        };
        // A later change that is settled settles the ones before it.
        let later = self.done.iter_mut().rev();
        let open = later.take_while(|earlier| earlier.settled.is_none_or(|it| settled < it));
        open.for_each(|earlier| earlier.settled = Some(settled));
        self.done.push(write);
    }

    /// How many changes were settled before `begin`.
    fn before(&self, begin: u64) -> usize {
        self.done.partition_point(|write| write.settled.is_some_and(|settled| settled < begin))
    }

    /// Whether a verdict with this lifetime may see a value that fits: the last one that was
    /// settled before it, or one whose change had begun by its end.
    pub(crate) fn may_be(&self, begin: u64, end: u64, fits: impl Fn(V) -> bool) -> bool {
        let from = self.before(begin).saturating_sub(1);
        let open = self.done.iter().skip(from).take_while(|write| write.begin <= end);
        let unknown = self.unknown.iter().filter(|write| write.begin <= end);
        open.chain(unknown).any(|write| fits(write.value))
    }

    /// Whether a change was settled before `begin`.
    pub(crate) fn is_settled(&self, begin: u64) -> bool {
        0 < self.before(begin)
    }

    /// The last change that was settled before `begin`.
    pub(crate) fn last(&self, begin: u64) -> Option<Write<V>> {
        self.done.get(self.before(begin).checked_sub(1)?).copied()
    }

    /// The value all through a lifetime, with the number of its change; `None` if it may have
    /// changed meanwhile.
    pub(crate) fn stable(&self, begin: u64, end: u64) -> Option<(usize, V)> {
        let at = self.before(begin).checked_sub(1)?;
        let next = self.done.get(at + 1).is_some_and(|write| write.begin <= end);
        let is_open = next || self.unknown.iter().any(|write| write.begin <= end);
        let write = self.done.get(at)?;
        (!is_open).then_some((at, write.value))
    }
}
