//! A secret in a response, in memory that is wiped.

use std::fmt;
use std::io;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The text of a secret, in memory that is wiped.
pub struct SecretText(pub Zeroizing<String>);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new).map(Self)
    }
}

/// A body as JSON, in memory that is wiped. It never grows, since growing would leave a copy of the
/// secret in memory.
///
/// # Errors
///
/// Returns the error of a body that cannot be written.
pub fn wiped_json(body: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    struct Counted(usize);

    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, body)?;
    let mut text = Zeroizing::new(Vec::with_capacity(counted.0));
    serde_json::to_writer(&mut *text, body)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_a_secret_is_written_into_memory_that_does_not_grow() {
        let secret = SecretText(Zeroizing::new("kw_\"ü".to_owned()));
        let text = wiped_json(&secret).unwrap();
        assert_eq!(
            &**text,
            br#""kw_\""#.iter().chain("ü\"".as_bytes()).copied().collect::<Vec<_>>()
        );
        assert_eq!(text.capacity(), text.len());
        assert_eq!(format!("{secret:?}"), "SecretText(…)");
    }
}
