//! `keyward key identify`: which keys some secrets belong to.

use clap::Args;
use keyward_api::key::Match;
use serde_json::{Value, json};

use super::{secret, view};
use crate::connection::Common;
use crate::matches::Matches;
use crate::output::{Cell, Look, Output, Tone, shown};
use crate::status::{Complaint, Status};

pub(super) const EXAMPLES: [&str; 3] = [
    "keyward key identify                 # asks for the secret, which does not show",
    "keyward key identify < leaked.txt    # one a line",
    "keyward key identify --json < leaked.txt | jq '.keys[].key_id'",
];

#[derive(Debug, Args)]
pub struct Identify {
    #[command(flatten)]
    common: Common,
}

/// One line of the input, and the key that it belongs to.
#[derive(Debug)]
struct Line {
    number: usize,
    digest: Option<String>,
    /// The match, and that as the server sent it.
    found: Option<(Match, Value)>,
}

impl Identify {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.common.client()?;
        let mut lines = lines(&secret::read()?);
        if lines.is_empty() {
            return Err(Complaint::Usage("standard input has no secret".to_owned()).into());
        }
        let digests: Vec<_> = lines.iter().filter_map(|line| line.digest.clone()).collect();
        let matches = Matches::ask(&client, &digests)?;
        for line in &mut lines {
            let digest = line.digest.as_deref();
            line.found = digest.and_then(|digest| matches.find_sent(digest));
        }
        if self.common.json {
            out.json(&json(&lines))?;
        } else {
            print(&lines, out)?;
        }
        if lines.iter().all(|line| line.found.is_none()) {
            return Err(Complaint::Told(Status::NotFound).into());
        }
        Ok(())
    }
}

/// The lines that are not blank.
fn lines(text: &str) -> Vec<Line> {
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let line = |(number, line)| Line { number, digest: secret::digest(line), found: None };
    numbered.map(line).collect()
}

fn json(lines: &[Line]) -> Value {
    let one = |line: &Line| {
        let mut one = json!({ "line": line.number, "digest": line.digest, "key_id": null });
        let found = line.found.as_ref().and_then(|(_, sent)| sent.as_object());
        if let (Some(fields), Some(found)) = (one.as_object_mut(), found) {
            fields.extend(found.clone());
        }
        one
    };
    json!({ "keys": lines.iter().map(one).collect::<Vec<_>>() })
}

/// Prints the result line by line; the texts themselves are not repeated.
fn print(lines: &[Line], out: &mut Output) -> std::io::Result<()> {
    let look = out.look();
    let row = |line: &Line| {
        let number = Cell::from(line.number.to_string());
        let plain = |text: &str| Cell::from(text.to_owned());
        match (&line.found, &line.digest) {
            (Some((found, _)), _) => {
                let (id, name) = (shown(&found.key_id).into(), shown(&found.name).into());
                vec![number, id, name, view::stage(&found.state), which(found, look)]
            }
            (None, Some(_)) => {
                vec![number, plain("-"), plain("no key of this server"), plain("-"), plain("-")]
            }
            (None, None) => vec![number, plain("-"), plain("no secret"), plain("-"), plain("-")],
        }
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    out.table(&["line", "id", "name", "state", "secret"], &rows)
}

/// Which of the key's secrets it is, and whether it still works.
fn which(found: &Match, look: Look) -> Cell {
    let secret = shown(&found.secret);
    if secret::has_ended(found, look) {
        return Cell::new(format!("{secret}, ended"), Tone::Plain);
    }
    secret.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::both;

    #[test]
    fn lines_are_told_apart_by_their_number() {
        let mut lines =
            lines("kw_first_secret\n\nshort\n  kw_third_secret\r\nkw_ended_secret\nkw_unknown\n");
        let found = |id, name, secret, ends_at: Option<&str>| {
            let sent = json!({"digest": "ab", "key_id": id, "name": name, "state": "active",
                "secret": secret, "ends_at": ends_at});
            Some((serde_json::from_value(sent.clone()).unwrap(), sent))
        };
        lines[0].found = found(7, "mobile", "current", None);
        lines[2].found = found(12, "ci", "former", Some("2026-11-24T09:30:00.001Z"));
        lines[3].found = found(13, "old", "former", Some("2026-11-24T09:30:00.000Z"));
        let shown = both(|out| print(&lines, out));
        assert!(!shown.contains("kw_") && !shown.contains("short"), "{shown}");
        insta::assert_snapshot!(shown);
        insta::assert_snapshot!(format!("{:#}", json(&lines[..2])));
    }
}
