//! The flags of one start of the server, which are no settings.

use clap::Args;

/// An operator's decisions about the findings of a start. They are typed, never configured, and
/// recorded.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct StartFlags {
    /// Accept the clock although it has read a later time before. This counts once, and is
    /// recorded in the audit trail
    #[arg(long)]
    pub clock_is_right: bool,
    /// Accept that the database lacks changes: the number that the failed start printed. This
    /// counts once, and is recorded in the audit trail
    ///
    /// Keys and owners that the ledger, which lies next to the database or where the setting
    /// `ledger` says, lists as revoked or suspended are so
    /// again, on record, and no id is given twice. Later starts with the same number change
    /// nothing, and another loss is rejected as before.
    #[arg(long, value_name = "CHANGE", value_parser = change)]
    pub after_restore: Option<u64>,
}

/// The number of a change.
fn change(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|_| !text.starts_with('+'));
    number.ok_or_else(|| "a change is a whole number, as the failed start printed it".to_owned())
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
