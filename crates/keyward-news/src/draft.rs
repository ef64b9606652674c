//! The content of a feed of any format, before anything of it is resolved or left out.

use std::fmt;
use std::rc::Rc;

/// A location in a feed, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column in bytes, where it is known.
    pub column: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        match column {
            Some(column) => write!(f, "{line}:{column}"),
            None => write!(f, "{line}"),
        }
    }
}

/// A feed as it was read. Its texts are plain text already.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) title: String,
    /// The feed's own id, in Atom.
    pub(crate) id: String,
    pub(crate) links: Vec<Link>,
    pub(crate) entries: Vec<Entry>,
    /// Where an entry begins that has no end.
    pub(crate) cut_at: Option<usize>,
    /// An element of it has no end.
    pub(crate) is_cut: bool,
}

/// An entry of a feed.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// The line at which it begins, or its number in JSON.
    pub(crate) at: usize,
    pub(crate) titles: Ranked,
    pub(crate) id: String,
    pub(crate) links: Vec<Link>,
    pub(crate) texts: Ranked,
    pub(crate) category: String,
    /// When it was published, and else when it was changed, as it is written.
    pub(crate) dates: Vec<(DateKind, String)>,
}

/// The best of several texts for one thing.
#[derive(Debug, Default)]
pub(crate) struct Ranked(Option<(u8, String)>);

impl Ranked {
    /// Offers a text; the first one of the lowest rank that says something is kept.
    pub(crate) fn offer(&mut self, rank: u8, text: String) {
        let is_better = self.0.as_ref().is_none_or(|(kept, _)| rank < *kept);
        if is_better && !text.is_empty() {
            self.0 = Some((rank, text));
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", |(_, text)| text)
    }
}

/// The meaning of a date, the most relevant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DateKind {
    /// RSS and Atom say when it was published.
    Published,
    /// Dublin Core says so.
    Issued,
    /// It was changed.
    Updated,
}

/// A link, with the data needed to resolve it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) kind: LinkKind,
    /// The `xml:base` of the elements around it, the outermost first.
    pub(crate) bases: Bases,
}

/// The target of a link, the best one for readers first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinkKind {
    /// A page.
    Page,
    /// The same in another form, such as a document.
    Alternate,
    /// The identity of the entry, which may be an address.
    Id,
    /// A file attached to it.
    Attachment,
    /// The feed, or the entry itself.
    Itself,
    /// Anything else.
    Other,
}

/// Each `xml:base` that holds at a location, the outermost first.
pub(crate) type Bases = Vec<Rc<str>>;
