//! All doors, as an app mounts them.

use keyward_admin::routes::Routes;
use keyward_axum::Guard;

use crate::state::{Access, DoorOptions, State};
use crate::{forward, grpc, introspect, nginx, verify};

/// The doors of a guard. A clone shares everything.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use keyward_axum::testing;
/// use keyward_doors::{DoorOptions, Doors};
///
/// let (guard, _clock) = testing::guard().await;
/// let doors = Doors::new(guard, DoorOptions::default());
/// let router: axum::Router = doors.routes().into_router();
/// # let _ = router;
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Doors(State);

impl Doors {
    /// Doors that ask this guard.
    #[must_use]
    pub fn new(guard: Guard, options: DoorOptions) -> Self {
        Self(State::new(guard, options))
    }

    /// Their routes, for a listener of their own. They need to know the peer of a connection, as
    /// axum puts it among the extensions of a request; without it, no client may ask.
    #[must_use]
    pub fn routes(&self) -> Routes {
        verify::routes()
            .merge(forward::routes())
            .merge(nginx::routes())
            .merge(grpc::routes())
            .merge(introspect::routes())
            .with_state(&self.0)
    }

    /// Sets who may ask from now on; the room for repeated asks stays as it is.
    pub fn set_access(&self, options: DoorOptions) {
        let DoorOptions { networks, keys, request_ids_max: _ } = options;
        self.0.set_access(Access { networks, keys });
    }
}

#[cfg(test)]
mod tests;
