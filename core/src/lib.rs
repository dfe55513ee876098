//! Protocol, cryptography and linkage of Symbolon: bytes in, bytes out.
//!
//! This crate is the pure core. It names no runtime, no transport and no store; clocks and
//! randomness are passed in. What only a node may do (blinding, finalising, sealing and opening
//! payloads, reading records) stands behind the `node` feature, so that the hub, which is built
//! without it, cannot even name those types.
//!
//! | Module | Room |
//! |---|---|
//! | [`crypto`] | hashes, MACs, AEAD and signatures: the one module that names `ring` |
//! | [`encoding`] | injective length-prefixed encoding, hexadecimal digests |
//! | [`identity`] | names and kinds of agencies, their keys, the URI in their certificates |
//! | [`roster`] | the append-only chain of signed entries that says who is a member |
//! | [`invitation`] | the one-time invitation that an agency enrols with |
//! | [`agreement`] | data sharing agreements: what is proposed, what members say, versions and epochs |
//! | [`row`] | what the hub stores: token, handle, sealed payload, expiry |
//! | [`sealed_file`] | a secret in a file, under a passphrase or a key file |
//! | [`log`] | the RFC 9162 Merkle log and its signed checkpoint |
//! | `oprf` | RFC 9497 VOPRF over ristretto255, threshold evaluation, FROST key generation |
//! | `token` | from root to token and lock under one agreement |
//! | `payload` | the match-locked payload |
//! | [`envelope`] | the outside of a message from node to node |
//! | `sealing` | its inside: HPKE, padding |
//! | `custody` | requests to custodians and their statements of the key |
//! | `quota` | the token bucket that a custodian keeps for each agency |
//! | `comparison` | two records compared field by field by two nodes, in three messages |
//! | `linkage` | normalising, linkage keys, score |

pub mod agreement;
pub mod crypto;
pub mod encoding;
pub mod envelope;
pub mod identity;
pub mod invitation;
pub mod log;
pub mod roster;
pub mod row;
pub mod sealed_file;

#[cfg(feature = "node")]
pub mod comparison;
#[cfg(feature = "node")]
pub mod custody;
#[cfg(feature = "node")]
pub mod linkage;
#[cfg(feature = "node")]
pub mod oprf;
#[cfg(feature = "node")]
pub mod payload;
#[cfg(feature = "node")]
pub mod quota;
#[cfg(feature = "node")]
pub mod sealing;
#[cfg(feature = "node")]
pub mod token;
