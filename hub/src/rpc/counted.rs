//! Counts requests by method and outcome as they pass, and makes a span of each.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use symbolon_traces::{HEADER, Parent, Traces};
use tower::{Layer, Service};

use crate::metrics::Requests;

/// Counts what passes.
#[derive(Clone)]
pub struct Counted {
    /// Where it is counted.
    pub requests: Requests,
    /// Where spans go.
    pub traces: Traces,
}

impl<S> Layer<S> for Counted {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        let Self { requests, traces } = self.clone();
        Counting {
            inner,
            requests,
            traces,
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Counting<S> {
    inner: S,
    requests: Requests,
    traces: Traces,
}

/// What the caller says of its own span; more than one word on it is none.
fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut said = headers.get_all(HEADER).iter();
    match (said.next(), said.next()) {
        (Some(only), None) => Parent::parse(only.as_bytes()),
        _ => None,
    }
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for Counting<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = self.requests.method(request.uri().path());
        let requests = self.requests.clone();
        let span = self.traces.answering(method, parent(request.headers()));
        let start = Instant::now();
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = span.within(answering).await?;
            // A refusal has its status in the head of the answer; what is left out is OK so far.
            let status = response.headers().get("grpc-status");
            let status = status.and_then(|value| value.to_str().ok()).unwrap_or("0");
            requests.note(method, status, start.elapsed());
            span.end(status.parse().unwrap_or(2));
            Ok(response)
        })
    }
}
