//! The calls, one method each, from domain types to domain types.

use futures::{Stream, StreamExt as _};
use symbolon_core::agreement;
use symbolon_core::crypto::{Signature, VerifyingKey};
use symbolon_core::custody::{Refusal, Statement};
use symbolon_core::encoding::Digest;
use symbolon_core::envelope::Envelope;
use symbolon_core::identity::AgencyName;
use symbolon_core::oprf::custodian::Evaluation;
use symbolon_core::roster::SignedEntry;
use symbolon_core::row::{Handle, Holdings, Row, SealedPayload};
use symbolon_proto::RETRY_HINT;
use symbolon_proto::certificates::certificates_client::CertificatesClient;
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::enrolment::enrolment_client::EnrolmentClient;
use symbolon_proto::mailbox::mailbox_client::MailboxClient;
use symbolon_proto::matching::matching_client::MatchingClient;
use symbolon_proto::membership::membership_client::MembershipClient;
use symbolon_proto::{certificates, custody, enrolment, mailbox, matching, membership};
use symbolon_traces::Parent;
use tokio_stream::wrappers::ReceiverStream;

use super::line::Line;
use super::{HubClient, HubError, MAX_MESSAGE_BYTES};

/// A row of another member that has one of our tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Our row, or the row that we asked with.
    pub own_handle: Handle,
    /// The other's row, to which its payload is bound.
    pub handle: Handle,
    /// Whose row the hub says it is; the payload must say the same.
    pub agency: AgencyName,
    /// Opens under our lock.
    pub payload: SealedPayload,
}

/// What waits for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Delivery {
    Notice {
        foreign: Foreign,
        query: bool,
    },
    Cancellation {
        own_handle: Handle,
        handle: Handle,
    },
    Common {
        own_handle: Handle,
    },
    Envelope(Box<Envelope>),
    Hint(Hint),
    /// Something that this version does not know or that is malformed: skipped, but counted.
    Unreadable,
}

/// What changed at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Hint {
    Roster,
    Agreements,
    Custody,
}

/// A delivery and its place in the sequence; 0 for hints.
pub type Delivered = (u64, Delivery);

/// An evaluation request for this custodian.
pub struct Task {
    /// The line's number of it.
    pub number: u64,
    /// The encoded, signed request.
    pub request: Vec<u8>,
    /// The asking agency's signature.
    pub signature: Signature,
    /// Whose child our span is, by the hub's word.
    pub parent: Option<Parent>,
}

/// This custodian's answer.
pub struct Answer {
    /// The task's number.
    pub number: u64,
    /// The evaluation, or why not.
    pub outcome: Result<Evaluation, Refusal>,
}

impl HubClient {
    fn membership(&self) -> MembershipClient<Line> {
        // Agreements come in one reply, with a sealed key for each member.
        MembershipClient::new(self.line.clone()).max_decoding_message_size(16 * MAX_MESSAGE_BYTES)
    }

