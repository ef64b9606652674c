//! `keyward serve`: putting everything together, running it, and taking it down in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use keyward_admin::{AdminOptions, Control};
use keyward_axum::origin::TrustedProxies;
use keyward_axum::{Clock as _, GuardOptions, SystemClock, Upkeep};
use keyward_doors::Doors;

use crate::app::{App, Served, served};
use crate::clock;
use crate::edge::{Edge, RequestBounds, Watch};
use crate::greeting::{Addresses, greeting};
use crate::health::{Stopping, StoreCheck};
use crate::listen::{Bounds, Serving, serve_all};
use crate::listener::{self, Listener};
use crate::log::{Log, print_on_thread};
use crate::metrics::Counted;
#[cfg(feature = "news")]
use crate::news::{self, News};
use crate::node;
use crate::opened::Opened;
use crate::own_key::UsageCache;
use crate::patience::Timeouts;
use crate::reload::Reload;
use crate::settings::{QUOTED, ReadSettings, Settings, StartFlags, is_quoted};
use crate::signals::{Action, Signals};
use crate::spans::Spans;
use crate::tls::AllTls;

/// Serves until a signal asks for the end; see `signals`.
pub(crate) fn run(
    settings: Settings,
    start_flags: StartFlags,
    read: Arc<ReadSettings>,
) -> anyhow::Result<()> {
    settings.check_exposure()?;
    let log = Arc::new(Log::start(&settings)?);
    for (key, which) in [(&settings.admin_key, "the"), (&settings.admin_key_next, "the next")] {
        if key.as_ref().is_some_and(|key| is_quoted(key.expose())) {
            tracing::warn!("Look at {which} admin key: {QUOTED}");
        }
    }
    let ended = run_on_threads(settings, start_flags, ReloadInput { read, log: Arc::clone(&log) });
    log.finish();
    ended
}

/// The parts of the server that a reload of the settings needs.
struct ReloadInput {
    read: Arc<ReadSettings>,
    log: Arc<Log>,
}

fn run_on_threads(
    settings: Settings,
    start_flags: StartFlags,
    reload_input: ReloadInput,
) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all();
    if let Some(threads) = settings.threads {
        runtime.worker_threads(threads.get());
    }
    let runtime = runtime.build().context("starting the threads of the server")?;
    runtime.block_on(serve(settings, start_flags, reload_input))
}

async fn serve(
    mut settings: Settings,
    start_flags: StartFlags,
    reload_input: ReloadInput,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    // First, so that a certificate that cannot be used is not noticed by clients.
    let tls = AllTls::of(&settings, Timestamp::now())?;
    let listeners = listener::open_all(&settings).await?;
    let addresses = Addresses::of(&listeners)?;

    let clock = SystemClock::start();
    let now = clock.now().unix;
    clock::check_set(now)?;
    let opened = Box::pin(Opened::open(&settings, addresses.public, start_flags, &clock));
    let opened = unless_stopped(opened, &mut signals).await?;
    #[cfg(feature = "news")]
    let articles = news::open(&settings.database, &opened.store, now).await?;
    let counted = Counted::default();
    let stores = opened.counting(&counted.times);
    let gate = node::open_gate(&stores.keys, &settings).await?;
    let proxies = TrustedProxies::new(settings.trusted_proxies.clone());
    let guard = node::joined(gate, clock, guard_options(&settings, proxies.clone())).await?;
    clock::settle(&guard, start_flags.clock_is_right).await?;
    let upkeep = Upkeep::start_keeping(guard.clone(), settings.flush_every, settings.usage_days);

    let tiers = stores.reports.tiers().await?;
    print_on_thread(opened.message.clone() + &greeting(&settings, &guard, &addresses, &tiers)?);
    let options =
        AdminOptions { backups: Some(stores.backups(&settings)), ..settings.admin_options() };
    settings.forget_secrets();

    let reports = Arc::clone(&stores.reports);
    let control = Control::open(guard.clone(), Arc::clone(&reports), options).await;
    let control = control.context("revoking the keys that were reported as leaked")?;
    let checking = counted.trail.clone().check_for_ever(guard.clone(), Arc::clone(&reports));
    let checking = tokio::spawn(checking).abort_handle();
    let metrics = counted.metrics(&guard, &control, opened.commits());
    let doors = settings.doors.listen.map(|_| settings.doors.options.clone());
    let app = App {
        doors: doors.map(|options| Doors::new(guard.clone(), options)),
        #[cfg(feature = "news")]
        news: News::new(guard.clone(), articles),
        guard,
        reports,
        stopping: Stopping::default(),
        store_check: StoreCheck::default(),
        usage_cache: UsageCache::default(),
        pulse: upkeep.pulse(),
        metrics,
    };
    let control = app.mount(control);
    let ReloadInput { read, log } = reload_input;
    let rows = settings.rows().to_vec();
    let doors = app.doors.clone();
    let reload =
        Reload { read, control: control.clone(), proxies, doors, tls: tls.clone(), log, rows };
    let requests = counted.requests.clone();
    let spans =
        Spans::start(settings.otlp_endpoint.as_ref(), &settings.tls, &app.guard, &counted.spans)?;
    let watch = Watch { requests, access_log: settings.access_log, spans: spans.clone() };
    let edge = Edge::hiding(request_bounds(&settings), request_id_base()?, control.clone(), watch);
    let served = served(&app, &control, &edge, &settings);
    let stop = Stop { stopping: app.stopping.clone(), delay: settings.stop_delay };
    let (bounds, stop) = (bounds_of(&settings), until_stop(signals, reload, stop));
    let finished =
        serve_all(serving(listeners, &served, &tls), bounds, &counted.connections, stop).await;
    if !finished {
        tracing::warn!("Some requests did not finish in time and were cut off");
    }
    checking.abort();
    control.close().await;
    upkeep.stop().await.context("flushing usage before the end")?;
    stores.keys.close().await.context("closing the database")?;
    spans.stop().await;
    tracing::info!("Stopped: usage is flushed and the database is closed");
    Ok(())
}

