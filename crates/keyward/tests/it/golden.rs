//! Keys of every released version work for ever.
//!
//! `golden/VERSION.txt` holds a text, its hint and its digest a line, as that version made and kept
//! them; a key that came from elsewhere has `-` for its hint. A released file is never changed.

use std::sync::Arc;

use keyward::digest::Digest;
use keyward::index::{Entry, Index};
use keyward::key::{Prefix, Presented};
use keyward::limit::Limits;
use keyward::stored::Key;
use keyward::tier::Tier;
use keyward::time::SteadyNanos;
use keyward::usage::Usage;
use keyward::{Asked, KeyId, Now, UnixMillis, verify};

const VERSIONS: [(&str, &str); 1] = [("0.1.0", include_str!("golden/0.1.0.txt"))];

struct Golden {
    text: &'static str,
    hint: Option<&'static str>,
    digest: [u8; 32],
}

impl Golden {
    fn read(line: &'static str) -> Self {
        let [text, hint, hex] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        let digest = std::array::from_fn(byte);
        Self { text, hint: Some(hint).filter(|hint| *hint != "-"), digest }
    }
}

fn all() -> impl Iterator<Item = (&'static str, Golden)> {
    VERSIONS
        .into_iter()
        .flat_map(|(version, lines)| lines.lines().map(move |line| (version, Golden::read(line))))
}

#[test]
fn keys_of_every_version_are_let_in() {
    let limits = Limits::new(Vec::new()).unwrap();
    let tier = Arc::new(Tier::new("basic".parse().unwrap(), limits));
    let (index, usage) = (Index::default(), Usage::default());
    for (number, (_, golden)) in (1..).zip(all()) {
        let (id, name) = (KeyId::new(number).unwrap(), "a".parse().unwrap());
        let digest = Digest::from_stored(golden.digest);
        let key = Key::plain(id, name, tier.name().clone(), digest);
        assert!(index.insert(Entry::new(&key, Arc::clone(&tier))));
    }
    let now = Now::new(UnixMillis(1), SteadyNanos(1));
    for (number, (version, golden)) in (1..).zip(all()) {
        let caller = verify(&index, &usage, &Asked::of(golden.text), now).unwrap();
        assert_eq!(caller.key_id().get(), number, "{version}");
    }
    assert_eq!(index.len(), 6, "the files are read");
}

#[test]
fn keys_of_every_version_are_recognised_and_keep_their_prefix() {
    for (version, golden) in all() {
        let prefix = Presented::parse(golden.text).unwrap().prefix();
        assert_eq!(prefix, golden.hint.and_then(Prefix::of_hint), "{version}");
        assert_eq!(prefix.is_some(), golden.hint.is_some(), "{version}");
        assert!(golden.hint.is_none_or(|hint| golden.text.starts_with(hint)), "{version}");
    }
}
