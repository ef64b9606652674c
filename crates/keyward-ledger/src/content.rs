//! Reading a ledger: how far it is whole, and its content in the end.

use std::collections::BTreeMap;
use std::collections::HashMap;

use keyward::UnixMillis;

use crate::record::{Head, LedgerId, Record, SLOT_LEN, read_header, write_header};

/// The offset where a ledger is broken, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenAt(pub u64);

/// The findings of a walk along a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Which database it belongs to.
    pub id: LedgerId,
    /// The newest head, or the start if there is none.
    pub head: Head,
    /// Bytes that are whole. After them comes a record that was torn while it was written.
    pub len: usize,
    /// Bytes of the header, of one head, and of all records that are no heads: no more of it can
    /// be needed.
    pub needed: usize,
}

/// Walks along a ledger, and calls `each` with every record.
///
/// # Errors
///
/// Returns the offset of a broken record if a whole one comes after it. A broken one at the end is
/// a torn one.
pub fn walk(bytes: &[u8], mut each: impl FnMut(Record)) -> Result<Walked, BrokenAt> {
    let id = read_header(bytes).ok_or(BrokenAt(0))?;
    let mut walked = Walked { id, head: Head::START, len: SLOT_LEN, needed: 2 * SLOT_LEN };
    while let Some(rest) = bytes.get(walked.len..).filter(|rest| !rest.is_empty()) {
        let Some((record, len)) = Record::read(rest) else {
            let is_whole = |at: usize| rest.get(at..).and_then(Record::read).is_some();
            let slots = (SLOT_LEN..rest.len()).step_by(SLOT_LEN);
            return match slots.into_iter().any(is_whole) {
                true => Err(BrokenAt(walked.len as u64)),
                false => Ok(walked),
            };
        };
        walked.len += len;
        match record {
            Record::Head(head) => walked.head = head,
            Record::Replaced { .. }
            | Record::Revoked { .. }
            | Record::Key { .. }
            | Record::Owner { .. } => walked.needed += len,
        }
        each(record);
    }
    Ok(walked)
}

/// When a secret ended, and whose it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The key that had it.
    pub key_id: u64,
    /// How it ended.
    pub how: Ending,
}

/// How a secret ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its key.
    Revoked,
    /// It was replaced, and works until this instant.
    At(UnixMillis),
}

/// The content of a ledger, each fact once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The newest head.
    pub head: Option<Head>,
    /// By digest.
    pub secrets: HashMap<[u8; 32], End>,
    /// Whether keys are suspended that were suspended or resumed, and a digest by which each is
    /// known.
    pub keys: BTreeMap<u64, (bool, [u8; 32])>,
    /// The same of owners.
    pub owners: BTreeMap<String, bool>,
}

impl Content {
    /// The sum of the records of a ledger.
    ///
    /// # Errors
    ///
    /// As of [`walk`].
    pub fn read(bytes: &[u8]) -> Result<(Walked, Self), BrokenAt> {
        let mut content = Self::default();
        let walked = walk(bytes, |record| content.add(record))?;
        Ok((walked, content))
    }

    /// Takes one more record, which supersedes earlier ones of the same subject.
    pub fn add(&mut self, record: Record) {
        match record {
            Record::Head(head) => {
                // An id is never given twice, so it only rises.
                let key_id = self.head.map_or(0, |known| known.key_id).max(head.key_id);
                self.head = Some(Head { key_id, ..head });
            }
            Record::Replaced { digest, key_id, ends_at } => {
                let end = End { key_id, how: Ending::At(ends_at) };
                let known = self.secrets.entry(*digest.as_bytes()).or_insert(end);
                if known.how != Ending::Revoked {
                    *known = end;
                }
            }
            Record::Revoked { digest, key_id } => {
                self.secrets.insert(*digest.as_bytes(), End { key_id, how: Ending::Revoked });
                // A key that was suspended before is revoked now.
                self.keys.remove(&key_id);
            }
            Record::Key { digest, key_id, suspended } => {
                self.keys.insert(key_id, (suspended, *digest.as_bytes()));
            }
            Record::Owner { name, suspended } => {
                self.owners.insert(name, suspended);
            }
        }
    }

