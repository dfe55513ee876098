//! Roster, agreements and statements: small, and read whole at start.

use crate::store::fjall::Read;
use symbolon_core::agreement::{self, Acceptance, Papers, Proposal};
use symbolon_core::crypto::Signature;
use symbolon_core::encoding::{self, Digest};
use symbolon_core::identity::AgencyName;
use symbolon_core::roster::SignedEntry;

use super::{Fault, Spaces, Write, certificates};
use crate::log::LogEntry;
use crate::store::{Registry, Statement, StoreError};

pub fn read(read: &impl Read, spaces: &Spaces) -> Result<Registry, Fault> {
    let entries = read
        .iter(&spaces.roster)
        .map(|guard| Ok(serde_json::from_slice(&guard?.1)?))
        .collect::<Result<Vec<SignedEntry>, Fault>>()?;
    let waiting = read
        .iter(&spaces.waiting)
        .map(|guard| Ok(serde_json::from_slice(&guard?.1)?))
        .collect::<Result<Vec<SignedEntry>, Fault>>()?;
    let mut agreements = Vec::new();
    for guard in read.iter(&spaces.agreements) {
        let (digest, value) = guard?;
        let proposal: Proposal = serde_json::from_slice(&value)?;
        let acceptances = read
            .prefix(&spaces.acceptances, &digest)
            .map(|guard| Ok(serde_json::from_slice(&guard?.1)?))
            .collect::<Result<Vec<Acceptance>, Fault>>()?;
        let statements = read
            .prefix(&spaces.declarations, &digest)
            .map(|guard| Ok(serde_json::from_slice(&guard?.1)?))
            .collect::<Result<Vec<agreement::Statement>, Fault>>()?;
        agreements.push(Papers {
            proposal,
            acceptances,
            statements,
        });
    }
    let pending = read
        .iter(&spaces.proposals)
        .map(|guard| Ok(serde_json::from_slice(&guard?.1)?))
        .collect::<Result<Vec<Proposal>, Fault>>()?;
    Ok(Registry {
        version: 0,
        entries,
        waiting,
        agreements,
        pending,
        certificates: certificates::certificates(read, spaces)?,
        revocations: certificates::revocations(read, spaces)?,
        list: certificates::list(read, spaces)?,
    })
}

pub fn statements(read: &impl Read, spaces: &Spaces, epoch: u32) -> Result<Vec<Statement>, Fault> {
    read.prefix(&spaces.statements, epoch.to_be_bytes())
        .map(|guard| parse_statement(&guard?.1))
        .collect()
}

pub(super) fn statement_value(statement: &Statement) -> Vec<u8> {
    encoding::parts(&[&statement.body, &statement.signature.0])
}

pub(super) fn parse_statement(bytes: &[u8]) -> Result<Statement, Fault> {
    const DAMAGED: Fault = Fault::Damaged("a custody statement is malformed");
    let fields = encoding::split_parts(bytes).ok_or(DAMAGED)?;
    let [body, signature] = fields.as_slice() else {
        return Err(DAMAGED);
    };
    Ok(Statement {
        body: body.to_vec(),
        signature: Signature::try_from(*signature).map_err(|_| DAMAGED)?,
    })
}

impl Write<'_> {
    pub fn append_roster(&mut self, number: u64, entry: &SignedEntry) -> Result<(), Fault> {
        let roster = &self.spaces.roster;
        let next = match self.tx.last_key(roster)? {
            None => 0,
            Some(key) => {
                let last: [u8; 8] = (*key)
                    .try_into()
                    .map_err(|_| Fault::Damaged("the roster is malformed"))?;
                u64::from_be_bytes(last) + 1
            }
        };
        if number != next {
            return Err(Fault::Refused(StoreError::Conflict));
        }
        self.tx
            .insert(roster, number.to_be_bytes(), serde_json::to_vec(entry)?);
        let waiting = self.tx.iter(&self.spaces.waiting);
        let void = waiting
            .map(|pair| pair.map(|(key, _)| key))
            .collect::<Result<Vec<_>, _>>()?;
        for digest in void {
            self.tx.remove(&self.spaces.waiting, digest);
        }
        Ok(())
    }

    pub fn keep_waiting(&mut self, entry: &SignedEntry) -> Result<(), Fault> {
        let value = serde_json::to_vec(entry)?;
        self.tx
            .insert(&self.spaces.waiting, entry.digest().0, value);
        Ok(())
    }

    pub fn propose(&mut self, proposal: &Proposal) -> Result<(), Fault> {
        let value = serde_json::to_vec(proposal)?;
        let digest = proposal.digest();
        self.tx.insert(&self.spaces.agreements, digest.0, value);
        self.tx.remove(&self.spaces.proposals, digest.0);
        Ok(())
    }

    pub fn keep_pending(&mut self, proposal: &Proposal) -> Result<(), Fault> {
        let value = serde_json::to_vec(proposal)?;
        let digest = proposal.digest();
        self.tx.insert(&self.spaces.proposals, digest.0, value);
        Ok(())
    }

    pub fn declare(
        &mut self,
        agreement: &Digest,
        statement: &agreement::Statement,
    ) -> Result<(), Fault> {
        let declarations = &self.spaces.declarations;
        let number = self.tx.prefix(declarations, agreement.0).count() as u64;
        let mut key = agreement.0.to_vec();
        key.extend_from_slice(&number.to_be_bytes());
        self.tx
            .insert(declarations, key, serde_json::to_vec(statement)?);
        Ok(())
    }

    pub fn accept(
        &mut self,
        agreement: &Digest,
        agency: &AgencyName,
        acceptance: &Acceptance,
    ) -> Result<(), Fault> {
        let mut key = agreement.0.to_vec();
        key.extend_from_slice(agency.as_str().as_bytes());
        let value = serde_json::to_vec(acceptance)?;
        self.tx.insert(&self.spaces.acceptances, key, value);
        Ok(())
    }

    pub fn publish(
        &mut self,
        (epoch, generation): (u32, u32),
        custodian: &AgencyName,
        statement: &Statement,
        log: &LogEntry,
    ) -> Result<bool, Fault> {
        let mut key = epoch.to_be_bytes().to_vec();
        key.extend_from_slice(&generation.to_be_bytes());
        key.extend_from_slice(custodian.as_str().as_bytes());
        let statements = &self.spaces.statements;
        if let Some(known) = self.tx.get(statements, &key)? {
            // The same words under a new key of the custodian's say nothing new.
            return Ok(parse_statement(&known)?.body == statement.body);
        }
        self.tx.insert(statements, key, statement_value(statement));
        self.log(log)?;
        Ok(true)
    }
}
