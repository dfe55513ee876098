//! Answers that were given. A question that an agency asks again gets the answer of before: it is not
//! evaluated twice and costs nothing of the quota.
//!
//! A node that was killed does not know whether its requests under way were answered. It asks the same
//! elements again, in a new request: each request is still let through once ([`super::gate`]). Only the
//! last few answers of each agency are kept; a node has no more than that under way. An answer holds what
//! the agency was sent before and no more, and goes to nobody but it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use symbolon_core::custody::Request;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::custodian::Evaluation;

use crate::error::NodeError;
use crate::tables::{Blob, Tables};

/// Answers of one agency that are kept: more than a node has under way beside what people ask it.
const KEPT: u64 = 8;

/// An agency's answers lie in so many slots, used in turn.
pub type Slot = (AgencyName, u8);

/// An answer, as it lies in the vault.
#[derive(Serialize, Deserialize)]
pub struct StoredAnswer {
    question: Digest,
    elements: Blob,
    proof: Blob,
}

/// Which answers there are.
pub struct Answers(Mutex<BTreeMap<AgencyName, Given>>);

#[derive(Default)]
struct Given {
    /// Number of the next answer.
    next: u64,
    questions: BTreeMap<u64, Digest>,
}

fn slot_of(number: u64) -> u8 {
    (number % KEPT) as u8
}

impl Answers {
    /// Reads which answers there are.
    pub fn open(tables: &Tables) -> Result<Self, NodeError> {
        let mut all: BTreeMap<AgencyName, Given> = BTreeMap::new();
        for entry in tables.answer_slots.iter() {
            let ((agency, _), (number, question)) = entry?;
            let given = all.entry(agency).or_default();
            given.next = given.next.max(number.saturating_add(1));
            given.questions.insert(number, question);
        }
        Ok(Self(Mutex::new(all)))
    }

    /// The answer to the same question of the same agency, if it is kept.
    pub fn find(
        &self,
        tables: &Tables,
        request: &Request,
    ) -> Result<Option<Evaluation>, NodeError> {
        let question = request.question();
        let all = self.lock();
        let Some(given) = all.get(&request.requester) else {
            return Ok(None);
        };
        let known = given.questions.iter().find(|(_, kept)| **kept == question);
        let Some((number, _)) = known else {
            return Ok(None);
        };
        let slot = (request.requester.clone(), slot_of(*number));
        let stored = tables.answers.get(&slot)?;
        // A kill may have come between an answer and its line.
        let stored = stored.filter(|stored| stored.question == question);
        Ok(stored.and_then(|stored| {
            let StoredAnswer {
                elements, proof, ..
            } = stored;
            let proof = proof.0.try_into().ok()?;
            let elements = elements.0;
            Some(Evaluation { elements, proof })
        }))
    }

    /// Keeps an answer in place of the oldest of its agency.
    pub fn keep(
        &self,
        tables: &Tables,
        request: &Request,
        answer: &Evaluation,
    ) -> Result<(), NodeError> {
        let question = request.question();
        let mut all = self.lock();
        let given = all.entry(request.requester.clone()).or_default();
        let number = given.next;
        let slot = (request.requester.clone(), slot_of(number));
        let stored = StoredAnswer {
            question,
            elements: Blob(answer.elements.clone()),
            proof: Blob(answer.proof.to_vec()),
        };
        tables.answers.put(&slot, &stored)?;
        tables.answer_slots.put(&slot, &(number, question))?;
        given.next = number.saturating_add(1);
        given.questions.insert(number, question);
        given.questions.retain(|kept, _| kept + KEPT > number);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AgencyName, Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use symbolon_core::oprf::threshold::Quorum;
    use symbolon_core::sealed_file::Unlock;
    use zeroize::Zeroizing;

    use super::*;
    use crate::vault::Vault;

    fn open(path: &Path) -> (Vault, Tables, Answers) {
        let unlock = Unlock::KeyFile(Zeroizing::new(vec![1; 32]));
        let vault = match Vault::exists(path) {
            true => Vault::open(path, &unlock).unwrap(),
            false => Vault::create(path, &unlock).unwrap(),
        };
        let tables = Tables::open(&vault).unwrap();
        let answers = Answers::open(&tables).unwrap();
        (vault, tables, answers)
    }

    fn request(requester: &str, element: u8, id: u8) -> Request {
        Request {
            id: [id; 16],
            requester: requester.parse().unwrap(),
            epoch: 1,
            generation: 0,
            quorum: Quorum::new([1, 2], 2).unwrap(),
            expires_at: 0,
            elements: vec![element; 32],
        }
    }

    fn answer(number: u8) -> Evaluation {
        Evaluation {
            elements: vec![number; 32],
            proof: [number; 64],
        }
    }

    #[test]
    fn the_last_answers_of_each_agency_are_kept_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node");
        let (vault, tables, answers) = open(&path);
        for number in 0..20 {
            let asked = request("police", number, 0);
            assert_eq!(answers.find(&tables, &asked).unwrap(), None);
            answers.keep(&tables, &asked, &answer(number)).unwrap();
        }
        let other = request("refuge", 1, 0);
        answers.keep(&tables, &other, &answer(100)).unwrap();
        drop((tables, answers, vault));
        let (_vault, tables, answers) = open(&path);
        let found = |asked: &Request| answers.find(&tables, asked).unwrap();
        // Whatever number and end the request has.
        for number in 12..20 {
            assert_eq!(found(&request("police", number, 9)), Some(answer(number)));
        }
        assert_eq!(found(&request("police", 11, 0)), None);
        assert_eq!(found(&request("refuge", 1, 3)), Some(answer(100)));
        // Another agency, another quorum, other shares: another question.
        assert_eq!(found(&request("refuge", 19, 0)), None);
        let mut others = request("police", 19, 0);
        others.quorum = Quorum::new([1, 3], 2).unwrap();
        assert_eq!(found(&others), None);
        let mut later = request("police", 19, 0);
        later.generation = 1;
        assert_eq!(found(&later), None);
        // They go on where they were.
        answers
            .keep(&tables, &request("police", 30, 0), &answer(30))
            .unwrap();
        assert_eq!(found(&request("police", 12, 0)), None);
        assert_eq!(found(&request("police", 13, 0)), Some(answer(13)));
    }
}
