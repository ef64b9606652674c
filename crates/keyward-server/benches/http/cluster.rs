//! Several nodes over one PostgreSQL, which `DATABASE_URL` names. Nodes, callers and the store are
//! on one machine.
//!
//! Each part has a schema of its own.

#![expect(clippy::print_stderr, reason = "says which part is left out")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{Load, Request};
use crate::million;
use crate::pace::Pace;
use crate::program::{ADMIN_KEY, DOORS_LISTEN, Program};
use crate::{PAIRS, RUN, median};

const NODES: usize = 3;
const MANY_NODES: usize = 8;
/// Revocations that are timed, one after the other, through the nodes in turn.
const REVOCATIONS: usize = 300;
/// Requests a second of each node while it is busy.
const BUSY_RATE: u32 = 2_000;
/// Requests of limited keys a second, of all nodes together, and how many keys share them.
const LIMITED_RATE: u32 = 5_000;
const LIMITED_KEYS: usize = 100;
const LIMITED_TIME: Duration = Duration::from_secs(5);

/// Measures all of it, or says that there is no database.
pub(crate) fn run(keys: u32) {
    with_cluster(|cluster| {
        cluster.revocations();
        cluster.limits();
        cluster.beside_one_node();
        cluster.changes(NODES);
        cluster.changes(MANY_NODES);
        cluster.million(keys);
    });
}

/// Measures what limits cost, and nothing else.
pub(crate) fn run_limits() {
    with_cluster(|cluster| cluster.limits());
}

/// Measures how many keys are issued, and nothing else.
pub(crate) fn run_changes() {
    with_cluster(|cluster| [NODES, MANY_NODES].iter().for_each(|count| cluster.changes(*count)));
}

fn with_cluster(measure: impl FnOnce(&Cluster<'_>)) {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        eprintln!("without DATABASE_URL no cluster is measured");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    measure(&Cluster { url, folder: folder.path() });
}

struct Cluster<'a> {
    url: String,
    folder: &'a Path,
}

