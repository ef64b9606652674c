//! What is wrong with an input, said the way that clients of the tutorial design know.
//!
//! Each fault names its kind, the place and the input itself, as pydantic 2 does.

use serde_json::{Map, Value, json};

/// One thing that is wrong with a query, a path or a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    kind: &'static str,
    place: Vec<Value>,
    message: String,
    input: Value,
    context: Option<Value>,
}

impl Fault {
    /// A fault of this kind at this place. `place` begins with `query`, `path` or `body`.
    #[must_use]
    pub fn new(kind: &'static str, place: Vec<Value>, message: impl Into<String>) -> Self {
        Self { kind, place, message: message.into(), input: Value::Null, context: None }
    }

    /// The word that machines match on, such as `missing`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Echoes what was sent. Never pass a header or a secret.
    #[must_use]
    pub fn input(mut self, input: impl Into<Value>) -> Self {
        self.input = input.into();
        self
    }

    /// Adds the numbers and words that the message is made of.
    #[must_use]
    pub fn context(mut self, context: Value) -> Self {
        self.context = Some(context);
        self
    }

    /// A required member or parameter is not there; `parent` is what should hold it.
    #[must_use]
    pub fn missing(place: Vec<Value>, parent: Value) -> Self {
        Self::new("missing", place, "Field required").input(parent)
    }

    /// The input is not text.
    #[must_use]
    pub fn not_a_string(place: Vec<Value>, input: Value) -> Self {
        Self::new("string_type", place, "Input should be a valid string").input(input)
    }

    /// The text is too short.
    #[must_use]
    pub fn too_short(place: Vec<Value>, input: Value, min: usize) -> Self {
        let message = format!("String should have at least {min} character{}", plural(min));
        Self::new("string_too_short", place, message)
            .input(input)
            .context(json!({ "min_length": min }))
    }

    /// The text is too long.
    #[must_use]
    pub fn too_long(place: Vec<Value>, input: Value, max: usize) -> Self {
        let message = format!("String should have at most {max} character{}", plural(max));
        Self::new("string_too_long", place, message)
            .input(input)
            .context(json!({ "max_length": max }))
    }

    /// The input is none of the values that there are.
    #[must_use]
    pub fn not_one_of(place: Vec<Value>, input: Value, known: &[&str]) -> Self {
        let quoted: Vec<_> = known.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        Self::new("literal_error", place, format!("Input should be {expected}"))
            .input(input)
            .context(json!({ "expected": expected }))
    }

    /// The input breaks a rule that has no kind of its own.
    #[must_use]
    pub fn value_error(place: Vec<Value>, input: Value, rule: &str) -> Self {
        Self::new("value_error", place, format!("Value error, {rule}"))
            .input(input)
            .context(json!({ "error": rule }))
    }

    /// The fault without anything of what was sent, for bodies that hold secrets: the input is left
    /// out, and a member that nobody knows is told of without its name.
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.input = Value::Null;
        if self.kind == "extra_forbidden" {
            self.place.pop();
        }
        self
    }

    /// The fault as clients see it.
    #[must_use]
    pub fn into_json(self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), self.kind.into());
        object.insert("loc".into(), self.place.into());
        object.insert("msg".into(), self.message.into());
        object.insert("input".into(), self.input);
        object.extend(self.context.map(|context| ("ctx".to_owned(), context)));
        object.into()
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_fault_says_where_and_not_what() {
        let place = |last: &str| vec!["body".into(), last.into()];
        let masked = |fault: Fault| fault.masked().into_json().to_string();
        let unknown = Fault::new("extra_forbidden", place("kw_secret"), "no").input("kw_secret");
        assert_eq!(
            masked(unknown),
            r#"{"type":"extra_forbidden","loc":["body"],"msg":"no","input":null}"#
        );
        let wrong = masked(Fault::too_long(place("text"), "kw_secret".into(), 3));
        assert!(wrong.contains(r#"["body","text"]"#) && !wrong.contains("secret"), "{wrong}");
    }
}
