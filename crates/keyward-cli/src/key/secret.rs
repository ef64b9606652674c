//! Secrets on their way from standard input to their digest, which is all that leaves this
//! machine.
//!
//! They are never arguments: every user of a machine can list the command lines that run on it.

use std::io::{self, IsTerminal as _, Read};

use keyward::digest::Digest;
use keyward::key::Presented;
use keyward_api::key::Match;
use zeroize::Zeroizing;

use crate::output::Look;
use crate::status::Complaint;

/// Most bytes of standard input that are read: some twenty thousand secrets.
const INPUT_LEN_MAX: u64 = 1_024 * 1_024;

/// Reads secrets, one a line. At a terminal one is asked for, and the typed text does not show.
pub(in super::super) fn read() -> anyhow::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(Zeroizing::new(rpassword::prompt_password("Secret (does not show): ")?));
    }
    Ok(read_bounded(stdin.lock())?)
}

fn read_bounded(from: impl Read) -> Result<Zeroizing<String>, Complaint> {
    let mut text = Zeroizing::new(String::new());
    let read = from.take(INPUT_LEN_MAX + 1).read_to_string(&mut text);
    let complain = |what: String| Err(Complaint::Usage(format!("standard input {what}")));
    match read {
        Err(error) => complain(format!("cannot be read: {error}")),
        Ok(len) if usize::try_from(INPUT_LEN_MAX).is_ok_and(|max| max < len) => {
            complain("has more than 1 MiB; identify fewer secrets at a time".to_owned())
        }
        Ok(_) => Ok(text),
    }
}

/// The digest of a line, in hex; `None` if the line can be no secret.
pub(super) fn digest(line: &str) -> Option<String> {
    let presented = Presented::parse(line.trim()).ok()?;
    Some(Digest::of(presented).to_hex())
}

/// Whether a match is a secret that was replaced and whose grace has ended.
pub(in super::super) fn has_ended(found: &Match, look: Look) -> bool {
    found.ends_at.is_some_and(|ends_at| look.is_past(ends_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_its_sha_256() {
        let expected = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
        let line = "  abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq\r";
        assert_eq!(digest(line).unwrap(), expected);
        for line in ["", "short", "two words", &"x".repeat(513)] {
            assert_eq!(digest(line), None, "{line}");
        }
    }

    #[test]
    fn more_than_a_mebibyte_is_rejected() {
        let most = "x".repeat(1_024 * 1_024);
        assert_eq!(read_bounded(most.as_bytes()).unwrap().len(), most.len());
        assert!(read_bounded(format!("{most}x").as_bytes()).is_err());
        assert!(read_bounded(&[0xff_u8][..]).is_err());
    }
}
