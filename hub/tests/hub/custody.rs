//! The relay to custodians, and their statements.

use symbolon_core::encoding;
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::custody::{
    Answer, AttendanceRequest, EvaluateRequest, Evaluation, PublishRequest, Refusal, Statement,
    StatementsRequest, Task, answer, evaluate_reply,
};
use symbolon_proto::mailbox::{Hint, delivery};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::consortium::{Consortium, Member};
use crate::services::{next, receive};

type Service = CustodyClient<Channel>;

pub async fn attend(
    service: &mut Service,
) -> Result<(mpsc::Sender<Answer>, Streaming<Task>), Status> {
    let (answers, outgoing) = mpsc::channel(4);
    let tasks = service.attend(ReceiverStream::new(outgoing)).await?;
    Ok((answers, tasks.into_inner()))
}

pub async fn appointed(consortium: &Consortium) -> (Member, Member) {
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let custodians = vec![harbour.name.clone()];
    let epoch = consortium.admin.appoint_custodians(1, custodians).await;
    assert_eq!(epoch.unwrap().0, 1);
    (harbour, police)
}

pub fn request(requester: &str) -> EvaluateRequest {
    EvaluateRequest {
        custodian: "harbour".into(),
        request: encoding::parts(&[b"id", requester.as_bytes(), b"", b"", b"", b"", &[0; 64]]),
        signature: vec![0; 64],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn custodians_are_relayed_to_and_replaced_lines_end() {
    let consortium = Consortium::found().await;
    let (harbour, police) = appointed(&consortium).await;
    let mut keeper = CustodyClient::new(harbour.channel.clone());
    let mut asking = CustodyClient::new(police.channel.clone());
    let stranger = attend(&mut asking).await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied, "not appointed");
    let absent = asking.evaluate(request("police")).await.unwrap_err();
    assert_eq!(absent.code(), Code::Unavailable);
    assert_eq!(absent.message(), "custodian harbour is not connected");

    let (_answers, mut replaced) = attend(&mut keeper).await.unwrap();
    let (answers, mut tasks) = attend(&mut keeper).await.unwrap();
    let ended = replaced.message().await.unwrap();
    assert!(ended.is_none(), "one line for each custodian");
    let present = asking.attendance(AttendanceRequest {}).await.unwrap();
    assert_eq!(present.into_inner().custodians, ["harbour"]);
    let evaluated = Evaluation {
        elements: vec![1; 64],
        proof: vec![2; 64],
    };
    let refused = |word: &str, retry_at: i64| {
        let word = word.to_owned();
        Refusal { word, retry_at }
    };
    let outcomes = [
        answer::Outcome::Evaluated(evaluated.clone()),
        answer::Outcome::Refused(refused("over-quota", 1_900_000_000)),
        answer::Outcome::Refused(refused("Free text of a peer", 0)),
    ];
    let _stays_on_the_line = tokio::spawn(async move {
        for outcome in outcomes {
            let Task { number, .. } = tasks.message().await.unwrap().unwrap();
            let outcome = Some(outcome);
            answers.send(Answer { number, outcome }).await.unwrap();
        }
        (answers, tasks)
    });
    let spoofed = asking.evaluate(request("harbour")).await.unwrap_err();
    assert_eq!(spoofed.code(), Code::InvalidArgument);
    let reply = asking.evaluate(request("police")).await.unwrap();
    let expected = evaluate_reply::Outcome::Evaluated(evaluated);
    assert_eq!(reply.into_inner().outcome, Some(expected));
    for (word, retry_at) in [("over-quota", 1_900_000_000), ("unknown", 0)] {
        let reply = asking.evaluate(request("police")).await.unwrap();
        let expected = evaluate_reply::Outcome::Refused(refused(word, retry_at));
        assert_eq!(reply.into_inner().outcome, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_kept_as_they_were_first_made() {
    let consortium = Consortium::found().await;
    let (harbour, police) = appointed(&consortium).await;
    let mut keeper = CustodyClient::new(harbour.channel.clone());
    let mut asking = CustodyClient::new(police.channel.clone());
    let mut line = receive(&police, 0).await.unwrap();
    let statement = |body: &str| PublishRequest {
        statement: Some(Statement {
            body: body.into(),
            signature: vec![0; 64],
        }),
    };
    let own = r#"{"custodian":"harbour","epoch":1,"key":1}"#;
    keeper.publish(statement(own)).await.unwrap();
    let hint = next(&mut line).await;
    assert_eq!(hint.sequence, 0);
    let custody = delivery::Item::Hint(Hint::Custody.into());
    assert_eq!(hint.item, Some(custody));
    keeper.publish(statement(own)).await.unwrap();

    let other = r#"{"custodian":"harbour","epoch":1,"key":2}"#;
    let other = keeper.publish(statement(other)).await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition);
    let early = r#"{"custodian":"harbour","epoch":2,"key":1}"#;
    let early = keeper.publish(statement(early)).await.unwrap_err();
    assert_eq!(early.code(), Code::InvalidArgument);
    // Refreshed shares are stated beside the ones before, within a bound.
    let next = r#"{"custodian":"harbour","epoch":1,"generation":1,"key":3}"#;
    keeper.publish(statement(next)).await.unwrap();
    let far = r#"{"custodian":"harbour","epoch":1,"generation":18,"key":3}"#;
    let far = keeper.publish(statement(far)).await.unwrap_err();
    assert_eq!(far.code(), Code::InvalidArgument);
    let stranger = asking.publish(statement(own)).await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied);
    let kept = asking.statements(StatementsRequest { epoch: 1 }).await;
    let kept = kept.unwrap().into_inner().statements;
    // The only custodian has stated generation 1: the one before no longer matters.
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, next.as_bytes());
}
