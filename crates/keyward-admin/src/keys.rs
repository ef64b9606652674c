//! Keys on the admin API: a file for each thing that can be done with one.

mod common;
mod edit;
mod identify;
mod issue;
mod life;
mod list;
mod rotate;
mod show;
mod usage;

use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;

/// The routes of keys, and of their usage.
pub(crate) fn routes() -> Routes<Shared> {
    let (viewer, issuer) = (Access::Admin(Role::Viewer), Access::Admin(Role::Issuer));
    Routes::new()
        .add(viewer, route!(list::list_keys))
        .add(issuer, route!(issue::issue_key))
        .add(viewer, route!(identify::identify_keys))
        .add(viewer, route!(show::find_key))
        .add(issuer, route!(edit::edit_key))
        .add(issuer, route!(life::revoke_key))
        .add(issuer, route!(life::suspend_key))
        .add(issuer, route!(life::resume_key))
        .add(issuer, route!(rotate::rotate_key))
        .add(viewer, route!(usage::show_usage))
        .add(viewer, route!(usage::show_top))
        .add(viewer, route!(show::list_prefixes))
}
