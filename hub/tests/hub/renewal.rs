//! Renewing a certificate: several are good at once, and what is under way is not lost.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, SanType};
use symbolon_proto::certificates::certificates_client::CertificatesClient;
use symbolon_proto::certificates::{RenewReply, RenewRequest};
use symbolon_proto::custody::custody_client::CustodyClient;
use symbolon_proto::custody::{Answer, EvaluateReply, Evaluation, Task, answer, evaluate_reply};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::consortium::{Consortium, Member, pem};
use crate::custody::request;
use crate::transport::{ask, is_shut_out};

pub fn certificate_request(key: &KeyPair, name: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    let uri = format!("symbolon://north/{name}").try_into().unwrap();
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.serialize_request(key).unwrap().der().to_vec()
}

async fn renew(member: &Member, certificate_request: Vec<u8>) -> Result<RenewReply, Status> {
    let mut service = CertificatesClient::new(member.channel.clone());
    let request = RenewRequest {
        certificate_request,
    };
    Ok(service.renew(request).await?.into_inner())
}

impl Consortium {
    /// A connection with a renewed certificate.
    async fn renewed(&self, member: &Member) -> Member {
        let key = KeyPair::generate().unwrap();
        let reply = renew(member, certificate_request(&key, member.name.as_str())).await;
        let chain = reply.unwrap().certificate_chain;
        let chain: Vec<String> = chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        let (chain_pem, key_pem) = (chain.concat(), key.serialize_pem());
        let seed = member.signing.seed().clone();
        Member {
            name: member.name.clone(),
            signing: symbolon_core::crypto::SigningKey::from_seed(seed).unwrap(),
            channel: self.connect(&chain_pem, &key_pem).await.unwrap(),
            chain_pem,
            key_pem,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_certificate_stays_good_and_a_new_enrolment_ends_both() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let fresh = consortium.renewed(&harbour).await;
    for channel in [&harbour.channel, &fresh.channel] {
        ask(channel.clone()).await.unwrap();
    }
    let members = consortium.admin.members().await.unwrap();
    let listed = members.into_iter().find(|m| m.agency == "harbour");
    let serials = listed.unwrap().certificate_serials;
    assert_eq!(serials.len(), 2, "both are told: {serials:?}");
    assert_ne!(serials[0], serials[1]);
    let key = KeyPair::generate().unwrap();
    let again = certificate_request(&key, "harbour");
    let first = renew(&fresh, again.clone()).await.unwrap();
    assert_eq!(
        renew(&harbour, again).await.unwrap(),
        first,
        "the same answer"
    );
    assert_eq!(first.roots.len(), 1);
    for wrong in ["police", "admin/ada"] {
        let refused = renew(&fresh, certificate_request(&key, wrong)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    let hostile = renew(&fresh, b"hello".to_vec()).await;
    assert_eq!(hostile.unwrap_err().code(), Code::InvalidArgument);

    let consortium = consortium.restart().await;
    for member in [&harbour, &fresh] {
        let channel = consortium.connect(&member.chain_pem, &member.key_pem).await;
        ask(channel.unwrap()).await.unwrap();
    }
    let anew = consortium.enrol("harbour").await;
    ask(anew.channel.clone()).await.unwrap();
    for member in [&harbour, &fresh] {
        let channel = consortium.connect(&member.chain_pem, &member.key_pem).await;
        assert!(is_shut_out(channel).await, "superseded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_one_agency_are_bounded() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    for _ in 1..8 {
        consortium.renewed(&harbour).await;
    }
    let key = KeyPair::generate().unwrap();
    let one_more = || renew(&harbour, certificate_request(&key, "harbour"));
    assert_eq!(
        one_more().await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    let all = consortium.admin.certificates().await.unwrap();
    let last = all.iter().rfind(|one| one.subject.ends_with("/harbour"));
    let serial = last.unwrap().serial.clone();
    consortium
        .admin
        .revoke_certificate(&serial, "too many")
        .await
        .unwrap();
    one_more().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_custodians_line_drains_what_is_under_way() {
    let consortium = Consortium::found().await;
    let harbour = consortium.enrol("harbour").await;
    let police = consortium.enrol("police").await;
    let custodians = vec![harbour.name.clone()];
    consortium
        .admin
        .appoint_custodians(1, custodians)
        .await
        .unwrap();
    let mut old = CustodyClient::new(harbour.channel.clone());
    let (old_answers, outgoing) = tokio::sync::mpsc::channel(4);
    let old_tasks = old.attend(ReceiverStream::new(outgoing)).await.unwrap();
    let mut old_tasks = old_tasks.into_inner();
    let evaluate = || {
        let mut asking = CustodyClient::new(police.channel.clone());
        tokio::spawn(async move { asking.evaluate(request("police")).await })
    };
    let evaluated = |Task { number, .. }: Task, byte| Answer {
        number,
        outcome: Some(answer::Outcome::Evaluated(Evaluation {
            elements: vec![byte; 64],
            proof: vec![2; 64],
        })),
    };
    let elements = |reply: EvaluateReply| match reply.outcome {
        Some(evaluate_reply::Outcome::Evaluated(evaluation)) => evaluation.elements,
        _ => Vec::new(),
    };
    let first = evaluate();
    let asked_before = old_tasks.message().await.unwrap().unwrap();

    let fresh = consortium.renewed(&harbour).await;
    let mut new = CustodyClient::new(fresh.channel.clone());
    let (answers, outgoing) = tokio::sync::mpsc::channel(4);
    let tasks = new.attend(ReceiverStream::new(outgoing)).await.unwrap();
    let mut tasks = tasks.into_inner();
    let second = evaluate();
    let asked_after = tasks.message().await.unwrap().unwrap();
    answers.send(evaluated(asked_after, 8)).await.unwrap();
    let reply = second.await.unwrap().unwrap().into_inner();
    assert_eq!(elements(reply), vec![8; 64], "new tasks go to the new line");

    old_answers.send(evaluated(asked_before, 7)).await.unwrap();
    let reply = first.await.unwrap().unwrap().into_inner();
    assert_eq!(
        elements(reply),
        vec![7; 64],
        "the old line finishes its own"
    );
    let end = tokio::time::timeout(Duration::from_secs(20), old_tasks.message());
    assert!(end.await.unwrap().unwrap().is_none(), "and then it ends");

    // A line that breaks with a task on it loses the task at once, not after a time-out.
    let third = evaluate();
    tasks.message().await.unwrap().unwrap();
    drop((answers, tasks));
    assert_eq!(third.await.unwrap().unwrap_err().code(), Code::Unavailable);
}
