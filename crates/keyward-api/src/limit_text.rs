//! Limits as people write them: `100 per 60s burst 200`, with a name before it where it needs one.

use serde_json::{Value, json};

use crate::duration::WholeSeconds;

/// The name of a limit without a name.
pub const NAME: &str = "requests";

/// A limit as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitText {
    name: String,
    amount: u32,
    per: WholeSeconds,
    burst: u32,
}

impl LimitText {
    /// Parses a limit as people write it, with or without a name and a colon before it.
    ///
    /// # Errors
    ///
    /// Returns the fault and the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let advice = || "write it like \"100 per 60s\" or \"100 per 60s burst 200\"".to_owned();
        let (name, rest) = text.split_once(':').unwrap_or((NAME, text));
        let words: Vec<_> = rest.split_whitespace().collect();
        let (amount, per, burst) = match words.as_slice() {
            [amount, "per", per] => (amount, per, amount),
            [amount, "per", per, "burst", burst] => (amount, per, burst),
            _ => return Err(advice()),
        };
        let count = |text: &str| text.parse().ok().filter(|count| 0 < *count).ok_or_else(advice);
        Ok(Self {
            name: name.trim().to_owned(),
            amount: count(amount)?,
            per: WholeSeconds::parse(per)?,
            burst: count(burst)?,
        })
    }

    /// The limit as the server takes it.
    pub fn json(&self) -> Value {
        let per = format!("{}s", self.per.seconds());
        json!({ "name": self.name, "amount": self.amount, "per": per, "burst": self.burst })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_in_words() {
        let json = |text| LimitText::parse(text).unwrap().json().to_string();
        for (text, expected) in [
            ("100 per 60s", r#"{"name":"requests","amount":100,"per":"60s","burst":100}"#),
            ("5 per 1h burst 9", r#"{"name":"requests","amount":5,"per":"3600s","burst":9}"#),
            ("writes: 1 per 1d", r#"{"name":"writes","amount":1,"per":"86400s","burst":1}"#),
        ] {
            assert_eq!(json(text), expected);
        }
        for text in ["", "100", "100 60s", "0 per 60s", "1 per 60", "1 per 1s burst 0", "-1 per 1s"]
        {
            assert!(LimitText::parse(text).is_err(), "{text}");
        }
    }
}
