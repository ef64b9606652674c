//! How a ledger is written: a header and records, in slots of 64 bytes.
//!
//! A slot ends in the CRC-32 of the rest of it, so that a record that was cut or altered shows. All
//! numbers are 8 bytes, most significant first. Nearly all records are one slot; an owner's takes
//! as many as its name needs.

use keyward::UnixMillis;
use keyward::audit::{ChainDigest, ChangeId};
use keyward::digest::Digest;

/// Bytes of a slot.
pub const SLOT_LEN: usize = 64;
/// Bytes of a slot before its checksum.
const BODY_LEN: usize = SLOT_LEN - 4;
/// Bytes of an owner's name in a slot, after the kind and the length that is left.
const NAME_LEN: usize = BODY_LEN - 2;
/// The beginning of a ledger, in the slot of the header: the last byte is the version of the form.
const MAGIC: &[u8; 16] = b"keyward ledger\n\x01";

/// Which database a ledger belongs to: 128 random bits, which both of them carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerId(pub [u8; 16]);

/// How far a database had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its newest change.
    pub change: ChangeId,
    /// The digest of that change's audit entry.
    pub digest: ChainDigest,
    /// The highest key id that was given.
    pub key_id: u64,
}

impl Head {
    /// That of a database without a change.
    pub const START: Self = Self { change: ChangeId(0), digest: ChainDigest::START, key_id: 0 };
}

/// One fact in a ledger. A later record about the same supersedes an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// How far the database has come.
    Head(Head),
    /// A secret was replaced, or its grace cut: it works until `ends_at`, and not at that instant.
    Replaced {
        /// That of the secret.
        digest: Digest,
        /// The key that has it.
        key_id: u64,
        /// When it ends.
        ends_at: UnixMillis,
    },
    /// A key was revoked; the digest is that of its last secret.
    Revoked {
        /// That of its secret.
        digest: Digest,
        /// The key.
        key_id: u64,
    },
    /// A key was suspended or resumed; the digest is that of its secret at that time, by which it
    /// is known to be the same key.
    Key {
        /// That of its secret.
        digest: Digest,
        /// The key.
        key_id: u64,
        /// Whether it is suspended.
        suspended: bool,
    },
    /// An owner was suspended or resumed, with all its keys.
    Owner {
        /// The owner.
        name: String,
        /// Whether it is suspended.
        suspended: bool,
    },
}

const HEAD: u8 = 1;
const REPLACED: u8 = 2;
const REVOKED: u8 = 3;
const KEY_SUSPENDED: u8 = 4;
const KEY_RESUMED: u8 = 5;
const OWNER_SUSPENDED: u8 = 6;
const OWNER_RESUMED: u8 = 7;
/// A slot with more of an owner's name.
const NAME: u8 = 8;

/// Appends the slot of a header.
pub fn write_header(bytes: &mut Vec<u8>, id: LedgerId) {
    slot(bytes, &[MAGIC, &id.0]);
}

/// The id in a header, if it is whole.
pub(crate) fn read_header(slot: &[u8]) -> Option<LedgerId> {
    let body = checked(slot)?;
    let (magic, rest) = body.split_first_chunk::<16>()?;
    (magic == MAGIC).then_some(())?;
    rest.first_chunk().copied().map(LedgerId)
}

impl Record {
    /// Appends the slots of this record.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let number = |number: u64| number.to_be_bytes();
        match self {
            Self::Head(Head { change, digest, key_id }) => {
                slot(bytes, &[&[HEAD], &number(change.0), &digest.0, &number(*key_id)]);
            }
            Self::Replaced { digest, key_id, ends_at } => {
                let (key_id, ends_at) = (number(*key_id), number(ends_at.0));
                slot(bytes, &[&[REPLACED], digest.as_bytes(), &key_id, &ends_at]);
            }
            Self::Revoked { digest, key_id } => {
                slot(bytes, &[&[REVOKED], digest.as_bytes(), &number(*key_id)]);
            }
            Self::Key { digest, key_id, suspended } => {
                let kind = if *suspended { KEY_SUSPENDED } else { KEY_RESUMED };
                slot(bytes, &[&[kind], digest.as_bytes(), &number(*key_id)]);
            }
            Self::Owner { name, suspended } => {
                let mut kind = if *suspended { OWNER_SUSPENDED } else { OWNER_RESUMED };
                let mut left = name.len();
                for part in name.as_bytes().chunks(NAME_LEN) {
                    slot(bytes, &[&[kind, u8::try_from(left).unwrap_or(u8::MAX)], part]);
                    (kind, left) = (NAME, left.saturating_sub(part.len()));
                }
            }
        }
    }

    /// Reads the record that begins here, and how many bytes it takes. `None` if it is cut or
    /// altered, or none begins here.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let body = checked(bytes)?;
        let (kind, body) = body.split_first()?;
        if matches!(*kind, OWNER_SUSPENDED | OWNER_RESUMED) {
            let (name, len) = read_name(bytes)?;
            return Some((Self::Owner { name, suspended: *kind == OWNER_SUSPENDED }, len));
        }
        let mut body = body;
        let record = match *kind {
            HEAD => Self::Head(Head {
                change: ChangeId(number(&mut body)?),
                digest: ChainDigest(digest(&mut body)?),
                key_id: number(&mut body)?,
            }),
            REPLACED => Self::Replaced {
                digest: Digest::from_stored(digest(&mut body)?),
                key_id: number(&mut body)?,
                ends_at: UnixMillis(number(&mut body)?),
            },
            REVOKED => Self::Revoked {
                digest: Digest::from_stored(digest(&mut body)?),
                key_id: number(&mut body)?,
            },
            KEY_SUSPENDED | KEY_RESUMED => Self::Key {
                digest: Digest::from_stored(digest(&mut body)?),
                key_id: number(&mut body)?,
                suspended: *kind == KEY_SUSPENDED,
            },
            _ => return None,
        };
        Some((record, SLOT_LEN))
    }
}

