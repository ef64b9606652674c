//! A file that knows the newest change apart from the database, over databases that go back in
//! time.

mod lost;
mod rejected;

use std::fs;
use std::path::{Path, PathBuf};

use keyward::UnixMillis;
use keyward::audit::{ChangeId, Mark};
use keyward::change::KeyChange;
use keyward::conformance::sample::{audit, change, digest, issue, owner, revoke, rotation, trail};
use keyward::rules::{Change, OwnerChange};
use keyward::store::{KeyStore as _, NodeId, Renewed};
use keyward_ledger::{Content, Ending};
use keyward_postgres::{
    LedgerFound, LedgerOptions, Migration, OpenError, OpenOptions, PostgresStore, Restored,
    inspect_ledger,
};
use tempfile::TempDir;

use crate::server::{Server, block_on, place};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// A schema that several nodes share, whose trail has the entry of its migration.
async fn schema() -> OpenOptions {
    let place = OpenOptions { several: true, ..place() };
    PostgresStore::migrate_with(&place, &Migration::default()).await.unwrap();
    place
}

/// A folder, and where a ledger may lie in it.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ledger");
    (folder, path)
}

/// A node with a ledger, which applies the trail when it is told.
struct Node {
    store: PostgresStore,
    id: NodeId,
}

impl Node {
    async fn start(place: &OpenOptions, path: &Path) -> Self {
        let (node, restored) = Self::begin(place, path, None).await.unwrap();
        assert_eq!(restored, None);
        node
    }

    /// Starts, perhaps with a loss that is accepted.
    async fn begin(
        place: &OpenOptions,
        path: &Path,
        after_restore: Option<u64>,
    ) -> Result<(Self, Option<Restored>), OpenError> {
        let mut store = PostgresStore::open(place).await.unwrap();
        let after_restore = after_restore.map(ChangeId);
        let options = LedgerOptions { path, holder: "a test", now: NOW, after_restore };
        let restored = match store.keep_ledger(&options).await {
            Ok(restored) => restored,
            Err(error) => {
                store.close().await.unwrap();
                return Err(error);
            }
        };
        let id = store.cluster().unwrap().register().await.unwrap().node;
        Ok((Self { store, id }, restored))
    }

    /// Says that everything is applied.
    async fn apply(&self) -> Mark {
        let renew = async |mark| self.store.cluster().unwrap().renew(self.id, mark).await.unwrap();
        let Renewed::Kept { head, .. } = renew(Mark::START).await else { panic!("it is gone") };
        assert!(matches!(renew(head).await, Renewed::Kept { .. }));
        head
    }

    async fn stop(self) {
        self.store.cluster().unwrap().leave(self.id).await.unwrap();
        self.store.close().await.unwrap();
    }
}

fn content(path: &Path) -> Content {
    Content::read(&fs::read(path).unwrap()).unwrap().1
}

/// The newest change that a ledger knows.
fn newest(path: &Path) -> Option<u64> {
    content(path).head.map(|head| head.change.0)
}

/// Copies all tables but those of nodes and usage, from one schema to another, which has them if it
/// is not new.
async fn copy(from: &str, to: &str, is_new: bool) {
    let made = match is_new {
        true => format!("CREATE SCHEMA {to};"),
        false => String::new(),
    };
    let of_table = match is_new {
        true => format!("EXECUTE format('CREATE TABLE {to}.%I AS TABLE {from}.%1$I', name);"),
        false => format!(
            "EXECUTE format('DELETE FROM {to}.%I', name); \
             SELECT string_agg(quote_ident(column_name), ', ') INTO columns \
             FROM information_schema.columns WHERE table_schema = '{to}' AND table_name = name \
               AND is_generated = 'NEVER'; \
             EXECUTE format('INSERT INTO {to}.%I (%s) SELECT %2$s FROM {from}.%1$I', name, \
                            columns);"
        ),
    };
    let copy = format!(
        "{made} DO $$ DECLARE name text; columns text; BEGIN \
         FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{from}' \
             AND tablename <> 'node' AND tablename NOT LIKE 'usage%' \
         LOOP {of_table} END LOOP; END $$"
    );
    Server::shared().execute(&copy).await;
}

