//! The API of Keyward as types: each request and response body once, from which reading, checking,
//! describing and writing follow.
//!
//! Each module uses only those above it in this list.

pub mod access_token;

pub mod admin_key;

pub mod duration;

pub mod time;

pub mod query;

pub mod body;

pub mod shapes;

pub mod words;

pub mod clock;

pub mod limit_text;

pub mod transfer;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod limit;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod tier;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod owner;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod key;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod usage;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod export;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod import;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod leaks;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod audit;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod verify;

#[expect(missing_docs, reason = "a field whose type says all has no words of its own")]
pub mod introspect;

pub mod rejection;

/// The rejection of a text with a key in it. Names, notes and reasons are stored, listed, exported
/// and audited unchanged, so a secret in one of them would be exposed permanently.
pub const MISPLACED: &str = "a whole key is in it, which everyone could read here; leave it out";
