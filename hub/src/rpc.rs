//! The wire: handlers that decode, make one domain call and encode. Nothing is decided here.
//!
//! Only this room names tonic (beside the client connector and the administrator's calls), and only
//! [`status`] builds a `Status`.

pub mod admission;
pub mod certificates;
pub mod counted;
pub mod custody;
pub mod enrolment;
pub mod health;
pub mod mailbox;
pub mod matching;
pub mod membership;
pub mod status;

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use symbolon_proto::certificates::certificates_server::CertificatesServer;
use symbolon_proto::custody::custody_server::CustodyServer;
use symbolon_proto::enrolment::enrolment_server::EnrolmentServer;
use symbolon_proto::mailbox::mailbox_server::MailboxServer;
use symbolon_proto::matching::matching_server::MatchingServer;
use symbolon_proto::membership::membership_server::MembershipServer;

use crate::accepted::Accepted;
use crate::caller::Caller;
use crate::certificates::Peer;
use crate::config::Limits;
use crate::listener::Incoming;
use admission::Admission;
use counted::Counted;
use health::Health;

/// Largest message in either direction, but for lists of agreements.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Agreements carry a sealed key for each member and are read whole: 500 members take 800 KiB.
const MAX_AGREEMENTS_BYTES: usize = 64 << 20;
/// The metadata of a call; ours is below 1 KiB.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
const MAX_RESETS: usize = 32;

/// A stream of replies.
pub type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl<S: AsyncRead + Unpin> Connected for Accepted<S> {
    type ConnectInfo = Option<Peer>;

    fn connect_info(&self) -> Option<Peer> {
        self.peer().cloned()
    }
}

/// The caller that [`Admission`] let in.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>();
    caller.cloned().ok_or_else(status::nobody)
}

/// The services of the main listener.
pub struct MemberServices {
    pub health: Health,
    /// Whether callers are told the interface.
    pub reflects: bool,
    pub certificates: certificates::Handler,
    pub membership: membership::Handler,
    pub matching: matching::Handler,
    pub mailbox: mailbox::Handler,
    pub custody: custody::Handler,
}

type Tls = Incoming<TlsStream<TcpStream>>;

/// Serves members and administrators until shutdown. Whatever is served passes the admission.
pub async fn serve_members(
    services: MemberServices,
    (incoming, limits): (Tls, &Limits),
    (counted, admission): (Counted, Admission),
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    macro_rules! bounded {
        ($server:ident, $handler:expr, $max_out:expr) => {
            $server::new($handler)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size($max_out)
        };
    }
    let certificates = bounded!(CertificatesServer, services.certificates, MAX_MESSAGE_BYTES);
    let membership = bounded!(MembershipServer, services.membership, MAX_AGREEMENTS_BYTES);
    let matching = bounded!(MatchingServer, services.matching, MAX_MESSAGE_BYTES);
    let mailbox = bounded!(MailboxServer, services.mailbox, MAX_MESSAGE_BYTES);
    let custody = bounded!(CustodyServer, services.custody, MAX_MESSAGE_BYTES);
    builder(limits)
        .layer(counted)
        .layer(admission)
        .add_service(certificates)
        .add_service(membership)
        .add_service(matching)
        .add_service(mailbox)
        .add_service(custody)
        .add_service(services.health)
        .add_optional_service(health::reflection(services.reflects))
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown.cancelled_owned())
        .await
}

/// Serves enrolment, and nothing else, until shutdown.
pub async fn serve_enrolment(
    handler: enrolment::Handler,
    (incoming, limits): (Tls, &Limits),
    counted: Counted,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let enrolment = EnrolmentServer::new(handler).max_decoding_message_size(MAX_MESSAGE_BYTES / 16);
    builder(limits)
        .layer(counted)
        .add_service(enrolment)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown.cancelled_owned())
        .await
}

/// Serves health, and nothing else, to whoever reaches the listener, until shutdown.
pub async fn serve_health(
    health: Health,
    (incoming, limits): (Incoming<TcpStream>, &Limits),
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    builder(limits)
        .add_service(health)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown.cancelled_owned())
        .await
}

fn builder(limits: &Limits) -> Server {
    let keepalive = Duration::from_secs(limits.keepalive_s);
    Server::builder()
        .http2_keepalive_interval(Some(keepalive))
        .http2_keepalive_timeout(Some(keepalive))
        .max_concurrent_streams(limits.max_streams)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        // Streams that a client opens and resets at once (CVE-2023-44487), and those that the server has to
        // reset: an honest node makes a few. Beyond, the connection ends.
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
        .timeout(limits.request_timeout())
}
