//! A client that keeps 64 connections busy from one thread.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
/// Ticks a second in which the system counts processor time; the same on all Linux systems.
const TICKS: f64 = 100.0;

/// A request, ready to be written.
#[derive(Clone)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    pub(crate) fn get(path: &str, secret: Option<&str>) -> Self {
        let key = secret.map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
        Self(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{key}\r\n").into_bytes())
    }

    pub(crate) fn post(path: &str, admin_key: &str, body: &str) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\nhost: bench\r\nx-admin-key: {admin_key}\r\n");
        Self(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }
}

/// The work of a server under load.
pub(crate) struct Load {
    /// Requests a second that were let in.
    pub(crate) rate: f64,
    /// Processor time of the server for each request, in microseconds.
    pub(crate) cpu_micros: f64,
}

impl Load {
    /// Sends the request on all connections, each as soon as the previous response is there.
    pub(crate) fn run(
        address: SocketAddr,
        process: u32,
        request: &Request,
        time: Duration,
    ) -> Self {
        Self::run_over(&[address], &[process], std::slice::from_ref(request), time)
    }

    /// Sends the requests in turn on all connections, which are spread over these servers.
    pub(crate) fn run_over(
        addresses: &[SocketAddr],
        processes: &[u32],
        requests: &[Request],
        time: Duration,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cpu = || processes.iter().map(|process| cpu_seconds(*process)).sum::<f64>();
        let (begin, before) = (Instant::now(), cpu());
        let requests: Arc<[Request]> = requests.into();
        let let_in: u64 = runtime.block_on(async {
            let mut busy = tokio::task::JoinSet::new();
            for (at, address) in addresses.iter().cycle().take(CONNECTIONS).enumerate() {
                busy.spawn(keep_busy(*address, Arc::clone(&requests), at, begin + time));
            }
            busy.join_all().await.into_iter().sum()
        });
        let seconds = begin.elapsed().as_secs_f64();
        let count = f64::from(u32::try_from(let_in).unwrap());
        Self { rate: count / seconds, cpu_micros: 1_000_000.0 * (cpu() - before) / count }
    }
}

async fn keep_busy(
    address: SocketAddr,
    requests: Arc<[Request]>,
    first: usize,
    until: Instant,
) -> u64 {
    let mut connection = Connection::open(address).await;
    let mut let_in = 0;
    for request in requests.iter().cycle().skip(first) {
        if until <= Instant::now() {
            break;
        }
        let_in += u64::from(connection.send(request).await);
    }
    let_in
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 256 * 1024] }
    }

    /// Sends a request, and reads its response: whether that is of the class 2xx. Else it must be
    /// 503, as where a store was too slow to decide about a limit; the door of nginx says it in a
    /// field, since nginx takes 401 and 403 alone.
    pub(crate) async fn send(&mut self, request: &Request) -> bool {
        self.stream.write_all(&request.0).await.unwrap();
        let mut filled = 0;
        loop {
            let rest = self.buffer.get_mut(filled..).unwrap();
            filled += self.stream.read(rest).await.unwrap();
            assert_ne!(filled, 0, "the server closed the connection");
            let bytes = self.buffer.get(..filled).unwrap();
            if is_whole(bytes) {
                return bytes.starts_with(LET_IN);
            }
        }
    }
}

const LET_IN: &[u8] = b"HTTP/1.1 2";

/// Whether a response is all there.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = std::str::from_utf8(bytes.get(..end).unwrap()).unwrap();
    let is_unavailable =
        head.starts_with("HTTP/1.1 503") || head.contains("\r\nx-keyward-status: 503");
    assert!(bytes.starts_with(LET_IN) || is_unavailable, "{head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    bytes.len() == end + 4 + length
}

/// User and system time of a process, all threads together.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name, which is in parentheses, user and system time are fields 14 and 15.
    let mut fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11);
    let mut ticks = || fields.next().unwrap().parse::<f64>().unwrap();
    (ticks() + ticks()) / TICKS
}
