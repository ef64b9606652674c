//! `keyward import --try`: whether the caller with one secret will be accepted, and if not, which
//! text the digest was made of.

mod guess;

use std::collections::HashSet;

use anyhow::Context as _;
use keyward::digest::Digest;
use keyward::record::Stage;
use keyward_api::transfer::{ImportKey, Item, State, Time};
use keyward_api::words::{StageWord, Word};
use serde_json::json;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::key::secret;
use crate::matches::Matches;
use crate::output::{Look, Output, printable, shown};
use crate::status::{Complaint, Status};

use super::source::Source;
use guess::{Guess, Made, guesses};

/// The report if nothing fits.
const NOTHING_FITS: &str = "\
The caller of this secret will not be accepted: no key has its digest. Either its key is not there,
or the digest was made with a salt, a key (HMAC) or a slow function, and cannot be moved.
Tried were the secret as it is, its parts after each of | _ . - and :, in upper and lower case, with
a line break, in quotation marks, as UTF-16, out of hexadecimal and base64, and hashed twice.";

/// The key that a guess led to.
#[derive(Debug)]
struct Found {
    guess: Guess,
    /// Such as `the key in line 7`.
    key: String,
    number: u64,
    /// Why the key accepts no caller.
    obstacle: Option<String>,
    /// The part that is true only after the import.
    condition: &'static str,
}

/// Reads one secret from standard input.
pub(super) fn read_secret() -> anyhow::Result<Zeroizing<String>> {
    let text = secret::read()?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(secret), None) => Ok(Zeroizing::new(secret.to_owned())),
        (None, _) => {
            Err(Complaint::Usage("standard input has no secret to be tried".to_owned()).into())
        }
        (Some(_), Some(_)) => {
            let problem = "standard input has several lines; one secret is tried at a time";
            Err(Complaint::Usage(problem.to_owned()).into())
        }
    }
}

/// Tries a secret with the keys of a file or of the tutorial's database.
pub(super) fn try_source(secret: &str, source: Source, out: &mut Output) -> anyhow::Result<Trial> {
    let mut guesses = guesses(secret);
    let mut prefixes = HashSet::new();
    let mut suspended = HashSet::new();
    let mut found: Option<Found> = None;
    for line in source.lines {
        let line = line?;
        let key = match line.item {
            Ok(Item::Key(key)) => key,
            Ok(Item::SuspendedOwner(owner)) => {
                suspended.insert(owner);
                continue;
            }
            Ok(Item::Tier(_) | Item::OwnerLimits(_)) | Err(_) => continue,
        };
        for one in &key.secrets {
            // A secret without its prefix, where the hint has one.
            let prefix = one.hint.rfind('_').and_then(|at| one.hint.get(..=at));
            if let Some(prefix) = prefix.filter(|prefix| prefixes.insert((*prefix).to_owned())) {
                guesses.push(Guess::with_prefix(secret, prefix));
            }
            let Some(guess) = guesses.iter().find(|guess| guess.digest == one.digest.0) else {
                continue;
            };
            let is_better = found.as_ref().is_none_or(|other| guess.made < other.guess.made);
            if is_better {
                let obstacle = obstacle(&key, one.ends_at, &suspended, out.look());
                found = Some(Found {
                    guess: guess.clone(),
                    key: format!("the key in {} {}", source.unit, line.number),
                    number: line.number,
                    obstacle,
                    condition: ", once it is imported",
                });
            }
        }
    }
    source.bar.finish_and_clear();
    Ok(Trial { unit: source.unit, found })
}

/// Why a key of a file accepts no caller.
fn obstacle(
    key: &ImportKey,
    ends_at: Option<Time>,
    suspended: &HashSet<String>,
    look: Look,
) -> Option<String> {
    let now = u64::try_from(look.now.as_millisecond()).unwrap_or_default();
    let is_over = |at: Option<Time>| at.is_some_and(|at| at.0.0 <= now);
    let owner = key.owner.as_ref().filter(|owner| suspended.contains(*owner));
    let text = match key.state {
        State::Revoked => "it is revoked",
        State::Suspended => "it is suspended",
        State::Active if owner.is_some() => "its owner is suspended",
        State::Active if is_over(key.expires_at) => "it is expired",
        State::Active if is_over(ends_at) => "the secret was replaced",
        State::Active => return None,
    };
    Some(text.to_owned())
}

/// Tries a secret with the keys of the server.
pub(super) fn try_server(secret: &str, client: &Client, look: Look) -> anyhow::Result<Trial> {
    let guesses = guesses(secret);
    let digests: Vec<String> = guesses.iter().map(|guess| guess.digest.to_hex()).collect();
    let matches = Matches::ask(client, &digests)?;
    let found = guesses.into_iter().zip(digests).find_map(|(guess, digest)| {
        let key = matches.find(&digest)?;
        let obstacle = if key.state != Word::Known(StageWord(Stage::Active)) {
            Some(format!("it is {}", shown(&key.state)))
        } else if secret::has_ended(key, look) {
            Some("the secret was replaced".to_owned())
        } else {
            None
        };
        let number = key.key_id.0;
        Some(Found { guess, key: format!("key {number}"), number, obstacle, condition: "" })
    });
    Ok(Trial { unit: "key_id", found })
}

