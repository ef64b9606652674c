//! Rules about the text of this crate.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules in the order of `lib.rs`.
fn modules_in_order() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let module = |line: &str| {
        let line = line.trim_start_matches("pub ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    text.lines().filter_map(module).collect()
}

/// Every Rust file below a directory of this crate.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.chain(directories.iter().flat_map(|directory| rust_files(directory))).collect()
}

#[test]
fn files_say_what_they_hold_and_are_short() {
    let files: Vec<_> =
        ["src", "tests"].into_iter().flat_map(|name| rust_files(&root().join(name))).collect();
    assert!(modules_in_order().len() < files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with its content", file.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn modules_use_only_those_above_them() {
    let order = modules_in_order();
    assert_ne!(order.len(), 0);
    for (at, name) in order.iter().enumerate() {
        let text = fs::read_to_string(root().join("src").join(name).with_extension("rs")).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.collect();
        for used in code.split("crate::").skip(1) {
            let names = used.trim_start_matches('{').split(['}', ';']).next().unwrap().split(',');
            for used in names.map(|name| name.split("::").next().unwrap().trim()) {
                let used_at = order.iter().position(|other| other == used);
                assert!(used_at.is_none_or(|used_at| used_at < at), "{name} uses {used}");
            }
        }
    }
}

#[test]
fn migrations_are_numbered_without_gaps_and_all_are_applied() {
    for (directory, schema) in
        [("migrations", "src/schema.rs"), ("migrations_of_tickets", "src/tickets/schema.rs")]
    {
        let files = fs::read_dir(root().join(directory)).unwrap();
        let mut names: Vec<_> =
            files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let schema = fs::read_to_string(root().join(schema)).unwrap();
        for (number, name) in (1..).zip(&names) {
            assert!(name.starts_with(&format!("{number:04}_")), "{name} is not number {number}");
            assert!(schema.contains(&format!("../{directory}/{name}\")")), "{name}");
        }
        assert_eq!(schema.matches("include_str!").count(), names.len());
        assert_ne!(names.len(), 0);
    }
}
