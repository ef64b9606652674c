//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod access;
mod access_log;
mod admin;
mod admin_auth;
mod audit;
mod backup;
mod cli;
mod clock;
mod cors;
mod docs;
mod doors;
mod full;
mod greeting;
mod http2;
mod https;
#[path = "../../../keyward-admin/tests/support/issuer.rs"]
mod issuer;
mod leaks;
mod ledger;
mod life;
mod limits;
mod lists;
mod lost;
mod memory;
mod metrics;
#[cfg(feature = "postgres")]
mod migrate;
mod misplaced;
mod moving;
#[cfg(feature = "news")]
mod news;
mod once;
#[cfg(feature = "otlp")]
mod otlp;
mod output;
mod owners;
mod people;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "../../../keyward-postgres/tests/it/starter.rs"]
mod postgres_starter;
mod precondition;
mod requests_max;
mod rotation;
mod sample;
mod scan;
mod server;
mod settings;
mod signals;
mod survive;
mod tiers;
#[path = "../../../keyward-admin/tests/support/tls.rs"]
mod tls;
mod tokens;
mod transfer;
mod trust;
mod unread;
mod usage;
mod wire;
#[cfg(not(feature = "news"))]
mod without_news;
#[cfg(not(feature = "otlp"))]
mod without_otlp;
#[cfg(not(feature = "postgres"))]
mod without_postgres;
