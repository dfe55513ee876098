//! What hubs that share a store learn of each other through it.
//!
//! Each hub looks at what there is, when it is rung and otherwise from time to time: a bell that is not
//! heard costs time and nothing else. Evaluations whose custodian is on another hub's line lie in the
//! store for as long as somebody waits for them.

use std::sync::Arc;

use symbolon_core::identity::AgencyName;
use tokio::sync::Notify;

use super::StoreError;

/// What there is to be taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The registry is another one than the hub's state rests on.
    pub registry: bool,
    /// How many statements of custodians there have been.
    pub statements: u64,
    /// The number of the published list of revoked certificates.
    pub list: u64,
    /// Somebody asks a custodian who is on this hub's line.
    pub asked: bool,
    /// Somebody answered what this hub asks.
    pub answered: bool,
    /// Custodians on other hubs' lines.
    pub attending: Vec<AgencyName>,
    /// The last number of each member's mail.
    pub mail: Vec<(AgencyName, u64)>,
}

/// A request to a custodian on another hub's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Names it; random.
    pub id: [u8; 16],
    /// Who asks.
    pub asking: AgencyName,
    /// Who is asked.
    pub custodian: AgencyName,
    /// As the agency encoded it.
    pub request: Vec<u8>,
    /// By the agency's roster key.
    pub signature: Vec<u8>,
}

/// What another hub said to a request, by the request's name.
pub type Answer = ([u8; 16], Vec<u8>);

/// A store that several hubs share.
pub trait Shared: Send + Sync {
    /// Rings when another hub may have changed something.
    fn bell(&self) -> Arc<Notify>;
    /// Looks at what there is for the members and custodians on this hub's lines.
    fn look(&self, members: &[AgencyName], custodians: &[AgencyName]) -> Result<News, StoreError>;
    /// Says who is on this hub's line, for so many seconds, in place of what it said before.
    fn attend(&self, custodians: &[AgencyName], for_s: u64) -> Result<(), StoreError>;
    /// Lays a request before whichever hub has the custodian; it is gone after so many seconds.
    fn ask(&self, asked: &Asked, for_s: u64) -> Result<(), StoreError>;
    /// Takes requests to custodians; each is taken once.
    fn take(&self, custodians: &[AgencyName]) -> Result<Vec<Asked>, StoreError>;
    /// Answers a request that was taken.
    fn answer(&self, id: &[u8; 16], reply: &[u8]) -> Result<(), StoreError>;
    /// Takes the answers to what this hub asked.
    fn answers(&self) -> Result<Vec<Answer>, StoreError>;
    /// Whether a request was taken.
    fn is_taken(&self, id: &[u8; 16]) -> Result<bool, StoreError>;
    /// Takes a request back.
    fn take_back(&self, id: &[u8; 16]) -> Result<(), StoreError>;
}
