//! A million keys: importing them while the server serves, and looking for some of them.

#![expect(clippy::print_stderr, reason = "says which page was the slowest")]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyward::digest::Digest;
use keyward::key::Presented;
use serde_json::Value;

use crate::program::{ADMIN_KEY, Program};

pub(crate) const KEYS: u32 = 1_000_000;
/// Pages looked at of each list.
const PAGES: usize = 4;
/// One owner has a third of all keys.
const BIG_OWNER: &str = "org_big";

const FILTERS: [&str; 18] = [
    "",
    "state=active",
    "state=suspended",
    "state=revoked",
    "state=expired",
    "tier=pro",
    "tier=enterprise",
    "owner=org_big",
    "owner=org_77",
    "name=key-123",
    "name=nowhere",
    "hint=kw_a",
    "expires_within=30d",
    "idle_for=90d",
    "created_after=2026-06-01T00:00:00Z&created_before=2026-06-02T00:00:00Z",
    "tier=enterprise&state=suspended&owner=org_big",
    "owner=org_big&state=expired&name=key-99",
    "state=revoked&tier=pro&idle_for=1d&expires_within=365d",
];
const ORDERS: [&str; 8] =
    ["created", "-created", "name", "-name", "last_used", "-last_used", "expires", "-expires"];

/// Imports through the command line, and then lists.
pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.csv");
    write(&file, KEYS);
    let program = Program::start(folder.path(), &[]);
    program.admin("PUT", "/admin/tiers/basic", r#"{"limits":[]}"#);
    let secret = program.issue();
    let stop = Arc::new(AtomicBool::new(false));
    let slowest = Arc::new(AtomicU64::new(0));
    let caller = {
        let (stop, slowest) = (Arc::clone(&stop), Arc::clone(&slowest));
        let address = program.address;
        thread::spawn(move || call_until(address, &secret, &stop, &slowest))
    };
    let begin = Instant::now();
    import(&program, &file);
    println!("http.import_million {:.1} s", begin.elapsed().as_secs_f64());
    stop.store(true, Ordering::Relaxed);
    println!("http.calls_while_importing {} requests", caller.join().unwrap());
    let millis = Duration::from_micros(slowest.load(Ordering::Relaxed)).as_secs_f64() * 1_000.0;
    println!("http.slowest_call_while_importing {millis:.1} ms");
    list(&program, "http");
}

/// Imports a file through the command line.
pub(crate) fn import(program: &Program, file: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["import", "--server", &format!("http://{}", program.address)])
        .arg(file)
        .env("ADMIN_API_KEY", ADMIN_KEY)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "the import rejected something");
}

/// Calls a guarded route, one request after the other; all must succeed.
fn call_until(address: SocketAddr, secret: &str, stop: &AtomicBool, slowest: &AtomicU64) -> usize {
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        assert_eq!(Program::get_from(address, "/articles", secret), 200);
        let micros = u64::try_from(begin.elapsed().as_micros()).unwrap();
        slowest.fetch_max(micros, Ordering::Relaxed);
        calls += 1;
        // A caller among others, which leaves the machine to the import.
        thread::sleep(Duration::from_millis(5));
    }
    calls
}

/// Every filter in every order, page after page; the figures have a name before a dot.
pub(crate) fn list(program: &Program, name: &str) {
    let mut worst = (Duration::ZERO, String::new());
    let mut times = Vec::new();
    for filter in FILTERS {
        for order in ORDERS {
            let first = format!("/admin/api-keys?limit=100&sort={order}&{filter}");
            let mut path = first.trim_end_matches('&').to_owned();
            for _ in 0..PAGES {
                let begin = Instant::now();
                let body = program.admin("GET", &path, "");
                let time = begin.elapsed();
                times.push(time.as_secs_f64() * 1_000.0);
                if worst.0 < time {
                    worst = (time, path.clone());
                }
                let page: Value = serde_json::from_str(&body).unwrap();
                let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { break };
                path = format!("{}&cursor={cursor}", first.trim_end_matches('&'));
            }
        }
    }
    eprintln!("the slowest page was {}", worst.1);
    println!("{name}.list_page_worst {:.1} ms", worst.0.as_secs_f64() * 1_000.0);
    println!("{name}.list_page_median {:.2} ms", crate::median(times));
}

/// Keys as another system might have them: of three tiers, many owners and all states.
pub(crate) fn write(path: &Path, keys: u32) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    writeln!(file, "digest,name,tier,owner,state,expires_at,created_at,last_used_at,hint").unwrap();
    for number in 0..keys {
        let text = format!("secret-number-{number}");
        let digest = Digest::of(Presented::parse(&text).unwrap()).to_hex();
        let tier = match number % 100_000 {
            0 => "enterprise",
            rest if rest % 3 == 0 => "pro",
            _ => "basic",
        };
        let owner = match number % 3 {
            1 => BIG_OWNER.to_owned(),
            _ => format!("org_{}", number % 50_000),
        };
        let state = match number % 20 {
            7 => "suspended",
            11 => "revoked",
            _ => "active",
        };
        let (day, minute) = (number / 40_000 % 28 + 1, number % 1_440);
        let moment = format!("{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let expires = match number % 5 {
            0 => format!("2026-12-{moment}"),
            1 => format!("2026-10-{moment}"),
            2 => format!("2027-12-{moment}"),
            _ => String::new(),
        };
        let used = if number % 4 == 0 { String::new() } else { format!("2026-11-{moment}") };
        let hint = format!("kw_{:04}", number % 10_000);
        writeln!(
            file,
            "{digest},key-{number},{tier},{owner},{state},{expires},2026-06-{moment},{used},{hint}"
        )
        .unwrap();
    }
    file.flush().unwrap();
}
