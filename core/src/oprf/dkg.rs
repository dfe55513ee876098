//! Distributed key generation: FROST's DKG (Komlo and Goldberg 2020, figure 1) as a state machine.
//!
//! Each custodian is told of the others by the roster's `Custodians` entry, whose digest binds the
//! run. Two messages go from each custodian to each other one, sealed and signed as envelopes:
//!
//! * [`Message::Round1`]: the commitments, the same to all;
//! * [`Message::Round2`]: the secret share for that one recipient, and the digest of all first-round
//!   packages as the sender saw them. FROST asks for an authenticated broadcast of round 1 and leaves
//!   it to us: whoever showed different commitments to different custodians is found out here, since
//!   the digests then differ.
//!
//! The same two rounds *refresh* the shares of a key ([`Dkg::refresh`]): every polynomial is then zero
//! at 0, so that what is added to the shares changes each of them and leaves the key as it is. Old
//! shares go on computing until they are deleted.
//!
//! The state is serialisable so that the node can seal it in its vault between messages; it holds
//! secrets and must be kept nowhere else.

use std::collections::BTreeMap;

use frost::keys::dkg::{self as frost_dkg, round1, round2};
use frost::keys::refresh;
use frost_ristretto255 as frost;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::threshold::{CustodyKey, KeyShare, Quorum};
use super::{OprfError, frost_keys};
use crate::crypto;
use crate::encoding::{self, Digest};

/// A message between two custodians.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(tag = "round", deny_unknown_fields)]
pub enum Message {
    /// Commitments and proof of knowledge.
    Round1 {
        /// Digest of the roster entry that appointed the custodians.
        run: Digest,
        /// FROST `round1::Package`.
        package: Bytes,
    },
    /// The recipient's secret share.
    Round2 {
        /// Digest of the roster entry that appointed the custodians.
        run: Digest,
        /// Digest of all first-round packages as the sender saw them.
        transcript: Digest,
        /// FROST `round2::Package`.
        package: Bytes,
    },
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Round1 { run, .. } => write!(f, "Round1({})", run.short()),
            Self::Round2 { run, .. } => write!(f, "Round2({}, redacted)", run.short()),
        }
    }
}

/// Bytes that may be secret: zeroised when dropped, base64url in text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes(#[serde(with = "encoding::base64")] Vec<u8>);

impl Bytes {
    /// The bytes.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bytes(redacted)")
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// Why a run fails; names the custodian by share index.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[allow(missing_docs)]
pub enum DkgError {
    #[error("the message belongs to another key generation")]
    OtherRun,
    #[error("custodian {index} is not part of this key generation")]
    NotACustodian { index: u16 },
    #[error("custodian {index} sent a malformed or invalid package")]
    BadPackage { index: u16 },
    #[error("custodian {index} sent two different packages for one round")]
    Equivocated { index: u16 },
    #[error(
        "custodian {index} saw other first-round packages than we did: somebody showed different ones to different custodians"
    )]
    TranscriptDiffers { index: u16 },
    #[error("a key in one hand has no shares that could be refreshed")]
    SingleShare,
    #[error("the share does not fit the key that is to be refreshed")]
    OtherShare,
    #[error("the refreshed shares do not give the key: somebody's first-round package changes it")]
    OtherKey,
    #[error("the key generation failed in the library: {0}")]
    Library(String),
}

impl From<OprfError> for DkgError {
    fn from(error: OprfError) -> Self {
        Self::Library(error.to_string())
    }
}

/// A run in progress, from one custodian's side.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkg {
    run: Digest,
    index: u16,
    threshold: u16,
    custodians: u16,
    /// What is refreshed; nothing in a key generation.
    #[serde(default)]
    refreshed: Option<Held>,
    round1_secret: Option<Bytes>,
    round2_secret: Option<Bytes>,
    round1: BTreeMap<u16, Bytes>,
    round2: BTreeMap<u16, (Digest, Bytes)>,
}

/// The share and key that a refresh starts from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    secret: Bytes,
    key: CustodyKey,
}

/// Messages to send, by recipient's share index.
pub type Outgoing = Vec<(u16, Message)>;

/// The end of a run: our secret share and the public key.
pub struct Outcome {
    /// To be sealed in the vault.
    pub share: KeyShare,
    /// To be signed and published.
    pub key: CustodyKey,
    /// Digest of all first-round packages.
    pub transcript: Digest,
}

