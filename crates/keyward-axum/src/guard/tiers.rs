//! Changes of tiers through a guard.

use keyward::audit::Audit;
use keyward::gate::{DeleteTierError, PutTierError, TierBefore};
use keyward::limit::Limits;
use keyward::tier::TierName;

use super::Guard;

impl Guard {
    /// Writes a tier; see [`Gate::put_tier`](keyward::Gate::put_tier).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_axum::keyward::gate::TierBefore;
    /// use keyward_axum::keyward::limit::{Limit, Limits};
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let limit = Limit::new("requests", 10.try_into()?, Duration::from_secs(1), 10.try_into()?)?;
    /// let limits = Limits::of(Some(limit));
    /// let (name, audit) = ("trial".parse()?, guard.program());
    /// assert!(guard.put_tier(name, limits.clone(), TierBefore::Any, audit).await?);
    /// // It is to be new, and there is one of that name.
    /// let (name, is_new) = ("basic".parse()?, TierBefore::Exactly(None));
    /// assert!(guard.put_tier(name, limits, is_new, guard.program()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier was not written.
    pub async fn put_tier(
        &self,
        name: TierName,
        limits: Limits,
        before: TierBefore,
        audit: Audit,
    ) -> Result<bool, PutTierError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().put_tier(name, limits, before, audit, &clock).await
        })
        .await
    }

    /// Deletes a tier; see [`Gate::delete_tier`](keyward::Gate::delete_tier).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::keyward::gate::TierBefore;
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// testing::issue(&guard, "weather-bot").await;
    /// guard.delete_tier("pro".parse()?, TierBefore::Any, guard.program()).await?;
    /// let basic = guard.delete_tier("basic".parse()?, TierBefore::Any, guard.program());
    /// assert_eq!(basic.await.unwrap_err().to_string(), "1 keys have the tier");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`DeleteTierError`] if the tier was not deleted, or if that is not known.
    pub async fn delete_tier(
        &self,
        name: TierName,
        before: TierBefore,
        audit: Audit,
    ) -> Result<(), DeleteTierError> {
        self.to_end(move |at| async move { at.gate().delete_tier(name, before, audit).await }).await
    }
}
