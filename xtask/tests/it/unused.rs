//! Dependencies that nothing uses.
//!
//! A crate that is named in a manifest is named in the code that may use it: normal ones
//! in `src`, without its tests; what tests need in tests, examples, benches and doc tests.

use std::path::Path;

use crate::metadata::{Dependency, Metadata, Package};
use crate::tidy::{is_tests, read, rust_files};

/// Dependencies that no code names, and why they are there: the crate, the dependency, the reason.
const UNNAMED: [(&str, &str, &str); 0] = [];

#[test]
fn each_dependency_is_used_where_it_is_said_to_be() {
    let metadata = Metadata::read();
    let mut unused = Vec::new();
    for package in metadata.members() {
        let (code, tests) = (code(package), tests(package));
        for needed in &package.dependencies {
            let is_used = match needed.kind.as_deref() {
                None => names(&code, needed),
                Some("dev") => names(&tests, needed),
                Some(kind) => panic!("{} has dependencies of the kind {kind}", package.name),
            };
            if !is_used {
                unused.push((package.name.clone(), needed.name.clone()));
            }
        }
    }
    let is_known = |(package, needed): &(String, String)| {
        UNNAMED.iter().any(|(known, name, _)| known == package && name == needed)
    };
    let new: Vec<_> = unused.iter().filter(|pair| !is_known(pair)).collect();
    assert!(new.is_empty(), "no code names these dependencies: {new:?}");
    for (package, name, _) in UNNAMED {
        let pair = (package.to_owned(), name.to_owned());
        assert!(unused.contains(&pair), "{pair:?} is named: it is no exception any more");
    }
}

/// The code of a crate without its tests and comments.
fn code(package: &Package) -> String {
    let files = rust_files(&package.folder().join("src"));
    let files = files.into_iter().filter(|file| !file.iter().any(is_tests));
    let text = |text: String| {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    };
    files.map(|file| text(read(&file))).collect()
}

/// Everything that tests may name a crate in: unit tests and doc tests are in `src`.
fn tests(package: &Package) -> String {
    let folders = ["src", "tests", "benches", "examples"].map(|name| package.folder().join(name));
    let files = folders.iter().flat_map(|folder| rust_files(folder));
    files.map(|file| read(&file) + &elsewhere(&file)).collect()
}

/// The modules of a file that are in other crates, by `#[path = "…"]`.
fn elsewhere(file: &Path) -> String {
    let text = read(file);
    let paths =
        text.lines().filter_map(|line| line.strip_prefix("#[path = \"")?.strip_suffix("\"]"));
    paths.map(|path| read(&file.with_file_name(path))).collect()
}

/// Whether a path begins with the dependency.
fn names(code: &str, needed: &Dependency) -> bool {
    let name = needed.rename.as_ref().unwrap_or(&needed.name).replace('-', "_");
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(&name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_first = !before.ends_with(in_name) && !before.ends_with('.');
        is_first
            && (after.starts_with("::")
                || (before.ends_with("use ") && !after.starts_with(in_name)))
    })
}

#[test]
fn a_crate_that_nothing_names_is_noticed() {
    let needed = |name: &str| {
        let needed = serde_json::json!({ "name": name, "req": "^1" });
        serde_json::from_value::<Dependency>(needed).unwrap()
    };
    let named = |code: &str| names(code, &needed("http-body"));
    assert!(named("use http_body::Body;") && named("#[http_body::main]"));
    assert!(named("pub use http_body;") && named("fn a(b: &http_body::B)"));
    assert!(!named("use http_body_util::B;") && !named("let http_body = 1;"));
    assert!(!named("use my_http_body::B;") && !named("a.http_body::<B>()"));
}
