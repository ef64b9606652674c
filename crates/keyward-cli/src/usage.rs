//! `keyward usage`: the outcomes of the requests of all keys, and the keys with the most requests.

use clap::{Args, ValueEnum};
use keyward::count::Outcome;
use serde_json::Value;

use crate::client::Route;

use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::{Output, list, member};

/// The outcomes of a request, as the server counts them.
pub(crate) const OUTCOMES: [&str; Outcome::ALL.len()] = Outcome::WORDS;

pub(crate) const EXAMPLES: [&str; 3] = [
    "keyward usage",
    "keyward usage --by denials --top 20 --from 7d",
    "keyward usage --from 2026-11-01 --to 2026-12-01 --json",
];

#[derive(Debug, Args)]
pub struct UsageCommand {
    /// How many keys to name
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    #[arg(value_parser = number::top)]
    top: u32,
    /// What the first of them have the most of
    #[arg(long, default_value = "requests")]
    by: By,
    /// Since when, such as 2026-11-01 or 7d, which is 7 days ago; a day ago, if not given
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// Until when; now, if not given
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    to: Option<Moment>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// Requests, whatever became of them
    Requests,
    /// Requests that were refused
    Denials,
}

impl UsageCommand {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let time = |moment: Option<Moment>| moment.map(|at| at.text(out.look().now));
        let by = match self.by {
            By::Requests => "requests",
            By::Denials => "denials",
        };
        let route = Route::of(["admin", "usage"])
            .with("from", time(self.from))
            .with("to", time(self.to))
            .with("by", Some(by))
            .with("top", Some(self.top));
        let usage = self.common.client()?.get(&route)?.body;
        if self.common.json {
            return Ok(out.json(&usage)?);
        }
        Ok(print(&usage, out)?)
    }
}

fn print(usage: &Value, out: &mut Output) -> std::io::Result<()> {
    let look = out.look();
    let (from, to) = (look.calendar_time(usage, "from"), look.calendar_time(usage, "to"));
    out.line(&format!("From {from} to {to}:"))?;
    let row = |id: String, name: String, of: &Value| {
        [id, name].into_iter().chain(OUTCOMES.map(|outcome| member(of, outcome))).collect()
    };
    let one = |key: &Value| row(member(key, "key_id"), member(key, "name"), key);
    let mut rows: Vec<Vec<String>> = list(usage, "top").iter().map(one).collect();
    if let Some(total) = usage.get("total") {
        rows.push(row("total".to_owned(), "all keys".to_owned(), total));
    }
    let head: Vec<_> = ["id", "name"].into_iter().chain(OUTCOMES).collect();
    out.table(&head, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::testing::both;

    #[test]
    fn usage_names_the_first_keys_and_the_total() {
        let counts = |mut of: Value, allowed: u64, limited: u64| {
            for outcome in OUTCOMES {
                of[outcome] = json!(0);
            }
            (of["allowed"], of["limited"]) = (json!(allowed), json!(limited));
            of
        };
        let usage = json!({
            "from": "2026-11-23T09:30:00.000Z", "to": "2026-11-24T09:30:00.000Z",
            "total": counts(json!({}), 1_234_567, 89),
            "top": [
                counts(json!({"key_id": 7, "name": "mobile app"}), 1_000_000, 80),
                counts(json!({"key_id": 12, "name": "ci"}), 200_000, 0),
            ],
        });
        insta::assert_snapshot!(both(|out| print(&usage, out)));
    }
}
