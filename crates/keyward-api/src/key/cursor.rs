//! Orders of a list, and cursors: the end of a page, as an opaque text that clients send back.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keyward::KeyId;
use keyward::query::{KeyCursor, KeyOrder};
use keyward::record::NAME_CHARS_MAX;

use crate::words::words;

/// Most characters of a cursor: a word, an id, and a name of four bytes a character, in base64.
const CURSOR_LEN_MAX: usize = 640;

words! {
    /// The order of a list.
    SortWord(Sort) as "Sort" is one of Sort::WORDS.map(Sort::known), called Sort::word;
}

/// The order of a list and its direction. It begins with the newest key by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The order.
    pub order: KeyOrder,
    /// Whether the latest come first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { order: KeyOrder::Created, descending: true }
    }
}

impl Sort {
    /// Every order, as requests name it.
    const WORDS: [&str; 8] =
        ["created", "-created", "name", "-name", "last_used", "-last_used", "expires", "-expires"];

    /// The order that a word names.
    fn of(word: &str) -> Option<Self> {
        let plain = word.strip_prefix('-');
        let order = match plain.unwrap_or(word) {
            "created" => KeyOrder::Created,
            "name" => KeyOrder::Name,
            "last_used" => KeyOrder::LastUsed,
            "expires" => KeyOrder::Expires,
            _ => return None,
        };
        Some(Self { order, descending: plain.is_some() })
    }

    fn known(word: &'static str) -> Self {
        Self::of(word).unwrap_or_default()
    }

    fn word(self) -> &'static str {
        let of = |word: &&str| Self::of(word) == Some(self);
        Self::WORDS.into_iter().find(of).unwrap_or_default()
    }

    /// The text of a cursor in a list of this order.
    #[must_use]
    pub fn cursor(self, start: &KeyCursor) -> String {
        let KeyCursor { value, id } = start;
        BASE64_URL_SAFE_NO_PAD.encode(format!("{} {id} {value}", self.word()))
    }

    /// The cursor of a text; `None` if it is not a cursor, or a cursor of another order, in which
    /// it would name a position that does not exist.
    #[must_use]
    pub fn parse_cursor(self, cursor: &str) -> Option<KeyCursor> {
        if CURSOR_LEN_MAX < cursor.len() {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (word, rest) = text.split_once(' ')?;
        let (id, value) = rest.split_once(' ')?;
        let id = KeyId::new(id.parse().ok()?)?.get();
        let value_fits = match self.order {
            KeyOrder::Created => value.is_empty(),
            KeyOrder::Name => value.chars().count() <= NAME_CHARS_MAX,
            KeyOrder::LastUsed | KeyOrder::Expires => {
                value.is_empty() || value.parse::<i64>().is_ok() || value.parse::<u64>().is_ok()
            }
        };
        let start = KeyCursor { value: value.to_owned(), id };
        (word == self.word() && value_fits).then_some(start)
    }
}

#[cfg(test)]
mod tests {
    use keyward::record::KEY_ID_MAX;

    use super::*;

    #[test]
    fn a_cursor_is_read_in_its_own_order_alone() {
        let start = KeyCursor { value: "a name".to_owned(), id: 7 };
        let sort = Sort::of("-name").unwrap();
        let cursor = sort.cursor(&start);
        assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')));
        assert_eq!(sort.parse_cursor(&cursor), Some(start));
        for word in Sort::WORDS.into_iter().filter(|word| *word != "-name") {
            assert_eq!(Sort::of(word).unwrap().parse_cursor(&cursor), None, "{word}");
        }
    }

    #[test]
    fn the_longest_name_fits() {
        let start = KeyCursor { value: "𝄞".repeat(100), id: KEY_ID_MAX };
        let sort = Sort::of("-name").unwrap();
        assert_eq!(sort.parse_cursor(&sort.cursor(&start)), Some(start));
    }

    #[test]
    fn other_texts_are_no_cursor() {
        let sort = Sort::default();
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        assert!(sort.parse_cursor(&encoded("-created 7 ")).is_some());
        for text in ["", "-created 7", "-created 0 ", "-created x ", "-created 7 x", "created 7 "] {
            assert_eq!(sort.parse_cursor(&encoded(text)), None, "{text}");
        }
        for text in ["", "7", "LWNyZWF0ZWQgNyA=", "!", "ä"] {
            assert_eq!(sort.parse_cursor(text), None, "{text}");
        }
        let expires = Sort::of("expires").unwrap();
        assert!(expires.parse_cursor(&encoded("expires 7 1795512600000")).is_some());
        assert_eq!(expires.parse_cursor(&encoded("expires 7 soon")), None);
    }

    #[test]
    fn each_word_is_an_order_of_its_own() {
        for word in Sort::WORDS {
            assert_eq!(Sort::of(word).unwrap().word(), word);
        }
        assert_eq!(Sort::of("--name"), None);
        assert_eq!(Sort::default().word(), "-created");
    }
}
