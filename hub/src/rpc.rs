//! The wire: handlers that decode, make one domain call and encode. Nothing is decided here.
//!
//! Only this room names tonic (beside the client connector and the administrator's calls), and only
//! [`status`] builds a `Status`.

pub mod certificates;
pub mod counted;
pub mod custody;
pub mod enrolment;
pub mod mailbox;
pub mod matching;
pub mod membership;
pub mod status;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Interceptor;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use symbolon_proto::certificates::certificates_server::CertificatesServer;
use symbolon_proto::custody::custody_server::CustodyServer;
use symbolon_proto::enrolment::enrolment_server::EnrolmentServer;
use symbolon_proto::mailbox::mailbox_server::MailboxServer;
use symbolon_proto::matching::matching_server::MatchingServer;
use symbolon_proto::membership::membership_server::MembershipServer;

use crate::caller::Caller;
use crate::certificates::Peer;
use crate::listener::Accepted;
use crate::membership::Directory;
use crate::metrics::Requests;
use counted::Counted;

/// Largest message in either direction, but for lists of agreements.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Agreements carry a sealed key for each member and are read whole: 500 members take 800 KiB.
const MAX_AGREEMENTS_BYTES: usize = 64 << 20;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// A node holds one reception, one attendance and a few calls at a time.
const MAX_STREAMS: u32 = 64;
/// Longer than a custodian may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(330);

/// A stream of replies.
pub type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Connected for Accepted {
    type ConnectInfo = Option<Peer>;

    fn connect_info(&self) -> Option<Peer> {
        self.peer.clone()
    }
}

fn ended() -> std::io::Error {
    let reason = "the certificate of this connection ended or was revoked";
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, reason)
}

impl Accepted {
    fn check(&self) -> std::io::Result<()> {
        match &self.lease {
            Some(lease) if lease.is_ended() => Err(ended()),
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(lease) = &mut self.lease
            && lease.poll_ended(context).is_ready()
        {
            return Poll::Ready(Err(ended()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(observer) = &self.observer {
            observer(buffer.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Turns the certificate of a connection into a caller, at each request, or refuses it.
#[derive(Clone)]
struct Admission(Arc<Directory>);

impl Interceptor for Admission {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Option<Peer>>();
        let peer = peer.and_then(Option::as_ref);
        let peer = peer.ok_or_else(status::nobody)?;
        let caller = self
            .0
            .admit(peer)
            .map_err(|reason| status::not_admitted(peer, reason))?;
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

/// The caller that [`Admission`] let in.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>();
    caller.cloned().ok_or_else(status::nobody)
}

/// The services of the main listener.
pub struct MemberServices {
    pub directory: Arc<Directory>,
    pub certificates: certificates::Handler,
    pub membership: membership::Handler,
    pub matching: matching::Handler,
    pub mailbox: mailbox::Handler,
    pub custody: custody::Handler,
}

type Incoming = mpsc::Receiver<Result<Accepted, std::io::Error>>;

/// Serves members and administrators until shutdown.
pub async fn serve_members(
    services: MemberServices,
    incoming: Incoming,
    requests: Requests,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let admission = Admission(services.directory);
    macro_rules! guarded {
        ($server:ident, $handler:expr, $max_out:expr) => {
            tonic::service::interceptor::InterceptedService::new(
                $server::new($handler)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .max_encoding_message_size($max_out),
                admission.clone(),
            )
        };
    }
    let certificates = guarded!(CertificatesServer, services.certificates, MAX_MESSAGE_BYTES);
    let membership = guarded!(MembershipServer, services.membership, MAX_AGREEMENTS_BYTES);
    let matching = guarded!(MatchingServer, services.matching, MAX_MESSAGE_BYTES);
    let mailbox = guarded!(MailboxServer, services.mailbox, MAX_MESSAGE_BYTES);
    let custody = guarded!(CustodyServer, services.custody, MAX_MESSAGE_BYTES);
    builder()
        .layer(Counted(requests))
        .add_service(certificates)
        .add_service(membership)
        .add_service(matching)
        .add_service(mailbox)
        .add_service(custody)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown.cancelled_owned())
        .await
}

/// Serves enrolment, and nothing else, until shutdown.
pub async fn serve_enrolment(
    handler: enrolment::Handler,
    incoming: Incoming,
    requests: Requests,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let enrolment = EnrolmentServer::new(handler).max_decoding_message_size(MAX_MESSAGE_BYTES / 16);
    builder()
        .layer(Counted(requests))
        .add_service(enrolment)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown.cancelled_owned())
        .await
}

fn builder() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(16 * 1024)
        .timeout(REQUEST_TIMEOUT)
}