    /// A ledger that knows just this.
    #[must_use]
    pub fn write(&self, id: LedgerId) -> Vec<u8> {
        use keyward::digest::Digest;

        let mut bytes = Vec::with_capacity((self.secrets.len() + self.keys.len() + 2) * SLOT_LEN);
        write_header(&mut bytes, id);
        for (digest, End { key_id, how }) in &self.secrets {
            let (digest, key_id) = (Digest::from_stored(*digest), *key_id);
            let record = match *how {
                Ending::Revoked => Record::Revoked { digest, key_id },
                Ending::At(ends_at) => Record::Replaced { digest, key_id, ends_at },
            };
            record.write(&mut bytes);
        }
        for (key_id, (suspended, digest)) in &self.keys {
            let (digest, key_id) = (Digest::from_stored(*digest), *key_id);
            Record::Key { digest, key_id, suspended: *suspended }.write(&mut bytes);
        }
        for (name, suspended) in &self.owners {
            Record::Owner { name: name.clone(), suspended: *suspended }.write(&mut bytes);
        }
        if let Some(head) = self.head {
            Record::Head(head).write(&mut bytes);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use keyward::audit::{ChainDigest, ChangeId};

    use super::*;
    use crate::record::testing::{digest, records};

    const ID: LedgerId = LedgerId([7; 16]);

    fn ledger(records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_header(&mut bytes, ID);
        records.iter().for_each(|record| record.write(&mut bytes));
        bytes
    }

    #[test]
    fn a_torn_record_at_the_end_is_left_out() {
        let bytes = ledger(&records());
        let whole = walk(&bytes, |_| {}).unwrap();
        assert_eq!((whole.id, whole.len), (ID, bytes.len()));
        // The last owner takes two slots.
        let before = bytes.len() - 2 * SLOT_LEN;
        for end in before..bytes.len() {
            assert_eq!(walk(&bytes[..end], |_| {}).unwrap().len, before, "cut at {end}");
        }
        let mut altered = bytes.clone();
        altered[before] ^= 1;
        assert_eq!(walk(&altered, |_| {}).unwrap().len, before);
        // The state that a file system may leave after power loss.
        let zeros = [bytes.clone(), vec![0; 5_000]].concat();
        assert_eq!(walk(&zeros, |_| {}).unwrap().len, bytes.len());
    }

    #[test]
    fn a_broken_record_in_the_middle_is_named_by_its_place() {
        let bytes = ledger(&records());
        let before_last = bytes.len() - 4 * SLOT_LEN;
        for at in 0..before_last {
            let mut altered = bytes.clone();
            altered[at] ^= 0x80;
            let place = (at / SLOT_LEN * SLOT_LEN) as u64;
            assert_eq!(walk(&altered, |_| {}), Err(BrokenAt(place)));
        }
        assert_eq!(walk(&[], |_| {}), Err(BrokenAt(0)));
        assert_eq!(walk(b"Dear reader", |_| {}), Err(BrokenAt(0)));
    }

    #[test]
    fn each_thing_is_known_once() {
        let head = |change, key_id| {
            let digest = ChainDigest([change; 32]);
            Record::Head(Head { change: ChangeId(change.into()), digest, key_id })
        };
        let replaced = |ends_at| Record::Replaced {
            digest: digest(1),
            key_id: 1,
            ends_at: UnixMillis(ends_at),
        };
        let key = |suspended| Record::Key { digest: digest(2), key_id: 2, suspended };
        let owner = |suspended| Record::Owner { name: "acme".to_owned(), suspended };
        let all = [
            head(1, 3),
            replaced(9),
            key(true),
            head(2, 3),
            replaced(5),
            key(false),
            owner(true),
            owner(false),
            Record::Revoked { digest: digest(3), key_id: 3 },
            replaced(7),
            head(3, 2),
        ];
        let (walked, content) = Content::read(&ledger(&all)).unwrap();
        assert_eq!(walked.needed, (2 + 8) * SLOT_LEN);
        let written = content.write(ID);
        assert_eq!(written.len(), (1 + 5) * SLOT_LEN);
        assert_eq!(Content::read(&written).unwrap().1, content);
        let Record::Head(newest) = head(3, 3) else { unreachable!() };
        assert_eq!(content.head, Some(newest));
        assert_eq!(content.secrets[&[1; 32]].how, Ending::At(UnixMillis(7)));
        assert_eq!((content.keys[&2].0, content.owners["acme"]), (false, false));
        // Nothing brings a revoked key back.
        let mut content = content;
        content.add(Record::Replaced { digest: digest(3), key_id: 3, ends_at: UnixMillis(99) });
        assert_eq!(content.secrets[&[3; 32]].how, Ending::Revoked);
    }
}
