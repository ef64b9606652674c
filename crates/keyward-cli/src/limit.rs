//! Limits as people type and read them: `100 per 60s burst 200`.

use clap::Args;
use keyward_api::duration::WholeSeconds;
use keyward_api::limit::LimitView;
use keyward_api::limit_text::{LimitText, NAME};
use serde_json::{Value, json};

use crate::output::printable;
use crate::status::Complaint;

/// The flags that give limits.
#[derive(Debug, Args)]
#[group(id = "some_limits", multiple = false)]
pub struct LimitFlags {
    /// How often it may be used, such as "100 per 60s" or "100 per 60s burst 200"; for up to 8
    /// limits at once, repeat it with a name before each further one, such as "day: 5000 per 1d"
    #[arg(long = "limit", value_name = "LIMIT", value_parser = LimitText::parse)]
    limits: Vec<LimitText>,
    /// Let it be used without limit
    #[arg(long)]
    unlimited: bool,
}

impl LimitFlags {
    /// The limits for a body, if any flag gave some.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.unlimited {
            return Some(json!([]));
        }
        let limits = || self.limits.iter().map(LimitText::json).collect();
        (!self.limits.is_empty()).then(limits)
    }

    /// The limits for a body that is about nothing else.
    pub(crate) fn required(&self) -> Result<Value, Complaint> {
        let what = "give the limits with --limit, or say --unlimited";
        self.json().ok_or_else(|| Complaint::Usage(what.to_owned()))
    }
}

/// The limits of a response in the form in which they are typed.
pub fn limits_text(limits: &[LimitView]) -> String {
    if limits.is_empty() {
        return "no limit".to_owned();
    }
    limits.iter().map(limit_text).collect::<Vec<_>>().join(", ")
}

fn limit_text(limit: &LimitView) -> String {
    let LimitView { name, amount, per, burst } = limit;
    let per = WholeSeconds::parse(per).map_or_else(|_| printable(per), |per| per.to_string());
    let name = if name == NAME { String::new() } else { format!("{}: ", printable(name)) };
    let burst = if burst == amount { String::new() } else { format!(" burst {burst}") };
    format!("{name}{amount} per {per}{burst}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_typed() {
        for text in ["100 per 60s", "100 per 60s burst 200", "writes: 1 per 1d", "7 per 24h"] {
            let json = json!([LimitText::parse(text).unwrap().json()]);
            let limits: Vec<LimitView> = serde_json::from_value(json).unwrap();
            assert_eq!(limits_text(&limits), text.replace("24h", "1d"));
        }
        assert_eq!(limits_text(&[]), "no limit");
    }
}
