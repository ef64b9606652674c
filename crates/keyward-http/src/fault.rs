//! Validation errors of an input, in the form that clients of the tutorial design know.
//!
//! Each fault contains its kind, its location and the input itself, as pydantic 2 does, except that
//! keys in the input are cut down to their hints: a secret that was sent by mistake is not sent
//! back, since a log of the client could keep it.

use std::borrow::Cow;

use keyward::scan;
use serde_json::{Map, Value, json};

/// A single fault of a query, a path or a body.
///
/// ```
/// use keyward_http::fault::Fault;
/// use serde_json::json;
///
/// let location = vec!["body".into(), "name".into()];
/// let fault = Fault::too_long(location, "weather-bot".into(), 5).into_json();
/// assert_eq!(fault["type"], "string_too_long");
/// assert_eq!(fault["loc"], json!(["body", "name"]));
/// assert_eq!(fault["msg"], "String should have at most 5 characters");
/// assert_eq!(fault["ctx"], json!({ "max_length": 5 }));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    kind: &'static str,
    location: Vec<Value>,
    message: String,
    input: Value,
    context: Option<Value>,
}

impl Fault {
    /// A fault of this kind at this location. `location` begins with `query`, `path`, `header` or
    /// `body`.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    ///
    /// let location = vec!["query".into(), "limit".into()];
    /// let fault = Fault::new("int_parsing", location, "Input should be a valid integer");
    /// assert_eq!(fault.kind(), "int_parsing");
    /// ```
    #[must_use]
    pub fn new(kind: &'static str, location: Vec<Value>, message: impl Into<String>) -> Self {
        Self { kind, location, message: message.into(), input: Value::Null, context: None }
    }

    /// The word that machines match on, such as `missing`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Adds the input, with the keys in it masked. Keys are recognized by their form, which
    /// imported keys need not have: never pass a header, nor a value that is likely to be a secret.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    ///
    /// let location = vec!["body".into(), "note".into()];
    /// let sent = "it is kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1!";
    /// let fault = Fault::new("value_error", location, "Value error, it is wrong").input(sent);
    /// // A key that was sent by mistake is not sent back.
    /// assert_eq!(fault.into_json()["input"], "it is kw_yhjs…!");
    /// ```
    #[must_use]
    pub fn input(mut self, input: impl Into<Value>) -> Self {
        self.input = input.into();
        self
    }

    /// Adds the numbers and words that the message contains.
    #[must_use]
    pub fn context(mut self, context: Value) -> Self {
        self.context = Some(context);
        self
    }

    /// A required field or parameter is missing; `parent` is the value that should contain it.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    /// use serde_json::json;
    ///
    /// let fault = Fault::missing(vec!["body".into(), "name".into()], json!({ "tier": "basic" }));
    /// let body = json!({
    ///     "type": "missing", "loc": ["body", "name"], "msg": "Field required",
    ///     "input": { "tier": "basic" },
    /// });
    /// assert_eq!(fault.into_json(), body);
    /// ```
    #[must_use]
    pub fn missing(location: Vec<Value>, parent: Value) -> Self {
        Self::new("missing", location, "Field required").input(parent)
    }

    /// The input is not text.
    #[must_use]
    pub fn not_a_string(location: Vec<Value>, input: Value) -> Self {
        Self::new("string_type", location, "Input should be a valid string").input(input)
    }

    /// The text is too short.
    #[must_use]
    pub fn too_short(location: Vec<Value>, input: Value, min: usize) -> Self {
        let message = format!("String should have at least {min} character{}", plural(min));
        Self::new("string_too_short", location, message)
            .input(input)
            .context(json!({ "min_length": min }))
    }

    /// The text is too long.
    #[must_use]
    pub fn too_long(location: Vec<Value>, input: Value, max: usize) -> Self {
        let message = format!("String should have at most {max} character{}", plural(max));
        Self::new("string_too_long", location, message)
            .input(input)
            .context(json!({ "max_length": max }))
    }

    /// The input is not one of the known values.
    #[must_use]
    pub fn not_one_of(location: Vec<Value>, input: Value, known: &[&str]) -> Self {
        let quoted: Vec<_> = known.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        Self::new("literal_error", location, format!("Input should be {expected}"))
            .input(input)
            .context(json!({ "expected": expected }))
    }

    /// The input breaks a rule that has no kind of its own.
    #[must_use]
    pub fn value_error(location: Vec<Value>, input: Value, rule: &str) -> Self {
        Self::new("value_error", location, format!("Value error, {rule}"))
            .input(input)
            .context(json!({ "error": rule }))
    }

