//! The report on an accepted loss, for the operator who accepted it.

use std::fmt::Display;

use keyward_sqlite::{Loss, Restored};

/// Most names in a list; the audit trail has them all.
const NAMES_MAX: usize = 20;

/// The missing changes, the repairs, and the changes that cannot be known.
pub(crate) fn report(restored: &Restored) -> String {
    let Restored { revoked, replaced, suspended, suspended_owners, .. } = restored;
    let Restored { left_suspended, left_suspended_owners, .. } = restored;
    let mut lines = vec![format!("Accepted, once: {}.", missing(restored.loss))];
    let mut list = |before: &str, names: String, after: &str| {
        if !names.is_empty() {
            lines.push(format!("  {before} {names}{after}"));
        }
    };
    let ids = |keys: &[keyward::KeyId]| names(keys.iter().map(|id| id.get()));
    let owners =
        |owners: &[keyward::record::Owner]| names(owners.iter().map(|owner| owner.as_str()));
    list("revoked again: keys", ids(revoked), "");
    list("suspended again: keys", ids(suspended), "");
    list("suspended again: owners", owners(suspended_owners), "");
    let advice = "; rotate them, since their newer secrets are lost";
    list("end with the grace of their replaced secrets: keys", ids(replaced), advice);
    let advice = ", although they were resumed later; resume them if that still holds";
    list("stay suspended: keys", ids(left_suspended), advice);
    list("stay suspended: owners", owners(left_suspended_owners), advice);
    lines.push(unknown(restored));
    lines.join("\n") + "\n"
}

fn missing(loss: Loss) -> String {
    match loss {
        Loss::Changes { known, newest } if newest < known => {
            format!("the database lacks changes {} to {}", newest.0.saturating_add(1), known.0)
        }
        Loss::Changes { known, .. } => {
            format!("the database lacks change {} and perhaps others before it", known.0)
        }
        Loss::Database { known } => {
            format!("the database was gone, with all changes up to {}; this is a new one", known.0)
        }
        Loss::Ledger { newest } => {
            format!("without its ledger, the changes after {} are unknown", newest.0)
        }
        Loss::OtherLedger { newest } => format!(
            "the ledger is another database's, and is kept under another name; the changes after \
             {} are unknown",
            newest.0
        ),
    }
}

/// The changes that cannot be known, and the remedy.
fn unknown(restored: &Restored) -> String {
    let (last, given) = restored.key_ids;
    let lost = match given {
        Some(given) if last < given => format!(
            "  lost: keys {} to {given}, if they were issued; their ids are not given again, and \
             their callers need new keys\n",
            last.saturating_add(1)
        ),
        Some(_) => String::new(),
        None => "  lost: keys that were issued later; new ids go on a million further, and their \
                 callers need new keys\n  valid again: keys that were revoked, suspended or \
                 rotated later; revoke them once more\n"
            .to_owned(),
    };
    format!(
        "{lost}  unknown, so check them: later changes of scopes, networks, limits, expiry, names, \
         metadata and owners of keys, and of tiers\n  on record: \
         `keyward audit list --actor program`"
    )
}

fn names(all: impl ExactSizeIterator<Item = impl Display>) -> String {
    let more = all.len().saturating_sub(NAMES_MAX);
    let shown: Vec<_> = all.take(NAMES_MAX).map(|name| name.to_string()).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use keyward::KeyId;
    use keyward::audit::ChangeId;

    use super::*;

    #[test]
    fn the_report_lists_repairs_and_unknown_changes() {
        let id = |id| KeyId::new(id).unwrap();
        let (known, newest) = (ChangeId(100), ChangeId(60));
        let all = Restored {
            loss: Loss::Changes { known, newest },
            revoked: (1..=25).map(id).collect(),
            replaced: vec![id(30)],
            suspended: vec![id(31), id(32)],
            suspended_owners: vec!["acme".parse().unwrap()],
            left_suspended: vec![id(33)],
            left_suspended_owners: vec!["initech".parse().unwrap()],
            key_ids: (40, Some(44)),
        };
        let nothing = Restored::of(Loss::Ledger { newest }, (40, None));
        let losses = [
            Loss::Changes { known, newest: ChangeId(200) },
            Loss::Database { known },
            Loss::OtherLedger { newest },
        ];
        let losses = losses.map(missing).join("\n");
        insta::assert_snapshot!(format!("{}\n{}\n{losses}", report(&all), report(&nothing)));
    }
}
