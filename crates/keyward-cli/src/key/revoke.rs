//! `keyward key revoke`: the end of a key, by its id or by its secret.

use clap::Args;
use keyward_api::key::SecretView;
use keyward_api::words::Word;
use serde_json::json;

use crate::client::{Client, Route};

use super::secret;
use crate::connection::Common;
use crate::matches::Matches;
use crate::number;
use crate::output::{Look, Output, shown};
use crate::status::Complaint;

pub(super) const EXAMPLES: [&str; 3] = [
    "keyward key revoke 7 --reason \"the contract ended\"",
    "keyward key revoke --stdin --reason \"leaked\"               # asks for the secret",
    "keyward key revoke --stdin --reason \"leaked\" < leaked.txt",
];

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["id", "stdin"])]
pub struct Revoke {
    /// The key's id, as `list` shows it
    #[arg(value_parser = number::id)]
    id: Option<u64>,
    /// Read the key's secret from standard input instead; only its digest leaves this machine
    #[arg(long)]
    stdin: bool,
    /// Why, for the audit trail, up to 200 characters
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Revoke {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.common.client()?;
        let (id, note) = match self.id {
            Some(id) => (id, String::new()),
            None => identify(&client, &secret::read()?, out.look())?,
        };
        client.delete(&Route::key(id).with("reason", self.reason.as_ref()))?;
        if self.common.json {
            return Ok(out.json(&json!({ "key_id": id, "state": "revoked" }))?);
        }
        let text = format!("Revoked key {id}{note}. No request with it is accepted any more.");
        Ok(out.line(&text)?)
    }
}

/// The id of the key to a secret, and the note about it.
fn identify(client: &Client, text: &str, look: Look) -> anyhow::Result<(u64, String)> {
    let digest = one_digest(text)?;
    let matches = Matches::ask(client, std::slice::from_ref(&digest))?;
    let Some(found) = matches.find(&digest) else {
        let what = "no key of this server has that secret; nothing was revoked";
        return Err(Complaint::NotFound(what.to_owned()).into());
    };
    let (id, name) = (found.key_id.0, shown(&found.name));
    // As when a leak is reported: the leak of a secret that a rotation has replaced must not take
    // down the secret that callers have moved to.
    if secret::has_ended(found, look) {
        anyhow::bail!(
            "that is a former secret of key {id}, {name}, and opens nothing any more; nothing was \
             revoked. To end the key all the same, `keyward key revoke {id}`"
        );
    }
    let mut note = format!(", {name}");
    if found.secret == Word::Known(SecretView::Former) {
        note.push_str(" (that was a former secret; the current one ended with it)");
    }
    Ok((id, note))
}

/// The digest of the one secret that there must be: two pasted secrets are a mistake.
fn one_digest(text: &str) -> Result<String, Complaint> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let complain = |what: &str| Err(Complaint::Usage(format!("standard input {what}")));
    let (Some(line), rest) = (lines.next(), lines.next()) else {
        return complain("has no secret");
    };
    if rest.is_some() {
        return complain("has more than one line; revoke one secret at a time");
    }
    secret::digest(line).map_or_else(|| complain("has no secret: that is no key"), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_secret_is_taken() {
        assert_eq!(one_digest("\n kw_secret_text \n\n").unwrap().len(), 64);
        for text in ["", "\n \n", "kw_secret_one\nkw_secret_two\n", "short\n", "a sentence here"] {
            assert!(matches!(one_digest(text), Err(Complaint::Usage(_))), "{text}");
        }
    }
}
