//! Membership on the wire.

use std::sync::Arc;

use symbolon_core::crypto::SigningKey;
use symbolon_core::encoding::Digest;
use symbolon_proto::WireError;
use symbolon_proto::membership::membership_server::Membership as Service;
use symbolon_proto::membership::{
    AcceptReply, AcceptRequest, AgreementsReply, AgreementsRequest, AppendReply, AppendRequest,
    CheckpointReply, CheckpointRequest, DeclareReply, DeclareRequest, Member, MembersReply,
    MembersRequest, ProposeReply, ProposeRequest, RosterReply, RosterRequest, WaitingRequest,
};
use tonic::{Request, Response, Status};

use super::caller;
use super::status::malformed;
use crate::membership::{Appended, Directory, MemberReport};

/// Answers members and administrators.
pub struct Handler {
    pub directory: Arc<Directory>,
    pub log_key: Arc<SigningKey>,
}

fn required<W, D>(field: &'static str, value: Option<W>) -> Result<D, Status>
where
    D: TryFrom<W, Error = WireError>,
{
    let value = value.ok_or(WireError::Missing(field));
    value
        .and_then(TryInto::try_into)
        .map_err(|error| malformed(&error))
}

fn member(report: MemberReport) -> Member {
    let MemberReport {
        agency,
        kind,
        title,
        standing,
        certificate_serials,
        certificate_expires_at,
        last_seen_at,
        connected,
        custodian_index,
        live_rows,
    } = report;
    Member {
        agency: agency.to_string(),
        kind,
        title,
        standing: standing.to_owned(),
        certificate_serials,
        certificate_expires_at,
        last_seen_at,
        connected,
        custodian_index: custodian_index.into(),
        live_rows,
    }
}

fn digest(field: &'static str, bytes: Vec<u8>) -> Result<Digest, Status> {
    let bytes = bytes.try_into();
    bytes
        .map(Digest)
        .map_err(|_| malformed(&WireError::Malformed(field)))
}

#[tonic::async_trait]
impl Service for Handler {
    async fn roster(
        &self,
        request: Request<RosterRequest>,
    ) -> Result<Response<RosterReply>, Status> {
        caller(&request)?;
        let RosterRequest { from } = request.into_inner();
        let entries = self.directory.entries(from);
        Ok(Response::new(RosterReply {
            entries: entries.into_iter().map(Into::into).collect(),
        }))
    }

    async fn append(
        &self,
        request: Request<AppendRequest>,
    ) -> Result<Response<AppendReply>, Status> {
        let caller = caller(&request)?;
        let AppendRequest { entry } = request.into_inner();
        let entry = required("entry", entry)?;
        let Appended { length, have, need } = self.directory.append(&caller, entry).await?;
        Ok(Response::new(AppendReply { length, have, need }))
    }

    async fn waiting(
        &self,
        request: Request<WaitingRequest>,
    ) -> Result<Response<RosterReply>, Status> {
        let caller = caller(&request)?;
        let WaitingRequest {} = request.into_inner();
        let entries = self.directory.waiting(&caller)?;
        Ok(Response::new(RosterReply {
            entries: entries.into_iter().map(Into::into).collect(),
        }))
    }

    async fn members(
        &self,
        request: Request<MembersRequest>,
    ) -> Result<Response<MembersReply>, Status> {
        let caller = caller(&request)?;
        let MembersRequest {} = request.into_inner();
        let reports = self.directory.members(&caller).await?;
        Ok(Response::new(MembersReply {
            members: reports.into_iter().map(member).collect(),
        }))
    }

    async fn propose(
        &self,
        request: Request<ProposeRequest>,
    ) -> Result<Response<ProposeReply>, Status> {
        let caller = caller(&request)?;
        let ProposeRequest { proposal } = request.into_inner();
        let proposal = required("proposal", proposal)?;
        let (approvals, needed) = self.directory.propose(&caller, proposal).await?;
        Ok(Response::new(ProposeReply { approvals, needed }))
    }

    async fn accept(
        &self,
        request: Request<AcceptRequest>,
    ) -> Result<Response<AcceptReply>, Status> {
        let caller = caller(&request)?;
        let AcceptRequest {
            agreement,
            acceptance,
        } = request.into_inner();
        let agreement = digest("agreement", agreement)?;
        let acceptance = required("acceptance", acceptance)?;
        self.directory
            .accept(&caller, agreement, acceptance)
            .await?;
        Ok(Response::new(AcceptReply {}))
    }

    async fn declare(
        &self,
        request: Request<DeclareRequest>,
    ) -> Result<Response<DeclareReply>, Status> {
        let caller = caller(&request)?;
        let DeclareRequest {
            agreement,
            statement,
        } = request.into_inner();
        let agreement = digest("agreement", agreement)?;
        let statement = required("statement", statement)?;
        self.directory
            .declare(&caller, agreement, statement)
            .await?;
        Ok(Response::new(DeclareReply {}))
    }

    async fn agreements(
        &self,
        request: Request<AgreementsRequest>,
    ) -> Result<Response<AgreementsReply>, Status> {
        let caller = caller(&request)?;
        let AgreementsRequest {} = request.into_inner();
        let (records, pending) = self.directory.agreements(&caller);
        let papers = records.into_iter().map(|record| record.papers.into());
        Ok(Response::new(AgreementsReply {
            agreements: papers.collect(),
            pending: pending.into_iter().map(Into::into).collect(),
        }))
    }

    async fn checkpoint(
        &self,
        request: Request<CheckpointRequest>,
    ) -> Result<Response<CheckpointReply>, Status> {
        caller(&request)?;
        let CheckpointRequest {} = request.into_inner();
        let checkpoint = self.directory.checkpoint().await?;
        Ok(Response::new(CheckpointReply {
            note: checkpoint.sign(&self.log_key),
        }))
    }
}
