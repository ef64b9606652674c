//! The history of a run: one line of JSON an operation, with its begin and its end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// An operation of a client, or a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// Nanoseconds since the run began, before the first byte was sent.
    pub(crate) begin: u64,
    /// The same, after the last byte of the response was read, or no response was waited for.
    pub(crate) end: u64,
    /// The node that was asked.
    pub(crate) node: usize,
    /// Which start of that node, counted from 0.
    pub(crate) start: u32,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum What {
    Verify(Ask),
    Change(Change),
    Fault {
        name: String,
    },
    /// Changes that ended within may be gone, those aside that end a key: a standby that lacked
    /// them was promoted.
    LostTail,
}

/// A question, and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// The number that this run gave the key.
    pub(crate) key: u64,
    /// Which of its secrets, counted from 0.
    pub(crate) secret: u32,
    pub(crate) cost: u32,
    pub(crate) verdict: Word,
    /// The `amount` of the key's or tier's limit, as the response has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<u32>,
}

/// A verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    Allowed,
    Unknown,
    Revoked,
    Suspended,
    Replaced,
    Limited,
    /// The node said that it does not know.
    Unavailable,
    /// No response came.
    Lost,
    /// A verdict that no key of this run can have.
    Other,
}

/// A change, and what its client knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The number in its `X-Request-Id`.
    pub(crate) request: u64,
    pub(crate) outcome: Outcome,
    /// Whether the same change was asked for before, so that it may change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) again: bool,
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Acknowledged: every node knows.
    Done,
    /// Acknowledged, and not known to all nodes yet.
    DoneHere,
    /// Rejected: it was not made.
    Rejected,
    /// It may have been made, or may still be made.
    Unknown,
}

impl Outcome {
    /// Whether it was acknowledged.
    pub(crate) fn is_done(self) -> bool {
        match self {
            Self::Done | Self::DoneHere => true,
            Self::Rejected | Self::Unknown => false,
        }
    }
}

/// What a change does, and to which of the run's keys, owners and tiers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Effect {
    Issue {
        key: u64,
        /// The id that Keyward gave it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        owner: u64,
        tier: u64,
        /// Its own limit, in place of its tier's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terms: Option<Terms>,
    },
    Revoke {
        key: u64,
    },
    Suspend {
        key: u64,
    },
    Resume {
        key: u64,
    },
    /// Without a grace.
    Rotate {
        key: u64,
        secret: u32,
    },
    Limit {
        key: u64,
        terms: Terms,
    },
    Tier {
        tier: u64,
        terms: Option<Terms>,
    },
    SuspendOwner {
        owner: u64,
    },
    ResumeOwner {
        owner: u64,
    },
    LimitOwner {
        owner: u64,
        terms: Terms,
    },
}

impl Effect {
    /// Its verb in the audit trail.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Issue { .. } => "issue",
            Self::Revoke { .. } => "revoke",
            Self::Suspend { .. } => "suspend",
            Self::Resume { .. } => "resume",
            Self::Rotate { .. } => "rotate",
            Self::Limit { .. } => "edit",
            Self::Tier { .. } => "put-tier",
            Self::SuspendOwner { .. } => "suspend-owner",
            Self::ResumeOwner { .. } => "resume-owner",
            Self::LimitOwner { .. } => "edit-owner",
        }
    }

    /// The key, owner or tier that it changes.
    pub(crate) fn subject(&self) -> Subject {
        match *self {
            Self::Issue { key, .. }
            | Self::Revoke { key }
            | Self::Suspend { key }
            | Self::Resume { key }
            | Self::Rotate { key, .. }
            | Self::Limit { key, .. } => Subject::Key(key),
            Self::Tier { tier, .. } => Subject::Tier(tier),
            Self::SuspendOwner { owner }
            | Self::ResumeOwner { owner }
            | Self::LimitOwner { owner, .. } => Subject::Owner(owner),
        }
    }

    /// Whether it comes back after a standby that lacked it was promoted.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Revoke { .. }
            | Self::Suspend { .. }
            | Self::SuspendOwner { .. }
            | Self::Rotate { .. } => true,
            Self::Issue { .. }
            | Self::Resume { .. }
            | Self::ResumeOwner { .. }
            | Self::Limit { .. }
            | Self::Tier { .. }
            | Self::LimitOwner { .. } => false,
        }
    }
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Key(u64),
    Owner(u64),
    Tier(u64),
}

/// A limit: `amount` in `per` seconds, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) amount: u32,
    pub(crate) per: u32,
    pub(crate) burst: u32,
}

/// The clock of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of a history")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the run began.
    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Keeps the history in memory for the checker, and in a file for people.
#[derive(Debug)]
pub(crate) struct Recorder {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    file: BufWriter<File>,
    operations: Vec<Operation>,
    /// Changes that are under way, by their requests.
    open: HashMap<u64, Operation>,
}

impl Recorder {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        let (operations, open) = Default::default();
        Ok(Self { kept: Mutex::new(Kept { file: BufWriter::new(file), operations, open }) })
    }

    /// Keeps that a change is about to be asked for, of which nothing is known until it is added.
    pub(crate) fn begin(&self, operation: Operation) {
        if let What::Change(change) = &operation.what {
            self.lock().open.insert(change.request, operation);
        }
    }

    pub(crate) fn add(&self, operation: Operation) -> Result<()> {
        let line = serde_json::to_string(&operation)?;
        let mut kept = self.lock();
        writeln!(kept.file, "{line}").context("writing the history")?;
        if let What::Change(change) = &operation.what {
            kept.open.remove(&change.request);
        }
        kept.operations.push(operation);
        Ok(())
    }

    /// The history until now, with the changes that are under way.
    pub(crate) fn until_now(&self) -> Vec<Operation> {
        let kept = self.lock();
        kept.operations.iter().chain(kept.open.values()).cloned().collect()
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Result<Vec<Operation>> {
        let mut kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        kept.file.flush().context("writing the history")?;
        Ok(kept.operations)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a history.
pub(crate) fn read(path: &Path) -> Result<Vec<Operation>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let lines = (1..).zip(BufReader::new(file).lines());
    let read = lines.map(|(number, line)| {
        serde_json::from_str(&line?).with_context(|| format!("line {number} of the history"))
    });
    read.collect()
}
