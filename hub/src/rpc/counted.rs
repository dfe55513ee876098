//! Counts requests by method and outcome as they pass.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use tower::{Layer, Service};

use crate::metrics::Requests;

/// Counts what passes.
#[derive(Clone)]
pub struct Counted(pub Requests);

impl<S> Layer<S> for Counted {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting {
            inner,
            requests: self.0.clone(),
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Counting<S> {
    inner: S,
    requests: Requests,
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
        let start = Instant::now();
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            // A refusal has its status in the head of the answer; what is left out is OK so far.
            let status = response.headers().get("grpc-status");
            let status = status.and_then(|value| value.to_str().ok());
            requests.note(method, status.unwrap_or("0"), start.elapsed());
            Ok(response)
        })
    }
}
