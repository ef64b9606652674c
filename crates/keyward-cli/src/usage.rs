//! `keyward usage`: the outcomes of the requests of all keys, and the keys with the most requests.

use clap::{Args, ValueEnum};
use keyward::count::Outcome;
use keyward_api::usage::{CountsView, TopKey, TopView};

use crate::client::Route;

use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::{Output, shown};

pub(crate) const EXAMPLES: [&str; 3] = [
    "keyward usage",
    "keyward usage --by denials --top 20 --from 7d",
    "keyward usage --from 2026-11-01 --to 2026-12-01 --json",
];

#[derive(Debug, Args)]
pub struct UsageCommand {
    /// How many keys to list
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    #[arg(value_parser = number::top)]
    top: u32,
    /// The count by which the keys are ordered
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
    /// All requests
    Requests,
    /// Requests that were denied
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
        let usage = self.common.client()?.get(&route)?;
        self.common.print(&usage, out, print)
    }
}

fn print(usage: &TopView, out: &mut Output) -> std::io::Result<()> {
    let look = out.look();
    let (from, to) = (look.calendar_time(&usage.from), look.calendar_time(&usage.to));
    out.line(&format!("From {from} to {to}:"))?;
    let one = |key: &TopKey| row([shown(&key.key_id), shown(&key.name)], &key.counts);
    let mut rows: Vec<_> = usage.top.iter().map(one).collect();
    rows.push(row(["total".to_owned(), "all keys".to_owned()], &usage.total));
    let head: Vec<_> = ["id", "name"].into_iter().chain(Outcome::WORDS).collect();
    out.table(&head, &rows)
}

/// A row that ends with the requests by outcome.
pub(crate) fn row<const N: usize>(first: [String; N], counts: &CountsView) -> Vec<String> {
    let counts = counts.0.iter().map(|(_, count)| count.to_string());
    first.into_iter().chain(counts).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::output::testing::both;

    #[test]
    fn usage_names_the_first_keys_and_the_total() {
        let counts = |mut of: Value, allowed: u64, limited: u64| {
            for outcome in Outcome::WORDS {
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
        let usage = serde_json::from_value(usage).unwrap();
        insta::assert_snapshot!(both(|out| print(&usage, out)));
    }
}
