//! API-key authentication: the decision itself.
//!
//! Given the text of a key and the time, [`verify()`] decides who is calling and whether they are
//! allowed; the [`Gate`] issues and revokes keys and moves usage counts to a [`store`]. This crate
//! knows neither HTTP nor SQL; it starts no thread, never sleeps and reads no clock.
//!
//! ```
//! use std::sync::Arc;
//!
//! use keyward::audit::Audit;
//! use keyward::issue::NewKey;
//! use keyward::key::Prefix;
//! use keyward::memory::MemoryStore;
//! use keyward::time::{Now, SteadyNanos, UnixMillis};
//! use keyward::{Asked, Denied, Gate};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! // A real service opens its store here, and reads its clock where `now` is.
//! let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
//! let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
//!
//! let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
//! let issued = gate.issue(key, Audit::program(now.unix)).await?;
//! let caller = gate.verify(&Asked::of(issued.secret.expose()), now).unwrap();
//! assert_eq!(caller.name(), "weather-bot");
//!
//! gate.revoke(issued.key_id, None, Audit::program(now.unix)).await?;
//! let denied = gate.verify(&Asked::of(issued.secret.expose()), now).unwrap_err();
//! assert!(matches!(denied, Denied::Revoked(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Ways to begin
//!
//! | for | begin with |
//! |---|---|
//! | a web app | `keyward-axum`, or `keyward-http`, which are built on this crate |
//! | a service without HTTP | [`Gate::open`], over a [`KeyStore`] as `keyward-sqlite` has it |
//! | a store of another kind | [`KeyStore`], [`Reports`], and their tests: [`mod@conformance`] |
//! | finding leaked keys | [`scan::Finder`] |
//!
//! # Decisions
//!
//! [`Gate::verify`] takes an [`Asked`] and a [`Now`], and returns a [`Verdict`]: the [`Caller`], or
//! a [`Denied`] with a [`KeyRef`]. [`verify()`] does so over an [`Index`] of entries ([`Entry`]),
//! and counts each request in [`Usage`].
//!
//! A key is made of a [`Prefix`] and a [`Secret`]; a text that may be one is a [`Presented`], and a
//! store has its [`Digest`]. It has a [`KeyId`], a [`KeyName`], [`Scopes`], [`Networks`],
//! [`Metadata`], and the [`Limits`] of a [`Tier`] or its own: each [`Limit`] is a token bucket,
//! from which a request takes its [`Cost`]. Their state is in [`Standings`] and [`Exceeded`].
//!
//! # Changes
//!
//! | of | methods | with |
//! |---|---|---|
//! | keys | [`Gate::issue`] | [`NewKey`], [`Issued`] |
//! | keys | [`Gate::change`] | [`KeyChange`], [`KeyEdit`], [`Versions`] |
//! | keys | [`Gate::rotate`], [`Gate::revoke`] | [`Rotated`], [`Reason`] |
//! | keys of another system | [`Gate::import`] | [`Digest`] |
//! | tiers | [`Gate::put_tier`], [`Gate::delete_tier`] | [`TierName`] |
//! | owners | [`Gate::edit_owner`], [`Gate::set_owner_suspended`] | [`Owner`] |
//! | anything | [`Gate::run`] | [`ChangeError`] |
//!
//! Each has an [`Audit`]: the [`Actor`], the time, the address, and whether it is to happen
//! [once](once::Once). [`Chain`] checks the trail of all changes.
//!
//! # Running
//!
//! The program calls [`Gate::follow`] and [`Gate::flush`] about once a second, and
//! [`Gate::keep_reading`] in the end. [`Gate::judge`] says what time it may be, and
//! [`Gate::accept_clock`] ends a doubt. Operators' queries, such as [`KeyQuery`] with a
//! [`KeyFilter`], go to [`Reports`]; a [`Backup`] copies a store in use.
//!
//! # Guarantees
//!
//! - [`verify()`] waits for nothing, allocates nothing, and reads no clock.
//! - A key works only when it is durable, and a revoked one never works again: a change is in the
//!   store before it is in memory, and in memory before it is acknowledged.
//! - A limit is never exceeded, by any number of threads; a denied request takes nothing.
//! - The text of a key is in a [`Secret`] alone, which nothing prints, copies or serialises.
//! - Nothing that a caller sends makes it panic.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `testing` | [`memory::MemoryStore`], and the tests of each store: [`mod@conformance`] |
//!
//! It is not on by default.
//!
//! [`Actor`]: audit::Actor
//! [`Audit`]: audit::Audit
//! [`Backup`]: store::Backup
//! [`Chain`]: audit::Chain
//! [`ChangeError`]: gate::ChangeError
//! [`Cost`]: limit::Cost
//! [`Digest`]: digest::Digest
//! [`Entry`]: index::Entry
//! [`Exceeded`]: limit::Exceeded
//! [`Index`]: index::Index
//! [`Issued`]: issue::Issued
//! [`KeyChange`]: change::KeyChange
//! [`KeyEdit`]: change::KeyEdit
//! [`KeyFilter`]: query::KeyFilter
//! [`KeyName`]: record::KeyName
//! [`KeyQuery`]: query::KeyQuery
//! [`KeyStore`]: store::KeyStore
//! [`Limit`]: limit::Limit
//! [`Limits`]: limit::Limits
//! [`Metadata`]: details::Metadata
//! [`Networks`]: network::Networks
//! [`NewKey`]: issue::NewKey
//! [`Owner`]: record::Owner
//! [`Prefix`]: key::Prefix
//! [`Presented`]: key::Presented
//! [`Reason`]: details::Reason
//! [`Reports`]: store::Reports
//! [`Rotated`]: issue::Rotated
//! [`Scopes`]: record::Scopes
//! [`Standings`]: limit::Standings
//! [`Tier`]: tier::Tier
//! [`TierName`]: tier::TierName
//! [`Usage`]: usage::Usage
//! [`Versions`]: details::Versions
//!
//! Each module uses only those above it in this list, which makes it a plan for reading.

pub mod json;

pub mod text;

pub mod time;

pub mod lease;

#[cfg(any(test, feature = "testing"))]
pub mod mutant;

#[cfg(not(any(test, feature = "testing")))]
mod mutant;

mod carried;

pub mod striped;

pub mod key;

pub mod digest;

pub mod scan;

pub mod network;

pub mod limit;

pub mod tier;

pub mod record;

pub mod owner;

pub mod ticket;

pub mod details;

pub mod stored;

pub mod columns;

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
