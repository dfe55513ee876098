//! Live connections of the main listeners, and the way to end them.
//!
//! Each connection is entered when its handshake is done, before its standing is looked at, so that a
//! change of standing either finds it here or is seen by the look. Whoever holds the [`Lease`] reads
//! and writes only until it is ended. There is one registry for all listeners.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::info;

use crate::certificates::Peer;

/// All live connections.
#[derive(Default)]
pub struct Connections(Mutex<Board>);

#[derive(Default)]
struct Board {
    last_number: u64,
    live: HashMap<u64, Live>,
}

struct Live {
    peer: Peer,
    ended: CancellationToken,
}

/// A place among the live connections; given up when dropped.
pub struct Lease {
    connections: Arc<Connections>,
    number: u64,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    token: CancellationToken,
}

impl Connections {
    /// Enters a connection.
    pub fn enter(self: &Arc<Self>, peer: &Peer) -> Lease {
        let token = CancellationToken::new();
        let live = Live {
            peer: peer.clone(),
            ended: token.clone(),
        };
        let mut board = self.lock();
        board.last_number += 1;
        let number = board.last_number;
        board.live.insert(number, live);
        drop(board);
        Lease {
            connections: Arc::clone(self),
            number,
            ended: Box::pin(token.clone().cancelled_owned()),
            token,
        }
    }

    /// Ends every connection whose certificate is refused now; says how many there were.
    pub fn end_where(&self, mut refused: impl FnMut(&Peer) -> bool) -> usize {
        let mut ended = 0;
        for live in self.lock().live.values() {
            if !live.ended.is_cancelled() && refused(&live.peer) {
                live.ended.cancel();
                ended += 1;
                let Peer {
                    subject, serial, ..
                } = &live.peer;
                info!(%subject, %serial, "a connection was ended");
            }
        }
        ended
    }

    /// Ends the oldest connections of a certificate's subject beyond so many: a node that lost its
    /// connections without the hub's hearing of it must be able to come back. Says how many there were.
    pub fn end_oldest(&self, peer: &Peer, most: usize) -> usize {
        let board = self.lock();
        let own = board.live.iter();
        let own = own.filter(|(_, live)| live.peer.subject == peer.subject);
        let mut own: Vec<(u64, &Live)> = own
            .filter(|(_, live)| !live.ended.is_cancelled())
            .map(|(number, live)| (*number, live))
            .collect();
        let excess = own.len().saturating_sub(most);
        own.sort_by_key(|(number, _)| *number);
        for (_, live) in own.into_iter().take(excess) {
            live.ended.cancel();
        }
        excess
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().live.len()
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Ready once the connection must end; the task is woken then.
    pub fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_ended() {
            return Poll::Ready(());
        }
        self.ended.as_mut().poll(context)
    }

    /// Whether the connection must end.
    pub fn is_ended(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connections.lock().live.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, serial: &str) -> Peer {
        Peer {
            subject: format!("symbolon://north/{name}").parse().unwrap(),
            serial: serial.to_owned(),
            valid_from: 0,
            expires_at: 9,
        }
    }

    #[tokio::test]
    async fn those_that_are_refused_end_and_the_others_stay() {
        let connections = Arc::new(Connections::default());
        let mut one = connections.enter(&peer("harbour", "4a"));
        let other = connections.enter(&peer("harbour", "4b"));
        assert_eq!(connections.end_where(|peer| peer.serial == "4a"), 1);
        assert_eq!(connections.end_where(|peer| peer.serial == "4a"), 0);
        assert!(one.is_ended() && !other.is_ended());
        std::future::poll_fn(|context| one.poll_ended(context)).await;
        drop((one, other));
        assert!(connections.lock().live.is_empty());
    }

    #[test]
    fn the_oldest_of_one_subject_end() {
        let connections = Arc::new(Connections::default());
        let own: Vec<Lease> = (0..3)
            .map(|_| connections.enter(&peer("harbour", "4a")))
            .collect();
        let other = connections.enter(&peer("refuge", "4b"));
        assert_eq!(connections.end_oldest(&peer("harbour", "4c"), 3), 0);
        assert_eq!(connections.end_oldest(&peer("harbour", "4c"), 2), 1);
        assert_eq!(connections.end_oldest(&peer("harbour", "4c"), 2), 0);
        let ended: Vec<bool> = own.iter().map(Lease::is_ended).collect();
        assert_eq!(ended, [true, false, false]);
        assert!(!other.is_ended());
    }
}