/// The listeners, each with its router and its TLS.
fn serving(listeners: Vec<Listener>, served: &Served, tls: &AllTls) -> Vec<Serving> {
    let serving = |listener: Listener| {
        let name = listener.at.name;
        let (front, tls) = (served.front(name)?.clone(), tls.of_listener(name).clone());
        Some(Serving { listener, tls, front })
    };
    listeners.into_iter().filter_map(serving).collect()
}

fn guard_options(settings: &Settings, trusted_proxies: TrustedProxies) -> GuardOptions {
    GuardOptions {
        failures_per_minute: settings.failures_per_minute,
        trusted_proxies,
        rate_limit_headers: settings.rate_limit_headers,
    }
}

fn bounds_of(settings: &Settings) -> Bounds {
    Bounds {
        connections_max: settings.connections_max,
        timeouts: Timeouts { head: settings.header_timeout, idle: settings.keep_alive_timeout },
        request_timeout: settings.request_timeout,
        stop_within: settings.stop_within,
    }
}

fn request_bounds(settings: &Settings) -> RequestBounds {
    RequestBounds { time: settings.request_timeout, at_once: settings.requests_max }
}

/// Opens the store, unless a signal asks for the end: it may have to wait for another process.
async fn unless_stopped(
    opening: impl Future<Output = anyhow::Result<Opened>>,
    signals: &mut Signals,
) -> anyhow::Result<Opened> {
    let asked = async { while signals.next().await != Action::Stop {} };
    tokio::select! {
        biased;
        opened = opening => opened,
        () = asked => anyhow::bail!("stopped before the database was open"),
    }
}

/// The beginning of an orderly end.
struct Stop {
    /// What `/readyz` goes by.
    stopping: Stopping,
    /// How long requests are served after that.
    delay: Duration,
}

/// Waits for a signal that asks for an orderly end, and rereads the settings meanwhile. Then it
/// lets load balancers notice, until a second signal comes.
async fn until_stop(mut signals: Signals, mut reload: Reload, stop: Stop) {
    until_asked(&mut signals, &mut reload).await;
    stop.stopping.begin();
    if !stop.delay.is_zero() {
        let seconds = stop.delay.as_secs_f64();
        tracing::info!("Stopping: not ready any more, and serving for {seconds} s to come");
        tokio::select! {
            () = tokio::time::sleep(stop.delay) => {}
            () = until_asked(&mut signals, &mut reload) => {}
        }
    }
    tracing::info!("Stopping: finishing the requests under way");
}

async fn until_asked(signals: &mut Signals, reload: &mut Reload) {
    loop {
        match signals.next().await {
            Action::Stop => return,
            Action::HangUp if signals.is_terminal_gone().await => return,
            Action::HangUp => reload.run().await,
        }
    }
}

fn request_id_base() -> anyhow::Result<u64> {
    getrandom::u64().context("asking the operating system for randomness")
}
