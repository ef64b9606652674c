//! `cargo xtask torture`: the real program, tried by faults while clients ask and change as fast as
//! they can.
//!
//! The clients keep a history. A checker then looks in it, and in the audit trail, for what the
//! promises forbid: see [`checker`].

mod asker;
mod board;
mod changer;
mod checker;
mod control;
mod faults;
mod history;
mod link;
mod mutants;
mod node;
mod options;
mod probes;
mod random;
mod record;
pub(crate) mod server;
mod steady;
mod store;
mod summary;
mod world;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::ports::Ports;
use crate::tools;
use asker::Asker;
use changer::Changer;
use checker::Violation;
use faults::Fault;
use history::Operation;
use node::{Node, Programs};
use options::Options;
use probes::Probes;
use random::Random;
use store::Postgres;
use summary::Summary;
use world::World;

/// The clients that ask one node, and the clients that change.
const ASKERS: usize = 2;
const CHANGERS: usize = 4;
/// Questions of the last look are asked so many at a time.
const LOOK: usize = 50;
/// How often it is looked whether a client has failed, and at which of these looks whether a
/// mutant is caught.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const CAUGHT_EVERY: usize = 10;

/// Tortures, or checks a history alone.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    if let Some(path) = &options.history {
        let history = history::read(path)?;
        let found = checker::violations_of_history(&history, &options.rules());
        println!("{}", Summary::of(&history, &found, options.lease));
        ensure!(found.is_empty(), "{} violations", found.len());
        return Ok(());
    }
    let program = match &options.program {
        Some(program) => fs::canonicalize(program).context("finding the program")?,
        None => tools::keyward()?,
    };
    let has_versions = options.faults().contains(&Fault::Version);
    let older = options.other.clone().filter(|_| has_versions);
    let programs = Programs { older: older.unwrap_or_else(|| program.clone()), newer: program };
    if options.mutants {
        return mutants::run(&options, &programs);
    }
    let seed = options.seed.map_or_else(new_seed, Ok)?;
    println!("seed      {seed}");
    let End { history, found, folder, .. } = run_once(&options, &programs, seed, None)?;
    println!("{}", Summary::of(&history, &found, options.lease));
    ensure!(found.is_empty(), "seed {seed}: {} violations; see {}", found.len(), folder.display());
    if options.keep {
        println!("kept      {}", folder.display());
    } else {
        fs::remove_dir_all(&folder).context("removing the files of the run")?;
    }
    Ok(())
}

/// What a run came to.
struct End {
    history: Vec<Operation>,
    found: Vec<Violation>,
    /// Its files.
    folder: PathBuf,
    /// How long it took.
    time: Duration,
}

/// Tortures once; perhaps a program that leaves one of its rules out, until that is caught.
fn run_once(
    options: &Options,
    programs: &Programs,
    seed: u64,
    mutant: Option<&str>,
) -> Result<End> {
    let folder = new_folder(options)?;
    let (ports, store) = if options.is_on_postgres() {
        let store = Postgres::start(programs, &folder, (options.nodes, options.lease))?;
        (Ports::new(), Some(store))
    } else {
        (Ports::new(), None)
    };
    let ports = store.as_ref().map_or(&ports, |store| &store.ports);
    let node = |number: usize| {
        let mut settings = store.as_ref().map_or(Ok(Vec::new()), |it| it.settings(number))?;
        settings.extend(mutant.map(|mutant| (mutants::VARIABLE, mutant.to_owned())));
        Node::new(number, programs.clone(), &folder, ports, settings)
    };
    let nodes = (0..options.nodes).map(node).collect::<Result<_>>()?;
    let world = World::new(&folder, nodes, store)?;
    let is_caught = torture(&world, options, (seed, mutant.is_some()))?;
    let time = Duration::from_nanos(world.clock.now());
    if is_caught {
        world.nodes.iter().try_for_each(Node::kill)?;
        let history = world.recorder.finish()?;
        let found = checker::violations_of_history(&history, &options.rules());
        return Ok(End { history, found, folder, time });
    }
    world.nodes.iter().try_for_each(Node::wait_until_ready)?;
    last_look(&world)?;
    let node = world.nodes.first().context("a node")?;
    let chain = record::verify(&programs.newer, node);
    let trail = record::trail(node)?;
    world.nodes.iter().for_each(Node::stop);
    let history = world.recorder.finish()?;
    let mut found = checker::violations(&history, &trail, &options.rules());
    found.extend(chain?);
    Ok(End { history, found, folder, time })
}

/// The directory of a run, with nothing in it. PostgreSQL needs one that every user may pass.
fn new_folder(options: &Options) -> Result<PathBuf> {
    let folder = if options.is_on_postgres() {
        std::env::temp_dir().join(format!("keyward-torture-{}", std::process::id()))
    } else {
        tools::target()?.join("torture")
    };
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing the files of the run before")?;
    }
    fs::create_dir_all(&folder).context("making the directory of the run")?;
    Ok(folder)
}

/// Lets clients and faults loose on the nodes; returns whether a mutant was caught.
fn torture(world: &World, options: &Options, (seed, is_mutant): (u64, bool)) -> Result<bool> {
    world.nodes.iter().try_for_each(Node::start)?;
    world.nodes.iter().try_for_each(Node::wait_until_ready)?;
    let open = steady::prepare(world, world.nodes.first().context("a node")?)?;
    let mut random = Random::new(seed);
    let faults = options.faults();
    thread::scope(|scope| -> Result<bool> {
        let schedule = random.split();
        let mut tasks = vec![scope.spawn(|| faults::run(world, &faults, schedule))];
        for node in &world.nodes {
            for _ in 0..ASKERS {
                let random = random.split();
                tasks.push(scope.spawn(move || Asker::new(world, node).run(random)));
            }
        }
        for _ in 0..CHANGERS {
            let (probes, theirs) = Probes::start(scope, world);
            let changer = Changer::new(world, random.split(), probes, open);
            tasks.extend(theirs);
            tasks.push(scope.spawn(|| changer.run()));
        }
        // A task that fails ends the run.
        let end = world.clock.now() + u64::try_from(options.time.as_nanos())?;
        let (mut looks, mut is_caught) = (0_usize, false);
        while world.clock.now() < end && !is_caught && tasks.iter().all(|it| !it.is_finished()) {
            world.wait(LOOK_EVERY);
            looks += 1;
            let is_due = is_mutant && looks.is_multiple_of(CAUGHT_EVERY);
            is_caught = is_due && checker::is_caught(&world.recorder.until_now(), &options.rules());
        }
        world.finish();
        let ends = tasks.into_iter().map(|task| match task.join() {
            Ok(result) => result,
            Err(_) => bail!("a client broke down"),
        });
        // All of them are waited for.
        ends.fold(Ok(()), Result::and)?;
        Ok(is_caught)
    })
}

/// Asks every node about every key.
fn last_look(world: &World) -> Result<()> {
    let all = world.board.all();
    for node in &world.nodes {
        let mut asker = Asker::new(world, node);
        all.chunks(LOOK).try_for_each(|some| asker.ask(some))?;
    }
    Ok(())
}

/// A task that panicked has left no half of a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_seed() -> Result<u64> {
    let mut bytes = [0; 4];
    let mut source = File::open("/dev/urandom").context("asking the system for randomness")?;
    source.read_exact(&mut bytes).context("reading randomness")?;
    Ok(u32::from_le_bytes(bytes).into())
}
