//! A store of very many keys: what they are like, and what it is asked.
//!
//! The bench of every store has this file, so that their figures are of the same.

use std::error::Error;
use std::time::{Duration, Instant};

use keyward::audit::Audit;
use keyward::count::{Counts, Outcome};
use keyward::details::{Metadata, Version};
use keyward::digest::Digest;
use keyward::network::Networks;
use keyward::query::{Hours, KeyFilter, KeyOrder, KeyQuery, TopBy};
use keyward::record::{KeyState, Scopes, Stage};
use keyward::rules::Change;
use keyward::store::{KeyStore, Page, Reports, UsageBatch};
use keyward::stored::{StoredSecret, Unkept};
use keyward::time::UnixHour;
use keyward::usage::UsageRow;
use keyward::{KeyId, UnixMillis};

pub(crate) const NOW: u64 = 1_800_000_000_000;
pub(crate) const KEYS: u64 = 1_000_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;
const BATCH: u64 = 1_000;
const PAGE: u32 = 100;
/// Pages that are read one after the other in each list.
const PAGES: usize = 12;

pub(crate) fn print(name: &str, took: Duration) {
    println!("{name} {:.3} ms", took.as_secs_f64() * 1e3);
}

/// A number that looks random and is the same each time.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 32
}

/// A key that no other number has.
pub(crate) fn key(number: u64) -> Unkept {
    const WORDS: [&str; 8] =
        ["weather", "billing", "news", "mobile", "partner", "internal", "export", "search"];
    let random = mix(number);
    let mut digest = [0; 32];
    for (at, part) in digest.chunks_mut(8).enumerate() {
        part.copy_from_slice(&mix(number * 4 + at as u64 + 7).to_be_bytes());
    }
    let created_at = UnixMillis(NOW - 1_000 * DAY + number * 60_000);
    let word = WORDS[random as usize % WORDS.len()];
    // Half of the keys have each of these, and none both.
    let verb = if number.is_multiple_of(2) { "read" } else { "write" };
    let digits: String =
        (0..4).map(|at| char::from(b'a' + (random >> (8 * at)) as u8 % 26)).collect();
    Unkept {
        id: None,
        version: Version::FIRST,
        name: format!("{word}-{verb}-bot-{number}").parse().unwrap(),
        tier: if random.is_multiple_of(10) { "pro" } else { "basic" }.parse().unwrap(),
        tier_id: None,
        tier_gone: false,
        owner: (!random.is_multiple_of(3))
            .then(|| format!("org_{}", mix(number / 20) % 50_000).parse().unwrap()),
        scopes: Scopes::default(),
        networks: Networks::default(),
        limits: None,
        notes: r#"{"team":"a"}"#.parse::<Metadata>().unwrap().into(),
        state: match random % 100 {
            0 => KeyState::Suspended,
            1..=5 => KeyState::Revoked { at: created_at },
            _ => KeyState::Active,
        },
        revoked_reason: None,
        expires_at: random
            .is_multiple_of(4)
            .then(|| UnixMillis(NOW - 300 * DAY + random % (600 * DAY))),
        created_at,
        last_used_at: (!random.is_multiple_of(5)).then(|| UnixMillis(NOW - random % (200 * DAY))),
        secret: StoredSecret {
            digest: Digest::from_stored(digest),
            hint: format!("kw_{digits}"),
            created_at,
        },
        former: Vec::new(),
    }
}

/// Imports so many keys.
pub(crate) async fn import(
    store: &impl KeyStore,
    of: &str,
    count: u64,
) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut last = Duration::ZERO;
    for first in (0..count).step_by(BATCH as usize) {
        let keys = (first..(first + BATCH).min(count)).map(key).collect();
        let import = Change::Import { keys, dry_run: false };
        let begun = Instant::now();
        store.commit(import, Audit::program(UnixMillis(NOW))).await?;
        last = begun.elapsed();
    }
    print(&format!("{of}/import"), started.elapsed());
    print(&format!("{of}/import-last-batch"), last);
    Ok(())
}

/// Loads all keys, and returns how many there are.
pub(crate) async fn load(store: &impl KeyStore, of: &str) -> Result<usize, Box<dyn Error>> {
    let started = Instant::now();
    let mut snapshot = store.snapshot().await?;
    let mut count = 0;
    while let Some(page) = snapshot.next(10_000).await? {
        if let Page::Keys(keys) = page {
            count += keys.len();
        }
    }
    print(&format!("{of}/load"), started.elapsed());
    assert_ne!(count, 0);
    Ok(count)
}

