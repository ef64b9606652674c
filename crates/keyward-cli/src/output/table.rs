//! Tables: framed and fitted on a terminal, plain aligned columns elsewhere.

use comfy_table::presets::{ASCII_FULL_CONDENSED, NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{Cell as Painted, Color, ContentArrangement, Table};

use super::layout::{Layout, field, layout, wrap};
use super::{Look, printable};

/// Columns of a terminal below which nothing would fit, so that lines are not wrapped.
const WIDTH_MIN: u16 = 20;

/// The content of one cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The text; characters that could steer a terminal are replaced when it is shown.
    pub text: String,
    /// Its colour, where there are colours. It adds no meaning to the text.
    pub tone: Tone,
}

/// The colour of a text, by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// No colour.
    Plain,
    /// All is well.
    Good,
    /// The operator should look at it.
    Warning,
    /// It does not work, or no longer.
    Bad,
}

impl Cell {
    /// A text with a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
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
    if !look.is_terminal {
        return plain(head, rows, look);
    }
    let shown = |cell: &Cell| Cell { text: look.legible(&printable(&cell.text)), ..*cell };
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(shown).collect()).collect();
    // Some programs that record a terminal report a width of 0.
    let width = look.width.or_else(|| Table::new().width()).filter(|width| WIDTH_MIN <= *width);
    let Some(width) = width.map(usize::from) else {
        return framed(head, &rows, None, look);
    };
    let texts: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.text.clone()).collect()).collect();
    match layout(head, &texts, width) {
        Layout::Columns(widths) => framed(head, &rows, Some(&widths), look),
        Layout::Records => records(head, &rows, width, look),
    }
}

/// Aligned columns, as wide as they are.
fn plain(head: &[&str], rows: &[Vec<Cell>], look: Look) -> String {
    let mut table = Table::new();
    table.set_header(head.iter().copied());
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| painted(cell, look))));
    if look.has_colour {
        table.enforce_styling();
    }
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    look.legible(&table.trim_fmt())
}

/// Columns in a frame, with the texts in lines of these widths.
fn framed(head: &[&str], rows: &[Vec<Cell>], widths: Option<&[usize]>, look: Look) -> String {
    let mut table = Table::new();
    let lines = |at: usize, text: &str| {
        let width = widths.and_then(|widths| widths.get(at));
        width.map_or_else(|| text.to_owned(), |width| wrap(text, *width).join("\n"))
    };
    table.set_header(head.iter().enumerate().map(|(at, name)| lines(at, name)));
    for row in rows {
        let cells = row.iter().enumerate();
        table.add_row(cells.map(|(at, cell)| toned(&lines(at, &cell.text), cell.tone, look)));
    }
    if look.has_colour {
        table.enforce_styling();
    }
    table.load_style(if look.is_ascii { ASCII_FULL_CONDENSED } else { UTF8_FULL_CONDENSED });
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.to_string()
}

