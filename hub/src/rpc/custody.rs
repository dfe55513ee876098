//! Custody on the wire.

use std::sync::Arc;

use futures::StreamExt;
use symbolon_core::identity::AgencyName;
use symbolon_proto::WireError;
use symbolon_proto::custody::custody_server::Custody as Service;
use symbolon_proto::custody::{
    Answer, AttendanceReply, AttendanceRequest, EvaluateReply, EvaluateRequest, Evaluation,
    PublishReply, PublishRequest, Refusal, Statement, StatementsReply, StatementsRequest, Task,
    answer, evaluate_reply,
};
use tonic::{Request, Response, Status, Streaming};

use super::status::malformed;
use super::{Replies, caller};
use crate::custody::{self as domain, Custody, Outcome};

/// Answers members, the custodians among them.
pub struct Handler(pub Arc<Custody>);

/// An answer, if it says anything; others are passed over.
fn answer(answer: Answer) -> Option<(u64, Outcome)> {
    let Answer { number, outcome } = answer;
    let outcome = match outcome? {
        answer::Outcome::Evaluated(Evaluation { elements, proof }) => {
            Outcome::Evaluated { elements, proof }
        }
        answer::Outcome::Refused(Refusal { word, retry_at }) => Outcome::Refused { word, retry_at },
    };
    Some((number, outcome))
}

fn reply(outcome: Outcome) -> EvaluateReply {
    let outcome = match outcome {
        Outcome::Evaluated { elements, proof } => {
            evaluate_reply::Outcome::Evaluated(Evaluation { elements, proof })
        }
        Outcome::Refused { word, retry_at } => {
            evaluate_reply::Outcome::Refused(Refusal { word, retry_at })
        }
    };
    EvaluateReply {
        outcome: Some(outcome),
    }
}

#[tonic::async_trait]
impl Service for Handler {
    type AttendStream = Replies<Task>;

    async fn attend(
        &self,
        request: Request<Streaming<Answer>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let caller = caller(&request)?;
        let answers = request
            .into_inner()
            .take_while(|message| futures::future::ready(message.is_ok()))
            .filter_map(|message| futures::future::ready(message.ok().and_then(answer)));
        let attendance = self.0.attend(&caller, answers)?;
        let tasks = futures::stream::unfold(attendance, |mut attendance| async move {
            let domain::Task {
                number,
                request,
                signature,
                parent,
            } = attendance.next().await?;
            let task = Task {
                number,
                request,
                signature,
                traceparent: parent.map(|parent| parent.to_string()).unwrap_or_default(),
            };
            Some((Ok(task), attendance))
        });
        Ok(Response::new(Box::pin(tasks)))
    }

    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateReply>, Status> {
        let caller = caller(&request)?;
        let EvaluateRequest {
            custodian,
            request,
            signature,
        } = request.into_inner();
        let custodian: AgencyName = custodian
            .parse()
            .map_err(|_| malformed(&WireError::Malformed("custodian")))?;
        let outcome = self
            .0
            .evaluate(&caller, &custodian, request, signature)
            .await?;
        Ok(Response::new(reply(outcome)))
    }

    async fn attendance(
        &self,
        request: Request<AttendanceRequest>,
    ) -> Result<Response<AttendanceReply>, Status> {
        caller(&request)?;
        let AttendanceRequest {} = request.into_inner();
        let names = self.0.attendance();
        Ok(Response::new(AttendanceReply {
            custodians: names.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn publish(
        &self,
        request: Request<PublishRequest>,
    ) -> Result<Response<PublishReply>, Status> {
        let caller = caller(&request)?;
        let PublishRequest { statement } = request.into_inner();
        let Some(Statement { body, signature }) = statement else {
            return Err(malformed(&WireError::Missing("statement")));
        };
        let statement = domain::statement(body, &signature)?;
        self.0.publish(&caller, statement).await?;
        Ok(Response::new(PublishReply {}))
    }

    async fn statements(
        &self,
        request: Request<StatementsRequest>,
    ) -> Result<Response<StatementsReply>, Status> {
        caller(&request)?;
        let StatementsRequest { epoch } = request.into_inner();
        let statements = self.0.statements(epoch).await?.into_iter();
        Ok(Response::new(StatementsReply {
            statements: statements
                .map(|statement| Statement {
                    body: statement.body,
                    signature: statement.signature.0.to_vec(),
                })
                .collect(),
        }))
    }
}
