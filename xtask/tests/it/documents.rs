//! Documents lead to files that are there.

use std::path::Path;

use crate::tidy::{read, root};

/// The documents at the root, those of users, and those of the clients.
pub(crate) fn documents() -> Vec<std::path::PathBuf> {
    let folders =
        ["", "docs", "docs/proxies", "clients", "clients/python", "clients/node", "clients/go"];
    let folders = folders.map(|folder| root().join(folder));
    let listed = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = listed.map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|it| it == "md")).collect()
}

#[test]
fn each_named_file_is_there() {
    for document in documents() {
        let text = read(&document);
        let missing = missing(&text, document.parent().unwrap());
        assert!(missing.is_empty(), "{} leads to {missing:?}", document.display());
    }
}

/// The files that a text names, by a link or in code, and that are not there.
fn missing<'a>(text: &'a str, folder: &Path) -> Vec<&'a str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    let files = files.map(|link| (link, folder.join(link.split('#').next().unwrap())));
    let named = text.split('`').skip(1).step_by(2);
    let named = named.filter(|code| code.starts_with("crates/") && !code.contains(' '));
    let named = named.map(|code| (code, root().join(code)));
    let all = files.chain(named).filter(|(_, path)| !path.exists());
    all.map(|(name, _)| name).collect()
}

#[test]
fn a_file_that_is_not_there_is_noticed() {
    let text = "[a](docs/keys.md#limits) `crates/keyward` [b](https://example.com) [c](#here) \
                [d](docs/none.md) `crates/none.rs` `crates/none or so`";
    assert_eq!(missing(text, root()), ["docs/none.md", "crates/none.rs"]);
}

/// What the README says to write into a `Cargo.toml` next to a checkout.
#[test]
fn the_dependency_lines_of_the_readme_are_right() {
    let workspace: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let known = &workspace["workspace"]["dependencies"];
    let readme = read(&root().join("README.md"));
    let blocks = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let blocks: Vec<toml::Table> = blocks.map(|block| block.parse().unwrap()).collect();
    assert!(!blocks.is_empty(), "the README shows dependency lines");
    for (name, line) in blocks.iter().flat_map(|block| block["dependencies"].as_table().unwrap()) {
        let Some(path) = line.get("path").and_then(toml::Value::as_str) else {
            let version = line.get("version").unwrap_or(line).as_str().unwrap();
            let ours = known[name].get("version").unwrap_or(&known[name]).as_str().unwrap();
            assert!(ours.starts_with(version), "{name} {version}, and {ours} here");
            continue;
        };
        let package = root().join(path.strip_prefix("../keyward/").expect("a checkout's path"));
        let manifest: toml::Table = read(&package.join("Cargo.toml")).parse().unwrap();
        for feature in line.get("features").and_then(toml::Value::as_array).into_iter().flatten() {
            let feature = feature.as_str().unwrap();
            assert!(manifest["features"].get(feature).is_some(), "{name} has {feature}");
        }
    }
}
