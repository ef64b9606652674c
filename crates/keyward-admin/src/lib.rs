//! The control plane of Keyward, which any axum app mounts: issuing, changing and revoking keys,
//! tiers and owners, usage, the audit trail, import and export, copies, reports of leaks, and who
//! may use all that.
//!
//! Each module uses only those above it in this list.

mod failure;

pub mod role;

pub mod request_id;

pub mod admin_key;

pub mod people;

mod fetch;

mod body;

pub mod astray;

pub mod access;

mod precondition;

mod once;

mod change;

mod unread;

pub mod routes;

mod shared;

mod keys;

mod owners;

mod tiers;

mod audit;

mod import;

mod export;

pub mod backup;

mod leaks;

pub mod openapi;

pub mod control;

/// The parser of tokens with the properties that hold for it, for the fuzzer alone.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::access::fuzzing::token;
}

pub use access::AccessOptions;
pub use backup::Backups;
pub use control::{AdminOptions, Control};
pub use failure::broken;
pub use request_id::RequestId;
pub use role::Role;
