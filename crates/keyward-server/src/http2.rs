//! Serving a connection of HTTP/2, with a bound on everything that a client can make grow.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Service as _;

use crate::app::Front;
use crate::connection::Connection;
use crate::frames::Frames;
use crate::patience::Alarm;
use crate::streams::{End, Streams};

/// Most requests at a time on a connection.
const STREAMS_MAX: u32 = 100;
/// Most bytes of a request head, by the count of HTTP/2, which adds 32 for each field.
const HEADER_LIST_MAX: u32 = 16 * 1024;
/// Most bytes of a body that a client may send before they are read.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Most bytes of all bodies of a connection that a client may send before they are read.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Most requests that a client gives up before we have looked at them, and most that we end for a
/// fault of the client. For one more, the connection ends (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 100;
/// Most bytes of a response that wait for the client to read them.
const SEND_BUFFER_MAX: usize = 64 * 1024;
/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// How long a client may take to hear that an idle connection ends; a request that it sent before
/// is served.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves until the client leaves or has to, or until the server stops and the requests under way
/// have their responses.
pub(crate) async fn serve(
    connection: Connection,
    front: Front,
    reading: Duration,
    mut stopped: watch::Receiver<()>,
) -> hyper::Result<()> {
    let Connection { stream, peer, patience } = connection;
    let streams = Streams::none(patience, reading);
    let service = {
        let streams = streams.clone();
        service_fn(move |mut request: http::Request<Incoming>| {
            let under_way = streams.begin();
            request.extensions_mut().insert(ConnectInfo(peer));
            let responding = front.clone().call(request.map(Body::new));
            async move {
                let response = responding.await?;
                Ok::<_, Infallible>(response.map(|body| under_way.respond(body)))
            }
        })
    };
    let frames = TokioIo::new(Frames::new(stream, streams.clone()));
    let mut serving = pin!(builder().serve_connection(frames, service));
    let mut stop = pin!(stopped.changed());
    let mut course = Course::new(streams);
    poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = serving.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            if !course.is_closing() && stop.as_mut().poll(context).is_ready() {
                course.close();
                serving.as_mut().graceful_shutdown();
                continue;
            }
            match course.next(context) {
                Step::Wait => return Poll::Pending,
                Step::Close => serving.as_mut().graceful_shutdown(),
                Step::End => {
                    // Once more, so that the client hears of the end if it listens.
                    serving.as_mut().graceful_shutdown();
                    return Poll::Ready(match serving.as_mut().poll(context) {
                        Poll::Ready(ended) => ended,
                        Poll::Pending => Ok(()),
                    });
                }
            }
        }
    })
    .await
}

/// The course of a connection: open, then closing, then at its end.
#[derive(Debug)]
struct Course {
    streams: Streams,
    alarm: Alarm,
    /// Since when it is closing: requests that were sent before are served, and no others.
    closing: Option<Instant>,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Go on serving it.
    Wait,
    /// Tell the client that it ends.
    Close,
    /// End it now.
    End,
}

impl Course {
    fn new(streams: Streams) -> Self {
        Self { streams, alarm: Alarm::default(), closing: None }
    }

    fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    fn close(&mut self) {
        self.closing = Some(Instant::now());
    }

    fn next(&mut self, context: &mut Context<'_>) -> Step {
        if self.streams.is_leaving(context.waker()) {
            return Step::End;
        }
        let (end, then) = match (self.streams.end(), self.closing) {
            (None, _) => return Step::Wait,
            (Some(End::Stalled(at)), _) => (at, Step::End),
            (Some(End::Idle { until, .. }), None) => (until, Step::Close),
            (Some(End::Idle { since, .. }), Some(closing)) => {
                (closing.max(since) + FAREWELL, Step::End)
            }
        };
        if !self.alarm.has_passed(end, context) {
            return Step::Wait;
        }
        if then == Step::Close {
            self.close();
        }
        then
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_send_buf_size(SEND_BUFFER_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}
