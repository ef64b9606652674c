//! The parts of a rejection, for a door that says them in a form of its own.

use std::borrow::Cow;

use http::header::HeaderMap;
use keyward::{Denied, UnixMillis};

use super::{Detail, Rejection};
use crate::verdicts::Decision;

impl Rejection {
    /// The decision that it is the response to; `None` for a rejection that was made without one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::HeaderMap;
    /// use keyward_http::verdicts::Outcome;
    /// use keyward_http::{Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let decided = authenticator.authenticate(&mut HeaderMap::new(), None, Required::default());
    /// let decision = decided.unwrap_err().decision().unwrap();
    /// assert_eq!((decision.outcome, decision.key_id), (Outcome::Missing, None));
    /// # }
    /// ```
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// The rejection as the response to this decision.
    pub(crate) fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }

    /// The denial that it is the response to; `None` for every other rejection, also for that of
    /// an address with too many wrong keys.
    ///
    /// ```
    /// use keyward_http::Rejection;
    ///
    /// // Without a key, there was nothing to decide.
    /// assert_eq!(Rejection::no_key().denied(), None);
    /// ```
    #[must_use]
    pub fn denied(&self) -> Option<&Denied> {
        self.denied.as_deref().map(|(denied, _)| denied)
    }

    /// The time of that denial, by which its header fields count.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// use keyward_http::{Rejection, Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let denied = authenticator.authenticate_text("wrong", None, Required::default());
    /// assert_eq!(denied.unwrap_err().denied_at(), Some(authenticator.now().unix));
    /// assert_eq!(Rejection::no_key().denied_at(), None);
    /// # });
    /// ```
    #[must_use]
    pub fn denied_at(&self) -> Option<UnixMillis> {
        self.denied.as_deref().map(|(_, at)| *at)
    }

    /// Its sentence; empty for an invalid input, which has faults.
    ///
    /// ```
    /// use keyward_http::Rejection;
    ///
    /// assert_eq!(Rejection::no_key().detail(), "Missing Authorization header");
    /// ```
    #[must_use]
    pub fn detail(&self) -> &str {
        match &self.detail {
            Detail::Text(text) => text,
            Detail::More(more) => &more.0,
            Detail::Faults(_) => "",
        }
    }

    /// The header fields of the response, apart from those about its body.
    ///
    /// ```
    /// use keyward_http::Rejection;
    ///
    /// assert_eq!(Rejection::unavailable().headers()["retry-after"], "1");
    /// ```
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The rejection with another sentence.
    ///
    /// ```
    /// use keyward_http::Rejection;
    ///
    /// let rejection = Rejection::unavailable().with_detail("The store is full");
    /// assert_eq!((rejection.status().as_u16(), rejection.detail()), (503, "The store is full"));
    /// ```
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Detail::Text(detail.into()), ..self }
    }
}
