//! A custodian's lost share, made again by others: the repairable threshold scheme of Laing and
//! Stinson (eprint 2017/1155) as FROST has it.
//!
//! 1. Each helper splits its weighted share into a [`deltas`] value for each helper.
//! 2. Each helper adds up what it got and sends the sum, [`sigma`], to the one who lost its share.
//! 3. The sums add up to the lost share ([`repaired`]).
//!
//! No helper learns the share, and no fewer than all helpers' sums tell anything of it. The library
//! does not check what comes out; here it is held against the public share before it is used. Whose
//! sum was wrong cannot be told from that: the scheme has no proofs.

use std::collections::BTreeMap;

use frost::keys::repairable::{
    Delta, Sigma, repair_share_part1, repair_share_part2, repair_share_part3,
};
use frost_ristretto255 as frost;
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;

use super::dkg::Bytes;
use super::threshold::{CustodyKey, KeyShare};
use super::{OprfError, frost_keys};

/// Why a share is not repaired.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[allow(missing_docs)]
pub enum RepairError {
    #[error(
        "the helpers must be as many custodians as are needed to evaluate, and not the one who lost its share"
    )]
    Helpers,
    #[error("a value of the repair is malformed")]
    Malformed,
    #[error("the repaired share does not fit its public share: a helper answered wrongly")]
    DoesNotFit,
    #[error(transparent)]
    Key(#[from] OprfError),
}

/// Step 1, at a helper: what each helper, itself included, is to get.
pub fn deltas(
    helpers: &[u16],
    lost: u16,
    share: &KeyShare,
    key: &CustodyKey,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<BTreeMap<u16, Bytes>, RepairError> {
    let sound = helpers.len() == usize::from(key.threshold)
        && !helpers.contains(&lost)
        && helpers.contains(&share.index())
        && key.shares.contains_key(&lost);
    if !sound {
        return Err(RepairError::Helpers);
    }
    let identifiers = helpers
        .iter()
        .map(|&helper| frost_keys::identifier(helper))
        .collect::<Result<Vec<_>, _>>()?;
    let own = frost_keys::key_package(share, key)?;
    let lost = frost_keys::identifier(lost)?;
    let made = repair_share_part1::<frost::Ristretto255Sha512, _>(&identifiers, &own, rng, lost)
        .map_err(|_| RepairError::Helpers)?;
    let mut deltas = BTreeMap::new();
    for (&helper, identifier) in helpers.iter().zip(&identifiers) {
        let delta = made.get(identifier).ok_or(RepairError::Helpers)?;
        deltas.insert(helper, Bytes::from(delta.serialize()));
    }
    Ok(deltas)
}

/// Step 2, at a helper: the sum of what all helpers sent it.
pub fn sigma<'a>(deltas: impl IntoIterator<Item = &'a Bytes>) -> Result<Bytes, RepairError> {
    let deltas = deltas
        .into_iter()
        .map(|delta| Delta::deserialize(delta.expose()).map_err(|_| RepairError::Malformed))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Bytes::from(repair_share_part2(&deltas).serialize()))
}

/// Step 3, at the one who lost its share: the share, if it fits its public share.
pub fn repaired<'a>(
    sigmas: impl IntoIterator<Item = &'a Bytes>,
    lost: u16,
    key: &CustodyKey,
) -> Result<KeyShare, RepairError> {
    let sigmas = sigmas
        .into_iter()
        .map(|sigma| Sigma::deserialize(sigma.expose()).map_err(|_| RepairError::Malformed))
        .collect::<Result<Vec<_>, _>>()?;
    let public = frost_keys::public_package(key)?;
    let own = repair_share_part3(&sigmas, frost_keys::identifier(lost)?, &public)
        .map_err(|_| RepairError::Malformed)?;
    let share = frost_keys::key_share(&own, lost)?;
    if share.fits(key) {
        Ok(share)
    } else {
        Err(RepairError::DoesNotFit)
    }
}
