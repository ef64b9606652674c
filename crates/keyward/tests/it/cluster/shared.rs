//! Requests of keys whose limits two gates share: each waits for one decision of the store.

use std::future::{pending, ready};
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyward::change::{KeyChange, KeyEdit};
use keyward::gate::{KeptUp, TierBefore};
use keyward::issue::{Issued, NewKey};
use keyward::limit::{Cost, Limit, Limits};
use keyward::memory::Leg;
use keyward::verify::{Purpose, Verdict};
use keyward::{Asked, Gate, KeyId};

use super::two::{LEASE, REVOKE, Two, open, poll};

fn limit(name: &str, amount: u32, secs: u64) -> Limit {
    let amount = NonZeroU32::new(amount).unwrap();
    Limit::new(name, amount, Duration::from_secs(secs), amount).unwrap()
}

fn limits<const N: usize>(list: [Limit; N]) -> Limits {
    Limits::new(list.to_vec()).unwrap()
}

async fn issue(two: &Two, limits: Option<Limits>, owner: Option<&str>) -> Issued {
    let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
    let key = NewKey { owner: owner.map(|owner| owner.parse().unwrap()), limits, ..key };
    two.finish(&two.gates, two.gates[0].issue(key, two.audit())).await.unwrap()
}

async fn verdict(two: &Two, gate: &Gate, asked: Asked<'_>) -> Verdict {
    // The database responds at once, and so nothing has to be waited for.
    gate.verify_shared(&asked, &|| two.now(), || ready(())).await.0
}

