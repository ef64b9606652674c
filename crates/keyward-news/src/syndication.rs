//! Reading RSS of every version, RDF and Atom, into a draft.
//!
//! One reader for all, since they differ in the names of their elements alone, and many feeds mix
//! them. Unknown elements are passed over.

mod capture;

use crate::article::CATEGORY_MAX;
use crate::draft::{Bases, DateKind, Draft, Entry, Link, LinkKind};
use crate::names::{Field, Vocabulary};
use crate::text;
use crate::xml::{Piece, Pieces, Start};

use capture::{Capture, Target};

/// Most elements inside each other; deeper ones are passed over.
const DEPTH_MAX: usize = 256;

/// Outermost elements of feeds. A lone entry is one of Atom.
const ROOTS: [&str; 5] = ["rss", "rdf", "feed", "channel", "entry"];

/// Outermost elements that may be inside something else, such as a web page.
const ROOTS_INSIDE: [&str; 3] = ["rss", "rdf", "feed"];

/// The kind of a text that is no feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoFeed {
    /// There is no element in it.
    NoElement,
    /// Its outermost element is this one.
    Root(String),
}

/// Reads a feed. Nothing in it is an error: what cannot be understood is passed over.
///
/// # Errors
///
/// Returns [`NoFeed`] if the outermost element is none of a feed.
pub(crate) fn read(text: &str) -> Result<Draft, NoFeed> {
    let mut reader = Reader::new(text);
    let mut pieces = Pieces::of(text);
    loop {
        let at = pieces.position();
        match (pieces.next(), &mut reader.capture) {
            (None, _) => break,
            (Some(Piece::Start(start)), _) => reader.start(&start, at),
            (Some(Piece::End(name)), _) => reader.end(&name),
            (Some(Piece::Text(text)), Some((capture, _))) => capture.push_text(text),
            (Some(Piece::Verbatim(text)), Some((capture, _))) => capture.push_verbatim(text),
            (Some(Piece::Text(_) | Piece::Verbatim(_)), None) => {}
        }
    }
    // An entry that is cut off may lack its identity, and would be added twice for that.
    reader.draft.cut_at = reader.entry.map(|entry| entry.at);
    reader.draft.is_cut = !reader.stack.is_empty();
    match reader.foreign {
        Some(root) if !reader.has_root || reader.draft.entries.is_empty() => {
            Err(NoFeed::Root(root))
        }
        _ if reader.has_root => Ok(reader.draft),
        _ => Err(NoFeed::NoElement),
    }
}

/// An element that is open.
#[derive(Debug)]
struct Open {
    /// As it was written, with its prefix.
    name: String,
    vocabulary: Vocabulary,
    is_entry: bool,
    /// How many bases and prefixes hold outside of it.
    bases_before: usize,
    prefixes_before: usize,
}

