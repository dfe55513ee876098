//! What a store keeps, in a form of no store: for carrying all of it from one to another.
//!
//! A store gives its pieces in pages and takes pages of another's, each with a mark of how far it is in
//! one atomic write. While the mark is there, a hub refuses the store: it holds a part only.
//!
//! Left out is what follows from the rest, so that each store derives it anew: live rows of a token,
//! rows by their last month, how much is in a mailbox, which envelopes wait. So is where the last look for
//! expired rows stopped; the next one begins at the front.

use serde::{Deserialize, Serialize};
use symbolon_core::agreement::{self, Acceptance, Proposal};
use symbolon_core::crypto;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::AgencyName;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{AgreementEpoch, ExpiryMonth, Handle, Holdings, SealedPayload, Token};

use super::fjall::codec::item_value;
use super::{IssuedCertificate, Item, Revocation, Statement, Store, StoreError};
use crate::certificates::RevocationList;
use crate::log::LogEntry;

/// A kind of piece. They are carried over in this order; some build on those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Entries of the roster.
    Roster,
    /// Entries that lack approvals.
    Waiting,
    /// Agreements.
    Agreements,
    /// Members' acceptances.
    Acceptances,
    /// What members stated about agreements.
    Declarations,
    /// Proposals that lack approvals.
    Proposals,
    /// Custodians' statements.
    Statements,
    /// Agencies' certificates.
    Certificates,
    /// Revocations.
    Revocations,
    /// The published list of revoked certificates.
    RevocationList,
    /// Rows, open and silent.
    Rows,
    /// Pairs of rows of which an owner was told.
    Links,
    /// Members' counts and digests.
    Holdings,
    /// Numbers of mailboxes.
    Mailboxes,
    /// What waits in them.
    Mail,
    /// What owners of silent rows may have to be told.
    Untold,
    /// The transparency log.
    Log,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 17] = [
        Self::Roster,
        Self::Waiting,
        Self::Agreements,
        Self::Acceptances,
        Self::Declarations,
        Self::Proposals,
        Self::Statements,
        Self::Certificates,
        Self::Revocations,
        Self::RevocationList,
        Self::Rows,
        Self::Links,
        Self::Holdings,
        Self::Mailboxes,
        Self::Mail,
        Self::Untold,
        Self::Log,
    ];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Roster => "roster entries",
            Self::Waiting => "waiting entries",
            Self::Agreements => "agreements",
            Self::Acceptances => "acceptances",
            Self::Declarations => "declarations",
            Self::Proposals => "proposals",
            Self::Statements => "custody statements",
            Self::Certificates => "certificates",
            Self::Revocations => "revocations",
            Self::RevocationList => "revocation list",
            Self::Rows => "rows",
            Self::Links => "links",
            Self::Holdings => "holdings",
            Self::Mailboxes => "mailboxes",
            Self::Mail => "mail",
            Self::Untold => "untold",
            Self::Log => "log entries",
        }
    }
}

/// One thing that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Of [`Kind::Roster`], by its number.
    Roster(u64, SignedEntry),
    /// Of [`Kind::Waiting`].
    Waiting(SignedEntry),
    /// Of [`Kind::Agreements`].
    Agreement(Proposal),
    /// Of [`Kind::Acceptances`]: the agreement, whose.
    Acceptance(Digest, AgencyName, Acceptance),
    /// Of [`Kind::Declarations`]: the agreement, and the place in the order from 0.
    Declaration(Digest, u64, agreement::Statement),
    /// Of [`Kind::Proposals`].
    Proposal(Proposal),
    /// Of [`Kind::Statements`]: custody epoch and generation, whose.
    Statement((u32, u32), AgencyName, Statement),
    /// Of [`Kind::Certificates`].
    Certificate(AgencyName, IssuedCertificate),
    /// Of [`Kind::Revocations`].
    Revocation(Revocation),
    /// Of [`Kind::RevocationList`]; none before the first is published.
    RevocationList(RevocationList),
    /// Of [`Kind::Rows`].
    Row(AgencyName, HeldRow),
    /// Of [`Kind::Links`].
    Link(Link),
    /// Of [`Kind::Holdings`].
    Holdings(AgencyName, Holdings),
    /// Of [`Kind::Mailboxes`]: the last number that was ever given.
    Mailbox(AgencyName, u64),
    /// Of [`Kind::Mail`].
    Mail(Mail),
    /// Of [`Kind::Untold`]; their order is when they came.
    Untold(UntoldRow),
    /// Of [`Kind::Log`], by its number.
    Log(u64, LogEntry),
}

