//! One page over HTTP/1.1 (RFC 9112) for whatever watches the machine: one request a connection,
//! everything bounded.
//!
//! `GET /healthz` is 200 while health is green, 503 when it is red, with the health as JSON; `GET
//! /metrics` is text. Any other path is 404, any other method 405. What a request carries beyond its first
//! line is read and never used.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Deserializer, de};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{Health, State};

/// Watchers are few, and each asks once and goes.
const MAX_CONNECTIONS: usize = 16;
/// Head of a request: a watcher's has a few hundred bytes. It is the least that the library takes.
const MAX_HEAD_BYTES: usize = 8192;
const MAX_HEADERS: usize = 32;
/// A watcher has its request ready when it connects.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From accepting a connection to closing it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After an error such as too many open files: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Reads `health_listen` of a configuration file: an address with its port, so that nobody listens on
/// more than what stands there.
pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    address_of("health_listen", deserializer)
}

/// The same for `metrics_listen`.
pub fn metrics_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address_of("metrics_listen", deserializer)
}

/// The same for `grpc_health_listen`.
pub fn grpc_health_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address_of("grpc_health_listen", deserializer)
}

fn address_of<'de, D: Deserializer<'de>>(
    name: &str,
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| {
        de::Error::custom(format_args!(
            "{name} must be an address with a port, for example \"127.0.0.1:7480\""
        ))
    })
}

/// What a page says.
pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    /// Text of a type, with 200.
    #[must_use]
    pub fn text(content_type: &'static str, body: String) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body: body.into_bytes(),
        }
    }

    /// 500 and nothing.
    #[must_use]
    pub fn failed() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            content_type: "text/plain",
            body: Vec::new(),
        }
    }
}

impl From<&Health> for Answer {
    fn from(health: &Health) -> Self {
        let status = match health.state {
            State::Green => StatusCode::OK,
            State::Red => StatusCode::SERVICE_UNAVAILABLE,
        };
        let Ok(mut body) = serde_json::to_vec(health) else {
            return Self::failed();
        };
        body.push(b'\n');
        Self {
            status,
            content_type: "application/json",
            body,
        }
    }
}

/// Where health is told.
pub const HEALTH: &str = "/healthz";
/// Where metrics are given.
pub const METRICS: &str = "/metrics";

/// Answers for one page on the listener until shutdown; `look` is asked for each request.
pub fn answer_on<L, F>(
    (listener, address): (TcpListener, SocketAddr),
    path: &'static str,
    look: L,
    shutdown: &CancellationToken,
) -> impl Future<Output = ()> + Send + 'static
where
    L: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    info!(%address, path, "answering watchers");
    if !address.ip().is_loopback() {
        warn!(%address, path, "whoever reaches this address may ask");
    }
    serve(listener, path, look, shutdown.clone())
}

async fn serve<L, F>(
    listener: TcpListener,
    path: &'static str,
    look: L,
    shutdown: CancellationToken,
) where
    L: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, path, "a connection of a watcher could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            debug!(path, "too many connections of watchers, this one is closed");
            continue;
        };
        let (look, shutdown) = (look.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _place = place;
            let done = tokio::select! {
                () = shutdown.cancelled() => return,
                done = tokio::time::timeout(TIMEOUT, answer(stream, path, look)) => done,
            };
            if let Ok(Err(error)) = done {
                debug!(%error, path, "a watcher's request was not understood");
            }
        });
    }
}

async fn answer<L, F>(stream: TcpStream, path: &str, look: L) -> Result<(), hyper::Error>
where
    L: Fn() -> F,
    F: Future<Output = Answer>,
{
    let service = service_fn(|request: Request<Incoming>| {
        let asked = refusal(&request, path).map_or_else(|| Ok(look()), Err);
        async move {
            Ok::<_, Infallible>(match asked {
                Ok(answer) => told(answer.await),
                Err(refusal) => plain(refusal),
            })
        }
    });
    http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn refusal(request: &Request<Incoming>, path: &str) -> Option<StatusCode> {
    if request.uri().path() != path {
        Some(StatusCode::NOT_FOUND)
    } else if request.method() != Method::GET {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else {
        None
    }
}

fn told(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
