//! A well-behaved client of HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::server::Response;

/// A connection of HTTP/2.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    /// Ends with the connection.
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

/// A request whose body has not been sent whole.
pub(crate) struct Begun {
    pub(crate) body: SendStream<Bytes>,
    response: h2::client::ResponseFuture,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(crate) async fn over<S>(stream: S) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Begins a request, whose body is to come unless this is all of it.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        is_whole: bool,
    ) -> Result<Begun, h2::Error> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::builder().method(method).uri(format!("http://test{path}"));
        let add = |request: http::request::Builder, field: &(&str, &str)| {
            request.header(field.0, field.1)
        };
        let request = headers.iter().fold(request, add).body(()).unwrap();
        std::future::poll_fn(|context| self.send.poll_ready(context)).await?;
        let (response, body) = self.send.send_request(request, is_whole)?;
        Ok(Begun { body, response })
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response, h2::Error> {
        let mut begun = self.begin(method, path, headers, body.is_empty()).await?;
        if !body.is_empty() {
            begun.body.send_data(body.to_owned().into(), true)?;
        }
        begun.response().await
    }

    /// A request without a body, which gets a response.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.send("GET", path, headers, "").await.unwrap()
    }
}

impl Begun {
    pub(crate) async fn response(self) -> Result<Response, h2::Error> {
        let (head, body) = self.response.await?.into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        let headers = headers.collect();
        let bytes = read(body).await?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Response { status: head.status.as_u16(), headers, body, bytes })
    }
}

async fn read(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        bytes.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    Ok(bytes)
}
