//! `cargo xtask doors`: the real Keyward, asked by real proxies with the recipes of `docs/proxies`.
//!
//! Each proxy is asked everything in `cells`, side by side with the others, and every value of each
//! response is compared with one row that holds for all, or with the proxy's own where it cannot do
//! better (`rows`). The laws are then tried through a mixture of them.

mod api;
mod bench;
mod cells;
mod facts;
mod ground;
mod keyward;
mod lane;
mod laws;
mod programs;
mod proxy;
mod rows;
mod table;
mod verifiers;

use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use cells::{CELLS, Cell, SILENT};
use ground::{Ground, Stand};
use lane::Lane;
use programs::Programs;
use proxy::Proxy;
use table::Outcome;

pub(crate) use programs::install;

/// Runs the matrix for these proxies, or for all; or measures a program.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if let ["--bench", program] = words {
        return bench::run(program);
    }
    let mut proxies = chosen(words)?;
    let programs = Programs::find()?;
    // Said by the installation. In CI it is an error there.
    proxies.retain(|proxy| programs.has_debian || !proxy.is_debians());
    let ground = Ground::prepare(&programs, &proxies)?;
    let stands = proxies.iter().map(|proxy| ground.stand(*proxy, &programs));
    let mut stands = stands.collect::<Result<Vec<_>>>()?;
    stands.iter_mut().try_for_each(Stand::wait_until_ready)?;
    let lanes: Vec<_> = stands.iter().map(|stand| ground.lane(stand)).collect::<Result<_>>()?;
    let outcomes = side_by_side(&lanes, outcomes)?.concat();
    let names: Vec<_> = CELLS.iter().chain([&SILENT]).map(|cell| cell.name).collect();
    println!("{}", table::table(&names, &Proxy::ALL, &outcomes));
    let mut faults = table::faults(&outcomes);
    faults.extend(faults_of_laws(&ground, &stands, &lanes));
    ensure!(faults.is_empty(), "the proxies do not do as expected:\n{}", faults.join("\n"));
    Ok(())
}

/// The proxies that the words name.
fn chosen(words: &[&str]) -> Result<Vec<Proxy>> {
    let find = |word: &&str| {
        let proxy = Proxy::ALL.into_iter().find(|proxy| proxy.name() == *word);
        proxy.with_context(|| format!("there is no proxy `{word}`; see `cargo xtask help`"))
    };
    if words.is_empty() { Ok(Proxy::ALL.to_vec()) } else { words.iter().map(find).collect() }
}

/// Does something for each item at a time, and fails if one of them fails.
fn side_by_side<T: Sync, U: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<U> + Sync,
) -> Result<Vec<U>> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results.map(|it| it.unwrap_or_else(|_| bail!("a thread broke down"))).collect()
    })
}

/// Asks one proxy everything.
fn outcomes(lane: &Lane<'_>) -> Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let silent = scope.spawn(|| outcome(lane, &SILENT));
        let mut outcomes: Vec<_> = CELLS.iter().map(|cell| outcome(lane, cell)).collect();
        outcomes.push(silent.join().ok().context("a thread broke down")?);
        Ok(outcomes)
    })
}

fn outcome(lane: &Lane<'_>, cell: &Cell) -> Outcome {
    let mut outcome =
        Outcome { proxy: lane.proxy, cell: cell.name, is_own: false, faults: Vec::new() };
    let mut steps = match (cell.ask)(lane) {
        Ok(steps) => steps,
        Err(error) => {
            outcome.faults.push(format!("{error:#}"));
            return outcome;
        }
    };
    for deviation in rows::deviations_of(lane.proxy, cell.name) {
        let before: Vec<_> = steps.iter().map(|step| step.expected.clone()).collect();
        (deviation.change)(&mut steps);
        outcome.is_own |= steps.iter().zip(before).any(|(step, before)| step.expected != before);
    }
    for (number, step) in (1..).zip(&steps) {
        let differences = step.seen.differences(&step.expected);
        if !differences.is_empty() {
            outcome.faults.push(format!("request {number}: {}", differences.join("; ")));
        }
    }
    outcome
}

/// Tries the laws, and says which do not hold.
fn faults_of_laws(ground: &Ground, stands: &[Stand], lanes: &[Lane<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut law = |name: &str, result: Result<()>| match result {
        Ok(()) => println!("{name}: ok"),
        Err(error) => faults.push(format!("{name}: {error:#}")),
    };
    let verifying: Vec<_> = lanes.iter().filter(|lane| lane.proxy != Proxy::Apache).collect();
    law("50 of 200 at a time get in", laws::never_over(&verifying, &ground.keyward));
    law("a repeated question takes once", laws::repeated_question(&ground.keyward));
    for (stand, lane) in stands.iter().zip(lanes) {
        if lane.proxy == Proxy::Nginx {
            law("nginx keeps its question to itself", laws::nginx_keeps_its_question(lane));
        }
        if let Some((port, relay)) = &stand.late {
            let name = "HAProxy repeats a question, which takes once";
            law(name, laws::repeated_by_haproxy(lane, *port, relay));
        }
    }
    for keyward in ground.keywards() {
        law("no file holds a key", laws::no_key_is_written(keyward, &ground.folder));
        law("Keyward logs no error", keyward.check_log());
    }
    faults
}
