//! Tables: framed and fitted on a terminal, plain aligned columns elsewhere.

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{Cell as Painted, Color, ContentArrangement, Table};

use super::{Look, printable};

/// Columns of a terminal below which nothing would fit, so that lines had better run on.
const WIDTH_MIN: u16 = 40;

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The text; what could steer a terminal is replaced when it is shown.
    pub text: String,
    /// How it strikes the eye where there are colours. It says nothing that the text does not.
    pub tone: Tone,
}

/// How a text strikes the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Like everything else.
    Plain,
    /// All is well.
    Good,
    /// Somebody should look at it.
    Warning,
    /// It does not work, or no longer.
    Bad,
}

impl Cell {
    /// A text with a tone.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// The whole table, without a line end.
pub(super) fn text(head: &[&str], rows: &[Vec<Cell>], look: Look) -> String {
    let mut table = Table::new();
    table.set_header(head.iter().copied());
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| painted(cell, look))));
    if look.has_colour {
        table.enforce_styling();
    }
    if look.is_terminal {
        table.load_style(UTF8_FULL_CONDENSED);
        if let Some(width) = look.width {
            table.set_width(width);
        }
        // Some that record a terminal say that it has no width.
        if table.width().is_some_and(|width| WIDTH_MIN <= width) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        return table.to_string();
    }
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn painted(cell: &Cell, look: Look) -> Painted {
    let painted = Painted::new(printable(&cell.text));
    match cell.tone {
        Tone::Good if look.has_colour => painted.fg(Color::Green),
        Tone::Warning if look.has_colour => painted.fg(Color::Yellow),
        Tone::Bad if look.has_colour => painted.fg(Color::Red),
        Tone::Plain | Tone::Good | Tone::Warning | Tone::Bad => painted,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{piped, terminal};
    use super::*;

    #[test]
    fn tables_are_plain_columns_where_nobody_looks() {
        let row = |id: &str, name: &str| vec![id.to_owned().into(), name.to_owned().into()];
        let rows = [row("7", "mobile app"), row("12", "x")];
        insta::assert_snapshot!(text(&["id", "name"], &rows, piped()));
    }

    #[test]
    fn tables_on_a_terminal_fit_its_width() {
        let rows = [vec!["7".to_owned().into(), "a name of many words ".repeat(4).into()]];
        let look = Look { width: Some(40), ..terminal() };
        let text = text(&["id", "name"], &rows, look);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }

    #[test]
    fn a_terminal_without_width_has_long_lines() {
        let rows = [vec!["a name of many words ".repeat(9).into()]];
        assert_eq!(
            text(&["name"], &rows, Look { width: Some(0), ..terminal() }).lines().count(),
            5
        );
    }

    #[test]
    fn control_characters_are_replaced_in_every_cell() {
        let rows = [vec!["a\u{1b}[2Jb".to_owned().into()]];
        assert!(text(&["name"], &rows, terminal()).contains("a\u{fffd}[2Jb"));
    }

    #[test]
    fn colours_are_there_only_where_they_are_welcome() {
        let rows = [vec![Cell::new("active", Tone::Good), Cell::new("revoked", Tone::Bad)]];
        assert!(!text(&["a", "b"], &rows, terminal()).contains('\u{1b}'));
        let coloured = text(&["a", "b"], &rows, Look { has_colour: true, ..terminal() });
        assert_eq!(coloured.matches('\u{1b}').count(), 4, "{coloured:?}");
    }
}
