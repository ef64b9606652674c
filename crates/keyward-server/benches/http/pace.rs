//! A client that asks at a steady rate, as callers do that do not wait for each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Connection, Request};
use crate::program::Program;

/// Connections to each node: one is free while others wait.
const CONNECTIONS: u32 = 8;

/// A client that runs.
pub(crate) struct Pace {
    stop: Arc<AtomicBool>,
    running: JoinHandle<(Vec<f64>, u32)>,
    begin: Instant,
}

/// What it saw.
pub(crate) struct Paced {
    /// Requests a second, of all nodes.
    pub(crate) rate: f64,
    /// The time of each that was let in, in milliseconds.
    pub(crate) times: Vec<f64>,
    /// How many of them were 503.
    pub(crate) unavailable: u32,
}

impl Pace {
    /// Sends so many requests a second to each node, with these keys in turn. They are let in, or
    /// 503.
    pub(crate) fn start(nodes: &[Program], secrets: &[String], rate: u32) -> Self {
        let requests = secrets.iter().map(|secret| Request::get("/key", Some(secret))).collect();
        Self::start_at(nodes.iter().map(|node| node.address).collect(), requests, rate)
    }

    /// The same with these requests, at these addresses of nodes.
    pub(crate) fn start_at(addresses: Vec<SocketAddr>, requests: Vec<Request>, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, begin) = (Arc::clone(&stop), Instant::now());
        let running = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&addresses, requests.into(), rate, stopped))
        });
        Self { stop, running, begin }
    }

    pub(crate) fn stop(self) -> Paced {
        self.stop.store(true, Ordering::Relaxed);
        let seconds = self.begin.elapsed().as_secs_f64();
        let (times, unavailable) = self.running.join().unwrap();
        let count = f64::from(u32::try_from(times.len()).unwrap() + unavailable);
        Paced { rate: count / seconds, times, unavailable }
    }
}

async fn run(
    addresses: &[SocketAddr],
    requests: Arc<[Request]>,
    rate: u32,
    stop: Arc<AtomicBool>,
) -> (Vec<f64>, u32) {
    let every = Duration::from_secs(1) * CONNECTIONS / rate;
    let mut asking = JoinSet::new();
    for (node, address) in addresses.iter().enumerate() {
        for lane in 0..CONNECTIONS {
            let (address, requests, stop) = (*address, Arc::clone(&requests), Arc::clone(&stop));
            let offset = every * lane / CONNECTIONS;
            let skip = node + lane as usize;
            asking
                .spawn(async move { ask(address, &requests, (every, offset, skip), &stop).await });
        }
    }
    let (times, unavailable): (Vec<_>, Vec<_>) = asking.join_all().await.into_iter().unzip();
    (times.into_iter().flatten().collect(), unavailable.into_iter().sum())
}

async fn ask(
    address: SocketAddr,
    requests: &[Request],
    (every, offset, skip): (Duration, Duration, usize),
    stop: &AtomicBool,
) -> (Vec<f64>, u32) {
    let mut connection = Connection::open(address).await;
    let first = tokio::time::Instant::now() + offset;
    let mut turns = tokio::time::interval_at(first, every);
    let (mut times, mut unavailable) = (Vec::new(), 0);
    for request in requests.iter().cycle().skip(skip) {
        turns.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begin = Instant::now();
        if connection.send(request).await {
            times.push(begin.elapsed().as_secs_f64() * 1_000.0);
        } else {
            unavailable += 1;
        }
    }
    (times, unavailable)
}
