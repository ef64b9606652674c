//! Keeping a ledger, and accepting that changes are lost of which it knows: ends and suspensions of
//! keys are made again, on record, and no id is given twice.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use keyward::audit::{Audit, ChangeId};
use keyward::change::KeyChange;
use keyward::digest::Digest;
use keyward::record::{KeyState, Owner};
use keyward::rules::{Change, OwnerChange, Progress};
use keyward::store::{KeyStore as _, StoreError};
use keyward::stored::{Key, OwnerRow};
use keyward::{KeyId, UnixMillis};
use keyward_ledger::{Content, End, Ending, Head, Loss, Restored};

use crate::ledger::{self, Compared, Keeping, Relation};
use crate::open_error::OpenError;
use crate::pg_error::PgError;
use crate::session::Purpose;

use super::PostgresStore;

/// Secrets that are looked for at a time.
const PAGE: usize = 1_000;

/// The ledger of a node; see [`PostgresStore::keep_ledger`].
#[derive(Clone, Copy, Debug)]
pub struct LedgerOptions<'a> {
    /// The file.
    pub path: &'a Path,
    /// Who has it, in a few words such as the address that the program listens on: it is said to
    /// others who would have it, too.
    pub holder: &'a str,
    /// When this is.
    pub now: UnixMillis,
    /// The loss that an operator accepts: [`Loss::change`] of the [`OpenError::Lost`] that was
    /// returned before. It holds for this very loss; if none is found, it does nothing.
    pub after_restore: Option<ChangeId>,
}

impl PostgresStore {
    /// Keeps a ledger, from here on until the store is closed: a file that knows how far this node
    /// has applied the trail, and which secrets ended. If a loss was accepted, also returns what
    /// became of it. One that another node has put on record is accepted, and logged: what the
    /// ledger knows of it and that node did not know is made again.
    ///
    /// An applied change is in the file within a second or so, and on its disk; one that comes
    /// alone is there at once. Nothing waits for that.
    ///
    /// To be called before a gate is opened.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use keyward::UnixMillis;
    /// use keyward_postgres::{LedgerOptions, OpenOptions, PostgresStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
    /// let mut store = PostgresStore::open(&options).await?;
    /// let (path, now) = (Path::new("node.ledger"), UnixMillis(1_800_000_000_000));
    /// let ledger = LedgerOptions { path, holder: "an example", now, after_restore: None };
    /// assert_eq!(store.keep_ledger(&ledger).await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the file is in use, cannot be read or written, or belongs to
    /// another database; and [`OpenError::Lost`] if the database lacks a change that it knows,
    /// unless that loss is accepted.
    pub async fn keep_ledger(
        &mut self,
        options: &LedgerOptions<'_>,
    ) -> Result<Option<Restored>, OpenError> {
        let connector = self.connector().clone();
        let lock = ledger::lock(options.path, options.holder)?;
        let client = connector.connect(Purpose::Loading).await;
        let client = client.map_err(|error| OpenError::failed(&connector.address, error))?;
        let mut compared = Compared::look(&connector, &client, options.path).await?;
        let lost = match compared.relation {
            Relation::New | Relation::Known(_) => None,
            Relation::MadeUpFor(head) => Some((head, false)),
            Relation::Lost(head) if options.after_restore == Some(head.change) => {
                Some((head, true))
            }
            Relation::Lost(_) => return Err(compared.lost(&connector)),
        };
        let mut accepted = None;
        if let Some((head, is_new)) = lost {
            let (loss, content) = (compared.loss(), compared.content());
            let audit = Audit::program(options.now);
            let restored = self.restore(loss, &content, (head, is_new), &audit).await;
            let restored = restored.map_err(|source| OpenError::Failed {
                address: connector.address.to_string(),
                source,
            })?;
            if is_new {
                accepted = Some(restored);
            } else {
                log(head, &restored);
            }
        }
        let mut file = compared.open()?;
        ledger::bring_up(&connector, &client, &mut file).await?;
        self.ledger = Some(Keeping::start(&connector, (file, lock), self.nodes.applied()));
        Ok(accepted)
    }

    /// Puts a loss on record, if that is new, and makes the lost changes again that the ledger
    /// knows. A start that is interrupted meanwhile is repeated by the next one: the ledger knows
    /// the lost change until this is done.
    async fn restore(
        &self,
        loss: Loss,
        content: &Content,
        (head, is_new): (Head, bool),
        audit: &Audit,
    ) -> Result<Restored, StoreError> {
        let last = self.last_key().await?;
        let given = content.head.map_or(0, |head| head.key_id);
        if is_new {
            let Head { change, digest, key_id: _ } = head;
            let known = Progress { change, digest, key: KeyId::new(given), tier: None };
            self.make_at_once(Change::Diverged(known.after_a_loss()), audit.clone()).await?;
        }
        let mut restored = Restored::of(loss, (last, Some(given)));
        self.end_secrets(content, audit, &mut restored).await?;
        self.suspend_keys(content, audit, &mut restored).await?;
        self.suspend_owners(content, audit, &mut restored).await?;
        Ok(restored)
    }

    /// The highest id that a key ever had.
    async fn last_key(&self) -> Result<u64, PgError> {
        let rows = self.rows("SELECT coalesce(key_id, 0) FROM cluster", &[]).await?;
        let row = rows.first().ok_or_else(|| PgError::gone("the schema has no cluster"))?;
        crate::columns::get_number(row, 0)
    }

