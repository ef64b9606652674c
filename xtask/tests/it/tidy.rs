//! Rules about text that no compiler and no lint holds, for every crate of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 400;
const LINE_CHARS_MAX: usize = 100;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The directories of all crates.
fn crates() -> Vec<PathBuf> {
    let listed = fs::read_dir(root().join("crates")).unwrap();
    let mut crates: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    crates.extend(["fuzz", "xtask"].map(|name| root().join(name)));
    crates
}

/// Every Rust file at or below a path, if it is there.
pub(crate) fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        return if is_rust { vec![path.to_owned()] } else { Vec::new() };
    }
    let Ok(listed) = fs::read_dir(path) else { return Vec::new() };
    listed.flat_map(|entry| rust_files(&entry.unwrap().path())).collect()
}

pub(crate) fn every_file() -> Vec<PathBuf> {
    let files = crates().into_iter().flat_map(|path| rust_files(&path)).collect::<Vec<_>>();
    assert!(30 < files.len(), "the files are found");
    files
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn each_file_says_first_what_it_holds() {
    for file in every_file() {
        assert!(read(&file).starts_with("//! "), "{} opens with `//!`", file.display());
    }
}

#[test]
fn files_and_lines_stay_short() {
    for file in every_file() {
        let text = read(&file);
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", file.display());
        // Tests quote responses and feeds whole, and so do snapshots.
        let quotes = file.components().any(|part| part.as_os_str() == "tests");
        let quoted = |line: &str| quotes || line.contains("assert_snapshot!");
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !quoted(line)) {
            let chars = line.chars().count();
            assert!(chars <= LINE_CHARS_MAX, "{}:{number}: {chars} characters", file.display());
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file passes.
    let markers = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for file in every_file() {
        let text = read(&file);
        for marker in &markers {
            assert!(!text.contains(marker.as_str()), "{} has a {marker}", file.display());
        }
    }
}

#[test]
fn modules_use_only_those_above_them() {
    let used: Vec<_> = crates().iter().flat_map(|package| used_from_above(package)).collect();
    assert!(used.is_empty(), "modules use others that come later in `lib.rs`: {used:?}");
}

#[test]
fn every_crate_but_this_one_has_an_order() {
    for package in crates().iter().filter(|package| !package.ends_with("xtask")) {
        let lib = package.join("src/lib.rs");
        assert!(lib.is_file(), "{} has the order", lib.display());
    }
}

/// Each use of a module by one above it: the crate, the module, and the one below.
fn used_from_above(package: &Path) -> Vec<(String, String, String)> {
    let (src, name) = (package.join("src"), package.file_name().unwrap().to_str().unwrap());
    let Ok(lib) = fs::read_to_string(src.join("lib.rs")) else { return Vec::new() };
    let order = modules_in_order(&lib);
    let mut found = Vec::new();
    for (at, module) in order.iter().enumerate() {
        let files = rust_files(&src.join(module).with_extension("rs"));
        let files = files.into_iter().chain(rust_files(&src.join(module)));
        // Tests may use anything: they are read last.
        let files = files.filter(|file| !file.iter().any(is_tests));
        let used: Vec<_> = files.flat_map(|file| modules_used(&read(&file))).collect();
        let below = order.iter().skip(at + 1).filter(|other| used.contains(other));
        found.extend(below.map(|below| (name.to_owned(), module.clone(), below.clone())));
    }
    found
}

pub(crate) fn is_tests(part: &std::ffi::OsStr) -> bool {
    part == "tests" || part == "tests.rs"
}

/// The names in `mod name;` and `pub mod name;`, in their order.
fn modules_in_order(lib: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    };
    lib.lines().filter_map(name).collect()
}

/// The names after `crate::` in code, its tests and comments aside.
fn modules_used(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    code.split("crate::").skip(1).flat_map(first_names).collect()
}

/// The name that text begins with, or those of a group, `{a::b, c::{d, e}}`.
fn first_names(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = text.strip_prefix('{') else { return vec![word(text)] };
    let (mut depth, mut names) = (0, Vec::new());
    for part in group.split_inclusive([',', '{', '}']) {
        if depth == 0 {
            names.push(word(part.trim_start()));
        }
        depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
        if depth < 0 {
            break;
        }
    }
    names
}

#[test]
fn a_module_that_is_used_from_above_is_noticed() {
    let lib = "//! Doc.\n\npub mod time;\nmod key;\n#[cfg(test)]\npub(crate) mod gate;\n";
    assert_eq!(modules_in_order(lib), ["time", "key", "gate"]);
    let text = "// crate::not\nuse crate::gate::Gate;\nlet a = crate::key::b;\n\
                use crate::{tier::{Tier, TierName},\n    time};\n\
                #[cfg(test)]\nmod tests {\nuse crate::memory;\n}";
    let mut used = modules_used(text);
    used.retain(|name| !name.is_empty());
    assert_eq!(used, ["gate", "key", "tier", "time"]);
}

/// Where migrations are, and the file that applies them: of each crate, and below its sources.
const MIGRATIONS: [(&str, &str, &str); 5] = [
    ("keyward-sqlite", "migrations", "schema.rs"),
    ("keyward-postgres", "migrations", "schema.rs"),
    ("keyward-postgres", "migrations_of_tickets", "tickets/schema.rs"),
    ("keyward-news", "migrations", "migrations.rs"),
    ("keyward-news", "migrations/postgres", "postgres.rs"),
];

#[test]
fn migrations_are_numbered_without_gaps_and_all_are_applied() {
    for (package, directory, applied) in MIGRATIONS {
        let package = root().join("crates").join(package);
        let files = fs::read_dir(package.join(directory)).unwrap();
        let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".sql")).collect();
        names.sort();
        assert_ne!(names.len(), 0);
        let applied = read(&package.join("src").join(applied));
        for (number, name) in (1..).zip(&names) {
            assert!(name.starts_with(&format!("{number:04}_")), "{name} is not number {number}");
            assert!(applied.contains(&format!("../{directory}/{name}\")")), "{name}");
        }
        assert_eq!(applied.matches("include_str!").count(), names.len());
    }
}
