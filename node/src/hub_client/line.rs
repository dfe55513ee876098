//! One line under all calls: it makes a span of each, bounds how long the hub may take for its head, and
//! comes again when the hub says that it is too fast.
//!
//! A call that was refused so changed nothing and is made again after the time that the hub names; until
//! then no other call of this node goes out either. Each call is the first of a new trace, unless it is
//! made within one: see [`symbolon_traces`] and `oracle.rs`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use symbolon_core::crypto;
use symbolon_proto::RETRY_HINT;
use symbolon_traces::{HEADER, Traces};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::transport::Channel;

/// Longer than the longest that a hub lets a custodian take.
const CALL_TIMEOUT: Duration = Duration::from_secs(330);
/// So often a call is made before its refusal counts.
const TRIES: u32 = 8;
/// Longest wait that a hub is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The one call whose body is a stream, and cannot be made again.
const STREAMING: &str = "/Attend";

/// A channel to the hub that keeps its manners.
#[derive(Clone)]
pub struct Line {
    channel: Channel,
    traces: Traces,
    /// Nothing goes out before.
    not_before: Arc<Mutex<Option<Instant>>>,
}

impl Line {
    pub fn new(channel: Channel, traces: Traces) -> Self {
        Self {
            channel,
            traces,
            not_before: Arc::default(),
        }
    }

    async fn wait_its_turn(&self) {
        let until = *self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    fn come_again_after(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut known = self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = known.max(Some(until));
    }

    async fn once(&mut self, mut request: Request<Body>) -> Result<Response<Body>, StdError> {
        self.wait_its_turn().await;
        let path = request.uri().path();
        let method = path.rsplit_once('.').map_or(path, |(_, method)| method);
        let span = self.traces.calling(method);
        if let Some(parent) = span.parent()
            && let Ok(value) = HeaderValue::from_str(&parent.to_string())
        {
            request.headers_mut().insert(HEADER, value);
        }
        let answered = tokio::time::timeout(CALL_TIMEOUT, async {
            std::future::poll_fn(|context| self.channel.poll_ready(context)).await?;
            self.channel.call(request).await
        });
        let answered = answered.await;
        let code = match &answered {
            Ok(Ok(response)) => code(response.headers()).unwrap_or(0),
            Ok(Err(_)) => tonic::Code::Unavailable as i32,
            Err(_) => tonic::Code::DeadlineExceeded as i32,
        };
        span.end(code);
        match answered {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(Status::deadline_exceeded("it did not answer in time").into()),
        }
    }

    async fn call_patiently(mut self, request: Request<Body>) -> Result<Response<Body>, StdError> {
        if request.uri().path().ends_with(STREAMING) {
            return self.once(request).await;
        }
        // One message of at most 4 MiB, which the transport would hold anyway.
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let mut tries = 1;
        loop {
            let body = Body::new(Full::new(body.clone()));
            let answered = self.once(Request::from_parts(parts.clone(), body)).await?;
            let Some(wait) = wait(answered.headers()) else {
                return Ok(answered);
            };
            self.come_again_after(jittered(wait));
            if tries == TRIES {
                return Ok(answered);
            }
            tries += 1;
            tracing::debug!(?wait, "the hub asks to come again later");
        }
    }
}

/// The status that stands in the head of an answer, as in that of each refusal.
fn code(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// How long the hub says to wait, if it refuses for now.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let refused = code(headers) == Some(tonic::Code::ResourceExhausted as i32);
    let hint = headers.get(RETRY_HINT).filter(|_| refused)?;
    let millis: u64 = hint.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis).min(LONGEST_WAIT))
}

/// Up to a quarter more, so that calls that were refused together do not return together.
fn jittered(wait: Duration) -> Duration {
    let random = crypto::random::<1>().map_or(0, u8::from_be_bytes);
    wait + wait / 4 * u32::from(random) / 255
}

impl Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, StdError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        // Each try asks for itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().call_patiently(request))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(status: &str, hint: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", status.parse().unwrap());
        if let Ok(hint) = HeaderValue::from_bytes(hint) {
            headers.insert(RETRY_HINT, hint);
        }
        headers
    }

    #[test]
    fn only_a_refusal_with_a_sound_hint_is_waited_for_and_never_long() {
        let wait = |status, hint: &str| wait(&head(status, hint.as_bytes()));
        assert_eq!(wait("8", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("8", "99999999"), Some(LONGEST_WAIT));
        for (status, hint) in [
            ("0", "250"),
            ("14", "250"),
            ("8", "-1"),
            ("8", "x"),
            ("8", ""),
        ] {
            assert_eq!(wait(status, hint), None, "{status} {hint}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_hub_hints_the_wait_is_bounded(hint in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(wait) = wait(&head("8", &hint)) {
                prop_assert!(jittered(wait) <= LONGEST_WAIT + LONGEST_WAIT / 4);
            }
        }
    }
}
