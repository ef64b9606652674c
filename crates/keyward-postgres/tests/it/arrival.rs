//! A store that moves here: its checks, and moves that break off.

use std::collections::VecDeque;

use keyward::audit::{Actor, Audit, AuditEntry, ChainDigest, ChangeId, Verb};
use keyward::conformance::sample::{issue, trail};
use keyward::count::Outcome;
use keyward::rules::{Progress, Subject, seal};
use keyward::store::{Cell, Origin, Reports as _, Rows, StoreError};
use keyward::{KeyId, UnixMillis};
use keyward_postgres::{Arrived, MigrateError, Migration, OpenOptions, PostgresStore};

use crate::proxy::{Cut, Proxy};
use crate::server::{Server, block_on, place};
use crate::starter::Started;

/// A store with a trail of two entries, and an owner.
struct Left {
    entries: Vec<AuditEntry>,
    owner: &'static str,
    /// How many days have usage.
    days: i64,
    pages: VecDeque<Rows>,
    left_for: Option<String>,
    marks: Vec<&'static str>,
}

impl Left {
    fn new() -> Self {
        let mut progress = Progress {
            change: ChangeId(0),
            digest: ChainDigest::START,
            key: KeyId::new(41),
            tier: None,
        };
        let mut entries = Vec::new();
        for (at, verb) in [(1_000, Verb::SuspendOwner), (2_000, Verb::ResumeOwner)] {
            let audit = Audit { actor: Actor::AdminKey, ..Audit::program(UnixMillis(at)) };
            let owner = "acme".parse().unwrap();
            let subject = Subject::Owner(&owner);
            let entry = seal(&progress, &audit, verb, subject, "{}".to_owned()).unwrap();
            (progress.change, progress.digest) = (entry.id, entry.digest);
            entries.push(entry);
        }
        let (pages, marks) = (VecDeque::new(), Vec::new());
        Self { entries, owner: "acme", days: 0, pages, left_for: None, marks }
    }

    /// Begins anew, as a program does that is started again.
    fn restarted(&mut self) -> &mut Self {
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = |number: u64| Cell::Number(number.try_into().unwrap());
        let limits = r#"[{"name":"requests","amount":100,"per_secs":60,"burst":100}]"#;
        let tier = vec![number(7), text("basic"), text(limits), number(0), number(0)];
        let owner =
            vec![text(self.owner), number(2), Cell::Absent, text("[]"), number(0), number(0)];
        let entry = |entry: &AuditEntry| {
            vec![
                number(entry.id.0),
                number(entry.at.0),
                text(&entry.actor),
                Cell::Absent,
                text(&entry.verb),
                Cell::Absent,
                Cell::Absent,
                text(entry.owner.as_deref().unwrap()),
                Cell::Absent,
                text(entry.details.as_deref().unwrap()),
                Cell::Bytes(entry.previous.0.to_vec()),
                Cell::Bytes(entry.digest.0.to_vec()),
            ]
        };
        let tiers = vec!["id", "name", "limits", "keys", "is_gone"];
        let owners = vec!["id", "version", "suspended_at_ms", "limits", "keys", "revoked_keys"];
        let audit = [
            "id",
            "at_ms",
            "actor",
            "address",
            "verb",
            "key_id",
            "tier",
            "owner",
            "request_id",
            "details",
            "previous",
            "digest",
        ];
        let rows = |table, columns, rows| Rows { table, columns, rows };
        let entries: Vec<_> = self.entries.iter().map(entry).collect();
        let mut pages =
            VecDeque::from([rows("tiers", tiers, vec![tier]), rows("owners", owners, vec![owner])]);
        // A page each, as of a large table.
        pages.extend(entries.into_iter().map(|entry| rows("audit", audit.to_vec(), vec![entry])));
        let clock = vec![vec![Cell::Number(1), Cell::Number(2_000), Cell::Number(1)]];
        pages.push_back(rows("clock", vec!["one", "latest_ms", "told_right"], clock));
        if self.days != 0 {
            let columns = [&["hour", "key_id"], &Outcome::WORDS[..]].concat();
            let counts = Outcome::WORDS.map(|_| Cell::Number(1));
            let row = |day| [&[Cell::Number(24 * day), Cell::Number(1)], &counts[..]].concat();
            pages.push_back(rows("usage", columns, (0..self.days).map(row).collect()));
        }
        self.pages = pages;
        self
    }
}

impl Origin for Left {
    fn kind(&self) -> &'static str {
        "test"
    }

    fn schema(&self) -> u32 {
        13
    }

    fn progress(&self) -> Result<Progress, StoreError> {
        let last = self.entries.last().unwrap();
        let (change, digest) = (last.id, last.digest);
        let tier = keyward::stored::TierId::new(7);
        Ok(Progress { change, digest, key: KeyId::new(41), tier })
    }

    fn left_for(&self) -> Option<&str> {
        self.left_for.as_deref()
    }

    fn next(&mut self) -> Result<Option<Rows>, StoreError> {
        Ok(self.pages.pop_front())
    }

    fn leave(&mut self, place: &str) -> Result<(), StoreError> {
        assert!(!place.contains("keyward@"), "{place}");
        self.left_for = Some(place.to_owned());
        self.marks.push("leave");
        Ok(())
    }

    fn stay(&mut self) -> Result<(), StoreError> {
        self.left_for = None;
        self.marks.push("stay");
        Ok(())
    }
}

async fn receive(place: &OpenOptions, left: &mut Left) -> Result<Arrived, MigrateError> {
    PostgresStore::receive(place, &Migration::default(), left.restarted()).await
}

