//! The clients in other languages, and the lists of packages from which tools are installed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::tidy::{read, root};

/// The lists of packages of Node.
const NODE: [&str; 3] = ["clients/node", "xtask/dashboard", "xtask/openapi"];
/// The lists of packages of Python.
const PYTHON: [&str; 3] = ["clients/python", "xtask/openapi", "xtask/schemathesis"];

#[test]
fn a_list_of_packages_names_versions_and_no_host() {
    for folder in NODE {
        let lock = read(&root().join(folder).join("package-lock.json"));
        let lock: Value = serde_json::from_str(&lock).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        // The first is the list itself.
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["resolved"].is_null(), "{folder}: {name} is tied to one registry");
            assert!(package["integrity"].is_string(), "{folder}: {name} has no digest");
        }
        let wanted = read(&root().join(folder).join("package.json"));
        let wanted: Value = serde_json::from_str(&wanted).unwrap();
        for kind in ["dependencies", "devDependencies"] {
            for (name, version) in wanted[kind].as_object().into_iter().flatten() {
                let first = version.as_str().unwrap().chars().next();
                assert!(first.is_some_and(|c| c.is_ascii_digit()), "{folder}: {name} {version}");
            }
        }
    }
    for folder in PYTHON {
        let list = read(&root().join(folder).join("requirements.txt"));
        let packages = list.lines().map(|line| line.split('#').next().unwrap().trim());
        for package in packages.filter(|package| !package.is_empty()) {
            assert!(package.contains("==") && !package.contains("://"), "{folder}: {package}");
        }
    }
}

#[test]
fn the_clients_have_the_version_of_the_workspace_and_no_dependency() {
    let workspace: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let version = workspace["workspace"]["package"]["version"].as_str().unwrap();
    let node = read(&root().join("clients/node/package.json"));
    let node: Value = serde_json::from_str(&node).unwrap();
    assert_eq!(node["version"], version);
    assert!(node["dependencies"].is_null(), "{node}");
    let python: toml::Table = read(&root().join("clients/python/pyproject.toml")).parse().unwrap();
    assert_eq!(python["project"]["version"].as_str(), Some(version));
    assert!(python["project"].get("dependencies").is_none(), "{python}");
    assert!(!read(&root().join("clients/go/go.mod")).contains("require"));
}

/// The server is started in a shell that has the variables of a client, as the README does.
#[test]
fn the_server_knows_the_variables_of_the_clients_and_of_the_recipes() {
    let clients = ["clients/go", "clients/node", "clients/python/keyward"];
    let recipes = ["apache", "caddy", "envoy", "haproxy", "nginx", "traefik"];
    let recipes = recipes.map(|name| format!("docs/proxies/{name}"));
    let folders = clients.map(str::to_owned).into_iter().chain(recipes);
    let files = |folder: String| -> Vec<PathBuf> {
        let listed = fs::read_dir(root().join(folder)).unwrap();
        listed.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
    };
    let is_test = |file: &PathBuf| file.to_string_lossy().ends_with("_test.go");
    let texts = folders.flat_map(files).filter(|file| !is_test(file)).map(|file| read(&file));
    let read_by_them: BTreeSet<_> = texts.flat_map(|text| variables(&text)).collect();
    assert!(read_by_them.contains("KEYWARD_URL"), "{read_by_them:?}");
    let known = variables(&read(&root().join("crates/keyward-cli/src/environment.rs")));
    let unknown: Vec<_> = read_by_them.difference(&known).collect();
    assert!(unknown.is_empty(), "the server does not start with {unknown:?}");
}

/// The names of our variables in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.len() > "KEYWARD_".len() && word.starts_with("KEYWARD_"));
    ours.map(str::to_owned).collect()
}
