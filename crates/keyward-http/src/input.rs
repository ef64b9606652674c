//! Reading queries and JSON bodies, with every fault found at once.

use std::ops::RangeInclusive;

use keyward::json;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::rejection::Rejection;

/// The parameters of a query string. Of a parameter that comes several times, the last counts.
///
/// ```
/// use keyward_http::input::Query;
///
/// let query = Query::parse(Some("limit=20&tag=a%20b"));
/// assert_eq!(query.text("tag"), Some("a b"));
/// assert_eq!(query.integer("limit", 1..=100, 50), Ok(20));
///
/// let query = Query::parse(Some("limit=0&lmit=20&limit=0"));
/// let fault = query.integer("limit", 1..=100, 50).unwrap_err();
/// assert_eq!(fault.kind(), "greater_than_equal");
/// assert_eq!(query.unknown(&["limit"]).len(), 1);
/// assert_eq!(query.repeated().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the query of a URI, the part after the question mark. Bytes that are not UTF-8 are
    /// replaced.
    ///
    /// ```
    /// use keyward_http::input::Query;
    ///
    /// let query = Query::parse(Some("tag=a%20b&tag=c+d"));
    /// assert_eq!(query.text("tag"), Some("c d"));
    /// assert_eq!(Query::parse(None).text("tag"), None);
    /// ```
    #[must_use]
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A parameter as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// One fault for each parameter that is not in `known`, so that a typing error does not disable
    /// a filter.
    ///
    /// ```
    /// use keyward_http::input::Query;
    ///
    /// let query = Query::parse(Some("limit=20&lmit=20"));
    /// assert!(query.unknown(&["limit", "lmit"]).is_empty());
    /// let faults = query.unknown(&["limit"]);
    /// assert_eq!(faults[0].clone().into_json()["loc"], serde_json::json!(["query", "lmit"]));
    /// ```
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Vec<Fault> {
        let unknown = self.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let fault = |(name, value): &(String, String)| {
            let location = vec!["query".into(), name.as_str().into()];
            Fault::new("extra_forbidden", location, "Extra inputs are not permitted")
                .input(value.as_str())
        };
        unknown.map(fault).collect()
    }

    /// One fault for each repeated parameter, for routes on which an ignored value must not be
    /// mistaken for the one that counts.
    #[must_use]
    pub fn repeated(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for (at, (name, value)) in self.0.iter().enumerate() {
            if self.0.iter().take(at).any(|(before, _)| before == name) {
                let location = vec!["query".into(), name.as_str().into()];
                let rule = "the parameter is sent more than once";
                faults.push(Fault::value_error(location, value.as_str().into(), rule));
            }
        }
        faults
    }

    /// A parameter as a number in a range, or the default.
    ///
    /// ```
    /// use keyward_http::input::Query;
    ///
    /// let query = Query::parse(Some("limit=20"));
    /// assert_eq!(query.integer("limit", 1..=100, 50), Ok(20));
    /// assert_eq!(query.integer("offset", 0..=1_000, 0), Ok(0));
    /// let fault = query.integer("limit", 1..=10, 5).unwrap_err();
    /// assert_eq!(fault.into_json()["msg"], "Input should be less than or equal to 10");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the fault if the parameter is no whole number or not in the range.
    pub fn integer(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Fault> {
        self.text(name).map_or(Ok(default), |text| integer(text, &["query", name], &range))
    }
}

/// Reads a whole number from a path or a query.
///
/// # Errors
///
/// Returns the fault, at `location`, if the text is no whole number or not in the range.
pub fn integer(text: &str, location: &[&str], range: &RangeInclusive<u64>) -> Result<u64, Fault> {
    let at = || location.iter().copied().map(Value::from).collect();
    let (min, max) = (*range.start(), *range.end());
    let not_an_integer = || {
        let message = "Input should be a valid integer, unable to parse string as an integer";
        Fault::new("int_parsing", at(), message).input(text)
    };
    let too_large = || {
        let message = format!("Input should be less than or equal to {max}");
        Fault::new("less_than_equal", at(), message).input(text).context(json!({ "le": max }))
    };
    let too_small = || {
        let message = format!("Input should be greater than or equal to {min}");
        Fault::new("greater_than_equal", at(), message).input(text).context(json!({ "ge": min }))
    };
    let digits = text.trim().strip_prefix(['-', '+']).unwrap_or(text.trim());
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_an_integer());
    }
    let negative = text.trim().starts_with('-') && digits.bytes().any(|b| b != b'0');
    if negative {
        return Err(too_small());
    }
    // All digits, so the only way to fail is to be larger than any range.
    match digits.parse::<u64>() {
        Ok(number) if number < min => Err(too_small()),
        Ok(number) if number <= max => Ok(number),
        Ok(_) | Err(_) => Err(too_large()),
    }
}

