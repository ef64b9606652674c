//! Fields of the server's responses as text that cannot steer a terminal.

use jiff::Timestamp;
use keyward_api::shapes::Time;
use serde::Serialize;
use serde_json::Value;

use super::Look;
use crate::moment::{relative, to_the_minute};

/// Replaces invisible characters that change the visible ones, so that a name cannot move the
/// cursor, hide a line, reverse the text after it, or look like another one.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { '\u{fffd}' }).collect()
}

fn is_printable(c: char) -> bool {
    let is_invisible = matches!(
        c,
        // Marks of direction, and characters without width.
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{feff}'
        // Line ends, embeddings, overrides, isolates, and characters for layout only.
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
    );
    !c.is_control() && !is_invisible
}

/// A value of a response as text; `-` if there is none.
pub fn shown(value: &impl Serialize) -> String {
    match serde_json::to_value(value).unwrap_or_default() {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(&text),
        Value::Array(list) if list.is_empty() => "-".to_owned(),
        Value::Array(list) => {
            let words = list.iter().map(|word| word.as_str().map_or("?".into(), printable));
            words.collect::<Vec<_>>().join(" ")
        }
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        other => printable(&other.to_string()),
    }
}

impl Look {
    /// Whether a time has come.
    pub fn is_past(self, at: Time) -> bool {
        i64::try_from(at.0.0).is_ok_and(|at| at <= self.now.as_millisecond())
    }

    /// A time: `3 h ago` on a terminal, unchanged in other output.
    pub fn time(self, time: &impl Serialize) -> String {
        let text = shown(time);
        match text.parse() {
            Ok(at) if self.is_terminal => relative(at, self.now),
            Ok::<Timestamp, _>(_) | Err(_) => text,
        }
    }

    /// The same where there is room: `2026-11-24 06:30Z (3 h ago)` on a terminal.
    pub fn time_at_length(self, time: &impl Serialize) -> String {
        let text = shown(time);
        match text.parse() {
            Ok(at) if self.is_terminal => {
                format!("{} ({})", to_the_minute(at), relative(at, self.now))
            }
            Ok::<Timestamp, _>(_) | Err(_) => text,
        }
    }

    /// A time that people compare with a calendar: to the minute on a terminal.
    pub fn calendar_time(self, time: &impl Serialize) -> String {
        let text = shown(time);
        match text.parse() {
            Ok(at) if self.is_terminal => to_the_minute(at),
            Ok::<Timestamp, _>(_) | Err(_) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{piped, terminal};
    use super::*;

    #[test]
    fn values_are_shown_without_control_characters() {
        assert_eq!(shown(&"a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(shown(&["a:read", "b:*"]), "a:read b:*");
        assert_eq!(shown(&1), "1");
        for nothing in [json!(null), json!([]), json!({})] {
            assert_eq!(shown(&nothing), "-");
        }
    }

    #[test]
    fn characters_that_hide_or_turn_around_others_are_replaced() {
        for range in [
            '\0'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{61c}'..='\u{61c}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{2069}',
            '\u{feff}'..='\u{feff}',
        ] {
            for c in range {
                assert_eq!(printable(&format!("a{c}b")), "a\u{fffd}b", "{:?}", c);
            }
        }
        for text in
            ["Zoë’s – 名前", "\u{61b}\u{61d}", "\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{206a}"]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn times_are_relative_for_people_and_exact_for_programs() {
        let at = &"2026-11-24T06:30:00.000Z";
        assert_eq!(terminal().time(at), "3 h ago");
        assert_eq!(terminal().time_at_length(at), "2026-11-24 06:30Z (3 h ago)");
        assert_eq!(terminal().calendar_time(at), "2026-11-24 06:30Z");
        assert_eq!(terminal().time(&Value::Null), "-");
        for shown in [piped().time(at), piped().time_at_length(at)] {
            assert_eq!(shown, "2026-11-24T06:30:00.000Z");
        }
    }
}