async fn word(two: &Two, gate: &Gate, asked: Asked<'_>) -> &'static str {
    verdict(two, gate, asked).await.map_or_else(|denied| denied.as_str(), |_| "allowed")
}

/// How many of so many requests, by turns at both gates, are let in.
async fn let_in(two: &Two, asked: Asked<'_>, requests: usize) -> usize {
    let mut count = 0;
    for at in 0..requests {
        count += usize::from(word(two, &two.gates[at % 2], asked).await == "allowed");
    }
    count
}

async fn set_owner_limits(two: &Two, owner: &str, limits: Limits) {
    let (owner, clock) = (owner.parse().unwrap(), || two.now());
    let edit = two.gates[0].edit_owner(owner, limits, None, two.audit(), &clock);
    two.finish(&two.gates, edit).await.unwrap();
}

/// Changes the limits of a tier at the first gate alone, and lets that one follow.
async fn put_tier(two: &Two, limits: Limits) {
    let clock = || two.now();
    let (name, before) = ("basic".parse().unwrap(), TierBefore::Any);
    let mut put = pin!(two.gates[0].put_tier(name, limits, before, two.audit(), &clock));
    assert!(poll(put.as_mut()).is_none(), "the other gate has not applied it");
    two.keep_up(&two.gates[..1]).await;
}

#[tokio::test]
async fn two_gates_share_a_limit_exactly() {
    let two = Two::new().await;
    let key = issue(&two, Some(limits([limit("a", 7, 60)])), None).await;
    let asked = Asked::of(key.secret.expose());
    assert_eq!(let_in(&two, asked, 40).await, 7);
    // One interval of 60 s / 7 later, there is room for one more.
    two.pass(Duration::from_secs(9));
    two.keep_up(&two.gates).await;
    assert_eq!(let_in(&two, asked, 10).await, 1);
    // Without sharing, each gate lets in as many.
    assert_eq!(two.words(key.secret.expose()), ["allowed"; 2]);
}

#[tokio::test]
async fn the_limits_of_an_owner_two_limits_and_a_cost_are_one_set() {
    let two = Two::new().await;
    set_owner_limits(&two, "org_1", limits([limit("all", 10, 60)])).await;
    let two_limits = || Some(limits([limit("a", 8, 60), limit("b", 100, 3_600)]));
    let one = issue(&two, two_limits(), Some("org_1")).await;
    let other = issue(&two, two_limits(), Some("org_1")).await;
    let costly = Asked { cost: Cost::from(3), ..Asked::of(one.secret.expose()) };
    assert_eq!(let_in(&two, costly, 9).await, 2, "8 allow 3 twice");
    assert_eq!(let_in(&two, Asked::of(other.secret.expose()), 20).await, 4, "4 are left of 10");
    let denied = verdict(&two, &two.gates[0], Asked::of(other.secret.expose())).await.unwrap_err();
    let keyward::Denied::Limited(_, exceeded) = denied else { panic!("{denied:?}") };
    let names: Vec<_> =
        exceeded.standings.iter().map(|it| (it.limit.name().to_owned(), it.remaining)).collect();
    let expected = [("a", 4), ("b", 96), ("owner:all", 0)];
    assert_eq!(names, expected.map(|(name, left)| (name.to_owned(), left)));
    assert_eq!(exceeded.standing().unwrap().limit.name(), "owner:all");
    let beyond = Asked { cost: Cost::from(9), ..Asked::of(one.secret.expose()) };
    assert_eq!(word(&two, &two.gates[1], beyond).await, "too_costly");
}

#[tokio::test]
async fn limits_are_told_exactly_and_told_alone_where_they_are_not_asked() {
    let two = Two::new().await;
    let key = issue(&two, Some(limits([limit("a", 2, 60)])), None).await;
    let asked = Asked::of(key.secret.expose());
    for (gate, left) in [(1, 1), (0, 0)] {
        let caller = verdict(&two, &two.gates[gate], asked).await.unwrap();
        assert_eq!(caller.standing().unwrap().remaining, left);
    }
    for purpose in [Purpose::Repeat, Purpose::Introspection] {
        let caller = verdict(&two, &two.gates[1], Asked { purpose, ..asked }).await.unwrap();
        assert_eq!(caller.standing().unwrap().remaining, 0, "{purpose:?}");
    }
}

#[tokio::test]
async fn without_a_response_it_is_unavailable_and_keys_without_limits_go_on() {
    let two = Two::new().await;
    let key = issue(&two, Some(limits([limit("a", 5, 60)])), None).await;
    let free = issue(&two, Some(limits([])), None).await;
    let (clock, asked) = (|| two.now(), Asked::of(key.secret.expose()));
    two.cluster.wire().hold();
    let gate = &two.gates[0];
    let (verdict, _) = gate.verify_shared(&asked, &clock, || ready(())).await;
    let denied = verdict.unwrap_err();
    assert_eq!((denied.as_str(), denied.outcome()), ("unavailable", None));
    assert_eq!(gate.counted(&caller(&two, gate, &free).await, two.now().unix).requests(), 1);
    let counts = gate.ticket_counts().unwrap();
    assert_eq!((counts.asked, counts.wasted, counts.unavailable), (1, 1, 1));
    // A question tells what it can.
    let told = Asked { purpose: Purpose::Introspection, ..asked };
    let (verdict, _) = gate.verify_shared(&told, &clock, || ready(())).await;
    assert_eq!(verdict.unwrap().standing(), None);
    // A request that is lost took nothing.
    let mut waiting = pin!(gate.verify_shared(&asked, &clock, pending::<()>));
    assert!(poll(waiting.as_mut()).is_none());
    let letters = two.cluster.wire().letters();
    letters.iter().for_each(|letter| two.cluster.wire().lose(letter.number));
    let (verdict, _) = poll(waiting.as_mut()).unwrap();
    assert_eq!(verdict.unwrap_err().as_str(), "unavailable");
}

async fn caller(two: &Two, gate: &Gate, key: &Issued) -> keyward::Caller {
    verdict(two, gate, Asked::of(key.secret.expose())).await.unwrap()
}

/// The key is judged once more with the ticket.
#[tokio::test]
async fn a_key_that_is_revoked_while_it_waits_is_not_let_in() {
    let two = Two::new().await;
    let key = issue(&two, Some(limits([limit("a", 5, 60)])), None).await;
    let (clock, asked) = (|| two.now(), Asked::of(key.secret.expose()));
    let mut reply = HeldReply::begin(&two, &asked, &clock);
    reply.change(&two, key.key_id, REVOKE).await;
    assert_eq!(reply.finish(&two).unwrap_err().as_str(), "revoked");
    let counts = two.gates[1].ticket_counts().unwrap();
    assert_eq!((counts.wasted, counts.unavailable), (1, 0));
}

/// Lets the messages of asks of one way arrive.
fn deliver(two: &Two, leg: Leg) {
    let letters = two.cluster.wire().letters();
    let asks = letters.iter().filter(|letter| letter.what == "take" && letter.leg == leg);
    asks.for_each(|letter| two.cluster.wire().deliver(letter.number));
}

#[tokio::test]
async fn without_a_lease_no_ticket_lets_in() {
    let two = Two::new().await;
    let key = issue(&two, Some(limits([limit("a", 5, 60)])), None).await;
    let (clock, asked) = (|| two.now(), Asked::of(key.secret.expose()));
    two.cluster.wire().hold();
    let mut waiting = pin!(two.gates[1].verify_shared(&asked, &clock, pending::<()>));
    assert!(poll(waiting.as_mut()).is_none());
    deliver(&two, Leg::Request);
    assert!(poll(waiting.as_mut()).is_none());
    two.pass(LEASE);
    deliver(&two, Leg::Reply);
    let (verdict, _) = poll(waiting.as_mut()).unwrap();
    assert_eq!(verdict.unwrap_err().as_str(), "uncertain");
    assert_eq!(two.gates[1].ticket_counts().unwrap().wasted, 1);
}

/// A gate that is late learns the newer terms, and takes nothing by the older ones.
#[tokio::test]
async fn limits_that_are_tightened_hold_at_a_gate_that_is_late() {
    let two = Two::new().await;
    let key = issue(&two, None, None).await;
    let asked = Asked::of(key.secret.expose());
    assert_eq!(let_in(&two, asked, 10).await, 10, "100 a minute");
    put_tier(&two, limits([limit("requests", 1, 2)])).await;
    // The bucket is as empty as the new terms allow from the first ask on.
    assert_eq!(word(&two, &two.gates[0], asked).await, "limited");
    let clock = || two.now();
    let mut late = pin!(two.gates[1].verify_shared(&asked, &clock, pending::<()>));
    assert!(poll(late.as_mut()).is_none(), "it waits until it has followed");
    let mut hinted = pin!(two.gates[1].hint());
    assert!(poll(hinted.as_mut()).is_some(), "and has the gate follow");
    two.keep_up(&two.gates[1..]).await;
    let (verdict, _) = poll(late.as_mut()).unwrap();
    assert_eq!(verdict.unwrap_err().as_str(), "limited");
    two.pass(Duration::from_secs(2));
    two.keep_up(&two.gates).await;
    assert_eq!(let_in(&two, asked, 10).await, 1);
}

/// An ask is about the whole set with its revisions: another set is asked anew.
#[tokio::test]
async fn limits_that_change_while_a_request_waits_are_asked_anew() {
    let two = Two::new().await;
    let key = issue(&two, None, None).await;
    let (clock, asked) = (|| two.now(), Asked::of(key.secret.expose()));
    let mut reply = HeldReply::begin(&two, &asked, &clock);
    let edit = KeyEdit { limits: Some(Some(limits([limit("own", 3, 60)]))), ..KeyEdit::default() };
    reply.change(&two, key.key_id, KeyChange::Edit(Box::new(edit))).await;
    let caller = reply.finish(&two).unwrap();
    let standing = caller.standing().unwrap();
    assert_eq!((standing.limit.name(), standing.remaining), ("own", 2));
    assert_eq!(two.gates[1].ticket_counts().unwrap().wasted, 1);
}

type Waiting<'a> = Pin<Box<dyn Future<Output = (Verdict, keyward::Now)> + 'a>>;

/// A request at the second gate that has its ticket, which is on its way back.
struct HeldReply<'a>(Waiting<'a>);

