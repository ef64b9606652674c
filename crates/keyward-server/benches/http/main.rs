//! The cost of Keyward over HTTP. `cargo xtask bench` runs this and makes a table of it.
//!
//! Prints lines of `name value unit`. Servers run in processes of their own, so that their
//! processor time is separate from the client's.

#![expect(clippy::print_stdout, reason = "figures are printed")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop at once")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod client;
mod cluster;
mod hello;
mod million;
mod pace;
mod program;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyward::audit::Audit;
use keyward::digest::Digest;
use keyward::issue::NewKey;
use keyward::key::{Prefix, Presented, Secret};
use keyward::rules::Change;
use keyward::store::KeyStore as _;
use keyward::stored::StoredSecret;
use keyward::time::UnixMillis;
use keyward_sqlite::SqliteStore;

use crate::client::{Load, Request};
use crate::program::{ADMIN_KEY, Program};

/// Pairs of runs; the median of their ratios is printed.
const PAIRS: usize = 9;
const RUN: Duration = Duration::from_millis(1_500);
const ARTICLES: usize = 100_000;
const KEYS: usize = 1_000_000;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == hello::ARGUMENT) {
        return hello::serve();
    }
    let only = arguments.iter().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    if wanted("guard") {
        guard();
    }
    if wanted("articles") {
        articles();
    }
    if wanted("issue") {
        issue();
    }
    if wanted("start") {
        start();
    }
    if wanted("million") {
        million::run();
    }
    if wanted("cluster") {
        cluster::run(million::KEYS);
    }
    if only.is_some_and(|only| only == "small-cluster") {
        cluster::run(million::KEYS / 10);
    }
    if only.is_some_and(|only| only == "cluster-limits") {
        cluster::run_limits();
    }
    if only.is_some_and(|only| only == "cluster-changes") {
        cluster::run_changes();
    }
}

/// The same handler, with and without a guard, in one server and in turn.
fn guard() {
    let server = hello::Server::start();
    let open = Request::get("/open", None);
    let guarded = Request::get("/guarded", Some(&server.secret));
    let run = |request: &Request| Load::run(server.address, server.process, request, RUN);
    run(&open);
    run(&guarded);
    let pairs: Vec<_> = (0..PAIRS).map(|_| (run(&open), run(&guarded))).collect();
    let median_of = |figure: fn(&(Load, Load)) -> f64| median(pairs.iter().map(figure).collect());
    println!("http.open_rate {:.0} requests/s", median_of(|(open, _)| open.rate));
    println!("http.guarded_rate {:.0} requests/s", median_of(|(_, guarded)| guarded.rate));
    let fewer = median_of(|(open, guarded)| 100.0 * (1.0 - guarded.rate / open.rate));
    println!("http.guard_fewer {fewer:.1} %");
    let more = median_of(|(open, guarded)| guarded.cpu_micros - open.cpu_micros);
    println!("http.guard_cpu {more:.2} µs/request");
}

/// Articles from SQLite against a handler that does nothing, on one server thread.
fn articles() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[("KEYWARD_THREADS", "1")]);
    program.admin("PUT", "/admin/tiers/basic", r#"{"limits":[]}"#);
    let secret = program.issue();
    for batch in 0..ARTICLES / 100 {
        let articles: Vec<_> = (0..100).map(|at| article(batch * 100 + at)).collect();
        let body = format!(r#"{{"articles":[{}]}}"#, articles.join(","));
        program.admin("POST", "/admin/articles", &body);
    }
    let hello = Request::get("/healthz", None);
    let articles = Request::get("/articles?limit=20", Some(&secret));
    let run = |request: &Request| Load::run(program.address, program.process(), request, RUN);
    run(&hello);
    run(&articles);
    let pairs: Vec<_> = (0..PAIRS).map(|_| (run(&hello), run(&articles))).collect();
    let median_of = |figure: fn(&(Load, Load)) -> f64| median(pairs.iter().map(figure).collect());
    println!("http.hello_rate {:.0} requests/s", median_of(|(hello, _)| hello.rate));
    println!("http.articles_rate {:.0} requests/s", median_of(|(_, articles)| articles.rate));
    let ratio = median_of(|(hello, articles)| articles.rate / hello.rate);
    println!("http.articles_ratio {ratio:.3} of-hello");
}

fn article(number: usize) -> String {
    let (minute, hour) = (number % 60, number / 60 % 24);
    let day = number / 1_440 % 28 + 1;
    let article = serde_json::json!({
        "title": format!("Article {number}"),
        "url": format!("https://example.com/{number}"),
        "description": "What happened, in a sentence or two. ".repeat(4),
        "source": format!("Example {}", number % 10),
        "category": (["world", "science", "sports"].get(number % 3)),
        "published_at": format!("2026-01-{day:02}T{hour:02}:{minute:02}:00Z"),
    });
    article.to_string()
}

/// Keys issued 64 at a time, each durable before its response.
fn issue() {
    let folder = tempfile::tempdir().unwrap();
    println!("disk.sync {:.3} ms", 1_000.0 * sync_seconds(folder.path()));
    let program = Program::start(folder.path(), &[]);
    let request = Request::post("/admin/api-keys", ADMIN_KEY, r#"{"name":"bench"}"#);
    let run = || Load::run(program.address, program.process(), &request, RUN);
    run();
    let rates = (0..PAIRS).map(|_| run().rate).collect();
    println!("http.issue_rate {:.0} keys/s", median(rates));
}

/// The time of the disk to make a small write durable.
fn sync_seconds(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("sync")).unwrap();
    let times = (0..50).map(|_| {
        file.write_all(&[0; 4_096]).unwrap();
        let begin = Instant::now();
        file.sync_data().unwrap();
        begin.elapsed().as_secs_f64()
    });
    median(times.collect())
}

/// From starting the process to the first response of a guarded route.
fn start() {
    let folder = tempfile::tempdir().unwrap();
    let secret = fill(&folder.path().join("keyward.db"));
    let mut times = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        let program = Program::start(folder.path(), &[]);
        assert_eq!(program.get("/articles", &secret), 200);
        times.push(begin.elapsed().as_secs_f64());
    }
    println!("http.start_million {:.2} s", median(times));
}

/// A database with a million keys; returns the secret of the last one.
fn fill(path: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let now = UnixMillis(1_767_225_600_000);
        let store = Arc::new(SqliteStore::open(path, "benchmark", now).unwrap());
        let mut adding = tokio::task::JoinSet::new();
        let mut last = String::new();
        for number in 0..KEYS {
            let secret = Secret::generate(&Prefix::default()).unwrap();
            let name = format!("key-{number}").parse().unwrap();
            let new = NewKey::plain(name, "basic".parse().unwrap(), None);
            let digest = Digest::of(Presented::parse(secret.expose()).unwrap());
            let stored = StoredSecret { digest, hint: secret.hint(), created_at: now };
            let issue = Change::Issue(Box::new(new.with_secret(stored)));
            let audit = Audit::program(now);
            let store = Arc::clone(&store);
            adding.spawn(async move { store.commit(issue, audit).await.unwrap() });
            if 1_000 <= adding.len() {
                adding.join_next().await.unwrap().unwrap();
            }
            secret.expose().clone_into(&mut last);
        }
        adding.join_all().await;
        store.close().await.unwrap();
        last
    })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    *figures.get(figures.len() / 2).unwrap()
}
