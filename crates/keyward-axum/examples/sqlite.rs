//! A small service whose keys survive a restart, in a SQLite file.
//!
//! Issue a key, then serve, and type the `curl` lines that are printed: one request passes, the
//! other one is rejected. Stop the service with Ctrl-C and start it again: the key still works.
//!
//! ```console
//! $ cargo run -p keyward-axum --features sqlite --example sqlite -- issue weather-bot
//! $ cargo run -p keyward-axum --features sqlite --example sqlite
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to the person at the terminal")]

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::{Caller, SqliteGuard};
use tokio::net::TcpListener;

const FILE: &str = "keys.db";

async fn greet(caller: Caller) -> String {
    format!("Hello, {}!\n", caller.name())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = SqliteGuard::open(FILE).await?;
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (Some("issue"), Some(name)) => issue(&keys, &name).await,
        (None, None) => serve(&keys).await,
        (Some(_), _) | (None, Some(_)) => Err("usage: sqlite [issue NAME]".into()),
    };
    // Moves the last usage to the file, however this ends.
    keys.close().await?;
    done
}

async fn issue(keys: &SqliteGuard, name: &str) -> Result<(), Box<dyn Error>> {
    let guard = keys.guard();
    let key = NewKey::plain(name.parse()?, "basic".parse()?, None);
    let issued = guard.issue(key, guard.program()).await?;
    // It is shown this once: the file has its digest.
    println!("passes: curl -i localhost:3000 -H 'X-API-Key: {}'", issued.secret.expose());
    println!("is rejected: curl -i localhost:3000");
    Ok(())
}

async fn serve(keys: &SqliteGuard) -> Result<(), Box<dyn Error>> {
    let guard = keys.guard().clone();
    let app = Router::new().route("/", get(greet)).layer(guard.responses()).with_state(guard);
    // Keys that are restricted to networks need the address of the peer.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("serving on http://{}; Ctrl-C ends it", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    Ok(())
}
