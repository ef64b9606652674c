//! How the command line shows things: tables, JSON, and text that cannot steer a terminal.

use std::io::{self, IsTerminal as _, Write};

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

/// Where answers go: standard output, or memory in a test.
pub(crate) struct Output {
    to: Box<dyn Write>,
    is_terminal: bool,
}

impl Output {
    /// Standard output, with whatever it is connected to.
    pub(crate) fn stdout() -> Self {
        let to = io::stdout();
        let is_terminal = to.is_terminal();
        Self { to: Box::new(to), is_terminal }
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// Writes JSON for programs.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.to, "{value:#}")
    }

    /// Writes a table: framed and fitted on a terminal, plain aligned columns elsewhere.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let text = table_text(head, rows, self.is_terminal);
        self.line(&text)
    }
}

fn table_text(head: &[&str], rows: &[Vec<String>], is_terminal: bool) -> String {
    let mut table = Table::new();
    table.set_header(head.iter().copied());
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| printable(cell))));
    if is_terminal {
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        return table.to_string();
    }
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Replaces control characters, so that a name cannot move the cursor or hide a line.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A member of an answer as text; `-` if it is not there.
pub(crate) fn member(object: &Value, name: &str) -> String {
    match object.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => printable(text),
        Some(Value::Array(list)) if list.is_empty() => "-".to_owned(),
        Some(Value::Array(list)) => {
            let words = list.iter().map(|word| word.as_str().map_or("?".into(), printable));
            words.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_plain_columns_where_nobody_looks() {
        let rows = [vec!["7".to_owned(), "mobile app".to_owned()], vec!["12".into(), "x".into()]];
        insta::assert_snapshot!(table_text(&["id", "name"], &rows, false));
    }

    #[test]
    fn members_are_shown_without_control_characters() {
        let key = json!({"name": "a\u{1b}[2Jb", "scopes": ["a:read", "b:*"], "n": 1, "x": null});
        assert_eq!(member(&key, "name"), "a\u{fffd}[2Jb");
        assert_eq!(member(&key, "scopes"), "a:read b:*");
        assert_eq!(member(&key, "n"), "1");
        assert_eq!(member(&key, "x"), "-");
    }
}
