//! Exchange of the agency's keys: new ones are made here, administrators approve them, and the roster
//! says which pair is in use.
//!
//! New keys are in the vault before anybody hears of them, with the roster entry that names them,
//! signed by the new signing key as proof that this node has it. They wait there until a verified
//! roster shows them. Then one write puts them in the place of the present ones and keeps the old
//! encryption key, which opens what is still on its way. So a kill leaves the old pair in use or the
//! new one; where it comes between the roster's entry and that write, the next start makes the write.
//!
//! An entry holds a place in the chain and is void when another takes it (decision 0008). The same
//! keys are then handed in again, at the new place, by running the command again.
//!
//! The old signing key is deleted: what it signed in its time verifies by the roster's list of past
//! keys. The TLS key is another one and stays.

use symbolon_core::identity::Name;
use symbolon_core::roster::{Change, Roster, SignedEntry};

use crate::error::NodeError;
use crate::hub_client::{HubClient, HubError};
use crate::keys::{KeyPair, Keys};
use crate::node::Node;
use crate::reports::{RekeyReport, WaitingRekey};
use crate::tables::{Secret, StoredIdentity, StoredRekey};

/// Encryption keys of before that are kept. What is sealed to a key arrives within the lives of a few;
/// each costs one try at an envelope that does not open.
const MAX_PAST_KEYS: usize = 16;
/// Tries when others change the roster at the same moment.
const MAX_TRIES: usize = 16;

impl StoredIdentity {
    /// Takes the waiting keys into use if the roster shows them; gives whether it did.
    pub(crate) fn follow(&mut self, roster: &Roster) -> Result<bool, NodeError> {
        let Some(waiting) = &self.rekey else {
            return Ok(false);
        };
        let public = waiting.pair()?.public();
        let shown = roster.enrolled(&self.agency).map(|(_, keys)| keys);
        if shown != Some(&public) {
            return Ok(false);
        }
        if let Some(StoredRekey {
            signing_seed,
            encryption_seed,
            entry: _,
            handed_in: _,
        }) = self.rekey.take()
        {
            self.signing_seed = signing_seed;
            let before = std::mem::replace(&mut self.encryption_seed, encryption_seed);
            self.keep_for_opening(before);
        }
        Ok(true)
    }

    /// Keeps an encryption key that is not in use any more.
    pub(crate) fn keep_for_opening(&mut self, encryption_seed: Secret) {
        self.past_encryption_seeds.insert(0, encryption_seed);
        self.past_encryption_seeds.truncate(MAX_PAST_KEYS);
    }
}

impl Node {
    /// Hands in new keys for this agency: those that wait, or fresh ones if none do.
    pub async fn rekey(&self) -> Result<RekeyReport, NodeError> {
        let mut handed_in: Option<SignedEntry> = self.stored_identity()?.rekey.map(|r| r.entry);
        let mut made = false;
        let hub = self.hub().await?;
        for _ in 0..MAX_TRIES {
            self.sync_roster(&hub).await?;
            if let Some(entry) = &handed_in
                && self.keys().waiting().is_none()
            {
                return Ok(self.rekey_report("done", made, entry, None));
            }
            let (entry, fresh) = self.prepare_rekey()?;
            made |= fresh;
            match hub.append(entry.clone()).await {
                Ok((have, need)) if have < need => {
                    self.mark_handed_in(&entry)?;
                    return Ok(self.rekey_report("waiting", made, &entry, Some((have, need))));
                }
                // It stands in the roster, or another took its place: the roster tells.
                Ok(_) | Err(HubError::Stale) => handed_in = Some(entry),
                Err(error) => return Err(error.into()),
            }
        }
        Err(HubError::Stale.into())
    }

    /// The entry that names the waiting keys at the roster's present end, and whether the keys were
    /// made for it. It is in the vault before it is given; [`Node::rekey`] hands it in.
    pub fn prepare_rekey(&self) -> Result<(SignedEntry, bool), NodeError> {
        let roster = self.membership(|m| m.roster.clone());
        let (agency, at) = (self.agency(), self.clock.now());
        let Some((member, _)) = roster.active(agency) else {
            return Err(NodeError::Request(format!(
                "{agency} is not an active member; only active members can exchange their keys"
            )));
        };
        self.change_identity(|stored| {
            let known = stored.rekey.take();
            if let Some(known) = &known
                && is_next(&known.entry, &roster)
            {
                let entry = known.entry.clone();
                stored.rekey = Some(known.clone());
                return Ok((entry, false));
            }
            let (pair, fresh) = match known {
                None => (KeyPair::random()?, true),
                Some(known) => {
                    let pair = known.pair()?;
                    if member.past_keys.contains(&pair.public()) {
                        // This vault is an older copy: the keys were in use and given up since.
                        stored.keep_for_opening(known.encryption_seed);
                        (KeyPair::random()?, true)
                    } else {
                        (pair, false)
                    }
                }
            };
            let change = Change::Rekey {
                agency: agency.clone(),
                keys: pair.public(),
            };
            let entry = SignedEntry::new(&roster.next_body(at, change), &[&pair.signing])?;
            roster.weigh(&entry).map_err(|refused| {
                NodeError::Request(format!("the keys cannot be exchanged: {refused}"))
            })?;
            let (signing_seed, encryption_seed) = pair.seeds();
            stored.rekey = Some(StoredRekey {
                signing_seed,
                encryption_seed,
                entry: entry.clone(),
                handed_in: false,
            });
            Ok((entry, fresh))
        })
    }

    fn mark_handed_in(&self, entry: &SignedEntry) -> Result<(), NodeError> {
        self.change_identity(|stored| {
            let waiting = stored.rekey.iter_mut();
            for same in waiting.filter(|waiting| waiting.entry == *entry) {
                same.handed_in = true;
            }
            Ok(())
        })
    }

