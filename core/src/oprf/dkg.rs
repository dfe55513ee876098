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
//! The state is serialisable so that the node can seal it in its vault between messages; it holds
//! secrets and must be kept nowhere else.

use std::collections::BTreeMap;

use frost::keys::dkg::{self as frost_dkg, round1, round2};
use frost_ristretto255 as frost;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::threshold::{CustodyKey, Element, KeyShare};
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
    #[error("the key generation failed in the library: {0}")]
    Library(String),
}

/// A run in progress, from one custodian's side.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkg {
    run: Digest,
    index: u16,
    threshold: u16,
    custodians: u16,
    round1_secret: Option<Bytes>,
    round2_secret: Option<Bytes>,
    round1: BTreeMap<u16, Bytes>,
    round2: BTreeMap<u16, (Digest, Bytes)>,
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
        let identifier = identifier(index)?;
        let (secret, package) =
            frost_dkg::part1(identifier, custodians, threshold, rng).map_err(library)?;
        let package = Bytes(package.serialize().map_err(library)?);
        let dkg = Self {
            run,
            index,
            threshold,
            custodians,
            round1_secret: Some(Bytes(secret.serialize().map_err(library)?)),
            round2_secret: None,
            round1: BTreeMap::from([(index, package.clone())]),
            round2: BTreeMap::new(),
        };
        let others = (1..=custodians).filter(|&other| other != index);
        let outgoing = others
            .map(|other| {
                (
                    other,
                    Message::Round1 {
                        run,
                        package: package.clone(),
                    },
                )
            })
            .collect();
        Ok((dkg, outgoing))
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
        let (own, public) = frost_dkg::part3(&secret, &self.others_round1()?, &packages)
            .map_err(|e| self.blame(e))?;
        let secret = Zeroizing::new(own.signing_share().serialize());
        let share = KeyShare::from_bytes(self.index, &secret)
            .map_err(|e| DkgError::Library(e.to_string()))?;
        let mut shares = BTreeMap::new();
        for index in 1..=self.custodians {
            let verifying = public
                .verifying_shares()
                .get(&identifier(index)?)
                .ok_or(DkgError::BadPackage { index })?;
            shares.insert(index, element(&verifying.serialize().map_err(library)?)?);
        }
        let group = element(&public.verifying_key().serialize().map_err(library)?)?;
        let key = CustodyKey {
            threshold: self.threshold,
            group,
            shares,
        };
        Ok(Some(Outcome {
            share,
            key,
            transcript,
        }))
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
        let (secret, packages) =
            frost_dkg::part2(secret, &self.others_round1()?).map_err(|e| self.blame(e))?;
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
        if commitments == usize::from(self.threshold) {
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

fn element(bytes: &[u8]) -> Result<Element, DkgError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| DkgError::Library("an element has the wrong length".to_owned()))?;
    Ok(Element(bytes))
}

fn library(error: frost::Error) -> DkgError {
    DkgError::Library(error.to_string())
}
