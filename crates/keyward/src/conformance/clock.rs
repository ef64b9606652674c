//! Promises about the wall clock: its latest reading is kept, and so are statements about it.

use crate::UnixMillis;
use crate::store::UsageBatch;

use super::Store;
use super::sample::{audit, batch, trail};

fn read(number: u64, reading: u64) -> UsageBatch {
    UsageBatch { reading: Some(UnixMillis(reading)), ..batch(1, number, vec![]) }
}

pub async fn the_latest_reading_only_moves_forward(store: &dyn Store) {
    assert_eq!(store.latest_reading().await.unwrap(), None);
    for (number, reading, latest) in [(1, 5, 5), (2, 9, 9), (3, 7, 9), (4, 10, 10)] {
        store.add_usage(read(number, reading)).await.unwrap();
        assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(latest)));
    }
    store.add_usage(batch(1, 5, vec![])).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(10)));
}

pub async fn a_reading_comes_with_a_batch_and_once(store: &dyn Store) {
    store.add_usage(read(1, 5)).await.unwrap();
    store.add_usage(read(1, 9)).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(5)));
}

pub async fn the_clock_is_taken_for_right_on_record(store: &dyn Store) {
    store.add_usage(read(1, 900_000)).await.unwrap();
    let at = UnixMillis(5);
    store.accept_clock(audit(at.0)).await.unwrap();
    assert_eq!(store.latest_reading().await.unwrap(), Some(at));
    let entries = trail(store).await;
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.verb.as_str(), entry.at), ("accept-clock", at));
    assert_eq!((&entry.key_id, &entry.tier, &entry.owner), (&None, &None, &None));
    let before = r#""before":{"latest_at":900000}"#;
    assert!(entry.details.as_ref().unwrap().contains(before), "{entry:?}");
}

pub async fn a_start_knows_what_the_one_before_it_was_told(store: &dyn Store) {
    for (told, before) in [(false, false), (true, false), (true, true), (false, true)] {
        assert_eq!(store.note_clock_is_right(told).await.unwrap(), before);
    }
    assert!(trail(store).await.is_empty());
}
