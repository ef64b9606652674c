//! Several requests at one time, with their responses in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::Context as _;
use keyward_api::import::ImportReport;
use keyward_api::transfer::{Batch, Entry};

use crate::client::ClientError;

/// Most requests in flight at one time. The server writes them one after the other; while it does,
/// it can read the next one and respond to the one before.
const IN_FLIGHT: usize = 3;
/// Most batches between the reader and the report. At 4 MiB each this is 24 MiB.
const AHEAD_MAX: usize = 6;

/// The outcome of a batch.
pub(super) struct Settled {
    /// Its lines.
    pub entries: Vec<Entry>,
    /// The server's response; `None` if there was nothing to be sent.
    pub response: Option<Result<ImportReport, ClientError>>,
}

/// Sends batch after batch, and settles them in the order in which they came.
///
/// After an error no batch is begun, and the batches in flight are settled before it is returned.
pub(super) fn run(
    mut next: impl FnMut() -> anyhow::Result<Option<Batch>>,
    post: impl Fn(Vec<u8>) -> Result<ImportReport, ClientError> + Sync,
    mut settle: impl FnMut(Settled) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (jobs, queue) = mpsc::channel();
    // The thread that waits for a job holds the lock, and the others wait for that thread. A panic
    // leaves nothing half done in it.
    let queue = Mutex::new(queue);
    let (done, responses) = mpsc::channel();
    let work = || {
        let done = done.clone();
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((number, batch)) = job else { return };
            let batch: Batch = batch;
            let (body, entries) = batch.into_parts();
            let settled = Settled { entries, response: body.map(&post) };
            if done.send((number, settled)).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        // Dropped at the end of this block, which ends the threads.
        let jobs = jobs;
        let work = &work;
        for _ in 0..IN_FLIGHT {
            scope.spawn(work);
        }
        let mut outcome = Ok(());
        let mut waiting = BTreeMap::new();
        let (mut sent, mut settled) = (0, 0);
        loop {
            while outcome.is_ok() && sent - settled < AHEAD_MAX {
                match next() {
                    Ok(Some(batch)) => jobs.send((sent, batch)).context("no thread is left")?,
                    Ok(None) => break,
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
                sent += 1;
            }
            if settled == sent {
                return outcome;
            }
            let (number, one) = responses.recv().context("a request was given up")?;
            waiting.insert(number, one);
            while let Some(one) = waiting.remove(&settled) {
                settled += 1;
                let result = settle(one);
                outcome = outcome.and(result);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use keyward_api::transfer::{Item, read_json_lines};

    /// Batches of one key each, named by its line.
    fn batches(count: u64) -> impl FnMut() -> anyhow::Result<Option<Batch>> {
        let mut line = 0;
        move || {
            line += 1;
            let text = format!(r#"{{"name":"{line}","digest":"{}"}}"#, "ab".repeat(32));
            let read = read_json_lines(text.as_bytes()).next().unwrap().unwrap();
            let Ok(Item::Key(key)) = read.item else { panic!("no key") };
            let mut batch = Batch::default();
            batch.add(line, &key).unwrap();
            Ok((line <= count).then_some(batch))
        }
    }

    fn line(settled: &Settled) -> u64 {
        match settled.entries[0] {
            Entry::Sent { line } | Entry::Fault { line, .. } => line,
        }
    }

    #[test]
    fn responses_are_settled_in_order_whichever_comes_first() {
        // The first request gets its response after the second one.
        let (second_is_done, told) = (Mutex::new(false), Condvar::new());
        let post = |body: Vec<u8>| {
            let body = String::from_utf8(body).unwrap();
            let mut done = second_is_done.lock().unwrap();
            if body.contains(r#""name":"1""#) {
                drop(told.wait_while(done, |done| !*done).unwrap());
            } else {
                *done = true;
                told.notify_all();
            }
            Ok(ImportReport::default())
        };
        let mut lines = Vec::new();
        let settle = |settled| {
            lines.push(line(&settled));
            Ok(())
        };
        run(batches(50), post, settle).unwrap();
        assert_eq!(lines, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn after_an_error_what_is_under_way_is_settled_and_nothing_begun() {
        let posted = AtomicUsize::new(0);
        let post = |_| {
            posted.fetch_add(1, Ordering::SeqCst);
            Ok(ImportReport::default())
        };
        let mut settled = 0;
        let settle = |one| {
            settled += 1;
            if line(&one) == 3 { Err(anyhow::anyhow!("enough")) } else { Ok(()) }
        };
        let error = run(batches(1_000), post, settle).unwrap_err();
        assert_eq!(error.to_string(), "enough");
        assert_eq!(settled, posted.load(Ordering::SeqCst));
        assert!(settled <= 3 + AHEAD_MAX, "{settled}");
    }
}
