//! A service with a route of its own, its keys in a SQLite file, and the control plane mounted.
//!
//! ```console
//! $ ADMIN_API_KEY=$(openssl rand -hex 32) cargo run -p keyward-admin --example service
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::{Router, routing::get};
use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
use keyward_admin::{AccessOptions, AdminOptions, Backups, Control};
use keyward_axum::{Caller, SqliteGuard};
use tokio::net::TcpListener;

async fn greet(caller: Caller) -> String {
    format!("Hello, {}!\n", caller.name())
}

/// The whole service: `/` for callers, `/admin` for operators.
pub(crate) fn app(keys: &SqliteGuard, control: &Control) -> Router {
    let own = Router::new().route("/", get(greet)).with_state(keys.guard().clone());
    own.merge(control.router()).layer(keys.guard().responses())
}

pub(crate) async fn control(keys: &SqliteGuard, key: &str) -> Result<Control, Box<dyn Error>> {
    let admin_keys = AdminKeyDigests::only(&AdminKey::parse(key)?);
    let access = AccessOptions { admin_keys, ..AccessOptions::default() };
    let backups = Some(Backups::new(keys.backup(), keys.path()));
    let options = AdminOptions { access, backups, ..AdminOptions::default() };
    Ok(Control::open(keys.guard().clone(), keys.reports(), options).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = SqliteGuard::open("keys.db").await?;
    let control = control(&keys, &std::env::var("ADMIN_API_KEY")?).await?;
    let app = app(&keys, &control).into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    control.close().await;
    Ok(keys.close().await?)
}