impl Dkg {
    /// FROST round 1: draws our polynomial; the messages carry its commitments to every other one.
    pub fn start(
        run: Digest,
        index: u16,
        threshold: u16,
        custodians: u16,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Outgoing), DkgError> {
        if index > custodians {
            return Err(DkgError::NotACustodian { index });
        }
        let drawn = frost_dkg::part1(identifier(index)?, custodians, threshold, rng);
        Self::begin(run, index, (threshold, custodians), None, drawn)
    }

    /// Round 1 of a refresh: draws a polynomial that is zero at 0.
    pub fn refresh(
        run: Digest,
        share: &KeyShare,
        key: &CustodyKey,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Outgoing), DkgError> {
        let custodians = u16::try_from(key.shares.len()).unwrap_or(0);
        if key.threshold < 2 || custodians < 2 {
            return Err(DkgError::SingleShare);
        }
        if !share.fits(key) {
            return Err(DkgError::OtherShare);
        }
        let index = share.index();
        let drawn = refresh::refresh_dkg_part1(identifier(index)?, custodians, key.threshold, rng);
        let held = Held {
            secret: Bytes(share.expose().to_bytes().to_vec()),
            key: key.clone(),
        };
        Self::begin(run, index, (key.threshold, custodians), Some(held), drawn)
    }

    fn begin(
        run: Digest,
        index: u16,
        (threshold, custodians): (u16, u16),
        refreshed: Option<Held>,
        drawn: Result<(round1::SecretPackage, round1::Package), frost::Error>,
    ) -> Result<(Self, Outgoing), DkgError> {
        let (secret, package) = drawn.map_err(library)?;
        let package = Bytes(package.serialize().map_err(library)?);
        let dkg = Self {
            run,
            index,
            threshold,
            custodians,
            refreshed,
            round1_secret: Some(Bytes(secret.serialize().map_err(library)?)),
            round2_secret: None,
            round1: BTreeMap::from([(index, package.clone())]),
            round2: BTreeMap::new(),
        };
        let others = (1..=custodians).filter(|&other| other != index);
        let message = |other| {
            let package = package.clone();
            (other, Message::Round1 { run, package })
        };
        Ok((dkg, others.map(message).collect()))
    }

    /// The roster entry that this run belongs to.
    pub fn run(&self) -> Digest {
        self.run
    }

    /// Takes a message in; gives what is to be sent next. Repeated messages change nothing.
    pub fn receive(&mut self, from: u16, message: Message) -> Result<Outgoing, DkgError> {
        if from == self.index || from == 0 || from > self.custodians {
            return Err(DkgError::NotACustodian { index: from });
        }
        match message {
            Message::Round1 { run, package } => {
                self.check_run(run)?;
                if let Some(known) = self.round1.get(&from) {
                    return repeated(known == &package, from);
                }
                self.check_round1(from, &package)?;
                self.round1.insert(from, package);
                self.second_round()
            }
            Message::Round2 {
                run,
                transcript,
                package,
            } => {
                self.check_run(run)?;
                if let Some(known) = self.round2.get(&from) {
                    return repeated(known == &(transcript, package), from);
                }
                round2::Package::deserialize(&package.0)
                    .map_err(|_| DkgError::BadPackage { index: from })?;
                self.round2.insert(from, (transcript, package));
                Ok(Vec::new())
            }
        }
    }

    /// FROST round 3, once everything is there; `None` while messages are missing.
    pub fn outcome(&self) -> Result<Option<Outcome>, DkgError> {
        let complete = self.round2.len() + 1 == usize::from(self.custodians);
        let Some(secret) = self.round2_secret.as_ref().filter(|_| complete) else {
            return Ok(None);
        };
        let transcript = self.transcript();
        let differs = self
            .round2
            .iter()
            .find(|(_, (theirs, _))| *theirs != transcript);
        if let Some((&index, _)) = differs {
            return Err(DkgError::TranscriptDiffers { index });
        }
        let secret = round2::SecretPackage::deserialize(&secret.0).map_err(library)?;
        let mut packages = BTreeMap::new();
        for (&index, (_, package)) in &self.round2 {
            let package = round2::Package::deserialize(&package.0)
                .map_err(|_| DkgError::BadPackage { index })?;
            packages.insert(identifier(index)?, package);
        }
        let (share, key) = self.last_round(&secret, &packages)?;
        Ok(Some(Outcome {
            share,
            key,
            transcript,
        }))
    }

