//! Gathering the content of an element, be it text, HTML as text, or HTML as elements.

use crate::article::{DESCRIPTION_MAX, SOURCE_MAX, TITLE_MAX};
use crate::names::Field;
use crate::text;
use crate::xml::{Start, push_text};

/// The use of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    FeedTitle,
    FeedId,
    FeedLink,
    Entry(Field),
}

/// The kind of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// HTML, or text in which nothing looks like it.
    Html,
    /// Text, even if it looks like markup.
    Plain,
    /// HTML as elements of the XML.
    Elements,
    /// Unreadable content, such as a picture.
    Opaque,
}

/// The content of an element so far.
#[derive(Debug)]
pub(super) struct Capture {
    target: Target,
    kind: Kind,
    /// Tags as tags, and text as it is: the whole as HTML, if it is HTML as text.
    raw: String,
    /// Tags as tags, and text escaped: the whole as HTML, if it is HTML as elements.
    escaped: String,
    has_elements: bool,
}

impl Capture {
    pub(super) fn new(target: Target, start: &Start, is_atom: bool) -> Self {
        let kind = kind(start, is_atom);
        let (raw, escaped) = (String::new(), String::new());
        Self { target, kind, raw, escaped, has_elements: false }
    }

    pub(super) fn target(&self) -> Target {
        self.target
    }

    pub(super) fn push_text(&mut self, text: &str) {
        let before = self.raw.len();
        push_text(text, &mut self.raw);
        text::push_escaped(self.raw.get(before..).unwrap_or_default(), &mut self.escaped);
    }

    pub(super) fn push_verbatim(&mut self, text: &str) {
        self.raw.push_str(text);
        text::push_escaped(text, &mut self.escaped);
    }

    /// An element without content has its end tag all the same: `<script/>` is open in HTML.
    pub(super) fn push_start(&mut self, name: &str) {
        self.has_elements = true;
        for out in [&mut self.raw, &mut self.escaped] {
            out.push('<');
            out.push_str(name);
            out.push('>');
        }
    }

    pub(super) fn push_end(&mut self, name: &str) {
        for out in [&mut self.raw, &mut self.escaped] {
            out.push_str("</");
            out.push_str(name);
            out.push('>');
        }
    }

    /// A name, a link or a date: text on one line.
    pub(super) fn into_plain(self) -> String {
        text::of_plain(&self.raw)
    }

    /// A headline or a label.
    pub(super) fn into_label(self) -> String {
        let max = if self.target == Target::FeedTitle { SOURCE_MAX } else { TITLE_MAX };
        text::cut(self.into_readable(), max)
    }

    /// The description of an entry.
    pub(super) fn into_text(self) -> String {
        text::cut(self.into_readable(), DESCRIPTION_MAX)
    }

    fn into_readable(self) -> String {
        match self.kind {
            Kind::Html => text::of_html(&self.raw),
            Kind::Plain | Kind::Elements if self.has_elements => text::of_html(&self.escaped),
            Kind::Plain | Kind::Elements => text::of_references(&self.raw),
            Kind::Opaque => String::new(),
        }
    }
}

/// The kind of the text by the attributes. RSS has none, and its texts are mostly HTML.
fn kind(start: &Start, is_atom: bool) -> Kind {
    let get = |name| start.get(name).map(str::to_ascii_lowercase);
    let (named, mode) = (get("type").unwrap_or_default(), get("mode"));
    let escaped = mode.as_deref() == Some("escaped");
    if mode.as_deref() == Some("base64") {
        return Kind::Opaque;
    }
    match named.split(';').next().unwrap_or_default().trim() {
        "html" | "text/html" => Kind::Html,
        "xhtml" | "application/xhtml+xml" if escaped => Kind::Html,
        "xhtml" | "application/xhtml+xml" => Kind::Elements,
        "text" | "text/plain" | "plain" => Kind::Plain,
        "" if is_atom && !escaped => Kind::Plain,
        other if is_opaque(other) => Kind::Opaque,
        _ => Kind::Html,
    }
}

fn is_opaque(media_type: &str) -> bool {
    let is_xml = media_type.ends_with("xml");
    ["image/", "audio/", "video/", "application/"].iter().any(|it| media_type.starts_with(it))
        && !is_xml
}
