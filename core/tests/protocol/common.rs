//! A consortium in memory, key generations among its custodians, and reproducible randomness.

use std::collections::BTreeMap;

use rand_core::{CryptoRng, RngCore};
use sha2::{Digest as _, Sha256};
use symbolon_core::crypto::{SecretKey, SigningKey};
use symbolon_core::encoding::Digest;
use symbolon_core::identity::{AgencyKeys, AgencyKind, AgencyName};
use symbolon_core::oprf::client::{BlindedBatch, Evaluator, Output};
use symbolon_core::oprf::custodian::{self, Evaluation};
use symbolon_core::oprf::dkg::{Dkg, Message, Outcome};
use symbolon_core::oprf::threshold::{CustodyKey, KeyShare, Quorum};
use symbolon_core::roster::{
    Administrator, Change, EntryBody, Quota, Roster, RosterError, SignedEntry,
};
use symbolon_core::sealing::DecryptionKey;

/// A named change to an otherwise good statement.
pub type Alteration<T> = (&'static str, fn(&mut T));

/// The moment at which everything here happens, in Unix seconds.
pub const NOW: i64 = 1_800_000_000;

/// SHA-256 in counter mode: the same seed gives the same run.
pub struct TestRng {
    seed: u64,
    counter: u64,
}

impl TestRng {
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }
}

impl RngCore for TestRng {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(self.seed.to_be_bytes());
            hash.update(self.counter.to_be_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(buffer);
        Ok(())
    }
}

impl CryptoRng for TestRng {}

pub fn name(text: &str) -> AgencyName {
    text.parse().unwrap()
}

pub fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_seed(SecretKey::new([number; 32])).unwrap()
}

/// An agency's private keys.
pub struct Agency {
    pub signing: SigningKey,
    pub decryption: DecryptionKey,
}

impl Agency {
    pub fn new() -> Self {
        Self {
            signing: SigningKey::random().unwrap(),
            decryption: DecryptionKey::random().unwrap(),
        }
    }

    pub fn keys(&self) -> AgencyKeys {
        AgencyKeys {
            signing: self.signing.verifying_key(),
            encryption: self.decryption.public().clone(),
        }
    }
}

/// A consortium, its chain and everybody's private keys.
pub struct Consortium {
    pub administrators: Vec<SigningKey>,
    pub entries: Vec<SignedEntry>,
    pub roster: Roster,
    pub agencies: BTreeMap<AgencyName, Agency>,
}

impl Consortium {
    /// Administrators and the number of approvals that a change needs.
    pub fn found(administrators: u8, approvals_needed: u32) -> Self {
        let administrators: Vec<SigningKey> = (1..=administrators).map(signing_key).collect();
        let keys = administrators.iter().zip(["ada", "bela", "cleo", "dora"]);
        let change = Change::Genesis {
            consortium: name("north"),
            administrators: keys
                .map(|(key, who)| Administrator {
                    name: name(who),
                    key: key.verifying_key(),
                })
                .collect(),
            approvals_needed,
            log_key: signing_key(200).verifying_key(),
        };
        let body = EntryBody {
            number: 0,
            previous: Digest([0; 32]),
            at: NOW,
            change,
        };
        // The founder alone, as `init` does it.
        let genesis = SignedEntry::new(&body, &[&administrators[0]]).unwrap();
        let roster = Roster::from_genesis(&genesis, &genesis.digest()).unwrap();
        Self {
            administrators,
            entries: vec![genesis],
            roster,
            agencies: BTreeMap::new(),
        }
    }

    /// A consortium of one administrator whose agencies have all enrolled.
    pub fn of(agencies: &[&str]) -> Self {
        let mut consortium = Self::found(1, 1);
        for agency in agencies {
            consortium.join(agency, AgencyKind::Ngo);
        }
        consortium
    }

    /// Exactly as many administrators as must approve.
    pub fn approvers(&self) -> Vec<&SigningKey> {
        let needed = self.roster.approvers.needed as usize;
        self.administrators.iter().take(needed).collect()
    }

    /// The next entry with these approvals, not yet appended.
    pub fn entry(&self, change: Change, approvers: &[&SigningKey]) -> SignedEntry {
        SignedEntry::new(&self.roster.next_body(NOW, change), approvers).unwrap()
    }

