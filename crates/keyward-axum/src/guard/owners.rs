//! Changes of owners through a guard.

use keyward::audit::Audit;
use keyward::details::OwnerVersion;
use keyward::gate::EditOwnerError;
use keyward::limit::Limits;
use keyward::record::Owner;
use keyward::store::StoreError;
use keyward::stored::OwnerRow;

use super::Guard;

impl Guard {
    /// Suspends or resumes an owner with all keys; see
    /// [`Gate::set_owner_suspended`](keyward::Gate::set_owner_suspended).
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
    /// let key = NewKey { owner: Some("acme".parse()?), ..key };
    /// let secret = guard.issue(key, guard.program()).await?.secret;
    /// guard.set_owner_suspended("acme".parse()?, true, guard.program()).await?;
    /// assert!(guard.verify(&Asked::of(secret.expose())).is_err());
    /// guard.set_owner_suspended("acme".parse()?, false, guard.program()).await?;
    /// assert!(guard.verify(&Asked::of(secret.expose())).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the change survives.
    pub async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerRow, StoreError> {
        self.to_end(move |at| async move {
            at.gate().set_owner_suspended(owner, suspended, audit).await
        })
        .await
    }

    /// Gives an owner other limits, which all of its keys share; see
    /// [`Gate::edit_owner`](keyward::Gate::edit_owner).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::keyward::limit::{Limit, Limits};
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let (amount, day) = (5_000.try_into()?, Duration::from_secs(86_400));
    /// let limit = Limit::new("day", amount, day, amount)?;
    /// let limits = Limits::of(Some(limit));
    /// // The owner need not have a key yet.
    /// let owner = guard.edit_owner("acme".parse()?, limits, None, guard.program()).await?;
    /// assert_eq!((owner.keys, owner.limits.list()), (0, &[limit][..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`EditOwnerError`] if the owner was not edited, or if that is not known.
    pub async fn edit_owner(
        &self,
        owner: Owner,
        limits: Limits,
        expected: Option<OwnerVersion>,
        audit: Audit,
    ) -> Result<OwnerRow, EditOwnerError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().edit_owner(owner, limits, expected, audit, &clock).await
        })
        .await
    }
}
