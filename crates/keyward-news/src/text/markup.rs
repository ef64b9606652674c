//! Telling the tags in a text from what only looks like one.
//!
//! For a browser `if a<b then` holds a tag without an end. In a feed it is a sentence: RSS does not
//! say whether a title is text or HTML, and texts are cut in the middle of a tag.

use std::borrow::Cow;

/// Elements of HTML, present and past, in alphabetical order.
const ELEMENTS: [&str; 137] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "base",
    "basefont",
    "bdi",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "circle",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "datalist",
    "dd",
    "del",
    "details",
    "dfn",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "frame",
    "frameset",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "legend",
    "li",
    "link",
    "main",
    "map",
    "mark",
    "marquee",
    "math",
    "menu",
    "meta",
    "meter",
    "nav",
    "nobr",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "param",
    "path",
    "picture",
    "plaintext",
    "pre",
    "progress",
    "q",
    "rb",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "script",
    "search",
    "section",
    "select",
    "slot",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "track",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

/// Attributes that have no value.
const BARE: [&str; 26] = [
    "allowfullscreen",
    "async",
    "autofocus",
    "autoplay",
    "checked",
    "clear",
    "compact",
    "controls",
    "declare",
    "defer",
    "default",
    "disabled",
    "hidden",
    "inert",
    "ismap",
    "itemscope",
    "loop",
    "multiple",
    "muted",
    "noshade",
    "nowrap",
    "open",
    "readonly",
    "required",
    "reversed",
    "selected",
];

/// HTML in which every `<` begins a tag or a comment, and how many tags there are; other `<` are
/// written as references.
pub(super) fn mark(text: &str) -> (Cow<'_, str>, usize) {
    if !text.contains('<') {
        return (Cow::Borrowed(text), 0);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut rest, mut tags) = (text, 0);
    while let Some((before, inside)) = rest.split_once('<') {
        out.push_str(before);
        match end(inside) {
            Some(end) => {
                let (tag, behind) = inside.split_at_checked(end).unwrap_or((inside, ""));
                out.push('<');
                out.push_str(tag);
                // A text that is cut in the middle of a tag ends there.
                if behind.is_empty() && !tag.ends_with('>') {
                    out.truncate(out.len() - tag.len() - 1);
                }
                (rest, tags) = (behind, tags + 1);
            }
            None => {
                out.push_str("&lt;");
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    (Cow::Owned(out), tags)
}

/// Says whether this begins with an element that is closed, as HTML does that was escaped twice.
pub(super) fn is_document(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('<') else { return false };
    end(inside).is_some() && text.contains("</") && text.ends_with('>')
}

/// Where the tag or comment ends whose `<` precedes this, after its `>`; `None` if it is neither.
fn end(inside: &str) -> Option<usize> {
    if let Some(comment) = inside.strip_prefix("!--") {
        return Some(comment.find("-->").map_or(inside.len(), |at| at + "!---->".len()));
    }
    if let Some(bogus) = inside.strip_prefix(['!', '?']) {
        bogus.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(())?;
        return inside.find('>').map(|at| at + 1);
    }
    let (is_end, tag) = inside.strip_prefix('/').map_or((false, inside), |tag| (true, tag));
    let name_len = tag.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-')));
    let (name, attributes) = tag.split_at_checked(name_len.unwrap_or(tag.len()))?;
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(())?;
    let name = Name::of(name);
    if is_end {
        let blank = attributes.len() - attributes.trim_start().len();
        let closed = attributes.trim_start().starts_with('>');
        let is_tag = name.is_known && (closed || attributes.trim_start().is_empty());
        let len = inside.len() - attributes.len() + blank + usize::from(closed);
        return is_tag.then_some(len);
    }
    let mut scan = Attributes { rest: attributes, has_value: false, has_odd: false };
    let is_closed = scan.skip()?;
    let is_plausible = if is_closed {
        let is_typed = name.is_known && !name.is_mixed && !scan.has_odd;
        scan.has_value || is_typed && (!name.is_anchor || tag.contains("</"))
    } else {
        // Cut in the middle: `<img` and `<a href="…` are, `a <b` and `a <b then c` are not.
        name.is_known && (scan.has_value || name.is_long && !scan.has_odd)
    };
    is_plausible.then_some(inside.len() - scan.rest.len())
}

/// The properties of a tag that follow from its name.
#[expect(clippy::struct_excessive_bools, reason = "each is asked for on its own")]
struct Name {
    is_known: bool,
    /// `Object` is more likely a type of some language than `object` is.
    is_mixed: bool,
    /// `<a>` without anything opens nothing; `Foo<A>` is a type.
    is_anchor: bool,
    is_long: bool,
}

impl Name {
    fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        // `o:p` is what word processors write, `std::string` is not.
        let has_prefix = lower
            .split_once(':')
            .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        let is_known = has_prefix || ELEMENTS.binary_search(&lower.as_str()).is_ok();
        let is_mixed = name != lower && name != name.to_ascii_uppercase();
        Self { is_known, is_mixed, is_anchor: lower == "a", is_long: 1 < name.len() }
    }
}

/// The attributes of a tag, skipped one by one.
struct Attributes<'a> {
    rest: &'a str,
    /// One has a value, as hardly anything but a tag does.
    has_value: bool,
    /// One has none, and is not known to need none.
    has_odd: bool,
}

impl Attributes<'_> {
    /// Skips to the end of the tag. `Some(true)` is after its `>`, `Some(false)` the end of the
    /// text, and `None` says that it is no tag.
    fn skip(&mut self) -> Option<bool> {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            let Some(first) = self.rest.chars().next() else { return Some(false) };
            match first {
                '>' => {
                    self.rest = self.rest.get(1..)?;
                    return Some(true);
                }
                '<' => return None,
                _ if is_name(first) => self.skip_one()?,
                _ if self.has_value => self.rest = self.rest.get(first.len_utf8()..)?,
                _ => return None,
            }
        }
    }

    fn skip_one(&mut self) -> Option<()> {
        let len = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, behind) = self.rest.split_at_checked(len)?;
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            let name = name.to_ascii_lowercase();
            self.has_odd |= !name.starts_with("data-") && !BARE.contains(&name.as_str());
            self.rest = behind;
            return Some(());
        };
        self.has_value = true;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        self.rest = match quote {
            // Without an end, all of it is in the value.
            Some(quote) => value.get(1..)?.split_once(quote).map_or("", |(_, rest)| rest),
            None => {
                let end = value.find(|c: char| c.is_whitespace() || c == '>');
                value.get(end.unwrap_or(value.len())..)?
            }
        };
        Some(())
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '@')
}
