//! Changes through a guard: each is a task of its own, so that it runs to its end even if the
//! caller goes away.

use std::time::Duration;

use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward::details::{Reason, Versions};
use keyward::gate::{ChangeError, IssueError, Made};
use keyward::issue::{Issued, NewKey, Rotated};
use keyward::record::KeyId;
use keyward::rules::{Change, Imported};
use keyward::store::StoreError;
use keyward::stored::{OwnedKey, Unkept};
use tokio::task::{JoinError, JoinHandle};

use super::Guard;

impl Guard {
    /// Makes a change of any kind; see [`Gate::run`](keyward::Gate::run).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::keyward::audit::Actor;
    /// use keyward_axum::keyward::change::KeyChange;
    /// use keyward_axum::keyward::record::KeyId;
    /// use keyward_axum::keyward::rules::{Change, ChangeRejection};
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// testing::issue(&guard, "weather-bot").await;
    /// let suspend = |id| Change::Key { id, change: KeyChange::Suspend, expected: None };
    /// let audit = || guard.audit(Actor::Person("ada".to_owned()), None, None);
    ///
    /// let id = KeyId::new(1).unwrap();
    /// assert!(guard.run(suspend(id), audit()).await?.outcome.is_ok());
    /// // A change that does not fit is rejected, and changes nothing.
    /// let id = KeyId::new(2).unwrap();
    /// let rejection = guard.run(suspend(id), audit()).await?.outcome.unwrap_err();
    /// assert_eq!(rejection, ChangeRejection::UnknownKey);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`] if it is not known whether the change survives, or if it would end a
    /// grace period at a time that is not known. A rejected change is in [`Made::outcome`].
    pub async fn run(&self, change: Change, audit: Audit) -> Result<Made, ChangeError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().run(change, audit, &clock).await
        })
        .await
    }

    /// Issues a key; see [`Gate::issue`](keyward::Gate::issue).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::keyward::Asked;
    /// use keyward_axum::keyward::issue::NewKey;
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = guard.issue(key, guard.program()).await?;
    /// // It works, and its text is shown this once.
    /// assert!(guard.verify(&Asked::of(issued.secret.expose())).is_ok());
    ///
    /// let key = NewKey::plain("weather-bot".parse()?, "platinum".parse()?, None);
    /// let error = guard.issue(key, guard.program()).await.unwrap_err();
    /// assert_eq!(error.to_string(), "there is no such tier");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`IssueError`] if no key was issued.
    pub async fn issue(&self, key: NewKey, audit: Audit) -> Result<Issued, IssueError> {
        self.to_end(move |at| async move { at.gate().issue(key, audit).await }).await
    }

    /// Changes a key; see [`Gate::change`](keyward::Gate::change).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::keyward::change::{KeyChange, KeyEdit};
    /// use keyward_axum::keyward::issue::NewKey;
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = guard.issue(key, guard.program()).await?;
    ///
    /// let edit = KeyEdit { tier: Some("pro".parse()?), ..KeyEdit::default() };
    /// let (id, seen) = (issued.key_id, issued.versions);
    /// let edit = KeyChange::Edit(Box::new(edit));
    /// let now = guard.change(id, edit.clone(), Some(seen), guard.program()).await?;
    /// assert_eq!(now.key.tier.as_str(), "pro");
    /// // An edit of the version that was there before would overwrite it, and is rejected.
    /// assert!(guard.change(id, edit, Some(seen), guard.program()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`] if the key was not changed, or if that is not known.
    pub async fn change(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<OwnedKey, ChangeError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().change(id, change, expected, audit, &clock).await
        })
        .await
    }

    /// Gives a key another secret; see [`Gate::rotate`](keyward::Gate::rotate).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::keyward::Asked;
    /// use keyward_axum::keyward::issue::NewKey;
    /// use keyward_axum::testing;
    ///
    /// let (guard, clock) = testing::guard().await;
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = guard.issue(key, guard.program()).await?;
    /// let hour = Duration::from_secs(3_600);
    /// let rotated = guard.rotate(issued.key_id, hour, None, guard.program()).await?;
    ///
    /// // Both secrets work until the grace ends.
    /// let [before, after] = [issued.secret, rotated.secret];
    /// assert!(guard.verify(&Asked::of(before.expose())).is_ok());
    /// clock.advance(hour);
    /// assert!(guard.verify(&Asked::of(before.expose())).is_err());
    /// assert!(guard.verify(&Asked::of(after.expose())).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`]; then there is no new secret that works.
    pub async fn rotate(
        &self,
        id: KeyId,
        grace: Duration,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<Rotated, ChangeError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().rotate(id, grace, expected, audit, &clock).await
        })
        .await
    }

    /// Revokes a key; see [`Gate::revoke`](keyward::Gate::revoke).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::keyward::Asked;
    /// use keyward_axum::keyward::issue::NewKey;
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = guard.issue(key, guard.program()).await?;
    /// let reason = Some("found in a public repository".parse()?);
    /// assert!(guard.revoke(issued.key_id, reason, guard.program()).await?);
    /// assert!(guard.verify(&Asked::of(issued.secret.expose())).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives.
    pub async fn revoke(
        &self,
        id: KeyId,
        reason: Option<Reason>,
        audit: Audit,
    ) -> Result<bool, StoreError> {
        self.to_end(move |at| async move { at.gate().revoke(id, reason, audit).await }).await
    }

    /// Adds keys of another system; see [`Gate::import`](keyward::Gate::import).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::keyward::Asked;
    /// use keyward_axum::keyward::digest::Digest;
    /// use keyward_axum::keyward::issue::NewKey;
    /// use keyward_axum::keyward::key::Presented;
    /// use keyward_axum::keyward::rules::Imported;
    /// use keyward_axum::keyward::stored::StoredSecret;
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// // The other system has SHA-256 of the texts of its keys.
    /// let digest = Digest::of(Presented::parse("sk-0123456789abcdef")?);
    /// let secret = StoredSecret { digest, hint: "sk-0123".into(), created_at: guard.now().unix };
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None).with_secret(secret);
    ///
    /// let outcomes = guard.import(vec![key.clone()], false, guard.program()).await?;
    /// assert!(matches!(outcomes[..], [Imported::Added(_)]));
    /// assert!(guard.verify(&Asked::of("sk-0123456789abcdef")).is_ok());
    /// // Repeating it adds nothing.
    /// let outcomes = guard.import(vec![key], false, guard.program()).await?;
    /// assert!(matches!(outcomes[..], [Imported::Skipped(_)]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known which were added.
    pub async fn import(
        &self,
        keys: Vec<Unkept>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<Imported>, StoreError> {
        self.to_end(move |at| async move { at.gate().import(keys, dry_run, audit).await }).await
    }

    /// Takes the wall clock for right, on record, where it is in doubt; see
    /// [`Gate::accept_clock`](keyward::Gate::accept_clock). Only a person can know that it is
    /// right.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::keyward::time::UnixMillis;
    /// use keyward_axum::testing;
    ///
    /// let (guard, clock) = testing::guard().await;
    /// assert!(!guard.accept_clock(guard.program()).await?, "it was not in doubt");
    /// // The clock was a day ahead, and is set right.
    /// let right = guard.now().unix;
    /// clock.advance(Duration::from_secs(86_400));
    /// guard.follow();
    /// clock.set(right);
    /// assert!(guard.follow().is_in_doubt());
    /// assert!(guard.accept_clock(guard.program()).await?);
    /// assert!(!guard.now().is_in_doubt());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether that survives.
    pub async fn accept_clock(&self, audit: Audit) -> Result<bool, StoreError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().accept_clock(audit, &clock).await
        })
        .await
    }

    /// Runs a change as a task of its own, so that a client that disconnects half-way cannot leave
    /// the store changed and memory unchanged.
    pub(super) async fn to_end<F, T, E>(&self, change: impl FnOnce(Self) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        finished(tokio::spawn(change(self.clone()))).await?
    }
}

/// Waits for a change that runs as a task of its own.
pub(crate) async fn finished<T>(change: JoinHandle<T>) -> Result<T, StoreError> {
    change.await.map_err(|error: JoinError| StoreError::Unavailable(Box::new(error)))
}
