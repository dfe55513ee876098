//! Evaluations relayed here, and those whose custodian is on the line of another hub over the same store.
//!
//! The hub that is asked lays the request into the store and waits. The one that has the custodian takes
//! it, relays it as one of its own, and lays the outcome back. It reads no more of it than the other one
//! does, and both bounds on what is under way hold at each.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::crypto;
use symbolon_core::encoding;
use symbolon_core::identity::AgencyName;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Custody, CustodyError, Outcome, Relay};
use crate::store::shared::Asked;
use crate::store::{StoreError, blocking};

/// Whoever has the custodian takes the request within this, even if it missed the ring: it looks four
/// times in it.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// What another hub says to a request.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Outcome(Outcome),
    /// Too much is under way there.
    Busy,
    /// The custodian was there, and is not any more.
    Gone,
}

impl Reply {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Outcome(Outcome::Evaluated { elements, proof }) => {
                encoding::parts(&[b"e", elements, proof])
            }
            Self::Outcome(Outcome::Refused { word, retry_at }) => {
                encoding::parts(&[b"r", word.as_bytes(), &retry_at.to_be_bytes()])
            }
            Self::Busy => encoding::parts(&[b"b"]),
            Self::Gone => encoding::parts(&[b"g"]),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let fields = encoding::split_parts(bytes)?;
        match fields.as_slice() {
            [b"e", elements, proof] => Some(Self::Outcome(Outcome::Evaluated {
                elements: elements.to_vec(),
                proof: proof.to_vec(),
            })),
            [b"r", word, retry_at] => Some(Self::Outcome(Outcome::Refused {
                word: std::str::from_utf8(word).ok()?.to_owned(),
                retry_at: i64::from_be_bytes((*retry_at).try_into().ok()?),
            })),
            [b"b"] => Some(Self::Busy),
            [b"g"] => Some(Self::Gone),
            _ => None,
        }
    }
}

/// Somebody who waits for another hub, until dropped.
struct Elsewhere {
    relay: Arc<Relay>,
    asking: AgencyName,
    id: [u8; 16],
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let mut board = self.relay.lock();
        board.elsewhere.remove(&self.id);
        board.asks_no_more(&self.asking);
    }
}

impl Custody {
    /// Relays a request to a custodian on this hub's line; gives what it says.
    pub(super) async fn relay_here(
        &self,
        asking: &AgencyName,
        custodian: &AgencyName,
        request: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<Outcome, CustodyError> {
        let (_under_way, answer) = self.dispatch(asking, custodian, request, signature)?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(CustodyError::NotConnected(custodian.clone())),
            Err(_) => Err(CustodyError::Late(custodian.clone())),
        }
    }

    pub(super) fn is_on_line(&self, custodian: &AgencyName) -> bool {
        let board = self.relay.lock();
        let line = board.custodians.get(custodian);
        line.is_some_and(|line| !line.ended.is_cancelled())
    }

    /// Has a custodian on another hub's line evaluate.
    pub(super) async fn evaluate_elsewhere(
        &self,
        asking: &AgencyName,
        custodian: &AgencyName,
        (request, signature): (Vec<u8>, Vec<u8>),
    ) -> Result<Outcome, CustodyError> {
        let gone = || CustodyError::NotConnected(custodian.clone());
        if !self.relay.lock().attending_elsewhere.contains(custodian) {
            return Err(gone());
        }
        let id = crypto::random().map_err(|_| gone())?;
        let (waits, answer) = self.wait_elsewhere(asking, id)?;
        let asked = Asked {
            id,
            asking: asking.clone(),
            custodian: custodian.clone(),
            request,
            signature,
        };
        let for_s = self.timeout.as_secs().max(1);
        self.with_store(move |shared| shared.ask(&asked, for_s))
            .await?;
        let mut answer = pin!(answer);
        let mut heard = timeout(TAKEN_WITHIN.min(self.timeout), &mut answer).await;
        if heard.is_err() && self.with_store(move |shared| shared.is_taken(&id)).await? {
            let rest = self.timeout.saturating_sub(TAKEN_WITHIN);
            heard = timeout(rest, &mut answer).await;
            if heard.is_err() {
                drop(waits);
                self.with_store(move |shared| shared.take_back(&id)).await?;
                return Err(CustodyError::Late(custodian.clone()));
            }
        } else if heard.is_err() {
            drop(waits);
            self.with_store(move |shared| shared.take_back(&id)).await?;
        }
        match heard {
            Ok(Ok(Reply::Outcome(outcome))) => Ok(outcome),
            Ok(Ok(Reply::Busy)) => Err(CustodyError::Busy(custodian.clone())),
            Ok(Ok(Reply::Gone) | Err(_)) | Err(_) => Err(gone()),
        }
    }