    fn last_round(
        &self,
        secret: &round2::SecretPackage,
        packages: &BTreeMap<frost::Identifier, round2::Package>,
    ) -> Result<(KeyShare, CustodyKey), DkgError> {
        let round1 = self.others_round1()?;
        let (own, public) = match &self.refreshed {
            None => frost_dkg::part3(secret, &round1, packages),
            Some(held) => {
                let share = KeyShare::from_bytes(self.index, &held.secret.0)?;
                let public = frost_keys::public_package(&held.key)?;
                let own = frost_keys::key_package(&share, &held.key)?;
                refresh::refresh_dkg_shares(secret, &round1, packages, public, own)
            }
        }
        .map_err(|e| self.blame(e))?;
        let key = frost_keys::custody_key(&public, self.threshold, self.custodians)?;
        let share = frost_keys::key_share(&own, self.index)?;
        // The library adds what it got; whether key and share came out as they must is seen here.
        if let Some(held) = &self.refreshed {
            let quorum = Quorum::new(1..=self.threshold, self.threshold)?;
            let same = key.group == held.key.group && key.verify_quorum(&quorum).is_ok();
            if !same || !share.fits(&key) {
                return Err(DkgError::OtherKey);
            }
        }
        Ok((share, key))
    }

    /// FROST round 2, as soon as every first-round package is there.
    fn second_round(&mut self) -> Result<Outgoing, DkgError> {
        if self.round1.len() < usize::from(self.custodians) {
            return Ok(Vec::new());
        }
        let Some(secret) = self.round1_secret.as_ref() else {
            return Ok(Vec::new());
        };
        let secret = round1::SecretPackage::deserialize(&secret.0).map_err(library)?;
        let round1 = self.others_round1()?;
        let (secret, packages) = match &self.refreshed {
            None => frost_dkg::part2(secret, &round1),
            Some(_) => refresh::refresh_dkg_part2(secret, &round1),
        }
        .map_err(|e| self.blame(e))?;
        self.round2_secret = Some(Bytes(secret.serialize().map_err(library)?));
        self.round1_secret = None;
        let (run, transcript) = (self.run, self.transcript());
        let mut outgoing = Vec::new();
        for index in (1..=self.custodians).filter(|&index| index != self.index) {
            let package = packages
                .get(&identifier(index)?)
                .ok_or(DkgError::NotACustodian { index })?;
            let package = Bytes(package.serialize().map_err(library)?);
            outgoing.push((
                index,
                Message::Round2 {
                    run,
                    transcript,
                    package,
                },
            ));
        }
        Ok(outgoing)
    }

    fn check_run(&self, run: Digest) -> Result<(), DkgError> {
        if run == self.run {
            Ok(())
        } else {
            Err(DkgError::OtherRun)
        }
    }

    /// The library counts the commitments too, but does not say whose are too few or too many.
    fn check_round1(&self, from: u16, package: &Bytes) -> Result<(), DkgError> {
        let bad = |_| DkgError::BadPackage { index: from };
        let package = round1::Package::deserialize(&package.0).map_err(bad)?;
        let commitments = package.commitment().serialize().map_err(bad)?.len();
        // The commitment to the constant term of a refresh, which is zero, is left out.
        let constant = u16::from(self.refreshed.is_none());
        if commitments == usize::from(self.threshold - 1 + constant) {
            Ok(())
        } else {
            Err(DkgError::BadPackage { index: from })
        }
    }

    fn transcript(&self) -> Digest {
        let fields: Vec<&[u8]> = std::iter::once(self.run.0.as_slice())
            .chain(self.round1.values().map(|package| package.0.as_slice()))
            .collect();
        crypto::digest("symbolon dkg transcript v1", &fields)
    }

    fn others_round1(&self) -> Result<BTreeMap<frost::Identifier, round1::Package>, DkgError> {
        let others = self
            .round1
            .iter()
            .filter(|(index, _)| **index != self.index);
        others
            .map(|(&index, package)| {
                let package = round1::Package::deserialize(&package.0)
                    .map_err(|_| DkgError::BadPackage { index })?;
                Ok((identifier(index)?, package))
            })
            .collect()
    }

    /// The library names culprits by identifier; we by share index.
    fn blame(&self, error: frost::Error) -> DkgError {
        let culprits = error.culprits();
        let index = (1..=self.custodians)
            .find(|&index| identifier(index).is_ok_and(|id| culprits.contains(&id)));
        match index {
            Some(index) => DkgError::BadPackage { index },
            None => library(error),
        }
    }
}

fn repeated(same: bool, index: u16) -> Result<Outgoing, DkgError> {
    if same {
        Ok(Vec::new())
    } else {
        Err(DkgError::Equivocated { index })
    }
}

fn identifier(index: u16) -> Result<frost::Identifier, DkgError> {
    index
        .try_into()
        .map_err(|_| DkgError::NotACustodian { index })
}

fn library(error: frost::Error) -> DkgError {
    DkgError::Library(error.to_string())
}
