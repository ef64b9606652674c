//! A relay between a node and its store, which breaks connections when it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::lock;

/// How often a relay that holds bytes back looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The statement that commits, as clients send it.
const COMMIT: &[u8] = b"COMMIT";

/// A listener in front of the store. Its threads end with the program.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the store is.
    target: AtomicU16,
    /// How long each piece is held back, in milliseconds.
    delay: AtomicU64,
    /// Whether nothing comes through, and no connection ends.
    is_silent: AtomicBool,
    /// Whether each connection is closed at once.
    is_closed: AtomicBool,
    /// What the next COMMIT meets.
    cut: Mutex<Option<Cut>>,
    /// What the response to a statement meets that has these bytes.
    trap: Mutex<Option<Arc<Trap>>>,
    pairs: Mutex<Vec<Arc<Pair>>>,
}

/// Where a connection is cut at a COMMIT.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// After so many of its bytes.
    After(usize),
    /// After all of it, and before its response.
    BeforeResponse,
}

/// Holds the response to one statement back.
#[derive(Debug)]
pub(crate) struct Trap {
    needle: &'static [u8],
    is_sprung: AtomicBool,
    is_released: AtomicBool,
}

impl Trap {
    /// Whether a response is held back.
    pub(crate) fn is_sprung(&self) -> bool {
        self.is_sprung.load(Ordering::SeqCst)
    }

    /// Lets it through.
    pub(crate) fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
    }
}

/// A connection of a node, and its connection to the store.
#[derive(Debug)]
struct Pair {
    node: TcpStream,
    store: TcpStream,
    has_ended: AtomicBool,
    /// Whether the next response is held back by the trap.
    is_trapped: AtomicBool,
}

impl Pair {
    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        drop((self.node.shutdown(Shutdown::Both), self.store.shutdown(Shutdown::Both)));
    }
}

impl Link {
    /// Listens, for a store at a port of this machine.
    pub(crate) fn start(store: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a relay")?;
        let port = listener.local_addr().context("asking for a relay's port")?.port();
        let state = Arc::new(State::default());
        state.target.store(store, Ordering::SeqCst);
        let kept = Arc::clone(&state);
        thread::spawn(move || {
            for node in listener.incoming().map_while(Result::ok) {
                // A store that is not there is a connection that is closed.
                drop(kept.relay(node));
            }
        });
        Ok(Self { port, state })
    }

    /// Leads new connections to another store.
    pub(crate) fn lead_to(&self, store: u16) {
        self.state.target.store(store, Ordering::SeqCst);
    }

    /// Ends all connections.
    pub(crate) fn drop_all(&self) {
        lock(&self.state.pairs).drain(..).for_each(|pair| pair.end());
    }

    /// Ends all connections, and lets no new one come about.
    pub(crate) fn close(&self, is_closed: bool) {
        self.state.is_closed.store(is_closed, Ordering::SeqCst);
        self.drop_all();
    }

    /// Holds each piece back for so long.
    pub(crate) fn delay(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.state.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Lets nothing through, or goes on where it stopped.
    pub(crate) fn silence(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Cuts the connection of the next COMMIT.
    pub(crate) fn cut(&self, cut: Option<Cut>) {
        *lock(&self.state.cut) = cut;
    }

    /// Whether it was cut.
    pub(crate) fn is_cut(&self) -> bool {
        lock(&self.state.cut).is_none()
    }

    /// Holds back the response to the next statement that has these bytes.
    pub(crate) fn trap(&self, needle: &'static [u8]) -> Arc<Trap> {
        let (is_sprung, is_released) = Default::default();
        let trap = Arc::new(Trap { needle, is_sprung, is_released });
        *lock(&self.state.trap) = Some(Arc::clone(&trap));
        trap
    }

    /// Takes the trap away.
    pub(crate) fn untrap(&self) {
        if let Some(trap) = lock(&self.state.trap).take() {
            trap.release();
        }
    }
}

impl State {
    fn relay(self: &Arc<Self>, node: TcpStream) -> Result<()> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let target = self.target.load(Ordering::SeqCst);
        let store = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
        node.set_nodelay(true)?;
        store.set_nodelay(true)?;
        let (has_ended, is_trapped) = Default::default();
        let pair = Arc::new(Pair { node, store, has_ended, is_trapped });
        lock(&self.pairs).push(Arc::clone(&pair));
        let (state, theirs) = (Arc::clone(self), Arc::clone(&pair));
        thread::spawn(move || state.copy(&theirs, true));
        let state = Arc::clone(self);
        thread::spawn(move || state.copy(&pair, false));
        Ok(())
    }

    /// Copies to the store, or from it, until the connection ends.
    fn copy(&self, pair: &Arc<Pair>, is_to_store: bool) {
        let (mut from, mut to) =
            if is_to_store { (&pair.node, &pair.store) } else { (&pair.store, &pair.node) };
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let piece = buffer.get(..length).unwrap_or_default();
            self.hold(pair, is_to_store);
            let (sent, goes_on) =
                if is_to_store { self.cut_off(pair, piece) } else { (piece, true) };
            if to.write_all(sent).is_err() || !goes_on {
                break;
            }
        }
        pair.end();
        lock(&self.pairs).retain(|other| !Arc::ptr_eq(other, pair));
    }

