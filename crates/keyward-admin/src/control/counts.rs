//! What a control plane tells about itself.

use super::Control;
use crate::counts::AdminCounts;

impl Control {
    /// The counts since it was opened, for an app that shows metrics.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// assert!(control.counts().rejections.contains(&("wrong_key", 0)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn counts(&self) -> AdminCounts {
        let access = self.authentication.counts();
        let fetches = &access.key_fetches;
        AdminCounts {
            rejections: access.rejections(),
            oidc_key_fetches: vec![("ok", fetches.ok.get()), ("error", fetches.failed.get())],
            leak_reports: self.leaks.counts(),
        }
    }
}