/// Whether all of it is here, and goes on.
async fn check_whole(place: &OpenOptions, left: &Left) {
    let store = PostgresStore::open(place).await.unwrap();
    let entries = trail(&store).await;
    assert_eq!(entries[..2], left.entries[..]);
    assert_eq!((entries.len(), entries[2].verb.as_str()), (3, "migrate"));
    let tiers: Vec<_> = store.tiers().await.unwrap().iter().map(|tier| tier.id.get()).collect();
    assert_eq!(tiers, [7], "those of the new schema are gone");
    assert!(store.find_owner("acme".parse().unwrap()).await.unwrap().is_some());
    assert_eq!(left.marks.last(), Some(&"leave"));
}

#[test]
fn a_store_arrives_whole_and_once() {
    block_on(async {
        let (place, mut left) = (place(), Left::new());
        let arrived = receive(&place, &mut left).await.unwrap();
        assert!(!arrived.was_here);
        let tables = [("tiers", 1), ("owners", 1), ("audit", 2), ("clock", 1)];
        assert_eq!((arrived.tables.as_slice(), arrived.entry.unwrap().0), (&tables[..], 3));
        check_whole(&place, &left).await;
        let again = receive(&place, &mut left).await.unwrap();
        assert!(again.was_here && again.tables.is_empty());
        check_whole(&place, &left).await;
        // Also by a copy of the store that was not marked, and after it has gone on here.
        let store = PostgresStore::open(&place).await.unwrap();
        assert_eq!(issue(&store, 1).await.get(), 42, "ids go on");
        let mut copy = Left::new();
        assert!(receive(&place, &mut copy).await.unwrap().was_here);
        assert_eq!(copy.marks, ["leave"]);
    });
}

#[test]
fn a_schema_with_anything_in_it_takes_nothing() {
    block_on(async {
        let (place, mut left) = (place(), Left::new());
        PostgresStore::migrate_with(&place, &Migration::default()).await.unwrap();
        issue(&PostgresStore::open(&place).await.unwrap(), 1).await;
        let error = receive(&place, &mut left).await.unwrap_err();
        assert!(matches!(error, MigrateError::NotEmpty { .. }), "{error}");
        assert!(left.marks.is_empty());
        let other = crate::server::place();
        let schema = &other.schema;
        PostgresStore::migrate_with(&other, &Migration::default()).await.unwrap();
        let node = format!(
            "INSERT INTO {schema}.node (id, acked, seen, marked, version, name) \
             VALUES (gen_random_uuid(), 1, 1, false, 1, 'a.example')"
        );
        Server::shared().execute(&node).await;
        let error = receive(&other, &mut left).await.unwrap_err();
        assert!(matches!(error, MigrateError::NodesServe { .. }), "{error}");
        left.left_for = Some("postgres://elsewhere/keyward".to_owned());
        let error = receive(&crate::server::place(), &mut left).await.unwrap_err();
        assert!(matches!(error, MigrateError::MovedElsewhere { .. }), "{error}");
    });
}

#[test]
fn what_does_not_fit_is_not_moved() {
    block_on(async {
        let (place, mut left) = (place(), Left::new());
        left.owner = "a\0b";
        let error = receive(&place, &mut left).await.unwrap_err();
        let MigrateError::Nul { table, row } = &error else { panic!("{error}") };
        assert_eq!((*table, row.as_str()), ("owners", "ab"));
        left.owner = "acme";
        left.entries[0].actor = "program".to_owned();
        let error = receive(&place, &mut left).await.unwrap_err();
        assert!(matches!(error, MigrateError::Chain(_)), "{error}");
        left = Left::new();
        left.entries.remove(0);
        let error = receive(&place, &mut left).await.unwrap_err();
        assert!(matches!(error, MigrateError::Chain(_)), "{error}");
        assert!(left.marks.is_empty());
        receive(&place, &mut Left::new()).await.unwrap();
    });
}

/// Each day of usage is a table, and a server has room for so many locks.
#[test]
fn many_years_of_usage_may_need_room_for_locks() {
    const SMALL: [&str; 4] =
        ["fsync=off", "max_connections=10", "max_wal_senders=1", "max_locks_per_transaction=10"];
    let server = Started::start(&SMALL).unwrap();
    block_on(async {
        let address = server.url().parse().unwrap();
        let few = OpenOptions { without_fsync: true, ..OpenOptions::new(address) };
        let mut left = Left::new();
        left.days = 3;
        receive(&few, &mut left).await.unwrap();
        check_whole(&few, &left).await;
        let many = OpenOptions { schema: "many".to_owned(), ..few };
        let mut left = Left::new();
        left.days = 2_000;
        let error = receive(&many, &mut left).await.unwrap_err();
        assert!(matches!(error, MigrateError::Locks { .. }), "{error}");
        assert!(left.marks.is_empty());
    });
}

/// The server has it, and the program does not hear of it: the trail tells.
#[test]
fn a_move_whose_end_was_not_heard_is_recognised() {
    block_on(async {
        let (place, mut left) = (place(), Left::new());
        let (proxy, through) = Proxy::start(&place);
        proxy.cut(Cut::AfterCommit);
        receive(&through, &mut left).await.unwrap();
        assert!(proxy.is_cut());
        assert_eq!(left.marks, ["leave"]);
        check_whole(&place, &left).await;
    });
}

#[test]
fn a_move_that_the_server_did_not_keep_is_taken_back() {
    block_on(async {
        let (place, mut left) = (place(), Left::new());
        let (proxy, through) = Proxy::start(&place);
        proxy.cut(Cut::BeforeCommit);
        receive(&through, &mut left).await.unwrap_err();
        assert!(proxy.is_cut());
        assert_eq!((left.marks.as_slice(), &left.left_for), (&["leave", "stay"][..], &None));
        receive(&through, &mut left).await.unwrap();
        check_whole(&place, &left).await;
    });
}
