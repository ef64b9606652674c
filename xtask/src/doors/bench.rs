//! `cargo xtask doors --bench PROGRAM`: the requests a second of nginx with its recipe, compared
//! with those of the same nginx that asks no Keyward.
//!
//! Everything shares the machine: the clients, nginx, Keyward, and an nginx that is the API.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::keyward::Keyward;
use super::lane::CLIENT;
use super::programs;
use super::proxy::{self, RECIPES};
use crate::child::Child;
use crate::http::{Connection, Request};
use crate::ports::Ports;
use crate::tools;

/// How often each of both is measured, and for how long.
const RUNS: usize = 5;
const SECONDS: u64 = 10;
/// The connections of clients, all kept.
const CONNECTIONS: u32 = 64;
/// The connections of the clients that send at a steady rate.
const STEADY: u32 = 16;

/// The API: as fast as can be, so that the price of asking shows.
const API: &str = "server {\n    listen 8080;\n    default_type application/json;\n    \
                   keepalive_requests 1000000;\n    location / { return 200 '{}'; }\n}\n";

/// Measures a program, such as a release build, and prints the figures.
pub(crate) fn run(program: &str) -> Result<()> {
    ensure!(tools::apt(&["wrk"])?, "wrk is needed");
    let nginx = programs::nginx()?;
    let folder = tools::target()?.join("doors-bench");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing the files of the run before")?;
    }
    let ports = Ports::new();
    let program = fs::canonicalize(program).with_context(|| format!("finding {program}"))?;
    let keyward = Keyward::start(&program, &folder.join("keyward"), &ports, &[])?;
    let key = keyward.issue("bench", &json!({ "limits": [] }))?.text;
    let api = Nginx::start(&nginx, &folder.join("api"), API, &ports)?;
    let path = Path::new(RECIPES).join("nginx/keyward.conf");
    let recipe =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let recipe = recipe.replace("127.0.0.1:8002", &format!("127.0.0.1:{}", keyward.doors));
    let asking = recipe.replace("127.0.0.1:3000", &format!("127.0.0.1:{}", api.port));
    let plain = asking.replace("auth_request /_keyward;", "");
    ensure!(plain != asking, "the recipe asks Keyward");
    let plain = Nginx::start(&nginx, &folder.join("plain"), &plain, &ports)?;
    let asking = Nginx::start(&nginx, &folder.join("asking"), &asking, &ports)?;
    let (mut rates, mut rates_asking) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        rates.push(requests_per_second(plain.port, &key)?);
        rates_asking.push(requests_per_second(asking.port, &key)?);
    }
    let (rate, rate_asking) = (median(rates)?, median(rates_asking)?);
    println!("nginx-plain {rate} requests/s");
    println!("nginx-asking {rate_asking} requests/s");
    println!("nginx-asking/nginx-plain {:.2}", f64::from(rate_asking) / f64::from(rate));
    let p99 = p99(asking.port, &key, rate_asking / 2)?;
    println!("nginx-asking-p99-at-half {:.1} ms", p99.as_secs_f64() * 1_000.0);
    Ok(())
}

/// A running nginx with one worker.
struct Nginx {
    /// Ended when this is dropped.
    _child: Child,
    port: u16,
}

impl Nginx {
    fn start(program: &Path, folder: &Path, servers: &str, ports: &Ports) -> Result<Self> {
        fs::create_dir_all(folder).context("making the directory of an nginx")?;
        let port = ports.take()?;
        let servers = servers.replace("listen 8080", &format!("listen 127.0.0.1:{port}"));
        let command = proxy::nginx_with(program, folder, &servers)?;
        let mut child = Child::start(command, folder.join("log"), port)?;
        child.wait_until_it_listens()?;
        Ok(Self { _child: child, port })
    }
}

/// What wrk counts, all of it responses with 200.
fn requests_per_second(port: u16, key: &str) -> Result<u32> {
    let (connections, seconds) = (format!("-c{CONNECTIONS}"), format!("-d{SECONDS}s"));
    let mut command = Command::new("wrk");
    command.args(["-t1", &connections, &seconds, "-H", &format!("Authorization: Bearer {key}")]);
    command.arg(format!("http://127.0.0.1:{port}/"));
    let output = command.output().context("starting wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_whole = !text.contains("Non-2xx") && !text.contains("Socket errors");
    ensure!(is_whole, "wrk saw errors:\n{text}");
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let rate = rate.and_then(|rate| rate.trim().split('.').next()?.parse().ok());
    rate.with_context(|| format!("wrk counts requests:\n{text}"))
}

fn median(mut rates: Vec<u32>) -> Result<u32> {
    rates.sort_unstable();
    rates.get(rates.len() / 2).copied().context("a run")
}

/// The time within which 99 of 100 responses come, counted from the moment when a request was due.
fn p99(port: u16, key: &str, per_second: u32) -> Result<Duration> {
    let pause = Duration::from_secs(1) * STEADY / per_second;
    let count = per_second / STEADY * u32::try_from(SECONDS)?;
    let mut times = thread::scope(|scope| -> Result<Vec<Duration>> {
        let ask = || steadily(port, key, pause, count);
        let clients: Vec<_> = (0..STEADY).map(|_| scope.spawn(ask)).collect();
        let times = clients.into_iter().map(|it| it.join().ok().context("a client broke down")?);
        Ok(times.collect::<Result<Vec<_>>>()?.concat())
    })?;
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().context("a response")
}

#[expect(clippy::disallowed_methods, reason = "a figure is read from the clock")]
fn steadily(port: u16, key: &str, pause: Duration, count: u32) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(CLIENT, port)?;
    let request = Request::get("/").bearer(key);
    let begin = Instant::now();
    let mut times = Vec::new();
    for number in 0..count {
        let due = begin + pause * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let response = connection.send(&request)?;
        ensure!(response.status() == 200, "a response was {}", response.first);
        times.push(due.elapsed());
        if !response.is_kept() {
            connection = Connection::open(CLIENT, port)?;
        }
    }
    Ok(times)
}
