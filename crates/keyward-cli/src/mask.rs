//! Hiding secrets in output: people paste them where they do not belong.

use keyward::scan::hide_keys;

/// The length of a run of characters that no name of ours reaches, but every secret that cannot be
/// guessed.
const SECRET_LEN_MIN: usize = 32;
/// The number of characters that stay of such a text, so that people see which one is meant.
const LEFT_LEN: usize = 4;

/// The text, with each key in it cut to its hint, and without passwords of URLs. The name of a file
/// may hold a key, and so may an argument, if the user gave the key itself and no path to scan.
pub(crate) fn masked(text: &str) -> String {
    without_passwords(&hide_keys(text))
}

/// The text without the part between the first `:` and the last `@` of a URL, which may be the
/// password of a database.
fn without_passwords(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '<' | '>');
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        hidden.extend([before, "://"]);
        let (url, after) = after.split_at(after.find(ends).unwrap_or(after.len()));
        match url.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((user, host)) => hidden.extend([user, ":…@", host]),
            // All that follows may be a password, with a character in it that ends a name.
            None if is_database(before) && !url.contains('@') && url.contains(':') => {
                hidden.extend([url.split(':').next().unwrap_or_default(), ":…"]);
            }
            None => hidden.push_str(url),
        }
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

/// Whether a URL goes on here that may have a password of a database.
fn is_database(before: &str) -> bool {
    ["postgres", "postgresql"].iter().any(|scheme| before.ends_with(scheme))
}

/// The same without any other possible secret: keys of other systems, and our own with a typing
/// error in them. It hides long names, too: it is for texts where few are expected.
pub fn without_secrets(text: &str) -> String {
    let masked = masked(text);
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut hidden = String::with_capacity(masked.len());
    let mut rest = masked.as_str();
    while let Some(start) = rest.find(is_inside) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !is_inside(c)).unwrap_or(word.len()));
        hidden.push_str(before);
        match word.get(..LEFT_LEN).filter(|_| SECRET_LEN_MIN <= word.len()) {
            Some(left) => hidden.extend([left, "…"]),
            None => hidden.push_str(word),
        }
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

    #[test]
    fn of_a_key_its_hint_is_left() {
        assert_eq!(masked(&format!("a/{KEY}.txt, {KEY}")), "a/kw_yhjs….txt, kw_yhjs…");
        assert_eq!(masked("kw_yhjs… é"), "kw_yhjs… é");
    }

    #[test]
    fn of_a_url_its_password_is_left_out() {
        let told = masked("'postgres://u:p@ss/w0rd@h:5432/k' http://127.0.0.1:8000/a b:c@d");
        assert_eq!(told, "'postgres://u:…@h:5432/k' http://127.0.0.1:8000/a b:c@d");
        assert_eq!(masked("a postgres://u@h/k, ://x:y@"), "a postgres://u@h/k, ://x:…@");
        assert_eq!(masked("postgres://u@h:5432/k"), "postgres://u@h:5432/k");
        assert_eq!(masked("'postgres://u:p?h/k'"), "'postgres://u:…'");
    }

    #[test]
    fn of_what_may_be_a_secret_four_characters_are_left() {
        let almost = &KEY[..51];
        let text = format!("'{KEY}' é '{almost}' '{}' {}", "x-_".repeat(11), "y".repeat(31));
        let expected = format!("'kw_yhjs…' é 'kw_y…' 'x-_x…' {}", "y".repeat(31));
        assert_eq!(without_secrets(&text), expected);
        assert_eq!(without_secrets(""), "");
    }
}
