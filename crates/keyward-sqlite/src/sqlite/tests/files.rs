//! A store whose files are lost, or whose disk is full.

use super::*;
use crate::reserve::is_for_want_of_room;
use crate::watch::FileLost;

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_changed_while_the_file_is_not_in_its_place() {
    let (directory, store) = opened();
    issue(&store, 1).await.unwrap();
    assert_eq!(store.trouble(), None);
    let before = store.commits();
    let (path, aside) = (directory.path().join("keyward.db"), directory.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    for error in [issue(&store, 2).await.unwrap_err(), store.mend().await.unwrap_err()] {
        let StoreError::Logged(source) = error else { panic!("{error:?}") };
        let lost =
            FileLost::Moved { path: directory.path().canonicalize().unwrap().join("keyward.db") };
        assert_eq!(source.downcast_ref(), Some(&lost));
        assert_eq!(store.trouble(), Some(lost.to_string()));
    }
    assert_eq!(store.commits(), before);
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(store.trouble(), None);
    assert_eq!(issue(&store, 2).await.unwrap().get(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_is_not_done_if_the_file_goes_while_it_is_under_way() {
    let (directory, store) = opened();
    let (path, aside) = (directory.path().join("keyward.db"), directory.path().join("aside"));
    let (from, to) = (path.clone(), aside.clone());
    // The batch has begun, and is not committed yet.
    let changed = store.writer.call(move |connection| {
        connection.execute_batch("DELETE FROM tiers")?;
        Ok(std::fs::rename(from, to)?)
    });
    assert!(matches!(changed.await, Err(StoreError::Logged(_))));
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(store.tiers().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_store_that_cannot_write_any_more_is_not_well() {
    let (_directory, store) = opened();
    assert_eq!(store.trouble(), None);
    let broken = store.writer.call(|_| -> Result<(), SqlError> { panic!("on purpose") });
    broken.await.unwrap_err();
    store.writer.stop().await;
    assert_eq!(store.tiers().await.unwrap().len(), 3);
    assert!(store.trouble().is_some());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_store_keeps_its_file_until_all_who_hold_it_are_gone() {
    let (directory, store) = opened();
    let path = directory.path().join("keyward.db");
    let hold = store.hold().unwrap();
    store.close().await.unwrap();
    let open = || SqliteStore::open(&path, "a test", UnixMillis(1));
    assert!(matches!(open(), Err(OpenError::Locked { .. })));
    drop(hold);
    assert!(store.hold().is_none());
    let store = open().unwrap();

    // Neither another name of the file nor a lost lock file lets a second store in.
    let other = directory.path().join("other.db");
    std::fs::hard_link(&path, &other).unwrap();
    let second = SqliteStore::open(&other, "a test", UnixMillis(1));
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    std::fs::remove_file(directory.path().join("keyward.db.lock")).unwrap();
    assert!(matches!(open(), Err(OpenError::Locked { .. })));
    issue(&store, 1).await.unwrap();
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn a_database_and_its_copies_say_whose_they_are() {
    let (directory, store) = opened();
    let copy = directory.path().join("copy.db");
    store.back_up(&copy).await.unwrap();
    store.close().await.unwrap();
    for path in [directory.path().join("keyward.db"), copy] {
        // Where SQLite keeps the application id (<https://sqlite.org/fileformat2.html>).
        assert_eq!(&std::fs::read(&path).unwrap()[68..72], b"Keyw");
        // The copy has no ledger next to it.
        let (holder, now) = ("a test", UnixMillis(1));
        let after_restore = Some(ChangeId(0));
        let options = OpenOptions { holder, now, after_restore, ledger: true };
        drop(SqliteStore::open_with(&path, &options).unwrap());
    }
}

#[tokio::test]
async fn without_room_the_reserve_goes_to_what_ends_keys_and_nothing_else_is_changed() {
    let (directory, store) = opened();
    let reserve = directory.path().join("keyward.db.reserve");
    let len = || std::fs::metadata(&reserve).unwrap().len();
    let whole = len();
    assert_ne!(whole, 0);
    execute(&store, "PRAGMA max_page_count = 1").await;
    let mut kept = 0;
    let refused = loop {
        match issue(&store, kept + 1).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(is_for_want_of_room(&refused), "{refused:?}");
    assert_eq!(len(), whole, "nothing is given up for a key that is issued");

    // This limit of SQLite's, unlike a disk, does not let more in once the reserve is given up.
    let mut suspended = 0;
    let suspend = async |number: u64| {
        let owner = format!("owner-{number}").parse().unwrap();
        let change = Change::Owner { owner, change: OwnerChange::Suspend, expected: None };
        store.commit(change, audit()).await
    };
    while suspend(suspended).await.is_ok() {
        suspended += 1;
    }
    assert_eq!(len(), 0, "all of it is given up before a key cannot be ended");

    // There is room in this directory, so the next change takes the reserve back.
    execute(&store, "PRAGMA max_page_count = 100000").await;
    issue(&store, kept + 1).await.unwrap();
    assert_eq!(len(), whole);
    suspend(suspended).await.unwrap();
    let id = KeyId::new(1).unwrap();
    let revoke = KeyChange::Revoke { reason: None };
    let revoke = Change::Key { id, change: revoke, expected: None };
    store.commit(revoke, audit()).await.unwrap().outcome.unwrap();
}

#[tokio::test]
async fn the_reserve_is_not_given_to_what_lists_need() {
    let (_directory, store) = opened();
    let listed = || store.writer.call(|connection| Ok(late::last_listed(connection)?));
    assert!(store.reserve.give_up());
    // Past the question whether there is room, as if it was given up meanwhile.
    let known = store.known.clone();
    let commit = move |connection: &Connection| {
        for number in 0..600 {
            let issue = Change::Issue(Box::new(new_key(number)));
            known.commit(connection, issue, &audit())?.outcome.unwrap();
        }
        Ok(())
    };
    store.writer.call(commit).await.unwrap();
    assert_eq!(listed().await.unwrap(), 0);
    assert_eq!(listed().await.unwrap(), 0);

    store.reserve.check().unwrap();
    listed().await.unwrap();
    assert_eq!(listed().await.unwrap(), 600);
}