    /// Goes over to the waiting keys once the verified roster shows them.
    pub(crate) fn follow_roster(&self) -> Result<(), NodeError> {
        let roster = {
            let keys = self.keys();
            let Some(waiting) = keys.waiting() else {
                return Ok(());
            };
            self.membership(|m| {
                let (_, shown) = m.roster.enrolled(self.agency())?;
                (shown == waiting).then(|| m.roster.clone())
            })
        };
        let Some(roster) = roster else {
            return Ok(());
        };
        if self.change_identity(|stored| stored.follow(&roster))? {
            tracing::info!("the roster shows the new keys; they are in use");
        }
        Ok(())
    }

    /// Asks for the roster's end; gives whether other keys are in use since than those.
    pub(crate) async fn rekeyed(&self, hub: &HubClient, used: &Keys) -> Result<bool, NodeError> {
        self.sync_roster(hub).await?;
        Ok(self.keys().public() != used.public())
    }

    /// What a person has to know if the roster shows keys for this agency that this node has not.
    pub(crate) fn foreign_keys(&self) -> Option<String> {
        let keys = self.keys();
        let shown = self.membership(|m| {
            let (_, shown) = m.roster.enrolled(self.agency())?;
            Some(shown.clone())
        })?;
        let known = shown == *keys.public() || Some(&shown) == keys.waiting();
        (!known).then(|| {
            "the roster shows other keys for this agency than this node has: if its state is an older copy, run `symbolon-node rekey`; if not, tell your administrator at once".to_owned()
        })
    }

    /// New keys that the roster does not show yet.
    pub(crate) fn waiting_rekey(&self) -> Result<Option<WaitingRekey>, NodeError> {
        let Some(waiting) = self.stored_identity()?.rekey else {
            return Ok(None);
        };
        let (is_next, needed, administrators) = self.membership(|m| {
            let is_next = is_next(&waiting.entry, &m.roster);
            (is_next, m.roster.approvers.needed, approvers(&m.roster))
        });
        let state = match (is_next, waiting.handed_in) {
            (false, _) => "overtaken",
            (true, false) => "not handed in",
            (true, true) => "waiting",
        };
        Ok(Some(WaitingRekey {
            state: state.to_owned(),
            entry: waiting.entry.digest().to_string(),
            needed,
            administrators,
        }))
    }

    fn rekey_report(
        &self,
        state: &str,
        made: bool,
        entry: &SignedEntry,
        approvals: Option<(u32, u32)>,
    ) -> RekeyReport {
        let keys = self.keys();
        let new = keys.waiting().unwrap_or(keys.public());
        let (weighed, administrators) =
            self.membership(|m| (m.roster.approvals_of(entry), approvers(&m.roster)));
        let (approvals, needed) = approvals.unwrap_or((weighed.1, weighed.1));
        RekeyReport {
            state: state.to_owned(),
            made,
            entry: entry.digest().to_string(),
            approvals,
            needed,
            administrators,
            signing_key: new.signing,
        }
    }
}

/// Whether an entry would be the next one.
fn is_next(entry: &SignedEntry, roster: &Roster) -> bool {
    let body = entry.read();
    body.is_some_and(|body| body.number == roster.length && body.previous == roster.head)
}

fn approvers(roster: &Roster) -> Vec<String> {
    let all = roster.approvers.administrators.iter();
    all.map(|administrator| Name::to_string(&administrator.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use symbolon_core::encoding::Digest;
    use symbolon_core::sealing;

    use super::*;
    use crate::tables::Blob;

    fn identity() -> StoredIdentity {
        let (signing_seed, encryption_seed) = KeyPair::random().unwrap().seeds();
        StoredIdentity {
            consortium: "north".parse().unwrap(),
            agency: "police".parse().unwrap(),
            hub: String::new(),
            genesis: Digest([0; 32]),
            root: Blob(Vec::new()),
            more_roots: Vec::new(),
            chain: Vec::new(),
            issued_at: 0,
            certificate_expires_at: 0,
            tls_key: Secret(Vec::new()),
            signing_seed,
            encryption_seed,
            rekey: None,
            past_encryption_seeds: Vec::new(),
        }
    }

    #[test]
    fn encryption_keys_of_before_open_as_many_as_are_kept() {
        let mut stored = identity();
        let past: Vec<KeyPair> = (0..=MAX_PAST_KEYS)
            .map(|_| KeyPair::random().unwrap())
            .collect();
        for pair in &past {
            stored.keep_for_opening(pair.seeds().1);
        }
        let keys = Keys::load(&stored).unwrap();
        let opens = |pair: &KeyPair| {
            let public = pair.public().encryption;
            let sealed = sealing::seal_to(&public, b"use", b"a key").unwrap();
            keys.open_sealed(b"use", &sealed).is_ok()
        };
        assert!(opens(&stored.pair().unwrap()), "the one in use");
        let (oldest, kept) = past.split_first().unwrap();
        assert!(kept.iter().all(opens));
        assert!(!opens(oldest), "the oldest went");
    }

    #[test]
    fn an_identity_of_before_there_were_exchanges_is_read() {
        let stored = identity();
        let mut value = serde_json::to_value(&stored).unwrap();
        let fields = value.as_object_mut().unwrap();
        fields.remove("rekey").unwrap();
        fields.remove("past_encryption_seeds").unwrap();
        let read: StoredIdentity = serde_json::from_value(value).unwrap();
        assert_eq!(read.signing_seed.0, stored.signing_seed.0);
        assert!(read.rekey.is_none() && read.past_encryption_seeds.is_empty());
    }
}