    /// Ends the keys whose secret the ledger knows as ended, at once or with its grace.
    async fn end_secrets(
        &self,
        content: &Content,
        audit: &Audit,
        restored: &mut Restored,
    ) -> Result<(), StoreError> {
        let all = content.secrets.values();
        let revoked = all.filter(|end| end.how == Ending::Revoked).map(|end| end.key_id);
        let revoked: HashSet<u64> = revoked.collect();
        let digests: Vec<_> = content.secrets.keys().map(|it| Digest::from_stored(*it)).collect();
        for some in digests.chunks(PAGE) {
            for (digest, ends_at, owned) in self.find_digests(some.to_vec()).await? {
                let Some(end) = content.secrets.get(digest.as_bytes()) else { continue };
                if ends_at.is_some() || owned.key.is_revoked() {
                    continue;
                }
                let change = ending(*end, revoked.contains(&end.key_id), audit.at)?;
                let (id, is_replaced) = (owned.key.id, change.is_rotation());
                let change = Change::Key { id, change, expected: None };
                match self.make_at_once(change, audit.clone()).await?.outcome {
                    Ok(_) if is_replaced => restored.replaced.push(id),
                    Ok(_) => restored.revoked.push(id),
                    // It has expired, and so has its secret.
                    Err(_) => {}
                }
            }
        }
        restored.revoked.sort_unstable();
        restored.replaced.sort_unstable();
        Ok(())
    }

    /// Suspends the keys that the ledger knows as suspended.
    async fn suspend_keys(
        &self,
        content: &Content,
        audit: &Audit,
        restored: &mut Restored,
    ) -> Result<(), StoreError> {
        for (number, (suspended, known)) in &content.keys {
            let Some(id) = KeyId::new(*number) else { continue };
            let Some(owned) = self.find_key(id).await? else { continue };
            if !is_known(&owned.key, known, content) {
                continue;
            }
            match (owned.key.state, suspended) {
                (KeyState::Active, true) => {
                    let change = Change::Key { id, change: KeyChange::Suspend, expected: None };
                    if self.make_at_once(change, audit.clone()).await?.outcome.is_ok() {
                        restored.suspended.push(id);
                    }
                }
                (KeyState::Suspended, false) => restored.left_suspended.push(id),
                (KeyState::Active, false)
                | (KeyState::Suspended, true)
                | (KeyState::Revoked { .. }, _) => {}
            }
        }
        Ok(())
    }

    /// Suspends the owners that the ledger knows as suspended.
    async fn suspend_owners(
        &self,
        content: &Content,
        audit: &Audit,
        restored: &mut Restored,
    ) -> Result<(), StoreError> {
        for (name, suspended) in &content.owners {
            let Ok(owner) = name.parse::<Owner>() else { continue };
            let rows = self.owners_named(std::slice::from_ref(&owner)).await?;
            match (rows.first().is_some_and(OwnerRow::is_suspended), suspended) {
                (false, true) => {
                    let change = OwnerChange::Suspend;
                    let change = Change::Owner { owner: owner.clone(), change, expected: None };
                    if self.make_at_once(change, audit.clone()).await?.outcome.is_ok() {
                        restored.suspended_owners.push(owner);
                    }
                }
                (true, false) => restored.left_suspended_owners.push(owner),
                (true, true) | (false, false) => {}
            }
        }
        Ok(())
    }
}

/// Says what became of a loss that another node has put on record.
fn log(head: Head, restored: &Restored) {
    let Restored { revoked, replaced, suspended, suspended_owners, .. } = restored;
    tracing::warn!(
        change = head.change.0,
        revoked = revoked.len(),
        replaced = replaced.len(),
        suspended = suspended.len(),
        suspended_owners = suspended_owners.len(),
        "The database lost a change that the ledger knows, and another node put that on record; \
         what ended or stopped keys since then is so again"
    );
}

/// Whether a key is the one that the ledger knows by this digest: its number may be another key's
/// after a loss.
fn is_known(key: &Key, digest: &[u8; 32], content: &Content) -> bool {
    let present = key.secret.digest.as_bytes();
    let replaced = content.secrets.get(present).is_some_and(|end| end.key_id == key.id.get());
    let had = || key.former.iter().any(|former| former.secret.digest.as_bytes() == digest);
    present == digest || replaced || had()
}

/// The change by which a key's secret ends again.
fn ending(end: End, is_revoked: bool, now: UnixMillis) -> Result<KeyChange, StoreError> {
    let revoke = |reason: &str| KeyChange::Revoke { reason: reason.parse().ok() };
    Ok(match end.how {
        _ if is_revoked => revoke("it was revoked before the database was restored"),
        Ending::Revoked => revoke("it was revoked before the database was restored"),
        Ending::At(ends_at) if ends_at <= now => {
            revoke("its secret was replaced before the database was restored")
        }
        Ending::At(ends_at) => replace(Duration::from_millis(ends_at.0.saturating_sub(now.0)))?,
    })
}

/// Rotates to a digest whose text no caller has, with this grace for the present secret.
fn replace(grace: Duration) -> Result<KeyChange, StoreError> {
    let mut bytes = [0; 32];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
    Ok(KeyChange::Rotate { digest: Digest::from_stored(bytes), hint: String::new(), grace })
}
