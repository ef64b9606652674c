//! The field's words: comments, documents, messages and help are in plain technical English.
//!
//! The subject of a sentence is a noun, and HTTP has responses and rejections. A phrase of
//! [`BANNED`] is a sentence that a reader of the field reads twice.

use std::path::{Path, PathBuf};

use crate::documents::documents;
use crate::tidy::{every_file, read, root};

/// Phrases that are not used, each with its plain form. A `*` at the end is any rest of a word.
const BANNED: [(&str, &str); 23] = [
    ("somebody", "the operator, the caller, the client, an attacker"),
    ("someone", "the operator, the caller, the client, an attacker"),
    ("nobody", "no caller, no other task, it is unknown"),
    ("anybody", "the operator, the caller, the client, an attacker"),
    ("whoever", "the operator, the caller, the client, an attacker"),
    ("those that", "the noun: `the keys that`"),
    ("those who", "the noun: `the callers who`"),
    ("what is", "the noun: `the expired key`"),
    ("what are", "the noun"),
    ("what was", "the noun: `the stored row`"),
    ("what were", "the noun"),
    ("what has", "the noun"),
    ("what have", "the noun"),
    ("what had", "the noun"),
    ("what stands", "the noun"),
    ("behind", "after, later than, in"),
    ("beside", "in addition to, next to"),
    ("besides", "in addition to"),
    ("answer*", "response, respond; result, reply; acknowledge"),
    ("refus*", "reject, rejection; deny, denial for a verdict"),
    ("is over", "has expired, has ended"),
    ("was told", "stored, reported"),
    ("threes", "trigrams"),
];

/// Phrases that stay: terms of the field, and texts that users' programs may compare.
const STAYS: [&str; 17] = [
    "behind a proxy",
    "behind any proxy",
    "service behind it",
    // Reported for a network whose address has host bits.
    "has bits behind the prefix",
    // Why a change gets 503.
    "what was kept of it is given up",
    "which says what is missing",
    // Faults of feeds.
    "what is compressed is damaged",
    // A line of the log that `docs/control-plane.md` names.
    "refused an admin key",
    // The `detail` of a request with both.
    "content length beside transfer encoding",
    // Descriptions in `/openapi.json`.
    "refused because",
    "and what is longer than",
    "what was not there is added what was and differs is changed",
    // The outcome of a line of an import, its count, and the file of such lines.
    "added skipped refused",
    "skipped 0 refused 0 keys",
    "refused jsonl is there already",
    "refused the line is no key",
    "for refused in the dry run",
];

/// A word of prose, or a gap between two texts, and the line that it is on.
#[derive(Debug)]
struct Word {
    line: usize,
    text: String,
}

#[test]
fn prose_is_in_the_fields_words() {
    let faults: Vec<_> = prose_files().iter().flat_map(|file| faults(file)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_phrase_that_stays_is_somewhere() {
    let texts: Vec<_> = prose_files().iter().map(|file| words_of(file)).collect();
    let is_used = |phrase: &&str| texts.iter().any(|words| !matches(words, phrase).is_empty());
    let unused: Vec<_> = STAYS.into_iter().filter(|phrase| !is_used(phrase)).collect();
    assert!(unused.is_empty(), "no text has them any more: {unused:?}");
}

/// Every Rust file but this one, and every document.
fn prose_files() -> Vec<PathBuf> {
    let rust = every_file().into_iter().filter(|file| !file.ends_with("tests/it/words.rs"));
    documents().into_iter().chain(rust).collect()
}

/// Each banned phrase of a file, with its line and its plain form.
fn faults(file: &Path) -> Vec<String> {
    let name = file.strip_prefix(root()).unwrap().display();
    let found = banned(&words_of(file)).into_iter();
    found.map(|(line, phrase, plain)| format!("{name}:{line}: `{phrase}`: {plain}")).collect()
}

/// The words of the prose of a file.
fn words_of(file: &Path) -> Vec<Word> {
    let text = read(file);
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    words(&if is_rust { rust_prose(&text) } else { document_prose(&text) })
}

fn banned(words: &[Word]) -> Vec<(usize, &'static str, &'static str)> {
    let stays: Vec<_> = STAYS.iter().flat_map(|phrase| matches(words, phrase)).collect();
    let is_kept = |at: usize| stays.iter().any(|(from, to)| (*from..*to).contains(&at));
    let mut found = Vec::new();
    for (phrase, plain) in BANNED {
        let hits = matches(words, phrase).into_iter().filter(|(at, _)| !is_kept(*at));
        found.extend(hits.map(|(at, _)| (words[at].line, phrase, plain)));
    }
    found.sort_unstable();
    found
}

/// Where a phrase begins and ends among words.
fn matches(words: &[Word], phrase: &str) -> Vec<(usize, usize)> {
    let parts: Vec<_> = phrase.split(' ').collect();
    let fits = |word: &Word, part: &&str| match part.strip_suffix('*') {
        Some(stem) => word.text.starts_with(stem),
        None => word.text == *part,
    };
    let windows = words.windows(parts.len()).enumerate();
    let hits = windows.filter(|(_, window)| window.iter().zip(&parts).all(|(w, p)| fits(w, p)));
    hits.map(|(at, _)| (at, at + parts.len())).collect()
}

/// The words of prose in lower case, across lines; a gap is an empty one.
fn words(prose: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (line, text) in (1..).zip(prose.lines()) {
        let parts = text.split_inclusive(GAP);
        for part in parts {
            let letters = part.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '_');
            let letters = letters.map(|word| word.trim_matches('\'').to_lowercase());
            let letters = letters.filter(|word| !word.is_empty());
            words.extend(letters.map(|text| Word { line, text }));
            if part.ends_with(GAP) {
                words.push(Word { line, text: String::new() });
            }
        }
    }
    words
}

/// Between two texts that are not one sentence.
const GAP: char = '\u{1f}';

/// The sentences of a document, line by line: without blocks of code, names of code and addresses.
fn document_prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().map(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence { format!("{GAP}\n") } else { without_names(line) + "\n" }
    });
    lines.collect()
}