    /// Remembers who is on other hubs' lines.
    pub(crate) fn attend_elsewhere(&self, custodians: Vec<AgencyName>) {
        self.relay.lock().attending_elsewhere = custodians;
    }

    /// Relays what another hub was asked to a custodian on this hub's line.
    pub(crate) async fn carry(self: Arc<Self>, asked: Asked) {
        let Asked {
            id,
            asking,
            custodian,
            request,
            signature,
        } = asked;
        let reply = match self
            .relay_here(&asking, &custodian, request, signature)
            .await
        {
            Ok(outcome) => Reply::Outcome(outcome),
            Err(CustodyError::Busy(_)) => Reply::Busy,
            Err(CustodyError::Late(_)) => return,
            Err(_) => Reply::Gone,
        };
        let reply = reply.to_bytes();
        let answered = self.with_store(move |shared| shared.answer(&id, &reply));
        if let Err(error) = answered.await {
            tracing::warn!(%error, "an evaluation could not be handed to the hub that asked");
        }
    }

    /// Hands a reply of another hub to whoever waits for it.
    pub(crate) fn hear_elsewhere(&self, id: &[u8; 16], reply: &[u8]) {
        let waiting = self.relay.lock().elsewhere.remove(id);
        if let Some(waiting) = waiting {
            // Whoever asked may have gone: nothing is lost.
            let _ = waiting.send(reply.to_vec());
        }
    }

    fn wait_elsewhere(
        &self,
        asking: &AgencyName,
        id: [u8; 16],
    ) -> Result<(Elsewhere, impl Future<Output = Result<Reply, ()>> + use<>), CustodyError> {
        let mut board = self.relay.lock();
        if board.asking.get(asking).copied().unwrap_or(0) >= self.in_flight_per_agency {
            return Err(CustodyError::Busy(asking.clone()));
        }
        *board.asking.entry(asking.clone()).or_default() += 1;
        let (sender, answer) = oneshot::channel::<Vec<u8>>();
        board.elsewhere.insert(id, sender);
        let waits = Elsewhere {
            relay: Arc::clone(&self.relay),
            asking: asking.clone(),
            id,
        };
        let answer = async {
            let reply = answer.await.map_err(|_| ())?;
            Reply::parse(&reply).ok_or(())
        };
        Ok((waits, answer))
    }

    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn crate::store::shared::Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CustodyError> {
        let store = Arc::clone(&self.store);
        let done = blocking(move || match store.shared() {
            Some(shared) => work(shared),
            None => Err(StoreError::CutOff),
        });
        Ok(done.await?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_come_back() {
        let replies = [
            Reply::Outcome(Outcome::Evaluated {
                elements: vec![1; 64],
                proof: vec![2; 64],
            }),
            Reply::Outcome(Outcome::Refused {
                word: "quota".into(),
                retry_at: 7,
            }),
            Reply::Busy,
            Reply::Gone,
        ];
        for reply in replies {
            assert_eq!(Reply::parse(&reply.to_bytes()), Some(reply));
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reply::parse(&bytes);
        }
    }
}
