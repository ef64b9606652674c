//! The control plane of Keyward.
//!
//! Each module uses only those above it in this list.

pub mod failure;

pub mod role;

pub mod request_id;

pub mod admin_key;

pub mod people;

pub mod fetch;

pub mod body;

pub mod astray;

pub mod access;

/// The parser of tokens with the properties that hold for it, for the fuzzer alone.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::access::fuzzing::token;
}

pub use failure::broken;
pub use request_id::RequestId;
pub use role::Role;
