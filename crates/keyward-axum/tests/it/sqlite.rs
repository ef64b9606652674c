//! A guard over a real file: what survives, and who may have the file.

use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use keyward_axum::keyward::count::Outcome;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::keyward::query::{Bucket, Hours};
use keyward_axum::keyward::record::KeyId;
use keyward_axum::keyward::store::Reports as _;
use keyward_axum::keyward::time::UnixHour;
use keyward_axum::{SqliteGuard, SqliteOptions};

use crate::{app, send};

const ALL: Hours = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };

async fn issue(keys: &SqliteGuard) -> (KeyId, String) {
    let guard = keys.guard();
    let key = NewKey::plain("weather-bot".parse().unwrap(), "basic".parse().unwrap(), None);
    let issued = guard.issue(key, guard.program()).await.unwrap();
    (issued.key_id, issued.secret.expose().to_owned())
}

async fn status(keys: &SqliteGuard, secret: &str) -> StatusCode {
    send(&app(keys.guard()), "/", &[("x-api-key", secret)]).await.status()
}

async fn open_error(path: &Path) -> String {
    SqliteGuard::open(path).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_key_and_its_usage_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let keys = SqliteGuard::open(&path).await.unwrap();
    let (id, secret) = issue(&keys).await;
    assert_eq!(status(&keys, &secret).await, StatusCode::OK);
    assert_eq!(status(&keys, "wrong").await, StatusCode::UNAUTHORIZED);
    assert!(keys.pulse().is_well());
    // A clone of the guard, as an app has it, does not keep the file open.
    let guard = keys.guard().clone();
    keys.close().await.unwrap();

    let keys = SqliteGuard::open(&path).await.unwrap();
    assert_eq!(status(&keys, &secret).await, StatusCode::OK);
    let usage = keys.store().usage(id, ALL, Bucket::Hour, 10).await.unwrap();
    assert_eq!(usage.iter().map(|(_, counts)| counts[Outcome::Allowed]).sum::<u64>(), 1);
    assert!(guard.revoke(id, None, guard.program()).await.is_err(), "its file was closed");
    assert!(keys.guard().revoke(id, None, guard.program()).await.unwrap());
    keys.close().await.unwrap();

    let keys = SqliteGuard::open(&path).await.unwrap();
    assert_eq!(status(&keys, &secret).await, StatusCode::UNAUTHORIZED);
    keys.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn usage_is_in_the_file_after_the_interval_of_the_options() {
    // A runtime that is never idle moves no paused clock by itself, however long the file takes.
    let busy = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { flush_every: Duration::from_mins(1), ..SqliteOptions::default() };
    let keys = SqliteGuard::open_with(directory.path().join("keys.db"), options).await.unwrap();
    let (id, secret) = issue(&keys).await;
    assert_eq!(status(&keys, &secret).await, StatusCode::OK);
    let usage = async || keys.store().usage(id, ALL, Bucket::Hour, 10).await.unwrap();
    tokio::time::advance(Duration::from_secs(50)).await;
    for _ in 0..10 {
        assert!(usage().await.is_empty());
    }
    tokio::time::advance(Duration::from_secs(20)).await;
    // The flush has begun; the thread of the store ends it.
    let mut looks = 0;
    while usage().await.is_empty() {
        looks += 1;
        assert!(looks < 100_000, "no flush began");
    }
    keys.close().await.unwrap();
    busy.abort();
}

#[tokio::test]
async fn a_file_in_use_does_not_open_and_the_error_says_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let holder = "greeter on 127.0.0.1:3000".to_owned();
    let options = SqliteOptions { holder, ..SqliteOptions::default() };
    let keys = SqliteGuard::open_with(&path, options).await.unwrap();
    let (_, secret) = issue(&keys).await;
    let told = open_error(&path).await;
    assert!(told.contains("is in use by") && told.contains("greeter on 127.0.0.1:3000"), "{told}");
    assert!(told.contains("keys.db"), "{told}");
    assert_eq!(status(&keys, &secret).await, StatusCode::OK, "the first goes on");
    keys.close().await.unwrap();
    SqliteGuard::open(&path).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_another_kind_does_not_open_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    let letter = "Dear reader, ".repeat(100);
    std::fs::write(&path, &letter).unwrap();
    let told = open_error(&path).await;
    assert!(told.contains("letter.txt") && told.contains("is not a database"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}