impl Cluster<'_> {
    fn settings<'a>(&'a self, schema: &'a str) -> [(&'a str, &'a str); 2] {
        [("DATABASE_URL", &self.url), ("KEYWARD_DATABASE_SCHEMA", schema)]
    }

    /// Makes a schema, and starts nodes over it. The tier of keys has no limits.
    fn start(&self, schema: &str, nodes: usize) -> Vec<Program> {
        let migrate = Command::new(env!("CARGO_BIN_EXE_keyward"))
            .arg("migrate")
            .current_dir(self.folder)
            .envs(self.settings(schema))
            .output()
            .unwrap();
        assert!(migrate.status.success(), "{}", String::from_utf8_lossy(&migrate.stderr));
        let nodes: Vec<_> = (0..nodes).map(|_| self.node(schema)).collect();
        first(&nodes).admin("PUT", "/admin/tiers/basic", r#"{"limits":[]}"#);
        nodes
    }

    fn node(&self, schema: &str) -> Program {
        let mut settings = self.settings(schema).to_vec();
        settings.extend([("KEYWARD_CLUSTER", "on"), (DOORS_LISTEN, "127.0.0.1:0")]);
        let program = Program::start(self.folder, &settings);
        program.wait_until_ready();
        program
    }

    /// How long a revocation takes, and whether any node lets the key in after it.
    fn revocations(&self) {
        let nodes = self.start("revocations", NODES);
        let secret = first(&nodes).issue();
        let (idle, late) = revoke(&nodes, REVOCATIONS);
        print_times("cluster.final_idle", idle);
        let busy = Pace::start(&nodes, std::slice::from_ref(&secret), BUSY_RATE);
        let (while_busy, later) = revoke(&nodes, REVOCATIONS);
        print_times("cluster.final_busy", while_busy);
        println!("cluster.busy_rate {:.0} requests/s", busy.stop().rate);
        println!("cluster.accepted_after_final {} requests", late + later);
    }

    /// What a limit adds to the time of a request, and how many are decided at most. The door of
    /// nginx is asked, which does nothing but decide: `GET /key` reads its usage from the store.
    fn limits(&self) {
        let nodes = self.start("limits", NODES);
        let free = first(&nodes).issue();
        let limit = r#"[{"name":"requests","amount":1000000,"per":"1s","burst":1000000}]"#;
        let limited: Vec<_> = (0..LIMITED_KEYS)
            .map(|_| first(&nodes).issue_with(&format!(r#"{{"name":"bench","limits":{limit}}}"#)))
            .collect();
        wait_until_everywhere(&nodes, limited.last().unwrap());
        let rate = LIMITED_RATE / u32::try_from(NODES).unwrap();
        let doors: Vec<_> = nodes.iter().filter_map(|node| node.doors).collect();
        let ask = |keys: &[String]| -> Vec<_> {
            keys.iter().map(|key| Request::get("/doors/nginx", Some(key))).collect()
        };
        for (name, keys) in [("unlimited", vec![free.clone()]), ("limited", limited.clone())] {
            let pace = Pace::start_at(doors.clone(), ask(&keys), rate);
            thread::sleep(LIMITED_TIME);
            let paced = pace.stop();
            println!("cluster.{name}_rate {:.0} requests/s", paced.rate);
            print_times(&format!("cluster.{name}"), paced.times);
            println!("cluster.{name}_unavailable {} requests", paced.unavailable);
        }
        for (name, keys) in [("unlimited", vec![free]), ("limited", limited)] {
            let rates = (0..3).map(|_| Load::run_over(&doors, &[], &ask(&keys), RUN).rate);
            println!("cluster.{name}_most {:.0} requests/s", median(rates.collect()));
        }
    }

    /// A key without limits at a node of a cluster of three, and at one node on SQLite, in turn.
    fn beside_one_node(&self) {
        let nodes = self.start("beside", NODES);
        let folder = tempfile::tempdir().unwrap();
        let alone = Program::start(folder.path(), &[]);
        alone.admin("PUT", "/admin/tiers/basic", r#"{"limits":[]}"#);
        let (ours, theirs) = (first(&nodes), &alone);
        let (shared, own) = (ours.issue(), theirs.issue());
        wait_until_everywhere(&nodes, &shared);
        let run = |program: &Program, key: &str| {
            let request = Request::get("/key", Some(key));
            Load::run(program.address, program.process(), &request, RUN).rate
        };
        run(ours, &shared);
        run(theirs, &own);
        let ratios = (0..PAIRS).map(|_| run(ours, &shared) / run(theirs, &own));
        println!("cluster.unlimited_ratio {:.3} of-one-node", median(ratios.collect()));
    }

    /// Keys issued by 64 callers at all nodes, each settled or 250 ms old before its response.
    fn changes(&self, count: usize) {
        let nodes = self.start(&format!("changes_{count}"), count);
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let request = [Request::post("/admin/api-keys", ADMIN_KEY, r#"{"name":"bench"}"#)];
        let run = || Load::run_over(&addresses, &[], &request, RUN).rate;
        run();
        let rates = (0..PAIRS).map(|_| run()).collect();
        println!("cluster.changes_{count}_nodes {:.0} changes/s", median(rates));
    }

    /// An import while keys are revoked, and what follows with so many keys.
    fn million(&self, keys: u32) {
        let nodes = Arc::new(self.start("million", NODES));
        let file = self.folder.join("keys.csv");
        million::write(&file, keys);
        let is_done = Arc::new(AtomicBool::new(false));
        let revoking = revoke_until(&nodes, &is_done);
        let begin = Instant::now();
        million::import(first(&nodes), &file);
        println!("cluster.import {:.1} s", begin.elapsed().as_secs_f64());
        is_done.store(true, Ordering::Relaxed);
        let (times, late) = revoking.join().unwrap();
        print_times("cluster.final_importing", times);
        println!("cluster.accepted_after_final_importing {late} requests");
        let secret = first(&nodes).issue();
        let mut starts = Vec::new();
        for _ in 0..3 {
            let begin = Instant::now();
            let node = self.node("million");
            assert_eq!(node.get("/key", &secret), 200);
            starts.push(begin.elapsed().as_secs_f64());
        }
        println!("cluster.start {:.2} s", median(starts));
        million::list(first(&nodes), "cluster");
    }
}

fn first(nodes: &[Program]) -> &Program {
    nodes.first().unwrap()
}

/// Revokes so many keys, through the nodes in turn. Returns the times, and how often a node let a
/// key in after that.
fn revoke(nodes: &[Program], count: usize) -> (Vec<f64>, usize) {
    let (mut times, mut late) = (Vec::new(), 0);
    for turn in 0..count {
        let (time, accepted) = revoke_one(nodes, turn);
        times.push(time);
        late += accepted;
    }
    (times, late)
}

fn revoke_one(nodes: &[Program], turn: usize) -> (f64, usize) {
    let node = nodes.get(turn % nodes.len()).unwrap();
    let (id, secret) = node.issue_whole(r#"{"name":"bench"}"#);
    let begin = Instant::now();
    node.admin("DELETE", &format!("/admin/api-keys/{id}"), "");
    let time = begin.elapsed().as_secs_f64() * 1_000.0;
    let late = nodes.iter().filter(|node| node.get("/key", &secret) == 200).count();
    (time, late)
}

/// The same, one after the other until it is told to stop.
fn revoke_until(
    nodes: &Arc<Vec<Program>>,
    is_done: &Arc<AtomicBool>,
) -> JoinHandle<(Vec<f64>, usize)> {
    let (nodes, is_done) = (Arc::clone(nodes), Arc::clone(is_done));
    thread::spawn(move || {
        let (mut times, mut late) = (Vec::new(), 0);
        while !is_done.load(Ordering::Relaxed) {
            let (time, accepted) = revoke_one(&nodes, times.len());
            times.push(time);
            late += accepted;
        }
        (times, late)
    })
}

/// A key that was issued at one node works at each.
fn wait_until_everywhere(nodes: &[Program], secret: &str) {
    for node in nodes {
        while node.get("/key", secret) != 200 {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Half, and all but one of a hundred, of times in milliseconds.
fn print_times(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap();
    println!("{name}_p50 {:.2} ms", at(50));
    println!("{name}_p99 {:.2} ms", at(99));
}
