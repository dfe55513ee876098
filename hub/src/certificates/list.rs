//! The list of revoked certificates (CRL, RFC 5280 section 5): one for each issuer.
//!
//! Numbers rise and no list is older than the one before it, whatever the clock does. An entry stays
//! until its certificate has ended, and a day beyond, as section 3.3 asks for one list after it.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use time::OffsetDateTime;

use super::{Authority, CertificateError, pem};
use crate::store::Revocation;

/// A verifier refuses everybody when the list is older than this.
pub const LIST_LIFE_S: i64 = 86_400;
/// Entries outlive their certificates by this.
const KEPT_S: i64 = 86_400;

/// A published list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    /// From 1, rising.
    pub number: u64,
    /// Unix seconds; what it says holds from here on.
    pub at: i64,
    /// One for each issuer whose certificates may still be about, DER.
    pub lists: Vec<Vec<u8>>,
}

impl RevocationList {
    /// The list after this one.
    pub fn next<'a>(
        &self,
        authorities: &[Authority],
        revocations: impl Iterator<Item = &'a Revocation>,
        now: i64,
    ) -> Result<Self, CertificateError> {
        let (number, at) = (self.number + 1, now.max(self.at));
        let current = revocations.filter(|revocation| revocation.expires_at + KEPT_S >= at);
        let revoked_certs = current.map(entry).collect::<Result<Vec<_>, _>>()?;
        let params = CertificateRevocationListParams {
            this_update: moment(at)?,
            next_update: moment(at + LIST_LIFE_S)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let lists = authorities.iter().map(|authority| {
            let list = params.signed_by(&authority.issuer)?;
            Ok(list.der().to_vec())
        });
        let lists = lists.collect::<Result<_, CertificateError>>()?;
        Ok(Self { number, at, lists })
    }

    /// All of it as PEM.
    pub fn to_pem(&self) -> String {
        let blocks = self.lists.iter().map(|der| pem("X509 CRL", der));
        blocks.collect()
    }
}

fn entry(revocation: &Revocation) -> Result<RevokedCertParams, CertificateError> {
    let serial = data_encoding::HEXLOWER.decode(revocation.serial.as_bytes());
    let serial = serial.map_err(|_| CertificateError::Malformed)?;
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: moment(revocation.at)?,
        reason_code: None,
        invalidity_date: None,
    })
}

fn moment(at: i64) -> Result<OffsetDateTime, CertificateError> {
    OffsetDateTime::from_unix_timestamp(at).map_err(|_| CertificateError::Malformed)
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{CertificateRevocationList, FromDer};

    use super::super::Hierarchy;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn revocation(serial: &str, expires_at: i64) -> Revocation {
        Revocation {
            serial: serial.into(),
            subject: "symbolon://north/harbour".parse().unwrap(),
            expires_at,
            at: NOW,
            reason: "lost".into(),
        }
    }

    #[test]
    fn numbers_rise_and_entries_stay_until_the_certificate_has_ended() {
        let consortium = "north".parse().unwrap();
        let administrator = "ada".parse().unwrap();
        let made = Hierarchy::make(&consortium, &administrator, &["localhost".into()], NOW);
        let made = made.unwrap();
        let authority = Authority::from_pem(&made.issuer_pem, &made.issuer_key_pem).unwrap();
        let revoked = [
            revocation("4a01", NOW + 10),
            revocation("4a02", NOW + 999_999),
        ];
        let mut last = RevocationList::default();
        let moments = [
            (NOW, NOW, 2),
            (NOW + 10 + KEPT_S, NOW + 10 + KEPT_S, 2),
            // The clock was set back: the list says no earlier moment than the one before it.
            (NOW - 5_000, NOW + 10 + KEPT_S, 2),
            (NOW + 11 + KEPT_S, NOW + 11 + KEPT_S, 1),
        ];
        for (now, at, entries) in moments {
            let next = last.next(std::slice::from_ref(&authority), revoked.iter(), now);
            let next = next.unwrap();
            assert_eq!((next.number, next.at), (last.number + 1, at));
            let (rest, parsed) = CertificateRevocationList::from_der(&next.lists[0]).unwrap();
            assert!(rest.is_empty());
            assert_eq!(parsed.crl_number().unwrap(), &next.number.into());
            assert_eq!(parsed.last_update().timestamp(), at);
            assert_eq!(parsed.iter_revoked_certificates().count(), entries);
            last = next;
        }
        assert!(last.to_pem().starts_with("-----BEGIN X509 CRL-----\n"));
    }
}
