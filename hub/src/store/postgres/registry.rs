//! Roster, agreements, certificates and statements: small, and read whole at start.
//!
//! Every change of what a hub keeps in its own memory counts the registry's version on, and its line is
//! held from the verb's beginning. A hub says on what version its state rests
//! ([`Store::follow`](crate::store::Store::follow)); if another hub changed something since, the verb is
//! a conflict, so that no two changes are ever made out of the same state.

use deadpool_postgres::GenericClient;
use serde::de::DeserializeOwned;
use symbolon_core::agreement::{self, Acceptance, Papers, Proposal};
use symbolon_core::crypto::Signature;
use symbolon_core::encoding::Digest;
use symbolon_core::identity::AgencyName;
use symbolon_core::roster::SignedEntry;
use tokio_postgres::Row;

use super::fault::Fault;
use super::tx::{Write, ask, only, signed, unsigned};
use crate::certificates::{REMEMBERED_S, RevocationList};
use crate::log::LogEntry;
use crate::store::{IssuedCertificate, Registry, Revocation, Statement, StoreError};

/// Reads everything; `client` must see it as of one moment.
pub async fn read(client: &impl GenericClient) -> Result<Registry, Fault> {
    let version = "SELECT version FROM registry WHERE single";
    let version: i64 = only(ask(client, version, &[]).await?)?.try_get(0)?;
    Ok(Registry {
        version: unsigned(version),
        entries: parsed(client, "SELECT entry FROM roster ORDER BY number").await?,
        waiting: parsed(client, "SELECT entry FROM waiting ORDER BY digest").await?,
        agreements: papers(client).await?,
        pending: parsed(client, "SELECT proposal FROM proposals ORDER BY digest").await?,
        certificates: certificates(client).await?,
        revocations: revocations(client).await?,
        list: list(&only(ask(client, LIST, &[]).await?)?)?,
    })
}

const LIST: &str = "SELECT number, at, lists FROM revocation_list WHERE single";

async fn parsed<T: DeserializeOwned>(
    client: &impl GenericClient,
    sql: &str,
) -> Result<Vec<T>, Fault> {
    let lines = ask(client, sql, &[]).await?;
    lines.iter().map(|line| json(line, 0)).collect()
}

fn json<T: DeserializeOwned>(line: &Row, column: usize) -> Result<T, Fault> {
    Ok(serde_json::from_slice(line.try_get(column)?)?)
}

async fn papers(client: &impl GenericClient) -> Result<Vec<Papers>, Fault> {
    let proposals = "SELECT digest, proposal FROM agreements ORDER BY digest";
    let mut all = Vec::new();
    for line in ask(client, proposals, &[]).await? {
        let digest: &[u8] = line.try_get(0)?;
        // By the bytes of the names, whatever the database's own order is.
        let acceptances = "SELECT acceptance FROM acceptances WHERE agreement = $1
            ORDER BY convert_to(agency, 'UTF8')";
        let acceptances = ask(client, acceptances, &[&digest]).await?;
        let statements = "SELECT statement FROM declarations WHERE agreement = $1 ORDER BY number";
        let statements = ask(client, statements, &[&digest]).await?;
        let acceptances = acceptances.iter().map(|line| json(line, 0));
        let statements = statements.iter().map(|line| json(line, 0));
        all.push(Papers {
            proposal: json(&line, 1)?,
            acceptances: acceptances.collect::<Result<Vec<Acceptance>, _>>()?,
            statements: statements.collect::<Result<Vec<agreement::Statement>, _>>()?,
        });
    }
    Ok(all)
}

pub async fn certificates(
    client: &impl GenericClient,
) -> Result<Vec<(AgencyName, IssuedCertificate)>, Fault> {
    const DAMAGED: Fault = Fault::Damaged("a certificate is malformed");
    let all = "SELECT agency, serial, issued_at, expires_at, request, chain FROM certificates";
    let lines = ask(client, all, &[]).await?;
    let certificates = lines.iter().map(|line| {
        let agency: &str = line.try_get(0)?;
        let request: &[u8] = line.try_get(4)?;
        let issued = IssuedCertificate {
            serial: line.try_get(1)?,
            issued_at: line.try_get(2)?,
            expires_at: line.try_get(3)?,
            request: Digest(request.try_into().map_err(|_| DAMAGED)?),
            chain: line.try_get(5)?,
        };
        Ok((agency.parse().map_err(|_| DAMAGED)?, issued))
    });
    let mut certificates = certificates.collect::<Result<Vec<(AgencyName, _)>, Fault>>()?;
    certificates.sort_by(|(a, one), (b, other)| (a, &one.serial).cmp(&(b, &other.serial)));
    Ok(certificates)
}