    /// The fault without any part of the input, for bodies that contain secrets: the input is left
    /// out, and an unknown field is reported without its name.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    /// use serde_json::Value;
    ///
    /// let fault = Fault::too_long(vec!["body".into(), "text".into()], "secret".into(), 5);
    /// assert_eq!(fault.masked().into_json()["input"], Value::Null);
    /// ```
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.input = Value::Null;
        if self.kind == "extra_forbidden" {
            self.location.pop();
        }
        self
    }

    /// The fault as clients see it.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    ///
    /// let fault = Fault::too_short(vec!["body".into(), "name".into()], "".into(), 1);
    /// let json = fault.into_json();
    /// assert_eq!(json["msg"], "String should have at least 1 character");
    /// assert_eq!(json["ctx"]["min_length"], 1);
    /// ```
    #[must_use]
    pub fn into_json(self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), self.kind.into());
        let name = self.location.last().and_then(Value::as_str);
        let input = if name.is_some_and(names_secret) { Value::Null } else { self.input };
        object.insert("loc".into(), without_keys(self.location.into()));
        object.insert("msg".into(), hide_keys(self.message).into());
        object.insert("input".into(), without_keys(input));
        let context = self.context.map(without_keys);
        object.extend(context.map(|context| ("ctx".to_owned(), context)));
        object.into()
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn without_keys(value: Value) -> Value {
    match value {
        Value::String(text) => hide_keys(text).into(),
        Value::Array(list) => list.into_iter().map(without_keys).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = if names_secret(&name) { Value::Null } else { value };
                (hide_keys(name), without_keys(value))
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Whether a field of this name contains a secret, by its last word: `api_key`, `clientSecret`,
/// `token`. A secret of another system has no form by which it could be recognized instead.
fn names_secret(name: &str) -> bool {
    const WORDS: [&str; 5] = ["key", "secret", "token", "password", "passwd"];
    let ends_so = |word: &&str| {
        let start = name.len().checked_sub(word.len());
        let end = start.and_then(|start| name.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    WORDS.iter().any(ends_so)
}

/// The text with each key in it cut off after its hint, as far as the key has Keyward's form: for
/// messages that quote the input. A key is found whatever text surrounds it.
///
/// ```
/// use keyward_http::fault::hide_keys;
/// use keyward_http::keyward::Secret;
///
/// let secret = Secret::generate(&Default::default()).unwrap();
/// let hidden = hide_keys(format!("no such key: {}", secret.expose()));
/// assert_eq!(hidden, format!("no such key: {}…", secret.hint()));
/// assert_eq!(hide_keys("no key".to_owned()), "no key");
/// ```
#[must_use]
pub fn hide_keys(text: String) -> String {
    match scan::hide_keys(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(hidden) => hidden,
    }
}

#[cfg(test)]
mod tests {
    use keyward::Secret;
    use keyward::key::Prefix;

    use super::*;

    #[test]
    fn no_fault_sends_a_key_back() {
        let secret = Secret::generate(&Prefix::default()).unwrap();
        let (text, hint) = (secret.expose(), secret.hint());
        let location = vec!["body".into(), text.into()];
        let sent = json!({ text: [format!("ü {text}, {text}!"), "short", 7, null] });
        let told = Fault::new("extra_forbidden", location, "…").input(sent).into_json();
        assert_eq!(told["loc"], json!(["body", format!("{hint}…")]));
        let listed = json!([format!("ü {hint}…, {hint}…!"), "short", 7, null]);
        assert_eq!(told["input"], json!({ format!("{hint}…"): listed }));
    }

    #[test]
    fn what_is_named_as_a_secret_is_not_sent_back() {
        let told = |name: &str| {
            let location = vec!["body".into(), name.into()];
            Fault::new("extra_forbidden", location, "no").input("sent").into_json()["input"].clone()
        };
        for name in ["key", "api_key", "API-Key", "clientSecret", "access_token", "Password"] {
            assert_eq!(told(name), Value::Null, "{name}");
        }
        for name in ["name", "keys", "key_id", "ey", "", "sécret", "tokens"] {
            assert_eq!(told(name), "sent", "{name}");
        }
        let whole = json!({ "api_key": "sent", "more": [{ "secret": { "a": "sent" }, "id": 7 }] });
        let told = Fault::missing(vec!["body".into(), "name".into()], whole).into_json();
        assert_eq!(
            told["input"],
            json!({ "api_key": null, "more": [{ "secret": null, "id": 7 }] })
        );
    }

    #[test]
    fn a_masked_fault_says_where_and_not_what() {
        let location = |last: &str| vec!["body".into(), last.into()];
        let masked = |fault: Fault| fault.masked().into_json().to_string();
        let unknown = Fault::new("extra_forbidden", location("kw_secret"), "no").input("kw_secret");
        assert_eq!(
            masked(unknown),
            r#"{"type":"extra_forbidden","loc":["body"],"msg":"no","input":null}"#
        );
        let wrong = masked(Fault::too_long(location("text"), "kw_secret".into(), 3));
        assert!(wrong.contains(r#"["body","text"]"#) && !wrong.contains("secret"), "{wrong}");
    }
}