    pub fn append(&mut self, entry: SignedEntry) -> Result<(), RosterError> {
        self.roster = self.roster.apply(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Appends a change that administrators approve.
    pub fn decide(&mut self, change: Change) -> Result<(), RosterError> {
        let entry = self.entry(change, &self.approvers());
        self.append(entry)
    }

    /// Invites an agency; gives the one-time key.
    pub fn invite(&mut self, agency: &str, kind: AgencyKind) -> SigningKey {
        let invitation = SigningKey::random().unwrap();
        let change = Change::Invite {
            agency: name(agency),
            kind,
            title: agency.to_uppercase(),
            invitation_key: invitation.verifying_key(),
            expires_at: NOW + 86_400,
            quota: Quota::of_register(100, 10),
        };
        self.decide(change).unwrap();
        invitation
    }

    /// Invites an agency and enrols it.
    pub fn join(&mut self, agency: &str, kind: AgencyKind) {
        let invitation = self.invite(agency, kind);
        let member = Agency::new();
        let change = Change::Enrol {
            agency: name(agency),
            keys: member.keys(),
        };
        let entry = self.entry(change, &[&invitation, &member.signing]);
        self.append(entry).unwrap();
        self.agencies.insert(name(agency), member);
    }

    /// Exchanges an agency's keys; gives it as it was before.
    pub fn rekey(&mut self, agency: &str, fresh: Agency) -> Agency {
        let change = Change::Rekey {
            agency: name(agency),
            keys: fresh.keys(),
        };
        let mut approvers = self.approvers();
        approvers.push(&fresh.signing);
        let entry = self.entry(change, &approvers);
        self.append(entry).unwrap();
        self.agencies.insert(name(agency), fresh).unwrap()
    }

    pub fn appoint(&mut self, threshold: u16, custodians: &[&str]) -> Result<(), RosterError> {
        let epoch = self.roster.custody.as_ref().map_or(1, |c| c.epoch + 1);
        self.decide(Change::Custodians {
            epoch,
            threshold,
            custodians: custodians.iter().map(|c| name(c)).collect(),
        })
    }

    pub fn agency(&self, agency: &str) -> &Agency {
        &self.agencies[&name(agency)]
    }
}

/// A message on its way: from, to, what.
pub type Posted = (u16, u16, Message);

/// The custodians of one run with their first messages. The keys depend on `seed` alone.
pub fn start_run(seed: u64, threshold: u16, custodians: u16) -> (Vec<Dkg>, Vec<Posted>) {
    let run = Digest([seed as u8; 32]);
    let mut states = Vec::new();
    let mut posted = Vec::new();
    for index in 1..=custodians {
        let mut rng = TestRng::new(seed ^ (u64::from(index) << 32));
        let (state, messages) = Dkg::start(run, index, threshold, custodians, &mut rng).unwrap();
        states.push(state);
        posted.extend(messages.into_iter().map(|(to, m)| (index, to, m)));
    }
    (states, posted)
}

/// Delivers everything in an order drawn from `order`, to states that survive a restart each time
/// if `restarts` says so.
pub fn finish_run(
    (mut states, mut posted): (Vec<Dkg>, Vec<Posted>),
    order: u64,
    restarts: bool,
) -> Vec<Outcome> {
    let mut rng = TestRng::new(order);
    while !posted.is_empty() {
        let (from, to, message) = posted.swap_remove(rng.below(posted.len()));
        let state = &mut states[usize::from(to) - 1];
        let answers = state.receive(from, message).unwrap();
        posted.extend(answers.into_iter().map(|(next, m)| (to, next, m)));
        if restarts {
            let kept = serde_json::to_vec(state).unwrap();
            *state = serde_json::from_slice(&kept).unwrap();
        }
    }
    let outcomes = states.iter().map(|state| state.outcome().unwrap().unwrap());
    outcomes.collect()
}

/// Shares, by position of their index from 1, and the public key of a t-of-n key.
pub fn shared_key(seed: u64, threshold: u16, custodians: u16) -> (Vec<KeyShare>, CustodyKey) {
    if threshold == 1 {
        let (share, key) = KeyShare::single(&mut TestRng::new(seed));
        return (vec![share], key);
    }
    let outcomes = finish_run(start_run(seed, threshold, custodians), seed, false);
    let key = outcomes[0].key.clone();
    assert!(outcomes.iter().all(|outcome| outcome.key == key));
    (outcomes.into_iter().map(|o| o.share).collect(), key)
}

/// Every custodian's evaluation of a batch.
pub fn evaluate(shares: &[&KeyShare], quorum: &Quorum, wire: &[u8]) -> BTreeMap<u16, Evaluation> {
    let mut rng = TestRng::new(99);
    let answers = shares.iter().map(|share| {
        let evaluation = custodian::evaluate(share, quorum, wire, &mut rng).unwrap();
        (share.index(), evaluation)
    });
    answers.collect()
}

/// The outputs that a quorum of `shares` gives for `inputs`.
pub fn outputs(shares: &[&KeyShare], key: &CustodyKey, inputs: &[Vec<u8>]) -> Vec<Output> {
    let indices = shares.iter().map(|share| share.index());
    let quorum = Quorum::new(indices, key.threshold).unwrap();
    let batch = BlindedBatch::new(inputs, &mut TestRng::new(98)).unwrap();
    let evaluations = evaluate(shares, &quorum, &batch.wire());
    let evaluator = Evaluator::new(key, &quorum).unwrap();
    evaluator.finalize(&batch, inputs, &evaluations).unwrap()
}
