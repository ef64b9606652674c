//! Examples that compile, on the public path: the types and functions that the README, the other
//! documents, the examples and the front pages of the libraries name.
//!
//! A name that is new there, and has no example in its own documentation, fails.

use std::path::Path;

use crate::documents::documents;
use crate::tidy::{read, root, rust_files};

/// The crates that a library user calls.
const LIBRARIES: [&str; 4] = ["keyward", "keyward-http", "keyward-axum", "keyward-admin"];

/// A public type or function of a library.
#[derive(Debug, Default)]
struct Item {
    /// The type or the trait that a function belongs to.
    parent: Option<String>,
    name: String,
    is_function: bool,
    takes_self: bool,
    has_example: bool,
}

impl Item {
    fn path(&self) -> String {
        let parent = self.parent.as_ref().map(|parent| format!("{parent}::"));
        parent.unwrap_or_default() + &self.name
    }

    /// Whether these texts name it. A function has to be named with its type, called as a method
    /// while its type is named too, or be called by itself.
    fn is_in(&self, texts: &str) -> bool {
        let named = |what: &str, fits: &dyn Fn(&str) -> bool| {
            let mut found = texts.match_indices(what).map(|(at, _)| texts.split_at(at));
            let ends = |rest: &str| what.ends_with('(') || !rest.starts_with(in_name);
            found.any(|(before, rest)| fits(before) && ends(&rest[what.len()..]))
        };
        // `X-API-Key` names no `Key`.
        let is_word = |before: &str| !before.ends_with(in_name) && !before.ends_with('-');
        match &self.parent {
            None if !self.is_function => named(&self.name, &is_word),
            None => {
                let is_called = |before: &str| !before.ends_with('.') && is_word(before);
                // A link has a line of its own.
                texts.lines().any(|line| line.trim_end_matches("()") == self.name)
                    || named(&self.name, &|before| before.ends_with("::"))
                    || named(&format!("{}(", self.name), &is_called)
            }
            Some(parent) => {
                let is_called = texts.contains(&format!(".{}(", self.name));
                named(&self.path(), &is_word)
                    || self.takes_self && is_called && named(parent, &is_word)
            }
        }
    }
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn every_name_of_the_public_path_has_an_example() {
    let texts = public_path();
    let items: Vec<_> = LIBRARIES.into_iter().flat_map(items_of).collect();
    let named: Vec<_> = items.iter().filter(|(_, item)| item.is_in(&texts)).collect();
    let bare = named.iter().filter(|(_, item)| !item.has_example);
    let bare: Vec<_> = bare.map(|(package, item)| format!("{package}: {}", item.path())).collect();
    assert!(bare.is_empty(), "named, and without an example:\n{}", bare.join("\n"));
    assert!(30 < named.len(), "the names are found: {named:?}");
}

/// A block of Rust in a document is the business of a compiler too.
#[test]
fn every_rust_block_of_a_document_is_compiled() {
    let libs: String = LIBRARIES.into_iter().map(front).collect();
    // `CONTRIBUTING.md` shows parts of our own code.
    for file in documents().iter().filter(|file| !file.ends_with("CONTRIBUTING.md")) {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let included = format!("include_str!(\"../../../{name}\")");
        let has_rust = !blocks(&read(file), &["rust"]).is_empty();
        assert_eq!(libs.contains(&included), has_rust, "a library includes {name}");
    }
}

/// The file that has a library's front page.
fn front(library: &str) -> String {
    read(&root().join("crates").join(library).join("src/lib.rs"))
}

/// All code and all links that name the public path.
fn public_path() -> String {
    let documents = documents().into_iter().map(|file| blocks(&read(&file), &["rust"]));
    let crates = root().join("crates");
    let examples =
        LIBRARIES.into_iter().flat_map(|name| rust_files(&crates.join(name).join("examples")));
    let examples = examples.map(|file| read(&file));
    let fronts = LIBRARIES.map(|library| {
        let lib = front(library);
        let page = lib.lines().filter_map(|line| line.strip_prefix("//!"));
        let page: String = page.flat_map(|line| [line.trim_start(), "\n"]).collect();
        blocks(&page, &[""]) + &links(&page)
    });
    documents.chain(examples).chain(fronts).collect::<Vec<_>>().join("\n")
}

/// The code between fences that open with one of these words.
fn blocks(markdown: &str, languages: &[&str]) -> String {
    let (mut inside, mut is_wanted, mut code) = (false, false, String::new());
    for line in markdown.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if !inside => {
                let language = language.trim_end_matches(",no_run");
                (inside, is_wanted) = (true, languages.contains(&language));
            }
            Some(_) => inside = false,
            None if inside && is_wanted => code.extend([line, "\n"]),
            None => {}
        }
    }
    code
}

/// The names that links of documentation lead to, a line each.
fn links(page: &str) -> String {
    let texts = page.split("[`").skip(1).filter_map(|rest| rest.split_once("`]"));
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    texts.chain(targets).flat_map(|(name, _)| [name, "\n"]).collect()
}

/// The public types and functions of a library, each with its library.
fn items_of(library: &str) -> Vec<(&str, Item)> {
    let src = root().join("crates").join(library).join("src");
    let tests = ["tests", "tests.rs", "conformance", "conformance.rs"];
    let is_test = |file: &Path| file.iter().any(|part| tests.iter().any(|it| part == *it));
    let files = rust_files(&src).into_iter().filter(|file| !is_test(file));
    files.flat_map(|file| items(&read(&file))).map(|item| (library, item)).collect()
}