pub async fn revocations(client: &impl GenericClient) -> Result<Vec<Revocation>, Fault> {
    let all = "SELECT serial, subject, expires_at, at, reason FROM revocations";
    let lines = ask(client, all, &[]).await?;
    let revocations = lines.iter().map(|line| {
        let subject: &str = line.try_get(1)?;
        let subject = subject.parse();
        Ok(Revocation {
            serial: line.try_get(0)?,
            subject: subject.map_err(|_| Fault::Damaged("a revocation is malformed"))?,
            expires_at: line.try_get(2)?,
            at: line.try_get(3)?,
            reason: line.try_get(4)?,
        })
    });
    let mut revocations = revocations.collect::<Result<Vec<_>, Fault>>()?;
    revocations.sort_by(|one, other| one.serial.cmp(&other.serial));
    Ok(revocations)
}

/// The list that was published last.
pub async fn published(client: &impl GenericClient) -> Result<RevocationList, Fault> {
    list(&only(ask(client, LIST, &[]).await?)?)
}

fn list(line: &Row) -> Result<RevocationList, Fault> {
    Ok(RevocationList {
        number: unsigned(line.try_get(0)?),
        at: line.try_get(1)?,
        lists: line.try_get(2)?,
    })
}

pub async fn statements(client: &impl GenericClient, epoch: u32) -> Result<Vec<Statement>, Fault> {
    let all = "SELECT body, signature FROM statements WHERE epoch = $1
        ORDER BY generation, convert_to(custodian, 'UTF8')";
    let lines = ask(client, all, &[&i64::from(epoch)]).await?;
    let statements = lines.iter().map(|line| {
        let signature: &[u8] = line.try_get(1)?;
        let signature = Signature::try_from(signature);
        Ok(Statement {
            body: line.try_get(0)?,
            signature: signature.map_err(|_| Fault::Damaged("a custody statement is malformed"))?,
        })
    });
    statements.collect()
}