impl<'a> HeldReply<'a> {
    fn begin(two: &'a Two, asked: &'a Asked<'a>, clock: keyward::time::ReadClock<'a>) -> Self {
        two.cluster.wire().hold();
        let mut waiting: Waiting<'a> =
            Box::pin(two.gates[1].verify_shared(asked, clock, pending::<()>));
        assert!(poll(waiting.as_mut()).is_none());
        deliver(two, Leg::Request);
        assert!(poll(waiting.as_mut()).is_none());
        Self(waiting)
    }

    /// Makes a change at the first gate while all messages but that reply arrive.
    async fn change(&mut self, two: &Two, id: KeyId, change: KeyChange) {
        let clock = || two.now();
        let mut changed = pin!(two.gates[0].change(id, change, None, two.audit(), &clock));
        let is_done = |two: &Two, changed: Pin<&mut _>| {
            others(two);
            poll::<_>(changed)
        };
        for _ in 0..100 {
            if is_done(two, changed.as_mut()).is_some() {
                return;
            }
            for gate in &two.gates {
                let mut step = pin!(gate.keep_up(&clock));
                while poll(step.as_mut()).is_none() {
                    others(two);
                }
                let mut step = pin!(gate.settle(&clock));
                while poll(step.as_mut()).is_none() {
                    others(two);
                }
            }
        }
        panic!("the change still waits");
    }

    fn finish(mut self, two: &Two) -> Verdict {
        for _ in 0..10 {
            deliver(two, Leg::Request);
            deliver(two, Leg::Reply);
            if let Some((verdict, _)) = poll(self.0.as_mut()) {
                return verdict;
            }
        }
        panic!("it still waits");
    }
}

/// Lets all messages arrive but those of asks.
fn others(two: &Two) {
    let letters = two.cluster.wire().letters();
    let others = letters.iter().filter(|letter| letter.what != "take");
    others.for_each(|letter| two.cluster.wire().deliver(letter.number));
}