#[derive(Debug)]
struct Reader<'a> {
    text: &'a str,
    stack: Vec<Open>,
    prefixes: Vec<(String, Vocabulary)>,
    bases: Bases,
    draft: Draft,
    entry: Option<Entry>,
    /// Text that is being gathered, and how many elements were open around its own.
    capture: Option<(Capture, usize)>,
    has_root: bool,
    /// An element around it, if it is not the outermost one.
    foreign: Option<String>,
    is_atom: bool,
    /// Up to where lines were counted, and at which line that is.
    counted: (usize, usize),
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            stack: Vec::new(),
            prefixes: Vec::new(),
            bases: Vec::new(),
            draft: Draft::default(),
            entry: None,
            capture: None,
            has_root: false,
            foreign: None,
            is_atom: false,
            counted: (0, 1),
        }
    }

    fn start(&mut self, start: &Start, at: usize) {
        let name = local(&start.name);
        let is_root = !self.has_root;
        if is_root {
            let roots = if self.foreign.is_none() { &ROOTS[..] } else { &ROOTS_INSIDE[..] };
            if !roots.contains(&name) {
                self.foreign.get_or_insert_with(|| start.name.clone());
                return;
            }
            self.has_root = true;
            self.is_atom = matches!(name, "feed" | "entry");
        }
        if DEPTH_MAX <= self.stack.len() {
            return;
        }
        let (bases_before, prefixes_before) = (self.bases.len(), self.prefixes.len());
        self.enter(start);
        let mut vocabulary = self.vocabulary(&start.name);
        if is_root && vocabulary == Vocabulary::Other {
            // Its outermost element shows that it is a feed, under any name.
            vocabulary = Vocabulary::Rss;
            self.prefixes.push((prefix(&start.name).to_owned(), vocabulary));
        }
        let is_entry =
            vocabulary.is_feed() && matches!(name, "item" | "entry") && !self.is_in_foreign();
        if is_entry {
            self.leave_entry();
            self.entry = Some(self.new_entry(start, at));
        } else if let Some((capture, _)) = &mut self.capture {
            capture.push_start(name);
        } else if self.entry.is_some() {
            if let Some(field) = Field::of(vocabulary, name).filter(|_| self.is_in_entry()) {
                self.begin(field, start);
            }
        } else if vocabulary.is_feed() {
            self.begin_feed(name, start);
        }
        let name = start.name.clone();
        let open = Open { name, vocabulary, is_entry, bases_before, prefixes_before };
        self.stack.push(open);
        if start.is_empty {
            self.leave();
        }
    }

    /// Notes what the attributes say of everything inside the element.
    fn enter(&mut self, start: &Start) {
        for (name, value) in &start.attributes {
            if name == "xml:base" {
                self.bases.push(value.trim().into());
            } else if name == "xmlns" {
                self.prefixes.push((String::new(), Vocabulary::of_uri(value, true)));
            } else if let Some(prefix) = name.strip_prefix("xmlns:") {
                self.prefixes.push((prefix.to_owned(), Vocabulary::of_uri(value, false)));
            }
        }
    }

    fn vocabulary(&self, name: &str) -> Vocabulary {
        let prefix = prefix(name);
        let declared = self.prefixes.iter().rev().find(|(declared, _)| declared == prefix);
        declared.map_or_else(|| Vocabulary::of_prefix(prefix), |(_, vocabulary)| *vocabulary)
    }

    fn new_entry(&mut self, start: &Start, at: usize) -> Entry {
        let mut entry = Entry { at: self.line(at), ..Entry::default() };
        if let Some(about) = start.get("rdf:about") {
            entry.links.push(self.link(about, LinkKind::Id));
        }
        entry
    }

    /// The line of a byte; bytes are asked for in their order.
    fn line(&mut self, at: usize) -> usize {
        let (counted, line) = self.counted;
        let between = self.text.get(counted..at).unwrap_or_default();
        self.counted = (at, line + between.bytes().filter(|byte| *byte == b'\n').count());
        self.counted.1
    }

    fn link(&self, href: &str, kind: LinkKind) -> Link {
        Link { href: href.to_owned(), kind, bases: self.bases.clone() }
    }

    /// Says whether the innermost element is an entry, or gathers parts of one.
    fn is_in_entry(&self) -> bool {
        let mut open = self.stack.iter().rev();
        let is_group = |open: &&Open| {
            open.vocabulary == Vocabulary::Media && matches!(local(&open.name), "group" | "content")
        };
        open.find(|open| !is_group(open)).is_some_and(|open| open.is_entry)
    }

    /// Says whether this is inside an element of an entry that is none of ours; what such an
    /// element holds, be it an entry, is not for the feed's readers.
    fn is_in_foreign(&self) -> bool {
        let inside = self.stack.iter().rev().take_while(|open| !open.is_entry);
        self.entry.is_some() && inside.into_iter().any(|it| it.vocabulary == Vocabulary::Other)
    }

    fn begin(&mut self, field: Field, start: &Start) {
        let href = start.get("href").or_else(|| start.get("url")).filter(|href| !href.is_empty());
        let link = match (field, href) {
            (Field::Link, Some(href)) => link_kind(start).map(|kind| self.link(href, kind)),
            (Field::Attachment, Some(href)) => Some(self.link(href, LinkKind::Attachment)),
            (Field::Attachment, None) => None,
            (Field::Category, _) if category(start).is_some() => None,
            _ => {
                let capture = Capture::new(Target::Entry(field), start, self.is_atom);
                self.capture = Some((capture, self.stack.len()));
                None
            }
        };
        let Some(entry) = &mut self.entry else { return };
        entry.links.extend(link);
        if let (Field::Category, Some(category)) = (field, category(start)) {
            entry.add_category(category);
        }
    }

    /// Begins an element of the feed itself, unless it is one of its logo or its search box.
    fn begin_feed(&mut self, name: &str, start: &Start) {
        let parent = self.stack.last().map(|open| local(&open.name));
        if !parent.is_some_and(|parent| matches!(parent, "channel" | "feed")) {
            return;
        }
        let target = match (name, start.get("href")) {
            ("title", _) => Target::FeedTitle,
            ("id", _) => Target::FeedId,
            ("link", None) => Target::FeedLink,
            ("link", Some(href)) => {
                let link = link_kind(start).map(|kind| self.link(href, kind));
                self.draft.links.extend(link);
                return;
            }
            _ => return,
        };
        self.capture = Some((Capture::new(target, start, self.is_atom), self.stack.len()));
    }

    /// Closes an element. An end tag that closes nothing is passed over, and so is one inside an
    /// entry that would close an element outside of it, except the feed as a whole.
    fn end(&mut self, name: &str) {
        let Some(at) = self.stack.iter().rposition(|open| open.name == name) else { return };
        let leaves_entry = self.stack.iter().skip(at + 1).any(|open| open.is_entry);
        if leaves_entry && !ROOTS.contains(&local(name)) {
            return;
        }
        while at < self.stack.len() {
            self.leave();
        }
    }

    fn leave_entry(&mut self) {
        let entry = self.stack.iter().position(|open| open.is_entry);
        let around = entry.or(self.capture.as_ref().map(|(_, depth)| *depth));
        while around.is_some_and(|at| at < self.stack.len()) {
            self.leave();
        }
    }

    /// Closes the innermost element.
    fn leave(&mut self) {
        let Some(open) = self.stack.pop() else { return };
        match self.capture.take() {
            Some((capture, depth)) if depth == self.stack.len() => self.keep(capture),
            Some((mut capture, depth)) => {
                capture.push_end(local(&open.name));
                self.capture = Some((capture, depth));
            }
            None => {}
        }
        if open.is_entry {
            self.draft.entries.extend(self.entry.take());
        }
        self.bases.truncate(open.bases_before);
        self.prefixes.truncate(open.prefixes_before);
    }

    /// Keeps the gathered text.
    fn keep(&mut self, capture: Capture) {
        let bases = self.bases.clone();
        let page = |href| Link { href, kind: LinkKind::Page, bases };
        match (capture.target(), &mut self.entry) {
            (Target::FeedTitle, _) if self.draft.title.is_empty() => {
                self.draft.title = capture.into_label();
            }
            (Target::FeedId, _) if self.draft.id.is_empty() => {
                self.draft.id = capture.into_plain();
            }
            (Target::FeedLink, _) => self.draft.links.push(page(capture.into_plain())),
            (Target::Entry(Field::Link), Some(entry)) => {
                entry.links.push(page(capture.into_plain()));
            }
            (Target::Entry(field), Some(entry)) => entry.keep(field, capture, &self.bases),
            (Target::FeedTitle | Target::FeedId | Target::Entry(_), _) => {}
        }
    }
}

