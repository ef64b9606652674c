//! How a table fits a width without a word being broken.

use unicode_width::UnicodeWidthStr as _;

/// Columns that a frame takes on top of the text: two for each column, and the lines.
const FRAME_OF_COLUMN: usize = 3;
const FRAME: usize = 1;
/// Most lines of one cell. A higher one is harder to read than a field a line.
const CELL_LINES_MAX: usize = 4;
/// The indent of a text that has lines of its own.
const INDENT: &str = "  ";

/// How a table is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Side by side, each as wide as this.
    Columns(Vec<usize>),
    /// One field a line, since the columns do not fit.
    Records,
}

/// How a table with this header and these rows is shown in `width` columns.
pub(super) fn layout(head: &[&str], rows: &[Vec<String>], width: usize) -> Layout {
    let measure = |of: &dyn Fn(&str) -> usize| -> Vec<usize> {
        let column = |(at, name): (usize, &&str)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| of(cell));
            cells.max().unwrap_or_default().max(of(name))
        };
        head.iter().enumerate().map(column).collect()
    };
    let natural = measure(&|text| text.width());
    let mut widths = measure(&longest_word);
    let room = width.saturating_sub(FRAME_OF_COLUMN * head.len() + FRAME);
    if natural.iter().sum::<usize>() <= room {
        return Layout::Columns(natural);
    }
    let Some(mut left) = room.checked_sub(widths.iter().sum()) else { return Layout::Records };
    while 0 < left {
        let narrow = widths.iter_mut().zip(&natural).filter(|(width, natural)| **width < **natural);
        let Some((narrowest, _)) = narrow.min_by_key(|(width, _)| **width) else { break };
        *narrowest += 1;
        left -= 1;
    }
    let is_high = |row: &Vec<String>| {
        let mut cells = row.iter().zip(&widths);
        cells.any(|(cell, width)| CELL_LINES_MAX < wrap(cell, *width).len())
    };
    if rows.iter().any(is_high) { Layout::Records } else { Layout::Columns(widths) }
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(|word| word.width()).max().unwrap_or_default()
}

/// Breaks a text between words, and in a list that is longer than the line after its commas. A
/// word that is longer has a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let is_list = width < word.width() && word.contains(',');
        let pieces = if is_list { word.split_inclusive(',') } else { word.split_inclusive(' ') };
        for (at, piece) in pieces.enumerate() {
            let gap = usize::from(at == 0);
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(piece),
                Some(line) if line.width() + gap + piece.width() <= width => {
                    line.push_str(if at == 0 { " " } else { "" });
                    line.push_str(piece);
                }
                _ => lines.push(piece.to_owned()),
            }
        }
    }
    lines
}

/// One field of a record, under its name or after it, without a line end.
pub(super) fn field(
    name: &str,
    names_width: usize,
    text: &str,
    width: usize,
    paint: impl Fn(&str) -> String,
) -> String {
    let begin = names_width + INDENT.len();
    let room = width.saturating_sub(begin);
    let (first, indent, lines) = if longest_word(text) <= room {
        let gap = " ".repeat(begin.saturating_sub(name.width()));
        (format!("{name}{gap}"), " ".repeat(begin), wrap(text, room))
    } else {
        let lines = wrap(text, width.saturating_sub(INDENT.len()));
        (format!("{name}\n{INDENT}"), INDENT.to_owned(), lines)
    };
    let lines: Vec<_> = lines.iter().map(|line| paint(line)).collect();
    format!("{first}{}", lines.join(&format!("\n{indent}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_share_what_room_there_is() {
        let rows = [vec!["7".to_owned(), "a name of words".to_owned()]];
        assert_eq!(layout(&["id", "name"], &rows, 24), Layout::Columns(vec![2, 15]));
        assert_eq!(layout(&["id", "name"], &rows, 23), Layout::Columns(vec![2, 14]));
        assert_eq!(layout(&["id", "name"], &rows, 14), Layout::Columns(vec![2, 5]));
        assert_eq!(layout(&["id", "name"], &rows, 13), Layout::Records);
        let high = [vec!["a b c d e".to_owned()]];
        assert_eq!(layout(&["x"], &high, 5), Layout::Records);
    }

    #[test]
    fn a_long_text_goes_under_its_name() {
        let show = |text, width| field("name", 6, text, width, str::to_owned);
        assert_eq!(show("two words", 40), "name    two words");
        assert_eq!(show("two words", 14), "name    two\n        words");
        assert_eq!(show("uninterrupted", 16), "name\n  uninterrupted");
        assert_eq!(show("a=bcd,e=fgh,i=jkl", 16), "name\n  a=bcd,e=fgh,\n  i=jkl");
    }

    proptest! {
        #[test]
        fn no_word_is_broken_and_none_lost(text in "[a-z名é ]{0,40}", width in 1_usize..20) {
            let lines = wrap(&text, width);
            let words: Vec<_> = text.split_whitespace().collect();
            let joined = lines.join(" ");
            prop_assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), words);
            prop_assert!(lines.iter().all(|line| line.width() <= width || !line.contains(' ')));
        }
    }
}
