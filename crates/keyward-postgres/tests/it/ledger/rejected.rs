//! Files that cannot be the ledger of a node.

use super::*;

/// The error of a start with this file.
async fn rejected(place: &OpenOptions, path: &Path) -> OpenError {
    Node::begin(place, path, None).await.map(|_| ()).unwrap_err()
}

#[test]
fn a_ledger_is_of_one_process() {
    block_on(async {
        let (place, (folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        let error = rejected(&place, &path).await;
        assert!(matches!(&error, OpenError::LedgerLocked { ledger, .. } if *ledger == path));
        let said = error.to_string();
        assert!(said.contains(&format!("in use by process {}, a test;", std::process::id())));
        // Another one of the same place has a file of its own.
        let second = Node::start(&place, &folder.path().join("second.ledger")).await;
        second.stop().await;
        node.stop().await;
        Node::start(&place, &path).await.stop().await;
    });
}

#[test]
fn a_file_that_is_broken_or_something_else_is_rejected_and_left_as_it_is() {
    block_on(async {
        let (place, (folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        for number in 1..=3 {
            let key = issue(&node.store, number).await;
            revoke(&node.store, key, audit(1)).await;
        }
        node.apply().await;
        node.stop().await;
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[70] ^= 1;
        for (bytes, at) in [(&flipped[..], 64), (b"Dear reader", 0), (b"", 0)] {
            fs::write(&path, bytes).unwrap();
            let error = rejected(&place, &path).await;
            assert!(matches!(&error, OpenError::LedgerBroken { at: found, .. } if *found == at));
            assert!(error.to_string().contains("node.ledger is broken at byte"), "{error}");
            assert!(fs::read(&path).unwrap() == bytes);
        }
        // What power loss may leave of the last record is no fault.
        fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        Node::start(&place, &path).await.stop().await;

        let is_unusable = async |path: &Path| match rejected(&place, path).await {
            OpenError::Ledger { ledger, .. } => ledger.starts_with(folder.path()),
            other => panic!("{other}"),
        };
        let directory = folder.path().join("directory");
        fs::create_dir(&directory).unwrap();
        assert!(is_unusable(&directory).await);
        assert!(is_unusable(&folder.path().join("absent/node.ledger")).await);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(is_unusable(&link).await, "a link is not followed");
    });
}

#[test]
fn the_ledger_of_another_database_is_rejected() {
    block_on(async {
        let ((_folder, path), one, other) = (folder(), schema().await, schema().await);
        Node::start(&one, &path).await.stop().await;
        let before = fs::read(&path).unwrap();
        let error = rejected(&other, &path).await;
        assert!(
            matches!(&error, OpenError::LedgerOfOther { schema, .. } if *schema == other.schema)
        );
        assert!(matches!(
            inspect_ledger(&other, &path).await,
            Err(OpenError::LedgerOfOther { .. })
        ));
        assert!(before == fs::read(&path).unwrap());
        // A copy of the database is the same one.
        back_up(&one).await;
        restore(&one).await;
        Node::start(&one, &path).await.stop().await;
        // Without an entry, there is nothing that a ledger could know.
        let bare = place();
        PostgresStore::migrate(&bare, None).await.unwrap();
        assert!(matches!(rejected(&bare, &path).await, OpenError::NoEntry { .. }));
    });
}