/// A row as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRow {
    /// Of the agreement.
    pub epoch: AgreementEpoch,
    /// What is compared.
    pub token: Token,
    /// The owner's name for it.
    pub handle: Handle,
    /// Its last month.
    pub expiry: ExpiryMonth,
    /// How it takes part in joins.
    pub part: Part,
}

/// How a row takes part in joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Both sides are told.
    Open(SealedPayload),
    /// Its owner is told.
    Silent(SealedPayload),
    /// A silent row of a token of which its owner has too many.
    Unwatched,
}

/// That the owner of a row was told of another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who was told.
    pub member: AgencyName,
    /// About which of its rows.
    pub own: Handle,
    /// Whose row it met.
    pub other: AgencyName,
    /// That row.
    pub handle: Handle,
    /// Whether the other was told too.
    pub other_notified: bool,
}

/// An item in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// For whom.
    pub member: AgencyName,
    /// Its number.
    pub sequence: u64,
    /// Whether it is about a silent row, and counts apart.
    pub silent: bool,
    /// What.
    pub item: Item,
}

/// Something of which owners of silent rows may have to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UntoldRow {
    /// An open row was stored.
    Stored(AgencyName, Handle),
    /// Somebody asked with a row.
    Asked(AgencyName, AgreementEpoch, Token, Handle, SealedPayload),
    /// An open row is no more.
    Gone(AgencyName, AgreementEpoch, Token, Handle),
}

/// Some pieces of one kind.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the store's order.
    pub pieces: Vec<Piece>,
    /// Where to go on, in words of the store that gave it; none at the end.
    pub next: Option<Vec<u8>>,
}

/// How far a store is in taking another's pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What they come from, as it was at the beginning.
    pub origin: Digest,
    /// The kind that is being taken; none when all are there and only the comparison is left.
    pub kind: Option<Kind>,
    /// Where the next page of it begins, in words of the store that gives.
    #[serde(with = "place")]
    pub after: Option<Vec<u8>>,
}

mod place {
    use data_encoding::HEXLOWER;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(place: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        place.as_ref().map(|key| HEXLOWER.encode(key)).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let decoded = text.map(|text| HEXLOWER.decode(text.as_bytes()));
        decoded.transpose().map_err(de::Error::custom)
    }
}

