//! Enrolment on the wire.

use std::sync::Arc;

use symbolon_core::crypto::VerifyingKey;
use symbolon_proto::WireError;
use symbolon_proto::enrolment::enrolment_server::Enrolment as Service;
use symbolon_proto::enrolment::{EnrolReply, EnrolRequest, RosterRequest};
use symbolon_proto::membership::RosterReply;
use tonic::{Request, Response, Status};

use super::status::malformed;
use crate::enrolment::{Enrolment, EnrolmentError};
use crate::membership::Directory;

/// Answers those who have no certificate yet.
pub struct Handler {
    pub enrolment: Arc<Enrolment>,
    pub directory: Arc<Directory>,
}

#[tonic::async_trait]
impl Service for Handler {
    async fn roster(
        &self,
        request: Request<RosterRequest>,
    ) -> Result<Response<RosterReply>, Status> {
        let RosterRequest { invitation_key } = request.into_inner();
        let key = invitation_key
            .try_into()
            .map_err(|_| EnrolmentError::Unknown)?;
        let entries = self.enrolment.roster(&VerifyingKey(key))?;
        Ok(Response::new(RosterReply {
            entries: entries.into_iter().map(Into::into).collect(),
        }))
    }

    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let EnrolRequest {
            entry,
            certificate_request,
        } = request.into_inner();
        let entry = entry.ok_or(WireError::Missing("entry"));
        let entry = entry.and_then(TryInto::try_into);
        let entry = entry.map_err(|error| malformed(&error))?;
        let issued = self.enrolment.enrol(entry, certificate_request).await?;
        let entries = self.directory.entries(0);
        Ok(Response::new(EnrolReply {
            certificate_chain: issued.chain,
            roster: Some(RosterReply {
                entries: entries.into_iter().map(Into::into).collect(),
            }),
        }))
    }
}
