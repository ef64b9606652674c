//! `keyward serve`: putting everything together, running it, and taking it down in order.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use keyward::Gate;
use keyward::limit::Limit;
use keyward::store::{Store as _, TierRecord};
use keyward_axum::origin::TrustedProxies;
use keyward_axum::{Clock as _, Guard, GuardOptions, SystemClock, Upkeep};
use keyward_news::Articles;
use keyward_store::SqliteStore;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::admin::Backups;
use crate::app::{App, router};
use crate::edge::Edge;
use crate::leaks::Leaks;
use crate::listen::{Bounds, serve as serve_connections};
use crate::settings::{LogFormat, Settings};

/// Serves until SIGTERM or Ctrl-C.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    settings.check_exposure()?;
    start_log(&settings)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all();
    if let Some(threads) = settings.threads {
        runtime.worker_threads(threads.get());
    }
    runtime.build().context("starting the threads of the server")?.block_on(serve(settings))
}

fn start_log(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log)
        .with_context(|| format!("the log filter `{}` cannot be read", settings.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Human => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let listener = TcpListener::bind(settings.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another address with --listen", settings.listen)
    })?;
    let address = listener.local_addr().context("asking where the server listens")?;

    let clock = SystemClock::start();
    let now = clock.now().unix;
    let holder = format!("keyward serve on http://{address}");
    let store = Arc::new(SqliteStore::open(&settings.database, &holder, now)?);
    let articles = Articles::open(&settings.database, now)
        .with_context(|| format!("opening the articles in {}", settings.database.display()))?;
    let store_for_gate: Arc<dyn keyward::store::Store> = Arc::clone(&store) as _;
    let gate = Gate::open(store_for_gate, settings.key_prefix.clone()).await?;
    let options = GuardOptions {
        failures_per_minute: settings.failures_per_minute,
        trusted_proxies: TrustedProxies::new(settings.trusted_proxies.clone()),
    };
    let guard = Guard::new(gate, clock, options);
    let upkeep = Upkeep::start(guard.clone(), settings.flush_every);

    let tiers = store.tiers().await?;
    greet(&settings, &guard, &format!("http://{address}"), &tiers)?;

    let admin_key = settings.admin_key.clone().map(Arc::new);
    let leaks = Leaks::new(&settings);
    let app = App {
        guard: guard.clone(),
        articles: articles.clone(),
        admin_key,
        leaks: leaks.clone(),
        backups: Backups::of(&settings.database),
    };
    let edge = Edge::new(settings.request_timeout, request_id_base()?);
    let bounds = Bounds {
        connections_max: settings.connections_max,
        header_timeout: settings.header_timeout,
        request_timeout: settings.request_timeout,
        stop_within: settings.stop_within,
    };
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("Stopping: finishing the requests under way");
    };
    let finished = serve_connections(listener, router(app, edge), bounds, stop).await;
    if !finished {
        tracing::warn!("Some requests did not finish in time and were cut off");
    }
    leaks.finish().await;
    upkeep.stop().await.context("flushing usage before the end")?;
    store.close().await.context("closing the database")?;
    tracing::info!("Stopped: usage is flushed and the database is closed");
    Ok(())
}

fn request_id_base() -> anyhow::Result<u64> {
    getrandom::u64().context("asking the operating system for randomness")
}

/// Says what was opened, what holds, and what to type next.
fn greet(
    settings: &Settings,
    guard: &Guard,
    address: &str,
    tiers: &[TierRecord],
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let keys = guard.gate().index().len();
    writeln!(out, "Keyward {}", env!("CARGO_PKG_VERSION"))?;
    let plural = if keys == 1 { "" } else { "s" };
    writeln!(out, "  database   {} ({keys} key{plural})", settings.database.display())?;
    writeln!(out, "  listening  {address}")?;
    for tier in tiers {
        writeln!(out, "  limit      {}", in_words(tier))?;
    }
    if settings.admin_key.is_some() {
        writeln!(out, "\nNext, in another terminal, with the same ADMIN_API_KEY:")?;
        // As it was started, so that the line works where the server was started.
        let program = std::env::args().next().unwrap_or_else(|| "keyward".to_owned());
        writeln!(out, "  {program} key issue --name my-first-key")?;
        writeln!(out, "  curl -H 'Authorization: Bearer YOUR_API_KEY' {address}/articles")?;
    } else {
        writeln!(
            out,
            "\nADMIN_API_KEY is not set, so no key can be issued or revoked. Stop, then:"
        )?;
        writeln!(out, "  export ADMIN_API_KEY=$(openssl rand -hex 32)")?;
        writeln!(out, "  cargo run --release -- serve")?;
    }
    out.flush()?;
    Ok(())
}

fn in_words(tier: &TierRecord) -> String {
    let limit = |limit: &Limit| {
        let (amount, secs, burst) = (limit.amount(), limit.per().as_secs(), limit.burst());
        format!("{amount} requests per {secs} s, burst {burst}")
    };
    let limits: Vec<_> = tier.limits.iter().map(limit).collect();
    let limits = if limits.is_empty() { "no limit".to_owned() } else { limits.join(" and ") };
    format!("{}: {limits}", tier.name.as_str())
}
