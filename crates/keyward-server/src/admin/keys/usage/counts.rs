//! Requests by outcome, as answers have them: a field for each outcome, called by its word.

use keyward::count::{Counts, Outcome};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Requests, by outcome: a field for each.
#[derive(Debug)]
pub(crate) struct CountsView(Counts);

impl CountsView {
    pub(crate) fn of(counts: &Counts) -> Self {
        Self(*counts)
    }
}

impl Serialize for CountsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(outcome, count)| (outcome.as_str(), count)))
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
