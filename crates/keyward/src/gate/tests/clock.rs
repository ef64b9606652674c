//! Judging, storing and accepting readings while the wall clock is set back and forth.

use super::*;
use crate::audit::{AuditEntry, Verb};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// 2027-06-01T12:00:00Z.
const JUNE: u64 = 1_811_851_200_000;
/// 2000-01-01T00:00:00Z.
const LONG_AGO: u64 = 946_684_800_000;

fn at(unix: u64, steady: u64) -> Now {
    Now::new(UnixMillis(unix), SteadyNanos(steady * 1_000_000))
}

fn verdict(gate: &Gate, issued: &Issued, now: Now) -> Result<(), &'static str> {
    in_words(gate.verify(&Asked::of(issued.secret.expose()), now)).map(drop)
}

async fn trail(store: &MemoryStore) -> Vec<AuditEntry> {
    let (filter, max) = (AuditFilter::default(), NonZeroU32::new(100).unwrap());
    let query = AuditQuery { filter, after: None, descending: false, max };
    store.audit_entries(query).await.unwrap().entries
}

async fn issue_until(gate: &Gate, expires_at: Option<u64>) -> Issued {
    let key = NewKey { expires_at: expires_at.map(UnixMillis), ..new_key("basic") };
    gate.issue(key, Audit::program(UnixMillis(JUNE))).await.unwrap()
}

#[tokio::test]
async fn a_key_is_judged_by_both_readings() {
    let (_, gate) = open_new().await;
    gate.follow(at(JUNE, 0));
    let expired = issue_until(&gate, Some(JUNE + 30 * MINUTE)).await;
    let later = issue_until(&gate, Some(JUNE + DAY)).await;
    let ever = issue_until(&gate, None).await;
    let in_1999 = issue_until(&gate, Some(LONG_AGO - 1)).await;
    let right = at(JUNE + HOUR, HOUR);
    gate.follow(right);
    assert_eq!(verdict(&gate, &expired, right), Err("expired"));
    for back in [LONG_AGO, JUNE - HOUR] {
        let wrong = at(back, HOUR);
        gate.follow(wrong);
        assert_eq!(verdict(&gate, &expired, wrong), Err("clock_in_doubt"));
        assert_eq!(verdict(&gate, &in_1999, wrong), Err("expired"));
        assert_eq!(verdict(&gate, &later, wrong), Ok(()));
        assert_eq!(verdict(&gate, &ever, wrong), Ok(()));
        // A key that expires while the clock is wrong is denied from then on.
        let next_day = at(back + DAY, HOUR + DAY);
        assert_eq!(verdict(&gate, &later, next_day), Err("clock_in_doubt"));
    }
    let right = at(JUNE + 2 * DAY, 2 * DAY);
    assert_eq!(verdict(&gate, &later, right), Err("expired"));
    assert_eq!(verdict(&gate, &ever, right), Ok(()));
}

#[tokio::test]
async fn a_grace_is_judged_by_both_readings() {
    let (_, gate) = open_new().await;
    gate.follow(at(JUNE, 0));
    let issued = issue_until(&gate, None).await;
    let grace = Duration::from_secs(30 * 60);
    let audit = Audit::program(UnixMillis(JUNE));
    let clock = || at(JUNE, 0);
    let rotated = gate.rotate(issued.key_id, grace, None, audit, &clock).await.unwrap();
    assert_eq!(verdict(&gate, &issued, at(JUNE + MINUTE, MINUTE)), Ok(()));
    let present = Asked::of(rotated.secret.expose());
    for back in [LONG_AGO, JUNE - HOUR] {
        let wrong = at(back, HOUR);
        assert_eq!(verdict(&gate, &issued, wrong), Err("clock_in_doubt"));
        assert!(gate.verify(&present, wrong).is_ok());
    }
    assert_eq!(verdict(&gate, &issued, at(JUNE + HOUR, HOUR)), Err("replaced"));
}

#[tokio::test]
async fn what_a_clock_in_doubt_refuses_is_not_counted() {
    let (_, gate) = open_new().await;
    gate.follow(at(JUNE, 0));
    let issued = issue_until(&gate, Some(JUNE)).await;
    assert_eq!(verdict(&gate, &issued, at(LONG_AGO, 1)), Err("clock_in_doubt"));
    let mut counted = 0;
    for shard in 0.. {
        let visit = |entry: &Entry| {
            counted += entry.counted(UnixMillis(LONG_AGO)).denied();
        };
        let Some(()) = gate.index().each_in_shard(shard, visit) else { break };
    }
    assert_eq!(counted, 0);
    assert_eq!(verdict(&gate, &issued, at(JUNE, 1)), Err("expired"));
}

