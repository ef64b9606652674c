//! Where spans are sent.

use url::Url;

use super::table::Form;

/// The path that a URL gets that has none.
const PATH: &str = "/v1/traces";

/// Takes the URL of a collector, if this program can send to one. Errors leave the URL out, as it
/// may hold a password.
pub(super) fn endpoint(text: &str, _: &Form) -> Result<Url, String> {
    if cfg!(feature = "otlp") {
        url(text)
    } else {
        Err("needs a program that was built with the feature `otlp`, which this one was not; build \
             one with `cargo build --release --features otlp`, or leave the setting out"
            .to_owned())
    }
}

fn url(text: &str) -> Result<Url, String> {
    let advice = "write it like http://127.0.0.1:4318";
    let mut url = Url::parse(text).map_err(|_| format!("is not a URL; {advice}"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("is neither http: nor https:; {advice}"));
    }
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        return Err(format!(
            "has a user, a password, a query or a fragment; {advice}, and give what the collector \
             asks for in a header field, with OTEL_EXPORTER_OTLP_HEADERS"
        ));
    }
    if url.path() == "/" {
        url.set_path(PATH);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_gets_that_of_traces() {
        for (text, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/v1/traces", "https://otel.example/v1/traces"),
            ("https://otel.example/tenant/traces", "https://otel.example/tenant/traces"),
        ] {
            assert_eq!(url(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_url_of_a_collector_is_rejected_without_being_shown() {
        for text in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1:4317",
            "http://me:hunter2@otel.example",
            "http://hunter2@otel.example",
            "http://otel.example/?key=hunter2",
            "http://otel.example/#hunter2",
        ] {
            let problem = url(text).unwrap_err();
            assert!(problem.contains("http://127.0.0.1:4318"), "{text}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