    fn custody(&self) -> CustodyClient<Line> {
        CustodyClient::new(self.line.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn matching(&self) -> MatchingClient<Line> {
        MatchingClient::new(self.line.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn mailbox(&self) -> MailboxClient<Line> {
        MailboxClient::new(self.line.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn enrolment(&self) -> EnrolmentClient<Line> {
        EnrolmentClient::new(self.line.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The roster as shown to the holder of an invitation.
    pub async fn enrolment_roster(
        &self,
        invitation_key: &VerifyingKey,
    ) -> Result<Vec<SignedEntry>, HubError> {
        let invitation_key = invitation_key.0.to_vec();
        let request = enrolment::RosterRequest { invitation_key };
        entries(self.enrolment().roster(request).await?.into_inner())
    }

    /// Redeems an invitation: the certificate chain, and the roster with our entry in it.
    pub async fn enrol(
        &self,
        entry: SignedEntry,
        certificate_request: Vec<u8>,
    ) -> Result<(Vec<Vec<u8>>, Vec<SignedEntry>), HubError> {
        let request = enrolment::EnrolRequest {
            entry: Some(entry.into()),
            certificate_request,
        };
        let reply = self.enrolment().enrol(request).await?.into_inner();
        let enrolment::EnrolReply {
            certificate_chain,
            roster,
        } = reply;
        let roster = roster.ok_or(HubError::Protocol("no roster in the reply"))?;
        Ok((certificate_chain, entries(roster)?))
    }

    /// A fresh certificate: its chain, and the roots that the hub takes.
    pub async fn renew(
        &self,
        certificate_request: Vec<u8>,
    ) -> Result<(Vec<Vec<u8>>, Vec<Vec<u8>>), HubError> {
        let request = certificates::RenewRequest {
            certificate_request,
        };
        let mut service =
            CertificatesClient::new(self.line.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let certificates::RenewReply {
            certificate_chain,
            roots,
        } = service.renew(request).await?.into_inner();
        Ok((certificate_chain, roots))
    }

    /// Roster entries from a number on.
    pub async fn roster(&self, from: u64) -> Result<Vec<SignedEntry>, HubError> {
        let request = membership::RosterRequest { from };
        entries(self.membership().roster(request).await?.into_inner())
    }

    /// Hands in our exchange of keys; gives the administrators' approvals that it has and needs. The
    /// same entry again changes nothing.
    pub async fn append(&self, entry: SignedEntry) -> Result<(u32, u32), HubError> {
        let request = membership::AppendRequest {
            entry: Some(entry.into()),
        };
        let reply = self.membership().append(request).await?.into_inner();
        let membership::AppendReply {
            length: _,
            have,
            need,
        } = reply;
        Ok((have, need))
    }

    /// Agreements that concern this agency.
    pub async fn agreements(&self) -> Result<Vec<agreement::Papers>, HubError> {
        let request = membership::AgreementsRequest {};
        let reply = self.membership().agreements(request).await?.into_inner();
        let papers = reply.agreements.into_iter().map(TryInto::try_into);
        Ok(papers.collect::<Result<_, symbolon_proto::WireError>>()?)
    }

    /// Hands in what we say of an agreement; repeating it changes nothing.
    pub async fn declare(
        &self,
        agreement: &Digest,
        statement: agreement::Statement,
    ) -> Result<(), HubError> {
        let request = membership::DeclareRequest {
            agreement: agreement.0.to_vec(),
            statement: Some(statement.into()),
        };
        // A sealed key for each of 500 members.
        self.membership().declare(request).await?;
        Ok(())
    }

    /// Hands in our acceptance.
    pub async fn accept(
        &self,
        agreement: &Digest,
        acceptance: agreement::Acceptance,
    ) -> Result<(), HubError> {
        let request = membership::AcceptRequest {
            agreement: agreement.0.to_vec(),
            acceptance: Some(acceptance.into()),
        };
        self.membership().accept(request).await?;
        Ok(())
    }

    /// Custodians on the line.
    pub async fn attendance(&self) -> Result<Vec<AgencyName>, HubError> {
        let request = custody::AttendanceRequest {};
        let reply = self.custody().attendance(request).await?.into_inner();
        let names = reply.custodians.into_iter().map(|name| name.parse());
        names
            .collect::<Result<_, _>>()
            .map_err(|_| HubError::Protocol("a malformed name"))
    }

    /// Asks one custodian through the hub; the inner refusal is the custodian's.
    pub async fn evaluate(
        &self,
        custodian: &AgencyName,
        request: Vec<u8>,
        signature: &Signature,
    ) -> Result<Result<Evaluation, Refusal>, HubError> {
        let request = custody::EvaluateRequest {
            custodian: custodian.to_string(),
            request,
            signature: signature.0.to_vec(),
        };
        let reply = self.custody().evaluate(request).await?.into_inner();
        let custody::EvaluateReply { outcome } = reply;
        match outcome.ok_or(HubError::Protocol("no outcome in the reply"))? {
            custody::evaluate_reply::Outcome::Evaluated(evaluated) => {
                let custody::Evaluation { elements, proof } = evaluated;
                let proof = proof
                    .try_into()
                    .map_err(|_| HubError::Protocol("a malformed proof"))?;
                Ok(Ok(Evaluation { elements, proof }))
            }
            custody::evaluate_reply::Outcome::Refused(refused) => {
                let custody::Refusal { word, retry_at } = refused;
                Ok(Err(Refusal::parse(&word, retry_at)))
            }
        }
    }

    /// Goes on the line as a custodian.
    pub async fn attend(
        &self,
        answers: ReceiverStream<Answer>,
    ) -> Result<impl Stream<Item = Result<Task, HubError>> + use<>, HubError> {
        let answers = answers.map(|answer| {
            let outcome = match answer.outcome {
                Ok(Evaluation { elements, proof }) => {
                    let proof = proof.to_vec();
                    custody::answer::Outcome::Evaluated(custody::Evaluation { elements, proof })
                }
                Err(refusal) => custody::answer::Outcome::Refused(custody::Refusal {
                    word: refusal.to_string(),
                    retry_at: refusal.retry_at(),
                }),
            };
            custody::Answer {
                number: answer.number,
                outcome: Some(outcome),
            }
        });
        let tasks = self.custody().attend(answers).await?.into_inner();
        Ok(tasks.map(|task| {
            let custody::Task {
                number,
                request,
                signature,
                traceparent,
            } = task?;
            let signature = Signature::try_from(signature.as_slice())
                .map_err(|_| HubError::Protocol("a malformed signature"))?;
            Ok(Task {
                number,
                request,
                signature,
                parent: Parent::parse(traceparent.as_bytes()),
            })
        }))
    }

    /// Publishes our statement of the key.
    pub async fn publish(&self, statement: Statement) -> Result<(), HubError> {
        let Statement { body, signature } = statement;
        let statement = custody::Statement {
            body,
            signature: signature.0.to_vec(),
        };
        let request = custody::PublishRequest {
            statement: Some(statement),
        };
        self.custody().publish(request).await?;
        Ok(())
    }

    /// The custodians' statements of one epoch.
    pub async fn statements(&self, epoch: u32) -> Result<Vec<Statement>, HubError> {
        let request = custody::StatementsRequest { epoch };
        let reply = self.custody().statements(request).await?.into_inner();
        let statements = reply.statements.into_iter().map(|wire| {
            let custody::Statement { body, signature } = wire;
            let signature = Signature::try_from(signature.as_slice())
                .map_err(|_| HubError::Protocol("a malformed signature"))?;
            Ok(Statement { body, signature })
        });
        statements.collect()
    }

    /// Registers rows; idempotent by handle.
    pub async fn submit(&self, rows: &[Row]) -> Result<Holdings, HubError> {
        let request = matching::SubmitRequest {
            rows: rows.iter().map(Into::into).collect(),
        };
        holdings(self.matching().submit(request).await?.into_inner().holdings)
    }

    /// Asks with rows, storing none.
    pub async fn query(&self, rows: &[Row]) -> Result<Vec<Foreign>, HubError> {
        let request = matching::QueryRequest {
            rows: rows.iter().map(Into::into).collect(),
        };
        let reply = self.matching().query(request).await?.into_inner();
        let hits = reply.hits.into_iter().map(|hit| {
            let matching::Hit {
                query_handle,
                handle,
                payload,
                agency,
            } = hit;
            foreign(&query_handle, &handle, &agency, &payload)
                .ok_or(HubError::Protocol("a malformed hit"))
        });
        hits.collect()
    }

    /// Deletes rows: holdings after it, rows deleted, notices cancelled on the other side.
    pub async fn withdraw(&self, handles: &[Handle]) -> Result<(Holdings, u64, u64), HubError> {
        let handles = handles.iter().map(|handle| handle.0.to_vec()).collect();
        let request = matching::WithdrawRequest { handles };
        let reply = self.matching().withdraw(request).await?.into_inner();
        let matching::WithdrawReply {
            holdings: after,
            withdrawn,
            cancelled,
        } = reply;
        Ok((holdings(after)?, withdrawn, cancelled))
    }

    /// What the hub holds of us.
    pub async fn holdings(&self) -> Result<Holdings, HubError> {
        let request = matching::HoldingsRequest {};
        holdings(
            self.matching()
                .holdings(request)
                .await?
                .into_inner()
                .holdings,
        )
    }

    /// One page of our handles at the hub.
    pub async fn handles(
        &self,
        after: Option<Handle>,
        limit: u32,
    ) -> Result<Vec<Handle>, HubError> {
        let after = after.map(|handle| handle.0.to_vec()).unwrap_or_default();
        let request = matching::HandlesRequest { after, limit };
        let reply = self.matching().handles(request).await?.into_inner();
        let handles = reply
            .handles
            .iter()
            .map(|bytes| Handle::try_from(bytes.as_slice()));
        handles
            .collect::<Result<_, _>>()
            .map_err(|_| HubError::Protocol("a malformed handle"))
    }

    /// Hands in an envelope; repeating one changes nothing. A full mailbox is its recipient's alone.
    pub async fn send(&self, envelope: Envelope) -> Result<(), HubError> {
        let request = mailbox::SendRequest {
            envelope: Some(envelope.into()),
        };
        match self.mailbox().send(request).await {
            Ok(_) => Ok(()),
            // With a hint it is the hub that has no time.
            Err(status)
                if status.code() == tonic::Code::ResourceExhausted
                    && status.metadata().get(RETRY_HINT).is_none() =>
            {
                Err(HubError::MailboxFull)
            }
            Err(status) => Err(status.into()),
        }
    }

    /// Everything after a cursor, then what comes.
    pub async fn receive(
        &self,
        after: u64,
    ) -> Result<impl Stream<Item = Result<Delivered, HubError>> + use<>, HubError> {
        let request = mailbox::ReceiveRequest { after };
        let deliveries = self.mailbox().receive(request).await?.into_inner();
        Ok(deliveries.map(|delivery| {
            let mailbox::Delivery { sequence, item } = delivery?;
            Ok((
                sequence,
                item.and_then(read_item).unwrap_or(Delivery::Unreadable),
            ))
        }))
    }

    /// Tells the hub that it may forget everything up to a cursor.
    pub async fn acknowledge(&self, up_to: u64) -> Result<(), HubError> {
        let request = mailbox::AcknowledgeRequest { up_to };
        self.mailbox().acknowledge(request).await?;
        Ok(())
    }
}

fn entries(reply: membership::RosterReply) -> Result<Vec<SignedEntry>, HubError> {
    let entries = reply.entries.into_iter().map(TryInto::try_into);
    Ok(entries.collect::<Result<_, symbolon_proto::WireError>>()?)
}

fn holdings(wire: Option<matching::Holdings>) -> Result<Holdings, HubError> {
    Ok(wire
        .ok_or(HubError::Protocol("no holdings in the reply"))?
        .try_into()?)
}

fn foreign(own: &[u8], handle: &[u8], agency: &str, payload: &[u8]) -> Option<Foreign> {
    Some(Foreign {
        own_handle: own.try_into().ok()?,
        handle: handle.try_into().ok()?,
        agency: agency.parse().ok()?,
        payload: payload.try_into().ok()?,
    })
}

fn read_item(item: mailbox::delivery::Item) -> Option<Delivery> {
    use mailbox::delivery::Item;
    match item {
        Item::Notice(notice) => {
            let mailbox::Notice {
                own_handle,
                handle,
                payload,
                query,
                agency,
            } = notice;
            let foreign = foreign(&own_handle, &handle, &agency, &payload)?;
            Some(Delivery::Notice { foreign, query })
        }
        Item::Cancellation(mailbox::Cancellation { own_handle, handle }) => {
            Some(Delivery::Cancellation {
                own_handle: own_handle.as_slice().try_into().ok()?,
                handle: handle.as_slice().try_into().ok()?,
            })
        }
        Item::Common(mailbox::Common { own_handle }) => Some(Delivery::Common {
            own_handle: own_handle.as_slice().try_into().ok()?,
        }),
        Item::Envelope(envelope) => Some(Delivery::Envelope(Box::new(
            Envelope::try_from(envelope).ok()?,
        ))),
        Item::Hint(hint) => match mailbox::Hint::try_from(hint).ok()? {
            mailbox::Hint::Unspecified => None,
            mailbox::Hint::Roster => Some(Delivery::Hint(Hint::Roster)),
            mailbox::Hint::Agreements => Some(Delivery::Hint(Hint::Agreements)),
            mailbox::Hint::Custody => Some(Delivery::Hint(Hint::Custody)),
        },
    }
}
