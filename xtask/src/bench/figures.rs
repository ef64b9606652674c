//! Figures, their goals, and the table that shows both.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::rows::{Asked, ROWS};

/// One line of a bench.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// Its name, in one word.
    pub(crate) name: String,
    /// The number.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: String,
}

impl Figure {
    /// Reads `name value unit`.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let parts: Vec<_> = line.split_whitespace().collect();
        let figure = match parts.as_slice() {
            [name, value, unit] => value.parse().ok().map(|value| Self {
                name: (*name).to_owned(),
                value,
                unit: (*unit).to_owned(),
            }),
            _ => None,
        };
        figure.with_context(|| format!("a bench prints `name value unit`, not `{line}`"))
    }
}

/// The table, in Markdown.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut table = "| what | figure asked | measured |\n|---|---|---|\n".to_owned();
    let mut add = |what: &str, asked: Asked, figure: &Figure| {
        let (asked, missed) = match asked {
            Asked::Nothing => (String::new(), ""),
            Asked::AtMost(most) => {
                let missed = if most < figure.value { " (missed)" } else { "" };
                (format!("at most {most} {}", figure.unit), missed)
            }
            Asked::AtLeast(least) => {
                let missed = if figure.value < least { " (missed)" } else { "" };
                (format!("at least {least} {}", figure.unit), missed)
            }
        };
        writeln!(table, "| {what} | {asked} | {} {}{missed} |", figure.value, figure.unit)
            .expect("a string takes all that is written to it");
    };
    for row in ROWS {
        for figure in figures.iter().filter(|figure| figure.name == row.name) {
            add(row.what, row.asked, figure);
        }
    }
    let has_row = |figure: &&Figure| ROWS.iter().any(|row| row.name == figure.name);
    for figure in figures.iter().filter(|figure| !has_row(figure)) {
        add(&figure.name, Asked::Nothing, figure);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_three_words() {
        let figure = Figure::parse("sha256 68.5 ns").unwrap();
        assert_eq!(
            (figure.name.as_str(), figure.value, figure.unit.as_str()),
            ("sha256", 68.5, "ns")
        );
        for line in ["", "sha256 68.5", "sha256 fast ns", "sha256 68.5 ns or so"] {
            assert!(Figure::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_table_shows_every_figure_and_which_of_them_were_missed() {
        let lines =
            ["requests 9 rps", "memory_per_key 200 bytes", "verify_large_to_sha256 9.1 times"];
        let figures: Vec<_> = lines.iter().map(|line| Figure::parse(line).unwrap()).collect();
        let expected = "\
| what | figure asked | measured |
|---|---|---|
| … as a multiple of the hash | at most 9 times | 9.1 times (missed) |
| Memory of a key in the large index, everything included | at most 200 bytes | 200 bytes |
| requests |  | 9 rps |
";
        assert_eq!(table(&figures), expected);
    }
}
