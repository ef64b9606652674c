//! Moving counts, and the reading of the clock, to the store.

#[cfg(doc)]
use keyward::Gate;
use keyward::gate::Flushed;
use keyward::store::StoreError;

use super::Authenticator;

impl Authenticator {
    /// Moves all that was counted so far to the store; see [`Gate::flush`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::keyward::Asked;
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// let caller = authenticator.verify(&Asked::of(&secret)).unwrap();
    /// let at = authenticator.now().unix;
    /// let waiting = || authenticator.gate().counted(&caller, at).requests();
    /// assert_eq!(waiting(), 1);
    /// authenticator.flush().await?;
    /// assert_eq!(waiting(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if something is left, which the next flush takes.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let clock = || self.clock.now();
        loop {
            let Flushed { rows: _, more } = self.gate.flush(&clock).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Does the work that usage leaves in the store, a piece of it, and returns whether more
    /// is left; see [`Gate::tend_usage`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// // Usage of today and of 400 days before.
    /// while authenticator.tend_usage(Some(400)).await? {}
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store fails; nothing is lost by that.
    pub async fn tend_usage(&self, days: Option<u32>) -> Result<bool, StoreError> {
        self.gate.tend_usage(&|| self.clock.now(), days).await
    }

    /// Moves the latest reading of the clock to the store; see [`Gate::keep_reading`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// authenticator.flush().await?;
    /// authenticator.keep_reading().await?;
    /// let kept = authenticator.gate().store().latest_reading().await?;
    /// assert_eq!(kept, Some(authenticator.now().unix));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store did not take it.
    pub async fn keep_reading(&self) -> Result<(), StoreError> {
        self.gate.keep_reading(&|| self.clock.now()).await
    }
}
