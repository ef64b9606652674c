//! A small but complete app with Keyward, with its keys in memory.
//!
//! Start it with `cargo run -p keyward-axum --features testing --example hello` and type the two
//! `curl` lines that it prints: one request is allowed, the other is rejected.

#![expect(clippy::print_stdout, reason = "an example prints for its reader")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::{Caller, Guard, GuardOptions, SystemClock, Upkeep};
use tokio::net::TcpListener;

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
}

async fn greet(caller: Caller) -> String {
    format!("Hello, {}!\n", caller.name())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real service keeps them in a file: see the example `sqlite`.
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));

    let key = NewKey::plain("hello-example".parse()?, "basic".parse()?, None);
    let issued = guard.issue(key, guard.program()).await?;

    let responses = guard.responses();
    let app = Router::new().route("/", get(greet)).layer(responses).with_state(App { guard });
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("allowed: curl -i localhost:3000 -H 'X-API-Key: {}'", issued.secret.expose());
    println!("rejected: curl -i localhost:3000");
    axum::serve(listener, app).await?;
    upkeep.stop().await?;
    Ok(())
}
