//! As many keys as fit into one request.

use super::ImportKey;

/// Most keys that the server takes in one request, so that other changes wait only shortly.
pub const BATCH_KEYS_MAX: usize = 1_000;
/// Most bytes that the server takes in one request, less the text around the keys.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024 - 64;

/// Keys for the server, already as JSON, and the lines among them that are not keys, so that all
/// lines can be reported in their order.
#[derive(Debug, Default)]
pub struct Batch {
    /// The keys, separated by commas.
    keys: Vec<u8>,
    entries: Vec<Entry>,
}

/// One line of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// A key that is sent.
    Sent {
        /// The number of its line.
        line: u64,
    },
    /// A line that is not a key, or a key that no server would take.
    Fault {
        /// The number of the line.
        line: u64,
        /// The fault.
        reason: String,
    },
}

impl Batch {
    /// Whether it has no lines.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is no room for a further line.
    pub fn is_full(&self) -> bool {
        BATCH_KEYS_MAX <= self.entries.len()
    }

    /// Adds a key; gives the batch back to be sent first if it would grow too large for a request.
    ///
    /// # Errors
    ///
    /// Returns an error if the key cannot be written as JSON.
    pub fn add(&mut self, line: u64, key: &ImportKey) -> serde_json::Result<Option<Self>> {
        let begin = self.keys.len();
        if begin != 0 {
            self.keys.push(b',');
        }
        serde_json::to_writer(&mut self.keys, key)?;
        if self.keys.len() <= BATCH_BYTES_MAX || begin == 0 {
            self.entries.push(Entry::Sent { line });
            return Ok(None);
        }
        let keys = self.keys.split_off(begin + 1);
        self.keys.truncate(begin);
        let next = Self { keys, entries: vec![Entry::Sent { line }] };
        Ok(Some(std::mem::replace(self, next)))
    }

    /// Adds a line that is not sent.
    pub fn add_fault(&mut self, line: u64, reason: String) {
        self.entries.push(Entry::Fault { line, reason });
    }

    /// The body of the request, if there is a key to be sent, and the lines.
    pub fn into_parts(self) -> (Option<Vec<u8>>, Vec<Entry>) {
        let body =
            (!self.keys.is_empty()).then(|| [b"{\"keys\":[", &self.keys[..], b"]}"].concat());
        (body, self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Item, read_json_lines};
    use super::*;

    fn key(metadata_len: usize) -> ImportKey {
        let (digest, filler) = ("ab".repeat(32), "x".repeat(metadata_len));
        let text = format!(r#"{{"name":"a","digest":"{digest}","metadata":{{"m":"{filler}"}}}}"#);
        match read_json_lines(text.as_bytes()).next().unwrap().unwrap().item {
            Ok(Item::Key(key)) => *key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_body_is_json_with_every_key() {
        let mut batch = Batch::default();
        assert!(batch.add(1, &key(0)).unwrap().is_none());
        batch.add_fault(2, "no".to_owned());
        assert!(batch.add(3, &key(0)).unwrap().is_none());
        let (body, entries) = batch.into_parts();
        let body: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body["keys"].as_array().unwrap().len(), 2);
        assert_eq!(entries.len(), 3);
    }

    #[test]
    fn a_batch_of_faults_has_no_body() {
        let mut batch = Batch::default();
        batch.add_fault(2, "no".to_owned());
        assert_eq!(batch.into_parts().0, None);
    }

    #[test]
    fn large_keys_are_spread_over_more_requests() {
        let mut batch = Batch::default();
        let large = key(60 * 1024);
        let mut full = None;
        for line in 1..=100 {
            full = batch.add(line, &large).unwrap().or(full);
        }
        let (body, entries) = full.unwrap().into_parts();
        let body = body.unwrap();
        assert!(body.len() <= 4 * 1024 * 1024);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["keys"].as_array().unwrap().len(), entries.len());
        let (rest, others) = batch.into_parts();
        serde_json::from_slice::<serde_json::Value>(&rest.unwrap()).unwrap();
        assert_eq!(entries.len() + others.len(), 100);
        assert_eq!(others[0], Entry::Sent { line: entries.len() as u64 + 1 });
    }
}
