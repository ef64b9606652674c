//! The API that the proxies protect: it repeats each request that reaches it, and keeps it.

use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::http::Message;

/// A running API. Its threads end with the program.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) port: u16,
    /// Every request so far. A thread that panicked has left whole requests in it.
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Api {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("starting the API")?;
        let port = listener.local_addr().context("asking for the API's port")?.port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // A proxy that closes a connection ends its thread.
                thread::spawn(move || drop(respond_to_all(stream, &kept)));
            }
        });
        Ok(Self { port, seen })
    }

    /// Takes the requests whose target begins like this out of the kept ones.
    pub(crate) fn take(&self, target: &str) -> Vec<Message> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |message: &Message| {
            message.first.split(' ').nth(1).is_some_and(|it| it.starts_with(target))
        };
        seen.extract_if(.., |message| is_it(message)).collect()
    }
}

fn respond_to_all(mut stream: TcpStream, seen: &Mutex<Vec<Message>>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = Message::read(&mut reader, None)? {
        let is_kept = request.is_kept();
        let response = response(&request);
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        stream.write_all(response.as_bytes())?;
        if !is_kept {
            break;
        }
    }
    Ok(())
}

/// The request as JSON, with the status that the path asks for: `/…/status/403`.
fn response(request: &Message) -> String {
    let target = request.first.split(' ').nth(1).unwrap_or_default();
    let status = target.split("/status/").nth(1).unwrap_or("200");
    let Message { first, headers, body } = request;
    let text = json!({ "line": first, "head": headers, "body": body.len() }).to_string();
    let length = text.len();
    let head = format!("HTTP/1.1 {status} API\r\nContent-Type: application/json\r\n");
    let text = if first.starts_with("HEAD ") { String::new() } else { text };
    format!("{head}X-API: yes\r\nContent-Length: {length}\r\n\r\n{text}")
}