/// The result of a trial.
#[derive(Debug)]
pub(super) struct Trial {
    /// The unit that the number of a key counts.
    unit: &'static str,
    found: Option<Found>,
}

impl Trial {
    /// Reports it, and fails unless the caller will be accepted.
    pub(super) fn tell(&self, as_json: bool, out: &mut Output) -> anyhow::Result<()> {
        let (lets_in, text) = self.in_words();
        if as_json {
            let found = self.found.as_ref();
            out.json(&json!({
                "let_in": lets_in,
                self.unit: found.map(|found| found.number),
                "digest_of": found.map(|found| found.guess.made.name()),
                "detail": text.replace('\n', " "),
            }))
            .context("the result cannot be written")?;
        } else {
            for line in text.lines() {
                out.line(&printable(line))?;
            }
        }
        match (lets_in, &self.found) {
            (true, _) => Ok(()),
            (false, Some(_)) => Err(Complaint::Told(Status::Failed).into()),
            (false, None) => Err(Complaint::Told(Status::NotFound).into()),
        }
    }

    fn in_words(&self) -> (bool, String) {
        let Some(Found { guess, key, obstacle, condition, .. }) = &self.found else {
            return (false, NOTHING_FITS.to_owned());
        };
        let no = "The caller of this secret will not be accepted";
        if let Some(obstacle) = obstacle {
            return (false, format!("{no}: it belongs to {key}, and {obstacle}."));
        }
        match (guess.made, guess.can_be_sent) {
            (Made::Whole, true) => {
                let text =
                    format!("The caller of this secret will be accepted as {key}{condition}.");
                (true, text)
            }
            (Made::Whole, false) => (
                false,
                format!(
                    "{no}: it belongs to {key}, but a secret has 8 to 512 visible ASCII \
                     characters.\nIssue a new key."
                ),
            ),
            (made, true) => (
                false,
                format!(
                    "{no} with the secret as it is: the digest of {key} was made of {}.\nCallers \
                     have to send that, and nothing else, to be accepted{condition}.",
                    made.in_words()
                ),
            ),
            (made, false) => (
                false,
                format!(
                    "{no}: the digest of {key} was made of {}, which no caller can send.\nMake \
                     the digests anew, of the secrets as they are sent, or issue new keys.",
                    made.in_words()
                ),
            ),
        }
    }
}

/// SHA-256 of any bytes, although a caller can send text only.
fn digest_of(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::from_stored(sha2::Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use keyward_api::transfer::{Text, read_csv};

    use super::*;
    use crate::output::testing::piped;

    const SECRET: &str = "7|prefix_wJalrXUtnFEMIK7MDENG";

    /// The report about the secret and a file with one key, whose digest is made of these bytes.
    fn told(secret: &str, made_of: &[u8], more: &str) -> String {
        let (names, cells) = more.split_once('=').unwrap_or_default();
        let digest = digest_of(made_of).to_hex();
        let text = format!("name,digest,{names}\nother,{},\na,{digest},{cells}\n", "ab".repeat(32));
        let text = Text::open(std::io::Cursor::new(text)).unwrap();
        let lines = read_csv(text).unwrap().map(|line| line.map_err(Into::into));
        let source =
            Source { lines: Box::new(lines), bar: indicatif::ProgressBar::hidden(), unit: "line" };
        let told = crate::output::testing::written(piped(), |out| {
            let trial = try_source(secret, source, out)?;
            // Its exit status is that of the report.
            let (lets_in, _) = trial.in_words();
            assert_eq!(trial.tell(false, out).is_ok(), lets_in);
            anyhow::Ok(())
        });
        assert!(!told.contains("wJalr"), "{told}");
        told
    }

    #[test]
    fn it_is_told_what_the_digest_was_made_of() {
        let after_bar = b"prefix_wJalrXUtnFEMIK7MDENG";
        let once = digest_of(SECRET.as_bytes());
        let once_as_hex = once.to_hex();
        let cases: [(&str, &[u8], &str); 14] = [
            (SECRET, SECRET.as_bytes(), ""),
            (SECRET, after_bar, ""),
            (SECRET, b"wJalrXUtnFEMIK7MDENG", ""),
            (SECRET, &[after_bar, &b"\n"[..]].concat(), ""),
            ("ABCDEF0123456789", b"abcdef0123456789", ""),
            ("abcdef0123456789", b"ABCDEF0123456789", ""),
            ("abcdef0123456789", b"\xab\xcd\xef\x01\x23\x45\x67\x89", ""),
            (SECRET, once_as_hex.as_bytes(), ""),
            (SECRET, once.as_bytes(), ""),
            (SECRET, b"something else", ""),
            ("short", b"short", ""),
            (SECRET, SECRET.as_bytes(), "state=revoked"),
            (SECRET, SECRET.as_bytes(), "expires_at=2026-11-24T09:30:00Z"),
            ("wJalrXUtnFEMI", b"sk_live_wJalrXUtnFEMI", "hint=sk_live_wJ"),
        ];
        let lines = cases.map(|(secret, made_of, more)| told(secret, made_of, more));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
