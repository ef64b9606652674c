//! The names of columns and fields, and suggestions for an unknown name.

/// The least similarity of a name to an unknown one for it to be suggested.
const LIKENESS_MIN: f64 = 0.8;
/// Longest name that is repeated. A file without a header has values where the names should be,
/// and a value may be a secret, which is longer.
const REPEATED_LEN_MAX: usize = 24;

/// The fault of an unknown name, and the remedy.
pub(super) fn explain_unknown(what: &str, name: &str, known: &[&str]) -> String {
    if REPEATED_LEN_MAX < name.len() {
        return format!("the name of a {what} is expected; the names are {}", known.join(", "));
    }
    let lower = name.to_lowercase();
    if matches!(lower.as_str(), "secret" | "api_key" | "apikey" | "key" | "token" | "password") {
        return format!(
            "unknown {what} `{name}`: secrets are never imported; give the SHA-256 of each as \
             `digest`"
        );
    }
    let likeness = |known: &&str| strsim::jaro_winkler(&lower, known);
    let likest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match likest.filter(|known| LIKENESS_MIN <= likeness(known)) {
        Some(known) => format!("unknown {what} `{name}`; did you mean `{known}`?"),
        None => format!("unknown {what} `{name}`; the names are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_what_may_be_meant() {
        let known = ["digest", "name", "tier"];
        let explain = |name| explain_unknown("column", name, &known);
        assert_eq!(explain("tire"), "unknown column `tire`; did you mean `tier`?");
        assert_eq!(explain("Digests"), "unknown column `Digests`; did you mean `digest`?");
        assert_eq!(explain("colour"), "unknown column `colour`; the names are digest, name, tier");
        let secret = "kw_Zm9vYmFyZm9vYmFyZm9vYmFy";
        assert!(!explain(secret).contains(secret));
        assert!(explain("api_key").contains("secrets are never imported"));
    }
}
