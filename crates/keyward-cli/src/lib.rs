//! The commands of the program `keyward` that ask a server, read files and scan them.
//!
//! This crate has no part of the server: no settings, no listener, no handler.
//!
//! Each module uses only the modules above it in this list.

pub mod environment;

pub mod secret_file;

pub mod tutorial;

mod scanner;

mod new_file;

pub mod mask;

mod number;

mod moment;

pub mod output;

pub mod client;

pub mod connection;

pub mod status;

pub mod limit;

mod matches;

mod usage;

mod key;

mod tier;

mod owner;

mod audit;

mod scan;

mod import;

mod export;

mod backup;

pub mod commands;
