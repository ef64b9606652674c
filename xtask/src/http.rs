//! HTTP/1.1 as clients and servers of the chores speak it, byte for byte as they are told.
//!
//! A client of a library would tidy up what the matrix of proxies sends: two lines of one header
//! field, names with underscores, a chunked body.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use socket2::{Domain, Socket, Type};

/// How long a response may take. Traefik waits 30 s for a verifier that is silent, and nginx would
/// wait 60 s unless its recipe said otherwise.
const PATIENCE: Duration = Duration::from_secs(45);
/// The longest line, and the longest body, that either side takes.
const BYTES_MAX: u64 = 1 << 20;

/// A request that is written as it stands here.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    chunks: Vec<&'static str>,
    body: String,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        let (headers, chunks) = (Vec::new(), Vec::new());
        Self { method, target: target.to_owned(), headers, chunks, body: String::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a line, also where the name is there already.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub(crate) fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    #[must_use]
    pub(crate) fn chunked(mut self, chunks: &[&'static str]) -> Self {
        self.chunks = chunks.to_vec();
        self.header("Transfer-Encoding", "chunked")
    }

    /// Adds a body, whose length is said.
    #[must_use]
    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("Content-Length", &body.len().to_string())
    }

    #[must_use]
    pub(crate) fn json(self, body: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(&body.to_string())
    }

    fn text(&self, host: &str) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            text += &format!("Host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        for chunk in &self.chunks {
            text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        }
        if !self.chunks.is_empty() {
            text += "0\r\n\r\n";
        }
        text + &self.body
    }
}

/// A response, or the head of one of the messages that a server has read.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) first: String,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    /// Reads a message, or `None` if the peer has closed the connection before one.
    pub(crate) fn read(reader: &mut impl BufRead, reply_to: Option<&str>) -> Result<Option<Self>> {
        let first = line(reader)?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let line = line(reader)?;
            if line.trim().is_empty() {
                ensure!(!line.is_empty(), "the connection ended within a head");
                break;
            }
            let (name, value) = line.split_once(':').context("a header line has no colon")?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut message = Self { first: first.trim_end().to_owned(), headers, body: String::new() };
        message.body = message.read_body(reader, reply_to)?;
        Ok(Some(message))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Whether the sender keeps the connection for a further message.
    pub(crate) fn is_kept(&self) -> bool {
        let connection = self.get("connection").unwrap_or_default().to_ascii_lowercase();
        !connection.contains("close") && !self.first.contains("HTTP/1.0")
    }

    fn read_body(&self, reader: &mut impl BufRead, reply_to: Option<&str>) -> Result<String> {
        if reply_to == Some("HEAD") || reply_to.is_some() && matches!(self.status(), 204 | 304) {
            return Ok(String::new());
        }
        let mut body = Vec::new();
        if self.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            loop {
                let size = usize::from_str_radix(line(reader)?.trim(), 16)?;
                let mut chunk = reader.by_ref().take(size as u64 + 2);
                chunk.read_to_end(&mut body)?;
                body.truncate(body.len().saturating_sub(2));
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = self.get("content-length") {
            reader.by_ref().take(length.parse()?).read_to_end(&mut body)?;
        } else if reply_to.is_some() {
            reader.by_ref().take(BYTES_MAX).read_to_end(&mut body)?;
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    reader.by_ref().take(BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    /// Connects to a port of this machine, from an address of it.
    pub(crate) fn open(from: Ipv4Addr, port: u16) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("making a socket")?;
        socket.bind(&SocketAddr::from((from, 0)).into()).context("binding a client's address")?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        socket.connect(&to.into()).with_context(|| format!("connecting to {to}"))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream), host: to.to_string() })
    }

    /// Waits no longer than this for each response.
    pub(crate) fn patience(self, patience: Duration) -> Result<Self> {
        self.reader.get_ref().set_read_timeout(Some(patience))?;
        Ok(self)
    }

    /// Sends a request and reads its response.
    pub(crate) fn send(&mut self, request: &Request) -> Result<Message> {
        let text = request.text(&self.host);
        self.reader.get_mut().write_all(text.as_bytes()).context("sending a request")?;
        loop {
            let response = Message::read(&mut self.reader, Some(request.method))?;
            let Some(response) = response else { bail!("no response came") };
            // An interim one, such as 100, is followed by the response.
            if 200 <= response.status() {
                return Ok(response);
            }
        }
    }
}
