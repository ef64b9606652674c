//! The API of Keyward as types: each request and response body once, from which reading, checking,
//! describing and writing follow.
//!
//! Each module uses only those above it in this list.

pub mod access_token;

pub mod admin_key;

pub mod duration;

pub mod time;

pub mod shapes;

pub mod limit_text;

pub mod transfer;
