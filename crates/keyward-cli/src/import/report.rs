//! The outcome of each line of an import.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use keyward::transfer::ImportRejection;
use keyward_api::import::{ImportReport, ImportStatus, ImportedKey};
use keyward_api::transfer::Entry;
use serde_json::json;

use crate::mask::masked;
use crate::new_file::NewFile;
use crate::output::{Output, printable};
use crate::status::late;

use super::pipeline::Settled;
use super::rejection;

/// Most rejected lines that are shown to people; the rest is counted.
const SHOWN_MAX: usize = 20;

/// The destination of a report, and its subject.
pub(super) struct ReportTo<'a> {
    /// The whole report goes to the output, as JSON.
    pub json: bool,
    /// The file that gets the rejected lines as well, as JSON Lines.
    pub file: Option<&'a Path>,
    /// An existing file is replaced.
    pub replaces: bool,
    /// Nothing is changed.
    pub dry_run: bool,
    /// The unit that the number of a line counts.
    pub unit: &'static str,
    /// The advice about an id that is taken, where the operator cannot leave it out by hand.
    pub id_taken: Option<&'static str>,
}

impl ReportTo<'_> {
    /// The server's reason, with the remedy that applies here.
    fn advice(&self, reason: String) -> String {
        match self.id_taken {
            Some(advice) if reason == ImportRejection::IdTaken.to_string() => advice.to_owned(),
            _ => reason,
        }
    }
}

/// Counts the outcomes of the lines, and reports the rejected ones, in their order.
///
/// Only the first few are held, for every line of a large file may be rejected.
pub(super) struct Report<'a> {
    to: &'a ReportTo<'a>,
    out: &'a mut Output,
    file: Option<BufWriter<NewFile>>,
    shown: Vec<String>,
    notes: Vec<String>,
    added: u64,
    skipped: u64,
    rejected: u64,
    /// Not every node knows all of the keys yet.
    is_late: bool,
}

impl<'a> Report<'a> {
    /// Begins a report.
    pub(super) fn begin(to: &'a ReportTo<'a>, out: &'a mut Output) -> anyhow::Result<Self> {
        let file = to.file.map(|place| NewFile::create(place, to.replaces)).transpose()?;
        if to.json {
            out.raw(b"{\"refusals\":[")?;
        }
        let file = file.map(BufWriter::new);
        let (shown, notes) = (Vec::new(), Vec::new());
        Ok(Self { to, out, file, shown, notes, added: 0, skipped: 0, rejected: 0, is_late: false })
    }

    /// Takes the outcome of a batch.
    pub(super) fn settle(&mut self, settled: Settled) -> anyhow::Result<()> {
        let Settled { entries, response } = settled;
        let sent = entries.iter().filter(|entry| matches!(entry, Entry::Sent { .. })).count();
        let (outcomes, failure) = match response {
            None => (Vec::new(), None),
            Some(Ok(ImportReport { keys, everywhere, .. })) if keys.len() == sent => {
                // The last batch says it for all: nodes learn of them in their order.
                self.is_late = everywhere == Some(false);
                (keys, None)
            }
            Some(Ok(_)) => {
                anyhow::bail!("the response lacks the result of a key; is it a newer server?")
            }
            Some(Err(error)) => match rejection(error) {
                Ok(detail) => {
                    let reason = format!("the server rejected {sent} keys at once: {detail}");
                    (vec![ImportedKey::refused(reason); sent], None)
                }
                Err(error) => (Vec::new(), Some(error)),
            },
        };
        let mut outcomes = outcomes.into_iter();
        for entry in entries {
            match entry {
                Entry::Fault { line, reason } => self.reject(line, &reason)?,
                // Without an outcome it is unknown; the failure is reported instead.
                Entry::Sent { line } => {
                    if let Some(key) = outcomes.next() {
                        self.add(line, key)?;
                    }
                }
            }
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Takes the outcome of the key of a line.
    fn add(&mut self, line: u64, key: ImportedKey) -> anyhow::Result<()> {
        match key.status {
            ImportStatus::Added => self.added += 1,
            ImportStatus::Skipped => self.skipped += 1,
            ImportStatus::Refused => {
                let reason = key.reason.unwrap_or_else(|| "the server does not say why".to_owned());
                self.reject(line, &self.to.advice(reason))?;
            }
        }
        Ok(())
    }

    /// Reports a rejected line.
    pub(super) fn reject(&mut self, line: u64, reason: &str) -> anyhow::Result<()> {
        // It may quote a cell, which may hold a misplaced key.
        let reason = &masked(reason);
        let rejection = json!({ self.to.unit: line, "reason": reason }).to_string();
        if self.to.json {
            let separator = if self.rejected == 0 { "\n" } else { ",\n" };
            self.out.raw(format!("{separator}{rejection}").as_bytes())?;
        } else if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{} {line}: {}", self.to.unit, printable(reason)));
        }
        if let Some(file) = &mut self.file {
            writeln!(file, "{rejection}").context("the report cannot be written")?;
        }
        self.rejected += 1;
        Ok(())
    }

    /// Takes an additional note for people.
    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(masked(note));
    }

    /// Ends the report, and returns the number of rejected lines.
    pub(super) fn finish(mut self, broke_off: bool) -> anyhow::Result<u64> {
        if let Some(file) = self.file.take() {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error);
            file.context("the report cannot be written")?.finish()?;
        }
        if let Some(late) = late(Some(!self.is_late)) {
            self.note(late);
        }
        if self.to.json {
            let totals = json!({
                "added": self.added,
                "skipped": self.skipped,
                "refused": self.rejected,
                "dry_run": self.to.dry_run,
                "complete": !broke_off,
                "notes": self.notes,
            })
            .to_string();
            let totals = totals.strip_prefix('{').unwrap_or_default();
            self.out.raw(format!("],\n{totals}\n").as_bytes())?;
        } else {
            self.print(broke_off)?;
        }
        Ok(self.rejected)
    }

    fn print(&mut self, broke_off: bool) -> io::Result<()> {
        for note in &self.notes {
            self.out.line(&format!("note: {}", printable(note)))?;
        }
        for rejection in &self.shown {
            self.out.line(rejection)?;
        }
        let more = self.rejected - self.shown.len() as u64;
        if 0 < more {
            self.out.line(&format!("and {more} more; --report FILE writes all of them"))?;
        }
        let counts = [self.added, self.skipped, self.rejected].map(|count| count.to_string());
        self.out.table(&["added", "skipped", "refused"], &[counts.to_vec()])?;
        if self.to.dry_run {
            self.out.line("This was a dry run: nothing was changed.")?;
        }
        if broke_off {
            self.out.line(
                "The import broke off. Repeat it: keys that are there already are skipped.",
            )?;
        } else if self.rejected != 0 && !self.to.dry_run {
            self.out.line(
                "Correct these lines and import all of the file again: added keys are skipped.",
            )?;
        }
        Ok(())
    }
}
