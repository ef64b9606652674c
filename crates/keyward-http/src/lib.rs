//! Keyward over HTTP, for any framework whose requests are made of the crate `http`.
//!
//! Each module uses only those above it in this list.

pub mod clock;

pub mod fault;

pub mod credentials;

pub mod cache;

pub mod rate_limit;

pub mod failures;

pub use clock::{Clock, SystemClock};
pub use rate_limit::RateLimitHeaders;
