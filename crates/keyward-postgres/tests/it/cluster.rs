//! Several gates over one database.

mod lanes;
mod limits;
mod loops;
mod loss;
mod standby;
mod steps;

use std::time::Duration;

use keyward_axum::keyward::{Asked, Gate};
use keyward_postgres::{LEASE_MIN, Migration, OpenOptions, PostgresStore};

use crate::server::place;

/// The lease of these.
pub(crate) const LEASE: Duration = LEASE_MIN;

/// A schema for several nodes, with the shortest lease.
pub(crate) async fn shared() -> OpenOptions {
    let place = OpenOptions { several: true, ..place() };
    let migration = Migration { lease: Some(LEASE), ..Migration::default() };
    PostgresStore::migrate_with(&place, &migration).await.unwrap();
    place
}

/// The word for the verdict about a secret at this time.
pub(crate) fn word(gate: &Gate, secret: &str, now: keyward::time::Now) -> &'static str {
    gate.verify(&Asked::of(secret), now).map_or_else(|denied| denied.as_str(), |_| "allowed")
}
