//! Splitting the XML of feeds into tags and text, even where it is malformed.
//!
//! A parser of XML has to reject a document for one bare `&`, and most rejected feeds have no worse
//! fault than that. Here nothing is rejected: anything but a tag is text. Nothing is fetched
//! either, and entities of a document's own are not known.

use html5gum::{Token, Tokenizer};

/// Longest name of a reference that is looked for, between `&` and `;`. The longest that HTML
/// knows has 31 letters.
const REFERENCE_LEN_MAX: usize = 32;

/// A piece of XML. Comments, declarations and instructions are none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Start(Start),
    /// The name of an end tag, in lower case.
    End(String),
    /// Text in which references are still to be replaced; see [`push_text`].
    Text(&'a str),
    /// Text as it is.
    Verbatim(&'a str),
}

/// A start tag. Names are in lower case, as some programs write them as they like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) name: String,
    /// In the order of their names.
    pub(crate) attributes: Vec<(String, String)>,
    /// It is an end tag, too.
    pub(crate) is_empty: bool,
}

impl Start {
    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.trim())
    }
}

/// The pieces of a text, one after the other.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// The text up to a byte that begins no tag.
    fn text_to(&mut self, end: usize) -> Piece<'a> {
        let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        Piece::Text(text)
    }

    /// The text between a beginning of `skip` bytes and `end`, or to the end of the text.
    fn take_to(&mut self, skip: usize, end: &str) -> &'a str {
        let inside = self.rest.get(skip..).unwrap_or_default();
        let (taken, rest) = inside.split_once(end).unwrap_or((inside, ""));
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            match self.rest.find('<') {
                None if self.rest.is_empty() => return None,
                None => return Some(self.text_to(self.rest.len())),
                Some(0) => {}
                Some(at) => return Some(self.text_to(at)),
            }
            if self.rest.starts_with("<!--") {
                self.take_to("<!--".len(), "-->");
            } else if self.rest.starts_with("<![CDATA[") {
                return Some(Piece::Verbatim(self.take_to("<![CDATA[".len(), "]]>")));
            } else if self.rest.starts_with("<?") {
                self.take_to("<?".len(), ">");
            } else if self.rest.starts_with("<!") {
                let len = doctype_len(self.rest);
                self.rest = self.rest.get(len..).unwrap_or_default();
            } else if let Some(len) = tag_len(self.rest) {
                let (tag, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
                self.rest = rest;
                if let Some(piece) = read_tag(tag) {
                    return Some(piece);
                }
            } else {
                return Some(self.text_to(1));
            }
        }
    }
}

/// A declaration has its own in brackets.
fn doctype_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let end = text.find(|c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '>' && depth == 0
    });
    // Brackets that are not closed close nothing.
    end.or_else(|| text.find('>')).map_or(text.len(), |at| at + 1)
}

/// How long the tag is that begins here; `None` if none does, but a `<` that should be `&lt;`.
fn tag_len(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let name = inside.strip_prefix('/').unwrap_or(inside);
    name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':')).then_some(())?;
    let (mut quote, mut end_in_quote) = (None, None);
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at + 2),
            (None, '<') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(quoted), c) if quoted == c => (quote, end_in_quote) = (None, None),
            (Some(_), '>') => end_in_quote = end_in_quote.or(Some(at + 2)),
            // A quotation mark is missing, for a value holds no tag.
            (Some(_), '<') if end_in_quote.is_some() => return end_in_quote,
            _ => {}
        }
    }
    // A quotation mark too many swallows all that follows: look again without them.
    let end = inside.find(['<', '>'])?;
    inside.get(end..)?.starts_with('>').then_some(end + 2)
}

/// Reads a tag as HTML is read: values may lack their quotation marks, and may hold a bare `&`.
fn read_tag(tag: &str) -> Option<Piece<'_>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // Letters outside ASCII are no letters of a tag there.
    if let Some(name) = tag.strip_prefix("</") {
        return Some(Piece::End(name.trim_end_matches('>').trim().to_lowercase()));
    }
    Tokenizer::new(tag).flatten().find_map(|token| match token {
        Token::StartTag(start) => Some(Piece::Start(Start {
            name: text(&start.name).to_lowercase(),
            is_empty: start.self_closing,
            attributes: (start.attributes.iter())
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        })),
        _ => None,
    })
}

/// Appends text with its references replaced by their characters, in XML or in HTML. Unknown ones
/// and a bare `&` stay.
pub(crate) fn push_text(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once('&') {
        out.push_str(before);
        let end = inside.bytes().take(REFERENCE_LEN_MAX + 1).position(|byte| byte == b';');
        let reference = end.and_then(|end| inside.split_at_checked(end));
        let known = reference.and_then(|(name, tail)| Some((character(name)?, tail)));
        match known {
            Some((character, tail)) => {
                out.push_str(&character);
                rest = tail.strip_prefix(';').unwrap_or(tail);
            }
            None => {
                out.push('&');
                rest = inside;
            }
        }
    }
    out.push_str(rest);
}

fn character(name: &str) -> Option<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'#');
    if name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let xml = match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        // HTML knows 2 000 more, and the intended meaning of numbers from 128 to 159.
        _ => {
            let reference = format!("&{name};");
            let mut tokens = Tokenizer::new(&reference).flatten();
            let found = tokens.find_map(|token| match token {
                Token::String(text) => Some(String::from_utf8_lossy(&text).into_owned()),
                _ => None,
            });
            return found.filter(|found| *found != reference);
        }
    };
    Some(xml.to_owned())
}
