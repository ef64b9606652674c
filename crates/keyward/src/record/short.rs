//! A text that is copied without taking memory.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use triomphe::Arc;

/// Bytes of a text that are inside.
const INSIDE_MAX: usize = 22;

/// A text in 24 bytes: up to [`INSIDE_MAX`] bytes are inside, and a longer one is shared by its
/// copies. A verdict copies names, and takes no memory.
#[derive(Clone)]
pub(super) enum ShortText {
    Inside { len: u8, bytes: [u8; INSIDE_MAX] },
    Shared(Arc<str>),
}

impl ShortText {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Inside { len, bytes } => {
                let bytes = bytes.get(..usize::from(*len)).unwrap_or_default();
                str::from_utf8(bytes).unwrap_or_default()
            }
            Self::Shared(text) => text,
        }
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> Self {
        let mut bytes = [0; INSIDE_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(inside), Ok(len)) => {
                inside.copy_from_slice(text.as_bytes());
                Self::Inside { len, bytes }
            }
            (Some(_) | None, _) => Self::Shared(text.into()),
        }
    }
}

impl PartialEq for ShortText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ShortText {}

impl PartialOrd for ShortText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ShortText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for ShortText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_takes_no_memory_however_long_it_is() {
        for text in ["", "n", "ü", "鍵", "n2345678901234567890ü", "n234567890123456789012"]
            .map(str::to_owned)
            .into_iter()
            .chain([23, 24, 25, 100, 400].map(|len| "n".repeat(len)))
        {
            let short = ShortText::from(text.as_str());
            let measured = allocation_counter::measure(|| drop(short.clone()));
            assert_eq!((measured.count_total, short.as_str()), (0, text.as_str()));
        }
        assert_eq!((size_of::<ShortText>(), size_of::<Option<ShortText>>()), (24, 24));
    }

    #[test]
    fn short_texts_are_ordered_as_their_texts() {
        let long = "b".repeat(25);
        let mut texts = ["c", &long, "a"].map(ShortText::from);
        texts.sort();
        assert_eq!(texts.each_ref().map(ShortText::as_str), ["a", &long, "c"]);
    }
}