/// Reads a body that must be a JSON object, as [`json::from_slice`] reads it: a byte order mark
/// before it is skipped, and an object in it, at any depth, has each name once.
///
/// ```
/// use keyward_http::input::json_object;
///
/// assert_eq!(json_object(br#"{"name":"weather-bot"}"#).unwrap()["name"], "weather-bot");
/// assert_eq!(json_object(b"[]").unwrap_err().status(), 422);
/// ```
///
/// # Errors
///
/// Returns the 422 to respond with if it is empty, not JSON, or another kind of value.
pub fn json_object(body: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let text = json::without_mark(body);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(unprocessable(Fault::missing(vec!["body".into()], Value::Null)));
    }
    match json::from_slice(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            let message = "Input should be a valid dictionary or object to extract fields from";
            let location = vec!["body".into()];
            Err(unprocessable(Fault::new("model_attributes_type", location, message).input(other)))
        }
        Err(error) => {
            let at = body.len() - text.len() + offset(text, &error);
            let location = vec!["body".into(), at.into()];
            let fault = Fault::new("json_invalid", location, "JSON decode error")
                .input(json!({}))
                .context(json!({ "error": without_position(&error) }));
            Err(unprocessable(fault))
        }
    }
}

fn unprocessable(fault: Fault) -> Rejection {
    Rejection::unprocessable(vec![fault])
}

/// The number of bytes before the location of the parser's error.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let above: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (above + error.column().saturating_sub(1)).min(body.len())
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The fields of a JSON object, read one by one. Each field that was not read is a fault in the
/// end.
///
/// ```
/// use keyward_http::Rejection;
/// use keyward_http::input::{Fields, json_object};
///
/// /// The name in a body, or a rejection with all faults of the body.
/// fn name(body: &[u8]) -> Result<String, Rejection> {
///     let mut fields = Fields::new(vec!["body".into()], json_object(body)?);
///     let name = fields.string("name", 1..=100);
///     match (name, fields.finish()) {
///         (Some(name), faults) if faults.is_empty() => Ok(name),
///         (_, faults) => Err(Rejection::unprocessable(faults)),
///     }
/// }
///
/// assert_eq!(name(br#"{"name":"weather-bot"}"#).unwrap(), "weather-bot");
/// assert_eq!(name(br#"{"nmae":"weather-bot"}"#).unwrap_err().status(), 422);
/// ```
#[derive(Debug)]
pub struct Fields {
    location: Vec<Value>,
    whole: Map<String, Value>,
    rest: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Begins to read the fields of the object at `location`, such as `["body"]`.
    #[must_use]
    pub fn new(location: Vec<Value>, fields: Map<String, Value>) -> Self {
        Self { location, rest: fields.clone(), whole: fields, faults: Vec::new() }
    }

    /// All fields, also the ones that were taken already.
    #[must_use]
    pub fn whole(&self) -> &Map<String, Value> {
        &self.whole
    }

    /// The location of a field.
    #[must_use]
    pub fn location(&self, name: &str) -> Vec<Value> {
        let mut location = self.location.clone();
        location.push(name.into());
        location
    }

