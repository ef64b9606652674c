//! What a start finds missing, and the words for it.

use std::path::Path;

use keyward::KeyId;
use keyward::audit::ChangeId;
use keyward::record::Owner;

/// The difference between a database and the ledger next to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The newest change that the ledger knows is not in the database's audit trail, or has another
    /// digest there.
    Changes {
        /// The newest change that the ledger knows.
        known: ChangeId,
        /// The newest change of the database; 0 is none.
        newest: ChangeId,
    },
    /// There is a ledger and no database.
    Database {
        /// The newest change that the ledger knows.
        known: ChangeId,
    },
    /// The database had a ledger, which is not there.
    Ledger {
        /// The newest change of the database; 0 is none.
        newest: ChangeId,
    },
    /// The ledger belongs to another database.
    OtherLedger {
        /// The newest change of the database; 0 is none.
        newest: ChangeId,
    },
}

impl Loss {
    /// The change by which this loss is named when it is accepted: the ledger's newest one or,
    /// without a ledger of this database, the database's.
    #[must_use]
    pub fn change(&self) -> ChangeId {
        match self {
            Self::Changes { known, .. } | Self::Database { known } => *known,
            Self::Ledger { newest } | Self::OtherLedger { newest } => *newest,
        }
    }

    /// The loss of a database in a file and its possible causes; after a semicolon, the remedies.
    #[must_use]
    pub fn describe(&self, path: &Path, ledger: &Path) -> String {
        let (path, ledger) = (path.display(), ledger.display());
        let change = self.change().0;
        let accept =
            format!("or accept this loss, once, with `keyward serve --after-restore={change}`");
        match self {
            Self::Changes { known, newest } if newest < known => format!(
                "{path} lacks changes that were made: its newest one is {}, and {ledger} knows of \
                 change {}. Its write-ahead log was damaged or deleted, or a backup was restored; \
                 put the right files back, {accept}",
                newest.0, known.0
            ),
            Self::Changes { known, .. } => format!(
                "{path} is not the database that it was: change {}, the newest one that {ledger} \
                 knows, is missing or another one. Its write-ahead log was damaged, entries of its \
                 audit trail were deleted, or another copy of it was changed; put the right files \
                 back, {accept}",
                known.0
            ),
            Self::Database { known } => format!(
                "there is no database {path}, and {ledger} knows of change {} in it. It was \
                 deleted or moved, or the path is wrong; put it back, {accept}",
                known.0
            ),
            Self::Ledger { .. } => format!(
                "{path} had a ledger, and there is no {ledger}. It was deleted, or a backup was \
                 put in a new place, so nothing tells whether changes are missing or which \
                 revoked keys work again; put the ledger back, {accept}",
            ),
            Self::OtherLedger { .. } => format!(
                "{ledger} belongs to another database than {path}. One of the two was put in the \
                 wrong place, so nothing tells whether changes are missing; put the right one \
                 back, {accept}, which keeps the other one's ledger under another name",
            ),
        }
    }
}

/// What became of a loss that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The accepted loss.
    pub loss: Loss,
    /// Keys that were revoked, since they or their only known secret had ended.
    pub revoked: Vec<KeyId>,
    /// Keys whose known secret was replaced and ends with its grace. The secret that replaced it
    /// is lost, so they need another one.
    pub replaced: Vec<KeyId>,
    /// Keys that were suspended.
    pub suspended: Vec<KeyId>,
    /// Owners that were suspended.
    pub suspended_owners: Vec<Owner>,
    /// Keys that the ledger knows as resumed, and that stay suspended.
    pub left_suspended: Vec<KeyId>,
    /// Owners that the ledger knows as resumed, and that stay suspended.
    pub left_suspended_owners: Vec<Owner>,
    /// The highest id of a key in the database, and the highest one that was given, if it is known.
    pub key_ids: (u64, Option<u64>),
}

impl Restored {
    /// A loss of which nothing is made again yet.
    #[must_use]
    pub fn of(loss: Loss, key_ids: (u64, Option<u64>)) -> Self {
        Self {
            loss,
            revoked: Vec::new(),
            replaced: Vec::new(),
            suspended: Vec::new(),
            suspended_owners: Vec::new(),
            left_suspended: Vec::new(),
            left_suspended_owners: Vec::new(),
            key_ids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_said_with_what_may_have_happened_and_what_to_do() {
        let (path, ledger) = (Path::new("a.db"), Path::new("a.db.ledger"));
        let (known, newest) = (ChangeId(100), ChangeId(60));
        let losses = [
            (Loss::Changes { known, newest }, 100),
            (Loss::Changes { known, newest: ChangeId(101) }, 100),
            (Loss::Database { known }, 100),
            (Loss::Ledger { newest }, 60),
            (Loss::OtherLedger { newest }, 60),
        ];
        for (loss, change) in losses {
            let text = loss.describe(path, ledger);
            let (found, advice) = text.split_once("; ").unwrap();
            assert!(found.contains("a.db") && found.contains("a.db.ledger"), "{text}");
            let accept = format!("`keyward serve --after-restore={change}`");
            assert!(advice.contains("put ") && advice.contains(&accept), "{text}");
            assert!(!advice.contains("; "), "{text}");
        }
    }
}