impl Entry {
    fn keep(&mut self, field: Field, capture: Capture, bases: &Bases) {
        match field {
            Field::Title(rank) => self.titles.offer(rank, capture.into_label()),
            Field::Text(rank) => self.texts.offer(rank, capture.into_text()),
            Field::Id => {
                let id = capture.into_plain();
                if self.id.is_empty() {
                    let bases = bases.clone();
                    self.links.push(Link { href: id.clone(), kind: LinkKind::Id, bases });
                    self.id = id;
                }
            }
            Field::Category => self.add_category(&capture.into_label()),
            Field::Published => self.dates.push((DateKind::Published, capture.into_plain())),
            Field::Issued => self.dates.push((DateKind::Issued, capture.into_plain())),
            Field::Updated => self.dates.push((DateKind::Updated, capture.into_plain())),
            Field::Link | Field::Attachment => {}
        }
    }

    fn add_category(&mut self, category: &str) {
        if self.category.is_empty() {
            self.category = text::cut(text::of_html(category), CATEGORY_MAX);
        }
    }
}

/// The target of a `link`; `None` if it is not for readers.
fn link_kind(start: &Start) -> Option<LinkKind> {
    let rel = start.get("rel").unwrap_or_default().to_ascii_lowercase();
    let media_type = start.get("type").unwrap_or_default().to_ascii_lowercase();
    let is_page = media_type.is_empty() || media_type.contains("html");
    // RFC 4287, section 4.2.7.2: without a relation, or with its full name, it is `alternate`.
    match rel.rsplit('/').next().unwrap_or_default() {
        "" | "alternate" if is_page => Some(LinkKind::Page),
        "" | "alternate" | "canonical" => Some(LinkKind::Alternate),
        "enclosure" => Some(LinkKind::Attachment),
        "self" => Some(LinkKind::Itself),
        "related" | "via" => Some(LinkKind::Other),
        _ => None,
    }
}

/// The category that an attribute names.
fn category(start: &Start) -> Option<&str> {
    let names = ["term", "text", "label"].into_iter().filter_map(|name| start.get(name));
    names.into_iter().find(|name| !name.is_empty())
}

fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

fn prefix(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}
