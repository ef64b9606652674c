//! A way to the server that breaks on purpose.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use keyward_postgres::OpenOptions;
use tempfile::TempDir;

use crate::server::Server;

/// Where a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the server hears of the end of the transaction.
    BeforeCommit,
    /// After the server heard of it, and before the client hears that it did.
    AfterCommit,
    /// Before the server hears of the end of the transaction, and nothing says so: the program is
    /// paused.
    Silent,
}

/// A socket in front of the server's.
pub(crate) struct Proxy {
    directory: TempDir,
    /// Where the next connection that commits breaks. It is done once.
    cut: Arc<Mutex<Option<Cut>>>,
    connections: Arc<AtomicU32>,
    /// Connections before this one are silent: what comes is swallowed.
    silent: Arc<AtomicU32>,
}

impl Proxy {
    /// In front of the server of this address.
    pub(crate) fn start(place: &OpenOptions) -> (Self, OpenOptions) {
        Self::start_for(place, b"NOTIFY")
    }

    /// The same, where a transaction counts that sends this next to its end.
    pub(crate) fn start_for(place: &OpenOptions, sign: &'static [u8]) -> (Self, OpenOptions) {
        let directory = tempfile::Builder::new().prefix("kwpx").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let server = Server::shared().socket();
        let cut: Arc<Mutex<Option<Cut>>> = Arc::default();
        let connections = Arc::new(AtomicU32::new(0));
        let (cutting, counting) = (Arc::clone(&cut), Arc::clone(&connections));
        let silent = Arc::new(AtomicU32::new(0));
        let silencing = Arc::clone(&silent);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let number = counting.fetch_add(1, Ordering::Relaxed);
                let silent = Arc::clone(&silencing);
                let is_silent = move || number < silent.load(Ordering::Relaxed);
                let server = UnixStream::connect(&server).unwrap();
                let cut = Arc::clone(&cutting);
                let (to_client, from_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(from_server, to_client));
                thread::spawn(move || pass_until_cut(client, server, &cut, (sign, &is_silent)));
            }
        });
        let shown = place.address.to_string();
        let role = shown.split_once('@').unwrap().0;
        let url = format!("{role}@/postgres?host={}", directory.path().display());
        let address = url.parse().unwrap();
        let through = OpenOptions { address, ..place.clone() };
        (Self { directory, cut, connections, silent }, through)
    }

    /// Breaks the next connection that commits something.
    pub(crate) fn cut(&self, cut: Cut) {
        assert!(self.directory.path().exists());
        *self.cut.lock().unwrap() = Some(cut);
    }

    /// Whether it was done.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.lock().unwrap().is_none()
    }

    /// Swallows what comes on the present connections from now on, and says nothing.
    pub(crate) fn silence(&self) {
        self.silent.store(self.connections(), Ordering::Relaxed);
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream) {
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
    // A server that cannot write gives up its transaction: its responses are read to the end, also
    // when the client is gone.
    drop(std::io::copy(&mut from, &mut std::io::sink()));
}

fn pass_until_cut(
    mut client: UnixStream,
    mut server: UnixStream,
    cut: &Mutex<Option<Cut>>,
    (sign, is_silent): (&[u8], &dyn Fn() -> bool),
) {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = client.read(&mut buffer).unwrap_or_default();
        let bytes = &buffer[..read];
        if is_silent() {
            drop(std::io::copy(&mut client, &mut std::io::sink()));
        }
        let commits = bytes.windows(7).any(|word| word == b"COMMIT\0")
            && bytes.windows(sign.len()).any(|word| word == sign);
        let here = if commits { cut.lock().unwrap().take() } else { None };
        let passed = read != 0 && matches!(here, None | Some(Cut::AfterCommit));
        if here == Some(Cut::Silent) {
            // As long as the server waits for it.
            drop(std::io::copy(&mut client, &mut std::io::sink()));
        }
        if here == Some(Cut::AfterCommit) {
            drop(client.shutdown(Shutdown::Both));
        }
        if !passed || server.write_all(bytes).is_err() || here.is_some() {
            drop(client.shutdown(Shutdown::Both));
            // A server that is at work reads the rest of the bytes.
            drop(server.shutdown(Shutdown::Write));
            return;
        }
    }
}
