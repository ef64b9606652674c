//! What the manifests of our crates have to say, so that others can use them.

use std::fs;

use crate::metadata::{Metadata, Package};
use crate::tidy::root;

/// A version of Rust as manifests write it: `1.95` or `1.95.0`.
fn rust(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Whether a crate is one that others may use.
fn is_for_others(package: &Package) -> bool {
    package.folder().parent().unwrap() == root().join("crates")
}

#[test]
fn no_crate_needs_a_newer_rust_than_is_promised() {
    let metadata = Metadata::read();
    let ours: Vec<_> = metadata.members().map(|package| package.rust_version.as_ref()).collect();
    let promised = ours[0].expect("a promise");
    assert!(ours.iter().all(|version| *version == Some(promised)), "{ours:?}");
    for package in metadata.built() {
        let needed = package.rust_version.as_deref().map_or((1, 0), rust);
        let Package { name, version, .. } = package;
        assert!(needed <= rust(promised), "{name} {version} needs Rust {needed:?}");
    }
}

/// What tells a call of the standard library that the promised Rust does not have yet.
#[test]
fn no_exception_is_made_from_the_promised_rust() {
    for file in crate::tidy::every_file() {
        let text = fs::read_to_string(&file).unwrap();
        let lint = ["incompatible", "_msrv"].concat();
        // The module that names it in a sentence.
        let is_said = file.ends_with("xtask/src/oldest.rs");
        assert!(is_said || !text.contains(&lint), "{} is an exception", file.display());
    }
    assert!(!fs::read_to_string(root().join("clippy.toml")).unwrap().contains("msrv"));
}

#[test]
fn each_crate_can_be_packed_and_says_what_it_is() {
    for package in Metadata::read().members() {
        let Package { name, publish, .. } = package;
        if !is_for_others(package) {
            assert_eq!(publish.as_deref(), Some(&[][..]), "{name} is for this repository alone");
            continue;
        }
        assert_eq!(*publish, None, "{name} cannot be packed with its dependents");
        let about = package.description.as_deref().unwrap_or_default();
        assert!(about.ends_with('.') && about.len() <= 120, "{name} says what it is: {about}");
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let (theirs, ours) = (package.folder().join(file), root().join(file));
            let text = fs::read(&theirs).unwrap_or_default();
            assert!(text == fs::read(ours).unwrap(), "{} is ours", theirs.display());
        }
        // Without a version it would be left out, and the package would not build.
        for needed in package.dependencies.iter().filter(|needed| needed.path.is_some()) {
            let says = needed.req != "*" || needed.kind.as_deref() == Some("dev");
            assert!(says, "{name} names no version of {}", needed.name);
        }
    }
}
