//! Lines on their way to where they are written: a bounded queue, and the one thread that writes.
//!
//! The disk may be full, the reader gone, or there and not reading. The task that logs a line must
//! not notice, least of all by waiting: a request would wait with it. So a line that finds no room,
//! or cannot be written, is dropped; and when lines can be written again, the log says how many
//! were.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Most lines that wait. Nearly all have less than 500 bytes; the longest contain a path and have
/// some 20 KB, so that this is 0.5 MB, and 20 MB at worst.
const WAITING_MAX: usize = 1_024;
/// A pause after a target said that it takes nothing right now.
const PAUSE: Duration = Duration::from_millis(10);

/// Where lines go. A clone shares everything.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    /// How many were dropped since the log last reported it. Relaxed: one number.
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    /// Something to write.
    Line(Vec<u8>),
    /// A request for notice that all lines before it are written.
    Done(SyncSender<()>),
}

impl Lines {
    /// Writes lines to `target`, on a thread that ends when the last handle is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread left.
    pub(super) fn to(target: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let lines = Self { queue, dropped: Arc::clone(&dropped) };
        let write = move || write_all(&waiting, target, &dropped);
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(lines)
    }

    fn put(&self, line: &[u8]) {
        if self.queue.try_send(Message::Line(line.to_owned())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every line so far is written or dropped, but no longer than that.
    pub(super) fn finish(&self, within: Duration) {
        let (done, is_done) = sync_channel(1);
        // If the queue is full, the log is not read.
        if self.queue.try_send(Message::Done(done)).is_ok() {
            let _is_late = is_done.recv_timeout(within);
        }
    }
}

/// The writer to which `tracing` passes each whole line. It never fails.
impl Write for &Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

fn write_all(waiting: &Receiver<Message>, mut target: impl Write, dropped: &AtomicU64) {
    let mut is_torn = false;
    for message in waiting {
        let line = match message {
            Message::Line(line) => line,
            Message::Done(done) => {
                let _has_no_waiter = done.try_send(());
                continue;
            }
        };
        if write_line(&mut target, &line, &mut is_torn).is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped != 0 {
            tracing::warn!(dropped, "Lines of this log could not be written and are lost");
        }
    }
}

/// Writes a line, on a line of its own even if the one before broke off.
fn write_line(target: &mut impl Write, line: &[u8], is_torn: &mut bool) -> io::Result<()> {
    if *is_torn {
        let mut rest: &[u8] = b"\n";
        write_rest(target, &mut rest)?;
        *is_torn = false;
    }
    let mut rest = line;
    let written = write_rest(target, &mut rest);
    *is_torn = written.is_err() && rest.len() != line.len();
    written
}

/// Writes bytes, and leaves the unwritten ones in `rest`.
fn write_rest(target: &mut impl Write, rest: &mut &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match target.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => *rest = rest.get(written..).unwrap_or_default(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                // Another process that has this target open set it to non-blocking.
                io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    /// The results of the first writes, one by one; later ones accept everything.
    enum Turn {
        Takes(usize),
        Fails(io::ErrorKind),
    }

    #[derive(Clone, Default)]
    struct Target {
        turns: Arc<Mutex<VecDeque<Turn>>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Target {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = match self.turns.lock().unwrap().pop_front() {
                Some(Turn::Fails(kind)) => return Err(kind.into()),
                Some(Turn::Takes(most)) => most.min(bytes.len()),
                None => bytes.len(),
            };
            self.written.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The written text of these lines, and how many were dropped and not reported.
    fn written(turns: impl IntoIterator<Item = Turn>, texts: &[&str]) -> (String, u64) {
        let target = Target::default();
        target.turns.lock().unwrap().extend(turns);
        let lines = Lines::to(target.clone()).unwrap();
        texts.iter().for_each(|text| lines.put(text.as_bytes()));
        lines.finish(Duration::from_secs(60));
        let written = target.written.lock().unwrap().clone();
        (String::from_utf8(written).unwrap(), lines.dropped.load(Ordering::Relaxed))
    }

    #[test]
    fn lines_are_written_whole_in_their_order() {
        let turns = [
            Turn::Takes(1),
            Turn::Fails(io::ErrorKind::Interrupted),
            Turn::Fails(io::ErrorKind::WouldBlock),
        ];
        assert_eq!(written(turns, &["one\n", "two\n"]), ("one\ntwo\n".to_owned(), 0));
    }

    #[test]
    fn lines_that_cannot_be_written_are_dropped_and_counted() {
        let full = || Turn::Fails(io::ErrorKind::StorageFull);
        assert_eq!(written([full(), full()], &["one\n", "two\n"]), (String::new(), 2));
        // Once there is room again, the log reports it, and the count begins anew.
        let (text, dropped) = written([full(), full()], &["one\n", "two\n", "three\n"]);
        assert_eq!((text.as_str(), dropped), ("three\n", 0));
    }

    #[test]
    fn no_line_is_appended_to_one_that_broke_off() {
        let turns = [Turn::Takes(2), Turn::Fails(io::ErrorKind::StorageFull)];
        assert_eq!(written(turns, &["one\n", "two\n"]).0, "on\ntwo\n");
    }

    #[test]
    fn no_task_waits_for_a_reader_that_does_not_read() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ended = self.0.recv();
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (go_on, stuck) = sync_channel(0);
        let lines = Lines::to(Stuck(stuck)).unwrap();
        // One is being written, so many wait, and one more has no room.
        for _ in 0..WAITING_MAX + 2 {
            lines.put(b"line\n");
        }
        assert_ne!(lines.dropped.load(Ordering::Relaxed), 0);
        lines.finish(Duration::ZERO);
        drop(go_on);
    }
}
