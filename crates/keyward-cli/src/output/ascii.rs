//! Text for locales with ASCII only, such as `C`.

use std::env;

/// The replacements of our own punctuation. Each is common in texts that are ASCII only.
const IN_ASCII: [(char, &str); 14] = [
    ('–', "-"),
    ('—', "--"),
    ('−', "-"),
    ('‑', "-"),
    ('…', "..."),
    ('→', "->"),
    ('≤', "<="),
    ('≥', ">="),
    ('×', "x"),
    ('“', "\""),
    ('”', "\""),
    ('‘', "'"),
    ('’', "'"),
    ('\u{a0}', " "),
];

/// Whether the environment asks this process for ASCII.
pub fn is_wanted() -> bool {
    is_wanted_by(|name| env::var(name).ok())
}

/// As POSIX has it: the first of three variables that is not empty counts. If none is set, the
/// encoding is UTF-8, which terminals of today know.
fn is_wanted_by(find: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let Some(locale) = names.filter_map(find).find(|value| !value.is_empty()) else {
        return false;
    };
    match locale.split(['.', '@']).nth(1) {
        None => matches!(&*locale, "C" | "POSIX"),
        Some(charset) => {
            let charset = charset.to_ascii_lowercase().replace('-', "");
            matches!(&*charset, "ansi_x3.41968" | "usascii" | "ascii")
                || charset.starts_with("iso8859")
        }
    }
}

/// The text with our own punctuation in ASCII. Other letters are data: they stay where a program
/// reads them, and become `?` at a terminal that would show something else.
pub fn in_ascii(text: &str, is_terminal: bool) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match IN_ASCII.iter().find(|(other, _)| *other == c) {
            Some((_, ascii)) => plain.push_str(ascii),
            None if c.is_ascii() || !is_terminal => plain.push(c),
            None => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: bool) {
        let find = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(is_wanted_by(find), expected, "{variables:?}");
    }

    #[test]
    fn the_locale_says_whether_there_is_more_than_ascii() {
        check(&[], false);
        for locale in ["C", "POSIX", "en_US.ISO-8859-1", "C.ASCII"] {
            check(&[("LANG", locale)], true);
        }
        for locale in ["C.UTF-8", "en_US.utf8", "de_DE.UTF-8@euro", "en_US"] {
            check(&[("LANG", locale)], false);
        }
        check(&[("LANG", "C"), ("LC_ALL", "C.UTF-8")], false);
        check(&[("LANG", "en_US.UTF-8"), ("LC_CTYPE", "C")], true);
        check(&[("LANG", "C"), ("LC_ALL", "")], true);
    }

    #[test]
    fn punctuation_becomes_ascii_and_letters_stay_for_programs() {
        assert_eq!(in_ascii("a – “b”… → Zoë", false), "a - \"b\"... -> Zoë");
        assert_eq!(in_ascii("a – “b”… → Zoë", true), "a - \"b\"... -> Zo?");
    }
}
