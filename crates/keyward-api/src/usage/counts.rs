//! Requests by outcome, as in responses: a field for each outcome, named by its word.

use std::collections::BTreeMap;

use keyward::count::{Counts, Outcome};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Requests, by outcome: a field for each.
#[derive(Clone, Copy, Debug)]
pub struct CountsView(pub Counts);

impl CountsView {
    /// These counts as they are shown.
    #[must_use]
    pub fn of(counts: &Counts) -> Self {
        Self(*counts)
    }
}

impl Serialize for CountsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(outcome, count)| (outcome.as_str(), count)))
    }
}

/// An outcome that is not known is skipped: a newer server may have more of them.
impl<'de> Deserialize<'de> for CountsView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let of = |outcome: Outcome| counts.get(outcome.as_str()).and_then(Value::as_u64);
        let known = Outcome::ALL.into_iter().filter_map(|it| Some((it, of(it)?)));
        Ok(Self(known.collect()))
    }
}

impl PartialSchema for CountsView {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new().description(Some("Requests, by outcome."));
        for outcome in Outcome::ALL {
            let count = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .minimum(Some(0))
                .description(Some(outcome.description()));
            object = object.property(outcome.as_str(), count).required(outcome.as_str());
        }
        object.into()
    }
}

impl ToSchema for CountsView {}
