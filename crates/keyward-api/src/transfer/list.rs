//! Lists in one cell, in the forms that other systems write.

use std::iter::Peekable;
use std::str::Chars;

/// The fault of a text that is not a list.
const RULE: &str = "the list cannot be read; write its items with spaces between them";
const NOTHING: &str = "an item of the list is empty or null; leave it out";
const SPACES: &str = "an item of the list has a space in it; write its items with spaces \
                      between them, without brackets";

/// The items of a list: between spaces or commas, or as JSON, Python (`['a', 'b']`) and PostgreSQL
/// (`{a,"b"}`) write lists. No item has spaces or commas.
///
/// # Errors
///
/// Returns the remedy.
pub(super) fn words(cell: &str) -> Result<Vec<String>, &'static str> {
    let end = match cell.chars().next() {
        Some('[') => ']',
        Some('{') => '}',
        Some('(') => ')',
        _ => {
            let separates = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
            let words = cell.split(separates).filter(|word| !word.is_empty());
            return Ok(words.map(str::to_owned).collect());
        }
    };
    let inner = cell.strip_suffix(end).ok_or(RULE)?;
    let mut rest = inner.chars().peekable();
    rest.next();
    let mut words = Vec::new();
    skip_spaces(&mut rest);
    while rest.peek().is_some() {
        words.push(word(&mut rest)?);
        skip_spaces(&mut rest);
        match rest.next() {
            Some(',') => skip_spaces(&mut rest),
            Some(_) => return Err(SPACES),
            None => break,
        }
    }
    Ok(words)
}

fn skip_spaces(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

fn word(rest: &mut Peekable<Chars<'_>>) -> Result<String, &'static str> {
    let mut word = String::new();
    if let Some(quote) = rest.next_if(|c| matches!(c, '"' | '\'')) {
        loop {
            match rest.next().ok_or(RULE)? {
                c if c == quote => break,
                '\\' => word.push(rest.next().filter(|c| !c.is_alphanumeric()).ok_or(RULE)?),
                c => word.push(c),
            }
        }
    } else {
        while let Some(c) = rest.next_if(|c| *c != ',' && !c.is_whitespace()) {
            if matches!(c, '[' | ']' | '{' | '}' | '(' | ')' | '"' | '\'') {
                return Err(RULE);
            }
            word.push(c);
        }
        if matches!(&*word.to_ascii_lowercase(), "null" | "none" | "nan") {
            return Err(NOTHING);
        }
    }
    match word.trim() {
        "" => Err(NOTHING),
        trimmed if trimmed.contains(char::is_whitespace) => Err(SPACES),
        trimmed => Ok(trimmed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_every_system_writes_them() {
        for text in [
            "a:read b:*",
            "a:read,b:*",
            "a:read; b:*",
            r#"["a:read","b:*"]"#,
            r#"[ "a:read" , "b:*", ]"#,
            "['a:read', 'b:*']",
            "('a:read', 'b:*')",
            "{'a:read', 'b:*'}",
            "{a:read,b:*}",
            r#"{"a:read",b:*}"#,
        ] {
            assert_eq!(words(text).unwrap(), ["a:read", "b:*"], "{text}");
        }
        for text in ["", "  ", "[]", "{}", "()", "[ ]"] {
            assert_eq!(words(text).unwrap(), [""; 0], "{text}");
        }
        assert_eq!(words("{10.0.0.0/8,::1/128}").unwrap(), ["10.0.0.0/8", "::1/128"]);
        assert_eq!(words(r#"["10.0.0.0\/8"]"#).unwrap(), ["10.0.0.0/8"]);
    }

    #[test]
    fn other_texts_are_rejected_with_the_remedy() {
        for (text, fault) in [
            (r#"{"a b",c}"#, SPACES),
            (r#"["a:read b:read"]"#, SPACES),
            ("{a b}", SPACES),
            ("{a,,b}", NOTHING),
            ("{NULL,a}", NOTHING),
            ("[None]", NOTHING),
            (r#"["""#, RULE),
            ("[a", RULE),
            ("[[a],[b]]", RULE),
            (r#"["\u0061"]"#, RULE),
        ] {
            assert_eq!(words(text).unwrap_err(), fault, "{text}");
        }
    }
}
