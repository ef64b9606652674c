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
    #[arg(long, value_name = "CHANGE", value_parser = change)]
    pub after_restore: Option<u64>,
}

/// The number of a change.
fn change(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|_| !text.starts_with('+'));
    number.ok_or_else(|| "a change is a whole number, as the refused start printed it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_whole_number() {
        assert_eq!(change("60"), Ok(60));
        for text in ["", "x", "-1", "+1", "1.0"] {
            assert!(change(text).unwrap_err().starts_with("a change is a whole number"), "{text}");
        }
    }
}