    /// Takes the value of a field unchanged.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.shift_remove(name)
    }

    /// Takes the value of a required field. If it is missing, that is a fault and the result is
    /// `None`.
    pub fn take_required(&mut self, name: &str) -> Option<Value> {
        let value = self.take(name);
        if value.is_none() {
            let fault = Fault::missing(self.location(name), self.whole.clone().into());
            self.faults.push(fault);
        }
        value
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Notes the fault of a result, if it is one.
    pub fn ok<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// Takes a required text of `length` characters.
    pub fn string(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let value = self.take_required(name)?;
        let text = string(value, self.location(name), length);
        self.ok(text)
    }

    /// All faults: the noted ones in their order, and then one for each field that was not read.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    /// use keyward_http::input::{Fields, json_object};
    ///
    /// let body = json_object(br#"{"name":"weather-bot","nmae":"weather-bot"}"#)?;
    /// let mut fields = Fields::new(vec!["body".into()], body);
    /// assert_eq!(fields.string("name", 1..=100).as_deref(), Some("weather-bot"));
    /// // The field that was not read is a fault, so that a typing error does not go unnoticed.
    /// let faults = fields.finish();
    /// assert_eq!(faults.iter().map(Fault::kind).collect::<Vec<_>>(), ["extra_forbidden"]);
    /// # Ok::<(), keyward_http::Rejection>(())
    /// ```
    #[must_use]
    pub fn finish(mut self) -> Vec<Fault> {
        for (name, value) in std::mem::take(&mut self.rest) {
            let fault = Fault::new(
                "extra_forbidden",
                self.location(&name),
                "Extra inputs are not permitted",
            );
            self.faults.push(fault.input(value));
        }
        self.faults
    }
}

/// A JSON value as a text of `length` characters.
///
/// # Errors
///
/// Returns the fault if it is no text, too short or too long.
pub fn string(
    value: Value,
    location: Vec<Value>,
    length: RangeInclusive<usize>,
) -> Result<String, Fault> {
    let text = match value {
        Value::String(text) => text,
        other => return Err(Fault::not_a_string(location, other)),
    };
    let chars = text.chars().count();
    if chars < *length.start() {
        return Err(Fault::too_short(location, text.into(), *length.start()));
    }
    if *length.end() < chars {
        return Err(Fault::too_long(location, text.into(), *length.end()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Form;

    fn kind(result: Result<u64, Fault>) -> Result<u64, Value> {
        result.map_err(|fault| fault.into_json()["type"].clone())
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        let read = |text| kind(integer(text, &["query", "limit"], &(1..=100)));
        assert_eq!(read("1"), Ok(1));
        assert_eq!(read("100"), Ok(100));
        assert_eq!(read("+7"), Ok(7));
        assert_eq!(read("0"), Err("greater_than_equal".into()));
        assert_eq!(read("-3"), Err("greater_than_equal".into()));
        assert_eq!(read("101"), Err("less_than_equal".into()));
        assert_eq!(read("99999999999999999999999"), Err("less_than_equal".into()));
        for text in ["", "abc", "1.5", "1e2", "٣", "--1", "+"] {
            assert_eq!(read(text), Err("int_parsing".into()), "{text}");
        }
    }

    #[test]
    fn the_last_of_equal_parameters_counts() {
        let query = Query::parse(Some("limit=1&limit=0&category=a%20b+c&x"));
        assert_eq!(query.text("limit"), Some("0"));
        assert_eq!(query.text("category"), Some("a b c"));
        assert_eq!(query.text("source"), None);
        let unknown = query.unknown(&["limit", "category"]);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].kind(), "extra_forbidden");
        let repeated = query.repeated();
        assert_eq!(repeated.len(), 1);
        assert_eq!(repeated[0].clone().into_json()["loc"], json!(["query", "limit"]));
        assert!(Query::parse(Some("a=1&A=1&b=1")).repeated().is_empty());
    }

    #[test]
    fn a_body_is_one_object_with_each_name_once() {
        let told = |body: &[u8]| {
            let answer = json_object(body).unwrap_err().respond::<bytes::Bytes>(Form::Plain);
            let told: Value = json::from_slice(answer.body()).unwrap();
            told["detail"][0].clone()
        };
        assert_eq!(json_object(b"\xef\xbb\xbf{\"a\":1}").unwrap()["a"], 1);
        assert_eq!(told(b"\xef\xbb\xbf \n")["type"], "missing");
        let twice = told(b"\xef\xbb\xbf{\"a\":{\"b\":1,\"b\":2}}");
        assert_eq!(twice["type"], "json_invalid");
        assert_eq!(twice["ctx"]["error"], "the name `b` appears twice in one object");
        assert_eq!(twice["loc"], json!(["body", 17]));
    }

    #[test]
    fn a_broken_body_is_located_by_its_byte() {
        let at = |body: &str| {
            let error = serde_json::from_str::<Value>(body).unwrap_err();
            offset(body.as_bytes(), &error)
        };
        assert_eq!(at("zzz"), 0);
        assert_eq!(at("{\"name\":\n  zzz}"), 11);
        assert_eq!(at("{\"name\":"), 7);
    }
}
