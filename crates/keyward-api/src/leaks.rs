//! Reports of leaked keys.

use std::fmt;

use keyward::key::TEXT_LEN_MAX;
use keyward_http::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::body;
use crate::body::{At, Field, Fields, Read};
use crate::query::Chars;

/// Most secrets that one request reports.
pub const REPORTS_MAX: usize = 100;
/// Most characters that say where a secret was found. A reason keeps the first of them.
pub const FOUND_AT_CHARS_MAX: usize = 2_000;

/// Secrets that leaked.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "reports": [{ "text": "kw_EXAMPLE-a-leaked-key", "found_at": "https://example.com/page" }]
}))]
pub struct ReportsBody {
    #[schema(value_type = Vec<ReportBody>, min_items = 1, max_items = 100)]
    pub reports: Reports,
}

body!(ReportsBody { reports });

/// 1 to 100 reports.
#[derive(Debug)]
pub struct Reports(pub Vec<ReportBody>);

impl Field for Reports {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let list = match value {
            Value::Array(list) if (1..=REPORTS_MAX).contains(&list.len()) => list,
            Value::Array(list) => return Err(vec![wrong_count(at, list.len())]),
            _ => {
                let message = "Input should be a valid list";
                return Err(vec![Fault::new("list_type", at.location(), message)]);
            }
        };
        body::items(at, list).map(Self)
    }
}

fn wrong_count(at: &At<'_>, count: usize) -> Fault {
    if count == 0 {
        let message = "List should have at least 1 item after validation, not 0";
        return Fault::new("too_short", at.location(), message).context(json!({ "min_length": 1 }));
    }
    let message =
        format!("List should have at most {REPORTS_MAX} items after validation, not {count}");
    Fault::new("too_long", at.location(), message).context(json!({ "max_length": REPORTS_MAX }))
}

/// A secret that leaked.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Report)]
pub struct ReportBody {
    /// The secret, whole.
    #[schema(min_length = 1, max_length = 512)]
    pub text: String,
    /// Where it was found, such as the address of a page.
    #[schema(min_length = 1, max_length = 2_000)]
    pub found_at: String,
}

impl Field for ReportBody {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let Value::Object(object) = value else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            return Err(vec![Fault::new("model_attributes_type", at.location(), message)]);
        };
        let mut fields = Fields::of(at.clone(), object);
        let secret = fields.take::<Chars<1, TEXT_LEN_MAX>>("text");
        let found_at = fields.take::<Chars<1, FOUND_AT_CHARS_MAX>>("found_at");
        let faults = fields.finish();
        match (secret, found_at) {
            (Some(secret), Some(found_at)) if faults.is_empty() => {
                Ok(Self { text: secret.0, found_at: found_at.0 })
            }
            _ => Err(faults),
        }
    }
}

/// Without the secret.
impl fmt::Debug for ReportBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportBody").field("found_at", &self.found_at).finish_non_exhaustive()
    }
}

/// That the reports were received.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Received {
    /// How many there were, real or not.
    #[schema(minimum = 1, maximum = 100)]
    pub received: usize,
}
