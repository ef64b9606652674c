//! A collector of spans on loopback, and the messages that it gets.
//!
//! The messages are written from opentelemetry/proto/trace/v1/trace.proto and
//! opentelemetry/proto/common/v1/common.proto (1.7), so that the library that sends them is not
//! measured by itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use prost::Message;

#[derive(Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

/// A span. Of its kinds, 2 is that of a server.
#[derive(Clone, Message)]
pub(crate) struct Span {
    #[prost(bytes, tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes, tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes, tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(crate) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(crate) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(crate) status: Option<Status>,
}

/// The status of a span; 2 is the code of an error.
#[derive(Clone, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
}

#[derive(Clone, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    number: Option<i64>,
}

impl Span {
    pub(crate) fn trace(&self) -> String {
        hex(&self.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span_id)
    }

    pub(crate) fn parent(&self) -> String {
        hex(&self.parent_span_id)
    }

    /// The value of an attribute, as text.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        texts(&self.attributes).remove(name)
    }

    /// The names of its attributes.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.attributes.iter().map(|one| one.key.as_str()).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &AnyValue| {
        value.text.clone().or_else(|| value.number.map(|number| number.to_string()))
    };
    let pair = |one: &KeyValue| Some((one.key.clone(), text(one.value.as_ref()?)?));
    attributes.iter().filter_map(pair).collect()
}

/// Everything that was sent.
#[derive(Default)]
pub(crate) struct Sent {
    /// The heads of the requests.
    pub(crate) heads: Vec<String>,
    /// All bytes of them.
    pub(crate) bytes: Vec<u8>,
    /// What they say of the program.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) spans: Vec<Span>,
}

impl Sent {
    /// The only span of this name and trace.
    #[track_caller]
    pub(crate) fn span(&self, name: &str, trace: &str) -> &Span {
        let named = |span: &&Span| span.name == name && span.trace() == trace;
        let found: Vec<_> = self.spans.iter().filter(named).collect();
        let names: Vec<_> = self.spans.iter().map(|span| &span.name).collect();
        assert_eq!(found.len(), 1, "{name} of {names:?}");
        found[0]
    }
}

/// A collector. Its thread ends with the test's process.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Receiver<(String, Vec<u8>)>,
}

impl Collector {
    /// A collector that takes everything.
    pub(crate) fn start() -> Self {
        Self::responding("200 OK")
    }

    /// A collector that responds with this status.
    pub(crate) fn responding(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (pass_on, received) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // The program may have ended meanwhile.
                drop(receive(stream.unwrap(), status, &pass_on));
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that has been sent so far.
    pub(crate) fn sent(&self) -> Sent {
        let mut sent = Sent::default();
        for (head, body) in self.received.try_iter() {
            let request = Request::decode(&*body).unwrap();
            for of_program in request.resource_spans {
                sent.resource = texts(&of_program.resource.unwrap().attributes);
                sent.spans.extend(of_program.scope_spans.into_iter().flat_map(|it| it.spans));
            }
            sent.bytes.extend([head.as_bytes(), &body].concat());
            sent.heads.push(head);
        }
        sent
    }
}

fn receive(
    stream: TcpStream,
    status: &str,
    pass_on: &Sender<(String, Vec<u8>)>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body)?;
    // A test may have seen enough.
    drop(pass_on.send((head, body)));
    let rest = "content-length: 0\r\nconnection: close";
    write!(stream.get_mut(), "HTTP/1.1 {status}\r\n{rest}\r\n\r\n")
}
