//! What `deny.toml` says of licences, bans and sources, held without the tool cargo-deny.
//!
//! That tool reads the same file, knows more, and takes minutes to build. A key that this test does
//! not know is an error, so that the file has no rule that is not held.

use std::collections::HashMap;
use std::fs;

use serde::Deserialize;

use crate::metadata::{Dependency, Metadata, Package};
use crate::tidy::root;

/// How cargo calls the registry that everybody has.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Graph {
    all_features: True,
    exclude_dev: True,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
    private: Private,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Private {
    ignore: True,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    multiple_versions: Deny,
    wildcards: Deny,
    skip: Vec<Exact>,
    deny: Vec<Exact>,
}

/// A crate, `name` or `name@version`, and why it stands here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exact {
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: Deny,
    unknown_git: Deny,
}

/// The only level that this test holds.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deny {
    Deny,
}

/// The only value that this test holds.
#[derive(Deserialize)]
#[serde(try_from = "bool")]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        value.then_some(Self).ok_or("this test holds `true` alone")
    }
}

impl Exact {
    /// Whether it means this version of this crate: `syn@2` is any 2.x.
    fn means(&self, name: &str, version: &str) -> bool {
        let (named, versions) = self.spec.split_once('@').unwrap_or((&self.spec, ""));
        let rest = version.strip_prefix(versions);
        let is_whole = rest.is_some_and(|rest| versions.is_empty() || rest.starts_with(['.', '+']));
        name == named && (is_whole || version == versions)
    }
}

