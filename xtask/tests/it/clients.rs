//! The clients in other languages, and the lists of packages from which tools are installed.

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
