//! Durations in the classes of a histogram, counted without a word that threads share.

use keyward::striped::Striped;

/// Classes that end somewhere.
pub(crate) const CLASSES: usize = 14;
/// The place of the class of all longer durations.
const LONGER: usize = CLASSES;
/// The place of the sum of all durations, in nanoseconds.
const SUM: usize = CLASSES + 1;

/// The longest duration of each class but the last, in microseconds.
pub(crate) type Bounds = [u64; CLASSES];

/// The classes of OpenTelemetry's semantic conventions for `http.server.request.duration`.
pub(crate) const OF_REQUESTS: Bounds = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// A commit takes a few milliseconds on a good disk; a store that is given up on takes 5 s.
pub(crate) const OF_STORES: Bounds = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Durations, counted by class: 4 KiB.
#[derive(Debug)]
pub(crate) struct Durations {
    bounds: &'static Bounds,
    numbers: Striped<16>,
}

/// Durations as a page shows them.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    pub(super) seconds: f64,
    pub(super) count: u64,
    /// The longest duration of each class in seconds, and how many are in it.
    pub(super) classes: Vec<(f64, u64)>,
}

impl Durations {
    pub(crate) fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, numbers: Striped::default() }
    }

    /// Counts one.
    pub(crate) fn add(&self, nanos: u64) {
        let class = self.bounds.iter().position(|micros| nanos <= micros * 1_000);
        self.numbers.add(class.unwrap_or(LONGER), 1);
        self.numbers.add(SUM, nanos);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 nanoseconds are 104 days, to the last one"
    )]
    pub(crate) fn shown(&self) -> Shown {
        let sums = self.numbers.sums();
        let ends = self.bounds.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        let classes: Vec<_> = ends.zip(sums).collect();
        let count = classes.iter().map(|(_, count)| count).sum();
        let seconds = sums.get(SUM).map_or(0.0, |nanos| *nanos as f64 / 1e9);
        Shown { seconds, count, classes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_its_end() {
        let durations = Durations::new(&OF_REQUESTS);
        for nanos in [0, 5_000_000, 5_000_001, 10_000_000_000, 10_000_000_001] {
            durations.add(nanos);
        }
        let shown = durations.shown();
        assert_eq!((shown.count, shown.seconds), (5, 20.010_000_002));
        assert_eq!(shown.classes[..3], [(0.005, 2), (0.01, 1), (0.025, 0)]);
        assert_eq!(shown.classes[13..], [(10.0, 1), (f64::INFINITY, 1)]);
    }
}
