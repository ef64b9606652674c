//! A pooler as others have it: it gives a client another session of the server for each
//! transaction.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use keyward_postgres::OpenOptions;
use tempfile::TempDir;

use crate::server::Server;

/// A socket in front of the server's.
pub(crate) struct Pooler {
    _directory: TempDir,
}

impl Pooler {
    /// In front of the server, with this place through it.
    pub(crate) fn start(place: &OpenOptions) -> (Self, OpenOptions) {
        let directory = tempfile::Builder::new().prefix("kwpp").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || serve(client));
            }
        });
        let url = format!("postgres://keyward@/postgres?host={}", directory.path().display());
        let through = OpenOptions { address: url.parse().unwrap(), ..place.clone() };
        (Self { _directory: directory }, through)
    }
}

/// Passes transactions on, each to the other one of two sessions. `None` is the end of any of them.
fn serve(mut client: UnixStream) -> Option<()> {
    let start = framed(&mut client, 0)?;
    let mut sessions = [(); 2].map(|()| {
        let mut session = UnixStream::connect(Server::shared().socket()).unwrap();
        session.write_all(&start).unwrap();
        let greeting = until_ready(&mut session)?;
        Some((session, greeting))
    });
    let [Some((first, greeting)), Some((second, _))] = &mut sessions else { return None };
    client.write_all(&greeting.concat()).ok()?;
    let mut sessions = [first, second];
    loop {
        let message = framed(&mut client, 1)?;
        sessions[0].write_all(&message).ok()?;
        // A query, or the end of some messages.
        if [b'Q', b'S'].contains(&message[0]) {
            let response = until_ready(sessions[0])?;
            client.write_all(&response.concat()).ok()?;
            if response.last()?.last() == Some(&b'I') {
                sessions.swap(0, 1);
            }
        }
    }
}

/// The messages up to the one that says that the server is ready.
fn until_ready(session: &mut UnixStream) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    loop {
        let message = framed(session, 1)?;
        let is_ready = message[0] == b'Z';
        all.push(message);
        if is_ready {
            return Some(all);
        }
    }
}

/// A message, whose length comes after so many bytes.
fn framed(stream: &mut UnixStream, before: usize) -> Option<Vec<u8>> {
    let mut message = vec![0; before + 4];
    stream.read_exact(&mut message).ok()?;
    let len = u32::from_be_bytes(message[before..].try_into().unwrap()) as usize;
    message.resize(before + len, 0);
    stream.read_exact(&mut message[before + 4..]).ok()?;
    Some(message)
}