/// After a loss, rows may have terms that are in no trail: they are not newer ones.
#[tokio::test]
async fn terms_of_a_lost_history_are_forgotten() {
    let two = Two::new().await;
    let key = issue(&two, None, None).await;
    let asked = Asked::of(key.secret.expose());
    // Long, so that a promotion does not lose the bucket.
    put_tier_everywhere(&two, limits([limit("requests", 10, 3_600)])).await;
    two.cluster.replicate();
    // More than the entries that the loss itself makes.
    for amount in [8, 7, 6, 9] {
        put_tier_everywhere(&two, limits([limit("requests", amount, 3_600)])).await;
    }
    assert_eq!(let_in(&two, asked, 4).await, 4);
    two.cluster.fail_over_without_tickets();
    for _ in 0..8 {
        for gate in &two.gates {
            gate.keep_up(&|| two.now()).await.unwrap();
        }
    }
    two.keep_up(&two.gates).await;
    let clock = || two.now();
    let mut waiting = pin!(two.gates[1].verify_shared(&asked, &clock, pending::<()>));
    let mut verdict = poll(waiting.as_mut());
    for _ in 0..3 {
        two.keep_up(&two.gates).await;
        verdict = verdict.or_else(|| poll(waiting.as_mut()));
    }
    // Terms are forgotten, and not the use under them.
    let left = verdict.unwrap().0.unwrap().standing().unwrap().remaining;
    assert_eq!(left, 4, "4 of 9 take as long as 4.4 of 10");
}

async fn put_tier_everywhere(two: &Two, limits: Limits) {
    let clock = || two.now();
    let (name, before) = ("basic".parse().unwrap(), TierBefore::Any);
    let put = two.gates[0].put_tier(name, limits, before, two.audit(), &clock);
    two.finish(&two.gates, put).await.unwrap();
}

#[tokio::test]
async fn a_denial_is_remembered_for_a_quarter_of_a_second() {
    let two = Two::new().await;
    let key = issue(&two, Some(limits([limit("a", 1, 60)])), None).await;
    let asked = Asked::of(key.secret.expose());
    let gate = &two.gates[0];
    assert_eq!(word(&two, gate, asked).await, "allowed");
    for _ in 0..10 {
        let denied = verdict(&two, gate, asked).await.unwrap_err();
        assert_eq!(denied.retry_after(), Some(Duration::from_secs(60)));
    }
    let counts = gate.ticket_counts().unwrap();
    assert_eq!((counts.asked, counts.remembered), (2, 9));
    let read = AtomicUsize::new(0);
    let clock = || {
        read.fetch_add(1, Ordering::Relaxed);
        two.now()
    };
    gate.verify_shared(&asked, &clock, || ready(())).await.0.unwrap_err();
    assert_eq!(read.into_inner(), 1, "a remembered denial waits for nothing");
    two.pass(Duration::from_millis(249));
    let denied = verdict(&two, gate, asked).await.unwrap_err();
    assert_eq!(denied.retry_after(), Some(Duration::from_millis(59_751)));
    two.pass(Duration::from_millis(1));
    assert_eq!(word(&two, gate, asked).await, "limited");
    let counts = gate.ticket_counts().unwrap();
    assert_eq!((counts.asked, counts.remembered), (3, 11));
    assert_eq!(counts.waits.iter().sum::<u64>(), 3);
}

/// A gate that opens has the revisions of the rows that it reads, and one that follows those of the
/// rows that it is sent: else one of the two would wait for ever.
#[tokio::test]
async fn a_gate_that_opens_later_asks_by_the_same_terms() {
    let two = Two::new().await;
    set_owner_limits(&two, "org_1", limits([limit("all", 50, 60)])).await;
    let key = issue(&two, None, Some("org_1")).await;
    let asked = Asked::of(key.secret.expose());
    put_tier_everywhere(&two, limits([limit("requests", 20, 60)])).await;
    set_owner_limits(&two, "org_1", limits([limit("all", 40, 60)])).await;
    let change = |tier: &str| {
        KeyChange::Edit(Box::new(KeyEdit {
            tier: Some(tier.parse().unwrap()),
            ..KeyEdit::default()
        }))
    };
    two.change(key.key_id, change("pro")).await;
    two.change(key.key_id, change("basic")).await;
    assert_eq!(let_in(&two, asked, 4).await, 4);
    let third = open(&two.cluster, 2).await;
    while third.keep_up(&|| two.now()).await.unwrap() != KeptUp::Current {}
    let caller = verdict(&two, &third, asked).await.unwrap();
    assert_eq!(caller.standing().unwrap().remaining, 15);
    assert_eq!(let_in(&two, asked, 40).await, 15);
}
