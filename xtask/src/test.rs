//! `cargo xtask test`: everything that must hold before a change lands.

use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{
    clients, deploy, doors, features, fuzz, monitoring, oldest, openapi, package, platforms,
    postgres, schemathesis, torture,
};

/// The steps of cargo, quick ones first; all of them treat warnings as errors. Doc tests run with
/// the others, and so do the rules of `xtask/tests`. A package is not built from its packed files:
/// that would take minutes, to find a file that is included and lies outside.
const STEPS: [&str; 5] = [
    "fmt --all --check",
    "package --quiet --locked --workspace --allow-dirty --no-verify",
    "clippy --locked --workspace --all-targets --all-features -- -D warnings",
    "test --locked --workspace --all-features",
    "doc --locked --workspace --all-features --no-deps --document-private-items",
];

/// How long each target of the fuzzer is tried: the proxies, clients and packages need their time.
const FUZZ: [&str; 2] = ["--seconds", "8"];

/// How the program is tortured on a file, alone on a PostgreSQL, and as three nodes: with another
/// seed each time.
const TORTURE: [&str; 2] = ["--minutes", "0.2"];
const TORTURE_POSTGRES: [&str; 5] =
    ["--postgres", "--minutes", "0.5", "--faults", "kill,drop,commit,crash"];
const TORTURE_NODES: [&str; 6] = [
    "--nodes",
    "3",
    "--minutes",
    "0.9",
    "--faults",
    "pause,kill,silence,commit,crash,failover,version",
];

/// Runs every step, says how long it took, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    for component in ["fmt", "clippy"] {
        let found = cargo(&format!("{component} --version")).output();
        ensure!(
            found.is_ok_and(|output| output.status.success()),
            "`cargo {component}` is missing; install it with `rustup component add rustfmt clippy`"
        );
    }
    // The tests of the store on it find them there.
    step("the programs of PostgreSQL", postgres::run)?;
    let installing = install();
    for arguments in STEPS {
        step(&format!("cargo {arguments}"), || {
            let status = cargo(arguments).status().context("cargo does not start")?;
            ensure!(status.success(), "`cargo {arguments}` failed");
            Ok(())
        })?;
    }
    step("programs of others, installed meanwhile", || {
        installing.join().map_err(|_| anyhow!("their installation panicked"))
    })?;
    step("the store on the oldest PostgreSQL", postgres::oldest)?;
    step("the files of deploy", deploy::run)?;
    step("rules and metrics", monitoring::run)?;
    step("each feature alone", features::run)?;
    step("the oldest Rust", oldest::run)?;
    step("packages", || package::run(&["check"]))?;
    step("other systems", platforms::run)?;
    step("clients in other languages", clients::run)?;
    step("OpenAPI documents", openapi::run)?;
    step("fuzz", || fuzz::run(&FUZZ))?;
    step("schemathesis", schemathesis::run)?;
    step("doors, asked by proxies", || doors::run(&[]))?;
    step("torture", || torture::run(&TORTURE))?;
    step("torture on PostgreSQL", || torture::run(&TORTURE_POSTGRES))?;
    step("torture of three nodes", || torture::run(&TORTURE_NODES))?;
    println!("\n== all of it holds");
    Ok(())
}

/// Installs programs of others while cargo builds: on a new machine that takes minutes, most of
/// which wait for the network. A step that still lacks one says so.
fn install() -> JoinHandle<()> {
    const ALL: [fn() -> Result<bool>; 6] = [
        postgres::install_oldest,
        deploy::install,
        monitoring::install,
        package::install,
        platforms::install,
        doors::install,
    ];
    thread::spawn(|| ALL.into_iter().for_each(|install| drop(install())))
}

#[expect(clippy::disallowed_methods, reason = "how long a step took is asked of the clock alone")]
fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n== {name}");
    let begin = Instant::now();
    run()?;
    println!("== {} s", begin.elapsed().as_secs());
    Ok(())
}

fn cargo(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    // A snapshot that differs is an error here, never a new snapshot.
    command.args(args.split(' ')).env("INSTA_UPDATE", "no").env("RUSTDOCFLAGS", "-D warnings");
    command
}
