//! `keyward key usage`: the outcomes of one key's requests.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::client::Route;

use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::{Output, list, member};
use crate::usage::OUTCOMES;

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
    /// What is added up in one line
    #[arg(long, default_value = "hour")]
    bucket: Bucket,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bucket {
    Hour,
    Day,
}

impl KeyUsage {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let time = |moment: Option<Moment>| moment.map(|at| at.text(out.look().now));
        let route = Route::key(self.id)
            .join("usage")
            .with("from", time(self.from))
            .with("to", time(self.to))
            .with("bucket", (self.bucket == Bucket::Day).then_some("day"));
        let usage = self.common.client()?.get(&route)?.body;
        if self.common.json {
            return Ok(out.json(&usage)?);
        }
        Ok(print(&usage, None, out)?)
    }
}

/// The hours or days, or the latest of them, and the total of them all.
pub(super) fn print(usage: &Value, latest: Option<usize>, out: &mut Output) -> std::io::Result<()> {
    let bucket = if usage.get("days").is_some() { "day" } else { "hour" };
    let head: Vec<_> = [bucket].into_iter().chain(OUTCOMES).collect();
    let all = list(usage, &format!("{bucket}s"));
    let skipped = latest.map_or(0, |latest| all.len().saturating_sub(latest));
    let look = out.look();
    let first = |of: &Value| match bucket {
        "hour" => look.calendar_time(of, bucket),
        _ => member(of, bucket),
    };
    let counts = |of: &Value| OUTCOMES.map(|outcome| member(of, outcome));
    let row = |first: String, of: &Value| [first].into_iter().chain(counts(of)).collect();
    let mut rows: Vec<_> = all.iter().skip(skipped).map(|of| row(first(of), of)).collect();
    rows.extend(usage.get("total").map(|total| row("total".to_owned(), total)));
    out.table::<String>(&head, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::testing::{both, piped, written};

    fn counts(mut of: Value, allowed: u64) -> Value {
        for outcome in OUTCOMES {
            of[outcome] = json!(if outcome == "allowed" { allowed } else { 0 });
        }
        of
    }

    #[test]
    fn usage_ends_with_the_total_of_the_latest_hours() {
        let hour = |at: usize| json!({"hour": format!("h{at}"), "allowed": 1, "limited": 0});
        let hours: Vec<_> = (0..30).map(hour).collect();
        let usage = json!({"hours": hours, "total": {"allowed": 30}});
        let text = written(piped(), |out| print(&usage, Some(LATEST_SHOWN), out));
        let first: Vec<_> =
            text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(first.len(), LATEST_SHOWN + 2);
        assert_eq!((first[1], first[LATEST_SHOWN + 1]), ("h6", "total"));
    }

    #[test]
    fn usage_is_shown_by_the_hour_and_by_the_day() {
        let hour = counts(json!({"hour": "2026-11-24T08:00:00.000Z"}), 12);
        let hours = json!({"key_id": 7, "total": counts(json!({}), 12), "hours": [hour]});
        insta::assert_snapshot!(both(|out| print(&hours, None, out)));
        let day = counts(json!({"day": "2026-11-24"}), 12);
        let days = json!({"key_id": 7, "total": counts(json!({}), 12), "days": [day]});
        insta::assert_snapshot!(both(|out| print(&days, None, out)));
    }
}
