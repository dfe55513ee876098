//! Who may call: asked at each request of the main listener, before any service is looked for.
//!
//! The certificate of the connection becomes a caller, or the request is refused. Then a caller that has too
//! many calls under way, or makes them too fast, is told when to come again.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::status;
use crate::caller::Caller;
use crate::certificates::Peer;
use crate::membership::Directory;
use crate::metrics::{Refusal, Refusals};
use crate::pace::Pace;

/// With too many calls under way, one of them should be done after this.
const COME_AGAIN: Duration = Duration::from_millis(100);

/// Lets callers in.
#[derive(Clone)]
pub struct Admission(Arc<Door>);

struct Door {
    directory: Arc<Directory>,
    pace: Pace,
    most_under_way: usize,
    under_way: Mutex<HashMap<Caller, usize>>,
    refusals: Refusals,
}

impl Admission {
    /// A door to members; each may have so many calls under way.
    pub fn new(
        directory: Arc<Directory>,
        (pace, most_under_way): (Pace, usize),
        refusals: Refusals,
    ) -> Self {
        Self(Arc::new(Door {
            directory,
            pace,
            most_under_way,
            under_way: Mutex::default(),
            refusals,
        }))
    }
}

impl Door {
    fn admit<B>(self: &Arc<Self>, request: &Request<B>) -> Result<UnderWay, Status> {
        let peer = request.extensions().get::<Option<Peer>>();
        let peer = peer.and_then(Option::as_ref);
        let peer = peer.ok_or_else(status::nobody)?;
        let caller = self
            .directory
            .admit(peer)
            .map_err(|reason| status::not_admitted(peer, reason))?;
        if let Err(wait) = self.pace.check(&caller) {
            self.refusals.note(Refusal::Rate);
            return Err(status::too_fast(wait));
        }
        let mut board = self.lock();
        let count = board.entry(caller.clone()).or_default();
        if *count >= self.most_under_way {
            self.refusals.note(Refusal::Calls);
            return Err(status::too_fast(COME_AGAIN));
        }
        *count += 1;
        drop(board);
        let door = Arc::clone(self);
        Ok(UnderWay { door, caller })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Caller, usize>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way, until dropped: up to the head of its answer.
struct UnderWay {
    door: Arc<Door>,
    caller: Caller,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut board = self.door.lock();
        if let Some(count) = board.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                board.remove(&self.caller);
            }
        }
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitting<S>;

    fn layer(&self, inner: S) -> Admitting<S> {
        let door = Arc::clone(&self.0);
        Admitting { inner, door }
    }
}

/// A service that only callers reach.
#[derive(Clone)]
pub struct Admitting<S> {
    inner: S,
    door: Arc<Door>,
}

type Answering<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S, B> Service<Request<B>> for Admitting<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let under_way = match self.door.admit(&request) {
            Ok(under_way) => under_way,
            Err(refused) => return Box::pin(async move { Ok(refused.into_http()) }),
        };
        request.extensions_mut().insert(under_way.caller.clone());
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answered = answering.await;
            drop(under_way);
            answered
        })
    }
}
