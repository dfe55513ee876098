//! Certificates, as an administrator lists and revokes them.

use serde::Serialize;
use symbolon_proto::certificates::certificates_client::CertificatesClient;
use symbolon_proto::certificates::{Certificate, ListRequest, RevokeRequest, RevokedRequest};

use super::{Admin, AdminError, MAX_REPLY_BYTES, refused};

/// A certificate that the hub remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct CertificateReport {
    pub subject: String,
    pub serial: String,
    pub issued_at: i64,
    pub expires_at: i64,
    pub revoked_at: i64,
    pub reason: String,
}

impl Admin {
    /// Certificates that have not ended long ago, and all that were revoked.
    pub async fn certificates(&self) -> Result<Vec<CertificateReport>, AdminError> {
        let mut hub = CertificatesClient::new(self.channel().await?)
            .max_decoding_message_size(MAX_REPLY_BYTES);
        let reply = hub.list(ListRequest {}).await.map_err(refused)?;
        let all = reply.into_inner().certificates.into_iter();
        Ok(all.map(report).collect())
    }

    /// Revokes one certificate; its connections end at once.
    pub async fn revoke_certificate(&self, serial: &str, reason: &str) -> Result<(), AdminError> {
        let mut hub = CertificatesClient::new(self.channel().await?);
        let request = RevokeRequest {
            serial: serial.to_owned(),
            reason: reason.to_owned(),
        };
        hub.revoke(request).await.map_err(refused)?;
        Ok(())
    }

    /// Number and DER of the lists of revoked certificates.
    pub async fn revoked(&self) -> Result<(u64, Vec<Vec<u8>>), AdminError> {
        let mut hub = CertificatesClient::new(self.channel().await?);
        let reply = hub.revoked(RevokedRequest {}).await.map_err(refused)?;
        let reply = reply.into_inner();
        Ok((reply.number, reply.lists))
    }
}

fn report(certificate: Certificate) -> CertificateReport {
    let Certificate {
        subject,
        serial,
        issued_at,
        expires_at,
        revoked_at,
        reason,
    } = certificate;
    CertificateReport {
        subject,
        serial,
        issued_at,
        expires_at,
        revoked_at,
        reason,
    }
}
