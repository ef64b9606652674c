//! `keyward key rotate`: a new secret for the same key.

use clap::Args;
use keyward_api::duration::WholeSeconds;
use keyward_api::key::{RotateKeyDraft, RotatedKey};
use serde_json::Value;

use crate::client::Route;

use super::view;
use crate::connection::Common;
use crate::number;
use crate::output::{Look, Output, printable, shown};
use crate::status::Complaint;

pub(super) const EXAMPLES: [&str; 3] = [
    "keyward key rotate 7",
    "keyward key rotate 7 --grace 0s",
    "KEY=$(keyward key rotate 7 --grace 7d --quiet)",
];

#[derive(Debug, Args)]
pub struct Rotate {
    /// The key's id, as `list` shows it
    #[arg(value_parser = number::id)]
    id: u64,
    /// How long the old secret still works, 0s to 30d; 24h, if not given
    #[arg(long, value_name = "DURATION", value_parser = WholeSeconds::parse)]
    grace: Option<WholeSeconds>,
    /// Print the new secret alone, for scripts
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    common: Common,
}

impl Rotate {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let grace = self.grace.map(|grace| format!("{}s", grace.seconds()).into());
        let route = Route::key(self.id).join("rotate");
        let rotated = self.common.client()?.post::<Value>(&route, &RotateKeyDraft { grace })?.json;
        let shown = view::print_secret(&rotated, &self.common, self.quiet, out, rotated_text);
        // As for an issued key, with the difference that callers may depend on this one.
        Ok(shown.map_err(|error| {
            let what = "has a new secret, which could not be shown; rotate it again or revoke it";
            Complaint::Unshown(format!("key {} {what}", self.id), error)
        })?)
    }
}

fn rotated_text(rotated: &RotatedKey, look: Look) -> String {
    let grace = match rotated.grace_until.filter(|until| !look.is_past(*until)) {
        None => "The old one works no more.".to_owned(),
        Some(until) => {
            let until = look.time_at_length(&until);
            format!("The old one works until {until}; a second rotation ends that at once.")
        }
    };
    format!(
        "New secret of key {id}, {name} (tier {tier}):\n\n  {key}\n\n\
         It is shown this once and never again: keep it now. {grace}",
        id = shown(&rotated.key_id),
        name = shown(&rotated.name),
        tier = shown(&rotated.tier),
        key = printable(&rotated.api_key.0),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::testing::both;

    #[test]
    fn a_rotation_says_how_long_the_old_secret_works() {
        let mut rotated = json!({
            "api_key": "kw_new", "key_id": 7, "name": "mobile", "tier": "pro", "hint": "kw_new1",
            "grace_until": "2026-11-25T09:30:00.000Z", "expires_at": null, "version": 4,
        });
        let print = |rotated: &Value, out: &mut Output| {
            let rotated = serde_json::from_value(rotated.clone()).unwrap();
            out.line(&rotated_text(&rotated, out.look()))
        };
        insta::assert_snapshot!(both(|out| print(&rotated, out)));
        rotated["grace_until"] = Value::Null;
        let none = both(|out| print(&rotated, out));
        rotated["grace_until"] = "2026-11-24T09:30:00.000Z".into();
        assert_eq!(both(|out| print(&rotated, out)), none, "a grace of 0s");
        insta::assert_snapshot!(none);
    }
}