/// Appends a slot with these parts, filled up with zeros, and its checksum.
fn slot(bytes: &mut Vec<u8>, parts: &[&[u8]]) {
    let start = bytes.len();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.resize(start + BODY_LEN, 0);
    let checksum = crc32fast::hash(bytes.get(start..).unwrap_or_default());
    bytes.extend_from_slice(&checksum.to_be_bytes());
}

/// The first slot without its checksum, if that fits.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = bytes.get(..SLOT_LEN)?.split_at_checked(BODY_LEN)?;
    (crc32fast::hash(body).to_be_bytes() == checksum).then_some(body)
}

/// The name of an owner from its slots, and how many bytes these take.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let mut name = Vec::new();
    let mut len = 0;
    loop {
        let (&[kind, left], part) = checked(bytes.get(len..)?)?.split_first_chunk::<2>()?;
        // A record within another one is none.
        if len != 0 && kind != NAME {
            return None;
        }
        let left = usize::from(left);
        name.extend_from_slice(part.get(..left.min(NAME_LEN))?);
        len += SLOT_LEN;
        if left <= NAME_LEN {
            return Some((String::from_utf8(name).ok()?, len));
        }
    }
}

fn number(body: &mut &[u8]) -> Option<u64> {
    let (number, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u64::from_be_bytes(*number))
}

fn digest(body: &mut &[u8]) -> Option<[u8; 32]> {
    let (digest, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*digest)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn digest(number: u8) -> Digest {
        Digest::from_stored([number; 32])
    }

    /// One of each kind.
    pub(crate) fn records() -> Vec<Record> {
        let head = Head { change: ChangeId(7), digest: ChainDigest([9; 32]), key_id: u64::MAX };
        let owner = |len, suspended| Record::Owner { name: "o".repeat(len), suspended };
        vec![
            Record::Head(head),
            Record::Replaced { digest: digest(1), key_id: 2, ends_at: UnixMillis(3) },
            Record::Revoked { digest: digest(4), key_id: 5 },
            Record::Key { digest: digest(6), key_id: 7, suspended: true },
            Record::Key { digest: digest(6), key_id: 7, suspended: false },
            owner(1, true),
            owner(58, false),
            owner(59, true),
            owner(100, true),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::testing::records;
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for record in records() {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            let len = bytes.len();
            bytes.extend_from_slice(&[0; SLOT_LEN]);
            assert_eq!(Record::read(&bytes), Some((record, len)));
        }
        let mut header = Vec::new();
        write_header(&mut header, LedgerId([5; 16]));
        assert_eq!(read_header(&header), Some(LedgerId([5; 16])));
        assert_eq!(header.len(), SLOT_LEN);
    }

    #[test]
    fn a_secret_takes_one_slot() {
        for record in records() {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            let is_long = matches!(&record, Record::Owner { name, .. } if NAME_LEN < name.len());
            assert_eq!(bytes.len() == SLOT_LEN, !is_long, "{record:?}");
        }
    }

    #[test]
    fn a_record_that_was_cut_or_altered_is_none() {
        for record in records() {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            for at in 0..bytes.len() {
                assert_eq!(Record::read(&bytes[..at]), None, "{record:?} cut at {at}");
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                assert_eq!(Record::read(&altered), None, "{record:?} altered at {at}");
            }
        }
        assert_eq!(Record::read(&[0; SLOT_LEN]), None);
    }
}