/// The public types and functions of a file, and the functions of its public traits.
fn items(text: &str) -> Vec<Item> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut found, mut docs, mut parent, mut in_trait) = (Vec::new(), String::new(), None, false);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///") {
            docs.extend([doc.trim_start(), "\n"]);
            continue;
        }
        if code.starts_with("#[") {
            // An attribute is between an item and its documentation, on one line or on several.
            let ends = |line: &str| line.ends_with(']');
            if !ends(line) {
                lines.by_ref().find(|line| ends(line));
            }
            continue;
        }
        if line.starts_with("impl") {
            parent = implemented(line);
        } else if line.starts_with('}') {
            (parent, in_trait) = (None, false);
        } else if let Some((word, name)) = declared(code, in_trait) {
            let is_function = word == "fn";
            let whole = code.to_owned() + lines.peek().unwrap_or(&"");
            let takes_self = is_function && whole.split(')').next().unwrap().contains("self");
            let parent_of_it = parent.clone().filter(|_| is_function && line.starts_with("    "));
            let has_example = has_example(&docs);
            if word == "trait" {
                (parent, in_trait) = (Some(name.to_owned()), true);
            }
            let (parent, name) = (parent_of_it, name.to_owned());
            found.push(Item { parent, name, is_function, takes_self, has_example });
        }
        docs.clear();
    }
    found
}

/// The type that an `impl` is of.
fn implemented(line: &str) -> Option<String> {
    let path = match line.split_once(" for ") {
        Some((_, type_)) => type_,
        None => match line.strip_prefix("impl<") {
            Some(generic) => generic.split_once("> ")?.1,
            None => line.strip_prefix("impl ")?,
        },
    };
    Some(path.split(|c| !in_name(c)).next()?.to_owned())
}

/// The keyword and the name of a declaration, if it is one of a type or a function that others see.
fn declared(code: &str, in_trait: bool) -> Option<(&str, &str)> {
    let public = code.strip_prefix("pub ");
    let mut rest = public.or_else(|| Some(code).filter(|_| in_trait))?;
    for word in ["const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let (word, rest) = rest.split_once(' ')?;
    let is_item = matches!(word, "fn" | "struct" | "enum" | "trait" | "type");
    let name = rest
        .split(|c| !in_name(c))
        .next()
        .filter(|_| is_item && public.is_some() || word == "fn")
        // A macro declares one whose name it is given.
        .filter(|name| !name.is_empty())?;
    Some((word, name))
}

/// Whether documentation has a block of Rust that is compiled, and run unless it opens a socket.
fn has_example(docs: &str) -> bool {
    let is_run = !blocks(docs, &["", "rust"]).is_empty() && !docs.contains("no_run");
    is_run || docs.contains("no_run") && docs.contains("TcpListener")
}

#[test]
fn a_name_without_an_example_is_noticed() {
    let text = "\
        /// A guard.\n///\n/// ```\n/// Guard::new();\n/// ```\n#[derive(\n    Debug,\n)]\n\
        pub struct Guard;\n\n\
        impl<S: Clone> Guard<S> {\n    /// Bare.\n    pub fn new() -> Self {}\n\n    \
        /// ```ignore\n    /// a\n    /// ```\n    pub async fn issue(\n        &self,\n    ) {}\n\n    \
        fn hidden(&self) {}\n}\n\n\
        /// ```no_run\n/// TcpListener::bind();\n/// ```\npub fn serve() {}\n\n\
        /// ```no_run\n/// later();\n/// ```\npub trait Clock {\n    /// Bare.\n    fn now(&self);\n}\n\
        #[cfg(test)]\nmod tests {\n    pub fn in_test() {}\n}\n";
    let found = items(text);
    let paths: Vec<_> = found.iter().map(Item::path).collect();
    assert_eq!(paths, ["Guard", "Guard::new", "Guard::issue", "serve", "Clock", "Clock::now"]);
    let has: Vec<_> = found.iter().map(|item| item.has_example).collect();
    assert_eq!(has, [true, false, false, true, false, false]);

    let named = |texts: &str| -> Vec<_> {
        found.iter().filter(|item| item.is_in(texts)).map(Item::path).collect()
    };
    assert_eq!(named("let guard: Guard = Guard::new();"), ["Guard", "Guard::new"]);
    assert_eq!(named("guard.issue(key)"), [""; 0], "its type is not named");
    assert_eq!(named("fn a(guard: &Guard) { guard.issue(key) }"), ["Guard", "Guard::issue"]);
    assert_eq!(named("GuardLayer::newer(axum.serve(), reserve())"), [""; 0]);
    assert_eq!(named("serve(a)"), ["serve"]);
    assert_eq!(named("use a::serve;"), ["serve"]);
    assert_eq!(named("let serve = X-API-Clock;"), [""; 0]);
    let page = "[`Clock`] and [the guard](crate::Guard::issue).\n";
    assert_eq!(named(&links(page)), ["Guard", "Guard::issue", "Clock"]);
    assert_eq!(named(&links("[`serve()`]")), ["serve"]);
}
