//! A connection that was taken in, as the server reads and writes it: only as long as it may live.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::certificates::Peer;
use crate::connections::Lease;
use crate::frames::Meter;
use crate::listener::Observer;
use crate::strangers::Place;

/// Bytes that one connection has read before the others have their turn: whoever sends without a pause
/// must not keep a thread to himself.
const TURN_BYTES: usize = 16 * 1024;

/// A connection whose handshake is done, if it has one.
pub struct Accepted<S> {
    stream: S,
    peer: Option<Peer>,
    held: Held,
    meter: Meter,
    quiet: Quiet,
    /// Read in this turn.
    turn: usize,
    observer: Option<Observer>,
}

/// What it lives by.
pub enum Held {
    /// The certificate of a member or an administrator; and one of the port's places.
    Member {
        lease: Lease,
        _place: OwnedSemaphorePermit,
    },
    /// A place among strangers, and for how long.
    Stranger(Place, Option<Pin<Box<Sleep>>>),
}

/// Closes what says nothing, not even that it lives. A silent HTTP/2 connection is asked for a sign of life
/// by the server; one that has not yet spoken HTTP/2, or never does, is not.
struct Quiet {
    after: Duration,
    last_read: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Quiet {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.alarm.as_mut().poll(context).is_ready() {
            // Set anew only here, and not at each read.
            let ends = self.last_read + self.after;
            if ends <= Instant::now() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(ends);
        }
        Poll::Pending
    }
}

impl<S> Accepted<S> {
    /// Takes a connection; it is closed when nothing came for so long.
    pub fn new(
        stream: S,
        (peer, held, meter): (Option<Peer>, Held, Meter),
        quiet: Duration,
        observer: Option<Observer>,
    ) -> Self {
        let quiet = Quiet {
            after: quiet,
            last_read: Instant::now(),
            alarm: Box::pin(tokio::time::sleep(quiet)),
        };
        Self {
            stream,
            peer,
            held,
            meter,
            quiet,
            turn: 0,
            observer,
        }
    }

    /// Whom the certificate speaks for; nobody at enrolment.
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let ended = match &mut self.held {
            Held::Member { lease, .. } => lease.poll_ended(context).is_ready(),
            Held::Stranger(place, until) => {
                let over = until
                    .as_mut()
                    .is_some_and(|until| until.as_mut().poll(context).is_ready());
                over || place.poll_displaced(context).is_ready()
            }
        };
        if ended {
            Poll::Ready(ended_by_us())
        } else if self.quiet.poll(context).is_ready() {
            let reason = "nothing came over this connection";
            Poll::Ready(Error::new(ErrorKind::TimedOut, reason))
        } else {
            Poll::Pending
        }
    }

    fn check(&self) -> Result<()> {
        let ended = match &self.held {
            Held::Member { lease, .. } => lease.is_ended(),
            Held::Stranger(place, _) => place.is_displaced(),
        };
        if ended { Err(ended_by_us()) } else { Ok(()) }
    }
}

fn too_many_frames() -> Error {
    let reason = "the client sends more small frames than its calls need";
    Error::new(ErrorKind::ConnectionAborted, reason)
}

fn ended_by_us() -> Error {
    let reason = "the hub ended this connection: its certificate ended or was revoked, or others took its place";
    Error::new(ErrorKind::ConnectionAborted, reason)
}

impl<S: AsyncRead + Unpin> AsyncRead for Accepted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if let Poll::Ready(error) = self.poll_ended(context) {
            return Poll::Ready(Err(error));
        }
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = buffer.filled().get(before..).unwrap_or_default();
        if came.is_empty() {
            self.turn = 0;
        } else {
            self.turn += came.len();
            self.quiet.last_read = Instant::now();
            if !self.meter.allows(came) {
                return Poll::Ready(Err(too_many_frames()));
            }
        }
        if let Some(observer) = &self.observer {
            observer(came);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Accepted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
