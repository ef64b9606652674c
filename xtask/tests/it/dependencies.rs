//! What each crate must not know, in what Cargo would build of it.

use std::process::Command;

/// The packages that Cargo builds of a crate with its default features, tests aside.
fn dependencies(package: &str) -> Vec<String> {
    let arguments = ["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"];
    let listed = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--format", "{p}", "--package", package])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_crate_knows_nothing_of_what_it_has_no_use_for() {
    for (package, knows, unknown) in [
        ("keyward", "sha2", &["http", "hyper", "axum-core", "axum", "tokio", "rusqlite"][..]),
        ("keyward-ledger", "crc32fast", &["http", "tokio", "tokio-postgres", "rusqlite"]),
        ("keyward-sqlite", "rusqlite", &["http", "hyper", "axum-core", "axum"]),
        (
            "keyward-postgres",
            "tokio-postgres",
            &["http", "hyper", "axum-core", "axum", "rusqlite", "openssl-sys"],
        ),
        ("keyward-http", "http", &["hyper", "axum-core", "axum", "tokio", "rusqlite"]),
        ("keyward-axum", "axum", &["rusqlite"]),
        ("keyward-admin", "axum", &["rusqlite", "clap", "toml", "keyward-sqlite"]),
    ] {
        let built = dependencies(package);
        // Otherwise the list is not what it seems to be.
        assert!(built.iter().any(|name| name == knows), "{package} knows {knows}: {built:?}");
        for name in unknown {
            assert!(!built.iter().any(|built| built == name), "{package} builds {name}");
        }
    }
}