/// A store whose content can be carried over. Nobody else changes it meanwhile.
pub trait Transfer: Store {
    /// Brings what only this kind of store has into a form that all have. The hub would do it next anyway.
    fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// About `limit` pieces of a kind, from where an earlier page stopped.
    fn pieces(&self, kind: Kind, after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError>;
    /// How far it is in taking another's pieces, if it has begun and has not ended.
    fn progress(&self) -> Result<Option<Progress>, StoreError>;
    /// Takes pieces over and marks how far it is, in one atomic write.
    fn take(&self, pieces: Vec<Piece>, progress: &Progress) -> Result<(), StoreError>;
    /// Removes the mark: from now on a hub may open it.
    fn finish(&self) -> Result<(), StoreError>;
}

impl Piece {
    /// Its bytes, the same from every store. `place` is where it stands among those of its kind.
    fn bytes(&self, place: u64) -> Result<Vec<u8>, serde_json::Error> {
        fn name(agency: &AgencyName) -> &[u8] {
            agency.as_str().as_bytes()
        }
        let parts = encoding::parts;
        Ok(match self {
            Self::Roster(number, entry) => {
                parts(&[&number.to_be_bytes(), &serde_json::to_vec(entry)?])
            }
            Self::Waiting(entry) => serde_json::to_vec(entry)?,
            Self::Agreement(proposal) | Self::Proposal(proposal) => serde_json::to_vec(proposal)?,
            Self::Acceptance(agreement, agency, acceptance) => {
                parts(&[&agreement.0, name(agency), &serde_json::to_vec(acceptance)?])
            }
            Self::Declaration(agreement, number, statement) => parts(&[
                &agreement.0,
                &number.to_be_bytes(),
                &serde_json::to_vec(statement)?,
            ]),
            Self::Statement((epoch, generation), custodian, Statement { body, signature }) => {
                let (epoch, generation) = (epoch.to_be_bytes(), generation.to_be_bytes());
                parts(&[&epoch, &generation, name(custodian), body, &signature.0])
            }
            Self::Certificate(agency, certificate) => certificate.bytes(agency),
            Self::Revocation(revocation) => revocation.bytes(),
            Self::RevocationList(RevocationList { number, at, lists }) => {
                let (number, at) = (number.to_be_bytes(), at.to_be_bytes());
                let mut fields: Vec<&[u8]> = vec![&number, &at];
                fields.extend(lists.iter().map(Vec::as_slice));
                parts(&fields)
            }
            Self::Row(member, row) => row.bytes(member),
            Self::Link(Link {
                member,
                own,
                other,
                handle,
                other_notified,
            }) => {
                let flag = [u8::from(*other_notified)];
                parts(&[name(member), &own.0, name(other), &handle.0, &flag])
            }
            Self::Holdings(member, held) => parts(&[name(member), &held.to_bytes()]),
            Self::Mailbox(member, last) => parts(&[name(member), &last.to_be_bytes()]),
            Self::Mail(Mail {
                member,
                sequence,
                silent,
                item,
            }) => {
                let (sequence, flag) = (sequence.to_be_bytes(), [u8::from(*silent)]);
                parts(&[name(member), &sequence, &flag, &item_value(item)])
            }
            Self::Untold(row) => parts(&[&place.to_be_bytes(), &row.bytes()]),
            Self::Log(number, entry) => parts(&[&number.to_be_bytes(), &entry.line()?]),
        })
    }
}

impl IssuedCertificate {
    fn bytes(&self, agency: &AgencyName) -> Vec<u8> {
        let Self {
            serial,
            issued_at,
            expires_at,
            chain,
            request,
        } = self;
        let (issued_at, expires_at) = (issued_at.to_be_bytes(), expires_at.to_be_bytes());
        let agency = agency.as_str().as_bytes();
        let mut fields: Vec<&[u8]> = vec![agency, serial.as_bytes(), &issued_at, &expires_at];
        fields.push(&request.0);
        fields.extend(chain.iter().map(Vec::as_slice));
        encoding::parts(&fields)
    }
}

impl Revocation {
    fn bytes(&self) -> Vec<u8> {
        let Self {
            serial,
            subject,
            expires_at,
            at,
            reason,
        } = self;
        encoding::parts(&[
            serial.as_bytes(),
            subject.to_string().as_bytes(),
            &expires_at.to_be_bytes(),
            &at.to_be_bytes(),
            reason.as_bytes(),
        ])
    }
}

impl HeldRow {
    fn bytes(&self, member: &AgencyName) -> Vec<u8> {
        let Self {
            epoch,
            token,
            handle,
            expiry,
            part,
        } = self;
        let (part, payload): (&[u8], &[u8]) = match part {
            Part::Open(payload) => (b"o", &payload.0),
            Part::Silent(payload) => (b"s", &payload.0),
            Part::Unwatched => (b"u", b""),
        };
        encoding::parts(&[
            member.as_str().as_bytes(),
            &epoch.0,
            &token.0,
            &handle.0,
            &expiry.0.to_be_bytes(),
            part,
            payload,
        ])
    }
}

impl UntoldRow {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Stored(member, handle) => {
                encoding::parts(&[b"s", member.as_str().as_bytes(), &handle.0])
            }
            Self::Asked(member, epoch, token, handle, payload) => encoding::parts(&[
                b"a",
                member.as_str().as_bytes(),
                &epoch.0,
                &token.0,
                &handle.0,
                &payload.0,
            ]),
            Self::Gone(member, epoch, token, handle) => encoding::parts(&[
                b"g",
                member.as_str().as_bytes(),
                &epoch.0,
                &token.0,
                &handle.0,
            ]),
        }
    }
}

/// Count and digest of pieces, whatever the order of a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The exclusive or of the SHA-256 of each.
    pub digest: Digest,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            count: 0,
            digest: Digest([0; 32]),
        }
    }
}

impl Tally {
    /// Counts a piece in, in the order of its store.
    pub fn add(&mut self, piece: &Piece) -> Result<(), serde_json::Error> {
        let hash = crypto::sha256(&piece.bytes(self.count)?);
        self.count += 1;
        for (own, byte) in self.digest.0.iter_mut().zip(hash.0) {
            *own ^= byte;
        }
        Ok(())
    }
}
