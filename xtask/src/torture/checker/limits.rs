//! Never over a limit: an exact search for a window in which too much was accepted.

use crate::torture::history::Terms;

/// What a window may be longer by than our clock says: the store's clock has microseconds.
const RESOLUTION: u64 = 1_000;
const SECOND: i128 = 1_000_000_000;

/// An accepted request. It counts at some instant of its lifetime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accept {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) cost: u32,
    /// Its line of the history.
    pub(crate) line: usize,
}

/// A window with more than the limit allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The cost of the requests whose whole lifetime lies in the window.
    pub(crate) taken: u64,
}

/// Finds the window that ends first of those in which the accepted requests whose whole lifetime
/// lies in it cost more than `burst + t * amount / per`.
///
/// A window that is worth looking at begins with a request and ends with one. So the ends are gone
/// through in their order, and each request adds its cost to all windows that begin no later than
/// it does; the fullest of these is looked up. For n requests that takes n log n steps.
pub(crate) fn excess(accepts: &[Accept], terms: Terms) -> Option<Excess> {
    let mut begins: Vec<u64> = accepts.iter().map(|accept| accept.begin).collect();
    begins.sort_unstable();
    begins.dedup();
    let (amount, per) = (i128::from(terms.amount), i128::from(terms.per) * SECOND);
    // A window's fill is the cost times `per`, plus `amount` times its begin: the rest after
    // the end times `amount` is subtracted has to be at most the burst.
    let mut fills = Fills::new(begins.iter().map(|begin| i128::from(*begin) * amount).collect());
    let mut by_end: Vec<&Accept> = accepts.iter().collect();
    by_end.sort_unstable_by_key(|accept| accept.end);
    for accept in by_end {
        let upto = begins.partition_point(|begin| *begin <= accept.begin);
        fills.add(upto, i128::from(accept.cost) * per);
        let (fill, at) = fills.max(upto);
        let end = i128::from(accept.end + RESOLUTION) * amount;
        if i128::from(terms.burst) * per < fill - end {
            let from = begins.get(at).copied()?;
            let is_within = |it: &&Accept| from <= it.begin && it.end <= accept.end;
            let taken = accepts.iter().filter(is_within).map(|it| u64::from(it.cost)).sum();
            return Some(Excess { from, to: accept.end, taken });
        }
    }
    None
}

/// A segment tree: adds to all of the first elements, and finds the largest of the first ones.
struct Fills {
    len: usize,
    /// Of each node: the largest element below it, and its place, without the amounts that nodes
    /// above it add.
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    max: i128,
    at: usize,
    added: i128,
}

const NONE: Node = Node { max: i128::MIN / 2, at: 0, added: 0 };

#[expect(clippy::indexing_slicing, reason = "a node's children lie below twice the length")]
impl Fills {
    fn new(elements: Vec<i128>) -> Self {
        let len = elements.len().next_power_of_two();
        let mut nodes = vec![NONE; 2 * len];
        for (at, max) in elements.into_iter().enumerate() {
            nodes[len + at] = Node { max, at, added: 0 };
        }
        let mut fills = Self { len, nodes };
        (1..len).rev().for_each(|node| fills.pull(node));
        fills
    }

    fn pull(&mut self, node: usize) {
        let (left, right) = (self.nodes[2 * node], self.nodes[2 * node + 1]);
        let larger = if left.max < right.max { right } else { left };
        let added = self.nodes[node].added;
        self.nodes[node] = Node { max: larger.max + added, at: larger.at, added };
    }

    /// Adds to the first `upto` elements.
    fn add(&mut self, upto: usize, amount: i128) {
        // The way from the root down to the border: what lies left of it gets all of it.
        let mut way = Vec::new();
        let (mut node, mut width, mut left) = (1, self.len, upto);
        while 0 < left {
            if width <= left {
                self.nodes[node].added += amount;
                self.nodes[node].max += amount;
                break;
            }
            way.push(node);
            width /= 2;
            if width <= left {
                self.nodes[2 * node].added += amount;
                self.nodes[2 * node].max += amount;
                left -= width;
                node = 2 * node + 1;
            } else {
                node *= 2;
            }
        }
        way.into_iter().rev().for_each(|node| self.pull(node));
    }

    /// The largest of the first `upto` elements, and its place.
    fn max(&self, upto: usize) -> (i128, usize) {
        let mut best = (NONE.max, 0);
        let (mut node, mut width, mut left, mut added) = (1, self.len, upto, 0);
        let mut look = |node: Node, added: i128| {
            if best.0 < node.max + added {
                best = (node.max + added, node.at);
            }
        };
        while 0 < left {
            if width <= left {
                look(self.nodes[node], added);
                break;
            }
            added += self.nodes[node].added;
            width /= 2;
            if width <= left {
                look(self.nodes[2 * node], added);
                left -= width;
                node = 2 * node + 1;
            } else {
                node *= 2;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::random::Random;

    /// Looks at each window by itself.
    fn by_force(accepts: &[Accept], terms: Terms) -> bool {
        let windows = accepts.iter().flat_map(|a| accepts.iter().map(|b| (a.begin, b.end)));
        windows.filter(|(from, to)| from <= to).any(|(from, to)| {
            let within = accepts.iter().filter(|it| from <= it.begin && it.end <= to);
            let taken: i128 = within.map(|it| i128::from(it.cost)).sum();
            let refilled = i128::from(to + RESOLUTION - from) * i128::from(terms.amount);
            let per = i128::from(terms.per) * SECOND;
            i128::from(terms.burst) * per + refilled < taken * per
        })
    }

    #[test]
    fn the_search_finds_what_looking_at_each_window_finds() {
        let mut random = Random::new(7);
        let mut found = [0, 0];
        for _ in 0..3_000 {
            let terms = Terms { amount: 10, per: 1, burst: 3 };
            let count = random.between(1, 24);
            let span = random.between(1, 6) * 500_000_000;
            let accepts: Vec<_> = (0..count)
                .map(|_| {
                    let begin = random.between(0, span);
                    let end = begin + random.between(0, 400_000_000);
                    let cost = if random.in_hundred(80) { 1 } else { 3 };
                    Accept { begin, end, cost, line: 0 }
                })
                .collect();
            let excess = excess(&accepts, terms);
            assert_eq!(excess.is_some(), by_force(&accepts, terms), "{accepts:?}");
            found[usize::from(excess.is_some())] += 1;
        }
        assert!(found.iter().all(|count| 300 < *count), "both happen: {found:?}");
    }

    #[test]
    fn a_window_is_shown_with_its_content() {
        let terms = Terms { amount: 1, per: 1, burst: 2 };
        let at = |begin: u64, line| Accept {
            begin: begin * 1_000,
            end: begin * 1_000 + 1,
            cost: 1,
            line,
        };
        assert_eq!(excess(&[at(0, 1), at(1, 2)], terms), None);
        let over = excess(&[at(0, 1), at(1, 2), at(2, 3), at(9_000_000, 4)], terms);
        assert_eq!(over, Some(Excess { from: 0, to: 2_001, taken: 3 }));
    }
}
