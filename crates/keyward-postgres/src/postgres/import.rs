//! Imports, which are made in pieces, so that other changes wait for one piece at most.

use std::collections::BTreeMap;

use keyward::audit::Audit;
use keyward::rules::{Change, Committed, Decided};
use keyward::store::StoreError;
use keyward::stored::Unkept;

use super::open::PostgresStore;

/// Most keys that one transaction adds. A change that comes meanwhile, such as a revocation, waits
/// until the piece is committed; and so do those of other programs.
pub(super) const PIECE_MAX: usize = 250;

impl PostgresStore {
    /// Adds keys that came from elsewhere, each or not, and none because of another: so the pieces
    /// need not be one transaction, and keys that came before a fault are skipped when the import
    /// is repeated. An import that no caller waits for any more ends with a piece.
    pub(super) async fn import(
        &self,
        mut keys: Vec<Unkept>,
        audit: Audit,
    ) -> Result<Committed, StoreError> {
        let (mut imported, mut owners) = (Vec::with_capacity(keys.len()), BTreeMap::new());
        loop {
            let rest = keys.split_off(PIECE_MAX.min(keys.len()));
            let piece = Change::Import { keys, dry_run: false };
            // Sent when the piece before it is made: what came meanwhile is before it in the queue.
            let committed = self.make_at_once(piece, audit.clone()).await?;
            match committed.outcome {
                Ok(Decided::Imported { keys, owners: theirs }) => {
                    imported.extend(keys);
                    // A later piece knows more of its keys.
                    owners.extend(theirs.into_iter().map(|row| (row.owner.clone(), row)));
                }
                Ok(_) | Err(_) => return Ok(committed),
            }
            if rest.is_empty() {
                let owners = owners.into_values().collect();
                let outcome = Ok(Decided::Imported { keys: imported, owners });
                return Ok(Committed { outcome, ..committed });
            }
            keys = rest;
        }
    }
}
