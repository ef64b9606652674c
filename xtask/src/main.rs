//! The project's own chores, as `cargo xtask`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to a terminal")]

mod bench;
mod child;
mod clients;
mod dashboard;
mod deploy;
mod doors;
mod features;
mod fuzz;
mod http;
mod left_out;
mod monitoring;
mod oldest;
mod openapi;
mod package;
mod platforms;
mod ports;
mod postgres;
mod schemathesis;
mod test;
mod tools;
mod torture;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  test              checks everything that must hold before a change lands
  clients           checks the clients in Python, Node and Go; a part of `test`
  deploy            checks the files of `deploy/`; a part of `test`
  doors [PROXY]...  asks the real program through real proxies; a part of `test`
  features          checks each crate with each of its features alone; a part of `test`
  fuzz [OPTIONS]    tries mutated inputs on the parsers of untrusted bytes; a part of `test`
  monitoring        checks the rules, the dashboard and the page of metrics; a part of `test`
  oldest            checks with the oldest Rust that is promised; a part of `test`
  openapi           checks the OpenAPI documents, and clients made of them; a part of `test`
  package KIND      makes `deb`, `oci` or `manual`; `check` tries all, a part of `test`
  platforms         checks the crates for other systems; a part of `test`
  postgres          installs a PostgreSQL for tests below `target/`; a part of `test`
  schemathesis      compares every response with the OpenAPI document; a part of `test`
  torture [OPTIONS] tries the real program by faults and checks its history; a part of `test`
  bench [OPTIONS]   measures, and compares with the goals and the recorded figures

Options of doors:
  [PROXY]...        only these, such as nginx
  --bench PROGRAM   measures instead: this release build, through nginx

Options of fuzz:
  [TARGET]...       only these
  --seconds N       how long each of them is tried [default: 300]
  --seed N          as in the run that printed this number
  --input FILE      this input alone

Options of torture:
  --minutes N       how long [default: 10]
  --seed N          as in the run that printed this number
  --faults A,B      these alone, or `none`; all that are possible unless told
  --postgres        on a PostgreSQL of its own, in place of a SQLite file
  --nodes N         so many on one PostgreSQL [default: 1]
  --mutants         programs that leave a rule out, which have to be caught, on three nodes
  --mutant NAME     this one of them
  --program FILE    this program, in place of the one that is built for tests
  --other FILE      an older version of it, which the fault `version` replaces and takes again
  --keep            leaves the history and the logs
  --history FILE    checks this history alone

Options of bench:
  --quick           with a hundred thousand keys instead of ten million
  --instructions    counts instructions alone, which takes no quiet machine
  --cluster         several nodes alone; with --quick, a hundred thousand keys
  --record          also writes docs/benchmarks.md and docs/instructions.toml";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the root")?;
    env::set_current_dir(root).with_context(|| format!("{} is not there", root.display()))?;
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["test"] => test::run(),
        ["clients"] => clients::run(),
        ["deploy"] => deploy::run(),
        ["doors", words @ ..] => doors::run(words),
        ["features"] => features::run(),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["monitoring"] => monitoring::run(),
        ["oldest"] => oldest::run(),
        ["openapi"] => openapi::run(),
        ["package", words @ ..] => package::run(words),
        ["platforms"] => platforms::run(),
        ["postgres"] => postgres::run(),
        ["schemathesis"] => schemathesis::run(),
        ["torture", words @ ..] => torture::run(words),
        ["bench", options @ ..] => bench::run(bench::Options::parse(options)?),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => bail!("which chore?\n\n{USAGE}"),
        unknown => bail!("there is no chore `{}`\n\n{USAGE}", unknown.join(" ")),
    }
}
