//! `grpc.health.v1.Health` and server reflection.
//!
//! Health says SERVING or NOT_SERVING, of the hub as a whole and of each of its services by name, which all
//! have one store behind them. Reasons are not told here.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::server::NamedService as _;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tracing::error;

use super::certificates::Handler as Certificates;
use super::custody::Handler as Custody;
use super::mailbox::Handler as Mailbox;
use super::matching::Handler as Matching;
use super::membership::Handler as Membership;
use super::{CertificatesServer, CustodyServer, MailboxServer, MatchingServer, MembershipServer};
use crate::health::Watch;

/// The name of a service or of one of its types, which is all that a question has.
const MAX_QUESTION_BYTES: usize = 1024;
/// How often the hub is looked at; the store is tried less often than that.
const LOOK: Duration = Duration::from_secs(1);
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
/// What is asked about: everything, and each service of members.
const NAMES: [&str; 6] = [
    "",
    CertificatesServer::<Certificates>::NAME,
    MembershipServer::<Membership>::NAME,
    MatchingServer::<Matching>::NAME,
    MailboxServer::<Mailbox>::NAME,
    CustodyServer::<Custody>::NAME,
];

/// The service of health.
pub type Health = HealthServer<HealthService>;

/// The service of reflection, if it is wanted: what members and administrators can call, and nothing else.
pub fn reflection(wanted: bool) -> Option<ServerReflectionServer<impl ServerReflection>> {
    if !wanted {
        return None;
    }
    let mut builder = Builder::configure()
        .register_encoded_file_descriptor_set(symbolon_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(Health::NAME)
        .with_service_name(REFLECTION);
    for name in NAMES.into_iter().filter(|name| !name.is_empty()) {
        builder = builder.with_service_name(name);
    }
    match builder.build_v1() {
        Ok(service) => Some(service.max_decoding_message_size(MAX_QUESTION_BYTES)),
        Err(error) => {
            error!(%error, "the interface cannot be told");
            None
        }
    }
}

/// What knows how the hub is.
#[derive(Clone)]
pub struct Reporter(HealthReporter);

impl Reporter {
    /// Nobody has looked yet: it is not serving.
    pub async fn new() -> Self {
        let reporter = Self(HealthReporter::new());
        reporter.set(ServingStatus::NotServing).await;
        reporter
    }

    /// The service; there may be several.
    pub fn service(&self) -> Health {
        HealthServer::new(HealthService::from_health_reporter(self.0.clone()))
            .max_decoding_message_size(MAX_QUESTION_BYTES)
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.0.set_service_status(name, status).await;
        }
    }

    /// Looks at the hub until shutdown; then says that it no longer serves, and ends who watches.
    pub async fn keep(mut self, watch: Arc<Watch>, shutdown: CancellationToken) {
        loop {
            let look = tokio::select! {
                () = shutdown.cancelled() => break,
                look = Arc::clone(&watch).serves() => look,
            };
            self.set(match look {
                true => ServingStatus::Serving,
                false => ServingStatus::NotServing,
            })
            .await;
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.set(ServingStatus::NotServing).await;
        for name in NAMES {
            self.0.clear_service_status(name).await;
        }
    }
}
