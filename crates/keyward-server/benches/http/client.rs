//! A client that keeps 64 connections busy from one thread.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
/// Ticks a second in which the system counts processor time; the same on all Linux systems.
const TICKS: f64 = 100.0;

/// A request, ready to be written.
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
    /// Requests a second.
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (begin, cpu) = (Instant::now(), cpu_seconds(process));
        let requests: u64 = runtime.block_on(async {
            let mut busy = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                busy.spawn(keep_busy(address, request.0.clone(), begin + time));
            }
            busy.join_all().await.into_iter().sum()
        });
        let seconds = begin.elapsed().as_secs_f64();
        let cpu = cpu_seconds(process) - cpu;
        let count = f64::from(u32::try_from(requests).unwrap());
        Self { rate: count / seconds, cpu_micros: 1_000_000.0 * cpu / count }
    }
}

async fn keep_busy(address: SocketAddr, request: Vec<u8>, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    let mut requests = 0;
    while Instant::now() < until {
        stream.write_all(&request).await.unwrap();
        let mut filled = 0;
        loop {
            filled += stream.read(buffer.get_mut(filled..).unwrap()).await.unwrap();
            assert_ne!(filled, 0, "the server closed the connection");
            if is_whole(buffer.get(..filled).unwrap()) {
                break;
            }
        }
        requests += 1;
    }
    requests
}

/// Whether a response of the class 2xx is all there.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = std::str::from_utf8(bytes.get(..end).unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{head}");
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
