//! How fast keys are looked for, on one core; prints lines of `name value unit`.
//!
//! `cargo bench -p keyward --bench scan`
//!
//! All texts are searched in turns, in chunks as the program reads them, and each figure is the
//! median of its turns. The worst case is the slowest of several texts, each made to be hard.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its lines are its result")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use keyward::scan::{Finder, Search};

/// Bytes of each text: more than a processor's own memory holds, as a file would be.
const TEXT_LEN: usize = 64 * 1024 * 1024;
const CHUNK_LEN: usize = 256 * 1024;
/// Odd, so that one of them is the median.
const TURNS: usize = 5;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Separators between words: half of them underscores, which call for a closer look.
const BETWEEN: &[u8; 8] = b"____ .\"\n";

fn main() {
    let mut random = Random(1);
    let texts = [
        Text::new("scan_source", repeated(&source())),
        Text::new("scan_base64", base64(&mut random)),
        Text::new("underscores", vec![b'_'; TEXT_LEN]),
        Text::new("digits", vec![b'x'; TEXT_LEN]),
        Text::new("words", words(&mut random, 1, 12)),
        Text::new("long_words", words(&mut random, 30, 49)),
        Text::new("almost_keys", words(&mut random, 49, 49)),
        Text::new("steps", repeated(&[&b"_".repeat(49)[..], &b"x".repeat(48)].concat())),
    ];
    let mut turns: Vec<_> = texts.iter().map(|text| (text, Vec::new())).collect();
    for _ in 0..TURNS {
        for (text, took) in &mut turns {
            took.push(text.search());
        }
    }
    let mut rates = turns.into_iter().map(|(text, mut took)| {
        took.sort_unstable();
        let median = took.get(TURNS / 2).expect("there were turns");
        (text.name, TEXT_LEN as f64 / 1e6 / median.as_secs_f64())
    });
    for (name, rate) in rates.by_ref().take(2) {
        println!("{name} {rate:.0} MB/s");
    }
    let mut worst = f64::INFINITY;
    for (name, rate) in rates {
        eprintln!("{name} {rate:.0} MB/s");
        worst = worst.min(rate);
    }
    println!("scan_worst {worst:.0} MB/s");
}

struct Text {
    name: &'static str,
    bytes: Vec<u8>,
    /// The number of keys in it: none, except in our own source, whose tests contain some.
    keys: usize,
}

impl Text {
    fn new(name: &'static str, bytes: Vec<u8>) -> Self {
        let keys = Finder::default().find(&bytes).count();
        Self { name, bytes, keys }
    }

    #[expect(clippy::disallowed_methods, reason = "a bench is where time is read")]
    fn search(&self) -> Duration {
        let finder = Finder::default();
        let began = Instant::now();
        let mut search = Search::new(&finder);
        let found: usize = self.bytes.chunks(CHUNK_LEN).map(|chunk| search.push(chunk).len()).sum();
        let (found, took) = (found + search.finish().len(), began.elapsed());
        assert_eq!(found, self.keys, "in pieces of {} as many keys are found", self.name);
        took
    }
}

/// Source text: our own.
fn source() -> Vec<u8> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    let mut left = vec![crates.join("keyward/benches"), crates.join("keyward-server/src")];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("our directories can be read") {
            let path = entry.expect("our directories can be read").path();
            if path.is_dir() { left.push(path) } else { files.push(path) }
        }
    }
    files.sort_unstable();
    files.iter().flat_map(|file| fs::read(file).expect("our files can be read")).collect()
}

fn repeated(text: &[u8]) -> Vec<u8> {
    text.iter().copied().cycle().take(TEXT_LEN).collect()
}

/// Lines of 76 characters, as mail and PEM files have them.
fn base64(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::with_capacity(TEXT_LEN);
    while text.len() < TEXT_LEN {
        let is_line_end = text.len() % 77 == 76;
        text.push(if is_line_end { b'\n' } else { random.one_of(BASE64) });
    }
    text
}

/// Words of some length with an underscore or something else between them.
fn words(random: &mut Random, len_min: u64, len_max: u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(TEXT_LEN + 64);
    while text.len() < TEXT_LEN {
        // With words of one length, that they almost are keys is the point.
        let between = if len_min == len_max { b'_' } else { random.one_of(BETWEEN) };
        text.extend([b'k', between]);
        let len = len_min + random.next() % (len_max - len_min + 1);
        text.extend((0..len).map(|_| random.one_of(DIGITS)));
        if len_min == len_max {
            text.push(b' ');
        }
    }
    text.truncate(TEXT_LEN);
    text
}

/// `SplitMix64`: numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_of(&mut self, bytes: &[u8]) -> u8 {
        let at = usize::try_from(self.next() % bytes.len() as u64).expect("it is small");
        bytes.get(at).copied().expect("it is below the length")
    }
}
