//! Verifiers that fail, and a relay in front of the real one that counts connections.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

use crate::http::Message;

/// Starts a verifier that accepts every connection, and never responds.
pub(crate) fn silent() -> Result<u16> {
    let (listener, port) = listen()?;
    thread::spawn(move || {
        // Held, so that they stay open.
        let mut held = Vec::new();
        held.extend(listener.incoming().map_while(Result::ok));
    });
    Ok(port)
}

/// A relay between a proxy and Keyward. Its threads end with the program.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) fn start(keyward: u16) -> Result<Self> {
        let (listener, port) = listen()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || drop(relay(&stream, keyward)));
            }
        });
        Ok(Self { port, connections })
    }

    /// How many connections the proxy has opened until now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn relay(client: &TcpStream, keyward: u16) -> Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, keyward))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(&from, &to));
    copy(&server, client);
    Ok(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write)));
}

/// A relay that keeps the first response of each request to itself: Keyward has decided, and the
/// proxy does not learn what.
#[derive(Debug)]
pub(crate) struct LateRelay {
    pub(crate) port: u16,
    /// The `X-Keyward-Ask` of each question so far.
    asked: Arc<Mutex<Vec<String>>>,
}

impl LateRelay {
    pub(crate) fn start(keyward: u16) -> Result<Self> {
        let (listener, port) = listen()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || drop(relay_late(&stream, keyward, &kept)));
            }
        });
        Ok(Self { port, asked })
    }

    /// Takes the names of the questions so far.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn relay_late(mut client: &TcpStream, keyward: u16, asked: &Mutex<Vec<String>>) -> Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, keyward))?;
    let mut questions = BufReader::new(client.try_clone()?);
    let mut verdicts = BufReader::new(server.try_clone()?);
    while let Some(question) = Message::read(&mut questions, None)? {
        server.write_all(head(&question).as_bytes())?;
        let verdict = Message::read(&mut verdicts, Some("GET"))?.context("Keyward responds")?;
        let name = question.get("x-keyward-ask").unwrap_or("none").to_owned();
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !asked.contains(&name);
        asked.push(name);
        drop(asked);
        if is_first {
            // Waits until the proxy gives this connection up.
            drop(client.read(&mut [0]));
            return Ok(());
        }
        client.write_all((head(&verdict) + &verdict.body).as_bytes())?;
    }
    Ok(())
}

fn head(message: &Message) -> String {
    let lines = message.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("{}\r\n{}\r\n", message.first, lines.collect::<String>())
}

fn listen() -> Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a listener")?;
    let port = listener.local_addr().context("asking for a listener's port")?.port();
    Ok((listener, port))
}
