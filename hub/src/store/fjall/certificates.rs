//! Certificates, revocations and the published list.

use crate::store::fjall::Read;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::AgencyName;

use super::codec::{member_prefix, parse_name};
use super::{Fault, Spaces, Write};
use crate::certificates::{REMEMBERED_S, RevocationList};
use crate::store::{IssuedCertificate, Revocation, StoreError};

const LIST: &str = "revocation-list";

pub fn certificates(
    read: &impl Read,
    spaces: &Spaces,
) -> Result<Vec<(AgencyName, IssuedCertificate)>, Fault> {
    let all = read.iter(&spaces.certificates).map(|guard| {
        let (key, value) = guard?;
        parse(&key, &value).ok_or(Fault::Damaged("a certificate is malformed"))
    });
    all.collect()
}

pub fn revocations(read: &impl Read, spaces: &Spaces) -> Result<Vec<Revocation>, Fault> {
    let all = read.iter(&spaces.revocations).map(|guard| {
        let (key, value) = guard?;
        let parsed = parse_revocation(&key, &value);
        parsed.ok_or(Fault::Damaged("a revocation is malformed"))
    });
    all.collect()
}

pub fn list(read: &impl Read, spaces: &Spaces) -> Result<RevocationList, Fault> {
    match read.get(&spaces.meta, LIST)? {
        None => Ok(RevocationList::default()),
        Some(value) => parse_list(&value).ok_or(Fault::Damaged(
            "the list of revoked certificates is malformed",
        )),
    }
}

pub(super) fn parse(key: &[u8], value: &[u8]) -> Option<(AgencyName, IssuedCertificate)> {
    agency_of(key).zip(parse_certificate(value))
}

fn certificate_key(agency: &AgencyName, serial: &str) -> Vec<u8> {
    let mut key = member_prefix(agency);
    key.extend_from_slice(serial.as_bytes());
    key
}

fn agency_of(key: &[u8]) -> Option<AgencyName> {
    parse_name(key.split(|byte| *byte == 0).next()?)
}

fn certificate_value(certificate: &IssuedCertificate) -> Vec<u8> {
    let issued_at = certificate.issued_at.to_be_bytes();
    let expires_at = certificate.expires_at.to_be_bytes();
    let mut fields: Vec<&[u8]> = vec![
        certificate.serial.as_bytes(),
        &issued_at,
        &expires_at,
        &certificate.request.0,
    ];
    fields.extend(certificate.chain.iter().map(Vec::as_slice));
    encoding::parts(&fields)
}

fn parse_certificate(bytes: &[u8]) -> Option<IssuedCertificate> {
    let fields = encoding::split_parts(bytes)?;
    let [serial, issued_at, expires_at, request, chain @ ..] = fields.as_slice() else {
        return None;
    };
    Some(IssuedCertificate {
        serial: text(serial)?,
        issued_at: moment(issued_at)?,
        expires_at: moment(expires_at)?,
        request: Digest((*request).try_into().ok()?),
        chain: chain.iter().map(|der| der.to_vec()).collect(),
    })
}

fn revocation_value(revocation: &Revocation) -> Vec<u8> {
    encoding::parts(&[
        revocation.subject.to_string().as_bytes(),
        &revocation.expires_at.to_be_bytes(),
        &revocation.at.to_be_bytes(),
        revocation.reason.as_bytes(),
    ])
}

pub(super) fn parse_revocation(key: &[u8], value: &[u8]) -> Option<Revocation> {
    let fields = encoding::split_parts(value)?;
    let [subject, expires_at, at, reason] = fields.as_slice() else {
        return None;
    };
    Some(Revocation {
        serial: text(key)?,
        subject: text(subject)?.parse().ok()?,
        expires_at: moment(expires_at)?,
        at: moment(at)?,
        reason: text(reason)?,
    })
}

fn parse_list(value: &[u8]) -> Option<RevocationList> {
    let fields = encoding::split_parts(value)?;
    let [number, at, lists @ ..] = fields.as_slice() else {
        return None;
    };
    Some(RevocationList {
        number: u64::from_be_bytes((*number).try_into().ok()?),
        at: moment(at)?,
        lists: lists.iter().map(|der| der.to_vec()).collect(),
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(bytes).ok()?.to_owned())
}

fn moment(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

impl Write<'_> {
    pub fn certify(
        &mut self,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
    ) -> Result<(), Fault> {
        let space = &self.spaces.certificates;
        let ended = certificate.issued_at - REMEMBERED_S;
        let mut over = Vec::new();
        for guard in self.tx.prefix(space, member_prefix(agency)) {
            let (key, value) = guard?;
            let known = parse_certificate(&value);
            let known = known.ok_or(Fault::Damaged("a certificate is malformed"))?;
            if known.expires_at < ended {
                over.push(key);
            }
        }
        for key in over {
            self.tx.remove(space, key);
        }
        self.keep_certificate(agency, certificate);
        Ok(())
    }

    pub fn keep_certificate(&mut self, agency: &AgencyName, certificate: &IssuedCertificate) {
        let key = certificate_key(agency, &certificate.serial);
        let value = certificate_value(certificate);
        self.tx.insert(&self.spaces.certificates, key, value);
    }

    pub fn revoke(&mut self, revocations: &[Revocation]) {
        for revocation in revocations {
            let key = revocation.serial.as_bytes();
            let space = &self.spaces.revocations;
            self.tx.insert(space, key, revocation_value(revocation));
        }
    }

    pub fn publish_list(&mut self, published: &RevocationList) -> Result<(), Fault> {
        let last = list(&self.tx, self.spaces)?;
        if published.number != last.number + 1 || published.at < last.at {
            return Err(Fault::Refused(StoreError::Conflict));
        }
        self.keep_list(published);
        Ok(())
    }

    pub fn keep_list(&mut self, published: &RevocationList) {
        let (number, at) = (published.number.to_be_bytes(), published.at.to_be_bytes());
        let mut fields: Vec<&[u8]> = vec![&number, &at];
        fields.extend(published.lists.iter().map(Vec::as_slice));
        let value = encoding::parts(&fields);
        self.tx.insert(&self.spaces.meta, LIST, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(
            key in proptest::collection::vec(any::<u8>(), 0..80),
            value in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = agency_of(&key);
            let _ = parse_certificate(&value);
            let _ = parse_revocation(&key, &value);
            let _ = parse_list(&value);
        }
    }
}