    /// Waits as long as a piece is held back.
    fn hold(&self, pair: &Pair, is_to_store: bool) {
        thread::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst)));
        let has_ended = || pair.has_ended.load(Ordering::SeqCst);
        while self.is_silent.load(Ordering::SeqCst) && !has_ended() {
            thread::sleep(LOOK_EVERY);
        }
        if is_to_store || !pair.is_trapped.swap(false, Ordering::SeqCst) {
            return;
        }
        let trap = lock(&self.trap).clone();
        let Some(trap) = trap else { return };
        trap.is_sprung.store(true, Ordering::SeqCst);
        while !trap.is_released.load(Ordering::SeqCst) && !has_ended() {
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The part of a piece that reaches the store, and whether the connection goes on.
    fn cut_off<'a>(&self, pair: &Pair, piece: &'a [u8]) -> (&'a [u8], bool) {
        if let Some(trap) = &*lock(&self.trap)
            && !trap.is_sprung()
            && find(piece, trap.needle).is_some()
        {
            pair.is_trapped.store(true, Ordering::SeqCst);
        }
        let mut cut = lock(&self.cut);
        let (Some(how), Some(at)) = (*cut, find(piece, COMMIT)) else { return (piece, true) };
        *cut = None;
        match how {
            Cut::After(bytes) => (piece.get(..at + bytes).unwrap_or(piece), false),
            Cut::BeforeResponse => {
                // Closed for the node first: the store reads all of it, and commits.
                drop(pair.node.shutdown(Shutdown::Both));
                (piece, false)
            }
        }
    }
}

fn find(piece: &[u8], needle: &[u8]) -> Option<usize> {
    piece.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that says how many bytes of each connection it has read when that ends.
    fn store() -> (u16, std::sync::mpsc::Receiver<Vec<u8>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut all = Vec::new();
                drop(stream.read_to_end(&mut all));
                drop(sender.send(all));
            }
        });
        (port, receiver)
    }

    fn sent(cut: Cut, text: &[u8]) -> Vec<u8> {
        let (port, received) = store();
        let link = Link::start(port).unwrap();
        link.cut(Some(cut));
        let mut node = TcpStream::connect((Ipv4Addr::LOCALHOST, link.port)).unwrap();
        node.write_all(text).unwrap();
        assert_eq!(node.read(&mut [0]).unwrap_or(0), 0, "no response comes");
        assert!(link.is_cut());
        received.recv().unwrap()
    }

    #[test]
    fn a_commit_is_cut_where_it_is_asked_for() {
        assert_eq!(sent(Cut::After(3), b"a COMMIT b"), b"a COM");
        assert_eq!(sent(Cut::BeforeResponse, b"a COMMIT b"), b"a COMMIT b");
    }

    #[test]
    fn a_dropped_connection_ends_and_the_next_one_works() {
        let (port, received) = store();
        let link = Link::start(port).unwrap();
        let open = || TcpStream::connect((Ipv4Addr::LOCALHOST, link.port)).unwrap();
        let mut node = open();
        node.write_all(b"a").unwrap();
        while lock(&link.state.pairs).is_empty() {
            thread::yield_now();
        }
        link.drop_all();
        assert_eq!(node.read(&mut [0]).unwrap_or(0), 0);
        received.recv().unwrap();
        let mut node = open();
        node.write_all(b"whole").unwrap();
        node.shutdown(Shutdown::Write).unwrap();
        assert_eq!(received.recv().unwrap(), b"whole");
    }
}