/// Every filter that is worth a name, alone and joined.
fn filters() -> Vec<(&'static str, KeyFilter)> {
    let none = KeyFilter::default;
    let name = |part: &str| KeyFilter { name_part: Some(part.to_owned()), ..none() };
    let state = |state| KeyFilter { state: Some(state), ..none() };
    let at = |days: i64| Some(UnixMillis(NOW.saturating_add_signed(days * DAY as i64)));
    let owner = || Some("org_77".parse().unwrap());
    vec![
        ("all", none()),
        ("active", state(Stage::Active)),
        ("suspended", state(Stage::Suspended)),
        ("revoked", state(Stage::Revoked)),
        ("expired", state(Stage::Expired)),
        ("active-expires", KeyFilter { expires_before: at(30), ..state(Stage::Active) }),
        ("active-pro", KeyFilter { tier: Some("pro".parse().unwrap()), ..state(Stage::Active) }),
        ("basic", KeyFilter { tier: Some("basic".parse().unwrap()), ..none() }),
        ("enterprise", KeyFilter { tier: Some("enterprise".parse().unwrap()), ..none() }),
        ("owner", KeyFilter { owner: owner(), ..none() }),
        ("no-owner", KeyFilter { owner: Some("absent".parse().unwrap()), ..none() }),
        ("name-rare", name("bot-123456")),
        ("name-all", name("-bot-")),
        ("name-eighth", name("weather")),
        ("name-none", name("zzz-nothing")),
        ("name-digits", name("-99")),
        ("name-apart", name("weather-read-bot-9999999")),
        ("name-never-meets", name("bot-read-write-bot")),
        ("name-and-owner", KeyFilter { owner: owner(), ..name("write-bot") }),
        ("hint", KeyFilter { hint_start: Some("kw_ab".to_owned()), ..none() }),
        ("hint-all", KeyFilter { hint_start: Some("kw_".to_owned()), ..none() }),
        ("expires", KeyFilter { expires_before: at(30), ..none() }),
        ("expires-soon", KeyFilter { expires_before: at(1), ..none() }),
        ("idle", KeyFilter { idle_since: at(-90), ..none() }),
        ("idle-long", KeyFilter { idle_since: at(-199), ..none() }),
        ("created-day", KeyFilter { created_from: at(-900), created_before: at(-899), ..none() }),
        ("created-early", KeyFilter { created_before: at(-900), ..none() }),
        ("created-late", KeyFilter { created_from: at(-400), ..none() }),
        (
            "enterprise-idle-weather",
            KeyFilter {
                tier: Some("pro".parse().unwrap()),
                idle_since: at(-90),
                name_part: Some("weather".to_owned()),
                state: Some(Stage::Revoked),
                ..none()
            },
        ),
        (
            "nothing-joined",
            KeyFilter {
                idle_since: at(-10),
                state: Some(Stage::Active),
                created_from: at(-1),
                ..none()
            },
        ),
    ]
}

/// Reads pages of every list that is worth a name, in each order, and counts what fits.
pub(crate) async fn lists(
    store: &impl Reports,
    of: &str,
    count: u64,
) -> Result<(), Box<dyn Error>> {
    let orders = [
        ("created", KeyOrder::Created),
        ("name", KeyOrder::Name),
        ("last-used", KeyOrder::LastUsed),
        ("expires", KeyOrder::Expires),
    ];
    let mut worst = (Duration::ZERO, String::new());
    let mut worst_total = (Duration::ZERO, "");
    for (filter_name, filter) in filters() {
        for (order_name, order) in orders {
            for descending in [false, true] {
                let (mut longest, mut keys, mut pages) = (Duration::ZERO, 0, 0);
                let mut query = KeyQuery {
                    filter: filter.clone(),
                    order,
                    descending,
                    after: None,
                    max: PAGE,
                    now: UnixMillis(NOW),
                };
                while pages < PAGES {
                    let started = Instant::now();
                    let page = store.list_keys(query.clone()).await?;
                    longest = longest.max(started.elapsed());
                    pages += 1;
                    keys += page.keys.len();
                    query.after = page.next;
                    if query.after.is_none() {
                        break;
                    }
                }
                let name = format!("{filter_name}/{order_name}/{descending}");
                eprintln!("{name}: {longest:?}, {keys} keys on {pages} pages");
                if worst.0 < longest {
                    worst = (longest, name);
                }
            }
        }
        let started = Instant::now();
        let found = store.count_keys(filter, UnixMillis(NOW)).await?;
        let took = started.elapsed();
        let at_least = if found.is_exact { "" } else { "at least " };
        eprintln!("{filter_name}: {at_least}{} of {count} counted in {took:?}", found.at_least);
        if worst_total.0 < took {
            worst_total = (took, filter_name);
        }
    }
    eprintln!("worst: {}; of totals: {}", worst.1, worst_total.1);
    print(&format!("{of}/list-worst-page"), worst.0);
    print(&format!("{of}/list-worst-total"), worst_total.0);
    Ok(())
}

/// Adds a batch of counts every ten minutes, and asks for the most used keys.
pub(crate) async fn usage(
    store: &(impl KeyStore + Reports),
    of: &str,
    count: u64,
) -> Result<(), Box<dyn Error>> {
    let counts = Counts::from([(Outcome::Allowed, 3), (Outcome::Limited, 1)]);
    let (mut total, mut worst) = (Duration::ZERO, Duration::ZERO);
    for number in 1..=24 {
        let at = NOW + number * 600_000;
        let row = |at_row: u64| UsageRow {
            key_id: KeyId::new(mix(at_row * 31 + number * 7_919) % count + 1).unwrap(),
            hour: UnixMillis(at).hour(),
            counts,
            last_used_at: Some(UnixMillis(at)),
        };
        let rows = (0..4_096).map(row).collect();
        let started = Instant::now();
        store.add_usage(UsageBatch { writer: [7; 16], number, rows, reading: None }).await?;
        let took = started.elapsed();
        eprintln!("usage batch {number}: {took:?}");
        total += took;
        worst = worst.max(took);
    }
    print(&format!("{of}/add-usage"), total / 24);
    print(&format!("{of}/add-usage-worst"), worst);
    let from = UnixMillis(NOW).hour();
    let hours = Hours { from, to: UnixHour(from.0 + 24) };
    let started = Instant::now();
    store.usage_top(hours, TopBy::Requests, 10).await?;
    print(&format!("{of}/usage-top"), started.elapsed());
    Ok(())
}
