//! The flags of the fields that a key gets when it is issued, and that an edit changes.

use clap::Args;
use keyward::json::{self, first_inexact_number};
use keyward_api::duration::WholeSeconds;
use keyward_api::key::KeyDraft;
use keyward_api::transfer::{INEXACT, json_fault};
use serde_json::{Value, json};

use crate::limit::LimitFlags;
use crate::moment::Moment;
use crate::output::Look;
use crate::status::Complaint;

/// The fields of a key but its name.
#[derive(Debug, Args)]
pub(super) struct Fields {
    /// The plan whose limits it has; a new key has basic, if not given
    #[arg(long)]
    tier: Option<String>,
    /// The customer to whom it belongs
    #[arg(long)]
    owner: Option<String>,
    /// A scope, such as `articles:read`, `articles:*` or `*`; may be given several times,
    /// and replaces all scopes of a key
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A network that it may be used from, such as 10.0.0.0/8; may be given several times, and
    /// replaces all networks of a key; a new key may be used from anywhere, if never given
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// How long it works from now on, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = WholeSeconds::parse)]
    expires_in: Option<WholeSeconds>,
    /// When it ends, such as 2030-01-31T12:00:00Z or 2030-01-31
    #[arg(long, value_name = "TIME", value_parser = parse_end, conflicts_with = "expires_in")]
    expires_at: Option<Moment>,
    #[command(flatten)]
    limits: LimitFlags,
    /// Notes about it: a JSON object, or @FILE with one
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

impl Fields {
    /// The fields that are given, and no others, so that the server's own defaults hold.
    pub(super) fn draft(&self, name: Option<&String>, look: Look) -> Result<KeyDraft, Complaint> {
        let text = |text: Option<&String>| text.map(|text| json!(text));
        let texts = |list: &Vec<String>| (!list.is_empty()).then(|| json!(list));
        Ok(KeyDraft {
            name: text(name),
            tier: text(self.tier.as_ref()),
            owner: text(self.owner.as_ref()),
            scopes: texts(&self.scopes),
            networks: texts(&self.networks),
            limits: self.limits.json(),
            metadata: self.metadata.as_deref().map(read_metadata).transpose()?,
            expires_in: self.expires_in.map(|within| format!("{}s", within.seconds()).into()),
            expires_at: self.expires_at.map(|at| at.text(look.now).into()),
        })
    }
}

/// A point in time that is no duration, since `--expires-at 90d` would mean 90 days ago.
fn parse_end(text: &str) -> Result<Moment, String> {
    match Moment::parse(text)? {
        at @ Moment::At(_) => Ok(at),
        Moment::Ago(_) => Err(format!("for a duration, use --expires-in {text}")),
    }
}

/// Most bytes of metadata that are read: more than the server takes.
const METADATA_LEN_MAX: u64 = 64 * 1_024;

/// Takes metadata as JSON, or from a file if it begins with `@`.
fn read_metadata(typed: &str) -> Result<Value, Complaint> {
    let text = match typed.strip_prefix('@') {
        None => typed.to_owned(),
        Some(file) => read_text(file)
            .map_err(|error| Complaint::Usage(format!("{file} cannot be read: {error}")))?,
    };
    match json::from_str(&text) {
        Ok(Value::Object(_)) if first_inexact_number(&text).is_some() => {
            Err(Complaint::Usage(format!("the metadata: {INEXACT}")))
        }
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(Complaint::Usage("the metadata is not a JSON object".to_owned())),
        Err(error) => Err(Complaint::Usage(format!(
            "the metadata is not a JSON object: {}",
            json_fault(&error)
        ))),
    }
}

fn read_text(file: &str) -> std::io::Result<String> {
    use std::io::Read as _;

    let mut text = String::new();
    std::fs::File::open(file)?.take(METADATA_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_an_object_typed_or_in_a_file() {
        assert_eq!(read_metadata(r#"{"a": 1}"#).unwrap().to_string(), r#"{"a":1}"#);
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":12345678901234567890123}"#] {
            assert!(read_metadata(text).is_err(), "{text}");
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("metadata.json");
        std::fs::write(&file, r#"{"b": [2]}"#).unwrap();
        let typed = format!("@{}", file.display());
        assert_eq!(read_metadata(&typed).unwrap().to_string(), r#"{"b":[2]}"#);
        for typed in ["", "[]", "1", "{", "@/nonexistent"] {
            assert!(matches!(read_metadata(typed), Err(Complaint::Usage(_))), "{typed}");
        }
    }

    #[test]
    fn an_end_is_no_duration() {
        let problem = parse_end("90d").unwrap_err();
        assert_eq!(problem, "for a duration, use --expires-in 90d");
        assert!(parse_end("2030-01-31").is_ok());
    }
}