/// A line without what is between backticks, and without the addresses of links.
fn without_names(line: &str) -> String {
    let sentences = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut parts = sentences.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + " " + part.split_once(')').map_or("", |(_, it)| it))
}

/// The comments and messages of a Rust file, each on its lines; a message is a text with blanks.
fn rust_prose(text: &str) -> String {
    let (mut prose, mut rest, mut is_example) = (String::new(), text, false);
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            let line = rest.lines().next().unwrap_or_default();
            let comment = line.trim_start_matches(['/', '!']);
            let is_fence = comment.trim_start().starts_with("```");
            is_example ^= is_fence;
            match is_example || is_fence {
                true => prose.push(GAP),
                false => prose.push_str(&format!("{comment} ")),
            }
            line.len()
        } else if let Some((literal, inside)) = text_literal(rest) {
            let lines = literal.matches('\n').count();
            match inside.contains(' ') {
                true => prose.push_str(&format!("{GAP}{}{GAP}", message(inside))),
                false => prose.push_str(&"\n".repeat(lines)),
            }
            literal.len()
        } else {
            // Blanks and ends of lines hold the lines of one comment together, code parts them.
            prose.push(if c.is_whitespace() { c } else { GAP });
            character(rest).unwrap_or(c.len_utf8())
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    // Names of code may go on in the next line of a comment.
    let names = prose.split('`').enumerate();
    names.map(|(at, part)| if at % 2 == 0 { part.to_owned() } else { only_lines(part) }).collect()
}

fn only_lines(text: &str) -> String {
    text.chars().filter(|c| *c == '\n').collect()
}

/// A message without its escapes and without what is put into it.
fn message(inside: &str) -> String {
    let inside = inside.replace("\\n", " ").replace('\\', "").replace('`', "\"");
    let mut parts = inside.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + " " + part.split_once('}').map_or(part, |(_, it)| it))
}

/// A literal of text at the beginning, with and without its quotation marks.
fn text_literal(rest: &str) -> Option<(&str, &str)> {
    let hashes = rest.strip_prefix('r').map(|raw| raw.len() - raw.trim_start_matches('#').len());
    let open = rest.get(hashes.map_or(0, |hashes| 1 + hashes)..)?.strip_prefix('"')?;
    let start = rest.len() - open.len();
    let (len, close) = match hashes {
        Some(hashes) => {
            let end = format!("\"{}", "#".repeat(hashes));
            (open.find(&end)?, end.len())
        }
        None => {
            let mut is_escaped = false;
            let is_end = |c: char| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            };
            (open.find(is_end)?, 1)
        }
    };
    Some((rest.get(..start + len + close)?, open.get(..len)?))
}

/// The length of a character in quotation marks, such as `'"'`, at the beginning.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let inside = inside.strip_prefix('\\').unwrap_or(inside);
    let after = inside.chars().next()?.len_utf8();
    inside.get(after..)?.starts_with('\'').then(|| rest.len() - inside.len() + after + 1)
}

#[test]
fn banned_words_are_noticed() {
    let lines = |prose: String| -> Vec<_> {
        banned(&words(&prose)).into_iter().map(|(line, phrase, _)| (line, phrase)).collect()
    };
    let rust = |text: &str| lines(rust_prose(text));
    assert_eq!(rust("/// Nobody knows.\nfn a() {} // what is it"), [(1, "nobody"), (2, "what is")]);
    assert_eq!(rust("//! A key\n\n// of those\n// that work"), [(3, "those that")]);
    assert_eq!(rust("#[error(\"the request\\\n  is refused\")]"), [(2, "refus*")]);
    assert_eq!(
        rust("let a = r#\"it \"is\" behind\"#; let b = '\"'; // beside"),
        [(1, "behind"), (1, "beside")]
    );
    let plain = [
        "fn nobody() { behind(\"nobody\", 'a', \"{answer} {refused:?}\") }",
        "/// See `Refusal`, and [`answer`\n/// or\n/// `those`] that.",
        "/// Of those,\n/// ```\n/// that(\"what is it\");\n/// ```",
        "// behind a proxy",
        "let a = those; // that",
    ];
    for text in plain {
        assert_eq!(rust(text), [], "{text}");
    }
    let document = |text: &str| lines(document_prose(text));
    assert_eq!(document("# Answers\n\n| a | beside |\n"), [(1, "answer*"), (3, "beside")]);
    assert_eq!(document("`nobody` [see](#what-is)\n```\nnobody knows\n```\n"), []);
}
