//! Where a request goes: the server, and a path below it whose parts are escaped.

use std::fmt::{Display, Write as _};
use std::ops::Deref;

/// Where the server is: `http://` or `https://`, host and port, and perhaps a path, without a
/// slash at the end.
#[derive(Clone, Debug)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Parses a URL as the operator typed it.
    ///
    /// # Errors
    ///
    /// Returns the fault and its remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
                // A password in a URL would end up in messages.
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        if !fits {
            return Err("write it like http://127.0.0.1:8000".to_owned());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// Whether the server has to prove its identity.
    pub fn is_https(&self) -> bool {
        self.0.split(':').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }

    /// The URL as text, to which a path can be added.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ServerUrl {
    /// The address where a server listens by default.
    fn default() -> Self {
        Self("http://127.0.0.1:8000".to_owned())
    }
}

/// A path below the server, with its query.
///
/// Every typed value is in it as text only: a slash in an owner's name makes no new part, and an
/// ampersand in a filter no new parameter.
#[derive(Clone, Debug)]
pub struct Route {
    text: String,
    has_query: bool,
}

impl Route {
    /// A path of these parts, each escaped.
    pub fn of<const N: usize>(parts: [&str; N]) -> Self {
        let mut text = String::new();
        for part in parts {
            text.push('/');
            escape(part, &mut text);
        }
        Self { text, has_query: false }
    }

    /// The routes of one key.
    pub fn key(id: u64) -> Self {
        Self::of(["admin", "api-keys", &id.to_string()])
    }

    /// The same with one more part.
    pub fn join(mut self, part: &str) -> Self {
        self.text.push('/');
        escape(part, &mut self.text);
        self
    }

    /// The same with a parameter, unless there is no value.
    pub fn with(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.text.push(if self.has_query { '&' } else { '?' });
            self.has_query = true;
            self.text.push_str(name);
            self.text.push('=');
            escape(&value.to_string(), &mut self.text);
        }
        self
    }
}

impl Deref for Route {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// Adds a text, in which all characters but the unreserved ones of RFC 3986 are escaped.
fn escape(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            let _infallible = write!(to, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_a_url_with_scheme_and_host() {
        for (text, kept) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("https://keys.example/api/", "https://keys.example/api"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().as_str(), kept);
        }
        for text in ["", "localhost", "localhost:8000", "ftp://x", "http://", "http://u:p@x"] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_people_typed_stays_one_part_and_one_parameter() {
        let route = Route::of(["admin", "owners", "a/b?c&ü"]).join("suspend");
        assert_eq!(&*route, "/admin/owners/a%2Fb%3Fc%26%C3%BC/suspend");
        let route = Route::key(7)
            .join("usage")
            .with("from", None::<&str>)
            .with("bucket", Some("day"))
            .with("x", Some("a&b=c d"));
        assert_eq!(&*route, "/admin/api-keys/7/usage?bucket=day&x=a%26b%3Dc%20d");
    }
}
