//! API-key authentication: the decision itself.
//!
//! Given the text of a key and the time, [`verify()`] decides who is calling and whether they are
//! allowed; the [`Gate`] issues and revokes keys and moves usage counts to a [`store`]. This crate
//! knows neither HTTP nor SQL; it starts no thread, never sleeps and reads no clock.
//!
//! Each module uses only those above it in this list, which makes it a plan for reading.

pub mod json;

pub mod text;

pub mod time;

mod carried;

pub mod key;

pub mod digest;

pub mod scan;

pub mod network;

pub mod limit;

pub mod tier;

pub mod record;

pub mod owner;

pub mod details;

pub mod stored;

pub mod count;

pub mod index;

pub mod usage;

pub mod verify;

pub mod once;

pub mod audit;

pub mod issue;

pub mod change;

pub mod query;

pub mod transfer;

pub mod rules;

pub mod store;

pub mod gate;

#[cfg(any(test, feature = "testing"))]
pub mod memory;

#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these are tests, for other crates to run"
)]
pub mod conformance;

pub use gate::Gate;
pub use key::Secret;
pub use record::KeyId;
pub use time::{Now, UnixMillis};
pub use verify::{Asked, Caller, Denied, KeyRef, Verdict, verify};
