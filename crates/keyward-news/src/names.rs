//! The vocabularies of feeds, by the names that XML gives them and by the ones that people type.

/// A vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// RSS of any version, and elements without a vocabulary.
    Rss,
    Atom,
    Rdf,
    DublinCore,
    DublinTerms,
    /// `content:encoded`.
    Content,
    Media,
    Itunes,
    Xhtml,
    Other,
}

use Vocabulary::{Atom, Content, DublinCore, DublinTerms, Itunes, Media, Other, Rdf, Rss, Xhtml};

/// Parts of names, in lower case; the first that fits counts.
const URIS: [(&str, Vocabulary); 17] = [
    ("purl.org/rss/1.0/modules/content", Content),
    ("purl.org/rss/1.0/modules/", Other),
    ("purl.org/dc/terms", DublinTerms),
    ("purl.org/dc/elements", DublinCore),
    ("purl.org/rss/", Rss),
    ("purl.org/net/rss", Rss),
    ("purl.org/atom/", Atom),
    ("w3.org/2005/atom", Atom),
    ("search.yahoo.com/mrss", Media),
    ("www.rssboard.org/media-rss", Media),
    ("itunes.com/dtds/podcast", Itunes),
    ("w3.org/1999/xhtml", Xhtml),
    ("w3.org/1999/02/22-rdf-syntax-ns", Rdf),
    ("netscape.com/rdf/simple", Rss),
    ("backend.userland.com", Rss),
    ("blogs.law.harvard.edu/tech/rss", Rss),
    ("my.netscape.com/", Rss),
];

/// The vocabularies of prefixes that are used without being declared.
const PREFIXES: [(&str, Vocabulary); 10] = [
    ("rss", Rss),
    ("atom", Atom),
    ("a10", Atom),
    ("rdf", Rdf),
    ("dc", DublinCore),
    ("dcterms", DublinTerms),
    ("content", Content),
    ("media", Media),
    ("itunes", Itunes),
    ("xhtml", Xhtml),
];

impl Vocabulary {
    /// The vocabulary of a namespace's name. As the default one, it is RSS unless it is known.
    pub(crate) fn of_uri(uri: &str, is_default: bool) -> Self {
        let uri = uri.to_ascii_lowercase();
        let found = URIS.iter().find(|(part, _)| uri.contains(part));
        found.map_or(if is_default { Rss } else { Other }, |(_, vocabulary)| *vocabulary)
    }

    /// The vocabulary that people mean by a prefix.
    pub(crate) fn of_prefix(prefix: &str) -> Self {
        let found = PREFIXES.iter().find(|(known, _)| *known == prefix);
        found.map_or(if prefix.is_empty() { Rss } else { Other }, |(_, vocabulary)| *vocabulary)
    }

    /// Whether feeds are made of this.
    pub(crate) fn is_feed(self) -> bool {
        matches!(self, Rss | Atom)
    }
}

/// The meaning of an element of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// A headline; a lower number is a better one.
    Title(u8),
    /// What it is about; a lower number is a better one.
    Text(u8),
    Link,
    Id,
    Category,
    Published,
    Issued,
    Updated,
    /// A file attached to it.
    Attachment,
}

impl Field {
    /// The field that an element is, by its vocabulary and its name in lower case.
    pub(crate) fn of(vocabulary: Vocabulary, name: &str) -> Option<Self> {
        Some(match (vocabulary, name) {
            (Rss | Atom, "title") => Self::Title(0),
            (DublinCore, "title") => Self::Title(1),
            (Media, "title") => Self::Title(2),
            (Rss | Atom, "link") => Self::Link,
            (Rss | Atom, "guid" | "id") => Self::Id,
            (Rss | Atom, "summary" | "description") => Self::Text(0),
            (Content, "encoded") | (Rss | Atom, "content") | (Xhtml, "body") => Self::Text(1),
            (DublinCore, "description") | (Itunes, "summary") => Self::Text(2),
            (Media, "description" | "text") | (Itunes, "subtitle") => Self::Text(3),
            (Rss | Atom, "category") => Self::Category,
            (DublinCore, "subject") | (Media, "category") => Self::Category,
            (Rss | Atom, "pubdate" | "published" | "issued") => Self::Published,
            (DublinCore, "date") | (DublinTerms, "issued" | "created" | "date") => Self::Issued,
            (Rss | Atom, "created") => Self::Issued,
            (Rss | Atom, "updated" | "modified" | "date") => Self::Updated,
            (DublinTerms, "modified") => Self::Updated,
            (Rss | Atom, "enclosure") | (Media, "content" | "player") => Self::Attachment,
            _ => return None,
        })
    }
}