async fn back_up(place: &OpenOptions) {
    copy(&place.schema, &format!("{}_backup", place.schema), true).await;
}

async fn restore(place: &OpenOptions) {
    copy(&format!("{}_backup", place.schema), &place.schema, false).await;
}

#[test]
fn what_this_node_and_others_changed_is_in_the_ledger_once_it_is_applied() {
    block_on(async {
        let (place, (_folder, path)) = (schema().await, folder());
        let other = PostgresStore::open(&place).await.unwrap();
        let before = issue(&other, 1).await;
        revoke(&other, before, audit(1)).await;
        let node = Node::start(&place, &path).await;
        assert_eq!(newest(&path), Some(3), "it is begun with all that there is");
        let all = [issue(&node.store, 2).await, issue(&other, 3).await, issue(&other, 4).await];
        revoke(&node.store, all[0], audit(2)).await;
        change(&other, all[1], rotation(5, 60_000), audit(3)).await;
        change(&other, all[2], KeyChange::Suspend, audit(4)).await;
        let suspend = OwnerChange::Suspend;
        let suspend = Change::Owner { owner: owner("acme"), change: suspend, expected: None };
        other.commit(suspend, audit(5)).await.unwrap().outcome.unwrap();
        let head = node.apply().await;
        // This one is not applied.
        issue(&other, 6).await;
        node.stop().await;
        let known = content(&path);
        let at = known.head.unwrap();
        assert_eq!((at.change, at.digest), (head.change, head.digest));
        assert!(4 <= at.key_id, "no id that was given is given again: {at:?}");
        let end = |number| known.secrets.get(digest(number).as_bytes()).map(|end| end.how);
        assert_eq!((end(1), end(2)), (Some(Ending::Revoked), Some(Ending::Revoked)));
        assert!(matches!(end(3), Some(Ending::At(_))));
        assert_eq!((end(4), known.keys[&all[2].get()].0), (None, true));
        assert_eq!(known.owners.get("acme"), Some(&true));
        other.close().await.unwrap();
    });
}

#[test]
fn the_store_says_what_its_ledger_knows() {
    block_on(async {
        let (place, (_folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        assert_eq!(node.store.newest_change().unwrap().0, ChangeId(1));
        issue(&node.store, 1).await;
        let head = node.apply().await;
        // It is written by a task of the store.
        while node.store.newest_change() != Some((head.change, head.digest)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(newest(&path), Some(2));
        let found = inspect_ledger(&place, &path).await.unwrap();
        assert_eq!(found, LedgerFound::Known(ChangeId(2)), "while a node has it");
        node.stop().await;
    });
}

/// It is written anew: the part that was cut off is read from the database.
#[test]
fn a_ledger_that_is_removed_or_cut_is_written_anew() {
    block_on(async {
        let (place, (_folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        let key = issue(&node.store, 1).await;
        revoke(&node.store, key, audit(1)).await;
        let head = node.apply().await;
        while node.store.newest_change() != Some((head.change, head.digest)) {
            tokio::task::yield_now().await;
        }
        fs::write(&path, "").unwrap();
        issue(&node.store, 2).await;
        node.apply().await;
        node.stop().await;
        let known = content(&path);
        assert_eq!((known.head.unwrap().change, known.secrets.len()), (ChangeId(4), 1));

        let node = Node::start(&place, &path).await;
        fs::remove_file(&path).unwrap();
        issue(&node.store, 3).await;
        node.apply().await;
        node.stop().await;
        let known = content(&path);
        assert_eq!((known.head.unwrap().change, known.secrets.len()), (ChangeId(5), 1));
    });
}

/// Changes go on being made meanwhile, and nothing has to be remembered.
#[test]
fn what_cannot_be_noted_is_noted_later() {
    block_on(async {
        let (place, (folder, path)) = (schema().await, folder());
        let node = Node::start(&place, &path).await;
        let aside = folder.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        let key = issue(&node.store, 1).await;
        revoke(&node.store, key, audit(1)).await;
        node.apply().await;
        node.stop().await;
        fs::remove_dir(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        assert_eq!(newest(&path), Some(1));
        Node::start(&place, &path).await.stop().await;
        let known = content(&path);
        assert_eq!((known.head.unwrap().change, known.secrets.len()), (ChangeId(3), 1));
    });
}
