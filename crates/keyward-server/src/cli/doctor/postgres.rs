//! Whether a PostgreSQL server keeps the promises, and what on it makes it slow or forgetful.

use std::error::Error;

use jiff::Timestamp;
use keyward::UnixMillis;
use keyward_postgres::{
    Commits, Inspection, Kept, LedgerFound, OpenError, OpenOptions, PostgresTickets, inspect,
    inspect_ledger,
};

use super::{Check, clock};
use crate::settings::ClusterSettings;

/// From this age on, a prepared transaction was most likely forgotten.
const OLD_SECS: u64 = 60;

/// Looks at the database, with this clock, at the limits if nodes share them, and at the ledger if
/// this node has one.
pub(super) fn check(
    options: &OpenOptions,
    settings: &ClusterSettings,
    now: impl Fn() -> Timestamp,
) -> Vec<Check> {
    let millis = || UnixMillis(u64::try_from(now().as_millisecond()).unwrap_or(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return vec![Check::fail("database", error.to_string(), "try again")],
    };
    match runtime.block_on(inspect(options, millis)) {
        Ok(found) => {
            let mut checks = describe(&options.address.to_string(), &found, now());
            if settings.is_on {
                let shared = runtime.block_on(PostgresTickets::check(options));
                checks.push(limits(&options.address.of_tickets().database(), shared));
            }
            if let Some(path) = &settings.ledger {
                let known = runtime.block_on(inspect_ledger(options, path));
                checks.push(ledger(&path.display().to_string(), known));
            }
            checks
        }
        Err(error) => vec![failed("database", &error)],
    }
}

/// The database in which nodes share limits.
fn limits(name: &str, found: Result<(), OpenError>) -> Check {
    match found {
        Ok(()) => Check::ok("limits", format!("nodes share them in the database {name}")),
        Err(error) => failed("limits", &error),
    }
}

/// The ledger of this node.
fn ledger(path: &str, found: Result<LedgerFound, OpenError>) -> Check {
    match found {
        Ok(LedgerFound::New) => {
            Check::ok("ledger", format!("{path} knows of no change yet; `keyward serve` begins it"))
        }
        Ok(LedgerFound::Known(change)) => {
            let found =
                format!("the database has change {}, the newest that {path} knows", change.0);
            Check::ok("ledger", found)
        }
        Ok(LedgerFound::MadeUpFor(change)) => Check::ok(
            "ledger",
            format!(
                "the database lost change {}, which {path} knows, and another node put that on \
                 record; `keyward serve` goes on from there",
                change.0
            ),
        ),
        Err(error) => failed("ledger", &error),
    }
}

fn describe(address: &str, found: &Inspection, now: Timestamp) -> Vec<Check> {
    let Inspection { version, is_encrypted, schema, nodes, commits, kept, .. } = found;
    let way = if *is_encrypted { "it proves its name" } else { "it is on this machine" };
    let programs = match nodes {
        0 => "no program is registered".to_owned(),
        1 => "1 program is registered".to_owned(),
        _ => format!("{nodes} programs are registered"),
    };
    let readable = format!("{address} can be read: PostgreSQL {version}; {way}; {programs}");
    let mut checks = vec![Check::ok("database", readable)];
    match schema {
        Ok(number) => {
            checks.push(Check::ok("schema", format!("{number}, which is the latest")));
            checks.extend(ours(found, now));
        }
        Err(error) => checks.push(failed("schema", error)),
    }
    let read = found.clock;
    checks.push(clock::of_database(read.before, read.at, read.after));
    checks.extend(durable(commits));
    checks.extend(slow(kept));
    checks
}

/// A fault in the words of its error, whose remedy comes after its semicolon.
fn failed(what: &'static str, error: &OpenError) -> Check {
    let text = error.to_string();
    let (found, advice) = text.split_once("; ").unwrap_or((&text, "look at its cause"));
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Check::fail(what, format!("{found}{cause}"), advice)
}

/// The content of the schema.
fn ours(found: &Inspection, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![clock::compare(now, found.latest_reading)];
    checks.push(if found.may_alter_trail {
        let advice = "serve as another role than the one that migrates, and name it to \
                      `keyward migrate` with --serve-role";
        Check::warn("audit trail", "the role that serves could alter it", advice)
    } else {
        Check::ok("audit trail", "the role that serves can only add to it")
    });
    checks.push(if found.finds_parts {
        Check::ok("names", "an index finds their parts")
    } else {
        let missing = "there is no index for parts of them, so that a search looks at each";
        let advice = "install the extension pg_trgm, and run `keyward migrate` again";
        Check::warn("names", missing, advice)
    });
    checks
}

/// Whether a commit that was acknowledged is lost with a disk or a server.
fn durable(commits: &Commits) -> Vec<Check> {
    let Commits { synchronous_commit, synchronous_standbys, standbys } = commits;
    let mut checks = Vec::new();
    let is_on = ["on", "remote_apply"].contains(&synchronous_commit.as_str());
    checks.push(if is_on {
        Check::ok("commits", "they are on disk before they are acknowledged")
    } else {
        let found = format!("synchronous_commit is {synchronous_commit} in spite of this program");
        Check::fail("commits", found, "let it set synchronous_commit to on")
    });
    let is_waited_for = !synchronous_standbys.trim().is_empty();
    checks.push(match standbys {
        0 => Check::ok("standbys", "there is none that this server sends to"),
        _ if is_waited_for => Check::ok("standbys", "acknowledged changes are on a standby too"),
        _ => {
            let found = format!(
                "{standbys} get changes later, and none is waited for: a failover may lose \
                 acknowledged changes, such as revocations"
            );
            let advice = "name the standbys to wait for in synchronous_standby_names";
            Check::warn("standbys", found, advice)
        }
    });
    checks
}

/// What keeps old versions of rows.
fn slow(kept: &Kept) -> Vec<Check> {
    let Kept { feedback, prepared, slots } = kept;
    let mut checks = Vec::new();
    let mut warn = |found: String, advice: &str| {
        let found = format!("{found}; old versions of rows stay, and changes become slow");
        checks.push(Check::warn("old rows", found, advice));
    };
    if 0 < *feedback {
        let found = format!("standbys with hot_standby_feedback: {feedback}");
        warn(found, "set hot_standby_feedback to off on standbys with long queries");
    }
    let old = prepared.iter().filter(|(_, age)| OLD_SECS <= *age);
    let old: Vec<_> = old.map(|(name, age)| format!("{name} (for {age} s)")).collect();
    if !old.is_empty() {
        let found = format!("prepared transactions wait for their end: {}", old.join(", "));
        warn(found, "end each with COMMIT PREPARED or ROLLBACK PREPARED");
    }
    if !slots.is_empty() {
        let found = format!("replication slots are not in use: {}", slots.join(", "));
        warn(found, "drop each that stays unused, with pg_drop_replication_slot");
    }
    if checks.is_empty() {
        checks.push(Check::ok("old rows", "nothing keeps their old versions"));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    fn lines(checks: &[Check]) -> String {
        checks.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_server_that_may_lose_changes_is_noticed() {
        let shown = |synchronous_commit: &str, synchronous_standbys: &str, standbys| {
            let (synchronous_commit, synchronous_standbys) =
                (synchronous_commit.to_owned(), synchronous_standbys.to_owned());
            lines(&durable(&Commits { synchronous_commit, synchronous_standbys, standbys }))
        };
        let all = [
            shown("on", "", 0),
            shown("on", "", 2),
            shown("remote_apply", "ANY 1 (*)", 2),
            shown("off", "", 0),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn what_makes_a_server_slow_is_noticed() {
        let kept = |feedback, age, slots: &[&str]| {
            let prepared = vec![("tx_1".to_owned(), age)];
            let slots = slots.iter().map(|name| (*name).to_owned()).collect();
            lines(&slow(&Kept { feedback, prepared, slots }))
        };
        insta::assert_snapshot!([kept(0, 59, &[]), kept(1, 60, &["a", "b"])].join("\n"));
    }

    #[test]
    fn a_server_that_is_not_there_fails_without_its_password() {
        let url = "postgres://keyward:hunter2@127.0.0.1:1/keyward";
        let options = OpenOptions::new(url.parse().unwrap());
        let alone = ClusterSettings { is_on: false, node_name: None, ledger: None };
        let checks = check(&options, &alone, || Timestamp::UNIX_EPOCH);
        let [one] = checks.as_slice() else { panic!("{checks:?}") };
        let told = line(one);
        assert!(told.starts_with("fail database: postgres://keyward@127.0.0.1:1/"), "{told}");
        assert!(told.contains(" => check that it runs") && !told.contains("hunter2"), "{told}");
    }
}