impl Write<'_> {
    /// Begins a change of the registry; a conflict if the hub does not know the newest.
    async fn change_registry(&mut self) -> Result<(), Fault> {
        let next = "UPDATE registry SET version = version + 1 WHERE single RETURNING version";
        let next: i64 = only(self.ask(next, &[]).await?)?.try_get(0)?;
        if self.followed.is_some_and(|followed| followed + 1 != next) {
            return Err(Fault::Refused(StoreError::Conflict));
        }
        self.version = Some(next);
        Ok(())
    }

    pub async fn append_roster(&mut self, number: u64, entry: &SignedEntry) -> Result<(), Fault> {
        self.change_registry().await?;
        let next = "SELECT coalesce(max(number) + 1, 0) FROM roster";
        let next: i64 = only(self.ask(next, &[]).await?)?.try_get(0)?;
        if signed(number) != next {
            return Err(Fault::Refused(StoreError::Conflict));
        }
        let value = serde_json::to_vec(entry)?;
        let kept = "INSERT INTO roster (number, entry) VALUES ($1, $2)";
        self.run(kept, &[&next, &value]).await?;
        self.run("DELETE FROM waiting", &[]).await?;
        Ok(())
    }

    pub async fn keep_waiting(&mut self, entry: &SignedEntry) -> Result<(), Fault> {
        self.change_registry().await?;
        let value = serde_json::to_vec(entry)?;
        let kept = "INSERT INTO waiting (digest, entry) VALUES ($1, $2)
            ON CONFLICT (digest) DO UPDATE SET entry = excluded.entry";
        self.run(kept, &[&entry.digest().0.as_slice(), &value])
            .await?;
        Ok(())
    }

    pub async fn enrol(
        &mut self,
        number: u64,
        entry: &SignedEntry,
        (agency, certificate): (&AgencyName, &IssuedCertificate),
        superseded: &[Revocation],
    ) -> Result<(), Fault> {
        self.append_roster(number, entry).await?;
        self.keep_certificate(agency, certificate).await?;
        self.keep_revocations(superseded).await
    }

    pub async fn certify(
        &mut self,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
    ) -> Result<(), Fault> {
        self.change_registry().await?;
        self.keep_certificate(agency, certificate).await
    }

    pub async fn revoke(&mut self, revocations: &[Revocation]) -> Result<(), Fault> {
        self.change_registry().await?;
        self.keep_revocations(revocations).await
    }

    async fn keep_certificate(
        &mut self,
        agency: &AgencyName,
        certificate: &IssuedCertificate,
    ) -> Result<(), Fault> {
        let (agency, ended) = (agency.as_str(), certificate.issued_at - REMEMBERED_S);
        let over = "DELETE FROM certificates WHERE agency = $1 AND expires_at < $2";
        self.run(over, &[&agency, &ended]).await?;
        let IssuedCertificate {
            serial,
            issued_at,
            expires_at,
            chain,
            request,
        } = certificate;
        let kept = "INSERT INTO certificates
                (agency, serial, issued_at, expires_at, request, chain)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (agency, serial) DO UPDATE SET
                issued_at = excluded.issued_at, expires_at = excluded.expires_at,
                request = excluded.request, chain = excluded.chain";
        let request = request.0.as_slice();
        self.run(
            kept,
            &[&agency, serial, issued_at, expires_at, &request, chain],
        )
        .await?;
        Ok(())
    }

    async fn keep_revocations(&mut self, revocations: &[Revocation]) -> Result<(), Fault> {
        let kept = "INSERT INTO revocations (serial, subject, expires_at, at, reason)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (serial) DO UPDATE SET
                subject = excluded.subject, expires_at = excluded.expires_at,
                at = excluded.at, reason = excluded.reason";
        for revocation in revocations {
            let Revocation {
                serial,
                subject,
                expires_at,
                at,
                reason,
            } = revocation;
            let subject = subject.to_string();
            self.run(kept, &[serial, &subject, expires_at, at, reason])
                .await?;
        }
        Ok(())
    }

    /// The list has its own numbers, and no state of a hub rests on it.
    pub async fn publish_list(&mut self, published: &RevocationList) -> Result<(), Fault> {
        let last = format!("{LIST} FOR UPDATE");
        let last = list(&only(self.ask(&last, &[]).await?)?)?;
        if published.number != last.number + 1 || published.at < last.at {
            return Err(Fault::Refused(StoreError::Conflict));
        }
        let kept = "UPDATE revocation_list SET number = $1, at = $2, lists = $3 WHERE single";
        let number = signed(published.number);
        self.run(kept, &[&number, &published.at, &published.lists])
            .await?;
        self.news = true;
        Ok(())
    }

    pub async fn propose(&mut self, proposal: &Proposal) -> Result<(), Fault> {
        self.change_registry().await?;
        let (digest, value) = (proposal.digest(), serde_json::to_vec(proposal)?);
        let digest = digest.0.as_slice();
        let kept = "INSERT INTO agreements (digest, proposal) VALUES ($1, $2)
            ON CONFLICT (digest) DO UPDATE SET proposal = excluded.proposal";
        self.run(kept, &[&digest, &value]).await?;
        let complete = "DELETE FROM proposals WHERE digest = $1";
        self.run(complete, &[&digest]).await?;
        Ok(())
    }

    pub async fn keep_pending(&mut self, proposal: &Proposal) -> Result<(), Fault> {
        self.change_registry().await?;
        let (digest, value) = (proposal.digest(), serde_json::to_vec(proposal)?);
        let kept = "INSERT INTO proposals (digest, proposal) VALUES ($1, $2)
            ON CONFLICT (digest) DO UPDATE SET proposal = excluded.proposal";
        self.run(kept, &[&digest.0.as_slice(), &value]).await?;
        Ok(())
    }

    pub async fn accept(
        &mut self,
        agreement: &Digest,
        agency: &AgencyName,
        acceptance: &Acceptance,
    ) -> Result<(), Fault> {
        self.change_registry().await?;
        let value = serde_json::to_vec(acceptance)?;
        let kept = "INSERT INTO acceptances (agreement, agency, acceptance) VALUES ($1, $2, $3)
            ON CONFLICT (agreement, agency) DO UPDATE SET acceptance = excluded.acceptance";
        let agreement = agreement.0.as_slice();
        self.run(kept, &[&agreement, &agency.as_str(), &value])
            .await?;
        Ok(())
    }

    pub async fn declare(
        &mut self,
        agreement: &Digest,
        statement: &agreement::Statement,
    ) -> Result<(), Fault> {
        self.change_registry().await?;
        let value = serde_json::to_vec(statement)?;
        let kept = "INSERT INTO declarations (agreement, number, statement)
            SELECT $1, count(*), $2 FROM declarations WHERE agreement = $1";
        self.run(kept, &[&agreement.0.as_slice(), &value]).await?;
        Ok(())
    }

    pub async fn publish(
        &mut self,
        (epoch, generation): (u32, u32),
        custodian: &AgencyName,
        statement: &Statement,
        log: &LogEntry,
    ) -> Result<bool, Fault> {
        let (epoch, generation) = (i64::from(epoch), i64::from(generation));
        let custodian = custodian.as_str();
        let kept = "INSERT INTO statements (epoch, generation, custodian, body, signature)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let (body, signature) = (&statement.body, statement.signature.0.as_slice());
        let new = self
            .run(kept, &[&epoch, &generation, &custodian, body, &signature])
            .await?;
        if new == 0 {
            // The same words under a new key of the custodian's say nothing new.
            let same = "SELECT 1 FROM statements WHERE epoch = $1 AND generation = $2
                AND custodian = $3 AND body = $4";
            let same = self
                .ask(same, &[&epoch, &generation, &custodian, body])
                .await?;
            return Ok(!same.is_empty());
        }
        let counted = "UPDATE registry SET statements = statements + 1 WHERE single";
        self.run(counted, &[]).await?;
        self.news = true;
        self.log(log.clone());
        Ok(true)
    }
}
