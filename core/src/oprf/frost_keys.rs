//! Our keys as FROST's types and back, in one place.
//!
//! Refresh and repair work on FROST's key packages; what we keep are a share and a [`CustodyKey`].

use std::collections::BTreeMap;

use frost::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_ristretto255 as frost;
use zeroize::Zeroizing;

use super::OprfError;
use super::threshold::{CustodyKey, Element, KeyShare};

/// FROST's name for a share index.
pub(super) fn identifier(index: u16) -> Result<frost::Identifier, OprfError> {
    index.try_into().map_err(|_| OprfError::BadKey)
}

/// The public side as FROST has it.
pub(super) fn public_package(key: &CustodyKey) -> Result<PublicKeyPackage, OprfError> {
    let mut shares = BTreeMap::new();
    for (&index, share) in &key.shares {
        shares.insert(identifier(index)?, verifying_share(share)?);
    }
    Ok(PublicKeyPackage::new(
        shares,
        verifying_key(key)?,
        Some(key.threshold),
    ))
}

/// A custodian's secret as FROST has it.
pub(super) fn key_package(share: &KeyShare, key: &CustodyKey) -> Result<KeyPackage, OprfError> {
    let secret = Zeroizing::new(share.expose().to_bytes());
    let secret = SigningShare::deserialize(secret.as_slice()).map_err(|_| OprfError::BadKey)?;
    let public = key.shares.get(&share.index()).ok_or(OprfError::BadKey)?;
    Ok(KeyPackage::new(
        identifier(share.index())?,
        secret,
        verifying_share(public)?,
        verifying_key(key)?,
        key.threshold,
    ))
}

/// The public side as we keep it.
pub(super) fn custody_key(
    public: &PublicKeyPackage,
    threshold: u16,
    custodians: u16,
) -> Result<CustodyKey, OprfError> {
    let mut shares = BTreeMap::new();
    for index in 1..=custodians {
        let share = public.verifying_shares().get(&identifier(index)?);
        let share = share.ok_or(OprfError::BadKey)?.serialize();
        shares.insert(index, element(&share.map_err(|_| OprfError::BadKey)?)?);
    }
    let group = public.verifying_key().serialize();
    Ok(CustodyKey {
        threshold,
        group: element(&group.map_err(|_| OprfError::BadKey)?)?,
        shares,
    })
}

/// A custodian's secret as we keep it.
pub(super) fn key_share(own: &KeyPackage, index: u16) -> Result<KeyShare, OprfError> {
    let secret = Zeroizing::new(own.signing_share().serialize());
    KeyShare::from_bytes(index, &secret)
}

fn verifying_share(element: &Element) -> Result<VerifyingShare, OprfError> {
    VerifyingShare::deserialize(&element.0).map_err(|_| OprfError::BadKey)
}

fn verifying_key(key: &CustodyKey) -> Result<frost::VerifyingKey, OprfError> {
    frost::VerifyingKey::deserialize(&key.group.0).map_err(|_| OprfError::BadKey)
}

fn element(bytes: &[u8]) -> Result<Element, OprfError> {
    Ok(Element(bytes.try_into().map_err(|_| OprfError::BadKey)?))
}
