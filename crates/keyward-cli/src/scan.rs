//! `keyward scan`: looking for keys in files and streams, and asking the server whose they are.

mod identify;

use std::io;
use std::path::PathBuf;

use clap::Args;
use keyward::key::Prefix;
use keyward::scan::{Finder, Found};
use keyward_api::key::{DIGESTS_MAX, Match, SecretView};
use keyward_api::words::Word;
use serde_json::{Value, json};

use crate::scanner::rules::{Tool, rules};
use crate::scanner::{Event, Scanner};

use crate::connection::Connection;
use crate::mask::masked;
use crate::output::{Output, printable, shown};
use crate::status::{Complaint, Status, tell};
use identify::{Identified, Identifier};

/// The end of `--help`.
pub(crate) const AFTER_HELP: &str = "\
Examples:
  keyward scan .
  git log -p -m --all --text --no-textconv --no-ext-diff --no-color | keyward scan -
  keyward scan --prefix kw --json /var/log/nginx
  keyward scan --rules gitleaks > .gitleaks.toml

As a hook of Git that rejects commits with keys, the file .git/hooks/pre-commit:
  #!/bin/sh
  git diff --cached -U0 --text --no-textconv --no-ext-diff --no-color |
    grep -a '^+' | keyward scan --offline -

Exit status:
  0  no key found
  1  keys found
  2  wrong usage, or something could not be read";

/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

#[derive(Debug, Args)]
pub struct Scan {
    /// Files, directories with all below them, or - for standard input
    #[arg(value_name = "PATH", required_unless_present = "rules")]
    paths: Vec<PathBuf>,
    /// Look for keys with this prefix alone; may be given several times
    #[arg(long = "prefix", value_name = "PREFIX")]
    prefixes: Vec<Prefix>,
    /// Print rules by which another scanner finds keys, and do not scan
    ///
    /// They are for the given prefixes, or else for the prefixes that the server has in use, or
    /// else for `kw`.
    #[arg(long, value_name = "TOOL", conflicts_with_all = ["paths", "json"])]
    rules: Option<Tool>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Do not ask the server whose keys they are
    ///
    /// It is asked only about keys that were found, by their digests; their texts stay here.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Scan {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let identifier = match self.offline {
            true => Identifier::offline(),
            false => Identifier::new(self.connection.client_if_configured()?),
        };
        match self.rules {
            Some(tool) => self.print_rules(tool, identifier, out),
            None => self.scan(identifier, out),
        }
    }

    fn print_rules(
        &self,
        tool: Tool,
        mut identifier: Identifier,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        let mut prefixes = self.prefixes.clone();
        if prefixes.is_empty() {
            prefixes = identifier.prefixes();
        }
        if prefixes.is_empty() {
            prefixes.push(Prefix::default());
        }
        Ok(out.raw(rules(tool, &prefixes).as_bytes())?)
    }

    fn scan(&self, identifier: Identifier, out: &mut Output) -> anyhow::Result<()> {
        let finder = Finder::of_prefixes(self.prefixes.iter().cloned());
        let mut report = Report::new(identifier, self.json, out);
        let mut scanner = Scanner::new(&finder, |event| report.take(event));
        let mut done = self.paths.iter().try_for_each(|path| match path.to_str() {
            Some(STANDARD_INPUT) => scanner.scan_stream(STANDARD_INPUT, io::stdin().lock()),
            _ => scanner.scan_path(path),
        });
        drop(scanner);
        done = done.and_then(|()| report.flush());
        match (done, report) {
            // The reader of our output may have left, as in `keyward scan . | head`; the exit
            // status must still report the keys that were found.
            (Err(error), _) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            (_, Report { has_found: true, .. }) => Err(Complaint::Told(Status::Failed).into()),
            (_, Report { has_failed: true, .. }) => Err(Complaint::Told(Status::Usage).into()),
            (done, _) => Ok(done?),
        }
    }
}

/// A key that was found and has not been printed yet.
struct Finding {
    place: String,
    line: u64,
    key: Found,
}

/// Prints the findings, with the server's data about them.
struct Report<'a> {
    identifier: Identifier,
    is_json: bool,
    out: &'a mut Output,
    /// The findings of the next request to the server.
    pending: Vec<Finding>,
    /// The number of digests in `pending`.
    digests: usize,
    has_found: bool,
    has_failed: bool,
}

impl<'a> Report<'a> {
    fn new(identifier: Identifier, is_json: bool, out: &'a mut Output) -> Self {
        Self {
            identifier,
            is_json,
            out,
            pending: Vec::new(),
            digests: 0,
            has_found: false,
            has_failed: false,
        }
    }

    fn take(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Found { place, line, key } => {
                self.has_found = true;
                let digests = key.readings().count();
                if DIGESTS_MAX < self.digests + digests {
                    self.flush()?;
                }
                self.digests += digests;
                self.pending.push(Finding { place, line, key });
                // Where no server is asked, each finding is printed at once: the input may be a log
                // that grows.
                if self.identifier.is_offline() { self.flush() } else { Ok(()) }
            }
            Event::Unreadable { place, cause } => {
                self.has_failed = true;
                tell(&format!("error: {place}: cannot be read: {cause}"));
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.digests = 0;
        let pending = std::mem::take(&mut self.pending);
        let identified = self.identifier.identify(pending.iter().map(|finding| &finding.key));
        for finding in &pending {
            let line = match self.is_json {
                true => finding.json(&identified).to_string(),
                false => finding.text(&identified),
            };
            self.out.line(&masked(&line))?;
        }
        Ok(())
    }
}

impl Finding {
    fn text(&self, identified: &Identified) -> String {
        let (reading, key) = identified.best(&self.key);
        let whose = match key {
            Some(key) => format!(" {}", key_text(key)),
            None if identified.was_asked => " unknown to the server".to_owned(),
            None => String::new(),
        };
        format!("{}:{}: {}…{whose}", printable(&self.place), self.line, reading.hint)
    }

    fn json(&self, identified: &Identified) -> Value {
        let (reading, key) = identified.best(&self.key);
        json!({
            "path": self.place,
            "line": self.line,
            "start": reading.range.start,
            "end": reading.range.end,
            "hint": reading.hint,
            "asked": identified.was_asked,
            "key_id": key.map(|key| key.key_id),
            "name": key.map(|key| &key.name),
            "state": key.map(|key| &key.state),
            "secret": key.map(|key| &key.secret),
        })
    }
}

/// `key 7 "mobile" (active)`.
fn key_text(key: &Match) -> String {
    let is_former = key.secret == Word::Known(SecretView::Former);
    let former = if is_former { ", former secret" } else { "" };
    let (id, name, state) = (shown(&key.key_id), shown(&key.name), shown(&key.state));
    format!("key {id} \"{name}\" ({state}{former})")
}

#[cfg(test)]
mod tests;
