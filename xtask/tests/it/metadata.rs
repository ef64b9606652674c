//! What cargo knows of the workspace and of all that it is built from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Cargo's own description, for all features and all platforms.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    /// Where it comes from; none for a crate of this workspace.
    pub source: Option<String>,
    pub dependencies: Vec<Dependency>,
    pub manifest_path: PathBuf,
    /// The registries to which it may go; an empty list is none.
    pub publish: Option<Vec<String>>,
    pub rust_version: Option<String>,
    pub description: Option<String>,
}

impl Package {
    /// The directory with its manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap()
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub name: String,
    /// The name that the manifest gives it instead.
    pub rename: Option<String>,
    /// The versions that fit.
    pub req: String,
    /// `dev`, `build`, or none if the library needs it.
    pub kind: Option<String>,
    pub path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, which takes nothing from the network: the crates are there, or this test would
    /// not be.
    pub(crate) fn read() -> Self {
        let mut command = Command::new(env!("CARGO"));
        command.args(["metadata", "--locked", "--format-version", "1", "--all-features"]);
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The crates of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// What the workspace is built from, itself included, without what tests alone need.
    pub(crate) fn built(&self) -> Vec<&Package> {
        let nodes: HashMap<_, _> = self.resolve.nodes.iter().map(|node| (&node.id, node)).collect();
        let mut waiting: Vec<_> = self.workspace_members.iter().collect();
        let mut built = HashMap::new();
        while let Some(id) = waiting.pop() {
            if built.insert(id, ()).is_none() {
                let needed = |edge: &&Edge| {
                    edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
                };
                waiting.extend(nodes[id].deps.iter().filter(needed).map(|edge| &edge.pkg));
            }
        }
        self.packages.iter().filter(|package| built.contains_key(&package.id)).collect()
    }
}