#[tokio::test]
async fn the_latest_reading_outlives_the_process() {
    let store = Arc::new(MemoryStore::default());
    let gate = open(&store).await;
    let issued = issue_until(&gate, Some(JUNE + 30 * MINUTE)).await;
    gate.flush(&|| at(JUNE, 0)).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(JUNE)));
    // Nothing else is flushed: it is written when it is ten seconds older than the wall clock.
    gate.flush(&|| at(JUNE + 9_999, 9_999)).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(JUNE)));
    gate.flush(&|| at(JUNE + HOUR, 10_000)).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(JUNE + HOUR)));
    // The stored reading after the wall clock was set back is the carried one.
    gate.flush(&|| at(LONG_AGO, MINUTE)).await.unwrap();
    let carried = UnixMillis(JUNE + HOUR + 50_000);
    assert_eq!(store.latest_reading().await.unwrap(), Some(carried));

    let again = open(&store).await;
    let start = at(JUNE, 7 * DAY);
    assert_eq!(again.follow(start).latest(), carried);
    assert_eq!(verdict(&again, &issued, start), Err("clock_in_doubt"));
    let usual = open(&store).await;
    let start = at(JUNE + 2 * HOUR, 7 * DAY);
    assert_eq!(usual.follow(start), start);
}

#[tokio::test]
async fn the_clock_is_taken_for_right_on_record() {
    let store = Arc::new(MemoryStore::default());
    let gate = open(&store).await;
    let in_2036 = JUNE + 9 * 365 * DAY;
    let issued = issue_until(&gate, Some(JUNE + DAY)).await;
    gate.flush(&|| at(in_2036, 0)).await.unwrap();
    let right = || at(JUNE + MINUTE, MINUTE);
    assert_eq!(verdict(&gate, &issued, right()), Err("clock_in_doubt"));
    // A batch is on its way that holds the reading from before.
    store.set_broken(true);
    gate.flush(&|| at(in_2036 + DAY, MINUTE)).await.unwrap_err();
    gate.accept_clock(Audit::program(right().unix), &right).await.unwrap_err();
    assert_eq!(verdict(&gate, &issued, right()), Err("clock_in_doubt"));
    store.set_broken(false);

    assert!(gate.accept_clock(Audit::program(right().unix), &right).await.unwrap());
    assert_eq!(verdict(&gate, &issued, right()), Ok(()));
    gate.flush(&right).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(right().unix));
    let entries = trail(&store).await;
    let entry = entries.last().unwrap();
    assert_eq!((entry.verb.as_str(), entry.actor.as_str()), ("accept-clock", "program"));
    assert_eq!(Verb::of("accept-clock"), Some(Verb::AcceptClock));

    // There is nothing to take any more.
    assert!(!gate.accept_clock(Audit::program(right().unix), &right).await.unwrap());
    assert_eq!(trail(&store).await.len(), entries.len());
}

#[tokio::test]
async fn a_grace_is_not_given_by_a_clock_in_doubt() {
    let (_, gate) = open_new().await;
    gate.follow(at(JUNE, 0));
    let issued = issue_until(&gate, None).await;
    let wrong = || at(LONG_AGO, MINUTE);
    let rotate = async |grace| {
        let audit = Audit::program(wrong().unix);
        gate.rotate(issued.key_id, Duration::from_secs(grace), None, audit, &wrong).await
    };
    assert!(matches!(rotate(3_600).await, Err(ChangeError::ClockInDoubt)));
    assert_eq!(verdict(&gate, &issued, wrong()), Ok(()));
    // A key that leaked can be given another secret all the same, and can be revoked.
    rotate(0).await.unwrap();
    assert_eq!(verdict(&gate, &issued, wrong()), Err("replaced"));
    let revoke = KeyChange::Revoke { reason: None };
    let audit = Audit::program(wrong().unix);
    gate.change(issued.key_id, revoke, None, audit, &wrong).await.unwrap();
}
