//! `keyward audit verify`: whether the trail is as it was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use anyhow::Context as _;
use clap::Args;
use keyward::audit::ChainDigest;
use serde_json::json;

use super::Step;
use super::chain::{Break, Chain};
use super::entry::parse_digest;
use crate::connection::Common;
use crate::output::Output;
use crate::status::{Complaint, Status};

/// Most bytes of a line of an exported trail, many times the length of the largest entry.
const LINE_LEN_MAX: u64 = 1_024 * 1_024;

pub(super) const EXAMPLES: [&str; 3] = [
    "keyward audit verify",
    "keyward audit verify --expect 7f0c…   # the digest that was noted down the last time",
    "keyward audit verify trail.jsonl      # what `keyward audit export` wrote",
];

#[derive(Debug, Args)]
pub struct Verify {
    /// A file that `keyward audit export` wrote, or - for standard input; otherwise, the server
    file: Option<String>,
    /// Also fail unless an entry has this digest, which an earlier `verify` printed
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    expect: Option<ChainDigest>,
    #[command(flatten)]
    common: Common,
}

impl Verify {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let mut chain = Chain::new(self.expect);
        let walked = match self.file.as_deref() {
            None => {
                let client = self.common.client()?;
                super::walk(&client, |step| match step {
                    Step::Newest(newest) => {
                        let digest = parse_digest(&newest.digest).map_err(Complaint::Usage)?;
                        chain.must_have(newest.id, digest);
                        Ok(())
                    }
                    Step::Entry(text) => Ok(chain.step_text(text)?),
                })
            }
            Some("-") => read_lines(io::stdin().lock(), &mut chain),
            Some(path) => open(path).and_then(|file| read_lines(file, &mut chain)),
        };
        let found = match walked {
            Ok(()) => chain.end().err(),
            Err(error) => Some(error.downcast::<Break>()?),
        };
        self.print(&chain, found.as_ref(), out)?;
        found.map_or(Ok(()), |_| Err(Complaint::Told(Status::Failed).into()))
    }

    fn print(&self, chain: &Chain, found: Option<&Break>, out: &mut Output) -> io::Result<()> {
        let head = chain.head().to_string();
        if self.common.json {
            return out.json(&json!({
                "whole": found.is_none(),
                "entries": chain.entries(),
                "last_id": chain.last_id(),
                "head": head,
                "break": found.map(|found| found.to_string()),
            }));
        }
        let entries = match chain.last_id() {
            Some(id) => format!("{} entries, up to entry {id},", chain.entries()),
            None => "0 entries".to_owned(),
        };
        match found {
            None => out.line(&format!(
                "The trail is whole: {entries} are as they were written.\nHead: {head}\n\
                 Note the head down elsewhere; `keyward audit verify --expect HEAD` then shows \
                 if entries at the end are missing."
            )),
            Some(found) => out.line(&format!(
                "The trail is broken: {found}.\n\
                 Before that, {entries} are as they were written. Compare with a backup or an \
                 earlier export.\nDigest there: {head}"
            )),
        }
    }
}

fn open(path: &str) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path);
    let file = file.map_err(|error| Complaint::Usage(format!("{path} cannot be read: {error}")))?;
    Ok(BufReader::new(file))
}

/// Walks along every line that is not blank. The trail breaks at a line that is no entry: a file
/// whose end was cut off in the middle of a line is not whole.
fn read_lines(mut from: impl BufRead, chain: &mut Chain) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    for line in 1_u64.. {
        bytes.clear();
        let read = io::Read::take(&mut from, LINE_LEN_MAX).read_until(b'\n', &mut bytes);
        if read.context("the trail cannot be read to its end")? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.trim().is_empty() {
            continue;
        }
        chain.step_text(text.trim()).map_err(|found| match found {
            Break::Unreadable { problem, .. } => Break::UnreadableLine { line, problem },
            other => other,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::output::testing::{piped, written};
    use keyward::audit::AuditEntry;

    use super::super::chain::testing::trail;
    use super::*;

    /// The report about a trail, as JSON and as text.
    fn told(trail: &[AuditEntry]) -> String {
        let mut chain = Chain::new(None);
        let found = trail.iter().try_for_each(|entry| chain.step(entry)).err();
        let verify = |json| {
            use clap::Parser;

            #[derive(Parser)]
            struct Typed {
                #[command(flatten)]
                verify: Verify,
            }
            let words: &[&str] = if json { &["verify", "--json"] } else { &["verify"] };
            let typed = Typed::try_parse_from(words).unwrap();
            written(piped(), |out| typed.verify.print(&chain, found.as_ref(), out))
        };
        let text = format!("{}{}", verify(false), verify(true));
        text.replace(&chain.head().to_string(), "HEAD")
    }

    #[test]
    fn the_first_break_is_named() {
        insta::assert_snapshot!(told(&trail(3)));
        let mut broken = trail(5);
        broken.remove(3);
        insta::assert_snapshot!(told(&broken));
    }

    #[test]
    fn a_line_that_is_no_entry_is_where_the_trail_breaks() {
        let broken = |text: &[u8]| {
            let error = read_lines(text, &mut Chain::new(None)).unwrap_err();
            error.downcast::<Break>().unwrap().to_string()
        };
        for garbage in [&b"{}"[..], b"\xff\xfe", b"[", b"{\"id\":1,\"at\":\"2026-11-2"] {
            let text = [b"\n", garbage, b"\n"].concat();
            let told = broken(&text);
            assert!(told.starts_with("line 2 is no entry of an audit trail: "), "{told}");
        }
        read_lines("\n\n".as_bytes(), &mut Chain::new(None)).unwrap();
    }
}
