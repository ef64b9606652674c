//! `keyward key usage`: the outcomes of one key's requests.

use clap::Args;
use keyward::count::Outcome;
use keyward_api::usage::UsageView;
use keyward_api::words::BucketWord;

use crate::client::Route;

use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::{Output, shown};
use crate::usage::row;

/// Hours or days that `show` prints; `key usage` and `--json` have them all.
pub(super) const LATEST_SHOWN: usize = 24;

pub(super) const EXAMPLES: [&str; 3] = [
    "keyward key usage 7",
    "keyward key usage 7 --bucket day --from 30d",
    "keyward key usage 7 --from 2026-11-01 --to 2026-12-01 --json",
];

#[derive(Debug, Args)]
pub struct KeyUsage {
    /// The key's id, as `list` shows it
    #[arg(value_parser = number::id)]
    id: u64,
    /// Since when, such as 2026-11-01 or 7d, which is 7 days ago
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// Until when
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// Whether a line is an hour or a day
    #[arg(long, default_value = "hour", value_parser = BucketWord::words())]
    bucket: String,
    #[command(flatten)]
    common: Common,
}

impl KeyUsage {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let time = |moment: Option<Moment>| moment.map(|at| at.text(out.look().now));
        let route = Route::key(self.id)
            .join("usage")
            .with("from", time(self.from))
            .with("to", time(self.to))
            .with("bucket", (self.bucket == "day").then_some("day"));
        let usage = self.common.client()?.get(&route)?;
        self.common.print(&usage, out, |usage, out| print(usage, None, out))
    }
}

/// The hours or days, or the latest of them, and the total of them all.
pub(super) fn print(
    usage: &UsageView,
    latest: Option<usize>,
    out: &mut Output,
) -> std::io::Result<()> {
    let look = out.look();
    let hours = usage.hours.iter().flatten();
    let hours = hours.map(|of| row([look.calendar_time(&of.hour)], &of.counts));
    let days = usage.days.iter().flatten().map(|of| row([shown(&of.day)], &of.counts));
    let mut rows: Vec<_> = hours.chain(days).collect();
    rows.drain(..latest.map_or(0, |latest| rows.len().saturating_sub(latest)));
    rows.push(row(["total".to_owned()], &usage.total));
    let bucket = if usage.days.is_some() { "day" } else { "hour" };
    let head: Vec<_> = [bucket].into_iter().chain(Outcome::WORDS).collect();
    out.table(&head, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::output::testing::{both, piped, written};

    /// The usage of a key in these hours or days.
    fn usage(buckets: &str, list: &[&str]) -> UsageView {
        let counts = |mut of: Value, allowed: usize| {
            for outcome in Outcome::WORDS {
                of[outcome] = json!(if outcome == "allowed" { allowed } else { 0 });
            }
            of
        };
        let bucket = buckets.trim_end_matches('s');
        let one = |at: &&str| counts(json!({ bucket: at }), 12);
        let usage = json!({
            "key_id": 7, "bucket": bucket, "total": counts(json!({}), 12 * list.len()),
            "from": "2026-11-24T00:00:00.000Z", "to": "2026-11-26T00:00:00.000Z",
            buckets: list.iter().map(one).collect::<Vec<_>>(),
        });
        serde_json::from_value(usage).unwrap()
    }

    #[test]
    fn usage_ends_with_the_total_of_the_latest_hours() {
        let hours: Vec<_> = (1..=30).map(|day| format!("2026-11-{day:02}T00:00:00.000Z")).collect();
        let hours: Vec<_> = hours.iter().map(String::as_str).collect();
        let usage = usage("hours", &hours);
        let text = written(piped(), |out| print(&usage, Some(LATEST_SHOWN), out));
        let first: Vec<_> =
            text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(first.len(), LATEST_SHOWN + 2);
        assert_eq!((first[1], first[LATEST_SHOWN + 1]), (hours[6], "total"));
    }

    #[test]
    fn usage_is_shown_by_the_hour_and_by_the_day() {
        let hours = usage("hours", &["2026-11-24T08:00:00.000Z"]);
        insta::assert_snapshot!(both(|out| print(&hours, None, out)));
        let days = usage("days", &["2026-11-24"]);
        insta::assert_snapshot!(both(|out| print(&days, None, out)));
    }
}
