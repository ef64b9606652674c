//! What one request has led to: at the client, and at the API.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::keyward::Key;
use crate::http::Message;

/// The header fields of a response that are compared, in addition to its status and its body.
const COMPARED: [&str; 8] = [
    "content-type",
    "www-authenticate",
    "retry-after",
    "ratelimit-policy",
    "ratelimit",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];
/// The header fields that tell the API who is asking.
pub(crate) const IDENTITY: [&str; 5] =
    ["x-keyward-key-id", "x-keyward-name", "x-keyward-tier", "x-keyward-owner", "x-keyward-scopes"];
/// The header fields from which an API may read the client's address.
pub(crate) const ADDRESS: [&str; 2] = ["x-forwarded-for", "x-real-ip"];

/// Names and values; a fact that is not there has no name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts(BTreeMap<String, String>);

impl Facts {
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Takes facts away whose names begin like this.
    pub(crate) fn remove(&mut self, names: &str) {
        self.0.retain(|name, _| !name.starts_with(names));
    }

    /// The facts of a response, and of the requests of it that have reached the API.
    pub(crate) fn of(response: &Message, asked: &[Message], key: Option<&Key>) -> Self {
        let mut facts = Self::default().with("status", response.status().to_string());
        for name in COMPARED {
            if let Some(value) = response.get(name) {
                facts.set(name, without_times(name, value));
            }
        }
        if is_kept_by_no_shared_cache(response) {
            facts.set("shared caches", "keep it not");
        }
        facts.set("body", body(response));
        facts.set("api", asked.len().to_string());
        if let [asked] = asked {
            facts.set("api.method", asked.first.split(' ').next().unwrap_or_default());
            facts.set("api.body", asked.body.len().to_string());
            if asked.get("host") == Some("other.example") {
                facts.set("api.host", "other.example");
            }
            for name in IDENTITY.into_iter().chain(ADDRESS) {
                facts.set(&format!("api.{name}"), asked.get(name).unwrap_or_default());
            }
            for (name, value) in false_identity(asked) {
                facts.set(&format!("api.{name}"), value);
            }
            if let Some(name) = key.and_then(|key| revealed(asked, key)) {
                facts.set("api sees the key in", name);
            }
        }
        facts
    }

    /// The differences from the expected facts, one a line.
    pub(crate) fn differences(&self, expected: &Self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().chain(expected.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let differing = names.into_iter().filter(|name| self.0.get(*name) != expected.0.get(*name));
        let text = |value: Option<&String>| value.map_or("none".to_owned(), |it| format!("`{it}`"));
        let line = |name: &String| {
            let (expected, seen) = (text(expected.0.get(name)), text(self.0.get(name)));
            format!("{name}: expected {expected}, seen {seen}")
        };
        differing.map(line).collect()
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&facts.join(" "))
    }
}

/// A value with `*` for a time to wait, which differs from run to run.
fn without_times(name: &str, value: &str) -> String {
    let is_time = |text: &str| text.parse::<u64>().is_ok_and(|seconds| 0 < seconds);
    match name {
        "retry-after" | "x-ratelimit-reset" if is_time(value) => "*".to_owned(),
        "ratelimit" => match value.split_once(";t=") {
            Some((before, time)) if is_time(time) => format!("{before};t=*"),
            Some(_) | None => value.to_owned(),
        },
        _ => value.to_owned(),
    }
}

/// Whether no cache that serves several clients may keep a response (RFC 9111, section 5.2.2).
/// Over HTTP, the doors say `no-store` of a denial, and over gRPC the denial itself says `private`.
fn is_kept_by_no_shared_cache(response: &Message) -> bool {
    let mut directives =
        response.get("cache-control").unwrap_or_default().split(',').map(str::trim);
    directives.any(|directive| matches!(directive, "no-store" | "private"))
}

/// The detail of a rejection, or whose the body is.
fn body(response: &Message) -> String {
    let json: Option<Value> = serde_json::from_str(&response.body).ok();
    let member = |name: &str| json.as_ref().and_then(|json| json.get(name));
    if let Some(detail) = member("detail").and_then(Value::as_str) {
        return detail.to_owned();
    }
    if member("line").is_some() && response.get("x-api") == Some("yes") {
        return "the API's".to_owned();
    }
    if response.body.is_empty() {
        return String::new();
    }
    let is_html = response.get("content-type").is_some_and(|it| it.starts_with("text/html"));
    if is_html { "HTML".to_owned() } else { response.body.clone() }
}

/// The header fields that a program of CGI, WSGI or PHP takes for one of identity, apart from
/// these.
fn false_identity(asked: &Message) -> impl Iterator<Item = (&str, &str)> {
    let as_variable = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let is_false = move |name: &str, value: &str| {
        let variable = as_variable(name);
        let is_identity = IDENTITY.iter().any(|known| as_variable(known) == variable);
        is_identity && !IDENTITY.contains(&name) && !value.is_empty()
    };
    let headers = asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    headers.filter(move |(name, value)| is_false(name, value))
}

/// The header field that shows the API a key.
fn revealed(asked: &Message, key: &Key) -> Option<String> {
    let is_sent = |name: &str, value: &str| {
        let is_credential = matches!(name, "authorization" | "x-api-key") && !value.is_empty();
        is_credential || value.contains(&key.text)
    };
    let mut headers = asked.headers.iter();
    headers.find(|(name, value)| is_sent(name, value)).map(|(name, _)| name.clone())
}
