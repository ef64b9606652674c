//! Plain text out of the HTML that feeds carry.
//!
//! The output of this module is text, not HTML, and may mention tags: code that puts it on a page
//! escapes it, as any text.

mod markup;

use std::borrow::Cow;

use html5gum::{DefaultEmitter, Token, Tokenizer};

/// Elements that may be inside a word; all others part words.
const INLINE: [&[u8]; 30] = [
    b"a", b"abbr", b"acronym", b"b", b"bdi", b"bdo", b"big", b"cite", b"code", b"del", b"dfn",
    b"em", b"font", b"i", b"ins", b"kbd", b"mark", b"q", b"s", b"samp", b"small", b"span",
    b"strong", b"sub", b"sup", b"time", b"tt", b"u", b"var", b"wbr",
];

/// Elements whose content is not shown.
const HIDDEN: [&[u8]; 4] = [b"iframe", b"noframes", b"script", b"style"];

/// Most times that tags are looked for in the rest of a text. Each time, a tag can only arise
/// around one that was taken out, so a text that has more of them was made to have them.
const PASSES_MAX: usize = 8;

/// The text of a piece of HTML: tags are gone, references are characters, white space is one
/// space each. A `<` that begins no tag is text.
pub(crate) fn of_html(html: &str) -> String {
    // Some programs put the brackets around text that they escape all the same.
    let html = match html.contains("<![CDATA[") {
        true => Cow::Owned(html.replace("<![CDATA[", "").replace("]]>", "")),
        false => Cow::Borrowed(html),
    };
    let (marked, tags) = markup::mark(&html);
    let text = of_marked(&marked);
    // HTML that was escaped twice was never meant to be read.
    if tags == 0 && markup::is_document(&text) {
        return of_marked(&markup::mark(&text).0);
    }
    text
}

/// Text that is no HTML, with one space for white space and for control characters.
pub(crate) fn of_plain(text: &str) -> String {
    let mut out = Words::with_capacity(text.len());
    out.push_str(text);
    out.finish()
}

/// Text in which tags are text, but references are not meant to be read.
///
/// Titles are text in Atom and JSON Feed, and have references of HTML in them all the same.
pub(crate) fn of_references(text: &str) -> String {
    of_marked(&text.replace('<', "&lt;"))
}

/// The text without its tags and comments, and with one space for white space. References stay.
///
/// Doing it twice changes nothing.
pub(crate) fn without_tags(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for _ in 0..PASSES_MAX {
        let without = of_marked(&markup::mark(&text.replace('&', "&amp;")).0);
        if without == *text {
            return without;
        }
        text = Cow::Owned(without);
    }
    text.replace('<', " ")
}

/// Writes text so that it is the same text in HTML.
pub(crate) fn push_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}

/// The first `max` characters.
pub(crate) fn cut(mut text: String, max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
        text.truncate(text.trim_end().len());
    }
    text
}

/// The beginning of a text in at most `max` characters; the cut is between words, and has an
/// ellipsis.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let end = text.char_indices().nth(max.saturating_sub(1)).map_or(text.len(), |(end, _)| end);
    let (head, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let is_whole = rest.starts_with(' ') || !head.contains(' ');
    let words =
        if is_whole { head } else { head.rsplit_once(' ').map_or(head, |(words, _)| words) };
    format!("{}…", words.trim_end_matches([' ', ',', ';', ':', '.']))
}

/// The text of HTML in which every `<` begins a tag or a comment.
fn of_marked(html: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    // Inside `<script>` and the like, text that looks like a tag is none.
    emitter.naively_switch_states(true);
    let mut out = Words::with_capacity(html.len());
    let mut hidden = None;
    for token in Tokenizer::new_with_emitter(html, emitter).flatten() {
        match token {
            Token::StartTag(tag) if hidden.is_none() => {
                out.part(is_inline(&tag.name));
                hidden = HIDDEN.into_iter().find(|name| *name == tag.name.as_slice());
            }
            Token::EndTag(tag) if hidden.is_none_or(|name| name == tag.name.as_slice()) => {
                out.part(is_inline(&tag.name));
                hidden = None;
            }
            Token::String(text) if hidden.is_none() => {
                out.push_str(&String::from_utf8_lossy(&text));
            }
            Token::Comment(_) | Token::Doctype(_) => out.part(false),
            Token::StartTag(_) | Token::EndTag(_) | Token::String(_) | Token::Error(_) => {}
        }
    }
    out.finish()
}

fn is_inline(name: &[u8]) -> bool {
    INLINE.contains(&name)
}

/// Text under construction: white space and control characters are one space, and none is at the
/// beginning.
struct Words {
    text: String,
    /// Something was taken out here.
    is_seam: bool,
}

impl Words {
    fn with_capacity(len: usize) -> Self {
        Self { text: String::with_capacity(len.min(64 * 1_024)), is_seam: false }
    }

    /// Leaves a tag or a comment out.
    fn part(&mut self, is_inline: bool) {
        if is_inline {
            self.is_seam = true;
        } else {
            self.push(' ');
        }
    }

    fn push_str(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        let is_seam = std::mem::take(&mut self.is_seam);
        let blank = c.is_whitespace() || c.is_control();
        match self.text.chars().next_back() {
            None | Some(' ') if blank => {}
            // The text between them is gone, and they must not become a tag for that.
            Some('<') if is_seam && (c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) => {
                self.text.push(' ');
                self.text.push(c);
            }
            _ => self.text.push(if blank { ' ' } else { c }),
        }
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}

#[cfg(test)]
mod tests;
