//! Walks along one index: where they begin and end, and in which direction they go.

use crate::sql::{Value, Values};

/// A place in an index: the value of its first column, if it has one before the id, and the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) value: Option<Value>,
    pub(crate) id: i64,
}

impl Place {
    /// Before all rows of this value.
    pub(crate) fn before(value: Value) -> Self {
        Self { value: Some(value), id: i64::MIN }
    }

    /// After all rows of this value.
    pub(crate) fn after(value: Value) -> Self {
        Self { value: Some(value), id: i64::MAX }
    }

    /// In an index of ids alone.
    pub(crate) fn id(id: i64) -> Self {
        Self { value: None, id }
    }
}

/// Rows between two places of an index, without those at the places.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    /// The table, or two that are joined by their primary keys.
    pub(crate) from: &'static str,
    /// The first column of the index; `None` if that is the id.
    pub(crate) column: Option<&'static str>,
    /// The column of the id.
    pub(crate) id: &'static str,
    /// The condition of all rows that are in the index, in its own words.
    pub(crate) of: Option<&'static str>,
    pub(crate) low: Option<Place>,
    pub(crate) high: Option<Place>,
    pub(crate) descending: bool,
    /// Whether rows that follow each other in the index lie next to each other in the table.
    pub(crate) in_line: bool,
}

impl Walk {
    /// All keys, by their ids.
    pub(crate) fn by_id() -> Self {
        Self {
            from: "keys k",
            column: None,
            id: "k.id",
            of: None,
            low: None,
            high: None,
            descending: false,
            in_line: true,
        }
    }

    /// All keys, by a column and then by their ids.
    pub(crate) fn along(column: &'static str) -> Self {
        Self { column: Some(column), in_line: false, ..Self::by_id() }
    }

    /// The rows with one value of the column: by their ids.
    pub(crate) fn of_value(self, value: Value) -> Self {
        self.between(Place::before(value.clone()), Place::after(value))
    }

    /// The rows between two places.
    pub(crate) fn between(self, low: Place, high: Place) -> Self {
        Self { low: Some(low), high: Some(high), ..self }
    }

    /// The rows after a place, in the direction of the walk.
    pub(crate) fn after(self, place: Place) -> Self {
        if self.descending {
            Self { high: Some(place), ..self }
        } else {
            Self { low: Some(place), ..self }
        }
    }

    /// The statement for the next rows, at most `max`: the id, the value of the column, and more.
    pub(crate) fn sql(&self, more: &str, values: &mut Values, max: u32) -> String {
        let Self { from, column, id, of, low, high, descending, .. } = self;
        let mut conditions: Vec<String> = of.iter().map(|of| (*of).to_owned()).collect();
        for (place, comparison) in [(low, ">"), (high, "<")] {
            let Some(Place { value, id: at }) = place else { continue };
            let at = values.add(Value::Number(*at));
            conditions.push(match (column, value) {
                (Some(column), Some(value)) => {
                    format!("({column}, {id}) {comparison} ({}, {at})", values.add(value.clone()))
                }
                (Some(_) | None, _) => format!("{id} {comparison} {at}"),
            });
        }
        let conditions =
            if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let direction = if *descending { " DESC" } else { "" };
        // The column is named even where it has one value: that is the order of no other index.
        let order = column.map_or_else(String::new, |column| format!("{column}{direction}, "));
        let value = column.unwrap_or("NULL::text");
        format!(
            "SELECT {id}, {value}{more} FROM {from} WHERE {conditions} \
             ORDER BY {order}{id}{direction} LIMIT {max}"
        )
    }
}
