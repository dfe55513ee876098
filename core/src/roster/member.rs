//! What the roster says of each agency, of the administrators and of the custodians.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::MAX_APPROVALS;
use super::entry::{Administrator, Quota};
use crate::crypto::VerifyingKey;
use crate::encoding::Digest;
use crate::identity::{AgencyKeys, AgencyKind, AgencyName, Name};

/// Whether an agency may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has not enrolled yet.
    Invited,
    /// It takes part.
    Active,
    /// Shut out until reinstated.
    Suspended,
    /// Shut out.
    Removed,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        })
    }
}

/// An agency's place in the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub agency: AgencyName,
    /// Its kind.
    pub kind: AgencyKind,
    /// Its name as people write it.
    pub title: String,
    /// Its last invitation.
    pub invitation: VerifyingKey,
    /// Unix seconds after which the invitation is void.
    pub invitation_expires_at: i64,
    /// The invitation has not been used.
    pub invitation_open: bool,
    /// Whether it may take part.
    pub standing: Standing,
    /// How much it may have evaluated.
    pub quota: Quota,
    /// Its keys, once it has enrolled.
    pub keys: Option<AgencyKeys>,
    /// Keys that it had before, oldest first.
    pub past_keys: Vec<AgencyKeys>,
    /// Numbers of the entries by which it gave each of them up.
    pub given_up: Vec<u64>,
    /// Lengths of the roster at which it was removed: whoever came back is not where it was before.
    pub removals: Vec<u64>,
}

impl Member {
    /// The signing keys that it has, or still had when the roster had this length; the present one
    /// first. For statements that were made and stored in their time, never for admitting anybody.
    ///
    /// What is said of something newer than a key was not said with it: whoever got hold of a key that
    /// was given up, and has the hub on its side, speaks for nobody in what came after.
    pub fn signing_keys_since(&self, length: u64) -> impl Iterator<Item = &VerifyingKey> {
        let past = self.past_keys.iter().zip(&self.given_up).rev();
        let past = past.filter(move |(_, number)| **number >= length);
        let past = past.map(|(keys, _)| keys);
        self.keys.iter().chain(past).map(|keys| &keys.signing)
    }
}

/// Who could approve, from an entry on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvers {
    /// Length of the roster from which on they approve.
    pub from: u64,
    /// Administrators and their approval keys.
    pub administrators: Vec<Administrator>,
    /// Approvals that a change needs.
    pub needed: u32,
}

impl Member {
    /// Takes over new keys; those before are kept for what they signed.
    pub(super) fn bind(&mut self, number: u64, keys: AgencyKeys) {
        if self.keys.as_ref() != Some(&keys)
            && let Some(before) = self.keys.replace(keys)
        {
            self.past_keys.push(before);
            self.given_up.push(number);
        }
    }
}

impl Approvers {
    pub(super) fn sound(&self) -> bool {
        let keys: BTreeSet<VerifyingKey> = self.administrators.iter().map(|a| a.key).collect();
        let names: BTreeSet<&Name> = self.administrators.iter().map(|a| &a.name).collect();
        keys.len() == self.administrators.len()
            && names.len() == self.administrators.len()
            && keys.len() <= MAX_APPROVALS
            && (1..=keys.len()).contains(&(self.needed as usize))
            && keys.iter().all(VerifyingKey::is_sound)
    }

    /// How many of them approve, by a test of each one's key.
    pub fn count(&self, approves: impl Fn(&VerifyingKey) -> bool) -> u32 {
        let approving = self.administrators.iter().filter(|a| approves(&a.key));
        u32::try_from(approving.count()).unwrap_or(u32::MAX)
    }
}

/// Who holds the OPRF key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custody {
    /// Custody epoch.
    pub epoch: u32,
    /// Custodians needed to evaluate.
    pub threshold: u16,
    /// In order of share index, from 1.
    pub custodians: Vec<AgencyName>,
    /// Digest of the roster entry that appointed them.
    pub entry: Digest,
    /// Its number.
    pub number: u64,
}

impl Custody {
    /// The share index of a custodian, from 1.
    pub fn index_of(&self, agency: &AgencyName) -> Option<u16> {
        let position = self.custodians.iter().position(|name| name == agency)?;
        u16::try_from(position + 1).ok()
    }

    /// The custodian with this share index.
    pub fn custodian(&self, index: u16) -> Option<&AgencyName> {
        self.custodians.get(usize::from(index).checked_sub(1)?)
    }
}