/// One field a line, and an empty line between two rows. Empty fields are left out. A table of
/// fields is one record.
fn records<'a>(head: &[&str], rows: &'a [Vec<Cell>], width: usize, look: Look) -> String {
    let says_nothing = |cell: &Cell| matches!(&*cell.text, "" | "-");
    let records: Vec<Vec<(String, &'a Cell)>> = if head == ["field", "value"] {
        let fields = rows.iter().filter_map(|row| match row.as_slice() {
            [name, value] => Some((name.text.clone(), value)),
            _ => None,
        });
        vec![fields.collect()]
    } else {
        let record = |row: &'a Vec<Cell>| {
            let named = head.iter().zip(row).enumerate();
            let told = named.filter(|(at, (_, cell))| *at == 0 || !says_nothing(cell));
            told.map(|(_, (name, cell))| ((*name).to_owned(), cell)).collect()
        };
        rows.iter().map(record).collect()
    };
    let names = records.iter().flatten().map(|(name, _)| name.chars().count());
    let names_width = names.max().unwrap_or_default();
    let record = |fields: &Vec<(String, &Cell)>| {
        let lines = fields.iter().map(|(name, cell)| {
            field(name, names_width, &cell.text, width, |line| in_colour(line, cell.tone, look))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    records.iter().map(record).collect::<Vec<_>>().join("\n\n")
}

fn painted(cell: &Cell, look: Look) -> Painted {
    toned(&printable(&cell.text), cell.tone, look)
}

fn toned(text: &str, tone: Tone, look: Look) -> Painted {
    let painted = Painted::new(text);
    match tone {
        Tone::Good if look.has_colour => painted.fg(Color::Green),
        Tone::Warning if look.has_colour => painted.fg(Color::Yellow),
        Tone::Bad if look.has_colour => painted.fg(Color::Red),
        Tone::Plain | Tone::Good | Tone::Warning | Tone::Bad => painted,
    }
}

fn in_colour(text: &str, tone: Tone, look: Look) -> String {
    let colour = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => 32,
        Tone::Warning => 33,
        Tone::Bad => 31,
    };
    if look.has_colour { format!("\u{1b}[{colour}m{text}\u{1b}[39m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{piped, terminal};
    use super::*;

    #[test]
    fn tables_are_plain_columns_for_programs() {
        let row = |id: &str, name: &str| vec![id.to_owned().into(), name.to_owned().into()];
        let rows = [row("7", "mobile app"), row("12", "x")];
        insta::assert_snapshot!(text(&["id", "name"], &rows, piped()));
    }

    /// Keys as `key list` shows them.
    fn keys() -> (Vec<&'static str>, Vec<Vec<Cell>>) {
        let row = |cells: [&str; 7]| cells.map(|cell| cell.to_owned().into()).to_vec();
        let mut rows = vec![
            row(["7", "mobile app of the harbour", "active", "pro", "acme", "-", "3 h ago"]),
            row(["12", "weather-bot", "suspended", "basic", "-", "2030-01-31 12:00Z", "never"]),
        ];
        rows[1][2] = Cell::new("suspended", Tone::Warning);
        (vec!["id", "name", "state", "tier", "owner", "expires", "last used"], rows)
    }

    #[test]
    fn tables_on_a_terminal_fit_its_width_and_break_no_word() {
        let (head, rows) = keys();
        let mut shown = Vec::new();
        for width in [40, 60, 80, 120] {
            let text = text(&head, &rows, Look { width: Some(width), ..terminal() });
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
            for word in rows.iter().flatten().flat_map(|cell| cell.text.split(' ')) {
                assert!(text.contains(word), "{word} in {text}");
            }
            shown.push(text);
        }
        insta::assert_snapshot!(shown.join("\n\n"));
    }

    #[test]
    fn fields_become_lines_of_one_record() {
        let row = |name: &str, value: &str| vec![name.to_owned().into(), value.to_owned().into()];
        let digest = "ab".repeat(17);
        let rows = [row("name", "mobile app"), row("digest", &digest), row("owner", "-")];
        let text = text(&["field", "value"], &rows, Look { width: Some(40), ..terminal() });
        assert_eq!(text, format!("name    mobile app\ndigest\n  {digest}\nowner   -"));
    }

    #[test]
    fn a_locale_without_more_than_ascii_gets_no_more() {
        let rows = [vec!["a – b… → “Zoë”".to_owned().into(), "-".to_owned().into()]];
        for look in [terminal(), Look { width: Some(20), ..terminal() }] {
            let text = text(&["name", "x"], &rows, Look { is_ascii: true, ..look });
            assert!(text.is_ascii() && text.contains("..."), "{text}");
        }
        let piped = text(&["name", "x"], &rows, Look { is_ascii: true, ..piped() });
        assert!(piped.contains("a - b... -> \"Zoë\""), "{piped}");
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
