//! Plain text out of the HTML that feeds carry.
//!
//! What leaves this module holds no tag, but it is text, not HTML: who puts it on a page escapes
//! it, as any text.

/// Tags that may stand inside a word; all others part words.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q",
    "s", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];

/// Named characters that feeds use; numbers say all others.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("hellip", '…'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("bull", '•'),
    ("middot", '·'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
];

/// Longest reference that is looked for, between `&` and `;`.
const REFERENCE_LEN_MAX: usize = 10;

/// The text of a piece of HTML: tags are gone, references are characters, white space is one
/// space each.
pub(crate) fn of_html(html: &str) -> String {
    // Text that was escaped twice may hold tags now; nobody wants to read those either.
    without_tags(&without_references(&without_tags(html)))
}

/// The text without what looks like a tag or a comment, and with one space for white space.
///
/// Doing it twice changes nothing: no new tag can arise from what is left.
pub(crate) fn without_tags(text: &str) -> String {
    let mut out = Words(String::with_capacity(text.len().min(64 * 1_024)));
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from_tag) = rest.split_at(at);
        out.push_str(before);
        let inside = from_tag.strip_prefix('<').unwrap_or_default();
        if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            out.push('<');
            rest = inside;
            continue;
        }
        let name = name(inside);
        let end = end(inside, name);
        if end.is_none() || !INLINE.iter().any(|inline| inline.eq_ignore_ascii_case(name)) {
            out.push(' ');
        }
        // A tag without an end is none for a reader of text, but what it holds is no text either.
        rest = end.unwrap_or_default();
    }
    out.push_str(rest);
    out.0.truncate(out.0.trim_end().len());
    out.0
}

/// The first `max` characters.
pub(crate) fn cut(mut text: String, max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
        text.truncate(text.trim_end().len());
    }
    text
}

/// Text with references to characters replaced by them; unknown ones stay.
pub(crate) fn without_references(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from_reference) = rest.split_at(at);
        out.push_str(before);
        let inside = from_reference.strip_prefix('&').unwrap_or_default();
        let end = inside.bytes().take(REFERENCE_LEN_MAX + 1).position(|byte| byte == b';');
        let reference = end.and_then(|end| inside.split_at_checked(end));
        let known = reference.and_then(|(name, tail)| Some((character(name)?, tail)));
        let (character, tail) = known.unwrap_or(('&', inside));
        out.push(character);
        rest = if known.is_some() { tail.strip_prefix(';').unwrap_or(tail) } else { tail };
    }
    out.push_str(rest);
    out
}

/// Text under construction: white space and control characters are one space, and none stands at
/// the beginning.
struct Words(String);

impl Words {
    fn push_str(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    fn push(&mut self, c: char) {
        let blank = c.is_whitespace() || c.is_control();
        match self.0.chars().next_back() {
            None | Some(' ') if blank => {}
            // What stood between them is gone, and they must not become a tag for that.
            Some('<') if c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?') => {
                self.0.push(' ');
                self.0.push(c);
            }
            _ => self.0.push(if blank { ' ' } else { c }),
        }
    }
}

/// The name of the tag that begins here, behind `<` or `</`.
fn name(inside: &str) -> &str {
    let name = inside.strip_prefix('/').unwrap_or(inside);
    name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// What follows a tag, or follows an element whose content is no text.
fn end<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    if let Some(comment) = inside.strip_prefix("!--") {
        return comment.split_once("-->").map(|(_, rest)| rest);
    }
    let (_, mut rest) = inside.split_once('>')?;
    let holds_text = !["script", "style"].iter().any(|it| it.eq_ignore_ascii_case(name));
    if holds_text || inside.starts_with('/') {
        return Some(rest);
    }
    loop {
        rest = rest.split_once("</")?.1;
        if self::name(rest).eq_ignore_ascii_case(name) {
            return rest.split_once('>').map(|(_, rest)| rest);
        }
    }
}

fn character(reference: &str) -> Option<char> {
    let Some(number) = reference.strip_prefix('#') else {
        return NAMED.iter().find(|(name, _)| *name == reference).map(|(_, character)| *character);
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    code.ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let check = |html: &str, text: &str| assert_eq!(of_html(html), text, "{html}");
        check("<p>Hello, <b>W</b>orld!</p>\n<p>Again</p>", "Hello, World! Again");
        check("one<br/>two<!-- <b>three</b> -->", "one two");
        check("a<script>if (1 < 2) { alert('</b>') }</SCRIPT >b", "a b");
        check("Tom &amp; Jerry&#8217;s &#x1F408; &unknown; &", "Tom & Jerry’s 🐈 &unknown; &");
        check("&lt;p&gt;escaped twice&lt;/p&gt;", "escaped twice");
        check("1 < 2 > 0 and a<", "1 < 2 > 0 and a<");
        check("cut in a tag <img src=\"x", "cut in a tag");
        check("&é; &#xD800; &#99999999;", "&é; &#xD800; &#99999999;");
        check("", "");
    }

    #[test]
    fn no_tag_arises_from_what_is_left() {
        for text in ["<<b>script>", "<<i></i>b>", "<<!---->a>", "a<\u{1}b>", "<scr<b>ipt>x"] {
            let once = without_tags(text);
            assert_eq!(without_tags(&once), once, "{text}");
        }
        assert_eq!(without_tags("<<b>script>"), "< script>");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("äöü".to_owned(), 3), "äöü");
        assert_eq!(cut("äöü".to_owned(), 2), "äö");
        assert_eq!(cut("ä öü".to_owned(), 2), "ä");
    }
}