impl Policy {
    fn read() -> Self {
        // Every table is named, so that an unused field, which no code holds, gets a warning.
        let policy: Self =
            toml::from_str(&fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
        let Graph { all_features: True, exclude_dev: True } = policy.graph;
        let (Deny::Deny, Deny::Deny) = (&policy.bans.multiple_versions, &policy.bans.wildcards);
        let (Deny::Deny, Deny::Deny) =
            (&policy.sources.unknown_registry, &policy.sources.unknown_git);
        let Private { ignore: True } = policy.licenses.private;
        policy
    }

    /// Everything about these crates that the policy forbids.
    fn faults(&self, packages: &[&Package]) -> Vec<String> {
        let each = packages.iter().flat_map(|package| {
            let name = format!("{} {}", package.name, package.version);
            let faults = [self.license(package), self.ban(package), source(package)];
            faults.into_iter().flatten().map(move |fault| format!("{name}: {fault}"))
        });
        each.chain(self.duplicates(packages)).collect()
    }

    fn license(&self, package: &Package) -> Option<String> {
        if package.publish.as_ref().is_some_and(Vec::is_empty) && package.source.is_none() {
            return None;
        }
        let Some(license) = &package.license else {
            return Some("names no licence".to_owned());
        };
        // `MIT/Apache-2.0` is how it was written before 2018.
        let parsed = spdx::Expression::parse_mode(license, spdx::ParseMode::LAX);
        let allows = |requirement: &spdx::LicenseReq| {
            let name = requirement.license.id().map(|id| id.name);
            let is_listed = self.licenses.allow.iter().any(|allowed| Some(&**allowed) == name);
            is_listed && requirement.addition.is_none()
        };
        match parsed {
            Ok(expression) if expression.evaluate(allows) => None,
            Ok(_) => Some(format!("its licence, {license}, is not allowed")),
            Err(error) => Some(format!("its licence cannot be read: {error}")),
        }
    }

    fn ban(&self, package: &Package) -> Option<String> {
        let banned = |ban: &&Exact| ban.means(&package.name, &package.version);
        if let Some(ban) = self.bans.deny.iter().find(banned) {
            return Some(format!("it is banned: {}", ban.reason));
        }
        // What tests alone take from this workspace goes to no registry, and needs no version.
        let is_ours =
            |needed: &Dependency| needed.path.is_some() && needed.kind.as_deref() == Some("dev");
        let mut needed = package.dependencies.iter().filter(|needed| !is_ours(needed));
        let open = needed.find(|needed| needed.req == "*");
        open.map(|needed| format!("it takes any version of {}", needed.name))
    }

    fn duplicates(&self, packages: &[&Package]) -> Vec<String> {
        let mut versions: HashMap<_, Vec<_>> = HashMap::new();
        for package in packages {
            let is_skipped = |skip: &Exact| skip.means(&package.name, &package.version);
            if !self.bans.skip.iter().any(is_skipped) {
                versions.entry(&package.name).or_default().push(&*package.version);
            }
        }
        let several = versions.into_iter().filter(|(_, versions)| 1 < versions.len());
        several.map(|(name, versions)| format!("{name}: {}", versions.join(" and "))).collect()
    }
}

fn source(package: &Package) -> Option<String> {
    let source = package.source.as_deref().filter(|source| *source != CRATES_IO)?;
    Some(format!("it comes from {source}"))
}

#[test]
fn licences_bans_and_sources_are_as_decided() {
    let faults = Policy::read().faults(&Metadata::read().built());
    assert!(faults.is_empty(), "deny.toml forbids:\n{}", faults.join("\n"));
}

#[test]
fn each_exception_is_needed_and_has_a_reason() {
    let (policy, metadata) = (Policy::read(), Metadata::read());
    let built = metadata.built();
    for skip in &policy.bans.skip {
        let others = built.iter().filter(|package| skip.means(&package.name, &package.version));
        assert_ne!(others.count(), 0, "{} is not built: it is no exception any more", skip.spec);
    }
    for exact in policy.bans.skip.iter().chain(&policy.bans.deny) {
        assert!(10 < exact.reason.len(), "{} has a reason", exact.spec);
    }
    for allowed in &policy.licenses.allow {
        let names = |package: &&&Package| {
            package.license.as_ref().is_some_and(|license| license.contains(allowed.as_str()))
        };
        assert!(built.iter().any(|package| names(&package)), "nothing has the licence {allowed}");
    }
}

#[test]
fn what_is_forbidden_is_noticed() {
    let policy = Policy::read();
    let package = |changes: serde_json::Value| {
        let mut package = serde_json::json!({
            "id": "a", "name": "a", "version": "1.0.0", "license": "MIT", "source": CRATES_IO,
            "dependencies": [], "manifest_path": "/a/Cargo.toml",
        });
        for (name, value) in changes.as_object().unwrap() {
            package[name] = value.clone();
        }
        serde_json::from_value::<Package>(package).unwrap()
    };
    let faults = |changes| policy.faults(&[&package(changes)]).len();
    assert_eq!(faults(serde_json::json!({})), 0);
    for (license, count) in [
        ("GPL-3.0-only OR MIT", 0),
        ("MIT/Apache-2.0", 0),
        ("(MIT OR GPL-3.0-only) AND BSD-3-Clause", 0),
        ("GPL-3.0-only", 1),
        ("MIT AND GPL-3.0-only", 1),
        ("Apache-2.0 WITH LLVM-exception", 1),
        ("Proprietary", 1),
    ] {
        assert_eq!(faults(serde_json::json!({ "license": license })), count, "{license}");
    }
    assert_eq!(faults(serde_json::json!({ "license": null })), 1);
    assert_eq!(faults(serde_json::json!({ "name": "openssl-sys" })), 1);
    assert_eq!(faults(serde_json::json!({ "source": "git+https://a.example/b" })), 1);
    assert_eq!(faults(serde_json::json!({ "source": "registry+https://a.example/" })), 1);
    let open = serde_json::json!([{ "name": "b", "req": "*" }]);
    assert_eq!(faults(serde_json::json!({ "dependencies": open })), 1);
    let two = ["1.0.0", "2.0.0"].map(|version| package(serde_json::json!({ "version": version })));
    assert_eq!(policy.faults(&two.each_ref()).len(), 1);
    let skipped = ["syn", "syn"].map(|name| package(serde_json::json!({ "name": name })));
    assert_eq!(policy.faults(&skipped.each_ref()).len(), 1, "two of one major version");
}
