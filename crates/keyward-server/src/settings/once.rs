//! What is said to one start of the server, and is no setting.

use clap::Args;

/// What an operator decides about what a start found. It is typed, never configured, and done on
/// record.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Once {
    /// Take the clock for right where it is behind what it said before. This counts once, and
    /// is in the audit trail
    #[arg(long)]
    pub clock_is_right: bool,
    /// Accept that the database lacks changes: the number that a refused start printed. This
    /// counts once, and is in the audit trail
    ///
    /// What the ledger beside the database knows as revoked or suspended is so again, on record,
    /// and no id is given twice. Later starts with the same number do nothing, and another loss is
    /// refused as ever.
    #[arg(long, value_name = "CHANGE")]
    pub after_restore: Option<u64>,
}
