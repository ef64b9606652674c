//! Keyward over HTTP, for any framework whose requests are made of the crate `http`.
//!
//! Each module uses only those above it in this list.

pub mod clock;

pub mod fault;

pub mod credentials;

pub mod cache;

pub mod rate_limit;

pub mod form;

pub mod answer;

pub mod input;

pub mod origin;

pub mod failures;

pub use answer::Refusal;
pub use clock::{Clock, SystemClock};
pub use form::Form;
pub use rate_limit::RateLimitHeaders;
