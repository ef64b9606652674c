//! Texts as a manual shows them.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// A text in which words between backticks are code.
pub(crate) fn inline(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { roman(part) } else { bold(part) }).collect()
}

/// Lines that stay as they are.
pub(crate) fn verbatim<'a>(page: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    page.control("EX", []);
    for line in lines {
        page.text([roman(line)]);
    }
    page.control("EE", []);
}
