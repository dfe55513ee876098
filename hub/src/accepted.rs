//! A connection that was taken in, as the server reads and writes it: only as long as it may live.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::certificates::Peer;
use crate::connections::Lease;
use crate::frames::Meter;
use crate::listener::Observer;
use crate::outcasts::Outcasts;
use crate::strangers::Place;

/// Bytes that one connection has read before the others have their turn: whoever sends without a pause
/// must not keep a thread to himself.
const TURN_BYTES: usize = 16 * 1024;
/// A small frame takes so much of a turn: to answer a ping costs more than to read it.
const FRAME_BYTES: usize = 256;
/// While small frames come, so much is read at once: a turn must not end after a thousand of them.
const SMALL_READ: usize = 512;
/// So long a connection rests after a turn of small frames. An honest client sends fewer than 64 in a
/// millisecond; thirty thousand that may come at once are spread over half a second.
const REST: Duration = Duration::from_millis(1);

/// What a client sent before it went may still be unread when the server lets go: so many reads of it.
const LAST_READS: usize = 16;

/// A connection whose handshake is done, if it has one.
pub struct Accepted<S: AsyncRead + Unpin> {
    stream: S,
    peer: Option<Peer>,
    held: Held,
    meter: Meter,
    quiet: Quiet,
    /// Read in this turn.
    turn: usize,
    /// Whether small frames came last.
    small: bool,
    /// While it rests.
    rest: Option<Pin<Box<Sleep>>>,
    /// Whether the client ended it, or it ended by itself.
    gone: bool,
    observer: Option<Observer>,
}

/// What it lives by.
pub enum Held {
    /// The certificate of a member or an administrator; and one of the port's places.
    Member {
        lease: Lease,
        _place: OwnedSemaphorePermit,
        /// Where it is noted if the hub has to end it, and under which address.
        outcasts: (Arc<Outcasts>, IpAddr),
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

impl<S: AsyncRead + Unpin> Accepted<S> {
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
            small: false,
            rest: None,
            gone: false,
            observer,
        }
    }

    /// Whom the certificate speaks for; nobody at enrolment.
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Whether it may read now, or has others their turn first.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            if !self.small {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.rest = Some(Box::pin(tokio::time::sleep(REST)));
        }
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
            self.rest = None;
        }
        Poll::Ready(())
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
            self.gone = true;
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

    /// Whether its client is still there, as far as has come to be known.
    fn client_stays(&mut self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut bytes = [0; 1024];
        for _ in 0..LAST_READS {
            let mut buffer = ReadBuf::new(&mut bytes);
            let polled = Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer);
            match polled {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return false,
                Poll::Pending => return true,
            }
        }
        true
    }
}

impl<S: AsyncRead + Unpin> Drop for Accepted<S> {
    /// The server lets go of a connection whose client has not: it was made to, by what the client sent.
    fn drop(&mut self) {
        let outcasts = match &self.held {
            Held::Member {
                lease, outcasts, ..
            } if !self.gone && !lease.is_ended() => outcasts.clone(),
            _ => return,
        };
        if self.client_stays() {
            let (outcasts, from) = outcasts;
            outcasts.thrown_out(from, std::time::Instant::now());
        }
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
        if self.poll_turn(context).is_pending() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = match self.small {
            false => Pin::new(&mut self.stream).poll_read(context, buffer),
            true => poll_little(Pin::new(&mut self.stream), context, buffer),
        };
        let came = buffer.filled().get(before..).unwrap_or_default();
        if came.is_empty() {
            self.turn = 0;
            self.gone |= polled.is_ready();
        } else {
            self.quiet.last_read = Instant::now();
            let Some(frames) = self.meter.allowed(came) else {
                return Poll::Ready(Err(too_many_frames()));
            };
            let frames_take = FRAME_BYTES * frames as usize;
            self.turn += came.len() + frames_take;
            self.small = frames_take > came.len();
        }
        if let Some(observer) = &self.observer {
            observer(came);
        }
        polled
    }
}

/// Reads less than there may be room for.
fn poll_little(
    stream: Pin<&mut impl AsyncRead>,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<Result<()>> {
    let mut bytes = [0; SMALL_READ];
    let room = bytes.get_mut(..buffer.remaining().min(SMALL_READ));
    let mut little = ReadBuf::new(room.unwrap_or_default());
    let polled = stream.poll_read(context, &mut little);
    buffer.put_slice(little.filled());
    polled
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Accepted<S> {
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::frames::{HEAD_BYTES, of_members};
    use crate::strangers::Strangers;

    /// What the server reads at once.
    const ROOM: usize = 8 * 1024;

    /// How often a connection rests while a client's frames of so many bytes each are read.
    async fn rests(frames: usize, length: u16) -> usize {
        let [high, low] = length.to_be_bytes();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for _ in 0..frames {
            bytes.extend([0, high, low, 6, 0, 0, 0, 0, 0]);
            bytes.extend(vec![0; usize::from(length)]);
        }
        let (place, _) = Strangers::new(1, 1).enter([127, 0, 0, 1].into());
        let member = "symbolon://north/harbour".parse().unwrap();
        let meter = Meter::of_member(&of_members(10_000, 10_000), member);
        let parts = (None, Held::Stranger(place, None), meter);
        let quiet = Duration::from_secs(60);
        let mut connection = Accepted::new(bytes.as_slice(), parts, quiet, None);
        let (mut rests, mut read) = (0, 0);
        let mut room = vec![0; ROOM];
        while read < bytes.len() {
            read += poll_fn(|context| {
                let mut buffer = ReadBuf::new(&mut room);
                let polled = Pin::new(&mut connection).poll_read(context, &mut buffer);
                rests += usize::from(polled.is_pending() && connection.rest.is_some());
                polled.map(|done| done.map(|()| buffer.filled().len()))
            })
            .await
            .unwrap();
        }
        rests
    }

    #[tokio::test]
    async fn small_frames_come_no_faster_than_a_turn_in_each_rest() {
        let (frames, length) = (6_400, 8);
        // That they are small is known after the first read; a turn ends with a read.
        let each = HEAD_BYTES + usize::from(length);
        let (first, last) = (ROOM / each + 1, SMALL_READ / each + 1);
        let least = (frames - first) / (TURN_BYTES / FRAME_BYTES + last);
        assert!(rests(frames, length).await >= least, "pings");
        assert_eq!(rests(frames, 1_000).await, 0, "calls");
    }
}
