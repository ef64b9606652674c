//! Writing the values of fields, one after the other in one piece of memory.

use std::ops::Range;

use keyward::limit::{LIMIT_LABEL_LEN_MAX, Limit, Standing};

/// The separator between two items of a list (RFC 9651, section 4.1.1).
pub(super) const SEPARATOR: &str = ", ";
/// Most bytes of a quoted name with two parameters: 32 and twice 3 and 20.
pub(super) const PARAMETERS_LEN_MAX: usize = LIMIT_LABEL_LEN_MAX + 2 + 2 * (3 + 20);
/// Two more numbers follow them.
pub(super) const TEXT_LEN_MAX: usize = PARAMETERS_LEN_MAX + 2 * 20;

/// Values of fields, one after the other.
pub(super) trait Written {
    fn add(&mut self, part: &str);
    fn len(&self) -> usize;

    fn number(&mut self, number: u64) -> Range<usize> {
        let from = self.len();
        self.add(itoa::Buffer::new().format(number));
        from..self.len()
    }

    /// Ends the item before, if this is not the first one.
    fn separate(&mut self, at: usize) {
        if at != 0 {
            self.add(SEPARATOR);
        }
    }

    fn policy(&mut self, limit: &Limit) -> Range<usize> {
        let amount = u64::from(limit.amount().get());
        self.parameters(limit.name(), [(";q=", amount), (";w=", limit.per().as_secs())])
    }

    fn state(&mut self, standing: &Standing, secs: u64) -> Range<usize> {
        let left = u64::from(standing.remaining);
        self.parameters(standing.limit.name(), [(";r=", left), (";t=", secs)])
    }

    /// A quoted name with parameters.
    fn parameters(&mut self, name: &str, numbers: [(&str, u64); 2]) -> Range<usize> {
        let from = self.len();
        for part in ["\"", name, "\""] {
            self.add(part);
        }
        for (parameter, number) in numbers {
            self.add(parameter);
            self.number(number);
        }
        from..self.len()
    }
}

impl Written for Vec<u8> {
    fn add(&mut self, part: &str) {
        self.extend_from_slice(part.as_bytes());
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }
}

/// The values of one limit's fields, of a fixed length.
pub(super) struct Text {
    pub(super) bytes: [u8; TEXT_LEN_MAX],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; TEXT_LEN_MAX], len: 0 }
    }
}

impl Written for Text {
    /// Adds a part, for which there is room.
    fn add(&mut self, part: &str) {
        let end = self.len + part.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part.as_bytes());
            self.len = end;
        }
    }

    fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_values_fit() {
        let mut text = Text::default();
        let name = "n".repeat(LIMIT_LABEL_LEN_MAX);
        text.parameters(&name, [(";r=", u64::MAX), (";t=", u64::MAX)]);
        text.number(u64::MAX);
        text.number(u64::MAX);
        assert_eq!(text.len, TEXT_LEN_MAX);
        assert!(text.bytes.ends_with(b"1844674407370955161518446744073709551615"));
    }
}
