//! A server with one handler on two routes, one of them guarded.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler as _;
use axum::routing::get;
use keyward::Gate;
use keyward::gate::TierBefore;
use keyward::issue::NewKey;
use keyward::key::Prefix;
use keyward::store::KeyStore as _;
use keyward_axum::{Clock as _, Guard, GuardOptions, SystemClock, Upkeep};
use keyward_sqlite::SqliteStore;

/// Turns this program into the server.
pub(crate) const ARGUMENT: &str = "serve-hello";

async fn greet() -> &'static str {
    "Hello!"
}

/// Serves on one thread until it is killed; prints its address and a secret first.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::start();
        let path = folder.path().join("hello.db");
        let store = Arc::new(SqliteStore::open(&path, "benchmark", clock.now().unix).unwrap());
        let gate = Gate::open(Arc::clone(&store) as _, Prefix::default()).await.unwrap();
        let guard = Guard::new(gate, clock, GuardOptions::default());
        // A limit that is checked and never reached.
        let limit = keyward::limit::Limit::new(
            "requests",
            1_000_000_000.try_into().unwrap(),
            std::time::Duration::from_secs(1),
            1_000_000_000.try_into().unwrap(),
        );
        let name: keyward::tier::TierName = "basic".parse().unwrap();
        let limits = keyward::limit::Limits::of(Some(limit.unwrap()));
        guard.put_tier(name.clone(), limits, TierBefore::Any, guard.program()).await.unwrap();
        let key = NewKey::plain("bench".parse().unwrap(), name, None);
        let issued = guard.issue(key, guard.program()).await.unwrap();
        let upkeep = Upkeep::start(guard.clone(), std::time::Duration::from_secs(1));
        let guarded = get(greet.layer(guard.layer()));
        let app: Router = Router::new().route("/open", get(greet)).route("/guarded", guarded);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{} {}", listener.local_addr().unwrap(), issued.secret.expose());
        std::io::stdout().flush().unwrap();
        axum::serve(listener, app).await.unwrap();
        upkeep.stop().await.unwrap();
        store.close().await.unwrap();
    });
}

/// That server as a process of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) process: u32,
    pub(crate) address: SocketAddr,
    pub(crate) secret: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(ARGUMENT).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, secret) = line.trim().split_once(' ').unwrap();
        let (address, secret) = (address.parse().unwrap(), secret.to_owned());
        Self { process: child.id(), child, address, secret }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
