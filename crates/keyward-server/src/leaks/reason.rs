//! Why a leaked key is revoked, in words that hold no key.

use keyward::details::{REASON_CHARS_MAX, Reason};
use keyward::scan::Finder;

/// What stands in the place of a key.
const MASK: &str = "…";

/// Puts into words where a secret was found. What somebody else wrote may hold anything: control
/// characters go, the secret itself and whatever has the form of our keys is masked, and the rest
/// is cut to the length of a reason.
pub(super) fn reason(words: &str, found_at: &str, secret: &str) -> Option<Reason> {
    // Control characters first: without them, what was torn apart may be a key.
    let plain: String = found_at.chars().filter(|c| !c.is_control()).collect();
    let masked = if secret.is_empty() { plain } else { plain.replace(secret, MASK) };
    let masked = mask_keys(&masked);
    let separator = if masked.is_empty() { "" } else { ": " };
    let words = words.chars().filter(|c| !c.is_control());
    let text = words.chain(separator.chars()).chain(masked.chars());
    text.take(REASON_CHARS_MAX).collect::<String>().parse().ok()
}

fn mask_keys(text: &str) -> String {
    let mut masked = String::new();
    let mut rest_at = 0;
    for found in Finder::default().find(text.as_bytes()) {
        // The longest way to read it, since nobody knows where it begins.
        let starts = found.readings().map(|reading| reading.range.start);
        let start = starts.min().and_then(|start| usize::try_from(start).ok());
        let end = usize::try_from(found.likeliest.range.end).ok();
        let (Some(start), Some(end)) = (start, end) else { continue };
        masked.push_str(text.get(rest_at..start).unwrap_or_default());
        masked.push_str(MASK);
        rest_at = end;
    }
    masked.push_str(text.get(rest_at..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests {
    use keyward::Secret;
    use keyward::key::Prefix;

    use super::*;

    #[track_caller]
    fn check(found_at: &str, secret: &str, expected: &str) {
        let reason = reason("found", found_at, secret).unwrap();
        assert_eq!(reason.as_str(), expected, "{found_at}");
    }

    #[test]
    fn it_says_where_on_one_short_line() {
        check("https://example.com/a", "abcdefgh", "found: https://example.com/a");
        check(
            "https://example.com/\r\nset-cookie",
            "abcdefgh",
            "found: https://example.com/set-cookie",
        );
        check("", "abcdefgh", "found");
        check(&"ü".repeat(300), "abcdefgh", &format!("found: {}", "ü".repeat(193)));
    }

    #[test]
    fn it_holds_no_key() {
        let secret = Secret::generate(&Prefix::default()).unwrap();
        let other = Secret::generate(&Prefix::default()).unwrap();
        let (ours, theirs) = (secret.expose(), "an-imported-one");
        check(&format!("https://a/?k={ours}&b"), "abcdefgh", "found: https://a/?k=…&b");
        check(&format!("https://a/?k={theirs}&b"), theirs, "found: https://a/?k=…&b");
        let both = format!("{ours} and {}", other.expose());
        check(&both, ours, "found: … and …");
        let torn = format!("{}\u{1}{}", &ours[..9], &ours[9..]);
        check(&torn, "abcdefgh", "found: …");
    }
}
