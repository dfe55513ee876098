//! Certificates on the wire.

use std::sync::Arc;

use symbolon_proto::certificates::certificates_server::Certificates as Service;
use symbolon_proto::certificates::{
    Certificate, ListReply, ListRequest, RenewReply, RenewRequest, RevokeReply, RevokeRequest,
    RevokedReply, RevokedRequest,
};
use tonic::{Request, Response, Status};

use super::caller;
use crate::certificates::{CertificateReport, Certificates, RevocationList};
use crate::tls::Credentials;

/// Answers members and administrators.
pub struct Handler {
    pub certificates: Arc<Certificates>,
    pub credentials: Arc<Credentials>,
}

fn certificate(report: CertificateReport) -> Certificate {
    let CertificateReport {
        subject,
        serial,
        issued_at,
        expires_at,
        revoked_at,
        reason,
    } = report;
    Certificate {
        subject: subject.to_string(),
        serial,
        issued_at,
        expires_at,
        revoked_at,
        reason,
    }
}

#[tonic::async_trait]
impl Service for Handler {
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewReply>, Status> {
        let caller = caller(&request)?;
        let RenewRequest {
            certificate_request,
        } = request.into_inner();
        let issued = self
            .certificates
            .renew(&caller, certificate_request)
            .await?;
        Ok(Response::new(RenewReply {
            certificate_chain: issued.chain,
            roots: self.credentials.roots(),
        }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let caller = caller(&request)?;
        let ListRequest {} = request.into_inner();
        let reports = self.certificates.list(&caller)?;
        Ok(Response::new(ListReply {
            certificates: reports.into_iter().map(certificate).collect(),
        }))
    }

    async fn revoke(
        &self,
        request: Request<RevokeRequest>,
    ) -> Result<Response<RevokeReply>, Status> {
        let caller = caller(&request)?;
        let RevokeRequest { serial, reason } = request.into_inner();
        self.certificates.revoke(&caller, serial, reason).await?;
        Ok(Response::new(RevokeReply {}))
    }

    async fn revoked(
        &self,
        request: Request<RevokedRequest>,
    ) -> Result<Response<RevokedReply>, Status> {
        caller(&request)?;
        let RevokedRequest {} = request.into_inner();
        let RevocationList { number, lists, .. } = self.certificates.published();
        Ok(Response::new(RevokedReply { number, lists }))
    }
}
